"""The suites of bin/benchmark on little data: rows, arithmetic, restarts."""

import json

import numpy as np
import pytest

from tfp_lgc import benchmarks
from tfp_lgc import config as config_lib
from tfp_lgc.benchmarks import throughput
from tfp_lgc.commands import benchmark

TINY = ['--dataset=digits', '--epochs=2', '--latent_size=3', '--hidden_size=8',
        '--num_components_max=2', '--max_iterations=20']


def _rows(capsys, *flags):
  assert benchmark.main(['benchmark', *TINY, *flags]) == 0
  return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_choices_are_the_table():
  assert set(config_lib.SUITES) == set(benchmarks.SUITE_FUNCTIONS)


def test_em_and_scikit_learn_find_the_same(capsys, tmp_path):
  output = f'--output={tmp_path}/em.jsonl'
  rows = _rows(capsys, '--suite=em', output)
  assert [row['name'] for row in rows] == [
      *(f'em/{i}' for i in range(10)), 'em/all', 'em/memory']
  *rows, memory = rows
  assert memory['num_bytes'] >= 0
  for row in rows[:-1]:
    np.testing.assert_allclose(row['held_out'], row['sklearn_held_out'],
                               atol=1e-3)
  assert rows[-1]['sklearn_seconds'] == pytest.approx(
      sum(row['sklearn_seconds'] for row in rows[:-1]), abs=0.01)
  # Rows that are there are taken as they are, not measured again.
  file = tmp_path / 'em.jsonl'
  kept = file.read_text().splitlines()[:7]
  file.write_text('\n'.join(kept) + '\n')
  again = _rows(capsys, '--suite=em', output)
  assert again[:7] == rows[:7]
  assert [row['name'] for row in again] == [
      *(row['name'] for row in rows), 'em/memory']
  assert len(file.read_text().splitlines()) == 12


def test_throughput_counts_images(capsys, monkeypatch):
  monkeypatch.setattr(throughput, 'NUM_IMAGES', 300)
  [row] = _rows(capsys, '--suite=throughput', '--model=cvae')
  assert row['name'] == 'throughput/cvae/dense'
  # Seconds are rounded to 3 digits; the rate is of the median before that.
  rate, seconds = row['images_per_second'], row['seconds']
  assert 300 / (seconds + 6e-4) - 1 <= rate
  assert rate <= 300 / max(seconds - 6e-4, 1e-9) + 1
  assert row['decode_seconds'] >= 0


def test_a_file_of_something_else_is_left_alone(capsys, tmp_path):
  file = tmp_path / 'notes.txt'
  file.write_text('mine\n')
  assert benchmark.main(['benchmark', f'--output={file}']) == 2
  assert 'no row of a suite' in capsys.readouterr().err
  assert file.read_text() == 'mine\n'
