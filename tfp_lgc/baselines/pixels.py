"""Many small images as bytes: general compressors, and contact sheets in the
formats of image files, whose headers would cost more than one small image."""

import io
import lzma
import math
import zlib
from typing import Any, Callable, NamedTuple

import numpy as np
import PIL.features
import PIL.Image

from tfp_lgc.baselines.compressed import read_numbers, write_numbers
from tfp_lgc.errors import ConfigError

__all__ = ['PIXELS', 'LOSSLESS', 'PixelCodec', 'require']

# A sheet has at most so many pixels: WebP allows no side above 16,383.
SHEET_NUM_PIXELS = 2**22


class PixelCodec(NamedTuple):
  """A code of images.

  Attributes:
    encode: (uint8 `[N, H, W, C]`, bits, quality) -> bytes; pixels are below
      2^bits; quality, from 0 to 100, is for lossy codes.
    decode: (bytes, shape, bits) -> uint8 of that shape.
    feature: what Pillow must have been built with, or an empty string.
  """
  encode: Callable[[np.ndarray, int, int], bytes]
  decode: Callable[[bytes, tuple, int], np.ndarray]
  feature: str = ''


def require(codec: str) -> None:
  """Raises ConfigError where this Pillow cannot write the format."""
  feature = PIXELS[codec].feature
  if feature and not PIL.features.check(feature):
    raise ConfigError(f'baseline = {codec!r}: Pillow {PIL.__version__} was '
                      f'built without {feature}; install Pillow 11.3 or newer '
                      'from PyPI')


def _plain(compress: Callable[[bytes], bytes],
           decompress: Callable[[bytes, int], bytes]) -> PixelCodec:
  """A general compressor; the size of the pixels is known to both sides."""
  def decode(content, shape, bits):
    return np.frombuffer(decompress(content, math.prod(shape)),
                         np.uint8).reshape(shape)

  return PixelCodec(lambda pixels, bits, quality: compress(pixels.tobytes()),
                    decode)


def _lzma(num_bytes: int) -> dict[str, Any]:
  """LZMA2 without header and checksum. No position in a pixel matters, as
  there is none. A dictionary of 2^26 bytes takes longer than few images do."""
  size = 2 ** min(max((num_bytes - 1).bit_length(), 12), 26)
  return {'format': lzma.FORMAT_RAW, 'filters': [{
      'id': lzma.FILTER_LZMA2, 'preset': 9 | lzma.PRESET_EXTREME,
      'dict_size': size, 'lc': 4, 'lp': 0, 'pb': 0}]}


def _sheets(shape) -> list[int]:
  """How many of `[N, H, W, C]` images are on each sheet."""
  n, height, width, _ = shape
  each = max(1, SHEET_NUM_PIXELS // (height * width))
  return [min(each, n - first) for first in range(0, n, each)]


def _grid(count: int, height: int, width: int) -> tuple[int, int]:
  """Rows and columns of a sheet that is nearly a square."""
  columns = min(count, math.ceil(math.sqrt(count * height / width)))
  return -(-count // columns), columns


def _to_sheet(pixels: np.ndarray) -> np.ndarray:
  """`[N, H, W, C]` -> `[rows H, columns W, C]`; what is left is zero."""
  n, height, width, channels = pixels.shape
  rows, columns = _grid(n, height, width)
  padded = np.zeros([rows * columns, *pixels.shape[1:]], np.uint8)
  padded[:n] = pixels
  return padded.reshape(rows, columns, height, width, channels).transpose(
      0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)


def _from_sheet(sheet: np.ndarray, shape) -> np.ndarray:
  n, height, width, channels = shape
  rows, columns = _grid(n, height, width)
  return sheet.reshape(rows, height, columns, width, channels).transpose(
      0, 2, 1, 3, 4).reshape(-1, height, width, channels)[:n]


def _image_file(file_format: str, feature: str, options: Callable[[int], dict],
                spread: bool = False, mode: str = '') -> PixelCodec:
  """Contact sheets in a format of Pillow.

  Args:
    file_format: its name.
    feature: see `PixelCodec`.
    options: quality -> what `PIL.Image.Image.save` is given.
    spread: whether pixels of few bits are spread over 0 to 255.
    mode: that the sheet is converted to; empty for gray or RGB.
  """
  def encode(pixels, bits, quality):
    content = b''
    first = 0
    for count in _sheets(pixels.shape):
      sheet = _to_sheet(pixels[first:first + count])
      first += count
      if spread:
        sheet = sheet * np.uint8(255 // (2**bits - 1))
      image = PIL.Image.fromarray(sheet.squeeze(-1) if sheet.shape[-1] == 1
                                  else sheet)
      file = io.BytesIO()
      (image.convert(mode, dither=PIL.Image.Dither.NONE) if mode
       else image).save(file, file_format, **options(quality))
      content += write_numbers([file.tell()]) + file.getvalue()
    return content

  def decode(content, shape, bits):
    parts = []
    for count in _sheets(shape):
      [num_bytes], content = read_numbers(content, 1)
      with PIL.Image.open(io.BytesIO(content[:num_bytes])) as image:
        sheet = np.asarray(image.convert('L' if shape[-1] == 1 else 'RGB'))
      content = content[num_bytes:]
      if spread:
        sheet = sheet // np.uint8(255 // (2**bits - 1))
      parts.append(_from_sheet(sheet, (count, *shape[1:])))
    return np.concatenate(parts)

  return PixelCodec(encode, decode, feature)


# A byte in a content is a position in this table. Quality 100 of lossless WebP
# takes a hundred times as long for 1.5 % of the bytes.
PIXELS: dict[str, PixelCodec] = {
    'gzip': _plain(lambda pixels: zlib.compress(pixels, 9, wbits=31),
                   lambda content, _: zlib.decompress(content, 31)),
    'xz': _plain(
        lambda pixels: lzma.compress(pixels, **_lzma(len(pixels))),
        lambda content, size: lzma.decompress(content, **_lzma(size))),
    'png': _image_file('PNG', 'zlib', lambda _: {'optimize': True}),
    'webp_lossless': _image_file(
        'WEBP', 'webp', lambda _: {'lossless': True, 'quality': 90,
                                   'method': 6}, spread=True),
    # The code of fax machines, for images of one bit.
    'group4': _image_file('TIFF', 'libtiff', lambda _: {
        'compression': 'group4'}, spread=True, mode='1'),
    'jpeg': _image_file('JPEG', 'jpg', lambda quality: {
        'quality': quality, 'optimize': True}),
    'webp': _image_file('WEBP', 'webp', lambda quality: {
        'quality': quality, 'method': 6}),
    'avif': _image_file('AVIF', 'avif', lambda quality: {
        'quality': quality, 'speed': 8, 'max_threads': 1}),
}
LOSSLESS = ('gzip', 'xz', 'png', 'webp_lossless')
