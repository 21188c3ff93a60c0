"""The suite throughput: what is counted, and PyTorch beside it."""

import numpy as np
import pytest
from benchmark_rows import rows_of, TINY

from tfp_lgc import config as config_lib
from tfp_lgc import sources
from tfp_lgc.benchmarks import throughput
from tfp_lgc.commands import benchmark


@pytest.fixture
def little(monkeypatch):
  monkeypatch.setattr(throughput, 'NUM_IMAGES', 300)
  monkeypatch.setattr(throughput, 'NUM_STEPS', 5)
  monkeypatch.setattr(throughput, 'NUM_RUNS', 2)


def _has_rates(row, name):
  """Seconds are rounded to 3 digits; rates are of those before that."""
  for prefix in ('', f'{name}_'):
    rate = row[f'{prefix}images_per_second']
    seconds = row[f'{prefix}seconds']
    assert row['num_images'] / (seconds + 6e-4) - 1 <= rate
    assert rate <= row['num_images'] / max(seconds - 6e-4, 1e-9) + 1
  assert row['ratio'] > 0


def test_throughput_counts_images(capsys, little):
  rows = rows_of(capsys, '--suite=throughput', '--model=cvae',
                 '--rows=input,sample')
  waits, sample = rows
  assert waits['name'] == 'throughput/cvae/dense/input'
  # A call makes the 11 steps of an epoch.
  assert waits['num_steps'] == 11
  assert waits['input_share'] < 1
  assert sample['name'] == 'throughput/cvae/dense/sample'
  assert sample['num_images'] == 300
  _has_rates(sample, 'decode')


def test_the_ratio_is_of_turns():
  """Not of medians: what slows a turn slows both in it."""
  ours, other = np.array([1.0, 10.0, 2.0]), np.array([2.0, 20.0, 4.0])
  row = throughput._row(100, ours, other, 'torch')
  assert row == {'num_images': 100, 'seconds': 2.0, 'torch_seconds': 4.0,
                 'images_per_second': 50, 'torch_images_per_second': 25,
                 'ratio': 2.0}
  assert throughput._row(1, ours, np.roll(other, 1), 'x')['ratio'] == 4.0


def test_throughput_without_pytorch_is_a_line(capsys, monkeypatch):
  find = throughput.importlib.util.find_spec
  monkeypatch.setattr(
      throughput.importlib.util, 'find_spec',
      lambda name: None if name == 'torch' else find(name))
  assert benchmark.main(['benchmark', '--suite=throughput',
                         '--rows=sample,encode']) == 2
  [line] = capsys.readouterr().err.splitlines()
  assert 'rows = encode: torch not installed' in line
  assert 'tfp_lgc[bench]' in line and '--rows=input,sample' in line
  assert benchmark.main(['benchmark', '--suite=throughput',
                         '--rows=sampling']) == 2
  assert 'there is no sampling; choose from input' in capsys.readouterr().err


def test_throughput_beside_pytorch(capsys, little):
  pytest.importorskip('torch')
  rows = rows_of(capsys, '--suite=throughput',
                 '--rows=train,encode,sample_torch')
  num_train = sources.load(config_lib.DataConfig()).train.num_examples
  for row, num_images in zip(rows, (11 * 128, num_train, 300), strict=True):
    assert row['num_images'] == num_images
    assert row['threads'] >= 1
    _has_rates(row, 'torch')
  assert benchmark.main(['benchmark', *TINY, '--suite=throughput',
                         '--rows=train', '--trunk=lgc']) == 2
  assert "trunk = 'lgc': not written in PyTorch" in capsys.readouterr().err
