"""Gaussian components and how likely they make points."""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

__all__ = ['BATCH_SIZE', 'Components', 'PARALLEL', 'log_joint',
           'log_joint_of', 'whitening_of']

# Points of a batch.
BATCH_SIZE = 6144
# Components that are dealt with side by side.
PARALLEL = 4

_F64 = tf.float64


class Components(NamedTuple):
  """The K components of one mixture, float64.

  Attributes:
    log_weights: `[K]`, logsumexp is 0.
    loc: `[K, d]`.
    scale_tril: `[K, d, d]`, lower triangular, positive diagonal; `[1, d, d]`
      within EM of tied ones.
  """
  log_weights: np.ndarray
  loc: np.ndarray
  scale_tril: np.ndarray


def whitening_of(components: Components) -> tf.Tensor:
  """`[K, d + 1, d]`: what a point, followed by 1, is multiplied by to become
  L_k^-1 (x - loc_k)."""
  num, size = tf.shape(components.loc)[0], tf.shape(components.loc)[1]
  inverse = tf.linalg.triangular_solve(
      components.scale_tril, tf.eye(size, batch_shape=[num], dtype=_F64))
  offset = tf.linalg.matvec(inverse, components.loc)
  return tf.concat([tf.linalg.matrix_transpose(inverse),
                    -offset[:, tf.newaxis]], axis=1)


def log_joint_of(x: tf.Tensor, components: Components, whitening: tf.Tensor,
                 ) -> tf.Tensor:
  """log p(x_b, component k), float64 `[K, B]`.

  Args:
    x: `[B, d + 1]`, points, each followed by 1.
    components: float64.
    whitening: of the type of x, see `whitening_of`.
  """
  size = tf.cast(tf.shape(components.loc)[1], _F64)
  log_det = tf.reduce_sum(
      tf.math.log(tf.linalg.diag_part(components.scale_tril)), axis=-1)
  constant = (components.log_weights - log_det
              - 0.5 * math.log(2 * math.pi) * size)  # [K]
  # A component at a time: its points stay in the cache.
  distances = tf.map_fn(
      lambda w: tf.reduce_sum(tf.square(tf.matmul(x, w)), axis=1), whitening,
      fn_output_signature=x.dtype, parallel_iterations=PARALLEL)
  return constant[:, tf.newaxis] - 0.5 * tf.cast(distances, _F64)


def log_joint(x: np.ndarray, components: Components) -> np.ndarray:
  """log p(x_n, component k), float64 `[N, K]`, of points `[N, d]`."""
  # Those of a `Mixture` are float32.
  components = Components(*[np.asarray(part, np.float64)
                            for part in components])
  whitening = whitening_of(components)
  parts = []
  for first in range(0, len(x), BATCH_SIZE):
    batch = np.asarray(x[first:first + BATCH_SIZE], np.float64)
    batch = np.concatenate([batch, np.ones([len(batch), 1])], axis=1)
    parts.append(log_joint_of(batch, components, whitening).numpy().T)
  return np.concatenate(parts)
