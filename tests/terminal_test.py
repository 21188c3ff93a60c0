"""Bars and colors on a pseudo-terminal, and nothing of them elsewhere."""

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios

import pytest

from tfp_lgc import logs, terminal
from tfp_lgc.commands import run
from tfp_lgc.errors import ConfigError
from tfp_lgc.progress import Progress

ESCAPE = '\x1b['


class Screen:
  """The other end of a pseudo-terminal that is stderr, within `with`: pytest
  takes back what a fixture does to stderr."""

  def __init__(self):
    self.master, slave = pty.openpty()
    self.stderr = os.fdopen(slave, 'w')
    self.content = b''

  def __enter__(self):
    self.before, sys.stderr = sys.stderr, self.stderr
    logs.start()
    return self

  def __exit__(self, *error):
    self.read()
    sys.stderr = self.before

  def read(self):
    """All that is seen until now."""
    self.stderr.flush()
    # A bar that is drawn again and again would never let this end.
    for _ in range(100):
      if not select.select([self.master], [], [], 0.01)[0]:
        break
      self.content += os.read(self.master, 65536)
    return self.content.decode(errors='replace')

  def read_until(self, pattern):
    """All that is seen, once `pattern` is; fails if it never comes."""
    for _ in range(500):
      if re.search(pattern, seen := self.read()):
        return seen
    raise AssertionError(f'no {pattern!r} in {seen!r}')


@pytest.fixture
def screen(monkeypatch):
  for name in ('NO_COLOR', 'TQDM_DISABLE'):
    monkeypatch.delenv(name, raising=False)
  monkeypatch.setenv('TERM', 'xterm')
  monkeypatch.setattr(terminal, 'DELAY', 0.0)
  monkeypatch.setattr(terminal, 'INTERVAL', 0.03)
  made = Screen()
  yield made
  made.stderr.close()
  os.close(made.master)


def _shown(screen):
  """What is left when carriage returns have written over what was before."""
  lines = []
  for line in screen.read().split('\n'):
    cells = ''
    for part in re.sub(r'\x1b\[[0-9;]*[A-Za-z]', '', line).split('\r'):
      cells = part + cells[len(part):]
    lines.append(cells.rstrip())
  return [line for line in lines if line]


def test_a_stage_has_a_bar_with_the_time_left(screen):
  with screen:
    progress = run.new_progress()
    with progress.stage('train', total=40):
      progress.step(10, 'loss 93.1')
      seen = screen.read_until(r'25%\|.*10/40.*\d\d:\d\d left loss 93\.1')
      assert not re.search('s left', seen)
      progress.step(20, 'loss 90.2')
      screen.read_until(r'50%\|.*20/40.*left loss 90\.2')
      progress.note('a note')
      screen.read_until('a note\r?\n.*50%')
    first, note, last = _shown(screen)
    assert (first, note) == ('train ...', 'a note')
    assert re.fullmatch(r'train: done in \d+\.\d s', last)


def test_a_bar_is_as_wide_as_the_terminal(screen):
  fcntl.ioctl(screen.master, termios.TIOCSWINSZ,
              struct.pack('HHHH', 24, 60, 0, 0))
  with screen, contextlib.closing(terminal.Bar('train', 40)) as shown:
    shown.step(10, '', None)
    seen = screen.read_until(r'25%.*\r.*25%')
  line = re.sub(r'\x1b\[[0-9;]*m', '', seen.split('\r')[-2])
  assert 55 <= len(line) < 60


def test_time_left_runs_down_between_steps(screen):
  with screen:
    with contextlib.closing(terminal.Bar('train', 40)) as shown:
      shown.step(1, '', 61.5)
      screen.read_until('01:0[01] left')
      screen.read_until('00:59 left')
    assert not _shown(screen)


def test_a_stage_without_steps_shows_how_long_it_takes(screen):
  with screen:
    progress = run.new_progress()
    with progress.stage('save'):
      seen = screen.read_until(r'save \d\d:\d\d')
    assert '%' not in seen and 'left' not in seen


def test_a_short_stage_has_none(screen, monkeypatch):
  monkeypatch.setattr(terminal, 'DELAY', 60.0)
  with screen:
    progress = run.new_progress()
    with progress.stage('train', total=2):
      progress.step(1)
    assert '%' not in screen.read()
    assert len(_shown(screen)) == 2


def test_a_bar_ends_with_a_stage_that_fails(screen):
  with screen:
    progress = run.new_progress()
    with pytest.raises(ZeroDivisionError):
      with progress.stage('train', total=2):
        progress.step(1)
        screen.read_until('50%')
        raise ZeroDivisionError
    assert _shown(screen) == ['train ...']


def test_stages_within_a_stage(screen):
  with screen:
    progress = run.new_progress()
    with progress.stage('all', total=2):
      with progress.stage('part', total=4):
        progress.step(1)
        screen.read_until('part.*25%')
      progress.step(1)
      screen.read_until('all.*50%')
    assert re.match(r'all: done in \d+\.\d s', _shown(screen)[-1])


def test_what_follows_a_bar_below_another_begins_its_line(screen):
  with screen:
    with contextlib.closing(terminal.Bar('below', 4)) as below:
      with contextlib.closing(terminal.Bar('above', 4)) as above:
        above.step(1, '', None)
        screen.read_until('above +25%')
        below.step(2, '', None)
        screen.read_until('below +50%')
      # Whichever thread was the first to draw.
      logs.say('of the one that was left')
    logs.say('of none')
    assert _shown(screen)[-2:] == ['of the one that was left', 'of none']


@pytest.mark.parametrize('name, value, colors', [
    ('NO_COLOR', '1', False), ('NO_COLOR', '0', False), ('NO_COLOR', '', True),
    ('TERM', 'dumb', False), ('TERM', 'xterm', True)])
def test_colors_are_off_with_no_color(name, value, colors, screen,
                                      monkeypatch):
  monkeypatch.setenv(name, value)
  with screen:
    progress = run.new_progress()
    with progress.stage('train', total=2):
      progress.step(1)
      screen.read_until('50%')
    assert bool(re.search(r'\x1b\[3\dm', screen.read())) == colors

    def wrong(argv):
      raise ConfigError('it is wrong')
    assert run.run(wrong, ['lgc-x']) == 2
    seen = screen.read_until('it is wrong')
    assert (f'{ESCAPE}31merror:{ESCAPE}0m it is wrong' in seen) == colors
    assert ('lgc-x: error: it is wrong' in seen) == (not colors)


def test_elsewhere_there_is_no_bar_and_no_color(capsys, monkeypatch):
  monkeypatch.setattr(terminal, 'DELAY', 0.0)
  monkeypatch.setattr(run, 'LINE_INTERVAL', 0.0)
  logs.start()
  progress = run.new_progress()
  with progress.stage('train', total=2):
    progress.step(1)
  out, err = capsys.readouterr()
  assert out == '' and ESCAPE not in err and '\r' not in err
  assert re.fullmatch(r'train \.\.\.\ntrain 1/2  \(\d s left\)\n'
                      r'train: done in \d\.\d s\n', err)


def test_steps_are_rare_where_nobody_looks_on(capsys):
  """A line a minute at the most, also of a long job."""
  logs.start()
  progress = run.new_progress()
  with progress.stage('train', total=1000):
    for step in range(1000):
      progress.step(step)
  assert len(capsys.readouterr().err.splitlines()) == 2


def test_who_wants_no_progress_has_no_bar(screen):
  with screen:
    logs.set_verbosity(-1)
    progress = run.new_progress()
    with progress.stage('train', total=2):
      progress.step(1)
    assert screen.read() == ''


def test_a_bar_is_what_progress_takes():
  """Also where its steps are not known."""
  seen = []

  class Fake:
    def __init__(self, name, total):
      seen.append((name, total))

    def step(self, done, text, left):
      seen.append((done, text, left))

    def close(self):
      seen.append('closed')

  progress = Progress(bar=Fake)
  with progress.stage('encode'):
    progress.step(3, 'batches')
  assert seen == [('encode', 0), (3, 'batches', None), 'closed']
