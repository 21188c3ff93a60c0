"""Heads of small images, and parameters for them, for tests."""

import numpy as np
import tensorflow_probability as tfp

from tfp_lgc import heads
from tfp_lgc.config import ModelConfig

SHAPE = (3, 4, 2)
SIZE = 24
FLOOR = 0.05
NAMES = list(heads.HEADS)
NORMAL = [name for name in NAMES if 'normal' in name or name == 'mse']
T = [name for name in NAMES if '_t_' in name]


def head_of(name, num_components=0, shape=SHAPE, **settings):
  return heads.build(ModelConfig(
      head=name, head_num_components=num_components, **settings), shape, seed=3)


def case_of(head, seed=0, num_images=5):
  rng = np.random.default_rng(seed)
  # SciPy takes a covariance of large factors for a singular one.
  params = 0.3 * rng.normal(size=[num_images, head.params_size])
  params = params.astype(np.float32)
  x = rng.random([num_images, *head.event_shape]).astype(np.float32)
  return params, x


def softplus(raw, low=FLOOR):
  return low + np.logaddexp(0, raw)


def _triangle(raw, n, low):
  """TFP fills a triangle in an order of its own; the rest is plain."""
  factor = np.array(tfp.math.fill_triangular(raw))
  factor[np.diag_indices(n)] = softplus(np.diag(factor), low)
  return factor


def factor_of(raw, structure, n, low=FLOOR):
  if structure == 'unit':
    return np.eye(n)
  if structure == 'diag':
    return np.diag(softplus(raw.ravel(), low))
  return _triangle(raw, n, low)


def t_case_of(name, num_components=0, df=None):
  """As `case_of`, with given degrees of freedom."""
  head = head_of(name, num_components)
  params, x = case_of(head)
  if 'df' in head.blocks:
    blocks = {key: value.numpy() for key, value in head.split(params).items()}
    blocks['df'][:] = np.log(np.expm1(df))
    params = np.concatenate(
        [value.reshape(5, -1) for value in blocks.values()], axis=1)
  return head, params, x
