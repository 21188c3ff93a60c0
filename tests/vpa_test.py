"""The Vanilla Probabilistic Autoencoder's networks have the paper's weights.

S. Ciobanu, CAINE 2021: tables 1 and 2, the column of parameters, all of its 37
different rows.
"""

import numpy as np
import pytest
import tensorflow as tf

from tfp_lgc import config as config_lib
from tfp_lgc import data, latent, models, train
from tfp_lgc.config import Config
from tfp_lgc.errors import ConfigError
from tfp_lgc.weightless import weightless

SHAPE = (28, 28, 1)

# Head -> parameters with K = 1 and K = 10; 0 where the paper has none.
TABLE_1 = {
    'normal_unit': (51025, 284170), 'normal_diag': (76897, 542890),
    'normal_full': (10205785, 0), 'student_t_unit': (51058, 284500),
    'student_t_diag': (76930, 543220), 'student_t_full': (10205818, 0),
    'matrix_normal_unit': (51025, 284170),
    'matrix_normal_diag': (52873, 302650),
    'matrix_normal_full': (77821, 552130), 'matrix_t_unit': (51058, 284500),
    'matrix_t_diag': (52906, 302980), 'matrix_t_full': (77854, 552460)}
TABLE_2 = {
    'matrix_normal_unit': (8962, 34891), 'matrix_normal_diag': (8962, 34891),
    'matrix_normal_full': (11843, 63701), 'matrix_t_unit': (8962, 34891),
    'matrix_t_diag': (8962, 34891), 'matrix_t_full': (11843, 63701)}
ROWS = [('vpa_mlp', 'ae', 'mse', 0, 50992), ('vpa_mlp', 'ae', 'maf', 0, 76090),
        ('vpa_mlp', 'vae', 'normal_diag', 0, 101984)]
ROWS += [(preset, 'ae', head, k, count)
         for preset, table in (('vpa_mlp', TABLE_1), ('vpa_cnn', TABLE_2))
         for head, counts in table.items()
         for k, count in zip((1, 10), counts) if count]


def _config(preset, **settings):
  return config_lib.replace(Config(), preset=preset, max_head_params=400_000,
                            **settings)


def test_the_tables_have_37_rows():
  assert len(ROWS) == 37


@pytest.mark.parametrize('preset, model, head, num_components, count', ROWS)
def test_the_weights_are_as_many_as_in_the_paper(preset, model, head,
                                                 num_components, count):
  config = _config(preset, model=model, head=head,
                   head_num_components=num_components)
  with weightless():
    built = models.build(config, SHAPE, 10)
    counted = sum(np.prod(weight.shape) for weight in built.trainable_weights)
  assert counted == count


def test_the_presets_are_the_papers_first_row():
  for preset in ('vpa_mlp', 'vpa_cnn', 'vpa_cnn_aligned'):
    config = config_lib.replace(Config(), preset=preset)
    assert (config.model.model, config.model.head) == ('ae', 'mse')
  config = config_lib.replace(Config(), preset='vpa_mlp', model='vae')
  assert config.model.head == 'normal_diag'


# Training.


@pytest.fixture(scope='module')
def split():
  """Bright bars, two rows high, on black."""
  labels = np.arange(320) % 4
  images = np.zeros([320, 4, 2, 8, 1], np.uint8)
  images[np.arange(320), labels] = 200
  images = images.reshape([320, 8, 8, 1])
  return data.array_split(images, labels)


def _error(model, split):
  """Mean squared error of reconstructions."""
  images, _ = next(iter(split.batches(320)))
  x = tf.cast(images, tf.float32) / 255
  return float(tf.reduce_mean(tf.square(model(x) - x)))


@pytest.mark.slow
@pytest.mark.parametrize('num_components', [1, 3])
def test_the_aligned_cnn_learns_what_the_papers_does_not(num_components, split):
  errors = [_error(train.fit(_config(
      preset, head='matrix_normal_unit', head_num_components=num_components,
      num_filters=16, epochs=40, batch_size=32, learning_rate=0.01),
                             split, 4), split)
            for preset in ('vpa_cnn', 'vpa_cnn_aligned')]
  assert 3 * errors[1] < errors[0]


def test_a_trained_flow_still_goes_from_pixel_to_pixel(split):
  """What it makes of its inverse, one pixel at a time, are the images."""
  model = train.fit(_config('vpa_mlp', head='maf', latent_size=2, epochs=5,
                            min_stddev=0.05, batch_size=32), split, 4)
  images, _ = next(iter(split.batches(16)))
  x = tf.cast(images, tf.float32) / 255
  bijector = model.decode(model.encode(x).mean()).bijector
  u = bijector.inverse(x)
  assert np.abs(u).max() > 1
  np.testing.assert_allclose(model.flow.forward(u), x, atol=1e-3)


def test_no_mixture_is_fitted_to_the_cnns_code():
  with pytest.raises(ConfigError, match='trunk = vpa_cnn.*another trunk'):
    latent.check(_config('vpa_cnn'), 10)


@pytest.mark.parametrize('model', ['vae', 'cvae', 'gmm_dae', 'center_vae'])
def test_the_cnns_code_is_a_point(model):
  with pytest.raises(ConfigError, match=f'trunk = vpa_cnn.*{model}.*vpa_mlp'):
    models.build(_config('vpa_cnn', model=model), SHAPE, 10)


def test_a_vae_may_be_heteroscedastic():
  """Its scales tell pixels that change from those that do not."""
  images = np.zeros([320, 6, 6, 1], np.uint8)
  images[:, :3] = np.random.default_rng(0).integers(0, 256, [320, 3, 6, 1])
  split = data.array_split(images, np.zeros(320, np.int32))
  config = config_lib.replace(
      Config(), model='vae', head='normal_diag', epochs=60, batch_size=32,
      latent_size=2, hidden_size=16, learning_rate=0.02)
  model = train.fit(config, split, 1)
  params = model.decoder(tf.zeros([1, 2]))
  stddev = np.sqrt(model.head.variance_image(params)[0, :, :, 0])
  assert 0.05 < stddev[3:].max() < 0.12
  # Uniform pixels have 0.29, but for those that the two latents tell.
  assert 0.2 < np.median(stddev[:3]) < 0.4
