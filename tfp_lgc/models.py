"""The named autoencoders: a recipe each."""

import functools
from typing import Optional

from tfp_lgc import losses, priors
from tfp_lgc.autoencoder import Autoencoder
from tfp_lgc.config import Config, ModelConfig
from tfp_lgc.gaussians import Components

__all__ = ['CONDITIONAL', 'MODELS', 'PRIORS', 'build', 'prior']

# Without a KL term a posterior shrinks to a point: this keeps it a posterior.
CENTER_MIN_STDDEV = 0.1


def ae(config: Config, image_shape, num_classes: int) -> Autoencoder:
  """Plain autoencoder: reconstruction alone."""
  del num_classes
  return Autoencoder(config.model, image_shape, 'point', seed=config.seed)


def vae(config: Config, image_shape, num_classes: int) -> Autoencoder:
  """Variational autoencoder; `beta` other than 1 makes it a beta-VAE.

  D. P. Kingma, M. Welling, Auto-Encoding Variational Bayes, ICLR 2014.
  I. Higgins et al., beta-VAE, ICLR 2017. The default is below 1: the mixture,
  not N(0, I), is what is sampled from, so the prior has to hold the latents
  together only loosely.
  """
  del num_classes
  return Autoencoder(config.model, image_shape, 'gaussian', _kl(config),
                     seed=config.seed)


def contrastive_ae(config: Config, image_shape, num_classes: int,
                   ) -> Autoencoder:
  """Autoencoder whose latents of a class are pulled together; LGC paper."""
  del num_classes
  return Autoencoder(config.model, image_shape, 'point', _contrastive(config),
                     seed=config.seed)


def contrastive_vae(config: Config, image_shape, num_classes: int,
                    ) -> Autoencoder:
  """The same of a VAE. The LGC authors draw the latents that are contrasted
  anew; here they are those that are decoded, which changes no expectation."""
  del num_classes
  return Autoencoder(config.model, image_shape, 'gaussian',
                     {**_kl(config), **_contrastive(config)}, seed=config.seed)


def cvae(config: Config, image_shape, num_classes: int) -> Autoencoder:
  """Conditional VAE: encoder and decoder are told the label.

  K. Sohn, H. Lee, X. Yan, Learning Structured Output Representation using Deep
  Conditional Generative Models, NeurIPS 2015.
  """
  return Autoencoder(config.model, image_shape, 'gaussian', _kl(config),
                     num_conditions=num_classes, seed=config.seed)


def center_vae(config: Config, image_shape, num_classes: int) -> Autoencoder:
  """Posterior and reconstruction of a VAE, a center loss in place of the KL
  divergence."""
  center = losses.CenterLoss(num_classes, config.model.latent_size)
  return Autoencoder(config.model, image_shape, 'gaussian',
                     {'center': (config.model.center_weight, center)},
                     min_posterior_stddev=CENTER_MIN_STDDEV, seed=config.seed)


def gmm_dae(config: Config, image_shape, num_classes: int) -> Autoencoder:
  """Autoencoder whose latents are distributed as a mixture of Gaussians.

  A. Saseendran, K. Skubch, S. Falkner, M. Keuper, Shape your Space: A Gaussian
  Mixture Regularization Approach to Deterministic Autoencoders, NeurIPS 2021.
  Each regularizer is divided by what it is on average for a batch of draws
  from the prior.
  """
  del num_classes
  target, batch_size = priors.separated(config.model), config.train.batch_size
  weight = config.model.prior_weight
  penalties = {
      'cdf': (weight, losses.as_penalty(
          losses.cdf_distance, target,
          losses.expected_cdf_distance(batch_size))),
      'covariance': (weight, losses.as_penalty(
          losses.covariance_distance, target,
          losses.expected_covariance_distance(target, batch_size)))}
  return Autoencoder(config.model, image_shape, 'point', penalties,
                     seed=config.seed)


def _kl(config: Config):
  return {'kl': (config.model.beta, losses.kl_standard_normal)}


def _contrastive(config: Config):
  penalty = functools.partial(
      losses.supervised_contrastive, form=config.model.contrastive_form,
      temperature=config.model.contrastive_temperature)
  return {'contrastive': (config.model.contrastive_weight, penalty)}


MODELS = {
    'ae': ae, 'vae': vae, 'contrastive_ae': contrastive_ae,
    'contrastive_vae': contrastive_vae, 'cvae': cvae,
    'center_vae': center_vae, 'gmm_dae': gmm_dae}

# Models whose encoder and decoder are told the label.
CONDITIONAL = ('cvae',)

# What the latents of a model are trained towards; the others have no prior.
PRIORS = {
    'vae': priors.standard_normal, 'contrastive_vae': priors.standard_normal,
    'cvae': priors.standard_normal, 'gmm_dae': priors.separated}


def build(config: Config, image_shape, num_classes: int) -> Autoencoder:
  """The autoencoder that `config.model.model` names, with fresh weights."""
  return MODELS[config.model.model](config, image_shape, num_classes)


def prior(config: ModelConfig) -> Optional[Components]:
  """p(z) of a model, or None."""
  return PRIORS[config.model](config) if config.model in PRIORS else None
