"""Curves that a program draws."""

import numpy as np
import pytest
from scipy import ndimage

from tfp_lgc import strokes


@pytest.mark.parametrize('shape', [(28, 28, 1), (12, 20, 3)])
def test_they_are_images_of_any_size(shape):
  images = strokes.draw(30, shape, seed=1)
  assert images.shape == (30, *shape) and images.dtype == np.uint8
  np.testing.assert_array_equal(images, strokes.draw(30, shape, seed=1))
  assert (images != strokes.draw(30, shape, seed=2)).any()
  assert len(np.unique(images.reshape(30, -1), axis=0)) == 30


def test_they_are_one_to_three_pieces_of_ink_on_black():
  images = strokes.draw(200, (28, 28, 1))[..., 0]
  pieces = [ndimage.label(image > 40, np.ones([3, 3]))[1] for image in images]
  assert set(pieces) >= {1, 2}
  assert np.mean(np.isin(pieces, (1, 2, 3))) > 0.9
  ink = (images > 127).mean(axis=(1, 2))
  assert ink.min() > 0 and ink.max() < 0.6
  # Nothing is cut off: the frame is black.
  frame = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0],
                          images[:, :, -1]], axis=1)
  assert frame.mean() < 5
