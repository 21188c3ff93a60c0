"""Images that a program draws without having seen any: curves of a pen.

What a network learns of them costs no privacy: X. Tang, A. Panda, V. Sehwag,
P. Mittal, Differentially Private Image Classification by Learning Priors from
Random Processes, NeurIPS 2023.
"""

import numpy as np

__all__ = ['draw']

# Curves of one image at the most, and points that each is drawn by.
MAX_CURVES, NUM_POINTS = 3, 30
# Half the width of a pen, and how far its edge is blurred, in images of 28
# pixels a side.
WIDTHS, BLUR = (0.7, 1.9), 1.0
# Images that are in memory at once.
CHUNK = 250


def draw(num_images: int, image_shape, seed: int = 0) -> np.ndarray:
  """uint8 `[N, H, W, C]`: one to three cubic curves, white on black; of three
  channels, in a color on another.

  Args:
    num_images: N.
    image_shape: `(H, W, C)`.
    seed: of the curves.
  """
  rng = np.random.default_rng(seed)
  return np.concatenate([
      _chunk(min(CHUNK, num_images - first), image_shape, rng)
      for first in range(0, num_images, CHUNK)])


def _chunk(count: int, image_shape, rng: np.random.Generator) -> np.ndarray:
  height, width, channels = image_shape
  points = _points(count, rng) * [height, width]
  grid = np.stack(np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5,
                              indexing='ij'), axis=-1).reshape(-1, 2)
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


def _points(count: int, rng: np.random.Generator) -> np.ndarray:
  """Points on the curves of each image, `[N, P, 2]`, in 0..1."""
  # A curve often begins where the last one ended.
  controls = rng.uniform(0.12, 0.88, [count, MAX_CURVES, 4, 2])
  goes_on = rng.random([count, MAX_CURVES]) < 0.6
  for i in range(1, MAX_CURVES):
    controls[goes_on[:, i], i, 0] = controls[goes_on[:, i], i - 1, 3]
  # Fewer curves: the rest repeat the first.
  num_curves = rng.integers(1, MAX_CURVES + 1, count)
  for i in range(1, MAX_CURVES):
    controls[num_curves <= i, i] = controls[num_curves <= i, 0]
  t = np.linspace(0.0, 1.0, NUM_POINTS)
  weights = np.stack([(1 - t)**3, 3 * t * (1 - t)**2, 3 * t**2 * (1 - t),
                      t**3], axis=1)  # [points, 4]
  points = np.einsum('pk,nckd->ncpd', weights, controls)
  return points.reshape(count, -1, 2)
