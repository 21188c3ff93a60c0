"""Whether the latents of a component are distributed as it says."""

from typing import Any, Iterator

import numpy as np
from scipy import stats

from tfp_lgc.gaussians import Components, log_joint
from tfp_lgc.mixture import Mixture

__all__ = ['latent_gaussianity', 'squared_mahalanobis']

# Probabilities of the points of a Q-Q plot.
LEVELS = np.arange(1, 40) / 40


def squared_mahalanobis(x: np.ndarray, components: Components,
                        ) -> list[np.ndarray]:
  """(z - loc)^T covariance^-1 (z - loc) to the likeliest component.

  Args:
    x: `[N, d]`.
    components: K of them.

  Returns:
    For each component an array `[N_k]` of its points.
  """
  components = Components(*[part.astype(np.float64) for part in components])
  nearest = log_joint(x, components).argmax(axis=1)
  result = []
  for k, (loc, scale_tril) in enumerate(zip(components.loc,
                                            components.scale_tril)):
    whitened = np.linalg.solve(scale_tril, (x[nearest == k] - loc).T)
    result.append(np.square(whitened).sum(axis=0))
  return result


def latent_gaussianity(latents: np.ndarray, labels: np.ndarray,
                       mixture: Mixture) -> Iterator[dict[str, Any]]:
  """Squared Mahalanobis distances against the chi-square law of d degrees of
  freedom, which they follow if the component is Gaussian.

  ```python
  rows = list(latent_gaussianity(latents, labels, artifact.mixture))
  max(row['ks'] for row in rows)
  ```

  Args:
    latents: `[N, d]`.
    labels: int `[N]`.
    mixture: of their classes.

  Yields:
    For each class and component that has points: label, component, num_points,
    ks (the Kolmogorov-Smirnov statistic, from 0, the same law, to 1) and
    quantiles (observed, at the probabilities `LEVELS`).
  """
  law = stats.chi2(latents.shape[1])
  for label in range(len(mixture.logits)):
    x = latents[labels == label]
    if not len(x):
      continue
    distances = squared_mahalanobis(x, mixture.components(label))
    for component, values in enumerate(distances):
      if len(values):
        yield {
            'label': label, 'component': component, 'num_points': len(values),
            'ks': round(float(stats.kstest(values, law.cdf).statistic), 4),
            'quantiles': np.quantile(values, LEVELS).round(3).tolist()}
