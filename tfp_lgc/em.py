"""Expectation maximization for mixtures of Gaussians.

A. P. Dempster, N. M. Laird, D. B. Rubin, Maximum Likelihood from Incomplete
Data via the EM Algorithm, JRSS B 1977. A step is a sum of sufficient
statistics over batches of points, so that no intermediate grows with their
number. It needs nothing of an artifact; mixture.py chooses K and the structure,
and beam_em.py makes the same steps on many machines.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfp_lgc import clusters
from tfp_lgc.covariance import COVARIANCES
from tfp_lgc.gaussians import (
  BATCH_SIZE,
  Components,
  log_joint_of,
  PARALLEL,
  whitening_of,
)

__all__ = ['Fit', 'Frame', 'Statistics', 'e_step', 'falls', 'fit_em',
           'kmeans_start', 'm_step']

# A point that a component is less responsible for adds nothing to its moments.
MIN_RESPONSIBILITY = 1e-9
# Share of a log-likelihood, and of a nat, by which float32 may be wrong.
ROUNDING = 1e-6

_F64 = tf.float64


class Fit(NamedTuple):
  """What EM found.

  Attributes:
    components: see there.
    log_likelihood: mean over the data, nats.
    num_iterations: M-steps made.
    converged: whether the gain fell below the tolerance, or nothing was to be
      gained.
  """
  components: Components
  log_likelihood: float
  num_iterations: int
  converged: bool


class Statistics(NamedTuple):
  """Sums over data under the responsibilities; adding two joins their data.

  The moments are those of the whitened points L_k^-1 (x - loc_k), not of the
  points, so that float32 does for them: only a component that moves by many
  thousands of its own scales in one step is too much for it.
  """
  log_likelihood: tf.Tensor  # []
  count: tf.Tensor  # [K]
  sum_w: tf.Tensor  # [K, d]
  sum_ww: tf.Tensor  # [K, d, d]


class Frame(NamedTuple):
  """Where points have mean 0 and scales up to 1, for the sake of float32.

  Attributes:
    center: float64 `[d]`, the mean of all points.
    unit: the largest of their d standard deviations; 1 if all are 0.
  """
  center: np.ndarray
  unit: float

  def rows(self, x: np.ndarray) -> np.ndarray:
    """float64 `[N, d + 1]` of points `[N, d]`: each in here, followed by 1."""
    rows = np.ones([len(x), x.shape[1] + 1])
    rows[:, :-1] = (np.asarray(x, np.float64) - self.center) / self.unit
    return rows

  def inside(self, components: Components) -> Components:
    """Components of points as those of points in here."""
    return Components(components.log_weights,
                      (components.loc - self.center) / self.unit,
                      components.scale_tril / self.unit)

  def outside(self, components: Components) -> Components:
    """The inverse of `inside`."""
    return Components(components.log_weights,
                      components.loc * self.unit + self.center,
                      components.scale_tril * self.unit)

  def log_density(self, log_likelihood: float) -> float:
    """The mean log-likelihood of points, of that of points in here, nats."""
    return log_likelihood - len(self.center) * math.log(self.unit)


def e_step(x: tf.Tensor, row_weights: tf.Tensor, components: Components,
           whitening: tf.Tensor, is_tied: bool = False) -> Statistics:
  """Statistics of one batch.

  Args:
    x: float32 or float64 `[B, d + 1]`, points, each followed by 1; the heavy
      sums are of its type.
    row_weights: of the type of x, `[B]`; a row of weight 0 does not count.
    components: float64.
    whitening: of the type of x, see `whitening_of`.
    is_tied: whether all components have one covariance, which makes it quick
      and rounds otherwise; only `fit_em` says so.
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

  joint = log_joint_of(x, components, whitening, is_tied)
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
  # Rounding may leave a component of one point slightly negative.
  variance = tf.maximum(tf.linalg.diag_part(covariance), 0.0) + floor
  covariance = tf.linalg.set_diag(covariance, variance)
  return Components(
      tf.math.log(count / tf.reduce_sum(count)),
      components.loc + tf.linalg.matvec(scale_tril, shift),
      tf.linalg.cholesky(covariance))


def falls(rise, log_likelihood):
  """Whether a step is not to be made, for data would be less likely after it by
  more than rounding.

  Args:
    rise: of the mean log-likelihood, nats; nan, which ends in float64, is no
      fall.
    log_likelihood: the mean after the step, nats.

  Returns:
    A truth, or a tensor of one.
  """
  return rise < -ROUNDING * (1.0 + abs(log_likelihood))


@functools.lru_cache(maxsize=None)
def _compiled_em(structure: str, rank: int, dtype: tf.DType):
  """EM of one covariance structure, its heavy sums in `dtype`."""

  @tf.function(input_signature=[
      tf.TensorSpec([None, None, None], dtype),
      tf.TensorSpec([None, None], dtype),
      Components(tf.TensorSpec([None], _F64), tf.TensorSpec([None, None], _F64),
                 tf.TensorSpec([None, None, None], _F64)),
      tf.TensorSpec([], _F64), tf.TensorSpec([], tf.int32),
      tf.TensorSpec([], _F64)])
  def em(batches, row_weights, start, floor, max_iterations, tolerance):
    num_rows = tf.reduce_sum(tf.cast(row_weights, _F64))

    def statistics(components):
      whitening = tf.cast(whitening_of(components), dtype)

      def add(i, total):
        part = e_step(batches[i], row_weights[i], components, whitening,
                      structure == 'tied')
        return i + 1, Statistics(*[a + b for a, b in zip(total, part)])
      zero = Statistics(tf.zeros([], _F64), *[
          tf.zeros_like(parameter) for parameter in components])
      _, total = tf.while_loop(
          lambda i, _: i < tf.shape(batches)[0], add, (0, zero),
          parallel_iterations=1)
      return total

    def step(i, components, total, last_gain, gain, fell):
      del last_gain, fell
      tried = m_step(total, components, floor, structure, rank)
      tried_total = statistics(tried)
      rise = (tried_total.log_likelihood - total.log_likelihood) / num_rows
      fell = falls(rise, tried_total.log_likelihood / num_rows)
      components, total = tf.cond(fell, lambda: (components, total),
                                  lambda: (tried, tried_total))
      return i + 1, components, total, gain, rise, fell

    unknown = tf.constant(np.inf, _F64)
    num_iterations, components, total, gain, _, fell = tf.while_loop(
        lambda i, components, total, last_gain, gain, fell: (
            i < max_iterations) & (tf.abs(last_gain) >= tolerance) & ~fell,
        step, (0, start, statistics(start), unknown, unknown, False),
        parallel_iterations=1)
    converged = fell | (tf.abs(gain) < tolerance)
    return (components, total.log_likelihood / num_rows, num_iterations,
            converged)

  return em


def fit_em(x: np.ndarray, start: Components, floor: float = 1e-6,
           max_iterations: int = 200, tolerance: float = 1e-3,
           structure: str = 'full', rank: int = 0) -> Fit:
  """Expectation maximization from a given start.

  The log-likelihood does not fall: what is added to variances makes an M-step
  other than the most likely one, and if that, or rounding, would make the data
  less likely by more than `ROUNDING` allows, the components stay as they are.

  The heavy sums are made in float32 about the current components, everything
  else in float64; where that does not do, all is made again in float64.

  ```python
  fit = em.fit_em(points, em.kmeans_start(points, 3, floor=1e-6, seed=0))
  gaussians.log_joint(points, fit.components)   # [N, 3], nats
  ```

  Args:
    x: `[N, d]`, N >= 1.
    start: of K components.
    floor: added to the variances in every M-step (scikit-learn's `reg_covar`).
    max_iterations: M-steps at the most.
    tolerance: ends when the mean log-likelihood (nats) gains less.
    structure: a key of `COVARIANCES`.
    rank: of the structure low_rank.
  """
  x = np.asarray(x, np.float64)
  frame = Frame(x.mean(axis=0), float(x.std(axis=0).max()) or 1.0)
  num_batches = -(-len(x) // BATCH_SIZE)
  rows = -(-len(x) // num_batches)
  padded = np.ones([num_batches * rows, x.shape[1] + 1])
  padded[:len(x)] = frame.rows(x)
  row_weights = np.zeros(len(padded))
  row_weights[:len(x)] = 1.0
  for dtype in (tf.float32, tf.float64):
    components, log_likelihood, num_iterations, converged = _compiled_em(
        structure, rank, dtype)(
            tf.constant(padded.reshape([num_batches, rows, -1]), dtype),
            tf.constant(row_weights.reshape([num_batches, rows]), dtype),
            frame.inside(start), np.float64(floor / frame.unit**2),
            np.int32(max_iterations), np.float64(tolerance))
    if np.isfinite(log_likelihood):
      break
  return Fit(
      frame.outside(Components(*[part.numpy() for part in components])),
      frame.log_density(float(log_likelihood)), int(num_iterations),
      bool(converged))


def kmeans_start(x: np.ndarray, num_components: int, floor: float,
                 seed: int, structure: str = 'full', rank: int = 0,
                 ) -> Components:
  """Components of the clusters that k-means finds.

  Args:
    x: `[N, d]` of at least `num_components` distinct rows.
    num_components: K.
    floor: added to the variances.
    seed: of the start.
    structure: a key of `COVARIANCES`.
    rank: of the structure low_rank.
  """
  x = np.asarray(x, np.float64)
  size = x.shape[1]
  labels = np.zeros(len(x), int)
  if num_components > 1:
    labels = clusters.kmeans(x, num_components, seed).labels_
  parts = [x[labels == k] for k in range(num_components)]
  loc = np.stack([part.mean(axis=0) for part in parts])
  centered = [part - mean for part, mean in zip(parts, loc)]
  components = m_step(
      Statistics(
          np.float64(0), np.array([float(len(part)) for part in parts]),
          np.stack([part.sum(axis=0) for part in centered]),
          np.stack([part.T @ part for part in centered])),
      Components(np.zeros(num_components), loc,
                 np.tile(np.eye(size), [num_components, 1, 1])),
      np.float64(floor), structure, rank)
  return Components(*[np.asarray(part) for part in components])
