"""Gradients whose sum no example can move by more than a bound.

M. Abadi et al., Deep Learning with Differential Privacy, CCS 2016: the gradient
of each example is scaled down to a norm of at most C, and normal noise is added
to their sum. Networks of dense layers alone take two short cuts: I. Goodfellow,
Efficient Per-Example Gradient Computations, 2015, the norm of a gradient from
what goes into a layer and what comes back to it; X. Li et al., Large Language
Models Can Be Strong Differentially Private Learners, ICLR 2022, the clipped sum
without any gradient of one example.
"""

import contextlib
from typing import Callable, Iterator, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as tfk

from tfp_lgc.accounting import Mechanism
from tfp_lgc.autoencoder import Autoencoder
from tfp_lgc.config import TrainConfig
from tfp_lgc.entropy import Entropy
from tfp_lgc.head import as_it_is

__all__ = ['clipped_sum', 'is_dense', 'train']

# What rounding in float32 could make of a norm that is just C.
MARGIN = 1e-5
# Images at a time, with and without the short cuts.
MICROBATCH, SMALL_MICROBATCH = 512, 64


class _Call(NamedTuple):
  """One use of a dense layer.

  Attributes:
    layer: it.
    inputs: `[B, n]`.
    outputs: `[B, m]`, before the activation.
  """
  layer: tfk.layers.Dense
  inputs: tf.Tensor
  outputs: tf.Tensor


def _layers(model: Autoencoder) -> list[tfk.layers.Layer]:
  """Those of encoder and decoder that have weights."""
  return [layer for network in (model.encoder, model.decoder)
          for layer in network.layers if layer.weights]


def is_dense(model: Autoencoder) -> bool:
  """Whether all that is trained are dense layers with biases."""
  layers = _layers(model)
  of_layers = {id(variable) for layer in layers for variable in layer.weights}
  return (all(type(layer) is tfk.layers.Dense and layer.use_bias
              for layer in layers)
          and {id(variable) for variable in model.trainable_variables}
          == of_layers)


@contextlib.contextmanager
def _recorded(layers) -> Iterator[list[_Call]]:
  """Uses of dense layers while the block runs."""
  calls: list[_Call] = []

  def recording(layer):
    def call(inputs):
      outputs = tf.matmul(inputs, layer.kernel) + layer.bias
      calls.append(_Call(layer, inputs, outputs))
      return layer.activation(outputs)
    return call

  for layer in layers:
    layer.call = recording(layer)
  try:
    yield calls
  finally:
    for layer in layers:
      del layer.call


def _factors(squared_norm: tf.Tensor, present: tf.Tensor, clip_norm: float,
             ) -> tf.Tensor:
  """What each gradient is multiplied by, `[B]`; 0 if it is not finite."""
  norm = tf.sqrt(squared_norm) * (1.0 + MARGIN)
  factor = tf.minimum(1.0, clip_norm / tf.maximum(norm, 1e-30))
  return tf.where(tf.math.is_finite(norm), factor, 0.0) * present


@as_it_is
def _dense_sum(model, images, labels, seed, present, clip_norm):
  with _recorded(_layers(model)) as calls:
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      # Without variables on the tape nothing would be on it.
      tape.watch([layer.bias for layer in _layers(model)])
      loss = model.losses_of(images, labels, seed)['loss']
      # The mean over the batch, as a sum: row i is then of example i alone.
      total = loss * tf.cast(tf.shape(images)[0], tf.float32)
  backward = tape.gradient(total, [call.outputs for call in calls])
  squared = [tf.reduce_sum(tf.square(g), axis=1)
             * (1.0 + tf.reduce_sum(tf.square(call.inputs), axis=1))
             for call, g in zip(calls, backward)]
  factor = _factors(tf.add_n(squared), present, clip_norm)[:, tf.newaxis]
  result = {}
  for call, g in zip(calls, backward):
    # 0 times inf is to be 0.
    g = tf.math.multiply_no_nan(g, factor + tf.zeros_like(g))
    inputs = tf.where(factor > 0.0, call.inputs, 0.0)
    result[call.layer.kernel.ref()] = tf.matmul(inputs, g, transpose_a=True)
    result[call.layer.bias.ref()] = tf.reduce_sum(g, axis=0)
  return [result[variable.ref()] for variable in model.trainable_variables]


@as_it_is
def _any_sum(model, images, labels, seed, present, clip_norm):
  variables = model.trainable_variables

  def gradient(example):
    image, label, i = example
    with tf.GradientTape() as tape:
      loss = model.losses_of(image[tf.newaxis], label[tf.newaxis],
                             tf.random.fold_in(seed, i))['loss']
    return tape.gradient(loss, variables, unconnected_gradients='zero')

  each = tf.vectorized_map(
      gradient, (images, labels, tf.range(tf.shape(images)[0])))
  flat = [tf.reshape(g, [tf.shape(g)[0], -1]) for g in each]
  squared = [tf.reduce_sum(tf.square(g), axis=1) for g in flat]
  factor = _factors(tf.add_n(squared), present, clip_norm)[:, tf.newaxis]
  return [
      tf.reshape(tf.reduce_sum(tf.math.multiply_no_nan(
          g, factor + tf.zeros_like(g)), axis=0), variable.shape)
      for g, variable in zip(flat, variables)]


def clipped_sum(model: Autoencoder, images: tf.Tensor, labels: tf.Tensor,
                seed: tf.Tensor, present: tf.Tensor, clip_norm: float,
                ) -> list[tf.Tensor]:
  """The sum of the gradients of single examples, each of norm at most C.

  ```python
  clipped_sum(model, tf.zeros([8, *split.image_shape]), tf.range(8), [1, 2],
              present=tf.ones([8]), clip_norm=1.0)
  ```

  Args:
    model: whose loss is the mean of a loss of each example.
    images: uint8 `[B, H, W, C]`.
    labels: int32 `[B]`.
    seed: int32 `[2]`, of posterior draws.
    present: float32 `[B]`, 1, or 0 for a row that only fills the batch.
    clip_norm: C, of the gradient by all weights together.

  Returns:
    One tensor for each of `model.trainable_variables`. A gradient that is not
    finite counts as zero.
  """
  of = _dense_sum if is_dense(model) else _any_sum
  return of(model, images, labels, seed, present, clip_norm)


def train(model: Autoencoder, images: np.ndarray, labels: np.ndarray,
          mechanism: Mechanism, clip_norm: float, batch_size: float,
          config: TrainConfig, entropy: Entropy,
          on_step: Callable[[int], None] = lambda step: None) -> None:
  """DP-SGD with Adam: what `mechanism` says is all that weights learn.

  In each step every image takes part with the same probability, by itself.
  What the loss is, nobody asks: it is not in the budget.

  Args:
    model: with fresh weights, which it changes.
    images: uint8 `[N, H, W, C]`.
    labels: int32 `[N]`.
    mechanism: noise, sampling rate and steps.
    clip_norm: see `clipped_sum`.
    batch_size: what a sum is divided by, about the images of a step; not the
      exact number of images times the sampling rate, which is private.
    config: learning rate and its schedule.
    entropy: of the choice of images, the posterior draws and the noise.
    on_step: is told of steps done.
  """
  variables = model.trainable_variables
  all_images, all_labels = tf.constant(images), tf.constant(labels)

  @tf.function(reduce_retracing=True)
  def part(rows, present, seed):
    return clipped_sum(model, tf.gather(all_images, rows),
                       tf.gather(all_labels, rows), seed, present, clip_norm)

  size = MICROBATCH if is_dense(model) else SMALL_MICROBATCH
  learning_rate = config.learning_rate
  if config.learning_rate_schedule == 'cosine':
    learning_rate = tfk.optimizers.schedules.CosineDecay(learning_rate,
                                                         mechanism.steps)
  optimizer = tfk.optimizers.Adam(learning_rate)
  stddev = mechanism.noise_multiplier * clip_norm
  for step in range(mechanism.steps):
    rows = np.flatnonzero(
        entropy.uniform(len(images)) < mechanism.sampling_rate)
    total = [np.zeros(variable.shape) for variable in variables]
    for first in range(0, len(rows), size):
      some = rows[first:first + size]
      present = np.arange(size) < len(some)
      sums = part(tf.constant(np.resize(some, size)),
                  tf.constant(present, tf.float32), tf.constant(entropy.seed()))
      total = [a + b.numpy() for a, b in zip(total, sums)]
    optimizer.apply_gradients([
        (tf.constant((value + stddev * entropy.normal(value.shape))
                     / batch_size, tf.float32), variable)
        for value, variable in zip(total, variables)])
    on_step(step + 1)
