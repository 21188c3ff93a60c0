"""Data sets in IDX files, and files that are refused."""

import gzip

import numpy as np
import pytest
from data_sets import idx_bytes, load, short, TEST, TRAIN, write_idx

from tfp_lgc.errors import DataError


@pytest.mark.parametrize('image_shape', [(24, 5, 4), (24, 5, 4, 3)])
def test_idx_may_be_gzipped_and_of_color(image_shape, tmp_path):
  images = np.random.default_rng(0).integers(0, 256, image_shape, np.uint8)
  for kind, array in (('images-idx3', images), ('labels-idx1', TRAIN[1])):
    (tmp_path / f'train-{kind}-ubyte.gz').write_bytes(
        gzip.compress(idx_bytes(array)))
  source = load(tmp_path, test_fraction=0.01)
  np.testing.assert_array_equal(source.train.to_memory(()).images,
                                images.reshape([24, 5, 4, -1]))
  np.testing.assert_array_equal(source.train.to_memory(()).labels, TRAIN[1])


def test_idx_may_have_the_names_that_browsers_give_it(tmp_path):
  write_idx(tmp_path, TRAIN, TEST)
  for path in list(tmp_path.iterdir()):
    path.rename(str(path).replace('-idx', '.idx'))
  assert load(tmp_path).test.num_examples == 9


def test_idx_without_labels_is_one_class(tmp_path):
  write_idx(tmp_path, TRAIN, TEST)
  for name in ('train', 't10k'):
    (tmp_path / f'{name}-labels-idx1-ubyte').unlink()
  source = load(tmp_path)
  assert source.class_names == ('all',)
  assert source.test.num_examples == 9


GOOD_IDX = idx_bytes(TRAIN[0][..., 0])


@pytest.mark.parametrize('content, words', [
    (b'', 'not an IDX file'),
    (b'\0\0\x08', 'not an IDX file'),
    (b'\x89PNG' + GOOD_IDX[4:], 'not an IDX file'),
    # Shorts, where bytes are known.
    (b'\0\0\x0b' + GOOD_IDX[3:], 'not an IDX file'),
    # Within the header.
    (GOOD_IDX[:10], 'ends within its header'),
    (GOOD_IDX[:-1], 'announces'),
    (GOOD_IDX + b'\0', 'announces'),
    # Of 2^96 bytes, and of more axes than NumPy has.
    (GOOD_IDX[:4] + b'\xff' * 12 + GOOD_IDX[16:], 'announces'),
    (b'\0\0\x08\xff' + bytes(4 * 255), 'train-images'),
    (GOOD_IDX[:3] + b'\2' + np.array([24, 20], '>u4').tobytes()
     + GOOD_IDX[16:], 'x_train: got shape'),
], ids=short)
def test_an_idx_file_that_is_refused_is_named(content, words, tmp_path):
  (tmp_path / 'train-images-idx3-ubyte').write_bytes(content)
  with pytest.raises(DataError, match=words) as error:
    load(tmp_path)
  assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize('content', [
    b'no gzip', gzip.compress(GOOD_IDX)[:-10], gzip.compress(GOOD_IDX)[:40]],
                         ids=short)
def test_a_gzip_that_is_damaged_is_named(content, tmp_path):
  (tmp_path / 'train-images-idx3-ubyte.gz').write_bytes(content)
  with pytest.raises(DataError, match='ubyte.gz: cannot be read'):
    load(tmp_path)


def test_idx_without_train_images_is_refused(tmp_path):
  write_idx(tmp_path, TRAIN, TEST)
  (tmp_path / 'train-images-idx3-ubyte').unlink()
  with pytest.raises(DataError, match='has no train-images-idx3-ubyte'):
    load(tmp_path)


@pytest.mark.parametrize('size', [4, 7, 8, 12, 16])
def test_idx_test_images_that_end_early_are_not_passed_over(size, tmp_path):
  write_idx(tmp_path, TRAIN, TEST)
  path = tmp_path / 't10k-images-idx3-ubyte'
  path.write_bytes(path.read_bytes()[:size])
  with pytest.raises(DataError):
    load(tmp_path)


@pytest.mark.parametrize('name', ['train', 't10k'])
def test_idx_with_the_labels_of_one_split_is_refused(name, tmp_path):
  write_idx(tmp_path, TRAIN, TEST)
  (tmp_path / f'{name}-labels-idx1-ubyte').unlink()
  with pytest.raises(DataError, match='y_test'):
    load(tmp_path)


def test_idx_of_too_few_labels_is_refused(tmp_path):
  write_idx(tmp_path, TRAIN, TEST)
  (tmp_path / 'train-labels-idx1-ubyte').write_bytes(idx_bytes(TRAIN[1][1:]))
  with pytest.raises(DataError, match=r'y_train: got shape \(23,\) for 24'):
    load(tmp_path)
