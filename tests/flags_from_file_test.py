"""A file of settings takes the place of defaults, as flags.FromFile."""

import dataclasses
import json

import pytest

from tfp_lgc import flags, runfile
from tfp_lgc.config import (
  CodecConfig,
  Config,
  DataConfig,
  EvaluateConfig,
  MixtureConfig,
  ModelConfig,
  Preset,
  replace,
  TrainConfig,
)
from tfp_lgc.errors import ConfigError
from tfp_lgc.setting import setting

GROUPS = [Preset, DataConfig, ModelConfig, TrainConfig, MixtureConfig,
          CodecConfig, EvaluateConfig]
FILE = flags.FromFile(flags.names(GROUPS), frozenset({'budget'}))


@pytest.fixture
def write(tmp_path):
  """A function that writes run.json and returns its flag."""
  def write(given=None, **settings):
    content = {'settings': settings}
    if given is not None:
      content['given'] = given
    path = tmp_path / 'run.json'
    path.write_text(json.dumps(content))
    return f'--config={path}'
  return write


def _with_file(*args):
  """The configuration, and the names of what is given."""
  argv = ['x', *args]
  return (Config(*flags.parse('', GROUPS, argv, file=FILE)[1:]),
          flags.given(GROUPS, argv, FILE))


def test_a_file_takes_the_place_of_defaults_and_flags_that_of_the_file(write):
  flag = write(latent_size=4, epochs=7, budget='1kB')
  assert _with_file(flag) == (replace(Config(), latent_size=4, epochs=7),
                              {'latent_size', 'epochs'})
  for args in ([flag, '--epochs=0', '--beta=1'],
               ['--epochs=0', '--beta=1', flag]):
    assert _with_file(*args) == (
        replace(Config(), latent_size=4, epochs=0, beta=1.0),
        {'latent_size', 'epochs', 'beta'})


@pytest.mark.parametrize('args', [
    [], ['--latent_size=3'], ['--trunk=dense', '--seed=5'],
    ['--preset=lgc', '--model=contrastive_ae', '--beta=0.1'],
    ['--preset=gmm_dae_celeba', '--width=0.25'],
    ['--preset=vpa_mlp', '--model=vae'], ['--preset=none']], ids=' '.join)
def test_a_run_is_the_same_again_from_its_file(args, tmp_path):
  """And what was given is, too."""
  groups = [*GROUPS, Seed]
  file = flags.FromFile(flags.names(groups))
  argv = ['x', *args]
  said = flags.parse('', groups, argv, file=file)
  given = flags.given(groups, argv, file)
  settings = {}
  for group in said:
    settings.update(dataclasses.asdict(group))
  path = tmp_path / 'run.json'
  path.write_text(runfile.dumps(settings, given, {}))
  again = ['x', f'--config={path}']
  assert flags.parse('', groups, again, file=file) == said
  assert flags.given(groups, again, file) == given
  assert flags.parsed('', groups, again, file=file).path == str(path)
  assert flags.parsed('', groups, argv, file=file).path == ''


@dataclasses.dataclass(frozen=True)
class Seed:
  """The seed."""
  seed: int = setting(0, 'Same seed, same bytes.', low=0, high=9)


def test_presets_are_below_what_is_said_beside_them(write):
  """A preset of the file below the file, one of the line above it."""
  flag = write(preset='lgc', model='ae', batch_size=7)
  config, given = _with_file(flag)
  expected = replace(Config(), preset='lgc', model='ae', batch_size=7)
  assert config == expected
  assert given > {'preset', 'model', 'batch_size', 'trunk', 'head'}
  # The settings of the preset are those of the model that the line names.
  assert _with_file(flag, '--model=contrastive_ae')[0] == replace(
      Config(), preset='lgc', model='contrastive_ae', batch_size=7)
  assert _with_file(write(batch_size=7, latent_size=3, covariance='diag'),
                    '--preset=lgc', '--latent_size=5')[0] == replace(
      Config(), preset='lgc', latent_size=5, covariance='diag')


def test_what_a_file_says_was_given_is(write):
  flag = write(given=['epochs'], latent_size=4, epochs=7)
  assert _with_file(flag)[1] == {'epochs'}
  assert _with_file(flag, '--beta=0.1')[1] == {'epochs', 'beta'}


def test_config_may_stand_in_a_file_of_flags(write, tmp_path):
  path = tmp_path / 'flags.txt'
  path.write_text(f'{write(latent_size=4, epochs=7)}\n--epochs=8\n')
  assert _with_file(f'--flagfile={path}', '--beta=1')[0] == replace(
      Config(), latent_size=4, epochs=8, beta=1.0)


@pytest.mark.parametrize('settings, words', [
    ({'latent_siz': 4}, 'did you mean latent_size'),
    ({'latent_size': 0}, 'latent_size = 0: must be from 1'),
    ({'budgt': '1kB'}, 'did you mean budget')], ids=str)
def test_a_setting_of_a_file_that_will_not_do(settings, words, write):
  with pytest.raises(ConfigError, match=f'run.json.: .*{words}'):
    _with_file(write(**settings))


def test_a_command_without_a_file_has_no_such_flag(write):
  with pytest.raises(ConfigError, match='config'):
    flags.parse('', GROUPS, ['x', write(epochs=1)])
  with pytest.raises(flags.HelpRequested) as answer:
    flags.parse('', GROUPS, ['x', '--help'])
  assert '--config' not in str(answer.value)
