"""How well the components of a mixture, fitted without labels, tell classes."""

import numpy as np
from scipy import special
from sklearn import metrics

from tfp_lgc.em import Components, log_joint

__all__ = ['mean_average_precision', 'nmi', 'responsibilities']


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
  return float(metrics.normalized_mutual_info_score(
      labels, shares.argmax(axis=1), average_method='arithmetic'))


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
  one_hot = np.eye(num_classes)[train_labels]
  joint = train_shares.T @ one_hot  # [K, C]
  given = joint / np.maximum(joint.sum(axis=1, keepdims=True), 1e-300)
  scores = shares @ given  # [N, C]
  return float(np.mean([
      metrics.average_precision_score(labels == label, scores[:, label])
      for label in np.unique(labels)]))
