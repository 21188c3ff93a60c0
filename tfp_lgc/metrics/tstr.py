"""TSTR: what a judge trained only on samples is worth on real images.

Train on synthetic, test on real: C. Esteban, S. L. Hyland, G. Raetsch,
Real-valued (Medical) Time Series Generation with Recurrent Conditional GANs,
arXiv 1706.02633, section 4.1.2.
"""

import statistics
from typing import Any, Optional, Sequence

import numpy as np
import tensorflow as tf
import tf_keras as tfk

from tfp_lgc import classifier, memory
from tfp_lgc.classifier import OnStep
from tfp_lgc.config import EvaluateConfig
from tfp_lgc.data import Split
from tfp_lgc.errors import ConfigError
from tfp_lgc.judges import ESTIMATORS, NETWORKS
from tfp_lgc.metrics import intervals

__all__ = ['check', 'num_steps', 'predicted', 'right', 'shifted', 'summarize',
           'train_judge']

# The farthest that `judge_augmentation=shift` moves an image.
MAX_SHIFT = 2
# What the judge's seed is mixed with for the shifts of its images.
SHIFT_SALT = 4


def check(config: EvaluateConfig, train: Optional[Split] = None) -> None:
  """Refuses what a judge cannot do, before anything is made to be judged.

  Raises:
    ConfigError: for an augmentation that a judge is not shown, or a train split
      that a judge would hold in memory, beyond the bound.
  """
  if config.judge in ESTIMATORS and train:  # As float32, twice.
    memory.check(8 * train.num_bytes, train.bound, f'the judge {config.judge}')
  if config.judge in ESTIMATORS and config.judge_augmentation != 'none':
    raise ConfigError(
        f'judge_augmentation = {config.judge_augmentation}: is for networks, '
        f'which see an image many times; {config.judge} does not')


def num_steps(config: EvaluateConfig) -> int:
  """That are told of while a judge is trained; 0 if none are."""
  return config.judge_steps if config.judge in NETWORKS else 0


def train_judge(train: Split, num_classes: int, config: EvaluateConfig,
                seed: int = 0, on_step: OnStep = lambda done: None,
                ) -> tfk.Model:
  """A network, trained.

  Args:
    train: samples, or real images for the ceiling; its examples may have
      weights, see `data.array_split`, which the losses are multiplied by.
    num_classes: C.
    config: which, its steps, batch size and augmentation, the same for
      whatever is compared.
    seed: of initial weights, of the order of images and of their shifts.
    on_step: is told of steps done.

  Returns:
    A model of images in 0..1 `[B, H, W, C]`, see `judges.NETWORKS`.
  """
  judge = NETWORKS[config.judge](train.image_shape, num_classes, seed)
  augment = None
  if config.judge_augmentation == 'shift':
    def augment(images, step):
      return shifted(images, tf.random.fold_in([seed, SHIFT_SALT], step))
  classifier.fit(judge, train, config.judge_steps, config.judge_batch_size,
                 seed, augment, on_step)
  return judge


def num_samples(config: EvaluateConfig, num_images: int) -> int:
  """How many samples a judge is trained on, of a data set of so many images."""
  return config.judge_samples or num_images


def shifted(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
  """Each image moved by its own -2 to 2 pixels down and to the right; what
  moves in is 0, what moves out is lost.

  Args:
    images: `[B, H, W, C]`.
    seed: int32 `[2]`.
  """
  num_images, height, width, _ = tf.unstack(tf.shape(images))
  first = tf.random.stateless_uniform([num_images, 2], seed, 0,
                                      2 * MAX_SHIFT + 1, tf.int32)
  margin = [MAX_SHIFT, MAX_SHIFT]
  padded = tf.pad(images, [[0, 0], margin, margin, [0, 0]])
  rows = tf.gather(padded, first[:, :1] + tf.range(height), axis=1,
                   batch_dims=1)
  return tf.gather(rows, first[:, 1:] + tf.range(width), axis=2, batch_dims=1)


def right(train: Split, test: Split, num_classes: int, config: EvaluateConfig,
          seed: int = 0, on_step: OnStep = lambda done: None) -> np.ndarray:
  """Which images of `test` a judge that was trained on `train` names rightly.

  Args:
    train: see `train_judge`, as for the others.
    test: N real images that nothing was fitted to.
    num_classes: C.
    config: of the judge.
    seed: of the judge.
    on_step: is told of steps of training done, if the judge is a network.

  Returns:
    bool `[N]`; its mean is the accuracy.
  """
  labels = np.concatenate([labels for _, labels in test.batches(1000)])
  return predicted(train, test, num_classes, config, seed, on_step) == labels


def predicted(train: Split, test: Split, num_classes: int,
              config: EvaluateConfig, seed: int = 0,
              on_step: OnStep = lambda done: None) -> np.ndarray:
  """The labels, int `[N]`, that such a judge gives the images of `test`."""
  if config.judge in ESTIMATORS:
    return _predicted_by_estimator(train, test, config, seed)
  judge = train_judge(train, num_classes, config, seed, on_step)
  logits = judge.predict(test.batches(1000).map(classifier.scaled), verbose=0)
  return logits.argmax(axis=1)


def _predicted_by_estimator(train: Split, test: Split, config: EvaluateConfig,
                            seed: int) -> np.ndarray:
  """`predicted` of a judge of scikit-learn."""
  check(config, train)
  images, labels, *weights = _arrays(train)
  if len(np.unique(labels)) == 1:  # There is nothing to tell apart.
    return np.full(test.num_examples, labels[0])
  estimator = ESTIMATORS[config.judge](seed)
  estimator.fit(images, labels, *weights)
  return estimator.predict(_arrays(test)[0])


def _arrays(split: Split) -> list[np.ndarray]:
  """Pixels in 0..1 `[N, H W C]`, labels, and weights if there are any."""
  parts = [np.concatenate(part) for part in zip(
      *split.batches(1000).as_numpy_iterator())]
  return [parts[0].reshape(len(parts[0]), -1) / np.float32(255), *parts[1:]]


def summarize(values: Sequence[float]) -> dict[str, Any]:
  """Mean, sample standard deviation (None of a single value) and Student's 95 %
  confidence interval (None also of equal values, see `intervals.of_mean`), and
  the values themselves as `runs`, rounded to 4 digits."""
  rounded = [round(float(value), 4) for value in values]
  stddev = statistics.stdev(rounded) if len(rounded) > 1 else None
  return {'mean': statistics.fmean(rounded), 'stddev': stddev,
          'interval': intervals.of_mean(rounded), 'runs': rounded}
