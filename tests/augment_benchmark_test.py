"""The suite augment: rows by size, restarts and its table."""

import numpy as np
import pytest
from benchmark_rows import rows_of, TINY

from tfp_lgc.benchmarks import augment
from tfp_lgc.commands import benchmark


@pytest.mark.slow
def test_augmentation_is_judged_by_size(capsys, tmp_path, monkeypatch):
  monkeypatch.setattr(augment, 'SIZES', (30, 60))
  monkeypatch.setattr(augment, 'SETTINGS', {**augment.SETTINGS, 'epochs': 1,
                                            'head_num_components': 3})
  flags = ['--suite=augment', '--judge_steps=30', '--runs=2',
           f'--output={tmp_path}/rows.jsonl']
  rows = rows_of(capsys, *flags)
  assert [row['name'].removeprefix('augment/digits/') for row in rows] == [
      '30/0', '30/1', '30', '60/0', '60/1', '60']
  for one, two, means in (rows[:3], rows[3:]):
    for row in (one, two):
      assert row['num_all'] == 3 * row['num_images']
      # The median is among them.
      assert row['num_all'] / 2 <= row['num_dense'] < row['num_all']
    for what in ('real', 'all', 'dense'):
      pair = [row[f'{what}_accuracy'] for row in (one, two)]
      assert means[f'{what}_accuracy'] == pytest.approx(np.mean(pair), abs=1e-4)
      assert means[f'{what}_stddev'] == pytest.approx(np.std(pair, ddof=1),
                                                      abs=1e-4)
  # Rows that are there are not measured again.
  monkeypatch.setattr(augment, '_measured', None)
  assert rows_of(capsys, *flags) == rows
  assert benchmark.main(['benchmark', *flags, '--table']) == 0
  table = capsys.readouterr().out.splitlines()
  assert len(table) == 4
  assert f'{100 * rows[2]["all_accuracy"]:.2f}' in table[2]
  assert benchmark.main(['benchmark', *TINY, *flags, '--rows=31']) == 2
  assert 'there is no 31; choose from 30, 60' in capsys.readouterr().err
