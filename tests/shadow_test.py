"""The likelihood ratio of shadows against SciPy, image by image."""

import numpy as np
import pytest
from scipy import stats

from tfp_lgc.metrics.privacy import shadow


def _shadows(effect, num_shadows=4, num_images=200, seed=0):
  """A statistic that is lower by `effect` where an image was trained on."""
  rng = np.random.default_rng(seed)
  inside = np.zeros([num_shadows, num_images], bool)
  for i in range(0, num_shadows, 2):
    inside[i] = rng.random(num_images) < 0.5
    inside[i + 1] = ~inside[i]
  difficulty = rng.normal(0, 2, num_images)
  truth = np.arange(num_images) % 2 == 0
  noise = rng.normal(0, 0.3, [num_shadows + 1, num_images])
  shadows = difficulty - effect * inside + noise[1:]
  return difficulty - effect * truth + noise[0], shadows, inside, truth


def test_likelihood_ratio_equals_scipy():
  target, shadows, inside, _ = _shadows(0.5, num_shadows=6)
  got = shadow.likelihood_ratio(target, shadows, inside)
  value = stats.zscore(target) * np.mean([np.std(row) for row in shadows])
  value += np.mean(shadows)
  residuals = {True: [], False: []}
  for i in range(200):
    for side in (True, False):
      some = shadows[inside[:, i] == side, i]
      residuals[side].append((np.sum((some - some.mean())**2), len(some) - 1))
  stddev = {side: np.sqrt(np.sum(rows, 0)[0] / np.sum(rows, 0)[1])
            for side, rows in residuals.items()}
  for i in (0, 7, 199):
    logs = [stats.norm.logpdf(value[i], shadows[inside[:, i] == side, i].mean(),
                              stddev[side]) for side in (True, False)]
    assert got[i] == pytest.approx(logs[0] - logs[1], rel=1e-9)


def test_it_tells_members_where_difficulty_hides_them():
  target, shadows, inside, truth = _shadows(1.0)
  scores = shadow.likelihood_ratio(target, shadows, inside)

  def auc(x):
    return stats.mannwhitneyu(x[truth], x[~truth]).statistic / 100**2

  assert auc(-target) < 0.75
  assert auc(scores) > 0.9


def test_where_nothing_leaks_it_finds_nothing():
  target, shadows, inside, truth = _shadows(0.0)
  scores = shadow.likelihood_ratio(target, shadows, inside)
  assert np.isfinite(scores).all()
  assert stats.mannwhitneyu(scores[truth], scores[~truth]).pvalue > 1e-3


def test_another_unit_of_the_target_changes_nothing():
  target, shadows, inside, _ = _shadows(0.5)
  np.testing.assert_allclose(
      shadow.likelihood_ratio(3 * target - 7, shadows, inside),
      shadow.likelihood_ratio(target, shadows, inside), rtol=1e-8, atol=1e-8)
