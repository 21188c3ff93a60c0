"""Image files as pixels: converted by rules that are written down, or refused.

| file | becomes |
|---|---|
| gray of 8 bits, or 1 bit | gray |
| RGB, YCbCr (JPEG) | RGB |
| palette | RGB, the colors that the palette names |
| CMYK | RGB: (255 - C) (255 - K) / 255, and so on, rounded |
| alpha, all opaque | the same without it |
| alpha otherwise | refused: what is behind the image is not in the file |
| more than 8 bits | refused: scaling would lose what somebody kept |
| several frames (APNG, animated WebP) | refused: which one is meant? |
| JPEG with further pictures (MPO) | the first, which others show |
| turned by its EXIF orientation | as it is to be seen |
| more than MAX_PIXELS | refused by its header, before it takes memory |
| truncated, damaged, of another format | refused |

Profiles of color are not applied. Formats are told by content, and only those
of FORMATS are tried: Pillow would hand some others to programs.
"""

import collections
import pathlib
import warnings
from typing import NamedTuple, Optional, Sequence

import numpy as np

from tfp_lgc.errors import DataError

__all__ = ['FORMATS', 'MAX_PIXELS', 'SUFFIXES', 'Survey', 'read', 'survey']

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.webp')
FORMATS = ('PNG', 'JPEG', 'BMP', 'WEBP')
# Of one image: 4096 x 4096.
MAX_PIXELS = 2**24
# Modes of Pillow, and what is made of them.
_MODES = {'1': 'L', 'L': 'L', 'LA': 'L', 'P': 'RGB', 'PA': 'RGB', 'RGB': 'RGB',
          'RGBA': 'RGB', 'RGBX': 'RGB', 'CMYK': 'RGB', 'YCbCr': 'RGB'}
_HINT = '; --skip_bad_images leaves such files out'


class Survey(NamedTuple):
  """What is in image files.

  Attributes:
    kept: positions of those that can be used.
    shape: `(H, W, C)` of all of these; C is 1 if all are gray.
    bad: what is wrong with each of the others, by name.
    pixels: uint8 `[H, W, 1 or 3]` of those that are kept; None if they are too
      many.
  """
  kept: list[int]
  shape: tuple[int, int, int]
  bad: list[str]
  pixels: Optional[list[np.ndarray]]


def read(path: pathlib.Path) -> np.ndarray:
  """The pixels of a file, uint8 `[H, W, 1]` if it is gray, else `[H, W, 3]`.

  ```python
  read(pathlib.Path('cat.jpg')).shape   # (32, 32, 3)
  ```

  Raises:
    DataError: for what is refused, see above; it begins with the file's name.
  """
  from PIL import Image  # pylint: disable=g-import-not-at-top
  try:
    with warnings.catch_warnings():
      # Of bombs: they are refused.
      warnings.simplefilter('ignore', Image.DecompressionBombWarning)
      with Image.open(path, formats=FORMATS) as image:
        return _pixels(image, path)
  except DataError:
    raise
  except Exception as error:  # Pillow lets out whatever a bad file causes.
    raise DataError(f'{path}: cannot be read as an image: {error}') from error


def _pixels(image, path: pathlib.Path) -> np.ndarray:
  from PIL import Image, ImageOps  # pylint: disable=g-import-not-at-top
  width, height = image.size
  if width * height > MAX_PIXELS:
    raise DataError(f'{path}: has {width} x {height} pixels; at most '
                    f'{MAX_PIXELS} are allowed')
  # Pillow takes PNGs of 16 bits and color for such of 8.
  deep = [kind for *_, kind in image.tile if ';16' in str(kind)]
  if image.mode not in _MODES or deep:
    raise DataError(f'{path}: has pixels of kind {(deep or [image.mode])[0]}; '
                    'must be 8-bit gray or RGB')
  if image.format != 'MPO' and getattr(image, 'n_frames', 1) > 1:
    raise DataError(f'{path}: is animated, {image.n_frames} frames; must be '
                    'one image')
  if image.format == 'PNG':
    # Reading pixels passes over wrong checksums and a missing end.
    with Image.open(path, formats=FORMATS) as other:
      other.verify()
  image.load()
  if image.has_transparency_data:
    alpha = np.asarray(image.convert('RGBA'))[..., 3]
    if alpha.min() < 255:
      raise DataError(f'{path}: is transparent in {int((alpha < 255).sum())} '
                      'pixels, and what is behind them is not in the file; '
                      'must be opaque')
  image = ImageOps.exif_transpose(image)
  pixels = np.asarray(image.convert(_MODES[image.mode]))
  return pixels.reshape([*pixels.shape[:2], -1])


def survey(paths: Sequence[pathlib.Path], skip: bool, cache_num_bytes: int,
           ) -> Survey:
  """Reads all files once: a bad one is to be known now, and not after an hour
  of training.

  Args:
    paths: one or more.
    skip: leave bad ones out, and those of another size than most. Otherwise
      the first one is an error.
    cache_num_bytes: that pixels may take in memory.

  Raises:
    DataError: for a bad file, or if no file is left.
  """
  shapes: dict[int, tuple[int, ...]] = {}
  bad: dict[int, str] = {}
  pixels: Optional[list[np.ndarray]] = []
  num_bytes = 0
  for i, path in enumerate(paths):
    try:
      image = read(path)
    except DataError as error:
      if not skip:
        raise DataError(f'{error}{_HINT}') from error
      bad[i] = str(error)
      continue
    shapes[i] = image.shape
    if not skip:
      _check_size(path, image.shape, next(iter(shapes.values())))
    if pixels is not None:
      pixels.append(image)
      num_bytes += image.nbytes
      pixels = pixels if num_bytes <= cache_num_bytes else None
  if not shapes:
    raise DataError(f'{bad[0]}; all other images cannot be used either')
  [(size, _)] = collections.Counter(
      shape[:2] for shape in shapes.values()).most_common(1)
  kept = [i for i, shape in shapes.items() if shape[:2] == size]
  for i in shapes.keys() - set(kept):
    bad[i] = _size_error(paths[i], shapes[i], size)
  if pixels is not None:
    pixels = [image for image in pixels if image.shape[:2] == size]
  channels = max(shapes[i][2] for i in kept)
  return Survey(kept, (size[0], size[1], channels),
                [bad[i] for i in sorted(bad)], pixels)


def _check_size(path, shape, size) -> None:
  if shape[:2] != size[:2]:
    raise DataError(_size_error(path, shape, size) + _HINT)


def _size_error(path, shape, size) -> str:
  return (f'{path}: is {shape[0]} x {shape[1]}, another image {size[0]} x '
          f'{size[1]}; all images must be of one size')
