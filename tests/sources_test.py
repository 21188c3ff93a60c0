"""One table, one set of laws for every kind of data set; then each kind."""

import collections
import gzip
import io
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn import datasets

from tfp_lgc import data, image_files, sources
from tfp_lgc.config import DataConfig
from tfp_lgc.errors import DataError

DATA = os.environ.get('TFP_LGC_TEST_DATA')

needs_data = pytest.mark.skipif(
    not DATA, reason='TFP_LGC_TEST_DATA names no folder of data sets')

NAMES = ('a', 'b', 'c')
_RNG = np.random.default_rng(0)
# What every fixture writes: images, and their positions in NAMES.
TRAIN = (_RNG.integers(0, 256, [24, 5, 4, 1], np.uint8), np.arange(24) % 3)
TEST = (_RNG.integers(0, 256, [9, 5, 4, 1], np.uint8), np.arange(9) % 3)


def _load(path, **settings):
  return sources.load(DataConfig(dataset=str(path), **settings))


def _short(value):
  return str(value)[:16]


def _multiset(images, labels, names):
  """Labelled images of any order, to be compared."""
  return collections.Counter(
      (image.tobytes(), str(names[label]))
      for image, label in zip(images, labels))


def _rows(split, names):
  images = split.to_memory(names)
  return _multiset(images.images, images.labels, names)


# The table. A fixture writes `train` and, unless it is None, `test`; it returns
# the settings that open it. The names of the classes may be another's.


def _npz(path, train, test):
  arrays = {'x_train': train[0], 'y_train': np.array(NAMES)[train[1]]}
  if test:
    arrays.update(x_test=test[0], y_test=np.array(NAMES)[test[1]])
  np.savez(path / 'x.npz', **arrays)
  return {'dataset': f'{path}/x.npz'}


def _idx_bytes(array):
  return (bytes([0, 0, 8, array.ndim]) + np.array(array.shape, '>u4').tobytes()
          + array.astype(np.uint8).tobytes())


def _idx(path, train, test):
  for name, part in (('train', train), ('t10k', test)):
    if part:
      for kind, array in (('images-idx3', part[0][..., 0]),
                          ('labels-idx1', part[1])):
        (path / f'{name}-{kind}-ubyte').write_bytes(_idx_bytes(array))
  return {'dataset': str(path)}


def _save(pixels, path):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(np.squeeze(pixels)).save(path)


def _folder(path, train, test):
  for name, part in (('train', train), ('test', test)):
    if part:
      for i, (pixels, label) in enumerate(zip(*part)):
        _save(pixels, path / name / NAMES[label] / f'{i}.png')
  return {'dataset': str(path)}


def _write_tfds(path, name, features, splits, supervised_keys):
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


def _tfds(path, train, test, label=None, image=None, test_name='test',
          supervised_keys=('image', 'label')):
  import tensorflow_datasets as tfds
  parts = {'train': train, test_name: test}
  return _write_tfds(
      path, 'tiny_images',
      {'image': image or tfds.features.Image(shape=(5, 4, 1)),
       'label': label or tfds.features.ClassLabel(names=NAMES)},
      {name: [{'image': pixels, 'label': int(position)}
              for pixels, position in zip(*part)]
       for name, part in parts.items() if part}, supervised_keys)


def _digits(path, train, test):
  return {'dataset': 'digits'}


def _spuco(path, train, test):
  base = _npz(path, train, test)
  return {'dataset': 'spuco', 'spurious_base': base['dataset']}


# Kind -> fixture, and whether the classes keep their names.
FIXTURES = {
    'digits': (_digits, False),
    'folder': (_folder, True),
    'idx': (_idx, False),
    'npz': (_npz, True),
    'spuco': (_spuco, True),
    'tfds': (_tfds, True),
}
# What gives back the very images; spuco colors them.
COPIES = sorted(set(FIXTURES) - {'digits', 'spuco'})


def test_every_kind_has_a_fixture():
  assert set(FIXTURES) == set(sources.SOURCES)


def _opened(kind, path, test=TEST, **settings):
  config = DataConfig(**FIXTURES[kind][0](path, TRAIN, test), **settings)
  assert sources.kind(config.dataset) == kind
  return sources.load(config)


@pytest.mark.parametrize('kind', sources.SOURCES)
def test_every_kind_streams_what_it_announces(kind, tmp_path):
  source = _opened(kind, tmp_path)
  assert all(isinstance(name, str) for name in source.class_names)
  for split in (source.train, source.test):
    batches = list(split.batches(7).as_numpy_iterator())
    images = np.concatenate([images for images, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    assert images.dtype == np.uint8 and labels.dtype == np.int32
    assert images.shape == (split.num_examples, *split.image_shape)
    assert set(labels) == set(range(len(source.class_names)))
    # And once more the same.
    again = np.concatenate([y for _, y in split.batches(7).as_numpy_iterator()])
    np.testing.assert_array_equal(again, labels)


@pytest.mark.parametrize('kind', COPIES)
def test_every_kind_gives_back_what_was_written(kind, tmp_path):
  source = _opened(kind, tmp_path)
  names = NAMES if FIXTURES[kind][1] else ('0', '1', '2')
  assert source.class_names == names
  assert _rows(source.train, names) == _multiset(*TRAIN, names)
  assert _rows(source.test, names) == _multiset(*TEST, names)


# The split of digits is fixed.
@pytest.mark.parametrize('kind', COPIES)
@pytest.mark.parametrize('fraction', [0.25, 0.5])
def test_test_fraction_is_held_out_where_there_is_no_test_split(
    kind, fraction, tmp_path):
  source = _opened(kind, tmp_path, test=None, test_fraction=fraction)
  total = source.train.num_examples + source.test.num_examples
  # Stratified: up to one image less of each class.
  assert (fraction * total - len(source.class_names)
          <= source.test.num_examples <= fraction * total)
  train, test = (_rows(split, source.class_names)
                 for split in (source.train, source.test))
  assert not train & test
  names = NAMES if FIXTURES[kind][1] else ('0', '1', '2')
  assert train + test == _multiset(*TRAIN, names)


@pytest.mark.parametrize('dataset, kind', [
    ('digits', 'digits'),
    ('mnist', 'tfds'),
    ('mnist:3.*.*', 'tfds'),
    ('emnist/letters', 'tfds'),
    ('some_idx/train-images-idx3-ubyte', 'folder'),
    ('x.npz', 'npz'),
    ('a/b/x.npz', 'npz'),
    ('./mnist', 'folder'),
    ('./digits', 'folder'),
    ('mnist/', 'folder'),
    ('.', 'folder'),
    ('..', 'folder'),
    ('./not/there', 'folder'),
    ('./some_idx', 'idx'),
    ('./some_idx_gz/', 'idx'),
])
def test_a_name_tells_the_kind(dataset, kind, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  for name in ('mnist', 'digits', 'some_idx', 'some_idx_gz'):
    (tmp_path / name).mkdir()
  (tmp_path / 'some_idx/train-images-idx3-ubyte').touch()
  (tmp_path / 'some_idx_gz/train-images-idx3-ubyte.gz').touch()
  assert sources.kind(dataset) == kind


@pytest.mark.parametrize('dataset', [
    './missing', 'missing.npz', 'missing/', 'missing/x.npz'])
def test_a_path_that_is_missing_is_named(dataset, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  with pytest.raises(DataError, match='missing.*no such file or folder'):
    _load(dataset)


# Digits.


def test_digits_are_those_of_scikit_learn():
  bunch = datasets.load_digits()
  source = _load('digits')
  names = source.class_names
  assert names == tuple('0123456789')
  assert source.train.image_shape == (8, 8, 1)
  counts = np.bincount(bunch.target)
  test = source.test.to_memory(names)
  np.testing.assert_array_equal(np.bincount(test.labels), counts // 5)
  assert source.train.num_examples == 1797 - (counts // 5).sum()
  # Gray levels 0..16 become 0..255, and back.
  levels = collections.Counter()
  for split in (source.train, source.test):
    images = split.to_memory(names)
    assert images.images.min() == 0 and images.images.max() == 255
    levels += _multiset(np.round(images.images / 255 * 16), images.labels,
                        names)
  assert levels == _multiset(bunch.images[..., None], bunch.target, names)


# TFDS.


def test_the_validation_split_is_a_test_split_where_there_is_no_other(tmp_path):
  config = _tfds(tmp_path, TRAIN, TEST, test_name='validation')
  source = sources.load(DataConfig(**config))
  assert _rows(source.train, NAMES) == _multiset(*TRAIN, NAMES)
  assert _rows(source.test, NAMES) == _multiset(*TEST, NAMES)


def test_parts_of_tfds_are_in_the_order_of_the_files(tmp_path, monkeypatch):
  """Whichever files they lie in; of a whole, TFDS takes turns between files."""
  from tfp_lgc import progress, tfds_writer
  monkeypatch.setattr(tfds_writer, 'SHARD_NUM_IMAGES', 256)
  pixels = np.arange(600)

  def portions(first, stop):
    rows = pixels[first:stop]
    images = np.zeros([len(rows), 2, 2, 1], np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = rows // 256, rows % 256
    yield images, (rows % 3).astype(np.int32)
  tfds_writer.write_tfds(
      portions, {'train': 590, 'test': 10}, (2, 2, 1), NAMES,
      str(tmp_path / 'lgc_samples' / '1.0.0'), {}, progress.Progress())
  config = DataConfig(dataset='lgc_samples', data_dir=str(tmp_path))
  part = sources.parts(config)
  for first, stop in ((0, 10), (250, 590), (300, 301)):
    split = part(first, stop)
    assert split.num_examples == stop - first
    images = split.to_memory(NAMES)
    expected, = portions(first, stop)
    np.testing.assert_array_equal(images.images, expected[0])
    np.testing.assert_array_equal(images.labels, expected[1])


def test_what_is_not_to_be_held_is_read_again(tmp_path, monkeypatch):
  """TFDS keeps small data sets in memory, if it is let."""
  from tfp_lgc import progress, tfds_writer

  def portions(first, stop):
    yield np.zeros([stop - first, 2, 2, 1], np.uint8), np.arange(first, stop)
  folder = tmp_path / 'lgc_samples' / '1.0.0'
  tfds_writer.write_tfds(portions, {'train': 3, 'test': 3}, (2, 2, 1), 'abcdef',
                         str(folder), {}, progress.Progress())
  config = DataConfig(dataset='lgc_samples', data_dir=str(tmp_path))
  held = sources.load(config)
  monkeypatch.setattr(data, 'most_cached', lambda max_memory: 0)
  read = sources.load(config)
  for source in (held, read):
    assert len(source.test_labels()) == 3
  for path in folder.glob('*test*'):
    path.unlink()
  assert held.test_labels().tolist() == [3, 4, 5]
  with pytest.raises(tf.errors.NotFoundError):
    read.test_labels()


@pytest.mark.parametrize('share', [0.0, 0.2])
def test_parts_of_others_are_those_of_the_whole(share):
  config = DataConfig(validation_fraction=share)
  whole = sources.load(config).train
  images = whole.to_memory(())
  part = sources.parts(config)
  for first, stop in ((0, 7), (1000, whole.num_examples + 5)):
    split = part(first, stop)
    ours = split.to_memory(())
    assert split.num_examples == len(ours)
    np.testing.assert_array_equal(ours.images, images.images[first:stop])
    np.testing.assert_array_equal(ours.labels, images.labels[first:stop])


def test_classes_that_tfds_only_counts_are_numbered(tmp_path):
  import tensorflow_datasets as tfds
  config = _tfds(tmp_path, TRAIN, TEST,
                 label=tfds.features.ClassLabel(num_classes=3))
  source = sources.load(DataConfig(**config))
  assert source.class_names == ('0', '1', '2')
  assert _rows(source.test, ('0', '1', '2')) == _multiset(*TEST, '012')


def test_plain_integer_labels_of_tfds_are_not_lost_in_silence(tmp_path):
  """They are kept as classes: one class of all would not be the data set."""
  config = _tfds(tmp_path, TRAIN, TEST, label=np.int64)
  source = sources.load(DataConfig(**config))
  assert source.class_names == ('0', '1', '2')


def test_a_label_of_tfds_needs_no_supervised_keys(tmp_path):
  config = _tfds(tmp_path, TRAIN, TEST, supervised_keys=None)
  assert sources.load(DataConfig(**config)).class_names == NAMES


def test_images_of_tfds_without_a_label_are_no_first_class(tmp_path):
  """TFDS writes -1 where nobody knows the class."""
  config = _tfds(tmp_path, (TRAIN[0], TRAIN[1] * 0 - 1), None)
  source = sources.load(DataConfig(**config))
  with pytest.raises(tf.errors.InvalidArgumentError, match='without a label'):
    source.train.to_memory(NAMES)


def test_a_data_dir_that_is_missing_is_not_made(tmp_path):
  with pytest.raises(DataError, match='data_dir.*missing'):
    sources.load(DataConfig(dataset='mnist', data_dir=f'{tmp_path}/missing'))
  assert not list(tmp_path.iterdir())


def test_pixels_of_tfds_that_8_bits_cannot_hold_are_refused(tmp_path):
  import tensorflow_datasets as tfds
  image = tfds.features.Image(shape=(5, 4, 1), dtype=np.uint16)
  train = TRAIN[0].astype(np.uint16) << 8, TRAIN[1]
  config = _tfds(tmp_path, train, None, image=image)
  with pytest.raises(DataError, match='tiny_images.*uint16'):
    sources.load(DataConfig(**config))


def test_images_of_tfds_of_several_sizes_are_refused(tmp_path):
  import tensorflow_datasets as tfds
  config = _tfds(tmp_path, TRAIN, None,
                 image=tfds.features.Image(shape=(None, None, 1)))
  with pytest.raises(DataError, match='tiny_images.*no images of one size'):
    sources.load(DataConfig(**config))


def test_tfds_without_images_is_refused(tmp_path):
  config = _write_tfds(tmp_path, 'tiny_numbers', {'x': np.int64},
                       {'train': [{'x': 1}]}, None)
  with pytest.raises(DataError, match='tiny_numbers.*no images'):
    sources.load(DataConfig(**config))


def test_tfds_without_a_train_split_is_refused(tmp_path):
  config = _tfds(tmp_path, None, TEST)
  with pytest.raises(DataError, match='no train split, only test'):
    sources.load(DataConfig(**config))


@pytest.mark.parametrize('dataset', ['', 'no_such_dataset', 'two words'])
def test_a_name_that_tfds_does_not_know_is_named(dataset, tmp_path):
  with pytest.raises(DataError, match=f"dataset = '{dataset}'"):
    _load(dataset, data_dir=str(tmp_path))


# npz.


def _npz_content(save=np.savez, **arrays):
  buffer = io.BytesIO()
  save(buffer, **arrays)
  return buffer.getvalue()


def _npy_content():
  buffer = io.BytesIO()
  np.save(buffer, TRAIN[0])
  return buffer.getvalue()


def _of_a_later_zip():
  """The version that is needed to extract, in the central directory."""
  content = bytearray(_npz_content(x_train=TRAIN[0]))
  content[content.index(b'PK\1\2') + 6] = 99
  return bytes(content)


def _encrypted_zip():
  content = bytearray(_npz_content(x_train=TRAIN[0]))
  content[content.index(b'PK\1\2') + 8] |= 1
  content[content.index(b'PK\3\4') + 6] |= 1
  return bytes(content)


GOOD_NPZ = _npz_content(x_train=TRAIN[0], y_train=TRAIN[1])


@pytest.mark.parametrize('content, words', [
    (b'', 'cannot be read as .npz'),
    (b'no zip', 'cannot be read as .npz'),
    (GOOD_NPZ[:-10], 'cannot be read as .npz'),
    (GOOD_NPZ[:100] + b'!' + GOOD_NPZ[101:], 'cannot be read as .npz'),
    (_npy_content(), 'cannot be read as .npz'),
    (_of_a_later_zip(), 'cannot be read as .npz'),
    (_encrypted_zip(), 'cannot be read as .npz'),
    # Loading these would execute what is in them.
    (_npz_content(x_train=TRAIN[0], y_train=np.array([{}] * 24)),
     'cannot be read as .npz'),
    (_npz_content(), 'no array'),
    (_npz_content(train=TRAIN[0]), 'has train; must have x_train'),
    (_npz_content(x_train=np.where(TRAIN[0] > 9, TRAIN[0], np.nan)),
     'x_train: holds nan'),
    (_npz_content(x_train=TRAIN[0] / 255), 'x_train: got float64'),
    (_npz_content(x_train=TRAIN[0], y_train=TRAIN[1][:-1]), 'y_train: got'),
    (_npz_content(x_train=TRAIN[0], y_train=TRAIN[1], x_test=TEST[0]),
     'y_test'),
    (_npz_content(x_train=TRAIN[0], y_train=TRAIN[1], x_test=TEST[0],
                  y_test=TEST[1] + 1), "y_test: class '3'"),
    (_npz_content(x_train=TRAIN[0], x_test=np.array(3)), 'x_test'),
    (_npz_content(x_train=TRAIN[0][:0]), 'no image'),
], ids=_short)
def test_an_npz_that_is_refused_is_named(content, words, tmp_path):
  (tmp_path / 'x.npz').write_bytes(content)
  with pytest.raises(DataError, match=words) as error:
    _load(tmp_path / 'x.npz')
  assert 'x.npz' in str(error.value)


def test_a_folder_that_is_called_npz_is_refused(tmp_path):
  (tmp_path / 'x.npz').mkdir()
  with pytest.raises(DataError, match='x.npz: cannot be read'):
    _load(tmp_path / 'x.npz')


def test_an_npz_without_labels_is_one_class(tmp_path):
  np.savez_compressed(tmp_path / 'x.npz', x_train=TRAIN[0], x_test=TEST[0])
  source = _load(tmp_path / 'x.npz')
  assert source.class_names == ('all',)
  assert (source.train.num_examples, source.test.num_examples) == (24, 9)


# IDX.


@pytest.mark.parametrize('image_shape', [(24, 5, 4), (24, 5, 4, 3)])
def test_idx_may_be_gzipped_and_of_color(image_shape, tmp_path):
  images = _RNG.integers(0, 256, image_shape, np.uint8)
  for kind, array in (('images-idx3', images), ('labels-idx1', TRAIN[1])):
    (tmp_path / f'train-{kind}-ubyte.gz').write_bytes(
        gzip.compress(_idx_bytes(array)))
  source = _load(tmp_path, test_fraction=0.01)
  np.testing.assert_array_equal(source.train.to_memory(()).images,
                                images.reshape([24, 5, 4, -1]))
  np.testing.assert_array_equal(source.train.to_memory(()).labels, TRAIN[1])


def test_idx_may_have_the_names_that_browsers_give_it(tmp_path):
  _idx(tmp_path, TRAIN, TEST)
  for path in list(tmp_path.iterdir()):
    path.rename(str(path).replace('-idx', '.idx'))
  assert _load(tmp_path).test.num_examples == 9


def test_idx_without_labels_is_one_class(tmp_path):
  _idx(tmp_path, TRAIN, TEST)
  for name in ('train', 't10k'):
    (tmp_path / f'{name}-labels-idx1-ubyte').unlink()
  source = _load(tmp_path)
  assert source.class_names == ('all',)
  assert source.test.num_examples == 9


GOOD_IDX = _idx_bytes(TRAIN[0][..., 0])


@pytest.mark.parametrize('content, words', [
    (b'', 'not an IDX file'),
    (b'\0\0\x08', 'not an IDX file'),
    (b'\x89PNG' + GOOD_IDX[4:], 'not an IDX file'),
    # Shorts, where bytes are known.
    (b'\0\0\x0b' + GOOD_IDX[3:], 'not an IDX file'),
    # Within the header.
    (GOOD_IDX[:10], 'ends within its header'),
    (GOOD_IDX[:-1], 'announces'),
    (GOOD_IDX + b'\0', 'announces'),
    # Of 2^96 bytes, and of more axes than NumPy has.
    (GOOD_IDX[:4] + b'\xff' * 12 + GOOD_IDX[16:], 'announces'),
    (b'\0\0\x08\xff' + bytes(4 * 255), 'train-images'),
    (GOOD_IDX[:3] + b'\2' + np.array([24, 20], '>u4').tobytes()
     + GOOD_IDX[16:], 'x_train: got shape'),
], ids=_short)
def test_an_idx_file_that_is_refused_is_named(content, words, tmp_path):
  (tmp_path / 'train-images-idx3-ubyte').write_bytes(content)
  with pytest.raises(DataError, match=words) as error:
    _load(tmp_path)
  assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize('content', [
    b'no gzip', gzip.compress(GOOD_IDX)[:-10], gzip.compress(GOOD_IDX)[:40]],
                         ids=_short)
def test_a_gzip_that_is_damaged_is_named(content, tmp_path):
  (tmp_path / 'train-images-idx3-ubyte.gz').write_bytes(content)
  with pytest.raises(DataError, match='ubyte.gz: cannot be read'):
    _load(tmp_path)


def test_idx_without_train_images_is_refused(tmp_path):
  _idx(tmp_path, TRAIN, TEST)
  (tmp_path / 'train-images-idx3-ubyte').unlink()
  with pytest.raises(DataError, match='has no train-images-idx3-ubyte'):
    _load(tmp_path)


@pytest.mark.parametrize('size', [4, 7, 8, 12, 16])
def test_idx_test_images_that_end_early_are_not_passed_over(size, tmp_path):
  _idx(tmp_path, TRAIN, TEST)
  path = tmp_path / 't10k-images-idx3-ubyte'
  path.write_bytes(path.read_bytes()[:size])
  with pytest.raises(DataError):
    _load(tmp_path)


@pytest.mark.parametrize('name', ['train', 't10k'])
def test_idx_with_the_labels_of_one_split_is_refused(name, tmp_path):
  _idx(tmp_path, TRAIN, TEST)
  (tmp_path / f'{name}-labels-idx1-ubyte').unlink()
  with pytest.raises(DataError, match='y_test'):
    _load(tmp_path)


def test_idx_of_too_few_labels_is_refused(tmp_path):
  _idx(tmp_path, TRAIN, TEST)
  (tmp_path / 'train-labels-idx1-ubyte').write_bytes(_idx_bytes(TRAIN[1][1:]))
  with pytest.raises(DataError, match=r'y_train: got shape \(23,\) for 24'):
    _load(tmp_path)


# Folders of images.


@pytest.mark.parametrize('suffix', image_files.SUFFIXES)
def test_a_folder_has_the_pixels_that_pillow_reads(suffix, tmp_path):
  pixels = _RNG.integers(0, 256, [6, 9, 8, 3], np.uint8)
  expected = collections.Counter()
  for i in range(6):
    path = tmp_path / 'train' / NAMES[i % 3] / f'{i}{suffix.upper()}'
    _save(pixels[i], path)
    expected[np.asarray(Image.open(path).convert('RGB')).tobytes(),
             NAMES[i % 3]] += 1
  source = _load(tmp_path)
  assert source.train.image_shape == (9, 8, 3)
  assert _rows(source.train, NAMES) == expected


def test_gray_images_among_colored_ones_become_rgb(tmp_path):
  gray, rgb = (_RNG.integers(0, 256, shape, np.uint8)
               for shape in ((5, 4), (5, 4, 3)))
  _save(gray, tmp_path / 'train/a/0.png')
  _save(rgb, tmp_path / 'train/b/0.png')
  source = _load(tmp_path)
  assert source.train.image_shape == (5, 4, 3)
  assert _rows(source.train, NAMES) == _multiset(
      [np.stack([gray] * 3, axis=-1), rgb], [0, 1], NAMES)


@pytest.mark.parametrize('mode, channels', [
    ('1', 1), ('L', 1), ('LA', 1), ('P', 3), ('RGB', 3), ('RGBA', 3)])
def test_kinds_of_pixels_that_become_gray_or_rgb(mode, channels, tmp_path):
  image = Image.fromarray(TRAIN[0][0, ..., 0]).convert(mode)
  (tmp_path / 'a').mkdir()
  image.save(tmp_path / 'a/0.png')
  source = _load(tmp_path)
  assert source.train.image_shape == (5, 4, channels)
  expected = np.asarray(image.convert('L' if channels == 1 else 'RGB'))
  np.testing.assert_array_equal(source.train.to_memory(()).images[0],
                                expected.reshape([5, 4, channels]))


@pytest.mark.parametrize('limit', [0, 2**30], ids=['streamed', 'in memory'])
def test_a_large_folder_is_streamed_a_small_one_kept(limit, tmp_path,
                                                     monkeypatch):
  monkeypatch.setattr(data, 'CACHE_NUM_BYTES', limit)
  config = _folder(tmp_path, TRAIN, TEST)
  source = sources.load(DataConfig(**config))
  for path in tmp_path.glob('test/*/*'):
    path.unlink()
  assert _rows(source.train, NAMES) == _multiset(*TRAIN, NAMES)
  if limit:
    assert _rows(source.test, NAMES) == _multiset(*TEST, NAMES)


def test_files_are_not_read_in_the_order_of_classes(tmp_path):
  config = _folder(tmp_path, TRAIN, TEST)
  labels = sources.load(DataConfig(**config)).train.to_memory(NAMES).labels
  assert (np.diff(labels) < 0).any()


def test_classes_may_stand_in_the_folder_itself(tmp_path):
  _folder(tmp_path, TRAIN, None)
  (tmp_path / 'notes.txt').touch()
  source = _load(tmp_path / 'train', test_fraction=0.25)
  assert source.class_names == NAMES
  assert (source.train.num_examples, source.test.num_examples) == (18, 6)


@pytest.mark.parametrize('name', ['train', 'test'])
def test_a_class_may_be_called_as_a_split(name, tmp_path):
  for i, class_name in enumerate(['cat', 'dog', name]):
    _save(TRAIN[0][i], tmp_path / class_name / '0.png')
  source = _load(tmp_path)
  assert source.class_names == tuple(sorted(['cat', 'dog', name]))
  assert source.train.num_examples == 3 and source.test is None


@pytest.mark.parametrize('place', ['.', 'train'])
def test_images_in_no_class_folder_are_one_class(place, tmp_path):
  for i, pixels in enumerate(TRAIN[0]):
    _save(pixels, tmp_path / place / f'{i}.png')
  source = _load(tmp_path, test_fraction=0.25)
  assert source.class_names == ('all',)
  assert (source.train.num_examples, source.test.num_examples) == (18, 6)


def test_a_single_image_is_a_data_set_without_a_test_split(tmp_path):
  _save(TRAIN[0][0], tmp_path / '0.png')
  source = _load(tmp_path)
  assert source.train.num_examples == 1 and source.test is None


@pytest.mark.parametrize('limit', [0, 2**30], ids=['streamed', 'in memory'])
@pytest.mark.parametrize('split', ['train', 'test'])
def test_an_image_of_another_size_is_named_at_once(split, limit, tmp_path,
                                                   monkeypatch):
  monkeypatch.setattr(data, 'CACHE_NUM_BYTES', limit)
  config = _folder(tmp_path, TRAIN, TEST)
  _save(TRAIN[0][0, 1:], tmp_path / split / 'b/odd.png')
  with pytest.raises(DataError, match='b/odd.png: is 4 x 4, another image '
                                      '5 x 4; all'):
    sources.load(DataConfig(**config))


def _png():
  buffer = io.BytesIO()
  Image.fromarray(TRAIN[0][0, ..., 0]).save(buffer, 'PNG')
  return buffer.getvalue()


GOOD_PNG = _png()


@pytest.mark.parametrize('content', [
    b'', b'no image', GOOD_PNG[:20], GOOD_PNG[:60], GOOD_PNG[:-30],
    # 2^31 - 1 pixels wide.
    GOOD_PNG[:16] + b'\x7f\xff\xff\xff' + GOOD_PNG[20:]], ids=_short)
@pytest.mark.parametrize('split', ['train', 'test'])
def test_an_image_that_is_damaged_is_named(split, content, tmp_path):
  config = _folder(tmp_path, TRAIN, TEST)
  (tmp_path / split / 'b/bad.png').write_bytes(content)
  with pytest.raises(DataError, match='b/bad.png: cannot be read as an image'):
    sources.load(DataConfig(**config))


def test_pixels_of_16_bits_are_refused(tmp_path):
  config = _folder(tmp_path, TRAIN, TEST)
  _save(np.full([5, 4], 999, np.uint16), tmp_path / 'train/b/deep.png')
  with pytest.raises(DataError, match='b/deep.png: has pixels of kind I;16'):
    sources.load(DataConfig(**config))


def test_a_class_that_only_the_test_split_has_is_named(tmp_path):
  config = _folder(tmp_path, TRAIN, TEST)
  _save(TEST[0][0], tmp_path / 'test/new/0.png')
  with pytest.raises(DataError, match="class 'new' does not occur"):
    sources.load(DataConfig(**config))


@pytest.mark.parametrize('name', ['notes.txt', 'train/a/notes.txt',
                                  'train/a/b/0.png', 'test/a/0.png'])
def test_a_folder_without_images_for_training_is_refused(name, tmp_path):
  (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
  (tmp_path / name).write_bytes(GOOD_PNG)
  with pytest.raises(DataError, match='has no train/CLASS'):
    _load(tmp_path)


def test_a_file_is_no_folder(tmp_path):
  (tmp_path / 'x.zip').touch()
  with pytest.raises(DataError, match='x.zip'):
    _load(tmp_path / 'x.zip')


# Real data, against published numbers.


def _summary(split):
  """Label counts, and mean and standard deviation of the pixels in 0..1."""
  counts, total, squares = 0, 0, 0
  for images, labels in split.batches(1000).as_numpy_iterator():
    histogram = np.bincount(images.ravel(), minlength=256)
    counts = counts + np.bincount(labels, minlength=10)
    total = total + histogram @ np.arange(256)
    squares = squares + histogram @ np.arange(256)**2
  size = split.num_examples * np.prod(split.image_shape)
  mean = total / size
  return counts, mean / 255, np.sqrt(squares / size - mean**2) / 255


@needs_data
def test_mnist_of_tfds_is_mnist_of_idx():
  tfds = _load('mnist', data_dir=f'{DATA}/tfds')
  idx = _load(pathlib.Path(DATA, 'mnist'))
  assert tfds.class_names == idx.class_names == tuple('0123456789')
  summaries = []
  for source in (tfds, idx):
    for split, num_examples in ((source.train, 60_000), (source.test, 10_000)):
      assert split.num_examples == num_examples
      assert split.image_shape == (28, 28, 1)
      summaries.append(_summary(split))
      assert summaries[-1][0].sum() == num_examples
  for one, other in zip(summaries[:2], summaries[2:]):
    for ours, theirs in zip(one, other):
      np.testing.assert_array_equal(ours, theirs)
  counts, *moments = summaries[0]
  assert (counts[0], counts[1]) == (5923, 6742)
  np.testing.assert_allclose(moments, [0.1307, 0.3081], atol=5e-5)


@needs_data
def test_fashion_mnist_is_as_published():
  source = _load('fashion_mnist', data_dir=f'{DATA}/tfds')
  assert source.class_names[0] == 'T-shirt/top'
  counts, *moments = _summary(source.train)
  np.testing.assert_array_equal(counts, [6000] * 10)
  np.testing.assert_allclose(moments, [0.2860, 0.3530], atol=5e-5)
  np.testing.assert_array_equal(_summary(source.test)[0], [1000] * 10)


@needs_data
def test_cifar10_small_is_rgb():
  source = _load(pathlib.Path(DATA, 'cifar10_small.npz'))
  assert source.class_names == tuple('0123456789')
  for split, num_examples in ((source.train, 10_000), (source.test, 1_000)):
    assert split.num_examples == num_examples
    assert split.image_shape == (32, 32, 3)
    assert _summary(split)[0].sum() == num_examples
