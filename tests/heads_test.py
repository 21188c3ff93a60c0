"""Heads against SciPy."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from tfp_lgc import heads

SHAPE = (3, 4, 2)
SIZE = 24


def _case(head, seed=0):
  rng = np.random.default_rng(seed)
  params = rng.normal(size=[5, head.params_size]).astype(np.float32)
  x = rng.random([5, *SHAPE]).astype(np.float32)
  return params, x


def _bernoulli_log_prob(params, x):
  p = special.expit(params.astype(np.float64)).reshape(x.shape)
  return (x * np.log(p) + (1 - x) * np.log1p(-p)).sum(axis=(1, 2, 3))


def _normal_unit_log_prob(params, x):
  return stats.norm.logpdf(x, params.reshape(x.shape), 1).sum(axis=(1, 2, 3))


def _normal_diag_log_prob(params, x):
  loc, raw = params[:, :SIZE], params[:, SIZE:]
  scale = 0.05 + np.logaddexp(0, raw)
  return stats.norm.logpdf(x, loc.reshape(x.shape),
                           scale.reshape(x.shape)).sum(axis=(1, 2, 3))


# Head -> params size, log-probability by SciPy, and its point image.
REFERENCE = {
    'bernoulli': (SIZE, _bernoulli_log_prob, special.expit),
    'normal_unit': (SIZE, _normal_unit_log_prob, lambda p: p),
    'normal_diag': (2 * SIZE, _normal_diag_log_prob, lambda p: p[:, :SIZE]),
}


def test_every_head_has_a_reference():
  assert set(REFERENCE) == set(heads.HEADS)


@pytest.mark.parametrize('name', heads.HEADS)
def test_log_prob_equals_scipy(name):
  head = heads.HEADS[name](SHAPE, 0.05)
  params, x = _case(head)
  params_size, log_prob, _ = REFERENCE[name]
  assert head.params_size == params_size
  np.testing.assert_allclose(head(params).log_prob(x), log_prob(params, x),
                             rtol=1e-5)


@pytest.mark.parametrize('name', heads.HEADS)
def test_point_is_the_mean_within_0_and_1(name):
  head = heads.HEADS[name](SHAPE, 0.05)
  params, _ = _case(head)
  got = head.point_image(tf.constant(params)).numpy()
  expected = np.clip(REFERENCE[name][2](params), 0, 1).reshape([5, *SHAPE])
  np.testing.assert_allclose(got, expected, atol=1e-6)
  np.testing.assert_allclose(
      got, np.clip(head(params).mean(), 0, 1), atol=1e-6)


@pytest.mark.parametrize('name', heads.HEADS)
def test_gradients_reach_every_parameter(name):
  head = heads.HEADS[name](SHAPE, 0.05)
  params, x = _case(head)
  params = tf.constant(params)
  with tf.GradientTape() as tape:
    tape.watch(params)
    loss = tf.reduce_sum(head(params).log_prob(x))
  assert (tape.gradient(loss, params).numpy() != 0).all()


@pytest.mark.parametrize('name', heads.HEADS)
@pytest.mark.parametrize('pixel', [0.0, 1.0])
@pytest.mark.parametrize('level', [-100.0, 0.0, 100.0])
def test_finite_on_black_and_white_images(name, pixel, level):
  head = heads.HEADS[name](SHAPE, 0.05)
  params = tf.fill([2, head.params_size], level)
  with tf.GradientTape() as tape:
    tape.watch(params)
    loss = tf.reduce_sum(head(params).log_prob(tf.fill([2, *SHAPE], pixel)))
  assert np.isfinite(loss)
  assert np.isfinite(tape.gradient(loss, params)).all()


def test_a_learned_scale_has_its_floor():
  head = heads.normal_diag(SHAPE, min_stddev=0.2)
  params = np.full([1, head.params_size], -50.0, np.float32)
  np.testing.assert_allclose(head(params).stddev(), 0.2, rtol=1e-6)


def test_any_batch_shape():
  head = heads.normal_diag(SHAPE)
  distribution = head(tf.zeros([7, 2, head.params_size]))
  assert tuple(distribution.batch_shape) == (7, 2)
  assert tuple(distribution.event_shape) == SHAPE
