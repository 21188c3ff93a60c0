"""Confidence intervals: of a mean over seeds, and of a share of images."""

from typing import Optional, Sequence

import numpy as np
from scipy import stats

__all__ = ['LEVEL', 'of_mean', 'of_share']

# Of every confidence interval that is reported.
LEVEL = 0.95


def of_mean(values: Sequence[float]) -> Optional[list[float]]:
  """Student's t interval of the mean of values that are normally distributed.

  Args:
    values: e.g. accuracies, one a seed.

  Returns:
    Its two ends, to 4 digits; None of a single value, and of equal ones, for an
    interval of no width would read as certainty. They may lie outside of what
    an accuracy can be.
  """
  if len(set(values)) < 2:
    return None
  mean, error = np.mean(values), stats.sem(values)
  half = error * stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)
  return [round(float(mean - half), 4), round(float(mean + half), 4)]


def of_share(hits: int, trials: int) -> list[float]:
  """The exact interval of a probability.

  C. J. Clopper, E. S. Pearson, The Use of Confidence or Fiducial Limits
  Illustrated in the Case of the Binomial, Biometrika 1934.

  Args:
    hits: from 0 to `trials`.
    trials: independent ones; of none the interval is [0, 1].

  Returns:
    Its two ends, to 4 digits.
  """
  if not trials:
    return [0.0, 1.0]
  found = stats.binomtest(int(hits), int(trials)).proportion_ci(
      LEVEL, method='exact')
  return [round(float(found.low), 4), round(float(found.high), 4)]
