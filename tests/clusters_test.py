"""Clusters that are the same each time, and those of scikit-learn."""

import numpy as np
import pytest
import threadpoolctl
from sklearn import cluster

from tfp_lgc import clusters


def test_points_that_lie_together_are_one_cluster():
  rng = np.random.default_rng(0)
  truth = np.repeat(range(4), 25)
  x = 10.0 * truth[:, np.newaxis] + rng.normal(size=[100, 3])
  labels = clusters.kmeans(x, 4, seed=0).labels_
  assert len({*zip(truth, labels)}) == len(set(labels)) == 4


@pytest.mark.parametrize('start', ['k-means++', 'random'])
def test_it_is_scikit_learns_and_the_seed_decides(start):
  x = np.random.default_rng(0).normal(size=[300, 2])
  expected = [cluster.KMeans(5, init=start, n_init=1, max_iter=3,
                             random_state=seed).fit(x) for seed in (0, 1)]
  for seed in (0, 1, 0):
    found = clusters.kmeans(x, 5, seed, start, max_iterations=3)
    np.testing.assert_array_equal(found.labels_, expected[seed].labels_)
    np.testing.assert_allclose(found.cluster_centers_,
                               expected[seed].cluster_centers_)
  assert (expected[0].labels_ != expected[1].labels_).any()


def test_clusters_are_found_by_one_thread(monkeypatch):
  """Several add up in any order; and others may have theirs afterwards."""
  threads = []

  class KMeans(cluster.KMeans):

    def fit(self, *args):
      threads.extend(_openmp_threads())
      return super().fit(*args)

  monkeypatch.setattr(cluster, 'KMeans', KMeans)
  before = _openmp_threads()
  x = np.random.default_rng(0).normal(size=[600, 2])
  first, second = [clusters.kmeans(x, 3, seed=0).cluster_centers_
                   for _ in range(2)]
  np.testing.assert_array_equal(first, second)
  assert set(threads) == {1} and _openmp_threads() == before


def _openmp_threads():
  return [pool['num_threads'] for pool in threadpoolctl.threadpool_info()
          if pool['user_api'] == 'openmp']
