"""Expectation maximization for mixtures of full-covariance Gaussians.

A. P. Dempster, N. M. Laird, D. B. Rubin, Maximum Likelihood from Incomplete
Data via the EM Algorithm, JRSS B 1977. A step is a sum of sufficient
statistics over batches of points, so that no intermediate grows with their
number.
"""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

__all__ = ['Components', 'Fit', 'fit_em', 'kmeans_start']

# Points per batch of an E-step.
BATCH_SIZE = 8192


class Components(NamedTuple):
  """The K components of one mixture, float64.

  Attributes:
    log_weights: `[K]`, logsumexp is 0.
    loc: `[K, d]`.
    scale_tril: `[K, d, d]`, lower triangular, positive diagonal.
  """
  log_weights: np.ndarray
  loc: np.ndarray
  scale_tril: np.ndarray


class Fit(NamedTuple):
  """What EM found.

  Attributes:
    components: see there.
    log_likelihood: mean over the data, nats.
    num_iterations: M-steps made.
    converged: whether the gain fell below the tolerance.
  """
  components: Components
  log_likelihood: float
  num_iterations: int
  converged: bool


class _Statistics(NamedTuple):
  """Sums over data under the responsibilities; adding two joins their data."""
  log_likelihood: tf.Tensor  # []
  count: tf.Tensor  # [K]
  sum_x: tf.Tensor  # [K, d]
  sum_xx: tf.Tensor  # [K, d, d]


def _whiten(x: tf.Tensor, components: Components) -> tf.Tensor:
  """L_k^-1 (x_b - loc_k) for all b and k in one matmul: `[B, K, d]`."""
  num, size = tf.shape(components.loc)[0], tf.shape(x)[1]
  inverse = tf.linalg.triangular_solve(
      components.scale_tril, tf.eye(size, batch_shape=[num], dtype=x.dtype))
  stacked = tf.reshape(tf.transpose(inverse, [2, 0, 1]), [size, num * size])
  offset = tf.linalg.matvec(inverse, components.loc)  # [K, d]
  return tf.reshape(x @ stacked, [-1, num, size]) - offset


def _log_joint(x: tf.Tensor, components: Components) -> tf.Tensor:
  """log p(x_b, component k), `[B, K]`."""
  size = tf.cast(tf.shape(x)[1], x.dtype)
  log_det = tf.reduce_sum(
      tf.math.log(tf.linalg.diag_part(components.scale_tril)), axis=-1)
  squares = tf.reduce_sum(tf.square(_whiten(x, components)), axis=-1)
  return (components.log_weights - log_det - 0.5 * squares
          - 0.5 * math.log(2 * math.pi) * size)


def _e_step(x: tf.Tensor, row_weights: tf.Tensor,
            components: Components) -> _Statistics:
  """Statistics of one batch `[B, d]`; a row of weight 0 does not count."""
  log_joint = _log_joint(x, components)
  log_evidence = tf.reduce_logsumexp(log_joint, axis=1)  # [B]
  responsibilities = (tf.exp(log_joint - log_evidence[:, tf.newaxis])
                      * row_weights[:, tf.newaxis])  # [B, K]
  num, size = tf.shape(components.loc)[0], tf.shape(x)[1]
  weighted = tf.reshape(responsibilities[:, :, tf.newaxis]
                        * x[:, tf.newaxis, :], [-1, num * size])
  return _Statistics(
      tf.reduce_sum(log_evidence * row_weights),
      tf.reduce_sum(responsibilities, axis=0),
      tf.matmul(responsibilities, x, transpose_a=True),
      tf.reshape(tf.matmul(weighted, x, transpose_a=True), [num, size, size]))


def _m_step(statistics: _Statistics, floor: tf.Tensor) -> Components:
  """The most likely components, `floor` added to each variance."""
  # As in scikit-learn, so that a component without data divides by no zero.
  count = statistics.count + 10 * np.finfo(np.float64).eps
  loc = statistics.sum_x / count[:, tf.newaxis]
  covariance = (statistics.sum_xx / count[:, tf.newaxis, tf.newaxis]
                - loc[:, :, tf.newaxis] * loc[:, tf.newaxis, :])
  # Rounding may leave a component of one point slightly negative.
  variance = tf.maximum(tf.linalg.diag_part(covariance), 0.0) + floor
  covariance = tf.linalg.set_diag(covariance, variance)
  return Components(tf.math.log(count / tf.reduce_sum(count)), loc,
                    tf.linalg.cholesky(covariance))


_F64 = tf.float64


@tf.function(input_signature=[
    tf.TensorSpec([None, None, None], _F64), tf.TensorSpec([None, None], _F64),
    Components(tf.TensorSpec([None], _F64), tf.TensorSpec([None, None], _F64),
               tf.TensorSpec([None, None, None], _F64)),
    tf.TensorSpec([], _F64), tf.TensorSpec([], tf.int32),
    tf.TensorSpec([], _F64)])
def _em(batches, row_weights, start, floor, max_iterations, tolerance):
  """EM over batches `[n, B, d]`; the last number is the final gain."""
  num_rows = tf.reduce_sum(row_weights)

  def statistics(components):
    def add(i, total):
      part = _e_step(batches[i], row_weights[i], components)
      return i + 1, _Statistics(*[a + b for a, b in zip(total, part)])
    zero = _Statistics(tf.zeros([], _F64), *[
        tf.zeros_like(parameter) for parameter in components])
    _, total = tf.while_loop(
        lambda i, _: i < tf.shape(batches)[0], add, (0, zero),
        parallel_iterations=1)
    return total

  def step(i, components, log_likelihood, gain):
    del gain
    total = statistics(components)
    new = total.log_likelihood / num_rows
    return i + 1, _m_step(total, floor), new, new - log_likelihood

  num_iterations, components, _, gain = tf.while_loop(
      lambda i, components, log_likelihood, gain: (i < max_iterations) & (
          tf.abs(gain) >= tolerance),
      step, (0, start, tf.constant(-np.inf, _F64), tf.constant(np.inf, _F64)),
      parallel_iterations=1)
  return (components, statistics(components).log_likelihood / num_rows,
          num_iterations, gain)


def fit_em(x: np.ndarray, start: Components, floor: float = 1e-6,
           max_iterations: int = 200, tolerance: float = 1e-3) -> Fit:
  """Expectation maximization from a given start.

  ```python
  fit = fit_em(x, kmeans_start(x, 3, floor=1e-6, seed=0))
  ```

  Args:
    x: `[N, d]`, N >= 1.
    start: of K components.
    floor: added to the variances in every M-step (scikit-learn's `reg_covar`).
    max_iterations: M-steps at the most.
    tolerance: ends when the mean log-likelihood (nats) gains less.
  """
  x = np.asarray(x, np.float64)
  # Sums of squares of data far from the origin would cancel.
  center = x.mean(axis=0)
  num_batches = -(-len(x) // BATCH_SIZE)
  rows = -(-len(x) // num_batches)
  padded = np.zeros([num_batches * rows, x.shape[1]])
  padded[:len(x)] = x - center
  row_weights = np.zeros(len(padded))
  row_weights[:len(x)] = 1.0
  components, log_likelihood, num_iterations, gain = _em(
      padded.reshape([num_batches, rows, -1]),
      row_weights.reshape([num_batches, rows]),
      Components(start.log_weights, start.loc - center, start.scale_tril),
      np.float64(floor), np.int32(max_iterations), np.float64(tolerance))
  log_weights, loc, scale_tril = [part.numpy() for part in components]
  return Fit(Components(log_weights, loc + center, scale_tril),
             float(log_likelihood), int(num_iterations),
             bool(abs(float(gain)) < tolerance))


def kmeans_start(x: np.ndarray, num_components: int, floor: float,
                 seed: int) -> Components:
  """Components of the clusters that k-means finds from a k-means++ start.

  D. Arthur, S. Vassilvitskii, k-means++, SODA 2007.

  Args:
    x: `[N, d]` of at least `num_components` distinct rows.
    num_components: K.
    floor: added to the variances.
    seed: of the start.
  """
  from sklearn import cluster  # pylint: disable=g-import-not-at-top
  x = np.asarray(x, np.float64)
  center = x.mean(axis=0)
  labels = np.zeros(len(x), int)
  if num_components > 1:
    labels = cluster.KMeans(num_components, n_init=1,
                            random_state=seed).fit_predict(x)
  one_hot = np.eye(num_components)[labels]  # [N, K]
  y = x - center
  components = _m_step(_Statistics(
      np.float64(0), one_hot.sum(axis=0), one_hot.T @ y,
      np.einsum('nk,ni,nj->kij', one_hot, y, y, optimize=True)),
      np.float64(floor))
  log_weights, loc, scale_tril = [np.asarray(part) for part in components]
  return Components(log_weights, loc + center, scale_tril)
