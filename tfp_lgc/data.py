"""Labelled images: in memory (`Images`) and as streams (`Split`, `Source`)."""

import dataclasses
import functools
import threading
import zlib
from typing import Callable, Optional, Sequence

import numpy as np
import tensorflow as tf

from tfp_lgc import memory
from tfp_lgc.errors import DataError

__all__ = ['Images', 'Source', 'Split', 'bounded', 'gzip_num_bytes',
           'most_cached', 'validation']

# A split of at most this many raw bytes is kept in memory once read.
CACHE_NUM_BYTES = 2**30
# A split up to this many raw bytes is shuffled as a whole, a larger one
# through a buffer of this size.
SHUFFLE_NUM_BYTES = 2**28
MAX_CLASSES = 65536
# TensorFlow's seed of a program that sets none.
GRAPH_SEED = 87654321
# Train images that settings are chosen by, at the most.
NUM_TO_CHOOSE_BY, FRACTION_TO_CHOOSE_BY = 5000, 0.2
# Of the seed of the judge that chooses, and of the samples that it sees: the
# one that counts shall not be the very same. By exclusive or, so that no seed
# becomes too large.
SALT = 2**20


@dataclasses.dataclass(frozen=True, eq=False)  # Arrays have no one truth.
class Images:
  """Labelled images in memory.

  Attributes:
    images: uint8 `[N, H, W, C]`, `C` is 1 (gray) or 3 (RGB).
    labels: int32 `[N]`, positions in `class_names`.
    class_names: one string a class.
  """
  images: np.ndarray
  labels: np.ndarray
  class_names: tuple[str, ...]

  def __post_init__(self):
    if self.images.dtype != np.uint8 or self.images.ndim != 4:
      raise DataError(f'images: got {self.images.dtype} {self.images.shape}; '
                      'must be uint8 [N, H, W, C]')
    if len(self.labels) != len(self.images):
      raise DataError(f'labels: got {len(self.labels)} for '
                      f'{len(self.images)} images; must be one an image')

  def __len__(self):
    return len(self.images)


@dataclasses.dataclass(frozen=True)
class Split:
  """A stream of labelled images that can be read again and again.

  Attributes:
    examples: a `tf.data.Dataset` of `(uint8 [H, W, C], int32 [])`, finite; of
      weighted ones, for judges alone, also float32 [].
    num_examples: how many it has.
    image_shape: `(H, W, C)`.
    bound: of memory, or None.
    held: returns all of `examples` as tensors `[N, ...]`; None if they are not
      to be held in memory.
  """
  examples: tf.data.Dataset
  num_examples: int
  image_shape: tuple[int, int, int]
  bound: Optional[memory.Limits] = None
  held: Optional[Callable[[], Sequence[tf.Tensor]]] = None

  @property
  def num_bytes(self) -> int:
    """Of the images, uint8."""
    return self.num_examples * int(np.prod(self.image_shape))

  def part(self, first: int, stop: int) -> 'Split':
    """Examples from one position to before another, or the last."""
    whole = self.held
    return dataclasses.replace(
        self, examples=self.examples.skip(first).take(stop - first),
        num_examples=max(0, min(stop, self.num_examples) - first),
        held=whole and (lambda: [part[first:stop] for part in whole()]))

  def batch_size(self, most: int) -> int:
    """Images of a batch of a pass in order, `most` where memory allows."""
    if not self.bound:
      return most
    size = int(np.prod(self.image_shape))
    return max(1, min(most, self.bound.batch // size))

  def batches(self, batch_size: int, seed: Optional[int] = None,
              salt: int = 0, skip: int = 0) -> tf.data.Dataset:
    """`(uint8 [B, H, W, C], int32 [B])`; one pass in order, or, with a seed,
    endless passes, each in another order. Where memory is bound, a pass in
    order may have smaller batches.

    Args:
      batch_size: B.
      seed: alone, whatever the program's global seed, decides the order.
      salt: what a seed is mixed with, so that another purpose has another
        order.
      skip: batches at the start that are left out; all that comes after is as
        if they had been read.
    """
    examples, bound = self.examples, self.bound
    held = self.held() if self.held and not bound else None
    if held:  # To shuffle and collect positions takes half the time.
      examples = tf.data.Dataset.range(self.num_examples)
    size = int(np.prod(self.image_shape))
    if seed is not None:
      buffer = (max(1, bound.shuffle // size) if bound
                else max(1000, SHUFFLE_NUM_BYTES // size))
      buffer = min(self.num_examples, buffer)
      examples = _shuffled(examples, buffer, GRAPH_SEED + salt, seed).repeat()
    else:
      batch_size = self.batch_size(batch_size)
    if skip:
      examples = examples.skip(skip * batch_size)
    batches = examples.batch(batch_size)
    if held:
      batches = batches.map(
          lambda rows: tuple(tf.gather(part, rows) for part in held))
    return batches.prefetch(1 if bound else tf.data.AUTOTUNE)

  def to_memory(self, class_names: tuple[str, ...]) -> Images:
    """Reads the whole split.

    Raises:
      ConfigError: if that is more than the bound of memory allows.
    """
    memory.check(self.num_bytes, self.bound, 'this job')
    batches = list(self.batches(1000).as_numpy_iterator())
    return Images(np.concatenate([images for images, _ in batches]),
                  np.concatenate([labels for _, labels in batches]),
                  class_names)

  def num_raw_bytes(self, num_classes: int) -> int:
    """uint8 pixels and the smallest integers that hold the labels."""
    pixels = int(np.prod(self.image_shape))
    return self.num_examples * (pixels + label_dtype(num_classes).itemsize)


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
  """A data set: its two splits and what the labels mean.

  Attributes:
    name: for people, as given to `--dataset`.
    train: what is compressed.
    test: what judges are tested on; None if there is no such split.
    class_names: one string a class; a single one where nothing is labeled.
    test_groups: int `[N]`, an attribute of each test image, in their order,
      that its class should not be told by; None if there is none.
    skipped: what is wrong with each image that was left out.
  """
  name: str
  train: Split
  test: Optional[Split]
  class_names: tuple[str, ...]
  test_groups: Optional[np.ndarray] = None
  skipped: tuple[str, ...] = ()

  def __post_init__(self):
    if not self.train.num_examples:
      raise DataError(f'{self.name}: the train split has no image')
    if len(self.class_names) > MAX_CLASSES:
      raise DataError(f'{self.name}: got {len(self.class_names)} classes; at '
                      f'most {MAX_CLASSES} are allowed')
    if self.test and self.test.image_shape != self.train.image_shape:
      raise DataError(f'{self.name}: train images are '
                      f'{self.train.image_shape}, test images '
                      f'{self.test.image_shape}; must be the same')

  def test_labels(self) -> np.ndarray:
    """int32 `[N]`, of the test images in their order."""
    assert self.test is not None
    return np.concatenate([
        labels for _, labels in self.test.batches(1000).as_numpy_iterator()])


def _shuffled(examples: tf.data.Dataset, buffer: int, graph_seed: int,
              seed: int) -> tf.data.Dataset:
  """`examples.shuffle(buffer, seed)` of a program with that global seed,
  whatever the one that it has."""
  flat = tf.nest.flatten(examples.element_spec)
  return tf.data.experimental.from_variant(
      tf.raw_ops.ShuffleDatasetV3(
          input_dataset=tf.data.experimental.to_variant(examples),
          buffer_size=buffer, seed=graph_seed, seed2=seed,
          seed_generator=tf.raw_ops.DummySeedGenerator(),
          output_types=[spec.dtype for spec in flat],
          output_shapes=[spec.shape for spec in flat],
          reshuffle_each_iteration=True),
      examples.element_spec)


def label_dtype(num_classes: int) -> np.dtype:
  return np.min_scalar_type(max(num_classes - 1, 0))


def gzip_num_bytes(split: Split, num_classes: int,
                   stop: Callable[[], bool] = lambda: False) -> int:
  """Size of the split's uint8 images, then its labels, by `gzip -9`.

  It is given up, and the size is that of a part, once `stop` returns True.
  """
  gzip = zlib.compressobj(9, wbits=31)
  num_bytes, labels = 0, []
  for batch, batch_labels in split.batches(1000).as_numpy_iterator():
    num_bytes += len(gzip.compress(batch.tobytes()))
    labels.append(batch_labels.astype(label_dtype(num_classes)))
    if stop():
      break
  return (num_bytes + len(gzip.compress(np.concatenate(labels).tobytes()))
          + len(gzip.flush()))


def hold_out(labels: np.ndarray, fraction: float,
             ) -> tuple[np.ndarray, np.ndarray]:
  """Positions of a train and a test part, stratified by label.

  The draw does not depend on a run's seed: an artifact of one run must not be
  tested on images that another run would have held out.

  Args:
    labels: int `[N]`.
    fraction: of each class, rounded down, that goes into the test part.

  Returns:
    train, test: int arrays, sorted, each position in exactly one.
  """
  rng = np.random.default_rng(0)
  order = rng.permutation(len(labels))
  is_test = np.zeros(len(labels), bool)
  for label in np.unique(labels):
    members = order[labels[order] == label]
    is_test[members[:int(fraction * len(members))]] = True
  return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def to_choose_by(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Positions of the train images that something is fitted to, and of those
  that a judge then chooses by; as for `hold_out`."""
  return hold_out(labels, min(FRACTION_TO_CHOOSE_BY,
                              NUM_TO_CHOOSE_BY / len(labels)))


def array_split(images: np.ndarray, labels: np.ndarray,
                keep_order: bool = False,
                weights: Optional[np.ndarray] = None) -> Split:
  """A `Split` of images and labels as `Images` has them.

  With weights `[N]` it is for judges alone: its examples have a third part,
  float32, what an image counts for in training.
  """
  arrays = [images, labels.astype(np.int32)]
  if weights is not None:
    arrays.append(weights.astype(np.float32))
  if images.nbytes > SHUFFLE_NUM_BYTES and not keep_order:
    # Files are often sorted by class, and a buffer shuffles only so far.
    order = np.random.default_rng(0).permutation(len(images))
    arrays = [array[order] for array in arrays]
  tensors = tuple(map(tf.constant, arrays))
  return Split(tf.data.Dataset.from_tensor_slices(tensors), len(images),
               images.shape[1:], held=lambda: tensors)


def held(examples: tf.data.Dataset) -> Callable[[], Sequence[tf.Tensor]]:
  """`Split.held` of examples that are read once, when they are needed first."""
  lock = threading.Lock()  # Sizes are computed beside training.

  @functools.cache
  def read():
    return [tf.concat(parts, axis=0) for parts in zip(*examples.batch(1000))]

  def tensors():
    with lock:
      return read()

  return tensors


def most_cached(max_memory: str) -> int:
  """Raw bytes of images that are kept in memory; see `--max_memory`."""
  bound = memory.limits(max_memory)
  return bound.split if bound else CACHE_NUM_BYTES


def bounded(source: Source, bound: Optional[memory.Limits]) -> Source:
  """The same, its splits within a bound of memory."""
  return dataclasses.replace(
      source, train=dataclasses.replace(source.train, bound=bound),
      test=source.test and dataclasses.replace(source.test, bound=bound))


def validation(source: Source, fraction: float) -> Source:
  """A part of the train split in place of the test split, see `hold_out`.

  Args:
    source: its train split is read into memory.
    fraction: of each class.

  Raises:
    DataError: if no class has enough images.
  """
  images = source.train.to_memory(source.class_names)
  train, held_out = hold_out(images.labels, fraction)
  if not len(held_out):
    raise DataError(f'validation_fraction = {fraction}: holds out none of '
                    f'{len(images)} images; must be larger')
  return Source(source.name,
                array_split(images.images[train], images.labels[train]),
                array_split(images.images[held_out], images.labels[held_out]),
                source.class_names, skipped=source.skipped)
