"""Command lines become dataclasses, and `--help` is the whole truth."""

import dataclasses
import re

import pytest

from tfp_lgc import flags, logs
from tfp_lgc.config import (
  CodecConfig,
  Config,
  DataConfig,
  DIFFICULTIES,
  EvaluateConfig,
  MixtureConfig,
  ModelConfig,
  Preset,
  replace,
  TrainConfig,
)
from tfp_lgc.errors import ConfigError
from tfp_lgc.setting import setting

CONFIGS = [DataConfig, ModelConfig, TrainConfig, MixtureConfig, CodecConfig,
           EvaluateConfig]


@dataclasses.dataclass(frozen=True)
class Fruit:
  """What grows.

  More about it.
  """
  apples: int = setting(3, 'How many apples.', low=0, high=100)
  sugar: float = setting(0.5, 'How sweet.', low=0.0, high=1.0)


@dataclasses.dataclass(frozen=True)
class Kitchen:
  """What is cooked."""
  dish: str = setting('pie', 'Which dish.', choices=('pie', 'jam'))
  note: str = setting('', 'Anything; ' + 'a long text ' * 20 + 'ends.')
  oven: bool = setting(True, 'Whether to bake.')
  cold: bool = setting(False, 'Whether to chill.')


def _parse(*args):
  return flags.parse('Cooks.', [Fruit, Kitchen], ['cook', *args])


def test_no_flags_are_the_defaults():
  assert _parse() == [Fruit(), Kitchen()]


def test_what_is_given_is_named_also_where_it_is_the_default():
  argv = ['cook', '--apples=3', '--nooven']
  assert flags.given([Fruit, Kitchen], argv) == {'apples', 'oven'}


@pytest.mark.parametrize('args', [
    ['--apples=7', '--sugar=1', '--dish=jam', '--note=a = b', '--nooven',
     '--cold'],
    ['--apples', '7', '--sugar', '1e0', '--dish', 'jam', '--note', 'a = b',
     '--oven=false', '--cold=true'],
    ['-apples=7', '-sugar=1.0', '-dish=jam', '-note=a = b', '-nooven',
     '-cold']], ids=['joined', 'apart', 'one dash'])
def test_flags_are_settings_of_their_type(args):
  fruit, kitchen = _parse(*args)
  assert (fruit, kitchen) == (
      Fruit(apples=7, sugar=1.0),
      Kitchen(dish='jam', note='a = b', oven=False, cold=True))
  assert (type(fruit.apples), type(fruit.sugar)) == (int, float)


def test_the_last_of_a_flag_counts():
  assert _parse('--apples=1', '--apples=2')[0].apples == 2


def test_one_parse_leaves_nothing_to_the_next():
  argv = ['cook', '--apples=7', '--cold']
  flags.parse('Cooks.', [Fruit, Kitchen], argv)
  assert argv == ['cook', '--apples=7', '--cold']
  assert _parse() == [Fruit(), Kitchen()]


@pytest.mark.parametrize('group', CONFIGS)
def test_the_settings_of_a_config_are_flags(group):
  args = [f'--{field.name}={field.default}'
          for field in dataclasses.fields(group)]
  assert flags.parse('', [group], ['x', *args]) == [group()]


# --preset


def _preset(*args):
  return flags.parse('', [Preset, *CONFIGS], ['x', *args])[1:]


@pytest.mark.parametrize('settings', [
    {'preset': 'lgc'}, {'preset': 'lgc', 'model': 'contrastive_ae'},
    {'preset': 'lgc', 'model': 'vae', 'beta': 0.1, 'epochs': 0},
    {'preset': 'gmm_dae_celeba', 'latent_size': 16, 'width': 0.25},
    {'preset': 'none', 'latent_size': 3}, {'preset': 'gmm_dae_mnist'},
    {'preset': 'gmm_dae_mnist', 'model': 'ae'}], ids=str)
def test_flags_and_keywords_mean_the_same_by_a_preset(settings):
  """A flag that is given wins, even if it gives the default."""
  args = [f'--{name}={value}' for name, value in settings.items()]
  for order in (args, args[::-1]):
    assert Config(*_preset(*order)) == replace(Config(), **settings)


def test_a_preset_is_read_from_a_file_too(tmp_path):
  path = tmp_path / 'flags.txt'
  path.write_text('--preset=lgc\n--model=ae\n')
  assert Config(*_preset(f'--flagfile={path}', '--batch_size=7')) == replace(
      Config(), preset='lgc', model='ae', batch_size=7)


@pytest.mark.parametrize('flag', ['--preset=', '--preset=lgc:ae',
                                  '--preset=vae', '--preset'])
def test_an_unknown_preset_is_refused(flag):
  with pytest.raises(ConfigError, match='preset'):
    _preset(flag)


def test_what_a_preset_replaces_is_checked_all_the_same():
  with pytest.raises(ConfigError, match='latent_size = 0'):
    _preset('--preset=lgc', '--latent_size=0')


# --help


@pytest.mark.parametrize('args', [
    ['--help'], ['-h'], ['--apples=7', '--help'], ['--help', '--apples=7'],
    ['--help', '--apples=1000']])
def test_help_is_asked_for(args):
  with pytest.raises(flags.HelpRequested):
    _parse(*args)


def _help(groups, command='cook'):
  with pytest.raises(flags.HelpRequested) as info:
    flags.parse('Cooks.', groups, [command, '--help'])
  return str(info.value)


def test_help_says_it_all_group_by_group():
  lines = _help([Fruit, Kitchen]).splitlines()
  assert lines[0] == 'Cooks.'
  assert any('cook' in line and '--flagfile' in line for line in lines[:4])
  expected = ['What grows.', '  --apples=INT', '  --sugar=FLOAT',
              'What is cooked.', '  --dish=pie|jam', '  --note=STR',
              '  --[no]oven', '  --[no]cold']
  assert [line for line in lines if line in expected] == expected
  assert '      How many apples. (default: 3)' in lines
  assert '      How sweet. (default: 0.5)' in lines
  assert '      Which dish. (default: pie)' in lines
  assert '      Whether to bake. (default: true)' in lines
  assert '      Whether to chill. (default: false)' in lines
  assert 'More about it' not in ''.join(lines)
  assert max(map(len, lines)) <= 80
  assert ' '.join(_help([Fruit, Kitchen]).split()).count('a long text') == 20


@pytest.mark.parametrize('groups', [[Fruit, Kitchen], CONFIGS, [DataConfig]])
def test_help_lists_what_is_taken_and_only_that(groups):
  text = _help(groups)
  listed = re.findall(r'^ *--(?:\[no\])?(\w+)', text, re.MULTILINE)
  assert listed == [*(field.name for group in groups
                      for field in dataclasses.fields(group)),
                    'verbosity', 'flagfile', 'version', 'help']
  for group in groups:
    assert group.__doc__.splitlines()[0] in text


def test_many_choices_are_wrapped_between_two_of_them():
  lines = _help([DataConfig]).splitlines()
  [first] = [i for i, line in enumerate(lines) if '--spurious_diff' in line]
  assert max(map(len, lines)) <= 80
  shown = ''.join(line.strip() for line in lines[first:first + 3])
  assert f'--spurious_difficulty={"|".join(DIFFICULTIES)}' in shown


# What is not taken.


@pytest.mark.parametrize('flag, near', [
    ('--aples=7', 'apples'), ('--suger=1', 'sugar'), ('--kold', 'cold')])
def test_an_unknown_flag_suggests_a_near_one(flag, near):
  with pytest.raises(ConfigError,
                     match=f'{flag[2:6]}.*; did you mean {near}[?]$'):
    _parse(flag)


@pytest.mark.parametrize('args', [
    ['--qqqq'], ['--qqqq=1'], ['--noapples'], ['--latent_size=3'],
    ['--alsologtostderr'], ['--helpfull'], ['--apples'], ['--dish']],
    ids=' '.join)
def test_no_other_flag_is_taken(args):
  with pytest.raises(ConfigError):
    _parse(*args)


@pytest.mark.parametrize('flag', [
    '--apples=1.5', '--apples=many', '--apples=', '--apples=1e2',
    '--apples=nan', '--apples=101', '--apples=-1', '--sugar=much', '--sugar=',
    '--sugar=nan', '--sugar=inf', '--sugar=1.01', '--dish=soup', '--dish=',
    '--oven=maybe', '--cold=2'])
def test_a_value_that_is_not_allowed_names_its_flag(flag):
  name = flag[2:].partition('=')[0]
  with pytest.raises(ConfigError, match=name):
    _parse(flag)


@pytest.mark.parametrize('args', [
    ['pie'], ['--apples=7', 'pie'], ['pie', '--apples=7'], ['--oven', 'false'],
    ['--', 'pie'], ['']], ids=' '.join)
def test_what_is_no_flag_is_refused(args):
  with pytest.raises(ConfigError, match='unexpected argument'):
    _parse(*args)


# --flagfile


def test_flags_are_read_from_a_file(tmp_path):
  inner = tmp_path / 'inner.txt'
  inner.write_text('--nooven\n')
  outer = tmp_path / 'flags.txt'
  outer.write_text(f'# A comment.\n\n--apples=7\n--flagfile={inner}\n')
  for args in ([f'--flagfile={outer}'], ['--flagfile', str(outer)]):
    fruit, kitchen = _parse(*args, '--dish=jam')
    assert fruit == Fruit(apples=7)
    assert kitchen == Kitchen(oven=False, dish='jam')
  assert _parse(f'--flagfile={outer}', '--apples=8')[0].apples == 8


@pytest.mark.parametrize('content', [
    '--apples=many\n', '--qqqq=1\n', '--apples=1000\n'])
def test_a_file_of_flags_is_checked(content, tmp_path):
  path = tmp_path / 'flags.txt'
  path.write_text(content)
  with pytest.raises(ConfigError):
    _parse(f'--flagfile={path}')


def test_a_file_of_flags_is_there(tmp_path):
  for args in ([f'--flagfile={tmp_path}/none'], ['--flagfile'],
               [f'--flagfile={tmp_path}']):
    with pytest.raises(ConfigError, match='(?i)^[^:]*flagfile'):
      _parse(*args)


@pytest.mark.parametrize('line, near', [
    ('--aples=7', 'apples'), ('--kold', 'cold'), ('--dish=jem', 'jam')])
def test_a_file_of_flags_suggests_a_near_one(line, near, tmp_path):
  path = tmp_path / 'flags.txt'
  path.write_text(f'--apples=1\n{line}\n')
  with pytest.raises(ConfigError, match=near):
    _parse(f'--flagfile={path}')


# --version, --verbosity


def test_the_version_is_an_answer():
  with pytest.raises(flags.HelpRequested, match=r'^tfp_lgc 0\.1\.0$'):
    _parse('--version', '--apples=1000')


def test_verbosity_takes_effect():
  try:
    _parse('--verbosity=-1')
    assert not logs.is_said()
    _parse()
    assert logs.is_said()
  finally:
    logs.set_verbosity(0)


@pytest.mark.parametrize('flag', ['--verbosity=2', '--verbosity=-4',
                                  '--verbosity=info'])
def test_a_verbosity_that_absl_does_not_have_is_refused(flag):
  with pytest.raises(ConfigError, match='verbosity'):
    _parse(flag)


def test_what_is_of_others_is_handed_on():
  others = []
  [fruit] = flags.parse('Cooks.', [Fruit], [
      'cook', '--water=2', '--apples=5', '--fire', 'blue', '--salt'],
      others=others)
  assert fruit == Fruit(apples=5)
  assert others == ['--water=2', '--fire', 'blue', '--salt']
  with pytest.raises(ConfigError, match='apples'):
    flags.parse('Cooks.', [Fruit], ['cook', '--apples=many'], others=[])
  with pytest.raises(ConfigError, match='water'):
    flags.parse('Cooks.', [Fruit], ['cook', '--water=2'])
