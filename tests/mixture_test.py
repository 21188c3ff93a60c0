"""BIC, the choice of K, and mixtures per class."""

import numpy as np
import pytest
from scipy import special, stats
from sklearn import mixture as sk_mixture

from tfp_lgc import em, mixture
from tfp_lgc.config import MixtureConfig


@pytest.mark.parametrize('num_components', [1, 3])
@pytest.mark.parametrize('latent_size', [1, 2, 5])
def test_bic_equals_scikit_learn(num_components, latent_size):
  x = np.random.default_rng(0).normal(size=[200, latent_size])
  theirs = sk_mixture.GaussianMixture(num_components, random_state=0).fit(x)
  ours = mixture.bic(theirs.score(x), len(x), num_components, latent_size)
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
  components, bics = mixture.select(x, MixtureConfig(), floor=1e-6)
  assert len(components.loc) == true_k
  assert np.argmin(bics) == true_k - 1
  # It looks past the first rise, and ends after two.
  assert len(bics) == true_k + 2


def test_select_never_has_more_components_than_points_allow():
  rng = np.random.default_rng(0)
  config = MixtureConfig(num_components_max=50)
  for num_points in (1, 2, 5, 11):
    x = rng.normal(size=[num_points, 4])
    components, _ = mixture.select(x, config, floor=1e-3)
    assert 1 <= len(components.loc) <= max(1, num_points // 5)
    assert np.isfinite(components.scale_tril).all()


def test_identical_points_are_one_narrow_gaussian():
  x = np.tile([[1.0, -2.0]], [40, 1])
  components, _ = mixture.select(x, MixtureConfig(), floor=1e-4)
  np.testing.assert_allclose(components.loc, [[1.0, -2.0]], atol=1e-9)
  np.testing.assert_allclose(components.scale_tril[0], 1e-2 * np.eye(2),
                             atol=1e-9)


def test_a_smaller_limit_is_kept():
  x = np.random.default_rng(0).normal(size=[300, 2])
  x[:150] += 20
  components, bics = mixture.select(x, MixtureConfig(num_components_max=1),
                                    floor=1e-6)
  assert len(components.loc) == len(bics) == 1


@pytest.fixture(scope='module')
def three_classes():
  """Latents of a class of two clusters, one of one image, one of none."""
  rng = np.random.default_rng(0)
  latents = rng.normal(size=[401, 2]).astype(np.float32)
  latents[:200, 0] += 15
  labels = np.zeros(401, int)
  labels[400] = 1
  return (latents, labels,
          *mixture.fit_per_class(latents, labels, 3, MixtureConfig()))


def test_each_class_has_its_own_number_of_components(three_classes):
  _, _, fitted, curves = three_classes
  assert fitted.num_components == (2, 1, 1)
  assert [len(curve) > 0 for curve in curves] == [True, True, False]
  assert fitted.logits.shape == (3, 2)
  assert np.isneginf(fitted.logits[1:, 1]).all()
  assert fitted.logits.dtype == fitted.loc.dtype == np.float32


def test_a_single_image_is_where_its_mixture_is(three_classes):
  latents, _, fitted, _ = three_classes
  np.testing.assert_allclose(fitted.loc[1, 0], latents[400], rtol=1e-6)


def test_distribution_equals_scipy(three_classes):
  latents, _, fitted, _ = three_classes
  for label in range(3):
    count = fitted.num_components[label]
    log_joint = [
        fitted.logits[label, k] + stats.multivariate_normal.logpdf(
            latents, fitted.loc[label, k],
            fitted.scale_tril[label, k] @ fitted.scale_tril[label, k].T)
        for k in range(count)]
    np.testing.assert_allclose(
        fitted.distribution(label).log_prob(latents),
        special.logsumexp(log_joint, axis=0), rtol=1e-3, atol=1e-3)


def test_the_floor_follows_the_scale_of_the_latents():
  rng = np.random.default_rng(0)
  x = rng.normal(size=[300, 3])
  labels = np.zeros(300, int)
  config = MixtureConfig(num_components_max=1)
  small, _ = mixture.fit_per_class(x, labels, 1, config)
  large, _ = mixture.fit_per_class(1e4 * x, labels, 1, config)
  np.testing.assert_allclose(large.scale_tril, 1e4 * small.scale_tril,
                             rtol=1e-5, atol=1e-3)


def test_stacking_pads_with_nothing_to_draw():
  def one(count):
    return em.Components(
        np.log(np.full(count, 1 / count)), np.zeros([count, 2]),
        np.tile(np.eye(2), [count, 1, 1]))
  stacked = mixture.stack([one(1), one(3)])
  assert stacked.num_components == (1, 3)
  np.testing.assert_allclose(np.exp(stacked.logits).sum(axis=1), 1, rtol=1e-6)
  # A padded factor is still one, so that nothing becomes nan.
  np.testing.assert_array_equal(stacked.scale_tril[0, 2], np.eye(2))
