"""Where EM over latents of any number starts, as a Beam pipeline.

One pass takes the mean and the scales of each class and a sample of its points;
k-means of that makes the starts, as it does in one process of all points. A
class of no more points than the sample has is seen as a whole, and its starts
are those of one process.
"""

import functools
from typing import Mapping, NamedTuple, Optional, Sequence

import apache_beam as beam
import numpy as np
from apache_beam.options.pipeline_options import PipelineOptions

from tfp_lgc import beam_encode, beam_files, beam_state, stepwise
from tfp_lgc.beam_files import Latents
from tfp_lgc.config import Config
from tfp_lgc.errors import ConfigError
from tfp_lgc.gaussians import Components
from tfp_lgc.stepwise import Run, State

__all__ = ['Starts', 'Summary', 'merged', 'start', 'summary']

# Label -> (structure, components) of each run.
Starts = Mapping[int, Sequence[tuple[str, Components]]]


class Summary(NamedTuple):
  """Moments of points, and those of them that have the lowest keys.

  Attributes:
    num_points: N.
    mean: float64 `[d]`.
    squares: float64 `[d]`, sums of squared distances from the mean.
    keys: float64 `[n]`, random numbers that only the seed and the points'
      places decide on.
    positions: int64 `[n]`.
    points: float32 `[n, d]`.
  """
  num_points: int
  mean: np.ndarray
  squares: np.ndarray
  keys: np.ndarray
  positions: np.ndarray
  points: np.ndarray


def summary(latents: Latents, seed: int = 0) -> Summary:
  """Of one record; all its points have a key."""
  x = latents.points.astype(np.float64)
  mean = x.mean(axis=0)
  rng = np.random.default_rng(
      [seed, latents.label, int(latents.positions[0])])
  return Summary(len(x), mean, np.square(x - mean).sum(axis=0),
                 rng.random(len(x)), latents.positions, latents.points)


def merged(a: Summary, b: Summary, sample_size: int) -> Summary:
  """Of the points of both.

  T. F. Chan, G. H. Golub, R. J. LeVeque, Updating Formulae and a Pairwise
  Algorithm for Computing Sample Variances, 1979.
  """
  num_points = a.num_points + b.num_points
  shift = b.mean - a.mean
  keys = np.concatenate([a.keys, b.keys])
  kept = np.argsort(keys)[:sample_size]
  return Summary(
      num_points, a.mean + shift * (b.num_points / num_points),
      a.squares + b.squares + np.square(shift) * (
          a.num_points * b.num_points / num_points),
      keys[kept], np.concatenate([a.positions, b.positions])[kept],
      np.concatenate([a.points, b.points])[kept])


class _Merge(beam_state.Merge):
  """`merged` of any number."""

  def __init__(self, sample_size: int):
    self._sample_size = sample_size

  def merged(self, some):
    return functools.reduce(
        lambda a, b: merged(a, b, self._sample_size), some)


class _Start(beam.DoFn):
  """(label, bytes of a `State`): the runs of a class at their starts."""

  def __init__(self, config: Config, given: Optional[Starts]):
    self._config, self._given = config, given

  def process(self, pair: tuple[int, Summary], total: Summary):
    label, its = pair
    # As `latent.floor` has it.
    unit = float((total.squares / total.num_points).mean()) or 1.0
    floor = self._config.mixture.covariance_floor * unit
    if self._given is None:
      x = its.points[np.argsort(its.positions)]
      runs = stepwise.kmeans_runs(label, x, self._config, floor)
    else:
      if not self._given.get(label):
        raise ConfigError(f'starts: has none of class {label}, which has '
                          'images')
      runs = [Run(label, structure, 0, components)
              for structure, components in self._given[label]]
    yield label, beam_state.to_bytes(stepwise.begin(
        label, its.num_points, its.mean, its.squares / its.num_points, floor,
        runs))


def _keyed(latents: Latents, seed: int) -> tuple[int, Summary]:
  return latents.label, summary(latents, seed)


def _moments(pair: tuple[int, Summary]) -> Summary:
  """Without the sample."""
  its = pair[1]
  return its._replace(keys=its.keys[:0], positions=its.positions[:0],
                      points=its.points[:0])


def start(directory: str, working: str, config: Config,
          options: Optional[PipelineOptions], given: Optional[Starts],
          sample_size: int) -> State:
  """All runs at their starts.

  Args:
    directory: of `beam_encode.encode`.
    working: where results of pipelines are put.
    config: of the mixture, and the seed.
    options: of Beam.
    given: starts; None for those of k-means.
    sample_size: points of a class that k-means is given.
  """
  folder = beam_files.join(working, 'start')
  with beam.Pipeline(options=options) as pipeline:
    summaries = (
        pipeline
        | 'Latents' >> beam_encode.Read(directory)
        | 'Summarize' >> beam.Map(_keyed, seed=config.seed)
        | 'Merge' >> beam.CombinePerKey(
            _Merge(sample_size if given is None else 0)))
    total = (summaries
             | 'Moments' >> beam.Map(_moments)
             | 'MergeAll' >> beam.CombineGlobally(_Merge(0)).without_defaults())
    _ = (summaries
         | 'Start' >> beam.ParDo(_Start(config, given),
                                 beam.pvalue.AsSingleton(total))
         | 'Write' >> beam_state.Write(folder))
  return stepwise.joined([
      beam_state.from_bytes(content) for content in beam_state.collect(folder)])
