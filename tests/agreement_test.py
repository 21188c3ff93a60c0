"""Processes that differ are refused, in each of them."""

import threading

import numpy as np
import pytest

from tfp_lgc import agreement, config, data, distribution, resuming
from tfp_lgc.errors import DifferenceError


def _source(images, names=('a', 'b')):
  return data.Source('x', data.array_split(images, np.arange(8) % 2), None,
                     list(names))


IMAGES = np.random.default_rng(0).integers(0, 255, [8, 3, 2, 1]).astype(
    np.uint8)
SOURCE = _source(IMAGES)
CONFIG = config.replace(config.Config(), strategy='multi_worker')
CHANGED = IMAGES.copy()
CHANGED[7, 2, 1] ^= 1


class _Meeting:
  """What threads say, added up."""

  def __init__(self, num_workers):
    self._barrier = threading.Barrier(num_workers, timeout=60)
    self._lock, self._total = threading.Lock(), 0

  def sum(self, values):
    with self._lock:
      self._total = self._total + values
    self._barrier.wait()
    total = self._total
    if self._barrier.wait() == 0:
      self._total = 0
    self._barrier.wait()
    return total


class _Worker(distribution.Distribution):
  """A thread in the place of a process."""

  def __init__(self, worker, meeting, num_own=1):
    super().__init__()
    self.num_workers, self.worker, self.num_own = 3, worker, num_own
    self.sum = meeting.sum


def _said(changes):
  """By worker, the error of each of three, of which some have a change."""
  meeting, said = _Meeting(3), {}

  def work(i):
    its = {'source': SOURCE, 'config': CONFIG, 'num_own': 1,
           **changes.get(i, {})}
    try:
      agreement.check(its['source'], its['config'],
                      _Worker(i, meeting, its['num_own']))
    except DifferenceError as error:
      said[i] = str(error)

  threads = [threading.Thread(target=work, args=[i]) for i in range(3)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  return said


@pytest.mark.parametrize('change, what', [
    ({'source': _source(CHANGED)}, 'the images and labels'),
    ({'source': _source(IMAGES[:, ::-1])}, 'the images and labels'),
    ({'source': _source(IMAGES, ('a', 'c'))}, 'the images and labels'),
    ({'config': config.replace(CONFIG, seed=1)}, 'the settings'),
    ({'config': config.replace(CONFIG, epochs=7)}, 'the settings'),
    ({'num_own': 2}, 'the number of devices'),
])
def test_who_differs_is_named_to_all(change, what):
  said = _said({1: change})
  assert sorted(said) == [0, 1, 2]
  [line] = set(said.values())
  assert line.startswith(f'strategy = multi_worker: {what} of worker 1 differ ')
  said = _said({0: change})  # If it is the chief, all others do.
  assert f' {what} of worker 1, 2 differ' in said[0] == said[2]


def test_all_that_differs_is_named():
  said = _said({2: {'source': _source(CHANGED),
                    'config': config.replace(CONFIG, seed=1)}})
  assert ('the settings of worker 2 and the images and labels of worker 2'
          in said[1])


def test_other_places_of_the_same_data_agree():
  assert not _said({})
  assert not _said({2: {'config': config.replace(CONFIG, data_dir='/other')}})


def test_versions_count(monkeypatch):
  its = distribution.ONE
  before = agreement.digests(SOURCE, CONFIG, its)
  for name, value in (('versions', {'numpy': '0'}), ('code', b'other')):
    with monkeypatch.context() as patch:
      patch.setattr(resuming, name, lambda value=value: value)
      after = agreement.digests(SOURCE, CONFIG, its)
    assert [key for key in before if before[key] != after[key]] == [
        'the versions of packages']


def test_a_work_folder_outlives_a_wrong_start(tmp_path):
  """The chief's checkpoints are not what was wrong."""
  with pytest.raises(DifferenceError), (
      resuming.keeping(tmp_path / 'work', 'of this run')) as work:
    work.kept('key', lambda: {'x': IMAGES})
    raise DifferenceError('the settings of worker 1 differ')
  assert resuming.is_of(tmp_path / 'work', 'of this run')
  assert (tmp_path / 'work/key.npz').exists()
