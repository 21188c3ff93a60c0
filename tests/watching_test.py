"""The end of another process is told from a fault of one's own.

A thread stands for TensorFlow's; two processes are in workers_test.py.
"""

import threading
import time

import pytest
import tensorflow as tf

from tfp_lgc import watching
from tfp_lgc.errors import DifferenceError, WorkerLostError


@pytest.mark.parametrize('kind, message, lost', [
    # As TensorFlow says it of peers,
    ('UnavailableError', 'whatever', True),
    ('AbortedError', 'whatever', True),
    ('InternalError', 'Collective ops is aborted by: unexpected exception in '
     'check alive: x\nThe error could be from a previous operation. Restart '
     'your program to reset.', True),
    ('InternalError', 'failed to connect to all addresses', True),
    ('FailedPreconditionError', 'Device /job:worker/replica:0/task:1/device:'
     'CPU:0 current incarnation doesn\'t match with one in the group. This '
     'usually means this worker has restarted but the collective leader '
     'hasn\'t.', True),
    ('FailedPreconditionError', 'Collective ops is aborted by: cluster check '
     'alive failed, /job:worker/replica:0/task:1 is down', True),
    # and of what is wrong here.
    ('InternalError', 'Failed to load in-memory CUBIN: out of memory [[{{node '
     'add}}]] device /job:worker/replica:0/task:0/device:GPU:0', False),
    ('InternalError', 'Blas GEMM launch failed', False),
    ('FailedPreconditionError', 'Could not find variable dense/kernel. This '
     'could mean that the variable has been deleted.', False),
    ('FailedPreconditionError', '/tmp/x; Is a directory', False),
    ('ResourceExhaustedError', 'OOM when allocating', False),
    ('InvalidArgumentError', 'Incompatible shapes', False),
])
def test_faults_of_ones_own_are_no_lost_worker(kind, message, lost):
  error = getattr(tf.errors, kind)(None, None, message)
  assert watching.is_lost(error) == lost
  its = _Watched()
  with pytest.raises(WorkerLostError if lost else type(error)) as caught:
    with its.watched():
      raise error
  if lost:
    assert '(' + message.partition('aborted by: ')[2].partition('\n')[0] in (
        str(caught.value))
  # Or the others would wait for this one.
  assert its.aborted == [] if lost else its.aborted[0].startswith(
      f'worker 0 ended by {kind}: {message}')


def test_others_hear_of_an_error_but_of_one_that_all_have():
  its = _Watched()
  with pytest.raises(ValueError), its.watched():
    raise ValueError('first line\nsecond line')
  with pytest.raises(DifferenceError), its.watched():
    raise DifferenceError('the settings differ')
  assert its.aborted == ['worker 0 ended by ValueError: first line']


class _Extended:
  """What TensorFlow's strategy has of its thread."""

  def __init__(self, timeout=False):
    self.timeout, self.alive, self._check_health_thread = timeout, [], None
    self._start_check_health_thread()

  def _start_check_health_thread(self):
    if self.timeout and self.alive:
      raise RuntimeError('Timeout waiting for the cluster, timeout is 600 '
                         'seconds')
    self._check_health_thread_should_stop = threading.Event()

    def look():  # It reads the attribute each time, as TensorFlow does.
      while not self._check_health_thread_should_stop.is_set():
        time.sleep(0.05)

    self._check_health_thread = threading.Thread(target=look, daemon=True)
    self._check_health_thread.start()
    self.alive.append(self._check_health_thread)


class _Watched(watching.Watch):
  """That of one of two processes, of which the other makes all sums."""

  def __init__(self, **extended):
    self.extended = _Extended(**extended)
    super().__init__(self.extended, num_workers=2, worker=0)
    self.aborted = []
    self._abort = self.aborted.append

  def watched(self):
    return self.kept(lambda: None)


def test_nobody_goes_before_all_are_there():
  events = []
  with _Watched().kept(lambda: events.append('met')):
    events.append('worked')
  assert events == ['worked', 'met']
  its = _Watched()
  error = tf.errors.UnavailableError(None, None, 'x')
  with pytest.raises(WorkerLostError):
    with its.kept(lambda: _raise(error)):
      pass


def _raise(error):
  raise error


def test_one_thread_at_a_time_looks_after_the_others():
  its = _Watched()
  threads = its.extended.alive
  for count in (1, 2, 3):
    with its.watched():
      assert len(threads) == count
      assert [thread.is_alive() for thread in threads] == [
          *[False] * (count - 1), True]
  threads[-1].join(timeout=60)
  assert not threads[-1].is_alive()


def test_others_that_do_not_come_again_are_lost():
  its = _Watched(timeout=True)
  with its.watched():
    pass
  with pytest.raises(WorkerLostError, match='no word from 1 other workers'):
    with its.watched():
      pytest.fail('nobody is there')
