"""The main job on data of every kind that a user may bring."""

import dataclasses
import gzip
import pathlib

import numpy as np
import pytest
import tensorflow as tf

import tfp_lgc
from tfp_lgc import data, pipeline
from tfp_lgc.config import Config
from tfp_lgc.errors import ConfigError, DataError, LgcError
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


def test_whole_numbers_of_any_type_are_pixels():
  images = _pixels(4, 5, 7)
  for dtype in (np.float32, np.float64, np.int64, np.uint16):
    source = pipeline.open_source((images.astype(dtype), None), Config())
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


# Sampling.


def test_every_form_of_an_artifact_gives_the_same_images(artifact, saved):
  expected = tfp_lgc.sample(artifact, 300, seed=9)
  for form in (tfp_lgc.load(saved), saved, str(saved), saved / 'artifact.lgc',
               saved / 'saved_model', saved / 'saved_model' / '1'):
    drawn = tfp_lgc.sample(form, 300, seed=9)
    np.testing.assert_array_equal(drawn.images, expected.images)
    np.testing.assert_array_equal(drawn.labels, expected.labels)
    assert drawn.class_names == ('ape', 'cat', 'emu')


def test_the_first_images_do_not_depend_on_how_many(artifact):
  larger = tfp_lgc.sample(artifact, 600, seed=9)
  for n in (1, 255, 256, 257):
    drawn = tfp_lgc.sample(artifact, n, seed=9)
    np.testing.assert_array_equal(drawn.images, larger.images[:n])
    np.testing.assert_array_equal(drawn.labels, larger.labels[:n])


@pytest.mark.parametrize('labels', [None, 'ape', ['emu', 'ape', 'cat'] * 400],
                         ids=['all', 'one class', 'array'])
def test_portions_change_nothing(labels, artifact, monkeypatch):
  whole = tfp_lgc.sample(artifact, 1200, labels, seed=9)
  monkeypatch.setattr(pipeline, 'BLOCKS_PER_CALL', 2)
  drawn = tfp_lgc.sample(artifact, 1200, labels, seed=9)
  np.testing.assert_array_equal(drawn.images, whole.images)
  np.testing.assert_array_equal(drawn.labels, whole.labels)


def test_another_seed_gives_other_images(artifact):
  first, second = [tfp_lgc.sample(artifact, 100, seed=seed)
                   for seed in (0, 2**31 - 1)]
  assert (first.images != second.images).any()
  assert (first.labels != second.labels).any()


@pytest.mark.parametrize('labels, positions', [
    ('emu', 2), (np.str_('emu'), 2),
    (['emu', 'ape', 'cat', 'emu'], [2, 0, 1, 2]),
    (np.array(['emu', 'ape', 'cat', 'emu'], object), [2, 0, 1, 2])], ids=str)
def test_labels_are_given_by_name(labels, positions, artifact):
  drawn = tfp_lgc.sample(artifact, 4, labels=labels)
  np.testing.assert_array_equal(drawn.labels, np.broadcast_to(positions, 4))


@pytest.mark.parametrize('labels, positions', [
    (7, 1), (np.int64(5), 0), ('7', 1), ([7, 5, 5, 7], [1, 0, 0, 1]),
    (np.array([7, 5, 5, 7], np.uint8), [1, 0, 0, 1])], ids=str)
def test_a_number_is_the_name_of_a_class_not_its_position(labels, positions,
                                                          artifact):
  numbered = dataclasses.replace(artifact, class_names=('5', '7', '1'))
  drawn = tfp_lgc.sample(numbered, 4, labels=labels)
  np.testing.assert_array_equal(drawn.labels, np.broadcast_to(positions, 4))
  with pytest.raises(LgcError, match="'0' is no class"):
    tfp_lgc.sample(numbered, 4, labels=0)


@pytest.mark.parametrize('n', [0, -1, -300])
def test_nothing_cannot_be_drawn(n, artifact):
  with pytest.raises(LgcError, match=f'n = {n}: must be a whole number from 1'):
    tfp_lgc.sample(artifact, n)


@pytest.mark.parametrize('seed', [-1, 2**31, 10**30])
def test_a_seed_is_31_bits(seed, artifact):
  for draw in (lambda: tfp_lgc.sample(artifact, 1, seed=seed),
               lambda: tfp_lgc.as_dataset(artifact, seed=seed)):
    with pytest.raises(LgcError, match=f'seed = {seed}: must be a whole'):
      draw()


@pytest.mark.parametrize('bad', [1.5, 1.0, '1', None, [1]], ids=repr)
def test_what_is_counted_is_whole(bad, artifact):
  for arguments in ({'n': bad}, {'n': 1, 'seed': bad}):
    with pytest.raises(LgcError):
      tfp_lgc.sample(artifact, **arguments)


@pytest.mark.parametrize('labels', [
    'dog', '', 'Ape', 3, -1, 10**10, 1.0, True, ['ape', 'dog'], [0, 3], [0, -1],
    np.array([0, 2**63], np.uint64), [0.0, 1.0], [None, 'ape'], [b'ape', b'cat']
], ids=repr)
def test_an_unknown_class_lists_the_known(labels, artifact):
  with pytest.raises(LgcError, match='choose from ape, cat, emu'):
    tfp_lgc.sample(artifact, 2, labels=labels)


@pytest.mark.parametrize('labels', [
    [], ['ape'], ['ape'] * 3, [['ape', 'ape']], [[0], [1]]], ids=str)
def test_there_is_one_label_an_image(labels, artifact):
  with pytest.raises(LgcError, match='labels'):
    tfp_lgc.sample(artifact, 2, labels=labels)


def test_a_class_without_images_is_not_drawn_from(artifact):
  emptied = dataclasses.replace(artifact, class_counts=(0, 20, 44))
  drawn = tfp_lgc.sample(emptied, 300)
  assert set(drawn.labels) == {1, 2}
  for labels in ('ape', 0, ['cat', 'ape']):
    with pytest.raises(LgcError, match='choose from cat, emu$'):
      tfp_lgc.sample(emptied, 2, labels=labels)


# As a stream.


def test_a_stream_is_an_endless_sample(artifact):
  stream = tfp_lgc.as_dataset(artifact, seed=9)
  assert stream.element_spec == (tf.TensorSpec([7, 6, 3], tf.uint8),
                                 tf.TensorSpec([], tf.int32))
  drawn = tfp_lgc.sample(artifact, 2000, seed=9)
  for _ in range(2):  # It begins anew.
    images, labels = next(iter(stream.batch(2000)))
    np.testing.assert_array_equal(images, drawn.images)
    np.testing.assert_array_equal(labels, drawn.labels)
  other, _ = next(iter(tfp_lgc.as_dataset(artifact, seed=8).batch(2000)))
  assert (other.numpy() != drawn.images).any()


# Judging.


def _source(shape=(7, 6, 3), names=('ape', 'cat', 'emu'), test=True):
  images = _pixels(30, *shape)
  labels = np.array(names)[np.arange(30) % len(names)]
  return data.from_arrays((images, labels), (images, labels) if test else None)


@pytest.mark.parametrize('source, match', [
    (_source((6, 7, 3)), 'shape'), (_source((7, 6, 1)), 'shape'),
    (_source(names=('ape', 'cat', 'dog')), 'classes'),
    (_source(names=('ape', 'cat')), 'classes'),
    (_source(names=('ape', 'cat', 'dog', 'emu')), 'classes'),
    (_source(test=False), 'no test split'),
    (_source(names=('ape',)), 'only one class'),
    ((_pixels(30, 7, 6, 3), np.arange(30) % 3), 'no test split')],
    ids=['turned', 'gray', 'another class', 'fewer', 'more', 'no test',
         'one class', 'arrays'])
def test_data_that_are_not_the_artifacts_are_no_judges(source, match, artifact):
  with pytest.raises(LgcError, match=match):
    tfp_lgc.evaluate(artifact, source)


def test_cannot_judge_says_why():
  assert pipeline.cannot_judge(_source()) == ''
  assert 'one class' in pipeline.cannot_judge(_source(names=('ape',)))
  assert 'test split' in pipeline.cannot_judge(_source(test=False))
  unlabeled = pipeline.open_source((_pixels(9, 5, 7), None), Config())
  assert 'one class' in pipeline.cannot_judge(unlabeled)


def test_evaluate_counts_what_judges_name_rightly(artifact):
  progress = Progress()
  made_of_it = dataclasses.replace(artifact, class_counts=(10, 10, 10))
  result = tfp_lgc.evaluate(made_of_it, _source(), progress=progress,
                            judge_steps=2)
  assert set(result) == {'tstr_accuracy', 'real_accuracy'}
  for value in result.values():
    assert value['runs'] == [value['mean']]
    # 30 test images: an accuracy is a thirtieth, rounded to 4 places.
    assert value['mean'] in {round(i / 30, 4) for i in range(31)}
  assert list(progress.seconds) == ['evaluate']


def test_test_images_may_be_arrays_too(artifact):
  made_of_it = dataclasses.replace(artifact, class_counts=(10, 10, 10))
  source = _source()
  train = source.train.to_memory(source.class_names)
  names = np.array(source.class_names)[train.labels]
  result = tfp_lgc.evaluate(made_of_it, (train.images, names), judge_steps=1,
                            test=(train.images[:6], names[:6]))
  assert result['real_accuracy']['mean'] in {round(i / 6, 4) for i in range(7)}
  with pytest.raises(DataError, match='test: '):
    tfp_lgc.evaluate(made_of_it, 'digits', test=(train.images, names))


def test_no_judge_is_tested_on_images_that_were_compressed(artifact):
  """Another part held out is another train split."""
  with pytest.raises(LgcError, match='30 train.*64.*--test_fraction'):
    tfp_lgc.evaluate(artifact, _source())


def test_temperature_scales_the_spread_of_latents(artifact):
  """Of a class of one Gaussian: deviations from its mean grow by the root."""
  hot, as_it_is, cold = [
      variant.sampler.sample_class(
          np.full(300, 1, np.int32), np.array([0, 3], np.int32))['latent']
      for variant in [dataclasses.replace(artifact, temperature=t)
                      for t in (4.0, 1.0, 0.0)]]
  loc = artifact.mixture.loc[1, 0]
  np.testing.assert_allclose(hot - loc, 2 * (as_it_is - loc), rtol=1e-4,
                             atol=1e-4)
  np.testing.assert_allclose(cold, np.broadcast_to(loc, cold.shape), atol=1e-6)


def test_temperature_is_that_of_the_artifact_if_nothing_is_said(artifact):
  warm = dataclasses.replace(artifact, temperature=2.5)
  again = tfp_lgc.Artifact.from_bytes(warm.to_bytes())
  assert again.temperature == 2.5
  expected = tfp_lgc.sample(artifact, 30, temperature=2.5)
  np.testing.assert_array_equal(tfp_lgc.sample(again, 30).images,
                                expected.images)
  for bad in (-1, 1e300, float('nan'), 'x'):
    with pytest.raises(LgcError, match='temperature = '):
      tfp_lgc.sample(artifact, 3, temperature=bad)


def test_stochastic_images_are_draws_about_the_points(artifact):
  """The head is a normal one, whose scale is at least 0.05."""
  points = tfp_lgc.sample(artifact, 300, seed=4)
  drawn = tfp_lgc.sample(artifact, 300, seed=4, stochastic=True)
  np.testing.assert_array_equal(drawn.labels, points.labels)
  # Half a normal distribution is left where a point is black or white.
  off = drawn.images.astype(float) - points.images
  assert (off.std(axis=0) > 255 * 0.05 / 2).all()
  np.testing.assert_array_equal(
      tfp_lgc.sample(artifact, 7, seed=4, stochastic=True).images,
      drawn.images[:7])


def test_balanced_classes_take_turns(artifact):
  drawn = tfp_lgc.sample(artifact, 7, balanced=True)
  np.testing.assert_array_equal(drawn.labels, [0, 1, 2, 0, 1, 2, 0])
  empty = dataclasses.replace(artifact, class_counts=(5, 0, 5))
  assert set(tfp_lgc.sample(empty, 9, balanced=True).labels) == {0, 2}


# What is compared with.


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
