"""A masked autoregressive flow: what an output head may be pushed through.

G. Papamakarios, T. Pavlakou, I. Murray, Masked Autoregressive Flow for Density
Estimation, NeurIPS 2017. A density takes one pass through the network, a draw
one step per pixel; training takes densities alone.
"""

import math
from typing import Callable

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras as tfk

__all__ = ['Flow', 'HIDDEN_SIZE', 'weight_shapes']

tfb, tfd = tfp.bijectors, tfp.distributions

# Units of the one hidden layer; S. Ciobanu, Vanilla Probabilistic Autoencoder,
# 2021.
HIDDEN_SIZE = 10


def weight_shapes(event_shape) -> dict[str, tuple[int, ...]]:
  """Name -> shape of each weight of a flow, which need not be made for it."""
  size = math.prod(event_shape)
  return {'hidden/kernel': (size, HIDDEN_SIZE), 'hidden/bias': (HIDDEN_SIZE,),
          'params/kernel': (HIDDEN_SIZE, 2 * size), 'params/bias': (2 * size,)}


class Flow(tfk.layers.Layer):  # A layer: Keras trains what it tracks.
  """x_i = shift_i + scale_i u_i, where shift and scale depend on the pixels
  before the i-th; rows from above, channels last.

  ```python
  flow = Flow((28, 28, 1), positive=lambda raw: 0.05 + tf.math.softplus(raw))
  base = tfd.Independent(tfd.Normal(tf.zeros([28, 28, 1]), 1.0), 3)
  flow.distribution(base).log_prob(base.sample())   # [], nats
  ```

  Attributes:
    named: the weights by the names that they have in an artifact, see
      `weight_shapes`.
  """

  def __init__(self, event_shape, positive: Callable, seed: int = 0):
    """Makes the network.

    Args:
      event_shape: `(H, W, C)`.
      positive: any number -> the scale of a pixel. Not the exponential of the
        paper: that has no floor, and pixels that are always black would take
        it to zero.
      seed: of the initial weights.
    """
    super().__init__(name='flow')
    self._event_shape, self._positive = tuple(event_shape), positive
    size = math.prod(event_shape)
    self._network = tfb.AutoregressiveNetwork(
        params=2, event_shape=[size], hidden_units=[HIDDEN_SIZE],
        activation='relu',
        kernel_initializer=tfk.initializers.GlorotUniform(seed))
    self._network.build([None, size])
    self.named = dict(zip(weight_shapes(event_shape),
                          self._network.trainable_variables))

  def _shift_and_log_scale(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    shift, raw = tf.unstack(self._network(x), axis=-1)
    return shift, tf.math.log(self._positive(raw))

  def distribution(self, base: tfd.Distribution) -> tfd.Distribution:
    """What draws from `base`, over `[H, W, C]`, become."""
    size = math.prod(self._event_shape)
    return tfd.TransformedDistribution(base, tfb.Chain([
        tfb.Reshape(self._event_shape, [size]),
        tfb.MaskedAutoregressiveFlow(self._shift_and_log_scale),
        tfb.Reshape([size], self._event_shape)]))

  def forward(self, u: tf.Tensor) -> tf.Tensor:
    """Images of draws from the base, both `[..., H, W, C]`.

    A pixel adds its share to the hidden layer as soon as it is there. So all D
    of them cost as much as one pass through the network, where TFP's bijector
    makes D passes.
    """
    size = math.prod(self._event_shape)
    columns = tf.transpose(tf.reshape(u, [-1, size]))  # [D, N]
    kernel = self.named['hidden/kernel']
    out_kernel = tf.transpose(
        tf.reshape(self.named['params/kernel'], [HIDDEN_SIZE, size, 2]),
        [1, 0, 2])  # [D, hidden, 2]
    out_bias = tf.reshape(self.named['params/bias'], [size, 2])

    def step(i, hidden, pixels):
      out = tf.nn.relu(hidden) @ out_kernel[i] + out_bias[i]  # [N, 2]
      x = out[:, 0] + self._positive(out[:, 1]) * columns[i]
      return i + 1, hidden + x[:, tf.newaxis] * kernel[i], pixels.write(i, x)

    hidden = tf.tile(self.named['hidden/bias'][tf.newaxis],
                     [tf.shape(columns)[1], 1])
    *_, pixels = tf.while_loop(
        lambda i, *_: i < size, step,
        (0, hidden, tf.TensorArray(u.dtype, size)))
    return tf.reshape(tf.transpose(pixels.stack()), tf.shape(u))
