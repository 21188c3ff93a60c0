"""Images that no mixture was fitted to, to choose mixtures by."""

import dataclasses
import math

import numpy as np

from tfp_lgc import data, memory
from tfp_lgc.artifact import Artifact
from tfp_lgc.classifier import OnStep
from tfp_lgc.config import Config
from tfp_lgc.data import Source
from tfp_lgc.metrics import tstr
from tfp_lgc.sampling import sample

__all__ = ['HeldOut', 'JUDGE_STEPS']

# As many as of the judge that counts, by default: one of 800 preferred few full
# components to many tied ones of MNIST, which taught that of 2,000 more.
JUDGE_STEPS = 2000


class HeldOut:
  """A part of the train split, held out to choose mixtures by.

  Attributes:
    source: its train split is the whole one, in memory, which autoencoders are
      trained on and the chosen mixture is fitted to at last; its test split is
      that part, None where no class has enough images.
    rest: bool `[N]`, the images of `source.train` that are not in that part.
    counts: images of each class of the whole train split.
  """

  def __init__(self, source: Source):
    names = source.class_names
    given = source.train.to_memory(names)
    train = data.array_split(given.images, given.labels)
    del given  # There are copies enough.
    images = train.to_memory(names)  # In the order in which it is encoded.
    self.counts = np.bincount(images.labels, minlength=len(names))
    _, held = data.to_choose_by(images.labels)
    if len(names) < 2:  # Nothing to judge by.
      held = held[:0]
    self.rest = np.ones(len(images), bool)
    self.rest[held] = False
    self.source = data.bounded(Source(
        source.name, train,
        data.array_split(images.images[held], images.labels[held])
        if len(held) else None, names), source.train.bound)

  def accuracy(self, artifact: Artifact, config: Config, on_step: OnStep,
               ) -> float:
    """Of a judge of samples; -1 where there is nothing to judge by.

    Whatever the autoencoder has seen of the images that it is tested on is the
    same for all mixtures, but not for all autoencoders.
    """
    if not self.source.test:
      return -1.0
    seed = config.seed ^ data.SALT
    n = tstr.num_samples(config.evaluate, sum(self.counts))
    memory.check(n * math.prod(self.source.train.image_shape),
                 self.source.train.bound, 'a judge of samples')
    drawn = sample(artifact, n, seed=seed)
    judged_by = dataclasses.replace(config.evaluate, judge_steps=JUDGE_STEPS)
    return float(tstr.right(
        data.array_split(drawn.images, drawn.labels), self.source.test,
        len(self.source.class_names), judged_by, seed, on_step).mean())
