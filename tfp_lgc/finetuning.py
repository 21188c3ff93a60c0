"""Fine-tuning of a decoder for the integers that its weights become.

The decoder is trained on as it will be sent: with its weights rounded to
multiples of a step, which gradients see through, and with the bits that these
integers will take in the loss.

S. K. Esser et al., Learned Step Size Quantization, ICLR 2020: the gradient of
a step. D. Oktay et al., Scalable Model Compression by Entropy Penalized
Reparameterization, ICLR 2020: the bits in the loss.
"""

import math
from typing import Callable

import numpy as np
import tensorflow as tf
import tf_keras as tfk

from tfp_lgc import divergence, networks
from tfp_lgc.autoencoder import Autoencoder, to_unit
from tfp_lgc.checkpoints import Checkpoints
from tfp_lgc.codec import dequantize, quantize_by_step, Quantized
from tfp_lgc.config import Config, replace
from tfp_lgc.data import Split
from tfp_lgc.discriminator import Discriminator
from tfp_lgc.errors import ConfigError
from tfp_lgc.resuming import NO_WORK, Work

__all__ = ['check', 'finetune', 'laplace_bits']

LEARNING_RATE = 1e-3
REMEDY = ('more --decoder_bits, a lower --rate_weight, --teacher_weight or '
          '--adversarial_weight, or no --finetune_steps')
# Where the discriminator alone is to blame.
ADVERSARIAL_REMEDY = 'a lower --adversarial_weight, or none'
# Steps between two words on the progress.
STEPS_PER_CALL = 50
# What the run's seed is mixed with for posterior draws, for the noise that
# stands for rounding where bits are counted, and for the order of images.
SEED_SALT, NOISE_SALT, ORDER_SALT = 5, 6, 1


def check(config: Config) -> None:
  """Refuses what would have no effect.

  Raises:
    ConfigError: for an adversarial weight without steps of fine-tuning.
  """
  if config.codec.adversarial_weight and not config.codec.finetune_steps:
    raise ConfigError(
        f'adversarial_weight = {config.codec.adversarial_weight}: is for '
        'fine-tuning, and finetune_steps = 0; give --finetune_steps=2000, or a '
        '--budget and no --finetune_steps, or leave it out')


def laplace_bits(x: tf.Tensor, spread: tf.Tensor) -> tf.Tensor:
  """Bits of integers that a Laplace distribution is rounded to.

  Args:
    x: any shape; not only integers, so that it has a gradient.
    spread: mean of the absolute values before rounding, positive.

  Returns:
    -log2 P(x - 1/2 < X < x + 1/2), bits, of the same shape.
  """
  size = tf.abs(x)
  # Both sides of the `where` are finite, and so are their gradients.
  inside = tf.minimum(size, 0.5)
  near = tf.math.log1p(-0.5 * (tf.exp((inside - 0.5) / spread)
                               + tf.exp((-inside - 0.5) / spread)))
  far = (math.log(0.5) - (tf.maximum(size, 0.5) - 0.5) / spread
         + tf.math.log1p(-tf.exp(-1.0 / spread)))
  return tf.where(size < 0.5, near, far) / -math.log(2.0)


def finetune(model: Autoencoder, tensors: dict[str, Quantized],
             kept: np.ndarray, split: Split, config: Config,
             on_step: Callable[[int, str], None] = lambda step, text: None,
             work: Work = NO_WORK) -> dict[str, Quantized]:
  """Trains the decoder on under quantization; the encoder stays as it is.

  The loss is the mean of -log p(x | z), nats an image, for posterior draws z,
  the model's penalties of reconstructions, as a teacher's, with their weights,
  `adversarial_weight` times that of a `Discriminator`, which learns beside it,
  and `rate_weight` times the bits of all kernels. Penalties of latents have no
  part in it: the encoder stays.

  Args:
    model: trained.
    tensors: of its artifact, `decoder/LAYER/kernel` and `decoder/LAYER/bias`
      among them: where weights, and steps, begin.
    kept: bool `[latent_size]`, the latents that this decoder takes.
    split: training images.
    config: `finetune_steps`, `rate_weight`, `adversarial_weight`, and those of
      the model.
    on_step: is told of steps done, and how far the loss is.
    work: where checkpoints are kept, if at all.

  Returns:
    Those tensors of the decoder with other integers and steps.

  Raises:
    ConfigError: as `check`.
    FloatingPointError: if it diverges.
  """
  check(config)
  tuning = _Tuning(model, tensors, kept, config, split.image_shape)
  checkpoints = Checkpoints(work, 'finetune', tuning.trained())
  done, total = checkpoints.restore().get('steps', 0), (
      config.codec.finetune_steps)
  batches = iter(split.batches(config.train.batch_size, seed=config.seed,
                               salt=ORDER_SALT, skip=done))
  for first in range(done, total, STEPS_PER_CALL):
    count = min(STEPS_PER_CALL, total - first)
    done, terms = tuning.run(batches, tf.constant(count))
    if not all(np.isfinite(value) for value in terms.values()):
      step = first + int(done)
      began = {name: 0 if np.isfinite(value) else step
               for name, value in terms.items()}
      alone = [name for name in began if began[name]] == ['adversary']
      raise FloatingPointError(divergence.message(
          'fine-tuning', began, step, config.train.batch_size,
          split.num_examples, ADVERSARIAL_REMEDY if alone else REMEDY))
    on_step(first + count, f'nll {float(terms["nll"]):.4g}, '
                           f'{float(terms["bits"]) / 8:,.0f} bytes of kernels')
    if tuning.is_finite():  # Or it would replace the last good one.
      checkpoints.save({'steps': first + count})
  return tuning.tensors()


class _Tuning(tf.Module):
  """Weights, steps and spreads that are trained together."""

  def __init__(self, model: Autoencoder, tensors: dict[str, Quantized],
               kept: np.ndarray, config: Config,
               image_shape: tuple[int, ...]):
    super().__init__()
    self._model, self._config = model, config
    self._positions = tf.constant(np.flatnonzero(kept))
    self._decoder = networks.decoder(
        replace(config, latent_size=int(kept.sum())).model, model.head,
        model.num_conditions, batch_norm=False)
    self._names = [f'decoder/{variable.name.split(":")[0]}'
                   for variable in self._decoder.weights]
    self._weights = [tf.Variable(dequantize(tensors[name]))
                     for name in self._names]
    self._bits = [tensors[name].bits for name in self._names]
    self._kernels = [i for i, weight in enumerate(self._weights)
                     if weight.shape.rank > 1]
    self._log_steps, self._log_spreads = [], []
    for i in self._kernels:
      tensor = tensors[self._names[i]]
      self._log_steps.append(tf.Variable(np.log(tensor.steps[0])))
      self._log_spreads.append(tf.Variable(np.log(np.maximum(
          np.abs(tensor.values).mean(), 0.1), dtype=np.float32)))
    self._trained = [*self._weights, *self._log_steps, *self._log_spreads]
    self._optimizer = tfk.optimizers.Adam(tfk.optimizers.schedules.CosineDecay(
        LEARNING_RATE, config.codec.finetune_steps))
    self._optimizer.build(self._trained)
    self._penalties = dict(model.image_penalties)
    self._discriminator = None
    if config.codec.adversarial_weight:
      self._discriminator = its = Discriminator(image_shape, config.seed)
      self._penalties['adversary'] = (config.codec.adversarial_weight,
                                      lambda x, point: its.penalty(point))

  def trained(self) -> list[tf.Variable]:
    """All that changes from step to step."""
    return [*self._trained, *self._optimizer.variables,
            *(self._discriminator.state if self._discriminator else ())]

  def is_finite(self) -> bool:
    return all(np.isfinite(variable).all() for variable in self.trained())

  def tensors(self) -> dict[str, Quantized]:
    result = {}
    for i, name in enumerate(self._names):
      weight = self._weights[i].numpy()
      if i in self._kernels:
        step = np.exp(self._log_steps[self._kernels.index(i)].numpy())
      else:
        step = np.abs(weight).max() / (2**(self._bits[i] - 1) - 1)
      result[name] = quantize_by_step(weight, step)
    return result

  @tf.function(reduce_retracing=True)
  def run(self, batches, count):
    """So many steps, or as many as are finite and one; how many these were,
    and the terms of the loss of the last one, by name."""
    done = tf.constant(0)
    terms = {name: tf.constant(0.0)
             for name in ('nll', *self._penalties, 'bits')}
    while done < count and tf.math.is_finite(sum(terms.values())):
      images, labels = next(batches)
      terms = self._step(images, labels)
      done += 1
    return done, terms

  @tf.autograph.experimental.do_not_convert
  def _step(self, images, labels):
    seed = tf.random.fold_in([self._config.seed, SEED_SALT],
                             tf.cast(self._optimizer.iterations, tf.int32))
    x = to_unit(images)
    z = tf.gather(self._model.encode(x, labels).sample(seed=seed),
                  self._positions, axis=-1)
    rounding = self._round()
    with tf.GradientTape() as tape:
      params = self._decoder(
          networks.with_labels(z, labels, self._model.num_conditions),
          training=False)
      terms = {'nll': -tf.reduce_mean(self._model.head(params).log_prob(x))}
      loss = terms['nll']
      point = self._model.head.point_image(params)
      for name, (weight, penalty) in self._penalties.items():
        terms[name] = penalty(x, point)
        loss += weight * terms[name]
    if self._discriminator:
      self._discriminator.learn(x, point)
    # A rounded weight is w + s (round(w / s) - w / s). The gradient of a
    # rounded number is taken for that of the number.
    gradients = tape.gradient(loss, self._decoder.weights)
    by_step = [tf.reduce_sum(gradients[i] * part) * tf.exp(log_step)
               for i, part, log_step in zip(self._kernels, rounding,
                                            self._log_steps)]
    gradients += [*by_step, *map(tf.zeros_like, self._log_spreads)]
    with tf.GradientTape() as tape:
      bits = self._num_bits(seed)
      rate = self._config.codec.rate_weight * bits
    by_rate = tape.gradient(rate, self._trained,
                            unconnected_gradients='zero')
    self._optimizer.apply_gradients(
        (a + b, variable)
        for a, b, variable in zip(gradients, by_rate, self._trained))
    return {**terms, 'bits': bits}

  def _round(self):
    """Has the decoder take the rounded weights; what that adds to each kernel,
    in steps."""
    rounding = []
    for i, weight in enumerate(self._weights):
      if i not in self._kernels:
        self._decoder.weights[i].assign(weight)
        continue
      step = tf.exp(self._log_steps[len(rounding)])
      rounded = tf.round(weight / step)
      rounding.append(rounded - weight / step)
      self._decoder.weights[i].assign(step * rounded)
    return rounding

  def _num_bits(self, seed):
    """Of all kernels, with uniform noise in place of rounding."""
    bits = tf.constant(0.0)
    for j, i in enumerate(self._kernels):
      noise = tf.random.stateless_uniform(
          self._weights[i].shape, tf.random.fold_in(seed, NOISE_SALT + j), -0.5,
          0.5)
      bits += tf.reduce_sum(laplace_bits(
          self._weights[i] / tf.exp(self._log_steps[j]) + noise,
          tf.exp(self._log_spreads[j])))
    return bits
