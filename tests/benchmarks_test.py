"""The suites of bin/benchmark on little data: rows, arithmetic, restarts."""

import json

import numpy as np
import pytest

from tfp_lgc import benchmarks
from tfp_lgc import config as config_lib
from tfp_lgc.benchmarks import heads, throughput
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


def test_heads_are_measured_row_by_row(capsys, tmp_path, monkeypatch):
  rows = [row for row in heads.ROWS if row.preset == 'vpa_mlp'
          and row.head in ('mse', 'student_t_full', 'maf', 'normal_unit')]
  rows.append(next(row for row in heads.ROWS if row.preset == 'vpa_cnn'))
  monkeypatch.setattr(heads, 'ROWS', rows)
  output = f'--output={tmp_path}/heads.jsonl'
  flags = ['--suite=heads', '--judge_steps=50', '--max_head_params=2000',
           '--num_filters=4', '--epochs=3', output]
  got = _rows(capsys, *flags)
  assert [row['name'] for row in got] == [
      'heads/vpa_mlp/mse/0', 'heads/vpa_mlp/normal_unit/1',
      'heads/vpa_mlp/normal_unit/10', 'heads/vpa_mlp/mse/0/half',
      'heads/vpa_mlp/student_t_full/1/half', 'heads/vpa_mlp/maf/0',
      'heads/vpa_cnn/matrix_normal_unit/1']
  by_name = {row['name'].removeprefix('heads/'): row for row in got}
  assert by_name['vpa_mlp/mse/0']['num_params'] == 65 * 32 + 33 * 64
  half = by_name['vpa_mlp/student_t_full/1/half']
  assert half['image_shape'] == [4, 4, 1]
  assert half['num_params'] == 17 * 32 + 33 * (2 + 16 + 136)
  for row in got:
    mse = by_name['vpa_mlp/mse/0' + '/half' * row['name'].endswith('half')]
    assert row['ratio'] == pytest.approx(
        row['seconds_per_epoch'] / mse['seconds_per_epoch'], abs=0.01)
    assert 0 < row['l2_percent'] < 100
    assert row['frechet'] > 0
  assert by_name['vpa_mlp/maf/0']['paper_ratio'] == pytest.approx(36.52)
  assert _rows(capsys, *flags) == got  # Nothing is measured again.


def test_throughput_counts_images(capsys, monkeypatch):
  monkeypatch.setattr(throughput, 'NUM_IMAGES', 300)
  [row] = _rows(capsys, '--suite=throughput', '--model=cvae')
  assert row['name'] == 'throughput/cvae/dense'
  assert row['images_per_second'] == pytest.approx(300 / row['seconds'],
                                                   rel=0.2)
  assert row['decode_seconds'] > 0


def test_a_file_of_something_else_is_left_alone(capsys, tmp_path):
  file = tmp_path / 'notes.txt'
  file.write_text('mine\n')
  assert benchmark.main(['benchmark', f'--output={file}']) == 2
  assert 'no row of a suite' in capsys.readouterr().err
  assert file.read_text() == 'mine\n'
