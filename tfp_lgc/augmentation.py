"""More labelled images out of those that one has."""

import math
import numbers
import os
from typing import Union

import numpy as np
import tensorflow as tf

from tfp_lgc.arrays import check_images, encode_labels
from tfp_lgc.artifact import Artifact
from tfp_lgc.data import array_split, Images
from tfp_lgc.errors import ConfigError, DataError
from tfp_lgc.opening import load_with_encoder

__all__ = ['augment', 'component_images']

# Images that are decoded in one go: a component each takes memory.
BATCH_SIZE = 100


def component_images(artifact: Artifact, z: np.ndarray, labels: np.ndarray,
                     ) -> tuple[np.ndarray, np.ndarray]:
  """The component means of the mixture of images that latents decode to.

  S. Ciobanu, Vanilla Probabilistic Autoencoder, CAINE 2021, figure 4; of a
  Student's t the location.

  Args:
    artifact: whose head is a mixture, but not of flows.
    z: float32 `[N, d]`.
    labels: int32 `[N]`.

  Returns:
    images: uint8 `[N, K, H, W, C]`.
    log_densities: float32 `[N, K]`, of the mixture at each mean, nats an image.

  Raises:
    ConfigError: for another head.
  """
  head = artifact.model.head
  if not artifact.model.head_num_components or head == 'maf':
    raise ConfigError(
        f'head = {head}, head_num_components = '
        f'{artifact.model.head_num_components}: has no components that are '
        'images; compress with --head_num_components=10 and another head than '
        'maf')
  sampler = artifact.sampler

  @tf.function(reduce_retracing=True)
  def components(z, labels):
    points, log_densities = sampler.head.component_images(
        sampler.params(z, labels))
    points = tf.round(255 * tf.clip_by_value(points, 0.0, 1.0))
    return tf.cast(points, tf.uint8), log_densities

  parts = [components(z[first:first + BATCH_SIZE],
                      labels[first:first + BATCH_SIZE])
           for first in range(0, len(z), BATCH_SIZE)]
  images, log_densities = zip(*parts)
  return np.concatenate(images), np.concatenate(log_densities)


def augment(model_dir: Union[Artifact, str, os.PathLike], images,
            threshold: float) -> Images:
  """Component means of a mixture head as extra labelled images.

  Each image is encoded and decoded; of the K components of the likelihood
  p(x | z), those are returned at whose mean the mixture is dense enough.

  ```python
  extra = tfp_lgc.augment('out', (images, labels), threshold=-725.0)
  extra.images, extra.labels   # labels are positions in extra.class_names
  ```

  S. Ciobanu, Vanilla Probabilistic Autoencoder, CAINE 2021, section 3.3.

  Args:
    model_dir: where `bin/compress --head_num_components=K` wrote to, or an
      `Artifact` that has its encoder.
    images: `(images, labels)` as for `compress`, or `Images`, of the size and
      classes of the artifact; labels are class names.
    threshold: log-density of the mixture at the mean of a component, nats an
      image, below which that component is left out; -inf for all of them.
      `bin/report` shows such densities, and their quantiles over many images.
      Their scale is that of the head: with unit scales they are at most -0.92 a
      pixel. They are those of the means before these are clipped to 0..1.

  Returns:
    At most K images for each one, in their order, with its label; there may be
    none.

  Raises:
    ConfigError: if the head is no mixture, or threshold is nan.
    DataError: for images of another form or of unknown classes.
    ArtifactError: if the encoder is missing.
  """
  artifact = load_with_encoder(model_dir)
  if not (isinstance(threshold, numbers.Real)
          and not math.isnan(float(threshold))):
    raise ConfigError(f'threshold = {threshold!r}: must be a number; -inf '
                      'keeps all')
  assert artifact.encoder
  value_range = artifact.encoder.config.data.value_range
  if isinstance(images, Images):  # They were uint8 from 0 to 255 all along.
    images = images.images, np.array(images.class_names)[images.labels]
    value_range = ''
  if not isinstance(images, (tuple, list)) or len(images) != 2:
    raise DataError(f'images: got {type(images).__name__}; must be (images, '
                    'labels) or Images')
  x, labels = images
  x = check_images(x, 'images', value_range)
  if not len(x):
    raise DataError('images: got none; must be at least one')
  if x.shape[1:] != artifact.image_shape:
    raise DataError(f'images: are {x.shape[1:]}, those of the artifact '
                    f'{artifact.image_shape}; must be the same')
  labels, _ = encode_labels(labels, len(x), 'labels', artifact.class_names)
  z = artifact.encoder.latents(array_split(x, labels, keep_order=True))
  points, log_densities = component_images(artifact, z, labels)
  kept = log_densities >= threshold  # [N, K]
  return Images(points[kept], np.repeat(labels, kept.sum(axis=1)),
                artifact.class_names)
