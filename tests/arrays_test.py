"""Arrays of any kind become images, labels and sources, or are refused."""

import numpy as np
import pytest

from tfp_lgc import arrays
from tfp_lgc.errors import DataError

GRAY = np.random.default_rng(0).integers(0, 256, [6, 4, 5], np.uint8)
RGB = np.random.default_rng(1).integers(0, 256, [6, 4, 5, 3], np.uint8)

# Images.


@pytest.mark.parametrize('images', [
    GRAY, GRAY[..., np.newaxis], GRAY.astype(np.int64), GRAY.astype(np.uint32),
    GRAY.astype(np.int16), GRAY.tolist(), GRAY.astype('>i4'), GRAY[:, ::-1]],
    ids=lambda x: type(x).__name__)
def test_gray_images_of_whole_numbers_lose_nothing(images):
  got = arrays.check_images(images, 'x')
  assert got.dtype == np.uint8
  np.testing.assert_array_equal(
      got, np.asarray(images).reshape([6, 4, 5, 1]))


def test_rgb_images_stay_what_they_are():
  np.testing.assert_array_equal(arrays.check_images(RGB, 'x'), RGB)


@pytest.mark.parametrize('images, words', [
    (GRAY / 255, "from 0 to 0.97.*; .*'0,1'"),
    (GRAY.astype(np.float32), 'float32 pixels from .*must be stated'),
    (GRAY.astype(np.uint16), 'uint16 pixels from .*must be stated'),
    (np.where(GRAY > 9, GRAY.astype(int), -1), 'from -1 '),
    (np.where(GRAY > 9, GRAY.astype(int), 256), 'to 256;'),
    (np.where(GRAY > 9, GRAY, np.nan), 'nan'),
    (np.where(GRAY > 9, GRAY, np.inf), 'infinite'),
    (GRAY[0], 'shape'),
    (GRAY[:, :, :, None, None], 'shape'),
    (np.zeros([6, 4, 5, 2], np.uint8), 'shape'),
    (np.zeros([6, 4, 5, 4], np.uint8), 'shape'),
    (np.zeros([6, 0, 5, 1], np.uint8), 'shape'),
    (np.zeros([6, 4, 0], np.uint8), 'shape'),
    (np.array(7), 'shape'),
    ([], 'shape'),
    (GRAY > 9, 'bool'),
    (GRAY.astype(complex), 'complex'),
    (GRAY.astype(str), 'type'),
    (GRAY.astype(object), 'object'),
    ([np.zeros([2, 2]), np.zeros([3, 3])], 'one size'),
])
def test_images_that_are_refused_are_named(images, words):
  with pytest.raises(DataError, match=words) as error:
    arrays.check_images(images, 'mine')
  assert str(error.value).startswith('mine: ')


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_no_images_are_images_too(dtype):
  got = arrays.check_images(np.zeros([0, 4, 5], dtype), 'x')
  assert got.shape == (0, 4, 5, 1) and got.dtype == np.uint8


# Labels.


@pytest.mark.parametrize('labels, positions, names', [
    # Whole numbers that do not start at 0, with gaps, sorted as numbers.
    ([10, 3, 5, 3], [2, 0, 1, 0], ('3', '5', '10')),
    ([-1, 4, -1, 0], [0, 2, 0, 1], ('-1', '0', '4')),
    (np.array([7, 7, 2, 7], np.uint8), [1, 1, 0, 1], ('2', '7')),
    ([2**40, 0, 0, 1], [2, 0, 0, 1], ('0', '1', '1099511627776')),
    (np.array([2**63, 0, 0, 1], np.uint64), [2, 0, 0, 1],
     ('0', '1', '9223372036854775808')),
    ([2.0, 1.0, 1.0, 2.0], [1, 0, 0, 1], ('1', '2')),
    ([True, False, True, True], [1, 0, 1, 1], ('0', '1')),
    (['cat', 'ant', 'ant', 'ätz'], [1, 0, 0, 2], ('ant', 'cat', 'ätz')),
    ([b'cat', b'ant', b'ant', 'ätz'.encode()], [1, 0, 0, 2],
     ('ant', 'cat', 'ätz')),
    (np.array(['b', 'a', 'a', 'b'], object), [1, 0, 0, 1], ('a', 'b')),
    ([[3], [5], [5], [3]], [0, 1, 1, 0], ('3', '5')),
    (None, [0, 0, 0, 0], ('all',)),
])
def test_labels_become_positions_in_sorted_names(labels, positions, names):
  got, got_names = arrays.encode_labels(labels, 4, 'y')
  assert got.dtype == np.int32
  assert got_names == names
  np.testing.assert_array_equal(got, positions)


@pytest.mark.parametrize('labels', [
    [1, 2, 3],
    [1, 2, 3, 4, 5],
    [[1, 2]] * 4,
    3,
    [[1], [1, 2], [3], [4]],
    [0.5, 1, 2, 3],
    [np.nan, 1, 2, 3],
    [np.inf, 1, 2, 3],
    # Whole, but no integer type holds it.
    [1e300, 1, 2, 3],
    [1j, 1, 2, 3],
    np.array(['2020-01-01'] * 4, 'M8[D]'),
    # Latin-1, not UTF-8.
    [b'\xe9', b'a', b'b', b'c'],
], ids=str)
@pytest.mark.filterwarnings('ignore:invalid value:RuntimeWarning')
def test_labels_that_are_refused_are_named(labels):
  with pytest.raises(DataError, match='^mine: '):
    arrays.encode_labels(labels, 4, 'mine')


def test_known_classes_keep_their_positions():
  known = ('3', '5', '10')
  got, names = arrays.encode_labels([10, 3], 2, 'y', known)
  assert names == known
  np.testing.assert_array_equal(got, [2, 0])


def test_a_class_that_is_not_known_is_named():
  with pytest.raises(DataError, match="y_test: class '4' does not occur"):
    arrays.encode_labels([3, 4], 2, 'y_test', ('3', '5'))


# Sources.


def test_from_arrays_with_a_test_split():
  source = arrays.from_arrays((GRAY, list('babaca')), (GRAY[:2], ['c', 'a']),
                              name='mine')
  assert (source.name, source.class_names) == ('mine', ('a', 'b', 'c'))
  train = source.train.to_memory(source.class_names)
  test = source.test.to_memory(source.class_names)
  np.testing.assert_array_equal(train.images[..., 0], GRAY)
  np.testing.assert_array_equal(train.labels, [1, 0, 1, 0, 2, 0])
  np.testing.assert_array_equal(test.images[..., 0], GRAY[:2])
  np.testing.assert_array_equal(test.labels, [2, 0])


@pytest.mark.parametrize('test', [None, (GRAY[:0], [])])
def test_from_arrays_without_a_test_split_holds_a_part_out(test):
  images = np.arange(40, dtype=np.uint8).reshape([40, 1, 1])
  source = arrays.from_arrays((images, np.arange(40) % 2), test,
                              test_fraction=0.25)
  assert (source.train.num_examples, source.test.num_examples) == (30, 10)
  parts = [split.to_memory(()) for split in (source.train, source.test)]
  np.testing.assert_array_equal(np.bincount(parts[1].labels), [5, 5])
  got = np.concatenate([part.images.ravel() for part in parts])
  np.testing.assert_array_equal(np.sort(got), np.arange(40))
  for part in parts:
    np.testing.assert_array_equal(part.labels, part.images.ravel() % 2)


def test_from_arrays_alone_is_a_train_split():
  source = arrays.from_arrays((GRAY, None))
  assert source.test is None
  assert source.train.num_examples == 6
  assert source.class_names == ('all',)


@pytest.mark.parametrize('test', [
    (GRAY, list('abcabd')),
    (GRAY, None),
    (GRAY, list('abc')),
    (GRAY[:, 1:], list('abcabc')),
    (RGB, list('abcabc')),
    (GRAY / 255, list('abcabc')),
    (np.array(3), None),
])
def test_a_test_split_that_does_not_fit_is_refused(test):
  with pytest.raises(DataError, match='^mine'):
    arrays.from_arrays((GRAY, list('abcabc')), test, name='mine')


def test_labels_of_one_split_alone_are_refused():
  with pytest.raises(DataError, match='no y_test'):
    arrays.from_arrays((GRAY, list('abcabc')), (GRAY, None), name='mine')


def test_a_source_has_images():
  with pytest.raises(DataError, match='mine: the train split has no image'):
    arrays.from_arrays((GRAY[:0], []), name='mine')
