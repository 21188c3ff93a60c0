"""EM by passes, of whatever makes them, ends where that of an array ends."""

import numpy as np
import pytest

from tfp_lgc import config, mixture, stepwise
from tfp_lgc.points import Points

CONFIG = config.replace(config.Config(), num_components_max=3, num_restarts=2,
                        max_iterations=8)
FLOOR = 1e-4


class Rows(Points):
  """Points of an array, in passes of two batches."""

  def __init__(self, x, its=CONFIG):
    super().__init__(len(x), x.mean(axis=0), x.var(axis=0), x, its, FLOOR)
    self._x, self.num_passes = x, 0

  def _sums(self, state):
    self.num_passes += 1
    rows = state.frames()[0].rows(self._x)
    return [stepwise.added(
        stepwise.batch_statistics(batch, run.components, run.dtype)
        for batch in np.array_split(rows, 2)) for run in state.waiting]


@pytest.fixture(scope='module')
def x():
  rng = np.random.default_rng(0)
  return rng.normal(size=[300, 2]) + 4 * rng.integers(0, 3, [300, 1])


@pytest.mark.parametrize('structure, num_components', [('full', 3),
                                                       ('diag', 2)])
def test_the_fit_is_that_of_an_array(structure, num_components, x):
  points = Rows(x)
  got = points.fit(structure, num_components)
  expected = mixture.most_likely(x, num_components, structure, CONFIG.mixture,
                                 FLOOR, CONFIG.seed)
  assert len(points) == 300
  assert got.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-6)
  for a, b in zip(got.components, expected.components):
    np.testing.assert_allclose(a, b, atol=1e-5)
  # All runs make their passes together: one at the start, one after each step.
  assert points.num_passes <= CONFIG.mixture.max_iterations + 1


def test_there_are_no_more_components_than_points():
  three = np.array([[0.0, 0], [0, 1], [1, 0]])
  its = config.replace(CONFIG, covariance='spherical', num_components_max=5)
  for some in (three, np.repeat(three, 4, axis=0)):
    assert Rows(some, its).sizes() == mixture.sizes(some, its.mixture)
    assert max(Rows(some, its).sizes()['spherical']) <= 3
