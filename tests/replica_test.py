"""A replica's part; several of them are in distribution_test.py."""

import numpy as np
import tensorflow as tf

from tfp_lgc import replica


def test_a_replica_takes_its_part():
  values = tf.reshape(tf.range(24), [12, 2])
  parts = [replica.Place(i, 3).own(values) for i in range(3)]
  np.testing.assert_array_equal(np.concatenate(parts), values)
  assert replica.place() is None


def test_a_mean_is_of_all_replicas():
  """Of four, of which the others have zeros: sums are those of this one."""
  got = replica.Place(0, 4).mean({'loss': tf.constant(6.0),
                                  'nll': tf.constant(-2.0)})
  assert {name: float(mean) for name, mean in got.items()} == {
      'loss': 1.5, 'nll': -0.5}
