"""Files written by hand after docs/container.md, and files not to be read.

`lgc_file` of conftest.py knows the format from its description alone.
"""

import json
import struct
import tracemalloc
import zlib

import numpy as np
import pytest

from tfp_lgc import codec, container, limits
from tfp_lgc.errors import ArtifactError

HEADER = {'model': {'model': 'vae'}, 'class_names': ['a', 'ü']}


def _tensors():
  rng = np.random.default_rng(0)
  return {
      'kernel': codec.quantize(rng.normal(size=[3, 2]), 6),
      'bias': codec.quantize(rng.normal(size=[5]), 12),
      'zeros': codec.quantize(np.zeros([2, 40, 2]), 8),
      'none': codec.quantize(np.zeros([0, 3]), 4),
  }


def _same(tensors, expected):
  assert list(tensors) == list(expected)
  for name, tensor in expected.items():
    np.testing.assert_array_equal(tensors[name].values, tensor.values)
    np.testing.assert_array_equal(tensors[name].steps, tensor.steps)
    assert tensors[name].bits == tensor.bits


def test_what_is_written_is_read():
  header, tensors = container.loads(container.dumps(HEADER, _tensors()))
  assert header == HEADER
  _same(tensors, _tensors())


def test_what_is_read_is_written():
  content = container.dumps(HEADER, _tensors())
  assert container.dumps(*container.loads(content)) == content


# 0.5 and 1.5 as bfloat16, then 1, -7 / 0, 7 / -1, 2 in 4 bits.
_KERNEL = struct.pack('<HH', 0x3F00, 0x3FC0) + bytes([0x91, 0x8F, 0x7A])
# 2^-10 as bfloat16, then 3, -300 in 12 bits: 2051, 1748.
_BIAS = struct.pack('<H', 0x3A80) + bytes([0x80, 0x36, 0xD4])
_ENTRIES_BY_HAND = [['kernel', [3, 2], 4, 2, 'packed', 3],
                    ['bias', [2], 12, 1, 'packed', 3]]


@pytest.mark.parametrize('version', [1, 2, 3])
def test_a_file_made_by_hand_has_the_values_it_says(version, lgc_file):
  content = lgc_file({'model': 1, 'tensors': _ENTRIES_BY_HAND},
                     _KERNEL + _BIAS, version)
  header, tensors = container.loads(content)
  assert header == {'model': 1}
  np.testing.assert_array_equal(
      codec.dequantize(tensors['kernel']),
      np.float32([[0.5, -10.5], [0, 10.5], [-0.5, 3]]))
  np.testing.assert_array_equal(codec.dequantize(tensors['bias']),
                                np.float32([3 / 1024, -300 / 1024]))


def _unpacked(content, dictionary):
  """Header as text, and payload, of a file of version 3."""
  unpacker = zlib.decompressobj(-15, dictionary)
  text = unpacker.decompress(content[10:-32]) + unpacker.flush()
  return text, unpacker.unused_data


def test_what_is_written_has_the_layout_described(dictionary):
  content = container.dumps(HEADER, _tensors())
  version, = struct.unpack('<H', content[8:10])
  assert (content[:8], version) == (b'\x89LGC\r\n\x1a\n', 4)
  text, payload = _unpacked(content, dictionary)
  header, start = json.loads(text), 0
  for name, shape, bits, num_steps, which, length in header['tensors']:
    expected = _tensors()[name]
    assert (tuple(shape), bits) == (expected.values.shape, expected.bits)
    halves = struct.unpack_from(f'<{num_steps}H', payload, start)
    steps = struct.unpack(f'<{num_steps}f', b''.join(
        b'\0\0' + struct.pack('<H', half) for half in halves))
    np.testing.assert_array_equal(np.float32(steps), expected.steps)
    start += 2 * num_steps
    np.testing.assert_array_equal(
        codec.CODECS[which].decode(payload[start:start + length], tuple(shape),
                                   bits), expected.values)
    start += length
  assert start == len(payload)


def test_the_dictionary_is_on_the_page(dictionary):
  assert container.DICTIONARY == dictionary


def test_what_is_read_from_an_old_file_is_written_as_a_new_one(lgc_file):
  content = lgc_file({'tensors': _ENTRIES_BY_HAND}, _KERNEL + _BIAS, 2)
  again = container.dumps(*container.loads(content))
  assert again[8:10] == b'\4\0'
  _same(container.loads(again)[1], container.loads(content)[1])


def test_sizes_are_those_of_the_parts(dictionary):
  content = container.dumps(HEADER, _tensors())
  sizes, num_bytes = container.sizes(content, ['class_names'])
  assert list(sizes) == list(_tensors())
  _, payload = _unpacked(content, dictionary)
  assert sum(sizes.values()) == len(payload)
  without = {key: value for key, value in HEADER.items()
             if key != 'class_names'}
  # Nothing else differs.
  assert num_bytes == len(content) - len(container.dumps(without, _tensors()))
  assert container.sizes(content)[1] == 0


def test_every_accident_is_found():
  content = container.dumps(HEADER, _tensors())
  cut = [content[:i] for i in range(len(content))]
  flipped = [content[:i] + bytes([byte ^ 1 << i % 8]) + content[i + 1:]
             for i, byte in enumerate(content)]
  for bad in (*cut, *flipped, content + b'\0', b'', content[::-1]):
    with pytest.raises(ArtifactError, match='^here: '):
      container.loads(bad, 'here')


def test_another_kind_of_file_is_named_so():
  with pytest.raises(ArtifactError, match='x.lgc: is not an .lgc artifact'):
    container.loads(b'PK\3\4' + bytes(100), 'x.lgc')


@pytest.mark.parametrize('version', [5, 65535])
def test_a_newer_version_is_named_so(version, lgc_file):
  content = lgc_file({'tensors': []}, version=version)
  # Also where the rest of the file is not as of today, checksum and all.
  for file in (content, content[:18], content[:14] + bytes(100)):
    with pytest.raises(ArtifactError, match=f'version {version}.*newer'):
      container.loads(file)


def test_there_was_no_version_before_the_first(lgc_file):
  with pytest.raises(ArtifactError):
    container.loads(lgc_file({'tensors': []}, version=0))


TEXTS = {
    'empty': b'', 'no JSON': b'{"tensors":', 'no UTF-8': b'{"tensors":[],"\xff',
    'list': b'[]', 'number': b'7', 'no tensors': b'{}',
    'tensors: null': b'{"tensors":null}', 'tensors: dict': b'{"tensors":{}}',
    'tensors: text': b'{"tensors":"abc"}',
    'deep': b'[' * 100_000, 'deep within': b'{"tensors":' + b'[' * 100_000,
    'deep and whole': b'{"tensors":[],"a":%s}' % (
        b'[' * 100_000 + b']' * 100_000),
    'twice': b'{"tensors":[],"a":1,"a":2}',
    'twice within': b'{"tensors":[],"a":{"b":1,"b":1}}',
    'tensors twice': b'{"tensors":[],"tensors":[]}',
    'nan': b'{"tensors":[],"a":NaN}',
    'infinity': b'{"tensors":[],"a":-Infinity}',
    'UTF-16': '{"tensors":[]}'.encode('utf-16-le'),
    'UTF-32': '{"tensors":[]}'.encode('utf-32'),
    'marked UTF-8': b'\xef\xbb\xbf{"tensors":[]}',
    'a number of many digits': b'{"tensors":[],"a":%s}' % (b'9' * 10_000),
}


@pytest.mark.parametrize('version', [2, 3])
@pytest.mark.parametrize('text', TEXTS.values(), ids=TEXTS)
def test_a_header_that_is_none_is_refused(text, version, lgc_file):
  with pytest.raises(ArtifactError, match='header'):
    container.loads(lgc_file(None, version=version, text=text))


_TEXT = b'{"tensors":[]}'
PACKED = {
    'size too small': {'text_size': len(_TEXT) - 1},
    'size too large': {'text_size': len(_TEXT) + 1},
    'size 0': {'text_size': 0},
    'size beyond the limit': {'text_size': 2**24 + 1},
    'nothing': {'packed': b''},
    'no zlib': {'packed': b'no zlib at all'},
    'cut': {'packed': zlib.compress(_TEXT)[:-5]},
    'without its end': {'packed': zlib.compress(_TEXT)[:-1]},
    'something after it': {'packed': zlib.compress(_TEXT) + b'hidden'},
    'packed size too small': {'packed_size': 5},
    'packed size beyond the file': {'packed_size': 2**32 - 1},
}


@pytest.mark.parametrize('parts', PACKED.values(), ids=PACKED)
def test_a_header_is_packed_exactly(parts, lgc_file):
  assert container.loads(lgc_file(None, text=_TEXT)) == ({}, {})
  with pytest.raises(ArtifactError):
    container.loads(lgc_file(None, **{'text': _TEXT, **parts}))


_SHORT = zlib.compressobj(wbits=-15)
_SHORT = _SHORT.compress(_TEXT) + _SHORT.flush()


@pytest.mark.parametrize('packed', [
    b'', b'no deflate at all', _SHORT[:-1], _SHORT[:-5], _SHORT + b'hidden',
    zlib.compress(_TEXT)])
def test_a_deflated_header_has_an_end(packed, lgc_file):
  good = lgc_file(None, version=3, packed=_SHORT)
  assert container.loads(good) == ({}, {})
  with pytest.raises(ArtifactError):
    container.loads(lgc_file(None, version=3, packed=packed))


@pytest.mark.parametrize('settings, size, bound', [
    # It does not say how long it is: no more memory than a header may take.
    ({'version': 3, 'text': b' ' * 2**28}, 2**19, 2**26),
    ({'text': b' ' * 2**26, 'text_size': 100}, 2**17, 2**22),
    ({'text': b' ' * 2**26, 'text_size': 2**26}, 2**17, 2**22)],
                         ids=['deflated', 'short', 'long'])
def test_a_bomb_takes_no_memory(settings, size, bound, lgc_file):
  content = lgc_file(None, **settings)
  assert len(content) < size
  tracemalloc.start()
  try:
    with pytest.raises(ArtifactError):
      container.loads(content)
    _, peak = tracemalloc.get_traced_memory()
  finally:
    tracemalloc.stop()
  assert peak < bound


@pytest.mark.parametrize('size, which', [(2**18 + 10_000, 'lzma'),
                                         (2**21 + 60_000, 'packed')])
def test_zeros_are_written_so_that_they_are_read(size, which):
  """However few bytes another code of them takes."""
  tensors = {'zeros': codec.quantize(np.zeros(size), 2)}
  content = container.dumps(HEADER, tensors)
  _same(container.loads(content)[1], tensors)
  smallest = codec.encode_smallest(tensors['zeros'])[1]
  assert len(smallest) < len(content) < 1.3 * size / 4
  header, _ = container._header(content[10:-32], 2**20)
  assert header['tensors'][0][4] == which


def test_a_header_that_no_loader_would_read_is_not_written():
  """Names that are all alike take no bytes, but memory."""
  header = {**HEADER, 'class_names': ['x' * 400_000]}
  with pytest.raises(ArtifactError, match='shorter names'):
    container.dumps(header, _tensors())
  # Of names that tell something there may be many.
  names = [f'n{i * 7919 % 10**8:08d}' for i in range(20_000)]
  header = {**HEADER, 'class_names': names}
  content = container.dumps(header, _tensors())
  assert container.loads(content)[0] == header


def test_any_tampering_with_a_good_checksum_ends_in_an_artifact_error(
    lgc_file, dictionary):
  """Whoever makes files can make checksums; other errors must not get out."""
  text, payload = _unpacked(container.dumps(HEADER, _tensors()), dictionary)
  rng = np.random.default_rng(0)
  num_refused = 0
  for i in range(1000):
    parts = [bytearray(text), bytearray(payload)]
    part = parts[rng.integers(2)]
    part[rng.integers(len(part))] = rng.integers(256)
    try:
      container.loads(lgc_file(None, bytes(parts[1]), 2 + i % 2,
                               text=bytes(parts[0])))
    except ArtifactError:
      num_refused += 1
  assert num_refused > 100


def test_more_symbols_than_python_decodes_in_seconds_are_refused(monkeypatch):
  """In all of a file; a writer codes them otherwise."""
  noise = np.random.default_rng(0).normal(size=[2, 5000])
  tensors = {name: codec.quantize(part, 5) for name, part in zip('ab', noise)}
  content = container.dumps(HEADER, tensors)
  monkeypatch.setattr(limits, 'MAX_ANS_SYMBOLS', 9999)
  with pytest.raises(ArtifactError, match='more than 9999 symbols by ans'):
    container.loads(content)
  _same(container.loads(container.dumps(HEADER, tensors))[1], tensors)


def test_where_contexts_are_too_many_other_codes_are_taken():
  """Columns would be shorter, but a loader would not make so many frequencies;
  that is no reason to do without `ans`."""
  rng = np.random.default_rng(0)
  scales = rng.choice([0.1, 1.0], 3000)
  tensor = codec.quantize(scales * rng.normal(size=[100, 3000]), 6)
  assert codec.encode_smallest(tensor)[0] == 'ans_columns'
  num_by_ans = len(codec.CODECS['ans'].encode(tensor.values, 6))
  content = container.dumps(HEADER, {'a': tensor})
  assert len(content) < 1.01 * num_by_ans
  _same(container.loads(content)[1], {'a': tensor})
  # Nor for others to do without contexts.
  other = codec.quantize(
      np.logspace(-2, 0, 200) * rng.normal(size=[500, 200]), 6)
  by_column = len(codec.CODECS['ans_columns'].encode(other.values, 6))
  assert by_column < 0.9 * len(codec.CODECS['ans'].encode(other.values, 6))
  content = container.dumps(HEADER, {'a': tensor, 'b': other})
  assert len(content) < 1.01 * (num_by_ans + by_column)


def test_more_contexts_than_python_counts_in_seconds_are_refused(monkeypatch):
  """In all of a file; a writer has fewer of them."""
  rng = np.random.default_rng(0)
  scales = np.logspace(-2, 0, 20)
  tensors = {name: codec.quantize(scales * rng.normal(size=[500, 20]), 6)
             for name in 'ab'}
  content = container.dumps(HEADER, tensors)
  assert all(codec.encode_smallest(tensor)[0] == 'ans_columns'
             for tensor in tensors.values())
  monkeypatch.setattr(limits, 'MAX_CONTEXTS', 39)
  with pytest.raises(ArtifactError, match='more than 39 contexts of ans'):
    container.loads(content)
  _same(container.loads(container.dumps(HEADER, tensors))[1], tensors)
