"""Trunks: the layers between images and the numbers at either end of a model.

Every layer is named, because the names are those of the tensors in an
artifact, and seeded, because nothing here touches a global seed.
"""

import itertools
import math
from typing import Callable, NamedTuple, Optional

import tensorflow as tf
import tf_keras as tfk

from tfp_lgc.config import ModelConfig
from tfp_lgc.heads import Head

__all__ = ['Layers', 'Trunk', 'conv', 'dense', 'flat', 'halved', 'joined',
           'num_maps', 'scaled', 'split_maps']

# A conv trunk halves an image until its longer side is at most this.
SMALLEST_SIDE = 8


class Layers:
  """Makes the layers of one network.

  Attributes:
    batch_norm: whether `norm` normalizes; the decoder of an artifact has that
      folded into its weights, see folding.py.
  """

  def __init__(self, seed: int, batch_norm: bool = True):
    self.batch_norm = batch_norm
    self._seeds = itertools.count(seed * 1000)

  def _init(self) -> tfk.initializers.Initializer:
    return tfk.initializers.GlorotUniform(seed=next(self._seeds) % 2**31)

  def dense(self, x, units: int, name: str, activation=None):
    return tfk.layers.Dense(units, activation, name=name,
                            kernel_initializer=self._init())(x)

  def conv(self, x, filters: int, name: str, activation=None, size: int = 4,
           strides: int = 2):
    return tfk.layers.Conv2D(filters, size, strides, 'same', name=name,
                             activation=activation,
                             kernel_initializer=self._init())(x)

  def deconv(self, x, filters: int, name: str, activation=None):
    """Twice as high and wide."""
    return tfk.layers.Conv2DTranspose(filters, 4, 2, 'same', name=name,
                                      activation=activation,
                                      kernel_initializer=self._init())(x)

  def norm(self, x, name: str):
    if not self.batch_norm:
      return x
    return tfk.layers.BatchNormalization(name=f'{name}_norm')(x)


class Trunk(NamedTuple):
  """The layers of encoder and decoder.

  Attributes:
    encoder: (config, images `[B, H, W, C]` in 0..1, one-hot labels or None,
      layers) -> `[B, n]`, from which a dense layer makes the parameters of the
      posterior.
    decoder: (config, latents `[B, d]`, head, layers) -> its parameters
      `[B, head.params_size]`.
    latent_activation: config -> of that dense layer.
  """
  encoder: Callable
  decoder: Callable
  latent_activation: Callable[[ModelConfig], Optional[str]] = (
      lambda config: None)


def scaled(config: ModelConfig, size: int) -> int:
  """A number of units or filters, times `width`."""
  return max(1, round(config.width * size))


def joined(x: tf.Tensor, condition: Optional[tf.Tensor]) -> tf.Tensor:
  """`[B, P]` with the one-hot label, if there is one, at its end."""
  if condition is None:
    return x
  return tfk.layers.Concatenate(name='with_label')([x, condition])


def flat(x: tf.Tensor) -> tf.Tensor:
  return tfk.layers.Flatten(name='flat')(x)


def halved(image_shape, times: int) -> list[tuple[int, int]]:
  """Height and width of an image, and as it is halved, rounding up."""
  sides = [tuple(image_shape[:2])]
  for _ in range(times):
    sides.append(tuple(math.ceil(side / 2) for side in sides[-1]))
  return sides


def split_maps(x: tf.Tensor, head: Head) -> tf.Tensor:
  """Maps `[B, H, W, P / (H W)]` as parameters `[B, P]`, each block of the head
  from maps of its own."""
  maps = tf.split(x, num_maps(head), axis=-1)  # each [B, H, W, C]
  flatten = tfk.layers.Flatten(name='flat')  # One layer: names are unique.
  return tf.concat([flatten(block) for block in maps], axis=-1)


def num_maps(head: Head) -> list[int]:
  return [shape[-1] for shape in head.blocks.values()]


def _dense_encoder(config, x, condition, layers):
  x = joined(flat(x), condition)
  for i in range(2):
    x = layers.dense(x, 2 * scaled(config, config.hidden_size), f'hidden_{i}',
                     'relu')
  return x


def _dense_decoder(config, z, head, layers):
  x = layers.dense(z, scaled(config, config.hidden_size), 'hidden', 'relu')
  return layers.dense(x, head.params_size, 'params')


def _num_halvings(image_shape) -> int:
  """Once at least, then as often as it takes to be small."""
  side, times = math.ceil(max(image_shape[:2]) / 2), 1
  while side > SMALLEST_SIDE:
    side, times = math.ceil(side / 2), times + 1
  return times


def _conv_encoder(config, x, condition, layers):
  filters = scaled(config, config.num_filters)
  for i in range(_num_halvings(x.shape[1:])):
    x = layers.conv(x, filters * min(i + 1, 2), f'down_{i}', 'relu')
  return joined(flat(x), condition)


def _conv_decoder(config, z, head, layers):
  """Upsampling convolutions."""
  sides = halved(head.event_shape, _num_halvings(head.event_shape))[::-1]
  filters = scaled(config, config.num_filters)
  x = layers.dense(z, math.prod(sides[0]) * filters, 'hidden', 'relu')
  x = tfk.layers.Reshape(sides[0] + (filters,), name='grid')(x)
  for i, (height, width) in enumerate(sides[1:]):
    if i == len(sides) - 2:
      x = layers.deconv(x, sum(num_maps(head)), 'params')
    else:
      x = layers.deconv(x, filters, f'up_{i}', 'relu')
    # Doubling overshoots where halving rounded up.
    x = x[:, :height, :width]
  return split_maps(x, head)


dense = Trunk(_dense_encoder, _dense_decoder)
conv = Trunk(_conv_encoder, _conv_decoder)
