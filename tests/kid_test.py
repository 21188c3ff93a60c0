"""The kernel distance against its definition, with scikit-learn's kernel."""

import numpy as np
import pytest
from sklearn.metrics import pairwise

from tfp_lgc.metrics import kid


def _points(seed, count, size=6):
  return np.random.default_rng(seed).normal(size=[count, size])


def _expected(a, b):
  """Binkowski et al., equation 4, by loops over pairs."""
  kernel = lambda x, y: pairwise.polynomial_kernel(x, y, 3, 1 / x.shape[1], 1)
  within = [np.mean([k[i, j] for i in range(len(k)) for j in range(len(k))
                     if i != j]) for k in (kernel(a, a), kernel(b, b))]
  return sum(within) - 2 * kernel(a, b).mean()


def test_squared_mmd_equals_the_definition():
  a, b = _points(0, 30), _points(1, 20) + 0.5
  assert kid.squared_mmd(a, b) == pytest.approx(_expected(a, b), rel=1e-10)
  assert kid.squared_mmd(a, b) == pytest.approx(kid.squared_mmd(b, a))


def test_it_has_no_bias_where_both_are_alike():
  values = [kid.squared_mmd(_points(2 * i, 10), _points(2 * i + 1, 10))
            for i in range(300)]
  error = np.std(values) / np.sqrt(len(values))
  assert abs(np.mean(values)) < 4 * error
  assert min(values) < 0 < kid.squared_mmd(_points(0, 10), _points(1, 10) + 3)


def test_the_mean_over_subsets(monkeypatch):
  monkeypatch.setattr(kid, 'SUBSET_SIZE', 15)
  a, b = _points(0, 60), _points(1, 40) + 1
  mean, stddev = kid.summarize(a, b, seed=0)
  whole = kid.squared_mmd(a, b)
  assert stddev > 0
  assert abs(mean - whole) < 5 * stddev / np.sqrt(kid.NUM_SUBSETS)
  assert kid.summarize(a, b, seed=0) == (mean, stddev)


def test_a_single_subset_of_all_is_the_estimate():
  a, b = _points(0, 25), _points(1, 25)
  mean, stddev = kid.summarize(a, b, seed=0)
  assert mean == pytest.approx(kid.squared_mmd(a, b))
  assert stddev == pytest.approx(0, abs=1e-9)
