"""Work that goes on after a kill and ends in the same bytes.

A long job keeps what it has in a work folder, `OUTPUT/.resume` of
`bin/compress`, and removes that when it is done:

- `run.json`: the fingerprint of all that decides what comes out: settings,
  every byte of the train split, the code of this package, versions of others,
  and what of the environment makes a machine round otherwise. A folder of
  another fingerprint is emptied, never mixed with.
- `STAGE.npz`: the result of a stage, with the rows it adds to metrics.jsonl
  and its seconds. No pickle. A file is written under another name, synced and
  renamed: it is there as a whole or not at all.
- `STAGE/`: checkpoints within a stage that trains, see checkpoints.py.

Nothing is random but by seeds, see seeds in BUILD.md: the noise of a step is a
function of the seed and the step, and the images of a step are those of the
seed's endless order behind all earlier ones. So weights, those of the
optimizer, and the number of steps are all that a checkpoint has to hold, and a
run is the same with checkpoints, without them, and across a kill.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import shutil
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence, Union

import numpy as np

from tfp_lgc import memory, streams
from tfp_lgc.data import Split
from tfp_lgc.errors import ConfigError, DifferenceError, LgcError
from tfp_lgc.progress import Progress

__all__ = ['CHECKPOINT_SECONDS', 'NO_WORK', 'Work', 'add_examples', 'code',
           'done_name', 'fingerprint', 'is_of', 'keeping', 'versions']

Arrays = dict[str, np.ndarray]

CHECKPOINT_SECONDS = 30.0
RUN_NAME = 'run.json'
# TensorFlow's, in a folder of checkpoints.
CHECKPOINT_NAME = 'checkpoint'
# What has a say in how numbers are rounded.
ENVIRONMENT = ('TF_NUM_INTRAOP_THREADS', 'TF_NUM_INTEROP_THREADS',
               'TF_ENABLE_ONEDNN_OPTS', 'ONEDNN_MAX_CPU_ISA', 'TF_XLA_FLAGS',
               'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS',
               'OPENBLAS_CORETYPE')
# The name of what a file says beside its arrays.
_ABOUT = '.about'


def fingerprint(settings: Mapping[str, Any], split: Split,
                class_names: Sequence[str]) -> str:
  """SHA-256 of all that decides what a run makes.

  Args:
    settings: of the run; what JSON can say.
    split: of which every image and label is read.
    class_names: one string a class.
  """
  digest = hashlib.sha256(json.dumps([
      settings, list(class_names), split.num_examples, split.image_shape,
      versions(),
      {name: os.environ.get(name) for name in ENVIRONMENT},
      len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity')
      else os.cpu_count()], sort_keys=True).encode())
  digest.update(code())
  add_examples(digest, split)
  return digest.hexdigest()


def versions() -> dict[str, str]:
  """Of the libraries that decide what comes out."""
  # Whoever draws from a file comes by here, and has no need of some of them.
  # pylint: disable=g-import-not-at-top
  import scipy
  import sklearn
  import tensorflow
  import tensorflow_probability
  import tf_keras
  # pylint: enable=g-import-not-at-top
  return {library.__name__: library.__version__ for library in (
      np, scipy, sklearn, tensorflow, tensorflow_probability, tf_keras)}


@functools.cache  # What runs, whatever becomes of the files.
def code() -> bytes:
  """SHA-256 of this package's source."""
  digest = hashlib.sha256()
  for path in sorted(pathlib.Path(__file__).parent.rglob('*.py')):
    digest.update(path.read_bytes())
  return digest.digest()


def add_examples(digest: Any, split: Split) -> None:
  """Adds every image and label of a split to a hash of hashlib."""
  # One of images and one of labels, or the size of batches would count.
  parts = hashlib.sha256(), hashlib.sha256()
  for batch in split.batches(1000).as_numpy_iterator():
    for part, array in zip(parts, batch):
      part.update(array.tobytes())
  for part in parts:
    digest.update(part.digest())


@dataclasses.dataclass(frozen=True)
class Work:
  """The results of a job's stages; without a directory it keeps nothing.

  ```python
  work = Work(pathlib.Path('out/.resume'))
  found = work.kept('means', lambda: {'mean': x.mean(axis=0)})
  found['mean']   # Of this process, or of one that was killed.
  ```

  Attributes:
    directory: of its files, or None.
    seconds: of training between two checkpoints; 0 for as many as there can
      be.
  """
  directory: Optional[pathlib.Path] = None
  seconds: float = CHECKPOINT_SECONDS

  def below(self, name: str) -> 'Work':
    """Work of which the keys are its own."""
    return self if not self.directory else Work(self.directory / name,
                                                self.seconds)

  def kept(self, key: str, make: Callable[[], Arrays]) -> Arrays:
    """What `make` returns, made once.

    Args:
      key: of this result, a file name.
      make: -> arrays by name; of strings too, but not of objects.
    """
    found = self._read(key)
    if found is not None:
      return found[0]
    arrays = make()
    self._write(key, arrays, {})
    return arrays

  def stage(self, key: str, progress: Progress, make: Callable[[], Arrays],
            total: int = 0, name: str = '',
            bound: Optional[memory.Limits] = None) -> Arrays:
    """The same of a stage of `progress`, which hears of its rows and seconds
    also if it was made earlier.

    Args:
      key: of this result.
      progress: see there.
      make: -> arrays by name.
      total: number of steps of the stage, if known.
      name: of the stage, if it is not the key.
      bound: of memory; larger arrays that were made earlier are mapped files.
    """
    name = name or key
    found = self._read(key, bound)
    if found is not None:
      arrays, about = found
      progress.recall(name, about['seconds'], about['records'])
      return arrays
    count, before = len(progress.records), progress.seconds.get(name, 0.0)
    with progress.stage(name, total):
      arrays = make()
    self._write(key, arrays, {
        'seconds': round(progress.seconds[name] - before, 2),
        'records': progress.records[count:]})
    return arrays

  def _read(self, key: str, bound: Optional[memory.Limits] = None,
            ) -> Optional[tuple[Arrays, dict[str, Any]]]:
    path = self._path(key)
    if path is None or not path.exists():
      return None
    try:
      with np.load(path, allow_pickle=False) as file:
        arrays = {
            name: streams.RowFile(path, name).mapped()
            if name != _ABOUT and bound and _num_bytes(file, name) >
            bound.latents else file[name] for name in file.files}
    except Exception as error:  # Of zipfile, NumPy or struct.
      raise LgcError(f'{path}: is damaged; the same command now begins anew'
                     ) from error
    return arrays, json.loads(str(arrays.pop(_ABOUT)))

  def _write(self, key: str, arrays: Arrays, about: dict[str, Any]) -> None:
    path = self._path(key)
    if path is None:
      return
    path.parent.mkdir(parents=True, exist_ok=True)
    with _replacing(path) as file:
      streams.savez(file, {**arrays, _ABOUT: np.array(json.dumps(about))})

  def write(self, name: str, text: str) -> None:
    """A file of one line, for whoever finds the folder."""
    if self.directory:
      with _replacing(self.directory / name) as file:
        file.write(text.encode())

  def _path(self, key: str) -> Optional[pathlib.Path]:
    return self.directory and self.directory / f'{key}.npz'

  def remove(self) -> None:
    """All of it at once: under its name there is never a part of it."""
    if self.directory:
      done = done_name(self.directory)
      shutil.rmtree(done, ignore_errors=True)
      os.rename(self.directory, done)
      shutil.rmtree(done)


NO_WORK = Work()


def is_of(directory: Union[str, os.PathLike], fingerprint: str) -> bool:
  """Whether a work folder is there and of that run."""
  try:
    text = (pathlib.Path(directory) / RUN_NAME).read_text()
  except (FileNotFoundError, NotADirectoryError):
    return False
  return text == _run_json(fingerprint)


@contextlib.contextmanager
def keeping(directory: Union[str, os.PathLike, None], fingerprint: str,
            seconds: float = CHECKPOINT_SECONDS,
            say: Callable[[str], None] = lambda line: None) -> Iterator[Work]:
  """Work in a folder that is removed at the end, but left where the block is
  stopped or fails for a reason that may be gone next time, and where training
  diverges after a checkpoint, which tells why.

  ```python
  with keeping('out/.resume', fingerprint(settings, split, names)) as work:
    artifact = pipeline.fit(source, config, progress, work=work).artifact
  ```

  Args:
    directory: new, empty, or of an earlier run; None to keep nothing.
    fingerprint: of this run.
    seconds: see `Work`.
    say: is told in a line what there was, or is left.

  Raises:
    ConfigError: for a directory that holds something else.
    OSError: if the disk is full or not to be written to.
  """
  if directory is None:
    yield NO_WORK
    return
  work = Work(pathlib.Path(directory), seconds)
  _open(work, fingerprint, say)
  try:
    yield work
  except FloatingPointError:
    if any(pathlib.Path(directory).rglob(CHECKPOINT_NAME)):
      say(f'the last good checkpoint is in {directory}')
    else:
      work.remove()
    raise
  except DifferenceError:  # Of other processes.
    raise
  except LgcError:  # It would come again.
    work.remove()
    raise
  work.remove()


def _open(work: Work, fingerprint: str, say: Callable[[str], None]) -> None:
  directory = work.directory
  assert directory is not None
  run = directory / RUN_NAME
  shutil.rmtree(done_name(directory), ignore_errors=True)
  if is_of(directory, fingerprint):
    say(f'goes on with what an earlier run left in {directory}')
    return
  if run.exists():
    say(f'{directory} is of a run of other settings, data, program or '
        'machine: begins anew')
    _empty(directory)
  elif directory.exists() and (
      not directory.is_dir()
      or any(path.suffix != '.tmp' for path in directory.iterdir())):
    raise ConfigError(f'work_dir = {str(directory)!r}: holds something else '
                      'than an earlier run; name an empty directory')
  directory.mkdir(parents=True, exist_ok=True)
  with _replacing(run) as file:
    file.write(_run_json(fingerprint).encode())


def _num_bytes(file: Any, name: str) -> int:
  """Of an array of an open .npz file, which is not read for it."""
  return file.zip.getinfo(f'{name}.npy').file_size


def done_name(directory: pathlib.Path) -> pathlib.Path:
  """What a folder is called while it is removed."""
  return directory.with_name(f'.{directory.name}.tfp_lgc_done')


def _run_json(fingerprint: str) -> str:
  return json.dumps({'tfp_lgc_work_of': fingerprint}) + '\n'


def _empty(directory: pathlib.Path) -> None:
  """Takes away all but the word on whose it is."""
  for path in directory.iterdir():
    if path.is_dir():
      shutil.rmtree(path)
    elif path.name != RUN_NAME:
      path.unlink()


@contextlib.contextmanager
def _replacing(path: pathlib.Path) -> Iterator[Any]:
  """A file to write to, which takes its place when it is whole."""
  new = path.with_name(path.name + '.tmp')
  with open(new, 'wb') as file:
    yield file
    file.flush()
    os.fsync(file.fileno())
  os.replace(new, path)
