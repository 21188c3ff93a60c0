"""Some of the real images, losslessly coded."""

import lzma
from typing import NamedTuple

import numpy as np

from tfp_lgc.data import Images, label_dtype

__all__ = ['Compressed', 'random_subset']


class Compressed(NamedTuple):
  """A data set that takes bytes.

  Attributes:
    images: what a receiver gets.
    num_bytes: of what is sent.
  """
  images: Images
  num_bytes: int


def _coded(images: Images) -> bytes:
  """xz of all pixels, then of all labels: smaller than gzip or PNG."""
  labels = images.labels.astype(label_dtype(len(images.class_names)))
  return lzma.compress(images.images.tobytes() + labels.tobytes(),
                       preset=9 | lzma.PRESET_EXTREME)


def random_subset(images: Images, num_bytes: int, seed: int = 0) -> Compressed:
  """As many images, drawn at random, as xz puts into `num_bytes`.

  Args:
    images: to draw from.
    num_bytes: at the most; none fits into too few.
    seed: of the draw.
  """
  order = np.random.default_rng(seed).permutation(len(images))

  def first(count: int) -> Images:
    chosen = order[:count]
    return Images(images.images[chosen], images.labels[chosen],
                  images.class_names)

  def fits(count: int) -> bool:
    return len(_coded(first(count))) <= num_bytes

  high = 1  # Doubled first: many images take long to code.
  while high < len(images) and fits(high):
    high = min(2 * high, len(images))
  low = high // 2 if high > 1 else 0
  while low < high:  # `low` fit, or are none; more than `high` do not.
    middle = (low + high + 1) // 2
    if fits(middle):
      low = middle
    else:
      high = middle - 1
  return Compressed(first(low), len(_coded(first(low))) if low else 0)
