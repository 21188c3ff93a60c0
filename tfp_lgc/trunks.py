"""Trunks: the layers between images and the numbers at either end of a model.

Every layer is named, because the names are those of the tensors in an
artifact, and seeded, because nothing here touches a global seed.
"""

import itertools
import math
from typing import Any, Callable, NamedTuple, Optional

import tensorflow as tf
import tf_keras as tfk

from tfp_lgc.config import ModelConfig
from tfp_lgc.head import Head

__all__ = ['Layers', 'Trunk', 'conv', 'dense', 'flat', 'halved', 'joined',
           'num_maps', 'pooled', 'scaled', 'split_maps']

# A conv trunk halves an image until its longer side is at most this.
SMALLEST_SIDE = 8


class Layers:
  """Makes the layers of one network.

  Attributes:
    batch_norm: whether `norm` normalizes; the decoder of an artifact has that
      folded into its weights, see folding.py.
    start: what the initial weights of the layers that give the parameters of
      a head, `params` and `rest`, are multiplied by.
  """

  def __init__(self, seed: int, batch_norm: bool = True, start: float = 1.0):
    self.batch_norm, self.start = batch_norm, start
    self._seeds = itertools.count(seed * 1000)

  def _init(self, name: str) -> tfk.initializers.Initializer:
    """Glorot's uniform; its scale is that of a variance."""
    start = self.start if name in ('params', 'rest') else 1.0
    return tfk.initializers.VarianceScaling(
        start**2, 'fan_avg', 'uniform', seed=next(self._seeds) % 2**31)

  def dense(self, x, units: int, name: str, activation=None):
    return tfk.layers.Dense(units, activation, name=name,
                            kernel_initializer=self._init(name))(x)

  def conv(self, x, filters: int, name: str, activation=None, size: int = 4,
           strides: int = 2, padding: str = 'same'):
    return tfk.layers.Conv2D(filters, size, strides, padding, name=name,
                             activation=activation,
                             kernel_initializer=self._init(name))(x)

  def deconv(self, x, filters: int, name: str, activation=None):
    """Twice as high and wide."""
    return tfk.layers.Conv2DTranspose(filters, 4, 2, 'same', name=name,
                                      activation=activation,
                                      kernel_initializer=self._init(name))(x)

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
    code_size: (config, image_shape) -> n, for a trunk without that dense
      layer, whose latents are what the encoder returns; else None.
  """
  encoder: Callable
  decoder: Callable
  latent_activation: Callable[[ModelConfig], Optional[str]] = (
      lambda config: None)
  code_size: Optional[Callable[..., int]] = None


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


def pooled(x: tf.Tensor) -> tf.Tensor:
  """Maps `[B, H, W, C]` as their means `[B, C]`."""
  return tfk.layers.GlobalAveragePooling2D(name='pooled')(x)


def split_maps(x: tf.Tensor, features: tf.Tensor, head: Head, layers: Layers,
               ) -> tf.Tensor:
  """Maps as parameters of a head.

  Args:
    x: `[B, H, W, num_maps(head)]`. Each block of the head that consists of
      images has maps of its own, so that its numbers keep their places.
    features: `[B, n]`, of which a dense layer, `rest`, makes the other blocks.
    head: whose parameters they are.
    layers: makes that layer.

  Returns:
    `[B, head.params_size]`.
  """
  size = head.params_size - x.shape[1] * x.shape[2] * x.shape[3]
  rest: Any = layers.dense(features, size, 'rest') if size else None
  parts, first_map, first = [], 0, 0
  for shape in head.blocks.values():
    if n := _maps_of(shape, head):
      part = x[..., first_map:first_map + n]  # [B, H, W, K C]
      if len(shape) == 4:
        part = tf.reshape(part, [-1, *x.shape[1:3], shape[0], shape[3]])
        part = tf.transpose(part, [0, 3, 1, 2, 4])
      parts.append(tf.reshape(part, [-1, math.prod(shape)]))
      first_map += n
    else:
      parts.append(rest[:, first:first + math.prod(shape)])
      first += math.prod(shape)
  return tf.concat(parts, axis=-1)


def _maps_of(shape: tuple[int, ...], head: Head) -> int:
  """How many maps a block of images `(H, W, C)` or `(K, H, W, C)` takes; 0 if
  it is of something else."""
  if shape[-3:] != head.event_shape:
    return 0
  return math.prod(shape) // math.prod(head.event_shape[:2])


def num_maps(head: Head) -> int:
  """Of all blocks."""
  return sum(_maps_of(shape, head) for shape in head.blocks.values())


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
  """Upsampling convolutions.

  A dense layer to many maps is most of such a decoder; where it makes
  `grid_filters` maps, a convolution makes many of these.
  """
  filters = scaled(config, config.num_filters)
  sides = halved(head.event_shape, _num_halvings(head.event_shape))[::-1]
  is_narrow = config.grid_filters > 0
  num_first = scaled(config, config.grid_filters) if is_narrow else filters
  x = layers.dense(z, math.prod(sides[0]) * num_first, 'hidden',
                   None if is_narrow else 'relu')
  x = grid = tfk.layers.Reshape(sides[0] + (num_first,), name='grid')(x)
  if is_narrow:
    x = grid = layers.conv(x, filters, 'widened', 'relu', size=3, strides=1)
  for i, (height, width) in enumerate(sides[1:]):
    if i == len(sides) - 2:
      x = layers.deconv(x, num_maps(head), 'params')
    else:
      x = layers.deconv(x, filters, f'up_{i}', 'relu')
    # Doubling overshoots where halving rounded up.
    x = x[:, :height, :width]
  return split_maps(x, pooled(grid), head, layers)


dense = Trunk(_dense_encoder, _dense_decoder)
conv = Trunk(_conv_encoder, _conv_decoder)
