"""Runs of bin/compress that end early, and what they leave."""

import errno
import os
import pathlib
import re
import shutil
import signal
import threading

import pytest
import tensorflow as tf
from command_lines import content_of, json_of, main, makes, PROGRESS, TINY

from tfp_lgc import artifact as artifact_lib
from tfp_lgc import compression, evaluation, locking, train


def test_training_that_diverges_at_once_ends_in_a_line_and_leaves_nothing(
    place, capsys):
  before = content_of(place)
  assert main('compress', '--dataset=two.npz', '--output=out', '--model=ae',
              '--head=normal_diag', '--min_stddev=1e-6', '--learning_rate=10',
              '--batch_size=16', *TINY, '--epochs=15') == 2
  out, err = capsys.readouterr()
  *lines, last = err.splitlines()
  assert re.match('lgc-compress: error: training diverged in epoch .*'
                  '--learning_rate', last)
  assert not [line for line in lines if not PROGRESS.fullmatch(line)]
  assert content_of(place) == before
  # What Keras has to say does not go where results are expected.
  assert out == ''


def test_training_that_diverges_later_leaves_its_last_good_checkpoint(
    place, monkeypatch, capsys):
  monkeypatch.setattr(train, 'STEPS_PER_EXECUTION', 1)
  before = content_of(place)
  for _ in range(2):  # It comes again.
    assert main('compress', '--dataset=two.npz', '--output=out', '--model=ae',
                '--head=normal_diag', '--min_stddev=1e-6', '--batch_size=16',
                '--learning_rate=10', *TINY, '--epochs=15',
                '--checkpoint_seconds=0') == 2
    _, err = capsys.readouterr()
    *_, line, last = err.splitlines()
    assert 'error: training diverged in epoch' in last
    assert 'the last good checkpoint is in out/.resume' in line
    reader = tf.train.load_checkpoint('out/.resume/train')
    assert len(reader.get_variable_to_shape_map()) > 3
  after = content_of(place)
  assert {name: after[name] for name in before} == before
  left = {pathlib.Path(name).parts[:2] for name in set(after) - set(before)}
  assert left == {('out',), ('out', '.resume')}


@pytest.mark.parametrize('number, status, word', [
    (signal.SIGINT, 130, 'interrupted'), (signal.SIGTERM, 143, 'terminated')])
def test_a_signal_ends_a_run_with_a_word_on_how_to_go_on(
    number, status, word, digits_run, place, monkeypatch, capsys):
  def stop(*args):
    os.kill(os.getpid(), number)
    raise AssertionError('it goes on')

  handlers = [signal.getsignal(each) for each in (signal.SIGINT,
                                                  signal.SIGTERM)]
  monkeypatch.setattr(compression, 'compress_with', stop)
  assert main('compress', '--output=out', '--noevaluate') == status
  out, err = capsys.readouterr()
  assert (out, err) == ('', f'lgc-compress: {word}; the same command goes on '
                            'from its last checkpoint\n')
  assert [signal.getsignal(each) for each in (
      signal.SIGINT, signal.SIGTERM)] == handlers
  makes(digits_run, monkeypatch)
  assert main('compress', '--output=out', '--noevaluate') == 0
  assert 'goes on with' in capsys.readouterr().err
  assert sorted(os.listdir('out')) == sorted(
      name for name in os.listdir(digits_run) if name != 'encoder')


def test_a_run_that_stops_after_its_artifact_stands_goes_on(
    digits_run, place, monkeypatch, capsys):
  def stop(*args, **kwargs):
    raise KeyboardInterrupt

  makes(digits_run, monkeypatch)
  with monkeypatch.context() as patch:
    patch.setattr(evaluation, 'evaluate', stop)
    assert main('compress', '--output=out', *TINY) == 130
  before = content_of(place)
  # Another run may not replace it, nor take away what the first left.
  assert main('compress', '--output=out', *TINY, '--seed=1') == 2
  assert content_of(place) == before
  assert '--overwrite' in capsys.readouterr().err.splitlines()[-1]
  assert main('compress', '--output=out', *TINY) == 0
  assert not (place / 'out/.resume').exists()
  rows = (place / 'out/metrics.jsonl').read_text().splitlines()
  assert json_of(rows[-1])['event'] == 'summary'


def test_a_full_disk_is_a_line_and_leaves_the_artifact_that_stood(
    digits_run, place, monkeypatch, capsys):
  def full(path, content):
    raise OSError(errno.ENOSPC, 'No space left on device', str(path))

  shutil.copytree(digits_run, 'out')
  before = content_of(place / 'out')
  makes(digits_run, monkeypatch)
  with monkeypatch.context() as patch:
    patch.setattr(artifact_lib.layout, 'write', full)
    assert main('compress', '--output=out', '--overwrite', '--noevaluate') == 2
  out, err = capsys.readouterr()
  assert out == ''
  assert re.fullmatch('lgc-compress: error: .*: No space left on device',
                      err.splitlines()[-1])
  after = content_of(place / 'out')
  assert {name: after[name] for name in before} == before
  assert {name.split('/')[0] for name in set(after) - set(before)} == {
      '.resume'}
  assert main('compress', '--output=out', '--overwrite', '--noevaluate') == 0


def test_of_two_runs_with_one_output_one_is_told(place, capsys):
  ready, done = threading.Event(), threading.Event()

  def hold():
    with locking.only_writer('out'):
      ready.set()
      done.wait()

  thread = threading.Thread(target=hold)
  thread.start()
  ready.wait()
  try:
    assert main('compress', '--dataset=two.npz', '--output=out', *TINY) == 2
  finally:
    done.set()
    thread.join()
  out, err = capsys.readouterr()
  assert out == ''
  assert re.fullmatch("lgc-compress: error: output = '.*out': another process "
                      'is writing there; .*', err.rstrip('\n'))
