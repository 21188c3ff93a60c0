"""Our trunks: sizes, and what is shared by all."""

import numpy as np
import pytest

from tfp_lgc import config as config_lib
from tfp_lgc import heads, networks, trunks
from tfp_lgc.config import ModelConfig


def _pair(shape=(16, 12, 1), num_conditions=0, **settings):
  config = ModelConfig(**{'latent_size': 5, 'hidden_size': 8, 'num_filters': 4,
                          **settings})
  return (networks.encoder(config, shape, 10, num_conditions),
          networks.decoder(config, heads.HEADS['bernoulli'](shape),
                           num_conditions))


# Trunks whose latents the user may number, and be told the label beside.
VECTORS = [name for name, trunk in networks.TRUNKS.items()
           if trunk.code_size is None]


@pytest.mark.parametrize('trunk', [  # The other has only latents.
    trunk for trunk in VECTORS if trunk != 'vpa_mlp'])
@pytest.mark.parametrize('width', [0.5, 3.0])
def test_width_scales_units_and_filters(trunk, width):
  """As if they had been given so."""
  scaled = _pair(trunk=trunk, width=width)
  given = _pair(trunk=trunk, hidden_size=int(8 * width),
                num_filters=int(4 * width))
  for mine, theirs in zip(scaled, given):
    assert [w.shape for w in mine.weights] == [w.shape for w in theirs.weights]
  for mine, theirs in zip(scaled, _pair(trunk=trunk)):
    assert mine.count_params() != theirs.count_params()
    # Neither images nor latents have another size.
    assert mine.output_shape == theirs.output_shape


def test_no_width_leaves_nothing():
  assert trunks.scaled(ModelConfig(width=1e-3), 8) == 1
  config = config_lib.replace(ModelConfig(), width=1e-3)
  decoder = networks.decoder(config, heads.HEADS['bernoulli']((8, 8, 1)))
  assert decoder.count_params() > 0


@pytest.mark.parametrize('sides, times, expected', [
    ((28, 28), 2, [(28, 28), (14, 14), (7, 7)]),
    ((33, 5, 3), 3, [(33, 5), (17, 3), (9, 2), (5, 1)]),
    ((1, 1, 1), 2, [(1, 1)] * 3), ((8, 8), 0, [(8, 8)])])
def test_halving_rounds_up(sides, times, expected):
  assert trunks.halved(sides, times) == expected


def test_dense_layers_are_counted_by_hand():
  encoder, decoder = _pair(trunk='dense')
  assert encoder.count_params() == 193 * 16 + 17 * 16 + 17 * 10
  assert decoder.count_params() == 6 * 8 + 9 * 192


def test_conv_layers_are_counted_by_hand():
  """16 x 12 is halved once, to 8 x 6."""
  encoder, decoder = _pair(trunk='conv')
  assert encoder.count_params() == 16 * 4 + 4 + (8 * 6 * 4 + 1) * 10
  assert decoder.count_params() == 6 * 8 * 6 * 4 + 16 * 4 + 1
  # 32 x 32 is halved twice, to 8 x 8; the second has twice the filters.
  encoder, decoder = _pair((32, 32, 3), trunk='conv')
  assert encoder.count_params() == (
      16 * 3 * 4 + 4 + 16 * 4 * 8 + 8 + (8 * 8 * 8 + 1) * 10)
  assert decoder.count_params() == (
      6 * 8 * 8 * 4 + 16 * 4 * 4 + 4 + 16 * 4 * 3 + 3)


def test_narrow_conv_layers_are_counted_by_hand():
  """8 x 6 places have two numbers each, of which a convolution makes four."""
  encoder, decoder = _pair(trunk='conv', grid_filters=2)
  assert encoder.count_params() == _pair(trunk='conv')[0].count_params()
  assert decoder.count_params() == (
      6 * 8 * 6 * 2 + 9 * 2 * 4 + 4 + 16 * 4 + 1)
  _, twice = _pair(trunk='conv', grid_filters=2, width=2.0)
  assert twice.count_params() == (
      6 * 8 * 6 * 4 + 9 * 4 * 8 + 8 + 16 * 8 + 1)


@pytest.mark.parametrize('trunk', VECTORS)
def test_both_ends_are_told_the_label(trunk):
  encoder, decoder = _pair(num_conditions=3, trunk=trunk)
  rng = np.random.default_rng(0)
  x = rng.random([2, 16, 12, 1]).astype(np.float32)
  first, second = [np.tile(np.eye(3, dtype=np.float32)[i], [2, 1])
                   for i in (0, 1)]
  assert not np.allclose(encoder([x, first]), encoder([x, second]))
  z = rng.normal(size=[2, 5]).astype(np.float32)
  assert not np.allclose(decoder(np.concatenate([z, first], axis=1)),
                         decoder(np.concatenate([z, second], axis=1)))


@pytest.mark.parametrize('trunk', networks.TRUNKS)
def test_every_layer_with_weights_has_a_name_of_its_own(trunk):
  """Names are those of tensors in an artifact."""
  for model in _pair(trunk=trunk):
    names = [variable.name for variable in model.weights]
    assert len(set(names)) == len(names)
  again = [variable.name for variable in _pair(trunk=trunk)[1].weights]
  assert again == names  # However often one is built.
