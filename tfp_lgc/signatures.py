"""What a SavedModel answers: the sampler's functions, named and bounded.

TensorFlow Serving, `saved_model_cli` and TensorFlow alone call them by these
names; docs/serving.md describes their inputs and outputs. A request that asks
for more than was agreed on at the export, or for what there is not, is an
InvalidArgument that names the input, before anything is computed.
"""

from typing import Any, Callable

import numpy as np
import tensorflow as tf

from tfp_lgc.queries import MAX_TEMPERATURE
from tfp_lgc.sampler import AS_MADE, Sampler

__all__ = ['examples', 'save', 'signatures']

_N = tf.TensorSpec([], tf.int32, 'n')
_SEED = tf.TensorSpec([2], tf.int32, 'seed')
_LABEL = tf.TensorSpec([None], tf.int32, 'label')
_TEMPERATURE = tf.TensorSpec([], tf.float32, 'temperature')


def save(sampler: Sampler, path: str, max_batch: int) -> None:
  """Writes a SavedModel with these signatures and nothing else.

  Args:
    sampler: what they run.
    path: directory to be made.
    max_batch: images, labels or latents of one request at the most.
  """
  # A plain holder of the variables: the module's other functions stay out.
  holder = tf.Module(name='artifact')
  holder.parameters = sampler.parameters
  tf.saved_model.save(holder, path, signatures(sampler, max_batch))


def signatures(sampler: Sampler, max_batch: int) -> dict[str, Callable]:
  """Name -> a `tf.function` with an input signature.

  `temperature` is what covariances are multiplied by, -1 for what the artifact
  was made with; where a client can leave out an input, that is its default.

  ```python
  drawn = signatures(artifact.sampler, 1024)['sample'](n=16, seed=[0, 1])
  ```

  Args:
    sampler: what they run.
    max_batch: images, labels or latents of one request at the most.
  """
  sample = _sample(sampler, max_batch)
  return {
      'serving_default': sample,
      'sample': sample,
      'sample_class': _sample_class(sampler, max_batch),
      'sample_stochastic': _sample(sampler.stochastic, max_batch),
      'decode': _decode(sampler, max_batch),
      'latent_log_prob': _latent_log_prob(sampler, max_batch),
  }


def _latent_spec(sampler: Sampler) -> tf.TensorSpec:
  return tf.TensorSpec([None, sampler.loc.shape[-1]], tf.float32, 'latent')


def _sample(sampler: Sampler, max_batch: int) -> Callable:
  default = _default()

  @tf.function(input_signature=[_N, _SEED, _TEMPERATURE])
  def sample(n, seed, temperature=default):
    n = _checked(n, (0 <= n) & (n <= max_batch),
                 f'n must be from 0 to {max_batch} (max_serving_batch), got')
    return sampler.sample(n, seed, _temperature(temperature))
  return sample


def _sample_class(sampler: Sampler, max_batch: int) -> Callable:
  known, default = _known(sampler), _default()

  @tf.function(input_signature=[_LABEL, _SEED, _TEMPERATURE])
  def sample_class(label, seed, temperature=default):
    label = _label(known, _rows('label', label, max_batch))
    return sampler.sample_class(label, seed, _temperature(temperature))
  return sample_class


def _decode(sampler: Sampler, max_batch: int) -> Callable:
  if not sampler.num_conditions:
    @tf.function(input_signature=[_latent_spec(sampler)])
    def decode(latent):
      return sampler.decode(_rows('latent', latent, max_batch))
    return decode

  known = _known(sampler)

  @tf.function(input_signature=[_latent_spec(sampler), _LABEL])
  def decode_class(latent, label):
    latent = _rows('latent', latent, max_batch)
    label = _checked(
        _rows('label', label, max_batch),
        tf.equal(tf.shape(label)[0], tf.shape(latent)[0]),
        'label must have as many rows as latent, got')
    return sampler.decode(latent, _label(known, label))
  return decode_class


def _latent_log_prob(sampler: Sampler, max_batch: int) -> Callable:
  @tf.function(input_signature=[_latent_spec(sampler)])
  def latent_log_prob(latent):
    return sampler.latent_log_prob(_rows('latent', latent, max_batch))
  return latent_log_prob


def _default() -> tf.Tensor:
  """A tensor: TensorFlow writes no other default into a SavedModel."""
  return tf.constant(AS_MADE, tf.float32)


# Inputs that are what they were, or an InvalidArgument.


def _checked(value: tf.Tensor, condition: tf.Tensor, message: str, got=None,
             ) -> tf.Tensor:
  with tf.control_dependencies([tf.debugging.Assert(
      condition, [message, value if got is None else got])]):
    return tf.identity(value)


def _rows(name: str, value: tf.Tensor, max_batch: int) -> tf.Tensor:
  rows = tf.shape(value)[0]
  return _checked(
      value, rows <= max_batch, f'{name} must have from 0 to {max_batch} rows '
      '(max_serving_batch), got', rows)


def _known(sampler: Sampler) -> np.ndarray:
  """Positions of the classes that have images: others have no mixture."""
  return np.flatnonzero(np.isfinite(sampler.log_prior.numpy()))


def _label(known: np.ndarray, label: tf.Tensor) -> tf.Tensor:
  good = tf.reduce_all(tf.reduce_any(label[:, tf.newaxis] == known, axis=1))
  return _checked(
      label, good, 'label must be positions of classes that have images, '
      f'{_listed(known)}, got')


def _listed(known: np.ndarray) -> str:
  if len(known) == known[-1] + 1:
    return f'from 0 to {known[-1]}'
  return 'of ' + ', '.join(map(str, known[:50])) + ', ...' * (len(known) > 50)


def _temperature(temperature: tf.Tensor) -> tf.Tensor:
  """As the sampler takes it. No comparison holds of nan."""
  good = (temperature == AS_MADE) | (
      (0.0 <= temperature) & (temperature <= MAX_TEMPERATURE))
  return tf.cast(_checked(
      temperature, good, f'temperature must be from 0 to {MAX_TEMPERATURE:g}, '
      'or -1 for what the artifact was made with, got'), tf.float64)


def examples(sampler: Sampler) -> dict[str, dict[str, np.ndarray]]:
  """Signature -> inputs that it takes: one image, label or latent each."""
  label = np.array([np.argmax(sampler.log_prior.numpy())], np.int32)
  drawing: dict[str, Any] = {'seed': np.array([0, 0], np.int32),
                             'temperature': np.float32(AS_MADE)}
  latent = {'latent': np.zeros([1, sampler.loc.shape[-1]], np.float32)}
  sample = {'n': np.int32(1), **drawing}
  decode = {**latent, 'label': label} if sampler.num_conditions else latent
  return {'serving_default': sample, 'sample': sample,
          'sample_class': {'label': label, **drawing},
          'sample_stochastic': sample, 'decode': decode,
          'latent_log_prob': latent}
