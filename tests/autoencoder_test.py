"""The autoencoder's loss is the sum that its docstring says."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_lgc import autoencoder, data, losses, models
from tfp_lgc import config as config_lib

tfd = tfp.distributions
SHAPE = (6, 5, 1)
CONFIG = config_lib.replace(config_lib.Config(), latent_size=3, hidden_size=8,
                            beta=0.5)


@pytest.fixture(scope='module')
def images():
  rng = np.random.default_rng(0)
  return rng.integers(0, 256, [40, *SHAPE]).astype(np.uint8)


def test_loss_of_a_vae_is_minus_the_weighted_elbo(images):
  model = models.vae(config_lib.replace(CONFIG, seed=3), SHAPE, 1)
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
  model = models.ae(CONFIG, SHAPE, 1)
  x = autoencoder.to_unit(images)
  np.testing.assert_array_equal(model.encode(x).sample(), model.encoder(x))


def test_encode_all_keeps_order_and_draws_from_the_posterior(images):
  labels = np.arange(40, dtype=np.int32)
  split = data.array_split(images, labels)
  model = models.vae(config_lib.replace(CONFIG, seed=1), SHAPE, 1)
  encoded = model.encode_all(split, batch_size=16)
  np.testing.assert_array_equal(encoded.labels, labels)
  posterior = model.encode(autoencoder.to_unit(images))
  np.testing.assert_allclose(encoded.mean, posterior.mean(), rtol=1e-5,
                             atol=1e-6)
  standardized = (encoded.draw - posterior.mean()) / posterior.stddev()
  assert 0.7 < np.std(standardized) < 1.3
  heard = []
  again = model.encode_all(split, batch_size=16, on_step=heard.append)
  np.testing.assert_array_equal(encoded.draw, again.draw)
  assert heard == [16, 32, 40]


def test_every_penalty_is_a_metric():
  model = autoencoder.Autoencoder(
      CONFIG.model, SHAPE, 'gaussian',
      {'kl': (1.0, losses.kl_standard_normal),
       'size': (2.0, lambda posterior, z, labels: tf.reduce_mean(z**2))})
  assert [m.name for m in model.metrics] == ['loss', 'nll', 'kl', 'size']


def test_an_unknown_posterior_is_refused():
  with pytest.raises(ValueError, match="'point' or 'gaussian'"):
    autoencoder.Autoencoder(CONFIG.model, SHAPE, 'exact')


def test_the_label_reaches_encoder_and_decoder_of_a_conditional_model(images):
  model = models.cvae(CONFIG, SHAPE, 4)
  x = autoencoder.to_unit(images)
  zeros, ones = tf.zeros(40, tf.int32), tf.ones(40, tf.int32)
  a, b = model.encode(x, zeros).mean(), model.encode(x, ones).mean()
  assert not np.allclose(a, b)
  assert not np.allclose(model.decode(a, zeros).mean(),
                         model.decode(a, ones).mean())


def test_noise_is_on_what_the_encoder_sees_not_on_the_target(images):
  quiet, noisy = [
      models.ae(config_lib.replace(CONFIG, noise_stddev=stddev), SHAPE, 1)
      for stddev in (0.0, 0.5)]
  labels, seed = tf.zeros(40, tf.int32), tf.constant([0, 1])
  terms = noisy.losses_of(images, labels, seed)
  noise = tf.random.stateless_normal(
      [40, *SHAPE], tf.random.fold_in(seed, autoencoder.NOISE_SALT))
  x = autoencoder.to_unit(images)
  # The same weights: what differs is the corruption.
  expected = -tf.reduce_mean(
      quiet.decode(quiet.encode(x + 0.5 * noise).mean()).log_prob(x))
  assert float(terms['nll']) == pytest.approx(float(expected), rel=1e-5)
  assert float(terms['nll']) != float(
      quiet.losses_of(images, labels, seed)['nll'])


def test_learned_centers_are_trained_with_the_model(images):
  model = models.center_vae(CONFIG, SHAPE, 2)
  names = [variable.name for variable in model.trainable_variables]
  assert any('centers' in name for name in names)
  model.compile('adam')
  before = model.trainable_variables[names.index('centers:0')].numpy()
  labels = np.arange(40, dtype=np.int32) % 2
  model.fit(data.array_split(images, labels).batches(8), verbose=0)
  after = model.trainable_variables[names.index('centers:0')].numpy()
  assert not np.allclose(before, after)


def test_the_draw_of_a_point_posterior_is_its_mean(images):
  model = models.ae(CONFIG, SHAPE, 1)
  split = data.array_split(images, np.zeros(40, np.int32))
  encoded = model.encode_all(split, batch_size=16)
  np.testing.assert_array_equal(encoded.draw, encoded.mean)
