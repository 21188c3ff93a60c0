"""Work that goes on: results that are kept, and a run that ends the same."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

import tfp_lgc
from tfp_lgc import (
  compression,
  data,
  finetuning,
  held_out,
  memory,
  resuming,
  streams,
  teacher,
  train,
)
from tfp_lgc.arrays import from_arrays
from tfp_lgc.config import Config, replace
from tfp_lgc.errors import ConfigError, DataError, LgcError
from tfp_lgc.metrics import tstr
from tfp_lgc.progress import Progress

# All stages, short.
SETTINGS = {'model': 'center_vae', 'trunk': 'dense', 'hidden_size': 8,
            'latent_size': 3, 'epochs': 30, 'batch_size': 32,
            'teacher_weight': 1.0, 'hard_copies': 3, 'finetune_steps': 30,
            'adversarial_weight': 1.0, 'texture': 'residual',
            'num_components_max': 2}


@pytest.fixture
def images():
  rng = np.random.default_rng(0)
  labels = np.arange(128) % 2
  noise = rng.integers(0, 90, [128, 6, 5, 1])
  return (noise + 150 * labels[:, None, None, None]).astype(np.uint8), labels


@pytest.fixture
def short(monkeypatch):
  """Rounds and stages of a few steps."""
  monkeypatch.setattr(teacher, 'TEACHER_STEPS', 20)
  monkeypatch.setattr(train, 'STEPS_PER_EXECUTION', 30)
  monkeypatch.setattr(finetuning, 'STEPS_PER_CALL', 10)


# Results of stages.


def test_what_is_kept_is_made_once(tmp_path):
  made = []

  def make():
    made.append(None)
    return {'a/b': np.arange(6.0).reshape(2, 3), 'names': np.array(['x', 'yz']),
            'no': np.float32(-np.inf)}

  work = resuming.Work(tmp_path)
  for key in ('x', 'x', 'y'):
    found = work.kept(key, make)
    assert set(found) == {'a/b', 'names', 'no'}
    np.testing.assert_array_equal(found['a/b'], make()['a/b'])
    assert list(found['names']) == ['x', 'yz'] and found['no'] == -np.inf
    made.pop()
  work.below('try').kept('x', make)
  assert len(made) == 3
  resuming.NO_WORK.kept('x', make)
  resuming.NO_WORK.kept('x', make)
  assert len(made) == 5


def test_a_stage_is_heard_of_though_it_was_done_before(tmp_path):
  work = resuming.Work(tmp_path)
  heard = []
  for _ in range(2):
    progress = Progress()
    progress.seconds['stage'] = 1.0

    def make(progress=progress):
      progress.record(event='made', value=2)
      return {'x': np.zeros(1)}

    work.stage('key', progress, make, 3, 'stage')
    heard.append((progress.records, list(progress.seconds)))
  assert heard[0] == heard[1] == ([{'event': 'made', 'value': 2}], ['stage'])


def test_a_file_that_is_damaged_is_told(tmp_path):
  work = resuming.Work(tmp_path)
  work.kept('x', lambda: {'x': np.arange(100)})
  content = bytearray((tmp_path / 'x.npz').read_bytes())
  content[150] ^= 1
  for damaged in (content, content[:80], b''):
    (tmp_path / 'x.npz').write_bytes(damaged)
    with pytest.raises(LgcError, match='x.npz: is damaged'):
      work.kept('x', dict)


# Whose they are.


def test_a_folder_is_of_one_run_alone(tmp_path):
  said, folder = [], tmp_path / 'a' / 'work'
  def run(name, error):
    with resuming.keeping(folder, name, say=said.append) as work:
      value = work.kept('x', lambda: {'x': np.array(name)})['x']
      work.below('try').kept('x', lambda: {'x': np.array(name)})
      if error:
        raise error
    return value

  with pytest.raises(OSError):
    run('first', OSError(28, 'full'))
  with pytest.raises(KeyboardInterrupt):
    run('first', KeyboardInterrupt())
  assert resuming.is_of(folder, 'first') and not resuming.is_of(folder, 'other')
  assert len(said) == 1 and 'goes on' in said[0]
  assert run('second', None) == 'second'
  assert len(said) == 2 and 'begins anew' in said[1]
  assert not folder.exists()
  # What would come again is not kept, where there is no checkpoint to look at.
  for error in (DataError('x'), FloatingPointError('diverged')):
    with pytest.raises(type(error)):
      run('first', error)
    assert not folder.exists()
  # A kill may leave what was being removed.
  (folder.parent / '.work.tfp_lgc_done').mkdir()
  assert run('third', None) == 'third'
  assert list(folder.parent.iterdir()) == []


def test_a_folder_of_something_else_is_left_alone(tmp_path):
  (tmp_path / 'mine').write_text('mine')
  for path in (tmp_path, tmp_path / 'mine'):
    with pytest.raises(ConfigError, match='work_dir.*something else'):
      with resuming.keeping(path, 'x'):
        pass
  assert (tmp_path / 'mine').read_text() == 'mine'


def test_whatever_decides_the_bytes_is_in_the_fingerprint(images, monkeypatch):
  pixels, labels = images

  def of(settings=(), names='ab', pixels=pixels, labels=labels):
    return resuming.fingerprint(dict(settings),
                                data.array_split(pixels, labels), names)

  other = pixels.copy()
  other[77, 3, 2] ^= 1
  seen = [of(), of({'seed': 1}), of(names='ac'), of(pixels=other),
          of(labels=1 - labels), of(pixels=pixels[:-1], labels=labels[:-1])]
  monkeypatch.setenv('TF_ENABLE_ONEDNN_OPTS', '0')
  seen.append(of())
  assert len(set(seen)) == len(seen)
  assert of() == seen[-1]


def test_so_is_the_bound_of_memory(images):
  source = from_arrays(images)
  bounds = [None, memory.limits('2GB'), memory.limits('3GB')]
  seen = [compression.fingerprint(data.bounded(source, bound), Config(), 0,
                                  frozenset()) for bound in bounds]
  assert len(set(seen)) == len(seen)
  assert seen[1] == compression.fingerprint(
      data.bounded(source, memory.limits('2000MB')), Config(), 0, frozenset())


def test_of_a_judge_a_budget_has_all_but_the_steps(images):
  source = from_arrays(images)
  first, *others = [
      compression.fingerprint(source, replace(Config(), **settings), 9000,
                              frozenset())
      for settings in ({}, {'judge_steps': 9}, {'judge': 'mlp'})]
  assert [first == other for other in others] == [True, False]


def test_large_arrays_that_were_made_before_are_mapped(tmp_path):
  rng = np.random.default_rng(0)
  made = {'latents': rng.normal(size=[300, 3]).astype(np.float32),
          'labels': np.arange(300, dtype=np.int32) % 3, 'fill': np.ones(3)}
  bound = memory.limits('2GB')._replace(latents=2000)
  work = resuming.Work(tmp_path)
  for latents in (np.ndarray, np.memmap):
    found = work.stage('encode', Progress(), lambda: made, bound=bound)
    assert type(found['latents']) is latents
    assert type(found['labels']) is type(found['fill']) is np.ndarray
    for name, value in made.items():
      assert found[name].dtype == value.dtype
      np.testing.assert_array_equal(found[name], value)
  streams.release(found['latents'])
  np.testing.assert_array_equal(found['latents'], made['latents'])
  # A byte within, of what is not compressed.
  content = (tmp_path / 'encode.npz').read_bytes()
  at = content.index(made['latents'][100].tobytes())
  (tmp_path / 'encode.npz').write_bytes(
      content[:at] + bytes([content[at] ^ 1]) + content[at + 1:])
  with pytest.raises(LgcError, match='encode.npz: is damaged'):
    work.stage('encode', Progress(), dict, bound=bound)


# Runs.


class _Stop(Exception):
  pass


class _Stopping(Progress):
  """Raises in the step of a stage that is named."""

  def __init__(self, stage, done):
    super().__init__(self._hear)
    self._stop, self._now = (stage, done), ''

  def _hear(self, line):
    self._now = line.split(' ')[0]

  def step(self, done, text=''):
    if (self._now, done) == self._stop:
      raise _Stop


@pytest.mark.slow
def test_a_run_that_stops_twice_ends_in_the_same_bytes_and_rows(
    images, short, tmp_path):
  undisturbed = Progress()
  expected = tfp_lgc.compress(images, progress=undisturbed,
                              **SETTINGS).to_bytes()
  work = tmp_path / 'work'
  for stage, done in (('train', 90), ('finetune', 20)):
    with pytest.raises(_Stop):
      tfp_lgc.compress(images, progress=_Stopping(stage, done), work_dir=work,
                       checkpoint_seconds=0, **SETTINGS)
    assert json.loads((work / resuming.RUN_NAME).read_text())
  progress, said = Progress(lambda line: said.append(line)), []
  try:  # The program's own seed has no say.
    tf.random.set_seed(7)
    got = tfp_lgc.compress(images, progress=progress, work_dir=work,
                           checkpoint_seconds=0, **SETTINGS).to_bytes()
  finally:
    tf.random.set_seed(None)
  assert got == expected
  assert progress.records == undisturbed.records
  assert list(progress.seconds) == list(undisturbed.seconds)
  assert not work.exists()
  before = [line for line in said if 'was done before' in line]
  assert [line.split(':')[0] for line in before] == [
      'encode', 'hard images', 'mixture']


def test_another_setting_begins_anew(images, short, tmp_path):
  settings = {**SETTINGS, 'teacher_weight': 0.0, 'finetune_steps': 0,
              'adversarial_weight': 0.0}
  with pytest.raises(_Stop):
    tfp_lgc.compress(images, progress=_Stopping('train', 60),
                     work_dir=tmp_path, checkpoint_seconds=0, **settings)
  other = {**settings, 'seed': 1}
  assert tfp_lgc.compress(images, work_dir=tmp_path, **other).to_bytes() == (
      tfp_lgc.compress(images, **other).to_bytes())


@pytest.mark.slow
def test_a_search_that_stops_ends_in_the_same_bytes(
    images, monkeypatch, tmp_path):
  monkeypatch.setattr(held_out, 'JUDGE_STEPS', 10)
  monkeypatch.setattr(teacher, 'TEACHER_STEPS', 10)
  settings = dataclasses.replace(replace(
      Config(), epochs=20, batch_size=32, finetune_steps=100,
      num_components_max=4, max_iterations=20))
  undisturbed = Progress()
  expected = tfp_lgc.compress(images, settings, budget=1500,
                              progress=undisturbed).to_bytes()
  judge = tstr.right
  for stop in range(3):  # The last one is between two trials of hard images.
    calls = []

    def stopping(*args, calls=calls, stop=stop):
      calls.append(None)
      if len(calls) > stop + 1:
        raise _Stop
      return judge(*args)

    monkeypatch.setattr(tstr, 'right', stopping)
    with pytest.raises(_Stop):
      tfp_lgc.compress(images, settings, budget=1500, work_dir=tmp_path / 'x')
  monkeypatch.setattr(tstr, 'right', judge)
  progress = Progress()
  assert tfp_lgc.compress(images, settings, budget=1500, progress=progress,
                          work_dir=tmp_path / 'x').to_bytes() == expected
  assert progress.records == undisturbed.records
