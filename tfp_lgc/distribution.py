"""Several devices, or several machines, by tf.distribute.

Nothing knows of it but this file, replica.py (the step of one replica),
watching.py and the scope in train.py. A `Distribution` is what `--strategy`
names, made once a process:

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
from typing import Any, Callable, ContextManager

import numpy as np
import tensorflow as tf

from tfp_lgc import cluster, watching
from tfp_lgc.errors import ConfigError

__all__ = ['Distribution', 'ONE', 'of']

# Numbers that are sent at a time.
BLOCK = 2**22

# By name: TensorFlow allows one cluster a process.
_made: dict[str, 'Distribution'] = {}


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
    self._watch = watching.Watch(
        strategy.extended, num_workers, worker) if num_workers > 1 else None

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

  def watched(self) -> ContextManager:
    """Within it the end of another process is a `WorkerLostError`, see
    `watching.Watch.kept`; all processes enter it together."""
    return self._watch.kept(lambda: self.sum(np.zeros(1))) if self._watch else (
        contextlib.nullcontext())


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
  watching.set_up(collective_all_reduce_strategy.CollectiveAllReduceExtended)
  try:
    with watching.waiting_for(num_workers - 1):
      strategy = tf.distribute.MultiWorkerMirroredStrategy()
  except RuntimeError as error:
    raise ConfigError('strategy = multi_worker: has to be made before '
                      'TensorFlow computes anything; start a new process'
                      ) from error
  return Distribution(strategy, num_workers, worker)
