"""TensorFlow's stateless random numbers, by operations that LiteRT has.

LiteRT has no stateless random operation, no bitwise and, and no integer of 64
bits that can be shifted. So the generator is written out: a word of 32 bits is
a pair of int32 tensors, its upper and its lower 16 bits, which additions and
products of parts cannot overflow. The bits are those of `tf.random` with
`alg='philox'`; normal numbers agree to the rounding of sine and logarithm.

Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, Parallel Random Numbers: As Easy
as 1, 2, 3, SC 2011 (Philox4x32-10).
"""

import math
from typing import Sequence

import numpy as np
import tensorflow as tf

__all__ = ['categorical', 'fold_in', 'normal', 'split', 'uniform']

Word = tuple[tf.Tensor, tf.Tensor]  # Upper and lower 16 bits.

NUM_ROUNDS = 10
_HALF = 2**16
# What the words 0 and 2 of a state are multiplied by.
_FACTORS = np.array([0xD2511F53, 0xCD9E8D57])
# What is added to the two words of a key from round to round.
_STEPS = np.array([0x9E3779B9, 0xBB67AE85])
# The key that TensorFlow scrambles seeds with.
_SEED_KEY = np.array([0x3EC8F720, 0x02461E29])


def split(seed: tf.Tensor, num: int) -> tf.Tensor:
  """As `tf.random.split`, int32 `[num, 2]`."""
  return tf.reshape(_int32(_bits(seed, 2 * num)), [num, 2])


def fold_in(seed: tf.Tensor, data) -> tf.Tensor:
  """As `tf.random.fold_in`, int32 `[2]`."""
  return tf.stack([_int32(_bits(seed, 1))[0], data])


def uniform(shape: Sequence[int], seed: tf.Tensor, minval: float) -> tf.Tensor:
  """As `tf.random.stateless_uniform` from `minval` to 1, float32."""
  return tf.reshape(_unit(_bits(seed, math.prod(shape))) * (1.0 - minval)
                    + minval, shape)


def normal(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
  """As `tf.random.stateless_normal`, float32: Box and Muller's method."""
  size = math.prod(shape)
  pairs = tf.reshape(_unit(_bits(seed, size + size % 2)), [-1, 2])
  radius = tf.sqrt(-2.0 * tf.math.log(tf.maximum(pairs[:, :1], 1e-7)))
  angle = np.float32(2 * np.pi) * pairs[:, 1:]
  drawn = radius * tf.concat([tf.sin(angle), tf.cos(angle)], axis=1)
  return tf.reshape(tf.reshape(drawn, [-1])[:size], shape)


def categorical(logits: np.ndarray, num: int, seed: tf.Tensor) -> tf.Tensor:
  """As `tf.random.stateless_categorical` of one distribution, int32 `[num]`.

  TensorFlow compares a number of 52 random bits with cumulative weights; here
  its parts are compared with those of the smallest number that is beyond.

  Args:
    logits: `[C]`, known beforehand.
    num: how many.
    seed: int32 `[2]`.
  """
  upper, lower = _bits(seed, 2 * num)
  parts = [upper[::2] % 16 * _HALF + lower[::2], upper[1::2], lower[1::2]]
  beyond = _thresholds(np.asarray(logits, float))
  limits = [beyond >> 32, (beyond >> 16) % _HALF, beyond % _HALF]
  reached = tf.ones([num, len(beyond)], tf.bool)
  for part, limit in zip(parts[::-1], limits[::-1]):
    part, limit = part[:, tf.newaxis], tf.constant(limit, tf.int32)
    reached = (part > limit) | (tf.equal(part, limit) & reached)
  return tf.reduce_sum(tf.cast(reached, tf.int32), axis=1)


def _thresholds(logits: np.ndarray) -> np.ndarray:
  """`[C - 1]`: from which numbers of 52 bits on a class has been passed."""
  weights = np.cumsum(np.exp(logits - logits.max()))
  return np.minimum(np.ceil(weights[:-1] / weights[-1] * 2.0**52),
                    2.0**52).astype(np.int64)


def _bits(seed: tf.Tensor, size: int) -> Word:
  """The first `size` words of a seed's stream, each half `[size]`."""
  upper, lower = _word(seed)
  # A seed is a number of 64 bits with a sign.
  sign = tf.where(seed < 0, _HALF - 1, 0)
  mixed = _philox((tf.stack([upper, sign], axis=1)[tf.newaxis],
                   tf.stack([lower, sign], axis=1)[tf.newaxis]),
                  _halves(_SEED_KEY))
  key = tuple(part[0, 0] for part in mixed)
  count = -(-size // 4)
  state = []
  for part, position in zip(mixed, _halves(np.arange(count))):
    # [count, 2, 2]: the position, 0, and what was mixed of the seed.
    first = tf.stack([position, tf.zeros_like(position)], axis=1)
    last = tf.tile(part[:, 1], [count, 1])
    state.append(tf.stack([first, last], axis=1))
  drawn = _philox((state[0], state[1]), (key[0], key[1]))
  return tuple(tf.reshape(part, [-1])[:size] for part in drawn)


def _philox(state: Word, key: Word) -> Word:
  """Ten rounds.

  Args:
    state: each half `[N, 2, 2]`, the words 0 and 1, 2 and 3.
    key: each half `[2]`.

  Returns:
    As `state`.
  """
  def body(i, even, odd, keys):
    product = _product(even)
    mixed = tuple(
        tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(
            tf.reverse(high, [1]), part), key_part)
        for high, part, key_part in zip(product[0], odd, keys))
    low = tuple(tf.reverse(part, [1]) for part in product[1])
    return i + 1, mixed, low, _sum(keys, _halves(_STEPS))

  even = tuple(part[..., 0] for part in state)
  odd = tuple(part[..., 1] for part in state)
  _, even, odd, _ = tf.while_loop(
      lambda i, *_: i < NUM_ROUNDS, body, (0, even, odd, key))
  return tuple(tf.stack(parts, axis=-1) for parts in zip(even, odd))


def _product(words: Word) -> tuple[Word, Word]:
  """`_FACTORS` times words `[N, 2]`: the upper and the lower words."""
  upper, lower = _halves(_FACTORS)
  low_low, low_high = _times(lower, words[1]), _times(lower, words[0])
  high_low, high_high = _times(upper, words[1]), _times(upper, words[0])
  second = low_low[0] + low_high[1] + high_low[1]
  third = low_high[0] + high_low[0] + high_high[1] + second // _HALF
  return ((high_high[0] + third // _HALF, third % _HALF),
          (second % _HALF, low_low[1]))


def _times(factor: tf.Tensor, x: tf.Tensor) -> Word:
  """Product of two numbers of 16 bits, by the bytes of the first."""
  low, high = factor % 256 * x, factor // 256 * x
  total = low + high % 256 * 256
  return total // _HALF + high // 256, total % _HALF


def _sum(a: Word, b: Word) -> Word:
  low = a[1] + b[1]
  return (a[0] + b[0] + low // _HALF) % _HALF, low % _HALF


def _halves(values: np.ndarray) -> Word:
  return (tf.constant(values // _HALF, tf.int32),
          tf.constant(values % _HALF, tf.int32))


def _word(x: tf.Tensor) -> Word:
  """Of int32; divisions round down."""
  return x // _HALF % _HALF, x % _HALF


def _int32(word: Word) -> tf.Tensor:
  upper, lower = word
  return (upper - tf.where(upper < _HALF // 2, 0, _HALF)) * _HALF + lower


def _unit(word: Word) -> tf.Tensor:
  """Of the lower 23 bits, a number from 0 to 1."""
  upper, lower = word
  return tf.cast(upper % 128 * _HALF + lower, tf.float32) * 2.0**-23
