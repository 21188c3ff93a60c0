"""A baseline's settings, chosen by a judge as the flags have it, on a part of
the train split; so are ours, but that judge always has 2,000 steps."""

import dataclasses
import functools
from typing import Any, Callable, Mapping, Optional, Sequence, Union

from tfp_lgc import data
from tfp_lgc.baselines.compressed import Compressed
from tfp_lgc.config import EvaluateConfig
from tfp_lgc.data import Images
from tfp_lgc.metrics import tstr

__all__ = ['Baseline', 'BestOf', 'Method', 'accuracy', 'best', 'compress']

# (images, num_bytes, seed), see `baselines.BASELINES`.
Method = Callable[[Images, int, int], Compressed]

# Steps of a first judge, enough to tell good from bad, and how many of the best
# one of all steps is trained on: successive halving, K. Jamieson, A.
# Talwalkar, Non-stochastic Best Arm Identification, AISTATS 2016.
FIRST_STEPS, NUM_FINALISTS = 400, 3


@dataclasses.dataclass(frozen=True)
class BestOf:
  """A baseline that has settings.

  Attributes:
    methods: one for each of the settings, which are its keywords.
  """
  methods: Sequence[Method]

  def like(self, settings: Mapping[str, Any]) -> Optional[Method]:
    """The one by which something was made.

    Args:
      settings: `Compressed.settings` of that.

    Returns:
      None if there is none of these settings, as where images had too few
      pixels for them.
    """
    return next((method for method in self.methods
                 if isinstance(method, functools.partial)
                 and method.keywords.items() <= settings.items()), None)


Baseline = Union[Method, BestOf]

# An accuracy, minus the place of the method in the list, what it made.
_Scored = tuple[float, int, Compressed]


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

  def scored(i: int, made: Compressed, num_steps: int) -> _Scored:
    # The first of equals is the greater.
    return accuracy(made, held_out, seed ^ data.SALT, dataclasses.replace(
        judge, judge_steps=num_steps)), -i, made

  is_one_round = (len(methods) <= NUM_FINALISTS
                  or judge.judge_steps <= FIRST_STEPS)
  first_steps = judge.judge_steps if is_one_round else FIRST_STEPS
  finalists: list[_Scored] = []  # All that is made of the others is let go.
  for i, method in enumerate(methods):
    finalists.append(scored(i, method(part, num_bytes, seed), first_steps))
    finalists = sorted(finalists, key=lambda its: its[:2],
                       reverse=True)[:NUM_FINALISTS]
  if not is_one_round:
    finalists = [scored(-place, made, judge.judge_steps)
                 for _, place, made in finalists]
  _, place, _ = max(finalists, key=lambda its: its[:2])
  return methods[-place](images, num_bytes, seed)
