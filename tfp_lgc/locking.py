"""One writer at a time: of two processes with the same output one wins."""

import contextlib
import fcntl
import os
import pathlib
import threading
from typing import Iterator, Union

from tfp_lgc.errors import ConfigError

__all__ = ['only_writer']

LOCK_NAME = '.lock'
# Folder -> the thread of this process that writes there.
_held: dict[str, int] = {}


@contextlib.contextmanager
def only_writer(directory: Union[str, os.PathLike]) -> Iterator[None]:
  """Nobody else writes to `directory` within the block.

  The lock is the kernel's (flock): it ends with the process, however that ends.
  The thread that has it may take it again. A directory that is made for it is
  removed if nothing was put there.

  Raises:
    ConfigError: if another process, or thread, writes there.
    OSError: if the directory cannot be made or written to.
  """
  directory = pathlib.Path(directory).absolute()
  name = os.path.realpath(directory)
  if _held.get(name) == threading.get_ident():
    yield
    return
  made = [path for path in (directory, *directory.parents)
          if not path.exists()]
  file = _locked(directory)
  _held[name] = threading.get_ident()
  try:
    yield
  finally:
    del _held[name]
    os.unlink(directory / LOCK_NAME)
    os.close(file)  # Which unlocks it.
    with contextlib.suppress(OSError):  # Something is there.
      for path in made:
        path.rmdir()


def _locked(directory: pathlib.Path) -> int:
  """The open file of a lock that this process has now."""
  path = directory / LOCK_NAME
  while True:
    directory.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
      # The one before may have removed it between the two calls.
      if os.path.samestat(os.fstat(file), os.stat(path)):
        return file
    except BlockingIOError as error:
      os.close(file)
      raise ConfigError(
          f'output = {str(directory)!r}: another process is writing there; '
          'wait for its end, or name another directory') from error
    except FileNotFoundError:
      pass
    except BaseException:
      os.close(file)
      raise
    os.close(file)
