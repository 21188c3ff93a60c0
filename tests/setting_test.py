"""What a setting allows, and what is said of the rest."""

import dataclasses
import math

import numpy as np
import pytest

from tfp_lgc.errors import ConfigError
from tfp_lgc.setting import check, setting


@dataclasses.dataclass(frozen=True)
class Fruit:
  name: str = setting('', 'What it is called.')
  kind: str = setting('apple', 'What it is.',
                      choices=('apple', 'apricot', 'quince'))
  ripe: bool = setting(False, 'Whether it can be eaten.')
  seeds: int = setting(5, 'Within it.', low=0, high=9)
  weight: float = setting(0.5, 'In kilograms.', low=0.1, high=2.0)


FIELDS = {field.name: field for field in dataclasses.fields(Fruit)}


def test_it_is_a_field_with_a_default_and_help():
  assert Fruit() == Fruit('', 'apple', False, 5, 0.5)
  assert FIELDS['seeds'].metadata['help'] == 'Within it.'


@pytest.mark.parametrize('name, near', [('appel', 'apple'), ('Apple', 'apple'),
                                        ('quinse', 'quince'), ('xyz', ''),
                                        ('', '')])
def test_an_unknown_choice_lists_them_and_suggests_a_near_one(name, near):
  assert check(FIELDS['kind'], 'apricot') == 'apricot'
  with pytest.raises(ConfigError) as info:
    check(FIELDS['kind'], name)
  assert str(info.value) == (
      f'kind = {name!r} is unknown; choose from apple, apricot, quince' + (
          f' (did you mean {near}?)' if near else ''))


@pytest.mark.parametrize('value', [
    math.nan, math.inf, -math.inf, 10**400, -10**400, True, False, None, '1',
    [1], 1j], ids=lambda value: str(value)[:8])
@pytest.mark.parametrize('name', ['seeds', 'weight'])
def test_what_is_no_number_is_none(name, value):
  with pytest.raises(ConfigError, match=f'{name} = .*(int|float)'):
    check(FIELDS[name], value)


def test_a_whole_number_is_whole_and_a_float_may_be():
  for value in (1, 1.0, np.float64(1), np.int32(1)):
    for name, kind in (('seeds', int), ('weight', float)):
      got = check(FIELDS[name], value)
      assert (got, type(got)) == (1, kind)
  with pytest.raises(ConfigError, match='seeds = 3.5.*int'):
    check(FIELDS['seeds'], 3.5)


@pytest.mark.parametrize('name, value', [
    ('seeds', -1), ('seeds', 10), ('weight', math.nextafter(0.1, 0)),
    ('weight', math.nextafter(2, 3))])
def test_a_number_is_from_low_to_high(name, value):
  low, high = [FIELDS[name].metadata[end] for end in ('low', 'high')]
  assert [check(FIELDS[name], end) for end in (low, high)] == [low, high]
  with pytest.raises(ConfigError) as info:
    check(FIELDS[name], value)
  assert str(info.value) == f'{name} = {value!r}: must be from {low} to {high}'


@pytest.mark.parametrize('value', [1, None, b'x', ['x'], True, 2.0])
@pytest.mark.parametrize('name', ['name', 'kind'])
def test_text_is_text(name, value):
  with pytest.raises(ConfigError, match=f'{name} = .*str'):
    check(FIELDS[name], value)


@pytest.mark.parametrize('value', [1, 0, None, 'true', 1.0])
def test_a_switch_is_on_or_off(value):
  assert check(FIELDS['ripe'], True) is True
  assert check(FIELDS['ripe'], False) is False
  with pytest.raises(ConfigError, match='ripe = .*bool'):
    check(FIELDS['ripe'], value)
