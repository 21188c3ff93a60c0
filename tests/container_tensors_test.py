"""How a file describes its tensors, and descriptions that are refused.

`lgc_file` of conftest.py knows the format from its description alone.
"""

import itertools
import struct

import numpy as np
import pytest

from tfp_lgc import codec, container
from tfp_lgc.errors import ArtifactError

# What may stand at each place of [name, shape, bits, steps, codec, length].
GOOD = ['x', [2, 3], 4, 3, 'packed', 3]
BAD = {
    0: [None, 7, ['x'], True],
    1: [None, 6, '23', {}, [2.0, 3], [2, '3'], [True, 3], [-2, -3], [2, -3],
        [2**28 + 1, 3], [10**30, 3], [2, 3, 1], [3, 2], [6], [],
        [float('nan'), 3], [[2], 3], [1] * 7 + [2, 3], [1] * 10_000],
    2: [None, 0, 1, 17, -4, 4.0, True, '4', 5, 10**30],
    3: [None, 0, 1, 2, 4, -3, 3.0, True, '3', 10**30],
    4: [None, 0, '', 'zip', 'Packed', ['packed'], {}, 'lzma'],
    5: [None, 0, 2, 4, -3, 3.0, '3', True, 10**30, 2**40],
}
_ENTRIES = {
    'none': None, 'text': 'x', 'short': GOOD[:5], 'long': GOOD + [0],
    'empty': [], 'dict': {'name': 'x'}, 'number': 7}
_ENTRIES.update({
    f'{i}: {str(value)[:20]}': GOOD[:i] + [value] + GOOD[i + 1:]
    for i, values in BAD.items() for value in values})
PAYLOAD = struct.pack('<HHH', 0x3F80, 0x3F80, 0x3F80) + b'\x88\x88\x88'


@pytest.mark.parametrize('version', [2, 3])
@pytest.mark.parametrize('entry', _ENTRIES.values(), ids=_ENTRIES)
def test_a_tensor_that_is_badly_described_is_refused(entry, version, lgc_file):
  assert container.loads(lgc_file({'tensors': [GOOD]}, PAYLOAD, version))
  with pytest.raises(ArtifactError):
    container.loads(lgc_file({'tensors': [entry]}, PAYLOAD, version))


def test_true_is_not_one_nor_is_a_float(lgc_file):
  good, payload = ['x', [1], 4, 1, 'packed', 1], b'\x80\x3f\x80'
  assert container.loads(lgc_file({'tensors': [good]}, payload))
  for one in (True, 1.0):
    for i, value in ((1, [one]), (3, one), (5, one)):
      entry = good[:i] + [value] + good[i + 1:]
      with pytest.raises(ArtifactError):
        container.loads(lgc_file({'tensors': [entry]}, payload))


@pytest.mark.parametrize('payload', [
    b'', PAYLOAD[:-1], PAYLOAD + b'\0', PAYLOAD * 2])
def test_tensors_fill_the_file_exactly(payload, lgc_file):
  for version in (2, 3):
    with pytest.raises(ArtifactError):
      container.loads(lgc_file({'tensors': [GOOD]}, payload, version))


@pytest.mark.parametrize('step, position', itertools.product(
    [0x7F80, 0xFF80, 0x7FC0, 0x7F81, 0xFFFF], range(3)))
def test_a_step_is_finite(step, position, lgc_file):
  steps = [0x3F80] * 3
  steps[position] = step
  payload = struct.pack('<HHH', *steps) + PAYLOAD[6:]
  with pytest.raises(ArtifactError, match="'x': .*finite"):
    container.loads(lgc_file({'tensors': [GOOD]}, payload))


@pytest.mark.parametrize('step', [0x7F7F, 0xFF7F, 0x7F00])
def test_a_number_is_finite(step, lgc_file):
  """The largest steps times integers that are not small."""
  payload = struct.pack('<HHH', step, 0x3F80, 0x3F80) + b'\xf8\x8f\x18'
  content = lgc_file({'tensors': [GOOD]}, payload)
  with pytest.raises(ArtifactError, match="'x': .*finite"):
    container.loads(content)
  # The same step, of ones.
  ones = payload[:6] + b'\x98\x89\x88'
  _, tensors = container.loads(lgc_file({'tensors': [GOOD]}, ones))
  assert np.isfinite(codec.dequantize(tensors['x'])).all()


def test_a_name_stands_for_one_tensor(lgc_file):
  with pytest.raises(ArtifactError):
    container.loads(lgc_file({'tensors': [GOOD, GOOD]}, PAYLOAD * 2))


@pytest.mark.parametrize('shape', [
    [2**28, 2], [2**14 + 1, 2**14], [2**28] * 8], ids=str)
def test_more_numbers_than_allowed_are_refused(shape, lgc_file):
  # Without a byte of theirs in the file: nothing may be taken for them.
  entry = ['x', shape, 2, shape[-1], 'lzma', 0]
  with pytest.raises(ArtifactError, match='numbers|described'):
    container.loads(lgc_file({'tensors': [entry]}))


def test_numbers_are_counted_over_all_tensors(lgc_file):
  entries = [[name, [2**25], 2, 1, 'lzma', 0] for name in 'xyz']
  with pytest.raises(ArtifactError, match='numbers'):
    container.loads(lgc_file({'tensors': entries}))


def test_more_tensors_than_allowed_are_refused(lgc_file):
  entries = [[str(i), [0, 0], 2, 0, 'packed', 0] for i in range(10_001)]
  assert len(container.loads(lgc_file({'tensors': entries[1:]}))[1]) == 10_000
  with pytest.raises(ArtifactError, match='10001 tensors'):
    container.loads(lgc_file({'tensors': entries}))


@pytest.mark.parametrize('which', codec.CODECS)
@pytest.mark.parametrize('rank', [2, 3, 8])
def test_no_number_in_a_large_shape_is_read_or_refused(which, rank, lgc_file):
  """The empty tensor: sides that multiply to nothing, however large."""
  shape = [2**26] * (rank - 1) + [0]
  code = codec.CODECS[which].encode(np.zeros(0, np.int32), 8)
  content = lgc_file({'tensors': [['x', shape, 8, 0, which, len(code)]]}, code)
  try:
    _, tensors = container.loads(content)
  except ArtifactError:
    return
  assert tensors['x'].values.shape == tuple(shape)
