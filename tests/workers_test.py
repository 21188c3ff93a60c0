"""Two processes of bin/compress make what one makes.

They are on loopback, and in networks of their own where those can be made; one
of the two is killed at chosen moments.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

import tfp_lgc
from tfp_lgc import sources
from tfp_lgc.config import DataConfig

ROOT = pathlib.Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT),
               'TF_NUM_INTRAOP_THREADS': '1', 'TF_NUM_INTEROP_THREADS': '1',
               'TF_CPP_MIN_LOG_LEVEL': '3', 'CUDA_VISIBLE_DEVICES': '-1'}
TINY = ['--hidden_size=32', '--latent_size=4', '--num_components_max=3',
        '--judge_steps=300', '--checkpoint_seconds=0']
# Several rounds, and time for a kill between two of them.
LONG = '--epochs=60'
TEMPORARY = os.EX_TEMPFAIL
SECONDS = 900  # Until a test gives up: no figure, but for a process that hangs.


def _ports():
  """Two that nobody has."""
  with contextlib.ExitStack() as stack:
    sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
    for one in sockets:
      one.bind(('127.0.0.1', 0))
    return [one.getsockname()[1] for one in sockets]


class _Workers:
  """Two processes of bin/compress; their words go to files."""

  def __init__(self, output, *more, addresses=None, prefixes=((), ())):
    addresses = addresses or [f'127.0.0.1:{port}' for port in _ports()]
    self.said = [output.parent / f'{output.name}-{i}.txt' for i in range(2)]
    self.processes = []
    for i, prefix in enumerate(prefixes):
      config = json.dumps({'cluster': {'worker': addresses},
                           'task': {'type': 'worker', 'index': i}})
      with open(self.said[i], 'w') as said:
        self.processes.append(subprocess.Popen(
            [*prefix, sys.executable, ROOT / 'bin/compress',
             '--strategy=multi_worker', f'--output={output}', *TINY, *more],
            stdout=subprocess.PIPE, stderr=said, text=True,
            env={**ENVIRONMENT, 'TF_CONFIG': config}))

  def summary(self):
    """Of the chief, when both have ended well."""
    outputs = [process.communicate(timeout=SECONDS)[0]
               for process in self.processes]
    assert [process.returncode for process in self.processes] == [0, 0], (
        self.texts())
    assert not outputs[1]
    return json.loads(outputs[0].splitlines()[-1])

  def texts(self):
    return [path.read_text() for path in self.said]

  def kill(self, which, moment):
    """Sends SIGKILL to one of them once `moment()` is true; the status of the
    other, and its last line."""
    end = time.monotonic() + SECONDS
    while not moment():
      assert self.processes[which].poll() is None, self.texts()
      assert time.monotonic() < end, self.texts()
      time.sleep(0.02)
    self.processes[which].send_signal(signal.SIGKILL)
    self.processes[which].communicate(timeout=SECONDS)
    other = self.processes[1 - which]
    other.communicate(timeout=SECONDS)
    return other.returncode, self.texts()[1 - which].splitlines()[-1]


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
  """Folder and summary of a job that nobody kills."""
  output = tmp_path_factory.mktemp('undisturbed') / 'out'
  workers = _Workers(output, LONG)
  return output, workers.summary(), workers.texts()


@pytest.mark.slow
def test_two_processes_make_what_one_makes(undisturbed, tmp_path):
  output, summary, (_, other) = undisturbed
  assert 'helps worker 0, the chief' in other.splitlines()[-1]
  run = subprocess.run(
      [sys.executable, ROOT / 'bin/compress', f'--output={tmp_path / "one"}',
       *TINY, LONG], env=ENVIRONMENT, check=True, stdout=subprocess.PIPE,
      text=True, timeout=SECONDS)
  alone = json.loads(run.stdout.splitlines()[-1])
  assert {path.name for path in output.iterdir()} == {
      path.name for path in (tmp_path / 'one').iterdir()}
  # Four standard deviations of the difference of two shares of test images.
  num = len(sources.load(DataConfig(dataset='digits')).test_labels())
  share = alone['tstr_accuracy']
  noise = 4 * np.sqrt(2 * share * (1 - share) / num)
  assert abs(summary['tstr_accuracy'] - share) < noise
  assert abs(summary['num_bytes'] / alone['num_bytes'] - 1) < 0.05
  losses = [[json.loads(line)['loss'] for line in
             (folder / 'metrics.jsonl').read_text().splitlines()
             if '"event": "train"' in line]
            for folder in (output, tmp_path / 'one')]
  np.testing.assert_allclose(losses[0], losses[1], rtol=0.02)
  # Whoever opens it may be alone.
  artifact = tfp_lgc.load_with_encoder(output)
  assert artifact.encoder.config.train.strategy == 'none'


def _is_there(output, pattern):
  return any((output / '.resume').glob(pattern))


# What is there, and not there, when it is killed.
MOMENTS = {
    'mid-epoch': lambda output: _is_there(output, 'train/*.index'),
    'mid-EM': lambda output: _is_there(output, 'encode.npz')
    and not _is_there(output, 'mixture.npz')}


@pytest.mark.slow
@pytest.mark.parametrize('moment', MOMENTS)
@pytest.mark.parametrize('which', [0, 1])
def test_a_job_whose_worker_is_killed_goes_on(undisturbed, tmp_path, moment,
                                              which):
  reference, expected, _ = undisturbed
  output = tmp_path / 'out'
  status, line = _Workers(output, LONG).kill(
      which, lambda: MOMENTS[moment](output))
  assert status == TEMPORARY, line
  assert 'error: a worker is gone; start all of them again' in line
  assert not (output / 'artifact.lgc').exists()
  again = _Workers(output, LONG)
  summary = again.summary()
  assert 'goes on with what an earlier run left' in again.texts()[0]
  assert summary['tstr_accuracy'] == expected['tstr_accuracy']
  assert (output / 'artifact.lgc').read_bytes() == (
      reference / 'artifact.lgc').read_bytes()
  assert not (output / '.resume').exists()


def _ip(*arguments):
  return subprocess.run(['ip', *arguments], capture_output=True, text=True)


@pytest.fixture
def namespaces():
  """Two machines as far as the network is concerned: the prefixes of their
  commands, and their addresses."""
  names = [f'lgc{os.getpid()}{i}' for i in 'ab']
  try:
    for name in names:
      try:
        made = _ip('netns', 'add', name)
      except FileNotFoundError:
        pytest.skip('there is no program `ip`')
      if made.returncode:
        pytest.skip(f'ip netns add: {made.stderr.strip()}')
    for arguments in (
        ['link', 'add', names[0], 'netns', names[0], 'type', 'veth', 'peer',
         'name', names[1], 'netns', names[1]],
        *[['-n', name, 'address', 'add', f'10.213.7.{i}/24', 'dev', name]
          for i, name in enumerate(names, 1)],
        *[['-n', name, 'link', 'set', one, 'up'] for name in names
          for one in (name, 'lo')]):
      made = _ip(*arguments)
      if made.returncode:
        pytest.skip(f'ip {" ".join(arguments)}: {made.stderr.strip()}')
    yield ([['ip', 'netns', 'exec', name] for name in names],
           [f'10.213.7.{i}:2222' for i in (1, 2)])
  finally:
    for name in names:
      _ip('netns', 'delete', name)


@pytest.mark.slow
def test_two_addresses_do_as_one(undisturbed, namespaces, tmp_path):
  prefixes, addresses = namespaces
  summary = _Workers(tmp_path / 'out', LONG, addresses=addresses,
                     prefixes=prefixes).summary()
  assert summary['tstr_accuracy'] == undisturbed[1]['tstr_accuracy']
