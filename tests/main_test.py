"""`python -m tfp_lgc`."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

import tfp_lgc
from tfp_lgc import __main__ as main_module
from tfp_lgc.version import __version__

ROOT = pathlib.Path(__file__).parent.parent


def _main(*args):
  return main_module.main(['anything', *args])


def test_the_commands_are_those_of_bin():
  assert set(main_module.COMMANDS) == {
      path.name for path in (ROOT / 'bin').iterdir()}


@pytest.mark.parametrize('flag', ['--version', '-version'])
def test_the_version(flag, capsys):
  assert _main(flag) == 0
  assert capsys.readouterr() == ('tfp_lgc 0.1.0\n', '')
  assert tfp_lgc.__version__ == __version__ == '0.1.0'


@pytest.mark.parametrize('command', main_module.COMMANDS)
def test_each_command_is_forwarded(command, capsys):
  assert _main(command, '--version') == 0
  assert capsys.readouterr() == ('tfp_lgc 0.1.0\n', '')
  assert _main(command, '--help') == 0
  assert f'usage: lgc-{command} ' in capsys.readouterr().out
  assert _main(command, '--sed=3') == 2
  out, err = capsys.readouterr()
  assert out == '' and err.startswith(f'lgc-{command}: error: ')
  # Flags that lgc-beam does not know are for Beam to judge, where it is.
  assert 'seed' in err or (command, 'Beam is missing' in err) == ('beam', True)


@pytest.mark.parametrize('flag', ['--help', '-h', 'help'])
def test_help_lists_the_commands(flag, capsys):
  assert _main(flag) == 0
  lines = capsys.readouterr().out.splitlines()
  assert {line.split()[0] for line in lines if line.startswith('  ')} == set(
      main_module.COMMANDS)


@pytest.mark.parametrize('args, words', [
    ([], 'no command; choose from compress'),
    (['compres'], "'compres' .*did you mean compress"),
    (['evalute', '--version'], 'did you mean evaluate'),
    (['qqqq'], "'qqqq' is unknown; choose from compress, sample"),
    (['--verison'], "'--verison' is unknown"), ([''], 'no command')])
def test_what_is_no_command_is_a_line(args, words, capsys):
  assert _main(*args) == 2
  out, err = capsys.readouterr()
  [line] = err.splitlines()
  assert out == '' and line.startswith('tfp_lgc: error: ')

  assert re.search(words, line)


def test_it_answers_without_waiting_away_from_the_checkout(tmp_path):
  done = subprocess.run(
      [sys.executable, '-X', 'importtime', '-m', 'tfp_lgc', '--version'],
      cwd=tmp_path, text=True, capture_output=True,
      env={**os.environ, 'PYTHONPATH': str(ROOT)})
  assert (done.returncode, done.stdout) == (0, 'tfp_lgc 0.1.0\n')
  imported = {line.split('|')[-1].strip() for line in done.stderr.splitlines()}
  assert 'tfp_lgc.version' in imported
  assert not imported & {'numpy', 'tensorflow', 'tf_keras', 'tqdm'}
