"""Labelled images out of an artifact."""

import collections
import numbers
import os
from concurrent import futures
from typing import Iterator, NamedTuple, Optional, Union

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfp_lgc import config as config_lib
from tfp_lgc.artifact import Artifact
from tfp_lgc.data import Images
from tfp_lgc.errors import LgcError
from tfp_lgc.opening import load
from tfp_lgc.sampler import AS_MADE, BLOCK_SIZE, Sampler

__all__ = ['AnyArtifact', 'Drawing', 'as_dataset', 'drawing', 'opened',
           'sample', 'whole']

# Blocks that one call draws, and bytes of their images: both bound the memory
# of a sample of any size.
BLOCKS_PER_CALL = 32
MAX_NUM_BYTES_PER_CALL = 2**25

AnyArtifact = Union[Artifact, str, os.PathLike]


def whole(name: str, value, low: int) -> int:
  """A whole number from `low` to 2^31 - 1."""
  if (not isinstance(value, numbers.Integral) or isinstance(value, bool)
      or not low <= int(value) < 2**31):
    raise LgcError(f'{name} = {value!r}: must be a whole number from {low} to '
                   f'{2**31 - 1}')
  return int(value)


def _seed_tensor(seed: int) -> np.ndarray:
  """The int32 `[2]` that the SavedModel's signatures take for `seed`."""
  return np.array([0, whole('seed', seed, 0)], np.int32)


def opened(artifact: AnyArtifact) -> Artifact:
  return artifact if isinstance(artifact, Artifact) else load(artifact)


class Drawing(NamedTuple):
  """What is drawn: an endless row of labelled images, each at its position.

  Attributes:
    sampler: draws them.
    seed: int32 `[2]`.
    temperature: see `Sampler.sample`.
    cycle: int32 `[P]`, the labels, which come round again after P images; None
      where labels are drawn as well.
    image_shape: `(H, W, C)`.
    class_names: one string a class.
  """
  sampler: Sampler
  seed: np.ndarray
  temperature: float
  cycle: Optional[np.ndarray]
  image_shape: tuple[int, int, int]
  class_names: tuple[str, ...]

  def blocks(self, first, count) -> dict[str, tf.Tensor]:
    """`count` whole blocks from position `first` on, both int32, as `Sampler`
    returns them; also within a `tf.function`."""
    if self.cycle is None:
      return self.sampler.sample_blocks(first, count, self.seed,
                                        self.temperature)
    start = BLOCK_SIZE * tf.cast(first, tf.int64)
    positions = start + tf.range(BLOCK_SIZE * tf.cast(count, tf.int64))
    labels = tf.gather(self.cycle, positions % len(self.cycle))
    return self.sampler.sample_class_blocks(labels, self.seed, first,
                                            self.temperature)

  def portions(self, first: int, stop: int,
               ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Images and labels from position `first` to before `stop`, as uint8
    `[B, H, W, C]` and int32 `[B]`, at memory that does not depend on how many
    they are. The next ones are drawn while these are used."""
    num_bytes = BLOCK_SIZE * int(np.prod(self.image_shape))
    count = max(1, min(BLOCKS_PER_CALL, MAX_NUM_BYTES_PER_CALL // num_bytes))
    last = -(-stop // BLOCK_SIZE)

    def portion(block):
      drawn = self.blocks(block, min(count, last - block))
      start = block * BLOCK_SIZE
      inside = slice(max(first - start, 0), stop - start)
      return drawn['image'].numpy()[inside], drawn['label'].numpy()[inside]

    num_calls = self.sampler.parallel
    with futures.ThreadPoolExecutor(num_calls) as executor:
      waiting: collections.deque[futures.Future] = collections.deque()
      for block in range(first // BLOCK_SIZE, last, count):
        waiting.append(executor.submit(portion, block))
        if len(waiting) > num_calls:
          yield waiting.popleft().result()
      for its in waiting:
        yield its.result()


def drawing(artifact: AnyArtifact, n: Optional[int] = None,
            labels: Optional[npt.ArrayLike] = None, seed: int = 0, *,
            balanced: bool = False, temperature: Optional[float] = None,
            stochastic: bool = False) -> Drawing:
  """What `sample` draws, before it is drawn; see there for the arguments."""
  artifact, seed_tensor = opened(artifact), _seed_tensor(seed)
  if temperature is None:
    temperature = AS_MADE
  else:
    temperature = config_lib.replace(config_lib.MixtureConfig(),
                                     temperature=temperature).temperature
    # As the SavedModel is told it, or 0.9 would be another number there.
    temperature = float(np.float32(temperature))
  cycle = None
  if labels is not None:
    cycle = _positions(artifact, labels, n)
  elif balanced:
    cycle = np.flatnonzero(artifact.class_counts).astype(np.int32)
  sampler = artifact.sampler.stochastic if stochastic else artifact.sampler
  return Drawing(sampler, seed_tensor, temperature, cycle, artifact.image_shape,
                 artifact.class_names)


def sample(artifact: AnyArtifact, n: int,
           labels: Optional[npt.ArrayLike] = None, seed: int = 0, *,
           balanced: bool = False, temperature: Optional[float] = None,
           stochastic: bool = False) -> Images:
  """Draws labelled images.

  The same artifact and seed give the same images, from an `Artifact`, either
  of its files, and the SavedModel's `sample` with seed `[0, seed]`; the first
  of them do not depend on n.

  ```python
  images = tfp_lgc.sample('out', n=1000, seed=1)
  threes = tfp_lgc.sample('out', n=16, labels='3')
  ```

  Args:
    artifact: an `Artifact`, or the path of one, see `load`.
    n: how many, at least 1.
    labels: None for classes as frequent as in the training data; or a class
      name, or n of them. A number stands for the class whose name it is.
    seed: from 0 to 2^31 - 1.
    balanced: whether, without `labels`, all classes are equally frequent: they
      take turns.
    temperature: what covariances are multiplied by; None for what the artifact
      was made with.
    stochastic: whether pixels are drawn from the output head, p(x | z), with
      all their noise; else an image is the one point that stands for p(x | z),
      with the artifact's texture, if it has one.

  Raises:
    LgcError: for n, labels, seed or temperature that are not allowed.
    ArtifactError: if the artifact cannot be opened.
  """
  n = whole('n', n, 1)
  drawn = drawing(artifact, n, labels, seed, balanced=balanced,
                  temperature=temperature, stochastic=stochastic)
  images = np.empty([n, *drawn.image_shape], np.uint8)
  positions, first = np.empty(n, np.int32), 0
  for some, theirs in drawn.portions(0, n):
    rows = slice(first, first + len(theirs))
    images[rows], positions[rows] = some, theirs
    first += len(theirs)
  return Images(images, positions, drawn.class_names)


def _positions(artifact: Artifact, labels: npt.ArrayLike, n: Optional[int],
               ) -> np.ndarray:
  """int32 positions in `class_names`: `[1]` of one label, or `[n]`."""
  if np.ndim(labels) == 0:
    labels = np.broadcast_to(labels, [1])
  elif n is None:
    raise LgcError('labels: got many for an endless stream; give one class, or '
                   'n')
  else:
    labels = np.asarray(labels)
    if labels.shape != (n,):
      raise LgcError(f'labels: got shape {labels.shape}; must be one label or '
                     f'n = {n} of them')
  counts = np.array(artifact.class_counts)
  # A class without an image has a place in the artifact, but no mixture.
  known = {name: i for i, name in enumerate(artifact.class_names) if counts[i]}
  positions = np.array([known.get(str(label), -1) for label in labels])
  bad = positions < 0
  if bad.any():
    names = list(known)
    listed = ', '.join(names[:20]) + (', ...' if len(names) > 20 else '')
    raise LgcError(f'labels: {str(labels[bad][0])!r} is no class of the '
                   f'artifact; choose from {listed}')
  return positions.astype(np.int32)


def as_dataset(artifact: AnyArtifact, n: Optional[int] = None,
               labels: Optional[npt.ArrayLike] = None, seed: int = 0, *,
               balanced: bool = False,
               temperature: Optional[float] = None, stochastic: bool = False,
               ) -> tf.data.Dataset:
  """A stream of `(uint8 [H, W, C], int32 [])`, drawn as it is read.

  Its first n elements are those of `sample` with the same arguments. Nothing is
  written, and memory does not depend on n.

  ```python
  dataset = tfp_lgc.as_dataset('out', seed=1).batch(128)
  epoch = tfp_lgc.as_dataset('out', n=60_000, balanced=True).batch(128)
  ```

  Args:
    artifact: an `Artifact`, or the path of one.
    n: how many; None for a stream without an end.
    labels: as for `sample`; without n, None or one class.
    seed: from 0 to 2^31 - 1.
    balanced: as for `sample`, and so are the following.
    temperature: what covariances are multiplied by.
    stochastic: whether pixels are drawn from the output head.

  Raises:
    LgcError: for n, labels, seed or temperature that are not allowed.
    ArtifactError: if the artifact cannot be opened.
  """
  num_blocks = 2**31 - 1
  if n is not None:
    num_blocks = -(-whole('n', n, 1) // BLOCK_SIZE)
  drawn = drawing(artifact, n, labels, seed, balanced=balanced,
                  temperature=temperature, stochastic=stochastic)

  def block(position):
    parts = drawn.blocks(position, 1)
    images = tf.ensure_shape(parts['image'], [None, *drawn.image_shape])
    return images, parts['label']

  positions = tf.data.Dataset.range(num_blocks, output_type=tf.int32)
  stream = positions.map(block, tf.data.AUTOTUNE).unbatch()
  if n is None:
    return stream
  return stream.take(n).apply(tf.data.experimental.assert_cardinality(n))
