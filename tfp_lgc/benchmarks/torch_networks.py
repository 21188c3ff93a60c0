"""The autoencoders of the trunks dense and conv, written plainly in PyTorch.

What our own speed is measured against: the same layers, loss and optimizer, in
eager mode, as someone would write them who has the whole data set in memory.
Needs the extra `bench`; nothing else of the package imports PyTorch.
"""

import math
import os
from typing import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tfp_lgc.autoencoder import MIN_POSTERIOR_STDDEV
from tfp_lgc.config import Config, ModelConfig
from tfp_lgc.trunks import scaled, SMALLEST_SIDE

__all__ = ['KNOWN', 'Autoencoder', 'Sampler', 'num_params', 'trainer',
           'use_threads_of_tensorflow']

# What of each setting is written here.
KNOWN = {'model': ('ae', 'vae'), 'trunk': ('dense', 'conv'),
         'grid_filters': (0,), 'head': ('bernoulli',),
         'head_num_components': (0,), 'noise_stddev': (0.0,),
         'texture': ('none',), 'latent_model': ('gmm',)}


def use_threads_of_tensorflow() -> int:
  """As many threads as TensorFlow takes for an operation; returns them."""
  wanted = int(os.environ.get('TF_NUM_INTRAOP_THREADS') or 0)
  usable = (len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity')
            else os.cpu_count() or 1)
  torch.set_num_threads(wanted or usable)
  return torch.get_num_threads()


def _dense(config: ModelConfig, shape, num_outputs: int):
  hidden = scaled(config, config.hidden_size)
  encoder = nn.Sequential(
      nn.Flatten(), nn.Linear(math.prod(shape), 2 * hidden), nn.ReLU(),
      nn.Linear(2 * hidden, 2 * hidden), nn.ReLU(),
      nn.Linear(2 * hidden, num_outputs))
  decoder = nn.Sequential(
      nn.Linear(config.latent_size, hidden), nn.ReLU(),
      nn.Linear(hidden, math.prod(shape)), nn.Unflatten(1, tuple(shape)))
  return encoder, decoder


class _Crop(nn.Module):
  """Maps `[B, C, H, W]` without the rows and columns that doubling added."""

  def __init__(self, height: int, width: int):
    super().__init__()
    self.sides = height, width

  def forward(self, x):
    height, width = self.sides
    return x[:, :, :height, :width]


def _conv(config: ModelConfig, shape, num_outputs: int):
  channels, *side = shape
  filters, sides = scaled(config, config.num_filters), [tuple(side)]
  while len(sides) == 1 or max(sides[-1]) > SMALLEST_SIDE:
    sides.append(tuple(math.ceil(n / 2) for n in sides[-1]))
  down: list[nn.Module] = []
  num_maps = channels
  for i, (height, width) in enumerate(sides[:-1]):
    # An odd side has one more zero at its end: this halves, rounding up.
    down += [nn.ZeroPad2d((1, 1 + width % 2, 1, 1 + height % 2)),
             nn.Conv2d(num_maps, filters * min(i + 1, 2), 4, 2), nn.ReLU()]
    num_maps = filters * min(i + 1, 2)
  encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(
      num_maps * math.prod(sides[-1]), num_outputs))
  up: list[nn.Module] = [
      nn.Linear(config.latent_size, filters * math.prod(sides[-1])), nn.ReLU(),
      nn.Unflatten(1, (filters, *sides[-1]))]
  for height, width in sides[-2:0:-1]:
    up += [nn.ConvTranspose2d(filters, filters, 4, 2, 1), nn.ReLU(),
           _Crop(height, width)]
  up += [nn.ConvTranspose2d(filters, channels, 4, 2, 1), _Crop(*sides[0])]
  return encoder, nn.Sequential(*up)


class Autoencoder(nn.Module):
  """Encoder, decoder and loss of a vae or ae with Bernoulli pixels."""

  def __init__(self, config: ModelConfig, image_shape):
    """`image_shape` is `(H, W, C)`, as everywhere; tensors are `[B, C, H, W]`.
    """
    super().__init__()
    height, width, channels = image_shape
    self.is_vae, self.beta = config.model == 'vae', config.beta
    self.encoder, self.decoder = {'dense': _dense, 'conv': _conv}[config.trunk](
        config, (channels, height, width),
        config.latent_size * (2 if self.is_vae else 1))

  def encode(self, x):
    """Mean and scale `[B, d]` of q(z | x); of an ae the scale is 0."""
    params = self.encoder(x)
    if not self.is_vae:
      return params, torch.zeros_like(params)
    loc, raw_scale = params.chunk(2, dim=1)
    return loc, MIN_POSTERIOR_STDDEV + functional.softplus(raw_scale)

  def loss(self, x):
    """Of images `[B, C, H, W]` in 0..1; nats an image, a mean."""
    loc, scale = self.encode(x)
    z = loc + scale * torch.randn_like(loc) if self.is_vae else loc
    loss = functional.binary_cross_entropy_with_logits(
        self.decoder(z), x, reduction='sum') / len(x)
    if self.is_vae:
      kl = 0.5 * (loc**2 + scale**2 - 1 - 2 * torch.log(scale)).sum(1).mean()
      loss = loss + self.beta * kl
    return loss


  def encode_all(self, images: np.ndarray, batch_size: int):
    """Draws and means, two float32 `[N, d]`, of images `[N, H, W, C]`."""
    pixels, draws, means = to_tensor(images), [], []
    with torch.inference_mode():
      for first in range(0, len(pixels), batch_size):
        loc, scale = self.encode(pixels[first:first + batch_size].float() / 255)
        draws.append(loc + scale * torch.randn_like(loc))
        means.append(loc)
    return torch.cat(draws).numpy(), torch.cat(means).numpy()


def num_params(model: nn.Module) -> int:
  return sum(parameter.numel() for parameter in model.parameters())


def to_tensor(images: np.ndarray):
  """uint8 `[N, H, W, C]` as `[N, C, H, W]`."""
  return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def trainer(model: Autoencoder, images: np.ndarray, config: Config,
            ) -> Callable[[int], float]:
  """The eager loop: steps -> the last loss. It goes on where it stopped.

  Args:
    model: what is trained.
    images: uint8 `[N, H, W, C]`, all in memory and shuffled once a pass, which
      is the quickest that plain code can do.
    config: of training.
  """
  optimizer = torch.optim.Adam(model.parameters(), config.train.learning_rate,
                               eps=1e-7)  # That of Keras.
  pixels, size = to_tensor(images), config.train.batch_size

  def batches():
    while True:
      order = torch.randperm(len(pixels))
      for first in range(0, max(len(pixels) - size, 0) + 1, size):
        yield pixels[order[first:first + size]].float() / 255

  stream = batches()

  def train(steps: int) -> float:
    for _ in range(steps):
      optimizer.zero_grad()
      loss = model.loss(next(stream))
      loss.backward()
      optimizer.step()
    return loss.item()

  return train


class Sampler:
  """Draws labelled images from a mixture per class and a decoder."""

  def __init__(self, decoder: nn.Module, log_prior, logits, loc, scale_tril):
    """Parameters as those of `sampler.Sampler`: `[C]`, `[C, K]`, `[C, K, d]`
    and `[C, K, d, d]` or `[C, 1, d, d]`."""
    self.decoder = decoder
    self.prior, self.weights = [
        torch.softmax(torch.tensor(x), -1) for x in (log_prior, logits)]
    self.loc = torch.tensor(loc)
    self.scale_tril = torch.tensor(scale_tril).expand(*loc.shape, loc.shape[-1])

  def sample(self, n: int, block_size: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 `[n, H, W, C]` and labels `[n]`, by blocks."""
    images, labels = [], []
    with torch.inference_mode():
      for first in range(0, n, block_size):
        size = min(block_size, n - first)
        label = torch.multinomial(self.prior, size, replacement=True)
        component = torch.multinomial(self.weights[label], 1)[:, 0]
        noise = torch.randn(size, self.loc.shape[-1], 1)
        z = self.loc[label, component] + (
            self.scale_tril[label, component] @ noise)[..., 0]
        image = torch.round(255 * torch.sigmoid(self.decoder(z)))
        images.append(image.to(torch.uint8).permute(0, 2, 3, 1).numpy())
        labels.append(label.numpy())
    return np.concatenate(images), np.concatenate(labels)
