"""Some of the real images."""

import lzma

import numpy as np

from tfp_lgc.baselines.compressed import Compressed, largest
from tfp_lgc.data import Images, label_dtype

__all__ = ['random_subset', 'stratified']


def _coded(images: Images) -> bytes:
  """xz of all pixels, then of all labels: smaller than gzip or PNG."""
  labels = images.labels.astype(label_dtype(len(images.class_names)))
  return lzma.compress(images.images.tobytes() + labels.tobytes(),
                       preset=9 | lzma.PRESET_EXTREME)


def read(content: bytes, image_shape: tuple[int, int, int],
         class_names: tuple[str, ...]) -> Compressed:
  """Images and labels of the file that `random_subset` fills, in order."""
  plain = lzma.decompress(content) if content else b''
  dtype = label_dtype(len(class_names))
  num_pixels = int(np.prod(image_shape))
  n = len(plain) // (num_pixels + dtype.itemsize)
  pixels = np.frombuffer(plain, np.uint8, n * num_pixels)
  labels = np.frombuffer(plain, dtype, n, n * num_pixels)
  return Compressed(
      Images(pixels.reshape(n, *image_shape), labels.astype(np.int32),
             class_names), content, settings={'num_images': n})


def random_subset(images: Images, num_bytes: int, seed: int = 0) -> Compressed:
  """As many images, drawn at random, as xz puts into `num_bytes`.

  Not stratified, and a label is sent with each image: `lossless` does better.

  Args:
    images: to draw from.
    num_bytes: at the most; none fits into too few.
    seed: of the draw.
  """
  order = np.random.default_rng(seed).permutation(len(images))

  def code(count: int) -> bytes:
    chosen = order[:count]
    return _coded(Images(images.images[chosen], images.labels[chosen],
                         images.class_names))

  _, content = largest(code, num_bytes, len(images))
  return read(content, images.images.shape[1:], images.class_names)


def stratified(labels: np.ndarray, seed: int = 0) -> np.ndarray:
  """All positions in an order any start of which has the classes as frequent
  as they are, within an image.

  Args:
    labels: int `[N]`.
    seed: of the order within each class.

  Returns:
    int `[N]`.
  """
  order = np.random.default_rng(seed).permutation(len(labels))
  counts = np.bincount(labels)
  ranks = np.empty(len(labels))  # Within a class, from 0 to 1.
  for label, count in enumerate(counts):
    members = order[labels[order] == label]
    ranks[members] = (np.arange(count) + 0.5) / max(count, 1)
  # Between equal ranks the seed decides which class comes first.
  return order[np.argsort(ranks[order], kind='stable')]
