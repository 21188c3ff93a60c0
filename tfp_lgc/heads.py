"""The output heads by name.

A head makes a distribution over images of the numbers that a network gives. It
needs nothing of an artifact, and may end any decoder.

```python
from tfp_lgc import config, heads
head = heads.build(config.ModelConfig(head='student_t_diag',
                                      head_num_components=3), (4, 4, 1))
network = tfk.Sequential([tfk.layers.Dense(head.params_size)])
x = tf.random.stateless_uniform([8, 4, 4, 1], seed=(0, 1))
z = tf.random.stateless_normal([8, 2], seed=(0, 2))
-tf.reduce_mean(head(network(z)).log_prob(x))   # what training minimizes
head.point_image(network(z))   # [8, 4, 4, 1], in 0..1
```
"""

import dataclasses
import functools
import math
from typing import Callable

import tensorflow as tf

from tfp_lgc import likelihoods
from tfp_lgc.config import ModelConfig
from tfp_lgc.errors import ConfigError
from tfp_lgc.flow import Flow
from tfp_lgc.head import Head, mixture
from tfp_lgc.likelihoods import DEFAULTS, Options
from tfp_lgc.scales import positive

__all__ = ['HEADS', 'build', 'maf']


def maf(event_shape, options: Options = DEFAULTS) -> Head:
  """Normal pixels of scale 1, pushed through a masked autoregressive flow whose
  weights are the same for all images.

  ```python
  heads.maf((4, 4, 1))(tf.zeros([2, 16])).sample()   # [2, 4, 4, 1]
  ```

  Args:
    event_shape: `(H, W, C)`.
    options: floor of the flow's scales, and the seed of its weights; the
      location is that before the flow, and has no activation.
  """
  flow = Flow(event_shape, lambda raw: positive(raw, options.min_stddev),
              options.seed)
  base = likelihoods.normal('unit', event_shape)
  return dataclasses.replace(base, flow=flow)


HEADS: dict[str, Callable[..., Head]] = {
    'bernoulli': likelihoods.bernoulli,
    'continuous_bernoulli': likelihoods.continuous_bernoulli,
    # The squared error by the name that people know it by.
    'mse': functools.partial(likelihoods.normal, 'unit'),
    'normal_unit': functools.partial(likelihoods.normal, 'unit'),
    'normal_diag': functools.partial(likelihoods.normal, 'diag'),
    'normal_full': functools.partial(likelihoods.normal, 'full'),
    'student_t_unit': functools.partial(likelihoods.student_t, 'unit'),
    'student_t_diag': functools.partial(likelihoods.student_t, 'diag'),
    'student_t_full': functools.partial(likelihoods.student_t, 'full'),
    'matrix_normal_unit': functools.partial(likelihoods.matrix_normal, 'unit'),
    'matrix_normal_diag': functools.partial(likelihoods.matrix_normal, 'diag'),
    'matrix_normal_full': functools.partial(likelihoods.matrix_normal, 'full'),
    'matrix_t_unit': functools.partial(likelihoods.matrix_t, 'unit'),
    'matrix_t_diag': functools.partial(likelihoods.matrix_t, 'diag'),
    'matrix_t_full': functools.partial(likelihoods.matrix_t, 'full'),
    'maf': maf,
}

# What has as free a covariance as images of any size allow.
_MATRIX_HEADS = {'normal_full': 'matrix_normal_full',
                 'student_t_full': 'matrix_t_full'}
_LOCATIONS = {'linear': tf.identity, 'sigmoid': tf.math.sigmoid}


def build(config: ModelConfig, event_shape, seed: int = 0) -> Head:
  """The head that a model has.

  ```python
  head = heads.build(config.ModelConfig(head='matrix_t_diag'), (28, 28, 1))
  distribution = head(tf.zeros([5, head.params_size]))   # batch shape [5]
  ```

  Args:
    config: `head`, `head_num_components`, `loc_activation`, `min_stddev` and
      `max_head_params`.
    event_shape: `(H, W, C)`.
    seed: of the initial weights of a flow.

  Raises:
    ConfigError: if it takes more than `max_head_params` numbers an image, and
      more than four a pixel.
  """
  options = Options(config.min_stddev, _LOCATIONS[config.loc_activation], seed)
  head = HEADS[config.head](tuple(event_shape), options)
  if config.head_num_components:
    head = mixture(head, config.head_num_components)
  if head.params_size > max(config.max_head_params, 4 * math.prod(event_shape)):
    cure = 'fewer --head_num_components'
    if config.head in _MATRIX_HEADS:
      cure = (f'--head={_MATRIX_HEADS[config.head]}, whose covariance is the '
              'product of one of rows and one of columns')
    raise ConfigError(
        f'head = {config.head}: takes {head.params_size:,} numbers for each '
        f'image of {"x".join(map(str, event_shape))}, max_head_params is '
        f'{config.max_head_params:,}; try {cure}, or a higher '
        '--max_head_params')
  return head
