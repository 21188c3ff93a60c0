"""Shapes, names and seeds of the networks."""

import itertools

import numpy as np
import pytest

from tfp_lgc import heads, networks
from tfp_lgc.config import ModelConfig

SHAPES = [(28, 28, 1), (8, 8, 1), (5, 7, 3), (1, 1, 1), (1, 27, 3), (33, 17, 1)]


def _config(trunk, **settings):
  return ModelConfig(trunk=trunk, latent_size=3, hidden_size=8, num_filters=4,
                     **settings)


@pytest.mark.parametrize('trunk, shape',
                         itertools.product(networks.TRUNKS, SHAPES))
def test_any_image_size_goes_in_and_comes_out(trunk, shape):
  config = _config(trunk)
  head = heads.normal_diag(shape)
  encoder = networks.encoder(config, shape, params_size=6)
  decoder = networks.decoder(config, head)
  assert encoder(np.zeros([2, *shape], np.float32)).shape == (2, 6)
  params = decoder(np.zeros([2, 3], np.float32))
  assert params.shape == (2, head.params_size)
  assert head.point_image(params).shape == (2, *shape)


@pytest.mark.parametrize('trunk', networks.TRUNKS)
def test_the_seed_decides_the_weights(trunk):
  def weights(seed):
    model = networks.decoder(_config(trunk), heads.bernoulli((8, 8, 1)),
                             seed=seed)
    return np.concatenate([w.ravel() for w in model.get_weights()])
  np.testing.assert_array_equal(weights(1), weights(1))
  assert not np.array_equal(weights(1), weights(2))


def test_conv_maps_keep_their_place_in_the_image():
  """A block of a head is a map, not every other number of a flat image."""
  shape = 16, 16, 1
  head = heads.normal_diag(shape)
  decoder = networks.decoder(_config('conv'), head)
  z = np.zeros([1, 3], np.float32)
  kernel, bias = decoder.get_layer('params').weights
  kernel.assign(0 * kernel)
  bias.assign([1.0, 2.0])
  blocks = head.split(decoder(z))
  np.testing.assert_array_equal(blocks['loc'], np.full([1, *shape], 1.0))
  np.testing.assert_array_equal(blocks['scale'], np.full([1, *shape], 2.0))


def test_dense_decoder_has_the_weights_one_counts_by_hand():
  config = ModelConfig(latent_size=12, hidden_size=128)
  decoder = networks.decoder(config, heads.bernoulli((28, 28, 1)))
  assert decoder.count_params() == 13 * 128 + 129 * 784


@pytest.mark.parametrize('shape', SHAPES)
def test_the_judge_takes_any_image_size(shape):
  judge = networks.judge(shape, num_classes=7)
  assert judge(np.zeros([2, *shape], np.float32)).shape == (2, 7)
