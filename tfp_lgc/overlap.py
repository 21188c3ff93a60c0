"""Test images that are train images, too: a score on them says nothing."""

import collections
import hashlib
from typing import Iterator, NamedTuple

import numpy as np

from tfp_lgc.data import Source, Split
from tfp_lgc.progress import Progress

__all__ = ['Overlap', 'find', 'warn']

# Images of each split that are looked at, at the most. A hash of a test image
# takes some hundred bytes.
MAX_IMAGES = 100_000
EVENT = 'overlap'


class Overlap(NamedTuple):
  """What was found.

  Attributes:
    identical: test images of which the train split has a copy, bit for bit.
    test_images: that were looked at.
    train_images: that were looked at.
  """
  identical: int
  test_images: int
  train_images: int


def find(source: Source, max_images: int = MAX_IMAGES) -> Overlap:
  """Compares hashes of the first images of both splits, at a memory that does
  not depend on how many there are.

  Args:
    source: without a test split nothing is found.
    max_images: of each split.
  """
  if source.test is None:
    return Overlap(0, 0, 0)
  test = collections.Counter(_hashes(source.test, max_images))
  num_test, num_train, identical = sum(test.values()), 0, 0
  for one in _hashes(source.train, max_images):
    identical += test.pop(one, 0)
    num_train += 1
  return Overlap(identical, num_test, num_train)


def warn(source: Source, progress: Progress) -> None:
  """Says, and records, that test images were trained on, if some were; once
  for each `progress`."""
  if any(row['event'] == EVENT for row in progress.records):
    return
  found = find(source)
  if found.identical:
    progress.record(event=EVENT, **found._asdict())
    progress.note(
        f'warning: {found.identical:,} of {found.test_images:,} test images '
        'are in the train split as well, bit for bit: accuracies on them are '
        'too high')


def _hashes(split: Split, max_images: int) -> Iterator[bytes]:
  """16 bytes of each image's pixels."""
  for images, *_ in split.part(0, max_images).batches(1000).as_numpy_iterator():
    for row in np.ascontiguousarray(images):
      yield hashlib.blake2b(row, digest_size=16).digest()
