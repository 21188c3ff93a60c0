"""The entropy code against entropy, the page about it, and bad bytes."""

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

from tfp_lgc import ans, codec
from tfp_lgc.errors import ArtifactError

BITS = range(1, ans.MAX_BITS + 1)


def _weights(kind, size, rng):
  return {'normal': lambda: rng.normal(size=size),
          'laplace': lambda: rng.laplace(size=size),
          # Channels of many scales, under one step.
          'mixed': lambda: (rng.normal(size=[size // 8, 8])
                            * np.logspace(-2, 0, 8)).ravel()}[kind]()


def _entropy_num_bytes(values):
  """What an ideal code that knows the frequencies takes, without them."""
  _, counts = np.unique(values, return_counts=True)
  return -(counts * np.log2(counts / counts.sum())).sum() / 8


@pytest.mark.parametrize('bits', range(3, 9))
@pytest.mark.parametrize('kind', ['normal', 'laplace', 'mixed'])
@pytest.mark.parametrize('size', [5_000, 40_000])
def test_a_code_is_within_3_percent_of_the_entropy(kind, bits, size):
  x = _weights(kind, size, np.random.default_rng(bits))
  values = codec.quantize(x, bits).values
  # No table is beside it: these are all the bytes.
  assert (len(codec.CODECS['ans'].encode(values, bits))
          <= 1.03 * _entropy_num_bytes(values))


@pytest.mark.parametrize('bits', BITS)
def test_frequencies_are_those_of_a_polya_tree(bits):
  rng = np.random.default_rng(bits)
  for counts in (np.zeros(2**bits, np.int64), rng.integers(0, 50, 2**bits),
                 10**6 * (np.arange(2**bits) == 1)):
    got = ans.frequencies(counts)
    assert got.sum() == 2**16
    assert got.min() >= max(1, 256 >> bits)
    for symbol in rng.integers(0, 2**bits, 10):
      expected, low, high = Fraction(2**16), 0, 2**bits
      for depth in range(bits):
        middle = (low + high) // 2
        halves = [int(counts[low:middle].sum()), int(counts[middle:high].sum())]
        low, high = (low, middle) if symbol < middle else (middle, high)
        prior = Fraction(2**depth, 2)
        expected *= ((halves[0 if high == middle else 1] + prior)
                     / (sum(halves) + 2 * prior))
      # Off by 1 at each depth, and by what is given to the least likely.
      assert abs(got[symbol] - expected) <= bits + 256


def test_frequencies_of_large_counts_do_not_overflow():
  counts = np.full(4, 2**37, np.int64)
  np.testing.assert_array_equal(ans.frequencies(counts), [2**14] * 4)


@pytest.mark.parametrize('bits', BITS)
@pytest.mark.parametrize('size', [0, 1, 2, 15, 16, 17, 300])
def test_symbols_come_back(size, bits):
  rng = np.random.default_rng(size)
  for symbols in (rng.integers(1, 2**bits, size), np.ones(size, int),
                  np.full(size, 2**bits - 1)):
    code = ans.encode(symbols, bits)
    got = ans.decode(code, size, bits)
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, symbols)
    # A code says how many symbols it is of.
    for other in (*range(0, size, max(1, size // 7)), size + 1, size + 90):
      if other != size:
        with pytest.raises(ArtifactError):
          ans.decode(code, other, bits)


@pytest.mark.parametrize('shape', [(40, 1), (5, 0), (0, 5), (1, 3), (90, 7)])
def test_symbols_of_contexts_come_back(shape):
  symbols = np.random.default_rng(0).integers(1, 32, shape)
  code = ans.encode(symbols, 5)
  np.testing.assert_array_equal(ans.decode(code, shape, 5), symbols)
  # One context is no context.
  if shape[1] == 1:
    assert code == ans.encode(symbols.ravel(), 5)


def test_contexts_have_frequencies_of_their_own():
  """Columns of other scales, by their own entropies; and where they are alike
  little is lost by what each begins with."""
  rng = np.random.default_rng(0)
  x = rng.normal(size=[1000, 24])
  scaled = codec.quantize(x * np.logspace(-1.5, 0, 24), 6).values
  by_column = len(codec.CODECS['ans_columns'].encode(scaled, 6))
  # Each has to be learned.
  assert by_column <= 1.06 * sum(map(_entropy_num_bytes, scaled.T))
  assert by_column <= 0.9 * len(codec.CODECS['ans'].encode(scaled, 6))
  assert by_column == len(codec.CODECS['ans_rows'].encode(scaled.T, 6))
  alike = codec.quantize(x, 6).values
  assert (len(codec.CODECS['ans_columns'].encode(alike, 6))
          <= 1.02 * _entropy_num_bytes(alike))


def test_sorted_numbers_take_little():
  values = np.sort(codec.quantize(
      np.random.default_rng(0).normal(size=2000), 9).values)
  assert (len(codec.CODECS['ans_deltas'].encode(values, 9))
          <= 0.25 * _entropy_num_bytes(values))


def _after_the_page(code, shape, bits):
  """The decoder that docs/container.md describes, in Python's own integers."""
  def frequencies(counts, whole=2**16, depth=0):
    if len(counts) == 1:
      return [whole]
    half = len(counts) // 2
    n, m = sum(counts[:half]), sum(counts[half:])
    least = max(1, 2**8 >> bits) * half
    left = whole * (2 * n + 2**depth) // (2 * n + 2**depth + 2 * m + 2**depth)
    left = min(max(left, least), whole - least)
    return (frequencies(counts[:half], left, depth + 1)
            + frequencies(counts[half:], whole - left, depth + 1))

  (n, c), x, last, symbols = shape, 0, None, []
  for i in range(n):
    if last is None or i == last + max(-(-16 // c), last // 8):
      last = i
      counts = [[symbols[j::c].count(s) for s in range(2**bits)]
                for j in range(c)]
      f = []
      for j in range(c):
        others = [sum(column) - own for own, column in zip(counts[j],
                                                           zip(*counts))]
        f.append(frequencies([
            own + 32 * other // max(1, sum(others))
            for own, other in zip(counts[j], others)]))
    for j in range(c):
      while x < 2**23 and code:
        x, code = 256 * x + code[0], code[1:]
      s, start = 0, 0
      while not start <= x % 2**16 < start + f[j][s]:
        s, start = s + 1, start + f[j][s]
      x = f[j][s] * (x // 2**16) + x % 2**16 - start
      symbols.append(s)
  assert x == 0 and not code
  return symbols


@pytest.mark.parametrize('bits', BITS)
@pytest.mark.parametrize('size', [1, 16, 17, 400])
def test_the_page_describes_the_code(size, bits):
  rng = np.random.default_rng(size)
  for symbols in (rng.integers(1, 2**bits, size),
                  rng.binomial(2**bits - 2, 0.3, size) + 1):
    assert _after_the_page(ans.encode(symbols, bits), (size, 1),
                           bits) == symbols.tolist()
    contexts = symbols[:size // 4 * 4].reshape(-1, 4)
    assert _after_the_page(ans.encode(contexts, bits), contexts.shape,
                           bits) == contexts.ravel().tolist()


def test_the_page_says_where_low_bits_are():
  """In the order in which symbols are coded, also by rows."""
  values = np.random.default_rng(0).integers(-2047, 2048, [5, 3], np.int32)
  for name, steps in (('ans_rows', values.T), ('ans_columns', values)):
    code = codec.CODECS[name].encode(values, 12)
    symbols = (steps + 2048).ravel()
    low = ''.join(format(symbol & 7, '03b') for symbol in symbols) + '000'
    size = len(low) // 8
    assert code[:size] == int(low, 2).to_bytes(size, 'big')
    assert _after_the_page(code[size:], steps.shape, 10) == (
        (symbols >> 3) + 1).tolist()


def test_zero_is_no_symbol():
  with pytest.raises(ValueError, match='begin at 1'):
    ans.encode(np.array([3, 0, 1]), 2)


@pytest.mark.parametrize('bits', [1, 2, 6, 10])
def test_a_few_bytes_are_never_a_great_many_symbols(bits):
  """Decoding ends soon after the bytes do, whatever the shape says."""
  rng = np.random.default_rng(0)
  calls = []

  def counted(counts, frequencies=ans.frequencies):
    calls.append(counts.sum())
    return frequencies(counts)

  for code in (b'', b'\xff' * 4, rng.bytes(20), ans.encode(
      np.ones(1000, int), bits)):
    tracemalloc.start()
    with pytest.MonkeyPatch.context() as patch:
      patch.setattr(ans, 'frequencies', counted)
      with pytest.raises(ArtifactError, match='before its'):
        ans.decode(code, 2**22, bits)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Of the 2^22 symbols, those that were looked at.
    assert max(calls) <= 2000 * (len(code) + 1)
    assert peak < 2**24
