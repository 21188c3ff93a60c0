"""Presets: allowed settings, and the papers' numbers in our units."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfp_lgc import config as config_lib
from tfp_lgc import heads, models, presets, priors
from tfp_lgc.config import Config, replace, settings
from tfp_lgc.errors import ConfigError
from tfp_lgc.setting import check

NAMES = [name for name in presets.PRESETS if ':' not in name]
GMM_DAE = [name for name in NAMES if name.startswith('gmm_dae')]


def _flat(config):
  return {name: getattr(getattr(config, section) if section else config, name)
          for name, (section, _) in settings(config).items()}


def test_choices_are_the_table():
  [field] = config_lib.Preset.__dataclass_fields__.values()
  assert field.metadata['choices'] == ('none', *NAMES)
  for name in set(presets.PRESETS) - set(NAMES):
    of, _, model = name.partition(':')
    assert of in NAMES and model in models.MODELS


@pytest.mark.parametrize('name', presets.PRESETS)
def test_every_setting_is_allowed_and_of_its_type(name):
  known = settings(Config())
  for key, value in presets.PRESETS[name].items():
    checked = check(known[key][1], value)
    assert checked == value and type(checked) is type(value)


@pytest.mark.parametrize('name, model', itertools.product(
    NAMES, models.MODELS))
def test_a_preset_is_its_settings_and_the_defaults_of_the_rest(name, model):
  got = _flat(replace(Config(), preset=name, model=model))
  expected = {**_flat(Config()), **presets.PRESETS[name],
              **presets.PRESETS.get(f'{name}:{model}', {}), 'model': model}
  assert got == expected


def test_none_is_no_preset():
  assert replace(Config(), preset='none') == Config()


@pytest.mark.parametrize('bad', ['', 'lgc:ae', 'None', 'gmm_dae', 3, None])
def test_an_unknown_preset_is_refused(bad):
  with pytest.raises(ConfigError, match='preset = '):
    replace(Config(), preset=bad)


@pytest.mark.parametrize('name', NAMES)
def test_what_is_said_wins(name):
  given = {'latent_size': 33, 'beta': 0.7, 'contrastive_weight': 3.0,
           'head': 'bernoulli', 'batch_size': 9, 'learning_rate': 0.5,
           'prior_weight': 9.0, 'trunk': 'conv', 'model': 'contrastive_ae'}
  got = _flat(replace(Config(), preset=name, **given))
  assert {key: got[key] for key in given} == given


def test_the_model_that_a_config_has_decides():
  """However it got there."""
  expected = replace(Config(), preset='lgc', model='contrastive_ae')
  assert expected.model.contrastive_weight == 39.2
  assert replace(replace(Config(), model='contrastive_ae'),
                 preset='lgc') == expected
  assert replace(Config(), preset='lgc').model.model == 'vae'


def test_a_preset_of_a_model_brings_it():
  assert replace(replace(Config(), model='ae'),
                 preset='gmm_dae_svhn').model.model == 'gmm_dae'


# The numbers.


def _squares_and_nll(head_name, shape):
  """Mean squared errors of random images, and our negative log-likelihoods."""
  rng = np.random.default_rng(0)
  x, params = rng.random([50, *shape]), rng.normal(size=[50, *shape])
  head = heads.HEADS[head_name](shape)
  nll = -head(tf.constant(params.reshape([50, -1]), tf.float32)).log_prob(
      tf.constant(x, tf.float32))
  return np.square(x - params).mean(axis=(1, 2, 3)), nll.numpy()


def test_lgc_weighs_the_contrastive_loss_as_its_authors_do():
  """MSE + 0.1 SupCon is 1 / 392 of our sum, up to a constant."""
  config = replace(Config(), preset='lgc', model='contrastive_ae').model
  mse, nll = _squares_and_nll(config.head, (28, 28, 1))
  slope = np.polyfit(mse, nll, 1)[0]
  np.testing.assert_allclose(config.contrastive_weight, 0.1 * slope, rtol=1e-3)


@pytest.mark.parametrize('name, shape', [
    ('gmm_dae_mnist', (32, 32, 1)), ('gmm_dae_svhn', (32, 32, 3)),
    ('gmm_dae_celeba', (64, 64, 3))])
def test_gmm_dae_weighs_its_regularizers_as_its_authors_do(name, shape):
  """Regularizers + 2,000 MSE, whatever the number of pixels."""
  config = replace(Config(), preset=name).model
  mse, nll = _squares_and_nll(config.head, shape)
  slope = np.polyfit(mse, nll, 1)[0]
  np.testing.assert_allclose(1 / config.prior_weight, 2000 / slope, rtol=1e-3)


@pytest.mark.parametrize('name', GMM_DAE)
def test_the_means_of_the_prior_are_one_hot(name):
  config = replace(Config(), preset=name).model
  prior = priors.separated(config)
  np.testing.assert_allclose(
      prior.loc, np.eye(config.prior_num_components, config.latent_size),
      atol=1e-12)
