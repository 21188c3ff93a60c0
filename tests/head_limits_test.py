"""What heads stand, and what they refuse: floors, extremes, sizes, batches."""

import numpy as np
import pytest
import tensorflow as tf
from head_cases import head_of, NAMES, NORMAL, SHAPE, SIZE, T

from tfp_lgc import heads
from tfp_lgc.errors import ConfigError
from tfp_lgc.head import mixture
from tfp_lgc.likelihoods import Options


@pytest.mark.parametrize('num_components', [0, 10])
@pytest.mark.parametrize('min_stddev', [1e-6, 0.05])
@pytest.mark.parametrize('name', NAMES)
def test_finite_on_constant_images(name, min_stddev, num_components):
  """Black, gray and white, each with parameters near and far."""
  head = head_of(name, num_components, min_stddev=min_stddev)
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


@pytest.mark.parametrize('name', [n for n in NAMES if n in (*NORMAL, *T)
                                  and not n.endswith('unit') and n != 'mse'])
def test_a_learned_scale_has_its_floor(name):
  head = head_of(name, min_stddev=0.2)
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
    head_of(name, shape=shape)
  assert head_of(cure, shape=shape).params_size < 1600
  assert head_of(name, 1, shape, max_head_params=400_000).params_size > 300_000
  with pytest.raises(ConfigError, match='fewer --head_num_components'):
    head_of('normal_diag', 1000, shape)
  # Pixels alone are never too many.
  assert head_of('normal_diag', shape=(500, 500, 3)).params_size == 1_500_000


def test_any_batch_shape():
  for name in NAMES:
    head = head_of(name, 2)
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
