"""Fitting an autoencoder to a split."""

import functools
import math
from typing import Any, Callable, Optional

import numpy as np
import tensorflow as tf
import tf_keras as tfk

from tfp_lgc import (
  distribution,
  divergence,
  losses,
  models,
  shared,
  teacher,
)
from tfp_lgc.autoencoder import Autoencoder
from tfp_lgc.config import Config, replace, TrainConfig
from tfp_lgc.data import Split
from tfp_lgc.errors import ConfigError
from tfp_lgc.resuming import NO_WORK, Work

__all__ = ['fit', 'schedule']

# Steps that `--epochs=0` aims at.
DEFAULT_STEPS = 8000
# Training is reported in at most this many rounds.
MAX_ROUNDS = 40
# Steps that TensorFlow makes between two returns to Python.
STEPS_PER_EXECUTION = 50

# (Number of a round, from 0; terms of the loss, means over its steps).
OnRound = Callable[[int, dict[str, float]], None]


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


class _Rounds(tfk.callbacks.Callback):
  """Keeps what was heard of each round, and checkpoints.

  Attributes:
    heard: terms of the loss by round, those of earlier processes too.
  """

  def __init__(self, model: Autoencoder, num_rounds: int, work: Work,
               on_round: OnRound, its: distribution.Distribution):
    """Sets the model to its last checkpoint, if there is one."""
    super().__init__()
    # Or its variables would come with the first step.
    if work.directory or not its.is_one:
      with its.scope():
        model.optimizer.build(model.trainable_variables)
    self._checkpoints = shared.checkpoints(
        its, work, 'train', [*model.variables, *model.optimizer.variables])
    self._num_rounds, self._on_round = num_rounds, on_round
    self.heard: list[dict[str, float]] = (
        self._checkpoints.restore().get('rounds', []))
    for i, terms in enumerate(self.heard):
      on_round(i, terms)

  def on_epoch_end(self, epoch: int, logs: Any = None):
    self.heard.append({name: float(value) for name, value in logs.items()})
    self._on_round(epoch, self.heard[-1])
    # Or what is no number would take the place of the last good one.
    if np.isfinite(self.heard[-1]['loss']) and _is_finite(self.model):
      self._checkpoints.save({'rounds': self.heard},
                             last=epoch + 1 == self._num_rounds)


def _is_finite(model: tfk.Model) -> bool:
  """The last step may have spoiled weights whose loss nobody has seen."""
  return all(np.isfinite(weight).all() for weight in model.get_weights())


def fit(config: Config, split: Split, num_classes: int,
        callbacks: Optional[list[tfk.callbacks.Callback]] = None,
        on_round: OnRound = lambda i, terms: None, work: Work = NO_WORK,
        ) -> Autoencoder:
  """Trains the autoencoder that `config` describes.

  ```python
  model = train.fit(config, source.train, len(source.class_names))
  ```

  Args:
    config: of the model and its training.
    split: the training images.
    num_classes: of their labels.
    callbacks: further Keras callbacks; they hear nothing of rounds that an
      earlier process made.
    on_round: is told of each round, of those too.
    work: where checkpoints are kept, if at all.

  Raises:
    ConfigError: if a guarantee of privacy is asked for, see guaranteed.py.
    FloatingPointError: if the loss is no longer finite; says the epoch, the
      term of the loss and what to change.
  """
  if config.privacy.dp_epsilon:
    raise ConfigError(
        f'dp_epsilon = {config.privacy.dp_epsilon:g}: holds for whole '
        'artifacts with settings that the user chose; use compress without a '
        'budget, or give no dp_epsilon')
  its = distribution.of(config.train.strategy)
  model = _compiled(config, split, num_classes, work, its)
  loss = _train(model, config, split, callbacks or [], on_round, work, its)
  if not np.isfinite(loss) or not _is_finite(model):
    raise FloatingPointError(divergence.message(
        'training', model.not_finite(), int(model.optimizer.iterations),
        config.train.batch_size, split.num_examples))
  return model if its.is_one else _alone(model, config, split, num_classes)


def _train(model: Autoencoder, config: Config, split: Split,
           callbacks: list[tfk.callbacks.Callback], on_round: OnRound,
           work: Work, its: distribution.Distribution) -> float:
  """The rounds that are left; the loss of the last one."""
  rounds, steps = schedule(config.train, split.num_examples)
  made = _Rounds(model, rounds, work, on_round, its)
  done = len(made.heard)
  if done < rounds:
    model.fit(
        its.parts(split.batches(config.train.batch_size, seed=config.seed,
                                skip=done * steps), config.train.batch_size),
        epochs=rounds, initial_epoch=done, steps_per_epoch=steps, verbose=0,
        callbacks=[_StopIfNotFinite(), *callbacks, made])
  return made.heard[-1]['loss']


def _alone(model: Autoencoder, config: Config, split: Split, num_classes: int,
           ) -> Autoencoder:
  """The same of one process, which nothing has to wait for any more."""
  alone = models.build(config, split.image_shape, num_classes)
  for variable, trained in zip(_weights(alone), _weights(model),
                               strict=True):
    variable.assign(trained.read_value())
  for name, (weight, penalty) in model.image_penalties.items():
    alone.add_image_penalty(name, weight, penalty)
  return alone


def _weights(model: Autoencoder) -> list[tf.Variable]:
  """All variables but those of metrics, of which penalties may bring more."""
  metrics = {id(variable) for metric in model.metrics
             for variable in metric.variables}
  return [variable for variable in model.variables
          if id(variable) not in metrics]


def _compiled(config: Config, split: Split, num_classes: int, work: Work,
              its: distribution.Distribution) -> Autoencoder:
  """The model with its penalties and its optimizer, ready for `fit`."""
  size = its.per_replica(config.train.batch_size)
  with its.scope():  # Penalties see the images of a replica.
    model = models.build(replace(config, batch_size=size), split.image_shape,
                         num_classes)
  if config.train.teacher_weight:
    guide = teacher.trained(config, split, num_classes, work)
    with its.scope():
      # No attribute of the model, which would train it.
      model.add_image_penalty(
          'teacher', config.train.teacher_weight,
          functools.partial(losses.feature_distance, guide))
  rounds, steps = schedule(config.train, split.num_examples)
  learning_rate = config.train.learning_rate
  if config.train.learning_rate_schedule == 'cosine':
    learning_rate = tfk.optimizers.schedules.CosineDecay(learning_rate,
                                                         rounds * steps)
  with its.scope():
    model.compile(tfk.optimizers.Adam(learning_rate),
                  steps_per_execution=min(steps, STEPS_PER_EXECUTION))
  return model
