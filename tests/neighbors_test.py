"""Nearest neighbors against scikit-learn's, in blocks of any size."""

import numpy as np
import pytest
from sklearn import metrics
from sklearn import neighbors as sk_neighbors

from tfp_lgc.metrics import neighbors


def _points(seed, count, size=5):
  return np.random.default_rng(seed).normal(3, 1, [count, size]).astype(
      np.float32)


@pytest.fixture(params=[2**24, 100, 1])
def block_num(request, monkeypatch):
  monkeypatch.setattr(neighbors, 'BLOCK_NUM', request.param)
  return request.param


@pytest.mark.parametrize('k', [1, 3, 40])
def test_nearest_equals_scikit_learn(k, block_num):
  a, b = _points(0, 70), _points(1, 40)
  theirs = sk_neighbors.NearestNeighbors(n_neighbors=k, algorithm='brute')
  distances, indices = theirs.fit(b).kneighbors(a)
  got = neighbors.nearest(a, b, k)
  np.testing.assert_allclose(got.distances, distances, rtol=1e-5)
  np.testing.assert_array_equal(got.indices, indices)


def test_blocks_are_all_distances_and_small(block_num):
  a, b = _points(0, 70), _points(1, 40)
  parts, rows = [], []
  for some, block in neighbors.blocks(a, b):
    assert block.dtype == np.float32
    assert block.size <= max(block_num, len(b))
    parts.append(block)
    rows.extend(range(70)[some])
  assert rows == list(range(70))
  np.testing.assert_allclose(
      np.concatenate(parts), metrics.pairwise_distances(a, b, 'sqeuclidean'),
      rtol=1e-4, atol=1e-4)


def test_the_same_points_have_no_distance():
  """However far from the origin, where products lose all digits."""
  x = _points(0, 50) + 1000
  found = neighbors.nearest(x, x[::-1])
  np.testing.assert_array_equal(found.distances[:, 0], 0)
  np.testing.assert_array_equal(found.indices[:, 0], np.arange(50)[::-1])


def test_flattened_distances_are_of_a_pixel():
  rng = np.random.default_rng(0)
  images = rng.integers(0, 256, [2, 4, 3, 3]).astype(np.uint8)
  x = neighbors.flattened(images)
  difference = images[0] / 255 - images[1] / 255
  assert np.linalg.norm(x[0] - x[1]) == pytest.approx(
      np.sqrt(np.mean(difference**2)), rel=1e-5)


@pytest.mark.parametrize('k', [0, 4])
def test_more_neighbors_than_points_are_refused(k):
  with pytest.raises(ValueError, match=f'k = {k}.*from 1 to 3'):
    neighbors.nearest(_points(0, 5), _points(1, 3), k)
