"""EM of mixtures by class over points that lie in a file.

Points are brought into an order in which those of a class lie one after the
other: rows at random places of a mapped file are read page by page, which takes
longer than all of it from its start to its end. Then each pass of EM reads the
segment of a class in blocks, and lets go of them. Starts are those of k-means
of a sample of the class, as in beam_start.py; stepwise.py makes the steps.

```python
segments = by_class(latents, labels, num_classes, memory.limits('2GB'))
points = FilePoints(segments.of(3), config, floor, sample_size=10_000)
mixture.lowest_bic(points.fit, points.sizes(), len(points), config.mixture)
```
"""

from typing import Iterator, NamedTuple, Optional

import numpy as np

from tfp_lgc import memory, stepwise, streams
from tfp_lgc.config import Config
from tfp_lgc.em_steps import Statistics
from tfp_lgc.gaussians import BATCH_SIZE
from tfp_lgc.points import Points
from tfp_lgc.stepwise import State

__all__ = ['FilePoints', 'Segments', 'blocks_of', 'by_class', 'mean_of',
           'moments']

# Points of a mapped file that are read before they are let go of.
BLOCK_SIZE = 2 * BATCH_SIZE


def blocks_of(points: np.ndarray) -> Iterator[np.ndarray]:
  """`[B, d]` of points `[N, d]`, in their order; what was read of a mapped file
  is let go of."""
  for first in range(0, len(points), BLOCK_SIZE):
    yield points[first:first + BLOCK_SIZE]
    streams.release(points)


def mean_of(points: np.ndarray) -> np.ndarray:
  """float64 `[d]` of points `[N, d]`."""
  return sum(block.sum(axis=0, dtype=np.float64)
             for block in blocks_of(points)) / len(points)


def moments(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Mean and variance, float64 `[d]`, of points `[N, d]`, in two passes."""
  mean = mean_of(points)
  return mean, sum(np.square(block - mean).sum(axis=0)
                   for block in blocks_of(points)) / len(points)


class Segments(NamedTuple):
  """Points, those of a class one after the other.

  Attributes:
    points: float32 `[N, d]`, of class 0, 1, ...; of a class in the order that
      they had.
    firsts: int64 `[C + 1]`, where each class begins, and N.
  """
  points: np.ndarray
  firsts: np.ndarray

  def of(self, label: int) -> np.ndarray:
    """Those of one class, `[n, d]`, not copied."""
    return self.points[self.firsts[label]:self.firsts[label + 1]]


def by_class(latents: np.ndarray, labels: np.ndarray, num_classes: int,
             bound: Optional[memory.Limits]) -> Segments:
  """Brings points into the order of their classes, in one pass over them.

  Args:
    latents: `[N, d]`.
    labels: int `[N]`, below `num_classes`.
    num_classes: C.
    bound: of memory, which says whether the result is a file.
  """
  counts = np.bincount(labels, minlength=num_classes)
  firsts = np.concatenate([[0], np.cumsum(counts)])
  points, ends = streams.scratch(latents.shape, bound), firsts[:-1].copy()
  first = 0
  for block in blocks_of(latents):
    told = labels[first:first + len(block)]
    for label in np.unique(told):
      own = block[told == label]
      points[ends[label]:ends[label] + len(own)] = own
      ends[label] += len(own)
    streams.release(points)
    first += len(block)
  return Segments(points, firsts)


class FilePoints(Points):
  """The points of one class in a file, for EM."""

  def __init__(self, points: np.ndarray, config: Config, floor: float,
               sample_size: int = stepwise.SAMPLE_SIZE):
    """Reads them twice.

    Args:
      points: `[N, d]`, N >= 1.
      config: of the mixture, and the seed.
      floor: added to variances.
      sample_size: points that k-means is given; they are drawn at random where
        there are more.
    """
    self._points = points
    super().__init__(len(points), *moments(points),
                     _sample(points, sample_size, config.seed), config, floor)

  def _sums(self, state: State) -> list[Statistics]:
    """One pass."""
    [frame], runs = state.frames().values(), state.waiting
    totals: list[Optional[Statistics]] = [None] * len(runs)
    for block in blocks_of(self._points):
      for first in range(0, len(block), BATCH_SIZE):
        rows = frame.rows(block[first:first + BATCH_SIZE])
        for i, run in enumerate(runs):
          part = stepwise.batch_statistics(rows, run.components, run.dtype)
          before = totals[i]
          totals[i] = stepwise.added([before, part] if before else [part])
    found = [total for total in totals if total is not None]
    assert len(found) == len(runs), 'there is no point'
    return found


def _sample(points: np.ndarray, size: int, seed: int) -> np.ndarray:
  """So many of the points at random, in their order, or all of them."""
  if len(points) <= size:
    return np.array(points)
  rows = np.sort(np.random.default_rng(seed).choice(
      len(points), size, replace=False, shuffle=False))
  parts, first = [], 0
  for block in blocks_of(points):
    low, high = np.searchsorted(rows, [first, first + len(block)])
    parts.append(block[rows[low:high] - first])
    first += len(block)
  return np.concatenate(parts)
