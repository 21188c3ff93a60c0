"""SpuCo-MNIST: digits whose background color nearly tells their class.

S. Joshi, Y. Yang, Y. Xue, W. Yang, B. Mirzasoleiman, Towards Mitigating more
Challenging Spurious Correlations: A Benchmark & New Datasets, arXiv 2306.11957
(the data sets of the package SpuCo). A judge that goes by the color is right
about the training images and wrong about nearly all test images, where every
class has every color equally often.
"""

from typing import Callable

import numpy as np

from tfp_lgc import data
from tfp_lgc.config import DataConfig
from tfp_lgc.data import Images, Source
from tfp_lgc.errors import DataError

__all__ = ['DIFFICULTIES', 'color']

# Which pixels of an image are colored: `(rng, height, width) -> bool [H, W]`.
# A smaller magnitude or a larger variance is harder to learn. The numbers of
# pixels are those of SpuCo, whose images are 28 x 28.
_Mask = Callable[[np.random.Generator, int, int], np.ndarray]


def _corner(side: int) -> _Mask:
  """The upper left corner."""
  def mask(rng, height, width):
    del rng
    result = np.zeros([height, width], bool)
    result[:side, :side] = True
    return result
  return mask


def _scattered(side: int, count: int = 49) -> _Mask:
  """Other pixels of the upper left corner in each image."""
  def mask(rng, height, width):
    rows, columns = min(side, height), min(side, width)
    positions = rng.permutation(rows * columns)[:count]
    result = np.zeros([height, width], bool)
    result[positions // columns, positions % columns] = True
    return result
  return mask


DIFFICULTIES: dict[str, _Mask] = {
    'magnitude_large': lambda rng, height, width: np.ones([height, width],
                                                          bool),
    'magnitude_medium': _corner(4),
    'magnitude_small': _corner(2),
    'variance_low': _corner(7),
    'variance_medium': _scattered(14),
    'variance_high': _scattered(28),
}


def _palette(num_classes: int) -> np.ndarray:
  """uint8 `[C, 3]`: tab10, as in the LGC paper, or hues for more classes."""
  import matplotlib  # pylint: disable=g-import-not-at-top
  positions = np.arange(num_classes)
  if num_classes <= 10:
    colors = matplotlib.colormaps['tab10'](positions)
  else:
    colors = matplotlib.colormaps['hsv'](positions / num_classes)
  return np.round(255 * colors[:, :3]).astype(np.uint8)


def _train_colors(labels: np.ndarray, num_classes: int, strength: float,
                  rng: np.random.Generator) -> np.ndarray:
  """Of a share of each class its own color, of the rest the others in turn."""
  colors = np.empty_like(labels)
  for label in range(num_classes):
    members = rng.permutation(np.flatnonzero(labels == label))
    own = int(strength * len(members))
    others = np.delete(np.arange(num_classes), label)
    colors[members[:own]] = label
    colors[members[own:]] = np.resize(others, len(members) - own)
  return colors


def _test_colors(labels: np.ndarray, num_classes: int,
                 rng: np.random.Generator) -> np.ndarray:
  """Every color equally often in every class."""
  colors = np.empty_like(labels)
  for label in range(num_classes):
    members = rng.permutation(np.flatnonzero(labels == label))
    colors[members] = np.resize(np.arange(num_classes), len(members))
  return colors


def _colored(images: np.ndarray, colors: np.ndarray, palette: np.ndarray,
             mask: _Mask, rng: np.random.Generator) -> np.ndarray:
  """uint8 `[N, H, W, 3]` of gray `[N, H, W, 1]`; only black pixels change."""
  result = np.repeat(images, 3, axis=-1)
  for image, gray, color in zip(result, images[..., 0], colors):
    image[(gray == 0) & mask(rng, *gray.shape)] = palette[color]
  return result


def color(base: Source, config: DataConfig) -> Source:
  """Colors a data set of gray images.

  The draw does not depend on a run's seed, see `data.hold_out`.

  Args:
    base: gray, with a test split.
    config: `spurious_strength`, `spurious_difficulty` and
      `spurious_group_size`, which merges successive classes.

  Raises:
    DataError: if the base is not of that kind.
  """
  if base.train.image_shape[-1] != 1:
    raise DataError(f'spurious_base = {base.name!r}: has images of shape '
                    f'{base.train.image_shape}; must be gray, [H, W, 1]')
  if base.test is None:
    raise DataError(f'spurious_base = {base.name!r}: has no test split')
  if len(base.class_names) < 2:
    raise DataError(f'spurious_base = {base.name!r}: has one class, '
                    f'{base.class_names[0]!r}; must have two, with labels')
  size, rng = config.spurious_group_size, np.random.default_rng(0)
  class_names = tuple(
      '+'.join(base.class_names[first:first + size])
      for first in range(0, len(base.class_names), size))
  if len(class_names) < 2:
    raise DataError(f'spurious_group_size = {size}: makes one class of '
                    f'{len(base.class_names)}; must leave two')

  def grouped(split) -> Images:
    images = split.to_memory(base.class_names)
    return Images(images.images, images.labels // size, class_names)

  train, test = grouped(base.train), grouped(base.test)
  train_colors = _train_colors(train.labels, len(class_names),
                               config.spurious_strength, rng)
  test_colors = _test_colors(test.labels, len(class_names), rng)
  palette = _palette(len(class_names))
  mask = DIFFICULTIES[config.spurious_difficulty]
  return Source(
      config.dataset,
      data.array_split(
          _colored(train.images, train_colors, palette, mask, rng),
          train.labels),
      data.array_split(
          _colored(test.images, test_colors, palette, mask, rng),
          test.labels, keep_order=True),
      class_names, test_colors, base.skipped)
