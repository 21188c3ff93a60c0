"""Every baseline keeps to its bytes; a subset is one, and the largest."""

import lzma

import numpy as np
import pytest

from tfp_lgc import baselines
from tfp_lgc.baselines import BASELINES, subset
from tfp_lgc.data import Images


@pytest.fixture(scope='module')
def images():
  """300 images of noise, no two the same; class 1 has only one of them."""
  rng = np.random.default_rng(0)
  labels = np.arange(300, dtype=np.int32) % 2 * 2
  labels[7] = 1
  return Images(rng.integers(0, 40, [300, 5, 6, 1]).astype(np.uint8), labels,
                ('ape', 'cat', 'emu'))


def _rows(images):
  return {(image.tobytes(), int(label))
          for image, label in zip(images.images, images.labels)}


@pytest.mark.parametrize('name', BASELINES)
@pytest.mark.parametrize('num_bytes', [0, 100, 1000, 4000, 10**6])
def test_no_baseline_takes_more_than_it_may(name, num_bytes, images):
  compressed = BASELINES[name](images, num_bytes, 3)
  assert isinstance(compressed, baselines.Compressed)
  assert 0 <= compressed.num_bytes <= num_bytes
  assert compressed.images.images.shape[1:] == (5, 6, 1)
  assert compressed.images.class_names == images.class_names


@pytest.mark.parametrize('name', BASELINES)
def test_the_seed_decides(name, images):
  first, again, other = [BASELINES[name](images, 1500, seed).images
                         for seed in (1, 1, 2)]
  np.testing.assert_array_equal(first.images, again.images)
  np.testing.assert_array_equal(first.labels, again.labels)
  assert _rows(first) != _rows(other)


@pytest.mark.parametrize('num_bytes', [200, 1500])
def test_a_subset_is_as_large_as_xz_lets_it_be(num_bytes, images):
  got, size = subset.random_subset(images, num_bytes, 1)
  assert 0 < len(got) < 300
  assert len(_rows(got)) == len(got) and _rows(got) <= _rows(images)

  def coded(count):
    order = np.random.default_rng(1).permutation(300)[:count]
    return len(lzma.compress(
        images.images[order].tobytes()
        + images.labels[order].astype(np.uint8).tobytes(),
        preset=9 | lzma.PRESET_EXTREME))

  assert size == coded(len(got)) <= num_bytes < coded(len(got) + 1)


def test_all_images_fit_into_many_bytes_and_none_into_few(images):
  whole = subset.random_subset(images, 10**6)
  assert _rows(whole.images) == _rows(images)
  empty = subset.random_subset(images, 10)
  assert (len(empty.images), empty.num_bytes) == (0, 0)


def test_labels_of_many_classes_are_coded_whole():
  names = tuple(map(str, range(300)))
  images = Images(np.zeros([300, 1, 1, 1], np.uint8),
                  np.arange(300, dtype=np.int32), names)
  content = lzma.decompress(subset._coded(images))
  np.testing.assert_array_equal(np.frombuffer(content[300:], np.uint16),
                                images.labels)
