"""Small data sets for tests: the same images on the disk as every kind of data
set."""

import collections

import numpy as np
from PIL import Image

from tfp_lgc import sources
from tfp_lgc.config import DataConfig

NAMES = ('a', 'b', 'c')
_RNG = np.random.default_rng(0)
# What is written: images, and their positions in NAMES.
TRAIN = (_RNG.integers(0, 256, [24, 5, 4, 1], np.uint8), np.arange(24) % 3)
TEST = (_RNG.integers(0, 256, [9, 5, 4, 1], np.uint8), np.arange(9) % 3)


def load(path, **settings):
  return sources.load(DataConfig(dataset=str(path), **settings))


def short(value):
  """The name of a case."""
  return str(value)[:16]


def multiset(images, labels, names):
  """Labelled images of any order, to be compared."""
  return collections.Counter(
      (image.tobytes(), str(names[label]))
      for image, label in zip(images, labels))


def rows_of(split, names):
  """What a split holds, as a `multiset`."""
  images = split.to_memory(names)
  return multiset(images.images, images.labels, names)


# Each writes `train` and, unless it is None, `test`; it returns the settings
# that open it. The names of the classes may be another's.


def write_npz(path, train, test):
  arrays = {'x_train': train[0], 'y_train': np.array(NAMES)[train[1]]}
  if test:
    arrays.update(x_test=test[0], y_test=np.array(NAMES)[test[1]])
  np.savez(path / 'x.npz', **arrays)
  return {'dataset': f'{path}/x.npz'}


def idx_bytes(array):
  return (bytes([0, 0, 8, array.ndim]) + np.array(array.shape, '>u4').tobytes()
          + array.astype(np.uint8).tobytes())


def write_idx(path, train, test):
  for name, part in (('train', train), ('t10k', test)):
    if part:
      for kind, array in (('images-idx3', part[0][..., 0]),
                          ('labels-idx1', part[1])):
        (path / f'{name}-{kind}-ubyte').write_bytes(idx_bytes(array))
  return {'dataset': str(path)}


def save_image(pixels, path):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(np.squeeze(pixels)).save(path)


def write_folder(path, train, test):
  for name, part in (('train', train), ('test', test)):
    if part:
      for i, (pixels, label) in enumerate(zip(*part)):
        save_image(pixels, path / name / NAMES[label] / f'{i}.png')
  return {'dataset': str(path)}


def write_rows(path, name, features, splits, supervised_keys):
  """A data set of TFDS, made without network; only its files remain."""
  import tensorflow_datasets as tfds

  class Rows(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Rows that are given."""
    VERSION = tfds.core.Version('1.0.0')

    def _info(self):
      return tfds.core.DatasetInfo(
          builder=self, features=tfds.features.FeaturesDict(features),
          supervised_keys=supervised_keys)

    def _split_generators(self, dl_manager):
      return {split: self._generate_examples(rows)
              for split, rows in splits.items()}

    def _generate_examples(self, rows):
      yield from enumerate(rows)

  Rows.name = name
  Rows(data_dir=path).download_and_prepare()
  return {'dataset': name, 'data_dir': str(path)}


def write_tfds(path, train, test, label=None, image=None, test_name='test',
               supervised_keys=('image', 'label')):
  import tensorflow_datasets as tfds
  parts = {'train': train, test_name: test}
  return write_rows(
      path, 'tiny_images',
      {'image': image or tfds.features.Image(shape=(5, 4, 1)),
       'label': label or tfds.features.ClassLabel(names=NAMES)},
      {name: [{'image': pixels, 'label': int(position)}
              for pixels, position in zip(*part)]
       for name, part in parts.items() if part}, supervised_keys)
