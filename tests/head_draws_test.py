"""Variances and draws of heads, against TFP and by their moments."""

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
  T,
  t_case_of,
)
from scipy import stats

tfd = tfp.distributions


def _of_matrices(name, head, params):
  """TFP's own distribution of the channels, `[5, C]` of `[H, W]`."""
  blocks = {key: value.numpy().astype(float)
            for key, value in head.split(params).items()}
  structure = name.split('_')[-1]
  scales = [tf.linalg.LinearOperatorLowerTriangular(np.stack([
      [factor_of(blocks[key][i, c] if key in blocks else None, structure, n,
                 math.sqrt(FLOOR)) for c in range(2)] for i in range(5)]))
            for key, n in (('rows', 3), ('columns', 4))]
  loc = np.moveaxis(blocks['loc'], -1, 1)
  if 'df' in blocks:
    return tfd.MatrixTLinearOperator(softplus(blocks['df'], 1e-6), loc,
                                     *scales)
  return tfd.MatrixNormalLinearOperator(loc, *scales)


@pytest.mark.parametrize('name', [n for n in NAMES if n.startswith('matrix')])
def test_matrices_are_as_tfps(name):
  head = head_of(name)
  params, x = case_of(head)
  expected = _of_matrices(name, head, params).log_prob(
      np.moveaxis(x, -1, 1).astype(float))
  np.testing.assert_allclose(head(params).log_prob(x),
                             np.sum(expected, axis=1), rtol=1e-4)


@pytest.mark.parametrize('name', [n for n in NAMES if n != 'maf'])
def test_variance_is_tfps(name):
  head, params, _ = t_case_of(name, df=5.0)
  distribution = head(params)
  if name.startswith('matrix'):
    expected = np.moveaxis(_of_matrices(name, head, params).variance(), 1, -1)
  elif isinstance(distribution, tfd.TransformedDistribution):
    expected = np.reshape(distribution.distribution.variance(), [5, *SHAPE])
  else:
    expected = distribution.variance()
  np.testing.assert_allclose(head.variance_image(params), expected, rtol=1e-4)


@pytest.mark.parametrize('name', [n for n in NAMES if n != 'maf'])
def test_variance_of_a_mixture_is_that_within_and_between(name):
  """By the law of total variance, from means and variances of components."""
  head, params, _ = t_case_of(name, 3, df=5.0)
  blocks = head.split(params)
  weights = np.exp(blocks.pop('mixture_logits'))
  weights /= weights.sum(axis=-1, keepdims=True)
  mean, variance = (np.asarray(function(blocks), float) for function in (
      head.component.mean, head.component.variance))  # [5, 3, H, W, C]
  total = np.einsum('nk,nkhwc->nhwc', weights, mean)
  expected = np.einsum('nk,nkhwc->nhwc', weights,
                       variance + (mean - total[:, np.newaxis])**2)
  np.testing.assert_allclose(head.variance_image(params), expected, rtol=1e-3)


def test_variance_of_a_flow_is_about_that_of_its_draws():
  head, params, _ = t_case_of('maf', df=5.0)
  draws = head(params[:1]).sample(2000, seed=(1, 2)).numpy()[:, 0]
  got = head.variance_image(params[:1])[0]
  # Of 50 draws: a fifth of it is its standard error.
  ratio = np.asarray(got) / draws.var(axis=0)
  assert 0.2 < ratio.min() and ratio.max() < 3
  assert ratio.mean() == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize('name', T)
@pytest.mark.parametrize('df', [0.5, 1.5, 1.999])
def test_a_t_of_few_degrees_of_freedom_has_no_variance(name, df):
  for num_components in (0, 3):
    head, params, _ = t_case_of(name, num_components, df)
    assert np.isnan(head.variance_image(params)).all()
    assert np.isfinite(head.point_image(params)).all()


@pytest.mark.parametrize('num_components', [0, 3])
@pytest.mark.parametrize('name', NAMES)
def test_draws_have_the_moments_of_the_distribution(name, num_components):
  head, params, _ = t_case_of(name, num_components, df=12.0)
  num_draws = 4000
  blocks = head.split(np.repeat(params[:1], num_draws, axis=0))
  draws = head.noise(blocks, tf.constant([1, 2]), False).numpy()
  assert len(np.unique(draws[:, 0, 0, 0])) > (
      1 if name == 'bernoulli' else 0.99 * num_draws)
  blocks = head.split(params[:1])
  mean, variance = head.mean(blocks)[0], head.variance(blocks)[0].numpy()
  error = np.sqrt(variance / num_draws)
  assert (np.abs(draws.mean(0) - mean) < 5 * error + 1e-6).all()
  np.testing.assert_allclose(draws.var(0), variance, rtol=0.4)


@pytest.mark.parametrize('name', NAMES)
def test_draws_are_of_the_density(name):
  """The mean of their log-density is that of TFP's own draws."""
  head, params, _ = t_case_of(name, df=6.0)
  num_draws = 4000
  params = np.repeat(params[:1], num_draws, axis=0)
  drawn = head.noise(head.split(params), tf.constant([3, 4]), False)
  if head.flow:
    drawn = head.flow.forward(drawn)
  ours = head(params).log_prob(drawn).numpy()
  theirs = head(params[0]).log_prob(
      head(params[0]).sample(num_draws, seed=(5, 6))).numpy()
  error = np.hypot(ours.std(), theirs.std()) / np.sqrt(num_draws)
  assert abs(ours.mean() - theirs.mean()) < 4 * error
  assert stats.ks_2samp(ours, theirs).pvalue > 1e-4


def test_a_flow_goes_forward_as_tfps():
  head = head_of('maf')
  _, u = case_of(head)
  bijector = head(np.zeros([5, SIZE], np.float32)).bijector
  np.testing.assert_allclose(head.flow.forward(tf.constant(u)),
                             bijector.forward(u), rtol=1e-4, atol=1e-5)


def test_a_seed_gives_the_same_and_another_seed_another_image():
  for name in NAMES:
    head = head_of(name, 2)
    params, _ = case_of(head)
    first = head.draw_image(params, tf.constant([0, 1]))
    assert (first.numpy() >= 0).all() and (first.numpy() <= 1).all()
    np.testing.assert_array_equal(
        head.draw_image(params, tf.constant([0, 1])), first)
    assert (head.draw_image(params, tf.constant([0, 2])) != first).numpy().any()
