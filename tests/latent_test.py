"""Latent models: per class, shared by all, and the model's own prior."""

import numpy as np
import pytest
from scipy import special, stats

from tfp_lgc import autoencoder, latent, models
from tfp_lgc import config as config_lib
from tfp_lgc.errors import ConfigError


def _config(**settings):
  return config_lib.replace(config_lib.Config(), latent_size=2, **settings)


def _clusters(num_points=900):
  """Three classes, a cluster each."""
  rng = np.random.default_rng(0)
  labels = np.arange(num_points) % 3
  centers = np.array([[0.0, 0], [20, 0], [0, 20]])
  return centers[labels] + rng.normal(size=[num_points, 2]), labels


def test_choices_are_the_table():
  assert set(config_lib.LATENT_MODELS) == set(latent.LATENT_MODELS)


@pytest.fixture(scope='module')
def three_classes():
  """Latents of a class of two clusters, one of one image, one of none."""
  rng = np.random.default_rng(0)
  latents = rng.normal(size=[401, 2]).astype(np.float32)
  latents[:200, 0] += 15
  labels = np.zeros(401, int)
  labels[400] = 1
  return (latents, labels,
          *latent.fit(latents, labels, 3, _config()))


def test_each_class_has_its_own_number_of_components(three_classes):
  _, _, fitted, records = three_classes
  assert fitted.num_components == (2, 1, 1)
  assert [bool(row['bic']) for row in records] == [True, True, False]
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
  x = rng.normal(size=[300, 2])
  labels = np.zeros(300, int)
  config = _config(num_components_max=1)
  small, _ = latent.fit(x, labels, 1, config)
  large, _ = latent.fit(1e4 * x, labels, 1, config)
  np.testing.assert_allclose(large.scale_tril, 1e4 * small.scale_tril,
                             rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize('labeled_fraction', [1.0, 0.02])
def test_global_components_go_to_the_classes_they_are_responsible_for(
    labeled_fraction):
  latents, labels = _clusters()
  mixture, records = latent.fit(latents, labels, 3, _config(
      latent_model='global', labeled_fraction=labeled_fraction))
  assert mixture.is_shared
  assert mixture.num_components == (3, 3, 3)
  assert [r['purity'] for r in records if r['event'] == 'purity'] == [
      pytest.approx(1.0)]
  # The classes as Gaussians of their own would have them.
  for label in range(3):
    x = latents[labels == label]
    expected = stats.multivariate_normal.logpdf(x, x.mean(axis=0),
                                                np.cov(x.T))
    got = mixture.distribution(label).log_prob(x.astype(np.float32))
    np.testing.assert_allclose(got.numpy().mean(), expected.mean(), atol=0.02)


def test_one_label_at_least_is_shown():
  latents, labels = _clusters(30)
  _, records = latent.fit(latents, labels, 3, _config(
      latent_model='global', labeled_fraction=1e-6))
  assert np.isfinite(records[-1]['purity'])


# The latents that are fitted.


def _encoded():
  """Latents of which one is constant, one noise, and two tell something."""
  rng = np.random.default_rng(0)
  mean = rng.normal(size=[200, 4]).astype(np.float32)
  mean[:, 1], mean[:, 2] = 3.0, 0.0
  draw = mean + rng.normal(size=[200, 4]).astype(np.float32) * np.float32(
      [0.1, 0.0, 1.0, 0.5])
  return autoencoder.Encoded(draw, mean, np.zeros(200, np.int32))


@pytest.mark.parametrize('statistic', ['draw', 'mean'])
@pytest.mark.parametrize('latent_model', ['gmm', 'global'])
def test_what_says_nothing_is_not_fitted(statistic, latent_model):
  encoded = _encoded()
  latents, kept = latent.usable(encoded, _config(
      latent_statistic=statistic, latent_model=latent_model))
  np.testing.assert_array_equal(kept, [True, False, False, True])
  np.testing.assert_array_equal(latents,
                                getattr(encoded, statistic)[:, [0, 3]])
  assert latents.dtype == np.float32


def test_a_prior_keeps_all_latents():
  encoded = _encoded()
  latents, kept = latent.usable(encoded, _config(model='cvae',
                                                 latent_model='prior'))
  assert kept.all() and kept.dtype == bool
  np.testing.assert_array_equal(latents, encoded.draw)


def test_purity_by_hand():
  # Of component 0 the commonest class has 3 of 4, of component 1 all 4.
  assert latent.purity(np.array([[3, 0], [1, 4]]) / 8) == pytest.approx(7 / 8)


def test_the_prior_of_a_conditional_model_is_the_same_for_each_class():
  latents, labels = _clusters()
  mixture, _ = latent.fit(latents, labels, 3,
                          _config(model='cvae', latent_model='prior'))
  for label in range(3):
    x = latents[:5].astype(np.float32)
    np.testing.assert_allclose(
        mixture.distribution(label).log_prob(x),
        stats.multivariate_normal.logpdf(x, np.zeros(2), np.eye(2)), rtol=1e-5)


def test_the_components_of_a_prior_are_given_to_the_classes():
  config = _config(model='gmm_dae', latent_model='prior',
                   prior_num_components=2, prior_separation=9.0)
  components = models.prior(config.model)
  labels = np.array([0, 1, 1, 1])
  # Class 0 sits on the second component, class 1 on both.
  latents = components.loc[[1, 0, 0, 1]]
  mixture, records = latent.fit(latents, labels, 2, config)
  np.testing.assert_allclose(np.exp(mixture.logits),
                             [[0, 1], [2 / 3, 1 / 3]], atol=1e-5)
  assert records[0]['purity'] == pytest.approx(3 / 4)


@pytest.mark.parametrize('model, word', [('ae', 'no prior'), ('vae', 'cvae')])
def test_a_prior_that_cannot_serve_is_refused(model, word):
  latents, labels = _clusters(30)
  config = _config(model=model, latent_model='prior')
  for call in (lambda: latent.fit(latents, labels, 3, config),
               lambda: latent.check(config, 3)):  # Before an hour of training.
    with pytest.raises(ConfigError, match=word):
      call()


def test_without_labels_a_prior_of_one_component_serves():
  latents, labels = _clusters(30)
  mixture, _ = latent.fit(latents, 0 * labels, 1,
                          _config(model='vae', latent_model='prior'))
  assert mixture.num_components == (1,)
