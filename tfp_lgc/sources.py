"""Where data sets come from: SOURCES, and `load`, which picks one by name."""

import dataclasses
import gzip
import os
import pathlib
import zlib
from typing import Callable, Optional

import numpy as np

from tfp_lgc import data, image_folder, memory, spuco, streams, tfds_source
from tfp_lgc.arrays import from_arrays
from tfp_lgc.config import DataConfig
from tfp_lgc.data import Source, Split
from tfp_lgc.errors import ConfigError, DataError

__all__ = ['SOURCES', 'kind', 'load', 'parts']

# TensorFlow's own code for the item type of an IDX file, high byte first.
IDX_UINT8 = b'\0\0\x08'


def digits(config: DataConfig) -> Source:
  """The 1,797 handwritten 8 x 8 digits that scikit-learn brings.

  E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, 1998,
  https://archive.ics.uci.edu/dataset/80. Gray levels 0..16 become 0..255.
  """
  from sklearn import datasets  # pylint: disable=g-import-not-at-top
  bunch = datasets.load_digits()
  images = np.round(bunch.images * (255 / 16)).astype(np.uint8)
  return from_arrays((images, bunch.target), name=config.dataset,
                     test_fraction=config.test_fraction)


def read_npz(path: pathlib.Path) -> dict[str, np.ndarray]:
  """The arrays of an .npz file by name, in their order; no pickle is read.

  Raises:
    DataError: if it is damaged, or no such file.
  """
  try:
    with np.load(path, allow_pickle=False) as file:
      return {name: file[name] for name in file.files}
  except streams.UNREADABLE as error:
    raise DataError(f'{path}: cannot be read as .npz: {error}') from error


def npz(config: DataConfig) -> Source:
  """An .npz file of x_train, y_train and, if it has one, x_test, y_test."""
  path = _existing(config.dataset)
  bound = memory.limits(config.max_memory)
  if bound and streams.images_num_bytes(path) > bound.split:
    return streams.npz_source(path, config, bound)
  arrays = read_npz(path)
  if 'x_train' not in arrays:
    raise DataError(f'{path}: has {", ".join(arrays) or "no array"}; must have '
                    'x_train, y_train (and x_test, y_test)')
  test = None
  if 'x_test' in arrays:
    test = arrays['x_test'], arrays.get('y_test')
  return from_arrays((arrays['x_train'], arrays.get('y_train')), test,
                     config.test_fraction, config.dataset,
                     config.value_range)


def idx(config: DataConfig) -> Source:
  """A folder of IDX files, gzipped or not, named as those of MNIST.

  Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database: train-images-*,
  train-labels-*, t10k-images-*, t10k-labels-*.
  """
  folder = _existing(config.dataset)

  def read(split, kind) -> Optional[np.ndarray]:
    paths = sorted(folder.glob(f'{split}-{kind}*idx*-ubyte*'))
    return _read_idx(paths[0]) if paths else None

  images = read('train', 'images')
  if images is None:
    raise DataError(f'{folder}: has no train-images-idx3-ubyte[.gz]')
  memory.check(images.nbytes, memory.limits(config.max_memory), 'an IDX file')
  test_images = read('t10k', 'images')
  test = None
  if test_images is not None:
    test = test_images, read('t10k', 'labels')
  return from_arrays((images, read('train', 'labels')), test,
                     config.test_fraction, config.dataset)


def _read_idx(path: pathlib.Path) -> np.ndarray:
  opened = gzip.open if path.suffix == '.gz' else open
  try:
    with opened(path, 'rb') as file:
      content = file.read()
  except (OSError, EOFError, zlib.error) as error:
    raise DataError(f'{path}: cannot be read: {error}') from error
  rank = content[3] if len(content) > 3 else 0
  if content[:3] != IDX_UINT8 or rank not in (1, 2, 3, 4):
    raise DataError(f'{path}: is not an IDX file of unsigned bytes')
  if len(content) < 4 + 4 * rank:
    raise DataError(f'{path}: ends within its header')
  shape = np.frombuffer(content[4:4 + 4 * rank], '>u4')
  body = content[4 + 4 * rank:]
  if int(np.prod(shape, dtype=np.float64)) != len(body):
    raise DataError(f'{path}: announces {tuple(shape.tolist())} bytes, holds '
                    f'{len(body)}')
  return np.frombuffer(body, np.uint8).reshape(shape)


def folder(config: DataConfig) -> Source:
  """A folder of images by class, see image_folder.py."""
  return image_folder.load(_existing(config.dataset), config)


def _existing(path: str) -> pathlib.Path:
  if not os.path.exists(path):
    raise DataError(f'dataset = {path!r}: there is no such file or folder')
  return pathlib.Path(path)


def spurious(config: DataConfig) -> Source:
  """SpuCo, made of another data set; see spuco.py."""
  if kind(config.spurious_base) == 'spuco':
    raise DataError("spurious_base = 'spuco': must be another data set")
  try:
    base = load(dataclasses.replace(config, dataset=config.spurious_base))
  except DataError as error:
    raise DataError(f'spurious_base: {error}') from error
  return spuco.color(base, config)


SOURCES = {'digits': digits, 'tfds': tfds_source.tfds, 'npz': npz,
           'idx': idx, 'folder': folder, 'spuco': spurious}


def kind(dataset: str) -> str:
  """The key in SOURCES that `--dataset` means."""
  if dataset in ('digits', 'spuco'):
    return dataset
  if dataset.endswith('.npz'):
    return 'npz'
  # A TFDS name may have a slash (emnist/letters); what exists is a path.
  looks_like_name = os.sep not in dataset or (
      dataset[0] not in './~' and dataset[-1] != '/'
      and not os.path.exists(dataset))
  if looks_like_name and dataset not in ('.', '..'):
    return 'tfds'
  has_idx = os.path.isdir(dataset) and any(
      'idx' in name and '-ubyte' in name for name in os.listdir(dataset))
  return 'idx' if has_idx else 'folder'


def load(config: DataConfig) -> Source:
  """Opens the data set that `config.dataset` names.

  ```python
  source = load(DataConfig(dataset='lgc_samples', data_dir='tfds'))
  for images, labels in source.train.batches(128): ...
  ```

  Raises:
    ConfigError: for a setting that the data set has no use for, or a bound of
      memory that is too low for it.
    DataError: if it is missing, damaged or not of the described form.
  """
  if config.value_range and kind(config.dataset) not in ('npz', 'spuco'):
    raise ConfigError(f'value_range = {config.value_range!r}: is for arrays '
                      f'and .npz files; dataset = {config.dataset!r} has 8-bit '
                      'images')
  bound = memory.limits(config.max_memory)
  source = data.bounded(SOURCES[kind(config.dataset)](config), bound)
  # spuco colors the two parts of its base, as a train and a test split.
  if config.validation_fraction and kind(config.dataset) != 'spuco':
    source = data.validation(source, config.validation_fraction)
    return data.bounded(source, bound)
  return source


def parts(config: DataConfig) -> Callable[[int, int], Split]:
  """The train split by positions.

  ```python
  part = parts(DataConfig(dataset='lgc_samples', data_dir='tfds'))
  part(500, 700).num_examples   # 200
  ```

  Args:
    config: as for `load`.

  Returns:
    (first, stop) -> the images from one position to before another. Those of a
    TFDS data set are in the order of its files, of which no other is read
    (`load` takes turns between files); others are opened as a whole, and in
    the order of `load`.

  Raises:
    DataError: as `load`.
  """
  if kind(config.dataset) == 'tfds' and not config.validation_fraction:
    return tfds_source.parts(config)
  return load(config).train.part
