"""Output heads: what a decoder's numbers mean, as a TFP distribution.

A head splits the last layer's numbers into named blocks and makes the
likelihood p(x | z) of them. Its `point` is the one image that stands for the
distribution; it is written in plain TensorFlow, because it travels in the
exported SavedModel, where TFP is not to be needed.
"""

import dataclasses
import math
from typing import Callable

import tensorflow as tf
import tensorflow_probability as tfp

__all__ = ['HEADS', 'Head', 'bernoulli', 'normal_diag', 'normal_unit']

tfd = tfp.distributions


@dataclasses.dataclass(frozen=True)
class Head:  # No tuple: Keras would wrap that, and a wrapper is not callable.
  """A likelihood of images in terms of unconstrained numbers.

  ```python
  head = heads.bernoulli((28, 28, 1))
  distribution = head(params)   # params: [..., head.params_size]
  distribution.log_prob(x)      # x: [..., 28, 28, 1] in 0..1 -> [...], nats
  ```

  Attributes:
    event_shape: `(H, W, C)`.
    blocks: name -> shape of each parameter of one image, in the order in which
      they lie in `params`.
    make: maps a dict of blocks `[..., *shape]` to a `tfd.Distribution` over
      `event_shape`.
    point: maps the same dict to one image `[..., H, W, C]`.
  """
  event_shape: tuple[int, int, int]
  blocks: dict[str, tuple[int, ...]]
  make: Callable
  point: Callable

  @property
  def params_size(self) -> int:
    """How many numbers the decoder gives for one image."""
    return sum(math.prod(shape) for shape in self.blocks.values())

  def split(self, params: tf.Tensor) -> dict[str, tf.Tensor]:
    """`[..., params_size]` as a dict of blocks `[..., *shape]`."""
    sizes = [math.prod(shape) for shape in self.blocks.values()]
    parts = tf.split(params, sizes, axis=-1)
    batch_shape = tf.shape(params)[:-1]
    return {name: tf.reshape(part, tf.concat([batch_shape, shape], 0))
            for (name, shape), part in zip(self.blocks.items(), parts)}

  def __call__(self, params: tf.Tensor) -> tfd.Distribution:
    return self.make(self.split(params))

  def point_image(self, params: tf.Tensor) -> tf.Tensor:
    """The image that stands for the distribution, `[..., H, W, C]`, clipped to
    0..1."""
    return tf.clip_by_value(self.point(self.split(params)), 0.0, 1.0)


def bernoulli(event_shape, min_stddev: float = 0.0) -> Head:
  """Independent Bernoulli pixels; gray pixels count as probabilities.

  The log-probability of a gray pixel x is x ln p + (1 - x) ln(1 - p), the
  binary cross-entropy that the LGC paper trains with, not a density.

  Args:
    event_shape: `(H, W, C)`.
    min_stddev: not used; a Bernoulli has no scale.
  """
  del min_stddev
  return Head(
      tuple(event_shape), {'logits': tuple(event_shape)},
      lambda b: tfd.Independent(
          tfd.Bernoulli(logits=b['logits'], dtype=tf.float32), 3),
      lambda b: tf.math.sigmoid(b['logits']))


def normal_unit(event_shape, min_stddev: float = 0.0) -> Head:
  """Independent normal pixels of scale 1: half the squared error, and a
  constant.

  Args:
    event_shape: `(H, W, C)`.
    min_stddev: not used; the scale is not learned.
  """
  del min_stddev
  return Head(
      tuple(event_shape), {'loc': tuple(event_shape)},
      lambda b: tfd.Independent(tfd.Normal(b['loc'], 1.0), 3),
      lambda b: b['loc'])


def normal_diag(event_shape, min_stddev: float = 0.05) -> Head:
  """Independent normal pixels with a scale of their own: heteroscedastic.

  Args:
    event_shape: `(H, W, C)`.
    min_stddev: added to the scale, in units of pixels in 0..1. Without it the
      density of a pixel that is always black has no bound.
  """
  return Head(
      tuple(event_shape),
      {'loc': tuple(event_shape), 'scale': tuple(event_shape)},
      lambda b: tfd.Independent(
          tfd.Normal(b['loc'], min_stddev + tf.math.softplus(b['scale'])), 3),
      lambda b: b['loc'])


HEADS = {'bernoulli': bernoulli, 'normal_unit': normal_unit,
         'normal_diag': normal_diag}
