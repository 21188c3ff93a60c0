"""The suite scale on little data, and what it is made of."""

import json
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy import ndimage

from tfp_lgc import config as config_lib
from tfp_lgc import data, sources
from tfp_lgc.benchmarks import distorted, scale
from tfp_lgc.commands import benchmark

TINY = ['--dataset=digits', '--suite=scale', '--latent_size=3',
        '--hidden_size=8', '--max_memory=1.6GB']


@pytest.fixture(scope='module')
def digits():
  """Train and test images."""
  source = sources.load(config_lib.DataConfig())
  return [split.to_memory(source.class_names)
          for split in (source.train, source.test)]


def _joined(portions):
  images, labels = zip(*portions)
  return np.concatenate(images), np.concatenate(labels)


def test_images_depend_on_their_positions_alone(digits):
  train, test = digits
  make = distorted.portions(train, test, 5000, seed=3)
  images, labels = _joined(make(0, 5000 + len(test)))
  for first, stop in ((0, 1), (2000, 4100), (4990, 5003), (5001, 5002)):
    again = _joined(make(first, stop))
    np.testing.assert_array_equal(again[0], images[first:stop])
    np.testing.assert_array_equal(again[1], labels[first:stop])
  np.testing.assert_array_equal(
      labels[:5000], train.labels[np.arange(5000) % len(train)])
  np.testing.assert_array_equal(images[5000:], test.images)
  # Another time it is another one; another seed, too.
  assert (images[:500] != images[len(train):len(train) + 500]).any(
      axis=(1, 2, 3)).all()
  other, _ = _joined(distorted.portions(train, test, 5000, seed=4)(0, 500))
  assert (images[:500] != other).any(axis=(1, 2, 3)).all()


def test_test_images_alone_need_no_distortion(digits, monkeypatch):
  train, test = digits
  make = distorted.portions(train, test, 5000, seed=3)
  monkeypatch.setattr(distorted, '_transforms',
                      lambda *_: pytest.fail('a block is made'))
  for first in (5000, 5001):  # Within the last block, if it were whole.
    [[images, _]] = make(first, 5003)
    np.testing.assert_array_equal(images, test.images[first - 5000:3])


def test_distortions_are_those_of_scipy():
  """Of smooth images, which are like digits but larger."""
  rng = np.random.default_rng(0)
  images = ndimage.gaussian_filter(rng.uniform(0, 255, [6, 20, 24]),
                                   [0, 3, 3]) * 4 % 255
  images[:, [0, -1]] = images[:, :, [0, -1]] = 0  # As the outside is.
  images = np.round(images).astype(np.uint8)
  train = data.Images(np.tile(images, [342, 1, 1])[:2048, ..., np.newaxis],
                      np.zeros(2048, np.int32), ('a',))
  ours, _ = _joined(distorted.portions(train, train, 2048, seed=1)(0, 6))
  transforms = distorted._transforms(2048, 20, 24,
                                     np.random.default_rng([1, 0]))
  for image, t, got in zip(images, transforms, ours):
    expected = ndimage.affine_transform(
        image.astype(float), [[t[4], t[3]], [t[1], t[0]]], [t[5], t[2]],
        order=1)
    assert np.abs(expected - got[..., 0]).max() <= 1.01
    # About its middle, by at most 15 degrees and a shift of 2 pixels.
    middle = [t[0] * 11.5 + t[1] * 9.5 + t[2], t[3] * 11.5 + t[4] * 9.5 + t[5]]
    assert np.abs(np.subtract(middle, [11.5, 9.5])).max() < 1.7
    assert np.exp(-0.3) <= t[0] * t[4] - t[1] * t[3] <= np.exp(0.3)


def _row(stage, size, seconds, peak):
  name = f'scale/{size}/{stage}'.rstrip('/')
  return name, {'name': name, 'num_images': size, 'seconds': seconds,
                'cpu_seconds': seconds, 'peak_num_bytes': peak}


def test_what_every_size_takes_does_not_spoil_the_ratio():
  rows = dict(_row('train', size, 7 + 2e-4 * size, 10**9 + size)
              for size in (10**4, 10**5, 10**6))
  rows |= dict(_row('', size, 1e-10 * size**2, 10**9)
               for size in (10**4, 10**5, 10**6))
  cells = [[cell.strip() for cell in line.split('|')[1:-1]]
           for line in scale.table(rows).splitlines()[2:]]
  assert cells == [
      ['train', '10,000', '9.0', '', '', '1000', '1.00'],
      ['train', '100,000', '27.0', '200.0', '1.00', '1000', '1.00'],
      ['train', '1,000,000', '207.0', '200.0', '1.00', '1001', '1.00'],
      ['all but write', '10,000', '0.0', '', '', '1000', '1.00'],
      ['all but write', '100,000', '1.0', '11.0', '1.00', '1000', '1.00'],
      ['all but write', '1,000,000', '100.0', '110.0', '10.00', '1000', '1.00']]


def test_the_peak_is_that_of_a_stage_alone():
  told = []
  progress = scale._Measured(100, told.append)
  for num_bytes in (2**28, 2**20):
    with progress.stage('one'), progress.stage('two'):
      np.ones(num_bytes, np.uint8).sum()
  [(name, large), (_, small)] = told
  assert name == 'one' and large['num_images'] == 100
  # Some of it may be what was held before and was free.
  assert 0.9 * 2**28 < (large['peak_num_bytes']
                        - large['num_bytes_before']) < 2**29
  assert small['peak_num_bytes'] - small['num_bytes_before'] < 2**27
  assert set(progress.seconds) == {'one'}


@pytest.mark.parametrize('known, left', [
    (set(), None), ({'train'}, ['mine']), ({'encode'}, None),
    ({'train', 'encode'}, ['encode.npz', 'mine']),
    ({'train', 'mixture'}, ['mine']),
    ({'train', 'encode', 'mixture'}, ['encode.npz', 'mine', 'mixture.npz'])])
def test_what_is_measured_again_is_made_again(known, left, tmp_path):
  work = tmp_path / 'work'
  work.mkdir()
  for name in ('encode.npz', 'mixture.npz', 'mine'):
    (work / name).touch()
  scale._forget(work, known)
  found = work.exists() and sorted(path.name for path in work.iterdir())
  assert (found or None) == left


@pytest.mark.parametrize('sizes', ['', '10,', 'a', '0', '-1', '1e3', '٣'])
def test_a_size_that_is_none_is_one_line(sizes, capsys):
  assert benchmark.main(['benchmark', *TINY, f'--sizes={sizes}']) == 2
  err = capsys.readouterr().err.splitlines()
  assert f'sizes = {sizes!r}: must be whole numbers' in err[-1]


@pytest.mark.slow
def test_stages_are_measured_by_size_and_not_again(capsys, tmp_path):
  output, folder = tmp_path / 'rows.jsonl', tmp_path / 'data'
  flags = [*TINY, f'--output={output}', f'--artifacts={folder}']

  def rows(*more):
    assert benchmark.main(['benchmark', *flags, *more]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]
  one = rows('--sizes=300')
  assert [row['name'] for row in one] == [
      *(f'scale/300/{stage}' for stage in scale.STAGES), 'scale/300']
  for row in one:
    assert 0 <= row['cpu_seconds']
    assert 5e7 < row['peak_num_bytes'] < 1.6e9
  assert one[-1]['seconds'] == pytest.approx(
      sum(row['seconds'] for row in one[1:-1]), abs=0.01)
  # The data stand, and nothing else does.
  assert [str(path.relative_to(folder)) for path in folder.glob('*/*')
          ] == ['digits_0_300/lgc_samples']
  assert rows('--sizes=300') == one  # In no time.
  # What is missing is measured, and so is what is needed for it.
  lines = output.read_text().splitlines()
  output.write_text('\n'.join(lines[:3]) + '\n')
  again = rows('--sizes=300')
  assert again[:3] == one[:3] and again[3] != one[3]
  assert [row['name'] for row in again] == [row['name'] for row in one]
  assert benchmark.main(['benchmark', *flags, '--table']) == 0
  assert len(capsys.readouterr().out.splitlines()) == 2 + 8


@pytest.mark.slow
def test_what_goes_wrong_in_a_process_is_told(capsys, tmp_path):
  np.savez(tmp_path / 'x.npz', x_train=np.zeros([9, 3, 3], np.uint8),
           y_train=np.arange(9) % 3)
  assert benchmark.main([
      'benchmark', *TINY, f'--dataset={tmp_path / "x.npz"}',
      '--test_fraction=0.01', '--sizes=10', f'--artifacts={tmp_path}']) == 2
  assert 'has no test split' in capsys.readouterr().err


def _runs(process):
  """Whether it is there, and not only because nobody asked how it ended."""
  try:
    return (process / 'stat').read_text().rpartition(')')[2].split()[0] != 'Z'
  except OSError:
    return False


@pytest.mark.slow
def test_nothing_goes_on_of_a_suite_that_was_killed(tmp_path):
  suite = subprocess.Popen(
      [sys.executable, pathlib.Path(__file__).parents[1] / 'bin' / 'benchmark',
       *TINY, '--sizes=20000', f'--artifacts={tmp_path / "data"}'],
      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
  try:
    assert 'scale/20000/write' in suite.stdout.readline()
    children = pathlib.Path(f'/proc/{suite.pid}/task/{suite.pid}/children')
    processes = [pathlib.Path('/proc', pid)
                 for pid in children.read_text().split()]
    assert processes
  finally:
    suite.kill()
    suite.communicate()
  deadline = time.monotonic() + 60
  while any(map(_runs, processes)):
    assert time.monotonic() < deadline, processes
    time.sleep(0.1)
