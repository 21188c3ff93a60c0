"""Accuracy by class and attribute."""

import numpy as np

from tfp_lgc.metrics import groups


def test_accuracies_are_the_means_of_their_groups():
  rng = np.random.default_rng(0)
  labels, attributes = rng.integers(0, 3, 500), rng.integers(0, 4, 500)
  right = rng.random(500) < 0.2 * labels + 0.1 * attributes
  got = groups.accuracies(right, labels, attributes)
  assert got.shape == (3, 4)
  for label in range(3):
    for attribute in range(4):
      group = right[(labels == label) & (attributes == attribute)]
      np.testing.assert_allclose(got[label, attribute], group.mean())


def test_a_group_without_an_image_is_not_the_worst():
  got = groups.accuracies(np.array([True, False, True]), np.array([0, 1, 1]),
                          np.array([0, 1, 1]))
  np.testing.assert_array_equal(got, [[1, np.nan], [np.nan, 0.5]])
  assert np.nanmin(got) == 0.5


def test_one_class_and_one_attribute_are_the_plain_accuracy():
  right = np.array([True, False, True, True])
  zeros = np.zeros(4, np.int32)
  np.testing.assert_array_equal(groups.accuracies(right, zeros, zeros),
                                [[0.75]])
