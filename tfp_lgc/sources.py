"""Where data sets come from: SOURCES, and `load`, which picks one by name."""

import dataclasses
import functools
import gzip
import os
import pathlib
import zipfile
import zlib
from typing import Optional

import numpy as np
import tensorflow as tf

from tfp_lgc import data, memory, spuco, streams
from tfp_lgc.config import DataConfig
from tfp_lgc.data import Source, Split
from tfp_lgc.errors import ConfigError, DataError

__all__ = ['SOURCES', 'load']

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.webp')
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
  return data.from_arrays((images, bunch.target), test_fraction=0.2,
                          name=config.dataset)


def read_npz(path: pathlib.Path) -> dict[str, np.ndarray]:
  """The arrays of an .npz file by name, in their order; no pickle is read.

  Raises:
    DataError: if it is damaged, or no such file.
  """
  try:
    with np.load(path, allow_pickle=False) as file:
      return {name: file[name] for name in file.files}
  # TypeError: one bare array; the next two: kinds of zip that Python refuses;
  # MemoryError: a header that promises too much.
  except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError,
          AttributeError, TypeError, NotImplementedError, RuntimeError,
          MemoryError) as error:
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
  return data.from_arrays((arrays['x_train'], arrays.get('y_train')), test,
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
  return data.from_arrays((images, read('train', 'labels')), test,
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
  """A folder of images by class: train/CLASS/*.png and test/CLASS/*.png.

  Without train/ the classes stand in the folder itself; without test/ a part
  is held out; images that lie in no class folder make one class.
  """
  root = _existing(config.dataset)
  train = _class_files(root / 'train' if _is_split(root, 'train') else root)
  test = _class_files(root / 'test') if _is_split(root, 'test') else []
  if not train:
    raise DataError(f'{root}: has no train/CLASS/*.png (or .jpg), no '
                    'CLASS/*.png and no IDX files')
  num_channels = _num_channels([path for path, _ in train + test])
  labels, class_names = data.encode_labels([name for _, name in train],
                                           len(train), str(root))
  paths = [path for path, _ in train]
  shape = _decode(paths[0], num_channels).shape
  split = functools.partial(_file_split, shape=shape,
                            most=_most_cached(config))
  if test:
    test_labels, _ = data.encode_labels([name for _, name in test], len(test),
                                        str(root / 'test'), class_names)
    test_split = split([path for path, _ in test], test_labels)
    return Source(config.dataset, split(paths, labels), test_split, class_names)
  kept, held_out = data.hold_out(labels, config.test_fraction)
  return Source(
      config.dataset, split([paths[i] for i in kept], labels[kept]),
      split([paths[i] for i in held_out], labels[held_out])
      if len(held_out) else None, class_names)


def _is_split(root: pathlib.Path, name: str) -> bool:
  """Whether a folder of this name is a split, and not a class so called."""
  if _images(root / name, '*/*'):
    return True
  beside = [path for path in _images(root, '*/*')
            if path.parent.name not in ('train', 'test')]
  return bool(_images(root / name, '*')) and not beside


def _images(root: pathlib.Path, pattern: str) -> list[pathlib.Path]:
  return [path for path in sorted(root.glob(pattern))
          if path.suffix.lower() in IMAGE_SUFFIXES]


def _class_files(root: pathlib.Path) -> list[tuple[pathlib.Path, str]]:
  """(image file, class name), sorted; one class where nothing is in folders."""
  files = _images(root, '*/*')
  if files:
    return [(path, path.parent.name) for path in files]
  return [(path, data.UNLABELED[0]) for path in _images(root, '*')]


def _num_channels(paths: list[pathlib.Path]) -> int:
  """3 if one image has color, else 1; refuses what 8 bits cannot hold."""
  from PIL import Image  # pylint: disable=g-import-not-at-top
  modes: dict[str, pathlib.Path] = {}
  for path in paths:
    try:
      with Image.open(path) as image:
        modes.setdefault(image.mode, path)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
      raise DataError(f'{path}: cannot be read as an image: {error}') from error
  for mode, path in modes.items():
    if mode not in ('1', 'L', 'P', 'RGB', 'RGBA', 'LA', 'CMYK', 'YCbCr'):
      raise DataError(f'{path}: has pixels of kind {mode}; must be 8-bit gray '
                      'or RGB')
  return 1 if set(modes) <= {'1', 'L', 'LA'} else 3


def _decode(path, num_channels: int) -> np.ndarray:
  """uint8 `[H, W, num_channels]`."""
  from PIL import Image  # pylint: disable=g-import-not-at-top
  try:
    with Image.open(path) as image:
      pixels = np.asarray(image.convert('L' if num_channels == 1 else 'RGB'))
  except (OSError, ValueError, SyntaxError) as error:
    raise DataError(f'{path}: cannot be read as an image: {error}') from error
  return pixels.reshape(pixels.shape[:2] + (num_channels,))


def _most_cached(config: DataConfig) -> int:
  """Raw bytes of a split that is kept in memory."""
  bound = memory.limits(config.max_memory)
  return bound.split if bound else data.CACHE_NUM_BYTES


def _file_split(paths, labels: np.ndarray, shape, most: int) -> Split:
  """A stream of image files, which are all decoded once right away: a damaged
  file must be named now and not after an hour of training. They are kept if
  they take `most` bytes at the most."""
  order = np.random.default_rng(0).permutation(len(paths))

  def decoded():
    for i in order:
      pixels = _decode(paths[i], shape[-1])
      if pixels.shape != shape:
        raise DataError(
            f'{paths[i]}: is {pixels.shape[0]} x {pixels.shape[1]}, another '
            f'image {shape[0]} x {shape[1]}; all images must be of one size')
      yield pixels, labels[i]

  if len(paths) * int(np.prod(shape)) <= most:
    return data.array_split(np.stack([pixels for pixels, _ in decoded()]),
                            labels[order])
  for _ in decoded():
    pass
  examples = tf.data.Dataset.from_generator(
      decoded, output_signature=(tf.TensorSpec(shape, tf.uint8),
                                 tf.TensorSpec([], tf.int32)))
  # Keras has to know it before it predicts.
  examples = examples.apply(tf.data.experimental.assert_cardinality(len(paths)))
  return Split(examples, len(paths), shape)


def tfds(config: DataConfig) -> Source:
  """Any TFDS data set of images of one size, prepared first if need be."""
  import tensorflow_datasets  # pylint: disable=g-import-not-at-top
  name = config.dataset
  # TFDS would make it, and download into it.
  if config.data_dir and not os.path.isdir(config.data_dir):
    raise DataError(f'data_dir = {config.data_dir!r}: is no directory; make it '
                    'if the data set is to be downloaded there')
  try:
    builder = tensorflow_datasets.builder(name,
                                          data_dir=config.data_dir or None)
    builder.download_and_prepare()
  except tensorflow_datasets.core.DatasetNotFoundError as error:
    raise DataError(
        f'dataset = {name!r}: is neither digits nor a TFDS name; write a path '
        f'with a slash (./{name})') from error
  except (OSError, RuntimeError, AssertionError, ValueError, ImportError,
          tensorflow_datasets.download.DownloadError) as error:
    raise DataError(
        f'dataset = {name!r}: is not prepared in '
        f'{config.data_dir or "the data_dir of TFDS"} and cannot be downloaded '
        f'({type(error).__name__}); give the folder of a prepared copy by '
        '--data_dir') from error
  return _tfds_source(builder, config)


def _tfds_classes(builder, image_key: str, label_key: Optional[str],
                  ) -> tuple[np.ndarray, tuple[str, ...]]:
  """The labels that occur, int64, sorted, and their names."""
  if not label_key:
    return np.zeros(1, np.int64), data.UNLABELED
  feature = builder.info.features[label_key]
  if names := getattr(feature, 'names', None):
    return np.arange(len(names)), tuple(names)
  if feature.shape or np.dtype(feature.np_dtype).kind not in 'iu':
    raise DataError(f'dataset = {builder.name!r}: its {label_key} is no whole '
                    'number for each image')
  # Plain numbers, whose range only the examples know; images stay undecoded.
  import tensorflow_datasets  # pylint: disable=g-import-not-at-top
  skip = {image_key: tensorflow_datasets.decode.SkipDecoding()}
  values = np.unique([
      int(row[label_key]) for which in builder.info.splits
      for row in builder.as_dataset(split=which, decoders=skip)])
  return values, tuple(str(value) for value in values)


def _tfds_source(builder, config: DataConfig) -> Source:
  features = builder.info.features
  image_key, label_key = builder.info.supervised_keys or (
      'image', 'label' if 'label' in features else None)
  shape = features[image_key].shape if image_key in features else None
  if not shape or len(shape) != 3 or None in shape or shape[-1] not in (1, 3):
    raise DataError(f'dataset = {config.dataset!r}: has no images of one size '
                    f'(its {image_key} has shape {shape})')
  if (dtype := np.dtype(features[image_key].np_dtype)) != np.uint8:
    raise DataError(f'dataset = {config.dataset!r}: has images of type '
                    f'{dtype}; must be uint8')
  values, class_names = _tfds_classes(builder, image_key, label_key)

  def example(row):
    if not label_key:
      return row[image_key], tf.constant(0)
    label = tf.cast(row[label_key], tf.int64)
    tf.debugging.assert_non_negative(
        label, f'dataset = {config.dataset}: has images without a label')
    return row[image_key], tf.searchsorted(values, label[tf.newaxis])[0]

  def split(which: str) -> Split:
    examples = builder.as_dataset(split=which, shuffle_files=False).map(
        example, num_parallel_calls=tf.data.AUTOTUNE)
    num_examples = builder.info.splits[which].num_examples
    if num_examples * int(np.prod(shape)) <= _most_cached(config):
      examples = examples.cache()
    return Split(examples, num_examples, shape)

  splits = builder.info.splits
  if 'train' not in splits:
    raise DataError(f'dataset = {config.dataset!r}: has no train split, only '
                    f'{", ".join(splits)}')
  for test in ('test', 'validation'):
    if test in splits:
      return Source(config.dataset, split('train'), split(test), class_names)
  kept = round(100 * (1 - config.test_fraction))
  return Source(config.dataset, split(f'train[:{kept}%]'),
                split(f'train[{kept}%:]'), class_names)


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


SOURCES = {'digits': digits, 'tfds': tfds, 'npz': npz, 'idx': idx,
           'folder': folder, 'spuco': spurious}


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
  source = load(DataConfig(dataset='mnist', data_dir='/data/tfds'))
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
