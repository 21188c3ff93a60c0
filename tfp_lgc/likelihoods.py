"""Likelihoods of images: a location, a scale, and the shape of their tails.

Normal and Student's t see an image as a vector of n = H W C numbers; matrix
normal and matrix t as a matrix of rows and columns for each channel, which are
independent of each other. Each comes with the scale I (unit), diagonal (diag)
or lower triangular (full); the covariance is scale scale^T.

Scales and degrees of freedom are positive by softplus and a floor, and factors
are triangular by `tfb.FillScaleTriL`. The floor of the degrees of freedom is
1e-6, that of a pixel's scale is `min_stddev`: a pixel that is the same in all
images would otherwise have a density without bound. A matrix' scale of a pixel
is that of its row times that of its column, so each has the root of that floor.
"""

import math
from typing import Callable, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from tfp_lgc.head import Blocks, Head, noise_shape, normal_noise
from tfp_lgc.scales import kronecker, positive, SCALES

__all__ = ['DEFAULTS', 'Options', 'bernoulli', 'continuous_bernoulli',
           'matrix_normal', 'matrix_t', 'normal', 'student_t']

tfb, tfd = tfp.bijectors, tfp.distributions

MIN_DF = 1e-6


class Options(NamedTuple):
  """What a user says of a likelihood.

  Attributes:
    min_stddev: floor of the scale of a pixel, in units of pixels in 0..1.
    location: any number -> the location of a pixel.
    seed: of the initial weights of a flow.
  """
  min_stddev: float = 0.05
  location: Callable = tf.identity
  seed: int = 0


DEFAULTS = Options()


class _Bernoulli(tfd.Bernoulli):
  """With one logarithm a pixel, where TFP takes two."""

  def _log_prob(self, event):
    logits = self.logits_parameter()
    event = tf.cast(event, logits.dtype) + tf.zeros_like(logits)
    return -tf.nn.sigmoid_cross_entropy_with_logits(
        event, logits + tf.zeros_like(event))


def bernoulli(event_shape, options: Options = DEFAULTS) -> Head:
  """Independent Bernoulli pixels; gray pixels count as probabilities.

  The log-probability of a gray pixel x is x ln p + (1 - x) ln(1 - p), the
  binary cross-entropy that the LGC paper trains with, not a density.

  Args:
    event_shape: `(H, W, C)`.
    options: not used; a Bernoulli has no scale.
  """
  del options

  def mean(b):
    return tf.math.sigmoid(b['logits'])

  def noise(b, seed, shared):
    return tf.cast(_uniform(b['logits'], seed, shared) < mean(b), tf.float32)

  return Head(
      tuple(event_shape), {'logits': tuple(event_shape)},
      lambda b: tfd.Independent(
          _Bernoulli(logits=b['logits'], dtype=tf.float32), 3),
      mean, lambda b: mean(b) * (1 - mean(b)), noise)


def continuous_bernoulli(event_shape, options: Options = DEFAULTS) -> Head:
  """Independent pixels with a density on 0..1 that is exponential there.

  G. Loaiza-Ganem, J. P. Cunningham, The Continuous Bernoulli: Fixing a
  Pervasive Error in Variational Autoencoders, NeurIPS 2019.

  Args:
    event_shape: `(H, W, C)`.
    options: not used.
  """
  del options

  def pixels(b):
    return tfd.ContinuousBernoulli(logits=b['logits'])

  def noise(b, seed, shared):
    """Where the distribution function is u; of the side where it is small."""
    logits = b['logits']
    size = tf.maximum(tf.abs(logits), 1e-3)  # Below that it is uniform.
    u = _uniform(logits, seed, shared)
    low = -tf.math.log1p(u * tf.math.expm1(-size)) / size
    return tf.where(logits > 0, 1 - low, low)

  return Head(
      tuple(event_shape), {'logits': tuple(event_shape)},
      lambda b: tfd.Independent(pixels(b), 3),
      lambda b: pixels(b).mean(), lambda b: pixels(b).variance(), noise)


def _uniform(x: tf.Tensor, seed: tf.Tensor, shared: bool) -> tf.Tensor:
  return tf.random.stateless_uniform(noise_shape(x, 3, shared), seed,
                                     alg='philox')


def normal(structure: str, event_shape, options: Options = DEFAULTS) -> Head:
  """A normal distribution of all pixels.

  With unit scale its log-density is minus half the squared error and a
  constant.

  Args:
    structure: of the scale: unit, diag (each pixel has its own) or full.
    event_shape: `(H, W, C)`.
    options: floor of the scale, and the location's activation.
  """
  vectors = _Vectors(structure, event_shape, options)

  def make(b):
    return vectors.image(tfd.MultivariateNormalLinearOperator(
        vectors.loc(b), vectors.scale(b)))

  def noise(b, seed, shared):
    return vectors.point(b) + vectors.scaled_noise(b, seed, shared)

  return Head(tuple(event_shape), vectors.blocks, make, vectors.point,
              vectors.variance, noise)


def student_t(structure: str, event_shape, options: Options = DEFAULTS,
              ) -> Head:
  """Student's t of all pixels together, its degrees of freedom learned.

  Args:
    structure: as of `normal`.
    event_shape: as of `normal`.
    options: as of `normal`.
  """
  vectors = _Vectors(structure, event_shape, options)

  def make(b):
    return vectors.image(tfd.MultivariateStudentTLinearOperator(
        positive(b['df'], MIN_DF), vectors.loc(b), vectors.scale(b)))

  def variance(b):
    return _t_variance(vectors.variance(b),
                       b['df'][..., tf.newaxis, tf.newaxis, tf.newaxis])

  def noise(b, seed, shared):
    stretch = _t_stretch(b['df'], seed)
    return vectors.point(b) + (
        vectors.scaled_noise(b, seed, shared)
        * stretch[..., tf.newaxis, tf.newaxis, tf.newaxis])

  return Head(tuple(event_shape), {'df': (), **vectors.blocks}, make,
              vectors.point, variance, noise, vectors.point)


class _Vectors:
  """Images as vectors: what normal and t have in common."""

  def __init__(self, structure: str, event_shape, options: Options):
    self._event_shape, self._options = tuple(event_shape), options
    self._size = math.prod(event_shape)
    self._scale = SCALES[structure]
    self._is_map = structure == 'diag'  # A scale for each pixel is an image.
    self.blocks = {'loc': self._event_shape}
    if shape := self._scale.shape(self._size):
      self.blocks['scale'] = self._event_shape if self._is_map else shape

  def _flat(self, x):
    return tf.reshape(x, tf.concat([tf.shape(x)[:-3], [self._size]], 0))

  def _unflat(self, x):
    return tf.reshape(
        x, tf.concat([tf.shape(x)[:-1], self._event_shape], 0))

  def point(self, b: Blocks) -> tf.Tensor:
    return self._options.location(b['loc'])

  def loc(self, b: Blocks) -> tf.Tensor:
    return self._flat(self.point(b))

  def scale(self, b: Blocks) -> tf.linalg.LinearOperator:
    raw = b.get('scale')
    return self._scale.operator(self._flat(raw) if self._is_map else raw,
                                self._size, self._options.min_stddev)

  def variance(self, b: Blocks) -> tf.Tensor:
    variance = self._unflat(self._scale.variance(self.scale(b)))
    return tf.broadcast_to(variance, tf.shape(b['loc']))

  def scaled_noise(self, b: Blocks, seed: tf.Tensor, shared: bool):
    noise = self._flat(normal_noise(b['loc'], seed, 3, shared))
    return self._unflat(self.scale(b).matvec(noise))

  def image(self, distribution: tfd.Distribution) -> tfd.Distribution:
    return tfd.TransformedDistribution(
        distribution, tfb.Reshape(self._event_shape, [self._size]))


def matrix_normal(structure: str, event_shape, options: Options = DEFAULTS,
                  ) -> Head:
  """A matrix normal distribution of each channel.

  Args:
    structure: of the scales of rows and of columns: unit, diag or full.
    event_shape: `(H, W, C)`.
    options: as of `normal`.
  """
  matrices = _Matrices(structure, event_shape, options)

  def make(b):
    return matrices.image(tfd.MultivariateNormalLinearOperator(
        matrices.loc(b), matrices.scale(b)))

  def noise(b, seed, shared):
    return matrices.point(b) + matrices.scaled_noise(b, seed, shared)

  return Head(tuple(event_shape), matrices.blocks, make, matrices.point,
              matrices.variance, noise)


def matrix_t(structure: str, event_shape, options: Options = DEFAULTS) -> Head:
  """TFP's matrix t of each channel: Student's t of all its pixels, whose scale
  is the Kronecker product of those of rows and columns. It is not the matrix t
  of the textbooks, of which Student's t is no special case.

  Args:
    structure: as of `matrix_normal`.
    event_shape: as of `matrix_normal`.
    options: as of `matrix_normal`.
  """
  matrices = _Matrices(structure, event_shape, options)

  def make(b):
    return matrices.image(tfd.MultivariateStudentTLinearOperator(
        positive(b['df'], MIN_DF), matrices.loc(b), matrices.scale(b)))

  def variance(b):
    return _t_variance(matrices.variance(b),
                       b['df'][..., tf.newaxis, tf.newaxis, :])

  def noise(b, seed, shared):
    stretch = _t_stretch(b['df'], seed)
    return matrices.point(b) + (
        matrices.scaled_noise(b, seed, shared)
        * stretch[..., tf.newaxis, tf.newaxis, :])

  return Head(tuple(event_shape),
              {'df': (event_shape[-1],), **matrices.blocks}, make,
              matrices.point, variance, noise, matrices.point)


class _Matrices:
  """Images as a matrix a channel: what matrix normal and t have in common.

  A matrix is the vector of its rows, one after the other, whose scale is the
  Kronecker product of that of rows and that of columns.
  """

  def __init__(self, structure: str, event_shape, options: Options):
    self._options, self._scale = options, SCALES[structure]
    self._height, self._width, self._channels = event_shape
    self.blocks = {'loc': tuple(event_shape)}
    for name, side in (('rows', self._height), ('columns', self._width)):
      if shape := self._scale.shape(side):
        self.blocks[name] = (self._channels, *shape)

  def point(self, b: Blocks) -> tf.Tensor:
    return self._options.location(b['loc'])

  def _flat(self, x: tf.Tensor) -> tf.Tensor:
    x = _channels_first(x)  # [..., C, H, W]
    return tf.reshape(x, tf.concat(
        [tf.shape(x)[:-2], [self._height * self._width]], 0))

  def _unflat(self, x: tf.Tensor) -> tf.Tensor:
    return _channels_last(tf.reshape(x, tf.concat(
        [tf.shape(x)[:-1], [self._height, self._width]], 0)))

  def loc(self, b: Blocks) -> tf.Tensor:
    return self._flat(self.point(b))  # [..., C, H W]

  def _scales(self, b: Blocks) -> tuple:
    """Of rows `[..., C, H, H]` and columns `[..., C, W, W]`."""
    low = math.sqrt(self._options.min_stddev)
    return (self._scale.operator(b.get('rows'), self._height, low),
            self._scale.operator(b.get('columns'), self._width, low))

  def scale(self, b: Blocks) -> tf.linalg.LinearOperator:
    return kronecker(*self._scales(b))

  def variance(self, b: Blocks) -> tf.Tensor:
    rows, columns = [self._scale.variance(scale) for scale in self._scales(b)]
    variance = rows[..., tf.newaxis] * columns[..., tf.newaxis, :]
    if variance.shape.rank == 2:  # Unit scales have no channels.
      return tf.broadcast_to(variance[..., tf.newaxis], tf.shape(b['loc']))
    return _channels_last(variance)

  def scaled_noise(self, b: Blocks, seed: tf.Tensor, shared: bool):
    noise = self._flat(normal_noise(b['loc'], seed, 3, shared))
    return self._unflat(self.scale(b).matvec(noise))

  def image(self, distribution: tfd.Distribution) -> tfd.Distribution:
    sides = [self._channels, self._height, self._width]
    return tfd.TransformedDistribution(
        tfd.Independent(distribution, 1), tfb.Chain([
            tfb.Transpose(perm=[1, 2, 0]),
            tfb.Reshape(sides, [self._channels, self._height * self._width])]))


def _channels_first(x: tf.Tensor) -> tf.Tensor:
  *batch, h, w, c = range(x.shape.rank)
  return tf.transpose(x, [*batch, c, h, w])


def _channels_last(x: tf.Tensor) -> tf.Tensor:
  *batch, c, h, w = range(x.shape.rank)
  return tf.transpose(x, [*batch, h, w, c])


def _t_variance(squared_scale: tf.Tensor, raw_df: tf.Tensor) -> tf.Tensor:
  """df / (df - 2) times the square of the scale, for df > 2."""
  df = positive(raw_df, MIN_DF)
  return tf.where(df > 2, squared_scale * df / (df - 2),
                  tf.constant(math.nan, squared_scale.dtype))


def _t_stretch(raw_df: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
  """What a normal draw is multiplied by: sqrt(df / chi^2), chi^2 of as many
  degrees of freedom."""
  df = positive(raw_df, MIN_DF)
  seed = tf.random.fold_in(seed, 2, 'philox')
  gamma = tf.random.stateless_gamma(tf.shape(df), seed, alpha=df / 2)
  # A chi^2 of few degrees of freedom is mostly too small for a float32.
  return tf.sqrt(df / tf.maximum(2 * gamma, 1e-30))
