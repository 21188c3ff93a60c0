"""Laws of the schedule and of training."""

import types

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as tfk

from tfp_lgc import classifier, data, models, teacher, train
from tfp_lgc import config as config_lib
from tfp_lgc.config import TrainConfig

NUM_EXAMPLES = 70
SETTINGS = {'model': 'ae', 'hidden_size': 8, 'latent_size': 2, 'epochs': 30,
            'batch_size': 16, 'learning_rate': 5e-3, 'seed': 3}


@pytest.mark.parametrize('num_examples', [1, 100, 1442, 60_000])
@pytest.mark.parametrize('batch_size', [1, 128, 65536])
@pytest.mark.parametrize('epochs', [0, 1, 3, 1000])
def test_the_schedule_makes_the_steps_that_were_asked_for(
    num_examples, batch_size, epochs):
  config = TrainConfig(epochs=epochs, batch_size=batch_size)
  rounds, steps = train.schedule(config, num_examples)
  asked = epochs * max(1, num_examples // batch_size) or 8000
  assert 1 <= rounds <= 40
  # Rounds are equal, so the total is rounded up to a multiple of them.
  assert asked <= rounds * steps < asked + rounds
  # Reporting costs less than training.
  assert rounds == 1 or steps >= 25


class _Rounds(tfk.callbacks.Callback):
  """What a callback of a user hears."""

  def __init__(self):
    super().__init__()
    self.losses, self.steps, self.rates = [], [], []

  def on_epoch_end(self, epoch, logs=None):
    assert epoch == len(self.losses)
    self.losses.append(logs['loss'])
    self.steps.append(int(self.model.optimizer.iterations))
    self.rates.append(float(self.model.optimizer.learning_rate))


@pytest.fixture(scope='module')
def split():
  """Two kinds of images with a little noise."""
  rng = np.random.default_rng(0)
  labels = np.arange(NUM_EXAMPLES) % 2
  images = 150 * labels[:, None, None, None] + rng.integers(
      0, 50, [NUM_EXAMPLES, 5, 4, 1])
  return data.array_split(images.astype(np.uint8), labels)


def _fit(split, callbacks=None, **overrides):
  config = config_lib.replace(config_lib.Config(), **SETTINGS | overrides)
  return train.fit(config, split, 2, callbacks)


def _weights(model):
  return np.concatenate([weight.ravel() for weight in model.get_weights()])


@pytest.fixture(scope='module')
def fitted(split):
  """A model, what its callback heard, and what TensorFlow draws after."""
  rounds = _Rounds()
  try:
    tf.random.set_seed(5)
    model = _fit(split, [rounds])
    drawn = tf.random.uniform([4]).numpy()
  finally:
    tf.random.set_seed(None)
  return model, rounds, drawn


def test_it_makes_the_steps_of_the_schedule(fitted):
  model, rounds, _ = fitted
  num_rounds, steps = train.schedule(TrainConfig(epochs=30, batch_size=16),
                                     NUM_EXAMPLES)
  assert num_rounds > 1
  assert rounds.steps == [steps * (i + 1) for i in range(num_rounds)]
  assert int(model.optimizer.iterations) == num_rounds * steps


def test_the_loss_falls(fitted):
  _, rounds, _ = fitted
  assert np.isfinite(rounds.losses).all()
  assert rounds.losses[-1] < 0.9 * rounds.losses[0]


def test_the_learning_rate_is_a_cosine_from_its_setting_to_zero(fitted):
  _, rounds, _ = fitted
  done = np.array(rounds.steps) / rounds.steps[-1]
  # A step uses the rate of those that were made before it.
  np.testing.assert_allclose(
      rounds.rates, 5e-3 * (1 + np.cos(np.pi * done)) / 2, atol=1e-4)


def test_the_random_numbers_of_others_are_left_alone(fitted):
  _, _, drawn = fitted
  try:
    tf.random.set_seed(5)
    np.testing.assert_array_equal(tf.random.uniform([4]), drawn)
  finally:
    tf.random.set_seed(None)


def test_the_seed_decides_the_weights(split):
  np.testing.assert_array_equal(_weights(_fit(split)), _weights(_fit(split)))


def test_training_that_diverges_is_an_error_that_helps(split):
  with pytest.raises(FloatingPointError, match='training diverged in epoch .*'
                     'at step .*nll.*--learning_rate'):
    _fit(split, head='normal_diag', min_stddev=1e-6, learning_rate=10.0)


def test_the_term_that_was_not_finite_first_is_named(split, monkeypatch):
  """From step 5 on, in the second epoch of 4 steps each, it is infinite."""
  made = models.build

  def build(*args):
    model = made(*args)
    model.add_image_penalty('teacher', 1.0, lambda x, point: tf.where(
        model.optimizer.iterations < 4, 0.0, np.inf) * tf.reduce_mean(point))
    return model
  monkeypatch.setattr(models, 'build', build)
  with pytest.raises(FloatingPointError, match=(
      'in epoch 2, at step 5: teacher of the loss is not finite; '
      'try .*--teacher_weight')):
    _fit(split, epochs=3)


def test_weights_that_the_last_step_spoils_are_seen(split):
  class Spoils(tfk.callbacks.Callback):
    def on_train_end(self, logs=None):
      weight = self.model.decoder.trainable_weights[0]
      weight.assign(np.nan * weight)
  with pytest.raises(FloatingPointError, match='weights are not finite'):
    _fit(split, [Spoils()], epochs=1)


def test_a_teacher_is_a_term_of_the_loss_and_no_part_of_the_model(
    split, monkeypatch):
  monkeypatch.setattr(teacher, 'TEACHER_STEPS', 30)
  teachers = []

  def keep(model, *args):
    classifier.fit(model, *args)
    teachers.append((model, model.get_weights()))

  monkeypatch.setattr(teacher, 'classifier', types.SimpleNamespace(fit=keep))
  hears = _Terms()
  taught = _fit(split, [hears], teacher_weight=100.0)
  [(guide, weights)] = teachers
  for before, after in zip(weights, guide.get_weights()):
    np.testing.assert_array_equal(before, after)
  plain = _fit(split, epochs=1)
  assert ([weight.shape for weight in taught.trainable_weights]
          == [weight.shape for weight in plain.trainable_weights])
  first, *_, last = hears.terms
  assert last['loss'] == pytest.approx(last['nll'] + 100 * last['teacher'],
                                       rel=1e-4)
  assert last['teacher'] < 0.9 * first['teacher']


class _Terms(tfk.callbacks.Callback):
  """The terms of the loss, by round."""

  def __init__(self):
    super().__init__()
    self.terms = []

  def on_epoch_end(self, epoch, logs=None):
    self.terms.append(dict(logs))
