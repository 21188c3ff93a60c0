"""The bytes of artifact.lgc: a header and quantized tensors, nothing else.

Layout, all integers little-endian (BUILD.md has the same on a page):

  8 bytes   magic, b'\\x89LGC\\r\\n\\x1a\\n'
  2 bytes   format version
  4 bytes   length of the compressed header
  4 bytes   length of the header
  ...       header: JSON in UTF-8, zlib
  ...       for each tensor, in the order of the header: steps, then code
  32 bytes  SHA-256 of everything before

The payload has no offsets, so that tensors cannot overlap or leave holes. The
checksum finds accidents, it is no signature. Everything is checked before
memory in proportion to it is taken; nothing in the file is ever executed.
"""

import hashlib
import json
import math
import struct
import zlib
from typing import Any

import numpy as np

from tfp_lgc.codec import CODECS, encode_smallest, Quantized
from tfp_lgc.errors import ArtifactError

__all__ = ['FORMAT_VERSION', 'dumps', 'loads']

FORMAT_VERSION = 2
MAGIC = b'\x89LGC\r\n\x1a\n'
MAX_HEADER_NUM_BYTES = 2**24
MAX_TENSORS = 10_000
MAX_ELEMENTS = 2**26

_PREFIX = struct.Struct('<8sHII')
_DIGEST_SIZE = hashlib.sha256().digest_size


def dumps(header: dict[str, Any], tensors: dict[str, Quantized]) -> bytes:
  """A file's content.

  Args:
    header: whatever JSON can hold; the key 'tensors' is taken.
    tensors: name -> tensor, kept in order.
  """
  entries, payload = [], []
  for name, tensor in tensors.items():
    codec, code = encode_smallest(tensor)
    entries.append([name, list(tensor.values.shape), tensor.bits,
                    len(tensor.steps), codec, len(code)])
    payload += [(tensor.steps.view(np.uint32) >> 16).astype('<u2').tobytes(),
                code]
  text = json.dumps({**header, 'tensors': entries},
                    separators=(',', ':')).encode()
  packed = zlib.compress(text, 9)
  body = b''.join([_PREFIX.pack(MAGIC, FORMAT_VERSION, len(packed), len(text)),
                   packed, *payload])
  return body + hashlib.sha256(body).digest()


def loads(content: bytes, name: str = 'artifact',
          ) -> tuple[dict[str, Any], dict[str, Quantized]]:
  """Header and tensors of a file's content; the inverse of `dumps`.

  Args:
    content: the whole file.
    name: what to call it in an error.

  Raises:
    ArtifactError: for anything that `dumps` did not write.
  """
  if len(content) < _PREFIX.size or content[:len(MAGIC)] != MAGIC:
    raise ArtifactError(f'{name}: is not an .lgc artifact')
  _, version, packed_size, text_size = _PREFIX.unpack_from(content)
  if not version:
    raise ArtifactError(f'{name}: has format version 0; the first is 1')
  if version > FORMAT_VERSION:
    raise ArtifactError(f'{name}: has format version {version}, this program '
                        f'reads up to {FORMAT_VERSION}; install a newer '
                        'tfp_lgc')
  body = memoryview(content)[:-_DIGEST_SIZE]
  if hashlib.sha256(body).digest() != content[-_DIGEST_SIZE:]:
    raise ArtifactError(f'{name}: the checksum does not match; the file is '
                        'truncated or altered, get it anew')
  payload_start = _PREFIX.size + packed_size
  try:
    if payload_start > len(body):
      raise ArtifactError('the header is longer than the file')
    header = _header(bytes(body[_PREFIX.size:payload_start]), text_size)
    tensors = _tensors(header.pop('tensors'), body[payload_start:])
  except ArtifactError as error:
    raise ArtifactError(f'{name}: {error}') from error
  return header, tensors


def _header(packed: bytes, text_size: int) -> dict[str, Any]:
  if text_size > MAX_HEADER_NUM_BYTES:
    raise ArtifactError(f'a header of {text_size} bytes; at most '
                        f'{MAX_HEADER_NUM_BYTES} are allowed')
  unpacker = zlib.decompressobj()
  try:
    text = unpacker.decompress(packed, text_size + 1)
    header = json.loads(text)
  except (zlib.error, ValueError, RecursionError) as error:
    raise ArtifactError(f'the header is damaged: {error}') from error
  if (len(text) != text_size or not unpacker.eof or unpacker.unused_data
      or not isinstance(header, dict)
      or not isinstance(header.get('tensors'), list)):
    raise ArtifactError('the header is damaged')
  return header


def _is_count(value, most: int) -> bool:
  return type(value) is int and 0 <= value <= most


def _check_entry(entry) -> None:
  """Refuses what is no [name, shape, bits, number of steps, codec, length]."""
  ok = isinstance(entry, list) and len(entry) == 6
  if ok:
    name, shape, bits, num_steps, codec, length = entry
    ok = (isinstance(name, str) and isinstance(shape, list) and len(shape) <= 8
          and all(_is_count(side, MAX_ELEMENTS) for side in shape)
          # NumPy refuses what overflows even where a side is 0.
          and math.prod(max(side, 1) for side in shape) <= MAX_ELEMENTS
          and _is_count(bits, 16) and bits >= 2 and isinstance(codec, str)
          and codec in CODECS and _is_count(length, 2**40)
          and _is_count(num_steps, MAX_ELEMENTS)
          and num_steps == (shape[-1] if len(shape) > 1 else 1))
  if not ok:
    raise ArtifactError(f'a tensor is badly described: {str(entry)[:80]}')


def _tensors(entries: list, payload: memoryview) -> dict[str, Quantized]:
  if len(entries) > MAX_TENSORS:
    raise ArtifactError(f'{len(entries)} tensors; at most {MAX_TENSORS} are '
                        'allowed')
  for entry in entries:
    _check_entry(entry)
  if len({entry[0] for entry in entries}) < len(entries):
    raise ArtifactError('two tensors have one name')
  if sum(math.prod(entry[1]) for entry in entries) > MAX_ELEMENTS:
    raise ArtifactError(f'more than {MAX_ELEMENTS} numbers')
  if sum(2 * entry[3] + entry[5] for entry in entries) != len(payload):
    raise ArtifactError('the tensors do not fill the file exactly')
  tensors, start = {}, 0
  for name, shape, bits, num_steps, codec, length in entries:
    steps = np.frombuffer(payload[start:start + 2 * num_steps], '<u2')
    steps = (steps.astype(np.uint32) << 16).view(np.float32)
    if not np.isfinite(steps).all():
      raise ArtifactError(f'{name}: has a step that is not finite')
    start += 2 * num_steps
    code = bytes(payload[start:start + length])
    start += length
    values = CODECS[codec].decode(code, tuple(shape), bits)
    tensors[name] = Quantized(values, steps, bits)
  return tensors
