"""Scales of likelihoods: unit, diagonal, lower triangular, and products."""

from typing import Callable, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

__all__ = ['SCALES', 'Scale', 'kronecker', 'positive']

tfb = tfp.bijectors


def positive(raw: tf.Tensor, low: float) -> tf.Tensor:
  return low + tf.math.softplus(raw)


class Scale(NamedTuple):
  """Scale `[..., n, n]` of a vector of size n.

  Attributes:
    shape: n -> the shape of the block that it is made of; None if none.
    operator: (block or None, n, floor of its diagonal) -> `LinearOperator`.
    variance: that operator -> the diagonal of scale scale^T, `[..., n]`.
  """
  shape: Callable
  operator: Callable
  variance: Callable


SCALES = {
    'unit': Scale(
        lambda n: None,
        lambda raw, n, low: tf.linalg.LinearOperatorIdentity(n),
        lambda operator: operator.diag_part()),
    'diag': Scale(
        lambda n: (n,),
        lambda raw, n, low: tf.linalg.LinearOperatorDiag(
            positive(raw, low), is_non_singular=True),
        lambda operator: tf.square(operator.diag)),
    'full': Scale(
        lambda n: (n * (n + 1) // 2,),
        lambda raw, n, low: tf.linalg.LinearOperatorLowerTriangular(
            tfb.FillScaleTriL(diag_shift=low)(raw), is_non_singular=True),
        lambda operator: tf.reduce_sum(tf.square(operator.to_dense()), -1)),
}


def kronecker(rows: tf.linalg.LinearOperator,
              columns: tf.linalg.LinearOperator) -> tf.linalg.LinearOperator:
  """The product of two scales of one structure."""
  if isinstance(rows, tf.linalg.LinearOperatorIdentity):
    return tf.linalg.LinearOperatorIdentity(
        rows.domain_dimension_tensor() * columns.domain_dimension_tensor())
  if isinstance(rows, tf.linalg.LinearOperatorDiag):
    product = rows.diag[..., tf.newaxis] * columns.diag[..., tf.newaxis, :]
    shape = tf.shape(product)
    size = rows.diag.shape[-1] * columns.diag.shape[-1]
    return tf.linalg.LinearOperatorDiag(
        tf.reshape(product, tf.concat([shape[:-2], [size]], 0)),
        is_non_singular=True)
  return _Kronecker([rows, columns], is_non_singular=True, is_square=True)


class _Kronecker(tf.linalg.LinearOperatorKronecker):
  """R (x) C, which maps the rows of X to those of R X C^T.

  TensorFlow's own, and with it TFP's matrix distributions, do not work on a
  batch of unknown size (`UnboundLocalError: dim`).
  """

  def _apply(self, apply, x: tf.Tensor) -> tf.Tensor:
    """`apply(operator, matrix, adjoint_arg)` of vectors `[..., H W, 1]`."""
    rows, columns = self.operators
    shape = tf.shape(x)
    sides = [rows.shape[-1], columns.shape[-1]]
    x = tf.reshape(x, tf.concat([shape[:-2], sides], 0))
    x = apply(columns, apply(rows, x, False), True)  # [..., W, H]
    x = tf.linalg.matrix_transpose(x)
    return tf.reshape(x, tf.concat(
        [tf.shape(x)[:-2], [sides[0] * sides[1], 1]], 0))

  def _matmul(self, x, adjoint=False, adjoint_arg=False):
    if adjoint_arg or x.shape[-1] != 1:
      return super()._matmul(x, adjoint, adjoint_arg)
    return self._apply(lambda scale, part, adjoint_arg: scale.matmul(
        part, adjoint, adjoint_arg), x)

  def _solve(self, rhs, adjoint=False, adjoint_arg=False):
    if adjoint_arg or rhs.shape[-1] != 1:
      return super()._solve(rhs, adjoint, adjoint_arg)
    return self._apply(lambda scale, part, adjoint_arg: scale.solve(
        part, adjoint, adjoint_arg), rhs)
