"""A baseline's settings, chosen as ours are: by the judge that counts, on a
part of the train split."""

import dataclasses
from typing import Callable, Optional, Sequence, Union

from tfp_lgc import data
from tfp_lgc.baselines.compressed import Compressed
from tfp_lgc.config import EvaluateConfig
from tfp_lgc.data import Images
from tfp_lgc.metrics import tstr

__all__ = ['Baseline', 'BestOf', 'accuracy', 'best', 'compress']

# (images, num_bytes, seed), see `baselines.BASELINES`.
Method = Callable[[Images, int, int], Compressed]

# Steps of a first judge, enough to tell good from bad, and how many of the best
# that which counts is trained on: successive halving, K. Jamieson, A.
# Talwalkar, Non-stochastic Best Arm Identification, AISTATS 2016.
FIRST_STEPS, NUM_FINALISTS = 400, 3


@dataclasses.dataclass(frozen=True)
class BestOf:
  """A baseline that has settings.

  Attributes:
    methods: one for each of the settings.
  """
  methods: Sequence[Method]


Baseline = Union[Method, BestOf]


def compress(baseline: Baseline, images: Images, num_bytes: int, seed: int = 0,
             judge: Optional[EvaluateConfig] = None) -> Compressed:
  """What is sent in so many bytes.

  Args:
    baseline: how.
    images: of the train split.
    num_bytes: at the most.
    seed: of the baseline, and of judges.
    judge: where there are settings, what chooses them; as by default, if None.
  """
  if isinstance(baseline, BestOf):
    return best(baseline.methods, images, num_bytes, seed, judge)
  return baseline(images, num_bytes, seed)


def accuracy(compressed: Compressed, held_out: Images, seed: int,
             judge: EvaluateConfig) -> float:
  """Of a judge of what is sent; -1 for no images.

  Args:
    compressed: what it is trained on.
    held_out: real images that `compressed` was not made from.
    seed: of the judge.
    judge: how it is trained.
  """
  if not len(compressed.images):
    return -1.0
  train = data.array_split(compressed.images.images, compressed.images.labels,
                           weights=compressed.weights)
  right = tstr.right(
      train, data.array_split(held_out.images, held_out.labels),
      len(held_out.class_names), judge, seed)
  return float(right.mean())


def best(methods: Sequence[Method], images: Images, num_bytes: int,
         seed: int = 0, judge: Optional[EvaluateConfig] = None) -> Compressed:
  """The method that is best without a part of the images, with all of them.

  Args:
    methods: what to choose from, the first where there is no difference.
    images: `data.to_choose_by` says which of them are held out.
    num_bytes: at the most.
    seed: of all methods and judges.
    judge: the last of them; the first has fewer steps.
  """
  judge = judge or EvaluateConfig()
  kept, held = data.to_choose_by(images.labels)
  if not len(held) or len(methods) == 1:
    return methods[0](images, num_bytes, seed)
  part, held_out = [
      Images(images.images[some], images.labels[some], images.class_names)
      for some in (kept, held)]
  made = [method(part, num_bytes, seed) for method in methods]

  def ranked(some: Sequence[int], num_steps: int) -> list[int]:
    judged_by = dataclasses.replace(judge, judge_steps=num_steps)
    return sorted(some, key=lambda i: -accuracy(made[i], held_out, seed,
                                                judged_by))

  # The order of the list is that of equals, also among those that are left.
  first = ranked(range(len(methods)), min(FIRST_STEPS, judge.judge_steps))
  last = ranked(sorted(first[:NUM_FINALISTS]), judge.judge_steps)
  return methods[last[0]](images, num_bytes, seed)
