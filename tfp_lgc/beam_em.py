"""EM of mixtures by class over latents of any number, as Beam pipelines.

The first pipeline finds the starts (beam_start.py). Then each iteration is one
pipeline: workers compute the sums of em.py over batches of one class, for all
numbers of components that are tried at once, a `CombineFn` adds them in
float64, and the step is made where the pipeline was started, by stepwise.py.
What stands after an iteration is written down, so that a run that was killed
goes on.
"""

import collections
import hashlib
from typing import Callable, Mapping, Optional

import apache_beam as beam
import numpy as np
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from tfp_lgc import (
  beam_encode,
  beam_files,
  beam_start,
  beam_state,
  stepwise,
)
from tfp_lgc.artifact import Artifact
from tfp_lgc.beam_files import Latents
from tfp_lgc.beam_start import Starts
from tfp_lgc.config import Config
from tfp_lgc.em_steps import Statistics
from tfp_lgc.errors import ConfigError
from tfp_lgc.gaussians import BATCH_SIZE
from tfp_lgc.stepwise import DONE, Fitted, SAMPLE_SIZE, State

__all__ = ['Sum', 'fit', 'refit']


class Sum(beam_state.Merge):
  """Adds `Statistics`."""

  def merged(self, some):
    return stepwise.added(some)


class _Statistics(beam.DoFn):
  """Of latents, (position of a run, `Statistics`) for all runs of their class
  that are not done."""

  def __init__(self, path: str):
    """Takes the path of the state, which may be too large for a pickle."""
    self._path = path

  def setup(self):
    """Once a worker."""
    state = _load(self._path)
    self._frames = state.frames()
    self._runs = collections.defaultdict(list)
    for i, run in enumerate(state.runs):
      if run.status != DONE:
        self._runs[run.label].append((i, run))

  def process(self, latents: Latents):
    runs, points = self._runs[latents.label], latents.points
    for first in range(0, len(points) if runs else 0, BATCH_SIZE):
      rows = self._frames[latents.label].rows(
          points[first:first + BATCH_SIZE])
      for i, run in runs:
        yield i, stepwise.batch_statistics(rows, run.components, run.dtype)


def _pack(pair: tuple[int, Statistics]) -> tuple[int, bytes]:
  i, statistics = pair
  return i, beam_files.to_bytes({'run': np.array(i), **statistics._asdict()})


def _unpack(content: bytes) -> tuple[int, Statistics]:
  arrays = beam_files.from_bytes(content)
  return int(arrays.pop('run')), Statistics(**arrays)


def _sums(directory: str, working: str, path: str,
          options: Optional[PipelineOptions]) -> dict[int, Statistics]:
  """One pass over all points; by the position of a run."""
  folder = beam_files.join(working, 'sums')
  with beam.Pipeline(options=options) as pipeline:
    _ = (pipeline
         | 'Latents' >> beam_encode.Read(directory)
         | 'Statistics' >> beam.ParDo(_Statistics(path))
         | 'Sum' >> beam.CombinePerKey(Sum())
         | 'Pack' >> beam.Map(_pack)
         | 'Write' >> beam_state.Write(folder))
  return dict(map(_unpack, beam_state.collect(folder)))


def _path(working: str, iteration: int) -> str:
  return beam_files.join(working, f'state-{iteration:05d}.npz')


def _load(path: str) -> State:
  with tf.io.gfile.GFile(path, 'rb') as file:
    return beam_state.from_bytes(file.read())


def _save(state: State, working: str, iteration: int) -> None:
  with beam_files.placed(_path(working, iteration), working) as aside:
    with tf.io.gfile.GFile(aside, 'wb') as file:
      file.write(beam_state.to_bytes(state))


def _digest(starts: Optional[Starts]) -> Optional[str]:
  """What tells starts from others."""
  if starts is None:
    return None
  sha256 = hashlib.sha256()
  for label in sorted(starts):
    for structure, components in starts[label]:
      sha256.update(f'{label} {structure} {len(components.loc)} '.encode())
      for part in components:
        sha256.update(np.asarray(part, np.float64).tobytes())
  return sha256.hexdigest()


def fit(latents: str, working: str, config: Config,
        options: Optional[PipelineOptions] = None,
        starts: Optional[Starts] = None, sample_size: int = SAMPLE_SIZE,
        say: Callable[[str], None] = lambda line: None) -> Fitted:
  """Mixtures by class, their sizes and structures chosen by BIC.

  From the same starts they are those of `mixture.select` but for rounding. A
  class of more than `sample_size` points starts from k-means of so many of
  them.

  ```python
  fitted = fit('latents', 'em', artifact.encoder.config)
  fitted.fits[0, 'full', 2].log_likelihood   # nats an image
  ```

  Args:
    latents: directory of `encode`.
    working: a directory that does not exist, or that of the same run.
    config: of the mixture, and the seed.
    options: of Beam.
    starts: of all runs, K in ascending order; None for k-means.
    sample_size: see there.
    say: is told in a line how far it is.

  Raises:
    ConfigError: if another run wrote to `working`, or `encode` is not done.
  """
  if config.mixture.selection != 'bic':
    raise ConfigError(f'selection = {config.mixture.selection}: Beam fits '
                      'mixtures by bic alone')
  note = beam_files.settings_of(latents)
  _check_pieces(latents, note)
  mixture = {name: getattr(config.mixture, name) for name in (
      'covariance', 'covariance_rank', 'covariance_floor',
      'num_components_max', 'num_restarts', 'max_iterations', 'tolerance')}
  beam_files.claim(working, {
      'latents': note, 'mixture': mixture, 'seed': config.seed,
      'starts': _digest(starts), 'sample_size': sample_size})
  stands = sorted(tf.io.gfile.glob(beam_files.join(working, 'state-*.npz')))
  if not stands:
    _save(beam_start.start(latents, working, config, options, starts,
                           sample_size), working, 0)
  at_start = _load(_path(working, 0))
  iteration = int(stands[-1][-9:-4]) if stands else 0

  def sums(state):
    say(f'iteration {iteration + 1}: {len(state.waiting)} of '
        f'{len(state.runs)} runs')
    by_run = _sums(latents, working, _path(working, iteration), options)
    return [by_run[i] for i, run in enumerate(state.runs)
            if run.status != DONE]

  def write(state):
    nonlocal iteration
    iteration += 1
    _save(state, working, iteration)
    if iteration > 1:
      tf.io.gfile.remove(_path(working, iteration - 1))

  state = stepwise.fit(_load(_path(working, iteration)), sums, config, at_start,
                       write)
  return stepwise.chosen(state, config)


def _check_pieces(latents: str, note: Mapping) -> None:
  pieces = beam_encode.pieces_of(latents, note['num_images'],
                                 note['piece_size'])
  for piece in pieces:
    if not tf.io.gfile.exists(piece.path):
      raise ConfigError(f'latents = {latents!r}: {piece.path} is missing; run '
                        'the job encode again, which goes on')


def refit(artifact: Artifact, latents: str, working: str,
          options: Optional[PipelineOptions] = None,
          sample_size: int = SAMPLE_SIZE,
          say: Callable[[str], None] = lambda line: None) -> Artifact:
  """The artifact with mixtures of the latents, as `Artifact.updated` makes it
  of images; see `fit` for the arguments.

  Raises:
    ConfigError: if the latents are of the encoder of another artifact; as
      `fit`.
  """
  note = beam_files.settings_of(latents)
  if note.get('artifact') != artifact.checksum:
    raise ConfigError(f'latents = {latents!r}: were encoded for another '
                      'artifact')
  config = artifact.check_refit().config
  fitted = fit(latents, working, config, options, None, sample_size, say)
  names = [note['class_names'][label] for label in fitted.labels]
  return artifact.refitted(fitted.mixture, names, fitted.counts.tolist())
