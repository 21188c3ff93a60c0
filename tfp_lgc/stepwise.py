"""EM of mixtures by class as passes over all points, whoever adds up the sums.

A pass computes the sums of em.py for all runs that are not done; what is made
of them, a step of each run, is decided here. beam_em.py has its passes made by
many machines, streamed_em.py by blocks of a file: both end where `em.fit_em`
ends.

```python
x = np.random.default_rng(0).normal(size=[600, 2])
its = config.replace(config.Config(), num_components_max=2)
state = begin(0, len(x), x.mean(axis=0), x.var(axis=0), floor=1e-6,
              runs=kmeans_runs(0, x, its, floor=1e-6))

def sums(state):
  rows = state.frames()[0].rows(x)
  return [added(batch_statistics(batch, run.components, run.dtype)
                for batch in np.array_split(rows, 3))
          for run in state.waiting]

chosen(fit(state, sums, its), its).selections[0].bics
```
"""

import collections
import functools
import math
from typing import Callable, Iterable, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow as tf

from tfp_lgc.config import Config
from tfp_lgc.em import falls, Fit, Frame, kmeans_start
from tfp_lgc.em_steps import e_step, m_step, Statistics
from tfp_lgc.gaussians import Components, whitening_of
from tfp_lgc.mixture import (
  best,
  largest,
  lowest_bic,
  Mixture,
  Selection,
  stack,
  structures,
)

__all__ = ['DONE', 'Fitted', 'LAST', 'Run', 'SAMPLE_SIZE', 'STEP', 'State',
           'added', 'advanced', 'batch_statistics', 'begin', 'chosen', 'fit',
           'fits_of', 'joined', 'kmeans_runs', 'runs_of_size', 'step']

# Points of a class that k-means is given.
SAMPLE_SIZE = 10_000

# A run waits for an M-step, the likelihood of its last components, or nothing.
STEP, LAST, DONE = range(3)

_F64 = tf.float64


class Run(NamedTuple):
  """One run of EM.

  Attributes:
    label: position of the class.
    structure: of the covariances.
    restart: 0, 1, ... of the runs with the same K.
    components: of points in the frame of the class.
    log_likelihood: mean over the points in the frame, nats; while steps are
      made, that before the last of them.
    gain: of the last step, nats.
    num_iterations: M-steps made.
    is_wide: whether its heavy sums are float64, because float32 did not do.
    status: STEP, LAST or DONE.
    fell: whether it ended because its last step was not to be made, see
      `em.falls`.
    previous: what stood before the last step, whose likelihood is
      `log_likelihood` while steps are made; None before the first.
  """
  label: int
  structure: str
  restart: int
  components: Components
  log_likelihood: float = -np.inf
  gain: float = np.inf
  num_iterations: int = 0
  is_wide: bool = False
  status: int = STEP
  fell: bool = False
  previous: Optional[Components] = None

  @property
  def dtype(self) -> tf.DType:
    """Of its heavy sums."""
    return _F64 if self.is_wide else tf.float32


class State(NamedTuple):
  """All runs.

  Attributes:
    labels: int64 `[C]`, the classes that have images, in their order.
    counts: int64 `[C]`, images of each.
    centers: float64 `[C, d]`, of their frames.
    units: float64 `[C]`, of the same.
    floor: what is added to variances.
    runs: those of all classes.
  """
  labels: np.ndarray
  counts: np.ndarray
  centers: np.ndarray
  units: np.ndarray
  floor: float
  runs: tuple[Run, ...]

  def frames(self) -> dict[int, Frame]:
    """By label."""
    return {int(label): Frame(center, float(unit)) for label, center, unit
            in zip(self.labels, self.centers, self.units)}

  @property
  def waiting(self) -> list[Run]:
    """The runs that are not done, in their order."""
    return [run for run in self.runs if run.status != DONE]


# The sums over all points for the runs of `State.waiting`, in their order.
Sums = Callable[[State], Sequence[Statistics]]


class Fitted(NamedTuple):
  """What BIC chose among runs that are done.

  Attributes:
    labels: int64 `[C]`, the classes that have images, in their order.
    counts: int64 `[C]`, images of each.
    selections: label -> what BIC chose.
    fits: (label, structure, K) -> the most likely run.
  """
  labels: np.ndarray
  counts: np.ndarray
  selections: Mapping[int, Selection]
  fits: Mapping[tuple[int, str, int], Fit]

  @property
  def mixture(self) -> Mixture:
    """Of the classes `labels`."""
    its = [self.selections[int(label)] for label in self.labels]
    return stack([one.components for one in its],
                 [one.structure for one in its])


def kmeans_runs(label: int, x: np.ndarray, config: Config, floor: float,
                ) -> list[Run]:
  """Those that `mixture.select` may make, at its starts.

  Args:
    label: of the class.
    x: `[N, d]`, its points or a sample of them.
    config: of the mixture, and the seed.
    floor: added to variances.

  Returns:
    Runs whose components are of points, not of points in a frame.
  """
  return [run for structure in structures(config.mixture)
          for k in range(1, largest(x, structure, config.mixture) + 1)
          for run in runs_of_size(label, x, structure, k, config, floor)]


def runs_of_size(label: int, x: np.ndarray, structure: str, num_components: int,
                 config: Config, floor: float) -> list[Run]:
  """Those of `kmeans_runs` of one structure and number of components."""
  restarts = config.mixture.num_restarts if num_components > 1 else 1
  return [Run(label, structure, i, kmeans_start(
      x, num_components, floor, config.seed + i, structure,
      config.mixture.covariance_rank)) for i in range(restarts)]


def begin(label: int, num_points: int, mean: np.ndarray, variance: np.ndarray,
          floor: float, runs: Iterable[Run]) -> State:
  """The state before the first pass over the points of one class.

  Args:
    label: of the class.
    num_points: N.
    mean: float64 `[d]`, of all its points.
    variance: float64 `[d]`, of the same.
    floor: added to variances.
    runs: at their starts, of points that are not in a frame.
  """
  frame = Frame(mean, float(np.sqrt(variance).max()) or 1.0)
  return State(
      np.array([label]), np.array([num_points]), frame.center[np.newaxis],
      np.array([frame.unit]), floor,
      tuple(run._replace(components=frame.inside(run.components))
            for run in runs))


def joined(states: Sequence[State]) -> State:
  """Those of single classes as one, by label."""
  states = sorted(states, key=lambda state: state.labels[0])
  labels, counts, centers, units = [
      np.concatenate([state[i] for state in states]) for i in range(4)]
  return State(labels, counts, centers, units, states[0].floor,
               tuple(run for state in states for run in state.runs))


@functools.lru_cache(maxsize=None)
def _compiled(dtype: tf.DType):
  """The E-step of one batch, its heavy sums in `dtype`."""

  @tf.function(input_signature=[
      tf.TensorSpec([None, None], dtype),
      Components(tf.TensorSpec([None], _F64), tf.TensorSpec([None, None], _F64),
                 tf.TensorSpec([None, None, None], _F64))])
  def statistics(rows, components):
    return e_step(rows, tf.ones([tf.shape(rows)[0]], dtype), components,
                  tf.cast(whitening_of(components), dtype))

  return statistics


def batch_statistics(rows: np.ndarray, components: Components,
                     dtype: tf.DType = tf.float32) -> Statistics:
  """What `em.fit_em` adds up over its batches, of one of them.

  ```python
  frame = em.Frame(points.mean(axis=0), points.std(axis=0).max())
  now = frame.inside(components)
  total = added(batch_statistics(frame.rows(batch), now)
                for batch in np.array_split(points, 4))
  after = em_steps.m_step(total, now, floor / frame.unit**2, 'full', 0)
  frame.outside(Components(*after))   # After one iteration.
  ```

  Args:
    rows: `[B, d + 1]`, see `em.Frame.rows`; an array or a tensor.
    components: of points in the frame, float64.
    dtype: of the heavy sums.

  Returns:
    float64 arrays; those of two batches with the same components may be added.
  """
  parts = _compiled(dtype)(tf.cast(rows, dtype), Components(*components))
  return Statistics(*[part.numpy() for part in parts])


def added(some: Iterable[Statistics]) -> Statistics:
  """Of the points of all of them, one at least."""
  return functools.reduce(
      lambda a, b: Statistics(*[x + y for x, y in zip(a, b)]), some)


def advanced(run: Run, its: Statistics, frame: Frame, count: int,
             floor: float, config: Config, start: Components) -> Run:
  """What `em.fit_em` makes of a pass over all points.

  Args:
    run: not done.
    its: sums over all points, by the run's components.
    frame: of the class.
    count: points of the class.
    floor: added to variances of points that are not in a frame.
    config: of the mixture.
    start: the components at the run's start, in the frame: where float32 does
      not do, all is made again from there.
  """
  log_likelihood = float(its.log_likelihood) / count
  if not math.isfinite(log_likelihood) and not run.is_wide:
    return Run(run.label, run.structure, run.restart, start, is_wide=True)
  gain = log_likelihood - run.log_likelihood
  if run.previous is not None and falls(gain, log_likelihood):
    return run._replace(components=run.previous, status=DONE, fell=True)
  if run.status == LAST:
    return run._replace(log_likelihood=log_likelihood, status=DONE)
  components = m_step(its, run.components, np.float64(floor / frame.unit**2),
                      run.structure, config.mixture.covariance_rank)
  num_iterations = run.num_iterations + 1
  goes_on = (num_iterations < config.mixture.max_iterations
             and abs(gain) >= config.mixture.tolerance)
  return run._replace(
      components=Components(*[np.asarray(part) for part in components]),
      log_likelihood=log_likelihood, gain=gain, num_iterations=num_iterations,
      status=STEP if goes_on else LAST, previous=run.components)


def step(state: State, sums: Sequence[Statistics], config: Config,
         at_start: State) -> State:
  """All runs after one pass.

  Args:
    state: before it.
    sums: of the runs of `state.waiting`, in their order.
    config: of the mixture.
    at_start: the state before the first pass.
  """
  frames = state.frames()
  counts = dict(zip(state.labels.tolist(), state.counts.tolist()))
  left = iter(sums)
  return state._replace(runs=tuple(
      run if run.status == DONE else advanced(
          run, next(left), frames[run.label], counts[run.label], state.floor,
          config, start.components)
      for run, start in zip(state.runs, at_start.runs)))


def fit(state: State, sums: Sums, config: Config,
        at_start: Optional[State] = None,
        on_pass: Callable[[State], None] = lambda state: None) -> State:
  """Passes until all runs are done.

  Args:
    state: where it begins, see `begin`; or what stood after an earlier pass.
    sums: makes one pass over all points.
    config: of the mixture.
    at_start: the state before the first pass; None if that is `state`.
    on_pass: is told what stands after each pass.
  """
  at_start = at_start or state
  while state.waiting:
    state = step(state, sums(state), config, at_start)
    on_pass(state)
  return state


def fits_of(state: State, config: Config) -> dict[tuple[int, str, int], Fit]:
  """(label, structure, K) -> the most likely of the runs, which are done."""
  frames, by_size = state.frames(), collections.defaultdict(list)
  for run in state.runs:
    frame = frames[run.label]
    by_size[run.label, run.structure, len(run.components.loc)].append(Fit(
        frame.outside(run.components), frame.log_density(run.log_likelihood),
        run.num_iterations,
        run.fell or abs(run.gain) < config.mixture.tolerance))
  return {key: best(runs) for key, runs in by_size.items()}


def _of(fits: Mapping[tuple[str, int], Fit]) -> Callable[[str, int], Fit]:
  return lambda structure, k: fits[structure, k]


def chosen(state: State, config: Config) -> Fitted:
  """By BIC, of all runs, which are done."""
  fits, selections = fits_of(state, config), {}
  for label, count in zip(state.labels.tolist(), state.counts.tolist()):
    its = {key[1:]: fit for key, fit in fits.items() if key[0] == label}
    sizes = collections.defaultdict(list)
    for structure, k in its:
      sizes[structure].append(k)
    selections[label] = lowest_bic(_of(its), sizes, count, config.mixture)
  return Fitted(state.labels, state.counts, selections, fits)
