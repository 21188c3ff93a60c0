"""What is written, as NumPy and Pillow read it."""

import os

import numpy as np
import PIL.Image
import pytest

from tfp_lgc import sources, writers
from tfp_lgc.config import DataConfig
from tfp_lgc.data import Images
from tfp_lgc.errors import ConfigError

OUTPUTS = ['x.npz', 'x.png', 'x']


def _images(n=7, shape=(4, 3, 1), class_names=('a', 'b', 'c')):
  rng = np.random.default_rng(0)
  return Images(rng.integers(0, 256, [n, *shape]).astype(np.uint8),
                (np.arange(n) % len(class_names)).astype(np.int32),
                tuple(class_names))


def _read(path):
  with PIL.Image.open(path) as image:
    pixels = np.asarray(image)
  return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def _files(directory):
  return {str(path.relative_to(directory)): path.read_bytes()
          for path in directory.rglob('*') if path.is_file()}


# .npz


@pytest.mark.parametrize('names, dtype', [
    (['0', '1', '2'], 'i'), (['-3', '5', '900'], 'i'), (['a', 'b', 'c'], 'U'),
    (['1', '2', 'x'], 'U'), (['01', '2', '3'], 'U'), (['-0', '1', '2'], 'U'),
    (['1.0', '2', '3'], 'U'), (['', '1', '2'], 'U'), (['--5', '1', '2'], 'U'),
    (['-', '1', '2'], 'U'), (['²', '1', '2'], 'U'), (['٣', '1', '2'], 'U'),
    (['é', 'ü', '日'], 'U'), (['0', '1', str(10**30)], 'U'),
    (['0', '1', '9' * 5000], 'U'), (['-1', '0', str(2**63)], 'U')],
    ids=lambda names: ','.join(names)[:30])
def test_npz_holds_the_images_and_what_the_labels_mean(names, dtype, tmp_path):
  images = _images(class_names=names)
  writers.write(images, str(tmp_path / 'x.npz'))
  with np.load(tmp_path / 'x.npz', allow_pickle=False) as file:
    assert set(file.files) == {'x_train', 'y_train'}
    x, y = file['x_train'], file['y_train']
  np.testing.assert_array_equal(x, images.images, strict=True)
  assert y.dtype.kind == dtype
  assert [str(value) for value in y] == [names[i] for i in images.labels]


def test_npz_is_a_data_set_in_turn(tmp_path):
  images = _images(12, class_names=['-3', '5', '900'])
  writers.write(images, str(tmp_path / 'x.npz'))
  source = sources.load(DataConfig(dataset=str(tmp_path / 'x.npz'),
                                   test_fraction=0.01))
  again = source.train.to_memory(source.class_names)
  assert again.class_names == images.class_names
  np.testing.assert_array_equal(again.images, images.images)
  np.testing.assert_array_equal(again.labels, images.labels)


# .png


@pytest.mark.parametrize('channels, mode', [(1, 'L'), (3, 'RGB')])
@pytest.mark.parametrize('n', [1, 2, 3, 9, 10, 100])
def test_a_sheet_has_each_image_at_its_place(channels, mode, n, tmp_path):
  images = _images(n, (4, 3, channels))
  writers.write(images, str(tmp_path / 'x.png'))
  with PIL.Image.open(tmp_path / 'x.png') as image:
    assert (image.format, image.mode) == ('PNG', mode)
  sheet = _read(tmp_path / 'x.png')
  rows, columns = sheet.shape[0] // 4, sheet.shape[1] // 3
  assert sheet.shape == (4 * rows, 3 * columns, channels)
  for i in range(rows * columns):
    row, column = divmod(i, columns)
    tile = sheet[4 * row:4 * row + 4, 3 * column:3 * column + 3]
    np.testing.assert_array_equal(tile, images.images[i] if i < n else 0)
  assert (rows - 1) * columns < n <= rows * columns  # No row in vain.


@pytest.mark.parametrize('shape', [(8, 8, 1), (4, 12, 1), (30, 5, 3)])
def test_a_sheet_is_about_square(shape, tmp_path):
  writers.write(_images(200, shape), str(tmp_path / 'x.png'))
  height, width, _ = _read(tmp_path / 'x.png').shape
  assert abs(height - width) <= 2 * max(shape[:2])


@pytest.mark.parametrize('shape', [(8, 8, 1), (13, 9, 3), (40, 2, 1)])
def test_a_sheet_of_one_image_is_the_image(shape, tmp_path):
  images = _images(1, shape)
  writers.write(images, str(tmp_path / 'x.png'))
  np.testing.assert_array_equal(_read(tmp_path / 'x.png'), images.images[0])


# A folder.


@pytest.mark.parametrize('channels', [1, 3])
def test_a_folder_by_class_reads_back(channels, tmp_path):
  images = _images(25, (4, 3, channels), ['a cat', '7', 'ж'])
  writers.write(images, str(tmp_path / 'x'))
  paths = sorted((tmp_path / 'x').glob('*/*.png'), key=lambda path: path.name)
  assert [int(path.stem) for path in paths] == list(range(25))
  for path, image, label in zip(paths, images.images, images.labels):
    np.testing.assert_array_equal(_read(path), image)
    assert path.parent.name == ['a cat', '7', '%D0%B6'][label]
  source = sources.load(DataConfig(dataset=str(tmp_path / 'x'),
                                   test_fraction=0.01))
  again = source.train.to_memory(source.class_names)
  assert again.class_names == ('%D0%B6', '7', 'a cat')
  for label, mine in enumerate((2, 1, 0)):
    assert sorted(x.tobytes() for x in again.images[again.labels == label]) == (
        sorted(x.tobytes() for x in images.images[images.labels == mine]))


@pytest.mark.parametrize('name', ['train', 'test'])
def test_a_class_named_as_a_split_is_a_class(name, tmp_path):
  writers.write(_images(9, class_names=['bus', 'car', name]),
                str(tmp_path / 'x'))
  source = sources.load(DataConfig(dataset=str(tmp_path / 'x'),
                                   test_fraction=0.01))
  assert source.class_names == ('bus', 'car', name)
  assert source.train.num_examples == 9


NAMES = ['../x', '..', '.', '', 'a/b', '/abs', 'CON', 'x\0y', 'c:\\d', '%',
         '%2E', '%2E%2E%2Fx', 'a\nb', '~', ' ', 'é', 'a*?', '.hidden']


def test_no_class_name_leads_out_of_the_folder(tmp_path):
  images = _images(len(NAMES), class_names=NAMES)
  writers.write(images, str(tmp_path / 'x'))
  paths = sorted(tmp_path.rglob('*.png'), key=lambda path: path.name)
  assert [path.parent.parent for path in paths] == [tmp_path / 'x'] * len(NAMES)
  assert len({path.parent.name for path in paths}) == len(NAMES)
  for path, image in zip(paths, images.images):
    np.testing.assert_array_equal(_read(path), image)
    assert path.parent.name.isascii()
    assert not set(path.parent.name) & set('/\\:*?"<>|\n\0.')
  assert os.listdir(tmp_path) == ['x']


@pytest.mark.parametrize('name', ['я' * 100, 'x' * 255, '\udcff', '\ud800'],
                         ids=['unicode', 'long', 'not UTF-8', 'half'])
@pytest.mark.parametrize('output', OUTPUTS)
def test_any_name_that_a_folder_can_have_is_written(name, output, tmp_path):
  """Python reads a file name that is not UTF-8 as half a surrogate pair."""
  writers.write(_images(3, class_names=['a', name, 'b']),
                str(tmp_path / output))
  files = _files(tmp_path)
  assert len(files) == (3 if output == 'x' else 1)
  assert all(files.values())


# Which outputs are taken.


@pytest.mark.parametrize('name', ['x.jpg', 'x.npy', 'x.PNG', 'x.tar.gz',
                                  'v1.2'])
@pytest.mark.parametrize('overwrite', [False, True])
def test_an_unknown_ending_is_refused(name, overwrite, tmp_path):
  with pytest.raises(ConfigError, match=r'\.npz or \.png'):
    writers.check_output(str(tmp_path / name), overwrite)


@pytest.mark.parametrize('form', writers.WRITERS)
@pytest.mark.parametrize('name', ['x', 'x.npz', 'x.png', 'v1.2'])
def test_a_form_that_is_named_is_written_whatever_the_ending(name, form,
                                                             tmp_path):
  output = tmp_path / name
  writers.check_output(str(output), False, form)
  writers.write(_images(), str(output), form)
  assert os.listdir(tmp_path) == [name]
  assert output.is_dir() == (form == 'folder')
  if form == 'npz':
    with np.load(output) as file:
      np.testing.assert_array_equal(file['x_train'], _images().images)
  elif form == 'png':
    with PIL.Image.open(output) as image:
      assert image.format == 'PNG'


@pytest.mark.parametrize('name', OUTPUTS)
def test_what_exists_is_refused(name, tmp_path):
  output = tmp_path / name
  writers.check_output(str(output), False)
  writers.write(_images(), str(output))
  with pytest.raises(ConfigError, match='exists|name another'):
    writers.check_output(str(output), False)
  if output.is_dir():  # What else is in there is nobody's to delete.
    with pytest.raises(ConfigError, match='never replaced'):
      writers.check_output(str(output), True)
  else:
    writers.check_output(str(output), True)


def test_an_empty_directory_is_taken_and_a_full_one_is_not(tmp_path):
  output = tmp_path / 'x'
  output.mkdir()
  writers.check_output(str(output), False)
  (output / '.hidden').write_bytes(b'')
  for overwrite in (False, True):
    with pytest.raises(ConfigError, match='never replaced'):
      writers.check_output(str(output), overwrite)


@pytest.mark.parametrize('name', ['x.npz', 'x.png'])
def test_a_full_directory_is_never_replaced_by_a_file(name, tmp_path):
  (tmp_path / name).mkdir()
  (tmp_path / name / 'precious').write_bytes(b'')
  for overwrite in (False, True):
    with pytest.raises(ConfigError):
      writers.check_output(str(tmp_path / name), overwrite)


@pytest.mark.parametrize('standing', ['nothing', 'file', 'empty', 'full'])
@pytest.mark.parametrize('overwrite', [False, True])
@pytest.mark.parametrize('name', OUTPUTS)
def test_what_passes_the_check_can_be_written(name, overwrite, standing,
                                              tmp_path):
  output = tmp_path / name
  if standing == 'file':
    output.write_bytes(b'old')
  elif standing != 'nothing':
    output.mkdir()
    if standing == 'full':
      (output / 'old').write_bytes(b'old')
  try:
    writers.check_output(str(output), overwrite)
  except ConfigError:
    return
  writers.write(_images(), str(output))
  assert b'old' not in _files(tmp_path).values()
  assert output.is_dir() == (name == 'x')
  assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize('name', OUTPUTS)
def test_directories_above_are_made(name, tmp_path):
  writers.write(_images(), str(tmp_path / 'a' / 'b' / name))
  assert os.listdir(tmp_path / 'a' / 'b') == [name]


@pytest.mark.parametrize('name', OUTPUTS)
def test_a_relative_output_is_below_the_working_directory(name, tmp_path,
                                                          monkeypatch):
  monkeypatch.chdir(tmp_path)
  writers.write(_images(), name)
  assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize('name', OUTPUTS)
def test_a_writer_that_fails_leaves_what_stood_there(name, tmp_path,
                                                     monkeypatch):
  output = tmp_path / name
  writers.write(_images(), str(output))
  before = _files(tmp_path)

  def fail(images, path):
    write(images, path)
    raise OSError('disk full')
  form = writers.form_of(name)
  write = writers.WRITERS[form]
  monkeypatch.setitem(writers.WRITERS, form, fail)
  with pytest.raises(OSError, match='disk full'):
    writers.write(_images(3), str(output))
  assert _files(tmp_path) == before
  assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize('name', OUTPUTS)
def test_a_rename_that_fails_leaves_what_stood_there(name, tmp_path,
                                                     monkeypatch):
  output = tmp_path / name
  writers.write(_images(), str(output))
  before, rename, done = _files(tmp_path), os.rename, []

  def fail_once(*args):
    done.append(args)
    if len(done) == 2:
      raise OSError('disk gone for a moment')
    rename(*args)
  monkeypatch.setattr(os, 'rename', fail_once)
  with pytest.raises(OSError, match='disk gone'):
    writers.write(_images(3), str(output))
  assert _files(tmp_path) == before
