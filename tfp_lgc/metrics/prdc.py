"""Precision, recall, density and coverage, in named features.

M. F. Naeem, S. J. Oh, Y. Uh, Y. Choi, J. Yoo, Reliable Fidelity and Diversity
Metrics for Generative Models, ICML 2020, equations 1 to 4; precision and recall
are those of T. Kynkaanniemi et al., NeurIPS 2019.
"""

from typing import Any

import numpy as np

from tfp_lgc.metrics import neighbors
from tfp_lgc.metrics.subject import Subject

__all__ = ['measure', 'prdc']

# The ball around a point reaches to its k-th nearest neighbor.
NUM_NEIGHBORS = 5


def prdc(real: np.ndarray, fake: np.ndarray, k: int = NUM_NEIGHBORS,
         ) -> dict[str, float]:
  """Of two sets of points; memory does not grow with the product of both.

  A point on the edge of a ball is outside, as in the code of the paper.

  Args:
    real: `[N, d]`, N > k.
    fake: `[M, d]`, M > k.
    k: neighbors.

  Returns:
    `precision`, the share of fake points in the ball of any real one; `recall`,
    the other way round; `density`, real balls that a fake point is in, over k,
    their mean, which may exceed 1; `coverage`, the share of real balls that
    hold a fake point.
  """
  # The first of the k + 1 nearest of the same set is the point itself.
  real_radii, fake_radii = [
      neighbors.nearest(x, x, k + 1).distances[:, k] ** 2 for x in (real, fake)]
  num_balls = np.zeros(len(fake), int)  # Real balls that a fake point is in.
  recalled, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
  for some, squares in neighbors.blocks(real, fake):
    inside = squares < real_radii[some, np.newaxis]
    num_balls += inside.sum(axis=0)
    covered[some] = inside.any(axis=1)
    recalled[some] = (squares < fake_radii).any(axis=1)
  return {'precision': float((num_balls > 0).mean()),
          'recall': float(recalled.mean()),
          'density': float(num_balls.mean() / k),
          'coverage': float(covered.mean())}


def measure(subject: Subject) -> dict[str, Any]:
  """Of samples, and of train images, against as many test images.

  Returns:
    The four, and the same with `train_`, of real images (no bound of what
    samples reach, see `features.trained`); `neighbors`,
    `feature_network`, `num_images` of each kind.
  """
  test = subject.test_features
  k = min(NUM_NEIGHBORS, len(test) - 1)
  result: dict[str, Any] = {}
  for prefix, points in (('', subject.sample_features),
                         ('train_', subject.train_features)):
    result.update((prefix + name, round(value, 4))
                  for name, value in prdc(test, points, k).items())
  return {**result, 'neighbors': k,
          'feature_network': subject.feature_network, 'num_images': len(test)}
