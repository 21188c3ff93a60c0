"""The LiteRT model, run by LiteRT's interpreter, against `tfp_lgc.sample`."""

import copy

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import interpreter as interpreter_lib

import tfp_lgc
from tfp_lgc import heads, litert
from tfp_lgc.errors import ConfigError, LgcError
from tfp_lgc.mixture import stack

SEED = np.array([0, 5], np.int32)
# Rounding may tip a pixel over to the next level, and that is all that it may.
MAX_SHARE = 0.002


def _interpreter(content):
  """Fails where an operation is none of the built-in ones."""
  return interpreter_lib.Interpreter(model_content=content)


@pytest.fixture(scope='module')
def content(artifact):
  return litert.convert(artifact.sampler)


@pytest.fixture(scope='module')
def model(content):
  return _interpreter(content)


def _run(model, name, block=0, temperature=-1.0, **inputs):
  if name != 'decode':
    inputs.update(block=np.int32(block), seed=SEED,
                  temperature=np.float32(temperature))
  return model.get_signature_runner(name)(**inputs)


def _alike(images, expected):
  assert images.dtype == np.uint8 and images.shape == expected.shape
  off = np.abs(images.astype(int) - expected)
  assert off.max() <= 1 and (off > 0).mean() <= MAX_SHARE


@pytest.mark.parametrize('block, temperature', [(0, -1), (0, 0.25), (3, -1),
                                                (0, 0)])
def test_images_are_those_of_sample(block, temperature, model, artifact):
  drawn = _run(model, 'sample', block, temperature)
  expected = tfp_lgc.sample(
      artifact, 256 * (block + 1), seed=5,
      temperature=None if temperature == -1 else temperature)
  np.testing.assert_array_equal(drawn['label'], expected.labels[-256:])
  _alike(drawn['image'], expected.images[-256:])


def test_images_of_classes_are_those_of_sample(model, artifact):
  labels = (np.arange(256) % 3).astype(np.int32)
  drawn = _run(model, 'sample_class', label=labels)
  expected = tfp_lgc.sample(
      artifact, 256, np.array(artifact.class_names)[labels], seed=5)
  np.testing.assert_array_equal(drawn['label'], labels)
  _alike(drawn['image'], expected.images)


def test_latents_are_decoded(model, artifact):
  latent = np.random.default_rng(0).normal(size=[256, 2]).astype(np.float32)
  _alike(_run(model, 'decode', latent=latent)['image'],
         artifact.sampler.decode(latent)['image'].numpy())


def test_the_same_artifact_makes_the_same_bytes(artifact, content, tmp_path):
  artifact.export_litert(tmp_path / 'x.tflite')
  assert (tmp_path / 'x.tflite').read_bytes() == content
  assert [path.name for path in tmp_path.iterdir()] == ['x.tflite']


def test_a_directory_is_not_replaced(artifact, tmp_path):
  with pytest.raises(ConfigError, match='is a directory'):
    artifact.export_litert(tmp_path)


@pytest.mark.slow
def test_save_writes_it_where_it_is_asked_for(artifact, tmp_path):
  artifact.save(tmp_path, export='litert')
  assert (tmp_path / 'artifact.tflite').stat().st_size > 10_000
  artifact.save(tmp_path, overwrite=True)  # And takes an old one away.
  assert not (tmp_path / 'artifact.tflite').exists()


@pytest.mark.slow
@pytest.mark.parametrize('settings', [
    {'model': 'cvae'}, {'texture': 'residual'}, {'trunk': 'conv'},
    {'num_components_max': 3, 'latent_model': 'global'},
    *({'head': head} for head in heads.HEADS if head != 'maf'),
    *({'head': head, 'head_num_components': 2} for head in (
        'bernoulli', 'normal_diag', 'matrix_normal_diag'))], ids=str)
def test_every_model_is_drawn_from(settings):
  rng = np.random.default_rng(0)
  labels = np.arange(128) % 2
  images = rng.integers(0, 100, [128, 7, 5, 3]) + 150 * labels[
      :, np.newaxis, np.newaxis, np.newaxis]
  artifact = tfp_lgc.compress(
      (images.astype(np.uint8), labels), **{
          'epochs': 5, 'latent_size': 3, 'hidden_size': 4, 'num_filters': 2,
          'num_components_max': 2, **settings})
  drawn = _run(_interpreter(litert.convert(artifact.sampler)), 'sample')
  expected = tfp_lgc.sample(artifact, 256, seed=5)
  np.testing.assert_array_equal(drawn['label'], expected.labels)
  _alike(drawn['image'], expected.images)


@pytest.mark.slow
def test_what_litert_cannot_do_is_said():
  images = np.random.default_rng(0).integers(0, 256, [64, 4, 4, 1], np.uint8)
  artifact = tfp_lgc.compress(
      (images, np.arange(64) % 2), epochs=1, latent_size=2, hidden_size=4,
      num_components_max=1, head='maf')
  with pytest.raises(LgcError, match='LiteRT has no operations'):
    litert.convert(artifact.sampler)


def test_one_factor_of_all_components_of_a_class(artifact):
  per_class = [artifact.mixture.components(label)
               for label in range(len(artifact.class_names))]
  tied = stack([its._replace(scale_tril=np.broadcast_to(
      its.scale_tril[:1], its.scale_tril.shape)) for its in per_class],
               ['tied'] * len(per_class))
  sampler = copy.copy(artifact.sampler)
  sampler.scale_tril = tf.Variable(tied.scale_tril, trainable=False)
  assert sampler.scale_tril.shape[1] == 1
  drawn = _run(_interpreter(litert.convert(sampler)), 'sample')
  expected = sampler.sample_blocks(0, 1, SEED)
  np.testing.assert_array_equal(drawn['label'], expected['label'])
  _alike(drawn['image'], expected['image'].numpy())
