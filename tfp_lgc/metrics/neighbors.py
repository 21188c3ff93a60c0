"""Nearest neighbors among many points, in memory that does not grow with their
product: 60,000 x 60,000 distances in float32 would take 14.4 GB."""

from typing import Iterator, NamedTuple

import numpy as np

__all__ = ['Neighbors', 'blocks', 'flattened', 'nearest']

# Distances that are held at a time: 64 MB in float32.
BLOCK_NUM = 2**24


class Neighbors(NamedTuple):
  """The k points that are nearest to each of N.

  Attributes:
    distances: float32 `[N, k]`, Euclidean, ascending.
    indices: int `[N, k]`.
  """
  distances: np.ndarray
  indices: np.ndarray


def flattened(images: np.ndarray) -> np.ndarray:
  """float32 `[N, D]` of uint8 `[N, H, W, C]`, so that the distance of two
  points is the root of the mean squared difference of two pixels in 0..1."""
  x = images.reshape(len(images), -1).astype(np.float32)
  return x / np.float32(255 * np.sqrt(x.shape[1]))


def blocks(a: np.ndarray, b: np.ndarray,
           ) -> Iterator[tuple[slice, np.ndarray]]:
  """Squared Euclidean distances of the rows of two arrays, some rows of `a` at
  a time.

  They are |a|^2 - 2 a b + |b|^2 in float32, around the mean of b: of points
  that are nearly the same only the order of magnitude is right.

  Args:
    a: `[N, D]`.
    b: `[M, D]`.

  Yields:
    Which rows of `a`, and float32 `[rows, M]`, not negative.
  """
  center = b.mean(axis=0, dtype=np.float64).astype(np.float32)
  a, b = [np.subtract(x, center, dtype=np.float32) for x in (a, b)]
  squares = np.square(b).sum(axis=1)
  num_rows = max(1, BLOCK_NUM // len(b))
  for first in range(0, len(a), num_rows):
    some = slice(first, first + num_rows)
    block = a[some] @ b.T
    block *= -2
    block += squares
    block += np.square(a[some]).sum(axis=1)[:, np.newaxis]
    yield some, np.maximum(block, 0, out=block)


def nearest(a: np.ndarray, b: np.ndarray, k: int = 1,
            ) -> Neighbors:
  """The k rows of `b` that are nearest to each row of `a`.

  ```python
  distances, indices = nearest(flattened(samples.images), flattened(images))
  ```

  Args:
    a: `[N, D]`.
    b: `[M, D]`, M >= k.
    k: how many.

  Returns:
    See `Neighbors`. The distances are those of the differences, exact also for
    points that are the same; which of two nearly equally near points comes
    first is up to rounding.
  """
  if not 1 <= k <= len(b):
    raise ValueError(f'k = {k}: must be from 1 to {len(b)}, the points there '
                     'are')
  distances = np.empty([len(a), k], np.float32)
  indices = np.empty([len(a), k], np.int64)
  for some, block in blocks(a, b):
    found = np.argpartition(block, k - 1, axis=1)[:, :k]
    exact = np.stack([np.sqrt(np.square(a[some] - b[found[:, i]]).sum(axis=1))
                      for i in range(k)], axis=1)
    order = np.argsort(exact, axis=1, kind='stable')
    distances[some] = np.take_along_axis(exact, order, axis=1)
    indices[some] = np.take_along_axis(found, order, axis=1)
  return Neighbors(distances, indices)
