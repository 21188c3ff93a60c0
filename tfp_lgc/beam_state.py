"""How far the EM runs of beam_em.py are, as a file; results of pipelines."""

from typing import Any, Iterable, Iterator

import apache_beam as beam
import numpy as np
import tensorflow as tf

from tfp_lgc import beam_files
from tfp_lgc.gaussians import Components
from tfp_lgc.stepwise import Run, State

__all__ = ['Merge', 'Write', 'collect', 'from_bytes', 'to_bytes']

# Into which a pipeline puts its results.
NUM_FILES = 64

_SCALARS = ('label', 'structure', 'restart', 'log_likelihood', 'gain',
            'num_iterations', 'is_wide', 'status', 'fell')
# Of the names of arrays.
_PREVIOUS = 'previous_'


class Merge(beam.CombineFn):
  """Makes one of any number of like elements; None stands for no element."""

  def merged(self, some: list) -> Any:
    """One of one or more."""
    raise NotImplementedError

  def create_accumulator(self):
    return None

  def add_input(self, accumulator, element):
    return self.merge_accumulators([accumulator, element])

  def merge_accumulators(self, accumulators):
    some = [its for its in accumulators if its is not None]
    return self.merged(some) if some else None

  def extract_output(self, accumulator):
    return accumulator


def to_bytes(state: State) -> bytes:
  """An .npz file; components of all runs stand one after the other."""
  arrays = {name: np.array([getattr(run, name) for run in state.runs])
            for name in _SCALARS}
  arrays['num_components'] = np.array([len(run.components.loc)
                                       for run in state.runs])
  for name in Components._fields:
    arrays[name] = np.concatenate([getattr(run.components, name)
                                   for run in state.runs])
    # Of a run without, its own stand for them.
    arrays[_PREVIOUS + name] = np.concatenate([
        getattr(run.previous or run.components, name) for run in state.runs])
  for name in State._fields[:-1]:
    arrays[name] = np.asarray(getattr(state, name))
  return beam_files.to_bytes(arrays)


def from_bytes(content: bytes) -> State:
  """The inverse of `to_bytes`."""
  arrays = beam_files.from_bytes(content)
  ends = np.cumsum(arrays['num_components'])[:-1]
  components, previous = [
      [Components(*parts) for parts in zip(*[
          np.split(arrays[prefix + name], ends)
          for name in Components._fields])]
      for prefix in ('', _PREVIOUS)]
  scalars = zip(*[arrays[name].tolist() for name in _SCALARS])
  runs = [Run(label, structure, restart, its, *rest)
          for its, (label, structure, restart, *rest)
          in zip(components, scalars)]
  runs = [run._replace(previous=its) if run.num_iterations else run
          for run, its in zip(runs, previous)]
  return State(arrays['labels'], arrays['counts'], arrays['centers'],
               arrays['units'], float(arrays['floor']), tuple(runs))


class Write(beam.PTransform):
  """Writes (number, bytes) for `collect`, to a few files.

  Neither this nor `beam_encode.Read` is Beam's own: TensorFlow checks records
  without a further package, and all files are opened by one of the two.
  """

  def __init__(self, folder: str):
    super().__init__()
    self._folder = folder

  def expand(self, pairs):
    # What an earlier try left.
    if tf.io.gfile.exists(self._folder):
      tf.io.gfile.rmtree(self._folder)
    tf.io.gfile.makedirs(self._folder)
    return (pairs
            | 'File' >> beam.Map(_by_file)
            | 'Group' >> beam.GroupByKey()
            | 'Write' >> beam.Map(_write, folder=self._folder))


def _by_file(pair: tuple[int, bytes]) -> tuple[int, bytes]:
  number, content = pair
  return number % NUM_FILES, content


def _write(pair: tuple[int, Iterable[bytes]], folder: str) -> None:
  number, contents = pair
  path = beam_files.join(folder, f'part-{number:05d}')
  with beam_files.placed(path, folder) as aside:
    with tf.io.TFRecordWriter(aside) as writer:
      for content in contents:
        writer.write(content)


def collect(folder: str) -> Iterator[bytes]:
  """What was written, in any order; then the folder is taken away."""
  paths = sorted(tf.io.gfile.glob(beam_files.join(folder, 'part-*')))
  yield from tf.data.TFRecordDataset(paths).as_numpy_iterator()
  tf.io.gfile.rmtree(folder)
