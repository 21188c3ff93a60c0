"""Distance to the closest record: are samples nearer to what they were made
from than to images nobody has compressed?"""

from typing import Any, NamedTuple

import numpy as np

from tfp_lgc.metrics import intervals, neighbors
from tfp_lgc.metrics.subject import some, Subject

__all__ = ['Closest', 'closest', 'identical', 'measure', 'nearer_share']

# Pairs that are reported, and where distributions of distances are looked at.
NUM_PAIRS = 10
LEVELS = (0.01, 0.05, 0.5)


class Closest(NamedTuple):
  """The samples that are nearest to a train image, and that image.

  Attributes:
    samples: int `[n]`, positions of the samples, nearest first.
    train: int `[n]`, positions of the train images.
    distances: float32 `[n]`.
  """
  samples: np.ndarray
  train: np.ndarray
  distances: np.ndarray


def closest(samples: np.ndarray, train: np.ndarray, n: int = NUM_PAIRS,
            ) -> Closest:
  """Whom to look at.

  ```python
  pairs = closest(samples.images, train.images)
  side_by_side = samples.images[pairs.samples], train.images[pairs.train]
  ```

  Args:
    samples: uint8 `[N, H, W, C]`.
    train: uint8 `[M, H, W, C]`.
    n: pairs, at the most.
  """
  found = neighbors.nearest(neighbors.flattened(samples),
                            neighbors.flattened(train))
  order = np.argsort(found.distances[:, 0], kind='stable')[:n]
  return Closest(order, found.indices[order, 0], found.distances[order, 0])


def identical(images: np.ndarray, among: np.ndarray) -> np.ndarray:
  """Which images, bool `[N]`, are the same as one of the others to the last
  bit."""
  known = {image.tobytes() for image in among}
  return np.array([image.tobytes() in known for image in images], bool)


def nearer_share(to_train: np.ndarray, to_test: np.ndarray) -> dict[str, Any]:
  """How often the first of two distances is the smaller one.

  Args:
    to_train: `[N]`, from samples to the closest of some train images.
    to_test: `[N]`, to the closest of as many test images.

  Returns:
    `nearer_to_train`, 0.5 where nothing leaks, and its confidence interval,
    of those that are nearer to either; `ties`, how many are not.
  """
  nearer, farther = (to_train < to_test).sum(), (to_train > to_test).sum()
  decided = nearer + farther
  share = nearer / decided if decided else 0.5
  return {'nearer_to_train': round(float(share), 4),
          'nearer_to_train_interval': intervals.of_share(nearer, decided),
          'ties': int(len(to_train) - decided)}


def measure(subject: Subject) -> dict[str, Any]:
  """By distances of pixels, see `neighbors.flattened`.

  Returns:
    `nearer_share` of samples, train and test images being equally many,
    `num_references`; `train_quantiles` and `test_quantiles` of the distances to
    the closest of them, by probability; `identical_share` of samples that are a
    train image (of all of them), its interval, and
    `test_identical_share`, of test images that are; `closest_pairs`, [sample,
    train image, distance]; `num_images` of the samples.
  """
  most, seed = subject.settings.metric_images, subject.seed
  samples = some(subject.samples, most, seed).images
  train, test = subject.train, subject.test
  count = min(len(train), len(test), most)
  x = neighbors.flattened(samples)
  to_train, to_test = [
      neighbors.nearest(x, neighbors.flattened(some(
          images, count, seed).images)).distances[:, 0]
      for images in (train, test)]
  same = identical(samples, train.images)
  pairs = closest(samples, train.images)
  return {
      **nearer_share(to_train, to_test), 'num_references': count,
      'train_quantiles': _quantiles(to_train),
      'test_quantiles': _quantiles(to_test),
      'identical_share': round(float(same.mean()), 6),
      'identical_share_interval': intervals.of_share(same.sum(), len(same)),
      'test_identical_share': round(float(
          identical(test.images, train.images).mean()), 6),
      'closest_pairs': [[int(i), int(j), round(float(d), 5)]
                        for i, j, d in zip(*pairs)],
      'num_images': len(samples)}


def _quantiles(distances: np.ndarray) -> dict[str, float]:
  return {str(level): round(float(np.quantile(distances, level)), 5)
          for level in LEVELS}
