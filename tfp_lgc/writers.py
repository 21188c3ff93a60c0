"""Writing labelled images to disk: .npz, a contact sheet, a folder of PNGs."""

import contextlib
import hashlib
import math
import pathlib
import re
import urllib.parse
from typing import Any, BinaryIO, Callable, TYPE_CHECKING, Union

import numpy as np

from tfp_lgc.errors import ConfigError
from tfp_lgc.staging import replacing

if TYPE_CHECKING:
  from tfp_lgc.data import Images

__all__ = ['WRITERS', 'check_output', 'form_of', 'write']

# Of a file name, in bytes, on the usual file systems: 255.
MAX_NAME_LENGTH = 200


def _npz(images: 'Images', target: Union[pathlib.Path, BinaryIO]) -> None:
  """Arrays x_train and y_train, so that the file is a data set in turn.

  y_train holds whole numbers if all class names are such, else names.
  """
  names = images.class_names
  # Names that are whole numbers of 64 bits, written as Python writes them.
  numbers = all(re.fullmatch('0|-?[1-9][0-9]{0,17}', name) for name in names)
  values = np.array([int(name) for name in names] if numbers else names)
  # By a path, NumPy adds an ending.
  with (open(target, 'wb') if isinstance(target, pathlib.Path)
        else contextlib.nullcontext(target)) as file:
    np.savez_compressed(file, x_train=images.images,
                        y_train=values[images.labels])


def _pixels(image: np.ndarray) -> np.ndarray:
  """`[H, W, C]` as Pillow takes it."""
  return image[..., 0] if image.shape[-1] == 1 else image


def _contact_sheet(images: 'Images',
                   target: Union[pathlib.Path, BinaryIO]) -> None:
  """All images in one, row by row, as square as may be."""
  from PIL import Image  # pylint: disable=g-import-not-at-top
  n, height, width, channels = images.images.shape
  columns = min(n, math.ceil(math.sqrt(n * height / width)))
  rows = math.ceil(n / columns)
  sheet = np.zeros([rows * columns, height, width, channels], np.uint8)
  sheet[:n] = images.images
  sheet = sheet.reshape([rows, columns, height, width, channels])
  sheet = sheet.transpose([0, 2, 1, 3, 4])  # [rows, H, columns, W, C]
  Image.fromarray(_pixels(sheet.reshape(
      [rows * height, columns * width, channels]))).save(target, 'PNG')


def _folder_name(class_name: str) -> str:
  """A name that every file system takes, another one for every class."""
  quoted = urllib.parse.quote(class_name, safe=' ,()',
                              errors='surrogatepass').replace('.', '%2E')
  if len(quoted) > MAX_NAME_LENGTH:
    digest = hashlib.sha256(quoted.encode()).hexdigest()[:16]
    return f'{quoted[:MAX_NAME_LENGTH - 17]}~{digest}'
  return quoted or '%'


def _folder(images: 'Images', path: pathlib.Path) -> None:
  """CLASS/000000.png ...; what a file name cannot hold becomes %XX."""
  from PIL import Image  # pylint: disable=g-import-not-at-top
  folders = [path / _folder_name(name) for name in images.class_names]
  for folder in folders:
    folder.mkdir(parents=True, exist_ok=True)
  digits = len(str(len(images)))
  for i, (image, label) in enumerate(zip(images.images, images.labels)):
    Image.fromarray(_pixels(image)).save(folders[label] / f'{i:0{digits}}.png')


# Each takes images and a path; npz and png also a file that is open.
WRITERS: dict[str, Callable[['Images', Any], None]] = {
    'npz': _npz, 'png': _contact_sheet, 'folder': _folder}
# What is written is told by the ending of the output, if nothing tells it.
_ENDINGS = {'.npz': 'npz', '.png': 'png', '': 'folder'}
# Forms that are a directory; a data set of TFDS is written by tfds_writer.py.
_DIRECTORIES = ('folder', 'tfds')


def form_of(output: str, output_format: str = 'auto') -> str:
  """The form to write, `output_format` or, for auto, that of the ending.

  Raises:
    ConfigError: for an ending that tells nothing.
  """
  suffix = pathlib.Path(output).suffix
  if output_format != 'auto':
    return output_format
  if suffix not in _ENDINGS:
    raise ConfigError(f'output = {output!r}: must end in .npz or .png, or be a '
                      'directory without an ending; or name the form by '
                      '--output_format')
  return _ENDINGS[suffix]


def check_output(output: str, overwrite: bool, output_format: str = 'auto',
                 ) -> None:
  """Refuses an output of unknown kind, or one that exists, before any work."""
  path = pathlib.Path(output)
  if not path.name:
    raise ConfigError(f'output = {output!r}: has no name; write a new one')
  is_directory = form_of(output, output_format) in _DIRECTORIES
  if path.is_dir() and (not is_directory or any(path.iterdir())):
    raise ConfigError(f'output = {output!r}: is a directory that holds '
                      'something, which is never replaced; name another')
  if path.exists() and not path.is_dir():
    if is_directory:
      raise ConfigError(f'output = {output!r}: is a file, and what is to be '
                        'written a directory; name another')
    if not overwrite:
      raise ConfigError(f'output = {output!r}: exists; --overwrite to replace '
                        'it')


def write(images: 'Images', output: str, output_format: str = 'auto') -> None:
  """Writes in the form that is named, or that the ending of `output` names;
  what stood there stands until all is written."""
  path = pathlib.Path(output)
  with replacing(path.parent, [path.name]) as new:
    WRITERS[form_of(output, output_format)](images, new / path.name)
