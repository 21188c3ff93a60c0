"""Images to choose mixtures by."""

import dataclasses

import numpy as np
import pytest

from tfp_lgc import data, held_out
from tfp_lgc.config import Config, replace
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


def test_the_judge_that_chooses_is_not_the_one_that_counts(source, monkeypatch):
  """Its seed and that of its samples are others, also of the largest."""
  seeds = []
  monkeypatch.setattr(held_out, 'sample', lambda artifact, n, seed:
                      seeds.append(seed) or artifact)
  monkeypatch.setattr(held_out.tstr, 'right', lambda *args: seeds.append(
      args[4]) or np.array([True, False]))
  seen = held_out.HeldOut(source)
  drawn = source.train.to_memory(NAMES)
  for seed in (0, 7, 2**31 - 1):
    config = replace(Config(), seed=seed)
    assert seen.accuracy(drawn, config, lambda done: None) == 0.5
  assert len(set(seeds)) == 3 and all(
      0 <= seed < 2**31 and seed not in (0, 7, 2**31 - 1) for seed in seeds)
