"""Writing labelled images to disk: .npz, a contact sheet, a folder of PNGs."""

import math
import os
import pathlib
import shutil
import tempfile
import urllib.parse
from typing import TYPE_CHECKING

import numpy as np

from tfp_lgc.errors import ConfigError

if TYPE_CHECKING:
  from tfp_lgc.data import Images

__all__ = ['WRITERS', 'check_output', 'write']


def _npz(images: 'Images', path: pathlib.Path) -> None:
  """Arrays x_train and y_train, so that the file is a data set in turn.

  y_train holds whole numbers if all class names are such, else names.
  """
  names = images.class_names
  numbers = all(name.lstrip('-').isdecimal() and str(int(name)) == name
                for name in names)
  values = np.array([int(name) for name in names] if numbers else names)
  np.savez_compressed(path, x_train=images.images,
                      y_train=values[images.labels])


def _pixels(image: np.ndarray) -> np.ndarray:
  """`[H, W, C]` as Pillow takes it."""
  return image[..., 0] if image.shape[-1] == 1 else image


def _contact_sheet(images: 'Images', path: pathlib.Path) -> None:
  """All images in one, row by row, as square as may be."""
  from PIL import Image  # pylint: disable=g-import-not-at-top
  n, height, width, channels = images.images.shape
  columns = math.ceil(math.sqrt(n * height / width))
  rows = math.ceil(n / columns)
  sheet = np.zeros([rows * columns, height, width, channels], np.uint8)
  sheet[:n] = images.images
  sheet = sheet.reshape([rows, columns, height, width, channels])
  sheet = sheet.transpose([0, 2, 1, 3, 4])  # [rows, H, columns, W, C]
  Image.fromarray(_pixels(sheet.reshape(
      [rows * height, columns * width, channels]))).save(path, 'PNG')


def _folder(images: 'Images', path: pathlib.Path) -> None:
  """CLASS/000000.png ...; what a file name cannot hold becomes %XX."""
  from PIL import Image  # pylint: disable=g-import-not-at-top
  folders = []
  for name in images.class_names:
    quoted = urllib.parse.quote(name, safe=' ,()') or '%'
    folders.append(path / quoted.replace('.', '%2E'))
  for folder in folders:
    folder.mkdir(parents=True, exist_ok=True)
  digits = len(str(len(images)))
  for i, (image, label) in enumerate(zip(images.images, images.labels)):
    Image.fromarray(_pixels(image)).save(folders[label] / f'{i:0{digits}}.png')


WRITERS = {'.npz': _npz, '.png': _contact_sheet, '': _folder}


def check_output(output: str, overwrite: bool) -> None:
  """Refuses an output of unknown kind, or one that exists, before any work."""
  path = pathlib.Path(output)
  if path.suffix not in WRITERS:
    raise ConfigError(f'output = {output!r}: must end in .npz or .png, or be a '
                      'directory without an ending')
  if path.is_dir() and (path.suffix or not overwrite) and any(path.iterdir()):
    raise ConfigError(f'output = {output!r}: is a directory that holds '
                      'something; --overwrite replaces a directory')
  if path.is_file() and not overwrite:
    raise ConfigError(f'output = {output!r}: exists; --overwrite to replace it')


def write(images: 'Images', output: str) -> None:
  """Writes in the form that the ending of `output` names, then renames: what
  stood there stands until all is written."""
  path = pathlib.Path(output)
  path.parent.mkdir(parents=True, exist_ok=True)
  staging = pathlib.Path(tempfile.mkdtemp(prefix='.staging-', dir=path.parent))
  try:
    made = staging / ('new' + path.suffix)
    WRITERS[path.suffix](images, made)
    if path.is_dir():
      os.rename(path, staging / 'old')
    os.replace(made, path)
  finally:
    shutil.rmtree(staging, ignore_errors=True)
