"""The suite latents: BIC and normality of draws and of means."""

import numpy as np
import pytest
from benchmark_rows import rows_of


@pytest.mark.slow
@pytest.mark.parametrize('model', ['vae', 'ae'])
def test_latents_of_draws_and_of_means(capsys, tmp_path, model):
  flags = ['--suite=latents', f'--model={model}', '--covariance=diag',
           f'--output={tmp_path}/x.jsonl', f'--figures={tmp_path}/figures']
  rows = rows_of(capsys, *flags)
  by_name = {row['name']: row for row in rows}
  # The draws of a model without a posterior are their means.
  statistics = ['draw', 'mean'] if model == 'vae' else ['draw']
  assert [row['name'] for row in rows if row['name'].count('/') == 3] == [
      f'latents/{model}/dense/{statistic}' for statistic in statistics]
  for statistic in statistics:
    prefix = f'latents/{model}/dense/{statistic}'
    summary = by_name[prefix]
    bics = [by_name[f'{prefix}/bic/{i}'] for i in range(10)]
    assert [row['num_components'] for row in bics] == summary['num_components']
    for row in bics:
      assert row['num_components'] == 1 + np.argmin(row['bic']['diag'])
    assert summary['bic'] == pytest.approx(
        sum(min(row['bic']['diag']) for row in bics), abs=2)
    assert summary['bic_one'] == pytest.approx(
        sum(row['bic']['diag'][0] for row in bics), abs=2)
    assert 0.1 <= summary['purity'] <= 1
    components = [row for row in rows
                  if row['name'].startswith(f'{prefix}/gaussianity/')]
    assert sum(row['num_points'] for row in components) == sum(
        row['num_points'] for row in bics)
    for row in components:
      assert 0 < row['ks'] < 1
      assert row['quantiles'] == sorted(row['quantiles'])
    for kind in ('bic', 'qq'):
      assert (tmp_path / 'figures'
              / f'{kind}_{model}_dense_{statistic}.png').stat().st_size > 10_000
  assert rows_of(capsys, *flags, '--dataset=no_such_thing') == rows
