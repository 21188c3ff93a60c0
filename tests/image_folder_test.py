"""Folders of images, and images that are refused."""

import collections
import io

import numpy as np
import pytest
from data_sets import (
  load,
  multiset,
  NAMES,
  rows_of,
  save_image,
  short,
  TEST,
  TRAIN,
  write_folder,
)
from PIL import Image

from tfp_lgc import data, image_files, sources
from tfp_lgc.config import DataConfig
from tfp_lgc.errors import DataError


@pytest.mark.parametrize('suffix', image_files.SUFFIXES)
def test_a_folder_has_the_pixels_that_pillow_reads(suffix, tmp_path):
  pixels = np.random.default_rng(0).integers(0, 256, [6, 9, 8, 3], np.uint8)
  expected = collections.Counter()
  for i in range(6):
    path = tmp_path / 'train' / NAMES[i % 3] / f'{i}{suffix.upper()}'
    save_image(pixels[i], path)
    expected[np.asarray(Image.open(path).convert('RGB')).tobytes(),
             NAMES[i % 3]] += 1
  source = load(tmp_path)
  assert source.train.image_shape == (9, 8, 3)
  assert rows_of(source.train, NAMES) == expected


def test_gray_images_among_colored_ones_become_rgb(tmp_path):
  rng = np.random.default_rng(0)
  gray, rgb = (rng.integers(0, 256, shape, np.uint8)
               for shape in ((5, 4), (5, 4, 3)))
  save_image(gray, tmp_path / 'train/a/0.png')
  save_image(rgb, tmp_path / 'train/b/0.png')
  source = load(tmp_path)
  assert source.train.image_shape == (5, 4, 3)
  assert rows_of(source.train, NAMES) == multiset(
      [np.stack([gray] * 3, axis=-1), rgb], [0, 1], NAMES)


@pytest.mark.parametrize('mode, channels', [
    ('1', 1), ('L', 1), ('LA', 1), ('P', 3), ('RGB', 3), ('RGBA', 3)])
def test_kinds_of_pixels_that_become_gray_or_rgb(mode, channels, tmp_path):
  image = Image.fromarray(TRAIN[0][0, ..., 0]).convert(mode)
  (tmp_path / 'a').mkdir()
  image.save(tmp_path / 'a/0.png')
  source = load(tmp_path)
  assert source.train.image_shape == (5, 4, channels)
  expected = np.asarray(image.convert('L' if channels == 1 else 'RGB'))
  np.testing.assert_array_equal(source.train.to_memory(()).images[0],
                                expected.reshape([5, 4, channels]))


@pytest.mark.parametrize('limit', [0, 2**30], ids=['streamed', 'in memory'])
def test_a_large_folder_is_streamed_a_small_one_kept(limit, tmp_path,
                                                     monkeypatch):
  monkeypatch.setattr(data, 'CACHE_NUM_BYTES', limit)
  config = write_folder(tmp_path, TRAIN, TEST)
  source = sources.load(DataConfig(**config))
  for path in tmp_path.glob('test/*/*'):
    path.unlink()
  assert rows_of(source.train, NAMES) == multiset(*TRAIN, NAMES)
  if limit:
    assert rows_of(source.test, NAMES) == multiset(*TEST, NAMES)


def test_files_are_not_read_in_the_order_of_classes(tmp_path):
  config = write_folder(tmp_path, TRAIN, TEST)
  labels = sources.load(DataConfig(**config)).train.to_memory(NAMES).labels
  assert (np.diff(labels) < 0).any()


def test_classes_may_stand_in_the_folder_itself(tmp_path):
  write_folder(tmp_path, TRAIN, None)
  (tmp_path / 'notes.txt').touch()
  source = load(tmp_path / 'train', test_fraction=0.25)
  assert source.class_names == NAMES
  assert (source.train.num_examples, source.test.num_examples) == (18, 6)


@pytest.mark.parametrize('name', ['train', 'test'])
def test_a_class_may_be_called_as_a_split(name, tmp_path):
  for i, class_name in enumerate(['cat', 'dog', name]):
    save_image(TRAIN[0][i], tmp_path / class_name / '0.png')
  source = load(tmp_path)
  assert source.class_names == tuple(sorted(['cat', 'dog', name]))
  assert source.train.num_examples == 3 and source.test is None


@pytest.mark.parametrize('place', ['.', 'train'])
def test_images_in_no_class_folder_are_one_class(place, tmp_path):
  for i, pixels in enumerate(TRAIN[0]):
    save_image(pixels, tmp_path / place / f'{i}.png')
  source = load(tmp_path, test_fraction=0.25)
  assert source.class_names == ('all',)
  assert (source.train.num_examples, source.test.num_examples) == (18, 6)


def test_a_single_image_is_a_data_set_without_a_test_split(tmp_path):
  save_image(TRAIN[0][0], tmp_path / '0.png')
  source = load(tmp_path)
  assert source.train.num_examples == 1 and source.test is None


@pytest.mark.parametrize('limit', [0, 2**30], ids=['streamed', 'in memory'])
@pytest.mark.parametrize('split', ['train', 'test'])
def test_an_image_of_another_size_is_named_at_once(split, limit, tmp_path,
                                                   monkeypatch):
  monkeypatch.setattr(data, 'CACHE_NUM_BYTES', limit)
  config = write_folder(tmp_path, TRAIN, TEST)
  save_image(TRAIN[0][0, 1:], tmp_path / split / 'b/odd.png')
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
    GOOD_PNG[:16] + b'\x7f\xff\xff\xff' + GOOD_PNG[20:]], ids=short)
@pytest.mark.parametrize('split', ['train', 'test'])
def test_an_image_that_is_damaged_is_named(split, content, tmp_path):
  config = write_folder(tmp_path, TRAIN, TEST)
  (tmp_path / split / 'b/bad.png').write_bytes(content)
  with pytest.raises(DataError, match='b/bad.png: cannot be read as an image'):
    sources.load(DataConfig(**config))


def test_pixels_of_16_bits_are_refused(tmp_path):
  config = write_folder(tmp_path, TRAIN, TEST)
  save_image(np.full([5, 4], 999, np.uint16), tmp_path / 'train/b/deep.png')
  with pytest.raises(DataError, match='b/deep.png: has pixels of kind I;16'):
    sources.load(DataConfig(**config))


def test_a_class_that_only_the_test_split_has_is_named(tmp_path):
  config = write_folder(tmp_path, TRAIN, TEST)
  save_image(TEST[0][0], tmp_path / 'test/new/0.png')
  with pytest.raises(DataError, match="class 'new' does not occur"):
    sources.load(DataConfig(**config))


@pytest.mark.parametrize('name', ['notes.txt', 'train/a/notes.txt',
                                  'train/a/b/0.png', 'test/a/0.png'])
def test_a_folder_without_images_for_training_is_refused(name, tmp_path):
  (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
  (tmp_path / name).write_bytes(GOOD_PNG)
  with pytest.raises(DataError, match='has no train/CLASS'):
    load(tmp_path)


def test_a_file_is_no_folder(tmp_path):
  (tmp_path / 'x.zip').touch()
  with pytest.raises(DataError, match='x.zip'):
    load(tmp_path / 'x.zip')
