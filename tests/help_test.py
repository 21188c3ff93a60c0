"""--help and --version of every command."""

import os
import re
import subprocess
import sys

import pytest
from command_lines import BIN, COMMANDS, FLAGS, main


def _shown_flags(text):
  return {name for _, name in re.findall(r'^  --(\[no\])?(\w+)', text, re.M)}


def test_every_command_is_tested():
  assert {path.name for path in BIN.iterdir()} == set(COMMANDS) == set(FLAGS)


@pytest.mark.parametrize('command', COMMANDS)
def test_help_shows_the_flags_of_the_command_without_waiting(command, tmp_path):
  environment = {**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'}
  done = subprocess.run(
      [sys.executable, '-X', 'importtime', BIN / command, '--help'],
      cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
      env=environment)
  assert done.returncode == 0
  assert _shown_flags(done.stdout) == FLAGS[command]
  assert f'usage: {command} ' in done.stdout
  assert max(map(len, done.stdout.splitlines())) <= 80
  imported = {line.split('|')[-1].strip() for line in done.stderr.splitlines()}
  assert 'tfp_lgc.flags' in imported
  assert not imported & {'numpy', 'tensorflow', 'tf_keras'}
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('command', COMMANDS)
def test_the_version_is_an_answer_too(command, capsys):
  assert main(command, '--version') == 0
  assert capsys.readouterr() == ('tfp_lgc 0.1.0\n', '')


@pytest.mark.parametrize('command', COMMANDS)
@pytest.mark.parametrize('flag', ['-h', '--help'])
def test_help_is_an_answer_and_no_error(command, flag, capsys):
  assert main(command, flag) == 0
  out, err = capsys.readouterr()
  assert _shown_flags(out) == FLAGS[command] and err == ''
