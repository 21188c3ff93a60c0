"""How seconds and memory of each stage grow with the number of images."""

import contextlib
import multiprocessing
import os
import pathlib
import re
import shutil
import tempfile
import threading
import time
from typing import Any, Callable, Iterator, Mapping

import tensorflow as tf

from tfp_lgc import config as config_lib
from tfp_lgc import (
  evaluation,
  logs,
  memory,
  pipeline,
  sampling,
  sources,
  tfds_writer,
)
from tfp_lgc.artifact import Artifact
from tfp_lgc.benchmarks import distorted
from tfp_lgc.config import Config
from tfp_lgc.data import Source
from tfp_lgc.errors import ConfigError, DataError, LgcError
from tfp_lgc.options import BenchmarkConfig
from tfp_lgc.progress import Progress
from tfp_lgc.resuming import Work

__all__ = ['STAGES', 'run', 'table']

STAGES = ('write', 'train', 'encode', 'mixture', 'pack', 'sample', 'evaluate')
# What a stage leaves for those that follow, should the suite be ended and
# started again.
LEFT = {'encode': 'encode.npz', 'mixture': 'mixture.npz'}
# What a stage does for an image must not depend on how many there are: one
# pass of training, and passes of EM whose number is given: BIC rises twice in a
# row after three sizes at the earliest. The judges, of which each sees as many
# images as there are, cost little, so that their streams are what is measured.
SETTINGS = {'epochs': 1, 'finetune_steps': 0, 'num_components_max': 3,
            'num_restarts': 1, 'max_iterations': 10, 'tolerance': 0.0,
            'judge': 'mlp'}
MAX_MEMORY = '1.5GB'

Row = dict[str, Any]


def run(config: Config, progress: Progress, done: Mapping[str, dict],
        options: BenchmarkConfig) -> Iterator[Row]:
  """Seconds and peak memory of each stage of a whole job, by size.

  The data sets are made of the train images of `config.data`, see
  distorted.py, and lie in `options.artifacts`. A size has two processes: one
  writes the data set, the other makes all else of it, `SETTINGS` given, within
  `--max_memory`. Its peak begins anew in each stage.

  Yields:
    A row for each of `STAGES`, `scale/60000/train`: seconds, and in bytes what
    the process held before, and at the most. After those of a size
    `scale/60000`: sum and peak without `write`.

  Raises:
    ConfigError: for sizes that are none.
    DataError: if the data set has no test split.
  """
  sizes = _sizes(options.sizes)
  with contextlib.ExitStack() as stack:
    folder = options.artifacts or stack.enter_context(
        tempfile.TemporaryDirectory())
    for size in sizes:
      rows = []
      for row in _of_size(size, config, folder, progress, done):
        rows.append(row)
        yield row
      yield _total(size, rows)


def _sizes(text: str) -> list[int]:
  numbers = text.split(',')
  if not all(part.isascii() and part.isdigit() and 0 < int(part) < 2**31
             for part in numbers):
    raise ConfigError(f'sizes = {text!r}: must be whole numbers from 1, '
                      'separated by commas, as 60000,600000')
  return [int(part) for part in numbers]


def _name(size: int, stage: str) -> str:
  return f'scale/{size}/{stage}'


def _of_size(size: int, config: Config, folder: str, progress: Progress,
             done: Mapping[str, dict]) -> Iterator[Row]:
  """The rows of all stages; those that are there are not made again."""
  known = {stage: done[_name(size, stage)] for stage in STAGES
           if _name(size, stage) in done}
  yield from known.values()
  if set(known) >= set(STAGES) - {'write'}:
    return
  base = re.sub(r'\W+', '_', config.data.dataset)
  data_dir = os.path.join(folder, f'{base}_{config.seed}_{size}')
  stands = os.path.isdir(os.path.join(data_dir, *distorted.PLACE))
  for job in (_make,) if stands else (_write, _make):
    for stage, row in _in_process(job, size, config, data_dir, set(known)):
      progress.note(f'{size:,} images: {stage} in {row["seconds"]:.1f} s, '
                    f'{row["peak_num_bytes"] / 1e6:.0f} MB')
      if stage not in known:
        yield {'name': _name(size, stage), **row}


def _in_process(job: Callable, *args: Any) -> Iterator[tuple[str, Row]]:
  """What a job tells of in a fresh process, as soon as it is told."""
  spawn = multiprocessing.get_context('spawn')
  receiver, sender = spawn.Pipe(duplex=False)
  process = spawn.Process(target=_told, args=(sender, job, *args), daemon=True)
  process.start()
  sender.close()  # Or nobody would hear of the end of the other one.
  try:
    while True:
      got = receiver.recv()
      if isinstance(got, Exception):
        raise got
      yield got
  except EOFError:
    process.join()
  finally:
    process.terminate()
  if process.exitcode:
    raise LgcError(f'the process of {job.__name__[1:]} ended with '
                   f'{process.exitcode}; -9 may be the system, if memory ran '
                   'out')


def _told(sender, job: Callable, *args: Any) -> None:
  """Runs a job, and hands on what people can do something about."""
  logs.start()  # A fresh process has been told nothing yet.
  threading.Thread(target=_end_with_parent, daemon=True).start()
  try:
    job(sender.send, *args)
  except (LgcError, FloatingPointError, OSError) as error:
    sender.send(error)
  except tf.errors.OpError as error:  # As of a disk that is full.
    sender.send(LgcError(error.message.partition('\n')[0]))


def _end_with_parent() -> None:
  """Or who stops the suite by a signal would leave this process behind."""
  parent = multiprocessing.parent_process()
  assert parent is not None
  parent.join()
  os._exit(1)


class _Measured(Progress):
  """Tells of each stage that is not within another."""

  def __init__(self, size: int, tell: Callable[[tuple[str, Row]], None]):
    super().__init__()
    self._size, self._tell, self._depth = size, tell, 0

  @contextlib.contextmanager
  def stage(self, name: str, total: int = 0):
    if self._depth:
      yield
      return
    memory.begin_peak()
    before, start = memory.held('VmRSS'), time.perf_counter()
    cpu = time.process_time()
    self._depth += 1
    try:
      yield
    finally:
      self._depth -= 1
    seconds = time.perf_counter() - start
    self.seconds[name] = seconds
    self._tell((name, {
        'num_images': self._size, 'seconds': round(seconds, 2),
        'cpu_seconds': round(time.process_time() - cpu, 2),
        'num_bytes_before': before, 'peak_num_bytes': memory.held()}))


def _write(tell: Callable, size: int, config: Config, data_dir: str,
           known: set[str]) -> None:
  """The data set."""
  del known
  source = pipeline.open_source(config.data.dataset, config_lib.replace(
      config, max_memory=''))
  if source.test is None:
    raise DataError(f'dataset = {source.name!r}: has no test split')
  train, test = [split.to_memory(source.class_names)
                 for split in (source.train, source.test)]
  with _Measured(size, tell).stage('write'):
    distorted.write(train, test, size, config.seed, data_dir, source.name,
                    Progress())


def _make(tell: Callable, size: int, config: Config, data_dir: str,
          known: set[str]) -> None:
  """All of the job."""
  steps = max(1, size // config.evaluate.judge_batch_size)
  config = config_lib.replace(
      config, dataset=tfds_writer.DATASET_NAME, data_dir=data_dir,
      max_memory=config.data.max_memory or MAX_MEMORY, judge_steps=steps,
      **SETTINGS)
  source = sources.load(config.data)
  directory = pathlib.Path(data_dir, 'work')
  _forget(directory, known)
  progress = _Measured(size, tell)
  artifact = pipeline.fit(source, config, progress,
                          work=Work(directory)).artifact
  with progress.stage('sample'):
    _sample(artifact, source, os.path.join(data_dir, 'samples'))
  with progress.stage('evaluate'):
    evaluation.evaluate(artifact, source, config, progress=progress)
  shutil.rmtree(directory)


def _forget(directory: pathlib.Path, known: set[str]) -> None:
  """Takes away what is left of stages that are to be measured, so that none is
  taken for what is left of it to do."""
  if 'train' not in known:
    shutil.rmtree(directory, ignore_errors=True)
  is_known = 'train' in known
  for stage, name in LEFT.items():
    is_known = is_known and stage in known
    if not is_known:
      (directory / name).unlink(missing_ok=True)


def _sample(artifact: Artifact, source: Source, output: str) -> None:
  """As many images as there were, as `bin/sample --output_format=tfds`."""
  for path in (output, output + tfds_writer.UNFINISHED):
    shutil.rmtree(path, ignore_errors=True)
  tfds_writer.write_tfds(
      sampling.drawing(artifact).portions, {'train': source.train.num_examples},
      artifact.image_shape, artifact.class_names, output, {}, Progress())
  shutil.rmtree(output)


def _total(size: int, rows: list[Row]) -> Row:
  """Of all stages but `write`."""
  rows = [row for row in rows if row['name'] != _name(size, 'write')]
  sums = {name: round(sum(row[name] for row in rows), 2)
          for name in ('seconds', 'cpu_seconds')}
  return {'name': f'scale/{size}', 'num_images': size, **sums,
          'peak_num_bytes': max(row['peak_num_bytes'] for row in rows)}


def table(rows: Mapping[str, dict]) -> str:
  """Each stage by size. What a stage takes whatever the size, to compile above
  all, is in all of them: so time is linear where a further image, beyond the
  size before, takes as long as between the first two sizes."""
  sizes = sorted({row['num_images'] for name, row in rows.items()
                  if name.startswith('scale/')})
  lines = ['| stage | images | seconds | microseconds a further image | ratio '
           '| peak, MB | ratio |', '|---|---|---|---|---|---|---|']
  for stage in (*STAGES, ''):
    of_stage = [rows[name] for size in sizes
                if (name := _name(size, stage).rstrip('/')) in rows]
    slopes: list[float] = []
    for before, row in zip([None, *of_stage], of_stage):
      time_cells = '| |'
      if before:
        slopes.append(1e6 * (row['seconds'] - before['seconds'])
                      / (row['num_images'] - before['num_images']))
        ratio = slopes[-1] / slopes[0] if slopes[0] else 1.0
        time_cells = f'{slopes[-1]:.1f} | {ratio:.2f} |'
      memory_ratio = row['peak_num_bytes'] / of_stage[0]['peak_num_bytes']
      lines.append(
          f'| {stage or "all but write"} | {row["num_images"]:,} | '
          f'{row["seconds"]:.1f} | {time_cells} '
          f'{row["peak_num_bytes"] / 1e6:.0f} | {memory_ratio:.2f} |')
  return '\n'.join(lines)
