"""What cost_model.py says on average, by drawing what happens."""

import heapq
import math
from typing import Mapping

import numpy as np

from tfp_lgc.benchmarks import cost_model
from tfp_lgc.benchmarks.cost_model import (
  CLUSTER,
  Cluster,
  Fit,
  Job,
  Row,
  STAGES,
  work,
)

__all__ = ['simulated']

# Steps that are drawn; each stands for several where there are more.
NUM_DRAWN = 1000


def simulated(fits: Mapping[str, Fit], job: Job, workers: int, seed: int = 0,
              cluster: Cluster = CLUSTER) -> Row:
  """Draws how long each worker takes for its part of each step or for each
  bundle of images, each message of a sum, and when workers fail.

  Returns:
    seconds: by stage.
    total_seconds: their sum.
    num_failures: of all workers.
  """
  rng = np.random.default_rng(seed)
  its, seconds, num_failures = work(job, workers), {}, 0
  reading = cost_model.reading(fits, job) * (1.0 - 1.0 / workers)
  for stage in STAGES:
    alone = fits[stage].rate * its.by_stage[stage] / workers
    if stage in its.num_steps:
      steps = _steps(alone, its.num_steps[stage], its.num_bytes[stage], workers,
                     cluster, rng)
      if stage == 'train':
        steps += reading / len(steps)
        steps *= 1.0 + cluster.checkpoint_seconds / cluster.checkpoint_interval
      took, failed = _together(steps, cost_model.interval(
          stage, 0.0, cluster), workers, cluster, rng)
    else:
      took, failed = _apart(alone * workers, job.num_images, workers, cluster,
                            rng)
    seconds[stage] = fits[stage].overhead + took
    num_failures += failed
  return {'seconds': {name: round(value, 1) for name, value in seconds.items()},
          'total_seconds': round(sum(seconds.values()), 1),
          'num_failures': num_failures}


def _steps(alone: float, num_steps: int, num_bytes: int, workers: int,
           cluster: Cluster, rng: np.random.Generator) -> np.ndarray:
  """Seconds of each step: the slowest worker, then the messages of a ring, in
  each of which all wait for the slowest link."""
  drawn = min(num_steps, NUM_DRAWN)
  hop = cluster.latency + num_bytes / workers / cluster.bytes_per_second
  steps = np.empty(drawn)
  for i in range(drawn):
    parts = alone / num_steps * rng.lognormal(0.0, cluster.spread, workers)
    links = rng.uniform(1.0 - cluster.jitter, 1.0 + cluster.jitter,
                        [2 * (workers - 1), workers])
    steps[i] = parts.max() + hop * links.max(axis=1).sum()
  return np.resize(steps, num_steps)


def _together(steps: np.ndarray, interval: float, workers: int,
              cluster: Cluster, rng: np.random.Generator) -> tuple[float, int]:
  """Seconds of steps that all make together, some of them more than once, and
  how often a worker failed.

  Args:
    steps: `[n]`, seconds.
    interval: between two states that are kept; 0: one after each step.
    workers: W.
    cluster: see there.
    rng: of the failures.
  """
  ends = np.cumsum(steps)
  clock, done, failed = 0.0, 0.0, 0
  while True:
    until = rng.exponential(cluster.seconds_between_failures / workers)
    if done + until >= ends[-1]:
      return clock + float(ends[-1]) - done, failed
    # The last step that had ended when the last state was kept.
    kept = done + until - rng.uniform(0.0, interval)
    at = int(np.searchsorted(ends, max(kept, 0.0), side='right'))
    done = max(done, float(ends[at - 1]) if at else 0.0)
    clock += until + cluster.restart
    failed += 1


def _apart(seconds: float, num_images: int, workers: int, cluster: Cluster,
           rng: np.random.Generator) -> tuple[float, int]:
  """The same of bundles of images: who is free takes the next one, and who
  failed does its bundle again."""
  num_bundles = max(workers, math.ceil(num_images / cost_model.BUNDLE_SIZE))
  free, failed = [0.0] * workers, 0
  # Their mean is that of the bundles, not their median.
  times = seconds / num_bundles * rng.lognormal(
      -0.5 * cluster.spread**2, cluster.spread, num_bundles)
  for time in times:
    start = heapq.heappop(free)
    while (until := rng.exponential(cluster.seconds_between_failures)) < time:
      start += until + cluster.restart
      failed += 1
    heapq.heappush(free, start + float(time))
  return max(free), failed
