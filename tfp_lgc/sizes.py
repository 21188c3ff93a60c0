"""Which autoencoders are worth a try for so many bytes."""

import functools
import math
from typing import AbstractSet, Any, NamedTuple, Optional, Sequence

from tfp_lgc import config as config_lib
from tfp_lgc import heads, models, networks
from tfp_lgc.config import CodecConfig, Config, ModelConfig
from tfp_lgc.data import Source
from tfp_lgc.errors import ConfigError
from tfp_lgc.limits import limits
from tfp_lgc.weightless import weightless

__all__ = ['CHOSEN', 'OF_RUNGS', 'likely', 'staying', 'value']


class Rung(NamedTuple):
  """A conv autoencoder, and the budgets that it is for.

  Attributes:
    num_filters: of the trunk.
    latent_size: d.
    grid_filters: maps that the decoder begins with; 0: as many as filters.
    share: of the bytes that the decoder may take at the most, as far as can be
      told beforehand.
    beta: where there is room for components, a posterior may be narrower.
    rate_weight: where there is room for the decoder, its bits cost less.
  """
  num_filters: int
  latent_size: int
  grid_filters: int = ModelConfig.grid_filters
  share: float = 0.76
  beta: float = ModelConfig.beta
  rate_weight: float = CodecConfig.rate_weight


# The later ones are tried first. (14, 14, 3) and (28, 20, 4) were chosen on
# MNIST, the last two on Fashion-MNIST (docs/what_bytes_buy.md); (36, 24, 4),
# which taught as much as (28, 20, 4) at 20 kB, is for what is between, where
# none was tried.
# Smaller ones are from before there were grids. (32, 32) did as well as
# (32, 48) on MNIST at 78.4 kB and is for --num_autoencoders=2.
_SMALL = (Rung(2, 2), Rung(2, 3), Rung(3, 4), Rung(3, 6), Rung(4, 8),
          Rung(5, 9))
_LARGE = (Rung(32, 32, share=0.4), Rung(32, 48, share=0.5, beta=0.05),
          Rung(40, 96, share=0.25, beta=0.03, rate_weight=3e-5))
RUNGS = (*_SMALL, Rung(14, 14, 3), Rung(28, 20, 4), Rung(36, 24, 4, share=0.3),
         *_LARGE)
# What those with a grid replaced, on MNIST, for whoever wants none: others may
# need the decoder more than components, which --num_autoencoders=2 lets the
# judge tell.
WITHOUT_GRID = (Rung(8, 12), Rung(14, 17), Rung(24, 16), Rung(28, 20),
                Rung(36, 24))
# Bytes of a fine-tuned decoder of n numbers are about 6.1 n^0.75: on MNIST they
# were 4,221 for 6,257 numbers, 8,288 for 15,723 and 24,891 for 65,449, and with
# a grid fewer, 3,752 for 5,972, 7,917 for 18,173 and 9,987 for 27,581.
FINETUNED_SCALE, FINETUNED_POWER = 6.1, 0.75
# What a budget decides, unless the user does.
FIXED: dict[str, Any] = {'trunk': 'conv', 'finetune_steps': 2000,
                         'num_restarts': 1}
# Components of a class at the most. With a tied covariance more of them teach
# more (docs/what_bytes_buy.md), but every few images would have one.
MAX_COMPONENTS = 1400
# What a rung decides, and a budget, unless the user does.
OF_RUNGS = ('num_filters', 'hidden_size', 'latent_size', 'grid_filters', 'beta',
            'rate_weight')
CHOSEN = (*FIXED, *OF_RUNGS, 'num_components_max', 'mixture_bits', 'covariance',
          'texture', 'hard_copies', 'hard_share')


def value(config: Config, name: str) -> Any:
  """Of a setting, whatever section has it."""
  section, _ = config_lib.settings(config)[name]
  return getattr(getattr(config, section) if section else config, name)


def staying(config: Config, fixed: AbstractSet[str]) -> set[str]:
  """Those of `CHOSEN` that a budget does not choose: that are in `fixed`,
  or not as they are by default."""
  return {name for name in CHOSEN if name in fixed
          or value(config, name) != value(Config(), name)}


def likely(source: Source, num_bytes: int, config: Config,
           stays: AbstractSet[str]) -> list[Config]:
  """Settings of autoencoders, in the order in which to try them.

  Those of decoders that are likely to leave the mixture its share, the last of
  `RUNGS` first. Where that has a grid and there may be several autoencoders,
  the last of `WITHOUT_GRID` that is likely to fit is second.

  Args:
    source: what is compressed.
    num_bytes: of the artifact.
    config: where the other settings come from.
    stays: settings that are not to be chosen.

  Raises:
    ConfigError: if there is no such model.
  """
  # A rung's grid is for its own filters, and for a trunk that has one.
  if 'num_filters' in stays or ('trunk' in stays
                                and config.model.trunk != 'conv'):
    stays = stays | {'grid_filters'}
  has_none = 'grid_filters' in stays and not config.model.grid_filters
  fitting, smallest = _fitting(
      (*_SMALL, *WITHOUT_GRID, *_LARGE) if has_none else RUNGS, source,
      num_bytes, config, stays)
  if config.train.num_autoencoders > 1 and 'grid_filters' not in stays and (
      fitting and fitting[0].model.grid_filters):
    fitting[1:1] = _fitting(WITHOUT_GRID, source, num_bytes, config, stays)[0][
        :1]
  return fitting or [smallest]


def _fitting(rungs: Sequence[Rung], source: Source, num_bytes: int,
             config: Config, stays: AbstractSet[str],
             ) -> tuple[list[Config], Config]:
  """Settings of the rungs whose decoders are likely to fit, each decoder once,
  the last rung first; and those of the smallest decoder."""
  # By numbers of the decoder, in the order of the rungs.
  found: dict[int, tuple[Config, Rung]] = {}
  error: Optional[ConfigError] = None
  for rung in rungs:
    if 'latent_size' in stays and rung.beta != ModelConfig.beta:
      continue  # It is for many latents.
    latent_size = (config.model.latent_size if 'latent_size' in stays
                   else rung.latent_size)
    picks = {**FIXED, 'num_filters': rung.num_filters,
             'hidden_size': 5 * rung.num_filters,
             'latent_size': latent_size, 'grid_filters': rung.grid_filters,
             'beta': rung.beta, 'rate_weight': rung.rate_weight,
             'num_components_max': _num_components(
                 latent_size, len(source.class_names), num_bytes)}
    tried = config_lib.replace(config, **{
        name: pick for name, pick in picks.items() if name not in stays})
    try:
      size = _num_weights(tried.model, source.train.image_shape,
                          len(source.class_names))
      found.setdefault(size, (tried, rung))
    except ConfigError as this:  # As a prior of more means than latents.
      error = this
  if not found:
    assert error
    raise error
  fitting = [tried for size, (tried, rung) in found.items()
             if _decoder_num_bytes(tried, size) <= rung.share * num_bytes]
  return fitting[::-1], found[min(found)][0]


def _num_components(latent_size: int, num_classes: int, num_bytes: int) -> int:
  """Of a class, that a file of so many bytes may have at the most."""
  # With one covariance; of others there are fewer by far in as many bytes.
  padded = limits(num_bytes).padded // num_classes - latent_size**2
  return max(1, min(MAX_COMPONENTS, padded // (1 + latent_size)))


def _decoder_num_bytes(config: Config, num_weights: int) -> float:
  """What a decoder is likely to take in a file."""
  if config.codec.finetune_steps:
    return FINETUNED_SCALE * num_weights ** FINETUNED_POWER
  return num_weights * (config.codec.decoder_bits - 1) / 8


@functools.lru_cache(maxsize=None)
def _num_weights(model: ModelConfig, image_shape: tuple[int, int, int],
                 num_classes: int) -> int:
  """Numbers of decoder and head; Keras takes a while to say."""
  with weightless():
    models.prior(model)
    head = heads.build(model, image_shape)
    decoder = networks.decoder(
        model, head, num_classes if model.model in models.CONDITIONAL else 0)
    return decoder.count_params() + sum(
        math.prod(variable.shape) for variable in head.weights.values())
