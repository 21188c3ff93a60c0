"""Real images in the lossy formats of photographs."""

import functools

from tfp_lgc.baselines import stored, tuning
from tfp_lgc.baselines.compressed import Compressed
from tfp_lgc.baselines.subset import stratified
from tfp_lgc.data import Images

__all__ = ['MEMBERS', 'subset']

# What the best is chosen from: few good images, or many bad ones. AVIF has
# its own scale, and takes seconds for what the others do in milliseconds.
QUALITIES = {'jpeg': (5, 15, 40), 'webp': (1, 10, 40), 'avif': (15, 40)}
REDUCTIONS = (1, 2)
# The last image is not worth another contact sheet.
SLACK = 0.01


def subset(images: Images, num_bytes: int, seed: int = 0, *, codec: str,
           reduction: int = 1, quality: int = 10) -> Compressed:
  """As many real images as fit, stratified, on contact sheets.

  Args:
    images: to draw from.
    num_bytes: at the most.
    seed: of the draw.
    codec: `jpeg`, `webp` or `avif`.
    reduction: sides are divided by it: 1, 2 or 4.
    quality: from 0 to 100.

  Raises:
    ConfigError: where Pillow cannot write the format.
  """
  layout = stored.Layout(codec, reduction, 8, quality)
  return stored.as_many(images, stratified(images.labels, seed), [layout],
                        num_bytes, slack=SLACK)


MEMBERS: dict[str, tuning.Baseline] = {
    codec: tuning.BestOf([
        functools.partial(subset, codec=codec, reduction=reduction,
                          quality=quality)
        for reduction in REDUCTIONS for quality in QUALITIES[codec]])
    for codec in QUALITIES}
