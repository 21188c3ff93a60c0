"""Distance to the closest record: are samples nearer to what they were made
from than to images nobody has compressed?"""

from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from tfp_lgc.data import Images
from tfp_lgc.metrics import intervals, neighbors
from tfp_lgc.metrics.subject import chosen, some, Subject

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


def nearer_share(to_train: neighbors.Neighbors, to_test: neighbors.Neighbors,
                 num_references: int) -> dict[str, Any]:
  """How often the closest of all references is a train image.

  Few images are the closest of many samples, so that the share is seldom 0.5
  even if it is up to chance which of them were compressed.

  Args:
    to_train: the closest of some train images to each of N samples.
    to_test: the closest of as many test images.
    num_references: of each of the two.

  Returns:
    `nearer_to_train`, and its confidence interval, the references being as
    they are; `chance_interval`, in which it lies with a probability of about
    0.95 if half of the same references, at random, were the train images: above
    it something leaks; `ties`, samples that are left out because both are
    equally near.
  """
  distances = [found.distances[:, 0] for found in (to_train, to_test)]
  nearer, farther = distances[0] < distances[1], distances[0] > distances[1]
  hits, decided = nearer.sum(), (nearer | farther).sum()
  share, chance = 0.5, [0.0, 1.0]
  if decided:
    share = hits / decided
    counts = np.concatenate([
        np.bincount(found.indices[some, 0], minlength=num_references)
        for found, some in ((to_train, nearer), (to_test, farther))])
    # Of the sum of half of the counts, drawn without replacement.
    half = stats.norm.ppf((1 + intervals.LEVEL) / 2) * np.sqrt(
        len(counts) / 4 * counts.var(ddof=1)) / decided
    chance = [round(max(0.5 - half, 0.0), 4), round(min(0.5 + half, 1.0), 4)]
  return {'nearer_to_train': round(float(share), 4),
          'nearer_to_train_interval': intervals.of_share(hits, decided),
          'chance_interval': [float(end) for end in chance],
          'ties': int(len(nearer) - decided)}


def measure(subject: Subject) -> dict[str, Any]:
  """By distances of pixels, see `neighbors.flattened`. Only `metric_images` of
  the samples are looked at, and as many train images are references: copies
  among the others are not seen.

  Returns:
    `nearer_share` of samples, with equally many distinct train and test images,
    `num_references`: an image that is there twice is the closest no more often,
    so that duplicates would make train images seem far; `train_quantiles` and
    `test_quantiles` of the distances to the closest of them, by probability;
    `identical_share` of samples that are a train image (of all of them), its
    interval, and `test_identical_share`, of test images that are;
    `closest_pairs`, [sample, train image, distance], by their positions among
    all samples of the first run and in the train split; `num_images` of the
    samples.
  """
  most, seed = subject.settings.metric_images, subject.seed
  indices = chosen(len(subject.samples), most, seed)
  samples = subject.samples.images[indices]
  train, test = subject.train, subject.test
  references = [_distinct(images) for images in (train, test)]
  count = min(*map(len, references), most)
  x = neighbors.flattened(samples)
  to_train, to_test = [
      neighbors.nearest(x, neighbors.flattened(some(
          images, count, seed).images)) for images in references]
  same = identical(samples, train.images)
  pairs = closest(samples, train.images)
  return {
      **nearer_share(to_train, to_test, count), 'num_references': count,
      'train_quantiles': _quantiles(to_train.distances),
      'test_quantiles': _quantiles(to_test.distances),
      'identical_share': round(float(same.mean()), 6),
      'identical_share_interval': intervals.of_share(same.sum(), len(same)),
      'test_identical_share': round(float(
          identical(test.images, train.images).mean()), 6),
      'closest_pairs': [[int(i), int(j), round(float(d), 5)]
                        for i, j, d in zip(indices[pairs.samples], *pairs[1:])],
      'num_images': len(samples)}


def _distinct(images: Images) -> Images:
  """The first of each that are the same, in their order."""
  first = {image.tobytes(): i for i, image in reversed(
      list(enumerate(images.images)))}
  indices = np.sort(list(first.values()))
  return Images(images.images[indices], images.labels[indices],
                images.class_names)


def _quantiles(distances: np.ndarray) -> dict[str, float]:
  return {str(level): round(float(np.quantile(distances, level)), 5)
          for level in LEVELS}
