"""Test images that were trained on: found, counted, said once, recorded."""

import numpy as np
import pytest

import tfp_lgc
from tfp_lgc import data, overlap
from tfp_lgc.arrays import from_arrays
from tfp_lgc.progress import Progress

IMAGES = np.random.default_rng(0).integers(0, 256, [60, 4, 5, 3], np.uint8)


def _source(train, test):
  def split(positions):
    return data.array_split(IMAGES[positions], np.arange(len(positions)) % 2)
  return data.Source('x', split(train), None if test is None else split(test),
                     ('a', 'b'))


@pytest.mark.parametrize('train, test, identical', [
    (range(40), range(40, 60), 0),
    (range(40), range(40), 40),
    (range(40), [5, 50, 5], 2),  # A copy counts as often as it is tested on.
    ([7] * 40, [7, 8], 1),
    (range(40), None, 0)])
def test_it_counts_test_images_that_are_train_images(train, test, identical):
  found = overlap.find(_source(list(train), test and list(test)))
  assert found.identical == identical
  if test is not None:
    assert found[1:] == (len(test), 40)


def test_one_pixel_makes_another_image():
  other = IMAGES[:10].copy()
  other[:, 1, 1, 1] ^= 1
  source = from_arrays((IMAGES, None), (other, None))
  assert overlap.find(source).identical == 0


def test_of_many_images_the_first_are_looked_at():
  found = overlap.find(_source(list(range(40)), list(range(30))), 10)
  assert found == (10, 10, 10)


def test_it_is_said_once_and_recorded():
  said = []
  progress = Progress(said.append)
  source = _source(list(range(40)), [1, 2, 50])
  overlap.warn(source, progress)
  overlap.warn(source, progress)
  [line] = said
  assert line.startswith('warning: 2 of 3 test images are in the train split')
  assert progress.records == [{'event': 'overlap', 'identical': 2,
                               'test_images': 3, 'train_images': 40}]
  clean = Progress(said.append)
  overlap.warn(_source(list(range(40)), [50]), clean)
  assert len(said) == 1 and not clean.records


@pytest.mark.parametrize('again', [False, True])
def test_evaluate_says_it_whatever_it_measures(artifact, again):
  """Of images like those the artifact was made from, in shape and number."""
  rng = np.random.default_rng(0)
  names = np.repeat(artifact.class_names, artifact.class_counts)
  images = rng.integers(0, 256, [64, 7, 6, 3], np.uint8)
  test = images[:20] if again else 255 - images[:20]
  said = []
  tfp_lgc.evaluate(artifact, (images, names), test=(test, names[:20]),
                   metrics='rate', progress=Progress(said.append))
  assert sum('bit for bit' in line for line in said) == again
