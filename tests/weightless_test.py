"""Models without memory, and others that stay what they are."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as tfk

from tfp_lgc import config, heads, networks
from tfp_lgc.weightless import weightless


def test_a_million_squared_weights_are_counted():
  with weightless():
    network = tfk.Sequential([tfk.layers.Dense(10**6, input_shape=[10**6])])
  assert network.count_params() == 10**6 * (10**6 + 1)


@pytest.mark.parametrize('nested', [False, True])
def test_convolutions_of_thousands_of_maps_take_no_memory(nested):
  """Their largest layers have hundreds of GB of weights."""
  its = config.ModelConfig(trunk='conv', num_filters=4096, width=50.0,
                           grid_filters=4096)
  with weightless():
    if nested:
      with weightless():
        pass
    network = networks.decoder(its, heads.HEADS['bernoulli']((28, 28, 1)))
  assert network.count_params() > 10**12


@pytest.mark.parametrize('trunk', ['dense', 'conv', 'vpa_cnn_aligned'])
@pytest.mark.parametrize('head', ['bernoulli', 'maf'])
def test_models_from_before_can_still_be_traced(trunk, head):
  its = config.ModelConfig(trunk=trunk, head=head, num_filters=2,
                           hidden_size=3, latent_size=2)

  def built():
    its_head = heads.build(its, (8, 8, 1))
    return networks.decoder(its, its_head, 0)

  decoder = built()
  size = decoder.input_shape[1]
  z = tf.constant(np.random.default_rng(0).normal(size=[4, size]), tf.float32)
  expected = decoder(z)
  with pytest.raises(ZeroDivisionError):
    with weightless():
      assert built().count_params() == decoder.count_params()
      raise ZeroDivisionError
  got = tf.function(lambda z: decoder(z, training=False))(z)
  np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
