"""Clusters of points, the same ones whatever else the machine does."""

import functools
from typing import TYPE_CHECKING

import numpy as np
import threadpoolctl

if TYPE_CHECKING:
  from sklearn import cluster

__all__ = ['kmeans']


def kmeans(x: np.ndarray, num_clusters: int, seed: int,
           start: str = 'k-means++', max_iterations: int = 300,
           ) -> 'cluster.KMeans':
  """k-means on one thread.

  Several threads add up centers in the order in which they end, and the last
  bits with it.

  ```python
  labels = clusters.kmeans(points, 3, seed=0).labels_   # [N], from 0 to 2
  ```

  Args:
    x: `[N, d]` of at least `num_clusters` rows; of fewer distinct ones
      scikit-learn warns, and centers come twice.
    num_clusters: how many.
    seed: of the start.
    start: 'k-means++' (D. Arthur, S. Vassilvitskii, SODA 2007), or 'random'
      points, which takes a fraction of the time of thousands of clusters.
    max_iterations: at the most.

  Returns:
    Fitted, as scikit-learn has it: `labels_` `[N]`, `cluster_centers_`
    `[num_clusters, d]`, `predict`.
  """
  from sklearn import cluster  # pylint: disable=g-import-not-at-top
  with _thread_pools().limit(limits=1, user_api='openmp'):
    return cluster.KMeans(num_clusters, init=start, n_init=1,
                          max_iter=max_iterations, random_state=seed).fit(x)


@functools.lru_cache(maxsize=None)
def _thread_pools() -> threadpoolctl.ThreadpoolController:
  """Of this process; to look for them takes longer than to limit them."""
  return threadpoolctl.ThreadpoolController()
