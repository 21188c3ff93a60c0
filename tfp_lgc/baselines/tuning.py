"""A baseline's settings, chosen as ours are: by a judge, without the test
split."""

from typing import Callable, Sequence

from tfp_lgc import data
from tfp_lgc.baselines.compressed import Compressed
from tfp_lgc.config import EvaluateConfig
from tfp_lgc.data import Images
from tfp_lgc.metrics import tstr

__all__ = ['Baseline', 'accuracy', 'best']

# (images, num_bytes, seed), see `baselines.BASELINES`.
Baseline = Callable[[Images, int, int], Compressed]

# Fewer steps than of the judge that counts: enough to tell good from bad.
JUDGE_STEPS = 400
NUM_HELD_OUT = 2000
FRACTION_HELD_OUT = 0.2


def accuracy(compressed: Compressed, held_out: Images, seed: int = 0) -> float:
  """Of a judge that was trained for a short time; -1 for no images.

  Args:
    compressed: what it is trained on.
    held_out: real images that `compressed` was not made from.
    seed: of the judge.
  """
  if not len(compressed.images):
    return -1.0
  train = data.array_split(compressed.images.images, compressed.images.labels,
                           weights=compressed.weights)
  right = tstr.right(
      train, data.array_split(held_out.images, held_out.labels),
      len(held_out.class_names), EvaluateConfig(judge_steps=JUDGE_STEPS), seed)
  return float(right.mean())


def best(baselines: Sequence[Baseline], images: Images, num_bytes: int,
         seed: int = 0) -> Compressed:
  """The baseline that is best without a part of the images, with all of them.

  Args:
    baselines: what to choose from, the first where there is no difference.
    images: at most 2,000 and a fifth of them are held out to choose by.
    num_bytes: at the most.
    seed: of all baselines and judges.
  """
  fraction = min(FRACTION_HELD_OUT, NUM_HELD_OUT / len(images))
  kept, held = data.hold_out(images.labels, fraction)
  chosen = baselines[0]
  if len(held) and len(baselines) > 1:
    part, held_out = [
        Images(images.images[some], images.labels[some], images.class_names)
        for some in (kept, held)]
    chosen = max(baselines, key=lambda baseline: accuracy(
        baseline(part, num_bytes, seed), held_out, seed))
  return chosen(images, num_bytes, seed)
