"""Component means of mixture heads as further images."""

import numpy as np
import pytest
import tensorflow as tf

import tfp_lgc
from tfp_lgc import augmentation
from tfp_lgc.errors import ArtifactError, ConfigError, DataError

K = 3
SETTINGS = dict(epochs=2, batch_size=16, latent_size=2, hidden_size=8,
                num_components_max=1)


def _data():
  rng = np.random.default_rng(0)
  labels = np.array(['cat', 'dog'])[np.arange(30) % 2]
  images = rng.integers(0, 120, [30, 4, 5, 1]) + 100 * (labels == 'dog')[
      :, None, None, None]
  return images.astype(np.uint8), labels


@pytest.fixture(scope='module', params=['normal_diag', 'student_t_unit'])
def artifact(request):
  return tfp_lgc.compress(_data(), head=request.param, head_num_components=K,
                          **SETTINGS)


@pytest.fixture(scope='module')
def folder(artifact, tmp_path_factory):
  """Where it is saved, its encoder too."""
  directory = tmp_path_factory.mktemp('saved') / 'out'
  artifact.save(directory)
  return directory


def _expected(artifact, images, labels):
  """Means and log-densities by TFP, one image after the other."""
  means, log_densities = [], []
  z = artifact.encoder.model.encode(
      tf.constant(images, tf.float32) / 255).mean().numpy()
  for latent in z[:, artifact.encoder.kept]:
    mixture = artifact.sampler.head(
        artifact.sampler.params(latent[np.newaxis], None))
    components = mixture.components_distribution
    mean = (components.mean() if artifact.model.head == 'normal_diag'
            else components.mode())[0]
    means.append(np.round(255 * np.clip(mean, 0, 1)))
    log_densities.append([float(mixture.log_prob(m)[0]) for m in mean])
  return np.array(means), np.array(log_densities)


def test_components_are_those_of_the_mixture_in_the_order_of_images(artifact):
  images, labels = _data()
  means, log_densities = _expected(artifact, images, labels)
  everything = tfp_lgc.augment(artifact, (images, labels), -np.inf)
  assert everything.images.dtype == np.uint8
  # Rounding to grey levels may go either way.
  assert np.abs(everything.images - means.reshape([-1, 4, 5, 1])).max() <= 1
  names = np.array(everything.class_names)[everything.labels]
  np.testing.assert_array_equal(names, np.repeat(labels, K))
  threshold = float(np.median(log_densities)) + 1e-3
  some = tfp_lgc.augment(artifact, (images, labels), threshold)
  chosen = log_densities.ravel() > threshold
  np.testing.assert_array_equal(some.images, everything.images[chosen])
  np.testing.assert_array_equal(some.labels, everything.labels[chosen])
  assert not len(tfp_lgc.augment(artifact, (images, labels), np.inf))


def test_drawn_images_can_be_augmented(artifact):
  drawn = tfp_lgc.sample(artifact, 5)
  names = np.array(drawn.class_names)[drawn.labels]
  for given in (drawn, (drawn.images, names)):
    more = tfp_lgc.augment(artifact, given, -np.inf)
    np.testing.assert_array_equal(more.labels, np.repeat(drawn.labels, K))


def test_portions_change_nothing(artifact, monkeypatch):
  images, labels = _data()
  whole = tfp_lgc.augment(artifact, (images, labels), -np.inf)
  monkeypatch.setattr(augmentation, 'BATCH_SIZE', 7)
  parts = tfp_lgc.augment(artifact, (images, labels), -np.inf)
  assert np.abs(parts.images.astype(int) - whole.images).max() <= 1


def test_a_folder_does_as_well(artifact, folder):
  images, labels = _data()
  loaded = tfp_lgc.augment(folder, (images[:4], labels[:4]), -np.inf)
  in_memory = tfp_lgc.augment(artifact, (images[:4], labels[:4]), -np.inf)
  assert np.abs(loaded.images.astype(int) - in_memory.images).max() <= 1


def test_what_cannot_be_augmented(artifact):
  images, labels = _data()
  for threshold in (np.nan, None, 'dense', [0, 1]):
    with pytest.raises(ConfigError, match='threshold = '):
      tfp_lgc.augment(artifact, (images, labels), threshold)
  for given in (images, 'digits', None):
    with pytest.raises(DataError, match='images: got .*; must be'):
      tfp_lgc.augment(artifact, given, 0)
  with pytest.raises(DataError, match=r'images: are \(5, 4, 1\)'):
    tfp_lgc.augment(artifact, (images.transpose(0, 2, 1, 3), labels), 0)
  with pytest.raises(DataError, match="labels: class 'emu'"):
    tfp_lgc.augment(artifact, (images[:1], ['emu']), 0)
  with pytest.raises(DataError, match='images: got none'):
    tfp_lgc.augment(artifact, (images[:0], labels[:0]), 0)


@pytest.mark.parametrize('settings', [
    {'head': 'normal_diag'}, {'head': 'maf', 'head_num_components': 2}])
def test_a_head_without_component_images_is_refused(settings):
  images, labels = _data()
  artifact = tfp_lgc.compress((images, labels), **SETTINGS, **settings)
  with pytest.raises(ConfigError, match='head_num_components=10'):
    tfp_lgc.augment(artifact, (images, labels), 0)


def test_an_encoder_is_needed(artifact, folder):
  with pytest.raises(ArtifactError, match='name the directory'):
    tfp_lgc.augment(folder / 'artifact.lgc', _data(), 0)
