"""The one autoencoder class; the named models are settings of it."""

from typing import Callable, NamedTuple, Optional

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras as tfk

from tfp_lgc import heads, networks, replica, streams
from tfp_lgc.config import ModelConfig
from tfp_lgc.data import Split
from tfp_lgc.divergence import Term
from tfp_lgc.errors import ConfigError
from tfp_lgc.head import as_it_is

__all__ = ['Autoencoder', 'Encoded', 'to_unit']

tfd = tfp.distributions

# The floor of a posterior's scale: a log-density without bound helps nobody.
MIN_POSTERIOR_STDDEV = 1e-4
# What the seed is mixed with, so that training and encoding draw other noise.
TRAIN_SALT, ENCODE_SALT, NOISE_SALT = 1, 2, 3


def to_unit(images: tf.Tensor) -> tf.Tensor:
  """uint8 pixels as float32 in 0..1."""
  return tf.cast(images, tf.float32) / 255.0


def _noise(shape: tf.Tensor, place: Optional[replica.Place],
           draw: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
  """`draw(shape)`; of a replica, its part of what all of them get."""
  if place is None:
    return draw(shape)
  return place.own(draw(tf.concat([shape[:1] * place.num_replicas, shape[1:]],
                                  axis=0)))


def _draw(posterior: tfd.Distribution, seed: tf.Tensor,
          place: Optional[replica.Place]) -> tf.Tensor:
  """`posterior.sample(seed=seed)`, or a replica's part of that of all."""
  if place is None or isinstance(posterior, tfd.VectorDeterministic):
    return posterior.sample(seed=seed)
  mean = posterior.mean()
  unit = _noise(tf.shape(mean), place, lambda shape: tfd.MultivariateNormalDiag(
      tf.zeros(shape), tf.ones(shape)).sample(seed=seed))
  return mean + posterior.stddev() * unit


class Encoded(NamedTuple):
  """N images in latent space.

  Attributes:
    draw: float32 `[N, latent_size]`, a draw from each posterior q(z | x).
    mean: the same, their means; equal for a model without a posterior.
    labels: int32 `[N]`.
  """
  draw: np.ndarray
  mean: np.ndarray
  labels: np.ndarray


class Autoencoder(tfk.Model):
  """Encoder, decoder, likelihood head and penalties.

  Minimizes the mean over the batch of `-log p(x | z)`, z a draw from the
  posterior q(z | x), plus the weighted penalties. Every term is a Keras metric
  under its own name.

  ```python
  model = Autoencoder(ModelConfig(), split.image_shape, posterior='gaussian',
                      penalties={'kl': (1.0, losses.kl_standard_normal)})
  model.compile(tfk.optimizers.Adam())
  model.fit(split.batches(128, seed=0), steps_per_epoch=11)
  ```

  Attributes:
    encoder: images `[B, H, W, C]` in 0..1 -> posterior parameters.
    decoder: latents `[B, latent_size]` -> head parameters.
    head: the likelihood p(x | z).
    num_conditions: classes whose label encoder and decoder are told; 0 if they
      are told none.
  """

  def __init__(self, config: ModelConfig, image_shape,
               posterior: str,
               penalties: Optional[dict[str, tuple[float, Callable]]] = None,
               num_conditions: int = 0,
               min_posterior_stddev: float = MIN_POSTERIOR_STDDEV,
               seed: int = 0):
    """Builds the networks.

    Args:
      config: sizes, trunk and head.
      image_shape: `(H, W, C)`.
      posterior: 'point' (z is the encoder's output) or 'gaussian' (a
        `tfd.MultivariateNormalDiag`).
      penalties: name -> (weight, callable), see losses.py.
      num_conditions: classes, for a model that is told the label.
      min_posterior_stddev: floor of the scale of a gaussian posterior.
      seed: of initial weights and of posterior draws.

    Raises:
      ConfigError: for a head of too many numbers, or a trunk that the model
        cannot have.
    """
    super().__init__(name=config.model)
    if posterior not in ('point', 'gaussian'):
      raise ValueError(f"posterior = {posterior!r}; must be 'point' or "
                       "'gaussian'")
    self.head = heads.build(config, image_shape, seed)
    self.flow = self.head.flow  # Keras trains what it sees.
    self.num_conditions = num_conditions
    self._posterior = posterior
    self._penalties = penalties or {}
    self._image_penalties: dict[str, tuple[float, Callable]] = {}
    self._seed = seed
    self._noise_stddev = config.noise_stddev
    self._min_stddev = min_posterior_stddev
    code_size = networks.code_size(config, image_shape)
    if code_size and config.model not in ('ae', 'contrastive_ae'):
      raise ConfigError(f'trunk = {config.trunk}: leaves no room for the '
                        f'posterior, prior or label of {config.model}; choose '
                        'the model ae or contrastive_ae, or the trunk vpa_mlp')
    num_params = config.latent_size * (2 if posterior == 'gaussian' else 1)
    self.encoder = networks.encoder(config, image_shape, num_params,
                                    num_conditions, seed)
    self.decoder = networks.decoder(config, self.head, num_conditions, seed)
    self._means = {name: Term(name)
                   for name in ('loss', 'nll', *self._penalties)}

  def add_image_penalty(self, name: str, weight: float, penalty: Callable,
                        ) -> None:
    """Adds a term to the loss, before `compile`.

    Args:
      name: of its metric.
      weight: of it in the loss.
      penalty: (x, point), images in 0..1 and what stands for p(x | z) for a
        posterior draw z, each `[B, H, W, C]` -> scalar, a mean over the batch.
    """
    self._image_penalties[name] = weight, penalty
    self._means[name] = Term(name)

  @property
  def image_penalties(self) -> dict[str, tuple[float, Callable]]:
    """Name -> (weight, penalty) of what `add_image_penalty` added."""
    return dict(self._image_penalties)

  @property
  def metrics(self):
    return list(self._means.values())

  def not_finite(self) -> dict[str, int]:
    """Term of the loss, without the sum -> the first step of training, from 1
    on, at which it was not finite; 0 if it always was."""
    return {name: int(mean.first) for name, mean in self._means.items()
            if name != 'loss'}

  def encode(self, x: tf.Tensor, labels: Optional[tf.Tensor] = None,
             training: bool = False) -> tfd.Distribution:
    """q(z | x) of images `[B, H, W, C]` in 0..1; event shape `[latent_size]`.

    `labels`, int32 `[B]`, are needed if the model is told them; `training` is
    for batch normalization.
    """
    if self.num_conditions:
      x = [x, tf.one_hot(labels, self.num_conditions)]
    params = self.encoder(x, training=training)
    if self._posterior == 'point':
      return tfd.VectorDeterministic(params)
    loc, raw_scale = tf.split(params, 2, axis=-1)
    scale = self._min_stddev + tf.math.softplus(raw_scale)
    return tfd.MultivariateNormalDiag(loc, scale)

  def decode(self, z: tf.Tensor, labels: Optional[tf.Tensor] = None,
             training: bool = False) -> tfd.Distribution:
    """p(x | z) of latents `[B, latent_size]`; event shape `[H, W, C]`."""
    return self.head(self._params(z, labels, training))

  def call(self, x: tf.Tensor, labels: Optional[tf.Tensor] = None,
           ) -> tf.Tensor:
    """Reconstructions `[B, H, W, C]` in 0..1, from the posterior mean."""
    z = self.encode(x, labels).mean()
    return self.head.point_image(self._params(z, labels))

  def _params(self, z: tf.Tensor, labels: Optional[tf.Tensor],
              training: bool = False) -> tf.Tensor:
    return self.decoder(
        networks.with_labels(z, labels, self.num_conditions),
        training=training)

  @as_it_is
  def losses_of(self, images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor,
                ) -> dict[str, tf.Tensor]:
    """Each term of the loss, and their weighted sum `loss`; nats an image.

    Args:
      images: uint8 `[B, H, W, C]`.
      labels: int32 `[B]`.
      seed: int32 `[2]`, of the posterior draw. Of several replicas each draws
        the noise of all and takes its own, so that it is that of one.
    """
    x = to_unit(images)
    corrupted, place = x, replica.place()
    if self._noise_stddev:
      corrupted += self._noise_stddev * _noise(
          tf.shape(x), place, lambda shape: tf.random.stateless_normal(
              shape, tf.random.fold_in(seed, NOISE_SALT)))
    posterior = self.encode(corrupted, labels, training=True)
    z = _draw(posterior, seed, place)
    params = self._params(z, labels, training=True)
    terms = {'nll': -tf.reduce_mean(self.head(params).log_prob(x))}
    terms['loss'] = terms['nll']
    for name, (weight, penalty) in self._penalties.items():
      terms[name] = penalty(posterior, z, labels)
      terms['loss'] += weight * terms[name]
    for name, (weight, penalty) in self._image_penalties.items():
      terms[name] = penalty(x, self.head.point_image(params))
      terms['loss'] += weight * terms[name]
    return terms

  def train_step(self, batch):
    images, labels = batch
    seed = tf.random.fold_in([self._seed, TRAIN_SALT],
                             tf.cast(self.optimizer.iterations, tf.int32))
    place = replica.place()
    with tf.GradientTape() as tape:
      terms = self.losses_of(images, labels, seed)
      # The optimizer adds up the gradients of all replicas.
      loss = terms['loss'] / place.num_replicas if place else terms['loss']
    if place:
      terms = place.mean(terms)
    for name, mean in self._means.items():
      mean.note(terms[name], self.optimizer.iterations)
    self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
    return {name: mean.result() for name, mean in self._means.items()}

  @tf.function(reduce_retracing=True)
  def _encoded(self, images, labels, seed, i):
    """Draw and mean of the i-th batch; traced once a model."""
    posterior = self.encode(to_unit(images), labels)
    return posterior.sample(seed=tf.random.fold_in(seed, i)), posterior.mean()

  def encode_all(self, split: Split, batch_size: int = 1000,
                 on_step: Callable[[int], None] = lambda done: None,
                 first_batch: int = 0,
                 seed: Optional[np.ndarray] = None) -> Encoded:
    """Latents of all images, in the order of the split; files mapped into
    memory where the bound of the split wants it so.

    Args:
      split: the images.
      batch_size: of one call.
      on_step: is told how many are done.
      first_batch: how many batches stood before; draws are those that all
        together would get.
      seed: int32 `[2]`, of the posterior draws; None for that of the model.
    """
    if seed is None:
      seed = np.array([self._seed, ENCODE_SALT], np.int32)
    draw = mean = np.zeros([0, 0], np.float32)
    labels, first = np.zeros(split.num_examples, np.int32), 0
    for i, (images, told) in enumerate(split.batches(batch_size), first_batch):
      parts = self._encoded(images, told, tf.constant(seed), tf.constant(i))
      if not first:
        shape = split.num_examples, parts[0].shape[1]
        draw, mean = [streams.scratch(shape, split.bound) for _ in parts]
      rows = slice(first, first + len(told))
      draw[rows], mean[rows] = parts
      labels[rows] = told
      first += len(told)
      streams.release(draw)
      streams.release(mean)
      on_step(first)
    return Encoded(draw, mean, labels)
