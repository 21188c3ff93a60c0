"""The autoencoder's loss is the sum that its docstring says."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_lgc import autoencoder, data, losses, models
from tfp_lgc.config import ModelConfig

tfd = tfp.distributions
SHAPE = (6, 5, 1)
CONFIG = ModelConfig(latent_size=3, hidden_size=8, beta=0.5)


@pytest.fixture(scope='module')
def images():
  rng = np.random.default_rng(0)
  return rng.integers(0, 256, [40, *SHAPE]).astype(np.uint8)


def test_loss_of_a_vae_is_minus_the_weighted_elbo(images):
  model = models.vae(CONFIG, SHAPE, seed=3)
  seed = tf.constant([1, 2])
  terms = model.losses_of(images, tf.zeros(40, tf.int32), seed)
  x = images / np.float32(255)
  loc, raw_scale = np.split(model.encoder(x).numpy(), 2, axis=1)
  scale = autoencoder.MIN_POSTERIOR_STDDEV + np.logaddexp(0, raw_scale)
  posterior = tfd.MultivariateNormalDiag(loc, scale)
  logits = model.decoder(posterior.sample(seed=seed)).numpy()
  p = 1 / (1 + np.exp(-logits.reshape(x.shape).astype(np.float64)))
  nll = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=(1, 2, 3)).mean()
  kl = -0.5 * (1 + np.log(scale**2) - loc**2 - scale**2).sum(axis=1).mean()
  assert float(terms['nll']) == pytest.approx(nll, rel=1e-4)
  assert float(terms['kl']) == pytest.approx(kl, rel=1e-4)
  assert float(terms['loss']) == pytest.approx(nll + 0.5 * kl, rel=1e-4)


def test_a_point_posterior_is_the_encoders_output(images):
  model = models.ae(CONFIG, SHAPE)
  x = autoencoder.to_unit(images)
  np.testing.assert_array_equal(model.encode(x).sample(), model.encoder(x))


def test_encode_all_keeps_order_and_draws_from_the_posterior(images):
  labels = np.arange(40, dtype=np.int32)
  split = data.array_split(images, labels)
  model = models.vae(CONFIG, SHAPE, seed=1)
  latents, got_labels = model.encode_all(split, batch_size=16)
  np.testing.assert_array_equal(got_labels, labels)
  posterior = model.encode(autoencoder.to_unit(images))
  standardized = (latents - posterior.mean()) / posterior.stddev()
  assert 0.7 < np.std(standardized) < 1.3
  again, _ = model.encode_all(split, batch_size=16)
  np.testing.assert_array_equal(latents, again)


def test_every_penalty_is_a_metric():
  model = autoencoder.Autoencoder(
      CONFIG, SHAPE, 'gaussian',
      {'kl': (1.0, losses.kl_standard_normal),
       'size': (2.0, lambda posterior, z, labels: tf.reduce_mean(z**2))})
  assert [m.name for m in model.metrics] == ['loss', 'nll', 'kl', 'size']


def test_an_unknown_posterior_is_refused():
  with pytest.raises(ValueError, match="'point' or 'gaussian'"):
    autoencoder.Autoencoder(CONFIG, SHAPE, 'exact')
