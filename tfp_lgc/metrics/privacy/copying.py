"""The three-sample test for data copying.

C. Meehan, K. Chaudhuri, S. Dasgupta, A Non-Parametric Test to Detect
Data-Copying in Generative Models, AISTATS 2020: are samples systematically
nearer to train images than held-out images are, by a Mann-Whitney U test of the
distances, overall and within the cells of a partition?

Train and test images must be one random split (as of `--test_fraction`): if
they are, say, of other writers, fresh samples are nearer to train images too,
and the test takes them for copies.
"""

from typing import Any, Optional

import numpy as np
from scipy import stats

from tfp_lgc import clusters
from tfp_lgc.metrics import neighbors
from tfp_lgc.metrics.subject import some, Subject

__all__ = ['by_cells', 'measure', 'z_score']

# Cells of k-means; those that have fewer samples or held-out images than
# `MIN_CELL` are left out (the paper's tau).
NUM_CELLS, MIN_CELL = 10, 20
# From this `held_out_z` on, in standard deviations, `note` warns.
FAR = 3
NOTE = ('held_out_z is far above 0: the samples are unlike the test images, or '
        'train and test are no random split; in the second case a copying_z '
        'below 0 is no sign of copying')


def z_score(samples: np.ndarray, others: np.ndarray) -> float:
  """The U statistic of pairs in which the sample is farther away, in standard
  deviations from where it is if both have one distribution. Equal distances
  make them smaller; M. Hollander, D. A. Wolfe, Nonparametric Statistical
  Methods, section 4.1.

  Args:
    samples: `[m]`, distances of samples to the closest train image.
    others: `[n]`, those of held-out images.

  Returns:
    Below 0 if samples are nearer; 0 if all distances are equal.
  """
  m, n = len(samples), len(others)
  u = stats.mannwhitneyu(samples, others).statistic
  ties = np.unique(np.concatenate([samples, others]),
                   return_counts=True)[1].astype(float)
  variance = m * n / 12 * (
      m + n + 1 - (ties**3 - ties).sum() / ((m + n) * (m + n - 1)))
  return float((u - m * n / 2) / np.sqrt(variance)) if len(ties) > 1 else 0.0


def _closest(points: np.ndarray, train: np.ndarray) -> np.ndarray:
  return neighbors.nearest(points, train).distances[:, 0]


def by_cells(samples: np.ndarray, others: np.ndarray, train: np.ndarray,
             seed: int = 0) -> tuple[Optional[float], list[float]]:
  """The paper's C_T: z scores within cells of the train points, by k-means,
  weighed by the held-out points of each.

  Args:
    samples: `[m, D]`.
    others: `[n, D]`, held out.
    train: `[N, D]`.
    seed: of k-means.

  Returns:
    C_T, or None if no cell has enough points; and the scores of the cells that
    have.
  """
  num_distinct = len({point.tobytes() for point in train})
  partition = clusters.kmeans(train, min(NUM_CELLS, num_distinct), seed)
  cells = [partition.predict(points) for points in (samples, others)]
  scores, weights = [], []
  for cell in range(partition.n_clusters):
    inside = [points[which == cell]
              for points, which in zip((samples, others), cells)]
    if min(map(len, inside)) >= MIN_CELL:
      near = train[partition.labels_ == cell]
      scores.append(z_score(*[_closest(points, near) for points in inside]))
      weights.append(len(inside[1]))
  return (float(np.average(scores, weights=weights)) if scores else None,
          scores)


def measure(subject: Subject) -> dict[str, Any]:
  """In pixels, see `neighbors.flattened`.

  Smooth images are near to every image, copied or not. So the test is also made
  with held-out images in the place of train images, equally many: what both
  have is no copying. Copies of train images beyond the `metric_images` that are
  drawn cannot be seen.

  Returns:
    `z` of samples against test images, below 0 if they are nearer to train
    images, `cells_z` (C_T; None without cells of enough images) and `z_by_cell`
    as in the paper; `half_z`, of samples against one half of the test images by
    their distances to as many train images as the other half has, and
    `held_out_z`, by those to that half. `copying_z` = `half_z` - `held_out_z`;
    far below 0 is copying, if train and test are one random split. `num_images`
    of samples and of test images. `note`, where `held_out_z` is far above 0,
    says why that need not be.
  """
  seed, most = subject.seed, subject.settings.metric_images
  count = min(len(subject.samples), len(subject.test), most)
  samples, test, train = [
      neighbors.flattened(some(images, n, seed).images) for images, n in (
          (subject.samples, count), (subject.test, count),
          (subject.train, most))]
  order = np.random.default_rng(seed).permutation(len(test))
  half, other_half = test[order[::2]], test[order[1::2]]
  few = train[np.random.default_rng(seed).permutation(len(train))[
      :len(other_half)]]
  half_z, held_out_z = [
      z_score(_closest(samples, near), _closest(half, near))
      for near in (few, other_half[:len(few)])]
  cells_z, scores = by_cells(samples, test, train, seed)
  return {
      'z': round(z_score(_closest(samples, train), _closest(test, train)), 3),
      'cells_z': None if cells_z is None else round(cells_z, 3),
      'z_by_cell': [round(score, 3) for score in scores],
      'half_z': round(half_z, 3), 'held_out_z': round(held_out_z, 3),
      'copying_z': round(half_z - held_out_z, 3), 'num_images': count,
      **({'note': NOTE} if held_out_z > FAR else {})}
