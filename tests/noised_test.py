"""Mixtures of noised sums: what one image can do, and what is found."""

import numpy as np
import pytest

from tfp_lgc import noised
from tfp_lgc.covariance import COVARIANCES
from tfp_lgc.entropy import Entropy

SIZE = 3


def _responsibilities(rng, count, num):
  weights = rng.gamma(0.3, size=[count, num])
  return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize('num_components', [1, 4])
@pytest.mark.parametrize('only_means', [False, True])
def test_no_latent_moves_the_sums_by_more_than_the_bound(num_components,
                                                         only_means):
  """Brute force: the sums with and without each of many, also huge ones."""
  release = noised.releases(2)[1 if only_means else 0]
  assert (release.weights[2] == 0) == only_means
  rng = np.random.default_rng(0)
  latents = rng.standard_normal([300, SIZE]) * 10.0**rng.uniform(
      -3, 9, [300, 1])
  latents[0], latents[1], latents[2] = np.nan, np.inf, 0.0
  z = noised.clipped(latents)
  shares = _responsibilities(rng, len(z), num_components)
  shares[:num_components] = np.eye(num_components)
  centers = 0.3 * rng.standard_normal([num_components, SIZE])
  radii = 1.0 + np.arange(num_components)

  def sums(z, shares):
    return noised.sums(z, shares, centers, radii, release.weights)

  full = sums(z, shares)
  moved = [np.linalg.norm(full - sums(np.delete(z, i, 0),
                                      np.delete(shares, i, 0)))
           for i in range(len(z))]
  assert max(moved) <= release.sensitivity * (1 + 1e-9)
  if num_components == 1:  # It is reached, by those on the surface.
    assert max(moved) == pytest.approx(release.sensitivity)


def test_sums_are_those_of_their_definition():
  rng = np.random.default_rng(0)
  z = rng.standard_normal([50, SIZE])
  shares = _responsibilities(rng, len(z), 2)
  centers, radii = rng.standard_normal([2, SIZE]), np.array([90.0, 70.0])
  weights = 0.5, 2.0, 3.0
  got = noised.sums(z, shares, centers, radii, weights)
  moments = noised._moments(got, SIZE, radii, noised.Release(weights, 1.0),
                            0.0)
  np.testing.assert_allclose(got[:, 0], weights[0] * shares.sum(axis=0))
  for k in range(2):
    about = z - centers[k]
    np.testing.assert_allclose(moments.mean[k], np.average(
        about, axis=0, weights=shares[:, k]))
    np.testing.assert_allclose(moments.products[k], np.average(
        about[:, :, None] * about[:, None, :], axis=0, weights=shares[:, k]))


def test_clipping_leaves_what_is_inside():
  z = np.random.default_rng(0).standard_normal([50, SIZE])
  length = np.linalg.norm(z, axis=1)
  inside = length < noised.radius(SIZE)
  assert inside.any()
  got = noised.clipped(3 * z)
  np.testing.assert_allclose(noised.clipped(z)[inside], z[inside])
  assert np.linalg.norm(got, axis=1).max() <= noised.radius(SIZE) * (1 + 1e-12)
  # The direction stays.
  np.testing.assert_allclose(np.cross(got, z), 0, atol=1e-12)


def test_without_noise_one_component_has_the_moments_of_its_points():
  rng = np.random.default_rng(0)
  latents = 0.3 * rng.standard_normal([500, SIZE]) @ rng.standard_normal(
      [SIZE, SIZE])
  latents = noised.clipped(latents)
  labels = np.arange(500) % 2
  fitted = noised.fit(latents, labels, 2, 1, 0.0, Entropy(), floor=1e-9)
  for label, components in enumerate(fitted):
    x = latents[labels == label]
    np.testing.assert_allclose(components.loc[0], x.mean(axis=0))
    np.testing.assert_allclose(
        components.scale_tril[0] @ components.scale_tril[0].T,
        np.cov(x.T, bias=True), atol=1e-6)


def test_with_little_noise_several_components_find_clusters():
  """Four of them, which one Gaussian does not describe."""
  rng = np.random.default_rng(0)
  centers = np.array([[1.2, 1.2, 0], [1.2, -1.2, 0], [-1.2, 1.2, 0],
                      [-1.2, -1.2, 0]])
  x = centers[rng.integers(0, 4, 4000)] + 0.2 * rng.standard_normal([4000, 3])

  def log_likelihood(components):
    return np.logaddexp.reduce(noised.log_joint(x, components), axis=1).mean()

  labels = np.zeros(len(x), int)
  one, several = [log_likelihood(noised.fit(
      x, labels, 1, k, 0.1, Entropy(), floor=1e-3)[0]) for k in (1, 8)]
  assert several > one + 0.3


@pytest.mark.parametrize('structure', COVARIANCES)
@pytest.mark.parametrize('num_components', [1, 3])
@pytest.mark.parametrize('num_points', [0, 40])
def test_noise_never_makes_covariances_that_are_none(
    structure, num_components, num_points):
  """Of few points or none and much noise: finite, positive definite."""
  latents = np.random.default_rng(0).standard_normal([num_points, SIZE])
  floor = 1e-3
  for _ in range(3):
    [components] = noised.fit(
        latents, np.zeros(num_points, int), 1, num_components, 50.0, Entropy(),
        structure, rank=1, floor=floor)
    covariance = components.scale_tril @ components.scale_tril.transpose(
        0, 2, 1)
    assert np.isfinite(components.loc).all()
    assert np.exp(components.log_weights).sum() == pytest.approx(1)
    assert np.linalg.eigvalsh(covariance).min() > 0.5 * floor
    assert (np.diagonal(components.scale_tril, axis1=1, axis2=2) > 0).all()
    assert (np.linalg.norm(components.loc, axis=1)
            <= noised.radius(SIZE) * (1 + 1e-9)).all()


@pytest.mark.parametrize('num_components', [1, 3])
def test_noise_costs_as_much_as_that_of_one_release(num_components,
                                                    monkeypatch):
  """What is added has the standard deviations that go with shares of the
  budget: 1 / s^2, in units of the sensitivities, sum up to that of one."""
  added = {}
  moments = noised._moments

  def heard(sums, size, radii, release, noise):
    added.setdefault(release, []).append((sums, noise))
    return moments(sums, size, radii, release, noise)

  monkeypatch.setattr(noised, '_moments', heard)
  noised.fit(np.zeros([0, 8]), np.zeros(0, int), 40, num_components, 7.0,
             Entropy())
  planned = noised.releases(num_components)
  assert sum(map(len, added.values())) == 40 * len(planned)
  spent = 0.0
  for release in planned:
    sums, [noise, *_] = zip(*added[release])
    assert np.stack(sums).std() == pytest.approx(noise, rel=0.1)
    # No product is released where none is asked for.
    assert sums[0].shape[1] == (1 + 8 + 36 if release.weights[2] else 1 + 8)
    spent += (release.sensitivity / noise)**2
  assert spent == pytest.approx(1 / 7.0**2)


class _Fixed:
  """Entropy that is the same in every run."""

  def __init__(self):
    self._rng = np.random.default_rng(0)

  def normal(self, shape):
    return self._rng.standard_normal(shape)


@pytest.mark.parametrize('num_components', [1, 4])
def test_nothing_but_sums_is_taken_of_the_latents(num_components, monkeypatch):
  """With sums that are always the same, other data make the same mixture:
  neither centers nor radii nor weights look past them."""
  monkeypatch.setattr(
      noised, 'sums', lambda z, shares, centers, radii, weights: np.full(
          [len(centers), 1 + SIZE + (SIZE * (SIZE + 1) // 2 if weights[2]
                                     else 0)], 40.0))
  one, other = [noised.fit(
      scale * np.random.default_rng(scale).standard_normal([60, SIZE]),
      np.arange(60) % 2, 2, num_components, 1.0, _Fixed())
                for scale in (1, 3)]
  for a, b in zip(one, other):
    for left, right in zip(a, b):
      np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize('num_components', [1, 4])
def test_an_image_changes_no_class_but_its_own(num_components):
  """Which is why classes cost no more together than one of them."""
  latents = np.random.default_rng(0).standard_normal([90, SIZE])
  labels = np.arange(90) % 3
  one = noised.fit(latents, labels, 3, num_components, 1.0, _Fixed())
  other = noised.fit(latents[1:], labels[1:], 3, num_components, 1.0, _Fixed())
  same = [all(np.array_equal(a, b) for a, b in zip(left, right))
          for left, right in zip(one, other)]
  assert same == [False, True, True]
