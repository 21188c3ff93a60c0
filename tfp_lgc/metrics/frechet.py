"""Frechet distance between images, in the features of our own judge.

It is not the FID, whose features are those of an Inception network trained on
ImageNet; the two cannot be compared.
"""

import numpy as np
import tf_keras as tfk
from scipy import linalg

from tfp_lgc.autoencoder import to_unit

__all__ = ['FEATURES', 'distance', 'features', 'penultimate']

# What a distance is reported as being in.
FEATURES = 'judge64'


def features(judge: tfk.Model, images: np.ndarray) -> np.ndarray:
  """The penultimate layer of a judge.

  The feature space `judge64` is that of the default judge, trained on the real
  training split: it knows those images, so that the features of train images
  are not those of other images of their kind, and a distance from them is no
  bound of what samples can reach.

  Args:
    judge: see `tstr.train_judge`.
    images: uint8 `[N, H, W, C]`.

  Returns:
    float32 `[N, 64]`.
  """
  network = penultimate(judge)
  return np.concatenate([
      network(to_unit(images[first:first + 1000])).numpy()
      for first in range(0, len(images), 1000)])


def penultimate(judge: tfk.Model) -> tfk.Model:
  """Images in 0..1 `[B, H, W, C]` -> `[B, 64]`."""
  return tfk.Model(judge.input, judge.get_layer('hidden').output)


def distance(a: np.ndarray, b: np.ndarray) -> float:
  """Squared Frechet (2-Wasserstein) distance of two fitted Gaussians.

  D. C. Dowson, B. V. Landau, The Frechet Distance between Multivariate Normal
  Distributions, 1982; M. Heusel et al., GANs Trained by a Two Time-Scale Update
  Rule, NeurIPS 2017, equation 6.

  Args:
    a: features `[N, d]`, N > d.
    b: features `[M, d]`, M > d.
  """
  mean = a.mean(axis=0, dtype=np.float64) - b.mean(axis=0, dtype=np.float64)
  covariances = [np.atleast_2d(np.cov(x.astype(np.float64), rowvar=False))
                 for x in (a, b)]
  # The trace of the root of a product has that of its eigenvalues' roots,
  # which are real; rounding may leave a small imaginary or negative part.
  values = linalg.eigvals(covariances[0] @ covariances[1])
  root = np.sqrt(np.maximum(values.real, 0.0)).sum()
  trace = sum(np.trace(covariance) for covariance in covariances)
  return float(mean @ mean + trace - 2.0 * root)
