"""Kernel distance of samples from test images, in named features.

M. Binkowski, D. J. Sutherland, M. Arbel, A. Gretton, Demystifying MMD GANs,
ICLR 2018, section 4. Unlike the Frechet distance its estimate has no bias.
"""

from typing import Any

import numpy as np

from tfp_lgc.metrics.subject import Subject

__all__ = ['measure', 'squared_mmd', 'summarize']

# Subsets that the estimate is a mean over, and images in each.
NUM_SUBSETS, SUBSET_SIZE = 50, 1000


def squared_mmd(a: np.ndarray, b: np.ndarray) -> float:
  """The unbiased estimate of the squared maximum mean discrepancy, of the
  kernel (x y / d + 1)^3. It may be negative.

  Args:
    a: features `[N, d]`, N >= 2.
    b: features `[M, d]`, M >= 2.
  """
  a, b = a.astype(np.float64), b.astype(np.float64)

  def kernel(x, y):
    return (x @ y.T / x.shape[1] + 1) ** 3

  def mean_of_pairs(x):
    k = kernel(x, x)
    return (k.sum() - np.trace(k)) / (len(x) * (len(x) - 1))

  return float(mean_of_pairs(a) + mean_of_pairs(b) - 2 * kernel(a, b).mean())


def summarize(a: np.ndarray, b: np.ndarray, seed: int) -> tuple[float, float]:
  """Mean and standard deviation of `squared_mmd` over random subsets.

  Args:
    a: features `[N, d]`.
    b: features `[M, d]`.
    seed: of the subsets.
  """
  rng, size = np.random.default_rng(seed), min(SUBSET_SIZE, len(a), len(b))
  values = [squared_mmd(a[rng.permutation(len(a))[:size]],
                        b[rng.permutation(len(b))[:size]])
            for _ in range(NUM_SUBSETS)]
  return float(np.mean(values)), float(np.std(values))


def measure(subject: Subject) -> dict[str, Any]:
  """Of samples, and of train images, from as many test images. Samples may be
  nearer than train images, see `features.trained`.

  Returns:
    `squared_mmd` and its `stddev` over subsets, `train_squared_mmd`;
    `feature_network`, `num_images` of each kind, `subset_size`. With as few
    images as one subset holds, every subset is the same and `stddev` is 0.
  """
  test = subject.test_features
  mean, stddev = summarize(subject.sample_features, test, subject.seed)
  train, _ = summarize(subject.train_features, test, subject.seed)
  return {'squared_mmd': round(mean, 6), 'stddev': round(stddev, 6),
          'train_squared_mmd': round(train, 6),
          'feature_network': subject.feature_network,
          'num_images': len(test), 'subset_size': min(SUBSET_SIZE, len(test))}
