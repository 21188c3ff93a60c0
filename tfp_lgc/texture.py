"""What a decoder leaves out of an image, as noise.

An image that stands for p(x | z) is smooth, and a judge that has seen nothing
but smooth images is lost among real ones. A texture is the Gaussian noise that
residuals of real images look like: its scale depends on the brightness of the
pixel it is added to, its correlations on the distance of two pixels alone.
"""

from typing import Callable, NamedTuple

import numpy as np
import tensorflow as tf

__all__ = ['KERNEL_SIZE', 'NUM_NODES', 'Texture', 'fit', 'with_noise']

# Brightnesses from 0 to 1 at which the scale is stored.
NUM_NODES = 16
# Pixels that are farther apart than this, less one, are independent.
KERNEL_SIZE = 7
# Residuals are divided by their scale, or by one gray level if it is smaller.
MIN_SCALE = 1 / 255
# Images whose spectra are in memory at once.
CHUNK = 500


class Texture(NamedTuple):
  """Noise for images whose pixels are in 0..1.

  Attributes:
    scale: float32 `[NUM_NODES, C]`, standard deviation of the noise of a
      channel where its brightness is i / (NUM_NODES - 1); between, linear.
    kernel: float32 `[KERNEL_SIZE, KERNEL_SIZE, C, C]` (input, output), which
      makes of white noise one with the correlations of residuals and, but
      for rounding, of variance 1.
  """
  scale: np.ndarray
  kernel: np.ndarray


def fit(images: np.ndarray, decoded: np.ndarray) -> Texture:
  """The texture that real images have beyond what was decoded.

  Args:
    images: uint8 `[N, H, W, C]`.
    decoded: the same, what the decoder makes of their latents.
  """
  channels = images.shape[-1]
  residuals = (images.astype(np.float32) - decoded) / 255.0
  scale = np.stack([_scales(decoded[..., c], residuals[..., c])
                    for c in range(channels)], axis=-1)
  position = decoded / np.float32(255.0)
  nodes = np.linspace(0.0, 1.0, NUM_NODES)
  for c in range(channels):
    residuals[..., c] /= np.maximum(
        np.interp(position[..., c], nodes, scale[:, c]), MIN_SCALE)
  return Texture(scale.astype(np.float32), _kernel(residuals))


def _scales(decoded: np.ndarray, residuals: np.ndarray) -> np.ndarray:
  """Root mean square of the residuals nearest to each node, `[NUM_NODES]`; of
  a brightness that does not occur, between those of its neighbors."""
  nearest = np.rint(decoded * ((NUM_NODES - 1) / 255.0)).astype(int).ravel()
  counts = np.bincount(nearest, minlength=NUM_NODES)
  squares = np.bincount(nearest, np.square(residuals, dtype=float).ravel(),
                        NUM_NODES)
  known = np.flatnonzero(counts)
  return np.interp(np.arange(NUM_NODES), known,
                   np.sqrt(squares[known] / counts[known]))


def _kernel(residuals: np.ndarray) -> np.ndarray:
  """Square root of the mean spectrum of residuals `[N, H, W, C]`, in the
  plane of pixels, where it is short."""
  _, height, width, channels = residuals.shape
  spectrum = np.zeros([height, width, channels, channels], complex)
  for first in range(0, len(residuals), CHUNK):
    waves = np.fft.fft2(residuals[first:first + CHUNK], axes=(1, 2))
    spectrum += np.einsum('nhwi,nhwj->hwij', waves, waves.conj())
  # An identity that is too small to be seen makes one of no residual at all.
  spectrum = (spectrum / (len(residuals) * height * width)
              + 1e-12 * np.eye(channels))
  values, vectors = np.linalg.eigh(spectrum)
  root = np.einsum('hwik,hwk,hwjk->hwij', vectors,
                   np.sqrt(np.maximum(values, 0.0)), vectors.conj())
  kernel = np.fft.ifft2(root, axes=(0, 1)).real  # [H, W, out, in]
  half = KERNEL_SIZE // 2
  short = np.zeros([KERNEL_SIZE, KERNEL_SIZE, channels, channels])
  # A convolution of TensorFlow looks ahead where a filter looks back.
  rows, columns = _offsets(height, half), _offsets(width, half)
  short[np.ix_(half - rows, half - columns)] = kernel[
      np.ix_(rows, columns)].transpose(0, 1, 3, 2)
  return (short / np.sqrt(np.square(short).sum(axis=(0, 1, 2)))).astype(
      np.float32)


def _offsets(side: int, half: int) -> np.ndarray:
  """Distances up to `half` that an image of this side has without wrapping."""
  return np.arange(-min(half, (side - 1) // 2), min(half, side // 2) + 1)


def with_noise(images: tf.Tensor, scale: tf.Tensor, kernel: tf.Tensor,
               seed: tf.Tensor, normal: Callable) -> tf.Tensor:
  """Images with a texture, clipped to 0..1.

  Plain TensorFlow operations: the sampler's graph opens without TFP.

  Args:
    images: `[B, H, W, C]` in 0..1.
    scale: see `Texture`.
    kernel: see there.
    seed: int32 `[2]`.
    normal: (shape, seed) -> as many numbers of N(0, 1).
  """
  margin = [0, KERNEL_SIZE - 1, KERNEL_SIZE - 1, 0]
  if images.shape.is_fully_defined():
    shape = [size + more for size, more in zip(images.shape, margin)]
  else:
    shape = tf.shape(images) + margin
  white = normal(shape, seed)
  noise = tf.nn.conv2d(white, kernel, 1, 'VALID')  # [B, H, W, C]
  position = images * (NUM_NODES - 1)
  # The scale at the node below, and at that above it.
  # A hostile file may have weights whose images are not finite.
  below = tf.clip_by_value(tf.cast(position, tf.int32), 0, NUM_NODES - 2)
  channel = tf.range(tf.shape(images)[-1])
  flat = below * tf.shape(images)[-1] + channel
  table = tf.reshape(scale, [-1])
  low = tf.gather(table, flat)
  high = tf.gather(table, flat + tf.shape(images)[-1])
  share = position - tf.cast(below, tf.float32)
  return tf.clip_by_value(
      images + (low + share * (high - low)) * noise, 0.0, 1.0)
