"""Every setting is described once and checked wherever it comes from."""

import dataclasses
import json
import math

import pytest

from tfp_lgc import config_sections, options
from tfp_lgc.commands import compress, evaluate, sample
from tfp_lgc.config import Config, replace, settings
from tfp_lgc.errors import ConfigError
from tfp_lgc.setting import check

GROUPS = [value for module in (config_sections, options, compress, evaluate,
                                sample)
          for value in vars(module).values()
          if dataclasses.is_dataclass(value)
          and value.__module__ == module.__name__]
FIELDS = [field for group in GROUPS for field in dataclasses.fields(group)]
FIELDS += [field for field in dataclasses.fields(Config)
           if field.default is not dataclasses.MISSING]
NUMBERS = [field for field in FIELDS if type(field.default) in (int, float)
           and field.metadata['low'] is not None]

_name = lambda field: field.name


def _at_limits():
  """A config whose every number is the largest, every choice the last."""
  values = {}
  for name, (_, field) in settings(Config()).items():
    if field.metadata['choices']:
      values[name] = field.metadata['choices'][-1]
    elif field.metadata['high'] is not None:
      values[name] = field.metadata['high']
    elif isinstance(field.default, bool):
      values[name] = not field.default
    else:
      values[name] = 'ü "quoted" \n'
  return replace(Config(), **values)


def test_all_groups_are_here():
  names = {group.__name__ for group in GROUPS}
  assert names >= {'DataConfig', 'ModelConfig', 'TrainConfig', 'MixtureConfig',
                   'CodecConfig', 'EvaluateConfig', 'Run', 'Runs', 'Samples'}


@pytest.mark.parametrize('field', FIELDS, ids=_name)
def test_every_setting_has_help_and_an_allowed_default(field):
  assert field.metadata['help'].endswith('.')
  assert type(field.default) in (str, int, float, bool)
  value = check(field, field.default)
  assert value == field.default
  assert type(value) is type(field.default)
  low, high = field.metadata['low'], field.metadata['high']
  assert (low is None) == (high is None)


def test_no_two_settings_of_a_config_have_one_name():
  sections = [getattr(Config(), field.name)
              for field in dataclasses.fields(Config)]
  num_settings = sum(len(dataclasses.fields(section))
                     if dataclasses.is_dataclass(section) else 1
                     for section in sections)
  assert len(settings(Config())) == num_settings


# There and back.


@pytest.mark.parametrize('config', [Config(), _at_limits()],
                         ids=['defaults', 'limits'])
def test_json_and_back(config):
  again = Config.from_json(config.to_json())
  assert again == config
  for name, (section, _) in settings(config).items():
    mine, theirs = [getattr(getattr(c, section) if section else c, name)
                    for c in (config, again)]
    assert type(mine) is type(theirs)


def test_json_from_elsewhere_is_checked():
  content = json.loads(Config().to_json())
  content['model']['latent_size'] = -1
  with pytest.raises(ConfigError, match='latent_size = -1'):
    Config.from_json(json.dumps(content))
  with pytest.raises(ConfigError, match="no setting 'sead'"):
    Config.from_json('{"sead": 1}')
  assert Config.from_json('{"model": {"latent_size": 3}}') == replace(
      Config(), latent_size=3)


def test_replace_reaches_every_section_and_leaves_the_rest():
  config = replace(Config(), dataset='x/', latent_size=3, epochs=2, tolerance=0,
                   decoder_bits=7, judge_steps=9, seed=5)
  expected = dataclasses.asdict(Config())
  for section, name, value in (
      ('data', 'dataset', 'x/'), ('model', 'latent_size', 3),
      ('train', 'epochs', 2), ('mixture', 'tolerance', 0.0),
      ('codec', 'decoder_bits', 7), ('evaluate', 'judge_steps', 9)):
    expected[section][name] = value
  expected['seed'] = 5
  assert dataclasses.asdict(config) == expected
  assert Config() == replace(Config())  # Nobody's default was changed.


def test_replace_keeps_what_was_replaced_before():
  config = replace(replace(Config(), beta=2.0), latent_size=3)
  assert (config.model.beta, config.model.latent_size) == (2.0, 3)


# What is not allowed.


@pytest.mark.parametrize('name, near', [
    ('latent_sise', 'latent_size'), ('epoch', 'epochs'), ('sed', 'seed'),
    ('learning-rate', 'learning_rate')])
def test_an_unknown_name_suggests_a_near_one(name, near):
  with pytest.raises(ConfigError, match=f'{name}.*did you mean {near}?'):
    replace(Config(), **{name: 1})


@pytest.mark.parametrize('name', ['qqqqq', 'model.beta', ''])
def test_an_unknown_name_near_none_suggests_nothing(name):
  with pytest.raises(ConfigError, match='no setting') as info:
    replace(Config(), **{name: 1})
  assert name == 'model.beta' or 'did you mean' not in str(info.value)


@pytest.mark.parametrize('name, value, message', [
    ('latent_size', 3.5, 'latent_size = 3.5.*int'),
    ('model', 'vaee', 'did you mean vae')])
def test_values_are_checked(name, value, message):
  with pytest.raises(ConfigError, match=message):
    replace(Config(), **{name: value})


@pytest.mark.parametrize('name', ['data', 'model_', 'train', 'codec'])
def test_a_section_is_no_setting(name):
  with pytest.raises(ConfigError):
    replace(Config(), **{name: {}})


@pytest.mark.parametrize('field', NUMBERS, ids=_name)
def test_a_number_is_from_low_to_high(field):
  low, high = field.metadata['low'], field.metadata['high']
  assert check(field, low) == low
  assert check(field, high) == high
  integer = isinstance(field.default, int)
  below = low - 1 if integer else math.nextafter(low, -math.inf)
  above = high + 1 if integer else math.nextafter(high, math.inf)
  for value in (below, above, -10**30, 10**30):
    with pytest.raises(ConfigError, match=f'{field.name} = '):
      check(field, value)
