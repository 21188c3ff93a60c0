"""Sizes as people write them: 500B, 32kB, 1.5MB."""

import re

from tfp_lgc.errors import ConfigError

__all__ = ['check_num_autoencoders', 'parse']

UNITS = {'': 1, 'B': 1, 'kB': 1000, 'MB': 1000**2, 'GB': 1000**3}
_SIZE = re.compile(r'([0-9]{1,20}(?:\.[0-9]{1,20})?) ?([A-Za-z]*)')


def parse(text: str, name: str = 'budget') -> int:
  """A number of bytes.

  ```python
  parse('32kB') == parse('32000') == 32_000
  ```

  Args:
    text: a number, then B, kB (1,000 bytes), MB, GB or nothing (bytes).
    name: of the setting, for the error.

  Returns:
    Whole bytes, at least 1; a part of a byte is left off.

  Raises:
    ConfigError: for anything else.
  """
  match = _SIZE.fullmatch(text.strip())
  if not match:
    raise ConfigError(f'{name} = {text!r}: must be a number of bytes, as '
                      '32000, 500B, 32kB or 1.5MB')
  number, unit = match.groups()
  if unit not in UNITS:
    near = [known for known in UNITS if known
            and known[0].lower() == unit[0].lower()]
    hint = f'; did you mean {number}{near[0]}?' if near else ''
    raise ConfigError(f'{name} = {text!r}: unknown unit {unit!r}; choose from '
                      f'B, kB (1,000 bytes), MB, GB{hint}')
  # Decimal digits times a power of ten: exact, whatever a float would say.
  whole, _, part = number.partition('.')
  num_bytes = int(whole + part) * UNITS[unit] // 10 ** len(part)
  if num_bytes < 1:
    raise ConfigError(f'{name} = {text!r}: must be at least 1 byte')
  return num_bytes


def check_num_autoencoders(num_autoencoders: int, num_bytes: int) -> None:
  """Several autoencoders are for a budget, which chooses among them.

  Raises:
    ConfigError: for more than one and no (0) bytes.
  """
  if num_autoencoders > 1 and not num_bytes:
    raise ConfigError(f'num_autoencoders = {num_autoencoders}: is how many a '
                      'budget tries; give a budget, or 1')
