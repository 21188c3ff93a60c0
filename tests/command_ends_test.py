"""How a command begins, with what TensorFlow is started; and how it ends: its
exit status, and a line."""

import os
import platform
import subprocess
import sys

import pytest
import tensorflow as tf
from command_lines import BIN

from tfp_lgc.commands import run
from tfp_lgc.errors import DataError


def test_nobody_reading_is_no_error():
  done = subprocess.run(f'{sys.executable} {BIN / "compress"} --help | head -1',
                        shell=True, text=True, capture_output=True)
  assert len(done.stdout.splitlines()) == 1
  assert done.stderr == ''


def test_an_error_within_a_graph_is_a_line(capsys):
  error = tf.errors.InvalidArgumentError(None, None, 'no space left\nat op X')
  assert run.run(_raise(error), ['bin/x']) == 2
  assert capsys.readouterr().err == 'x: error: no space left\n'


def _raise(error):
  def body(argv):
    raise error
  return body


@pytest.mark.parametrize('error, status, line', [
    (DataError('x.npz:\n  is\n  damaged'), 2, 'error: x.npz: is damaged'),
    (FloatingPointError('diverged'), 2, 'error: diverged'),
    (OSError(28, 'No space left on device', 'out/x'), 2,
     'error: out/x: No space left on device'),
    (OSError(28, 'No space left on device'), 2,
     'error: No space left on device'),
    (OSError('something of a library'), 2, 'error: something of a library'),
    (KeyboardInterrupt(), 130, 'interrupted'),
])
def test_an_error_of_the_user_is_a_line(error, status, line, capsys):
  assert run.run(_raise(error), ['/usr/bin/lgc-x']) == status
  assert capsys.readouterr() == ('', f'lgc-x: {line}\n')


def test_an_error_of_the_program_is_not_hidden():
  with pytest.raises(ZeroDivisionError):
    run.run(_raise(ZeroDivisionError()), ['lgc-x'])


@pytest.mark.skipif(platform.machine() not in ('x86_64', 'AMD64'),
                    reason='elsewhere TensorFlow decides')
@pytest.mark.parametrize('given, expected', [
    ({}, 'True 1'), ({'TF_ENABLE_ONEDNN_OPTS': '0'}, 'False 0')])
def test_onednn_is_used_on_all_x86_processors(given, expected):
  """As TensorFlow itself says; unless the user does not want it."""
  environment = {name: value for name, value in os.environ.items()
                 if name != 'TF_ENABLE_ONEDNN_OPTS'}
  done = subprocess.run(
      [sys.executable, '-c', 'import os\nfrom tfp_lgc.commands import run\n'
       'run.start_tensorflow()\n'
       'from tensorflow.python.util import _pywrap_util_port as port\n'
       'print(port.IsMklEnabled(), os.environ["TF_ENABLE_ONEDNN_OPTS"])'],
      text=True, capture_output=True, env={**environment, **given}, check=True,
      cwd=BIN.parent)
  assert done.stdout.strip() == expected
