"""Judges: sizes that others counted, any image, and learning."""

import numpy as np
import pytest
from sklearn import datasets

from tfp_lgc import config as config_lib
from tfp_lgc import data, judges
from tfp_lgc.config import EvaluateConfig, replace
from tfp_lgc.errors import ConfigError
from tfp_lgc.metrics import tstr

SHAPES = [(28, 28, 1), (32, 32, 3), (8, 8, 1), (5, 3, 3), (1, 1, 1),
          (25, 40, 1)]


def test_choices_are_the_table():
  assert set(config_lib.JUDGES) == {*judges.NETWORKS, *judges.ESTIMATORS}


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('name', judges.NETWORKS)
def test_any_image_size_will_do(name, shape):
  judge = judges.NETWORKS[name](shape, 7)
  assert judge(np.zeros([2, *shape], np.float32)).shape == (2, 7)


@pytest.mark.parametrize('name, num_params', [
    ('lgc_cnn', 5254),  # The count of the LGC paper's code.
    ('cnn', 9 * 16 + 16 + 9 * 16 * 32 + 32 + 7 * 7 * 32 * 64 + 64 + 65 * 10),
    ('mlp', 785 * 256 + 257 * 256 + 257 * 10),
    ('resnet', 10 * 24 + 2 * (9 * 24 * 24 + 24) + (9 * 24 * 48 + 48)
     + (9 * 48 * 48 + 48) + (24 * 48 + 48) + 4 * (3 * 24 + 2 * 48) + 49 * 10)])
def test_parameters_are_those_one_counts_by_hand(name, num_params):
  assert judges.NETWORKS[name]((28, 28, 1), 10).count_params() == num_params


@pytest.mark.parametrize('name', config_lib.JUDGES)
def test_every_judge_learns_digits(name):
  bunch = datasets.load_digits()
  images = (bunch.images * 15.9).astype(np.uint8)[..., np.newaxis]
  train = data.array_split(images[:1400], bunch.target[:1400])
  test = data.array_split(images[1400:], bunch.target[1400:])
  right = tstr.right(train, test, 10,
                     EvaluateConfig(judge=name, judge_steps=300), seed=1)
  assert right.mean() > 0.8


@pytest.mark.parametrize('name', judges.NETWORKS)
def test_weights_are_those_of_the_seed(name):
  first, again, other = [
      judges.NETWORKS[name]((8, 8, 1), 3, seed).get_weights()
      for seed in (1, 1, 2)]
  for a, b in zip(first, again):
    np.testing.assert_array_equal(a, b)
  assert (first[0] != other[0]).any()


def test_an_estimator_is_scikit_learns_with_weights_and_no_shifts():
  """An image of weight 0 counts for nothing, wherever it is."""
  rng = np.random.default_rng(0)
  images = rng.integers(0, 256, [300, 4, 4, 1], np.uint8)
  labels = (images[:, 0, 0, 0] > 127).astype(int)
  wrong = np.arange(300) % 3 == 0
  train = data.array_split(images, np.where(wrong, 1 - labels, labels),
                           weights=np.where(wrong, 0, 1.5).astype(np.float32))
  test = data.array_split(images, labels)
  for name in judges.ESTIMATORS:
    config = EvaluateConfig(judge=name)
    assert tstr.right(train, test, 2, config).mean() > 0.9
    with pytest.raises(ConfigError, match='judge_augmentation'):
      tstr.right(train, test, 2, replace(config, judge_augmentation='shift'))
