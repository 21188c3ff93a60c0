"""Encoders, decoders and the teacher, as Keras models."""

from typing import Optional

import tensorflow as tf
import tf_keras as tfk

from tfp_lgc import paper_trunks, trunks
from tfp_lgc.config import ModelConfig
from tfp_lgc.head import Head
from tfp_lgc.trunks import Layers

__all__ = ['TRUNKS', 'code_size', 'decoder', 'encoder', 'teacher',
           'with_labels']

TRUNKS = {'dense': trunks.dense, 'conv': trunks.conv,
          'lgc': paper_trunks.lgc, 'gmm_dae': paper_trunks.gmm_dae,
          'vpa_mlp': paper_trunks.vpa_mlp, 'vpa_cnn': paper_trunks.vpa_cnn,
          'vpa_cnn_aligned': paper_trunks.vpa_cnn_aligned}


def code_size(config: ModelConfig, image_shape) -> Optional[int]:
  """Size of the latents of a trunk that leaves no choice; None for others,
  which have `latent_size` of them."""
  trunk = TRUNKS[config.trunk]
  return trunk.code_size and trunk.code_size(config, image_shape)


def encoder(config: ModelConfig, image_shape, params_size: int,
            num_conditions: int = 0, seed: int = 0) -> tfk.Model:
  """The network of q(z | x) or q(z | x, y).

  Args:
    config: sizes and trunk.
    image_shape: `(H, W, C)`.
    params_size: numbers that it gives for an image; `code_size`, if that is
      not None.
    num_conditions: classes whose one-hot label is a second input; 0 for none.
    seed: of the initial weights.

  Returns:
    A model of images in 0..1 `[B, H, W, C]`, or of `[images, one_hot]`.
  """
  layers, trunk = Layers(2 * seed), TRUNKS[config.trunk]
  inputs = x = tfk.Input(image_shape)
  condition = None
  if num_conditions:
    condition = tfk.Input([num_conditions])
    inputs = [x, condition]
  hidden = trunk.encoder(config, x, condition, layers)
  if trunk.code_size is None:
    hidden = layers.dense(hidden, params_size, 'params',
                          trunk.latent_activation(config))
  return tfk.Model(inputs, hidden, name='encoder')


def decoder(config: ModelConfig, head: Head, num_conditions: int = 0,
            seed: int = 0, batch_norm: bool = True) -> tfk.Model:
  """The network of p(x | z) or p(x | z, y).

  Args:
    config: sizes and trunk.
    head: whose parameters it gives.
    num_conditions: as of the encoder.
    seed: of the initial weights.
    batch_norm: False for that of an artifact, which has it in its weights.

  Returns:
    A model of latents, followed by the one-hot label if there are conditions,
    `[B, latent_size + num_conditions]` -> `[B, head.params_size]`.
  """
  latent_size = code_size(config, head.event_shape) or config.latent_size
  z = tfk.Input([latent_size + num_conditions])
  params = TRUNKS[config.trunk].decoder(
      config, z, head, Layers(2 * seed + 1, batch_norm, head.start))
  return tfk.Model(z, params, name='decoder')


def with_labels(z: tf.Tensor, labels: Optional[tf.Tensor],
                num_conditions: int) -> tf.Tensor:
  """Latents `[B, d]`, followed by one-hot labels if a decoder is told them."""
  if not num_conditions:
    return z
  return tf.concat([z, tf.one_hot(labels, num_conditions)], axis=-1)


def teacher(image_shape, num_classes: int, seed: int = 0) -> tfk.Model:
  """A classifier whose features images are compared by in training.

  Unlike any of `judges.NETWORKS`: convolutions of 16, 32 and 32 filters,
  the first two of which stride over every other pixel, a dense layer of 64,
  all with GELU. What guided the training must not be what judges it.

  Returns:
    A model of images in 0..1 `[B, H, W, C]` -> logits `[B, classes]` and the
    outputs of the four layers.
  """
  layers = Layers(seed)
  x = inputs = tfk.Input(image_shape)
  features = []
  for i, (filters, size, strides) in enumerate(
      ((16, 5, 2), (32, 3, 2), (32, 3, 1))):
    x = layers.conv(x, filters, f'conv_{i}', 'gelu', size, strides)
    features.append(x)
  features.append(layers.dense(trunks.flat(x), 64, 'hidden', 'gelu'))
  logits = layers.dense(features[-1], num_classes, 'logits')
  return tfk.Model(inputs, [logits, *features], name='teacher')
