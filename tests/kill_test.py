"""A run that is killed at any moment goes on and ends in the same bytes."""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

NUM_KILLS, NUM_IN_A_ROW = 20, 8
# All stages, each of them short.
ARGUMENTS = [
    '--model=vae', '--hidden_size=8', '--latent_size=2', '--epochs=40',
    '--finetune_steps=300', '--texture=residual', '--num_components_max=2',
    '--noevaluate', '--checkpoint_seconds=0']
# One thread each, so that a fork is safe, and so that moments by seconds of
# the processor are moments of the work.
ENVIRONMENT = {**os.environ, 'OPENBLAS_NUM_THREADS': '1',
               'OMP_NUM_THREADS': '1', 'TF_NUM_INTRAOP_THREADS': '1',
               'TF_NUM_INTEROP_THREADS': '1', 'TF_CPP_MIN_LOG_LEVEL': '3'}


class _Commands:
  """Starts commands, and kills them; see forking.py."""

  def __init__(self):
    self._server = subprocess.Popen(
        [sys.executable, pathlib.Path(__file__).with_name('forking.py')],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=ENVIRONMENT)

  def run(self, output, kill_at=float('inf'), number=signal.SIGKILL,
          said=os.devnull, more=()):
    """The wait status of a run, and its seconds of the processor; it is sent a
    signal after so many of them."""
    print(json.dumps([str(said), *ARGUMENTS, *more, f'--output={output}']),
          file=self._server.stdin, flush=True)
    child, seconds = int(self._server.stdout.readline()), 0.0
    while (now := _seconds(child)) is not None:
      seconds = now
      if seconds >= kill_at:
        os.kill(child, number)
        break
      time.sleep(0.005)
    return int(self._server.stdout.readline()), seconds

  def close(self):
    self._server.stdin.close()
    self._server.wait()


def _seconds(process):
  """Of the processor, by a process and its threads; None if it has ended."""
  try:
    text = pathlib.Path(f'/proc/{process}/stat').read_text()
  except (FileNotFoundError, ProcessLookupError):
    return None
  state, *fields = text.rpartition(')')[2].split()
  if state == 'Z':
    return None
  return (int(fields[10]) + int(fields[11])) / os.sysconf('SC_CLK_TCK')


@pytest.fixture(scope='module')
def commands():
  result = _Commands()
  yield result
  result.close()


@pytest.fixture(scope='module')
def undisturbed(commands, tmp_path_factory):
  output = tmp_path_factory.mktemp('undisturbed') / 'out'
  status, seconds = commands.run(output)
  assert status == 0
  print(f'{seconds} s undisturbed', flush=True)
  return output, seconds


def _rows(output):
  """metrics.jsonl without seconds, and without where it was written to."""
  rows = [json.loads(line)
          for line in (output / 'metrics.jsonl').read_text().splitlines()]
  for row in rows:
    row.pop('seconds', None)
    row.pop('arguments', None)
    row.pop('saved_model_num_bytes', None)  # gzip has times in it.
  return rows


def _names(output):
  return {path.name for path in output.iterdir()}


def _stopped_in(output, said):
  """The last stage that was begun."""
  lines = [line for line in said.read_text().splitlines()
           if line.endswith(' ...')]
  return lines[-1].split()[0] if lines else 'start'


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_ends_in_the_same_bytes(
    commands, undisturbed, tmp_path):
  reference, seconds = undisturbed
  rng, stages = random.Random(0), []
  # One moment in each of so many equal parts of the work.
  for i in rng.sample(range(NUM_KILLS), NUM_KILLS):
    moment = seconds * (i + rng.random()) / NUM_KILLS
    output, said = tmp_path / str(i), tmp_path / f'{i}.txt'
    status, _ = commands.run(output, moment, said=said)
    killed = os.WIFSIGNALED(status)
    assert killed or status == 0, said.read_text()
    stages.append(_stopped_in(output, said) if killed else 'end')
    done = (output / 'artifact.lgc').exists() and not (
        output / '.resume').exists()
    if killed and not done:
      status, _ = commands.run(output, said=said)
      assert status == 0, said.read_text()
    assert (output / 'artifact.lgc').read_bytes() == (
        reference / 'artifact.lgc').read_bytes(), (i, moment, stages[-1])
    assert _rows(output) == _rows(reference), (i, moment, stages[-1])
    left = {'.lock', '..resume.tfp_lgc_done'} if done else set()
    assert _names(output) - left == _names(reference)
    print(i, round(moment, 2), stages[-1], flush=True)
  assert len(set(stages)) > 3, stages


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_does_too(
    commands, undisturbed, tmp_path):
  reference, seconds = undisturbed
  rng, said = random.Random(1), tmp_path / 'said.txt'
  for _ in range(NUM_IN_A_ROW):
    status, _ = commands.run(tmp_path / 'out', seconds * rng.uniform(0.1, 0.6),
                             said=said)
    assert os.WIFSIGNALED(status), said.read_text()
    print(_stopped_in(tmp_path / 'out', said), flush=True)
  status, _ = commands.run(tmp_path / 'out', said=said)
  assert status == 0, said.read_text()
  assert (tmp_path / 'out/artifact.lgc').read_bytes() == (
      reference / 'artifact.lgc').read_bytes()
  assert _rows(tmp_path / 'out') == _rows(reference)
  assert _names(tmp_path / 'out') == _names(reference)


@pytest.mark.slow
@pytest.mark.parametrize('number, status, word', [
    (signal.SIGINT, 130, 'interrupted'), (signal.SIGTERM, 143, 'terminated')])
def test_a_signal_ends_it_with_a_word(
    number, status, word, commands, undisturbed, tmp_path):
  reference, seconds = undisturbed
  output, said = tmp_path / 'out', tmp_path / 'said.txt'
  ended, _ = commands.run(output, 0.6 * seconds, number, said)
  assert os.waitstatus_to_exitcode(ended) == status
  assert said.read_text().splitlines()[-1] == (
      f'lgc-compress: {word}; the same command goes on from its last '
      'checkpoint')
  assert _names(output) == {'.resume'}
  assert commands.run(output)[0] == 0
  assert (output / 'artifact.lgc').read_bytes() == (
      reference / 'artifact.lgc').read_bytes()


@pytest.fixture
def disk(tmp_path):
  """Another, small file system; who may not mount one cannot fill it."""
  place = tmp_path / 'disk'
  place.mkdir()
  mount = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs',
                          place], capture_output=True)
  if mount.returncode:
    pytest.skip('needs the right to mount')
  yield place
  subprocess.run(['umount', '-l', place], check=True)


@pytest.mark.slow
def test_a_full_disk_or_one_that_is_read_only_is_a_line(
    commands, undisturbed, disk, tmp_path):
  """And another file system than that of everything else will do."""
  reference, _ = undisturbed
  output, said = disk / 'out', tmp_path / 'said.txt'
  output.mkdir()
  (output / 'artifact.lgc').write_text('earlier')

  def remount(options):
    subprocess.run(['mount', '-o', f'remount,{options}', disk], check=True)

  remount('size=24k')  # Room for the folder, and for what stands there.
  ended, _ = commands.run(output, said=said, more=['--overwrite'])
  assert os.waitstatus_to_exitcode(ended) == 2
  assert 'No space left on device' in said.read_text().splitlines()[-1]
  assert (output / 'artifact.lgc').read_text() == 'earlier'
  remount('ro')
  ended, _ = commands.run(output, said=said, more=['--overwrite'])
  assert os.waitstatus_to_exitcode(ended) == 2
  assert 'error: output' in said.read_text().splitlines()[-1]
  assert (output / 'artifact.lgc').read_text() == 'earlier'
  remount('rw,size=10m')
  ended, _ = commands.run(output, said=said, more=['--overwrite'])
  assert ended == 0, said.read_text()
  assert (output / 'artifact.lgc').read_bytes() == (
      reference / 'artifact.lgc').read_bytes()
  assert _names(output) == _names(reference)
