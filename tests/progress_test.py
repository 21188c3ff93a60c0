"""What a long job says, by a clock that the test turns."""

import re
import types

import pytest

from tfp_lgc import progress


@pytest.fixture
def clock(monkeypatch):
  now = types.SimpleNamespace(seconds=1000.0)
  monkeypatch.setattr(progress, 'time', types.SimpleNamespace(
      perf_counter=lambda: now.seconds))
  return now


def test_a_stage_says_that_it_begins_and_how_long_it_took(clock):
  said = []
  log = progress.Progress(said.append)
  with log.stage('train'):
    assert len(said) == 1 and 'train' in said[0]
    clock.seconds += 12.345
  assert said[1:] == ['train: done in 12.3 s']


def test_seconds_are_those_of_each_stage_in_order(clock):
  log = progress.Progress()
  for name, seconds in (('train', 2.0), ('encode', 0.25), ('mixture', 1.0)):
    with log.stage(name):
      clock.seconds += seconds
    clock.seconds += 100  # Of no stage.
  assert list(log.seconds.items()) == [
      ('train', 2.0), ('encode', 0.25), ('mixture', 1.0)]


def test_a_stage_that_fails_is_not_done(clock):
  said = []
  log = progress.Progress(said.append)
  with pytest.raises(ZeroDivisionError):
    with log.stage('train'):
      raise ZeroDivisionError
  assert not log.seconds
  assert not [line for line in said if 'done' in line]


def test_a_step_says_how_far_and_how_long_still(clock):
  said = []
  log = progress.Progress(said.append)
  with log.stage('train', total=40):
    clock.seconds += 10
    log.step(8, 'loss 93.1')
    # 10 s for 8 of 40, so 40 s for the other 32.
    assert re.search(r'train 8/40 loss 93\.1 .*\b40 s', said[-1])


def test_what_an_earlier_run_did_is_not_how_fast_this_one_is(clock):
  said = []
  log = progress.Progress(said.append)
  with log.stage('write', total=40):
    log.skip(20)
    clock.seconds += 10
    log.step(25)
    # 10 s for 5, so 30 s for the other 15.
    assert re.search(r'write 25/40 .*\b30 s', said[-1])


def test_the_last_step_leaves_nothing(clock):
  said = []
  log = progress.Progress(said.append, interval=0)
  with log.stage('train', total=40):
    clock.seconds += 10
    log.step(40)
    assert re.search(r'train 40/40 .*\b0 s', said[-1])


def test_steps_are_said_at_most_once_an_interval(clock):
  said = []
  log = progress.Progress(said.append, interval=5.0)
  with log.stage('train', total=100):
    for step in range(1, 101):
      clock.seconds += 1
      log.step(step)
    steps = [int(re.search(r'(\d+)/', line).group(1)) for line in said[1:]]
  assert steps == list(range(5, 101, 5))


def test_each_stage_has_an_interval_of_its_own(clock):
  said = []
  log = progress.Progress(said.append, interval=5.0)
  for name in ('train', 'mixture'):
    with log.stage(name, total=10):
      clock.seconds += 4
      log.step(1)
  assert not [line for line in said if '1/10' in line]


def test_a_stage_of_unknown_length_promises_no_end(clock):
  said = []
  log = progress.Progress(said.append)
  with log.stage('encode'):
    clock.seconds += 10
    log.step(3, 'batches')
    assert 'encode' in said[-1] and '3' in said[-1]
    assert '/0' not in said[-1] and 'left' not in said[-1]


def test_it_is_silent_unless_it_is_told_how_to_speak(clock, capfd):
  log = progress.Progress()
  with log.stage('train', total=2):
    clock.seconds += 10
    log.step(1)
  assert capfd.readouterr() == ('', '')
  assert log.seconds == {'train': 10.0}


def test_records_are_kept_in_order():
  log = progress.Progress()
  log.record(event='train', step=1)
  log.record(event='bic', bic=[1.0])
  assert log.records == [{'event': 'train', 'step': 1},
                         {'event': 'bic', 'bic': [1.0]}]
