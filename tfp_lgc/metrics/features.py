"""The network in whose features images are compared.

Nothing is downloaded: it is a classifier that is trained on the data set, or
one that the user has as a file. Distances in the features of two networks
cannot be compared, so every result names its network.
"""

import dataclasses
import os
import zipfile

import numpy as np
import tensorflow as tf
import tf_keras as tfk

from tfp_lgc.autoencoder import to_unit
from tfp_lgc.config import EvaluateConfig
from tfp_lgc.data import Split
from tfp_lgc.errors import ConfigError
from tfp_lgc.metrics import frechet, tstr

__all__ = ['NAME', 'check', 'load', 'of', 'trained']

NAME = frechet.FEATURES
BATCH_SIZE = 250


def trained(train: Split, num_classes: int, config: EvaluateConfig, seed: int,
            ) -> tfk.Model:
  """The penultimate layer of the default judge, trained on real images.

  It was trained on the train images and knows them, so what is measured of them
  is no ceiling of what samples can reach. Another seed and other steps give
  another network: they belong to its name, see `Subject.feature_network`.

  Returns:
    A model of images in 0..1 `[B, H, W, C]` -> features `[B, 64]`.
  """
  return frechet.penultimate(tstr.train_judge(
      train, num_classes, dataclasses.replace(config, judge='cnn'), seed))


def load(path: str, image_shape: tuple[int, int, int]) -> tfk.Model:
  """A network out of a file.

  A file of a network is a program, and this runs it: open those of people you
  trust.

  ```python
  # Inception, of weights in a local file, as a file that can be named:
  tfk.Sequential([
      tfk.layers.Rescaling(2.0, -1.0, input_shape=(299, 299, 3)),
      tfk.applications.InceptionV3(include_top=False, pooling='avg',
                                   weights='inception.h5'),
  ]).save('inception.keras')
  ```

  Args:
    path: a Keras 2 model as `.keras` or as a SavedModel, float32 images in 0..1
      `[B, h, w, c]` -> features `[B, F]`.
    image_shape: `(H, W, C)` of the images it will be given; they are scaled to
      its h and w, where those are fixed, and gray images are repeated for its
      three channels.

  Raises:
    ConfigError: if there is none, or it is no such network.
  """
  what = f'feature_network = {path!r}'
  check(path)
  try:
    network = tfk.models.load_model(path, compile=False)
    inputs = images = tfk.Input(image_shape)
    _, height, width, channels = network.input_shape
    if (height, width) not in ((None, None), image_shape[:2]):
      images = tf.image.resize(images, [height, width], antialias=True)
    if (channels, image_shape[2]) == (3, 1):
      images = tf.repeat(images, 3, axis=-1)
    outputs = network(images, training=False)
    model = tfk.Model(inputs, outputs)
  except (OSError, LookupError, TypeError, ValueError, AttributeError,
          ImportError, zipfile.BadZipFile, tf.errors.OpError) as error:
    raise ConfigError(f'{what}: cannot be used on images of shape '
                      f'{image_shape}: {error}') from error
  if len(outputs.shape) != 2:
    raise ConfigError(f'{what}: gives features of shape {outputs.shape}; must '
                      'be [batch, features]')
  return model


def check(path: str) -> None:
  """Refuses what is neither kind of file; nothing of it is run."""
  is_keras = path.endswith('.keras') and zipfile.is_zipfile(path)
  if not is_keras and not os.path.isfile(os.path.join(path, 'saved_model.pb')):
    raise ConfigError(f'feature_network = {path!r}: must be a Keras model that '
                      'was saved as .keras or as a SavedModel')


def of(network: tfk.Model, images: np.ndarray) -> np.ndarray:
  """float32 `[N, F]` of uint8 images `[N, H, W, C]`.

  Raises:
    ConfigError: if some are not finite.
  """
  found = np.concatenate([
      network(to_unit(images[first:first + BATCH_SIZE])).numpy()
      for first in range(0, len(images), BATCH_SIZE)])
  wrong = len(found) - int(np.isfinite(found).all(axis=1).sum())
  if wrong:
    raise ConfigError(f'feature_network: gives features of {wrong:,} of '
                      f'{len(found):,} images that are not finite; try another '
                      'network')
  return found
