"""What an attack is worth that scores images: the higher, the likelier it was
trained on."""

from typing import Any, Iterator, Sequence

import numpy as np
from sklearn import metrics

from tfp_lgc.metrics import intervals

__all__ = ['FALSE_POSITIVE_RATES', 'auc_interval', 'by_class', 'summarize',
           'tpr_interval', 'true_positives']

# N. Carlini et al., Membership Inference Attacks From First Principles, IEEE
# S&P 2022: an attack is as good as what it finds while it hardly ever errs.
FALSE_POSITIVE_RATES = (0.001, 0.01)
NUM_BOOTSTRAPS = 500
# With fewer of either kind bootstrap samples say nothing of what varies.
MIN_IMAGES = 10


def _allowed(num_others: int, rate: float) -> int:
  """False positives at a rate."""
  return int(np.floor(rate * num_others + 1e-9))


def true_positives(members: np.ndarray, others: np.ndarray, rate: float) -> int:
  """Members above the lowest threshold that at most this share of the others
  is above. With fewer than 1 / rate of them, that is none.

  Args:
    members: scores `[N]` of images that were trained on.
    others: scores `[M]` of images that were not.
    rate: of false positives.
  """
  allowed = _allowed(len(others), rate)
  threshold = np.sort(others)[::-1][allowed] if allowed < len(others) else (
      -np.inf)
  return int((members > threshold).sum())


def _bootstraps(members: np.ndarray, others: np.ndarray, seed: int,
                ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Members and others each drawn anew: how many have each value that occurs,
  int `[V]` twice, from the lowest value up.

  B. Efron, Bootstrap Methods: Another Look at the Jackknife, Annals of
  Statistics 1979.
  """
  rng = np.random.default_rng(seed)
  values, places = np.unique(np.concatenate([members, others]),
                             return_inverse=True)
  ours, theirs = places[:len(members)], places[len(members):]
  for _ in range(NUM_BOOTSTRAPS):
    drawn = [np.bincount(part[rng.integers(0, len(part), len(part))],
                         minlength=len(values)) for part in (ours, theirs)]
    yield drawn[0], drawn[1]


def _percentiles(values: Sequence[float]) -> list[float]:
  tail = (1 - intervals.LEVEL) / 2
  return [round(float(x), 4) for x in np.quantile(values, [tail, 1 - tail])]


def auc_interval(members: np.ndarray, others: np.ndarray, seed: int = 0,
                 ) -> list[float]:
  """Confidence interval of the area under the ROC curve: the percentiles of
  bootstrap samples."""
  areas = []
  for ours, theirs in _bootstraps(members, others, seed):
    # A member beats the others below it, and half of those beside it.
    beaten = np.cumsum(theirs) - 0.5 * theirs
    areas.append(float(ours @ beaten) / (len(members) * len(others)))
  return _percentiles(areas)


def tpr_interval(members: np.ndarray, others: np.ndarray, rate: float,
                 seed: int = 0) -> list[float]:
  """Confidence interval of the share of members that are found.

  The threshold is an estimate too, of few others, so it varies with them: the
  interval is that of bootstrap samples, each with its own threshold. It has at
  least the ends of the exact one at the threshold as it is, for where no or all
  members are found bootstrap samples do not vary.

  Args:
    members: scores `[N]`.
    others: scores `[M]`.
    rate: of false positives, from 1 / M to below 1.
    seed: of the bootstrap.
  """
  allowed = _allowed(len(others), rate)
  shares = []
  for ours, theirs in _bootstraps(members, others, seed):
    not_below = np.cumsum(theirs[::-1])[::-1]
    threshold = np.flatnonzero(not_below > allowed)[-1]
    shares.append(ours[threshold + 1:].sum() / len(members))
  low, high = _percentiles(shares)
  exact = intervals.of_share(true_positives(members, others, rate),
                             len(members))
  return [min(low, exact[0]), max(high, exact[1])]


def summarize(members: np.ndarray, others: np.ndarray, seed: int = 0,
              ) -> dict[str, Any]:
  """Of an attack, by its scores.

  Args:
    members: `[N]`, of images that were trained on.
    others: `[M]`, of images that were not.
    seed: of the bootstrap.

  Returns:
    `auc`, 0.5 for an attack that knows nothing, and `auc_interval`;
    `tpr_at_fpr_0.001`, `tpr_at_fpr_0.01` and their intervals, None where so few
    others cannot tell: one false positive among them is already more often;
    `num_members`, `num_others`. With fewer than 10 of either kind all intervals
    are None.
  """
  truth = np.repeat([1, 0], [len(members), len(others)])
  area = metrics.roc_auc_score(truth, np.concatenate([members, others]))
  enough = min(len(members), len(others)) >= MIN_IMAGES
  result: dict[str, Any] = {
      'auc': round(float(area), 4),
      'auc_interval': auc_interval(members, others, seed) if enough else None}
  for rate in FALSE_POSITIVE_RATES:
    share = interval = None
    if _allowed(len(others), rate):
      share = round(true_positives(members, others, rate) / len(members), 4)
      if enough:
        interval = tpr_interval(members, others, rate, seed)
    result[f'tpr_at_fpr_{rate}'] = share
    result[f'tpr_at_fpr_{rate}_interval'] = interval
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
