"""Covariance structures: what the components of a mixture may look like.

A structure is four functions. `fit` is the M-step: it turns the covariances
that EM measured into the most likely ones of the structure. `pack` and
`unpack` are its form in an artifact, which stores no number twice.
"""

from typing import Callable, NamedTuple, Sequence

import numpy as np
import tensorflow as tf

__all__ = ['COVARIANCES', 'Covariance', 'unpack_cholesky']


class Covariance(NamedTuple):
  """A structure of the K covariances of a mixture over d latents.

  Attributes:
    fit: (sample covariances float64 `[K, d, d]`, their numbers of points
      `[K]`, rank) -> covariances `[K, d, d]`, in TensorFlow.
    num_params: (K, d, rank) -> free parameters.
    pack: (scale_tril `[K, d, d]`, rank) -> unconstrained numbers `[rows,
      columns]`.
    unpack: (the same, K, d) -> scale_tril `[K, d, d]`; one of tied.
  """
  fit: Callable
  num_params: Callable[[int, int, int], int]
  pack: Callable[[np.ndarray, int], np.ndarray]
  unpack: Callable[[np.ndarray, int, int], np.ndarray]


def _triangle(size: int) -> int:
  return size * (size + 1) // 2


def _pack_ldl(scale_tril: np.ndarray, rank: int = 0) -> np.ndarray:
  """Of the covariance U D^2 U^T the d logarithms of D, then what U has below
  its diagonal of ones, by rows: `[K, d (d + 1) / 2]`.

  In units of D numbers of narrow and of wide components are alike, so that one
  step of quantization serves all.
  """
  del rank
  rows, columns = np.tril_indices(scale_tril.shape[-1], -1)
  scale = np.diagonal(scale_tril, axis1=1, axis2=2)  # [K, d]
  unit = scale_tril / scale[:, np.newaxis]
  return np.concatenate([np.log(scale), unit[:, rows, columns]], axis=1)


def _unpack_ldl(packed: np.ndarray, num_components: int, size: int,
                ) -> np.ndarray:
  del num_components
  rows, columns = np.tril_indices(size, -1)
  unit = np.tile(np.eye(size, dtype=packed.dtype), [len(packed), 1, 1])
  unit[:, rows, columns] = packed[:, size:]
  return unit * np.exp(packed[:, np.newaxis, :size])


def unpack_cholesky(packed: np.ndarray, num_components: int, size: int,
                    ) -> np.ndarray:
  """Factors `[K, d, d]` of their lower triangles by rows, with diagonals as
  logarithms: the form of full and tied in files of versions 1 and 2."""
  del num_components
  rows, columns = np.tril_indices(size)
  scale_tril = np.zeros([len(packed), size, size], packed.dtype)
  scale_tril[:, rows, columns] = packed
  diagonal = np.arange(size)
  scale_tril[:, diagonal, diagonal] = np.exp(
      scale_tril[:, diagonal, diagonal])
  return scale_tril


def _tied_fit(covariance, count, rank):
  """One covariance for all components: the mean over all points."""
  del rank
  mean = (tf.einsum('k,kij->ij', count, covariance)
          / tf.reduce_sum(count))
  return tf.broadcast_to(mean, tf.shape(covariance))


def _diag_fit(covariance, count, rank):
  del count, rank
  return tf.linalg.diag(tf.linalg.diag_part(covariance))


def _log_diagonal(scale_tril: np.ndarray) -> np.ndarray:
  return np.log(np.diagonal(scale_tril, axis1=1, axis2=2))  # [K, d]


def _unpack_diagonal(packed: np.ndarray, num_components: int,
                     size: int) -> np.ndarray:
  """Scales `[K, d]`, or `[K, 1]` for all dimensions alike."""
  scale = np.broadcast_to(np.exp(packed), [num_components, size])
  return scale[:, :, np.newaxis] * np.eye(size, dtype=packed.dtype)


def _spherical_fit(covariance, count, rank):
  del count, rank
  size = tf.shape(covariance)[-1]
  variance = tf.reduce_mean(tf.linalg.diag_part(covariance), axis=-1)
  return variance[:, tf.newaxis, tf.newaxis] * tf.eye(
      size, dtype=covariance.dtype)


def _low_rank_fit(covariance, count, rank):
  """Probabilistic principal components: W W^T + noise * I, in closed form.

  M. E. Tipping, C. M. Bishop, Mixtures of Probabilistic Principal Component
  Analyzers, Neural Computation 1999, equations 3.12 and 3.13.
  """
  del count
  size = tf.shape(covariance)[-1]
  # One dimension at least is noise, or there would be no density.
  rank = tf.minimum(rank, size - 1)
  values, vectors = tf.linalg.eigh(covariance)  # Ascending.
  values = tf.maximum(values, 0.0)
  noise = tf.reduce_mean(values[:, :size - rank], axis=1)  # [K]
  kept = vectors[:, :, size - rank:]
  excess = values[:, size - rank:] - noise[:, tf.newaxis]
  return (tf.einsum('kir,kr,kjr->kij', kept, excess, kept)
          + noise[:, tf.newaxis, tf.newaxis]
          * tf.eye(size, dtype=covariance.dtype))


def _low_rank_num_params(num_components: int, size: int, rank: int) -> int:
  rank = min(rank, size - 1)
  return num_components * (size * rank - rank * (rank - 1) // 2 + 1)


def _low_rank_mask(size: int, rank: int) -> np.ndarray:
  """Which of `[d, r]` numbers are free: W is known up to a rotation, and one
  rotation makes it lower triangular."""
  return np.tril(np.ones([size, rank], bool))


def _low_rank_pack(scale_tril: np.ndarray, rank: int) -> np.ndarray:
  """The free numbers of W, and the logarithm of the noise's scale."""
  size = scale_tril.shape[-1]
  rank = min(rank, size - 1)
  wide = scale_tril.astype(np.float64)
  values, vectors = np.linalg.eigh(wide @ np.swapaxes(wide, 1, 2))
  noise = values[:, :size - rank].mean(axis=1)
  excess = np.maximum(values[:, size - rank:] - noise[:, np.newaxis], 0.0)
  w = vectors[:, :, size - rank:] * np.sqrt(excess)[:, np.newaxis]
  # w = r^T q^T of the QR factorization of its transposed upper square.
  q, _ = np.linalg.qr(np.swapaxes(w[:, :rank], 1, 2))
  lower = (w @ q)[:, _low_rank_mask(size, rank)]
  return np.concatenate([lower, 0.5 * np.log(noise)[:, np.newaxis]],
                        axis=1).astype(scale_tril.dtype)


def _low_rank_unpack(packed: np.ndarray, num_components: int,
                     size: int) -> np.ndarray:
  rank = next((rank for rank in range(size)
               if _low_rank_num_params(1, size, rank) == packed.shape[1]),
              None)
  if rank is None:
    raise ValueError(f'{packed.shape[1]} numbers fit no rank of {size}')
  w = np.zeros([num_components, size, rank])
  w[:, _low_rank_mask(size, rank)] = packed[:, :-1]
  noise = np.exp(2.0 * packed[:, -1].astype(np.float64))
  covariance = (w @ np.swapaxes(w, 1, 2)
                + noise[:, np.newaxis, np.newaxis] * np.eye(size))
  return np.linalg.cholesky(covariance).astype(packed.dtype)


# Structures from the most to the fewest parameters. The names stand in files.
COVARIANCES = {
    'full': Covariance(
        lambda covariance, count, rank: covariance,
        lambda k, d, rank: k * _triangle(d), _pack_ldl, _unpack_ldl),
    'low_rank': Covariance(
        _low_rank_fit, _low_rank_num_params, _low_rank_pack, _low_rank_unpack),
    'tied': Covariance(
        _tied_fit, lambda k, d, rank: _triangle(d),
        lambda scale_tril, rank: _pack_ldl(scale_tril[:1]), _unpack_ldl),
    'diag': Covariance(
        _diag_fit, lambda k, d, rank: k * d,
        lambda scale_tril, rank: _log_diagonal(scale_tril), _unpack_diagonal),
    'spherical': Covariance(
        _spherical_fit, lambda k, d, rank: k,
        lambda scale_tril, rank: _log_diagonal(scale_tril)[:, :1],
        _unpack_diagonal),
}


def has_one_factor(structures: Sequence[str], num_components: Sequence[int],
                   ) -> bool:
  """Whether in each row of components one Cholesky factor is that of all.

  Args:
    structures: of the covariances of each row.
    num_components: of each row.
  """
  return all(structure == 'tied' or count == 1
             for structure, count in zip(structures, num_components))
