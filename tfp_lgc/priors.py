"""Priors p(z) that models are trained towards, as mixtures."""

import math

import numpy as np

from tfp_lgc.config import ModelConfig
from tfp_lgc.errors import ConfigError
from tfp_lgc.gaussians import Components

__all__ = ['separated', 'standard_normal']


def standard_normal(config: ModelConfig) -> Components:
  """N(0, I)."""
  size = config.latent_size
  return Components(np.zeros(1), np.zeros([1, size]), np.eye(size)[np.newaxis])


def separated(config: ModelConfig) -> Components:
  """Equally likely spherical components of scale 1, any two means as far apart
  as `prior_separation`.

  A. Saseendran et al., Shape your Space, NeurIPS 2021, has the one-hot vectors
  as means, a separation of sqrt(2). Whose component a draw is can then be told
  for 34 % of ten components, and the marginals and the covariance are nearly
  those of a single Gaussian: a loss of them does not ask for clusters. Six and
  more separates.
  """
  size, count = config.latent_size, config.prior_num_components
  if count > size:
    raise ConfigError(f'prior_num_components = {count}: must be at most '
                      f'latent_size = {size}')
  loc = np.eye(count, size) * (config.prior_separation / math.sqrt(2))
  return Components(np.full(count, -math.log(count)), loc,
                    np.tile(np.eye(size), [count, 1, 1]))
