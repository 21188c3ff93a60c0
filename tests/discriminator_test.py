"""What learns to tell reconstructions from images."""

import numpy as np
import pytest
import tensorflow as tf

import tfp_lgc
from tfp_lgc import finetuning, pipeline
from tfp_lgc.arrays import from_arrays
from tfp_lgc.config import Config, replace
from tfp_lgc.discriminator import Discriminator
from tfp_lgc.errors import ConfigError
from tfp_lgc.progress import Progress

# Of steps of learning.
STEPS = 60


def _noise(n, seed, contrast):
  """Images of 12 x 9 whose pixels are noise around the middle."""
  rng = np.random.default_rng(seed)
  return tf.constant(rng.uniform(0.5 - contrast, 0.5 + contrast,
                                 [n, 12, 9, 2]), tf.float32)


@pytest.fixture(scope='module')
def learned():
  its = Discriminator((12, 9, 2), seed=0)
  learn = tf.function(its.learn)
  for i in range(STEPS):
    learn(_noise(32, 2 * i, 0.5), _noise(32, 2 * i + 1, 0.1))
  return its


def test_it_learns_to_tell_what_is_made(learned):
  real, made = _noise(500, 1000, 0.5), _noise(500, 1001, 0.1)
  fresh = Discriminator((12, 9, 2), seed=0)
  assert abs(float(fresh.penalty(made) - fresh.penalty(real))) < 0.2
  assert learned.penalty(made) > 0.2 > -0.2 > learned.penalty(real)


def test_kernels_are_divided_by_their_largest_singular_value():
  """NumPy's, once the power iteration, a step in each of learning, is done."""
  its = Discriminator((6, 5, 1), seed=0)
  its._optimizer.learning_rate.assign(0.0)  # Kernels stay as they are.
  images = tf.zeros([2, 6, 5, 1])

  def largest():
    return [np.linalg.svd(kernel.numpy().reshape(-1, kernel.shape[-1]),
                          compute_uv=False)[0]
            for kernel in its._normalized()[0]]

  before = largest()
  for _ in range(60):
    its.learn(images, images)
  np.testing.assert_allclose(largest(), 1.0, rtol=0.02)
  assert max(before) > 1.1


def test_a_penalty_has_a_gradient_that_deceives(learned):
  image = tf.Variable(_noise(8, 7, 0.1))
  before = learned.penalty(image)
  with tf.GradientTape() as tape:
    loss = learned.penalty(image)
  gradient = tape.gradient(loss, image)
  image.assign_sub(0.05 * gradient / tf.norm(gradient))
  assert learned.penalty(image) < before


def test_a_seed_is_a_result():
  first, second, other = [Discriminator((5, 1, 1), seed) for seed in (0, 0, 1)]
  images = tf.random.stateless_uniform([7, 5, 1, 1], [0, 1])
  assert first.penalty(images) == second.penalty(images)
  assert first.penalty(images) != other.penalty(images)


def test_its_state_is_all_that_learning_changes():
  first, other = Discriminator((5, 3, 3), 0), Discriminator((5, 3, 3), 1)
  batch = [tf.random.stateless_uniform([7, 5, 3, 3], [0, i]) for i in (0, 1)]
  for _ in range(3):
    first.learn(*batch)
  for mine, its in zip(other.state, first.state):
    mine.assign(its)
  for each in (first, other):
    each.learn(*batch)
  assert first.penalty(batch[0]) == other.penalty(batch[0])


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

  real = np.abs(np.diff(_images()[0].astype(float), axis=2)).mean()
  assert abs(contrast(20.0) - real) < 0.9 * abs(contrast(0.0) - real)


def test_what_is_to_blame_is_told(fitted, monkeypatch):
  config = replace(fitted.artifact.encoder.config, finetune_steps=10,
                   adversarial_weight=1.0)
  monkeypatch.setattr(Discriminator, 'penalty', lambda self, images: np.nan)
  with pytest.raises(FloatingPointError, match=(
      'adversary of the loss .* a lower --adversarial_weight, or none')):
    finetuning.finetune(fitted.model, fitted.artifact.tensors, fitted.kept,
                        from_arrays(_images()).train, config)


def test_without_fine_tuning_it_is_refused():
  with pytest.raises(ConfigError, match=(
      'adversarial_weight = 2.0: .*finetune_steps = 0; give --finetune_steps')):
    tfp_lgc.compress(_images(), adversarial_weight=2.0)
