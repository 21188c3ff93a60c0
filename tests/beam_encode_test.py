"""Encoding and fitting by pipelines gives the artifact of one process."""

import pytest

pytest.importorskip(
    'apache_beam', reason='Apache Beam is not installed; see extra beam')

import numpy as np  # noqa: E402
from beam_cases import DIGITS, OPTIONS  # noqa: E402
from stepwise_test import settings  # noqa: E402

import tfp_lgc  # noqa: E402
from tfp_lgc import beam_em, beam_encode, config, sources  # noqa: E402
from tfp_lgc.errors import ArtifactError, ConfigError, LgcError  # noqa: E402


@pytest.fixture(scope='module')
def artifact(short_run):
  return tfp_lgc.load_with_encoder(short_run)


@pytest.fixture(scope='module')
def latents(artifact, tmp_path_factory):
  """Of digits, in two pieces."""
  output = tmp_path_factory.mktemp('latents') / 'out'
  beam_encode.encode(artifact, DIGITS, str(output), OPTIONS, piece_size=1000)
  return output


def test_latents_are_those_of_one_process(artifact, latents):
  train = sources.load(DIGITS).train
  encoded = artifact.encoder.model.encode_all(train)
  ours, labels = beam_encode.latents_of(str(latents))
  np.testing.assert_array_equal(labels, encoded.labels)
  # Draws, whose seeds go on from piece to piece.
  assert artifact.encoder.config.mixture.latent_statistic == 'draw'
  np.testing.assert_allclose(ours, encoded.draw[:, artifact.encoder.kept],
                             atol=1e-6)
  assert np.abs(ours - encoded.mean[:, artifact.encoder.kept]).max() > 1e-3
  assert {path.name for path in latents.iterdir()} == {
      'settings.json', 'latents-00000-of-00002.tfrecord',
      'latents-00001-of-00002.tfrecord'}


def test_encoding_goes_on_where_it_was_killed(artifact, latents, tmp_path):
  output = tmp_path / 'latents'
  beam_encode.encode(artifact, DIGITS, str(output), OPTIONS, piece_size=1000)
  first, second = [output / path.name
                   for path in sorted(latents.glob('*.tfrecord'))]
  content = second.read_bytes()
  first.write_bytes(b'as it was')
  second.unlink()
  with pytest.raises(ConfigError, match='00001-of-00002.tfrecord is missing'):
    beam_em.fit(str(output), str(tmp_path / 'em'), settings(), OPTIONS)
  beam_encode.encode(artifact, DIGITS, str(output), OPTIONS, piece_size=1000)
  assert first.read_bytes() == b'as it was'
  assert second.read_bytes() == content
  with pytest.raises(ConfigError, match='another piece_size'):
    beam_encode.encode(artifact, DIGITS, str(output), OPTIONS, piece_size=2000)


def test_the_artifact_is_that_of_one_process(artifact, tmp_path):
  """Of other images, some of a class that is new."""
  images = sources.load(DIGITS)
  train = images.train.to_memory(images.class_names)
  x, names = train.images[:600], np.array(train.class_names)[train.labels[:600]]
  names[names == '3'] = '9'
  names[names == '5'] = 'x'
  np.savez(tmp_path / 'x.npz', x_train=x, y_train=names, x_test=x,
           y_test=names)
  beam_encode.encode(artifact, config.DataConfig(
      dataset=str(tmp_path / 'x.npz')), str(tmp_path / 'latents'), OPTIONS)
  ours = beam_em.refit(artifact, str(tmp_path / 'latents'),
                       str(tmp_path / 'em'), OPTIONS)
  expected = artifact.updated(x, names)
  assert ours.class_names == expected.class_names == (
      *artifact.class_names, 'x')
  assert ours.class_counts == expected.class_counts
  assert ours.class_counts[3:6] == artifact.class_counts[3:4] + (
      (names == '4').sum(), artifact.class_counts[5])
  assert ours.num_components == expected.num_components
  for name, tensor in expected.tensors.items():
    # Rounded to integers, of which the last bit may turn.
    assert np.abs(ours.tensors[name].values - tensor.values).max() <= 1, name
    np.testing.assert_array_equal(ours.tensors[name].steps, tensor.steps)


def test_what_does_not_fit_is_refused(artifact, latents, tmp_path, monkeypatch):
  output = str(tmp_path / 'x')
  with pytest.raises(ArtifactError, match='without its encoder'):
    beam_encode.encode(tfp_lgc.Artifact.from_bytes(artifact.to_bytes()), DIGITS,
                       output)
  with pytest.raises(ConfigError, match='multiple of 1000'):
    beam_encode.encode(artifact, DIGITS, output, piece_size=1500)
  np.savez(tmp_path / 'x.npz', x_train=np.zeros([9, 3, 3], np.uint8),
           y_train=np.arange(9) % 3)
  with pytest.raises(LgcError, match=r'images are \(3, 3, 1\); must be \(8'):
    beam_encode.encode(artifact, config.DataConfig(
        dataset=str(tmp_path / 'x.npz')), output)
  with pytest.raises(ConfigError, match='encoded for another artifact'):
    beam_em.refit(artifact.without_class('3'), str(latents), output)
  with pytest.raises(ConfigError, match='by bic alone'):
    beam_em.fit(str(latents), output, settings(selection='bytes'))
  with pytest.raises(ConfigError, match='no such file'):
    beam_em.fit(str(tmp_path), output, settings())
  assert not (tmp_path / 'x').exists()
