"""The networks of the papers, layer by layer."""

import math

import tf_keras as tfk

from tfp_lgc.config import ModelConfig
from tfp_lgc.trunks import (
  flat,
  halved,
  joined,
  num_maps,
  scaled,
  split_maps,
  Trunk,
)

__all__ = ['gmm_dae', 'lgc']

# The LGC authors' autoencoders without a posterior have fewer layers.
_LGC_POINT = ('ae', 'contrastive_ae', 'gmm_dae')


def _lgc_num_hidden(config: ModelConfig) -> int:
  return 1 if config.model in _LGC_POINT else 3


def _lgc_encoder(config, x, condition, layers):
  x = joined(flat(x), condition)
  for i in range(_lgc_num_hidden(config)):
    x = layers.dense(x, scaled(config, config.hidden_size), f'hidden_{i}',
                     'relu')
  return x


def _lgc_decoder(config, z, head, layers):
  x = z
  for i in range(_lgc_num_hidden(config)):
    x = layers.dense(x, scaled(config, config.hidden_size), f'hidden_{i}',
                     'relu')
  return layers.dense(x, head.params_size, 'params')


# J. Zhao, N. Arihara, B. Tang, T. Weber, Latent Gaussian Compression: layers
# of 128, 64 latents, which are not negative in an autoencoder.
lgc = Trunk(_lgc_encoder, _lgc_decoder,
            lambda config: 'relu' if config.model in _LGC_POINT else None)


def _gmm_dae_encoder(config, x, condition, layers):
  for i in range(4):
    x = layers.conv(x, scaled(config, config.num_filters) * 2**i, f'down_{i}')
    x = tfk.layers.ReLU(name=f'relu_{i}')(layers.norm(x, f'down_{i}'))
  return joined(flat(x), condition)


def _gmm_dae_decoder(config, z, head, layers):
  sides = halved(head.event_shape, 4)[::-1]
  filters = scaled(config, config.num_filters)
  x = layers.dense(z, math.prod(sides[0]) * 8 * filters, 'hidden', 'relu')
  x = tfk.layers.Reshape(sides[0] + (8 * filters,), name='grid')(x)
  for i, (height, width) in enumerate(sides[1:]):
    if i == 3:
      x = layers.deconv(x, sum(num_maps(head)), 'params')
    else:
      x = layers.deconv(x, filters * 2**(2 - i), f'up_{i}')
      x = tfk.layers.ReLU(name=f'relu_{i}')(layers.norm(x, f'up_{i}'))
    x = x[:, :height, :width]
  return split_maps(x, head)


# A. Saseendran et al., Shape your Space, NeurIPS 2021, table 1, whose images
# are 32 x 32 or 64 x 64 and whose num_filters is 128; smaller images take the
# upper left corner. Its last layer has neither normalization nor ReLU here,
# which could not make a dark pixel: the table is taken to err.
gmm_dae = Trunk(_gmm_dae_encoder, _gmm_dae_decoder)
