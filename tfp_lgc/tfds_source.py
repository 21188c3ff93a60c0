"""Data sets of TFDS, as a whole and in parts."""

from typing import Callable, Optional

import numpy as np
import tensorflow as tf

from tfp_lgc import data
from tfp_lgc.arrays import UNLABELED
from tfp_lgc.config import DataConfig
from tfp_lgc.data import Source, Split
from tfp_lgc.errors import DataError

__all__ = ['parts', 'tfds']

# Of a file that are read at a time, where memory is bound.
BUFFER_NUM_BYTES = 2**18


def tfds(config: DataConfig) -> Source:
  """Any TFDS data set of images of one size, prepared first if need be."""
  return _source(_builder(config), config)


def _builder(config: DataConfig):
  """Of the prepared data set."""
  import tensorflow_datasets  # pylint: disable=g-import-not-at-top
  name = config.dataset
  # TFDS would make it, and download into it.
  if config.data_dir and not tf.io.gfile.isdir(config.data_dir):
    raise DataError(f'data_dir = {config.data_dir!r}: is no directory; make it '
                    'if the data set is to be downloaded there')
  try:
    builder = tensorflow_datasets.builder(name,
                                          data_dir=config.data_dir or None)
    builder.download_and_prepare()
    return builder
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


def _classes(builder, image_key: str, label_key: Optional[str],
             ) -> tuple[np.ndarray, tuple[str, ...]]:
  """The labels that occur, int64, sorted, and their names."""
  if not label_key:
    return np.zeros(1, np.int64), UNLABELED
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


def _splits(builder, config: DataConfig, **read_config,
            ) -> tuple[Callable[[str], Split], tuple[str, ...]]:
  """A function of what TFDS calls a split, and the names of the classes;
  `read_config` is for `tfds.ReadConfig`."""
  import tensorflow_datasets  # pylint: disable=g-import-not-at-top
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
  values, class_names = _classes(builder, image_key, label_key)
  is_counted = np.array_equal(values, np.arange(len(values)))
  most = data.most_cached(config.max_memory)
  # TFDS itself would keep what takes up to 250 MiB on the disk, unpacked.
  read_config['try_autocache'] = False
  if config.max_memory:  # It reads 16 files in turns, each 8 MiB at a time.
    read_config['override_buffer_size'] = BUFFER_NUM_BYTES

  def example(row):
    if not label_key:
      return row[image_key], tf.constant(0)
    label = tf.cast(row[label_key], tf.int64)
    # One operation, which `tf.debugging` makes many of: it is run per image.
    tf.raw_ops.Assert(condition=label >= 0, data=[
        f'dataset = {config.dataset}: has images without a label'])
    if is_counted:
      return row[image_key], tf.cast(label, tf.int32)
    return row[image_key], tf.searchsorted(values, label[tf.newaxis])[0]

  def split(which: str) -> Split:
    examples = builder.as_dataset(
        split=which, shuffle_files=False,
        read_config=tensorflow_datasets.ReadConfig(**read_config),
    ).map(example, num_parallel_calls=tf.data.AUTOTUNE)
    num_examples = builder.info.splits[which].num_examples
    if num_examples * int(np.prod(shape)) > most:
      return Split(examples, num_examples, shape)
    if config.max_memory:
      return Split(examples.cache(), num_examples, shape)
    return Split(examples, num_examples, shape, held=data.held(examples))

  return split, class_names


def _source(builder, config: DataConfig) -> Source:
  split, class_names = _splits(builder, config)
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


def parts(config: DataConfig) -> Callable[[int, int], Split]:
  """(first, stop) -> images of the train split from one position to before
  another, in the order of the files, of which no other is read."""
  split, _ = _splits(_builder(config), config, interleave_cycle_length=1)
  return lambda first, stop: split(f'train[{first}:{stop}]')
