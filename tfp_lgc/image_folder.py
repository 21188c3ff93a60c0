"""A folder of images by class: train/CLASS/*.png and test/CLASS/*.png.

Without train/ the classes stand in the folder itself; without test/ a part is
held out; images that lie in no class folder make one class. What is made of the
pixels of a file: image_files.py.
"""

import dataclasses
import pathlib
from typing import Optional

import numpy as np
import tensorflow as tf

from tfp_lgc import data, image_files
from tfp_lgc.arrays import encode_labels, UNLABELED
from tfp_lgc.config import DataConfig
from tfp_lgc.data import Source, Split
from tfp_lgc.errors import DataError

__all__ = ['load']


def load(root: pathlib.Path, config: DataConfig) -> Source:
  """Opens such a folder.

  Args:
    root: exists.
    config: `skip_bad_images` and, where there is no test split,
      `test_fraction`.

  Raises:
    DataError: if there is no image, or a bad one, or, where these are skipped,
      no good one of some class.
  """
  train = _class_files(root / 'train' if _is_split(root, 'train') else root)
  test = _class_files(root / 'test') if _is_split(root, 'test') else []
  if not train:
    raise DataError(f'{root}: has no train/CLASS/*.png (or .jpg), no '
                    'CLASS/*.png and no IDX files')
  survey = image_files.survey(
      [path for path, _ in train + test], config.skip_bad_images,
      data.most_cached(config.max_memory))
  files = _FileImages.of(train + test, survey)
  is_train = np.array([i < len(train) for i in survey.kept])
  for where, all_files, its in ((root, train, files.part(is_train)),
                                (root / 'test', test, files.part(~is_train))):
    _check_classes(where, all_files, its, survey)
  train_files = files.part(is_train)
  labels, class_names = encode_labels(train_files.names, is_train.sum(),
                                      str(root))
  bad = tuple(survey.bad)
  if test:
    test_files = files.part(~is_train)
    test_labels, _ = encode_labels(test_files.names, (~is_train).sum(),
                                   str(root / 'test'), class_names)
    return Source(config.dataset, train_files.split(labels),
                  test_files.split(test_labels), class_names, skipped=bad)
  kept, held_out = data.hold_out(labels, config.test_fraction)
  return Source(
      config.dataset, train_files.part(kept).split(labels[kept]),
      train_files.part(held_out).split(labels[held_out])
      if len(held_out) else None, class_names, skipped=bad)


def _check_classes(where, all_files, files: '_FileImages',
                   survey: image_files.Survey) -> None:
  """Refuses to lose a whole class."""
  lost = {name for _, name in all_files} - set(files.names)
  if lost:
    raise DataError(f'{where}: no image of class {min(lost)!r} can be used; '
                    f'of all images {len(survey.bad)} cannot, the first: '
                    f'{survey.bad[0]}')


@dataclasses.dataclass(frozen=True, eq=False)
class _FileImages:
  """Image files that were looked at.

  Attributes:
    paths: of the files.
    names: of their classes.
    pixels: uint8 `[H, W, 1 or 3]` of each, or None if they are not in memory.
    shape: `(H, W, C)` that all get.
  """
  paths: list[pathlib.Path]
  names: list[str]
  pixels: Optional[list[np.ndarray]]
  shape: tuple[int, int, int]

  @classmethod
  def of(cls, files, survey: image_files.Survey) -> '_FileImages':
    return cls([files[i][0] for i in survey.kept],
               [files[i][1] for i in survey.kept], survey.pixels, survey.shape)

  def part(self, which: np.ndarray) -> '_FileImages':
    """Some of them, by positions or a mask."""
    positions = np.arange(len(self.paths))[which]
    return dataclasses.replace(
        self, paths=[self.paths[i] for i in positions],
        names=[self.names[i] for i in positions],
        pixels=self.pixels and [self.pixels[i] for i in positions])

  def split(self, labels: np.ndarray) -> Split:
    """A stream of them: from memory if they are there, else from the files."""
    order = np.random.default_rng(0).permutation(len(self.paths))
    if self.pixels is not None and len(order):
      return data.array_split(
          np.stack([self._as_shape(self.pixels[i]) for i in order]),
          labels[order])

    def decoded():
      for i in order:
        pixels = self._as_shape(image_files.read(self.paths[i]))
        if pixels.shape != self.shape:
          raise DataError(f'{self.paths[i]}: is {pixels.shape}, was '
                          f'{self.shape} when it was looked at')
        yield pixels, labels[i]

    examples = tf.data.Dataset.from_generator(
        decoded, output_signature=(tf.TensorSpec(self.shape, tf.uint8),
                                   tf.TensorSpec([], tf.int32)))
    # Keras has to know it before it predicts.
    examples = examples.apply(
        tf.data.experimental.assert_cardinality(len(self.paths)))
    return Split(examples, len(self.paths), self.shape)

  def _as_shape(self, pixels: np.ndarray) -> np.ndarray:
    """Gray as RGB where others have color."""
    if pixels.shape[-1] == 1 < self.shape[-1]:
      return np.repeat(pixels, self.shape[-1], axis=-1)
    return pixels


def _is_split(root: pathlib.Path, name: str) -> bool:
  """Whether a folder of this name is a split, and not a class so called."""
  if _images(root / name, '*/*'):
    return True
  beside = [path for path in _images(root, '*/*')
            if path.parent.name not in ('train', 'test')]
  return bool(_images(root / name, '*')) and not beside


def _images(root: pathlib.Path, pattern: str) -> list[pathlib.Path]:
  return [path for path in sorted(root.glob(pattern))
          if path.suffix.lower() in image_files.SUFFIXES]


def _class_files(root: pathlib.Path) -> list[tuple[pathlib.Path, str]]:
  """(image file, class name), sorted; one class where nothing is in folders."""
  files = _images(root, '*/*')
  if files:
    return [(path, path.parent.name) for path in files]
  return [(path, UNLABELED[0]) for path in _images(root, '*')]
