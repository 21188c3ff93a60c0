"""The latent model: a Gaussian mixture per class, its size and the structure of
its covariances chosen by BIC.

It needs nothing of an artifact: any points can be fitted.

```python
from tfp_lgc import config, mixture
settings = config.MixtureConfig(covariance='auto', num_components_max=2)
chosen = mixture.select(points, settings, floor=1e-6)
chosen.structure, len(chosen.components.loc), chosen.bics
fitted = mixture.stack([chosen.components], [chosen.structure])
fitted(0).log_prob(points)   # a tfd.MixtureSameFamily
```
"""

import dataclasses
import math
import numbers
from typing import Callable, Mapping, NamedTuple, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_lgc.config import MixtureConfig
from tfp_lgc.covariance import COVARIANCES, has_one_factor
from tfp_lgc.em import Fit, fit_em, kmeans_start
from tfp_lgc.gaussians import Components

__all__ = ['Mixture', 'Selection', 'best', 'bic', 'largest', 'lowest_bic',
           'most_likely', 'num_params', 'select', 'share', 'sizes', 'stack',
           'structures']

tfd = tfp.distributions

# The share of a BIC by which equal ones may differ.
ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class Mixture:
  """Gaussian mixtures p(z | y) of C classes.

  They have R = C rows of components, a row a class, padded to the largest
  number of components; or R = 1 row, whose components all classes share and
  weigh differently.

  Attributes:
    logits: float32 `[C, K]`, log-weights; -inf where a class has fewer than K.
    loc: float32 `[R, K, d]`.
    scale_tril: float32 `[R, M, d, d]`, Cholesky factors of the covariances; M
      is 1 where the components of every row have one covariance, otherwise K.
    structures: of the covariances of each row, a key of `COVARIANCES`; or
      'prior' where the components are those of the model's prior.
  """
  logits: np.ndarray
  loc: np.ndarray
  scale_tril: np.ndarray
  structures: tuple[str, ...]

  @property
  def num_components(self) -> tuple[int, ...]:
    """Components of each class."""
    return tuple(int(n) for n in np.isfinite(self.logits).sum(axis=1))

  @property
  def is_shared(self) -> bool:
    """Whether several classes draw from the same components."""
    return len(self.loc) < len(self.logits)

  def components(self, label: int) -> Components:
    """Those of one class, without the padding."""
    log_weights, loc, scale_tril = self._of(label)
    return Components(log_weights, loc, np.broadcast_to(
        scale_tril, [*loc.shape, loc.shape[-1]]))

  def _of(self, label: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`components`, of which there may be one factor for all."""
    row = min(label, len(self.loc) - 1)
    used = np.isfinite(self.logits[label])
    scale_tril = self.scale_tril[row]
    return (self.logits[label, used], self.loc[row, used],
            scale_tril if len(scale_tril) == 1 else scale_tril[used])

  def distribution(self, label) -> tfd.MixtureSameFamily:
    """p(z | y = label), event shape `[d]`.

    ```python
    artifact.mixture(2).log_prob(z)   # the same as `.distribution(2)`
    artifact.mixture(tf.constant([0, 2, 1])).sample()   # [3, d]
    ```

    Args:
      label: the position of a class; or an int tensor of them, whose shape is
        the batch shape. Classes of fewer components than others then have some
        of weight 0.
    """
    if isinstance(label, numbers.Integral):
      logits, loc, scale_tril = self._of(int(label))
    else:
      label = tf.convert_to_tensor(label)
      row = tf.minimum(label, len(self.loc) - 1)
      logits, loc, scale_tril = [tf.gather(part, index) for part, index in (
          (self.logits, label), (self.loc, row), (self.scale_tril, row))]
    return tfd.MixtureSameFamily(
        tfd.Categorical(logits=logits),
        tfd.MultivariateNormalTriL(loc, scale_tril))

  __call__ = distribution

  def tempered(self, temperature: float) -> 'Mixture':
    """The same with covariances multiplied by `temperature`."""
    scale = np.float32(math.sqrt(temperature))
    return dataclasses.replace(self, scale_tril=scale * self.scale_tril)


def num_params(num_components: int, latent_size: int, structure: str = 'full',
               rank: int = 0) -> int:
  """Free parameters of a mixture of Gaussians."""
  covariances = COVARIANCES[structure].num_params(num_components, latent_size,
                                                  rank)
  return covariances + num_components * latent_size + num_components - 1


def bic(log_likelihood: float, num_points: int, free: int) -> float:
  """Bayesian information criterion, lower is better.

  G. Schwarz, Estimating the Dimension of a Model, Annals of Statistics 1978:
  k ln N - 2 ln L, k the free parameters.

  Args:
    log_likelihood: mean over the points, nats.
    num_points: N.
    free: k, see `num_params`.
  """
  return free * math.log(num_points) - 2.0 * num_points * log_likelihood


class Selection(NamedTuple):
  """What BIC chose for the points of one class.

  Attributes:
    components: of the fit of lowest BIC.
    structure: of their covariances.
    bics: structure -> BIC of K = 1, 2, ... as far as they were tried.
  """
  components: Components
  structure: str
  bics: dict[str, list[float]]


def select(x: np.ndarray, config: MixtureConfig, floor: float, seed: int = 0,
           ) -> Selection:
  """The mixture with the lowest BIC over structures and numbers of components.

  K grows from 1 to `config.num_components_max` until BIC has risen twice in a
  row, or is `largest`.

  ```python
  mixture.select(points, config.MixtureConfig(num_components_max=3), floor=1e-6)
  ```

  Args:
    x: `[N, d]`, N >= 1.
    config: see there.
    floor: added to the variances.
    seed: of the k-means++ starts.
  """
  return lowest_bic(
      lambda structure, k: most_likely(x, k, structure, config, floor, seed),
      sizes(x, config), len(x), config)


def lowest_bic(fit_of: Callable[[str, int], Fit],
               sizes: Mapping[str, Sequence[int]], num_points: int,
               config: MixtureConfig) -> Selection:
  """`select` among fits that are made, or were made, elsewhere.

  Args:
    fit_of: (structure, K) -> the fit; asked in the order of K.
    sizes: structure -> the K that are tried, ascending.
    num_points: N.
    config: see there.
  """
  chosen, lowest = None, math.inf
  curves: dict[str, list[float]] = {}
  for structure, ks in sizes.items():
    bics = curves[structure] = []
    for k in ks:
      fit = fit_of(structure, k)
      if not math.isfinite(fit.log_likelihood):
        break
      free = num_params(k, fit.components.loc.shape[1], structure,
                        config.covariance_rank)
      bics.append(bic(fit.log_likelihood, num_points, free))
      # Low rank of few latents is full but for rounding; the first is taken.
      if chosen is None or bics[-1] < lowest - ROUNDING * abs(lowest):
        chosen, lowest = (fit.components, structure), bics[-1]
      if len(bics) > 2 and bics[-1] > bics[-2] > bics[-3]:
        break
  assert chosen is not None
  return Selection(*chosen, curves)


def structures(config: MixtureConfig) -> list[str]:
  """What covariances may look like."""
  return (list(COVARIANCES) if config.covariance == 'auto'
          else [config.covariance])


def largest(x: np.ndarray, structure: str, config: MixtureConfig) -> int:
  """The most components that points `[N, d]` are given.

  There are d + 1 points or more to a full covariance and two to any other. So
  one image, or many identical ones, are one narrow Gaussian.
  """
  points_each = x.shape[1] + 1 if structure == 'full' else 2
  num_distinct = len(np.unique(x, axis=0))
  return min(config.num_components_max, max(1, num_distinct // points_each))


def sizes(x: np.ndarray, config: MixtureConfig) -> dict[str, range]:
  """Structure -> numbers of components of points `[N, d]` that may be tried."""
  return {structure: range(1, largest(x, structure, config) + 1)
          for structure in structures(config)}


def most_likely(x: np.ndarray, num_components: int, structure: str,
                config: MixtureConfig, floor: float, seed: int) -> Fit:
  """The best of several EM runs; a single Gaussian needs one.

  ```python
  fit = mixture.most_likely(points, 3, 'full', config.MixtureConfig(),
                            floor=1e-6, seed=0)
  fit.components.loc, fit.log_likelihood, fit.converged
  ```

  Args:
    x: `[N, d]`.
    num_components: K.
    structure: of the covariances.
    config: of the EM runs.
    floor: added to the variances.
    seed: of the k-means++ starts.
  """
  rank = config.covariance_rank
  restarts = config.num_restarts if num_components > 1 else 1
  fits = [
      fit_em(x, kmeans_start(x, num_components, floor, seed + i, structure,
                             rank),
             floor, config.max_iterations, config.tolerance, structure, rank)
      for i in range(restarts)]
  return best(fits)


def best(fits: Sequence[Fit]) -> Fit:
  """The most likely of several; one that failed only if all did."""
  return max(fits, key=lambda fit: fit.log_likelihood if math.isfinite(
      fit.log_likelihood) else -math.inf)


def stack(per_class: Sequence[Components], structures: Sequence[str],
          ) -> Mixture:
  """Pads to the largest K: logits by -inf, factors by the identity."""
  num_factors = 1 if has_one_factor(
      structures, [len(components.loc) for components in per_class]) else None
  num_max = max(len(components.loc) for components in per_class)
  latent_size = per_class[0].loc.shape[1]
  shape = len(per_class), num_max
  logits = np.full(shape, -np.inf, np.float32)
  loc = np.zeros([*shape, latent_size], np.float32)
  scale_tril = np.tile(np.eye(latent_size, dtype=np.float32),
                       [len(per_class), num_factors or num_max, 1, 1])
  for label, components in enumerate(per_class):
    count = len(components.loc)
    logits[label, :count] = components.log_weights
    loc[label, :count] = components.loc
    scale_tril[label, :count] = components.scale_tril[:num_factors]
  return Mixture(logits, loc, scale_tril, tuple(structures))


def share(logits: np.ndarray, components: Components, structure: str,
          ) -> Mixture:
  """A mixture whose classes weigh the same components by `[C, K]` logits."""
  return Mixture(logits.astype(np.float32),
                 components.loc[np.newaxis].astype(np.float32),
                 components.scale_tril[np.newaxis, :1 if structure == 'tied'
                                       else None].astype(np.float32),
                 (structure,))
