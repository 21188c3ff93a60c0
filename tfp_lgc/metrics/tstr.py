"""TSTR: what a judge trained only on samples is worth on real images.

Train on synthetic, test on real: C. Esteban, S. L. Hyland, G. Raetsch,
Real-valued (Medical) Time Series Generation with Recurrent Conditional GANs,
arXiv 1706.02633, section 4.1.2.
"""

import statistics
from typing import Any, Sequence

import numpy as np
import tensorflow as tf
import tf_keras as tfk

from tfp_lgc import networks
from tfp_lgc.autoencoder import to_unit
from tfp_lgc.config import EvaluateConfig
from tfp_lgc.data import Split

__all__ = ['right', 'summarize', 'train_judge']

LEARNING_RATE = 2e-3


def train_judge(train: Split, num_classes: int, config: EvaluateConfig,
                seed: int = 0) -> tfk.Model:
  """The default judge, trained.

  Args:
    train: samples, or real images for the ceiling; its examples may have
      weights, see `data.array_split`, which the losses are multiplied by.
    num_classes: C.
    config: steps and batch size, the same for whatever is compared.
    seed: of initial weights and of the order of images.

  Returns:
    A model of images in 0..1 `[B, H, W, C]`, see `networks.judge`.
  """
  judge = networks.judge(train.image_shape, num_classes, seed)
  schedule = tfk.optimizers.schedules.CosineDecay(LEARNING_RATE,
                                                  config.judge_steps)
  judge.compile(tfk.optimizers.Adam(schedule),
                tfk.losses.SparseCategoricalCrossentropy(from_logits=True),
                steps_per_execution=min(config.judge_steps, 50))
  batches = train.batches(config.judge_batch_size, seed=seed)
  judge.fit(batches.map(_scaled, tf.data.AUTOTUNE),
            steps_per_epoch=config.judge_steps, verbose=0)
  return judge


def right(train: Split, test: Split, num_classes: int, config: EvaluateConfig,
          seed: int = 0) -> np.ndarray:
  """Which images of `test` a judge that was trained on `train` names rightly.

  Args:
    train: see `train_judge`, as for the others.
    test: N real images that nothing was fitted to.
    num_classes: C.
    config: of the judge.
    seed: of the judge.

  Returns:
    bool `[N]`; its mean is the accuracy.
  """
  judge = train_judge(train, num_classes, config, seed)
  batches = test.batches(1000)
  logits = judge.predict(batches.map(_scaled), verbose=0)
  labels = np.concatenate([labels for _, labels in batches])
  return logits.argmax(axis=1) == labels


def _scaled(images: tf.Tensor, *rest: tf.Tensor):
  return to_unit(images), *rest


def summarize(values: Sequence[float]) -> dict[str, Any]:
  """Mean, sample standard deviation (None of a single value), and the values
  themselves as `runs`, rounded to 4 digits."""
  rounded = [round(float(value), 4) for value in values]
  stddev = statistics.stdev(rounded) if len(rounded) > 1 else None
  return {'mean': statistics.fmean(rounded), 'stddev': stddev, 'runs': rounded}
