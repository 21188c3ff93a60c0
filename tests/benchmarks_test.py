"""The suites of bin/benchmark on little data: rows, arithmetic, restarts."""

import json

import numpy as np
import pytest

from tfp_lgc import benchmarks, models, sources
from tfp_lgc import config as config_lib
from tfp_lgc.baselines import BASELINES
from tfp_lgc.benchmarks import papers, throughput
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


PAPERS = ['--suite=papers', '--dataset=digits', '--epochs=1', '--latent_size=3',
          '--hidden_size=8', '--num_components_max=2', '--judge_steps=5']


def test_every_model_has_a_row():
  assert {settings['model'] for settings in papers.ROWS.values()} == set(
      models.MODELS)


def test_papers_measures_a_row_at_its_bytes(capsys, tmp_path):
  flags = [*PAPERS, f'--output={tmp_path}/papers.jsonl', '--runs=2',
           '--rows=vae']
  assert benchmark.main(['benchmark', *flags]) == 0
  rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
  assert [row['name'] for row in rows] == [
      'papers/digits/real/0', 'papers/vae/0', 'papers/digits/real/1',
      'papers/vae/1', 'papers/vae']
  row, other, mean = rows[1], rows[3], rows[4]
  source = sources.load(config_lib.DataConfig())
  raw = source.train.num_examples * 65
  assert row['compression_ratio'] == pytest.approx(raw / row['num_bytes'],
                                                   abs=0.05)
  assert row['published_index'] == pytest.approx(
      row['tstr_accuracy'] * raw / row['num_bytes'], abs=0.05)
  images = source.train.to_memory(source.class_names)
  subset = BASELINES['random_subset'](images, row['num_bytes'], 0)
  assert row['random_num_images'] == len(subset.images)
  assert subset.num_bytes <= row['num_bytes']
  accuracies = [row['tstr_accuracy'], other['tstr_accuracy']]
  assert mean['tstr_accuracy'] == pytest.approx(np.mean(accuracies), abs=1e-4)
  assert mean['tstr_accuracy_stddev'] == pytest.approx(
      np.std(accuracies, ddof=1), abs=1e-4)
  # Again, from the file: nothing is measured.
  assert benchmark.main(['benchmark', *flags, '--epochs=1000']) == 0
  assert [json.loads(line) for line in capsys.readouterr().out.splitlines()
          ] == rows
  assert benchmark.main(['benchmark', *flags, '--table']) == 0
  shown = capsys.readouterr().out.splitlines()
  assert len(shown) == 3 and shown[2].startswith('| vae | ')
  assert f'{100 * mean["tstr_accuracy"]:.2f}' in shown[2]


@pytest.mark.slow
def test_papers_measures_what_shape_your_space_does(capsys):
  flags = [*PAPERS, '--runs=1', '--rows=gmm_dae,spuco_vae']
  assert benchmark.main(['benchmark', *flags]) == 0
  rows = {row['name']: row for row in map(
      json.loads, capsys.readouterr().out.splitlines())}
  row = rows['papers/gmm_dae/0']
  for latent_model in ('prior', 'global'):
    assert 0 <= row[f'nmi_{latent_model}'] <= 1
    assert 0 <= row[f'map_{latent_model}'] <= 1
    assert row[f'frechet_{latent_model}'] > 0
  row = rows['papers/spuco_vae/0']
  by_group = np.array(row['tstr_groups'], float)
  assert by_group.shape == (10, 10)
  assert row['tstr_worst_group'] == np.nanmin(by_group)


def test_unknown_rows_and_tables_are_refused(capsys):
  assert benchmark.main(['benchmark', *PAPERS, '--rows=vae,gan']) == 2
  assert 'there is no gan; choose from ae, ' in capsys.readouterr().err
  assert benchmark.main(['benchmark', '--suite=em', '--table']) == 2
  assert 'em has none' in capsys.readouterr().err
