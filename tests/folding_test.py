"""Folded weights decode what the whole decoder does."""

import dataclasses

import numpy as np
import pytest
import tf_keras as tfk

from tfp_lgc import folding, heads, networks
from tfp_lgc.config import ModelConfig

SHAPE = (9, 7, 3)  # Odd sides: doubling overshoots, and the rest is cut off.


# Which latents are live.


def test_constant_latents_are_dead_whatever_their_value():
  draws = np.random.default_rng(0).normal(size=[100, 4]).astype(np.float32)
  draws[:, 1], draws[:, 3] = 0.0, 5.0
  np.testing.assert_array_equal(folding.live(draws, draws),
                                [True, False, True, False])


def test_noise_is_dead_by_its_share_of_the_variance():
  """Signals of 1, 2 and 0.5 percent of the variance; the bound is 1."""
  rng = np.random.default_rng(0)
  share = np.array([1.0, 0.02, 0.005, 0.0])
  means = np.sqrt(share) * rng.normal(size=[20_000, 4])
  draws = means + np.sqrt(1 - share) * rng.normal(size=[20_000, 4])
  np.testing.assert_array_equal(folding.live(draws, means),
                                [True, True, False, False])


def test_liveness_has_no_unit():
  draws = np.random.default_rng(0).normal(size=[100, 3]) * [1.0, 1e-2, 1e-4]
  expected = [True, True, False]  # Variances of 1, 1e-4 and 1e-8.
  for scale in (1.0, 1e-12, 1e12):
    np.testing.assert_array_equal(folding.live(scale * draws, scale * draws),
                                  expected)


@pytest.mark.parametrize('count', [1, 5])
def test_one_latent_is_kept_of_images_that_are_all_alike(count):
  draws = np.tile(np.float32([[3.0, 0.0, -1.0]]), [count, 1])
  assert folding.live(draws, draws).sum() == 1


def test_one_latent_is_kept_if_all_are_noise():
  draws = np.random.default_rng(0).normal(size=[100, 3]) * [1.0, 2.0, 0.5]
  np.testing.assert_array_equal(folding.live(draws, 0 * draws),
                                [False, True, False])


# The folded decoder.


def _decoder(config, num_conditions, seed=0):
  """A decoder whose every number is random, moving statistics too."""
  head = heads.HEADS['normal_diag'](SHAPE)
  decoder = networks.decoder(config, head, num_conditions)
  rng = np.random.default_rng(seed)
  for layer in decoder.layers:
    if isinstance(layer, tfk.layers.BatchNormalization):
      size = layer.gamma.shape[0]
      layer.set_weights([rng.normal(1, 0.5, size), rng.normal(size=size),
                         rng.normal(0, 0.3, size), rng.uniform(0.05, 4, size)])
    elif weights := layer.get_weights():
      kernel, bias = weights
      layer.set_weights([kernel, rng.normal(size=bias.shape)])
  return head, decoder


@pytest.mark.parametrize('num_conditions', [0, 3])
@pytest.mark.parametrize('trunk', [
    name for name, trunk in networks.TRUNKS.items() if trunk.code_size is None])
@pytest.mark.parametrize('kept', [
    [True, True, True, True], [False, True, True, False],
    [False, False, False, True]], ids=['all', 'two', 'one'])
def test_the_folded_decoder_gives_the_same_images(kept, trunk, num_conditions):
  _check_folded(kept, num_conditions, ModelConfig(
      trunk=trunk, latent_size=4, hidden_size=9, num_filters=3))


@pytest.mark.parametrize('num_conditions', [0, 3])
def test_so_does_that_of_few_maps(num_conditions):
  _check_folded([False, True, True, False], num_conditions, ModelConfig(
      trunk='conv', latent_size=4, num_filters=3, grid_filters=2))


def _check_folded(kept, num_conditions, config):
  head, decoder = _decoder(config, num_conditions)
  rng = np.random.default_rng(1)
  kept, fill = np.array(kept), rng.normal(size=4)
  z = rng.normal(size=[12, 4]).astype(np.float32)
  z[:, ~kept] = fill[~kept]
  labels = np.arange(12) % 3
  expected = decoder(networks.with_labels(z, labels, num_conditions),
                     training=False)
  weights = folding.decoder_weights(decoder, kept, fill)
  folded = networks.decoder(
      dataclasses.replace(config, latent_size=int(kept.sum())), head,
      num_conditions, seed=5, batch_norm=False)
  assert set(weights) == {v.name.split(':')[0] for v in folded.weights}
  for variable in folded.weights:
    value = weights[variable.name.split(':')[0]]
    assert value.dtype == np.float32
    variable.assign(value)
  got = folded(networks.with_labels(z[:, kept], labels, num_conditions))
  assert np.std(expected) > 0.1
  np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
  np.testing.assert_allclose(head.point_image(got), head.point_image(expected),
                             atol=1e-4)


def test_only_gmm_dae_has_something_to_fold():
  """Or the test above would not test batch normalization."""
  for trunk in networks.TRUNKS:
    _, decoder = _decoder(ModelConfig(trunk=trunk, num_filters=2), 0)
    names = [layer.name for layer in decoder.layers
             if isinstance(layer, tfk.layers.BatchNormalization)]
    assert bool(names) == (trunk == 'gmm_dae')


def test_folding_leaves_the_decoder_alone():
  config = ModelConfig(trunk='gmm_dae', latent_size=4, num_filters=2)
  _, decoder = _decoder(config, 0)
  before = decoder.get_weights()
  folding.decoder_weights(decoder, np.array([True, False, True, True]),
                          np.ones(4))
  for mine, theirs in zip(decoder.get_weights(), before):
    np.testing.assert_array_equal(mine, theirs)
