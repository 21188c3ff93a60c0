"""Splits that stay on the disk are those that would lie in memory."""

import dataclasses
import types
import zipfile

import numpy as np
import pytest
import tensorflow as tf

from tfp_lgc import data, memory, overlap, pipeline, sources, streams
from tfp_lgc.config import DataConfig
from tfp_lgc.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, [150, 4, 5, 3], np.uint8)
LABELS = np.arange(150) // 30
BOUND = memory.Limits(split=100, shuffle=10**6, batch=10**6, latents=100,
                      points=10**6)


def _rows(split):
  """Images with their labels, whatever their order."""
  got = split.batches(7).as_numpy_iterator()
  return sorted((image.tobytes(), int(label)) for images, labels in got
                for image, label in zip(images, labels))


def _save(path, how=np.savez, **arrays):
  how(path, **arrays)
  return DataConfig(dataset=str(path))


@pytest.mark.parametrize('how', [np.savez, np.savez_compressed])
@pytest.mark.parametrize('num_test', [None, 0, 20])
@pytest.mark.parametrize('with_labels', [True, False])
def test_a_file_has_the_same_images_and_labels(how, num_test, with_labels,
                                               tmp_path):
  arrays = {'x_train': IMAGES, 'y_train': LABELS}
  if num_test is not None:
    arrays |= {'x_test': IMAGES[:num_test], 'y_test': LABELS[:num_test]}
  if not with_labels:
    arrays = {name: value for name, value in arrays.items() if name[0] == 'x'}
  path = tmp_path / 'x.npz'
  config = _save(path, how, **arrays)
  assert streams.images_num_bytes(path) >= IMAGES.nbytes
  expected = sources.npz(config)
  got = streams.npz_source(path, config, BOUND)
  assert got.class_names == expected.class_names
  for which in ('train', 'test'):
    one, other = getattr(got, which), getattr(expected, which)
    assert one.num_examples == other.num_examples
    assert one.image_shape == other.image_shape
    assert _rows(one) == _rows(other)
    assert one.bound == BOUND


def test_passes_in_order_have_one_order_and_others_another():
  split = streams.rows_split(lambda rows: IMAGES[rows], LABELS, (4, 5, 3),
                             BOUND)
  def order(batches):
    return np.concatenate([x for x, _ in batches.as_numpy_iterator()])
  assert int(split.batches(11).cardinality()) == 14  # As Keras wants it.
  first = order(split.batches(11))
  np.testing.assert_array_equal(first, order(split.batches(64)))
  # Files are sorted by class, streams are not.
  labels = np.concatenate([y for _, y in split.batches(50)])
  assert len(set(labels[:30])) > 3
  endless = split.batches(150, seed=1).take(2).as_numpy_iterator()
  assert not np.array_equal(next(endless)[0], next(endless)[0])


def test_ranges_and_gray_images_are_as_in_memory(tmp_path):
  path = tmp_path / 'x.npz'
  pixels = IMAGES[..., 0] / 255
  config = _save(path, x_train=pixels, y_train=LABELS)
  with pytest.raises(DataError, match='x_train: got float64.*stated'):
    streams.npz_source(path, config, BOUND)
  config = DataConfig(dataset=str(path), value_range='0,1')
  split = streams.npz_source(path, config, BOUND).train
  assert _rows(split) == _rows(sources.npz(config).train)


@pytest.mark.parametrize('arrays, words', [
    ({'x_train': np.asfortranarray(IMAGES)}, 'Fortran'),
    ({'x_train': IMAGES, 'y_train': LABELS[1:]}, 'one label an image'),
    ({'x_train': IMAGES, 'y_train': LABELS, 'x_test': IMAGES}, 'no y_test'),
    ({'x_train': IMAGES[:0], 'y_train': LABELS[:0]}, 'no image'),
    ({'x_train': IMAGES[..., :2]}, 'shape'),
    ({'x_train': np.where(np.arange(150).reshape([-1, 1, 1]) < 149,
                          IMAGES[..., 0].astype(int), 300),
      'y_train': LABELS}, 'to 300')])
def test_what_is_wrong_is_said_before_training(arrays, words, tmp_path):
  path = tmp_path / 'x.npz'
  with pytest.raises(DataError, match=words):
    streams.npz_source(path, _save(path, **arrays), BOUND)


def test_a_file_that_ends_early_is_refused(tmp_path):
  path = tmp_path / 'x.npz'
  np.save(tmp_path / 'x.npy', IMAGES)
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('x_train.npy', (tmp_path / 'x.npy').read_bytes()[:-1])
  with pytest.raises(DataError, match='ends before its last row'):
    streams.RowFile(path, 'x_train')


@pytest.mark.parametrize('damaged', ['x_train', 'y_train', 'file', 'objects',
                                     'number'])
def test_a_damaged_file_is_refused_in_one_line(damaged, tmp_path):
  path = tmp_path / 'x.npz'
  arrays = {'x_train': IMAGES, 'y_train': LABELS}
  if damaged == 'objects':
    arrays['y_train'] = LABELS.astype(object)
  if damaged == 'number':
    arrays['x_train'] = np.array(3, np.uint8)
  config = _save(path, np.savez_compressed, **arrays)
  if damaged in arrays:
    with zipfile.ZipFile(path) as archive:
      info = archive.getinfo(f'{damaged}.npy')
    content = bytearray(path.read_bytes())
    # Behind its header of 30 bytes, its name and the sizes of zip64: a block
    # of a kind that deflate has not.
    start = info.header_offset + 30 + len(info.filename) + 20
    content[start:start + 4] = b'\xff' * 4
    path.write_bytes(content)
  if damaged == 'file':
    path.write_bytes(path.read_bytes()[:200])
  with pytest.raises(DataError, match='x.npz'):
    streams.npz_source(path, config, BOUND)


def test_no_pass_holds_more_than_the_bound(monkeypatch):
  """An image takes 60 bytes."""
  bound = BOUND._replace(split=600, batch=240, shuffle=120)
  split = data.array_split(IMAGES, LABELS)
  split = data.bounded(data.Source('x', split, split, tuple('abcde')),
                       bound).train
  buffers, shuffled, sizes, batches = [], data._shuffled, [], data.Split.batches
  monkeypatch.setattr(data, '_shuffled', lambda examples, buffer, *seeds: (
      buffers.append(buffer), shuffled(examples, buffer, *seeds))[1])
  split.batches(7, seed=1)
  assert buffers == [2]

  def watched(self, *arguments):
    result = batches(self, *arguments)
    sizes.extend(len(images) for images, _ in result)
    return result
  monkeypatch.setattr(data.Split, 'batches', watched)
  hashes = list(overlap._hashes(split, 50))
  assert len(hashes) == sum(sizes) == 50 and max(sizes) == 4
  assert hashes == list(overlap._hashes(
      dataclasses.replace(split, bound=None), 50))

  def decode(z):
    return {'image': tf.constant(np.zeros([len(z), 4, 5, 3], np.uint8))}
  artifact = types.SimpleNamespace(
      num_conditions=0, sampler=types.SimpleNamespace(decode=decode))
  images, decoded = pipeline._with_decoded(split, artifact, np.ones([150, 2]))
  assert images.shape == decoded.shape == (10, 4, 5, 3)
  np.testing.assert_array_equal(images, IMAGES[::15])


def test_latents_that_do_not_fit_lie_in_a_file():
  assert type(streams.scratch((5, 5), BOUND)) is np.ndarray
  assert type(streams.scratch((500, 5), None)) is np.ndarray
  array = streams.scratch((500, 5), BOUND)
  assert isinstance(array, np.memmap)
  array[:] = np.arange(2500).reshape([500, 5])
  streams.release(array)
  np.testing.assert_array_equal(array, np.arange(2500).reshape([500, 5]))
  streams.release(np.zeros(3))


def test_who_would_hold_too_much_is_refused():
  split = data.array_split(IMAGES, LABELS)
  source = data.bounded(data.Source('x', split, split, tuple('abcde')), BOUND)
  with pytest.raises(ConfigError, match='holds 9,000 bytes.*1.5GB'):
    source.train.to_memory(source.class_names)
  with pytest.raises(ConfigError, match='max_memory'):
    data.validation(source, 0.2)


def test_files_of_arrays_are_those_of_numpy(tmp_path):
  mapped = streams.scratch((40_000, 3), memory.limits('1.5GB')._replace(
      latents=0))
  mapped[:] = np.random.default_rng(0).normal(size=mapped.shape)
  arrays = {'mapped': mapped, 'held': np.arange(6).reshape(2, 3).T,
            'word': np.array('a word'), 'none': np.zeros([0, 2], bool)}
  with open(tmp_path / 'x.npz', 'wb') as file:
    streams.savez(file, arrays)
  np.savez(tmp_path / 'y.npz', **arrays)
  with np.load(tmp_path / 'x.npz') as ours, (
      np.load(tmp_path / 'y.npz')) as other:
    assert ours.files == other.files == list(arrays)
    for name in arrays:
      assert ours[name].dtype == other[name].dtype
      np.testing.assert_array_equal(ours[name], other[name])
