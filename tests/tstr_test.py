"""A judge that learns what there is to learn, and nothing else."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tfp_lgc import data
from tfp_lgc.config import EvaluateConfig
from tfp_lgc.metrics import tstr

CONFIG = EvaluateConfig(judge_steps=60, judge_batch_size=32)
SHAPE = (5, 6, 1)


def _split(count, seed, brightness):
  """Noise of three classes, each brighter than the one before."""
  rng = np.random.default_rng(seed)
  labels = rng.integers(0, 3, count)
  noise = rng.integers(0, 40, [count, *SHAPE])
  images = noise + brightness * labels[:, None, None, None]
  return data.array_split(images.astype(np.uint8), labels)


def test_classes_that_differ_are_told_apart():
  assert tstr.right(_split(300, 0, 100), _split(1200, 1, 100), 3, CONFIG).all()


@pytest.fixture(scope='module')
def noise():
  """Labels that say nothing of the images."""
  return _split(300, 0, 0), _split(1200, 1, 0)


@pytest.fixture(scope='module')
def right_of_noise(noise):
  return tstr.right(*noise, 3, CONFIG, seed=1)


def test_random_labels_are_guessed(right_of_noise):
  """1/3 within five standard errors, for the judge saw other labels."""
  assert abs(right_of_noise.mean() - 1 / 3) < 5 * math.sqrt(2 / 9 / 1200)


def test_the_same_seed_gives_the_same_answers(noise, right_of_noise):
  tf.random.uniform([3])  # Whatever was drawn before.
  np.testing.assert_array_equal(tstr.right(*noise, 3, CONFIG, seed=1),
                                right_of_noise)


def test_answers_are_in_the_order_of_the_test_split():
  """A judge of one step names some class; all test images have another."""
  config = EvaluateConfig(judge_steps=1)
  train = data.array_split(np.zeros([9, *SHAPE], np.uint8), np.zeros(9, int))
  # One class is known, so that is what it names, but for 250 of 1,000.
  test = data.array_split(np.zeros([1000, *SHAPE], np.uint8),
                          np.arange(1000) % 4 // 3)
  got = tstr.right(train, test, 2, config)
  is_three = np.arange(1000) % 4 == 3
  assert (got == is_three).all() or (got == ~is_three).all()


@pytest.mark.parametrize('judge', ['logistic_regression', 'random_forest'])
def test_samples_of_one_class_are_judged_too(judge):
  train = data.array_split(np.zeros([9, *SHAPE], np.uint8), np.full(9, 2))
  got = tstr.right(train, _split(30, 1, 100), 3, EvaluateConfig(judge=judge))
  labels = np.concatenate([y for _, y in _split(30, 1, 100).batches(30)])
  np.testing.assert_array_equal(got, labels == 2)


def test_shifts_are_those_of_scipy_and_all_occur():
  images = np.random.default_rng(0).integers(1, 256, [200, *SHAPE], np.uint8)
  got = tstr.shifted(tf.constant(images), [3, 4]).numpy()
  moves = list(itertools.product(range(-2, 3), repeat=2))
  seen = set()
  for before, after in zip(images, got):
    [move] = [(down, right) for down, right in moves if np.array_equal(
        ndimage.shift(before, [down, right, 0], order=0), after)]
    seen.add(move)
  assert seen == set(moves)


def test_a_judge_of_shifted_images_knows_them_elsewhere():
  """Trained on a bar in one of two columns, tested on the bar moved."""
  def bars(shift):
    images = np.zeros([200, 8, 8, 1], np.uint8)
    labels = np.arange(200) % 2
    images[np.arange(200), :, shift + np.where(labels, 5, 1)] = 255
    return data.array_split(images, labels)

  def accuracy(augmentation):
    config = EvaluateConfig(judge_steps=60, judge_augmentation=augmentation)
    return tstr.right(bars(0), bars(2), 2, config).mean()

  assert accuracy('shift') == 1.0
  assert accuracy('none') < 1.0


@pytest.mark.parametrize('values', [[0.5, 0.75], [0.91, 0.93, 0.9, 0.915],
                                    [0.3] * 5])
def test_summary_equals_numpy(values):
  got = tstr.summarize(values)
  assert got['runs'] == values
  assert got['mean'] == pytest.approx(np.mean(values), rel=1e-12)
  assert got['stddev'] == pytest.approx(np.std(values, ddof=1), abs=1e-12)


def test_one_value_has_no_deviation():
  got = tstr.summarize([0.5])
  assert got['mean'] == 0.5
  assert got['stddev'] is got['interval'] is None
