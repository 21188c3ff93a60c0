"""The one image that a head gives: its point."""

import numpy as np
import pytest
import tensorflow as tf
from head_cases import (
  case_of,
  head_of,
  NORMAL,
  SHAPE,
  T,
)
from scipy import special


@pytest.mark.parametrize('num_components', [0, 1, 3])
@pytest.mark.parametrize('name', ['bernoulli', 'continuous_bernoulli', *NORMAL])
def test_point_is_the_mean_within_0_and_1(name, num_components):
  head = head_of(name, num_components)
  params, _ = case_of(head)
  mean = head.mean(head.split(params))
  distribution = head(params)
  if num_components:
    weights = distribution.mixture_distribution.probs_parameter()
    means = distribution.components_distribution.mean()
    expected = np.einsum('nk,nkhwc->nhwc', weights, means)
  else:
    expected = distribution.mean()
  np.testing.assert_allclose(mean, expected, atol=1e-5)
  np.testing.assert_allclose(head.point_image(params),
                             np.clip(expected, 0, 1), atol=1e-5)


@pytest.mark.parametrize('name', T)
def test_point_of_a_t_is_its_location(name):
  for num_components in (0, 1):
    head = head_of(name, num_components)
    params, _ = case_of(head)
    loc = head.split(params)['loc'].numpy().reshape([5, *SHAPE])
    np.testing.assert_array_equal(head.point_image(params), np.clip(loc, 0, 1))


@pytest.mark.parametrize('name', T)
def test_point_of_a_mixture_of_t_is_where_it_is_densest(name):
  head = head_of(name, 4)
  params, _ = case_of(head, num_images=8)
  locs = head.split(params)['loc'].numpy()
  densities = [head(params).log_prob(locs[:, k]) for k in range(4)]
  points, got = head.component_images(params)
  np.testing.assert_array_equal(points, locs)
  np.testing.assert_allclose(got, np.transpose(densities), rtol=1e-5)
  best = np.argmax(densities, axis=0)
  assert len(set(best)) > 1
  np.testing.assert_array_equal(head.point_image(params),
                                np.clip(locs[range(8), best], 0, 1))


def test_component_images_are_those_of_a_mixture():
  head = head_of('bernoulli', 3)
  params, _ = case_of(head)
  points, _ = head.component_images(params)
  weights = special.softmax(head.split(params)['mixture_logits'], axis=1)
  np.testing.assert_allclose(np.einsum('nk,nkhwc->nhwc', weights, points),
                             head.point_image(params), atol=1e-6)
  for head in (head_of('bernoulli'), head_of('maf', 2)):
    with pytest.raises(ValueError, match='no components'):
      head.component_images(params)


def test_point_of_a_flow_is_the_mean_of_draws():
  head = head_of('maf', 2)
  params, _ = case_of(head)
  many = head.split(tf.tile(params[tf.newaxis], [2000, 1, 1]))
  draws = head.flow.forward(
      head.noise(many, tf.constant([7, 1]), False)).numpy()
  point = np.mean(head._flow_draws(head.flow, params), axis=0)
  # Fifty draws are off by a seventh of a standard deviation.
  off = (point - draws.mean(0)) / draws.std(0)
  assert 0.05 < np.std(off) < 0.25
  np.testing.assert_allclose(head.point_image(params), np.clip(point, 0, 1),
                             atol=1e-6)
  # It is the image's own, whatever it is decoded with.
  np.testing.assert_allclose(head.point_image(params[3:]),
                             head.point_image(params)[3:], atol=1e-6)


def test_a_location_may_have_a_sigmoid():
  for name in ('normal_unit', 'student_t_diag', 'matrix_normal_full',
               'matrix_t_unit'):
    head = head_of(name, loc_activation='sigmoid')
    params, _ = case_of(head)
    loc = special.expit(head.split(params)['loc'])
    np.testing.assert_allclose(head.point_image(params), loc, rtol=1e-5)
    blocks = {key: value.numpy().reshape(5, -1)
              for key, value in head.split(params).items()}
    blocks['loc'] = loc.reshape(5, -1)
    linear = head_of(name)(np.concatenate(list(blocks.values()), axis=1))
    np.testing.assert_allclose(head(params).log_prob(loc),
                               linear.log_prob(loc), rtol=1e-5)
