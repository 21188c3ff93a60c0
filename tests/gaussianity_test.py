"""Mahalanobis distances against SciPy, and the law they follow."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from tfp_lgc import mixture
from tfp_lgc.gaussians import Components
from tfp_lgc.metrics import gaussianity


def _components(size=3, count=2):
  rng = np.random.default_rng(0)
  scale_tril = np.tril(rng.normal(size=[count, size, size]))
  scale_tril[:, range(size), range(size)] = rng.uniform(0.5, 2, [count, size])
  loc = 30.0 * np.arange(count)[:, None] * np.ones(size)
  return Components(np.full(count, -np.log(count)), loc, scale_tril)


def _draw(components, count, seed=1):
  """Of each component in turn, `[count * K, d]`."""
  rng = np.random.default_rng(seed)
  return np.concatenate([
      loc + rng.normal(size=[count, len(loc)]) @ s.T
      for loc, s in zip(components.loc, components.scale_tril)])


def test_distances_equal_scipy():
  components = _components()
  x = _draw(components, 40)
  got = gaussianity.squared_mahalanobis(x, components)
  for k, values in enumerate(got):
    s = components.scale_tril[k]
    expected = distance.cdist(x[40 * k:40 * k + 40], components.loc[k][None],
                              'mahalanobis', VI=np.linalg.inv(s @ s.T))
    np.testing.assert_allclose(values, expected[:, 0]**2, rtol=1e-6)


def test_a_component_without_a_point_has_none():
  components = _components()
  near, far = gaussianity.squared_mahalanobis(components.loc[:1], components)
  np.testing.assert_allclose(near, [0.0], atol=1e-12)
  assert far.shape == (0,)


def test_what_is_gaussian_follows_chi_square():
  components = _components()
  stacked = mixture.stack([components, components], ['full', 'full'])
  x = _draw(components, 4000)
  labels = np.arange(len(x)) % 2
  rows = list(gaussianity.latent_gaussianity(x, labels, stacked))
  assert [(row['label'], row['component'], row['num_points'])
          for row in rows] == [(0, 0, 2000), (0, 1, 2000), (1, 0, 2000),
                               (1, 1, 2000)]
  expected = stats.chi2(3).ppf(gaussianity.LEVELS)
  for row in rows:
    # The 1e-4 quantile of the statistic's own distribution for 2,000 points.
    assert row['ks'] < stats.kstwo(2000).isf(1e-4)
    np.testing.assert_allclose(row['quantiles'], expected, rtol=0.15, atol=0.02)


def test_the_statistic_is_that_of_scipy():
  components = _components(size=2, count=1)
  x = _draw(components, 500)
  stacked = mixture.stack([components], ['full'])
  [row] = gaussianity.latent_gaussianity(x, np.zeros(500, int), stacked)
  [values] = gaussianity.squared_mahalanobis(x, components)
  assert row['ks'] == pytest.approx(stats.kstest(values, 'chi2', [2]).statistic,
                                    abs=1e-4)


@pytest.mark.parametrize('power', [0.0, 3.0], ids=['on a sphere', 'heavy tail'])
def test_what_is_not_gaussian_is_found_out(power):
  """Of the same mean and directions, other lengths."""
  components = Components(np.zeros(1), np.zeros([1, 3]), np.eye(3)[None])
  x = _draw(components, 1000)
  length = np.linalg.norm(x, axis=1, keepdims=True)
  [row] = gaussianity.latent_gaussianity(
      x / length * length**power, np.zeros(1000, int),
      mixture.stack([components], ['full']))
  assert row['ks'] > 0.2


def test_a_class_without_images_has_no_row():
  components = _components(count=1)
  stacked = mixture.stack([components] * 3, ['full'] * 3)
  x = _draw(components, 20)
  rows = list(gaussianity.latent_gaussianity(x, np.full(20, 2), stacked))
  assert [row['label'] for row in rows] == [2]


def test_classes_that_share_components_are_each_compared():
  components = _components()
  shared = mixture.share(np.log([[0.9, 0.1], [0.1, 0.9]]), components, 'full')
  x = _draw(components, 50)
  labels = np.repeat([0, 1], 50)
  rows = list(gaussianity.latent_gaussianity(x, labels, shared))
  assert [(row['label'], row['component']) for row in rows] == [(0, 0), (1, 1)]
