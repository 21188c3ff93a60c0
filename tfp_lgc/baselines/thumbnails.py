"""Real images at less than their size and depth: what stores most of them."""

import functools

from tfp_lgc.baselines import stored, tuning
from tfp_lgc.baselines.compressed import Compressed
from tfp_lgc.baselines.subset import stratified
from tfp_lgc.data import Images

__all__ = ['MEMBERS', 'SIZES', 'subset']

SIZES = {'full': 1, 'half': 2, 'quarter': 4}


def subset(images: Images, num_bytes: int, seed: int = 0, *,
           reduction: int = 2, bits: int = 1) -> Compressed:
  """As many real images as fit, stratified, by the best lossless code.

  But for the last ones, see `stored.SLACK`.

  A receiver gets them at the size they had, each pixel a square.

  Args:
    images: to draw from.
    num_bytes: at the most.
    seed: of the draw.
    reduction: sides are divided by it: 1, 2 or 4.
    bits: of a pixel (a channel): 8, 4, 2 or 1.
  """
  return stored.as_many(
      images, stratified(images.labels, seed),
      stored.lossless(reduction, bits, images.images.shape[-1]), num_bytes,
      slack=stored.SLACK)


FIXED: dict[str, tuning.Method] = {
    f'thumbnails_{size}_{bits}bit': functools.partial(
        subset, reduction=reduction, bits=bits)
    for size, reduction in SIZES.items() for bits in (1, 2, 4, 8)
    if (reduction, bits) != (1, 8)}  # That is `lossless`.


MEMBERS: dict[str, tuning.Baseline] = {
    'thumbnails': tuning.BestOf(list(FIXED.values())), **FIXED}
