"""Gaussian mixtures by class of noised sums: differentially private EM.

An EM step needs of the data nothing but sums: of responsibilities, of latents
and of their products. Each latent is clipped to a ball that does not depend on
it, so that one image can change the vector of all sums by a known length, and
normal noise in proportion to it is added; M. Park et al., DP-EM, AISTATS 2017.
With one component a class a single step, whose start does not matter, is all of
EM. Where there are several, means, which need little, are found first; then the
covariances, which most of the budget is for, about those means: points are
nearer to them than to the origin, and what is clipped shorter needs less noise.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from tfp_lgc.covariance import COVARIANCES
from tfp_lgc.entropy import Entropy
from tfp_lgc.gaussians import Components, log_joint

__all__ = ['Release', 'clipped', 'fit', 'radius', 'releases', 'sums']

# Latents of a prior N(0, I) are seldom longer than the root of their number
# and this.
SLACK = 1.0
# EM steps that move nothing but means, where a class has several components.
NUM_STEPS = 8
# A component of fewer noised points than so many times the noise of a count
# stays where it was, and has the least weight.
MIN_SIGNAL = 3.0
# Covariance of components at their start, in that of their class.
SHARE = 0.5


class Release(NamedTuple):
  """Sums that are given away with noise.

  Attributes:
    weights: how much of its length a latent gives to the count, the mean and
      the products, of which there are most and which suffer most from noise.
    share: of the budget. That of normal noise of standard deviation s, in units
      of the sensitivity, is proportional to 1 / s^2.
  """
  weights: tuple[float, float, float]
  share: float

  @property
  def sensitivity(self) -> float:
    """What one image can change the sums by at the most, in the Euclidean
    norm."""
    return math.sqrt(sum(weight**2 for weight in self.weights))


def releases(num_components: int) -> list[Release]:
  """What is released of a class of so many components, in this order."""
  moments, means = (0.25, 0.5, 1.0), (0.5, 1.0, 0.0)
  if num_components == 1:
    return [Release(moments, 1.0)]
  return [Release(moments, 0.15),
          *NUM_STEPS * [Release(means, 0.15 / NUM_STEPS)],
          Release(moments, 0.7)]


def radius(latent_size: int) -> float:
  """Of the ball that latents are clipped to."""
  return math.sqrt(latent_size) + SLACK


def clipped(latents: np.ndarray) -> np.ndarray:
  """float64 `[N, d]`, those outside of the ball moved to its surface.

  What is not finite becomes zero.
  """
  z = np.asarray(latents, np.float64)
  z = np.where(np.isfinite(z).all(axis=1, keepdims=True), z, 0.0)
  return _within(z, radius(z.shape[1]))


def _within(z: np.ndarray, length: float) -> np.ndarray:
  """Points `[N, d]`, no longer than that."""
  norm = np.linalg.norm(z, axis=1, keepdims=True)
  return z * np.minimum(1.0, length / np.maximum(norm, 1e-300))


def sums(z: np.ndarray, responsibilities: np.ndarray, centers: np.ndarray,
         radii: np.ndarray, weights: tuple[float, float, float]) -> np.ndarray:
  """What EM needs of the points of one class.

  Args:
    z: `[N, d]`, finite.
    responsibilities: `[N, K]`, not negative; those of a point sum up to 1.
    centers: `[K, d]`, from which points are seen.
    radii: `[K]`, of the balls about them that points are moved into.
    weights: see `Release`.

  Returns:
    `[K, 1 + d + d (d + 1) / 2]`: sums over points of the responsibility, the
    point from its center and the products of its coordinates, in units in
    which one point adds a vector no longer than the weights are. Products of
    two coordinates stand there once, times the root of 2; where their weight
    is 0 they do not, and it is `[K, 1 + d]`.
  """
  size = z.shape[1]
  rows, columns = np.triu_indices(size)
  twice = np.where(rows == columns, 1.0, math.sqrt(2.0))
  result = []
  for shares, center, length in zip(responsibilities.T, centers, radii):
    unit = _within(z - center, length) / length
    parts = [[weights[0] * shares.sum()], weights[1] * (shares @ unit)]
    if weights[2]:
      products = unit.T @ (shares[:, np.newaxis] * unit)
      parts.append(weights[2] * twice * products[rows, columns])
    result.append(np.concatenate(parts))
  return np.stack(result)


class _Moments(NamedTuple):
  """Of K components about their centers, of noised sums.

  Attributes:
    num_points: `[K]`.
    known: bool `[K]`, whether there are points enough.
    mean: `[K, d]`.
    products: `[K, d, d]`, means of products.
  """
  num_points: np.ndarray
  known: np.ndarray
  mean: np.ndarray
  products: np.ndarray


def _moments(noised: np.ndarray, size: int, radii: np.ndarray,
             release: Release, noise: float) -> _Moments:
  """Of `sums` of latents `[N, size]` with noise of that standard deviation."""
  first, second, third = release.weights
  count = noised[:, 0] / first
  known = count > max(1.0, MIN_SIGNAL * noise / first)
  safe = np.where(known, count, 1.0)[:, np.newaxis]
  mean = noised[:, 1:1 + size] / second * radii[:, np.newaxis] / safe
  rows, columns = np.triu_indices(size)
  products = np.zeros([len(noised), size, size])
  if third:
    twice = np.where(rows == columns, 1.0, math.sqrt(2.0))
    products[:, rows, columns] = (noised[:, 1 + size:] / twice / third
                                  * np.square(radii)[:, np.newaxis] / safe)
    products[:, columns, rows] = products[:, rows, columns]
  return _Moments(count, known, mean, products)


def _positive(covariance: np.ndarray, floor: float) -> np.ndarray:
  """The nearest covariances whose eigenvalues are possible."""
  values, vectors = np.linalg.eigh(covariance)
  values = np.clip(values, floor, radius(covariance.shape[-1])**2)
  return np.einsum('kij,kj,klj->kil', vectors, values, vectors)


def _covariances(components: Components) -> np.ndarray:
  """`[K, d, d]`."""
  return components.scale_tril @ components.scale_tril.transpose(0, 2, 1)


def _m_step(moments: _Moments, before: Components, structure: str, rank: int,
            floor: float, only_means: bool) -> Components:
  """Components of noised moments about the means of those before; all of it is
  of what was released."""
  known = moments.known[:, np.newaxis]
  loc = clipped(before.loc + np.where(known, moments.mean, 0.0))
  weights = np.where(moments.known, moments.num_points, 1.0)
  log_weights = np.log(weights / weights.sum())
  if only_means:
    return Components(log_weights, loc, before.scale_tril)
  covariance = _positive(
      moments.products - moments.mean[:, :, np.newaxis]
      * moments.mean[:, np.newaxis, :], floor)
  covariance = np.where(known[..., np.newaxis], covariance,
                        _covariances(before))
  covariance = np.asarray(
      COVARIANCES[structure].fit(covariance, weights, rank))
  return Components(log_weights, loc, np.linalg.cholesky(
      covariance + floor * np.eye(loc.shape[1])))


def _spread(whole: Components, num_components: int, entropy: Entropy,
            ) -> Components:
  """A start: as many means drawn from one Gaussian, and narrower scales."""
  scale_tril = whole.scale_tril[0]
  draws = entropy.normal([num_components, len(scale_tril)])
  narrow = math.sqrt(SHARE) * scale_tril
  return Components(
      np.full(num_components, -math.log(num_components)),
      clipped(whole.loc + math.sqrt(1.0 - SHARE) * draws @ scale_tril.T),
      np.tile(narrow, [num_components, 1, 1]))


def _shares(x: np.ndarray, components: Components) -> np.ndarray:
  """Responsibilities `[N, K]`."""
  if not len(x):
    return np.zeros([0, len(components.loc)])
  return special.softmax(log_joint(x, components), axis=1)


def fit(latents: np.ndarray, labels: np.ndarray, num_classes: int,
        num_components: int, noise_multiplier: float, entropy: Entropy,
        structure: str = 'full', rank: int = 0, floor: float = 1e-3,
        ) -> list[Components]:
  """A mixture for each class, of what `releases(num_components)` names.

  ```python
  [components] = noised.fit(z, np.zeros(len(z), int), 1, 1, 5.0, Entropy())
  ```

  Args:
    latents: `[N, d]`.
    labels: int `[N]`, below `num_classes`.
    num_classes: C.
    num_components: K, of every class, whatever its data.
    noise_multiplier: standard deviation of the noise, in units of what one
      image can change the sums by, if there were a single release; each of
      several has noise of its share, and all together cost as much.
    entropy: of all noise.
    structure: a key of `COVARIANCES`.
    rank: of the structure low_rank.
    floor: of variances.
  """
  z = clipped(latents)
  size = z.shape[1]
  # Where nothing is known a class is what the prior is.
  prior = Components(np.zeros(1), np.zeros([1, size]), np.eye(size)[np.newaxis])
  first, *others = releases(num_components)

  def step(x, components, release, radii):
    noise = noise_multiplier * release.sensitivity / math.sqrt(release.share)
    exact = sums(x, _shares(x, components), components.loc, radii,
                 release.weights)
    noised = exact + noise * entropy.normal(exact.shape)
    return _m_step(_moments(noised, size, radii, release, noise), components,
                   structure, rank, floor, not release.weights[-1])

  result = []
  for label in range(num_classes):
    x = z[labels == label]
    components = step(x, prior, first, np.array([radius(size)]))
    if others:
      components = _spread(components, num_components, entropy)
      # As far as points of a component are from its mean, and somewhat more.
      radii = SLACK + np.sqrt(np.trace(_covariances(components), axis1=1,
                                       axis2=2))
    for release in others:
      components = step(x, components, release, radii)
    result.append(components)
  return result
