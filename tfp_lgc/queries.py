"""What a request to the server asks for: GET /sample?n=16&label=3&seed=0."""

import dataclasses
import difflib
import re
from typing import Optional, Sequence

from tfp_lgc.config import MixtureConfig, settings
from tfp_lgc.errors import LgcError
from tfp_lgc.options import ServeConfig

__all__ = ['Draw', 'FORMATS', 'MAX_TEMPERATURE', 'draw_of']

FORMATS = 'png', 'npz'
MAX_TEMPERATURE = settings(MixtureConfig())['temperature'][1].metadata['high']


@dataclasses.dataclass(frozen=True)
class Draw:
  """What GET /sample asks for.

  Attributes:
    n: images.
    label: name of a class, or None for all of them.
    seed: same seed, same images.
    temperature: what covariances are multiplied by; None for what the artifact
      was made with.
    format: of the answer, png or npz.
  """
  n: int
  label: Optional[str]
  seed: int
  temperature: Optional[float]
  format: str


def draw_of(query: Sequence[tuple[str, str]], classes: Sequence[str],
            config: ServeConfig) -> Draw:
  """The request that a query string stands for.

  ```python
  draw_of([('n', '4'), ('label', '3')], artifact.class_names, ServeConfig())
  ```

  Args:
    query: names and values, in order.
    classes: names of those that can be drawn.
    config: bound of n, default of the seed.

  Raises:
    LgcError: naming the argument that is not allowed.
  """
  known = [field.name for field in dataclasses.fields(Draw)]
  given: dict[str, str] = {}
  for name, value in query:
    if name not in known:
      near = difflib.get_close_matches(name, known, n=1)
      raise LgcError(f'there is no argument {name[:40]!r}; ' + (
          f'did you mean {near[0]}?' if near else
          f'choose from {", ".join(known)}'))
    if name in given:
      raise LgcError(f'{name}: is given twice')
    given[name] = value
  label = given.get('label') or None
  if label is not None and label not in classes:
    listed = ', '.join(classes[:20]) + (', ...' if len(classes) > 20 else '')
    raise LgcError(f'label = {label[:40]!r}: is no class of the artifact; '
                   f'choose from {listed}')
  kind = given.get('format', 'png')
  if kind not in FORMATS:
    raise LgcError(f'format = {kind[:40]!r}: must be {" or ".join(FORMATS)}')
  return Draw(_whole('n', given.get('n', '16'), 1, config.max_n), label,
              _whole('seed', given.get('seed', str(config.seed)), 0, 2**31 - 1),
              _temperature(given.get('temperature')), kind)


def _whole(name: str, text: str, low: int, high: int) -> int:
  if (text.isascii() and text.removeprefix('-').isdecimal() and len(text) < 20
      and low <= int(text) <= high):
    return int(text)
  raise LgcError(f'{name} = {text[:40]!r}: must be a whole number from {low} '
                 f'to {high}')


def _temperature(text: Optional[str]) -> Optional[float]:
  if text is None:
    return None
  # Python reads more: 1_0, digits of other scripts, blanks, nan.
  if (re.fullmatch(r'(\d+\.?\d*|\.\d+)(e[+-]?\d+)?', text,
                   re.ASCII | re.IGNORECASE)
      and float(text) <= MAX_TEMPERATURE):
    return float(text)
  raise LgcError(f'temperature = {text[:40]!r}: must be a number from 0 to '
                 f'{MAX_TEMPERATURE:g}')
