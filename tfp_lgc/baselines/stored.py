"""Labelled images as one piece of bytes, at less than their size and depth."""

import functools
import zlib
from typing import Callable, NamedTuple, Optional, Sequence

import numpy as np
import PIL.Image

from tfp_lgc.baselines.compressed import (
  Compressed,
  largest,
  read_numbers,
  write_numbers,
)
from tfp_lgc.baselines.pixels import LOSSLESS, PIXELS, require
from tfp_lgc.data import Images

__all__ = ['Layout', 'as_many', 'as_many_chosen', 'lossless', 'read', 'write']

FORMAT = 1  # The first byte.
# What the best of several layouts is found by.
NUM_TRIED = 256
# How often a number of images to choose is corrected by what they really took,
# and the share of them that is as good as all: others of a choice do not stand
# for what those stood for that are left off.
ROUNDS, WHOLE = 5, 0.98
# The share of bytes that may be left where each code takes long, or settings
# are chosen by many of them.
SLACK = 0.002


class Layout(NamedTuple):
  """How images are stored.

  Attributes:
    codec: a name of `PIXELS`.
    reduction: sides are divided by it, rounded up: 1, 2 or 4.
    bits: of a pixel (a channel): 8, 4, 2 or 1.
    quality: of a lossy codec, from 0 to 100.
  """
  codec: str
  reduction: int = 1
  bits: int = 8
  quality: int = 0


def lossless(reduction: int = 1, bits: int = 8, channels: int = 1,
             ) -> list[Layout]:
  """All that lose nothing but size and depth."""
  names = [*LOSSLESS, *(['group4'] if (bits, channels) == (1, 1) else [])]
  return [Layout(name, reduction, bits) for name in names]


def _resized(images: np.ndarray, height: int, width: int,
             resample) -> np.ndarray:
  if images.shape[1:3] == (height, width):
    return images
  gray = images.shape[-1] == 1
  result = np.empty([len(images), height, width, images.shape[-1]], np.uint8)
  for i, image in enumerate(images):
    small = PIL.Image.fromarray(image[..., 0] if gray else image).resize(
        (width, height), resample)
    result[i] = np.asarray(small).reshape(result.shape[1:])
  return result


def _reduced(images: np.ndarray, layout: Layout) -> np.ndarray:
  """Images `[N, H, W, C]` as symbols `[N, h, w, C]`: means of pixels, then the
  nearest of 2^bits levels from 0 to 255."""
  height, width = _size(images.shape[1:], layout)
  small = _resized(images, height, width, PIL.Image.Resampling.BOX)
  top = 2**layout.bits - 1
  return ((small.astype(np.uint32) * (2 * top) + 255) // 510).astype(np.uint8)


def _size(image_shape, layout: Layout) -> tuple[int, int]:
  height, width, _ = image_shape
  return -(-height // layout.reduction), -(-width // layout.reduction)


def _restored(symbols: np.ndarray, image_shape, layout: Layout) -> np.ndarray:
  levels = symbols * np.uint8(255 // (2**layout.bits - 1))
  height, width, _ = image_shape
  # Sharp squares teach more than smooth slopes do.
  return _resized(levels, height, width, PIL.Image.Resampling.NEAREST)


def write(images: Images, layout: Layout,
          weights: Optional[np.ndarray] = None) -> bytes:
  """Images, sorted by class, so that labels cost a count for each class.

  Args:
    images: N of them, at least 1.
    layout: how.
    weights: whole numbers `[N]` from 0 on, or None.
  """
  order = np.argsort(images.labels, kind='stable')
  counts = np.bincount(images.labels, minlength=len(images.class_names))
  coded = b''
  if weights is not None:
    coded = zlib.compress(write_numbers(np.asarray(weights)[order]), 9)
  symbols = _reduced(images.images[order], layout)
  return (bytes([FORMAT, list(PIXELS).index(layout.codec), layout.reduction,
                 layout.bits, layout.quality])
          + write_numbers([*counts, len(coded)]) + coded
          + PIXELS[layout.codec].encode(symbols, layout.bits, layout.quality))


def read(content: bytes, image_shape: tuple[int, int, int],
         class_names: tuple[str, ...]) -> Compressed:
  """What `write` wrote, at the size the images had.

  Args:
    content: not empty.
    image_shape: `(H, W, C)`.
    class_names: of all classes.
  """
  _, codec, *rest = content[:5]
  layout = Layout(list(PIXELS)[codec], *rest)
  numbers, payload = read_numbers(content[5:], len(class_names) + 1)
  *counts, num_coded = numbers
  n, weights = sum(counts), None
  if num_coded:
    numbers, _ = read_numbers(zlib.decompress(payload[:num_coded]), n)
    weights = np.array(numbers, np.float32)
    weights /= weights.mean()
  shape = (n, *_size(image_shape, layout), image_shape[-1])
  symbols = PIXELS[layout.codec].decode(payload[num_coded:], shape, layout.bits)
  labels = np.repeat(np.arange(len(class_names), dtype=np.int32), counts)
  return Compressed(
      Images(_restored(symbols, image_shape, layout), labels, class_names),
      content, weights, {**layout._asdict(), 'num_images': n})


def as_many(images: Images, order: np.ndarray, layouts: Sequence[Layout],
            num_bytes: int, weights: Optional[np.ndarray] = None,
            slack: float = 0.0) -> Compressed:
  """As many images as fit, by the layout that is the smallest of some.

  Args:
    images: to take from.
    order: positions in `images`, the first to be taken first.
    layouts: the smallest, found by some of the images, is taken.
    num_bytes: at the most; no image at all if not one fits.
    weights: of the positions in `order`, see `write`; each at least 1.
    slack: see `largest`.
  """
  for layout in layouts:
    require(layout.codec)

  def code(count: int, layout: Layout) -> bytes:
    first = np.argsort(order[:count])  # Neighbors stay neighbors.
    chosen = order[first]
    some = Images(images.images[chosen], images.labels[chosen],
                  images.class_names)
    return write(some, layout, None if weights is None else weights[first])

  most, content, count = 0, b'', min(NUM_TRIED, len(order))
  layout, tried = layouts[0], set[Layout]()
  for _ in layouts:
    # Which is the smallest depends on how many images there are.
    if len(layouts) > 1:
      sizes = [len(code(count, layout)) for layout in layouts]
      layout = layouts[sizes.index(min(sizes))]
    if layout in tried:
      break
    tried.add(layout)
    encode = functools.partial(code, layout=layout)
    found, shorter = largest(encode, num_bytes, len(order), slack)
    if (found, -len(shorter)) > (most, -len(content)):
      most, content = found, shorter
    count = max(most, 1)
  return decode_or_nothing(content, images)


def as_many_chosen(chosen: Callable[[int], Compressed], k: int,
                   images: Images, num_bytes: int) -> Compressed:
  """As many as fit of images whose choice depends on how many they are.

  Args:
    chosen: k -> what of k images fits.
    k: to begin with; 0 if not one fits.
    images: there are at most as many as these.
    num_bytes: at the most.

  Returns:
    The most of which all, or nearly all, fit, rather than a part of more.
  """
  result, was_whole = decode_or_nothing(b'', images), False
  tried, too_many = set[int](), len(images) + 1
  for _ in range(ROUNDS):
    if not k or k in tried:
      break
    tried.add(k)
    made = chosen(k)
    sent = len(made.images)
    is_whole = sent >= WHOLE * k
    if (is_whole, sent) > (was_whole, len(result.images)):
      result, was_whole = made, is_whole
    if is_whole and made.num_bytes >= (1 - SLACK) * num_bytes:
      break
    if sent < k:
      too_many, k = k, sent
    else:
      k = min(too_many - 1, k * num_bytes // made.num_bytes)
  return result


def decode_or_nothing(content: bytes, images: Images) -> Compressed:
  """`read`, but no bytes are no images."""
  if content:
    return read(content, images.images.shape[1:], images.class_names)
  return Compressed(Images(images.images[:0], images.labels[:0],
                           images.class_names), b'')
