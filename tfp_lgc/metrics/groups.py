"""Accuracy by groups of images that share a class and another attribute."""

from typing import Optional

import numpy as np

__all__ = ['accuracies', 'rounded']


def accuracies(right: np.ndarray, labels: np.ndarray, attributes: np.ndarray,
               ) -> np.ndarray:
  """Accuracy in each group; the smallest is the worst-group accuracy.

  S. Sagawa et al., Distributionally Robust Neural Networks for Group Shifts,
  ICLR 2020, section 2: groups are pairs of a class and a spurious attribute.

  ```python
  worst = np.nanmin(accuracies(right, labels, colors))
  ```

  Args:
    right: bool `[N]`.
    labels: int `[N]`.
    attributes: int `[N]`.

  Returns:
    float `[classes, attributes]`; nan where there is no image.
  """
  shape = labels.max() + 1, attributes.max() + 1
  cells = labels * shape[1] + attributes
  counts = np.bincount(cells, minlength=shape[0] * shape[1])
  hits = np.bincount(cells, weights=right, minlength=shape[0] * shape[1])
  with np.errstate(invalid='ignore'):
    return (hits / counts).reshape(shape)


def rounded(table: np.ndarray) -> list[list[Optional[float]]]:
  """A table of `accuracies` to 4 digits, None where there is no image: JSON
  has no nan."""
  return [[None if np.isnan(value) else value for value in row]
          for row in table.round(4).tolist()]
