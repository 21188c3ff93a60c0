"""Whether the other processes are alive.

Processes add up numbers together, and one that is gone would have the others
wait for ever. TensorFlow has a thread that asks all of them, which ends sums
that nobody will make; what such a sum ends with is told here from what is wrong
in this process.
"""

import contextlib
import re
import threading
from typing import Any, Callable, Iterator, Optional

import tensorflow as tf

from tfp_lgc.errors import DifferenceError, WorkerLostError

__all__ = ['Watch', 'is_lost', 'set_up', 'waiting_for']

# Seconds that the processes wait for each other before the first step.
START_SECONDS = 600
# Seconds between two looks at whether the others are alive, and that one of
# them has for an answer; who closed its connections is missed at once.
HEALTH_SECONDS, ANSWER_SECONDS = 10, 20

# What a sum that others do not make ends with.
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError,
         tf.errors.DeadlineExceededError, tf.errors.CancelledError)
# And what it may end with, as much else does; then these words tell.
_PERHAPS_LOST = (tf.errors.FailedPreconditionError, tf.errors.InternalError)
_WORDS_OF_LOST = re.compile(
    r'aborted by: |check alive|socket closed|connection reset|'
    r'connection refused|failed to connect|broken pipe|'
    r'incarnation|has restarted|information from remote target', re.IGNORECASE)
_WORD_ON_LOSS = ('a worker is gone; start all of them again with the same '
                 'commands, they go on from the last checkpoint')


class Watch:
  """A look at other processes, that is taken as long as it is needed."""

  def __init__(self, extended: Any, num_workers: int, worker: int):
    """Takes the `extended` of a `tf.distribute.MultiWorkerMirroredStrategy`.

    Args:
      extended: has the thread that looks, and began with it when it was made.
      num_workers: processes, two or more.
      worker: position of this one.
    """
    self._extended, self._worker = extended, worker
    self._num_others = num_workers - 1
    # Of an earlier `kept`, which ends when it has slept.
    self._ending: Optional[threading.Thread] = None

  @contextlib.contextmanager
  def kept(self, meet: Callable[[], Any]) -> Iterator[None]:
    """Within it the end of another process is a `WorkerLostError`.

    All processes enter it together. After it each may end when it likes. An
    error of the chief ends the sums of the others at once, one of another
    process when that process ends; this one can make no sums any more.

    Args:
      meet: makes a sum with all others.
    """
    try:
      self._begin()
      yield
      meet()  # Nobody goes before all are here.
    except DifferenceError:  # All have it.
      raise
    except BaseException as error:
      if not isinstance(error, tf.errors.OpError) or not is_lost(error):
        self._abort(f'worker {self._worker} ended by {type(error).__name__}: '
                    f'{error}'.splitlines()[0])
        raise
      why = re.search(r'aborted by: ([^\n]*)', error.message) or re.search(
          r'([^\n]*)', error.message)
      raise WorkerLostError(
          f'{_WORD_ON_LOSS} ({why[1] if why else ""})') from error
    finally:
      self._end()

  def _begin(self) -> None:
    """The strategy began to look when it was made; later it begins anew, once
    the thread of an earlier time has heard that it is to end."""
    if self._ending:
      self._ending.join()
      self._ending = None
    if self._extended._check_health_thread is None:
      with waiting_for(self._num_others):
        self._extended._start_check_health_thread()

  def _abort(self, why: str) -> None:
    """Sums of this process fail from here on, and those that wait for it."""
    # pylint: disable=g-direct-tensorflow-import,g-import-not-at-top
    from tensorflow.python.eager import context
    # pylint: enable=g-direct-tensorflow-import,g-import-not-at-top
    context.context().abort_collective_ops(tf.errors.UNAVAILABLE, why)

  def _end(self) -> None:
    """Nobody waits for the thread here: it sleeps."""
    self._extended._check_health_thread_should_stop.set()
    if self._extended._check_health_thread:
      self._ending, self._extended._check_health_thread = (
          self._extended._check_health_thread, None)


def set_up(extended: Any) -> None:
  """How long strategies wait and how often they look, before one is made.

  Args:
    extended: the class of `extended` of such strategies.
  """
  extended._check_health_initial_timeout = START_SECONDS
  extended._check_health_interval = HEALTH_SECONDS
  extended._check_health_timeout = ANSWER_SECONDS
  # The error that a `WorkerLostError` is made of says the same.
  tf.get_logger().addFilter(lambda record: not str(record.msg).startswith(
      ('Cluster check alive failed', '%s seems down')))


def is_lost(error: tf.errors.OpError) -> bool:
  """Whether it says that another process is gone, and not what is wrong in
  this one."""
  return isinstance(error, _LOST) or (
      isinstance(error, _PERHAPS_LOST)
      and bool(_WORDS_OF_LOST.search(error.message or '')))


@contextlib.contextmanager
def waiting_for(num_others: int) -> Iterator[None]:
  """Makes a `WorkerLostError` of the error of TensorFlow's barrier."""
  try:
    yield
  except RuntimeError as error:
    if not str(error).startswith('Timeout'):
      raise
    raise WorkerLostError(
        f'no word from {num_others} other workers in {START_SECONDS} seconds; '
        'start all of them with the same commands') from error
