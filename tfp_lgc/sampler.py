"""Drawing labelled images: the one graph that every form of an artifact runs.

Written with plain stateless TensorFlow operations, so that the SavedModel
made of it opens without TFP and its graph stays small.

Images are drawn in blocks of `BLOCK_SIZE`. A block depends on the seed and its
position alone and is always computed whole. So `sample(n)` are the first n
images of `sample(m)` to the last bit, in whichever portions they are drawn.
"""

import copy
import functools
import math
from typing import Callable, NamedTuple, Optional

import tensorflow as tf
import tf_keras as tfk

from tfp_lgc import networks, texture
from tfp_lgc.head import Head
from tfp_lgc.mixture import Mixture
from tfp_lgc.texture import Texture

__all__ = ['AS_MADE', 'BLOCK_SIZE', 'Random', 'Sampler']

BLOCK_SIZE = 256
# Blocks that are drawn side by side, if parameters of the head for one take no
# more bytes than this.
PARALLEL, MAX_NUM_BYTES = 2, 2**25
# The temperature that stands for the one an artifact was made with.
AS_MADE = -1.0
# What makes of the seed of latents one of the noise of pixels.
NOISE_SALT = 1
# The same, of one of texture.
TEXTURE_SALT = 2

_N = tf.TensorSpec([], tf.int32, 'n')
_SEED = tf.TensorSpec([2], tf.int32, 'seed')
_LABEL = tf.TensorSpec([None], tf.int32, 'label')
_FIRST = tf.TensorSpec([], tf.int32, 'first')
_COUNT = tf.TensorSpec([], tf.int32, 'count')
# Of 64 bits, so that its root is that of the number that a user wrote.
_TEMPERATURE = tf.TensorSpec([], tf.float64, 'temperature')


class Random(NamedTuple):
  """Stateless random numbers.

  Attributes:
    split: (seed, num) -> int32 `[num, 2]`.
    fold_in: (seed, data) -> int32 `[2]`.
    uniform: (shape, seed, minval) -> float32, up to 1.
    normal: (shape, seed) -> float32.
    categorical: (logits `[C]`, num, seed) -> int32 `[num]`.
  """
  split: Callable
  fold_in: Callable
  uniform: Callable
  normal: Callable
  categorical: Callable


RANDOM = Random(
    split=lambda seed, num: tf.random.split(seed, num, 'philox'),
    fold_in=lambda seed, data: tf.random.fold_in(seed, data, 'philox'),
    uniform=lambda shape, seed, minval: tf.random.stateless_uniform(
        shape, seed, minval=minval, alg='philox'),
    normal=lambda shape, seed: tf.random.stateless_normal(
        shape, seed, alg='philox'),
    categorical=lambda logits, num, seed: tf.random.stateless_categorical(
        logits[tf.newaxis], num, seed, tf.int32)[0])


class Sampler(tf.Module):
  """Decoder and mixture, ready to draw.

  ```python
  sampler = Sampler(decoder, head, mixture, log_prior=tf.zeros([10]))
  drawn = sampler.sample(16, [0, 1])
  drawn['image']   # uint8 [16, H, W, C]
  ```

  Attributes:
    head: the likelihood p(x | z).
    num_conditions: classes that the decoder is told; 0 if it is told none.
    parameters: all variables, for who saves the functions.
  """

  def __init__(self, decoder: tfk.Model, head: Head, mixture: Mixture,
               log_prior: tf.Tensor, num_conditions: int = 0,
               temperature: float = 1.0, noise: Optional[Texture] = None):
    """Holds the parameters as variables.

    Args:
      decoder: latents `[B, d]`, followed by one-hot labels if it is told them
        -> head parameters.
      head: of the decoder.
      mixture: of C classes.
      log_prior: `[C]`, log-probability of each class.
      num_conditions: classes that the decoder is told; 0 if it is told none.
      temperature: what covariances are multiplied by.
      noise: what is added to the images of the `sample...` functions, or None.
    """
    super().__init__(name='sampler')
    # Not the Keras model itself: its metadata would outweigh its weights.
    self.weights = [*decoder.weights, *head.weights.values()]
    self.logits = tf.Variable(mixture.logits, trainable=False, name='logits')
    self.loc = tf.Variable(mixture.loc, trainable=False, name='loc')
    self.scale_tril = tf.Variable(mixture.scale_tril, trainable=False,
                                  name='scale_tril')
    self.log_prior = tf.Variable(tf.cast(log_prior, tf.float32),
                                 trainable=False, name='log_prior')
    self.texture = [] if noise is None else [
        tf.Variable(part, trainable=False, name=name)
        for name, part in zip(noise._fields, noise)]
    self.parameters = [self.weights, self.logits, self.loc, self.scale_tril,
                       self.log_prior, self.texture]
    self.num_conditions = num_conditions
    self._own_scale = math.sqrt(temperature)
    self._decode = lambda z: decoder(z, training=False)
    self.head = head
    self._is_stochastic = False
    self._random = RANDOM

  @functools.cached_property  # One, or its functions would be traced again.
  def stochastic(self) -> 'Sampler':
    """The same with the same variables, but whose `sample...` functions draw
    images from the head, where this takes the point image and adds the
    texture. Labels and latents are the same."""
    other = copy.copy(self)
    other._is_stochastic = True
    return other

  def params(self, z: tf.Tensor, labels: Optional[tf.Tensor]) -> tf.Tensor:
    """What `head` takes, `[B, params_size]`, of latents `[B, d]` and, if the
    decoder is told them, labels `[B]`."""
    return self._decode(networks.with_labels(z, labels, self.num_conditions))

  def _images(self, z: tf.Tensor, labels: Optional[tf.Tensor],
              seed: Optional[tf.Tensor] = None) -> tf.Tensor:
    """uint8 `[B, H, W, C]` of latents `[B, d]`; with a seed, draws."""
    params = self.params(z, labels)
    if seed is not None and self._is_stochastic:
      images = self.head.draw_image(
          params, self._random.fold_in(seed, NOISE_SALT))
    else:
      images = self.head.point_image(params)
    if seed is not None and self.texture and not self._is_stochastic:
      scale, kernel = self.texture
      images = texture.with_noise(
          images, scale, kernel, self._random.fold_in(seed, TEXTURE_SALT),
          self._random.normal)
    return tf.cast(tf.round(255.0 * images), tf.uint8)

  @property
  def _has_one_factor(self) -> bool:
    """Whether it is that of all components of a row."""
    return self.scale_tril.shape[1] == 1

  @property
  def parallel(self) -> int:
    """How many blocks are drawn side by side."""
    num_bytes = 4 * BLOCK_SIZE * self.head.params_size
    return PARALLEL if num_bytes <= MAX_NUM_BYTES else 1

  def with_constants(self, random: Random) -> 'Sampler':
    """The same for one trace: without variables, but for those of the decoder,
    and with random numbers from elsewhere."""
    other = copy.copy(self)
    for name in ('logits', 'loc', 'scale_tril', 'log_prior'):
      setattr(other, name, tf.constant(getattr(self, name).numpy()))
    other.texture = [tf.constant(part.numpy()) for part in self.texture]
    other._random = random
    return other

  def scale(self, temperature: tf.Tensor) -> tf.Tensor:
    """What noise is multiplied by at a temperature, float32."""
    root = tf.cast(tf.sqrt(tf.maximum(temperature, 0.0)), tf.float32)
    return tf.where(temperature < 0.0, self._own_scale, root)

  def _latents(self, labels: tf.Tensor, seeds: tf.Tensor, scale: tf.Tensor,
               ) -> tf.Tensor:
    """z ~ p(z | y) of labels `[B]`: a component, then one affine map."""
    logits = tf.gather(self.logits, labels)  # [B, K]
    # Gumbel-max; the -inf of padding stays -inf.
    uniform = self._random.uniform(_shape(logits), seeds[0], 1e-30)
    component = tf.argmax(logits - tf.math.log(-tf.math.log(uniform)), axis=-1,
                          output_type=tf.int32)
    # Classes have rows of components of their own, or all share one.
    row = tf.minimum(labels, tf.shape(self.loc)[0] - 1)
    index = tf.stack([row, component], axis=-1)
    loc = tf.gather_nd(self.loc, index)  # [B, d]
    noise = self._random.normal(_shape(loc), seeds[1])
    scale_tril = (  # [B, d, d]
        tf.gather(self.scale_tril[:, 0], row) if self._has_one_factor
        else tf.gather_nd(self.scale_tril, index))
    return loc + tf.linalg.matvec(scale_tril, scale * noise)

  def block(self, position: tf.Tensor, seed: tf.Tensor, scale: tf.Tensor,
            labels: Optional[tf.Tensor] = None) -> dict[str, tf.Tensor]:
    """Labels, latents and images of one block, whose noise is multiplied by
    `scale`."""
    seeds = self._random.split(self._random.fold_in(seed, position), 3)
    if labels is None:
      labels = self._random.categorical(self.log_prior, BLOCK_SIZE, seeds[2])
    z = self._latents(labels, seeds, scale)
    return {'image': self._images(z, labels, seeds[1]), 'label': labels,
            'latent': z}

  def _blocks(self, positions: tf.Tensor, seed: tf.Tensor,
              temperature: tf.Tensor, labels: Optional[tf.Tensor] = None,
              ) -> dict[str, tf.Tensor]:
    """The blocks at `positions` `[P]`, in their order."""
    scale = self.scale(temperature)
    signature = {'image': tf.uint8, 'label': tf.int32, 'latent': tf.float32}
    if labels is None:
      drawn = tf.map_fn(
          lambda position: self.block(position, seed, scale), positions,
          fn_output_signature=signature, parallel_iterations=self.parallel)
    else:
      drawn = tf.map_fn(
          lambda pair: self.block(pair[0], seed, scale, pair[1]),
          (positions, labels), fn_output_signature=signature,
          parallel_iterations=self.parallel)
    return {name: tf.reshape(part, tf.concat([[-1], tf.shape(part)[2:]], 0))
            for name, part in drawn.items()}

  @tf.function(input_signature=[_FIRST, _COUNT, _SEED, _TEMPERATURE])
  def sample_blocks(self, first: tf.Tensor, count: tf.Tensor,
                    seed: tf.Tensor, temperature: tf.Tensor = AS_MADE,
                    ) -> dict[str, tf.Tensor]:
    """`count` whole blocks from position `first` on."""
    return self._blocks(tf.range(first, first + count), seed, temperature)

  @tf.function(input_signature=[_N, _SEED, _TEMPERATURE])
  def sample(self, n: tf.Tensor, seed: tf.Tensor,
             temperature: tf.Tensor = AS_MADE) -> dict[str, tf.Tensor]:
    """n labelled images, classes as frequent as in the training data.

    Args:
      n: int32 scalar.
      seed: int32 `[2]`.
      temperature: float64 scalar, what covariances are multiplied by; less
        than 0 for what the artifact was made with.

    Returns:
      A dict of image (uint8 `[n, H, W, C]`), label (int32 `[n]`) and latent
      (float32 `[n, d]`).
    """
    drawn = self._blocks(tf.range(_num_blocks(n)), seed, temperature)
    return {name: part[:n] for name, part in drawn.items()}

  @tf.function(input_signature=[_LABEL, _SEED, _FIRST, _TEMPERATURE])
  def sample_class_blocks(self, label: tf.Tensor, seed: tf.Tensor,
                          first: tf.Tensor, temperature: tf.Tensor = AS_MADE,
                          ) -> dict[str, tf.Tensor]:
    """As `sample_class`, as if `first` blocks stood before."""
    n = tf.shape(label)[0]
    count = _num_blocks(n)
    padded = tf.pad(label, [[0, count * BLOCK_SIZE - n]])
    drawn = self._blocks(tf.range(first, first + count), seed, temperature,
                         tf.reshape(padded, [count, BLOCK_SIZE]))
    return {name: part[:n] for name, part in drawn.items()}

  @tf.function(input_signature=[_LABEL, _SEED, _TEMPERATURE])
  def sample_class(self, label: tf.Tensor, seed: tf.Tensor,
                   temperature: tf.Tensor = AS_MADE) -> dict[str, tf.Tensor]:
    """One image for each of the labels `[n]`; otherwise as `sample`."""
    return self.sample_class_blocks(label, seed, 0, temperature)

  @tf.function
  def decode(self, latent: tf.Tensor, label: Optional[tf.Tensor] = None,
             ) -> dict[str, tf.Tensor]:
    """Images, uint8 `[n, H, W, C]`, of latents, float32 `[n, d]`, and of
    labels, int32 `[n]`, if the decoder is told them; nothing is added."""
    return {'image': self._images(latent, label)}

  @tf.function
  def latent_log_prob(self, latent: tf.Tensor) -> dict[str, tf.Tensor]:
    """What the mixture thinks of latents.

    Args:
      latent: float32 `[n, d]`.

    Returns:
      A dict of log_prob (float32 `[n, C]`, log p(z, y) in nats),
      class_log_posterior (float32 `[n, C]`, log p(y | z)) and class_posterior
      (float32 `[n, C]`, p(y | z)).
    """
    size = tf.shape(self.loc)[-1]
    difference = latent[:, tf.newaxis, tf.newaxis] - self.loc  # [n, R, K, d]
    inverse = tf.linalg.triangular_solve(
        self.scale_tril,
        tf.eye(size, batch_shape=tf.shape(self.scale_tril)[:2]))
    # [n, R, K, d]
    whitened = (tf.einsum('cij,nckj->ncki', inverse[:, 0], difference)
                if self._has_one_factor
                else tf.einsum('ckij,nckj->ncki', inverse, difference))
    squares = tf.reduce_sum(tf.square(whitened), axis=-1)
    log_det = tf.reduce_sum(
        tf.math.log(tf.linalg.diag_part(self.scale_tril)), axis=-1)
    log_density = (-0.5 * squares - log_det
                   - 0.5 * math.log(2 * math.pi) * tf.cast(size, tf.float32))
    log_prob = self.log_prior + tf.reduce_logsumexp(
        tf.nn.log_softmax(self.logits) + log_density, axis=-1)
    return {'log_prob': log_prob,
            'class_log_posterior': tf.nn.log_softmax(log_prob),
            'class_posterior': tf.nn.softmax(log_prob)}


def _shape(x: tf.Tensor):
  """Numbers where they are known."""
  return x.shape if x.shape.is_fully_defined() else tf.shape(x)


def _num_blocks(n: tf.Tensor) -> tf.Tensor:
  return (n + BLOCK_SIZE - 1) // BLOCK_SIZE
