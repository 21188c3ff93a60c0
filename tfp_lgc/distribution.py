"""Several devices, or several machines, by tf.distribute.

The only file, beside the scope in train.py, that knows of it. A `Distribution`
is what `--strategy` names, made once a process:

- mirrored: the GPUs (else the logical CPUs) of one process;
- multi_worker: those of all processes that the environment variable TF_CONFIG
  names. Each is started with the same arguments. The first, the chief, alone
  reads checkpoints and writes files; the others have what it has from it, so
  that they need no file system of it.

What decides how a program goes on, as whether a loop ends, has to be the same
in all processes, or one waits for a sum that another does not make: such
numbers come from `Distribution.sum` or the chief.
"""

import contextlib
import math
import os
import re
import threading
from typing import (
  Any,
  Callable,
  ContextManager,
  Iterator,
  Mapping,
  NamedTuple,
  Optional,
)

import numpy as np
import tensorflow as tf

from tfp_lgc import cluster
from tfp_lgc.errors import ConfigError, DifferenceError, WorkerLostError

__all__ = ['Distribution', 'ONE', 'Place', 'is_lost', 'of',
           'place']

# Seconds that the processes wait for each other before the first step.
START_SECONDS = 600
# Seconds between two looks at whether the others are alive, and that one of
# them has for an answer; who closed its connections is missed at once.
HEALTH_SECONDS, ANSWER_SECONDS = 10, 20
# Numbers that are sent at a time.
BLOCK = 2**22

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

# By name: TensorFlow allows one cluster a process.
_made: dict[str, 'Distribution'] = {}


class Place(NamedTuple):
  """Where the examples of a replica are among those of all replicas.

  Attributes:
    index: int `[]`, of the replica.
    num_replicas: R.
  """
  index: Any
  num_replicas: int

  def own(self, values: tf.Tensor) -> tf.Tensor:
    """`[B / R, ...]` of what all have, `[B, ...]`."""
    size = tf.shape(values)[0] // self.num_replicas
    first = tf.cast(self.index, tf.int32) * size
    return values[first:first + size]

  def mean(self, values: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Of scalars by name, over all replicas."""
    context = tf.distribute.get_replica_context()
    total = context.all_reduce(tf.distribute.ReduceOp.SUM,
                               tf.stack(list(values.values())))
    return dict(zip(values, tf.unstack(total / self.num_replicas,
                                       num=len(values))))


def place() -> Optional[Place]:
  """That of the replica whose step is traced; None where there is one only."""
  context = tf.distribute.get_replica_context()
  if context is None or context.num_replicas_in_sync == 1:
    return None
  return Place(context.replica_id_in_sync_group, context.num_replicas_in_sync)


class Distribution:
  """Replicas that work together.

  ```python
  its = distribution.of('mirrored')
  with its.scope():
    model = models.build(config, (28, 28, 1), 10)
  its.sum(np.ones(3))   # [1, 1, 1] times the number of processes
  ```

  Attributes:
    num_workers: processes.
    worker: position of this one; 0 is the chief.
    num_replicas: of all processes together.
    first_replica: of this process.
    num_own: replicas of this process.
  """

  def __init__(self, strategy: Any = None, num_workers: int = 1,
               worker: int = 0):
    """Takes a `tf.distribute.Strategy`; without one there is one replica."""
    self._strategy = strategy
    self.num_workers, self.worker = num_workers, worker
    self.num_replicas = strategy.num_replicas_in_sync if strategy else 1
    self.num_own = self.num_replicas // num_workers
    self.first_replica = worker * self.num_own
    self._totals: dict[str, Callable] = {}
    # Of an earlier `watched`, which ends when it has slept.
    self._ending: Optional[threading.Thread] = None

  @property
  def is_one(self) -> bool:
    """Whether there is nothing to distribute."""
    return self._strategy is None

  @property
  def is_chief(self) -> bool:
    """Whether this process is the one that writes files."""
    return not self.worker

  def scope(self) -> ContextManager:
    """Where models and optimizers are made."""
    return self._strategy.scope() if self._strategy else (
        contextlib.nullcontext())

  def per_replica(self, batch_size: int) -> int:
    """Images of each replica in a step.

    Raises:
      ConfigError: if they cannot have as many each.
    """
    if batch_size % self.num_replicas:
      raise ConfigError(
          f'batch_size = {batch_size}: is of all {self.num_replicas} replicas '
          'together, and must be a multiple of their number; try '
          f'{math.ceil(batch_size / self.num_replicas) * self.num_replicas}')
    return batch_size // self.num_replicas

  def parts(self, batches: tf.data.Dataset, batch_size: int) -> Any:
    """Batches of all replicas as those of each, for `fit`.

    Every process reads all images, in the same order, and leaves out those of
    others: so a step has the images that it has in one process.

    Args:
      batches: of `batch_size` images, without end.
      batch_size: a multiple of the number of replicas.
    """
    if self._strategy is None:
      return batches
    size = self.per_replica(batch_size)
    first = self.first_replica * size
    last = first + self.num_own * size
    own = batches.map(lambda *parts: tuple(part[first:last] for part in parts))
    return self._strategy.distribute_datasets_from_function(
        lambda _: own.rebatch(size, drop_remainder=True).prefetch(
            tf.data.AUTOTUNE))

  def sum(self, values: np.ndarray) -> np.ndarray:
    """Over all processes, float64 or int64, of the shape of `values`, which is
    the same in all of them."""
    values = np.asarray(values)
    if self.num_workers == 1:
      return values
    flat = np.empty(values.size, values.dtype)
    # TensorFlow's sum of nothing ends the process.
    for i in range(0, values.size, BLOCK):
      flat[i:i + BLOCK] = self._sums(values.dtype.name)(
          values.reshape(-1)[i:i + BLOCK]).numpy()
    return flat.reshape(values.shape)

  def _sums(self, dtype: str) -> Callable:
    if dtype not in self._totals:
      self._totals[dtype] = self._total(dtype)
    return self._totals[dtype]

  def _total(self, dtype: str) -> Callable:
    @tf.function(input_signature=[tf.TensorSpec([None], dtype)],
                 autograph=False)
    def total(values):
      def of_replica(values):
        context = tf.distribute.get_replica_context()
        local = context.replica_id_in_sync_group % self.num_own
        return context.all_reduce(
            tf.distribute.ReduceOp.SUM,
            tf.where(tf.equal(local, 0), values, tf.zeros_like(values)))
      return self._strategy.experimental_local_results(
          self._strategy.run(of_replica, args=(values,)))[0]
    return total

  def broadcast(self, content: bytes) -> bytes:
    """That of the chief; what others give is not looked at."""
    if self.num_workers == 1:
      return content
    mine = content if self.is_chief else b''
    [size] = self.sum(np.array([len(mine)], np.int64))
    words = np.zeros(-(-int(size) // 8), np.int64)
    if self.is_chief:
      words.view(np.uint8)[:size] = np.frombuffer(content, np.uint8)
    return self.sum(words).tobytes()[:size]

  def gather(self, rows: np.ndarray, first: int, count: int) -> None:
    """Makes an array whole of which each process has a part.

    Args:
      rows: float32 or int32 `[N, ...]`, changed.
      first: of the rows that this process has.
      count: of them.
    """
    if self.num_workers == 1:
      return
    block = max(1, BLOCK // max(1, rows[:1].size))
    for low in range(0, len(rows), block):
      high = min(low + block, len(rows))
      mine = np.zeros([high - low, *rows.shape[1:]], np.float64)
      own_low, own_high = max(low, first), min(high, first + count)
      if own_low < own_high:
        mine[own_low - low:own_high - low] = rows[own_low:own_high]
      rows[low:high] = self.sum(mine)  # float64 holds both exactly.

  def spread(self, part: Callable[[int], Any]) -> Any:
    """`part(i)` of the i-th replica on its device, for those of this
    process."""
    if self._strategy is None:
      return part(0)
    return self._strategy.experimental_distribute_values_from_function(
        lambda context: part(int(context.replica_id_in_sync_group)))

  def summed(self, function: Callable) -> Callable:
    """A compiled function of what `function`, which returns a tensor, returns
    in each replica, the sum over all of them."""
    if self._strategy is None:
      return tf.function(function, reduce_retracing=True, autograph=False)

    def of_replica(*args):
      return tf.distribute.get_replica_context().all_reduce(
          tf.distribute.ReduceOp.SUM, function(*args))

    @tf.function(reduce_retracing=True, autograph=False)
    def total(*args):
      return self._strategy.experimental_local_results(
          self._strategy.run(of_replica, args=args))[0]
    return total

  @contextlib.contextmanager
  def watched(self) -> Iterator[None]:
    """Within it the end of another process is a `WorkerLostError`.

    All processes enter it together. After it each may end when it likes. An
    error of the chief ends the sums of the others at once, one of another
    process when that process ends; this one can make no sums any more.
    """
    if self.num_workers == 1:
      yield
      return
    try:
      self._begin_watch()
      yield
      self.sum(np.zeros(1))  # Nobody goes before all are here.
    except DifferenceError:  # All have it.
      raise
    except BaseException as error:
      if not isinstance(error, tf.errors.OpError) or not is_lost(error):
        self._abort(f'worker {self.worker} ended by {type(error).__name__}: '
                    f'{error}'.splitlines()[0])
        raise
      why = re.search(r'aborted by: ([^\n]*)', error.message) or re.search(
          r'([^\n]*)', error.message)
      raise WorkerLostError(
          f'{_WORD_ON_LOSS} ({why[1] if why else ""})') from error
    finally:
      self._end_watch()

  def _begin_watch(self) -> None:
    """The strategy began to look when it was made; later it begins anew, once
    the thread of an earlier time has heard that it is to end."""
    extended = self._strategy.extended
    if self._ending:
      self._ending.join()
      self._ending = None
    if extended._check_health_thread is None:
      with _waiting_for(self.num_workers - 1):
        extended._start_check_health_thread()

  def _abort(self, why: str) -> None:
    """Sums of this process fail from here on, and those that wait for it."""
    # pylint: disable=g-direct-tensorflow-import,g-import-not-at-top
    from tensorflow.python.eager import context
    # pylint: enable=g-direct-tensorflow-import,g-import-not-at-top
    context.context().abort_collective_ops(tf.errors.UNAVAILABLE, why)

  def _end_watch(self) -> None:
    """Nobody waits for the thread here: it sleeps."""
    extended = self._strategy.extended
    extended._check_health_thread_should_stop.set()
    if extended._check_health_thread:
      self._ending, extended._check_health_thread = (
          extended._check_health_thread, None)


def is_lost(error: tf.errors.OpError) -> bool:
  """Whether it says that another process is gone, and not what is wrong in
  this one."""
  return isinstance(error, _LOST) or (
      isinstance(error, _PERHAPS_LOST)
      and bool(_WORDS_OF_LOST.search(error.message or '')))


@contextlib.contextmanager
def _waiting_for(num_others: int) -> Iterator[None]:
  """Makes a `WorkerLostError` of the error of TensorFlow's barrier."""
  try:
    yield
  except RuntimeError as error:
    if not str(error).startswith('Timeout'):
      raise
    raise WorkerLostError(
        f'no word from {num_others} other workers in {START_SECONDS} seconds; '
        'start all of them with the same commands') from error


ONE = Distribution()


def of(name: str) -> Distribution:
  """What `--strategy` names, made once.

  Args:
    name: 'mirrored', 'multi_worker', or 'none' for one replica.

  Raises:
    ConfigError: for multi_worker without a usable TF_CONFIG, or after
      TensorFlow has computed something.
    WorkerLostError: if the others do not come.
  """
  if name == 'none':
    return ONE
  if name not in _made:
    _made[name] = (_multi_worker() if name == 'multi_worker'
                   else Distribution(_mirrored()))
  return _made[name]


def _mirrored() -> tf.distribute.Strategy:
  devices = (tf.config.list_logical_devices('GPU')
             or tf.config.list_logical_devices('CPU'))
  return tf.distribute.MirroredStrategy([device.name for device in devices])


def _multi_worker() -> Distribution:
  num_workers, worker = cluster.members(os.environ.get('TF_CONFIG'))
  if num_workers == 1:
    return Distribution(_mirrored())
  # pylint: disable=g-direct-tensorflow-import,g-import-not-at-top
  from tensorflow.python.distribute import collective_all_reduce_strategy
  from tensorflow.python.eager import context
  # pylint: enable=g-direct-tensorflow-import,g-import-not-at-top
  # Its heartbeats abort a process that is slow to start, and who ends by an
  # error waits for the others first. Without it, processes ask each other.
  context.context().configure_coordination_service('')
  extended = collective_all_reduce_strategy.CollectiveAllReduceExtended
  extended._check_health_initial_timeout = START_SECONDS
  extended._check_health_interval = HEALTH_SECONDS
  extended._check_health_timeout = ANSWER_SECONDS
  # The error that a `WorkerLostError` is made of says the same.
  tf.get_logger().addFilter(lambda record: not str(record.msg).startswith(
      ('Cluster check alive failed', '%s seems down')))
  try:
    with _waiting_for(num_workers - 1):
      strategy = tf.distribute.MultiWorkerMirroredStrategy()
  except RuntimeError as error:
    raise ConfigError('strategy = multi_worker: has to be made before '
                      'TensorFlow computes anything; start a new process'
                      ) from error
  return Distribution(strategy, num_workers, worker)
