"""How well the components of a mixture, fitted without labels, tell classes."""

import numpy as np
from scipy import special
from sklearn import metrics

from tfp_lgc.gaussians import Components, log_joint

__all__ = ['mean_average_precision', 'nmi', 'of_latents', 'responsibilities']

# Responsibilities that `of_latents` holds at a time: 32 MB.
BATCH_NUM = 2**22


def responsibilities(latents: np.ndarray, components: Components) -> np.ndarray:
  """p(k | z), float64 `[N, K]`, of latents `[N, d]`."""
  return special.softmax(log_joint(latents, components), axis=1)


def nmi(labels: np.ndarray, shares: np.ndarray) -> float:
  """Normalized mutual information of classes and likeliest components.

  Normalized by the mean of the two entropies, as in A. Saseendran et al.,
  Shape your Space, NeurIPS 2021, appendix A.4.

  Args:
    labels: int `[N]`.
    shares: `[N, K]`, see `responsibilities`.

  Returns:
    From 0 to 1.
  """
  return _nmi(labels, shares.argmax(axis=1))


def _nmi(labels: np.ndarray, likeliest: np.ndarray) -> float:
  return float(metrics.normalized_mutual_info_score(
      labels, likeliest, average_method='arithmetic'))


def mean_average_precision(labels: np.ndarray, shares: np.ndarray,
                           train_labels: np.ndarray, train_shares: np.ndarray,
                           ) -> float:
  """Mean over the classes of the average precision of ranking images by
  sum_k p(y | k) p(k | z).

  Shape your Space reports a mAP and does not say of what; this is ours. The
  labels of the training images say which class a component stands for.

  Args:
    labels: int `[N]`, of the images that are ranked.
    shares: `[N, K]`.
    train_labels: int `[M]`.
    train_shares: `[M, K]`.

  Returns:
    From 0 to 1.
  """
  num_classes = max(labels.max(), train_labels.max()) + 1
  joint = train_shares.T @ np.eye(num_classes)[train_labels]
  return _mean_precision(labels, shares @ _given(joint))


def _given(joint: np.ndarray) -> np.ndarray:
  """p(y | k) of p(k, y), whatever its sum is, both `[K, C]`."""
  return joint / np.maximum(joint.sum(axis=1, keepdims=True), 1e-300)


def _mean_precision(labels: np.ndarray, scores: np.ndarray) -> float:
  """Of scores `[N, C]`."""
  return float(np.mean([
      metrics.average_precision_score(labels == label, scores[:, label])
      for label in np.unique(labels)]))


def of_latents(labels: np.ndarray, z: np.ndarray, train_labels: np.ndarray,
               train_z: np.ndarray, components: Components,
               ) -> tuple[float, float]:
  """`nmi` and `mean_average_precision`, some latents at a time: the
  responsibilities of 60,000 for 2,560 components would take 1.2 GB.

  Args:
    labels: int `[N]`.
    z: `[N, d]`.
    train_labels: int `[M]`.
    train_z: `[M, d]`.
    components: K of them.
  """
  num_rows = max(1, BATCH_NUM // len(components.loc))
  num_classes = max(labels.max(), train_labels.max()) + 1
  joint = np.zeros([len(components.loc), num_classes])
  for first in range(0, len(train_z), num_rows):
    some = slice(first, first + num_rows)
    joint += responsibilities(train_z[some], components).T @ np.eye(
        num_classes)[train_labels[some]]
  likeliest, scores = np.empty(len(z), int), np.empty([len(z), num_classes])
  given = _given(joint)
  for first in range(0, len(z), num_rows):
    some = slice(first, first + num_rows)
    shares = responsibilities(z[some], components)
    likeliest[some], scores[some] = shares.argmax(axis=1), shares @ given
  return _nmi(labels, likeliest), _mean_precision(labels, scores)
