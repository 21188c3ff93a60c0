"""Penalties against formulas in NumPy."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import special, stats

from tfp_lgc import losses, networks, priors
from tfp_lgc.config import ModelConfig

tfd = tfp.distributions


def test_kl_equals_the_closed_form():
  rng = np.random.default_rng(0)
  loc = rng.normal(size=[6, 3])
  scale = rng.uniform(0.1, 2.0, [6, 3])
  posterior = tfd.MultivariateNormalDiag(loc.astype(np.float32),
                                         scale.astype(np.float32))
  # Kingma and Welling 2014, appendix B.
  expected = -0.5 * (1 + np.log(scale**2) - loc**2 - scale**2).sum(axis=1)
  got = losses.kl_standard_normal(posterior, z=None, labels=None)
  np.testing.assert_allclose(got, expected.mean(), rtol=1e-5)


def _contrastive_by_loops(z, labels, form, temperature):
  """Both equations of Khosla et al. as they are printed."""
  z = z / np.linalg.norm(z, axis=1, keepdims=True)
  terms = []
  for i in range(len(z)):
    others = [a for a in range(len(z)) if a != i]
    positives = [p for p in others if labels[p] == labels[i]]
    if not positives:
      continue
    exps = {a: np.exp(z[i] @ z[a] / temperature) for a in others}
    shares = [exps[p] / sum(exps.values()) for p in positives]
    terms.append(-np.mean(np.log(shares)) if form == 'mean_of_logs'
                 else -np.log(np.sum(shares)))
  return np.mean(terms) if terms else 0.0


@pytest.mark.parametrize('form', ['mean_of_logs', 'log_of_sums'])
@pytest.mark.parametrize('labels', [
    [0, 0, 1, 1, 1, 2], [0, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5]],
    ids=['one without a positive', 'one class', 'no anchor'])
def test_contrastive_loss_equals_a_double_loop(form, labels):
  z = np.random.default_rng(0).normal(size=[6, 3]).astype(np.float32)
  got = losses.supervised_contrastive(None, tf.constant(z),
                                      tf.constant(labels), form, 0.5)
  np.testing.assert_allclose(
      got, _contrastive_by_loops(z, labels, form, 0.5), rtol=1e-5, atol=1e-6)


def test_contrastive_gradients_are_finite_even_at_zero():
  z = tf.Variable(tf.zeros([4, 3]))
  with tf.GradientTape() as tape:
    loss = losses.supervised_contrastive(None, z, tf.constant([0, 0, 1, 2]))
  assert np.isfinite(tape.gradient(loss, z)).all()


def test_center_loss_by_hand():
  center = losses.CenterLoss(2, 2)
  center.centers.assign([[1.0, 0.0], [0.0, 2.0]])
  z = tf.constant([[1.0, 0.0], [0.0, 0.0], [3.0, 2.0]])
  # Squares 0, 4, 9, a half of their mean.
  assert float(center(None, z, tf.constant([0, 1, 1]))) == pytest.approx(13 / 6)


def _prior(separation=3.0, count=3, size=4):
  return priors.separated(ModelConfig(
      latent_size=size, prior_num_components=count,
      prior_separation=separation))


def _draw(prior, num, rng):
  component = rng.integers(0, len(prior.loc), num)
  return (prior.loc[component]
          + rng.normal(size=[num, prior.loc.shape[1]])).astype(np.float32)


def test_cdf_distance_by_its_definition():
  prior = _prior()
  z = _draw(prior, 50, np.random.default_rng(0))
  expected = 0.0
  for j in range(z.shape[1]):
    for i, value in enumerate(np.sort(z[:, j]), 1):
      cdf = np.mean(stats.norm.cdf(value, prior.loc[:, j], 1.0))
      expected += (cdf - i / len(z))**2 / z.size
  np.testing.assert_allclose(losses.cdf_distance(tf.constant(z), prior),
                             expected, rtol=1e-4)


@pytest.mark.parametrize('batch_size', [20, 100])
def test_expected_cdf_distance_is_what_draws_have_on_average(batch_size):
  prior, rng = _prior(), np.random.default_rng(0)
  values = [float(losses.cdf_distance(
      tf.constant(_draw(prior, batch_size, rng)), prior)) for _ in range(200)]
  error = np.std(values) / np.sqrt(len(values))
  expected = losses.expected_cdf_distance(batch_size)
  assert abs(np.mean(values) - expected) < 4 * error


def test_expected_cdf_distance_of_the_papers_batch():
  # The authors weigh by 1 / 1.68333e-3 = 594.06 for batches of 100.
  weight = 1 / losses.expected_cdf_distance(100)
  assert weight == pytest.approx(594.06, abs=0.01)


def test_covariance_distance_equals_numpy():
  prior = _prior()
  rng = np.random.default_rng(0)
  z = _draw(prior, 50, rng)
  # Of very many draws the covariance is that of the mixture.
  theirs = np.cov(_draw(prior, 500_000, rng).T)
  expected = np.mean((np.cov(z.T, bias=True) - theirs)**2)
  np.testing.assert_allclose(losses.covariance_distance(tf.constant(z), prior),
                             expected, rtol=0.02)


def test_expected_covariance_distance_of_the_papers_prior():
  # Ten one-hot means in ten dimensions, batches of 100: 0.01291.
  prior = _prior(separation=np.sqrt(2), count=10, size=10)
  got = losses.expected_covariance_distance(prior, 100, num_draws=500)
  assert got == pytest.approx(0.01291, rel=0.03)


@pytest.mark.parametrize(
    'change', [lambda z, t: z + t, lambda z, t: z * (1 + t)],
    ids=['shifted', 'scaled'])
@pytest.mark.parametrize('distance', [losses.cdf_distance,
                                      losses.covariance_distance])
def test_distances_grow_with_the_difference(change, distance):
  prior = _prior()
  z = _draw(prior, 2000, np.random.default_rng(0))
  values = [float(distance(tf.constant(change(z, t), tf.float32), prior))
            for t in (0.0, 0.5, 1.0)]
  if distance is losses.covariance_distance and change(0.0, 1.0) != 0.0:
    # A covariance does not see a shift; the other distance does.
    np.testing.assert_allclose(values, values[0], rtol=1e-2)
  else:
    assert values[0] < values[1] < values[2]


def _teacher():
  return networks.teacher((6, 7, 1), 3, seed=2)


def test_feature_distance_equals_its_definition():
  rng = np.random.default_rng(0)
  x, point = rng.uniform(size=[2, 9, 6, 7, 1]).astype(np.float32)
  teacher = _teacher()
  logits, *wanted = [part.numpy().astype(float) for part in teacher(x)]
  point_logits, *got = [part.numpy().astype(float) for part in teacher(point)]
  expected = np.mean([
      stats.entropy(special.softmax(a), special.softmax(b))
      for a, b in zip(logits, point_logits)])
  for a, b in zip(wanted, got):
    expected += np.mean((a - b)**2) / np.mean(a.var(axis=0))
  np.testing.assert_allclose(losses.feature_distance(teacher, x, point),
                             expected, rtol=1e-4)


def test_feature_distance_of_an_image_from_itself_is_zero():
  x = tf.constant(np.random.default_rng(0).uniform(size=[4, 6, 7, 1]),
                  tf.float32)
  assert losses.feature_distance(_teacher(), x, x) == 0.0
  same = tf.repeat(x[:1], 4, axis=0)  # Features without a variance.
  with tf.GradientTape() as tape:
    tape.watch(same)
    loss = losses.feature_distance(_teacher(), same, same)
  assert np.isfinite(tape.gradient(loss, same)).all()
