"""What learns to tell reconstructions from images."""

import numpy as np
import pytest
import tensorflow as tf

import tfp_lgc
from tfp_lgc import finetuning, pipeline
from tfp_lgc.adversary import Adversary
from tfp_lgc.arrays import from_arrays
from tfp_lgc.config import Config, replace
from tfp_lgc.errors import ConfigError
from tfp_lgc.progress import Progress

# Of steps of learning.
STEPS = 60


def _checks(n, seed, contrast):
  """Images of 12 x 9 whose pixels are noise around the middle."""
  rng = np.random.default_rng(seed)
  return tf.constant(rng.uniform(0.5 - contrast, 0.5 + contrast,
                                 [n, 12, 9, 2]), tf.float32)


@pytest.fixture(scope='module')
def learned():
  critic = Adversary((12, 9, 2), seed=0)
  learn = tf.function(critic.learn)
  for i in range(STEPS):
    learn(_checks(32, 2 * i, 0.5), _checks(32, 2 * i + 1, 0.1))
  return critic


def test_it_learns_to_tell_what_is_made(learned):
  real, made = _checks(500, 1000, 0.5), _checks(500, 1001, 0.1)
  fresh = Adversary((12, 9, 2), seed=0)
  assert abs(float(fresh.penalty(made) - fresh.penalty(real))) < 0.2
  assert learned.penalty(made) > 0.2 > -0.2 > learned.penalty(real)


def test_no_layer_makes_more_of_a_difference(learned):
  """The largest singular values, NumPy's, are what kernels are divided by."""
  for _ in range(20):
    kernels, learned._singular = learned._normalized()
  for kernel in kernels:
    values = np.linalg.svd(kernel.numpy().reshape(-1, kernel.shape[-1]),
                           compute_uv=False)
    assert values[0] == pytest.approx(1.0, rel=0.02)


def test_a_penalty_has_a_gradient_that_deceives(learned):
  image = tf.Variable(_checks(8, 7, 0.1))
  before = learned.penalty(image)
  with tf.GradientTape() as tape:
    loss = learned.penalty(image)
  gradient = tape.gradient(loss, image)
  image.assign_sub(0.05 * gradient / tf.norm(gradient))
  assert learned.penalty(image) < before


def test_a_seed_is_a_result():
  first, second, other = [Adversary((5, 1, 1), seed) for seed in (0, 0, 1)]
  images = tf.random.stateless_uniform([7, 5, 1, 1], [0, 1])
  assert first.penalty(images) == second.penalty(images)
  assert first.penalty(images) != other.penalty(images)
  assert len(first.state) == len({id(v) for v in first.state})


def _images():
  """Stripes whose place no latent of two knows: a decoder blurs them."""
  rng = np.random.default_rng(0)
  columns = np.arange(8)
  offsets = rng.integers(4, size=[300, 8, 1])
  stripes = ((columns + offsets) // 2 % 2) * 255
  return stripes.astype(np.uint8), np.arange(300) % 2


@pytest.fixture(scope='module')
def fitted():
  return pipeline.fit(from_arrays(_images()), replace(
      Config(), model='vae', trunk='dense', latent_size=2, epochs=30,
      batch_size=32, hidden_size=32, num_components_max=1,
      latent_statistic='mean'), Progress())


def test_fine_tuning_against_it_blurs_less(fitted):
  def contrast(weight):
    config = replace(fitted.artifact.encoder.config, finetune_steps=300,
                     adversarial_weight=weight)
    tensors = finetuning.finetune(
        fitted.model, fitted.artifact.tensors, fitted.kept,
        from_arrays(_images()).train, config)
    tuned = fitted.artifact.replaced(tensors)
    decoded = tuned.sampler.decode(fitted.latents)['image'].numpy()
    return np.abs(np.diff(decoded[..., 0].astype(float), axis=2)).mean()

  assert contrast(20.0) > 1.1 * contrast(0.0)


def test_without_fine_tuning_it_is_refused():
  with pytest.raises(ConfigError, match=(
      'adversarial_weight = 2.0: .*give --finetune_steps=2000 or a --budget')):
    tfp_lgc.compress(_images(), adversarial_weight=2.0)


