"""Log-densities of heads, against SciPy and TFP."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from head_cases import (
  case_of,
  factor_of,
  FLOOR,
  head_of,
  NAMES,
  SHAPE,
  SIZE,
  softplus,
)
from scipy import special, stats

from tfp_lgc import heads
from tfp_lgc.config import ModelConfig

tfd = tfp.distributions


# Log-densities of one image by SciPy. A case is a dict of blocks, float64.


def _covariance(b, structure):
  factor = factor_of(b.get('scale'), structure, SIZE)
  return factor @ factor.T


def _row_and_column(b, structure, c):
  factors = [factor_of(b[name][c] if name in b else None, structure, n,
                       math.sqrt(FLOOR))
             for name, n in (('rows', 3), ('columns', 4))]
  return [factor @ factor.T for factor in factors]


def _bernoulli(b, x):
  p = special.expit(b['logits'])
  return (x * np.log(p) + (1 - x) * np.log1p(-p)).sum()


def _continuous_bernoulli(b, x):
  """An exponential density, cut off at 0 and at 1."""
  return sum(stats.truncexpon.logpdf(x if logit < 0 else 1 - x, abs(logit),
                                     scale=1 / abs(logit))
             for logit, x in zip(b['logits'].ravel(), x.ravel()))


def _normal(structure):
  return lambda b, x: stats.multivariate_normal.logpdf(
      x.ravel(), b['loc'].ravel(), _covariance(b, structure))


def _student_t(structure):
  return lambda b, x: stats.multivariate_t.logpdf(
      x.ravel(), b['loc'].ravel(), _covariance(b, structure),
      df=softplus(b['df'], 1e-6))


def _matrix_normal(structure):
  return lambda b, x: sum(stats.matrix_normal.logpdf(
      x[..., c], b['loc'][..., c], *_row_and_column(b, structure, c))
                          for c in range(2))


def _matrix_t(structure):
  return lambda b, x: sum(stats.multivariate_t.logpdf(
      x[..., c].ravel(), b['loc'][..., c].ravel(),
      np.kron(*_row_and_column(b, structure, c)),
      df=softplus(b['df'][c], 1e-6)) for c in range(2))


def _maf(b, x):
  """One pixel after the other, by the weights of the flow of `head_of`."""
  weights = {name: variable.numpy().astype(float)
             for name, variable in head_of('maf').weights.items()}
  x, total = x.ravel(), 0.0
  for i in range(SIZE):
    before = np.where(np.arange(SIZE) < i, x, 0)
    hidden = np.maximum(
        before @ weights['hidden/kernel'] + weights['hidden/bias'], 0)
    out = hidden @ weights['params/kernel'] + weights['params/bias']
    shift, raw = out.reshape(SIZE, 2)[i]
    scale = softplus(raw)
    total += stats.norm.logpdf((x[i] - shift) / scale, b['loc'].ravel()[i])
    total -= np.log(scale)
  return total


# Head -> log-density by SciPy, and how many numbers it takes.
REFERENCE = {
    'bernoulli': (_bernoulli, SIZE),
    'continuous_bernoulli': (_continuous_bernoulli, SIZE),
    'mse': (_normal('unit'), SIZE),
    'normal_unit': (_normal('unit'), SIZE),
    'normal_diag': (_normal('diag'), 2 * SIZE),
    'normal_full': (_normal('full'), SIZE + 300),
    'student_t_unit': (_student_t('unit'), 1 + SIZE),
    'student_t_diag': (_student_t('diag'), 1 + 2 * SIZE),
    'student_t_full': (_student_t('full'), 1 + SIZE + 300),
    'matrix_normal_unit': (_matrix_normal('unit'), SIZE),
    'matrix_normal_diag': (_matrix_normal('diag'), SIZE + 2 * 7),
    'matrix_normal_full': (_matrix_normal('full'), SIZE + 2 * 16),
    'matrix_t_unit': (_matrix_t('unit'), 2 + SIZE),
    'matrix_t_diag': (_matrix_t('diag'), 2 + SIZE + 2 * 7),
    'matrix_t_full': (_matrix_t('full'), 2 + SIZE + 2 * 16),
    'maf': (_maf, SIZE),
}


def _log_probs(name, blocks, x):
  """`[N]` of N images."""
  return np.array([REFERENCE[name][0](
      {key: np.float64(value[i]) for key, value in blocks.items()},
      np.float64(x[i])) for i in range(len(x))])


def test_every_head_has_a_reference():
  assert set(REFERENCE) == set(heads.HEADS)


@pytest.mark.parametrize('name', NAMES)
def test_log_prob_equals_scipy(name):
  head = head_of(name)
  params, x = case_of(head)
  assert head.params_size == REFERENCE[name][1]
  distribution = head(params)
  assert tuple(distribution.batch_shape) == (5,)
  assert tuple(distribution.event_shape) == SHAPE
  np.testing.assert_allclose(
      distribution.log_prob(x), _log_probs(name, head.split(params), x),
      rtol=1e-4)


@pytest.mark.parametrize('name', [n for n in NAMES if n != 'maf'])
def test_a_mixture_is_the_weighted_sum_of_its_components(name):
  head = head_of(name, 3)
  params, x = case_of(head)
  assert head.params_size == 3 * (1 + REFERENCE[name][1])
  blocks = {key: value.numpy() for key, value in head.split(params).items()}
  logits = blocks.pop('mixture_logits')
  parts = [_log_probs(name, {key: value[:, k] for key, value in blocks.items()},
                      x) for k in range(3)]
  expected = special.logsumexp(
      special.log_softmax(logits, axis=1) + np.stack(parts, axis=1), axis=1)
  distribution = head(params)
  np.testing.assert_allclose(distribution.log_prob(x), expected, rtol=1e-4)
  assert isinstance(distribution, tfd.MixtureSameFamily)


def test_a_mixture_of_flows_is_a_flow_over_a_mixture():
  """At u, the density of the mixture; what the flow adds does not know it."""
  head, plain = head_of('maf', 3), head_of('maf')
  params, x = case_of(head)
  loc = np.zeros([5, SIZE], np.float32)
  added = plain(loc).log_prob(x) - head_of('normal_unit')(loc).log_prob(
      _inverse(plain, x))
  expected = added + head_of('normal_unit', 3)(params).log_prob(
      _inverse(plain, x))
  np.testing.assert_allclose(head(params).log_prob(x), expected, rtol=1e-4)


def _inverse(head, x):
  """What images were before the flow."""
  return head(np.zeros([5, SIZE], np.float32)).bijector.inverse(x)


@pytest.mark.parametrize('num_components', [0, 10])
@pytest.mark.parametrize('name', NAMES)
def test_gradients_reach_every_parameter_at_the_start(name, num_components):
  """Of every component, where an image has the size of real ones."""
  # A full covariance of that many pixels is refused.
  is_large = name in ('normal_full', 'student_t_full')
  shape = (6, 5, 3) if is_large else (28, 28, 1)
  head = head_of(name, num_components, shape)
  params, x = case_of(head, num_images=3)
  x = np.concatenate([x[:2], np.zeros_like(x[:1])])  # One is black.
  params = tf.constant(head.start * params)
  with tf.GradientTape() as tape:
    tape.watch(params)
    tape.watch(list(head.weights.values()))
    loss = -tf.reduce_mean(head(params).log_prob(x))
  gradient, of_weights = tape.gradient(loss, [params, head.weights])
  assert np.isfinite(loss)
  assert np.isfinite(gradient).all()
  assert (gradient.numpy() != 0).any(axis=0).all()
  for part, value in of_weights.items():
    assert np.isfinite(value).all()
    assert (value.numpy() != 0).any(), part


def test_one_component_is_the_plain_distribution_and_a_logit_for_nothing():
  for name in NAMES:
    plain, single = head_of(name), head_of(name, 1)
    params, x = case_of(plain)
    logit = np.full([5, 1], 7, np.float32)
    assert single.params_size == 1 + plain.params_size
    np.testing.assert_allclose(
        single(np.hstack([logit, params])).log_prob(x),
        plain(params).log_prob(x), rtol=1e-5)
    assert single.start == plain.start == 1


def test_pixels_that_are_almost_certain_keep_their_log_density():
  """Where x l and ln(1 + e^l) cancel."""
  logits = np.array([-100., -20., 0.0, 20., 100.], np.float32)
  head = heads.build(ModelConfig(head='bernoulli'), (1, 1, 1), 0)
  for x in (0.0, 0.25, 1.0):
    got = [float(head(np.array([[logit]])).log_prob(np.full([1, 1, 1], x,
                                                            np.float32))[0])
           for logit in logits]
    wanted = (x * special.log_expit(logits.astype(float))
              + (1 - x) * special.log_expit(-logits.astype(float)))
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize('name', NAMES)
def test_batches_may_be_of_unknown_size(name):
  """Where TFP's own matrix distributions fail."""
  head = head_of(name, 2)
  params, x = case_of(head)

  @tf.function(input_signature=[
      tf.TensorSpec([None, head.params_size]), tf.TensorSpec([None, *SHAPE])])
  def results(params, x):
    return (tf.autograph.experimental.do_not_convert(
        lambda: head(params).log_prob(x))(), head.point_image(params))

  log_prob, point = results(params, x)
  np.testing.assert_allclose(log_prob, head(params).log_prob(x), rtol=1e-4)
  np.testing.assert_allclose(point, head.point_image(params), atol=1e-5)
