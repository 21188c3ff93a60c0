"""Real data sets, against published numbers."""

import os
import pathlib

import numpy as np
import pytest
from data_sets import load

DATA = os.environ.get('TFP_LGC_TEST_DATA')

needs_data = pytest.mark.skipif(
    not DATA, reason='TFP_LGC_TEST_DATA names no folder of data sets')


def _summary(split):
  """Label counts, and mean and standard deviation of the pixels in 0..1."""
  counts, total, squares = 0, 0, 0
  for images, labels in split.batches(1000).as_numpy_iterator():
    histogram = np.bincount(images.ravel(), minlength=256)
    counts = counts + np.bincount(labels, minlength=10)
    total = total + histogram @ np.arange(256)
    squares = squares + histogram @ np.arange(256)**2
  size = split.num_examples * np.prod(split.image_shape)
  mean = total / size
  return counts, mean / 255, np.sqrt(squares / size - mean**2) / 255


@needs_data
def test_mnist_of_tfds_is_mnist_of_idx():
  tfds = load('mnist', data_dir=f'{DATA}/tfds')
  idx = load(pathlib.Path(DATA, 'mnist'))
  assert tfds.class_names == idx.class_names == tuple('0123456789')
  summaries = []
  for source in (tfds, idx):
    for split, num_examples in ((source.train, 60_000), (source.test, 10_000)):
      assert split.num_examples == num_examples
      assert split.image_shape == (28, 28, 1)
      summaries.append(_summary(split))
      assert summaries[-1][0].sum() == num_examples
  for one, other in zip(summaries[:2], summaries[2:]):
    for ours, theirs in zip(one, other):
      np.testing.assert_array_equal(ours, theirs)
  counts, *moments = summaries[0]
  assert (counts[0], counts[1]) == (5923, 6742)
  np.testing.assert_allclose(moments, [0.1307, 0.3081], atol=5e-5)


@needs_data
def test_fashion_mnist_is_as_published():
  source = load('fashion_mnist', data_dir=f'{DATA}/tfds')
  assert source.class_names[0] == 'T-shirt/top'
  counts, *moments = _summary(source.train)
  np.testing.assert_array_equal(counts, [6000] * 10)
  np.testing.assert_allclose(moments, [0.2860, 0.3530], atol=5e-5)
  np.testing.assert_array_equal(_summary(source.test)[0], [1000] * 10)


@needs_data
def test_cifar10_small_is_rgb():
  source = load(pathlib.Path(DATA, 'cifar10_small.npz'))
  assert source.class_names == tuple('0123456789')
  for split, num_examples in ((source.train, 10_000), (source.test, 1_000)):
    assert split.num_examples == num_examples
    assert split.image_shape == (32, 32, 3)
    assert _summary(split)[0].sum() == num_examples
