"""Confidence intervals against SciPy's, and the definition by the beta law."""

import numpy as np
import pytest
from scipy import stats

from tfp_lgc.metrics import intervals


@pytest.mark.parametrize('values', [[0.5, 0.75], [0.91, 0.93, 0.9, 0.915]])
def test_the_interval_of_a_mean_is_students(values):
  expected = stats.t.interval(0.95, len(values) - 1, np.mean(values),
                              stats.sem(values))
  np.testing.assert_allclose(intervals.of_mean(values), expected, atol=6e-5)


def test_one_value_has_none_and_so_have_equal_ones():
  assert intervals.of_mean([0.5]) is None
  assert intervals.of_mean([0.25, 0.25, 0.25]) is None


@pytest.mark.parametrize('hits, trials', [(0, 20), (3, 20), (20, 20), (1, 999)])
def test_the_interval_of_a_share_is_by_quantiles_of_beta_laws(hits, trials):
  low = stats.beta.ppf(0.025, hits, trials - hits + 1) if hits else 0.0
  high = (stats.beta.ppf(0.975, hits + 1, trials - hits)
          if hits < trials else 1.0)
  np.testing.assert_allclose(intervals.of_share(hits, trials), [low, high],
                             atol=6e-5)


def test_of_no_trial_nothing_is_known():
  assert intervals.of_share(0, 0) == [0.0, 1.0]
