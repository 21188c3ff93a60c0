"""The smallest component, of mixtures written by hand."""

import dataclasses
import types

import numpy as np
import pytest
from scipy import stats

from tfp_lgc import card
from tfp_lgc.metrics import latents
from tfp_lgc.metrics.privacy import components
from tfp_lgc.mixture import Mixture

COUNTS = (60, 0, 40)


def _mixture(shared=False):
  """Two components for class 0, none that counts for 1, one for 2."""
  rng = np.random.default_rng(0)
  rows = 1 if shared else 3
  scale_tril = np.tril(rng.normal(size=[rows, 2, 3, 3]))
  index = np.arange(3)
  scale_tril[..., index, index] = rng.uniform(0.5, 2, [rows, 2, 3])
  logits = np.log([[0.9, 0.1], [0.5, 0.5], [0.3, 0.7]])
  if not shared:
    logits[1:, 1], logits[1:, 0] = -np.inf, 0
  return Mixture(logits.astype(np.float32),
                 rng.normal(size=[rows, 2, 3]).astype(np.float32),
                 scale_tril.astype(np.float32), ('full',) * rows)


@pytest.mark.parametrize('shared', [False, True])
def test_pooled_is_the_density_of_all_classes(shared):
  mixture = _mixture(shared)
  got = latents.pooled(mixture, COUNTS)
  assert len(got.loc) == (2 if shared else 3)
  assert np.exp(got.log_weights).sum() == pytest.approx(1)
  x = np.random.default_rng(1).normal(size=[20, 3])
  density = sum(np.exp(w) * stats.multivariate_normal.pdf(x, loc, s @ s.T)
                for w, loc, s in zip(*got))
  expected = sum(count / 100 * mixture.distribution(label).prob(
      x.astype(np.float32)).numpy() for label, count in enumerate(COUNTS)
                 if count)
  np.testing.assert_allclose(density, expected, rtol=1e-4)


def _measured(mixture, temperature=1.0, hard_copies=1):
  return components.measure(types.SimpleNamespace(artifact=(
      types.SimpleNamespace(mixture=mixture, class_counts=COUNTS,
                            temperature=temperature,
                            hard_copies=hard_copies))))


def test_points_are_weights_times_images():
  got = _measured(_mixture())
  assert got['points'] == pytest.approx(6)
  assert got['num_few'] == 1 and got['num_components'] == 3
  # Of shared components: 0.1 * 60 + 0.7 * 40, and the rest.
  got = _measured(_mixture(shared=True))
  assert got['points'] == pytest.approx(34) and got['num_few'] == 0


@pytest.mark.parametrize('temperature', [1.0, 0.5])
def test_eigenvalues_are_those_of_covariances(temperature):
  mixture = _mixture()
  used = [(0, 0), (0, 1), (2, 0)]
  covariances = [temperature * mixture.scale_tril[i] @ mixture.scale_tril[i].T
                 for i in used]
  smallest = min(np.linalg.svd(c, compute_uv=False).min() for c in covariances)
  got = _measured(mixture, temperature)
  assert got['smallest_eigenvalue'] == pytest.approx(smallest, rel=1e-3)
  weights = [0.54, 0.06, 0.4]
  loc = np.array([mixture.loc[i] for i in used])
  covariance = np.average(covariances, axis=0, weights=weights) + np.cov(
      loc.T, aweights=weights, ddof=0)
  assert got['smallest_relative'] == pytest.approx(
      smallest / np.diag(covariance).mean(), rel=1e-3)


def test_components_of_one_factor_are_as_those_of_equal_ones():
  mixture = _mixture()
  one = dataclasses.replace(mixture, scale_tril=mixture.scale_tril[:, :1])
  equal = dataclasses.replace(
      mixture, scale_tril=np.repeat(one.scale_tril, 2, axis=1))
  assert _measured(one, 0.7) == _measured(equal, 0.7)
  for got, expected in zip(latents.pooled(one, COUNTS),
                           latents.pooled(equal, COUNTS)):
    np.testing.assert_array_equal(got, expected)


def test_hard_images_may_be_all_that_a_component_is_of():
  """5 of 100 images that count 8 times, in a component of their own."""
  copies = np.repeat([1, 8], [95, 5])
  weight = copies[95:].sum() / copies.sum()
  mixture = _mixture()
  logits = mixture.logits.copy()
  logits[0] = np.log([1 - weight, weight])
  got = components.measure(types.SimpleNamespace(artifact=(
      types.SimpleNamespace(
          mixture=dataclasses.replace(mixture, logits=logits),
          class_counts=(100, 0, 300), temperature=1.0, hard_copies=8))))
  assert got['points'] <= 5
  assert card.smallest_component(
      dataclasses.replace(mixture, logits=logits), (100, 0, 300), 8) <= 5
