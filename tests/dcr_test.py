"""Distances to the closest record, of samples whose origin is known."""

import numpy as np
import pytest
from scipy import stats
from sklearn import neighbors as sk_neighbors

from tfp_lgc import data
from tfp_lgc.arrays import from_arrays
from tfp_lgc.metrics import neighbors
from tfp_lgc.metrics.privacy import dcr
from tfp_lgc.metrics.subject import Subject


def _images(seed, count):
  rng = np.random.default_rng(seed)
  return rng.integers(0, 256, [count, 4, 3, 1]).astype(np.uint8)


def _subject(samples, train, test):
  source = from_arrays((train, np.arange(len(train)) % 2),
                       (test, np.arange(len(test)) % 2))
  drawn = data.Images(samples, np.zeros(len(samples), np.int32), ('0', '1'))
  return Subject(source, lambda seed, n: (drawn, None), lambda: 100)


def test_closest_pairs_equal_scikit_learn():
  samples, train = _images(0, 50), _images(1, 80)
  search = sk_neighbors.NearestNeighbors(n_neighbors=1).fit(
      train.reshape(80, -1) / 255)
  distances, indices = search.kneighbors(samples.reshape(50, -1) / 255)
  order = np.argsort(distances[:, 0])[:7]
  got = dcr.closest(samples, train, 7)
  np.testing.assert_array_equal(got.samples, order)
  np.testing.assert_array_equal(got.train, indices[order, 0])
  np.testing.assert_allclose(got.distances, distances[order, 0] / np.sqrt(12),
                             rtol=1e-5)


def test_identical_is_to_the_last_bit():
  train = _images(0, 30)
  others = train[[4, 9]].copy()
  others[1, 0, 0, 0] ^= 1
  np.testing.assert_array_equal(dcr.identical(others, train), [True, False])


def _found(distances, indices=None):
  distances = np.array(distances, np.float32)[:, np.newaxis]
  return neighbors.Neighbors(
      distances, np.zeros(distances.shape, int) if indices is None
      else np.array(indices)[:, np.newaxis])


def test_the_share_leaves_ties_out():
  got = dcr.nearer_share(_found([1, 1, 2, 5, 3]), _found([2, 3, 2, 4, 5]), 2)
  assert got['nearer_to_train'] == 0.75 and got['ties'] == 1
  np.testing.assert_allclose(
      got['nearer_to_train_interval'],
      [stats.beta.ppf(0.025, 3, 2), stats.beta.ppf(0.975, 4, 1)], atol=6e-5)
  assert dcr.nearer_share(_found(np.ones(3)), _found(np.ones(3)), 2) == {
      'nearer_to_train': 0.5, 'nearer_to_train_interval': [0.0, 1.0],
      'chance_interval': [0.0, 1.0], 'ties': 3}


def test_the_chance_interval_is_that_of_shuffled_references():
  """Of which few are the closest of most samples."""
  rng = np.random.default_rng(0)
  closest = np.minimum(rng.geometric(0.05, 300) - 1, 99)  # Of 100 references.
  shares = [np.isin(closest, rng.permutation(100)[:50]).mean()
            for _ in range(4000)]
  # Those before 50 are train images.
  is_train = closest < 50
  got = dcr.nearer_share(_found(1.0 - is_train, closest % 50),
                         _found(0.5 + 0 * is_train, closest % 50), 50)
  assert got['nearer_to_train'] == pytest.approx(is_train.mean(), abs=1e-4)
  low, high = got['chance_interval']
  assert (high - low) / 2 == pytest.approx(1.96 * np.std(shares), rel=0.05)
  assert low < 0.4 and 0.93 < np.mean((low <= np.array(shares))
                                      & (np.array(shares) <= high)) < 0.97


def test_fresh_samples_are_as_near_to_either():
  got = dcr.measure(_subject(_images(0, 400), _images(1, 300), _images(2, 200)))
  low, high = got['chance_interval']
  assert 0.4 < low < got['nearer_to_train'] < high < 0.6
  assert got['identical_share'] == got['test_identical_share'] == 0.0
  assert (got['num_references'], got['num_images']) == (200, 400)


@pytest.mark.parametrize('often', ['train', 'test'])
def test_images_that_are_there_often_are_references_once(often):
  """Else fresh samples would seem far from those."""
  many, others = np.tile(_images(1, 60), [5, 1, 1, 1]), _images(2, 300)
  train, test = (many, others) if often == 'train' else (others, many)
  got = dcr.measure(_subject(_images(0, 400), train, test))
  low, high = got['chance_interval']
  assert low < got['nearer_to_train'] < high
  assert got['num_references'] == 60


def test_copies_are_found():
  """Every tenth sample is a train image, and two others nearly one."""
  train, samples = _images(1, 200), _images(0, 200)
  samples[::10] = train[50:70]
  for i in (3, 4):
    samples[i] = train[i]
    samples[i, 0, 0, 0] ^= 1
  got = dcr.measure(_subject(samples, train, _images(2, 200)))
  assert got['identical_share'] == 0.1
  assert got['identical_share_interval'][0] > 0.05
  assert got['train_quantiles']['0.05'] == 0 < got['test_quantiles']['0.05']
  assert got['closest_pairs'][0] == [0, 50, 0.0]


def test_all_copied():
  train = _images(1, 200)
  got = dcr.measure(_subject(train, train, _images(2, 200)))
  assert got['nearer_to_train'] == got['identical_share'] == 1.0
  assert got['chance_interval'][1] < 0.6


@pytest.mark.parametrize('most', [2, 50])
def test_no_more_images_are_looked_at_than_set(most):
  subject = _subject(_images(0, 400), _images(1, 300), _images(2, 200))
  object.__setattr__(subject, 'settings', type(subject.settings)(
      metric_images=most))
  got = dcr.measure(subject)
  assert (got['num_references'], got['num_images']) == (most, most)
  for i, j, distance in got['closest_pairs']:  # Positions among all.
    x, y = subject.samples.images[i] / 255, subject.train.images[j] / 255
    assert distance == pytest.approx(np.sqrt(np.mean((x - y)**2)), abs=2e-5)
