"""Real images by lossless codes: all of them, or as many as fit."""

from typing import Sequence

from tfp_lgc.baselines import tuning
from tfp_lgc.baselines.compressed import Compressed
from tfp_lgc.baselines.pixels import LOSSLESS
from tfp_lgc.baselines.stored import as_many, Layout
from tfp_lgc.baselines.subset import stratified
from tfp_lgc.data import Images

__all__ = ['MEMBERS', 'subset']


def subset(images: Images, num_bytes: int, seed: int = 0,
           codecs: Sequence[str] = LOSSLESS) -> Compressed:
  """As many real images as fit, stratified by class; all, if all do.

  Args:
    images: to draw from.
    num_bytes: at the most.
    seed: of the draw.
    codecs: the one that is smallest is taken: `gzip` of all pixels, `xz`,
      `png` and `webp_lossless` contact sheets.
  """
  return as_many(images, stratified(images.labels, seed),
                 [Layout(codec) for codec in codecs], num_bytes)


def _by(codec: str):
  return lambda images, num_bytes, seed=0: subset(images, num_bytes, seed,
                                                  (codec,))


MEMBERS: dict[str, tuning.Baseline] = {
    'lossless': subset, **{codec: _by(codec) for codec in LOSSLESS}}
