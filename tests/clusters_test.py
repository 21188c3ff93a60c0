"""Clusters that are the same each time, and those of scikit-learn."""

import numpy as np
import threadpoolctl
from sklearn import cluster

from tfp_lgc import clusters


def test_points_that_lie_together_are_one_cluster():
  rng = np.random.default_rng(0)
  truth = np.repeat(range(4), 25)
  x = 10.0 * truth[:, np.newaxis] + rng.normal(size=[100, 3])
  labels = clusters.kmeans(x, 4, seed=0)
  assert len({*zip(truth, labels)}) == len(set(labels)) == 4


def test_it_is_scikit_learns_and_the_seed_decides():
  x = np.random.default_rng(0).normal(size=[300, 2])
  expected = [cluster.KMeans(5, n_init=1, random_state=seed).fit(x).labels_
              for seed in (0, 1)]
  for seed in (0, 1, 0):
    np.testing.assert_array_equal(clusters.kmeans(x, 5, seed), expected[seed])
  assert (expected[0] != expected[1]).any()


def test_clusters_are_found_by_one_thread(monkeypatch):
  """Several add up in any order; and others may have theirs afterwards."""
  threads = []

  class KMeans(cluster.KMeans):

    def fit_predict(self, *args):
      threads.extend(_openmp_threads())
      return super().fit_predict(*args)

  monkeypatch.setattr(cluster, 'KMeans', KMeans)
  before = _openmp_threads()
  x = np.random.default_rng(0).normal(size=[600, 2])
  first, second = [clusters.kmeans(x, 3, seed=0) for _ in range(2)]
  np.testing.assert_array_equal(first, second)
  assert set(threads) == {1} and _openmp_threads() == before


def _openmp_threads():
  return [pool['num_threads'] for pool in threadpoolctl.threadpool_info()
          if pool['user_api'] == 'openmp']
