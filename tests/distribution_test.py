"""Several replicas make what one makes.

What needs two logical devices is in a program of its own (replicas.py), for
TensorFlow has one set of devices a process; two processes are in
workers_test.py.
"""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import tfp_lgc
from tfp_lgc import (
  classifier,
  data,
  distribution,
  latent,
  networks,
  shared,
  spread_encode,
  teacher,
)
from tfp_lgc import config as config_lib
from tfp_lgc.autoencoder import Encoded
from tfp_lgc.errors import ConfigError
from tfp_lgc.resuming import NO_WORK, Work

ROOT = pathlib.Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT),
               'TF_NUM_INTRAOP_THREADS': '1', 'TF_NUM_INTEROP_THREADS': '1',
               'TF_CPP_MIN_LOG_LEVEL': '3', 'CUDA_VISIBLE_DEVICES': '-1'}
SECONDS = 900  # Until a test gives up: no figure, but for a process that hangs.


# Without other processes.


class _Words(distribution.Distribution):
  """Three processes in one: sums are those of the values that it was given."""

  def __init__(self, worker, others):
    super().__init__()
    self.num_workers, self.worker, self._others = 3, worker, others

  def sum(self, values):
    return np.asarray(values) + self._others.pop(0)


@pytest.mark.parametrize('content', [b'', b'x', b'12345678', bytes(range(99))])
def test_a_broadcast_brings_the_content_to_others(content):
  words = np.zeros(-(-len(content) // 8), np.int64)
  words.view(np.uint8)[:len(content)] = np.frombuffer(content, np.uint8)
  size = np.array([len(content)], np.int64)
  assert _Words(1, [size, words]).broadcast(b'of no interest') == content
  assert _Words(0, [0, 0]).broadcast(content) == content


def test_gathered_rows_are_exact():
  rows = np.random.default_rng(0).normal(size=[7, 3]).astype(np.float32)
  mine = np.full_like(rows, 5.0)  # Of others, which is not looked at.
  mine[2:4] = rows[2:4]
  theirs = rows.astype(np.float64)
  theirs[2:4] = 0
  _Words(1, [theirs]).gather(mine, 2, 2)
  np.testing.assert_array_equal(mine, rows)


def test_replicas_share_a_batch_or_it_is_refused():
  its = distribution.Distribution()
  assert its.per_replica(128) == 128
  its.num_replicas = 3
  assert its.per_replica(129) == 43
  with pytest.raises(ConfigError, match='batch_size = 128: .* try 129'):
    its.per_replica(128)


class _Model:
  """Encodes to what tells the image, and the number of its batch."""

  def encode_all(self, split, batch_size=1000, on_step=None, first_batch=0):
    draws, labels = [], []
    for i, (images, told) in enumerate(split.batches(batch_size), first_batch):
      draws.append(np.stack([images[:, 0, 0, 0], np.full(len(told), i)], 1))
      labels.append(told)
    if not draws:
      return Encoded(np.zeros([0, 0]), np.zeros([0, 0]), np.zeros(0, int))
    draws = np.concatenate(draws)
    return Encoded(draws, draws, np.concatenate(labels))


class _Recorder(distribution.Distribution):
  """One of several processes, of which one asks what it would send."""

  def __init__(self, worker, num_workers):
    super().__init__()
    self.num_workers, self.worker, self.sent = num_workers, worker, []

  def sum(self, values):
    return np.array([2])

  def gather(self, rows, first, count):
    self.sent.append(rows[first:first + count].copy())


@pytest.mark.parametrize('num_workers', [2, 3, 5])
def test_processes_encode_all_batches_once(monkeypatch, num_workers):
  monkeypatch.setattr(spread_encode, 'BATCH_SIZE', 4)
  images = np.arange(15, dtype=np.uint8)[:, None, None, None]
  split = data.array_split(images, np.arange(15))
  parts = []
  for worker in range(num_workers):
    its = _Recorder(worker, num_workers)
    spread_encode.encode_all(_Model(), split, its)
    parts.append(its.sent)
  draws, means, labels = [np.concatenate(some) for some in zip(*parts)]
  np.testing.assert_array_equal(labels, np.arange(15))
  np.testing.assert_array_equal(draws, np.stack(
      [np.arange(15), np.arange(15) // 4], 1))
  np.testing.assert_array_equal(means, draws)


def test_what_the_chief_keeps_all_find(tmp_path):
  arrays = {'x': np.arange(6.0).reshape(2, 3), 'names': np.array(['a', 'bc'])}
  chief = Work(tmp_path / 'work')
  assert chief.kept('key', lambda: arrays) is arrays
  sent = []

  class _Chief(distribution.Distribution):
    num_workers = 2

    def broadcast(self, content):
      sent.append(content)
      return content

  class _Other(_Chief):
    is_chief = False

    def broadcast(self, content):
      assert not content
      return sent.pop(0)

  for its, work in ((_Chief(), chief), (_Other(), NO_WORK)):
    its.num_workers = 2
    found = shared.work_of(its, work).kept(
        'key', lambda: pytest.fail('it is there'))
    np.testing.assert_array_equal(found['x'], arrays['x'])
    assert found['names'].tolist() == ['a', 'bc']
    made = {'y': np.ones(2)}
    assert shared.work_of(its, work).kept(f'new{its.is_chief}',
                                          lambda made=made: made) is made


class _Follower(distribution.Distribution):
  """A process that hears the chief say something."""

  def __init__(self, arrays):
    super().__init__()
    self.num_workers, self.worker, self._arrays = 2, 1, arrays

  def broadcast(self, content):
    assert not content
    return shared.to_bytes(self._arrays)


def test_what_is_decided_by_a_threshold_is_the_chiefs(monkeypatch):
  config = config_lib.replace(config_lib.Config(), latent_statistic='mean',
                              covariance_floor=0.5)
  means = np.random.default_rng(0).normal(size=[9, 3]).astype(np.float32)
  encoded = Encoded(means, means, np.zeros(9, int))
  assert latent.usable(encoded, config)[1].all()
  monkeypatch.setattr(distribution, 'of', lambda name: _Follower(
      {'kept': np.array([True, False, True])}))
  latents, kept = latent.usable(encoded, config)
  assert kept.tolist() == [True, False, True]
  np.testing.assert_array_equal(latents, means[:, [0, 2]])
  monkeypatch.setattr(distribution, 'of', lambda name: _Follower(
      {'variance': np.array([1.0, 3.0])}))
  assert latent.floor(means, config) == 1.0


def test_the_chief_alone_trains_the_teacher(monkeypatch):
  split = data.array_split(np.zeros([4, 8, 8, 1], np.uint8), np.arange(4) % 2)
  config = config_lib.Config()
  weights = networks.teacher((8, 8, 1), 2, seed=9).get_weights()
  monkeypatch.setattr(distribution, 'of', lambda name: _Follower(
      {str(i): weight for i, weight in enumerate(weights)}))
  monkeypatch.setattr(classifier, 'fit', lambda *_: pytest.fail('it trains'))
  trained = teacher.trained(config, split, 2)
  for ours, theirs in zip(trained.get_weights(), weights, strict=True):
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize('setting', [
    {'dp_epsilon': 1.0}, {'budget': '9kB'}])
@pytest.mark.parametrize('strategy', ['mirrored', 'multi_worker'])
def test_what_replicas_cannot_do_is_refused(setting, strategy):
  [name] = setting
  with pytest.raises(ConfigError, match=f'^strategy = {strategy}: {name} is'):
    tfp_lgc.compress('digits', strategy=strategy, **setting)


def test_processes_that_share_have_no_bound_of_memory():
  with pytest.raises(ConfigError, match="^strategy = multi_worker: max_memory "
                     "= '2GB' is for one process"):
    tfp_lgc.compress('digits', strategy='multi_worker', max_memory='2GB')


def test_a_strategy_has_to_come_before_tensorflow_works(monkeypatch):
  monkeypatch.setenv('TF_CONFIG', json.dumps({
      'cluster': {'worker': ['127.0.0.1:1', '127.0.0.1:2']},
      'task': {'type': 'worker', 'index': 0}}))
  tf.config.list_logical_devices()
  with pytest.raises(ConfigError, match='start a new process'):
    tfp_lgc.compress('digits', strategy='multi_worker')


# With two logical devices.


@pytest.fixture(scope='module')
def found(tmp_path_factory):
  path = tmp_path_factory.mktemp('replicas') / 'found.npz'
  subprocess.run([sys.executable, ROOT / 'tests/replicas.py', path],
                 env=ENVIRONMENT, check=True, timeout=SECONDS)
  with np.load(path) as file:
    return {name: file[name] for name in file.files}


def _pairs(found, kind):
  names = [name for name in found if name.startswith(f'none:{kind}:')]
  assert names
  return {name: (found[name], found[name.replace('none', 'mirrored', 1)])
          for name in names}


@pytest.mark.slow
@pytest.mark.parametrize('model', ['ae', 'vae', 'center_vae'])
def test_a_step_of_two_replicas_is_that_of_one(found, model):
  for name, (one, two) in _pairs(found, f'step:{model}').items():
    np.testing.assert_allclose(two, one, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize('structure', ['full', 'diag'])
def test_em_of_two_replicas_is_that_of_one(found, structure):
  pairs = _pairs(found, f'em:{structure}')
  one, two = pairs.pop(f'none:em:{structure}:num_iterations')
  assert one == two > 1
  for name, (one, two) in pairs.items():
    np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_a_model_of_two_replicas_becomes_one_of_one(found):
  """With batch normalization, whose averages are means over replicas."""
  its = {name.removeprefix('normalized:'): value
         for name, value in found.items() if name.startswith('normalized:')}
  assert np.isfinite(its['loss']) and its['teacher'] > 0
  assert its['num_penalties'] == 1
  assert any(value for name, value in its.items() if name.startswith('moving'))
  count = sum(name.startswith('alone') for name in its)
  assert count > 20
  for i in range(count):
    np.testing.assert_array_equal(its[f'alone{i}'], its[f'trained{i}'])
