"""One table, one set of laws for every kind of data set."""

import collections

import numpy as np
import pytest
from data_sets import (
  load,
  multiset,
  NAMES,
  rows_of,
  TEST,
  TRAIN,
  write_folder,
  write_idx,
  write_npz,
  write_tfds,
)
from sklearn import datasets

from tfp_lgc import sources
from tfp_lgc.config import DataConfig
from tfp_lgc.errors import DataError


def _digits(path, train, test):
  return {'dataset': 'digits'}


def _spuco(path, train, test):
  base = write_npz(path, train, test)
  return {'dataset': 'spuco', 'spurious_base': base['dataset']}


# Kind -> fixture, and whether the classes keep their names.
FIXTURES = {
    'digits': (_digits, False),
    'folder': (write_folder, True),
    'idx': (write_idx, False),
    'npz': (write_npz, True),
    'spuco': (_spuco, True),
    'tfds': (write_tfds, True),
}
# What gives back the very images; spuco colors them.
COPIES = sorted(set(FIXTURES) - {'digits', 'spuco'})


def test_every_kind_has_a_fixture():
  assert set(FIXTURES) == set(sources.SOURCES)


def _opened(kind, path, test=TEST, **settings):
  config = DataConfig(**FIXTURES[kind][0](path, TRAIN, test), **settings)
  assert sources.kind(config.dataset) == kind
  return sources.load(config)


@pytest.mark.parametrize('kind', sources.SOURCES)
def test_every_kind_streams_what_it_announces(kind, tmp_path):
  source = _opened(kind, tmp_path)
  assert all(isinstance(name, str) for name in source.class_names)
  for split in (source.train, source.test):
    batches = list(split.batches(7).as_numpy_iterator())
    images = np.concatenate([images for images, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    assert images.dtype == np.uint8 and labels.dtype == np.int32
    assert images.shape == (split.num_examples, *split.image_shape)
    assert set(labels) == set(range(len(source.class_names)))
    # And once more the same.
    again = np.concatenate([y for _, y in split.batches(7).as_numpy_iterator()])
    np.testing.assert_array_equal(again, labels)


@pytest.mark.parametrize('kind', COPIES)
def test_every_kind_gives_back_what_was_written(kind, tmp_path):
  source = _opened(kind, tmp_path)
  names = NAMES if FIXTURES[kind][1] else ('0', '1', '2')
  assert source.class_names == names
  assert rows_of(source.train, names) == multiset(*TRAIN, names)
  assert rows_of(source.test, names) == multiset(*TEST, names)


# The split of digits is fixed.
@pytest.mark.parametrize('kind', COPIES)
@pytest.mark.parametrize('fraction', [0.25, 0.5])
def test_test_fraction_is_held_out_where_there_is_no_test_split(
    kind, fraction, tmp_path):
  source = _opened(kind, tmp_path, test=None, test_fraction=fraction)
  total = source.train.num_examples + source.test.num_examples
  # Stratified: up to one image less of each class.
  assert (fraction * total - len(source.class_names)
          <= source.test.num_examples <= fraction * total)
  train, test = (rows_of(split, source.class_names)
                 for split in (source.train, source.test))
  assert not train & test
  names = NAMES if FIXTURES[kind][1] else ('0', '1', '2')
  assert train + test == multiset(*TRAIN, names)


@pytest.mark.parametrize('dataset, kind', [
    ('digits', 'digits'),
    ('mnist', 'tfds'),
    ('mnist:3.*.*', 'tfds'),
    ('emnist/letters', 'tfds'),
    ('some_idx/train-images-idx3-ubyte', 'folder'),
    ('x.npz', 'npz'),
    ('a/b/x.npz', 'npz'),
    ('./mnist', 'folder'),
    ('./digits', 'folder'),
    ('mnist/', 'folder'),
    ('.', 'folder'),
    ('..', 'folder'),
    ('./not/there', 'folder'),
    ('./some_idx', 'idx'),
    ('./some_idx_gz/', 'idx'),
])
def test_a_name_tells_the_kind(dataset, kind, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  for name in ('mnist', 'digits', 'some_idx', 'some_idx_gz'):
    (tmp_path / name).mkdir()
  (tmp_path / 'some_idx/train-images-idx3-ubyte').touch()
  (tmp_path / 'some_idx_gz/train-images-idx3-ubyte.gz').touch()
  assert sources.kind(dataset) == kind


@pytest.mark.parametrize('dataset', [
    './missing', 'missing.npz', 'missing/', 'missing/x.npz'])
def test_a_path_that_is_missing_is_named(dataset, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  with pytest.raises(DataError, match='missing.*no such file or folder'):
    load(dataset)


def test_digits_are_those_of_scikit_learn():
  bunch = datasets.load_digits()
  source = load('digits')
  names = source.class_names
  assert names == tuple('0123456789')
  assert source.train.image_shape == (8, 8, 1)
  counts = np.bincount(bunch.target)
  test = source.test.to_memory(names)
  np.testing.assert_array_equal(np.bincount(test.labels), counts // 5)
  assert source.train.num_examples == 1797 - (counts // 5).sum()
  # Gray levels 0..16 become 0..255, and back.
  levels = collections.Counter()
  for split in (source.train, source.test):
    images = split.to_memory(names)
    assert images.images.min() == 0 and images.images.max() == 255
    levels += multiset(np.round(images.images / 255 * 16), images.labels,
                       names)
  assert levels == multiset(bunch.images[..., None], bunch.target, names)


@pytest.mark.parametrize('share', [0.0, 0.2])
def test_parts_of_others_are_those_of_the_whole(share):
  config = DataConfig(validation_fraction=share)
  whole = sources.load(config).train
  images = whole.to_memory(())
  part = sources.parts(config)
  for first, stop in ((0, 7), (1000, whole.num_examples + 5)):
    split = part(first, stop)
    ours = split.to_memory(())
    assert split.num_examples == len(ours)
    np.testing.assert_array_equal(ours.images, images.images[first:stop])
    np.testing.assert_array_equal(ours.labels, images.labels[first:stop])
