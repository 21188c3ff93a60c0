"""The main job on data of every kind that a user may bring."""

import gzip
import pathlib

import numpy as np
import pytest
import tensorflow as tf

import tfp_lgc
from tfp_lgc import autoencoder, data, pipeline
from tfp_lgc.config import Config, replace
from tfp_lgc.errors import ConfigError, DataError
from tfp_lgc.progress import Progress

TINY = dict(epochs=1, batch_size=16, latent_size=2, hidden_size=4,
            num_filters=2, num_components_max=2)


def _pixels(*shape):
  return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


_PETS = np.array(['zebra', 'a cat', 'é'])
# Images, labels, settings -> class names and the images of each.
CASES = {
    'strings': (
        _pixels(40, 5, 7), _PETS[np.arange(40) % 3], {'trunk': 'dense'},
        ('a cat', 'zebra', 'é'), (13, 14, 13)),
    'numbers with gaps': (
        _pixels(40, 13, 9, 3), np.array([900, -3, 5, 5])[np.arange(40) % 4],
        {'trunk': 'conv'}, ('-3', '5', '900'), (10, 20, 10)),
    'a class of one image': (
        _pixels(21, 13, 9, 3), np.arange(21) // 20 + 1, {'trunk': 'dense'},
        ('1', '2'), (20, 1)),
    'identical images': (
        np.tile(_pixels(1, 5, 7, 1), [20, 1, 1, 1]), np.arange(20) % 2,
        {'trunk': 'conv', 'model': 'ae'}, ('0', '1'), (10, 10)),
    'one image without a label': (
        _pixels(1, 1, 2), None, {'trunk': 'dense'}, ('all',), (1,)),
}


@pytest.mark.parametrize('images, labels, settings, names, counts',
                         CASES.values(), ids=CASES)
def test_any_data_come_back_in_their_own_terms(images, labels, settings, names,
                                               counts):
  progress = Progress()
  artifact = tfp_lgc.compress((images, labels), progress=progress, **TINY,
                              **settings)
  shape = images.shape[1:] + (1,) * (4 - images.ndim)
  assert artifact.class_names == names
  assert artifact.class_counts == counts
  assert artifact.image_shape == shape
  drawn = tfp_lgc.sample(artifact, 50)
  assert drawn.images.shape == (50, *shape)
  assert drawn.images.dtype == np.uint8
  assert drawn.labels.dtype == np.int32
  assert set(drawn.labels) <= set(range(len(names)))
  assert drawn.class_names == names
  for i, name in enumerate(names):
    assert (tfp_lgc.sample(artifact, 3, labels=name).labels == i).all()
  z = artifact.mixture.distribution(len(names) - 1).sample(5, seed=(1, 2))
  assert np.isfinite(z).all()
  rows = [row for row in progress.records if row['event'] == 'bic']
  assert tuple(row['class_name'] for row in rows) == names
  assert all(np.isfinite(row['bic']['full']).all() for row in rows)
  assert list(progress.seconds) == ['train', 'encode', 'mixture', 'pack']


# What cannot be compressed.


def _nan():
  images = _pixels(4, 5, 7).astype(float)
  images[1, 2, 3] = np.nan
  return images


@pytest.mark.parametrize('images', [
    _pixels(4, 5, 7) / 255, _pixels(4, 5, 7) - 0.5, _nan(),
    np.full([4, 5, 7], np.inf), _pixels(4, 5, 7).astype(int) + 1,
    -_pixels(4, 5, 7).astype(int), _pixels(4, 5, 7, 2), _pixels(4, 5, 7, 3, 1),
    _pixels(4, 5), _pixels(4, 0, 7), _pixels(0, 5, 7),
    _pixels(4, 5, 7).astype(str)],
    ids=['0 to 1', 'halves', 'nan', 'inf', 'to 256', 'negative', '2 channels',
         'rank 5', 'rank 2', 'no pixel', 'no image', 'text'])
def test_images_of_another_kind_are_refused(images):
  with pytest.raises(DataError):
    tfp_lgc.compress((images, np.arange(len(images))), **TINY)


@pytest.mark.parametrize('labels', [
    [0, 1, 2], [0, 1, 2, 3, 4], [], 0, [[0, 1], [2, 3]], [0, 1, 2, 0.5],
    [0, 1, 2, np.nan], [0, 1, 2, 1j]], ids=str)
def test_labels_of_another_kind_are_refused(labels):
  with pytest.raises(DataError):
    tfp_lgc.compress((_pixels(4, 5, 7), labels), **TINY)


@pytest.mark.parametrize('dtype', [np.float32, np.float64, np.int64, np.uint16])
def test_whole_numbers_of_any_type_are_pixels_once_it_is_said(dtype):
  images = _pixels(4, 5, 7)
  source = pipeline.open_source((images.astype(dtype), None),
                                replace(Config(), value_range='0,255'))
  again = source.train.to_memory(source.class_names)
  np.testing.assert_array_equal(again.images[..., 0], images, strict=True)


@pytest.mark.parametrize('settings, match', [
    ({'latent_sise': 3}, 'latent_size'), ({'latent_size': 0}, 'latent_size'),
    ({'model': 'gan'}, 'vae'), ({'seed': -1}, 'seed')], ids=str)
def test_a_setting_is_checked_before_the_data_are_looked_at(settings, match):
  with pytest.raises(ConfigError, match=match):
    tfp_lgc.compress('./no/such/data', **settings)


def test_a_data_set_is_arrays_or_a_path_or_a_source(tmp_path):
  images, labels = _pixels(10, 5, 7), np.arange(10) % 2
  path = tmp_path / 'x.npz'
  np.savez(path, x_train=images, y_train=labels, x_test=images, y_test=labels)
  source = pipeline.open_source((images, labels), Config())
  assert pipeline.open_source(source, Config()) is source
  for dataset in (str(path), pathlib.Path(path)):
    opened = pipeline.open_source(dataset, Config())
    for split in (opened.train, opened.test, source.train):
      got = split.to_memory(('0', '1'))
      np.testing.assert_array_equal(got.images[..., 0], images)
      np.testing.assert_array_equal(got.labels, labels)
  with pytest.raises(DataError, match='no/such'):
    pipeline.open_source('./no/such/data', Config())


# What is on the way to an artifact.


@pytest.fixture(scope='module')
def fitted():
  """Latents of ReLU, some of which are dead; weights of 16 bits."""
  config = replace(
      Config(), model='ae', trunk='lgc', latent_size=12, hidden_size=32,
      epochs=6, num_components_max=2, decoder_bits=16, mixture_bits=16)
  source = pipeline.open_source('digits', config)
  progress = Progress()
  return source, pipeline.fit(source, config, progress), progress


def test_the_mixture_is_of_the_latents_that_are_kept(fitted):
  source, (artifact, model, latents, labels, kept), progress = fitted
  encoded = model.encode_all(source.train)
  np.testing.assert_array_equal(latents, encoded.draw[:, kept])
  np.testing.assert_array_equal(labels, encoded.labels)
  assert (latents >= 0).all()
  assert kept.shape == (12,) and 0 < kept.sum() < 12  # Or nothing is tested.
  assert artifact.model.latent_size == kept.sum() == latents.shape[1]
  assert artifact.class_counts == tuple(np.bincount(labels))
  [row] = [row for row in progress.records if row['event'] == 'latents']
  assert (row['latent_size'], row['live']) == (12, kept.sum())
  for label in range(10):  # Weighted means of components are those of latents.
    components = artifact.mixture.components(label)
    np.testing.assert_allclose(
        np.exp(components.log_weights) @ components.loc,
        latents[labels == label].mean(axis=0), atol=0.02 * latents.max())


def test_the_artifact_decodes_what_the_model_does(fitted):
  source, (artifact, model, latents, _, _), _ = fitted
  train = source.train.to_memory(source.class_names)
  expected = 255 * model(autoencoder.to_unit(train.images))
  got = artifact.sampler.decode(latents)['image']
  np.testing.assert_allclose(tf.cast(got, tf.float32), expected, atol=1.5)


@pytest.mark.parametrize('n, num_classes, label_type', [
    (1, 1, np.uint8), (30, 3, np.uint8), (2500, 256, np.uint8),
    (2500, 257, np.uint16)])
def test_raw_sizes_are_those_of_gzip(n, num_classes, label_type):
  rng = np.random.default_rng(0)
  images = rng.integers(0, 5, [n, 5, 7, 3]).astype(np.uint8)
  labels = np.arange(n) % num_classes
  names = tuple(map(str, range(num_classes)))
  source = data.Source('x', data.array_split(images, labels), None, names)
  with pipeline.raw_sizes(source) as sizes:
    raw_num_bytes, gzip_num_bytes = sizes.result()
  raw = images.tobytes() + labels.astype(label_type).tobytes()
  assert raw_num_bytes == len(raw)
  assert gzip_num_bytes == len(gzip.compress(raw, 9, mtime=0))
