"""Random numbers without a seed."""

import numpy as np
from scipy import stats

from tfp_lgc.entropy import Entropy


def test_draws_are_normal_and_uniform():
  entropy = Entropy()
  # By chance one such test in a million fails.
  assert stats.kstest(entropy.normal([200, 100]).ravel(), 'norm').pvalue > 1e-6
  assert stats.kstest(entropy.uniform(20_000), 'uniform').pvalue > 1e-6


def test_pairs_and_their_squares_are_uncorrelated():
  """A pair is made of the same two uniform numbers."""
  first, second = Entropy().normal([2, 100_000])
  for a, b in ((first, second), (first**2, second**2)):
    assert abs(np.corrcoef(a, b)[0, 1]) < 6 / np.sqrt(100_000)


def test_shapes():
  entropy = Entropy()
  assert entropy.normal([3, 5]).shape == (3, 5)
  assert entropy.normal([0, 5]).shape == (0, 5)
  assert entropy.seed().shape == (2,) and entropy.seed().dtype == np.int32


def test_nobody_can_make_them_again():
  a, b = Entropy(), Entropy()
  np.random.seed(0)
  first = a.normal([4])
  np.random.seed(0)
  for again in (a.normal([4]), b.normal([4])):
    assert (again != first).all()
  assert (a.seed() != b.seed()).any()
