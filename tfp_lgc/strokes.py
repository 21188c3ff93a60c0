"""Images that a program draws without having seen any: lines of a pen.

What a network learns of them costs no privacy: X. Tang, A. Panda, V. Sehwag,
P. Mittal, Differentially Private Image Classification by Learning Priors from
Random Processes, NeurIPS 2023.
"""

from typing import Callable

import numpy as np

__all__ = ['draw']

# Points that a line is made of, and parts of the same curvature each.
NUM_POINTS, NUM_ARCS = 24, 4
# Probabilities of one line in an image, of two and of three.
NUM_LINES = (0.5, 0.35, 0.15)
# Standard deviations of the turn of an arc and of a corner, radians, and
# probability of a corner at a point.
TURN, CORNER, CORNERS = 2.0, 1.6, 0.05
# Lengths of a line, before all lines together are scaled.
LENGTHS = (0.3, 1.0)
# The longer side of what is drawn, in images: a margin is left.
SIZES = (0.56, 0.72)
# Half the width of a pen, and how far its edge is blurred, in images of 28
# pixels a side.
WIDTHS, BLUR = (0.7, 1.9), 1.0
# Images that are drawn at once: their distances stay in the cache.
CHUNK = 50


def draw(num_images: int, image_shape, seed: int = 0,
         on_image: Callable[[int], None] = lambda done: None) -> np.ndarray:
  """uint8 `[N, H, W, C]`: one to three lines that turn and bend, in the middle,
  white on black; of three channels, in a color on another.

  Args:
    num_images: N.
    image_shape: `(H, W, C)`.
    seed: of the lines.
    on_image: is told how many are done.
  """
  rng = np.random.default_rng(seed)
  images = np.empty([num_images, *image_shape], np.uint8)
  for first in range(0, num_images, CHUNK):
    rows = slice(first, min(first + CHUNK, num_images))
    images[rows] = _chunk(rows.stop - first, image_shape, rng)
    on_image(rows.stop)
  return images


def _chunk(count: int, image_shape, rng: np.random.Generator) -> np.ndarray:
  height, width, channels = image_shape
  points = _centered(_joined(_lines(count, rng), rng), rng) * [height, width]
  points = points.astype(np.float32)
  grid = np.stack(np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5,
                              indexing='ij'), axis=-1)
  grid = grid.reshape(-1, 2).astype(np.float32)
  # Squares of the distances of pixels from points, but for those of points.
  products = points @ grid.T  # [N, P, H W]
  squares = np.square(points).sum(axis=-1)[..., np.newaxis]
  nearest = (squares - 2.0 * products).min(axis=1) + np.square(grid).sum(axis=1)
  scale = max(height, width) / 28.0
  pen = rng.uniform(*WIDTHS, [count, 1])
  distance = np.sqrt(np.maximum(nearest, 0.0)) / scale
  ink = np.clip((pen - distance) / BLUR + 0.5, 0.0, 1.0)
  ink = ink.reshape(count, height, width, 1)
  if channels > 1:
    paper, color = rng.uniform(size=[2, count, 1, 1, channels])
    ink = paper + ink * (color - paper)
  return np.rint(255.0 * ink).astype(np.uint8)


def _lines(count: int, rng: np.random.Generator) -> np.ndarray:
  """Three lines of each image, each about the origin, `[N, 3, P, 2]`."""
  shape = count, len(NUM_LINES), NUM_POINTS
  arcs = rng.normal(0.0, TURN, [*shape[:2], NUM_ARCS])
  arc = np.sort(rng.integers(0, NUM_ARCS, shape), axis=-1)
  turns = np.take_along_axis(arcs, arc, axis=-1) * NUM_ARCS / NUM_POINTS
  turns += (rng.random(shape) < CORNERS) * rng.normal(0.0, CORNER, shape)
  heading = (rng.uniform(0.0, 2.0 * np.pi, [*shape[:2], 1])
             + np.cumsum(turns, axis=-1))
  steps = np.stack([np.sin(heading), np.cos(heading)], axis=-1)
  length = rng.uniform(*LENGTHS, [*shape[:2], 1, 1])
  points = np.cumsum(steps * length / NUM_POINTS, axis=2)
  return points - points.mean(axis=2, keepdims=True)


def _joined(lines: np.ndarray, rng: np.random.Generator) -> np.ndarray:
  """Lines that touch the first one by an end or the middle, or are beside it;
  those that an image does not have are the first again."""
  rows = np.arange(len(lines))
  num_lines = rng.choice(len(NUM_LINES), len(lines), p=NUM_LINES)
  for i in range(1, len(NUM_LINES)):
    there = lines[rows, 0, rng.integers(0, NUM_POINTS, len(lines))]
    here = lines[rows, i, rng.choice([0, NUM_POINTS // 2, NUM_POINTS - 1],
                                     len(lines))]
    beside = (rng.random([len(lines), 1]) < 0.4) * rng.normal(
        0.0, 0.2, [len(lines), 2])
    lines[:, i] += (there - here + beside)[:, np.newaxis]
    absent = num_lines < i
    lines[absent, i] = lines[absent, 0]
  # Half as far from each other, so that a thin pen does not leave gaps.
  between = 0.5 * (lines[:, :, 1:] + lines[:, :, :-1])
  return np.concatenate([lines, between], axis=2).reshape(len(lines), -1, 2)


def _centered(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
  """Points `[N, P, 2]` in 0..1, in the middle by their box and their mean, as
  scanned characters are."""
  count = len(points)
  low, high = [f(points, axis=1, keepdims=True) for f in (np.min, np.max)]
  side = np.maximum((high - low).max(axis=-1, keepdims=True), 0.25)
  points = ((points - 0.5 * (low + high)) / side
            * rng.uniform(*SIZES, [count, 1, 1]))
  points -= (rng.uniform(0.3, 1.0, [count, 1, 1])
             * points.mean(axis=1, keepdims=True))
  return 0.5 + points + rng.normal(0.0, 0.01, [count, 1, 2])
