"""The suite of coresets: rows that go on where they stopped, and a table."""

import json

import numpy as np
import pytest

from tfp_lgc import config, sources
from tfp_lgc.baselines import coreset
from tfp_lgc.benchmarks import coreset as suite
from tfp_lgc.commands import benchmark


def _rows(capsys, *flags):
  assert benchmark.main(['benchmark', '--suite=coreset', *flags]) == 0
  return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize('method', [
    'class', pytest.param('random', marks=pytest.mark.slow)])
def test_rows_are_what_a_coreset_takes_and_teaches(method, capsys, tmp_path,
                                                   monkeypatch):
  monkeypatch.setattr(suite, 'SIZES', (40, 10**6))
  # Another process, which the next test is about, takes a while to start.
  monkeypatch.setattr(suite, '_chosen', suite._choose)
  flags = (f'--rows={method}', '--judge_steps=20',
           f'--output={tmp_path}/rows.jsonl')
  [row] = _rows(capsys, *flags)
  assert row['name'] == f'coreset/digits/{method}/40'
  assert row['num_images'] == 40
  assert row['seconds'] > 0 or method == 'random'
  # Of a process that has TensorFlow in it.
  assert 10**8 < row['peak_num_bytes'] < 10**10
  judges = {'lgc_cnn', 'cnn'}
  if method == 'class':
    judges |= {'lgc_cnn/weighted', 'cnn/weighted'}
  assert set(row['accuracies']) == judges
  assert all(0 < value < 1 for value in row['accuracies'].values())
  assert _rows(capsys, *flags) == [row]
  assert benchmark.main(['benchmark', '--suite=coreset', '--table',
                         *flags]) == 0
  assert f'| digits {method} | 40 |' in capsys.readouterr().out


def test_what_another_process_chooses_is_what_this_one_does():
  source = sources.load(config.DataConfig())
  images = source.train.to_memory(source.class_names)
  positions, weights, _ = suite._chosen(images, 30, 'greedy', 0)
  expected = coreset.select(coreset.gradients(images, 0), images.labels, 30,
                            'greedy', 0)
  np.testing.assert_array_equal(positions, expected[0])
  np.testing.assert_array_equal(weights, expected[1])


def test_a_method_that_there_is_not(capsys):
  assert benchmark.main(['benchmark', '--suite=coreset', '--rows=best']) == 2
  assert "rows = 'best'" in capsys.readouterr().err
