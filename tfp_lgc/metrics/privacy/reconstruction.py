"""How near an artifact can come to an image."""

import numpy as np

from tfp_lgc.artifact import Artifact
from tfp_lgc.data import array_split, Images

__all__ = ['distances']

BATCH_SIZE = 1000


def distances(artifact: Artifact, images: Images) -> np.ndarray:
  """Root of the mean squared difference of a pixel in 0..1 between an image
  and what the decoder makes of the mean of its posterior.

  Args:
    artifact: with its encoder.
    images: N of them.

  Returns:
    float64 `[N]`.
  """
  assert artifact.encoder is not None
  z = artifact.encoder.latents(array_split(images.images, images.labels,
                                           keep_order=True))
  parts = []
  for first in range(0, len(z), BATCH_SIZE):
    part = slice(first, first + BATCH_SIZE)
    inputs = [z[part]]
    if artifact.num_conditions:
      inputs.append(images.labels[part])
    decoded = artifact.sampler.decode(*inputs)['image'].numpy()
    difference = (images.images[part].astype(np.float64) - decoded) / 255
    parts.append(np.sqrt(np.square(difference).mean(axis=(1, 2, 3))))
  return np.concatenate(parts)
