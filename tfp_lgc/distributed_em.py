"""EM over points that are dealt out to replicas, see distribution.py.

Each replica holds a part of the points of a class on its device. A pass adds
up the sums of em.py over its part, and one all-reduce those of all replicas;
then all processes make the same step, see stepwise.py. Starts are those of
k-means of all points, made by the chief.
"""

from typing import Callable

import numpy as np
import tensorflow as tf

from tfp_lgc import shared
from tfp_lgc.config import Config
from tfp_lgc.distribution import Distribution
from tfp_lgc.em import Fit
from tfp_lgc.em_steps import e_step, Statistics
from tfp_lgc.gaussians import BATCH_SIZE, Components, whitening_of
from tfp_lgc.points import Points
from tfp_lgc.stepwise import Run, State

__all__ = ['SpreadPoints']

_F64 = tf.float64


class SpreadPoints(Points):
  """The points of one class, for EM of several replicas.

  ```python
  points = SpreadPoints(x, config, floor, distribution.of('mirrored'))
  mixture.lowest_bic(points.fit, points.sizes(), len(points), config.mixture)
  ```
  """

  def __init__(self, x: np.ndarray, config: Config, floor: float,
               its: Distribution):
    """Deals them out.

    Args:
      x: `[N, d]`, N >= 1, the same in all processes.
      config: of the mixture, and the seed.
      floor: added to variances.
      its: who takes part.
    """
    self._x, self._its, self._passes = x, its, {
        dtype: _a_pass(its, dtype) for dtype in (tf.float32, _F64)}
    wide = np.asarray(x, np.float64)
    mean, variance = [
        value for _, value in sorted(shared.from_chief(its, {
            '0': wide.mean(axis=0), '1': wide.var(axis=0)}).items())]
    super().__init__(len(x), mean, variance, x, config, floor)
    self._parts: dict[tf.DType, tuple] = {}

  def fit(self, structure: str, num_components: int) -> Fit:
    """As that of `Points`; the chief's, in all processes."""
    fit = super().fit(structure, num_components)
    # Machines may round the M-step another way: what is decided by the
    # components has to be decided in the same way by all.
    found = shared.from_chief(self._its, {
        **fit.components._asdict(), 'rest': np.array(fit[1:])})
    log_likelihood, num_iterations, converged = found.pop('rest')
    return Fit(Components(**found), float(log_likelihood), int(num_iterations),
               bool(converged))

  def _starts(self, structure: str, num_components: int) -> list[Run]:
    """The chief's."""
    arrays = {}
    if self._its.is_chief:
      runs = super()._starts(structure, num_components)
      arrays = {name: np.stack(parts) for name, parts in zip(
          Components._fields, zip(*[run.components for run in runs]))}
    found = Components(**shared.from_chief(self._its, arrays))
    return [Run(0, structure, i, Components(*parts))
            for i, parts in enumerate(zip(*found))]

  def _sums(self, state: State) -> list[Statistics]:
    """One pass of each run."""
    return [_unpacked(self._passes[run.dtype](
        *self._dealt(state, run.dtype), *run.components).numpy(),
                      run.components) for run in state.waiting]

  def _dealt(self, state: State, dtype: tf.DType) -> tuple:
    """Rows, and how much each counts, of the replicas of this process."""
    if dtype not in self._parts:
      [frame] = state.frames().values()
      # As many batches of as many rows in each replica, so that all processes
      # trace the same graphs: others would wait for each other's sums.
      num_parts = self._its.num_replicas
      num_batches = -(-len(self) // (BATCH_SIZE * num_parts))
      num_rows = -(-len(self) // (num_batches * num_parts))
      size = num_batches * num_rows

      def rows(i):
        padded = np.ones([size, self._x.shape[1] + 1])
        own = self._x[i * size:(i + 1) * size]
        padded[:len(own)] = frame.rows(own)
        return tf.constant(
            padded.reshape([num_batches, num_rows, -1]), dtype)

      def weights(i):
        own = np.arange(i * size, (i + 1) * size) < len(self)
        return tf.constant(own.reshape([num_batches, num_rows]), dtype)

      self._parts[dtype] = self._its.spread(rows), self._its.spread(weights)
    return self._parts[dtype]


# (Distribution, type) -> a pass: a class of points needs no new graph.
_compiled: dict[tuple[Distribution, tf.DType], Callable] = {}


def _a_pass(its: Distribution, dtype: tf.DType) -> Callable:
  """A function of rows `[n, B, d + 1]` and weights `[n, B]` of each replica,
  and of components: their statistics as one vector, float64."""

  def own(batches, weights, *parts):
    components = Components(*parts)
    whitening = tf.cast(whitening_of(components), dtype)

    def add(i, total):
      part = e_step(batches[i], weights[i], components, whitening)
      return i + 1, Statistics(*[a + b for a, b in zip(total, part)])

    zero = Statistics(tf.zeros([], _F64), *map(tf.zeros_like, components))
    _, total = tf.while_loop(lambda i, _: i < tf.shape(batches)[0], add,
                             (0, zero), parallel_iterations=1)
    return tf.concat([tf.reshape(part, [-1]) for part in total], axis=0)

  if (its, dtype) not in _compiled:
    _compiled[its, dtype] = its.summed(own)
  return _compiled[its, dtype]


def _unpacked(vector: np.ndarray, components: Components) -> Statistics:
  """What `_a_pass` put one after the other."""
  shapes = [(), *[part.shape for part in components]]
  ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
  return Statistics(*[part.reshape(shape) for part, shape in zip(
      np.split(vector, ends), shapes)])
