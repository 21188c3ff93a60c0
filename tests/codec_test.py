"""Codecs against Python's own integers, LZMA and bfloat16."""

import itertools
import lzma
import tracemalloc

import numpy as np
import pytest
import tensorflow as tf

from tfp_lgc import codec
from tfp_lgc.errors import ArtifactError

BITS = range(2, 17)
SHAPES = [(), (0,), (1,), (37,), (3, 0), (9, 5), (3, 4, 2, 5)]
# As docs/container.md describes it.
LZMA = {'format': lzma.FORMAT_RAW,
        'filters': [{'id': lzma.FILTER_LZMA2, 'dict_size': 2**20, 'lc': 0,
                     'lp': 0, 'pb': 0}]}


def _arrays(shape, bits):
  """Constant, random and extreme integers of a quantized tensor."""
  largest = 2 ** (bits - 1) - 1
  rng = np.random.default_rng(bits)
  yield np.zeros(shape, np.int32)
  yield np.full(shape, -largest, np.int32)
  yield rng.integers(-largest, largest, shape, np.int32, endpoint=True)
  yield rng.choice(np.array([-largest, 0, largest], np.int32), shape)


def _random(shape=(4, 9), bits=6):
  return list(_arrays(shape, bits))[2]


def _bit_string(values, bits):
  """What `packed` should give, by way of Python's format()."""
  text = ''.join(format(int(v) + 2 ** (bits - 1), f'0{bits}b')
                 for v in values.ravel())
  text += '0' * (-len(text) % 8)
  return bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8))


# Quantization.


@pytest.mark.parametrize('bits', BITS)
@pytest.mark.parametrize('scale', [1e-44, 1e-38, 1e-3, 1.0, 1e38])
def test_error_is_at_most_half_a_step(bits, scale):
  rng = np.random.default_rng(0)
  x = np.float32(scale * rng.uniform(-1, 1, [50, 4]))
  x[0, 0] = scale
  quantized = codec.quantize(x, bits)
  error = np.abs(codec.dequantize(quantized) - x.astype(np.float64))
  assert (error <= quantized.steps.astype(np.float64) / 2 * (1 + 1e-9)).all()
  assert np.abs(quantized.values).max() <= 2 ** (bits - 1) - 1


@pytest.mark.parametrize('bits', BITS)
def test_the_largest_floats_stay_finite_and_larger_ones_are_refused(bits):
  largest = np.nextafter(np.float32(2.0**127), np.float32(0))
  restored = codec.dequantize(codec.quantize(np.float32([largest, -1.0]), bits))
  assert np.isfinite(restored).all() and restored[0] >= 0.99 * largest
  for larger in (np.float32(2.0**127), np.finfo(np.float32).max, np.nan):
    with pytest.raises(ValueError, match='must be finite'):
      codec.quantize(np.float32([larger, -1.0]), bits)


@pytest.mark.parametrize('bits', BITS)
def test_a_step_is_a_bfloat16_and_not_larger_than_need_be(bits):
  for seed in range(20):
    x = np.random.default_rng(seed).normal(size=[20, 6]).astype(np.float32)
    steps = codec.quantize(x, bits).steps
    np.testing.assert_array_equal(
        steps, steps.astype(tf.bfloat16.as_numpy_dtype).astype(np.float32))
    exact = np.abs(x).max() / (2 ** (bits - 1) - 1)
    assert exact * (1 - 1e-6) <= steps
    assert steps <= exact * (1 + 2**-7)  # A bfloat16 has 8 bits.


@pytest.mark.parametrize('bits', BITS)
def test_zero_is_exact(bits):
  x = np.float32([[0, 1e-3], [0, 0], [-0.0, 7.77]])
  got = codec.dequantize(codec.quantize(x, bits))
  np.testing.assert_array_equal(got[x == 0], 0)


@pytest.mark.parametrize('shape', SHAPES)
def test_the_shape_is_kept(shape):
  x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
  quantized = codec.quantize(x, 5)
  assert quantized.values.shape == shape
  assert quantized.steps.shape == (1,)
  values = codec.dequantize(quantized)
  assert values.shape == shape
  assert values.dtype == np.float32


def test_a_value_is_its_integer_times_its_step_rounded_once():
  """Also where each channel has a step, as in files of versions 1 and 2."""
  values = np.random.default_rng(0).integers(-2**15 + 1, 2**15, [40, 3])
  steps = np.float32([0.0078125, 1.1640625, 2.9e-6])
  for tensor in (codec.Quantized(values, steps, 16),
                 codec.Quantized(values, steps[1:2], 16)):
    exact = [[int(v) * float(step)
              for v, step in zip(row, np.broadcast_to(tensor.steps, [3]))]
             for row in values]
    np.testing.assert_array_equal(codec.dequantize(tensor), np.float32(exact))


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad):
  with pytest.raises(ValueError, match='finite'):
    codec.quantize([0.0, bad], 8)


# Lossless codes.


@pytest.mark.parametrize('name, bits', itertools.product(codec.CODECS, BITS))
def test_every_codec_gives_back_what_it_took(name, bits):
  encode, decode = codec.CODECS[name]
  for shape in SHAPES:
    for values in _arrays(shape, bits):
      got = decode(encode(values, bits), shape, bits)
      assert got.dtype == np.int32
      np.testing.assert_array_equal(got, values, strict=True)


@pytest.mark.parametrize('bits', BITS)
def test_packed_is_the_bits_in_a_row(bits):
  for shape in SHAPES:
    for values in _arrays(shape, bits):
      assert codec.CODECS['packed'].encode(values, bits) == _bit_string(values,
                                                                        bits)


@pytest.mark.parametrize('bits', BITS)
def test_lzma_is_all_low_bytes_then_all_high_bytes(bits):
  values = _random((11, 7), bits)
  content = lzma.decompress(codec.CODECS['lzma'].encode(values, bits), **LZMA)
  symbols = [int(v) + 2 ** (bits - 1) for v in values.ravel()]
  expected = bytes(s % 256 for s in symbols)
  if bits > 8:
    expected += bytes(s // 256 for s in symbols)
  assert content == expected


@pytest.mark.parametrize('name, bits', itertools.product(codec.CODECS,
                                                         [2, 7, 8, 9, 16]))
def test_a_code_cut_short_or_gone_on_is_refused(name, bits):
  encode, decode = codec.CODECS[name]
  for values in _arrays((5, 7), bits):
    code = encode(values, bits)
    cut = [code[:i] for i in range(len(code))]
    gone_on = [code + tail for tail in (b'\0', b'\xff', b'\1\0', code)]
    for bad in cut + gone_on:
      with pytest.raises(ArtifactError):
        decode(bad, values.shape, bits)


@pytest.mark.parametrize('name', codec.CODECS)
@pytest.mark.parametrize('shape', [(), (34,), (6, 7), (5, 8)])
def test_a_code_of_another_shape_is_refused(name, shape):
  encode, decode = codec.CODECS[name]
  with pytest.raises(ArtifactError):
    decode(encode(_random((5, 7)), 6), shape, 6)


@pytest.mark.parametrize('name', codec.CODECS)
def test_any_bytes_are_refused_or_are_integers_in_range(name):
  encode, decode = codec.CODECS[name]
  rng = np.random.default_rng(0)
  codes = [rng.bytes(int(size)) for size in rng.integers(0, 60, 500)]
  code = encode(_random(), 6)
  codes += [code[:i] + bytes([code[i] ^ 1 << i % 8]) + code[i + 1:]
            for i in range(len(code))]
  num_refused = 0
  for bad in codes:
    try:
      got = decode(bad, (4, 9), 6)
    except ArtifactError:
      num_refused += 1
    else:
      assert got.shape == (4, 9)
      assert -32 < got.min() and got.max() < 32
  assert num_refused > 400


def test_packed_ends_in_zeros():
  code = bytearray(_bit_string(_random((3,), 3), 3))  # 9 bits, 7 of filling.
  for i in range(7):
    bad = bytes(code[:-1] + bytes([code[-1] | 1 << i]))
    with pytest.raises(ArtifactError):
      codec.CODECS['packed'].decode(bad, (3,), 3)


def test_the_symbol_0_stands_for_no_number():
  """No code has it, and so a file with it could not be written again."""
  for name, code in (('packed', bytes([0x41, 0x70])),  # 4, 1, 7, 0 of 4 bits.
                     ('lzma', lzma.compress(bytes([4, 1, 7, 0]), **LZMA))):
    with pytest.raises(ArtifactError, match='symbol is 0'):
      codec.CODECS[name].decode(code, (4,), 4)


@pytest.mark.parametrize('symbols', [[0, 5, 9], [3, 5000, 9], [1, 2, 4096]])
@pytest.mark.parametrize('name', ['ans', 'ans_rows', 'ans_deltas'])
def test_symbols_that_no_number_has_are_refused(name, symbols):
  code = codec._ans_encode(np.uint16(symbols), 12)
  with pytest.raises(ArtifactError, match='symbol'):
    codec.CODECS[name].decode(code, (3,), 12)


def test_a_symbol_of_too_many_bits_is_refused():
  code = lzma.compress(bytes([1, 63, 64]), **LZMA)
  with pytest.raises(ArtifactError, match='6 bits'):
    codec.CODECS['lzma'].decode(code, (3,), 6)


def test_a_bomb_takes_no_memory():
  code = lzma.compress(bytes(2**24), **LZMA)
  assert len(code) < 2**13
  tracemalloc.start()
  try:
    with pytest.raises(ArtifactError):
      codec.CODECS['lzma'].decode(code, (10, 10), 8)
    _, peak = tracemalloc.get_traced_memory()
  finally:
    tracemalloc.stop()
  assert peak < 2**22


@pytest.mark.parametrize('bits', [2, 6, 8, 12])
def test_the_smallest_code_is_taken(bits):
  names = set()
  for values in (*_arrays((40, 50), bits), *_arrays((1,), bits)):
    quantized = codec.Quantized(values, np.ones(1, np.float32), bits)
    name, code = codec.encode_smallest(quantized)
    assert len(code) == min(len(encode(values, bits))
                            for encode, _ in codec.CODECS.values())
    np.testing.assert_array_equal(
        codec.CODECS[name].decode(code, values.shape, bits), values)
    names.add(name)
  # A single number has nothing to learn from, so the choice was one.
  assert len(names) > 1


def test_what_has_no_contexts_is_coded_once(monkeypatch):
  values = codec.quantize(np.random.default_rng(0).normal(size=500), 5)
  want = codec.CODECS['ans_rows'].encode(values.values, 5)
  assert want == codec.CODECS['ans_columns'].encode(values.values, 5)
  for name in ('ans_rows', 'ans_columns'):
    monkeypatch.setitem(codec.CODECS, name, None)
  assert codec.encode_smallest(values) == ('ans', want)


def test_python_codes_no_more_symbols_than_it_can():
  quantized = codec.quantize(np.random.default_rng(0).normal(size=5000), 5)
  assert codec.encode_smallest(quantized)[0] == 'ans'
  assert codec.encode_smallest(quantized, 5000)[0] == 'ans'
  assert codec.encode_smallest(quantized, 4999)[0] != 'ans'
