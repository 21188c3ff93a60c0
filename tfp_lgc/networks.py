"""Trunks of encoders and decoders, and the judge, as Keras models.

Every layer is named, because the names are those of the tensors in an
artifact, and seeded, because nothing here touches a global seed.
"""

import itertools
import math
from typing import Optional

import tensorflow as tf
import tf_keras as tfk

from tfp_lgc.config import ModelConfig
from tfp_lgc.heads import Head

__all__ = ['TRUNKS', 'decoder', 'encoder', 'judge', 'with_labels']

# A conv trunk halves an image until its longer side is at most this.
SMALLEST_SIDE = 8


def _joined(x: tf.Tensor, condition: Optional[tf.Tensor]) -> tf.Tensor:
  """`[B, P]` with the one-hot label, if there is one, at its end."""
  if condition is None:
    return x
  return tfk.layers.Concatenate(name='with_label')([x, condition])


def _dense_encoder(config: ModelConfig, x: tf.Tensor, condition,
                   init) -> tf.Tensor:
  x = _joined(tfk.layers.Flatten(name='flat')(x), condition)
  for i in range(2):
    x = tfk.layers.Dense(2 * config.hidden_size, 'relu', name=f'hidden_{i}',
                         kernel_initializer=init())(x)
  return x


def _dense_decoder(config: ModelConfig, z: tf.Tensor, head: Head,
                   init) -> tf.Tensor:
  x = tfk.layers.Dense(config.hidden_size, 'relu', name='hidden',
                       kernel_initializer=init())(z)
  return tfk.layers.Dense(head.params_size, name='params',
                          kernel_initializer=init())(x)


def _sides(image_shape) -> list[tuple[int, int]]:
  """Height and width at each resolution of a conv trunk, the image first."""
  sides = [tuple(image_shape[:2])]
  while len(sides) == 1 or max(sides[-1]) > SMALLEST_SIDE:
    sides.append(tuple(math.ceil(side / 2) for side in sides[-1]))
  return sides


def _conv_encoder(config: ModelConfig, x: tf.Tensor, condition,
                  init) -> tf.Tensor:
  for i in range(len(_sides(x.shape[1:])) - 1):
    x = tfk.layers.Conv2D(
        config.num_filters * min(i + 1, 2), 4, 2, 'same',
        activation='relu', name=f'down_{i}', kernel_initializer=init())(x)
  return _joined(tfk.layers.Flatten(name='flat')(x), condition)


def _conv_decoder(config: ModelConfig, z: tf.Tensor, head: Head,
                  init) -> tf.Tensor:
  """Upsampling convolutions; each block of the head is maps of its own."""
  sides = _sides(head.event_shape)[::-1]
  filters = config.num_filters
  x = tfk.layers.Dense(math.prod(sides[0]) * filters, 'relu', name='hidden',
                       kernel_initializer=init())(z)
  x = tfk.layers.Reshape(sides[0] + (filters,), name='grid')(x)
  num_maps = [shape[-1] for shape in head.blocks.values()]
  for i, (height, width) in enumerate(sides[1:]):
    last = i == len(sides) - 2
    x = tfk.layers.Conv2DTranspose(
        sum(num_maps) if last else filters, 4, 2, 'same',
        activation=None if last else 'relu',
        name='params' if last else f'up_{i}', kernel_initializer=init())(x)
    # Doubling overshoots where halving rounded up.
    x = x[:, :height, :width]
  maps = tf.split(x, num_maps, axis=-1)  # each [B, H, W, C]
  flat = tfk.layers.Flatten(name='flat')
  return tf.concat([flat(block) for block in maps], axis=-1)  # [B, P]


# Trunk -> its encoder and its decoder.
TRUNKS = {'dense': (_dense_encoder, _dense_decoder),
          'conv': (_conv_encoder, _conv_decoder)}


def _initializers(seed: int):
  """A function that gives another seeded initializer at each call."""
  seeds = itertools.count(seed * 1000)
  return lambda: tfk.initializers.GlorotUniform(seed=next(seeds) % 2**31)


def encoder(config: ModelConfig, image_shape, params_size: int,
            num_conditions: int = 0, seed: int = 0) -> tfk.Model:
  """The network of q(z | x) or q(z | x, y).

  Args:
    config: sizes and trunk.
    image_shape: `(H, W, C)`.
    params_size: numbers that it gives for an image.
    num_conditions: classes whose one-hot label is a second input; 0 for none.
    seed: of the initial weights.

  Returns:
    A model of images in 0..1 `[B, H, W, C]`, or of `[images, one_hot]`.
  """
  init = _initializers(2 * seed)
  inputs = x = tfk.Input(image_shape)
  condition = None
  if num_conditions:
    condition = tfk.Input([num_conditions])
    inputs = [x, condition]
  hidden = TRUNKS[config.trunk][0](config, x, condition, init)
  params = tfk.layers.Dense(params_size, name='params',
                            kernel_initializer=init())(hidden)
  return tfk.Model(inputs, params, name='encoder')


def decoder(config: ModelConfig, head: Head, num_conditions: int = 0,
            seed: int = 0) -> tfk.Model:
  """The network of p(x | z) or p(x | z, y): latents, followed by the one-hot
  label if there are conditions, `[B, latent_size + num_conditions]` -> head
  parameters `[B, head.params_size]`."""
  z = tfk.Input([config.latent_size + num_conditions])
  params = TRUNKS[config.trunk][1](config, z, head, _initializers(2 * seed + 1))
  return tfk.Model(z, params, name='decoder')


def with_labels(z: tf.Tensor, labels: Optional[tf.Tensor],
                num_conditions: int) -> tf.Tensor:
  """Latents `[B, d]`, followed by one-hot labels if a decoder is told them."""
  if not num_conditions:
    return z
  return tf.concat([z, tf.one_hot(labels, num_conditions)], axis=-1)


def judge(image_shape, num_classes: int, seed: int = 0) -> tfk.Model:
  """The default judge: images in 0..1 `[B, H, W, C]` -> logits `[B, classes]`.

  Two convolutions of 16 and 32 filters, each with ReLU and pooling, a dense
  layer of 64. It works from 1 x 1 pixels on.
  """
  init = _initializers(seed)
  x = inputs = tfk.Input(image_shape)
  for i, filters in enumerate((16, 32)):
    x = tfk.layers.Conv2D(filters, 3, padding='same', activation='relu',
                          name=f'conv_{i}', kernel_initializer=init())(x)
    x = tfk.layers.MaxPool2D(2, padding='same', name=f'pool_{i}')(x)
  x = tfk.layers.Flatten(name='flat')(x)
  x = tfk.layers.Dense(64, 'relu', name='hidden', kernel_initializer=init())(x)
  logits = tfk.layers.Dense(num_classes, name='logits',
                            kernel_initializer=init())(x)
  return tfk.Model(inputs, logits, name='judge')
