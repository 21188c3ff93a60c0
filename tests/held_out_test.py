"""Images to choose mixtures by."""

import dataclasses

import numpy as np
import pytest

from tfp_lgc import data, held_out
from tfp_lgc.data import Source

NAMES = ('a', 'b', 'none', 'two')


@pytest.fixture(params=[0, 2**30], ids=['shuffled', 'in order'])
def source(request, monkeypatch):
  """Images that tell their position; a class of none, and one of two."""
  monkeypatch.setattr(data, 'SHUFFLE_NUM_BYTES', request.param)
  labels = np.sort(np.arange(200) % 2).astype(np.int32)
  labels[[5, 190]] = 3
  images = np.arange(200, dtype=np.uint8)[:, None, None, None] * np.ones(
      [1, 2, 2, 1], np.uint8)
  return Source('x', data.array_split(images, labels), None, NAMES)


def _labels_by_position(source):
  images = source.train.to_memory(NAMES)
  return dict(zip(images.images[:, 0, 0, 0], images.labels))


def test_the_part_and_the_rest_are_the_train_split(source):
  seen = held_out.HeldOut(source)
  whole = seen.source.train.to_memory(NAMES)
  part = seen.source.test.to_memory(NAMES)
  assert _labels_by_position(seen.source) == _labels_by_position(source)
  # `rest` is by position in the split that is encoded.
  assert len(seen.rest) == 200 and seen.rest.sum() == 200 - len(part)
  held = whole.images[~seen.rest, 0, 0, 0]
  assert sorted(held) == sorted(part.images[:, 0, 0, 0])
  by_position = _labels_by_position(source)
  assert [by_position[i] for i in part.images[:, 0, 0, 0]] == [*part.labels]
  # A fifth of each class, rounded down.
  assert [*np.bincount(part.labels, minlength=4)] == [19, 19, 0, 0]
  assert [*seen.counts] == [99, 99, 0, 2]


def test_there_is_nothing_to_judge_one_class_by(source):
  seen = held_out.HeldOut(dataclasses.replace(
      source, train=data.array_split(np.zeros([9, 2, 2, 1], np.uint8),
                                     np.zeros(9, int)), class_names=('a',)))
  assert seen.source.test is None and seen.rest.all()
  assert seen.accuracy(None, None, lambda done: None) == -1.0
