"""What all commands share: how they end, and how they start TensorFlow."""

import contextlib
import os
import signal
import sys
import tempfile
import threading
from typing import Callable, Iterator, Optional, Sequence

from tfp_lgc import errors, flags

__all__ = ['print_table', 'run', 'say', 'start_tensorflow', 'stopping']


class _Stopped(BaseException):
  """Ctrl-C or SIGTERM; the message says how to go on."""

  def __init__(self, number: int):
    super().__init__()
    self.number, self.advice = number, ''


def run(body: Callable[[Sequence[str]], None],
        argv: Optional[Sequence[str]]) -> int:
  """Runs a command; the exit status is 2, after one line, for a user's error.

  Args:
    body: takes the command's name and arguments.
    argv: the same; None for those of the process.
  """
  argv = list(sys.argv if argv is None else argv)
  name = argv[0] = os.path.basename(argv[0])
  try:
    try:
      body(argv)
    except flags.HelpRequested as request:
      print(request)
    sys.stdout.flush()
    return 0
  except BrokenPipeError:  # As from `| head`: nobody reads on.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
  except _Stopped as stop:
    word = 'interrupted' if stop.number == signal.SIGINT else 'terminated'
    print(f'{name}: {word}; {stop.advice}', file=sys.stderr)
    return 128 + stop.number
  except KeyboardInterrupt:
    print(f'{name}: interrupted', file=sys.stderr)
    return 130
  except OSError as error:
    what = ': '.join(str(part) for part in (error.filename, error.strerror)
                     if part) or str(error)
    print(f'{name}: error: {what}', file=sys.stderr)
  except (errors.LgcError, FloatingPointError) as error:
    line = ' '.join(str(error).split())
    print(f'{name}: error: {line}', file=sys.stderr)
  except Exception as error:
    if not _is_tensorflow_error(error):
      raise
    # What data and disks cause within a graph; the first line says it.
    print(f'{name}: error: {str(error).splitlines()[0]}', file=sys.stderr)
  return 2


@contextlib.contextmanager
def stopping(advice: str) -> Iterator[None]:
  """Ctrl-C and SIGTERM end the block as an exception does, and the command with
  130 or 143, after a line that ends in `advice`.

  They are heard of between calls of TensorFlow. Other threads than the main one
  have no signals.
  """
  if threading.current_thread() is not threading.main_thread():
    yield
    return

  def stop(number, frame):
    raise _Stopped(number)

  before = {number: signal.signal(number, stop)
            for number in (signal.SIGINT, signal.SIGTERM)}
  try:
    yield
  except _Stopped as stopped:
    stopped.advice = advice
    raise
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)


def _is_tensorflow_error(error: Exception) -> bool:
  """Whether a TensorFlow operation raised it; does not import TensorFlow."""
  tensorflow = sys.modules.get('tensorflow')
  return tensorflow is not None and isinstance(error,
                                               tensorflow.errors.OpError)


def say(line: str) -> None:
  """Progress goes to stderr: stdout is for results."""
  print(line, file=sys.stderr, flush=True)


def start_tensorflow() -> None:
  """Imports TensorFlow without its notes on this machine's hardware.

  They are written before its log level counts, so they are caught at the file
  descriptor, and shown if the import fails.
  """
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
  sys.stderr.flush()
  stderr = os.dup(2)
  with tempfile.TemporaryFile() as notes:
    os.dup2(notes.fileno(), 2)
    try:
      import tensorflow as tf
      import tensorflow_probability  # noqa: F401
      import tf_keras  # noqa: F401
      tf.config.list_logical_devices()
    except BaseException:
      notes.seek(0)
      os.write(stderr, notes.read())
      raise
    finally:
      os.dup2(stderr, 2)
      os.close(stderr)
  tf.get_logger().setLevel('ERROR')


def print_table(rows: Sequence[tuple[str, str]]) -> None:
  """Two columns for people."""
  width = max(len(name) for name, _ in rows)
  for name, value in rows:
    print(f'{name:<{width}}  {value}')
