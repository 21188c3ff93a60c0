"""Shapes, names and seeds of the networks."""

import itertools

import numpy as np
import pytest

from tfp_lgc import heads, networks
from tfp_lgc.config import ModelConfig

SHAPES = [(28, 28, 1), (8, 8, 1), (5, 7, 3), (1, 1, 1), (1, 27, 3), (33, 17, 1)]


BERNOULLI = heads.HEADS['bernoulli']((8, 8, 1))


def _config(trunk, **settings):
  return ModelConfig(trunk=trunk, latent_size=3, hidden_size=8, num_filters=4,
                     **settings)


@pytest.mark.parametrize('trunk, shape',
                         itertools.product(networks.TRUNKS, SHAPES))
def test_any_image_size_goes_in_and_comes_out(trunk, shape):
  config = _config(trunk)
  encoder = networks.encoder(config, shape, params_size=6)
  code = encoder(np.zeros([2, *shape], np.float32))
  size = networks.code_size(config, shape)
  assert code.shape == (2, size or 6)
  for name in ('normal_diag', 'matrix_t_full'):
    head = heads.build(ModelConfig(head=name, head_num_components=2), shape)
    decoder = networks.decoder(config, head)
    params = decoder(np.zeros([2, size or 3], np.float32))
    assert params.shape == (2, head.params_size)
    assert head.point_image(params).shape == (2, *shape)


@pytest.mark.parametrize('trunk', networks.TRUNKS)
def test_the_seed_decides_the_weights(trunk):
  def weights(seed):
    model = networks.decoder(_config(trunk), BERNOULLI, seed=seed)
    return np.concatenate([w.ravel() for w in model.get_weights()])
  np.testing.assert_array_equal(weights(1), weights(1))
  assert not np.array_equal(weights(1), weights(2))


@pytest.mark.parametrize('trunk', ['conv', 'gmm_dae', 'vpa_cnn_aligned'])
def test_maps_keep_their_place_in_the_image(trunk):
  """A block of images is maps, not every other number of a flat image; the
  others come of a layer of their own."""
  config, shape = _config(trunk), (16, 16, 3)
  head = heads.build(ModelConfig(head='student_t_diag', head_num_components=2),
                     shape)
  decoder = networks.decoder(config, head)
  z = np.zeros([1, networks.code_size(config, shape) or 3], np.float32)
  for name, first in (('params', 1), ('rest', 101)):
    kernel, bias = decoder.get_layer(name).weights
    kernel.assign(0 * kernel)
    bias.assign(first + np.arange(bias.shape[0], dtype=np.float32))
  blocks = head.split(decoder(z))
  for name, first in (('loc', 1), ('scale', 7)):
    expected = first + np.arange(6.0).reshape(1, 2, 1, 1, 3)
    np.testing.assert_array_equal(
        blocks[name], np.broadcast_to(expected, [1, 2, *shape]))
  np.testing.assert_array_equal(blocks['mixture_logits'], [[101, 102]])
  np.testing.assert_array_equal(blocks['df'], [[103, 104]])


def test_the_papers_cnn_takes_the_first_numbers_of_its_maps():
  """What it does wrong: the location of a pixel is not at the pixel."""
  config, shape = _config('vpa_cnn'), (8, 8, 1)
  head = heads.build(ModelConfig(head='matrix_normal_diag'), shape)
  decoder = networks.decoder(config, head)
  kernel, bias = decoder.get_layer('params').weights
  assert kernel.shape == (3, 3, 4, 2)  # 64 + 16 numbers: two maps.
  kernel.assign(0 * kernel)
  bias.assign([1.0, 2.0])
  params = decoder(np.zeros([1, networks.code_size(config, shape)]))
  np.testing.assert_array_equal(params[0], np.resize([1.0, 2.0], 80))


def test_a_mixture_starts_small():
  plain, mixed = [
      networks.decoder(_config('dense'), heads.build(
          ModelConfig(head_num_components=k), (8, 8, 1))) for k in (0, 2)]
  np.testing.assert_array_equal(plain.get_layer('hidden').kernel,
                                mixed.get_layer('hidden').kernel)
  for model, start in ((plain, 1.0), (mixed, 0.1)):
    kernel = model.get_layer('params').kernel.numpy()
    limit = start * np.sqrt(6 / sum(kernel.shape))
    assert 0.95 * limit < np.abs(kernel).max() <= limit


def test_dense_decoder_has_the_weights_one_counts_by_hand():
  config = ModelConfig(latent_size=12, hidden_size=128)
  decoder = networks.decoder(config, heads.HEADS['bernoulli']((28, 28, 1)))
  assert decoder.count_params() == 13 * 128 + 129 * 784


@pytest.mark.parametrize('shape', SHAPES)
def test_the_teacher_takes_any_image_size(shape):
  logits, *features = networks.teacher(shape, 7)(np.zeros([2, *shape],
                                                          np.float32))
  assert logits.shape == (2, 7)
  assert [part.shape[0] for part in features] == 4 * [2]
