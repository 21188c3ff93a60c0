"""Clusters of points, the same ones whatever else the machine does."""

import functools

import numpy as np
import threadpoolctl

__all__ = ['kmeans']


def kmeans(x: np.ndarray, num_clusters: int, seed: int) -> np.ndarray:
  """By k-means from a k-means++ start, on one thread.

  D. Arthur, S. Vassilvitskii, k-means++, SODA 2007. Several threads add up
  centers in the order in which they end, and the last bits with it.

  ```python
  labels = clusters.kmeans(points, 3, seed=0)   # [N], from 0 to 2
  ```

  Args:
    x: `[N, d]` of at least `num_clusters` distinct rows.
    num_clusters: how many.
    seed: of the start.

  Returns:
    int `[N]`, the cluster of each point.
  """
  from sklearn import cluster  # pylint: disable=g-import-not-at-top
  with _thread_pools().limit(limits=1, user_api='openmp'):
    return cluster.KMeans(num_clusters, n_init=1,
                          random_state=seed).fit_predict(x)


@functools.lru_cache(maxsize=None)
def _thread_pools() -> threadpoolctl.ThreadpoolController:
  """Of this process; to look for them takes longer than to limit them."""
  return threadpoolctl.ThreadpoolController()
