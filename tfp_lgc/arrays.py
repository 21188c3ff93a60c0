"""Arrays of any kind, as people have them, as images, labels and sources."""

from typing import Optional

import numpy as np

from tfp_lgc import value_range as value_range_lib
from tfp_lgc.data import array_split, hold_out, Source
from tfp_lgc.errors import DataError

__all__ = ['UNLABELED', 'check_images', 'encode_labels', 'from_arrays']

# The one class of images without labels.
UNLABELED = ('all',)


def check_images(images, name: str, value_range: str = '') -> np.ndarray:
  """`images` as uint8 `[N, H, W, C]`.

  Args:
    images: `[N, H, W]` or `[N, H, W, C]`, C 1 or 3: uint8, other whole numbers
      from 0 to 255, or numbers of the range that is stated.
    name: what to call them in an error.
    value_range: what is black and white, see value_range.py.

  Raises:
    DataError: for anything else.
  """
  images = _array(images, name)
  if images.ndim == 3:
    images = images[..., np.newaxis]
  if (images.ndim != 4 or images.shape[-1] not in (1, 3)
      or 0 in images.shape[1:]):
    raise DataError(f'{name}: got shape {images.shape}; must be [N, H, W], '
                    '[N, H, W, 1] or [N, H, W, 3], all images of one size')
  return value_range_lib.to_uint8(images, value_range, name)


def _array(values, name: str) -> np.ndarray:
  try:
    return np.asarray(values)
  except ValueError as error:  # Rows of different lengths.
    raise DataError(f'{name}: is no array; all rows must be of one size'
                    ) from error


def encode_labels(labels, num_images: int, name: str,
                  class_names: Optional[tuple[str, ...]] = None,
                  ) -> tuple[np.ndarray, tuple[str, ...]]:
  """Labels of any kind as positions in a tuple of class names.

  Args:
    labels: `[N]` strings or whole numbers, in any order, with any gaps; None
      for images without labels.
    num_images: N.
    name: what to call them in an error.
    class_names: the known classes; None to take those that occur, sorted.

  Returns:
    labels: int32 `[N]`.
    class_names: the classes, numbers written as decimals.
  """
  if labels is None:
    labels = np.full(num_images, UNLABELED[0])
  labels = _array(labels, name)
  if labels.ndim == 2 and labels.shape[1] == 1:
    labels = labels[:, 0]
  if labels.ndim != 1 or len(labels) != num_images:
    raise DataError(f'{name}: got shape {labels.shape} for {num_images} '
                    'images; must be one label an image')
  if labels.dtype.kind == 'f' and not (
      (np.abs(labels) < 2**53) & (labels == np.floor(labels))).all():
    raise DataError(f'{name}: got {labels.dtype} labels that are not whole '
                    'numbers below 2^53; must be whole numbers or strings')
  if labels.dtype.kind in 'fb':
    labels = labels.astype(np.int64)
  if labels.dtype.kind == 'S':
    try:
      labels = np.char.decode(labels, 'utf-8')
    except UnicodeDecodeError as error:
      raise DataError(f'{name}: got bytes that are no UTF-8') from error
  if labels.dtype.kind not in 'iuUOT':
    raise DataError(f'{name}: got type {labels.dtype}; must be whole numbers '
                    'or strings')
  if labels.dtype.kind == 'O':
    if any(label is None or label != label for label in labels):
      raise DataError(f'{name}: holds None or nan; every image needs a label '
                      '(or none of them: y = None)')
    labels = labels.astype(str)
  values, positions = np.unique(labels, return_inverse=True)
  names = tuple(str(value) for value in values)
  if class_names is None:
    return positions.astype(np.int32), names
  known = {known_name: i for i, known_name in enumerate(class_names)}
  unknown = [value for value in names if value not in known]
  if unknown:
    raise DataError(f'{name}: class {unknown[0]!r} does not occur in the train '
                    'split')
  table = np.array([known[value] for value in names], np.int32)
  return table[positions], class_names


def from_arrays(train, test=None, test_fraction: float = 0.0,
                name: str = 'arrays', value_range: str = '') -> Source:
  """A `Source` of NumPy arrays.

  ```python
  source = from_arrays((images, labels), test=(x_test, y_test))
  ```

  Args:
    train: `(images, labels)`, see `check_images` and `encode_labels`; labels
      may be None.
    test: the same, or None.
    test_fraction: what to hold out of `train` where `test` is None.
    name: for people.
    value_range: what is black and white, see value_range.py.

  Raises:
    DataError: for arrays of another form.
  """
  labels_given = train[1] is not None
  images = check_images(train[0], f'{name}: x_train', value_range)
  labels, class_names = encode_labels(train[1], len(images), f'{name}: y_train')
  if test is not None and test[1] is None and labels_given:
    raise DataError(f'{name}: has x_test but no y_test')
  if test is not None and np.size(test[0]):
    test_images = check_images(test[0], f'{name}: x_test', value_range)
    test_labels, _ = encode_labels(test[1], len(test_images),
                                   f'{name}: y_test', class_names)
    test_split = array_split(test_images, test_labels)
  else:
    train_part, test_part = hold_out(labels, test_fraction)
    test_split = None
    if len(test_part):
      test_split = array_split(images[test_part], labels[test_part])
    images, labels = images[train_part], labels[train_part]
  return Source(name, array_split(images, labels), test_split, class_names)
