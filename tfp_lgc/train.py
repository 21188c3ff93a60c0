"""Fitting an autoencoder to a split."""

import functools
import math
from typing import Optional

import numpy as np
import tf_keras as tfk

from tfp_lgc import classifier, losses, models, networks
from tfp_lgc.autoencoder import Autoencoder
from tfp_lgc.config import Config, TrainConfig
from tfp_lgc.data import Split
from tfp_lgc.errors import ConfigError

__all__ = ['fit', 'schedule']

# Steps that `--epochs=0` aims at.
DEFAULT_STEPS = 8000
# Training is reported in at most this many rounds.
MAX_ROUNDS = 40
# Steps that TensorFlow makes between two returns to Python.
STEPS_PER_EXECUTION = 50
# Steps in which a teacher is trained.
TEACHER_STEPS = 1500


def schedule(config: TrainConfig, num_examples: int) -> tuple[int, int]:
  """Rounds of training, and steps in each.

  A round is what Keras calls an epoch. It may be several passes over a small
  data set, so that reporting costs less than training.
  """
  steps_per_epoch = max(1, num_examples // config.batch_size)
  steps = config.epochs * steps_per_epoch or DEFAULT_STEPS
  rounds = min(MAX_ROUNDS, math.ceil(steps / STEPS_PER_EXECUTION))
  return rounds, math.ceil(steps / rounds)


class _StopIfNotFinite(tfk.callbacks.Callback):
  """As Keras' TerminateOnNaN, which prints where results are expected."""

  def on_batch_end(self, batch, logs=None):
    if not np.isfinite(logs['loss']):
      self.model.stop_training = True


def _teacher(config: Config, split: Split, num_classes: int) -> tfk.Model:
  """A trained `networks.teacher`."""
  teacher = networks.teacher(split.image_shape, num_classes, config.seed)
  logits = tfk.Model(teacher.inputs, teacher.outputs[0])
  classifier.fit(logits, split, TEACHER_STEPS, config.train.batch_size,
                 config.seed)
  return teacher


def fit(config: Config, split: Split, num_classes: int,
        callbacks: Optional[list[tfk.callbacks.Callback]] = None,
        ) -> Autoencoder:
  """Trains the autoencoder that `config` describes.

  ```python
  model = train.fit(Config(), source.train, len(source.class_names))
  ```

  Args:
    config: of the model and its training.
    split: the training images.
    num_classes: of their labels.
    callbacks: further Keras callbacks.

  Raises:
    ConfigError: if a guarantee of privacy is asked for, see guaranteed.py.
    FloatingPointError: if the loss is no longer finite.
  """
  if config.privacy.dp_epsilon:
    raise ConfigError(
        f'dp_epsilon = {config.privacy.dp_epsilon:g}: holds for whole '
        'artifacts with settings that the user chose; use compress without a '
        'budget, or give no dp_epsilon')
  model = models.build(config, split.image_shape, num_classes)
  if config.train.teacher_weight:
    teacher = _teacher(config, split, num_classes)
    # No attribute of the model, which would train it.
    model.add_image_penalty('teacher', config.train.teacher_weight,
                            functools.partial(losses.feature_distance, teacher))
  rounds, steps = schedule(config.train, split.num_examples)
  learning_rate = config.train.learning_rate
  if config.train.learning_rate_schedule == 'cosine':
    learning_rate = tfk.optimizers.schedules.CosineDecay(learning_rate,
                                                         rounds * steps)
  model.compile(tfk.optimizers.Adam(learning_rate),
                steps_per_execution=min(steps, STEPS_PER_EXECUTION))
  history = model.fit(
      split.batches(config.train.batch_size, seed=config.seed), epochs=rounds,
      steps_per_epoch=steps, verbose=0,
      callbacks=[_StopIfNotFinite(), *(callbacks or [])])
  loss = history.history['loss'][-1]
  if not np.isfinite(loss):
    raise FloatingPointError(
        f'training diverged: the loss became {loss} after '
        f'{int(model.optimizer.iterations)} steps; try a lower --learning_rate '
        'or a higher --min_stddev')
  return model
