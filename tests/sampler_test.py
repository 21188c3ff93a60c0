"""The sampler's graph against TFP, SciPy, and the moments of a mixture."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from tfp_lgc import heads, networks
from tfp_lgc.config import ModelConfig
from tfp_lgc.mixture import Mixture
from tfp_lgc.sampler import BLOCK_SIZE, Sampler

SHAPE = 3, 2, 1
HEAD = heads.HEADS['bernoulli'](SHAPE)
SEED = np.array([0, 3], np.int32)
PRIOR = np.array([0.5, 0.1, 0.0, 0.4])
FAR = 1e6  # Where a component stands that is not to be drawn.


def _mixture():
  """Classes of 3, 1, 2 and 2 components; padding stands far away."""
  rng = np.random.default_rng(0)
  factors = np.tril(rng.normal(size=[4, 3, 2, 2]))
  factors[..., range(2), range(2)] = rng.uniform(0.2, 1.5, [4, 3, 2])
  loc = 4 * rng.normal(size=[4, 3, 2])
  logits = rng.normal(size=[4, 3])  # Quantized ones do not sum to one either.
  for label, count in enumerate((3, 1, 2, 2)):
    logits[label, count:] = -np.inf
    loc[label, count:] = FAR
  return Mixture(logits.astype(np.float32), loc.astype(np.float32),
                 factors.astype(np.float32), ('full',) * 4)


@pytest.fixture(scope='module')
def mixture():
  return _mixture()


@pytest.fixture(scope='module')
def decoder():
  return networks.decoder(ModelConfig(latent_size=2, hidden_size=3),
                          HEAD, seed=1)


@pytest.fixture(scope='module')
def sampler(mixture, decoder):
  with np.errstate(divide='ignore'):
    log_prior = np.log(PRIOR)
  return Sampler(decoder, HEAD, mixture, log_prior)


@pytest.fixture(scope='module')
def drawn(sampler):
  return _numpy(sampler.sample(80 * BLOCK_SIZE, SEED))


@pytest.fixture(scope='module')
def of_class(sampler):
  """Latents of 40 blocks of each class."""
  return [sampler.sample_class(np.full(40 * BLOCK_SIZE, label, np.int32),
                               SEED + label)['latent'].numpy()
          for label in range(4)]


def _numpy(drawn):
  return {name: part.numpy() for name, part in drawn.items()}


def _same(drawn, expected, where=slice(None)):
  assert set(drawn) == set(expected) == {'image', 'label', 'latent'}
  for name, part in drawn.items():
    np.testing.assert_array_equal(part, expected[name][where], strict=True)


# What it draws.


def test_images_are_the_heads_point_of_the_latents(drawn, decoder):
  (kernel, bias), (kernel_2, bias_2) = [
      [w.astype(np.float64) for w in layer.get_weights()]
      for layer in decoder.layers[1:]]
  hidden = np.maximum(drawn['latent'] @ kernel + bias, 0)
  pixels = 255 * special.expit(hidden @ kernel_2 + bias_2)
  assert drawn['image'].dtype == np.uint8
  assert drawn['image'].shape == (80 * BLOCK_SIZE, *SHAPE)
  off = drawn['image'].reshape(len(pixels), -1) - pixels
  assert np.abs(off).max() < 0.51  # Rounded to the nearest.
  assert len(np.unique(drawn['image'])) > 50


def test_a_stochastic_sampler_draws_pixels_of_the_same_latents(sampler, drawn):
  """Bernoulli pixels: whether they are white is what can be counted."""
  stochastic = sampler.stochastic
  pixels = _numpy(stochastic.sample(80 * BLOCK_SIZE, SEED))
  for name in ('latent', 'label'):
    np.testing.assert_array_equal(pixels[name], drawn[name])
  assert set(np.unique(pixels['image'])) == {0, 255}
  p = drawn['image'] / 255
  off = (pixels['image'] / 255 - p) / np.sqrt(p * (1 - p) + 1e-3)
  assert (np.abs(off.mean(axis=0)) * np.sqrt(len(off)) < 4).all()
  # Pixels and images are independent of each other.
  flat = off.reshape(len(off), -1)
  correlation = np.corrcoef(np.hstack([flat[:-1], flat[1:]]), rowvar=False)
  np.fill_diagonal(correlation, 0)
  assert np.abs(correlation).max() * np.sqrt(len(off)) < 5
  again = _numpy(stochastic.sample(300, SEED))
  _same(again, pixels, slice(300))


def test_decode_is_what_sample_does(sampler, drawn):
  decoded = sampler.decode(tf.constant(drawn['latent'][:BLOCK_SIZE]))
  np.testing.assert_array_equal(decoded['image'], drawn['image'][:BLOCK_SIZE])


def test_classes_are_as_frequent_as_the_prior_says(drawn):
  counts = np.bincount(drawn['label'], minlength=4)
  assert counts[2] == 0  # A class without an image.
  used = PRIOR > 0
  assert stats.chisquare(counts[used],
                         counts.sum() * PRIOR[used]).pvalue > 1e-3


def test_classes_come_in_no_order(drawn):
  labels = drawn['label'][drawn['label'] != 1]
  pairs = stats.contingency.crosstab(labels[:-1:2], labels[1::2]).count
  assert stats.chi2_contingency(pairs).pvalue > 1e-3


def test_padding_is_never_drawn(drawn, of_class):
  for latents in (drawn['latent'], *of_class):
    assert np.abs(latents).max() < FAR / 1000


@pytest.mark.parametrize('label', range(4))
def test_moments_are_those_of_the_mixture(label, mixture, of_class):
  weights = special.softmax(mixture.logits[label].astype(float))
  used = weights > 0
  weights, loc = weights[used], mixture.loc[label][used].astype(float)
  factor = mixture.scale_tril[label][used].astype(float)
  mean = weights @ loc
  second = factor @ factor.swapaxes(1, 2) + loc[:, :, None] * loc[:, None]
  covariance = np.einsum('k,kij->ij', weights, second) - np.outer(mean, mean)
  z = of_class[label].astype(float)
  num_draws = len(z)
  error = np.sqrt(np.diag(covariance) / num_draws)
  assert (np.abs(z.mean(axis=0) - mean) < 4 * error).all()
  products = (z - mean)[:, :, None] * (z - mean)[:, None]
  error = products.std(axis=0) / np.sqrt(num_draws)
  assert (np.abs(products.mean(axis=0) - covariance) < 4 * error).all()


def test_a_gaussian_is_gaussian_in_every_block_and_over_all(mixture, of_class):
  """Class 1 has one component: without its factor it is white noise."""
  noise = np.linalg.solve(mixture.scale_tril[1, 0].astype(float),
                          (of_class[1] - mixture.loc[1, 0]).T)
  assert stats.kstest(noise.ravel(), 'norm').pvalue > 1e-3
  blocks = noise.reshape(2, -1, BLOCK_SIZE)
  assert stats.kstest(blocks.mean(axis=2).ravel() * np.sqrt(BLOCK_SIZE),
                      'norm').pvalue > 1e-3
  assert stats.pearsonr(*noise).pvalue > 1e-3
  assert stats.pearsonr(noise[0, :-1], noise[0, 1:]).pvalue > 1e-3
  # Two blocks side by side have nothing to do with each other.
  assert len(np.unique(noise)) > 0.99 * noise.size


def test_components_are_as_frequent_as_their_weights(decoder):
  """Seen one by one, because they are far apart and narrow."""
  weights = np.array([0.6, 0.3, 0.09, 0.01])
  loc = 100 * np.arange(8, dtype=np.float32).reshape(1, 4, 2)
  apart = Sampler(
      decoder, HEAD,
      Mixture(np.log(weights)[np.newaxis].astype(np.float32), loc,
              np.tile(np.eye(2, dtype=np.float32), [1, 4, 1, 1]),
              ('full',)), [0.0])
  latents = apart.sample(40 * BLOCK_SIZE, SEED)['latent'].numpy()
  distance = np.abs(latents[:, np.newaxis] - loc[0]).max(axis=-1)
  counts = np.bincount(distance.argmin(axis=1), minlength=4)
  assert stats.chisquare(counts, counts.sum() * weights).pvalue > 1e-3


# Which of it.


@pytest.mark.parametrize('n', [0, 1, 255, 256, 257, 600])
def test_a_sample_is_the_beginning_of_a_larger_one(n, sampler, drawn):
  _same(_numpy(sampler.sample(n, SEED)), drawn, slice(n))


@pytest.mark.parametrize('n', [0, 1, 255, 256, 257, 600])
def test_a_sample_of_labels_is_the_beginning_of_a_larger_one(n, sampler):
  labels = np.arange(900, dtype=np.int32) % 4
  larger = _numpy(sampler.sample_class(labels, SEED))
  np.testing.assert_array_equal(larger['label'], labels)
  _same(_numpy(sampler.sample_class(labels[:n], SEED)), larger, slice(n))


def test_blocks_are_parts_of_a_sample(sampler, drawn):
  _same(_numpy(sampler.sample_blocks(3, 2, SEED)), drawn,
        slice(3 * BLOCK_SIZE, 5 * BLOCK_SIZE))
  labels = drawn['label'][3 * BLOCK_SIZE:4 * BLOCK_SIZE + 1]
  _same(_numpy(sampler.sample_class_blocks(labels, SEED, 3)),
        _numpy(sampler.sample_class(drawn['label'][:2000], SEED)),
        slice(3 * BLOCK_SIZE, 4 * BLOCK_SIZE + 1))


def test_a_seed_gives_the_same_and_another_seed_others(sampler):
  first = _numpy(sampler.sample(300, SEED))
  _same(_numpy(sampler.sample(300, SEED)), first)
  for seed in ([0, 4], [1, 3], [3, 0], [0, 2**31 - 1], [-1, 3]):
    other = _numpy(sampler.sample(300, np.array(seed, np.int32)))
    assert (other['latent'] != first['latent']).all(axis=1).mean() > 0.99
    assert (other['label'] != first['label']).mean() > 0.3


def test_the_label_of_an_image_does_not_move_the_others(sampler):
  labels = np.zeros(300, np.int32)
  first = _numpy(sampler.sample_class(labels, SEED))
  labels[7] = 3
  second = _numpy(sampler.sample_class(labels, SEED))
  others = np.arange(300) != 7
  for name, part in second.items():
    np.testing.assert_array_equal(part[others], first[name][others])
  assert (second['latent'][7] != first['latent'][7]).all()


# What it thinks of latents.


def test_log_prob_is_the_prior_and_tfps_mixture(sampler, mixture):
  z = (5 * np.random.default_rng(1).normal(size=[40, 2])).astype(np.float32)
  got = sampler.latent_log_prob(z)['log_prob'].numpy()
  assert got.shape == (40, 4)
  assert np.isneginf(got[:, 2]).all()
  for label in (0, 1, 3):
    expected = np.log(PRIOR[label]) + mixture.distribution(label).log_prob(z)
    np.testing.assert_allclose(got[:, label], expected, rtol=1e-4, atol=1e-3)


def test_log_prob_is_a_density_and_the_posterior_its_share(sampler):
  """Bayes' rule, and an integral over the plane."""
  side = np.arange(-25, 25, 0.1)
  z = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
  got = _numpy(sampler.latent_log_prob(z.astype(np.float32)))
  joint = np.exp(got['log_prob'].astype(float))
  np.testing.assert_allclose(joint.sum(axis=0) * 0.01, PRIOR, atol=1e-3)
  near = joint.sum(axis=1) > 1e-20
  posterior = np.exp(got['class_log_posterior'][near].astype(float))
  np.testing.assert_allclose(posterior.sum(axis=1), 1, rtol=1e-5)
  np.testing.assert_allclose(
      posterior, joint[near] / joint[near].sum(axis=1, keepdims=True),
      atol=1e-5)


def test_far_latents_have_a_posterior_too(sampler):
  z = np.float32([[1e4, -1e4], [-3e5, 0]])
  got = _numpy(sampler.latent_log_prob(z))
  assert (got['log_prob'][:, [0, 1, 3]] < -1e4).all()
  np.testing.assert_allclose(
      special.logsumexp(got['class_log_posterior'], axis=1), 0, atol=1e-5)


def test_one_factor_draws_and_weighs_as_equal_ones_do(mixture, decoder):
  one = dataclasses.replace(mixture, scale_tril=mixture.scale_tril[:, :1])
  equal = dataclasses.replace(
      mixture, scale_tril=np.repeat(one.scale_tril, 3, axis=1))
  samplers = [Sampler(decoder, HEAD, each, np.log([0.2, 0.3, 0.1, 0.4]))
              for each in (one, equal)]
  few, many = [_numpy(each.sample(3 * BLOCK_SIZE, SEED)) for each in samplers]
  _same(few, many)
  z = few['latent'][:50]
  few, many = [_numpy(each.latent_log_prob(z)) for each in samplers]
  np.testing.assert_allclose(few['log_prob'], many['log_prob'], rtol=1e-4)
