"""Real images at random, stratified, and all of them."""

import lzma

import image_sets
import numpy as np
import pytest

from tfp_lgc.baselines import BASELINES, compress, lossless, stored, subset
from tfp_lgc.data import Images


@pytest.fixture(scope='module')
def digits():
  return image_sets.digits()


@pytest.fixture(scope='module')
def images():
  return image_sets.noise()


@pytest.mark.parametrize('num_bytes', [200, 1500])
def test_a_subset_is_as_large_as_xz_lets_it_be(num_bytes, images):
  made = subset.random_subset(images, num_bytes, 1)
  got = made.images
  assert 0 < len(got) < 300
  assert len(image_sets.rows(got)) == len(got)
  assert image_sets.rows(got) <= image_sets.rows(images)

  def coded(count):
    order = np.random.default_rng(1).permutation(300)[:count]
    return lzma.compress(
        images.images[order].tobytes()
        + images.labels[order].astype(np.uint8).tobytes(),
        preset=9 | lzma.PRESET_EXTREME)

  assert made.content == coded(len(got))
  assert len(made.content) <= num_bytes < len(coded(len(got) + 1))


@pytest.mark.parametrize('name', ['random_subset', *lossless.MEMBERS])
def test_all_images_fit_into_many_bytes(name, images):
  made = compress(BASELINES[name], images, 10**6, 0)
  assert image_sets.rows(made.images) == image_sets.rows(images)


def test_labels_of_many_classes_are_coded_whole():
  names = tuple(map(str, range(300)))
  images = Images(np.zeros([300, 1, 1, 1], np.uint8),
                  np.arange(300, dtype=np.int32), names)
  for name in ('random_subset', 'xz'):
    made = compress(BASELINES[name], images, 10**6, 0)
    assert sorted(made.images.labels) == list(range(300))


def test_every_start_of_the_order_is_stratified(digits):
  order = subset.stratified(digits.labels, 1)
  assert sorted(order) == list(range(len(digits)))
  shares = np.bincount(digits.labels) / len(digits)
  for n in (10, 77, 400):
    counts = np.bincount(digits.labels[order[:n]], minlength=10)
    assert np.abs(counts - n * shares).max() < 1.5


def test_the_best_lossless_code_is_the_smallest(digits):
  sizes = {codec: len(stored.write(digits, stored.Layout(codec)))
           for codec in lossless.LOSSLESS}
  assert set(sizes) == {'gzip', 'xz', 'png', 'webp_lossless'}
  name = min(sizes, key=sizes.get)
  made = lossless.subset(digits, 10**6, 0)
  assert made.settings['codec'] == name
  assert made.num_bytes == sizes[name]
  assert lossless.subset(digits, 6000, 0).num_bytes > 5800
