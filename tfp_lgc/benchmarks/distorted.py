"""Data sets of any size, made of a small one: its train images turned, scaled,
sheared and shifted."""

import math
import os
from typing import Callable

import numpy as np
import tensorflow as tf

from tfp_lgc import tfds_writer
from tfp_lgc.data import Images
from tfp_lgc.progress import Progress

__all__ = ['portions', 'write']

# The most that an image is turned (radians), made larger or smaller, sheared,
# and shifted (share of its sides).
MAX_ANGLE = math.radians(15)
MAX_GROWTH = 0.15
MAX_SHEAR = 0.15
MAX_SHIFT = 0.07
# Images that have one generator of random numbers.
BLOCK_SIZE = 2048
# Where TFDS looks for it in its data_dir.
PLACE = (tfds_writer.DATASET_NAME, '1.0.0')


def _transforms(num: int, height: int, width: int, rng: np.random.Generator,
                ) -> np.ndarray:
  """float32 `[num, 8]` as `tf.raw_ops.ImageProjectiveTransformV3` takes them:
  from a pixel of the result, x to the right and y down, to one of the image."""
  angle = rng.uniform(-MAX_ANGLE, MAX_ANGLE, num)
  growth = np.exp(rng.uniform(-MAX_GROWTH, MAX_GROWTH, num))
  shear = rng.uniform(-MAX_SHEAR, MAX_SHEAR, num)
  cos, sin = np.cos(angle) / growth, np.sin(angle) / growth
  a, b = cos, cos * shear - sin
  c, d = sin, sin * shear + cos
  x, y = (width - 1) / 2, (height - 1) / 2  # About the middle.
  shift = rng.uniform(-MAX_SHIFT, MAX_SHIFT, [2, num])
  zero = np.zeros(num)
  return np.stack([a, b, x - a * x - b * y + width * shift[0],
                   c, d, y - c * x - d * y + height * shift[1],
                   zero, zero], axis=1).astype(np.float32)


def portions(train: Images, test: Images, num_train: int, seed: int,
             ) -> Callable[[int, int], tfds_writer.Portions]:
  """What `tfds_writer.write_tfds` takes: a train split of any size and the test
  split as it is.

  ```python
  make = portions(train, test, 600_000, seed=0)
  for batch, labels in make(0, 1_000): ...
  ```

  Args:
    train: whose images come round again until there are enough, each time
      distorted in another way, bilinearly, black where nothing was.
    test: follows.
    num_train: images of the train split.
    seed: of the distortions, which depend on it and on an image's position.
  """
  height, width, _ = train.images.shape[1:]

  def block(number: int) -> tuple[np.ndarray, np.ndarray]:
    rows = (number * BLOCK_SIZE + np.arange(BLOCK_SIZE)) % len(train)
    images = tf.raw_ops.ImageProjectiveTransformV3(
        images=train.images[rows], transforms=_transforms(
            BLOCK_SIZE, height, width, np.random.default_rng([seed, number])),
        output_shape=[height, width], fill_value=0.0, interpolation='BILINEAR',
        fill_mode='CONSTANT')
    return images.numpy(), train.labels[rows]

  def make(first: int, stop: int) -> tfds_writer.Portions:
    last = min(stop, num_train)
    # Of test images alone there is none.
    numbers = range(first // BLOCK_SIZE, -(-last // BLOCK_SIZE))
    for number in numbers if first < last else []:
      start = number * BLOCK_SIZE
      inside = slice(max(first - start, 0), last - start)
      images, labels = block(number)
      yield images[inside], labels[inside]
    rest = slice(max(first - num_train, 0), max(stop - num_train, 0))
    if rest.stop:
      yield test.images[rest], test.labels[rest]

  return make


def write(train: Images, test: Images, num_train: int, seed: int,
          data_dir: str, name: str, progress: Progress) -> None:
  """Writes it as a TFDS data set, once; a run that was killed is taken up.

  Args:
    train: see `portions`, as for the next three.
    test: not distorted.
    num_train: images of the train split.
    seed: of the distortions.
    data_dir: for TFDS, which finds it as `tfds_writer.DATASET_NAME`.
    name: of the data set that the images are from.
    progress: hears of the images.
  """
  output = os.path.join(data_dir, *PLACE)
  if os.path.isdir(output) and not tfds_writer.is_in_place(output):
    return
  os.makedirs(os.path.dirname(output), exist_ok=True)
  tfds_writer.write_tfds(
      portions(train, test, num_train, seed),
      {'train': num_train, 'test': len(test)}, train.images.shape[1:],
      train.class_names, output, {'distorted': name, 'seed': seed}, progress,
      f'Images of {name}, distorted by tfp_lgc to measure how it scales.')
