"""EM against scikit-learn, SciPy, and its own laws.

Its heavy sums are float32, theirs float64: so far do they agree.
"""

import numpy as np
import pytest
from scipy import special, stats
from sklearn import mixture as sk_mixture

from tfp_lgc import em
from tfp_lgc.gaussians import Components


def _clusters(num_points=600, latent_size=4, seed=0):
  """Three correlated clusters, far from the origin."""
  rng = np.random.default_rng(seed)
  parts = []
  for center in (-3.0, 0.0, 3.0):
    mix = np.eye(latent_size) + 0.3 * rng.normal(size=[latent_size] * 2)
    parts.append(100 + center + rng.normal(size=[num_points // 3, latent_size])
                 @ mix)
  return np.concatenate(parts)


def _covariance(components):
  return components.scale_tril @ np.swapaxes(components.scale_tril, 1, 2)


# A tolerance of 0 cannot be reached; scikit-learn warns of it.
@pytest.mark.filterwarnings('ignore:Best performing')
@pytest.mark.parametrize('num_components', [1, 2, 5])
@pytest.mark.parametrize('floor', [1e-6, 1e-2])
def test_equals_scikit_learn_from_the_same_start(num_components, floor):
  x = _clusters()
  start = em.kmeans_start(x, num_components, floor, seed=1)
  fit = em.fit_em(x, start, floor, max_iterations=15, tolerance=0.0)
  weights = np.exp(start.log_weights)
  theirs = sk_mixture.GaussianMixture(
      num_components, max_iter=15, tol=0.0, reg_covar=floor,
      weights_init=weights / weights.sum(), means_init=start.loc,
      precisions_init=np.linalg.inv(_covariance(start)))
  theirs.fit(x)
  assert fit.num_iterations == theirs.n_iter_ == 15
  np.testing.assert_allclose(fit.components.loc, theirs.means_, rtol=1e-6)
  np.testing.assert_allclose(np.exp(fit.components.log_weights),
                             theirs.weights_, rtol=1e-5)
  np.testing.assert_allclose(_covariance(fit.components), theirs.covariances_,
                             atol=1e-5)
  assert fit.log_likelihood == pytest.approx(theirs.score(x), abs=1e-6)


def test_log_likelihood_equals_scipy():
  x = _clusters()
  fit = em.fit_em(x, em.kmeans_start(x, 3, 1e-6, seed=0), 1e-6)
  log_joint = [
      log_weight + stats.multivariate_normal.logpdf(x, loc, covariance)
      for log_weight, loc, covariance in zip(
          fit.components.log_weights, fit.components.loc,
          _covariance(fit.components))]
  expected = special.logsumexp(log_joint, axis=0).mean()
  assert fit.log_likelihood == pytest.approx(expected, abs=1e-6)


def test_log_likelihood_never_falls():
  x = _clusters(seed=3)
  start = em.kmeans_start(x, 4, 1e-9, seed=0)
  values = [em.fit_em(x, start, 1e-9, max_iterations=i, tolerance=0.0)
            .log_likelihood for i in range(12)]
  assert (np.diff(values) >= -1e-6).all()
  assert values[-1] > values[0]


def test_batches_change_nothing(monkeypatch):
  x = _clusters(num_points=1001 // 3 * 3)
  start = em.kmeans_start(x, 3, 1e-6, seed=0)
  whole = em.fit_em(x, start, max_iterations=10, tolerance=0.0)
  monkeypatch.setattr(em, 'BATCH_SIZE', 64)  # Leaves rows of padding.
  batched = em.fit_em(x, start, max_iterations=10, tolerance=0.0)
  for a, b in zip(whole.components, batched.components):
    np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-6)
  assert whole.log_likelihood == pytest.approx(batched.log_likelihood)


def test_moving_and_scaling_the_data_moves_and_scales_the_fit():
  x = _clusters()
  start = em.kmeans_start(x, 2, 1e-9, seed=0)
  fit = em.fit_em(x, start, 1e-9, 20, 0.0)
  moved = Components(start.log_weights, 1e3 * start.loc - 1e6,
                     1e3 * start.scale_tril)
  other = em.fit_em(1e3 * x - 1e6, moved, 1e-3, 20, 0.0)
  np.testing.assert_allclose(other.components.loc,
                             1e3 * fit.components.loc - 1e6, rtol=1e-6)
  np.testing.assert_allclose(other.components.scale_tril,
                             1e3 * fit.components.scale_tril, rtol=1e-4,
                             atol=1e-3)


def test_recovers_what_the_data_were_drawn_from():
  rng = np.random.default_rng(0)
  true_loc = np.array([[-4.0, 0.0], [4.0, 1.0]])
  labels = rng.choice(2, 4000, p=[0.3, 0.7])
  x = true_loc[labels] + rng.normal(size=[4000, 2]) * [1.0, 0.5]
  fit = em.fit_em(x, em.kmeans_start(x, 2, 1e-6, seed=0))
  order = np.argsort(fit.components.loc[:, 0])
  assert fit.converged
  np.testing.assert_allclose(fit.components.loc[order], true_loc, atol=0.1)
  np.testing.assert_allclose(np.exp(fit.components.log_weights)[order],
                             [0.3, 0.7], atol=0.03)


@pytest.mark.parametrize('x', [
    np.zeros([1, 3]), np.full([5, 3], 7.0),
    np.array([[0.0, 0, 0], [1e8, 0, 0]]), 1e-8 * np.eye(3)],
    ids=['one point', 'one point five times', 'far apart', 'tiny'])
def test_degenerate_points_give_a_proper_gaussian(x):
  floor = 1e-6
  fit = em.fit_em(x, em.kmeans_start(x, 1, floor, seed=0), floor)
  assert np.isfinite(fit.log_likelihood)
  np.testing.assert_allclose(fit.components.loc[0], x.mean(axis=0))
  diagonal = np.diagonal(fit.components.scale_tril[0])
  assert (diagonal >= np.sqrt(floor) * 0.999).all()


@pytest.mark.parametrize('spread', [10.0, 100.0])
@pytest.mark.parametrize('num_components', [2, 3, 4, 5])
def test_points_that_repeat_beside_points_far_away(num_components, spread):
  """Components shrink to points and jump by a million of their scales."""
  rng = np.random.default_rng(0)
  x = np.concatenate([np.zeros([500, 2]), np.ones([500, 2]),
                      spread * rng.normal(size=[30, 2])])
  floor = 1e-9 * x.var(axis=0).mean()
  for seed in range(2):
    fit = em.fit_em(x, em.kmeans_start(x, num_components, floor, seed), floor)
    assert np.isfinite(fit.log_likelihood)
    assert all(np.isfinite(part).all() for part in fit.components)


def test_the_start_is_seeded():
  x = _clusters()
  a, b, c = [em.kmeans_start(x, 5, 1e-6, seed=seed) for seed in (0, 0, 1)]
  np.testing.assert_array_equal(a.loc, b.loc)
  assert not np.array_equal(a.loc, c.loc)
