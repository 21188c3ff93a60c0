"""What every metric is given: samples, real images, and where they are from."""

import dataclasses
import functools
from typing import Callable, Optional

import numpy as np
import tf_keras as tfk

from tfp_lgc import train
from tfp_lgc.artifact import Artifact
from tfp_lgc.classifier import OnStep
from tfp_lgc.config import Config
from tfp_lgc.data import array_split, Images, Source, Split
from tfp_lgc.metrics import features, tstr
from tfp_lgc.options import MetricsConfig
from tfp_lgc.progress import Progress

__all__ = ['Compress', 'Draw', 'Subject', 'chosen', 'num_steps', 'some']

# (seed, number) -> images, and what each counts for in training or None.
Draw = Callable[[int, int], tuple[Images, Optional[np.ndarray]]]
# (train images, seed, training steps) -> an artifact that has its encoder.
Compress = Callable[[Images, int, int], Artifact]


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
  """An artifact, or a baseline, beside the data set that it was made from.

  What takes time, samples, images in memory, the feature network, is made at
  its first use and kept.

  Attributes:
    source: the data set.
    draw: what a receiver gets, by seed and number; there is but one number of
      a baseline.
    num_bytes: what was sent.
    config: all settings; its seed is that of the first run.
    settings: of metrics.
    runs: judges of each kind.
    progress: hears how far a metric is.
    artifact: with its encoder, if that is at hand; None of a baseline.
    compress: makes another artifact, as this one was made; None where it is not
      known how.
    stream: what `draw` draws as a split that is drawn anew in each pass, where
      memory is bound; else None.
  """
  source: Source
  draw: Draw
  num_bytes: Callable[[], int]
  config: Config = dataclasses.field(default_factory=Config)
  settings: MetricsConfig = dataclasses.field(default_factory=MetricsConfig)
  runs: int = 1
  progress: Progress = dataclasses.field(default_factory=Progress)
  artifact: Optional[Artifact] = None
  compress: Optional[Compress] = None
  stream: Optional[Callable[[int], Split]] = None

  @property
  def seed(self) -> int:
    return self.config.seed

  @property
  def seeds(self) -> range:
    """One a run."""
    return range(self.seed, self.seed + self.runs)

  @property
  def class_names(self) -> tuple[str, ...]:
    return self.source.class_names

  def split(self, seed: int) -> Split:
    """What is drawn for a seed, as judges are trained on it."""
    if self.stream:
      return self.stream(seed)
    images, weights = self.draw(seed, tstr.num_samples(
        self.config.evaluate, self.source.train.num_examples))
    return array_split(images.images, images.labels, weights=weights)

  @functools.cached_property
  def samples(self) -> Images:
    """Those of the first run, as many as there are real images, whatever they
    count for in training."""
    return self.draw(self.seed, self.source.train.num_examples)[0]

  @functools.cached_property
  def train(self) -> Images:
    return self.source.train.to_memory(self.class_names)

  @functools.cached_property
  def test(self) -> Images:
    """In the order of the split."""
    assert self.source.test is not None
    return self.source.test.to_memory(self.class_names)

  @functools.cached_property
  def _network(self) -> tfk.Model:
    if path := self.settings.feature_network:
      return features.load(path, self.source.train.image_shape)
    return features.trained(self.source.train, len(self.class_names),
                            self.config.evaluate, self.seed)

  def judging(self, num_before: int) -> OnStep:
    """What is told of the steps of a judge that so many others stood before."""
    before = num_before * self.config.evaluate.judge_steps
    return lambda done: self.progress.step(before + done)

  @functools.cached_property
  def sample_features(self) -> np.ndarray:
    """float32 `[n, F]` of n samples, n as of `test_features`."""
    return self._features(self.samples)

  @functools.cached_property
  def train_features(self) -> np.ndarray:
    """The same of n train images."""
    return self._features(self.train)

  @functools.cached_property
  def test_features(self) -> np.ndarray:
    """The same of n test images, n the number of the fewest of the three, and
    `metric_images` at the most: estimates of different numbers of points would
    not compare."""
    return self._features(self.test)

  def _features(self, images: Images) -> np.ndarray:
    chosen = some(images, self.num_compared, self.seed)
    return features.of(self._network, chosen.images)

  @property
  def num_compared(self) -> int:
    return min(len(self.samples), len(self.train), len(self.test),
               self.settings.metric_images)

  @property
  def num_features(self) -> int:
    return self._network.output_shape[1]

  @property
  def feature_network(self) -> str:
    """The name of what makes features: a path, or e.g. `judge64/seed=0/
    steps=2000`, for networks of other seeds or steps do not compare."""
    return self.settings.feature_network or (
        f'{features.NAME}/seed={self.seed}/'
        f'steps={self.config.evaluate.judge_steps}')


def num_steps(artifact: Artifact) -> int:
  """In which an artifact with its encoder was trained, without those of
  fine-tuning."""
  assert artifact.encoder is not None
  rounds, steps = train.schedule(artifact.encoder.config.train,
                                 sum(artifact.class_counts))
  return rounds * steps


def some(images: Images, n: int, seed: int) -> Images:
  """n of the images, or all if they are fewer, at random, in their order."""
  indices = chosen(len(images), n, seed)
  return Images(images.images[indices], images.labels[indices],
                images.class_names)


def chosen(num_images: int, n: int, seed: int) -> np.ndarray:
  """Which of so many images `some` takes, int, ascending."""
  return np.sort(np.random.default_rng(seed).permutation(num_images)[:n])
