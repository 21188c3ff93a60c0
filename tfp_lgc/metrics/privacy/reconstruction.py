"""How near an artifact can come to an image."""

from typing import Iterator

import numpy as np

from tfp_lgc.artifact import Artifact
from tfp_lgc.data import array_split, Images

__all__ = ['component_means', 'distances']

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
  for part, decoded in _decoded(artifact, z, images.labels):
    difference = (images.images[part].astype(np.float64) - decoded) / 255
    parts.append(np.sqrt(np.square(difference).mean(axis=(1, 2, 3))))
  return np.concatenate(parts)


def component_means(artifact: Artifact) -> np.ndarray:
  """What the decoder makes of the mean of each component of each class that had
  images: uint8 `[T, H, W, C]`. Who has artifact.lgc alone can make them."""
  mixture = artifact.mixture
  # Where classes share components and the decoder is told none, once.
  once = mixture.is_shared and not artifact.num_conditions
  labels = [label for label, count in enumerate(artifact.class_counts)
            if count][:1 if once else None]
  means = ([mixture.loc[0]] if once
           else [mixture.components(label).loc for label in labels])
  return np.concatenate([decoded for _, decoded in _decoded(
      artifact, np.concatenate(means),
      np.repeat(labels, [len(loc) for loc in means]).astype(np.int32))])


def _decoded(artifact: Artifact, z: np.ndarray, labels: np.ndarray,
             ) -> Iterator[tuple[slice, np.ndarray]]:
  """Positions and uint8 images of latents, `BATCH_SIZE` at a time."""
  for first in range(0, len(z), BATCH_SIZE):
    part = slice(first, first + BATCH_SIZE)
    inputs = [z[part]]
    if artifact.num_conditions:
      inputs.append(labels[part])
    yield part, artifact.sampler.decode(*inputs)['image'].numpy()
