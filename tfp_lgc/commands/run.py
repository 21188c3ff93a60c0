"""What all commands share: how they end, what they say while they work, and how
they start TensorFlow."""

import contextlib
import os
import platform
import signal
import sys
import tempfile
import threading
from typing import Callable, Iterator, Optional, Sequence

from tfp_lgc import errors, flags, logs, terminal
from tfp_lgc.progress import Progress

__all__ = ['new_progress', 'print_table', 'run', 'say', 'start_tensorflow',
           'stopping', 'use_onednn', 'warn']

# Seconds between two lines about the steps of a stage, where nobody looks on.
LINE_INTERVAL = 60.0


class _Stopped(BaseException):
  """Ctrl-C or SIGTERM; the message says how to go on."""

  def __init__(self, number: int):
    super().__init__()
    self.number, self.advice = number, ''


def run(body: Callable[[Sequence[str]], None],
        argv: Optional[Sequence[str]]) -> int:
  """Runs a command; the exit status is 2, after one line, for a user's error,
  and 75 if another process of the job is gone.

  Args:
    body: takes the command's name and arguments.
    argv: the same; None for those of the process.
  """
  argv = list(sys.argv if argv is None else argv)
  name = argv[0] = os.path.basename(argv[0])
  logs.start()
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
    _print_error(name, ': '.join(
        str(part) for part in (error.filename, error.strerror) if part)
        or str(error))
  except (errors.LgcError, FloatingPointError) as error:
    _print_error(name, ' '.join(str(error).split()))
  except errors.WorkerLostError as error:
    _print_error(name, str(error))
    return os.EX_TEMPFAIL
  except Exception as error:
    if not _is_tensorflow_error(error):
      raise
    # What data and disks cause within a graph; the first line says it.
    _print_error(name, str(error).splitlines()[0])
  return 2


def _print_error(name: str, line: str) -> None:
  """No log: whatever --verbosity, this is why the command ends."""
  print(f'{name}: {terminal.painted("error:")} {line}', file=sys.stderr)


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
  terminal.write_line(logs.say, line)


def warn(line: str) -> None:
  """As `say`, but also for those who want no progress."""
  terminal.write_line(logs.warn, line)


def new_progress() -> Progress:
  """On a terminal stages that take long have bars; elsewhere a line a minute,
  so that logs stay short."""
  if terminal.is_terminal() and logs.is_said():
    return Progress(say, bar=terminal.Bar)
  return Progress(say, LINE_INTERVAL)


def use_onednn() -> None:
  """Has TensorFlow, if it is not imported yet, take oneDNN's operations on all
  x86 processors, unless TF_ENABLE_ONEDNN_OPTS is set.

  By itself it takes them only where there are instructions for neural networks
  (AVX512_VNNI, AVX_VNNI, AMX); elsewhere, too, they are faster (see BUILD.md).
  """
  if platform.machine() in ('x86_64', 'AMD64') and (
      'tensorflow' not in sys.modules):
    os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')


def start_tensorflow(strategy: str = 'none') -> None:
  """Imports TensorFlow without its notes on this machine's hardware, and makes
  what `--strategy` names, which has to come before anything is computed.

  Notes are written before its log level counts, so they are caught at the file
  descriptor, and shown if the import fails.
  """
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
  use_onednn()
  sys.stderr.flush()
  stderr = os.dup(2)
  with tempfile.TemporaryFile() as notes:
    os.dup2(notes.fileno(), 2)
    try:
      import tensorflow as tf
      import tensorflow_probability  # noqa: F401
      import tf_keras  # noqa: F401
      if strategy != 'none':
        from tfp_lgc import distribution
        distribution.of(strategy)
      tf.config.list_logical_devices()
    except (errors.LgcError, errors.WorkerLostError):  # They say it all.
      raise
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
