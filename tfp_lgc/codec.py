"""Numbers as few bytes: uniform quantization, then a lossless integer codec.

A tensor has one step. At equal bytes that loses less than a step per channel,
whose numbers have to be sent and which rounds small channels finer than the
large ones that are added to them: what a code of few bits is for.

NumPy only. What a receiver computes from the integers is exact: a value is
its integer times a step, both exactly representable, rounded once to float32.
"""

import lzma
import math
from typing import Any, Callable, NamedTuple, Sequence

import numpy as np

from tfp_lgc import ans
from tfp_lgc.errors import ArtifactError
from tfp_lgc.limits import MAX_ANS_SYMBOLS, MAX_CONTEXTS

__all__ = ['CODECS', 'Codec', 'Quantized', 'dequantize', 'encode_smallest',
           'entropy_bits', 'num_contexts', 'quantize', 'quantize_by_step']


class Quantized(NamedTuple):
  """A tensor as integers.

  Attributes:
    values: int32, any shape, from -(2^(bits-1) - 1) to 2^(bits-1) - 1.
    steps: float32 `[1]`; or of the last axis' length, as files of versions 1
      and 2 have it. Each has the 16 highest bits of a float32 (bfloat16).
    bits: from 2 to 16.
  """
  values: np.ndarray
  steps: np.ndarray
  bits: int


def _round_up_to_bfloat16(x: np.ndarray) -> np.ndarray:
  bits = np.asarray(x, np.float32).view(np.uint32)
  return ((bits + 0xFFFF) & np.uint32(0xFFFF0000)).view(np.float32)


def quantize(x: np.ndarray, bits: int) -> Quantized:
  """Rounds to a multiple of a step.

  ```python
  quantized = quantize(kernel, bits=8)
  np.abs(dequantize(quantized) - kernel).max() <= quantized.steps.max() / 2
  ```

  Args:
    x: below 2^127, any shape.
    bits: from 2 to 16; zero is always exact.

  Raises:
    ValueError: for nan, or numbers from 2^127 on.
  """
  x = np.asarray(x, np.float32)
  peak = np.abs(x).max(initial=0.0)
  if not peak < 2.0**127:  # nan is not below.
    raise ValueError('x holds nan or numbers from 2^127 on; must be finite')
  largest = 2 ** (bits - 1) - 1
  # Zeros have any step; a denormal one would not survive division.
  smallest = np.finfo(np.float32).tiny
  steps = _round_up_to_bfloat16(
      np.atleast_1d(np.maximum(peak / largest, smallest)))
  values = np.rint(x / steps.astype(np.float64)).reshape(x.shape)
  return Quantized(np.clip(values, -largest, largest).astype(np.int32), steps,
                   bits)


def quantize_by_step(x: np.ndarray, step: float) -> Quantized:
  """Rounds to a multiple of a given step, which is rounded up to 16 bits.

  The integers have as many bits as they need. A step by which they would need
  more than 16 is raised.

  Args:
    x: below 2^127, any shape.
    step: positive.

  Raises:
    ValueError: as `quantize`.
  """
  coarsest = quantize(x, 16)
  steps = _round_up_to_bfloat16(np.atleast_1d(np.float32(step)))
  steps = np.maximum(steps, coarsest.steps)
  values = np.rint(np.asarray(x, np.float64) / steps).astype(np.int32)
  bits = max(int(np.abs(values).max(initial=0)).bit_length() + 1, 2)
  return Quantized(values, steps, bits)


def dequantize(quantized: Quantized) -> np.ndarray:
  """float32 of the same shape."""
  return (quantized.values * quantized.steps.astype(np.float64)).astype(
      np.float32).reshape(quantized.values.shape)


def entropy_bits(values: np.ndarray) -> float:
  """Bits of integers by how frequent each is: what an entropy code that is
  told their frequencies takes."""
  if not values.size:
    return 0.0
  counts = np.unique(values, return_counts=True)[1].astype(float)
  return float(-(counts * np.log2(counts / counts.sum())).sum())


class Codec(NamedTuple):
  """A lossless code of integers.

  Attributes:
    encode: (int32 array of any shape, bits) -> bytes.
    decode: (bytes, shape, bits) -> int32 array; `ArtifactError` for bytes that
      no `encode` made. Allocates in proportion to the shape, and to its
      contexts times their symbols, 2^10 at the most, whatever the bytes say.
  """
  encode: Callable[[np.ndarray, int], bytes]
  decode: Callable[[bytes, tuple, int], np.ndarray]


def _offset(values: np.ndarray, bits: int) -> np.ndarray:
  """Symbols 0 to 2^bits - 1 as uint16, flat."""
  return (values.ravel() + 2 ** (bits - 1)).astype(np.uint16)


def _restore(symbols: np.ndarray, shape, bits: int) -> np.ndarray:
  if symbols.size and symbols.max() >= 2 ** bits:
    raise ArtifactError(f'a symbol needs more than {bits} bits')
  if not symbols.all():
    raise ArtifactError('a symbol is 0, which stands for no number')
  return symbols.astype(np.int32).reshape(shape) - 2 ** (bits - 1)


def _bit_string(symbols: np.ndarray, bits: int) -> bytes:
  """`bits` bits a symbol, highest first, zeros to the end of the last byte."""
  places = np.arange(bits - 1, -1, -1, dtype=np.uint16)
  return np.packbits((symbols[:, None] >> places) & 1).tobytes()


def _symbols(data: bytes, size: int, bits: int) -> np.ndarray:
  """The inverse of `_bit_string`."""
  if len(data) != (size * bits + 7) // 8:
    raise ArtifactError(f'{len(data)} bytes for {size} symbols of {bits} bits')
  places = np.unpackbits(np.frombuffer(data, np.uint8))
  if places[size * bits:].any():
    raise ArtifactError('a tensor does not end in zeros')
  symbols: np.ndarray = np.zeros(size, np.uint16)
  for column in places[:size * bits].reshape(size, bits).T:
    symbols = symbols << 1 | column
  return symbols


def _pack(values: np.ndarray, bits: int) -> bytes:
  return _bit_string(_offset(values, bits), bits)


def _unpack(data: bytes, shape, bits: int) -> np.ndarray:
  return _restore(_symbols(data, math.prod(shape), bits), shape, bits)


# Weights have no long repetitions: no context of position or earlier bytes.
_LZMA: Any = {'format': lzma.FORMAT_RAW,
         'filters': [{'id': lzma.FILTER_LZMA2, 'dict_size': 2**20, 'lc': 0,
                      'lp': 0, 'pb': 0}]}


def _lzma_encode(values: np.ndarray, bits: int) -> bytes:
  symbols = _offset(values, bits)
  low = (symbols & 255).astype(np.uint8).tobytes()
  high = (symbols >> 8).astype(np.uint8).tobytes() if bits > 8 else b''
  return lzma.compress(low + high, **_LZMA)


def _lzma_decode(data: bytes, shape, bits: int) -> np.ndarray:
  size = math.prod(shape)
  num_bytes = 2 * size if bits > 8 else size
  decoder = lzma.LZMADecompressor(**_LZMA)
  try:
    content = decoder.decompress(data, max_length=num_bytes + 1)
  except (lzma.LZMAError, EOFError) as error:
    raise ArtifactError(f'a tensor cannot be decoded: {error}') from error
  if len(content) != num_bytes or decoder.unused_data or not decoder.eof:
    raise ArtifactError(f'a tensor of {num_bytes} bytes has {len(content)}')
  symbols = np.frombuffer(content[:size], np.uint8).astype(np.uint16)
  if bits > 8:
    symbols |= np.frombuffer(content[size:], np.uint8).astype(np.uint16) << 8
  return _restore(symbols, shape, bits)


def _num_low(bits: int) -> int:
  """Of the low bits of a symbol, which are noise and stand as they are."""
  return max(0, bits - ans.MAX_BITS + 1)


def _ans_encode(symbols: np.ndarray, bits: int) -> bytes:
  """Of symbols `[N]`, or `[N, C]` of C contexts."""
  num_low = _num_low(bits)
  low = _bit_string(symbols.ravel() & ((1 << num_low) - 1), num_low)
  # The code has no 0, and whole symbols have none either.
  high = (symbols >> num_low) + bool(num_low)
  return low + ans.encode(high, min(bits, ans.MAX_BITS))


def _ans_decode(data: bytes, shape, bits: int) -> np.ndarray:
  """The inverse: the symbols, of that shape."""
  size, num_low = math.prod(shape), _num_low(bits)
  low_size = (size * num_low + 7) // 8
  low = _symbols(data[:low_size], size, num_low).reshape(shape)
  high = ans.decode(data[low_size:], shape, min(bits, ans.MAX_BITS))
  return (high.astype(np.int32) - bool(num_low) << num_low) | low


# Of each code with contexts the axis that tells them apart.
_AXES = {'ans_rows': 0, 'ans_columns': -1}


def num_contexts(codec: str, shape: Sequence[int]) -> int:
  """Of a tensor by `ans_rows`, its rows, which the first axis tells apart, and
  by `ans_columns`, for which it is the last; 0 where there are none."""
  return shape[_AXES[codec]] if codec in _AXES and len(shape) > 1 else 0


def _ans(name: str) -> Codec:
  """`ans` with contexts."""
  def rows_of(shape) -> tuple[int, int]:
    contexts = num_contexts(name, shape) or 1
    return math.prod(shape) // contexts, contexts

  def encode(values: np.ndarray, bits: int) -> bytes:
    rows, symbols = rows_of(values.shape), _offset(values, bits)
    return _ans_encode(symbols.reshape(rows[::-1]).T if name == 'ans_rows'
                       else symbols.reshape(rows), bits)

  def decode(data: bytes, shape, bits: int) -> np.ndarray:
    symbols = _ans_decode(data, rows_of(shape), bits)
    return _restore(symbols.T if name == 'ans_rows' else symbols, shape, bits)

  return Codec(encode, decode)


def _deltas_encode(values: np.ndarray, bits: int) -> bytes:
  """By `ans`, of what each number adds to the one before it, as a remainder: as
  many symbols as numbers have."""
  symbols = _offset(values, bits).astype(np.int32)
  before = np.concatenate([[1], symbols])[:-1]
  return _ans_encode(((symbols - before) % (2**bits - 1) + 1).astype(
      np.uint16), bits)


def _deltas_decode(data: bytes, shape, bits: int) -> np.ndarray:
  size = math.prod(shape)
  symbols = _ans_decode(data, (size,), bits)
  _restore(symbols, size, bits)  # Refuses those that no remainder has.
  sums = np.cumsum(symbols.astype(np.int64) - 1)
  return _restore(sums % (2**bits - 1) + 1, shape, bits)


# The names stand in files: one is never given to another code.
CODECS = {'packed': Codec(_pack, _unpack),
          'lzma': Codec(_lzma_encode, _lzma_decode),
          **{name: _ans(name) for name in ('ans', *_AXES)},
          'ans_deltas': Codec(_deltas_encode, _deltas_decode)}


def encode_smallest(quantized: Quantized, max_ans: int = MAX_ANS_SYMBOLS,
                    max_contexts: int = MAX_CONTEXTS) -> tuple[str, bytes]:
  """The name of the codec that needs the fewest bytes, and those bytes.

  Those of `ans` are not tried on more than `max_ans` symbols, nor in more than
  `max_contexts`.
  """
  shape = quantized.values.shape
  encoded = {}
  for name, codec in CODECS.items():
    contexts = num_contexts(name, shape)
    if name in _AXES and not contexts:
      continue  # As `ans`, and seconds of a large tensor.
    if not name.startswith('ans') or (quantized.values.size <= max_ans
                                      and contexts <= max_contexts):
      encoded[name] = codec.encode(quantized.values, quantized.bits)
  name = min(encoded, key=lambda name: len(encoded[name]))
  return name, encoded[name]
