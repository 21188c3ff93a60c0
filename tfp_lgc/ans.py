"""An entropy code of small integers that learns their frequencies on the way.

The code is that of J. Duda, Asymmetric Numeral Systems, arXiv:1311.2540, 2013.
Sender and receiver count the symbols that have been, so that no table is sent,
and make frequencies of the counts by integer arithmetic alone, so that every
machine makes the same.
"""

import bisect
from typing import Iterator

import numpy as np

from tfp_lgc.errors import ArtifactError

__all__ = ['MAX_BITS', 'decode', 'encode', 'frequencies']

# Of a symbol: 2^MAX_BITS frequencies, none of them 0, share the total.
MAX_BITS = 10

_TOTAL_BITS = 16
# The state is below 2^31, and from 2^23 on while bytes follow.
_STATE_BITS = 23
_BYTE = 8


def frequencies(counts: np.ndarray) -> np.ndarray:
  """Of the next symbol, given the counts of those before it.

  A Polya tree: M. Lavine, Some Aspects of Polya Tree Distributions, Annals of
  Statistics 1992. The symbols are halved, then the halves, and so on down to
  one. A half is as likely as the part of the counts that fell into it, where
  2^l / 2 are put to each of the two at depth l = 0, 1, ...: the finer the
  halves, the more alike they are taken to be until there is much to tell.

  Args:
    counts: int64 `[2^bits]`, with a sum below 2^40.

  Returns:
    int64 `[2^bits]` with the sum 2^16. None is 0, and together the least that
    they can be is 1/256 of it, so that a few bytes are never a great many
    symbols.
  """
  floor = max(1, 256 // len(counts))
  depths = [counts]
  while len(depths[-1]) > 1:
    depths.append(depths[-1].reshape(-1, 2).sum(axis=1))
  whole = np.array([1 << _TOTAL_BITS])
  for depth, parts in enumerate(reversed(depths[:-1])):
    weights = (2 * parts + (1 << depth)).reshape(-1, 2)
    least = floor * (len(counts) // len(parts))
    left = np.clip(whole * weights[:, 0] // weights.sum(axis=1), least,
                   whole - least)
    whole = np.stack([left, whole - left], axis=1).ravel()
  return whole


def _blocks(size: int) -> Iterator[tuple[int, int]]:
  """First and last + 1 of the symbols that share frequencies: 16, or an eighth
  of what has been."""
  start = 0
  while start < size:
    stop = min(size, start + max(16, start // 8))
    yield start, stop
    start = stop


def encode(symbols: np.ndarray, bits: int) -> bytes:
  """The code of symbols.

  Args:
    symbols: `[N]`, from 1 to 2^bits - 1. There is no 0: it is what comes out of
      a code that has been read to its end.
    bits: at most MAX_BITS.
  """
  if not symbols.all():
    raise ValueError('symbols begin at 1')
  counts = np.zeros(1 << bits, np.int64)
  widths, starts = [], []
  for first, last in _blocks(len(symbols)):
    block = symbols[first:last]
    width = frequencies(counts)
    widths.append(width[block])
    starts.append((np.cumsum(width) - width)[block])
    counts += np.bincount(block, minlength=len(counts))
  if not widths:
    return b''
  state, code = 0, bytearray()
  # What is put on last is taken off first.
  for width, start in zip(np.concatenate(widths)[::-1].tolist(),
                          np.concatenate(starts)[::-1].tolist()):
    while state >= width << (_STATE_BITS + _BYTE - _TOTAL_BITS):
      code.append(state & 255)
      state >>= _BYTE
    state = (state // width << _TOTAL_BITS) + state % width + start
  while state:
    code.append(state & 255)
    state >>= _BYTE
  return bytes(reversed(code))


def decode(code: bytes, size: int, bits: int) -> np.ndarray:
  """The inverse of `encode`: uint16 `[size]`.

  Raises:
    ArtifactError: for bytes that no `size` symbols have.
  """
  if code[:1] == b'\0':
    raise ArtifactError('a code begins with a byte that says nothing')
  counts = np.zeros(1 << bits, np.int64)
  symbols = np.zeros(size, np.uint16)
  rest = iter(code)
  state = _fill(0, rest)
  for first, last in _blocks(size):
    width = frequencies(counts)
    starts = (np.cumsum(width) - width).tolist()
    block, state = _block(state, rest, last - first, width.tolist(), starts)
    if not min(block):
      raise ArtifactError(f'a code ends before its {size} symbols')
    symbols[first:last] = block
    counts += np.bincount(block, minlength=len(counts))
  if state or next(rest, None) is not None:
    raise ArtifactError(f'a code goes on after its {size} symbols')
  return symbols


def _fill(state: int, rest: Iterator[int]) -> int:
  """Bytes come in until the state is large enough, or there are none."""
  while state < 1 << _STATE_BITS:
    byte = next(rest, None)
    if byte is None:
      break
    state = state << _BYTE | byte
  return state


def _block(state: int, rest: Iterator[int], size: int, widths: list[int],
           starts: list[int]) -> tuple[list[int], int]:
  """Symbols that share frequencies, and the state after them."""
  symbols: list[int] = []
  mask = (1 << _TOTAL_BITS) - 1
  for _ in range(size):
    place = state & mask
    symbol = bisect.bisect_right(starts, place) - 1
    symbols.append(symbol)
    state = (widths[symbol] * (state >> _TOTAL_BITS) + place
             - starts[symbol])
    if state < 1 << _STATE_BITS:
      state = _fill(state, rest)
  return symbols, state
