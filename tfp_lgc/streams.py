"""Splits that stay on the disk, and arrays that are put there."""

import mmap
import os
import pathlib
import shutil
import tempfile
import zipfile
import zlib
from typing import BinaryIO, Callable, Mapping, Optional

import numpy as np
import tensorflow as tf

from tfp_lgc import data, memory
from tfp_lgc.arrays import check_images, encode_labels
from tfp_lgc.config import DataConfig
from tfp_lgc.data import Source, Split
from tfp_lgc.errors import DataError

__all__ = ['RowFile', 'UNREADABLE', 'images_num_bytes', 'npz_source', 'release',
           'repeated', 'rows_split', 'savez', 'scratch']

# Images that are read at a time, and latents that are written.
ROWS, ROWS_WRITTEN = 64, 2**14
# What zipfile and NumPy raise for an .npz file that is damaged. TypeError: one
# bare array; the two after it: kinds of zip that Python refuses; MemoryError: a
# header that promises too much.
UNREADABLE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError,
              AttributeError, TypeError, NotImplementedError, RuntimeError,
              MemoryError)


class RowFile:
  """Rows of an array that lies in a file; only what is asked for is read.

  It is read, not mapped: pages of a mapped file count as memory of the process.

  Attributes:
    shape: of the whole array.
    dtype: of it.
  """

  def __init__(self, path: pathlib.Path, name: str):
    """Unpacks one array of an .npz file into a file that nobody else sees and
    that is gone with this object.

    Raises:
      DataError: if it is damaged, or its rows do not lie one after another.
    """
    self._file = tempfile.TemporaryFile()
    try:
      with zipfile.ZipFile(path) as archive, (
          archive.open(f'{name}.npy')) as member:
        shutil.copyfileobj(member, self._file, 2**20)
      self._file.seek(0)
      version = np.lib.format.read_magic(self._file)
      read = (np.lib.format.read_array_header_1_0 if version == (1, 0)
              else np.lib.format.read_array_header_2_0)
      self.shape, is_fortran, self.dtype = read(self._file)
    except (*UNREADABLE, KeyError) as error:  # KeyError: no such array.
      raise DataError(f'{path}: {name} cannot be read: {error}') from error
    if not self.shape:
      raise DataError(f'{path}: {name} is a single number; must be an array')
    self._start = self._file.tell()
    self._row_num_bytes = int(np.prod(self.shape[1:])) * self.dtype.itemsize
    if is_fortran and len(self.shape) > 1 or self.dtype.hasobject:
      raise DataError(f'{path}: {name} is in Fortran order or of objects; only '
                      'rows one after another can be read within --max_memory')
    size = self._file.seek(0, 2) - self._start
    if size < self.shape[0] * self._row_num_bytes:
      raise DataError(f'{path}: {name} ends before its last row')

  def __len__(self):
    return self.shape[0]

  def __getitem__(self, positions: np.ndarray) -> np.ndarray:
    """Rows at int positions `[n]`, in their order."""
    parts = [os.pread(self._file.fileno(), self._row_num_bytes,
                      self._start + int(i) * self._row_num_bytes)
             for i in positions]
    rows = np.frombuffer(b''.join(parts), self.dtype)
    return rows.reshape([len(positions), *self.shape[1:]])

  def mapped(self) -> np.ndarray:
    """The whole array as a file that is mapped into memory, as of `scratch`."""
    return np.memmap(self._file, self.dtype, 'r+', self._start, self.shape)


def rows_split(rows: Callable[[np.ndarray], np.ndarray], labels: np.ndarray,
               image_shape, bound: Optional[memory.Limits],
               positions: Optional[np.ndarray] = None) -> Split:
  """A split whose images are read anew in each pass.

  Args:
    rows: int positions `[n]` -> uint8 `[n, H, W, C]`.
    labels: int `[N]`, of all rows.
    image_shape: `(H, W, C)`.
    bound: of memory.
    positions: of the rows that the split has; None for all.
  """
  if positions is None:
    positions = np.arange(len(labels))
  # Files are often sorted by class, and a buffer shuffles only so far.
  order = np.random.default_rng(0).permutation(positions)

  def blocks():
    for first in range(0, len(order), ROWS):
      some = order[first:first + ROWS]
      yield rows(some), labels[some].astype(np.int32)

  examples = tf.data.Dataset.from_generator(blocks, output_signature=(
      tf.TensorSpec([None, *image_shape], tf.uint8),
      tf.TensorSpec([None], tf.int32))).unbatch()
  # Keras has to know it before it predicts.
  examples = examples.apply(tf.data.experimental.assert_cardinality(len(order)))
  return Split(examples, len(order), tuple(image_shape), bound)


def images_num_bytes(path: pathlib.Path) -> int:
  """Bytes of the larger array of images of an .npz file, unpacked; 0 where
  there is none, or no such file, which is for who reads it to tell."""
  try:
    with zipfile.ZipFile(path) as archive:
      return max((info.file_size for info in archive.infolist()
                  if info.filename in ('x_train.npy', 'x_test.npy')), default=0)
  except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
    return 0


def npz_source(path: pathlib.Path, config: DataConfig,
               bound: memory.Limits) -> Source:
  """As `sources.npz`, of a file whose images are not to be held in memory; its
  labels are. A copy of the images, not compressed, lies in the folder of
  temporary files meanwhile.

  Raises:
    DataError: as `sources.npz`, for the first images that are wrong.
  """
  try:
    with np.load(path, allow_pickle=False) as file:
      names = file.files
      labels = {name: file[name] for name in ('y_train', 'y_test')
                if name in names}
  except UNREADABLE as error:
    raise DataError(f'{path}: cannot be read as .npz: {error}') from error
  name = config.dataset
  train, shape = _checked(path, 'x_train', config)
  num = len(train)
  positions, class_names = encode_labels(labels.get('y_train'), num,
                                         f'{name}: y_train')
  if 'x_test' in names and 'y_train' in labels and 'y_test' not in labels:
    raise DataError(f'{name}: has x_test but no y_test')
  test, test_shape = (_checked(path, 'x_test', config) if 'x_test' in names
                      else (None, shape))
  if test:  # Not an empty one.
    told, _ = encode_labels(labels.get('y_test'), len(test),
                            f'{name}: y_test', class_names)
    return Source(name, rows_split(train, positions, shape, bound),
                  rows_split(test, told, test_shape, bound), class_names)
  kept, held_out = data.hold_out(positions, config.test_fraction)
  return Source(name, rows_split(train, positions, shape, bound, kept),
                rows_split(train, positions, shape, bound, held_out)
                if len(held_out) else None, class_names)


class _Pixels:
  """Rows of a `RowFile` as uint8 `[n, H, W, C]`."""

  def __init__(self, path: pathlib.Path, name: str, config: DataConfig):
    self._file = RowFile(path, name)
    self._name, self._range = f'{config.dataset}: {name}', config.value_range

  def __len__(self):
    return len(self._file)

  def __call__(self, positions: np.ndarray) -> np.ndarray:
    return check_images(self._file[positions], self._name, self._range)


def _checked(path: pathlib.Path, name: str, config: DataConfig):
  """Images, and the shape of one; all were read once: what is wrong must be
  known now and not after an hour of training."""
  pixels = _Pixels(path, name, config)
  shape = pixels(np.arange(min(1, len(pixels)))).shape[1:]
  for first in range(0, len(pixels), ROWS):
    pixels(np.arange(first, min(first + ROWS, len(pixels))))
  return pixels, shape


def scratch(shape, bound: Optional[memory.Limits]) -> np.ndarray:
  """An empty float32 array of latents: in memory, or a file mapped into it that
  is gone with the array, where a bound says so."""
  if not bound or 4 * int(np.prod(shape)) <= bound.latents:
    return np.empty(shape, np.float32)
  return np.memmap(tempfile.TemporaryFile(), np.float32, 'w+', shape=shape)


def repeated(rows: np.ndarray, copies: np.ndarray,
             bound: Optional[memory.Limits] = None) -> np.ndarray:
  """float32 `[sum of copies, d]`: each of the rows `[N, d]` so many times, in
  their order, in a `scratch`; the rows themselves if each is there once.

  Args:
    rows: of latents.
    copies: int `[N]`, at least 1.
    bound: of memory.
  """
  if (copies == 1).all():
    return rows
  result = scratch((int(copies.sum()), *rows.shape[1:]), bound)
  end, step = 0, max(1, ROWS_WRITTEN // int(copies.max()))
  for first in range(0, len(rows), step):
    part = np.repeat(rows[first:first + step], copies[first:first + step],
                     axis=0)
    result[end:end + len(part)] = part
    end += len(part)
    release(result)
    release(rows)
  return result


def release(array: np.ndarray) -> None:
  """Takes what was read or written of a `scratch` out of the memory of the
  process; the file keeps it."""
  if isinstance(array, np.memmap):
    array._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def savez(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
  """`np.savez`, at a memory that does not grow with arrays of `scratch`."""
  with zipfile.ZipFile(file, 'w', allowZip64=True) as archive:
    for name, array in arrays.items():
      with archive.open(f'{name}.npy', 'w', force_zip64=True) as member:
        if not isinstance(array, np.memmap):
          np.lib.format.write_array(member, np.asarray(array),
                                    allow_pickle=False)
          continue
        np.lib.format.write_array_header_1_0(
            member, np.lib.format.header_data_from_array_1_0(array))
        for first in range(0, len(array), ROWS_WRITTEN):
          member.write(array[first:first + ROWS_WRITTEN].tobytes())
          release(array)
