"""Two writers: one wins, the other is told."""

import os
import pathlib
import subprocess
import sys
import threading

import pytest

from tfp_lgc import locking
from tfp_lgc.errors import ConfigError

ROOT = pathlib.Path(__file__).parent.parent
HOLD = '''
import sys
from tfp_lgc import locking
with locking.only_writer(sys.argv[1]):
  print('has it', flush=True)
  sys.stdin.read()
'''


@pytest.fixture
def holder(tmp_path):
  """Another process that writes to out."""
  process = subprocess.Popen(
      [sys.executable, '-c', HOLD, tmp_path / 'out'], cwd=ROOT, text=True,
      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
  assert process.stdout.readline() == 'has it\n'
  yield process
  process.kill()
  process.communicate()


def _take(directory):
  with locking.only_writer(directory):
    pass


def test_the_second_is_told_and_a_kill_leaves_no_lock(holder, tmp_path):
  out = tmp_path / 'out'
  (tmp_path / 'link').symlink_to(out)
  for name in ('out', 'link', 'out/../out'):
    with pytest.raises(ConfigError, match='another process is writing there'):
      _take(tmp_path / name)
  _take(tmp_path / 'other')
  holder.kill()
  holder.wait()
  _take(out)
  assert sorted(os.listdir(tmp_path)) == ['link', 'out']
  assert os.listdir(out) == []


def test_an_end_gives_it_back(holder, tmp_path):
  holder.communicate('')
  assert os.listdir(tmp_path) == []  # Which it had made.
  _take(tmp_path / 'out')


def test_a_thread_has_it_twice_but_no_two_threads(tmp_path):
  errors = []

  def other():
    try:
      _take(tmp_path)
    except ConfigError as error:
      errors.append(error)

  with locking.only_writer(tmp_path):
    _take(tmp_path)
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
  assert len(errors) == 1
  thread = threading.Thread(target=other)
  thread.start()
  thread.join()
  assert len(errors) == 1


def test_what_is_put_there_stays(tmp_path):
  with pytest.raises(KeyError):
    with locking.only_writer(tmp_path / 'a' / 'b'):
      raise KeyError
  assert os.listdir(tmp_path) == []
  with locking.only_writer(tmp_path / 'a' / 'b'):
    (tmp_path / 'a' / 'x').write_text('x')
  assert os.listdir(tmp_path / 'a') == ['x']
