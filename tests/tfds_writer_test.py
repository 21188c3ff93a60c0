"""Images as a data set of TFDS, as TFDS reads it."""

import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import tfp_lgc
from tfp_lgc import sampling, sources, tfds_writer
from tfp_lgc.config import DataConfig
from tfp_lgc.errors import ConfigError
from tfp_lgc.progress import Progress

ROOT = pathlib.Path(__file__).parent.parent
SHAPE = (4, 3, 1)
NAMES = ('ape', 'a cat', 'ж')


def image_at(position):
  """Another one at every position."""
  return np.random.default_rng(position).integers(0, 256, SHAPE, np.uint8)


class Portions:
  """Images by the hundred; knows what it was asked for."""

  def __init__(self):
    self.asked = []

  def __call__(self, first, stop):
    self.asked.append((first, stop))
    for start in range(first, stop, 100):
      positions = range(start, min(start + 100, stop))
      yield (np.stack([image_at(i) for i in positions]),
             np.array([i % 3 for i in positions], np.int32))


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
  monkeypatch.setattr(tfds_writer, 'SHARD_NUM_IMAGES', 256)


def write(output, portions=None, splits=None, settings=None, names=NAMES,
          progress=None):
  tfds_writer.write_tfds(portions or Portions(), splits or {'train': 700},
                         SHAPE, names, str(output), settings or {'seed': 1},
                         progress or Progress())


def read(builder, split):
  """Rows in their order; TFDS' default takes turns between shards."""
  config = tfds.ReadConfig(interleave_cycle_length=1)
  return tfds.as_numpy(builder.as_dataset(split=split, read_config=config))


def content(directory):
  return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_tfds_opens_it(tmp_path):
  write(tmp_path / 'x', splits={'train': 700, 'test': 3})
  builder = tfds.builder_from_directory(tmp_path / 'x')
  info = builder.info
  assert (info.name, str(info.version)) == ('lgc_samples', '1.0.0')
  assert info.supervised_keys == ('image', 'label')
  assert info.features['label'].names == list(NAMES)
  assert info.features['image'].shape == SHAPE
  assert info.features['image'].np_dtype == np.uint8
  assert {name: (split.num_examples, split.num_shards)
          for name, split in info.splits.items()} == {'train': (700, 3),
                                                      'test': (3, 1)}
  assert info.splits['train'].shard_lengths == [256, 256, 188]
  position = 0
  for name in ('train', 'test'):
    for row in read(builder, name):
      np.testing.assert_array_equal(row['image'], image_at(position))
      assert row['label'] == position % 3
      position += 1
  assert position == 703
  # Splits that are cut out of it.
  row = next(iter(read(builder, 'train[50%:]')))
  np.testing.assert_array_equal(row['image'], image_at(350))
  assert row['label'] == 350 % 3


def test_what_tfds_counts_in_the_files_is_what_they_say(tmp_path):
  write(tmp_path / 'x')
  [split] = tfds.folder_dataset.compute_split_info(
      filename_template=tfds.core.ShardedFileTemplate(
          tmp_path / 'x', dataset_name='lgc_samples',
          filetype_suffix='tfrecord'))
  told = tfds.builder_from_directory(tmp_path / 'x').info.splits['train']
  assert list(split.shard_lengths) == told.shard_lengths
  # Of the files there is a frame about each record.
  assert told.num_bytes == split.num_bytes + 16 * 700


def test_nothing_but_the_data_set_is_left(tmp_path):
  write(tmp_path / 'a' / 'x')
  assert [path.name for path in (tmp_path / 'a').iterdir()] == ['x']
  assert set(content(tmp_path / 'a' / 'x')) == {
      'dataset_info.json', 'features.json', 'label.labels.txt',
      *(f'lgc_samples-train.tfrecord-0000{i}-of-00003' for i in range(3))}
  # No path of this machine.
  assert not [name for name, value in content(tmp_path / 'a' / 'x').items()
              if str(tmp_path).encode() in value]


def test_a_killed_run_is_taken_up_again_and_ends_in_the_same_bytes(tmp_path):
  """In another process, killed amid the second of three shards."""
  program = f'''
import os, pathlib, signal, sys
sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
import tfds_writer_test as test
test.tfds_writer.SHARD_NUM_IMAGES = 256
def portions(first, stop):
  for i, portion in enumerate(test.Portions()(first, stop)):
    if (first, i) == (256, 1):
      os.kill(os.getpid(), signal.SIGKILL)
    yield portion
test.write(pathlib.Path({str(tmp_path / 'x')!r}), portions)
'''
  killed = subprocess.run([sys.executable, '-c', program], cwd=ROOT,
                          capture_output=True)
  assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
  assert not (tmp_path / 'x').exists()
  left = content(tmp_path / 'x.unfinished' / 'data')
  whole = 'lgc_samples-train.tfrecord-00000-of-00003'
  assert set(left) == {whole, 'shard'}
  portions = Portions()
  write(tmp_path / 'x', portions)
  assert portions.asked == [(256, 512), (512, 700)]
  write(tmp_path / 'undisturbed')
  assert content(tmp_path / 'x') == content(tmp_path / 'undisturbed')
  assert content(tmp_path / 'x')[whole] == left[whole]
  assert {path.name for path in tmp_path.iterdir()} == {'x', 'undisturbed'}


def test_a_run_that_ended_just_before_the_last_step_is_finished(
    tmp_path, monkeypatch):
  def killed(**arguments):
    raise KeyboardInterrupt
  with monkeypatch.context() as patch:
    patch.setattr(tfds.folder_dataset, 'write_metadata', killed)
    with pytest.raises(KeyboardInterrupt):
      write(tmp_path / 'x')
  portions = Portions()
  write(tmp_path / 'x', portions)
  assert not portions.asked
  builder = tfds.builder_from_directory(tmp_path / 'x')
  assert builder.info.splits['train'].num_examples == 700


def test_a_run_that_was_killed_just_after_the_last_step_has_ended(
    tmp_path, monkeypatch):
  def killed(path):
    raise KeyboardInterrupt
  with monkeypatch.context() as patch:
    patch.setattr(tfds_writer.shutil, 'rmtree', killed)
    with pytest.raises(KeyboardInterrupt):
      write(tmp_path / 'x')
  before, portions = content(tmp_path / 'x'), Portions()
  assert tfds_writer.is_in_place(str(tmp_path / 'x'))
  with pytest.raises(ConfigError, match='another seed'):
    write(tmp_path / 'x', settings={'seed': 2})
  write(tmp_path / 'x', portions)
  assert not portions.asked and content(tmp_path / 'x') == before
  assert [path.name for path in tmp_path.iterdir()] == ['x']
  assert not tfds_writer.is_in_place(str(tmp_path / 'x'))


def test_two_runs_do_not_write_the_same_files(tmp_path):
  def portions(first, stop):
    if not first:
      with pytest.raises(ConfigError, match='another run writes it'):
        write(tmp_path / 'x')
    yield from Portions()(first, stop)
  write(tmp_path / 'x', portions)
  write(tmp_path / 'alone')
  assert content(tmp_path / 'x') == content(tmp_path / 'alone')


@pytest.mark.parametrize('other', [
    {'settings': {'seed': 2}}, {'splits': {'train': 701}}], ids=str)
def test_what_another_run_left_is_not_mixed_with_this_one(other, tmp_path):
  def failing(first, stop):
    if first:
      raise OSError('disk full')
    yield from Portions()(first, stop)
  with pytest.raises(OSError, match='disk full'):
    write(tmp_path / 'x', failing)
  before = content(tmp_path / 'x.unfinished' / 'data')
  word = next(iter(other)).replace('settings', 'seed')
  with pytest.raises(ConfigError, match=f'another {word}; remove it'):
    write(tmp_path / 'x', **other)
  assert content(tmp_path / 'x.unfinished' / 'data') == before


def test_what_another_version_left_is_not_mixed_with_this_one(
    tmp_path, monkeypatch):
  def failing(first, stop):
    raise OSError('disk full')
  with pytest.raises(OSError, match='disk full'):
    write(tmp_path / 'x', failing)
  monkeypatch.setattr(tfds_writer, '__version__', '9.9')
  with pytest.raises(ConfigError, match='another tfp_lgc; remove it'):
    write(tmp_path / 'x')


def test_what_stands_in_the_way_is_left_alone(tmp_path):
  (tmp_path / 'x.unfinished').mkdir()
  (tmp_path / 'x.unfinished' / 'mine').write_bytes(b'')
  with pytest.raises(ConfigError, match='stands in the way'):
    write(tmp_path / 'x')
  assert list(content(tmp_path / 'x.unfinished')) == ['mine']


@pytest.mark.parametrize('name', ['', ' cat', 'cat ', 'a\nb', 'a\rb',
                                  'a\ud800'])
def test_a_class_that_tfds_would_rename_is_refused(name, tmp_path):
  with pytest.raises(ConfigError, match='cannot have a class named'):
    write(tmp_path / 'x', names=('ape', name, 'emu'))
  assert not list(tmp_path.iterdir())


def test_examples_are_those_of_tfds():
  """But for the order of their features."""
  features = tfds_writer.features_of(SHAPE, NAMES)
  images = np.stack([image_at(i) for i in range(300)])
  labels = np.arange(300, dtype=np.int32) % 3
  ours = list(tfds_writer.serialized(images, labels))
  assert len(ours) == 300
  for i in (0, 255, 256, 299):
    theirs = features.serialize_example(
        {'image': images[i], 'label': int(labels[i])})
    assert tf.train.Example.FromString(ours[i]) == (
        tf.train.Example.FromString(theirs))
    assert len(ours[i]) == len(theirs)


def test_people_hear_of_it(tmp_path):
  lines = []
  write(tmp_path / 'x', progress=Progress(lines.append, interval=0.0))
  assert lines[0] == 'write ...'
  assert any(line.startswith('write 256/700') for line in lines)
  assert lines[-1].startswith('write: done')


def test_images_of_an_artifact_are_those_of_sample(artifact, tmp_path):
  drawing = sampling.drawing(artifact, seed=9)
  tfds_writer.write_tfds(
      drawing.portions, {'first': 300, 'rest': 100}, drawing.image_shape,
      drawing.class_names, str(tmp_path / 'x'), {}, Progress())
  builder = tfds.builder_from_directory(tmp_path / 'x')
  rows = [row for name in ('first', 'rest') for row in read(builder, name)]
  drawn = tfp_lgc.sample(artifact, 400, seed=9)
  np.testing.assert_array_equal([row['image'] for row in rows], drawn.images)
  np.testing.assert_array_equal([row['label'] for row in rows], drawn.labels)
  assert tuple(builder.info.features['label'].names) == drawn.class_names


def test_tfds_finds_it_by_its_name_and_it_is_a_data_set_in_turn(tmp_path):
  write(tmp_path / 'lgc_samples' / '1.0.0', splits={'train': 300, 'test': 9})
  builder = tfds.builder('lgc_samples', data_dir=tmp_path)
  assert builder.info.splits['train'].num_examples == 300
  source = sources.load(DataConfig(dataset='lgc_samples',
                                   data_dir=str(tmp_path)))
  assert source.class_names == NAMES
  train = source.train.to_memory(source.class_names)
  expected = {image_at(i).tobytes(): i % 3 for i in range(300)}
  assert {image.tobytes(): label for image, label in zip(
      train.images, train.labels)} == expected
  assert source.test.num_examples == 9


@pytest.mark.parametrize('text, splits', [
    ('train', {'train': 10}), ('my_split2', {'my_split2': 10}),
    ('train:10', {'train': 10}), ('train:7, test:3', {'train': 7, 'test': 3})])
def test_splits_have_names_and_numbers(text, splits):
  assert tfds_writer.parse_splits(text, 10) == splits


@pytest.mark.parametrize('text', [
    '', 'a b', 'all', '1st', 'train-1', 'тест', 'train,test', 'train:5',
    'train:5,train:5', 'train:10,test:0', 'train:-1,test:11', 'train:5,test:5,',
    'train:x', 'train:', 'train:²', 'train:' + '9' * 5000])
def test_other_splits_are_refused(text):
  with pytest.raises(ConfigError, match='splits = '):
    tfds_writer.parse_splits(text, 10)


@pytest.mark.parametrize('shape, size', [
    ((28, 28, 1), 2**14), ((64, 64, 3), 2**14), ((256, 256, 3), 1280),
    ((4096, 4096, 3), 256)])
def test_a_shard_is_bounded_in_images_and_in_bytes(shape, size, monkeypatch):
  monkeypatch.undo()
  assert tfds_writer.shard_size(shape) == size
