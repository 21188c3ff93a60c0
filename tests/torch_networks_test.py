"""The networks in PyTorch are those of TensorFlow, with the same weights.

Needs the extra `bench`.
"""

import math

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from tfp_lgc import config as config_lib  # noqa: E402
from tfp_lgc import models  # noqa: E402
from tfp_lgc.benchmarks import torch_networks  # noqa: E402

SHAPE = (5, 10, 3)
SETTINGS = {'latent_size': 3, 'hidden_size': 7, 'num_filters': 4, 'beta': 0.3}


def _copy(keras_model, network, from_maps, to_maps):
  """Weights of a Keras model into the layers of PyTorch, in their order.

  `from_maps` is the shape `(H, W, C)` that the last dense layer flattens, or
  None; `to_maps` the shape that the last one makes, or None.
  """
  layers = [layer for layer in network if hasattr(layer, 'weight')]
  pairs = list(zip(keras_model.weights[::2], keras_model.weights[1::2]))
  assert len(layers) == len(pairs)
  for i, (layer, (kernel, bias)) in enumerate(zip(layers, pairs)):
    kernel, bias = kernel.numpy(), bias.numpy()
    if kernel.ndim == 4:
      kernel = kernel.transpose(3, 2, 0, 1)
    else:
      if shape := from_maps.get(i):
        kernel = kernel.reshape(*shape, -1).transpose(2, 0, 1, 3).reshape(
            kernel.shape)
      if shape := to_maps.get(i):
        order = np.arange(math.prod(shape)).reshape(shape).transpose(
            2, 0, 1).ravel()
        kernel, bias = kernel[:, order], bias[order]
      kernel = kernel.T
    with torch.no_grad():
      layer.weight.copy_(torch.tensor(kernel))
      layer.bias.copy_(torch.tensor(bias))


def _pair(model, trunk):
  config = config_lib.replace(config_lib.Config(), model=model, trunk=trunk,
                              **SETTINGS)
  ours = models.build(config, SHAPE, 2)
  other = torch_networks.Autoencoder(config.model, SHAPE)
  # Halved once: 3 x 5 maps of 4 filters.
  maps = {'dense': ({0: SHAPE}, {1: SHAPE}),
          'conv': ({1: (3, 5, 4)}, {0: (3, 5, 4)})}[trunk]
  _copy(ours.encoder, other.encoder, maps[0], {})
  _copy(ours.decoder, other.decoder, {}, maps[1])
  return config, ours, other


@pytest.fixture(scope='module')
def images():
  return np.random.default_rng(0).integers(0, 256, [40, *SHAPE], np.uint8)


@pytest.mark.parametrize('trunk', ['dense', 'conv'])
def test_the_same_weights_give_the_same_numbers(trunk, images):
  _, ours, other = _pair('vae', trunk)
  assert torch_networks.num_params(other) == sum(
      math.prod(weight.shape) for weight in ours.trainable_variables)
  x = (images / 255).astype(np.float32)
  _, mean = other.encode_all(images, 15)
  posterior = ours.encode(x)
  np.testing.assert_allclose(mean, posterior.mean(), atol=1e-5)
  pixels = torch.tensor(x.transpose(0, 3, 1, 2))
  np.testing.assert_allclose(other.encode(pixels)[1].detach(),
                             posterior.stddev(), atol=1e-5)
  logits = other.decoder(torch.tensor(mean)).detach().numpy()
  np.testing.assert_allclose(
      1 / (1 + np.exp(-logits.transpose(0, 2, 3, 1))),
      ours.decode(mean).mean(), atol=1e-5)


def test_the_loss_is_the_same(images):
  """Of an ae exactly; of a vae but for its draws."""
  labels, pixels = np.zeros(40, np.int32), torch_networks.to_tensor(images)
  for model, tolerance in (('ae', 1e-5), ('vae', 2e-2)):
    _, ours, other = _pair(model, 'dense')
    mine = np.mean([float(ours.losses_of(images, labels, [0, i])['loss'])
                    for i in range(20)])
    its = np.mean([other.loss(pixels / 255).item() for _ in range(20)])
    assert its == pytest.approx(mine, rel=tolerance)


def test_its_loop_learns():
  config, _, other = _pair('vae', 'conv')
  images = np.zeros([40, *SHAPE], np.uint8)
  images[::2] = 255
  train = torch_networks.trainer(other, images, config_lib.replace(
      config, batch_size=16))
  first = train(1)
  assert train(300) < 0.7 * first


def test_labels_and_components_are_drawn_by_their_weights():
  _, _, other = _pair('vae', 'conv')
  # Two classes, the first of which has one component alone, far from others.
  loc = np.zeros([2, 2, 3], np.float32)
  loc[1, 1] = 50
  scale = np.tile(0.01 * np.eye(3, dtype=np.float32), [2, 2, 1, 1])
  logits = np.log(np.array([[1, 1e-30], [0.5, 0.5]], np.float32))
  seen = []
  sampler = torch_networks.Sampler(
      lambda z: seen.append(z) or other.decoder(z),
      np.log(np.array([0.25, 0.75], np.float32)), logits, loc, scale)
  drawn, labels = sampler.sample(1000, 300)
  assert drawn.shape == (1000, *SHAPE) and drawn.dtype == np.uint8
  assert labels.mean() == pytest.approx(0.75, abs=0.06)
  far = np.concatenate(seen)[:, 0] > 25
  assert not far[labels == 0].any()
  assert far[labels == 1].mean() == pytest.approx(0.5, abs=0.09)
