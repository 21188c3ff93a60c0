"""The suite em: ours and scikit-learn, and the memory of both."""

import numpy as np
import pytest
from benchmark_rows import rows_of

from tfp_lgc.benchmarks import em


@pytest.mark.slow
def test_em_and_scikit_learn_find_the_same(capsys, tmp_path):
  output = f'--output={tmp_path}/em.jsonl'
  rows = rows_of(capsys, '--suite=em', output)
  assert [row['name'] for row in rows] == [
      *(f'em/{i}' for i in range(10)), 'em/all', 'em/memory']
  *rows, memory = rows
  # So few images may fit into what a process holds anyway.
  assert 0 <= memory['num_bytes'] < 1e9
  assert 0 <= memory['sklearn_num_bytes'] < 1e9
  for row in rows[:-1]:
    np.testing.assert_allclose(row['held_out'], row['sklearn_held_out'],
                               atol=1e-3)
  assert rows[-1]['sklearn_seconds'] == pytest.approx(
      sum(row['sklearn_seconds'] for row in rows[:-1]), abs=0.01)
  # Rows that are there are taken as they are, not measured again.
  file = tmp_path / 'em.jsonl'
  kept = file.read_text().splitlines()[:7]
  file.write_text('\n'.join(kept) + '\n')
  again = rows_of(capsys, '--suite=em', output)
  assert again[:7] == rows[:7]
  assert [row['name'] for row in again] == [
      *(row['name'] for row in rows), 'em/memory']
  assert len(file.read_text().splitlines()) == 12


def test_memory_is_that_of_the_fit_alone():
  held = np.ones(2**22)  # 32 MB that were there before.

  def fit(x, start, floor, limit):
    return np.ones(len(x) * 2**16).sum()  # 50 MB of 100 points, 100 MB of 200.

  added = em._added_memory(fit, held[:200], None, 0.0, 1)
  assert 0.9 * 2**27 * 200 / 256 < added < 1.3 * 2**27 * 200 / 256
