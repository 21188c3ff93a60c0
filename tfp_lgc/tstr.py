"""TSTR: what a judge trained only on samples is worth on real images.

Train on synthetic, test on real: C. Esteban, S. L. Hyland, G. Raetsch,
Real-valued (Medical) Time Series Generation with Recurrent Conditional GANs,
arXiv 1706.02633, section 4.1.2.
"""

import statistics
from typing import Optional, Sequence

import tensorflow as tf
import tf_keras as tfk

from tfp_lgc import networks
from tfp_lgc.autoencoder import to_unit
from tfp_lgc.config import EvaluateConfig
from tfp_lgc.data import Split

__all__ = ['accuracy', 'summarize']

LEARNING_RATE = 2e-3


def accuracy(train: Split, test: Split, num_classes: int,
             config: EvaluateConfig, seed: int = 0) -> float:
  """Share of `test` that the default judge names rightly.

  Args:
    train: samples, or real images for the ceiling.
    test: real images that nothing was fitted to.
    num_classes: C.
    config: steps and batch size, the same for whatever is compared.
    seed: of initial weights and of the order of images.

  Returns:
    From 0 to 1.
  """
  judge = networks.judge(train.image_shape, num_classes, seed)
  schedule = tfk.optimizers.schedules.CosineDecay(LEARNING_RATE,
                                                  config.judge_steps)
  judge.compile(tfk.optimizers.Adam(schedule),
                tfk.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=['accuracy'],
                steps_per_execution=min(config.judge_steps, 50))

  def scaled(images, labels):
    return to_unit(images), labels

  batches = train.batches(config.judge_batch_size, seed=seed)
  judge.fit(batches.map(scaled, tf.data.AUTOTUNE),
            steps_per_epoch=config.judge_steps, verbose=0)
  return float(judge.evaluate(test.batches(1000).map(scaled), verbose=0)[1])


def summarize(values: Sequence[float]) -> dict[str, Optional[float]]:
  """Mean and sample standard deviation (None of a single value)."""
  stddev = statistics.stdev(values) if len(values) > 1 else None
  return {'mean': statistics.fmean(values), 'stddev': stddev}
