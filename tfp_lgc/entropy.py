"""Random numbers that nobody can make again: those of differential privacy.

Whoever knows the seed of a noise can take the noise off. So these come from the
operating system's cryptographic generator, and no seed of them exists.
"""

import os

import numpy as np

__all__ = ['Entropy']

# A double has a significand of 53 bits; so many of 64 are left over.
_SPARE_BITS = 11


class Entropy:
  """Draws, each of them new.

  The normal ones are doubles. That a double is not a real number can, to one
  who sees all bits of a result, tell more than the theory of the mechanism
  allows (I. Mironov, On Significance of the Least Significant Bits for
  Differential Privacy, CCS 2012). What is seen of an artifact are integers of
  some bits, made of many such draws.

  ```python
  entropy = Entropy()
  entropy.normal([3, 4])   # float64 [3, 4] of N(0, 1)
  ```
  """

  def uniform(self, size: int) -> np.ndarray:
    """float64 `[size]`, multiples of 2^-53 in [0, 1)."""
    bits = np.frombuffer(os.urandom(8 * size), np.uint64)
    return (bits >> np.uint64(_SPARE_BITS)) * 2.0**-53

  def normal(self, shape) -> np.ndarray:
    """float64 of N(0, 1), independent.

    G. E. P. Box, M. E. Muller, A Note on the Generation of Random Normal
    Deviates, 1958.
    """
    size = int(np.prod(shape))
    half = -(-size // 2)
    radius = np.sqrt(-2.0 * np.log1p(-self.uniform(half)))
    angle = 2.0 * np.pi * self.uniform(half)
    both = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
    return both[:size].reshape(shape)

  def seed(self) -> np.ndarray:
    """int32 `[2]`, of TensorFlow's stateless draws."""
    return np.frombuffer(os.urandom(8), np.int32).copy()
