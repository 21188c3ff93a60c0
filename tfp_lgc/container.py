"""The bytes of artifact.lgc: a header and quantized tensors, nothing else.

Layout, all integers little-endian (docs/container.md has more):

  8 bytes   magic, b'\\x89LGC\\r\\n\\x1a\\n'
  2 bytes   format version
  ...       header: JSON in UTF-8, as a raw deflate stream, which knows its end
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
from typing import Any, Callable, Collection, Optional, Union

import numpy as np

from tfp_lgc.codec import CODECS, encode_smallest, num_contexts, Quantized
from tfp_lgc.errors import ArtifactError
from tfp_lgc.limits import (
  Limits,
  limits,
  MAX_ELEMENTS,
  MAX_NUM_BYTES,
  MAX_TENSORS,
)

__all__ = ['DICTIONARY', 'FORMAT_VERSION', 'dumps', 'loads', 'sizes']

FORMAT_VERSION = 4
MAGIC = b'\x89LGC\r\n\x1a\n'

# What the header's deflate stream may refer to as if it came before: headers
# are alike, so that most of one is a few references. Part of the format.
DICTIONARY = (
    b'"contrastive_ae""contrastive_vae""center_vae""cvae","gmm_dae","lgc",'
    b'"vpa_mlp","continuous_bernoulli""mse","maf","normal_full""student_t_unit"'
    b'"matrix_normal_diag""matrix_t_unit"hidden_0/up_1/rest/,"sigmoid"2,"packed"'
    b'32,32,3],1,"lzma",["mixture/scale_low_rank",["mixture/scale_diag",'
    b'["mixture/scale_spherical",["head/params/["prior"]["tied","diag",'
    b'"spherical","low_rank",[1,1,1,1,1,1,1,1,1,1,{"model":{"model":"vae",'
    b'"trunk":"dense","conv","head":"bernoulli","normal_unit","normal_diag",'
    b'"head_num_components":0,"loc_activation":"linear","latent_size":16,'
    b'"hidden_size":128,"num_filters":24,"width":1.0,"prior_num_components":10,'
    b'"prior_separation":6.0,"min_stddev":0.05,"max_head_params":262144},'
    b'"image_shape":[28,28,1],"num_components":[10,10,10,10,10,10,10,10,10,10],'
    b'"structures":["full","full","full","full","full","full","full","full",'
    b'"full","full"],"num_conditions":0,"temperature":1.0,"class_names":["0",'
    b'"1","2","3","4","5","6","7","8","9"],"class_counts":[5000,'
    b'6000,"tensors":[["decoder/hidden/kernel",[16,7,1,"ans",'
    b'["decoder/hidden/bias",[128],8,1,"ans",["decoder/up_0/kernel",[4,4,24,24],'
    b'7,1,"ans",["decoder/up_0/bias",[24],8,1,"packed",24],'
    b'["decoder/params/kernel",[4,4,1,7,1,"ans",["decoder/params/bias",[1],8,1,'
    b'"packed",1],["mixture/log_weights",[10],9,1,"ans",["mixture/loc",[10,16],'
    b'8,1,"ans",["mixture/log_scale_full",[10,16],8,1,"ans",'
    b'["mixture/unit_full",[10,120],8,1,"ans",]]}')

# Of versions 1 and 2, with the lengths of the header, zlib and plain.
_LONG_PREFIX = struct.Struct('<8sHII')
_PREFIX = struct.Struct('<8sH')
_DIGEST_SIZE = hashlib.sha256().digest_size


def checksum(content: bytes) -> str:
  """That of a file's content, which it ends in, as hexadecimal digits."""
  return content[-_DIGEST_SIZE:].hex()


def dumps(header: dict[str, Any], tensors: dict[str, Quantized]) -> bytes:
  """A file's content.

  Args:
    header: whatever JSON can hold; the key 'tensors' is taken.
    tensors: name -> tensor, kept in order.

  Raises:
    ArtifactError: for what no file may describe, see `limits`.
  """
  num_numbers = sum(tensor.values.size for tensor in tensors.values())
  # Zeros may take so few bytes that no loader would believe them, and codes by
  # column have many contexts: of these as many as the first attempt's length
  # allows, then as any does.
  most = largest = limits(MAX_NUM_BYTES)
  least = limits(0)
  for encoder in (
      lambda _: _smallest(largest),
      lambda last: _smallest(largest._replace(contexts=last.contexts)),
      lambda _: _smallest(largest._replace(contexts=least.contexts)),
      lambda _: _smallest(least), lambda _: _packed):
    entries, payload = _coded(tensors, encoder(most))
    text = _header_text({**header, 'tensors': entries})
    body = b''.join([_PREFIX.pack(MAGIC, FORMAT_VERSION), _deflate(text),
                     *payload])
    most = limits(len(body) + _DIGEST_SIZE)
    if (num_numbers <= most.numbers and _num_symbols(entries) <= most.symbols
        and _num_contexts(entries) <= most.contexts):
      break
  else:
    raise ArtifactError(f'more than {MAX_ELEMENTS} numbers')
  if len(text) > most.header:
    raise ArtifactError(f'a header of {len(text)} bytes; at most {most.header} '
                        'are allowed; give the classes shorter names')
  return body + hashlib.sha256(body).digest()


def _smallest(most: Limits) -> Callable[[Quantized], tuple[str, bytes]]:
  """tensor -> name of a codec and the code, `ans` for so many symbols, and in
  so many contexts, of all tensors together."""
  symbols, contexts = most.symbols, most.contexts

  def encode(tensor: Quantized) -> tuple[str, bytes]:
    nonlocal symbols, contexts
    codec, code = encode_smallest(tensor, symbols, contexts)
    symbols -= tensor.values.size if codec.startswith('ans') else 0
    contexts -= num_contexts(codec, tensor.values.shape)
    return codec, code
  return encode


def _packed(tensor: Quantized) -> tuple[str, bytes]:
  return 'packed', CODECS['packed'].encode(tensor.values, tensor.bits)


def _coded(tensors: dict[str, Quantized], encode: Callable,
           ) -> tuple[list[list], list[bytes]]:
  """Entries of the header, and the payload in parts."""
  entries, payload = [], []
  for name, tensor in tensors.items():
    codec, code = encode(tensor)
    entries.append([name, list(tensor.values.shape), tensor.bits,
                    len(tensor.steps), codec, len(code)])
    payload += [(tensor.steps.view(np.uint32) >> 16).astype('<u2').tobytes(),
                code]
  return entries, payload


def _header_text(header: dict[str, Any]) -> bytes:
  return json.dumps(header, separators=(',', ':')).encode()


def _deflate(text: bytes) -> bytes:
  packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=DICTIONARY)
  return packer.compress(text) + packer.flush()


def sizes(content: bytes, keys: Collection[str] = (),
          ) -> tuple[dict[str, int], int]:
  """Where the bytes of a file of this version are.

  Args:
    content: what `dumps` returned.
    keys: of the header.

  Returns:
    Name of a tensor -> bytes of its steps and its code; and the bytes that the
    header would be shorter without these keys.
  """
  header, _ = _header(content[_PREFIX.size:-_DIGEST_SIZE],
                      limits(len(content)).header)
  rest = {key: value for key, value in header.items() if key not in keys}
  return ({name: 2 * num_steps + length
           for name, _, _, num_steps, _, length in header['tensors']},
          len(_deflate(_header_text(header)))
          - len(_deflate(_header_text(rest))))


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
  _, version = _PREFIX.unpack_from(content)
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
  most = limits(len(content))
  try:
    if version < 3:
      header, payload = _long_header(body, most.header)
    else:
      header, payload = _header(body[_PREFIX.size:], most.header)
    tensors = _tensors(header.pop('tensors'), payload, most)
  except ArtifactError as error:
    raise ArtifactError(f'{name}: {error}') from error
  return header, tensors


def _long_header(body: memoryview, most: int,
                 ) -> tuple[dict[str, Any], memoryview]:
  """`_header` of versions 1 and 2."""
  if len(body) < _LONG_PREFIX.size:
    raise ArtifactError('the header is longer than the file')
  _, _, packed_size, text_size = _LONG_PREFIX.unpack_from(body)
  start = _LONG_PREFIX.size + packed_size
  if start > len(body):
    raise ArtifactError('the header is longer than the file')
  if text_size > most:
    raise ArtifactError(f'a header of {text_size} bytes; at most {most} are '
                        'allowed in so short a file')
  header, rest = _header(body[_LONG_PREFIX.size:start], text_size,
                         zlib.decompressobj(), text_size)
  if rest:
    raise ArtifactError('the header is shorter than it says')
  return header, body[start:]


def _header(body: Union[bytes, memoryview], most: int, unpacker=None,
            text_size: Optional[int] = None,
            ) -> tuple[dict[str, Any], memoryview]:
  """The header of at most `most` bytes that a body begins with, and what
  follows it."""
  unpacker = unpacker or zlib.decompressobj(-15, zdict=DICTIONARY)
  try:
    text = unpacker.decompress(body, most + 1)
    if len(text) > most:
      raise ValueError(f'it has more than the {most} bytes that are allowed in '
                       'so short a file')
    header = json.loads(text.decode(), object_pairs_hook=_object,
                        parse_constant=_no_number)
  except (zlib.error, ValueError, RecursionError) as error:
    raise ArtifactError(f'the header is damaged: {error}') from error
  if (text_size not in (None, len(text)) or not unpacker.eof
      or not isinstance(header, dict)
      or not isinstance(header.get('tensors'), list)):
    raise ArtifactError('the header is damaged')
  return header, memoryview(unpacker.unused_data)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
  result = dict(pairs)
  if len(result) < len(pairs):
    # Of two values each reader would take another one.
    raise ValueError('it says something twice')
  return result


def _no_number(name: str) -> None:
  raise ValueError(f'{name} is no number of JSON')


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
          and num_steps in (1, shape[-1] if len(shape) > 1 else 1))
  if not ok:
    raise ArtifactError(f'a tensor is badly described: {str(entry)[:80]}')


def _num_symbols(entries: list) -> int:
  """By `ans`, with contexts or without."""
  return sum(math.prod(entry[1]) for entry in entries
             if entry[4].startswith('ans'))


def _num_contexts(entries: list) -> int:
  return sum(num_contexts(entry[4], entry[1]) for entry in entries)


def _tensors(entries: list, payload: memoryview, most: Limits,
             ) -> dict[str, Quantized]:
  if len(entries) > MAX_TENSORS:
    raise ArtifactError(f'{len(entries)} tensors; at most {MAX_TENSORS} are '
                        'allowed')
  for entry in entries:
    _check_entry(entry)
  if len({entry[0] for entry in entries}) < len(entries):
    raise ArtifactError('two tensors have one name')
  if sum(math.prod(entry[1]) for entry in entries) > most.numbers:
    raise ArtifactError(f'more than {most.numbers} numbers in so short a file')
  if _num_symbols(entries) > most.symbols:
    raise ArtifactError(f'more than {most.symbols} symbols by ans in so short '
                        'a file')
  if _num_contexts(entries) > most.contexts:
    raise ArtifactError(f'more than {most.contexts} contexts of ans in so '
                        'short a file')
  if sum(2 * entry[3] + entry[5] for entry in entries) != len(payload):
    raise ArtifactError('the tensors do not fill the file exactly')
  tensors, start = {}, 0
  for name, shape, bits, num_steps, codec, length in entries:
    steps = np.frombuffer(payload[start:start + 2 * num_steps], '<u2')
    steps = (steps.astype(np.uint32) << 16).view(np.float32)
    start += 2 * num_steps
    code = bytes(payload[start:start + length])
    start += length
    values = CODECS[codec].decode(code, tuple(shape), bits)
    tensors[name] = Quantized(values, steps, bits)
    if not _is_finite(tensors[name]):
      raise ArtifactError(f'{name!r}: holds a step or a number that is not '
                          'finite')
  return tensors


def _is_finite(tensor: Quantized) -> bool:
  """Whether steps are, and what they make of the integers, in float32."""
  if not np.isfinite(tensor.steps).all():
    return False
  if not tensor.values.size:
    return True
  values = tensor.values.reshape([-1, len(tensor.steps)])
  peak = np.maximum(values.max(axis=0), -values.min(axis=0))
  with np.errstate(over='ignore'):
    largest = (peak * tensor.steps.astype(np.float64)).astype(np.float32)
  return bool(np.isfinite(largest).all())
