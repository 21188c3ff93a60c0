"""Which autoencoders are worth a try for so many bytes."""

import math
from typing import AbstractSet, Any, Optional

from tfp_lgc import config as config_lib
from tfp_lgc import heads, models, networks
from tfp_lgc.config import Config
from tfp_lgc.data import Source
from tfp_lgc.errors import ConfigError
from tfp_lgc.weightless import weightless

__all__ = ['CHOSEN', 'SIZES', 'likely']

# (filters, latents) of the conv trunk, from small to large. (8, 12) and
# (14, 17) were chosen on MNIST (BUILD.md); smaller ones go on that way.
RUNGS = ((2, 2), (2, 3), (3, 4), (3, 6), (4, 8), (5, 9), (8, 12), (14, 17),
         (24, 16), (28, 20), (36, 24), (48, 28), (64, 32))
# Bytes of a fine-tuned decoder of n numbers are about 6.1 n^0.75: on MNIST they
# were 4,221 for 6,257 numbers, 8,288 for 15,723 and 24,891 for 65,449.
FINETUNED_SCALE, FINETUNED_POWER = 6.1, 0.75
# The most that is likely to be left to the decoder: latents that it cannot tell
# apart need no components.
DECODER_SHARE = 0.76
# What a budget decides, unless the user does.
FIXED: dict[str, Any] = {'trunk': 'conv', 'finetune_steps': 2000,
                         'num_components_max': 256, 'num_restarts': 1}
SIZES = ('num_filters', 'hidden_size', 'latent_size')
CHOSEN = (*FIXED, *SIZES, 'mixture_bits', 'covariance', 'texture')


def likely(source: Source, num_bytes: int, config: Config,
           stays: AbstractSet[str]) -> list[Config]:
  """Settings of autoencoders by size, in the order in which to try them.

  The first is that of the largest decoder that is likely to leave the mixture
  its share; the others are smaller.

  Args:
    source: what is compressed.
    num_bytes: of the artifact.
    config: where the other settings come from.
    stays: settings that are not to be chosen.

  Raises:
    ConfigError: if there is no such model.
  """
  found: dict[int, Config] = {}  # By numbers of the decoder.
  error: Optional[ConfigError] = None
  for filters, size in RUNGS:
    picks = {**FIXED, 'num_filters': filters, 'hidden_size': 5 * filters,
             'latent_size': size}
    tried = config_lib.replace(config, **{
        name: value for name, value in picks.items() if name not in stays})
    try:
      found.setdefault(_num_weights(tried, source), tried)
    except ConfigError as this:  # As a prior of more means than latents.
      error = this
  if not found:
    assert error
    raise error
  sizes = sorted(found)
  fitting = [size for size in sizes if _decoder_num_bytes(found[size], size)
             <= DECODER_SHARE * num_bytes]
  return [found[size] for size in (fitting or sizes[:1])[::-1]]


def _decoder_num_bytes(config: Config, num_weights: int) -> float:
  """What a decoder is likely to take in a file."""
  if config.codec.finetune_steps:
    return FINETUNED_SCALE * num_weights ** FINETUNED_POWER
  return num_weights * (config.codec.decoder_bits - 1) / 8


def _num_weights(config: Config, source: Source) -> int:
  """Numbers of decoder and head."""
  with weightless():
    models.prior(config.model)
    head = heads.build(config.model, source.train.image_shape)
    num_conditions = (len(source.class_names)
                      if config.model.model in models.CONDITIONAL else 0)
    decoder = networks.decoder(config.model, head, num_conditions)
    return decoder.count_params() + sum(
        math.prod(variable.shape) for variable in head.weights.values())
