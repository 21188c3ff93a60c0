"""How every classifier of this package is trained: judges and teachers."""

from typing import Callable, Optional

import tensorflow as tf
import tf_keras as tfk

from tfp_lgc.autoencoder import to_unit
from tfp_lgc.data import Split

__all__ = ['OnStep', 'fit', 'scaled']

# Is told how many steps are done.
OnStep = Callable[[int], None]

LEARNING_RATE = 2e-3


def scaled(images: tf.Tensor, *rest: tf.Tensor):
  """uint8 pixels in 0..1, and the labels, and weights if there are any."""
  return to_unit(images), *rest


def fit(model: tfk.Model, train: Split, steps: int, batch_size: int, seed: int,
        augment: Optional[Callable] = None,
        on_step: OnStep = lambda done: None) -> None:
  """Trains with Adam, whose learning rate falls to zero as a cosine.

  Args:
    model: images in 0..1 `[B, H, W, C]` -> logits `[B, classes]`.
    train: what it sees; weights of its examples multiply their losses.
    steps: of training.
    batch_size: images per step.
    seed: of the order of images.
    augment: (uint8 images, step) -> images, anew in every step; or None.
    on_step: is told of steps done.
  """
  schedule = tfk.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
  model.compile(tfk.optimizers.Adam(schedule),
                tfk.losses.SparseCategoricalCrossentropy(from_logits=True),
                steps_per_execution=min(steps, 50))
  batches = train.batches(batch_size, seed=seed)
  if augment is not None:
    batches = batches.enumerate().map(
        lambda i, batch: (augment(batch[0], tf.cast(i, tf.int32)), *batch[1:]),
        tf.data.AUTOTUNE)
  model.fit(batches.map(scaled, tf.data.AUTOTUNE), steps_per_epoch=steps,
            verbose=0, callbacks=[tfk.callbacks.LambdaCallback(
                on_batch_end=lambda batch, logs: on_step(batch + 1))])
