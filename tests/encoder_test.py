"""The encoder that stays beside an artifact."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

import tfp_lgc
from tfp_lgc import autoencoder, data, pipeline
from tfp_lgc.arrays import from_arrays
from tfp_lgc.config import Config, replace
from tfp_lgc.errors import ArtifactError
from tfp_lgc.opening import load_with_encoder
from tfp_lgc.progress import Progress

TINY = dict(epochs=1, batch_size=16, latent_size=3, hidden_size=4,
            num_filters=2, num_components_max=1)
IMAGES = np.random.default_rng(0).integers(0, 256, [40, 5, 6, 1], np.uint8)
LABELS = np.arange(40) % 2


@pytest.mark.parametrize('model, trunk', [
    ('vae', 'dense'), ('cvae', 'conv'), ('gmm_dae', 'dense')])
def test_a_loaded_encoder_gives_the_latents_of_the_run(model, trunk, tmp_path):
  fitted = pipeline.fit(
      from_arrays((IMAGES, LABELS)),
      replace(Config(), model=model, trunk=trunk, latent_statistic='mean',
              prior_num_components=2, **TINY), Progress())
  fitted.artifact.save(tmp_path / 'out')
  artifact = load_with_encoder(tmp_path / 'out')
  split = data.array_split(IMAGES, LABELS)
  latents = artifact.encoder.latents(split)
  np.testing.assert_allclose(latents, fitted.latents, rtol=1e-5, atol=1e-5)
  assert latents.shape[1] == artifact.model.latent_size
  # What the artifact makes of them is what the model does, but for rounding.
  labels = tf.constant(LABELS, tf.int32)
  decoded = artifact.sampler.decode(latents, labels)['image'].numpy()
  expected = 255 * fitted.model(autoencoder.to_unit(IMAGES), labels).numpy()
  assert np.abs(decoded - expected).max() < 12
  assert np.abs(decoded - expected).mean() < 2 < expected.std()


def test_latents_that_the_artifact_dropped_are_left_out(artifact):
  """As if the second of its two latents had been dead."""
  kept = dataclasses.replace(artifact.encoder, kept=np.array([True, False]))
  split = data.array_split(np.zeros([3, 7, 6, 3], np.uint8), np.zeros(3))
  np.testing.assert_array_equal(kept.latents(split),
                                artifact.encoder.latents(split)[:, :1])


def test_the_files_that_are_sent_have_no_encoder(artifact, saved):
  assert tfp_lgc.load(saved).encoder is None
  names = {weight.name for weight in artifact.encoder.model.encoder.weights}
  assert not {f'decoder/{name}' for name in names} & set(artifact.tensors)
  sizes = [len(path.read_bytes()) for path in (saved / 'encoder').iterdir()]
  assert sum(sizes) > artifact.num_bytes / 2


def test_an_artifact_without_its_encoder_takes_the_old_one_away(
    artifact, tmp_path):
  artifact.save(tmp_path / 'out')
  assert (tmp_path / 'out/encoder/weights.npz').exists()
  dataclasses.replace(artifact, encoder=None).save(tmp_path / 'out',
                                                   overwrite=True)
  assert not (tmp_path / 'out/encoder').exists()
  with pytest.raises(ArtifactError, match='no encoder/settings.json'):
    load_with_encoder(tmp_path / 'out')
  with pytest.raises(ArtifactError, match='without its encoder'):
    load_with_encoder(tfp_lgc.load(tmp_path / 'out'))


@pytest.fixture
def folder(saved, tmp_path):
  shutil.copytree(saved, tmp_path / 'out')
  return tmp_path / 'out'


@pytest.mark.parametrize('name, content', [
    ('weights.npz', b''), ('weights.npz', b'PK\3\4' + bytes(99)),
    ('settings.json', b'{'), ('settings.json', b'[]'),
    ('settings.json', b'{"checksum": "0"}')])
def test_a_damaged_encoder_is_refused(name, content, folder):
  (folder / 'encoder' / name).write_bytes(content)
  with pytest.raises(ArtifactError, match='cannot be used'):
    load_with_encoder(folder)


@pytest.mark.parametrize('key, value', [
    ('config', 'x'), ('config', []), ('config', {'model': {'model': 'new'}}),
    ('image_shape', None), ('kept', [5]), ('kept', 'x')])
def test_damaged_settings_are_refused(key, value, folder):
  path = folder / 'encoder/settings.json'
  settings = json.loads(path.read_text())
  path.write_text(json.dumps({**settings, key: value}))
  with pytest.raises(ArtifactError, match='cannot be used'):
    load_with_encoder(folder)


def test_altered_weights_are_refused_or_those_that_were(artifact, folder):
  path = folder / 'encoder/weights.npz'
  content = path.read_bytes()
  for position in range(0, len(content), len(content) // 40):
    altered = bytearray(content)
    altered[position] ^= 255
    path.write_bytes(altered)
    try:
      loaded = load_with_encoder(folder).encoder
    except ArtifactError:
      continue
    for weight, want in zip(loaded.model.encoder.get_weights(),
                            artifact.encoder.model.encoder.get_weights()):
      np.testing.assert_array_equal(weight, want)


def test_the_encoder_of_another_artifact_is_refused(artifact, folder, tmp_path):
  """Even if it is of the same sizes."""
  other = dataclasses.replace(artifact, temperature=0.5)
  other.save(tmp_path / 'other')
  shutil.rmtree(folder / 'encoder')
  shutil.copytree(tmp_path / 'other/encoder', folder / 'encoder')
  with pytest.raises(ArtifactError, match='is that of another artifact'):
    load_with_encoder(folder)
