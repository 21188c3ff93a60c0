"""Expectation maximization for mixtures of Gaussians.

The steps are those of em_steps.py, over batches of points, so that no
intermediate grows with their number. It needs nothing of an artifact;
mixture.py chooses K and the structure, and beam_em.py makes the same steps on
many machines.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfp_lgc import clusters
from tfp_lgc.em_steps import (
  e_step,
  m_step,
  Statistics,
  tied_e_step,
  tied_m_step,
)
from tfp_lgc.gaussians import BATCH_SIZE, Components, whitening_of

__all__ = ['Fit', 'Frame', 'falls', 'fit_em', 'kmeans_start']

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
      its_e_step = (tied_e_step if structure == 'tied' else functools.partial(
          e_step, whitening=tf.cast(whitening_of(components), dtype)))

      def add(i, total):
        part = its_e_step(batches[i], row_weights[i], components)
        return i + 1, Statistics(*[a + b for a, b in zip(total, part)])
      zero = Statistics(tf.zeros([], _F64), *[
          tf.zeros_like(parameter) for parameter in components])
      _, total = tf.while_loop(
          lambda i, _: i < tf.shape(batches)[0], add, (0, zero),
          parallel_iterations=1)
      return total

    def step(i, components, total, last_gain, gain, fell):
      del last_gain, fell
      tried = (tied_m_step(total, components, floor) if structure == 'tied'
               else m_step(total, components, floor, structure, rank))
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
  else in float64; where that does not do, all is made again in float64. Those
  of tied components are few, and float64 from the beginning.

  ```python
  fit = em.fit_em(points, em.kmeans_start(points, 3, floor=1e-6, seed=0))
  gaussians.log_joint(points, fit.components)   # [N, 3], nats
  ```

  Args:
    x: `[N, d]`, N >= 1.
    start: of K components, with one covariance if `structure` is tied.
    floor: added to the variances in every M-step (scikit-learn's `reg_covar`).
    max_iterations: M-steps at the most.
    tolerance: ends when the mean log-likelihood (nats) gains less.
    structure: a key of `COVARIANCES`.
    rank: of the structure low_rank.
  """
  if len(start.loc) == 1 and structure == 'tied':
    structure = 'full'  # The same, and so to the last bit.
  x = np.asarray(x, np.float64)
  frame = Frame(x.mean(axis=0), float(x.std(axis=0).max()) or 1.0)
  num_batches = -(-len(x) // BATCH_SIZE)
  rows = -(-len(x) // num_batches)
  padded = np.ones([num_batches * rows, x.shape[1] + 1])
  padded[:len(x)] = frame.rows(x)
  row_weights = np.zeros(len(padded))
  row_weights[:len(x)] = 1.0
  start = frame.inside(start)
  if structure == 'tied':
    start = start._replace(scale_tril=start.scale_tril[:1])
  for dtype in (tf.float64,) if structure == 'tied' else (tf.float32,
                                                          tf.float64):
    components, log_likelihood, num_iterations, converged = _compiled_em(
        structure, rank, dtype)(
            tf.constant(padded.reshape([num_batches, rows, -1]), dtype),
            tf.constant(row_weights.reshape([num_batches, rows]), dtype),
            start, np.float64(floor / frame.unit**2),
            np.int32(max_iterations), np.float64(tolerance))
    if np.isfinite(log_likelihood):
      break
  log_weights, loc, scale_tril = [part.numpy() for part in components]
  return Fit(
      frame.outside(Components(log_weights, loc, np.broadcast_to(
          scale_tril, [*loc.shape, loc.shape[1]]))),
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
