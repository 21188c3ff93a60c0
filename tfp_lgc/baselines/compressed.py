"""What a baseline returns, and how much of something fits into bytes."""

from typing import Any, Callable, Mapping, NamedTuple, Optional

import numpy as np

from tfp_lgc.data import Images

__all__ = ['Compressed', 'largest', 'read_numbers', 'write_numbers']

NOTHING: Mapping[str, Any] = {}


class Compressed(NamedTuple):
  """A data set that takes bytes.

  Attributes:
    images: what a receiver gets, decoded from `content`.
    content: all that is sent, labels and weights too; a receiver is only
      expected to know the shape of an image and the names of the classes.
    weights: float32 `[N]`, what an image counts for in training, mean 1; None
      where all count the same.
    settings: how it was made, for people, and for `BestOf.like`.
  """
  images: Images
  content: bytes
  weights: Optional[np.ndarray] = None
  settings: Mapping[str, Any] = NOTHING

  @property
  def num_bytes(self) -> int:
    return len(self.content)


def write_numbers(numbers) -> bytes:
  """Whole numbers from 0 on, seven bits a byte, lowest first (LEB128)."""
  result = bytearray()
  for number in map(int, numbers):
    while number >= 128:
      result.append(number & 127 | 128)
      number >>= 7
    result.append(number)
  return bytes(result)


def read_numbers(content: bytes, count: int) -> tuple[list[int], bytes]:
  """That many of `write_numbers`, and the bytes after them."""
  numbers, position = [], 0
  for _ in range(count):
    number = shift = 0
    while content[position] >= 128:
      number |= (content[position] & 127) << shift
      position, shift = position + 1, shift + 7
    numbers.append(number | content[position] << shift)
    position += 1
  return numbers, content[position:]


def largest(encode: Callable[[int], bytes], num_bytes: int, most: int,
            slack: float = 0.0, guess: int = 16) -> tuple[int, bytes]:
  """The largest count that is coded into `num_bytes`, and its code.

  Sizes are taken to grow with the count, nearly in proportion, so that a few
  codes tell: secant steps, and a bisection wherever two of them stayed on one
  side.

  Args:
    encode: the code of a count from 1 to `most`.
    num_bytes: at the most.
    most: the largest count there is.
    slack: ends the search once less than this share of `num_bytes` is left.
    guess: about as many as fit.

  Returns:
    count: fits; one more does not, unless `slack` ended the search. 0 if none
      fits.
    content: its code; no bytes for 0.
  """
  low, content, high, over = 0, b'', most + 1, 0
  same_side, guess = 0, min(most, guess)
  while high - low > 1 and len(content) < (1 - slack) * num_bytes:
    code = encode(guess)
    fits = len(code) <= num_bytes
    if fits:
      same_side = max(same_side, 0) + 1
      low, content = guess, code
    else:
      same_side = min(same_side, 0) - 1
      high, over = guess, len(code)
    if not over:  # Nothing was too large as yet.
      guess = low * num_bytes // max(len(content), 1) + 1
    elif abs(same_side) > 1 or not low:
      guess = (low + high) // 2
    else:
      guess = low + (high - low) * (num_bytes - len(content)) // max(
          over - len(content), 1)
    guess = min(max(guess, low + 1), high - 1)
  return low, content
