"""Colors that tell the class of train images, and nothing of test images."""

import collections

import matplotlib
import numpy as np
import pytest

from tfp_lgc import config as config_lib
from tfp_lgc import data, sources, spuco
from tfp_lgc.arrays import from_arrays
from tfp_lgc.config import DataConfig
from tfp_lgc.errors import DataError

SHAPE = (28, 28, 1)


def _base(counts=(40, 33, 21, 10), shape=SHAPE, test_counts=None,
          names='abcdefghijklmnopqrstuvwxyz', seed=0):
  """Gray noise on black; classes of several sizes, mixed up."""
  rng = np.random.default_rng(seed)

  def arrays(counts):
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    images = rng.integers(1, 256, [len(labels), *shape]).astype(np.uint8)
    images[rng.random(images.shape) < 0.5] = 0
    return images, np.array(list(names))[labels]

  train = arrays(counts)
  return from_arrays(train, arrays(test_counts or counts), name='base')


def _colored(base, **settings):
  return spuco.color(base, DataConfig(dataset='spuco', **settings))


def _arrays(split):
  images = split.to_memory(('?',) * 30)
  return images.images, images.labels


def _palette(count):
  if count <= 10:
    colors = matplotlib.colormaps['tab10'].colors[:count]
  else:
    colors = [matplotlib.colormaps['hsv'](i / count)[:3] for i in range(count)]
  return np.round(255 * np.array(colors)).astype(int)


def _colors(gray, images, num_classes):
  """The color of each image, read off its black pixels, each whole or not."""
  palette, result = _palette(num_classes), []
  for before, after in zip(gray[..., 0], images):
    pixels = after[(before == 0) & after.any(axis=-1)].astype(int)
    [color] = np.unique(pixels, axis=0)
    [index] = np.flatnonzero((palette == color).all(axis=1))
    result.append(index)
  return np.array(result)


@pytest.mark.parametrize('strength', [0.0, 0.5, 0.9, 1.0])
def test_a_share_of_each_class_has_its_own_color_the_rest_all_others(strength):
  base = _base()
  gray, _ = _arrays(base.train)
  images, labels = _arrays(_colored(base, spurious_strength=strength).train)
  colors = _colors(gray, images, 4)
  for label, size in enumerate((40, 33, 21, 10)):
    counts = np.bincount(colors[labels == label], minlength=4)
    own = int(strength * size)
    assert counts[label] == own
    others = np.delete(counts, label)
    assert others.sum() == size - own
    assert others.max() - others.min() <= 1


def test_test_colors_are_balanced_and_are_the_groups():
  base = _base(test_counts=(40, 20, 8, 5))
  gray, _ = _arrays(base.test)
  source = _colored(base)
  images, labels = _arrays(source.test)
  np.testing.assert_array_equal(source.test_groups,
                                _colors(gray, images, 4))
  np.testing.assert_array_equal(source.test_labels(), labels)
  for label, size in enumerate((40, 20, 8, 5)):
    counts = np.bincount(source.test_groups[labels == label], minlength=4)
    assert counts.sum() == size and np.ptp(counts) <= 1


def test_images_keep_their_order_and_labels():
  base = _base()
  source = _colored(base)
  for name in ('train', 'test'):
    gray, labels = _arrays(getattr(base, name))
    images, same_labels = _arrays(getattr(source, name))
    np.testing.assert_array_equal(labels, same_labels)
    # What was not black is as gray as it was, and nothing else is.
    np.testing.assert_array_equal(
        np.where(gray > 0, images, 0), np.repeat(gray, 3, axis=-1))
  assert source.class_names == base.class_names


def test_only_black_becomes_color_and_not_nearly_black():
  images = np.ones([8, *SHAPE], np.uint8)
  images[:, 5:9] = 0
  base = from_arrays((images, np.arange(8) % 2),
                     (images, np.arange(8) % 2))
  got, _ = _arrays(_colored(base).train)
  assert (got[:, 5:9] != 1).any(axis=-1).all()
  assert (np.delete(got, range(5, 9), axis=1) == 1).all()


# Which pixels.


def test_choices_are_the_table():
  assert tuple(spuco.DIFFICULTIES) == config_lib.DIFFICULTIES


@pytest.mark.parametrize('difficulty, side, count, varies', [
    ('magnitude_large', 28, 784, False), ('magnitude_medium', 4, 16, False),
    ('magnitude_small', 2, 4, False), ('variance_low', 7, 49, False),
    ('variance_medium', 14, 49, True), ('variance_high', 28, 49, True)])
def test_difficulties_are_those_of_spuco(difficulty, side, count, varies):
  black = np.zeros([40, *SHAPE], np.uint8)
  labels = np.arange(40) % 2
  source = _colored(from_arrays((black, labels), (black, labels)),
                    spurious_difficulty=difficulty)
  for split in (source.train, source.test):
    colored = _arrays(split)[0].any(axis=-1)
    assert (colored.sum(axis=(1, 2)) == count).all()
    assert not colored[:, side:].any() and not colored[:, :, side:].any()
    assert (len(np.unique(colored, axis=0)) > 1) == varies
    if varies:  # All of the corner may be colored.
      assert colored.any(axis=0)[:side, :side].mean() > 0.8


@pytest.mark.parametrize('difficulty', spuco.DIFFICULTIES)
def test_images_may_be_smaller_than_the_corner(difficulty):
  base = _base((6, 6), shape=(3, 40, 1))
  images, _ = _arrays(_colored(base, spurious_difficulty=difficulty).train)
  assert images.shape == (12, 3, 40, 3)
  assert (images.max(axis=-1) > images.min(axis=-1)).any()


# Classes.


def test_successive_classes_are_merged():
  base = _base((10, 9, 8, 7, 6))
  source = _colored(base, spurious_group_size=2, spurious_strength=1.0)
  assert source.class_names == ('a+b', 'c+d', 'e')
  gray, before = _arrays(base.train)
  images, labels = _arrays(source.train)
  np.testing.assert_array_equal(labels, before // 2)
  np.testing.assert_array_equal(_colors(gray, images, 3), labels)


@pytest.mark.parametrize('num_classes', [2, 10, 11, 20])
def test_every_class_has_a_color_of_its_own_in_both_splits(num_classes):
  """Even if the test split has too few images to show the last color."""
  base = _base((30,) * num_classes, test_counts=(2,) * num_classes)
  source = _colored(base, spurious_strength=1.0)
  gray, _ = _arrays(base.train)
  images, labels = _arrays(source.train)
  np.testing.assert_array_equal(_colors(gray, images, num_classes), labels)
  gray, _ = _arrays(base.test)
  np.testing.assert_array_equal(
      _colors(gray, _arrays(source.test)[0], num_classes), source.test_groups)


def test_a_class_may_lack_train_or_test_images():
  base = _base((5, 5, 5), test_counts=(5, 0, 5))
  source = _colored(base)
  assert set(source.test_labels()) == {0, 2}
  lacking = data.Source(
      'x', base.test, base.train, base.class_names)  # Of class b, test only.
  assert collections.Counter(_arrays(_colored(lacking).train)[1].tolist()) == {
      0: 5, 2: 5}


def test_the_draw_is_the_same_every_time():
  first, again = [_colored(_base(), spurious_difficulty='variance_high')
                  for _ in range(2)]
  for name in ('train', 'test'):
    for mine, theirs in zip(_arrays(getattr(first, name)),
                            _arrays(getattr(again, name))):
      np.testing.assert_array_equal(mine, theirs)
  np.testing.assert_array_equal(first.test_groups, again.test_groups)


# What cannot be colored.


@pytest.mark.parametrize('base, settings, match', [
    (_base(shape=(5, 6, 3)), {}, r'\(5, 6, 3\); must be gray'),
    (data.Source('x', _base().train, None, tuple('abcd')), {}, 'no test split'),
    (_base((9,)), {}, "one class, 'a'"),
    (_base((9, 9)), {'spurious_group_size': 2},
     'spurious_group_size = 2: makes one class of 2'),
    (_base((9, 9)), {'spurious_group_size': 1000}, 'spurious_group_size'),
], ids=['RGB', 'no test', 'one class', 'all merged', 'more than merged'])
def test_what_cannot_be_colored_is_refused(base, settings, match):
  with pytest.raises(DataError, match=match):
    _colored(base, **settings)


@pytest.mark.parametrize('base, match', [
    ('./no/such/x.npz', 'spurious_base: .*no/such.*no such file'),
    ('spuco', "spurious_base = 'spuco'"), ('unlabeled.npz', 'one class'),
    ('x.txt/', 'spurious_base: ')])
def test_a_base_that_is_none_is_named(base, match, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  np.savez('unlabeled.npz', x_train=np.zeros([9, 5, 6], np.uint8))
  with pytest.raises(DataError, match=match):
    sources.load(DataConfig(dataset='spuco', spurious_base=base))


def test_a_path_is_a_base_too(tmp_path):
  """What it holds out is told by its own test_fraction."""
  rng = np.random.default_rng(0)
  images = rng.integers(0, 2, [40, 5, 6]).astype(np.uint8)
  np.savez(tmp_path / 'x.npz', x_train=images, y_train=np.arange(40) % 2)
  source = sources.load(DataConfig(
      dataset='spuco', spurious_base=f'{tmp_path}/x.npz', test_fraction=0.25))
  assert source.name == 'spuco'
  assert source.train.num_examples == 30
  assert source.test.num_examples == len(source.test_groups) == 10
  assert source.train.image_shape == (5, 6, 3)
