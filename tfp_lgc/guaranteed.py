"""An artifact with a guarantee of differential privacy, from images to tensors.

Of the train split nothing is used but what `guarantee.Plan` has noise for. Its
names of classes and the size of an image are taken for public.
"""

import dataclasses
from typing import NamedTuple, Sequence

import numpy as np
import tensorflow as tf
import tf_keras as tfk

from tfp_lgc import (
  dpsgd,
  guarantee,
  latent,
  memory,
  models,
  noised,
  strokes,
)
from tfp_lgc.artifact import Artifact
from tfp_lgc.autoencoder import Autoencoder
from tfp_lgc.config import Config
from tfp_lgc.data import array_split, Source
from tfp_lgc.entropy import Entropy
from tfp_lgc.errors import ConfigError, DataError
from tfp_lgc.mixture import Mixture, stack
from tfp_lgc.progress import Progress

__all__ = ['Guaranteed', 'fit']

# Images that are drawn to train on, and mirrored anew in each step.
NUM_STROKES = 20_000
# Steps that TensorFlow makes between two returns to Python.
STEPS_PER_EXECUTION = 50
# What the seed is mixed with for how drawings are turned.
TURN_SALT = 7


class Guaranteed(NamedTuple):
  """What `fit` made.

  Attributes:
    artifact: has the guarantee, and so has its encoder.
    model: the autoencoder, as trained; it has it, too.
    latents: float32 `[N, d]` of the train split: not to be given away.
    labels: int32 `[N]`: nor these.
  """
  artifact: Artifact
  model: Autoencoder
  latents: np.ndarray
  labels: np.ndarray


def fit(source: Source, config: Config, progress: Progress,
        callbacks: Sequence[tfk.callbacks.Callback] = ()) -> Guaranteed:
  """`pipeline.fit` under `config.privacy`.

  Raises:
    ConfigError: for settings with which there would be no guarantee, or a bound
      of memory that is too low for the images.
    FloatingPointError: if training diverges.
    DataError: if the images are too few for any to be told from the noise.
  """
  num_classes = len(source.class_names)
  guarantee.check(config)
  latent.check(config, num_classes)
  if callbacks:
    raise ConfigError('callbacks: would see losses of private images; give '
                      'none with dp_epsilon')
  size = int(np.prod(source.train.image_shape))
  memory.check(source.train.num_bytes + size * _num_strokes(config),
               source.train.bound, 'training with dp_epsilon')
  model = models.build(config, source.train.image_shape, num_classes)
  if config.privacy.dp_steps:
    _check_layers(model)
  with progress.stage('account'):
    plan = guarantee.plan(config)
    said = guarantee.described(plan)
    progress.record(event='privacy', **said)
  if config.privacy.dp_pretraining_steps:
    _pretrain(model, config, progress)
    _check_finite(model, 'dp_pretraining_steps', config)
  images = source.train.to_memory(source.class_names)
  entropy = Entropy()
  counts = _counts(images.labels, num_classes, plan.counts.noise_multiplier,
                   entropy)
  if plan.training:
    with progress.stage('train', plan.training.steps):
      dpsgd.train(model, images.images, images.labels, plan.training,
                  plan.clip_norm, plan.training.sampling_rate * counts.sum(),
                  config.train, entropy, progress.step)
    _check_finite(model, 'dp_steps', config)
  # It tells of no step: the number of images is not public.
  with progress.stage('encode'):
    encoded = model.encode_all(source.train, seed=entropy.seed())
  latents = getattr(encoded, config.mixture.latent_statistic)
  with progress.stage('mixture'):
    mixture = _mixture(latents, encoded.labels, num_classes, config, plan,
                       entropy)
  with progress.stage('pack'):
    artifact = dataclasses.replace(
        Artifact.pack(model, mixture, source.class_names, counts, config),
        privacy=said)
  return Guaranteed(artifact, model, latents, encoded.labels)


def _check_layers(model: Autoencoder) -> None:
  for network in (model.encoder, model.decoder):
    for layer in network.layers:
      if isinstance(layer, tfk.layers.BatchNormalization):
        raise ConfigError(
            'trunk: has batch normalization, by which each image changes the '
            'gradients of all others; with dp_epsilon choose dense, conv or '
            'another one without')


def _check_finite(model: Autoencoder, steps: str, config: Config) -> None:
  """Looks at weights alone: what the loss was is not in the budget."""
  if not all(np.isfinite(weight).all() for weight in model.get_weights()):
    raise FloatingPointError(
        f'training diverged within {steps} = '
        f'{getattr(config.privacy, steps)}: weights are not finite any more; '
        f'try a lower --learning_rate than {config.train.learning_rate:g}')


def _num_strokes(config: Config) -> int:
  """How many drawings there are to train on; none more than are seen."""
  return min(NUM_STROKES,
             config.privacy.dp_pretraining_steps * config.train.batch_size)


def _turned(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
  """Images `[B, H, W, C]`, each mirrored by chance, either way, and, if it is
  square, the other way about: another drawing."""
  turns = [lambda x: x[:, ::-1], lambda x: x[:, :, ::-1]]
  if images.shape[1] == images.shape[2]:
    turns.append(lambda x: tf.transpose(x, [0, 2, 1, 3]))
  coins = tf.random.stateless_uniform(
      [len(turns), tf.shape(images)[0], 1, 1, 1], seed) < 0.5
  for i, turn in enumerate(turns):
    images = tf.where(coins[i], turn(images), images)
  return images


def _pretrain(model: Autoencoder, config: Config, progress: Progress) -> None:
  """Trains on drawn lines, whose labels are drawn as well."""
  with progress.stage('draw', num := _num_strokes(config)):
    drawn = strokes.draw(num, model.head.event_shape, config.seed,
                         progress.step)
  labels = np.random.default_rng(config.seed).integers(
      0, max(1, model.num_conditions), num)
  batches = array_split(drawn, labels).batches(config.train.batch_size,
                                               seed=config.seed)
  batches = batches.enumerate().map(lambda i, batch: (_turned(
      batch[0], tf.random.fold_in([config.seed, TURN_SALT], tf.cast(
          i, tf.int32))), batch[1]))
  steps = config.privacy.dp_pretraining_steps
  model.compile(tfk.optimizers.Adam(tfk.optimizers.schedules.CosineDecay(
      config.train.learning_rate, steps)),
      steps_per_execution=min(steps, STEPS_PER_EXECUTION))
  with progress.stage('pretrain', steps):
    model.fit(batches, epochs=1, steps_per_epoch=steps, verbose=0,
              callbacks=[tfk.callbacks.LambdaCallback(
                  on_batch_end=lambda batch, logs: progress.step(batch + 1))])


def _counts(labels: np.ndarray, num_classes: int, noise: float,
            entropy: Entropy) -> np.ndarray:
  """Images of each class, with noise: int `[C]`."""
  exact = np.bincount(labels, minlength=num_classes)
  counts = np.maximum(
      0, np.rint(exact + noise * entropy.normal([num_classes]))).astype(int)
  if not counts.any():
    raise DataError('dataset: no class has images that could be told from the '
                    'noise; give more images, or more --dp_epsilon')
  return counts


def _mixture(latents: np.ndarray, labels: np.ndarray, num_classes: int,
             config: Config, plan: guarantee.Plan, entropy: Entropy) -> Mixture:
  if plan.mixture is None:  # The prior of a model that is told labels.
    return latent.fit(latents[:0], labels[:0], num_classes, config)[0]
  settings = config.mixture
  components = noised.fit(
      latents, labels, num_classes, config.privacy.dp_num_components,
      plan.mixture.noise_multiplier, entropy, settings.covariance,
      settings.covariance_rank, settings.covariance_floor)
  return stack(components, [settings.covariance] * num_classes)
