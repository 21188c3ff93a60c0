"""The named autoencoders: a recipe each."""

from tfp_lgc import losses
from tfp_lgc.autoencoder import Autoencoder
from tfp_lgc.config import ModelConfig

__all__ = ['MODELS', 'ae', 'build', 'vae']


def ae(config: ModelConfig, image_shape, seed: int = 0) -> Autoencoder:
  """Plain autoencoder: reconstruction alone."""
  return Autoencoder(config, image_shape, posterior='point', seed=seed)


def vae(config: ModelConfig, image_shape, seed: int = 0) -> Autoencoder:
  """Variational autoencoder; `beta` other than 1 makes it a beta-VAE.

  D. P. Kingma, M. Welling, Auto-Encoding Variational Bayes, ICLR 2014.
  I. Higgins et al., beta-VAE, ICLR 2017. The default is below 1: the mixture,
  not N(0, I), is what is sampled from, so the prior has to hold the latents
  together only loosely.
  """
  kl = (config.beta, losses.kl_standard_normal)
  return Autoencoder(config, image_shape, posterior='gaussian',
                     penalties={'kl': kl}, seed=seed)


MODELS = {'ae': ae, 'vae': vae}


def build(config: ModelConfig, image_shape, seed: int = 0) -> Autoencoder:
  """The autoencoder that `config.model` names, with fresh weights."""
  return MODELS[config.model](config, image_shape, seed)
