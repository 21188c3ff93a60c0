"""One setting: its default, what is allowed, and what it is for.

Standard library only: `bin/compress --help` must not wait for TensorFlow.
"""

import dataclasses
import difflib
import math
import numbers
from typing import Any

from tfp_lgc.errors import ConfigError

__all__ = ['check', 'setting']


def setting(default, help, choices=None, low=None, high=None):
  """A dataclass field with what is allowed: `choices`, or `low` to `high`."""
  metadata = {'help': help, 'choices': choices, 'low': low, 'high': high}
  return dataclasses.field(default=default, metadata=metadata)


def _is_number(value: Any) -> bool:
  """Whether it is finite; NumPy's numbers are as good as Python's."""
  if isinstance(value, bool) or not isinstance(value, numbers.Real):
    return False
  try:
    return math.isfinite(float(value))
  except OverflowError:
    return False


def check(field: dataclasses.Field, value: Any) -> Any:
  """`value` as the type of `field`, or `ConfigError` if it is not allowed."""
  choices, low = field.metadata['choices'], field.metadata['low']
  high = field.metadata['high']
  kind: Any = type(field.default)
  if kind in (int, float) and not (_is_number(value) and kind(value) == value):
    raise ConfigError(f'{field.name} = {value!r}: must be of type '
                      f'{kind.__name__}')
  if kind in (str, bool) and not isinstance(value, kind):
    raise ConfigError(f'{field.name} = {value!r}: must be of type '
                      f'{kind.__name__}')
  if choices and value not in choices:
    near = difflib.get_close_matches(value, choices, n=1)
    hint = f' (did you mean {near[0]}?)' if near else ''
    raise ConfigError(f'{field.name} = {value!r} is unknown; choose from '
                      f'{", ".join(choices)}{hint}')
  # `not (low <= value)` also refuses nan.
  if low is not None and not low <= value <= high:
    raise ConfigError(f'{field.name} = {value!r}: must be from {low} to {high}')
  return kind(value)
