"""Replacing files in one go: all of them, or none however it ends."""

import contextlib
import os
import pathlib
import shutil
import tempfile
from typing import Iterator, Sequence

__all__ = ['replacing']


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
    names: of files and directories that are made in the new directory. The
      first is taken away first and put in place last: where it stands, all do.

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
      move(new / name, directory / name)
  except BaseException:
    for source, target in reversed(moves):
      # The last move may not have happened.
      if not os.path.lexists(source):
        os.rename(target, source)
    raise
  finally:
    shutil.rmtree(staging, ignore_errors=True)
