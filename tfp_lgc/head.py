"""Output heads: what a decoder's numbers mean, as a TFP distribution.

A head splits the last layer's numbers into named blocks and makes the
likelihood p(x | z) of them. Its `point` is the one image that stands for the
distribution, and `draw` draws one. Both travel in the exported SavedModel,
which opens without TFP: what they call becomes plain TensorFlow operations,
with noise of TensorFlow's own stateless generators.

The heads, but for `bernoulli`, are those of S. Ciobanu, Vanilla Probabilistic
Autoencoder, CAINE 2021; `mixture` makes its mixtures of them.
"""

import dataclasses
import functools
import math
from typing import Callable, Optional

import tensorflow as tf
import tensorflow_probability as tfp

from tfp_lgc.flow import Flow

__all__ = ['Blocks', 'Head', 'as_it_is', 'mixture', 'noise_shape',
           'normal_noise']

tfd = tfp.distributions

Blocks = dict[str, tf.Tensor]

# AutoGraph rewrites what a `tf.function` calls, and stumbles over TFP's code.
as_it_is = tf.autograph.experimental.do_not_convert

# Draws whose mean stands for a distribution that is pushed through a flow.
NUM_FLOW_DRAWS = 50
# The seed of those draws: an image has one point.
FLOW_SEED = (20210, 79)
# What the initial weights of a decoder's last layer are multiplied by for a
# mixture of two or more. A log-density is a sum over all pixels; from ordinary
# weights one component is ahead by so much that the others get a gradient of
# exactly zero.
MIXTURE_START = 0.1


@dataclasses.dataclass(frozen=True)
class Head:  # No tuple: Keras would wrap that, and a wrapper is not callable.
  """A likelihood of images in terms of unconstrained numbers.

  ```python
  head = heads.build(ModelConfig(head='student_t_diag'), (28, 28, 1))
  params = tf.zeros([5, head.params_size])
  distribution = head(params)
  distribution.log_prob(tf.zeros([5, 28, 28, 1]))   # [5], nats
  head.point_image(params)   # [5, 28, 28, 1]
  ```

  Attributes:
    event_shape: `(H, W, C)`.
    blocks: name -> shape of each parameter of one image, in the order in which
      they lie in `params`.
    make: maps a dict of blocks `[..., *shape]` to a `tfd.Distribution` over
      `event_shape`.
    mean: maps the same dict to the mean, `[..., H, W, C]`.
    variance: maps it to the variance of each pixel, `[..., H, W, C]`, nan where
      there is none.
    noise: maps the dict, a seed (int32 `[2]`) and `shared` (whether all images
      have the same noise) to one draw each, `[..., H, W, C]`.
    mode: maps the dict to the image at which the density is highest, or nearly
      so, for a head whose point that is; None where the point is the mean.
    component: the head of each component of a mixture, or None.
    start: what the initial weights of the layer that gives `params` are
      multiplied by.
    flow: what the distribution is pushed through, or None.
  """
  event_shape: tuple[int, int, int]
  blocks: dict[str, tuple[int, ...]]
  make: Callable[[Blocks], tfd.Distribution]
  mean: Callable[[Blocks], tf.Tensor]
  variance: Callable[[Blocks], tf.Tensor]
  noise: Callable[[Blocks, tf.Tensor, bool], tf.Tensor]
  mode: Optional[Callable[[Blocks], tf.Tensor]] = None
  component: Optional['Head'] = None
  start: float = 1.0
  flow: Optional[Flow] = None

  @property
  def params_size(self) -> int:
    """How many numbers the decoder gives for one image."""
    return sum(math.prod(shape) for shape in self.blocks.values())

  @property
  def weights(self) -> dict[str, tf.Variable]:
    """Numbers that are the same for all images: those of the flow."""
    return self.flow.named if self.flow else {}

  def split(self, params: tf.Tensor) -> Blocks:
    """`[..., params_size]` as a dict of blocks `[..., *shape]`."""
    sizes = [math.prod(shape) for shape in self.blocks.values()]
    parts = tf.split(params, sizes, axis=-1)
    batch_shape = tf.shape(params)[:-1]
    return {name: tf.reshape(part, tf.concat(
                [batch_shape, tf.constant(shape, tf.int32)], 0))
            for (name, shape), part in zip(self.blocks.items(), parts)}

  @as_it_is
  def __call__(self, params: tf.Tensor) -> tfd.Distribution:
    distribution = self.make(self.split(params))
    return self.flow.distribution(distribution) if self.flow else distribution

  @as_it_is
  def point_image(self, params: tf.Tensor) -> tf.Tensor:
    """The image that stands for the distribution, `[..., H, W, C]`, clipped to
    0..1.

    It is the mean; of a Student's t or matrix t the mode, and of a mixture of
    those the one mode of a component at which the mixture is densest; of a
    flow the mean of 50 draws, whose noise is the same for all images.
    """
    if self.flow:
      point = tf.reduce_mean(self._flow_draws(self.flow, params), 0)
    else:
      point = (self.mode or self.mean)(self.split(params))
    return tf.clip_by_value(point, 0.0, 1.0)

  @as_it_is
  def variance_image(self, params: tf.Tensor) -> tf.Tensor:
    """The variance of each pixel, `[..., H, W, C]`; nan where there is none,
    which is where a t has at most 2 degrees of freedom."""
    if self.flow:
      return tf.math.reduce_variance(self._flow_draws(self.flow, params), 0)
    return self.variance(self.split(params))

  @as_it_is
  def draw_image(self, params: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A draw from each distribution, `[..., H, W, C]`, clipped to 0..1.

    Args:
      params: `[..., params_size]`.
      seed: int32 `[2]`.
    """
    drawn = self.noise(self.split(params), seed, False)
    if self.flow:
      drawn = self.flow.forward(drawn)
    return tf.clip_by_value(drawn, 0.0, 1.0)

  @as_it_is
  def component_images(self, params: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The point of each component of a mixture, `[..., K, H, W, C]`, and the
    log-density of the mixture there, `[..., K]`.

    Raises:
      ValueError: if it is no mixture, or one that goes through a flow.
    """
    if not self.component or self.flow:
      raise ValueError('the head has no components that are images')
    blocks = self.split(params)
    _, components = _parts(blocks)
    points = (self.component.mode or self.component.mean)(components)
    return points, _log_densities(self.make(blocks), points)

  def _flow_draws(self, flow: Flow, params: tf.Tensor) -> tf.Tensor:
    """`[50, ..., H, W, C]`, whose noise is the same for all images."""
    blocks = self.split(params)
    seeds = tf.random.split(FLOW_SEED, NUM_FLOW_DRAWS, 'philox')
    return flow.forward(tf.map_fn(
        lambda seed: self.noise(blocks, seed, True), seeds,
        fn_output_signature=params.dtype))


def noise_shape(x: tf.Tensor, event_rank: int, shared: bool) -> tf.Tensor:
  """The shape of `x`, or, if all images share their noise, of one of them."""
  shape = tf.shape(x)
  if not shared:
    return shape
  return tf.concat([tf.ones_like(shape[:-event_rank]), shape[-event_rank:]], 0)


def normal_noise(x: tf.Tensor, seed: tf.Tensor, event_rank: int, shared: bool,
                 ) -> tf.Tensor:
  """N(0, 1) as many as `x` has numbers, or one of its events."""
  return tf.random.stateless_normal(noise_shape(x, event_rank, shared), seed,
                                    dtype=x.dtype, alg='philox')


def mixture(head: Head, num_components: int) -> Head:
  """K of a head with learned weights, as a `tfd.MixtureSameFamily`.

  Its parameters are K logits, then each block K times. A mixture of flows is
  one flow over a mixture.

  ```python
  mixture(heads.HEADS['normal_unit']((28, 28, 1)), 10).params_size   # 7,850
  ```

  Args:
    head: of each component.
    num_components: K, at least 1; K = 1 has a logit that does nothing, which
      is how the paper counts.
  """
  blocks: dict[str, tuple[int, ...]] = {'mixture_logits': (num_components,)}
  blocks.update((name, (num_components, *shape))
                for name, shape in head.blocks.items())

  bound = functools.partial
  return dataclasses.replace(
      head, blocks=blocks, make=bound(_make, head), mean=bound(_mean, head),
      variance=bound(_variance, head), noise=bound(_noise, head),
      mode=bound(_mode, head) if head.mode else None, component=head,
      start=MIXTURE_START if num_components > 1 else head.start)


# Of a mixture of `head`, by its blocks.


def _make(head: Head, b: Blocks) -> tfd.Distribution:
  logits, components = _parts(b)
  return tfd.MixtureSameFamily(tfd.Categorical(logits=logits),
                               head.make(components))


def _weights(logits: tf.Tensor) -> tf.Tensor:
  """`[..., K, 1, 1, 1]`."""
  return tf.nn.softmax(logits)[..., tf.newaxis, tf.newaxis, tf.newaxis]


def _mean(head: Head, b: Blocks) -> tf.Tensor:
  logits, components = _parts(b)
  return tf.reduce_sum(_weights(logits) * head.mean(components), -4)


def _variance(head: Head, b: Blocks) -> tf.Tensor:
  """By the law of total variance, without a difference of squares."""
  logits, components = _parts(b)
  total = _mean(head, b)[..., tf.newaxis, :, :, :]
  apart = tf.square(head.mean(components) - total)
  return tf.reduce_sum(
      _weights(logits) * (head.variance(components) + apart), -4)


def _noise(head: Head, b: Blocks, seed: tf.Tensor, shared: bool) -> tf.Tensor:
  logits, components = _parts(b)
  uniform = tf.random.stateless_uniform(
      noise_shape(logits, 1, shared), tf.random.fold_in(seed, 0, 'philox'),
      minval=1e-30, alg='philox')
  chosen = tf.argmax(logits - tf.math.log(-tf.math.log(uniform)), axis=-1)
  rank = logits.shape.rank - 1
  return head.noise({name: tf.gather(part, chosen, axis=rank, batch_dims=rank)
                     for name, part in components.items()},
                    tf.random.fold_in(seed, 1, 'philox'), shared)


def _mode(head: Head, b: Blocks) -> tf.Tensor:
  """The mode of a component at which the mixture is densest."""
  assert head.mode
  points = head.mode(_parts(b)[1])  # [..., K, H, W, C]
  log_densities = _log_densities(_make(head, b), points)
  rank = log_densities.shape.rank - 1
  return tf.gather(points, tf.argmax(log_densities, axis=-1), axis=rank,
                   batch_dims=rank)


def _parts(blocks: Blocks) -> tuple[tf.Tensor, Blocks]:
  """Logits `[..., K]` and the blocks of the components `[..., K, *shape]`."""
  components = dict(blocks)
  return components.pop('mixture_logits'), components


def _log_densities(distribution: tfd.Distribution, points: tf.Tensor,
                   ) -> tf.Tensor:
  """`[..., K]` of `[..., K, H, W, C]`, which are all of one distribution.

  One of the K after the other: a mixture sees each with all its components.
  """
  rank = points.shape.rank
  first = [rank - 4, *range(rank - 4), rank - 3, rank - 2, rank - 1]
  log_densities = tf.map_fn(distribution.log_prob, tf.transpose(points, first),
                            parallel_iterations=1)
  return tf.transpose(log_densities, [*range(1, rank - 3), 0])
