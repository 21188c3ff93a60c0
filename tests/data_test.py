"""Splits of arrays: streams, and what is held out; NumPy and gzip are the
judges."""

import dataclasses
import gzip
import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfp_lgc import data
from tfp_lgc.errors import DataError

GRAY = np.random.default_rng(0).integers(0, 256, [6, 4, 5], np.uint8)
RGB = np.random.default_rng(1).integers(0, 256, [6, 4, 5, 3], np.uint8)
NUM_EXAMPLES = 50


@pytest.fixture(scope='module')
def split():
  """Each image has its own label, by which it is known again."""
  pixels = np.random.default_rng(0).integers(
      0, 256, [NUM_EXAMPLES, 3, 2, 1], np.uint8)
  return data.array_split(pixels, np.arange(NUM_EXAMPLES))


def _order(batches):
  return np.concatenate([labels for _, labels in batches.as_numpy_iterator()])


# Images.


@pytest.mark.parametrize('images, labels', [
    (RGB.astype(np.float32), np.zeros(6, np.int32)),
    (GRAY, np.zeros(6, np.int32)),
    (RGB, np.zeros(5, np.int32)),
    (RGB, np.zeros(0, np.int32)),
])
def test_images_refuse_another_form(images, labels):
  with pytest.raises(DataError, match='images'):
    data.Images(images, labels, ('a',))


def test_images_count_themselves():
  assert len(data.Images(RGB, np.zeros(6, np.int32), ('a',))) == 6


# The part that is held out.


@pytest.mark.parametrize('fraction', [0.0, 0.2, 0.5, 0.9])
def test_hold_out_is_stratified_disjoint_and_complete(fraction):
  counts = {0: 50, 2: 10, 5: 3, 9: 1}
  labels = np.random.default_rng(0).permutation(
      np.repeat(list(counts), list(counts.values())))
  train, test = data.hold_out(labels, fraction)
  np.testing.assert_array_equal(np.sort(np.concatenate([train, test])),
                                np.arange(64))
  for part in (train, test):
    np.testing.assert_array_equal(part, np.sort(part))
  for label, count in counts.items():
    assert (labels[test] == label).sum() == int(fraction * count)


def test_hold_out_is_a_draw_that_is_always_the_same():
  """Also after whatever else drew from a global generator."""
  labels = np.zeros(100, int)
  _, test = data.hold_out(labels, 0.2)
  np.random.seed(5)
  np.random.random(7)
  np.testing.assert_array_equal(data.hold_out(labels, 0.2)[1], test)
  # A draw, for files are often sorted.
  assert 20 < test.max()


@pytest.mark.parametrize('count, held', [(60_000, 5000), (1000, 200), (3, 0)])
def test_so_many_images_are_chosen_by(count, held):
  kept, chosen_by = data.to_choose_by(np.zeros(count, int))
  assert (len(kept), len(chosen_by)) == (count - held, held)


# Sizes.


@pytest.mark.parametrize('num_classes, dtype', [
    (1, np.uint8), (2, np.uint8), (256, np.uint8), (257, np.uint16),
    (300, np.uint16), (65536, np.uint16)])
def test_sizes_are_those_of_pixels_and_the_smallest_labels(num_classes, dtype):
  rng = np.random.default_rng(0)
  # More than one batch; pixels that can be compressed.
  images = rng.integers(0, 20, [2500, 3, 2, 3], np.uint8)
  labels = rng.integers(0, num_classes, 2500)
  split = data.array_split(images, labels)
  raw = images.tobytes() + labels.astype(dtype).tobytes()
  assert split.num_raw_bytes(num_classes) == len(raw)
  assert data.gzip_num_bytes(split, num_classes) == len(gzip.compress(raw, 9))


# Streams.


def test_without_a_seed_it_is_one_pass_in_order(split):
  batches = list(split.batches(20).as_numpy_iterator())
  assert [images.shape for images, _ in batches] == [
      (20, 3, 2, 1), (20, 3, 2, 1), (10, 3, 2, 1)]
  assert {(i.dtype, y.dtype) for i, y in batches} == {
      (np.dtype(np.uint8), np.dtype(np.int32))}
  np.testing.assert_array_equal(_order(split.batches(20)),
                                np.arange(NUM_EXAMPLES))


def test_with_a_seed_it_is_endless_passes_each_in_another_order(split):
  batches = split.batches(20, seed=1)
  assert batches.cardinality() == tf.data.INFINITE_CARDINALITY
  got = _order(batches.take(10))
  passes = got.reshape([4, NUM_EXAMPLES])
  np.testing.assert_array_equal(np.sort(passes),
                                [np.arange(NUM_EXAMPLES)] * 4)
  for first, second in itertools.combinations(passes, 2):
    assert (first != second).any()


def test_images_stay_with_their_labels(split):
  images = split.to_memory(()).images
  for batch, labels in split.batches(20, seed=1).take(5).as_numpy_iterator():
    np.testing.assert_array_equal(batch, images[labels])


def test_the_seed_decides_the_order(split):
  def order(seed):
    return _order(split.batches(20, seed=seed).take(5))
  np.testing.assert_array_equal(order(0), order(0))
  assert (order(0) != order(1)).any()


def test_a_split_larger_than_the_buffer_is_still_read_whole(monkeypatch):
  monkeypatch.setattr(data, 'SHUFFLE_NUM_BYTES', 0)
  count = 2500
  split = data.array_split(np.zeros([count, 1, 1, 1], np.uint8),
                           np.arange(count))
  got = _order(split.batches(500, seed=0).take(5))
  np.testing.assert_array_equal(np.sort(got), np.arange(count))


def test_large_arrays_sorted_by_class_are_read_mixed(monkeypatch):
  monkeypatch.setattr(data, 'SHUFFLE_NUM_BYTES', 0)
  labels = np.repeat([0, 1], 2000)
  split = data.array_split(np.zeros([4000, 1, 1, 1], np.uint8), labels)
  first = next(iter(split.batches(100, seed=0)))[1].numpy()
  assert 20 < first.sum() < 80


def test_gzip_is_given_up_on_request():
  noise = np.random.default_rng(0).integers(0, 256, [3000, 9, 9, 1], np.uint8)
  split = data.array_split(noise, np.zeros(3000, np.int32))
  whole = data.gzip_num_bytes(split, 1)
  assert data.gzip_num_bytes(split, 1, lambda: True) < 0.5 * whole


def test_to_memory_is_the_whole_split():
  # More than the portions in which it is read.
  rng = np.random.default_rng(0)
  images = rng.integers(0, 256, [2100, 2, 2, 1], np.uint8)
  labels = rng.integers(0, 3, 2100)
  got = data.array_split(images, labels).to_memory(('a', 'b', 'c'))
  np.testing.assert_array_equal(got.images, images)
  np.testing.assert_array_equal(got.labels, labels)
  assert got.class_names == ('a', 'b', 'c')


# Sources.


def test_a_source_has_as_many_classes_as_labels_can_tell(split):
  names = tuple(str(i) for i in range(65536))
  assert data.Source('mine', split, None, names).class_names == names
  with pytest.raises(DataError, match='mine: got 65537 classes'):
    data.Source('mine', split, None, (*names, 'more'))


@pytest.mark.parametrize('seed', [None, 3])
@pytest.mark.parametrize('weights', [None, np.linspace(0, 1, 50)])
def test_what_is_held_in_memory_comes_in_the_order_of_the_stream(seed, weights):
  images = np.arange(50, dtype=np.uint8)[:, None, None, None]
  split = data.array_split(images, np.arange(50), weights=weights)
  assert split.held
  stream = dataclasses.replace(split, held=None)
  for one, other in ((split, stream), (split.part(10, 33), stream.part(10, 33)),
                     (split.part(40, 90), stream.part(40, 90))):
    assert one.num_examples == other.num_examples
    for skip in (0, 2):
      batches = [its.batches(8, seed=seed, salt=1, skip=skip).take(
          12).as_numpy_iterator() for its in (one, other)]
      for got, wanted in itertools.zip_longest(*batches):
        assert len(got) == (2 if weights is None else 3)
        for a, b in zip(got, wanted):
          assert a.dtype == b.dtype
          np.testing.assert_array_equal(a, b)


def test_what_is_held_is_read_once():
  read = []
  examples = tf.data.Dataset.range(30).map(lambda i: (
      tf.cast(i, tf.uint8)[None, None, None], tf.cast(i, tf.int32)))
  examples = examples.map(lambda *row: tf.py_function(
      lambda *parts: read.append(1) or parts, row, [tf.uint8, tf.int32]))
  split = data.Split(examples, 30, (1, 1, 1), held=data.held(examples))
  for seed in (None, 1, 2):
    labels = [int(label) for _, batch in split.batches(7, seed=seed).take(4)
              for label in batch]
    assert len(labels) == 28
  assert len(read) == 30
