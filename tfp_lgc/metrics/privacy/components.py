"""How few images the smallest component of an artifact stands for."""

from typing import Any

import numpy as np

from tfp_lgc.metrics.latents import pooled_weights
from tfp_lgc.metrics.subject import Subject

__all__ = ['measure']

# Of a component of fewer points single images may be guessed.
FEW_POINTS = 10


def measure(subject: Subject) -> dict[str, Any]:
  """Of the mixtures as they are sent, and at the temperature they are drawn at.

  A component's points are its weight times the train images of its class; of
  one that classes share, their sum. Where hard images counted several times
  (`--hard_copies`), it may have been nothing but these, and has as many fewer.

  Returns:
    `points`, the fewest; `smallest_eigenvalue` of any covariance, and
    `smallest_relative`, that in units of the mean variance of all latents
    (the floor of covariances is 0.001 by default);
    `num_few`, components of fewer than `few` = 10 points; `num_components`.
  """
  artifact = subject.artifact
  assert artifact is not None
  mixture = artifact.mixture
  by_row = pooled_weights(mixture, artifact.class_counts)  # [R, K]
  used = by_row > 0
  weights, loc = by_row[used], mixture.loc[used].astype(np.float64)  # [T, d]
  points = weights * sum(artifact.class_counts) / artifact.hard_copies
  if mixture.scale_tril.shape[1] == 1:  # One factor of all of a row.
    by_row = by_row.sum(axis=1, keepdims=True)
  factors = mixture.scale_tril[by_row > 0].astype(np.float64)  # [F, d, d]
  covariances = artifact.temperature * factors @ factors.swapaxes(1, 2)
  smallest = max(np.linalg.eigvalsh(covariances).min(), 0.0)
  within = np.einsum('k,kii->i', by_row[by_row > 0], covariances)
  total = (within + weights @ np.square(loc - weights @ loc)).mean()
  return {'points': round(float(points.min()), 2),
          'smallest_eigenvalue': float(f'{smallest:.4g}'),
          'smallest_relative': float(f'{smallest / max(total, 1e-300):.4g}'),
          'num_few': int((points < FEW_POINTS).sum()), 'few': FEW_POINTS,
          'num_components': len(points)}
