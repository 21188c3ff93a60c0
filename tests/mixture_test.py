"""BIC, the choice of K, and mixtures per class."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn import mixture as sk_mixture

from tfp_lgc import mixture
from tfp_lgc.config import MixtureConfig
from tfp_lgc.covariance import COVARIANCES
from tfp_lgc.gaussians import Components


@pytest.mark.parametrize('num_components', [1, 3])
@pytest.mark.parametrize('latent_size', [1, 2, 5])
def test_bic_equals_scikit_learn(num_components, latent_size):
  x = np.random.default_rng(0).normal(size=[200, latent_size])
  theirs = sk_mixture.GaussianMixture(num_components, random_state=0).fit(x)
  free = mixture.num_params(num_components, latent_size)
  ours = mixture.bic(theirs.score(x), len(x), free)
  assert ours == pytest.approx(theirs.bic(x), rel=1e-9)


def test_num_params_by_hand():
  # One full Gaussian of 64 dimensions: 64 + 2080; five: and 4 weights.
  assert mixture.num_params(1, 64) == 2144
  assert mixture.num_params(5, 64) == 10724


@pytest.mark.parametrize('true_k', [1, 2, 4])
def test_select_finds_the_number_of_separate_clusters(true_k):
  rng = np.random.default_rng(0)
  x = rng.normal(size=[900, 3])
  x += 12.0 * rng.permutation(np.eye(4)[:true_k, :3][np.arange(900) % true_k])
  components, _, curves = mixture.select(x, MixtureConfig(), floor=1e-6)
  bics = curves['full']
  assert len(components.loc) == true_k
  assert np.argmin(bics) == true_k - 1
  # It looks past the first rise, and ends after two.
  assert len(bics) == true_k + 2


def test_select_never_has_more_components_than_points_allow():
  rng = np.random.default_rng(0)
  config = MixtureConfig(num_components_max=50)
  for num_points in (1, 2, 5, 11):
    x = rng.normal(size=[num_points, 4])
    components, _, _ = mixture.select(x, config, floor=1e-3)
    assert 1 <= len(components.loc) <= max(1, num_points // 5)
    assert np.isfinite(components.scale_tril).all()


def test_identical_points_are_one_narrow_gaussian():
  x = np.tile([[1.0, -2.0]], [40, 1])
  components, _, _ = mixture.select(x, MixtureConfig(), floor=1e-4)
  np.testing.assert_allclose(components.loc, [[1.0, -2.0]], atol=1e-9)
  np.testing.assert_allclose(components.scale_tril[0], 1e-2 * np.eye(2),
                             atol=1e-9)


def test_a_smaller_limit_is_kept():
  x = np.random.default_rng(0).normal(size=[300, 2])
  x[:150] += 20
  components, _, curves = mixture.select(
      x, MixtureConfig(num_components_max=1), floor=1e-6)
  assert len(components.loc) == len(curves['full']) == 1


@pytest.mark.parametrize('structure, shape', [
    ('full', [[1, 0.9, 0], [0.9, 1, 0.3], [0, 0.3, 1]]),
    ('diag', np.diag([1, 9, 25])), ('spherical', np.eye(3))])
def test_bic_finds_the_structure_that_the_data_have(structure, shape):
  x = np.random.default_rng(0).multivariate_normal(np.zeros(3), shape, 2000)
  selection = mixture.select(x, MixtureConfig(covariance='auto'), floor=1e-6)
  assert selection.structure == structure
  assert set(selection.bics) == set(COVARIANCES)


def test_bic_finds_that_two_clusters_share_a_covariance():
  rng = np.random.default_rng(0)
  x = rng.multivariate_normal(np.zeros(2), [[1, 0.8], [0.8, 1]], 2000)
  x[:1000] += 10
  selection = mixture.select(x, MixtureConfig(covariance='auto'), floor=1e-6)
  assert selection.structure == 'tied'
  assert len(selection.components.loc) == 2


def test_stacking_pads_with_nothing_to_draw():
  def one(count):
    return Components(
        np.log(np.full(count, 1 / count)), np.zeros([count, 2]),
        np.tile(np.eye(2), [count, 1, 1]))
  stacked = mixture.stack([one(1), one(3)], ['full', 'full'])
  assert stacked.num_components == (1, 3)
  np.testing.assert_allclose(np.exp(stacked.logits).sum(axis=1), 1, rtol=1e-6)
  # A padded factor is still one, so that nothing becomes nan.
  np.testing.assert_array_equal(stacked.scale_tril[0, 2], np.eye(2))


def test_one_covariance_is_kept_once():
  rng = np.random.default_rng(0)
  factor = np.array([[2.0, 0.0], [0.5, 0.3]], np.float32)

  def one(count):
    return Components(np.log(np.full(count, 1 / count)),
                      rng.normal(size=[count, 2]).astype(np.float32),
                      np.broadcast_to(factor, [count, 2, 2]))
  parts = [one(1), one(3)]
  tied, equal = [mixture.stack(parts, structures)
                 for structures in (['tied'] * 2, ['tied', 'full'])]
  assert tied.scale_tril.shape == (2, 1, 2, 2)
  assert equal.scale_tril.shape == (2, 3, 2, 2)
  z = rng.normal(size=[4, 2]).astype(np.float32)
  for label in (0, 1, tf.constant([0, 1, 1, 0])):
    np.testing.assert_allclose(tied(label).log_prob(z),
                               equal(label).log_prob(z), rtol=1e-5)
    np.testing.assert_allclose(tied(label).sample(9, seed=(0, 1)),
                               equal(label).sample(9, seed=(0, 1)), rtol=1e-5)
  for label in range(2):
    for got, expected in zip(tied.components(label), equal.components(label)):
      np.testing.assert_array_equal(got, expected)
  # A class without an image, or of one component, changes nothing.
  assert mixture.stack(parts, ['full', 'tied']).scale_tril.shape[1] == 1
  shared = mixture.share(np.zeros([3, 3]), parts[1], 'tied')
  assert shared.scale_tril.shape == (1, 1, 2, 2)
  np.testing.assert_allclose(shared(2).log_prob(z), tied(1).log_prob(z),
                             rtol=1e-5)
