"""Replacing files in one go: all of them, or none however it ends.

A process that is killed leaves a folder `.staging-*` behind, which whoever
writes to the same place next takes away. If it was killed while it put files in
place, or while it gave back what had stood there, they are all put in place
then.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import tempfile
from typing import Iterator, Optional, Sequence

from tfp_lgc.errors import ConfigError

__all__ = ['check_directory', 'recover', 'replacing']

PREFIX = '.staging-'
# Held by the process whose folder it is, as long as it lives.
LOCK_NAME, LOCK_CONTENT = 'lock', b'tfp_lgc staging\n'
# The names, once all files are there: from then on it only goes forward.
READY_NAME = 'ready.json'


def check_directory(directory: pathlib.Path) -> None:
  """Refuses an output that cannot be a directory, before any work."""
  if directory.exists() and not directory.is_dir():
    raise ConfigError(f'output = {str(directory)!r}: is not a directory')
  standing = next(path for path in (directory, *directory.absolute().parents)
                  if path.exists())
  if not standing.is_dir() or not os.access(standing, os.W_OK | os.X_OK):
    raise ConfigError(f'output = {str(directory)!r}: {standing} is not a '
                      'directory that can be written to')


@contextlib.contextmanager
def replacing(directory: pathlib.Path, names: Sequence[str],
              ) -> Iterator[pathlib.Path]:
  """A new directory whose content then takes its place in `directory`.

  ```python
  with replacing(pathlib.Path('out'), ['a.npz']) as new:
    np.savez(new / 'a.npz', x=x)   # If this raises, out/a.npz is as it was.
  ```

  Args:
    directory: made if it does not exist.
    names: of files and directories. The first is taken away first and put in
      place last: where it stands, all do. One that is not made in the new
      directory is only taken away.

  Raises:
    OSError: if the disk is full or not to be written to.
  """
  directory.mkdir(parents=True, exist_ok=True)
  recover(directory)
  staging = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=directory))
  new, old, moves = staging / 'new', staging / 'old', []

  def move(source, target):
    moves.append((source, target))
    os.rename(source, target)

  lock, is_whole = None, False
  try:
    lock = _lock(staging)
    new.mkdir()
    old.mkdir()
    yield new
    made = [name for name in names if os.path.lexists(new / name)]
    _write_ready(staging, {'names': list(names), 'made': made})
    _put(directory, staging, names, made, move)
  except BaseException:
    for source, target in reversed(moves):
      # The last move may not have happened.
      if not os.path.lexists(source):
        os.rename(target, source)
    # Not before: whoever finds it goes forward from any of these moves.
    (staging / READY_NAME).unlink(missing_ok=True)
    is_whole = True
    raise
  else:
    is_whole = True
  finally:
    if is_whole:  # Else the only copies are there, for `recover`.
      shutil.rmtree(staging, ignore_errors=True)
    if lock is not None:
      os.close(lock)


def recover(directory: pathlib.Path) -> None:
  """Ends what processes that were killed had begun in `directory`."""
  for staging in directory.glob(PREFIX + '*'):
    lock = _lock_of_the_dead(staging)
    if lock is None:
      continue
    try:
      if (staging / READY_NAME).exists():
        ready = json.loads((staging / READY_NAME).read_text())
        _put(directory, staging, ready['names'], ready['made'], os.rename)
      shutil.rmtree(staging)
    finally:
      os.close(lock)


def _put(directory: pathlib.Path, staging: pathlib.Path, names: Sequence[str],
         made: Sequence[str], move) -> None:
  """Moves what stands to old/, and what is in new/ to its place; what a process
  before has moved stays there."""
  new, old = staging / 'new', staging / 'old'
  for name in names:
    put = name in made and not os.path.lexists(new / name)
    if not put and os.path.lexists(directory / name):
      move(directory / name, old / name)
  for name in reversed(names):
    if os.path.lexists(new / name):
      move(new / name, directory / name)


def _write_ready(staging: pathlib.Path, ready: dict[str, list[str]]) -> None:
  path = staging / READY_NAME
  with open(f'{path}.tmp', 'w') as file:
    json.dump(ready, file)
    file.flush()
    os.fsync(file.fileno())
  os.replace(f'{path}.tmp', path)


def _lock(staging: pathlib.Path) -> int:
  """The open file that tells others that this process lives."""
  lock = os.open(staging / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
  try:
    # Who was quicker finds no content yet, and lets go of it.
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.write(lock, LOCK_CONTENT)
  except BaseException:
    os.close(lock)
    raise
  return lock


def _lock_of_the_dead(staging: pathlib.Path) -> Optional[int]:
  """The lock of a folder that nobody has any more; None if somebody has, or it
  is none of ours."""
  try:
    lock = os.open(staging / LOCK_NAME, os.O_RDWR)
  except OSError:
    return None
  try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if os.read(lock, 100) == LOCK_CONTENT:
      return lock
  except BlockingIOError:
    pass
  os.close(lock)
  return None
