"""The suite papers: a row at its bytes, and its table."""

import json

import numpy as np
import pytest
from benchmark_rows import PAPERS

from tfp_lgc import config as config_lib
from tfp_lgc import models, sources
from tfp_lgc.baselines.subset import random_subset
from tfp_lgc.benchmarks import papers
from tfp_lgc.commands import benchmark


def test_every_model_has_a_row():
  assert {settings['model'] for settings in papers.ROWS.values()} == set(
      models.MODELS)


@pytest.mark.slow
def test_papers_measures_a_row_at_its_bytes(capsys, tmp_path):
  flags = [*PAPERS, f'--output={tmp_path}/papers.jsonl', '--runs=2',
           '--rows=vae']
  assert benchmark.main(['benchmark', *flags]) == 0
  rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
  assert [row['name'] for row in rows] == [
      'papers/digits/real/0', 'papers/digits/vae/0', 'papers/digits/real/1',
      'papers/digits/vae/1', 'papers/digits/vae']
  row, other, mean = rows[1], rows[3], rows[4]
  source = sources.load(config_lib.DataConfig())
  raw = source.train.num_examples * 65
  assert row['compression_ratio'] == pytest.approx(raw / row['num_bytes'],
                                                   abs=0.05)
  assert row['published_index'] == pytest.approx(
      row['tstr_accuracy'] * raw / row['num_bytes'], abs=0.05)
  images = source.train.to_memory(source.class_names)
  subset = random_subset(images, row['num_bytes'], 0)
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
  assert shown[2].startswith('| vae | ') and not shown[3]
  assert f'{100 * mean["tstr_accuracy"]:.2f}' in shown[2]
  # Of fewer runs the means are others, and the later ones count.
  assert benchmark.main(['benchmark', *flags, '--runs=1']) == 0
  first = json.loads(capsys.readouterr().out.splitlines()[-1])
  assert first['tstr_accuracy'] == row['tstr_accuracy']
  assert benchmark.main(['benchmark', *flags, '--table']) == 0
  assert f'| {100 * row["tstr_accuracy"]:.2f} | ' in capsys.readouterr().out


@pytest.mark.slow
def test_papers_measures_what_shape_your_space_does(capsys):
  flags = [*PAPERS, '--runs=1', '--rows=gmm_dae,spuco_vae']
  assert benchmark.main(['benchmark', *flags]) == 0
  rows = {row['name']: row for row in map(
      json.loads, capsys.readouterr().out.splitlines())}
  row = rows['papers/digits/gmm_dae/0']
  for latent_model in ('prior', 'global'):
    assert 0 <= row[f'nmi_{latent_model}'] <= 1
    assert 0 <= row[f'map_{latent_model}'] <= 1
    assert row[f'frechet_{latent_model}'] > 0
  row = rows['papers/digits/spuco_vae/0']
  by_group = np.array(row['tstr_groups'], float)
  assert by_group.shape == (10, 10)
  assert row['tstr_worst_group'] == np.nanmin(by_group)
