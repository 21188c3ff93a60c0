"""The latent model: one Gaussian mixture per class, its size chosen by BIC."""

import dataclasses
import math
from typing import Callable

import numpy as np
import tensorflow_probability as tfp

from tfp_lgc.config import MixtureConfig
from tfp_lgc.em import Components, fit_em, kmeans_start

__all__ = ['Mixture', 'bic', 'fit_per_class', 'num_params', 'select', 'stack']

tfd = tfp.distributions


@dataclasses.dataclass(frozen=True)
class Mixture:
  """One Gaussian mixture a class, padded to the largest number of components.

  Attributes:
    logits: float32 `[C, K]`, log-weights; -inf where a class has fewer than K.
    loc: float32 `[C, K, d]`.
    scale_tril: float32 `[C, K, d, d]`, Cholesky factors of the covariances.
  """
  logits: np.ndarray
  loc: np.ndarray
  scale_tril: np.ndarray

  @property
  def num_components(self) -> tuple[int, ...]:
    """Components of each class."""
    return tuple(int(n) for n in np.isfinite(self.logits).sum(axis=1))

  def distribution(self, label: int) -> tfd.MixtureSameFamily:
    """p(z | y = label), event shape `[d]`."""
    count = self.num_components[label]
    return tfd.MixtureSameFamily(
        tfd.Categorical(logits=self.logits[label, :count]),
        tfd.MultivariateNormalTriL(self.loc[label, :count],
                                   self.scale_tril[label, :count]))


def num_params(num_components: int, latent_size: int) -> int:
  """Free parameters of a mixture of full-covariance Gaussians."""
  per_component = latent_size + latent_size * (latent_size + 1) // 2
  return num_components * per_component + num_components - 1


def bic(log_likelihood: float, num_points: int, num_components: int,
        latent_size: int) -> float:
  """Bayesian information criterion, lower is better.

  G. Schwarz, Estimating the Dimension of a Model, Annals of Statistics 1978:
  k ln N - 2 ln L, k the free parameters.

  Args:
    log_likelihood: mean over the points, nats.
    num_points: N.
    num_components: K.
    latent_size: d.
  """
  return (num_params(num_components, latent_size) * math.log(num_points)
          - 2.0 * num_points * log_likelihood)


def select(x: np.ndarray, config: MixtureConfig, floor: float, seed: int = 0,
           ) -> tuple[Components, list[float]]:
  """The mixture with the lowest BIC.

  K grows from 1 to `config.num_components_max` until BIC has risen twice in a
  row. It never exceeds N / (d + 1): a full covariance needs d + 1 points. So
  one image, or many identical ones, are one narrow Gaussian.

  Args:
    x: `[N, d]`, N >= 1.
    config: see there.
    floor: added to the variances.
    seed: of the k-means++ starts.

  Returns:
    components: of the best fit.
    bics: of K = 1, 2, ... as far as they were tried.
  """
  num_points, latent_size = x.shape
  num_distinct = len(np.unique(x, axis=0))
  largest = min(config.num_components_max,
                max(1, num_distinct // (latent_size + 1)))
  bics: list[float] = []
  for k in range(1, largest + 1):
    restarts = config.num_restarts if k > 1 else 1
    fits = [fit_em(x, kmeans_start(x, k, floor, seed + i), floor,
                   config.max_iterations, config.tolerance)
            for i in range(restarts)]
    fit = max(fits, key=lambda fit: fit.log_likelihood)
    bics.append(bic(fit.log_likelihood, num_points, k, latent_size))
    if k == 1 or bics[-1] < min(bics[:-1]):
      best = fit.components
    if k > 2 and bics[-1] > bics[-2] > bics[-3]:
      break
  return best, bics


def fit_per_class(latents: np.ndarray, labels: np.ndarray, num_classes: int,
                  config: MixtureConfig, seed: int = 0,
                  on_class: Callable[[int], None] = lambda label: None,
                  ) -> tuple[Mixture, list[list[float]]]:
  """Fits each class by `select` and stacks the mixtures.

  Args:
    latents: `[N, d]`.
    labels: int `[N]`, below `num_classes`.
    num_classes: C. A class without an image gets a standard normal.
    config: see there.
    seed: of the starts.
    on_class: called with each label when it is done.

  Returns:
    mixture: all classes.
    bics: BIC curve of each class, see `select`.
  """
  latent_size = latents.shape[1]
  # A data set of one repeated latent has no unit of its own: take 1.
  unit = float(latents.var(axis=0, dtype=np.float64).mean()) or 1.0
  per_class, curves = [], []
  for label in range(num_classes):
    x = latents[labels == label]
    if len(x):
      components, curve = select(x, config, config.covariance_floor * unit,
                                 seed)
    else:
      components, curve = _standard_normal(latent_size), []
    per_class.append(components)
    curves.append(curve)
    on_class(label)
  return stack(per_class), curves


def _standard_normal(latent_size: int) -> Components:
  return Components(np.zeros(1), np.zeros([1, latent_size]),
                    np.eye(latent_size)[np.newaxis])


def stack(per_class: list[Components]) -> Mixture:
  """Pads to the largest K: logits by -inf, factors by the identity."""
  num_max = max(len(components.loc) for components in per_class)
  latent_size = per_class[0].loc.shape[1]
  shape = len(per_class), num_max
  logits = np.full(shape, -np.inf, np.float32)
  loc = np.zeros([*shape, latent_size], np.float32)
  scale_tril = np.tile(np.eye(latent_size, dtype=np.float32), [*shape, 1, 1])
  for label, components in enumerate(per_class):
    count = len(components.loc)
    logits[label, :count] = components.log_weights
    loc[label, :count] = components.loc
    scale_tril[label, :count] = components.scale_tril
  return Mixture(logits, loc, scale_tril)
