"""Noise with the scale and the correlations of residuals."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

import tfp_lgc
from tfp_lgc import texture

SHAPE = (24, 20)


def _normal(shape, seed):
  return tf.random.stateless_normal(shape, seed, alg='philox')


def _correlated(rng, count, channels):
  """Noise of variance 1 whose neighbors are alike, more so along a row; the
  second channel is the first one, a pixel further down, and noise."""
  white = rng.standard_normal([count, *SHAPE, channels])
  noise = ndimage.convolve1d(white, [0.5, 1.0, 0.5], axis=2, mode='wrap')
  noise = ndimage.convolve1d(noise, [0.3, 1.0], axis=1, mode='wrap')
  if channels > 1:
    noise[..., 1] += np.roll(noise[..., 0], 1, axis=1)
  return noise / noise.std(axis=(0, 1, 2))


def _residuals(channels, seed=0, count=400):
  """Images decoded to smooth brightnesses, and real ones, brighter = noisier;
  all far enough from black and white that nothing is clipped."""
  rng = np.random.default_rng(seed)
  decoded = np.broadcast_to(np.linspace(80, 170, SHAPE[1])[:, np.newaxis],
                            [count, *SHAPE, channels])
  noise = 0.1 * decoded * _correlated(rng, count, channels)
  return np.rint(decoded + noise).astype(np.uint8), decoded.astype(np.uint8)


def _covariances(noise):
  """Of neighbors in the image, by offset and pair of channels."""
  inner = noise[:, 4:-4, 4:-4]
  return np.array([
      np.einsum('nhwi,nhwj->ij', inner, noise[
          :, 4 + down:noise.shape[1] - 4 + down,
          4 + right:noise.shape[2] - 4 + right])
      / inner[..., 0].size for down in (-1, 0, 1) for right in (-1, 0, 1, 2)])


@pytest.mark.parametrize('channels', [1, 3])
def test_drawn_noise_is_like_the_residuals(channels):
  images, decoded = _residuals(channels)
  fitted = texture.fit(images, decoded)
  drawn = texture.with_noise(
      tf.constant(decoded / np.float32(255)), *fitted, tf.constant([1, 2]),
      _normal)
  got = _covariances((255 * drawn.numpy() - decoded) / decoded)
  want = _covariances((images.astype(float) - decoded) / decoded)
  np.testing.assert_allclose(got, want, atol=4e-4)
  assert want.max() > 9e-3


def test_scale_is_the_root_mean_square_at_each_brightness():
  images, decoded = _residuals(1, count=1000)
  got = texture.fit(images, decoded).scale[:, 0]
  inner = slice(5, 11)  # 85 to 170, all of them with pixels on both sides.
  nodes = np.linspace(0, 1, texture.NUM_NODES)
  np.testing.assert_allclose(got[inner], 0.1 * nodes[inner], rtol=0.04)
  # What does not occur is as its neighbor.
  assert (got[11:] == got[-1]).all() and got[-1] > 0


@pytest.mark.parametrize('channels', [1, 3])
def test_noise_by_its_definition(channels):
  rng = np.random.default_rng(3)
  side, nodes = texture.KERNEL_SIZE, texture.NUM_NODES
  images = rng.uniform(size=[5, 6, 4, channels]).astype(np.float32)
  images[0, 0, 0], images[0, 0, 1] = 0.0, 1.0
  scale = rng.uniform(0, 0.2, [nodes, channels]).astype(np.float32)
  kernel = rng.normal(size=[side, side, channels, channels]).astype(np.float32)
  seed = tf.constant([4, 5])
  got = texture.with_noise(tf.constant(images), scale, kernel, seed,
                           _normal).numpy()
  white = tf.random.stateless_normal(
      [5, 6 + side - 1, 4 + side - 1, channels], seed, alg='philox').numpy()
  for c in range(channels):
    want = np.zeros([5, 6, 4])
    for row in range(6):
      for column in range(4):
        patch = white[:, row:row + side, column:column + side]
        want[:, row, column] = np.sum(patch * kernel[..., c], axis=(1, 2, 3))
    want *= np.interp(images[..., c], np.linspace(0, 1, nodes), scale[:, c])
    np.testing.assert_allclose(
        got[..., c], np.clip(images[..., c] + want, 0, 1), atol=1e-5)


@pytest.mark.parametrize('shape', [(7, 5, 3), (1, 1, 1), (8, 4, 1)])
def test_where_nothing_is_left_out_nothing_is_added(shape):
  images = np.random.default_rng(0).integers(0, 256, [9, *shape], np.uint8)
  fitted = texture.fit(images, images)
  unit = tf.constant(images / np.float32(255))
  np.testing.assert_array_equal(
      texture.with_noise(unit, *fitted, tf.constant([0, 0]), _normal), unit)


@pytest.fixture(scope='module', params=['vae', 'cvae'])
def artifacts(request):
  """Of blurred noise, without and with a texture."""
  rng = np.random.default_rng(0)
  images = ndimage.gaussian_filter(rng.normal(size=[300, 8, 8]), [0, 1, 1])
  images = (128 + 128 * images).clip(0, 255).astype(np.uint8)
  return [tfp_lgc.compress(
      (images, np.arange(300) % 2), model=request.param, latent_size=2,
      hidden_size=8, epochs=10, num_components_max=1, texture=name)
      for name in ('none', 'residual')]


def test_a_texture_is_added_to_samples_alone(artifacts):
  plain, textured = [tfp_lgc.sample(artifact, 50) for artifact in artifacts]
  assert (plain.labels == textured.labels).all()
  assert (plain.images != textured.images).any()
  latents = np.zeros([3, artifacts[0].model.latent_size], np.float32)
  told = [np.array([0, 1, 0], np.int32)] * bool(artifacts[0].num_conditions)
  np.testing.assert_array_equal(*[
      artifact.sampler.decode(latents, *told)['image']
      for artifact in artifacts])
  np.testing.assert_array_equal(*[
      tfp_lgc.sample(artifact, 5, stochastic=True).images
      for artifact in artifacts])


def test_a_texture_takes_few_bytes(artifacts):
  plain, textured = artifacts
  assert 0 < textured.num_bytes - plain.num_bytes < 250


def test_images_that_are_not_finite_are_no_crash():
  """What weights of a hostile file make; the others are as ever."""
  images = np.full([3, 4, 4, 1], 0.5, np.float32)
  images[1] = np.nan
  scale = np.linspace(0.1, 0.2, texture.NUM_NODES)[:, np.newaxis]
  kernel = np.ones([texture.KERNEL_SIZE] * 2 + [1, 1])
  normal = lambda shape, seed: tf.ones(shape)
  got = texture.with_noise(
      tf.constant(images), tf.constant(scale, tf.float32),
      tf.constant(kernel, tf.float32), tf.constant([0, 0]), normal).numpy()
  assert np.isfinite(got[[0, 2]]).all()
