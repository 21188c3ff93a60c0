"""A network of a file gives what it gives outside of it."""

import re
import textwrap

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as tfk

from tfp_lgc.errors import ConfigError
from tfp_lgc.metrics import features

IMAGES = np.random.default_rng(0).integers(0, 256, [260, 6, 5, 1]).astype(
    np.uint8)


def _network(shape, units=7):
  return tfk.Sequential([tfk.layers.Input(shape),
                         tfk.layers.GlobalAveragePooling2D(),
                         tfk.layers.Dense(units)])


@pytest.mark.parametrize('name', ['network.keras', 'saved_model'])
def test_of_either_file(name, tmp_path):
  network = _network((6, 5, 1))
  network.save(tmp_path / name)
  loaded = features.load(str(tmp_path / name), (6, 5, 1))
  got = features.of(loaded, IMAGES)
  assert got.shape == (260, 7) and got.dtype == np.float32
  np.testing.assert_allclose(got, network(IMAGES / np.float32(255)), rtol=1e-5,
                             atol=1e-6)


def test_gray_images_become_those_that_a_network_of_colors_takes(tmp_path):
  """Larger ones; a mean over all pixels stays nearly what it was."""
  network = _network((24, 20, 3))
  network.save(tmp_path / 'network.keras')
  loaded = features.load(str(tmp_path / 'network.keras'), (6, 5, 1))
  flat = np.full([3, 6, 5, 1], 51, np.uint8)
  got = features.of(loaded, flat)
  kernel, bias = network.get_weights()
  np.testing.assert_allclose(got, np.tile(0.2 * kernel.sum(0) + bias, [3, 1]),
                             rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('make, match', [
    (lambda path: None, 'must be a Keras model'),
    (lambda path: path.write_bytes(b'no zip'), 'must be a Keras model'),
    (lambda path: _network((6, 5, 4)).save(path), 'cannot be used on images'),
    (lambda path: tfk.Sequential([
        tfk.layers.Input((6, 5, 1)), tfk.layers.Conv2D(2, 1)]).save(path),
     r'features of shape \(None, 6, 5, 2\)')])
def test_what_is_no_feature_network(make, match, tmp_path):
  make(tmp_path / 'x.keras')
  with pytest.raises(ConfigError, match=f'feature_network.*x.keras.*{match}'):
    features.load(str(tmp_path / 'x.keras'), (6, 5, 1))


def test_a_network_of_what_is_not_installed_is_none(tmp_path, monkeypatch):
  def load_model(*args, **kwargs):
    raise ImportError('no module')

  _network((6, 5, 1)).save(tmp_path / 'x.keras')
  monkeypatch.setattr(tfk.models, 'load_model', load_model)
  with pytest.raises(ConfigError, match='feature_network.*no module'):
    features.load(str(tmp_path / 'x.keras'), (6, 5, 1))


def test_features_are_finite():
  """Of three black images the logarithm is not."""
  inputs = tfk.Input((6, 5, 1))
  network = tfk.Model(inputs, tfk.layers.Flatten()(tf.math.log(inputs)))
  images = np.ones([300, 6, 5, 1], np.uint8)
  assert np.isfinite(features.of(network, images)).all()
  images[[0, 7, 299]] = 0
  with pytest.raises(ConfigError, match='of 3 of 300 images .* not finite'):
    features.of(network, images)


@pytest.mark.slow
def test_inception_of_weights_in_a_local_file(tmp_path, monkeypatch):
  """By the very lines of the docstring; its weights are random here."""
  monkeypatch.chdir(tmp_path)
  random = tfk.applications.InceptionV3(include_top=False, weights=None,
                                        pooling='avg')
  random.save_weights('inception.h5')
  [recipe] = re.findall('```python\n(.*?)```', features.load.__doc__, re.DOTALL)
  exec(textwrap.dedent(recipe), {'tfk': tfk})
  network = features.load('inception.keras', (28, 28, 1))
  images = np.random.default_rng(0).integers(0, 256, [3, 28, 28, 1], np.uint8)
  got = features.of(network, images)
  large = tf.image.resize(images / np.float32(255), [299, 299], antialias=True)
  expected = random.predict(2 * np.repeat(large, 3, axis=-1) - 1, verbose=0)
  assert got.shape == (3, 2048)
  np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5)
