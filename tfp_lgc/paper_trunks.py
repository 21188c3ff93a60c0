"""The networks of the papers, layer by layer."""

import math

import tf_keras as tfk

from tfp_lgc.config import ModelConfig
from tfp_lgc.trunks import (
  flat,
  halved,
  joined,
  num_maps,
  pooled,
  scaled,
  split_maps,
  Trunk,
)

__all__ = ['gmm_dae', 'lgc', 'vpa_cnn', 'vpa_cnn_aligned', 'vpa_mlp']

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
            lambda config: ('relu' if config.model in ('ae', 'contrastive_ae')
                            else None))


def _gmm_dae_encoder(config, x, condition, layers):
  for i in range(4):
    x = layers.conv(x, scaled(config, config.num_filters) * 2**i, f'down_{i}')
    x = tfk.layers.ReLU(name=f'relu_{i}')(layers.norm(x, f'down_{i}'))
  return joined(flat(x), condition)


def _gmm_dae_decoder(config, z, head, layers):
  sides = halved(head.event_shape, 4)[::-1]
  filters = scaled(config, config.num_filters)
  x = layers.dense(z, math.prod(sides[0]) * 8 * filters, 'hidden', 'relu')
  x = grid = tfk.layers.Reshape(sides[0] + (8 * filters,), name='grid')(x)
  for i, (height, width) in enumerate(sides[1:]):
    if i == 3:
      x = layers.deconv(x, num_maps(head), 'params')
    else:
      x = layers.deconv(x, filters * 2**(2 - i), f'up_{i}')
      x = tfk.layers.ReLU(name=f'relu_{i}')(layers.norm(x, f'up_{i}'))
    x = x[:, :height, :width]
  return split_maps(x, pooled(grid), head, layers)


# A. Saseendran et al., Shape your Space, NeurIPS 2021, table 1, whose images
# are 32 x 32 or 64 x 64 and whose num_filters is 128; smaller images take the
# upper left corner. Its last layer has neither normalization nor ReLU here,
# which could not make a dark pixel: the table is taken to err.
gmm_dae = Trunk(_gmm_dae_encoder, _gmm_dae_decoder)


def _vpa_mlp_encoder(config, x, condition, layers):
  return joined(flat(x), condition)  # The latents are the one hidden layer.


def _vpa_mlp_decoder(config, z, head, layers):
  return layers.dense(z, head.params_size, 'params')


# S. Ciobanu, Vanilla Probabilistic Autoencoder, CAINE 2021: 32 latents, which
# are not negative. The parameters of a VAE's posterior are not, either.
# (But the prior of gmm_dae has negative numbers, which its latents must reach.)
vpa_mlp = Trunk(_vpa_mlp_encoder, _vpa_mlp_decoder,
                lambda config: None if config.model == 'gmm_dae' else 'relu')


def _vpa_cnn_encoder(config, x, condition, layers):
  x = layers.conv(x, scaled(config, config.num_filters), 'down', 'relu',
                  size=3, strides=1)
  x = tfk.layers.MaxPool2D(2, padding='same', name='pool')(x)
  return joined(flat(x), condition)


def _vpa_code_shape(config, image_shape) -> tuple[int, int, int]:
  height, width = halved(image_shape, 1)[1]
  return height, width, scaled(config, config.num_filters)


def _vpa_code_size(config, image_shape) -> int:
  return math.prod(_vpa_code_shape(config, image_shape))


def _vpa_maps(config, z, num_filters, head, layers):
  """The code, and `[B, H, W, num_filters]` in squares of 2 x 2 pixels."""
  height, width, _ = head.event_shape
  code = tfk.layers.Reshape(_vpa_code_shape(config, head.event_shape),
                            name='grid')(z)
  x = layers.conv(code, num_filters, 'params', size=3, strides=1)
  return code, tfk.layers.UpSampling2D(2, name='up')(x)[:, :height, :width]


def _vpa_cnn_decoder(config, z, head, layers):
  """As many maps as have enough numbers, and of those the first. So the
  location of a pixel is somewhere else in the maps, which is what the paper
  does, and why its CNN learns so little."""
  num_filters = math.ceil(head.params_size / math.prod(head.event_shape[:2]))
  _, x = _vpa_maps(config, z, num_filters, head, layers)
  return flat(x)[:, :head.params_size]


def _vpa_cnn_aligned_decoder(config, z, head, layers):
  """Locations are where their pixels are; scales and weights, which are of
  whole rows or of the image, come of means over the code."""
  code, x = _vpa_maps(config, z, num_maps(head), head, layers)
  return split_maps(x, pooled(code), head, layers)


# The same paper; num_filters is 320, and the code larger than the image.
vpa_cnn = Trunk(_vpa_cnn_encoder, _vpa_cnn_decoder, code_size=_vpa_code_size)
vpa_cnn_aligned = Trunk(_vpa_cnn_encoder, _vpa_cnn_aligned_decoder,
                        code_size=_vpa_code_size)
