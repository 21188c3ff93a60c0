"""Exposure: does an artifact remember pictures that were slipped in?

N. Carlini, C. Liu, U. Erlingsson, J. Kos, D. Song, The Secret Sharer, USENIX
Security 2019, section 4: an experiment on the method, with an artifact that is
made for it.
"""

import math
from typing import Any, Callable

import numpy as np

from tfp_lgc.artifact import Artifact
from tfp_lgc.data import Images
from tfp_lgc.errors import ConfigError
from tfp_lgc.metrics import intervals
from tfp_lgc.metrics.privacy import reconstruction
from tfp_lgc.metrics.subject import num_steps, Subject

__all__ = ['canaries', 'expected', 'exposure', 'measure', 'run']

# Random pictures of which none is inserted, that canaries are ranked among.
NUM_REFERENCES = 1000
# How often a canary is inserted.
REPEATS = (1, 10)
# A picture is so many squares high and wide, each black or white.
NUM_SQUARES = 4


def canaries(n: int, image_shape: tuple[int, int, int],
             rng: np.random.Generator) -> np.ndarray:
  """Random pictures, uint8 `[n, H, W, C]`, of 4 x 4 squares, all alike but for
  chance, no two the same.

  Raises:
    ConfigError: if there are not so many of that shape.
  """
  height, width, channels = image_shape
  shape = min(height, NUM_SQUARES), min(width, NUM_SQUARES), channels
  if (known := 2**math.prod(shape)) < n:
    raise ConfigError(
        f'metric canary: needs {n:,} different pictures of squares, and of '
        f'shape {image_shape} there are {known:,}; it is for larger images')
  different: dict[bytes, np.ndarray] = {}
  while len(different) < n:
    squares = rng.integers(0, 2, shape, np.uint8)
    different[squares.tobytes()] = squares
  rows, columns = [np.arange(size) * num // size
                   for size, num in zip((height, width), shape)]
  return 255 * np.stack(list(different.values()))[:, rows][:, :, columns]


def exposure(inserted: np.ndarray, references: np.ndarray) -> np.ndarray:
  """log2 of the number of pictures less log2 of the rank of each canary.

  Args:
    inserted: `[n]`, how far the artifact is from each canary.
    references: `[R]`, the same of pictures that were not inserted.

  Returns:
    `[n]`, in bits, from 0 to log2(R + 1). The rank is that among a canary and
    the references, from 1 on; equals count as nearer.
  """
  ranks = 1 + np.searchsorted(np.sort(references), inserted, side='right')
  return np.log2(len(references) + 1) - np.log2(ranks)


def expected(num_references: int) -> float:
  """Mean exposure of a canary that is not remembered: all ranks are alike."""
  ranks = np.arange(1, num_references + 2)
  return float(np.mean(np.log2(num_references + 1) - np.log2(ranks)))


def run(compress: Callable[[Images], Artifact], train: Images, n: int,
        seed: int = 0, repeats: tuple[int, ...] = REPEATS) -> dict[str, Any]:
  """Compresses with n canaries for each number of repeats, all at once.

  ```python
  run(lambda images: tfp_lgc.compress(
      (images.images, images.labels), model='ae'), train, n=8)
  ```

  Args:
    compress: makes an artifact that has its encoder.
    train: what canaries are added to, with labels at random.
    n: canaries a number of repeats.
    seed: of pictures and labels.
    repeats: how often they are inserted.

  Returns:
    `exposures`, by repeats `mean` and `interval` (Student's t) in bits;
    `expected` of a canary that is not remembered and `most`, of the nearest of
    all; `canaries` = n, `num_references`.
  """
  rng = np.random.default_rng(seed)
  pictures = canaries(n * len(repeats) + NUM_REFERENCES,
                      train.images.shape[1:], rng)
  present = np.unique(train.labels)
  labels = rng.choice(present, len(pictures)).astype(np.int32)
  counts = np.repeat(repeats, n)
  added = len(counts)
  artifact = compress(Images(
      np.concatenate([train.images, np.repeat(pictures[:added], counts, 0)]),
      np.concatenate([train.labels, np.repeat(labels[:added], counts)]),
      train.class_names))
  distances = reconstruction.distances(
      artifact, Images(pictures, labels, train.class_names))
  bits = exposure(distances[:added], distances[added:]).reshape(-1, n)
  return {
      'exposures': {str(count): {'mean': round(float(row.mean()), 3),
                                 'interval': intervals.of_mean(row.tolist())}
                    for count, row in zip(repeats, bits)},
      'expected': round(expected(NUM_REFERENCES), 3),
      'most': round(float(np.log2(NUM_REFERENCES + 1)), 3),
      'canaries': n, 'num_references': NUM_REFERENCES}


def measure(subject: Subject) -> dict[str, Any]:
  """`run` with the settings of the artifact, but `shadow_steps`.

  Returns:
    What `run` returns; `shadow_steps`, those really made, whole epochs, and
    `artifact_steps`, of the artifact in question: with fewer than those less is
    remembered, and the exposure understated.
  """
  compress_as = subject.compress
  assert subject.artifact is not None and compress_as is not None
  made = []

  def compress(images: Images) -> Artifact:
    made.append(compress_as(images, subject.seed,
                            subject.settings.shadow_steps))
    return made[0]

  result = run(compress, subject.train, subject.settings.canaries, subject.seed)
  return {**result, 'shadow_steps': num_steps(made[0]),
          'artifact_steps': num_steps(subject.artifact)}
