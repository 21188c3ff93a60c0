"""What an attack is worth that scores images: the higher, the likelier it was
trained on."""

from typing import Any, Sequence

import numpy as np
from sklearn import metrics

from tfp_lgc.metrics import intervals

__all__ = ['FALSE_POSITIVE_RATES', 'auc_interval', 'by_class', 'summarize',
           'true_positives']

# N. Carlini et al., Membership Inference Attacks From First Principles, IEEE
# S&P 2022: an attack is as good as what it finds while it hardly ever errs.
FALSE_POSITIVE_RATES = (0.001, 0.01)
NUM_BOOTSTRAPS = 500


def true_positives(members: np.ndarray, others: np.ndarray, rate: float) -> int:
  """Members above the lowest threshold that at most this share of the others
  is above. With fewer than 1 / rate of them, that is none.

  Args:
    members: scores `[N]` of images that were trained on.
    others: scores `[M]` of images that were not.
    rate: of false positives.
  """
  allowed = int(np.floor(rate * len(others) + 1e-9))
  threshold = np.sort(others)[::-1][allowed] if allowed < len(others) else (
      -np.inf)
  return int((members > threshold).sum())


def auc_interval(members: np.ndarray, others: np.ndarray, seed: int = 0,
                 ) -> list[float]:
  """Confidence interval of the area under the ROC curve: the percentiles of
  bootstrap samples, members and others each drawn anew.

  B. Efron, Bootstrap Methods: Another Look at the Jackknife, Annals of
  Statistics 1979.
  """
  rng = np.random.default_rng(seed)
  values, places = np.unique(np.concatenate([members, others]),
                             return_inverse=True)
  ours, theirs = places[:len(members)], places[len(members):]
  areas = []
  for _ in range(NUM_BOOTSTRAPS):
    counts = [np.bincount(part[rng.integers(0, len(part), len(part))],
                          minlength=len(values)) for part in (ours, theirs)]
    # A member beats the others below it, and half of those beside it.
    beaten = np.cumsum(counts[1]) - 0.5 * counts[1]
    areas.append(counts[0] @ beaten / (len(ours) * len(theirs)))
  tail = (1 - intervals.LEVEL) / 2
  return [round(float(x), 4) for x in np.quantile(areas, [tail, 1 - tail])]


def summarize(members: np.ndarray, others: np.ndarray, seed: int = 0,
              ) -> dict[str, Any]:
  """Of an attack, by its scores.

  Args:
    members: `[N]`, of images that were trained on.
    others: `[M]`, of images that were not.
    seed: of the bootstrap.

  Returns:
    `auc`, 0.5 for an attack that knows nothing, and `auc_interval`;
    `tpr_at_fpr_0.001`, `tpr_at_fpr_0.01` and their intervals (the threshold
    being taken as it is); `num_members`, `num_others`.
  """
  truth = np.repeat([1, 0], [len(members), len(others)])
  area = metrics.roc_auc_score(truth, np.concatenate([members, others]))
  result: dict[str, Any] = {'auc': round(float(area), 4),
                            'auc_interval': auc_interval(members, others, seed)}
  for rate in FALSE_POSITIVE_RATES:
    hits = true_positives(members, others, rate)
    result[f'tpr_at_fpr_{rate}'] = round(hits / len(members), 4)
    result[f'tpr_at_fpr_{rate}_interval'] = intervals.of_share(hits,
                                                               len(members))
  return {**result, 'num_members': len(members), 'num_others': len(others)}


def by_class(members: np.ndarray, member_labels: np.ndarray,
             others: np.ndarray, other_labels: np.ndarray,
             class_names: Sequence[str], seed: int = 0) -> dict[str, Any]:
  """`summarize` of all, and `per_class` the same of each class that has both
  members and others."""
  per_class = {}
  for label, name in enumerate(class_names):
    ours, theirs = members[member_labels == label], others[
        other_labels == label]
    if len(ours) and len(theirs):
      per_class[name] = summarize(ours, theirs, seed)
  return {**summarize(members, others, seed), 'per_class': per_class}
