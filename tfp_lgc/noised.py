"""Gaussian mixtures by class of noised sums: differentially private EM.

An EM step needs of the data nothing but sums: of responsibilities, of latents
and of their products. Each latent is clipped to a ball that does not depend on
the data, so that one image can change the vector of all sums by a known length,
and normal noise in proportion to it is added; M. Park et al., DP-EM, AISTATS
2017. With one component a class a single step, whose start does not matter, is
all of EM.
"""

import math

import numpy as np
from scipy import special

from tfp_lgc.covariance import COVARIANCES
from tfp_lgc.em import Components, log_joint
from tfp_lgc.entropy import Entropy

__all__ = ['SENSITIVITY', 'clipped', 'fit', 'num_releases', 'radius', 'sums']

# How much of its length a latent gives to the count, the mean and the products,
# of which there are most and which suffer most from noise.
WEIGHTS = 0.25, 0.5, 1.0
# What one image can change the sums by at the most, in the Euclidean norm.
SENSITIVITY = math.sqrt(sum(weight**2 for weight in WEIGHTS))
# Latents of a prior N(0, I) are seldom longer than the root of their number
# and this.
SLACK = 1.0
# EM steps where a class has several components, after that which finds their
# start.
NUM_STEPS = 4
# A component of fewer noised points than so many times the noise of a count is
# left as it was.
MIN_SIGNAL = 3.0
# Covariance of components at their start, in that of their class.
SHARE = 0.5


def radius(latent_size: int) -> float:
  """Of the ball that latents are clipped to."""
  return math.sqrt(latent_size) + SLACK


def num_releases(num_components: int) -> int:
  """How often sums are released for classes of so many components."""
  return 1 if num_components == 1 else 1 + NUM_STEPS


def clipped(latents: np.ndarray) -> np.ndarray:
  """float64 `[N, d]`, those outside of the ball moved to its surface.

  What is not finite becomes zero.
  """
  z = np.asarray(latents, np.float64)
  z = np.where(np.isfinite(z).all(axis=1, keepdims=True), z, 0.0)
  length = np.linalg.norm(z, axis=1, keepdims=True)
  return z * np.minimum(1.0, radius(z.shape[1]) / np.maximum(length, 1e-300))


def sums(z: np.ndarray, responsibilities: np.ndarray) -> np.ndarray:
  """What EM needs of the points of one class.

  Args:
    z: `[N, d]`, in the ball.
    responsibilities: `[N, K]`, not negative; those of a point sum up to 1.

  Returns:
    `[K, 1 + d + d (d + 1) / 2]`: sums over points of the responsibility, the
    point and the products of its coordinates, in units in which one point adds
    a vector no longer than `SENSITIVITY`. Products of two coordinates stand
    there once, times the root of 2.
  """
  size = z.shape[1]
  unit = z / radius(size)
  rows, columns = np.triu_indices(size)
  twice = np.where(rows == columns, 1.0, math.sqrt(2.0))
  products = np.einsum('nk,ni,nj->kij', responsibilities, unit, unit,
                       optimize=True)[:, rows, columns] * twice
  parts = (responsibilities.sum(axis=0)[:, np.newaxis],
           responsibilities.T @ unit, products)
  return np.concatenate([weight * part for weight, part
                         in zip(WEIGHTS, parts)], axis=1)


def _moments(noised: np.ndarray, size: int,
             ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Count `[K]`, sum `[K, d]` and sum of products `[K, d, d]`, of `sums`."""
  rows, columns = np.triu_indices(size)
  twice = np.where(rows == columns, 1.0, math.sqrt(2.0))
  count = noised[:, 0] / WEIGHTS[0]
  total = noised[:, 1:1 + size] * radius(size) / WEIGHTS[1]
  products = np.zeros([len(noised), size, size])
  products[:, rows, columns] = (noised[:, 1 + size:] / twice
                                * radius(size)**2 / WEIGHTS[2])
  products[:, columns, rows] = products[:, rows, columns]
  return count, total, products


def _positive(covariance: np.ndarray, floor: float, size: int) -> np.ndarray:
  """The nearest covariances whose eigenvalues are possible."""
  values, vectors = np.linalg.eigh(covariance)
  values = np.clip(values, floor, radius(size)**2)
  return np.einsum('kij,kj,klj->kil', vectors, values, vectors)


def _m_step(noised: np.ndarray, before: Components, noise: float,
            structure: str, rank: int, floor: float) -> Components:
  """Components of noised sums; all of it is of what was released."""
  size = before.loc.shape[1]
  count, total, products = _moments(noised, size)
  known = count > max(1.0, MIN_SIGNAL * noise / WEIGHTS[0])
  safe = np.where(known, count, 1.0)
  loc = clipped(total / safe[:, np.newaxis])
  covariance = _positive(
      products / safe[:, np.newaxis, np.newaxis]
      - loc[:, :, np.newaxis] * loc[:, np.newaxis, :], floor, size)
  old = before.scale_tril @ before.scale_tril.transpose(0, 2, 1)
  loc = np.where(known[:, np.newaxis], loc, before.loc)
  covariance = np.where(known[:, np.newaxis, np.newaxis], covariance, old)
  weights = np.maximum(count, 1.0)
  covariance = np.asarray(
      COVARIANCES[structure].fit(covariance, weights, rank))
  return Components(np.log(weights / weights.sum()), loc,
                    np.linalg.cholesky(covariance + floor * np.eye(size)))


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


def fit(latents: np.ndarray, labels: np.ndarray, num_classes: int,
        num_components: int, noise_multiplier: float, entropy: Entropy,
        structure: str = 'full', rank: int = 0, floor: float = 1e-3,
        ) -> list[Components]:
  """A mixture for each class, of `num_releases(num_components)` releases.

  ```python
  [components] = noised.fit(z, np.zeros(len(z), int), 1, 1, 5.0, Entropy())
  ```

  Args:
    latents: `[N, d]`.
    labels: int `[N]`, below `num_classes`.
    num_classes: C.
    num_components: K, of every class, whatever its data.
    noise_multiplier: standard deviation of the noise of each release, in units
      of `SENSITIVITY`.
    entropy: of all noise.
    structure: a key of `COVARIANCES`.
    rank: of the structure low_rank.
    floor: of variances.
  """
  z = clipped(latents)
  noise = noise_multiplier * SENSITIVITY
  size = z.shape[1]

  def release(points, responsibilities):
    exact = sums(points, responsibilities)
    return exact + noise * entropy.normal(exact.shape)

  result = []
  for label in range(num_classes):
    x = z[labels == label]
    # Where nothing is known a class is what the prior is.
    start = Components(np.zeros(1), np.zeros([1, size]),
                       np.eye(size)[np.newaxis])
    components = _m_step(release(x, np.ones([len(x), 1])), start, noise,
                         structure, rank, floor)
    if num_components > 1:
      components = _spread(components, num_components, entropy)
    for _ in range(num_releases(num_components) - 1):
      shares = (special.softmax(log_joint(x, components), axis=1) if len(x)
                else np.zeros([0, num_components]))
      components = _m_step(release(x, shares), components, noise, structure,
                           rank, floor)
    result.append(components)
  return result
