"""Replacing files in one go: all of them, or none however it ends."""

import contextlib
import os
import pathlib
import shutil
import tempfile
from typing import Iterator, Sequence

from tfp_lgc.errors import ConfigError

__all__ = ['check_directory', 'replacing']


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
  staging = pathlib.Path(tempfile.mkdtemp(prefix='.staging-', dir=directory))
  new, old = staging / 'new', staging / 'old'
  moves: list[tuple[pathlib.Path, pathlib.Path]] = []

  def move(source, target):
    moves.append((source, target))
    os.rename(source, target)

  try:
    new.mkdir()
    old.mkdir()
    yield new
    for name in names:
      if os.path.lexists(directory / name):
        move(directory / name, old / name)
    for name in reversed(names):
      if os.path.lexists(new / name):
        move(new / name, directory / name)
  except BaseException:
    for source, target in reversed(moves):
      # The last move may not have happened.
      if not os.path.lexists(source):
        os.rename(target, source)
    raise
  finally:
    shutil.rmtree(staging, ignore_errors=True)
