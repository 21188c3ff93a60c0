"""Random numbers by integer operations, against those of TensorFlow."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_lgc import philox

SEEDS = [(0, 0), (0, 1), (7, 2**31 - 1), (-1, 5), (-2**31, -77)]


@pytest.fixture(params=SEEDS, ids=str)
def seed(request):
  return tf.constant(request.param, tf.int32)


def test_published_vectors():
  """Of the authors' known answers for Philox4x32-10: counter, key, result."""
  for counter, key, expected in (
      ('00000000 00000000 00000000 00000000', '00000000 00000000',
       '6627e8d5 e169c58d bc57ac4c 9b00dbd8'),
      ('ffffffff ffffffff ffffffff ffffffff', 'ffffffff ffffffff',
       '408f276d 41c83b0e a20bc7c6 6d5451fd'),
      ('243f6a88 85a308d3 13198a2e 03707344', 'a4093822 299f31d0',
       'd16cfe09 94fdcceb 5001e420 24126ea1')):
    words = [np.array([int(word, 16) for word in text.split()])
             for text in (counter, key, expected)]
    upper, lower = philox._philox(philox._halves(words[0].reshape([1, 2, 2])),
                                  philox._halves(words[1]))
    got = upper.numpy().astype(np.int64) * 2**16 + lower.numpy()
    np.testing.assert_array_equal(got.ravel(), words[2])


def test_seeds_are_split_and_folded_to_the_bit(seed):
  np.testing.assert_array_equal(philox.split(seed, 3),
                                tf.random.split(seed, 3, 'philox'))
  for data in (0, 5, 2**31 - 1):
    np.testing.assert_array_equal(philox.fold_in(seed, data),
                                  tf.random.fold_in(seed, data, 'philox'))


@pytest.mark.parametrize('shape', [[1], [7], [256, 10]])
def test_uniform_is_that_of_tensorflow_to_the_bit(shape, seed):
  np.testing.assert_array_equal(
      philox.uniform(shape, seed, 1e-30),
      tf.random.stateless_uniform(shape, seed, minval=1e-30, alg='philox'))


@pytest.mark.parametrize('shape', [[1], [7], [256, 16], [4, 3, 3, 1]])
def test_normal_is_that_of_tensorflow(shape, seed):
  np.testing.assert_allclose(
      philox.normal(shape, seed),
      tf.random.stateless_normal(shape, seed, alg='philox'), rtol=1e-5,
      atol=1e-6)


@pytest.mark.parametrize('weights', [
    [1.0], [0.5, 0.5], [0.2, 0.0, 0.3, 0.5, 0.0], [0.0, 1.0], [1e-9, 1, 1]])
def test_categorical_is_that_of_tensorflow(weights, seed):
  with np.errstate(divide='ignore'):
    logits = np.log(np.float32(weights))
  drawn = philox.categorical(logits, 999, seed)
  np.testing.assert_array_equal(
      drawn, tf.random.stateless_categorical(logits[None], 999, seed,
                                             tf.int32)[0])
