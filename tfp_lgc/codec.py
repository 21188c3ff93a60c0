"""Numbers as few bytes: uniform quantization, then a lossless integer codec.

NumPy only. What a receiver computes from the integers is exact: a value is
its integer times a step, both exactly representable, rounded once to float32.
"""

import lzma
import math
from typing import Any, Callable, NamedTuple

import numpy as np

from tfp_lgc.errors import ArtifactError

__all__ = ['CODECS', 'Codec', 'Quantized', 'dequantize', 'encode_smallest',
           'quantize']


class Quantized(NamedTuple):
  """A tensor as integers.

  Attributes:
    values: int32, any shape, from -(2^(bits-1) - 1) to 2^(bits-1) - 1.
    steps: float32, of the last axis' length (rank 2 and up) or of length 1;
      each has the 16 highest bits of a float32 (bfloat16).
    bits: from 2 to 16.
  """
  values: np.ndarray
  steps: np.ndarray
  bits: int


def _round_up_to_bfloat16(x: np.ndarray) -> np.ndarray:
  bits = np.asarray(x, np.float32).view(np.uint32)
  return ((bits + 0xFFFF) & np.uint32(0xFFFF0000)).view(np.float32)


def quantize(x: np.ndarray, bits: int) -> Quantized:
  """Rounds to a multiple of a step per channel (the last axis).

  ```python
  quantized = quantize(kernel, bits=8)
  np.abs(dequantize(quantized) - kernel) <= quantized.steps / 2  # all true
  ```

  Args:
    x: below 2^127, any shape; a tensor of rank 0 or 1 is one channel.
    bits: from 2 to 16; zero is always exact.
  """
  x = np.asarray(x, np.float32)
  if not np.abs(x).max(initial=0.0) < 2.0**127:  # nan is not below.
    raise ValueError('x holds nan or numbers from 2^127 on; must be finite')
  largest = 2 ** (bits - 1) - 1
  axes = tuple(range(x.ndim - 1)) if x.ndim > 1 else None
  peak = np.atleast_1d(np.abs(x).max(axis=axes, initial=0.0))
  # A channel of zeros has any step; a denormal one would not survive division.
  smallest = np.finfo(np.float32).tiny
  steps = _round_up_to_bfloat16(np.maximum(peak / largest, smallest))
  values = np.rint(x / steps.astype(np.float64)).reshape(x.shape)
  return Quantized(np.clip(values, -largest, largest).astype(np.int32), steps,
                   bits)


def dequantize(quantized: Quantized) -> np.ndarray:
  """float32 of the same shape."""
  return (quantized.values * quantized.steps.astype(np.float64)).astype(
      np.float32).reshape(quantized.values.shape)


class Codec(NamedTuple):
  """A lossless code of integers.

  Attributes:
    encode: (int32 array of any shape, bits) -> bytes.
    decode: (bytes, shape, bits) -> int32 array; `ArtifactError` for bytes that
      no `encode` made. Allocates in proportion to the shape, whatever the
      bytes say.
  """
  encode: Callable[[np.ndarray, int], bytes]
  decode: Callable[[bytes, tuple, int], np.ndarray]


def _offset(values: np.ndarray, bits: int) -> np.ndarray:
  """Symbols 0 to 2^bits - 1 as uint16, flat."""
  return (values.ravel() + 2 ** (bits - 1)).astype(np.uint16)


def _restore(symbols: np.ndarray, shape, bits: int) -> np.ndarray:
  if symbols.size and symbols.max() >= 2 ** bits:
    raise ArtifactError(f'a symbol needs more than {bits} bits')
  return symbols.astype(np.int32).reshape(shape) - 2 ** (bits - 1)


def _pack(values: np.ndarray, bits: int) -> bytes:
  """`bits` bits a symbol, highest first, zeros to the end of the last byte."""
  places = np.arange(bits - 1, -1, -1, dtype=np.uint16)
  return np.packbits((_offset(values, bits)[:, None] >> places) & 1).tobytes()


def _unpack(data: bytes, shape, bits: int) -> np.ndarray:
  size = math.prod(shape)
  if len(data) != (size * bits + 7) // 8:
    raise ArtifactError(f'{len(data)} bytes for {size} symbols of {bits} bits')
  places = np.unpackbits(np.frombuffer(data, np.uint8))
  if places[size * bits:].any():
    raise ArtifactError('a tensor does not end in zeros')
  symbols = np.zeros(size, np.uint16)
  for column in places[:size * bits].reshape(size, bits).T:
    symbols = symbols << 1 | column
  return _restore(symbols, shape, bits)


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


# The names stand in files: one is never given to another code.
CODECS = {'packed': Codec(_pack, _unpack),
          'lzma': Codec(_lzma_encode, _lzma_decode)}


def encode_smallest(quantized: Quantized) -> tuple[str, bytes]:
  """The name of the codec that needs the fewest bytes, and those bytes."""
  encoded = {name: codec.encode(quantized.values, quantized.bits)
             for name, codec in CODECS.items()}
  name = min(encoded, key=lambda name: len(encoded[name]))
  return name, encoded[name]
