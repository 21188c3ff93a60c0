"""Files that take each other's place, by processes that are killed at it."""

import os
import pathlib
import subprocess
import sys

import pytest

from tfp_lgc import staging

ROOT = pathlib.Path(__file__).parent.parent
NAMES = ('a.lgc', 'rows', 'gone', 'folder')
# Kills itself before, or after, the rename of that number.
PROGRAM = '''
import os, pathlib, signal, sys
from tfp_lgc import staging
number, before = int(sys.argv[2]), sys.argv[3] == 'before'
rename, count = os.rename, 0
def counted(source, target):
  global count
  count += 1
  if before and count == number:
    os.kill(os.getpid(), signal.SIGKILL)
  rename(source, target)
  if count == number:
    os.kill(os.getpid(), signal.SIGKILL)
os.rename = counted
with staging.replacing(pathlib.Path(sys.argv[1]),
                       ['a.lgc', 'rows', 'gone', 'folder']) as new:
  (new / 'a.lgc').write_text('new')
  (new / 'rows').write_text('new')
  (new / 'folder').mkdir()
  (new / 'folder' / 'x').write_text('new')
  if number == 0:
    os.kill(os.getpid(), signal.SIGKILL)
print(count)
'''
OLD = {'a.lgc': 'old', 'rows': 'old', 'gone': 'old', 'folder/x': 'old',
       'mine': 'mine'}
NEW = {'a.lgc': 'new', 'rows': 'new', 'folder/x': 'new', 'mine': 'mine'}


def _filled(directory):
  (directory / 'folder').mkdir()
  for name, text in OLD.items():
    (directory / name).write_text(text)
  return directory


def _content(directory):
  return {str(path.relative_to(directory)): path.read_text()
          for path in directory.rglob('*') if path.is_file()}


def _replace(directory, number, when='before', program=PROGRAM):
  return subprocess.run(
      [sys.executable, '-c', program, directory, str(number), when], cwd=ROOT,
      stdout=subprocess.PIPE, text=True, env={**os.environ,
                                              'PYTHONPATH': str(ROOT)})


def test_a_kill_at_any_rename_leaves_all_that_was_or_all_that_is_new(tmp_path):
  # Four that go and three that come.
  whole = _replace(_filled(tmp_path), -1)
  assert int(whole.stdout) == 7
  for number in range(8):
    directory = tmp_path / str(number)
    directory.mkdir()
    _filled(directory)
    assert _replace(directory, number).returncode == -9
    assert list(directory.glob('.staging-*'))
    staging.recover(directory)
    assert _content(directory) == (NEW if number else OLD), number


def test_whoever_writes_next_cleans_up(tmp_path):
  assert _replace(_filled(tmp_path), 5, 'after').returncode == -9
  with staging.replacing(tmp_path, ['other']) as new:
    (new / 'other').write_text('x')
  assert _content(tmp_path) == {**NEW, 'other': 'x'}


def test_what_another_process_or_user_has_is_left_alone(tmp_path):
  (tmp_path / '.staging-mine').mkdir()
  (tmp_path / '.staging-mine/lock').write_text('something else')
  with staging.replacing(tmp_path, ['x']) as new:
    staging.recover(tmp_path)
    (new / 'x').write_text('x')
  assert _content(tmp_path) == {'x': 'x',
                                '.staging-mine/lock': 'something else'}


def test_an_error_gives_everything_back(tmp_path, monkeypatch):
  rename, count = os.rename, []

  def full(source, target):
    count.append(target)
    if len(count) == 6:
      raise OSError(28, 'No space left on device')
    rename(source, target)

  monkeypatch.setattr(os, 'rename', full)
  with pytest.raises(OSError, match='No space left'):
    with staging.replacing(_filled(tmp_path), NAMES) as new:
      (new / 'a.lgc').write_text('new')
      (new / 'rows').write_text('new')
  assert _content(tmp_path) == OLD


@pytest.mark.parametrize('stops', [OSError(5, 'gone'), KeyboardInterrupt()],
                         ids=['error', 'interrupt'])
@pytest.mark.parametrize('failing', [5, 6, 7])
def test_giving_back_that_is_stopped_loses_nothing(
    failing, stops, tmp_path, monkeypatch):
  """The rename of that number fails, and so does, in turn, each of those that
  then give back what was there."""
  rename = os.rename
  for second in range(failing + 1, 2 * failing):
    directory = tmp_path / str(second)
    directory.mkdir()
    _filled(directory)
    count = []

    def stopped(source, target, count=count, second=second):
      count.append(target)
      if len(count) in (failing, second):
        raise stops
      rename(source, target)

    with monkeypatch.context() as patch:
      patch.setattr(os, 'rename', stopped)
      with pytest.raises(type(stops)):
        with staging.replacing(directory, NAMES) as new:
          (new / 'a.lgc').write_text('new')
          (new / 'rows').write_text('new')
          (new / 'folder').mkdir()
          (new / 'folder' / 'x').write_text('new')
    assert len(count) == second
    staging.recover(directory)
    assert _content(directory) == NEW, second


def test_a_kill_while_giving_back_loses_nothing(tmp_path):
  # The sixth rename fails; the process is killed at one of the five after it.
  program = PROGRAM.replace('  rename(source, target)\n', '''  if count == 6:
    raise OSError(5, 'gone')
  rename(source, target)
''')
  assert program != PROGRAM
  for number in range(7, 12):
    for when in ('before', 'after'):
      directory = tmp_path / f'{number}{when}'
      directory.mkdir()
      assert _replace(_filled(directory), number, when, program).returncode == (
          -9)
      staging.recover(directory)
      assert _content(directory) == NEW, (number, when)
