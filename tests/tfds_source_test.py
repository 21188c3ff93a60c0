"""Data sets as TFDS has them."""

import numpy as np
import pytest
import tensorflow as tf
from data_sets import (
  load,
  multiset,
  NAMES,
  rows_of,
  TEST,
  TRAIN,
  write_rows,
  write_tfds,
)

from tfp_lgc import data, sources
from tfp_lgc.config import DataConfig
from tfp_lgc.errors import DataError


def test_the_validation_split_is_a_test_split_where_there_is_no_other(tmp_path):
  config = write_tfds(tmp_path, TRAIN, TEST, test_name='validation')
  source = sources.load(DataConfig(**config))
  assert rows_of(source.train, NAMES) == multiset(*TRAIN, NAMES)
  assert rows_of(source.test, NAMES) == multiset(*TEST, NAMES)


def test_parts_of_tfds_are_in_the_order_of_the_files(tmp_path, monkeypatch):
  """Whichever files they lie in; of a whole, TFDS takes turns between files."""
  from tfp_lgc import progress, tfds_writer
  monkeypatch.setattr(tfds_writer, 'SHARD_NUM_IMAGES', 256)
  pixels = np.arange(600)

  def portions(first, stop):
    rows = pixels[first:stop]
    images = np.zeros([len(rows), 2, 2, 1], np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = rows // 256, rows % 256
    yield images, (rows % 3).astype(np.int32)
  tfds_writer.write_tfds(
      portions, {'train': 590, 'test': 10}, (2, 2, 1), NAMES,
      str(tmp_path / 'lgc_samples' / '1.0.0'), {}, progress.Progress())
  config = DataConfig(dataset='lgc_samples', data_dir=str(tmp_path))
  part = sources.parts(config)
  for first, stop in ((0, 10), (250, 590), (300, 301)):
    split = part(first, stop)
    assert split.num_examples == stop - first
    images = split.to_memory(NAMES)
    expected, = portions(first, stop)
    np.testing.assert_array_equal(images.images, expected[0])
    np.testing.assert_array_equal(images.labels, expected[1])


def test_what_is_not_to_be_held_is_read_again(tmp_path, monkeypatch):
  """TFDS keeps small data sets in memory, if it is let."""
  from tfp_lgc import progress, tfds_writer

  def portions(first, stop):
    yield np.zeros([stop - first, 2, 2, 1], np.uint8), np.arange(first, stop)
  folder = tmp_path / 'lgc_samples' / '1.0.0'
  tfds_writer.write_tfds(portions, {'train': 3, 'test': 3}, (2, 2, 1), 'abcdef',
                         str(folder), {}, progress.Progress())
  config = DataConfig(dataset='lgc_samples', data_dir=str(tmp_path))
  held = sources.load(config)
  monkeypatch.setattr(data, 'most_cached', lambda max_memory: 0)
  read = sources.load(config)
  for source in (held, read):
    assert len(source.test_labels()) == 3
  for path in folder.glob('*test*'):
    path.unlink()
  assert held.test_labels().tolist() == [3, 4, 5]
  with pytest.raises(tf.errors.NotFoundError):
    read.test_labels()


def test_classes_that_tfds_only_counts_are_numbered(tmp_path):
  import tensorflow_datasets as tfds
  config = write_tfds(tmp_path, TRAIN, TEST,
                      label=tfds.features.ClassLabel(num_classes=3))
  source = sources.load(DataConfig(**config))
  assert source.class_names == ('0', '1', '2')
  assert rows_of(source.test, ('0', '1', '2')) == multiset(*TEST, '012')


def test_plain_integer_labels_of_tfds_are_not_lost_in_silence(tmp_path):
  """They are kept as classes: one class of all would not be the data set."""
  config = write_tfds(tmp_path, TRAIN, TEST, label=np.int64)
  source = sources.load(DataConfig(**config))
  assert source.class_names == ('0', '1', '2')


def test_a_label_of_tfds_needs_no_supervised_keys(tmp_path):
  config = write_tfds(tmp_path, TRAIN, TEST, supervised_keys=None)
  assert sources.load(DataConfig(**config)).class_names == NAMES


def test_images_of_tfds_without_a_label_are_no_first_class(tmp_path):
  """TFDS writes -1 where nobody knows the class."""
  config = write_tfds(tmp_path, (TRAIN[0], TRAIN[1] * 0 - 1), None)
  source = sources.load(DataConfig(**config))
  with pytest.raises(tf.errors.InvalidArgumentError, match='without a label'):
    source.train.to_memory(NAMES)


def test_a_data_dir_that_is_missing_is_not_made(tmp_path):
  with pytest.raises(DataError, match='data_dir.*missing'):
    sources.load(DataConfig(dataset='mnist', data_dir=f'{tmp_path}/missing'))
  assert not list(tmp_path.iterdir())


def test_pixels_of_tfds_that_8_bits_cannot_hold_are_refused(tmp_path):
  import tensorflow_datasets as tfds
  image = tfds.features.Image(shape=(5, 4, 1), dtype=np.uint16)
  train = TRAIN[0].astype(np.uint16) << 8, TRAIN[1]
  config = write_tfds(tmp_path, train, None, image=image)
  with pytest.raises(DataError, match='tiny_images.*uint16'):
    sources.load(DataConfig(**config))


def test_images_of_tfds_of_several_sizes_are_refused(tmp_path):
  import tensorflow_datasets as tfds
  config = write_tfds(tmp_path, TRAIN, None,
                      image=tfds.features.Image(shape=(None, None, 1)))
  with pytest.raises(DataError, match='tiny_images.*no images of one size'):
    sources.load(DataConfig(**config))


def test_tfds_without_images_is_refused(tmp_path):
  config = write_rows(tmp_path, 'tiny_numbers', {'x': np.int64},
                      {'train': [{'x': 1}]}, None)
  with pytest.raises(DataError, match='tiny_numbers.*no images'):
    sources.load(DataConfig(**config))


def test_tfds_without_a_train_split_is_refused(tmp_path):
  config = write_tfds(tmp_path, None, TEST)
  with pytest.raises(DataError, match='no train split, only test'):
    sources.load(DataConfig(**config))


@pytest.mark.parametrize('dataset', ['', 'no_such_dataset', 'two words'])
def test_a_name_that_tfds_does_not_know_is_named(dataset, tmp_path):
  with pytest.raises(DataError, match=f"dataset = '{dataset}'"):
    load(dataset, data_dir=str(tmp_path))
