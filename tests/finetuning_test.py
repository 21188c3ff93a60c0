"""Decoders that are trained on as the integers that they are sent as."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import tfp_lgc
from tfp_lgc import autoencoder, codec, finetuning, pipeline
from tfp_lgc.arrays import from_arrays
from tfp_lgc.config import Config, replace
from tfp_lgc.progress import Progress

TINY = dict(epochs=30, batch_size=16, hidden_size=16, num_filters=4,
            num_components_max=1, latent_statistic='mean')


@pytest.mark.parametrize('spread', [0.05, 0.7, 20.0])
def test_bits_are_those_of_a_rounded_laplace_distribution(spread):
  x = np.array([0, 1, -1, 2, 7, -30, 0.25, -0.5, 1.75])
  law = stats.laplace(scale=spread)
  # By the tail that is small, or both sides are 1.
  expected = -np.log2(np.where(
      np.abs(x) < 0.5, law.cdf(x + 0.5) - law.cdf(x - 0.5),
      law.sf(np.abs(x) - 0.5) - law.sf(np.abs(x) + 0.5)))
  finite = np.isfinite(expected)
  x = tf.constant(x, tf.float32)
  with tf.GradientTape() as tape:
    tape.watch(x)
    got = finetuning.laplace_bits(x, tf.constant(spread, tf.float32))
  np.testing.assert_allclose(got[finite], expected[finite], rtol=1e-4,
                             atol=1e-6)
  assert np.isfinite(got).all()
  assert np.isfinite(tape.gradient(got, x)).all()


def _images():
  """Blobs whose place is their latent: the decoder has something to learn."""
  rng = np.random.default_rng(0)
  centers = rng.uniform(2, 6, [200, 2, 1, 1])
  rows, columns = np.mgrid[:8, :8]
  squares = (rows - centers[:, 0])**2 + (columns - centers[:, 1])**2
  return np.round(255 * np.exp(-squares / 4)).astype(np.uint8), (
      np.arange(200) % 2)


def _fitted(**settings):
  return pipeline.fit(from_arrays(_images()),
                      replace(Config(), **{**TINY, **settings}), Progress())


def _error(artifact, fitted):
  images, labels = _images()
  decoded = artifact.sampler.decode(
      fitted.latents, tf.constant(labels, tf.int32))['image']
  return np.square(decoded.numpy()[..., 0].astype(float) - images).mean()


@pytest.mark.slow
@pytest.mark.parametrize('settings', [
    {'model': 'vae', 'trunk': 'conv', 'latent_size': 3},
    {'model': 'cvae', 'trunk': 'dense', 'latent_size': 8},
    pytest.param(
        {'model': 'ae', 'trunk': 'gmm_dae', 'latent_size': 3, 'width': 0.1},
        marks=pytest.mark.slow)], ids=['conv', 'dense', 'gmm_dae'])
def test_few_bits_lose_less_than_by_rounding_alone(settings):
  """Also where batch normalization was folded into the weights."""
  settings = {**settings, 'decoder_bits': 3, 'epochs': 150}
  fitted = _fitted(**settings)
  config = replace(Config(), finetune_steps=200, rate_weight=0.0,
                   **{**TINY, **settings})
  tensors = finetuning.finetune(
      fitted.model, fitted.artifact.tensors, fitted.kept,
      from_arrays(_images()).train, config)
  assert set(tensors) == {name for name in fitted.artifact.tensors
                          if name.startswith('decoder/')}
  tuned = fitted.artifact.replaced(tensors)
  again = type(tuned).from_bytes(tuned.to_bytes())
  images, labels = _images()
  exact = 255 * fitted.model(
      autoencoder.to_unit(images[..., np.newaxis]),
      tf.constant(labels, tf.int32)).numpy()[..., 0]
  exact = np.square(exact - images).mean()
  rounded, got = _error(fitted.artifact, fitted), _error(again, fitted)
  assert exact < rounded
  # A good part of what rounding loses comes back.
  assert got < rounded - 0.2 * (rounded - exact)


def test_bits_have_a_price():
  fitted = _fitted(model='vae', trunk='dense', latent_size=3)
  config = replace(fitted.artifact.encoder.config, finetune_steps=300)
  sizes, said = [], []
  for weight in (0.0, 1e-3, 1e-2):
    tensors = finetuning.finetune(
        fitted.model, fitted.artifact.tensors, fitted.kept,
        from_arrays(_images()).train,
        replace(config, rate_weight=weight),
        lambda step, text: said.append((step, text)))
    tuned = fitted.artifact.replaced(tensors)
    sizes.append(tuned.num_bytes_by_part['decoder'])
    # What it says of bytes is about what there is.
    estimate = int(said[-1][1].split(', ')[-1].split(' ')[0].replace(',', ''))
    kernels = sum(len(codec.encode_smallest(tensor)[1])
                  for name, tensor in tensors.items() if 'kernel' in name)
    assert estimate == pytest.approx(kernels, rel=0.25, abs=60)
  assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 0.8 * sizes[0]
  assert [step for step, _ in said[:6]] == [50, 100, 150, 200, 250, 300]


def test_the_encoder_stays_as_it_is_and_a_seed_is_a_result():
  fitted = _fitted(model='vae', trunk='dense', latent_size=3)
  before = [weight.numpy() for weight in fitted.model.weights]
  config = replace(fitted.artifact.encoder.config, finetune_steps=60)
  split = from_arrays(_images()).train
  first, second, other = [
      finetuning.finetune(fitted.model, fitted.artifact.tensors, fitted.kept,
                          split, dataclasses.replace(config, seed=seed))
      for seed in (0, 0, 1)]
  name = 'decoder/params/kernel'
  # Threads may add up in another order, which moves a number now and then.
  assert (first[name].values != second[name].values).mean() < 0.02
  assert (first[name].values != other[name].values).mean() > 0.1
  for weight, value in zip(fitted.model.weights, before):
    np.testing.assert_array_equal(weight.numpy(), value)


def test_penalties_of_reconstructions_have_their_part():
  """Here that images are bright, which is not what makes them likely."""
  fitted = _fitted(model='vae', trunk='dense', latent_size=3)
  config = replace(fitted.artifact.encoder.config, finetune_steps=60)

  def brightness():
    tensors = finetuning.finetune(
        fitted.model, fitted.artifact.tensors, fitted.kept,
        from_arrays(_images()).train, config)
    tuned = fitted.artifact.replaced(tensors)
    return tuned.sampler.decode(fitted.latents)['image'].numpy().mean()

  without = brightness()
  fitted.model.add_image_penalty(
      'darkness', 1e3, lambda x, point: -tf.reduce_mean(point))
  assert brightness() > 1.2 * without


def test_fine_tuning_that_diverges_is_told():
  fitted = _fitted(model='vae', trunk='dense', latent_size=3)
  config = replace(fitted.artifact.encoder.config, finetune_steps=10)
  fitted.model.encoder.layers[-1].set_weights(
      [np.nan * weight for weight in fitted.model.encoder.layers[-1]
       .get_weights()])
  with pytest.raises(FloatingPointError, match=(
      'fine-tuning diverged in epoch 1, at step .*: .* of the loss .*--rate')):
    finetuning.finetune(fitted.model, fitted.artifact.tensors, fitted.kept,
                        from_arrays(_images()).train, config)


def test_it_is_a_stage_of_compress():
  progress = Progress()
  images = _images()
  tuned = tfp_lgc.compress(images, progress=progress, finetune_steps=100,
                           rate_weight=1e-3, latent_size=3, **TINY)
  plain = tfp_lgc.compress(images, latent_size=3, **TINY)
  assert 'finetune' in progress.seconds
  assert tuned.num_bytes < plain.num_bytes
  # Mixtures are those of the encoder, which both have.
  assert tuned.num_bytes_by_part['mixture'] == (
      plain.num_bytes_by_part['mixture'])


def test_a_step_for_more_than_16_bits_is_raised():
  x = np.array([1.0, -0.5, 1e-3])
  quantized = codec.quantize_by_step(x, 1e-9)
  assert quantized.bits == 16
  assert np.abs(codec.dequantize(quantized) - x).max() < 1e-4
  coarse = codec.quantize_by_step(x, 0.3)
  np.testing.assert_array_equal(coarse.values, [3, -2, 0])
  assert coarse.bits == 3
  assert codec.quantize_by_step(0 * x, 0.3).bits == 2
