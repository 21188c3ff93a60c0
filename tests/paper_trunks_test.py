"""The networks of the papers have as many parameters as theirs."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tfp_lgc import heads, networks
from tfp_lgc.config import Config, ModelConfig, replace
from tfp_lgc.weightless import weightless


def _counts(preset, model, shape, num_conditions=0):
  """Trainable parameters of encoder and decoder."""
  config = replace(Config(), preset=preset, model=model).model
  point = model in ('ae', 'contrastive_ae', 'gmm_dae')
  params_size = config.latent_size * (1 if point else 2)
  with weightless():
    pair = (networks.encoder(config, shape, params_size, num_conditions),
            networks.decoder(config, heads.HEADS[config.head](shape),
                             num_conditions))
  return [sum(math.prod(w.shape) for w in network.trainable_weights)
          for network in pair]


@pytest.mark.parametrize('model, num_conditions, total, of_decoder', [
    ('ae', 0, 218_192, 109_456), ('contrastive_ae', 0, 218_192, 109_456),
    ('vae', 0, 292_496, 142_480), ('contrastive_vae', 0, 292_496, 142_480),
    # 74 numbers go into the decoder, 794 into the encoder.
    ('cvae', 10, 292_496 + 2 * 1_280, 143_760)])
def test_lgc_has_as_many_as_its_authors(model, num_conditions, total,
                                        of_decoder):
  encoder, decoder = _counts('lgc', model, (28, 28, 1), num_conditions)
  assert decoder == of_decoder
  assert encoder + decoder == total


@pytest.mark.parametrize('preset, shape, of_encoder, of_decoder', [
    ('gmm_dae_mnist', (32, 32, 1), 11_058_826, 11_059_841),
    ('gmm_dae_svhn', (32, 32, 3), 11_431_652, 11_432_579),
    ('gmm_dae_celeba', (64, 64, 3), 12_070_592, 12_083_843)])
def test_gmm_dae_has_as_many_as_its_authors(preset, shape, of_encoder,
                                            of_decoder):
  assert _counts(preset, 'gmm_dae', shape) == [of_encoder, of_decoder]


@pytest.mark.parametrize('model', ['ae', 'contrastive_ae', 'vae', 'cvae'])
def test_latents_of_the_lgc_autoencoders_are_not_negative(model):
  config = ModelConfig(model=model, trunk='lgc', latent_size=6, hidden_size=8)
  encoder = networks.encoder(config, (5, 6, 1), 6)
  x = np.random.default_rng(0).random([100, 5, 6, 1]).astype(np.float32)
  got = encoder(5 * x).numpy()
  assert (got.min() >= 0) == (model in ('ae', 'contrastive_ae'))
  assert got.max() > 0


def test_gmm_dae_normalizes_batches_in_training_only():
  config = ModelConfig(trunk='gmm_dae', latent_size=3, num_filters=2)
  encoder = networks.encoder(config, (32, 32, 1), 3)
  rng = np.random.default_rng(0)
  x = rng.random([8, 32, 32, 1]).astype(np.float32)

  def alone_and_in_a_batch(training):
    return encoder(x[:1], training=training), encoder(x, training=training)[:1]

  np.testing.assert_allclose(*alone_and_in_a_batch(False), rtol=1e-4,
                             atol=1e-5)
  assert not np.allclose(*alone_and_in_a_batch(True), rtol=1e-2)
  means = [w for w in encoder.weights if 'moving_mean' in w.name]
  assert len(means) == 4 and all(np.any(mean) for mean in means)


def test_small_images_are_the_corner_of_what_is_decoded():
  """28 x 28 is 2 x 2 doubled four times, of which the rest is cut off."""
  config = ModelConfig(trunk='gmm_dae', latent_size=3, num_filters=2)
  small, whole = [
      networks.decoder(config, heads.HEADS['bernoulli']((side, side, 1)))
      for side in (28, 32)]
  assert [w.shape for w in small.weights] == [w.shape for w in whole.weights]
  z = np.random.default_rng(0).normal(size=[4, 3]).astype(np.float32)
  inner = slice(0, 20)  # Where nothing is cut off between the layers.
  np.testing.assert_allclose(
      tf.reshape(small(z), [4, 28, 28])[:, inner, inner],
      tf.reshape(whole(z), [4, 32, 32])[:, inner, inner], rtol=1e-4, atol=1e-5)
