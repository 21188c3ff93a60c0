"""An entropy code of small integers that learns their frequencies on the way.

The code is that of J. Duda, Asymmetric Numeral Systems, arXiv:1311.2540, 2013.
Sender and receiver count the symbols that have been, so that no table is sent,
and make frequencies of the counts by integer arithmetic alone, so that every
machine makes the same. Symbols may come in contexts, as the columns of a matrix
are, each with frequencies of its own.
"""

import bisect
from typing import Callable, Iterator, Union

import numpy as np

from tfp_lgc.errors import ArtifactError

__all__ = ['MAX_BITS', 'decode', 'encode', 'frequencies']

# Of a symbol: 2^MAX_BITS frequencies, none of them 0, share the total.
MAX_BITS = 10

# As how many symbols of a context those of all others count.
PRIOR_COUNT = 32

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
    counts: int64 `[..., 2^bits]`, with sums below 2^40.

  Returns:
    int64 `[..., 2^bits]` with sums of 2^16. None is 0, and together the least
    that they can be is 1/256 of it, so that a few bytes are never a great many
    symbols.
  """
  size, shape = counts.shape[-1], counts.shape[:-1]
  floor = max(1, 256 // size)
  depths = [counts]
  while depths[-1].shape[-1] > 1:
    depths.append(depths[-1].reshape(*shape, -1, 2).sum(axis=-1))
  whole = np.full([*shape, 1], 1 << _TOTAL_BITS)
  for depth, parts in enumerate(reversed(depths[:-1])):
    weights = (2 * parts + (1 << depth)).reshape(*shape, -1, 2)
    least = floor * (size // parts.shape[-1])
    left = np.clip(whole * weights[..., 0] // weights.sum(axis=-1), least,
                   whole - least)
    whole = np.stack([left, whole - left], axis=-1).reshape(parts.shape)
  return whole


def _blocks(num_rows: int, num_contexts: int) -> Iterator[tuple[int, int]]:
  """First and last + 1 of the rows that share frequencies: those of 16 symbols,
  or an eighth of what has been."""
  start = 0
  while start < num_rows and num_contexts:
    stop = min(num_rows, start + max(-(-16 // num_contexts), start // 8))
    yield start, stop
    start = stop


class _Counts:
  """Of symbols `[N, C]`, by context."""

  def __init__(self, num_contexts: int, bits: int):
    self._counts = np.zeros([num_contexts, 1 << bits], np.int64)

  def frequencies(self) -> np.ndarray:
    """`[C, 2^bits]`, of each by its counts and a few of the others."""
    others = self._counts.sum(axis=0) - self._counts
    return frequencies(self._counts + others * PRIOR_COUNT // np.maximum(
        1, others.sum(axis=1, keepdims=True)))

  def add(self, rows: np.ndarray) -> None:
    """Symbols `[n, C]`."""
    places = rows.astype(np.int64) + np.arange(len(self._counts)) * (
        self._counts.shape[1])
    self._counts += np.bincount(
        places.ravel(), minlength=self._counts.size).reshape(self._counts.shape)


def encode(symbols: np.ndarray, bits: int) -> bytes:
  """The code of symbols.

  Args:
    symbols: `[N]`, or `[N, C]` of C contexts; from 1 to 2^bits - 1. There is no
      0: it is what comes out of a code that has been read to its end.
    bits: at most MAX_BITS.
  """
  if not symbols.all():
    raise ValueError('symbols begin at 1')
  symbols = _as_rows(symbols)
  counts = _Counts(symbols.shape[1], bits)
  widths, starts = [], []
  for first, last in _blocks(*symbols.shape):
    block = symbols[first:last]
    width = counts.frequencies()
    at = np.arange(len(width)), block
    widths.append(width[at].ravel())
    starts.append((np.cumsum(width, axis=1) - width)[at].ravel())
    counts.add(block)
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


def decode(code: bytes, shape: Union[int, tuple[int, ...]], bits: int,
           ) -> np.ndarray:
  """The inverse of `encode`: uint16 of that shape, `[N]` or `[N, C]`.

  Raises:
    ArtifactError: for bytes that no symbols of this shape have.
  """
  if code[:1] == b'\0':
    raise ArtifactError('a code begins with a byte that says nothing')
  symbols = np.zeros(shape, np.uint16)
  rows = _as_rows(symbols)
  counts = _Counts(rows.shape[1], bits)
  rest = iter(code)
  state = _fill(0, rest)
  for first, last in _blocks(*rows.shape):
    block, state = _block(state, rest, last - first, counts.frequencies())
    if not min(block):
      raise ArtifactError(f'a code ends before its {symbols.size} symbols')
    rows[first:last] = np.reshape(block, [last - first, -1])
    counts.add(rows[first:last])
  if state or next(rest, None) is not None:
    raise ArtifactError(f'a code goes on after its {symbols.size} symbols')
  return symbols


def _as_rows(symbols: np.ndarray) -> np.ndarray:
  """`[N]` as `[N, 1]`, `[N, C]` as it is, none as `[0, 1]`; a view."""
  if not symbols.size:
    return symbols.reshape(0, 1)
  return symbols.reshape(len(symbols), -1)


def _fill(state: int, rest: Iterator[int]) -> int:
  """Bytes come in until the state is large enough, or there are none."""
  while state < 1 << _STATE_BITS:
    byte = next(rest, None)
    if byte is None:
      break
    state = state << _BYTE | byte
  return state


def _block(state: int, rest: Iterator[int], size: int,
           frequency: np.ndarray) -> tuple[list[int], int]:
  """The symbols of `size` rows that share frequencies `[C, 2^bits]`, one after
  the other, and the state after them."""
  symbols: list[int] = []
  mask = (1 << _TOTAL_BITS) - 1
  first = np.cumsum(frequency, axis=1) - frequency
  # A list is the fastest to look something up in, but not to make: of many
  # numbers few are looked at.
  view: Callable = (np.ndarray.tolist if frequency.size <= 2**13
                    else memoryview)
  contexts = list(zip(map(view, frequency), map(view, first)))
  for _ in range(size):
    for widths, starts in contexts:
      place = state & mask
      symbol = bisect.bisect_right(starts, place) - 1
      symbols.append(symbol)
      state = (widths[symbol] * (state >> _TOTAL_BITS) + place
               - starts[symbol])
      if state < 1 << _STATE_BITS:
        state = _fill(state, rest)
  return symbols, state
