"""Heads against SciPy, and against what TFP says of them."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import special, stats

from tfp_lgc import heads
from tfp_lgc.config import ModelConfig
from tfp_lgc.errors import ConfigError
from tfp_lgc.head import mixture
from tfp_lgc.likelihoods import Options

tfd = tfp.distributions

SHAPE = (3, 4, 2)
SIZE = 24
FLOOR = 0.05
NAMES = list(heads.HEADS)
NORMAL = [name for name in NAMES if 'normal' in name or name == 'mse']
T = [name for name in NAMES if '_t_' in name]


def _head(name, num_components=0, shape=SHAPE, **settings):
  return heads.build(ModelConfig(
      head=name, head_num_components=num_components, **settings), shape, seed=3)


def _case(head, seed=0, num_images=5):
  rng = np.random.default_rng(seed)
  # SciPy takes a covariance of large factors for a singular one.
  params = 0.3 * rng.normal(size=[num_images, head.params_size])
  params = params.astype(np.float32)
  x = rng.random([num_images, *head.event_shape]).astype(np.float32)
  return params, x


# Log-densities of one image by SciPy. A case is a dict of blocks, float64.


def _softplus(raw, low=FLOOR):
  return low + np.logaddexp(0, raw)


def _triangle(raw, n, low):
  """TFP fills a triangle in an order of its own; the rest is plain."""
  factor = np.array(tfp.math.fill_triangular(raw))
  factor[np.diag_indices(n)] = _softplus(np.diag(factor), low)
  return factor


def _factor(raw, structure, n, low=FLOOR):
  if structure == 'unit':
    return np.eye(n)
  if structure == 'diag':
    return np.diag(_softplus(raw.ravel(), low))
  return _triangle(raw, n, low)


def _covariance(b, structure):
  factor = _factor(b.get('scale'), structure, SIZE)
  return factor @ factor.T


def _row_and_column(b, structure, c):
  factors = [_factor(b[name][c] if name in b else None, structure, n,
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
      df=_softplus(b['df'], 1e-6))


def _matrix_normal(structure):
  return lambda b, x: sum(stats.matrix_normal.logpdf(
      x[..., c], b['loc'][..., c], *_row_and_column(b, structure, c))
                          for c in range(2))


def _matrix_t(structure):
  return lambda b, x: sum(stats.multivariate_t.logpdf(
      x[..., c].ravel(), b['loc'][..., c].ravel(),
      np.kron(*_row_and_column(b, structure, c)),
      df=_softplus(b['df'][c], 1e-6)) for c in range(2))


def _maf(b, x):
  """One pixel after the other, by the weights of the flow of `_head`."""
  weights = {name: variable.numpy().astype(float)
             for name, variable in _head('maf').weights.items()}
  x, total = x.ravel(), 0.0
  for i in range(SIZE):
    before = np.where(np.arange(SIZE) < i, x, 0)
    hidden = np.maximum(
        before @ weights['hidden/kernel'] + weights['hidden/bias'], 0)
    out = hidden @ weights['params/kernel'] + weights['params/bias']
    shift, raw = out.reshape(SIZE, 2)[i]
    scale = _softplus(raw)
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
  head = _head(name)
  params, x = _case(head)
  assert head.params_size == REFERENCE[name][1]
  distribution = head(params)
  assert tuple(distribution.batch_shape) == (5,)
  assert tuple(distribution.event_shape) == SHAPE
  np.testing.assert_allclose(
      distribution.log_prob(x), _log_probs(name, head.split(params), x),
      rtol=1e-4)


@pytest.mark.parametrize('name', [n for n in NAMES if n != 'maf'])
def test_a_mixture_is_the_weighted_sum_of_its_components(name):
  head = _head(name, 3)
  params, x = _case(head)
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
  head, plain = _head('maf', 3), _head('maf')
  params, x = _case(head)
  loc = np.zeros([5, SIZE], np.float32)
  added = plain(loc).log_prob(x) - _head('normal_unit')(loc).log_prob(
      _inverse(plain, x))
  expected = added + _head('normal_unit', 3)(params).log_prob(
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
  head = _head(name, num_components, shape)
  params, x = _case(head, num_images=3)
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
    plain, single = _head(name), _head(name, 1)
    params, x = _case(plain)
    logit = np.full([5, 1], 7, np.float32)
    assert single.params_size == 1 + plain.params_size
    np.testing.assert_allclose(
        single(np.hstack([logit, params])).log_prob(x),
        plain(params).log_prob(x), rtol=1e-5)
    assert single.start == plain.start == 1


@pytest.mark.parametrize('num_components', [0, 10])
@pytest.mark.parametrize('min_stddev', [1e-6, 0.05])
@pytest.mark.parametrize('name', NAMES)
def test_finite_on_constant_images(name, min_stddev, num_components):
  """Black, gray and white, each with parameters near and far."""
  head = _head(name, num_components, min_stddev=min_stddev)
  # A triangle of numbers that large has no inverse in float32.
  far = 0.1 if name.endswith('full') else 100.0
  pixels, levels = np.meshgrid([0.0, 0.5, 1.0], [-far, 0.0, far])
  params = tf.constant(np.tile(levels.reshape(-1, 1), head.params_size),
                       tf.float32)
  x = np.broadcast_to(pixels.reshape(-1, 1, 1, 1), [9, *SHAPE])
  with tf.GradientTape() as tape:
    tape.watch(params)
    log_prob = head(params).log_prob(x.astype(np.float32))
  assert np.isfinite(log_prob).all()
  assert np.isfinite(tape.gradient(log_prob, params)).all()
  assert np.isfinite(head.point_image(params)).all()
  assert np.isfinite(head.draw_image(params, [0, 1])).all()


# The one image.


@pytest.mark.parametrize('num_components', [0, 1, 3])
@pytest.mark.parametrize('name', ['bernoulli', 'continuous_bernoulli', *NORMAL])
def test_point_is_the_mean_within_0_and_1(name, num_components):
  head = _head(name, num_components)
  params, _ = _case(head)
  mean = head.mean(head.split(params))
  distribution = head(params)
  if num_components:
    weights = distribution.mixture_distribution.probs_parameter()
    means = distribution.components_distribution.mean()
    expected = np.einsum('nk,nkhwc->nhwc', weights, means)
  else:
    expected = distribution.mean()
  np.testing.assert_allclose(mean, expected, atol=1e-5)
  np.testing.assert_allclose(head.point_image(params),
                             np.clip(expected, 0, 1), atol=1e-5)


@pytest.mark.parametrize('name', T)
def test_point_of_a_t_is_its_location(name):
  for num_components in (0, 1):
    head = _head(name, num_components)
    params, _ = _case(head)
    loc = head.split(params)['loc'].numpy().reshape([5, *SHAPE])
    np.testing.assert_array_equal(head.point_image(params), np.clip(loc, 0, 1))


@pytest.mark.parametrize('name', T)
def test_point_of_a_mixture_of_t_is_where_it_is_densest(name):
  head = _head(name, 4)
  params, _ = _case(head, num_images=8)
  locs = head.split(params)['loc'].numpy()
  densities = [head(params).log_prob(locs[:, k]) for k in range(4)]
  points, got = head.component_images(params)
  np.testing.assert_array_equal(points, locs)
  np.testing.assert_allclose(got, np.transpose(densities), rtol=1e-5)
  best = np.argmax(densities, axis=0)
  assert len(set(best)) > 1
  np.testing.assert_array_equal(head.point_image(params),
                                np.clip(locs[range(8), best], 0, 1))


def test_component_images_are_those_of_a_mixture():
  head = _head('bernoulli', 3)
  params, _ = _case(head)
  points, _ = head.component_images(params)
  weights = special.softmax(head.split(params)['mixture_logits'], axis=1)
  np.testing.assert_allclose(np.einsum('nk,nkhwc->nhwc', weights, points),
                             head.point_image(params), atol=1e-6)
  for head in (_head('bernoulli'), _head('maf', 2)):
    with pytest.raises(ValueError, match='no components'):
      head.component_images(params)


def test_point_of_a_flow_is_the_mean_of_draws():
  head = _head('maf', 2)
  params, _ = _case(head)
  many = head.split(tf.tile(params[tf.newaxis], [2000, 1, 1]))
  draws = head.flow.forward(
      head.noise(many, tf.constant([7, 1]), False)).numpy()
  point = np.mean(head._flow_draws(head.flow, params), axis=0)
  # Fifty draws are off by a seventh of a standard deviation.
  off = (point - draws.mean(0)) / draws.std(0)
  assert 0.05 < np.std(off) < 0.25
  np.testing.assert_allclose(head.point_image(params), np.clip(point, 0, 1),
                             atol=1e-6)
  # It is the image's own, whatever it is decoded with.
  np.testing.assert_allclose(head.point_image(params[3:]),
                             head.point_image(params)[3:], atol=1e-6)


def test_a_location_may_have_a_sigmoid():
  for name in ('normal_unit', 'student_t_diag', 'matrix_normal_full',
               'matrix_t_unit'):
    head = _head(name, loc_activation='sigmoid')
    params, _ = _case(head)
    loc = special.expit(head.split(params)['loc'])
    np.testing.assert_allclose(head.point_image(params), loc, rtol=1e-5)
    blocks = {key: value.numpy().reshape(5, -1)
              for key, value in head.split(params).items()}
    blocks['loc'] = loc.reshape(5, -1)
    linear = _head(name)(np.concatenate(list(blocks.values()), axis=1))
    np.testing.assert_allclose(head(params).log_prob(loc),
                               linear.log_prob(loc), rtol=1e-5)


# Variances and draws.


def _t_case(name, num_components=0, df=None):
  """As `_case`, with given degrees of freedom."""
  head = _head(name, num_components)
  params, x = _case(head)
  if 'df' in head.blocks:
    blocks = {key: value.numpy() for key, value in head.split(params).items()}
    blocks['df'][:] = np.log(np.expm1(df))
    params = np.concatenate(
        [value.reshape(5, -1) for value in blocks.values()], axis=1)
  return head, params, x


def _of_matrices(name, head, params):
  """TFP's own distribution of the channels, `[5, C]` of `[H, W]`."""
  blocks = {key: value.numpy().astype(float)
            for key, value in head.split(params).items()}
  structure = name.split('_')[-1]
  scales = [tf.linalg.LinearOperatorLowerTriangular(np.stack([
      [_factor(blocks[key][i, c] if key in blocks else None, structure, n,
               math.sqrt(FLOOR)) for c in range(2)] for i in range(5)]))
            for key, n in (('rows', 3), ('columns', 4))]
  loc = np.moveaxis(blocks['loc'], -1, 1)
  if 'df' in blocks:
    return tfd.MatrixTLinearOperator(_softplus(blocks['df'], 1e-6), loc,
                                     *scales)
  return tfd.MatrixNormalLinearOperator(loc, *scales)


@pytest.mark.parametrize('name', [n for n in NAMES if n.startswith('matrix')])
def test_matrices_are_as_tfps(name):
  head = _head(name)
  params, x = _case(head)
  expected = _of_matrices(name, head, params).log_prob(
      np.moveaxis(x, -1, 1).astype(float))
  np.testing.assert_allclose(head(params).log_prob(x),
                             np.sum(expected, axis=1), rtol=1e-4)


@pytest.mark.parametrize('name', NAMES)
def test_batches_may_be_of_unknown_size(name):
  """Where TFP's own matrix distributions fail."""
  head = _head(name, 2)
  params, x = _case(head)

  @tf.function(input_signature=[
      tf.TensorSpec([None, head.params_size]), tf.TensorSpec([None, *SHAPE])])
  def results(params, x):
    return (tf.autograph.experimental.do_not_convert(
        lambda: head(params).log_prob(x))(), head.point_image(params))

  log_prob, point = results(params, x)
  np.testing.assert_allclose(log_prob, head(params).log_prob(x), rtol=1e-4)
  np.testing.assert_allclose(point, head.point_image(params), atol=1e-5)


@pytest.mark.parametrize('name', [n for n in NAMES if n != 'maf'])
def test_variance_is_tfps(name):
  head, params, _ = _t_case(name, df=5.0)
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
  head, params, _ = _t_case(name, 3, df=5.0)
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
  head, params, _ = _t_case('maf', df=5.0)
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
    head, params, _ = _t_case(name, num_components, df)
    assert np.isnan(head.variance_image(params)).all()
    assert np.isfinite(head.point_image(params)).all()


@pytest.mark.parametrize('num_components', [0, 3])
@pytest.mark.parametrize('name', NAMES)
def test_draws_have_the_moments_of_the_distribution(name, num_components):
  head, params, _ = _t_case(name, num_components, df=12.0)
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
  head, params, _ = _t_case(name, df=6.0)
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
  head = _head('maf')
  _, u = _case(head)
  bijector = head(np.zeros([5, SIZE], np.float32)).bijector
  np.testing.assert_allclose(head.flow.forward(tf.constant(u)),
                             bijector.forward(u), rtol=1e-4, atol=1e-5)


def test_a_seed_gives_the_same_and_another_seed_another_image():
  for name in NAMES:
    head = _head(name, 2)
    params, _ = _case(head)
    first = head.draw_image(params, tf.constant([0, 1]))
    assert (first.numpy() >= 0).all() and (first.numpy() <= 1).all()
    np.testing.assert_array_equal(
        head.draw_image(params, tf.constant([0, 1])), first)
    assert (head.draw_image(params, tf.constant([0, 2])) != first).numpy().any()


# Floors and bounds.


@pytest.mark.parametrize('name', [n for n in NAMES if n in (*NORMAL, *T)
                                  and not n.endswith('unit') and n != 'mse'])
def test_a_learned_scale_has_its_floor(name):
  head = _head(name, min_stddev=0.2)
  params = np.full([1, head.params_size], -50.0, np.float32)
  for key, value in head.split(params).items():
    if key == 'df':
      params[:, :value.shape[-1] if value.shape.rank > 1 else 1] = 50.0
  variance = head.variance_image(params).numpy()
  # Off-diagonal numbers of -50 add theirs, but the first pixel has none.
  low = 0.04 * (50 / 48 if '_t_' in name else 1)
  assert variance.min() == pytest.approx(low, rel=1e-5)


@pytest.mark.parametrize('name, cure', [
    ('normal_full', 'matrix_normal_full'), ('student_t_full', 'matrix_t_full')])
def test_a_full_covariance_of_a_large_image_is_refused(name, cure):
  shape = (28, 28, 1)
  with pytest.raises(ConfigError, match=f'30[0-9],[0-9]+ numbers.*{cure}'):
    _head(name, shape=shape)
  assert _head(cure, shape=shape).params_size < 1600
  assert _head(name, 1, shape, max_head_params=400_000).params_size > 300_000
  with pytest.raises(ConfigError, match='fewer --head_num_components'):
    _head('normal_diag', 1000, shape)
  # Pixels alone are never too many.
  assert _head('normal_diag', shape=(500, 500, 3)).params_size == 1_500_000


def test_any_batch_shape():
  for name in NAMES:
    head = _head(name, 2)
    params = tf.zeros([7, 2, head.params_size])
    distribution = head(params)
    assert tuple(distribution.batch_shape) == (7, 2)
    assert tuple(distribution.event_shape) == SHAPE
    assert head.point_image(params).shape == (7, 2, *SHAPE)
    assert head.variance_image(params).shape == (7, 2, *SHAPE)
    assert head.draw_image(params, [0, 1]).shape == (7, 2, *SHAPE)


def test_heads_are_made_by_hand_too():
  head = mixture(heads.HEADS['normal_diag'](SHAPE, Options(min_stddev=0.3)), 2)
  assert head.params_size == 2 * (1 + 2 * SIZE)


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
