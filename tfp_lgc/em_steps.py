"""The two steps of EM, by sums of sufficient statistics over batches.

A. P. Dempster, N. M. Laird, D. B. Rubin, Maximum Likelihood from Incomplete
Data via the EM Algorithm, JRSS B 1977. em.py makes them until nothing is
gained, stepwise.py where the points are spread.
"""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfp_lgc.covariance import COVARIANCES
from tfp_lgc.gaussians import Components, log_joint_of, PARALLEL

__all__ = ['Statistics', 'e_step', 'm_step', 'tied_e_step', 'tied_m_step']

# A point that a component is less responsible for adds nothing to its moments.
MIN_RESPONSIBILITY = 1e-9

_F64 = tf.float64


class Statistics(NamedTuple):
  """Sums over data under the responsibilities; adding two joins their data.

  The moments are those of the whitened points L_k^-1 (x - loc_k), not of the
  points, so that float32 does for them: only a component that moves by many
  thousands of its own scales in one step is too much for it.
  """
  log_likelihood: tf.Tensor  # []
  count: tf.Tensor  # [K]
  sum_w: tf.Tensor  # [K, d]
  sum_ww: tf.Tensor  # [K, d, d], or [1, d, d] of `tied_e_step`


def e_step(x: tf.Tensor, row_weights: tf.Tensor, components: Components,
           whitening: tf.Tensor) -> Statistics:
  """Statistics of one batch.

  Args:
    x: float32 or float64 `[B, d + 1]`, points, each followed by 1; the heavy
      sums are of its type.
    row_weights: of the type of x, `[B]`; a row of weight 0 does not count.
    components: float64.
    whitening: of the type of x, see `whitening_of`.
  """
  def moments(part):
    """Of the points that one component has anything to do with: few, as soon
    as there are many components."""
    w, responsibility = part
    rows = tf.where(responsibility > MIN_RESPONSIBILITY)[:, 0]
    responsibility = tf.gather(responsibility, rows)[:, tf.newaxis]
    whitened = tf.matmul(tf.gather(x, rows), w)
    weighted = whitened * responsibility
    return [tf.cast(tf.matmul(a, b, transpose_a=True), _F64)
            for a, b in ((whitened, responsibility), (weighted, whitened))]

  joint = log_joint_of(x, components, whitening)
  highest = tf.reduce_max(joint, axis=0)  # [B]
  shares = tf.exp(tf.cast(joint - highest, x.dtype))  # [K, B]
  total = tf.reduce_sum(shares, axis=0)
  responsibilities = shares * (row_weights / total)
  sum_w, sum_ww = tf.map_fn(
      moments, (whitening, responsibilities), fn_output_signature=[_F64, _F64],
      parallel_iterations=PARALLEL)
  log_evidence = highest + tf.math.log(tf.cast(total, _F64))
  return Statistics(
      tf.reduce_sum(log_evidence * tf.cast(row_weights, _F64)),
      tf.reduce_sum(tf.cast(responsibilities, _F64), axis=1),
      sum_w[:, :, 0], sum_ww)


def tied_e_step(x: tf.Tensor, row_weights: tf.Tensor, components: Components,
                ) -> Statistics:
  """`e_step` of components that have one covariance: all of them whiten a point
  alike, up to where they stand, so that two products of matrices do. Moments
  are differences of sums here, for which float32 would not do.

  Args:
    x: float64 `[B, d + 1]`, points, each followed by 1.
    row_weights: float64 `[B]`; a row of weight 0 does not count.
    components: their `scale_tril` is `[1, d, d]`.

  Returns:
    Their `sum_ww` is that of all components together, `[1, d, d]`.
  """
  scale_tril = components.scale_tril[0]
  size = tf.shape(scale_tril)[0]
  inverse = tf.linalg.triangular_solve(scale_tril, tf.eye(size, dtype=_F64))
  points = tf.matmul(x[:, :-1], inverse, transpose_b=True)  # [B, d]
  means = tf.matmul(components.loc, inverse, transpose_b=True)  # [K, d]
  log_det = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(scale_tril)))
  constant = (components.log_weights - log_det - 0.5 * math.log(2 * math.pi)
              * tf.cast(size, _F64) - 0.5 * _squares(means))  # [K]
  joint = (constant[:, tf.newaxis] - 0.5 * _squares(points)
           + tf.matmul(means, points, transpose_b=True))  # [K, B]
  highest = tf.reduce_max(joint, axis=0)  # [B]
  shares = tf.exp(joint - highest)
  total = tf.reduce_sum(shares, axis=0)
  log_evidence = highest + tf.math.log(total)
  responsibilities = shares * (row_weights / total)
  count = tf.reduce_sum(responsibilities, axis=1)
  sums = tf.matmul(responsibilities, points)  # [K, d]
  at_means = count[:, tf.newaxis] * means
  cross = tf.matmul(sums, means, transpose_a=True)
  sum_ww = (
      tf.matmul(points * row_weights[:, tf.newaxis], points, transpose_a=True)
      - cross - tf.transpose(cross)
      + tf.matmul(at_means, means, transpose_a=True))
  return Statistics(tf.reduce_sum(log_evidence * row_weights), count,
                    sums - at_means, sum_ww[tf.newaxis])


def _squares(x: tf.Tensor) -> tf.Tensor:
  return tf.reduce_sum(tf.square(x), axis=-1)


def m_step(statistics: Statistics, components: Components, floor: tf.Tensor,
           structure: str, rank: int) -> Components:
  """The most likely components, `floor` added to each variance.

  `components` are those that the statistics were whitened by.
  """
  # As in scikit-learn, so that a component without data divides by no zero.
  count = statistics.count + 10 * np.finfo(np.float64).eps
  scale_tril = components.scale_tril
  shift = statistics.sum_w / count[:, tf.newaxis]
  inner = (statistics.sum_ww / count[:, tf.newaxis, tf.newaxis]
           - shift[:, :, tf.newaxis] * shift[:, tf.newaxis, :])
  covariance = scale_tril @ tf.matmul(inner, scale_tril, transpose_b=True)
  covariance = COVARIANCES[structure].fit(
      0.5 * (covariance + tf.linalg.matrix_transpose(covariance)),
      statistics.count, rank)
  return Components(
      tf.math.log(count / tf.reduce_sum(count)),
      components.loc + tf.linalg.matvec(scale_tril, shift),
      _factors(covariance, floor))


def tied_m_step(statistics: Statistics, components: Components,
                floor: tf.Tensor) -> Components:
  """`m_step` of what `tied_e_step` returns; so is `scale_tril` again."""
  count = statistics.count + 10 * np.finfo(np.float64).eps
  scale_tril = components.scale_tril[0]
  shift = statistics.sum_w / count[:, tf.newaxis]
  inner = (statistics.sum_ww[0] - tf.matmul(
      statistics.sum_w, shift, transpose_a=True)) / tf.reduce_sum(
          statistics.count)
  covariance = scale_tril @ tf.matmul(inner, scale_tril, transpose_b=True)
  covariance = 0.5 * (covariance + tf.transpose(covariance))
  return Components(
      tf.math.log(count / tf.reduce_sum(count)),
      components.loc + tf.matmul(shift, scale_tril, transpose_b=True),
      _factors(covariance[tf.newaxis], floor))


def _factors(covariance: tf.Tensor, floor: tf.Tensor) -> tf.Tensor:
  """Cholesky factors, `floor` added to each variance."""
  # Rounding may leave a component of one point slightly negative.
  variance = tf.maximum(tf.linalg.diag_part(covariance), 0.0) + floor
  return tf.linalg.cholesky(tf.linalg.set_diag(covariance, variance))
