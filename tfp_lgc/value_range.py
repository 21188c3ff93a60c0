"""Pixels of any type as uint8, by a range that is stated and never guessed."""

import re
from typing import Optional

import numpy as np

from tfp_lgc.errors import ConfigError, DataError

__all__ = ['parse', 'to_uint8']

_NUMBER = r'[-+]?[0-9]+(?:\.[0-9]+)?'
_RANGE = re.compile(f'({_NUMBER}), ?({_NUMBER})')
# Types whose pixels are often 0..1, -1..1 or 0..65535: a dark picture of these
# looks like one of 0..255.
_ASKED = 'float16', 'float32', 'float64', 'longdouble', 'uint16'
# Images that are converted at a time, in numbers of float64.
_CHUNK = 2**22


def parse(text: str) -> Optional[tuple[float, float]]:
  """What black and white are.

  ```python
  parse('-1,1')   # (-1.0, 1.0)
  ```

  Args:
    text: two numbers with a comma between them; or empty: not stated.

  Raises:
    ConfigError: for anything else, or a range that is empty.
  """
  if not text:
    return None
  match = _RANGE.fullmatch(text.strip())
  if not match or not float(match[1]) < float(match[2]):
    raise ConfigError(f'value_range = {text!r}: must be two numbers, the lower '
                      'one (black) first: 0,1 or -1,1 or 0,255 or 0,65535')
  return float(match[1]), float(match[2])


def to_uint8(images: np.ndarray, value_range: str, name: str) -> np.ndarray:
  """Pixels as 0..255.

  A pixel x of the range low..high becomes 255 (x - low) / (high - low), rounded
  to the nearest whole number, a half to the even one; computed in float64.

  ```python
  to_uint8(np.array([0.0, 0.5, 1.0]), '0,1', 'mine')   # [0, 128, 255]
  ```

  Args:
    images: any shape; the first axis is that of images.
    value_range: see `parse`. Where it is empty, uint8 is what it is, and other
      integers but uint16 are whole numbers from 0 to 255.
    name: what to call them in an error.

  Raises:
    ConfigError: for a range that is none.
    DataError: for pixels that are no finite numbers, are outside of the range,
      or whose range has to be stated.
  """
  stated = parse(value_range)
  if images.dtype == np.uint8 and stated is None:
    return images
  if images.dtype.kind not in 'iuf':
    raise DataError(f'{name}: got type {images.dtype}; must be uint8')
  if not images.size:
    return images.astype(np.uint8)
  if not all(np.isfinite(part).all() for part in _chunks(images)):
    raise DataError(f'{name}: holds nan or infinite pixels; all must be finite '
                    'numbers')
  low, high = images.min(), images.max()
  seen = f'{name}: got {images.dtype} pixels from {low:g} to {high:g}'
  if stated is None:
    if images.dtype in [np.dtype(kind) for kind in _ASKED]:
      raise DataError(
          f'{seen}; what is black and what white must be stated: value_range = '
          "'0,1', '-1,1', '0,255' or '0,65535' (--value_range=0,1), or give "
          'uint8')
    if low < 0 or high > 255:
      raise DataError(f'{seen}; must be whole numbers from 0 to 255, or their '
                      'range be stated by value_range (--value_range=-1,1)')
    return images.astype(np.uint8)
  if low < stated[0] or high > stated[1]:
    raise DataError(f'{seen}; value_range = {value_range!r} says that there '
                    'are none outside of it')
  scale = 255.0 / (stated[1] - stated[0])
  result = np.empty(images.shape, np.uint8)
  for part, made in zip(_chunks(images), _chunks(result)):
    made[...] = np.rint((part.astype(np.float64) - stated[0]) * scale)
  return result


def _chunks(images: np.ndarray):
  """Views of some images each, so that no copy is as large as all of them."""
  count = max(1, _CHUNK * len(images) // images.size)
  for first in range(0, len(images), count):
    yield images[first:first + count]
