"""No example moves a sum of clipped gradients by more than the bound."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_lgc import config as config_lib
from tfp_lgc import dpsgd, models
from tfp_lgc.accounting import Mechanism
from tfp_lgc.entropy import Entropy

SEED = [1, 2]
NUM_IMAGES, NUM_CLASSES = 6, 3
# Far below and far above the norms of the gradients.
CLIPS = 0.05, 1e6


def _model(**settings):
  config = config_lib.replace(
      config_lib.Config(), latent_size=3, hidden_size=4, num_filters=2,
      **settings)
  return models.build(config, (6, 6, 1), NUM_CLASSES)


@pytest.fixture(scope='module')
def dense():
  return _model(model='cvae')


@pytest.fixture(scope='module')
def batch():
  rng = np.random.default_rng(0)
  return (tf.constant(rng.integers(0, 256, [NUM_IMAGES, 6, 6, 1]), tf.uint8),
          tf.constant(np.arange(NUM_IMAGES) % NUM_CLASSES, tf.int32))


def _flat(gradients):
  return np.concatenate([np.ravel(g) for g in gradients])


def _one_by_one(model, images, labels):
  """`[N, weights]` by a tape for each image, in the same posterior draws."""
  together = model.encode(tf.cast(images, tf.float32) / 255.0, labels)
  eps = (together.sample(seed=SEED) - together.mean()) / together.stddev()
  rows = []
  for i in range(NUM_IMAGES):
    with tf.GradientTape() as tape:
      x = tf.cast(images[i:i + 1], tf.float32) / 255.0
      posterior = model.encode(x, labels[i:i + 1], training=True)
      z = posterior.mean() + posterior.stddev() * eps[i:i + 1]
      loss = (-model.decode(z, labels[i:i + 1], training=True).log_prob(x)
              + 0.1 * model._penalties['kl'][1](posterior, z, None))
    rows.append(_flat(tape.gradient(loss, model.trainable_variables)))
  return np.stack(rows)


@pytest.mark.parametrize('clip_norm', CLIPS)
def test_dense_layers_by_the_short_cut_are_a_loop_of_tapes(
    dense, batch, clip_norm):
  assert dpsgd.is_dense(dense)
  each = _one_by_one(dense, *batch)
  norms = np.linalg.norm(each, axis=1)
  factors = np.minimum(1.0, clip_norm / norms)
  assert (factors == 1).all() or (factors < 0.1).all()
  present = np.array([1, 0, 1, 1, 0, 1], np.float32)
  got = _flat(dpsgd.clipped_sum(dense, *batch, SEED, present, clip_norm))
  wanted = (present * factors) @ each
  np.testing.assert_allclose(got, wanted, rtol=1e-3,
                             atol=2e-5 * np.abs(wanted).max())


@pytest.mark.parametrize('settings', [
    {'head': 'normal_diag'},
    pytest.param({'trunk': 'conv'}, marks=pytest.mark.slow)])
def test_the_long_way_is_the_same(settings, batch):
  """Vectorized over examples, for whatever layers there are."""
  model = _model(**settings)
  images, labels = batch
  for clip_norm in CLIPS:
    wanted = 0.0
    for i in range(NUM_IMAGES):
      with tf.GradientTape() as tape:
        loss = model.losses_of(images[i:i + 1], labels[i:i + 1],
                               tf.random.fold_in(SEED, i))['loss']
      gradient = _flat(tape.gradient(loss, model.trainable_variables))
      wanted += gradient * min(1.0, clip_norm / np.linalg.norm(gradient))
    got = _flat(dpsgd._any_sum(model, images, labels, SEED,
                               tf.ones([NUM_IMAGES]), clip_norm))
    np.testing.assert_allclose(got, wanted, rtol=1e-3,
                               atol=2e-5 * np.abs(wanted).max())


def test_any_image_has_at_most_its_bound(dense, batch):
  """Left out or replaced by another, also where the loss is huge, not finite
  or the gradient is zero."""
  images, labels = batch
  clip_norm = 0.3

  def total(images, present):
    return _flat(dpsgd.clipped_sum(dense, images, labels, SEED, present,
                                   clip_norm))

  everyone = tf.ones([NUM_IMAGES])
  full = total(images, everyone)
  for i in range(NUM_IMAGES):
    without = total(images, everyone - tf.one_hot(i, NUM_IMAGES))
    moved = np.linalg.norm(full - without)
    # These gradients are all longer than that, so the bound is also reached.
    assert 0.99 * clip_norm < moved <= clip_norm * (1 + 1e-6)
    for scale in (0, 1):
      other = tf.concat([images[:i], scale * (255 - images[i:i + 1]),
                         images[i + 1:]], axis=0)
      assert np.linalg.norm(full - total(other, everyone)) <= 2.0 * clip_norm
  before = dense.encoder.get_weights()
  for huge in (1e15, 1e30, np.nan):
    dense.encoder.set_weights([huge * value for value in before])
    moved = total(images, everyone) - total(
        images, everyone - tf.one_hot(2, NUM_IMAGES))
    assert np.isfinite(moved).all()
    assert np.linalg.norm(moved) <= clip_norm * (1 + 1e-6)
  dense.encoder.set_weights(before)


class _Steps:
  """An optimizer that remembers gradients and changes nothing."""

  def __init__(self, *unused):
    self.gradients = []

  def apply_gradients(self, pairs):
    self.gradients.append(_flat([gradient for gradient, _ in pairs]))


def _train(model, batch, monkeypatch, mechanism, entropy, clip_norm=2.0,
           batch_size=10.0):
  images, labels = batch
  steps = _Steps()
  monkeypatch.setattr(dpsgd.tfk.optimizers, 'Adam', lambda rate: steps)
  dpsgd.train(model, images.numpy(), labels.numpy(), mechanism, clip_norm,
              batch_size, config_lib.TrainConfig(), entropy)
  return np.stack(steps.gradients)


def test_noise_has_the_stated_standard_deviation(dense, batch, monkeypatch):
  """With gradients of next to nothing, all that is left is noise."""
  mechanism = Mechanism(3.0, 0.5, 40)
  got = _train(dense, batch, monkeypatch, mechanism, Entropy(), clip_norm=1.0)
  quiet = _train(dense, batch, monkeypatch, Mechanism(3.0, 1e-6, 40), Entropy())
  for gradients, clip_norm in ((got, 1.0), (quiet, 2.0)):
    stddev = 3.0 * clip_norm / 10.0
    # Six images of which half take part add at most 6 / 10 in each step, to one
    # of hundreds of weights.
    assert gradients.std() == pytest.approx(stddev, rel=0.03)
  assert abs(np.corrcoef(quiet[0], quiet[1])[0, 1]) < 0.3


def test_each_image_takes_part_by_itself(dense, batch, monkeypatch):
  """Poisson sampling: numbers of images, and pairs, are binomial."""
  seen = []

  def recorded(model, images, labels, seed, present, clip_norm):
    tf.py_function(lambda x, p: seen.append(
        x.numpy()[p.numpy() > 0, 0, 0, 0]), [images, present], [])
    return [tf.zeros_like(variable) for variable in model.trainable_variables]

  monkeypatch.setattr(dpsgd, 'clipped_sum', recorded)
  monkeypatch.setattr(dpsgd, 'MICROBATCH', 2)
  images, labels = batch
  images = np.arange(NUM_IMAGES, dtype=np.uint8)[:, None, None, None] + (
      np.zeros([1, 6, 6, 1], np.uint8))
  rate, steps = 0.3, 400
  seen_by_step, before = [], 0
  entropy = Entropy()

  def on_step(step):
    nonlocal before
    seen_by_step.append(np.concatenate([np.zeros(0, int), *seen[before:]]))
    before = len(seen)

  dpsgd.train(dense, images, labels.numpy(), Mechanism(1.0, rate, steps), 1.0,
              1.0, config_lib.TrainConfig(learning_rate=1e-8), entropy, on_step)
  chosen = np.stack([np.bincount(rows.astype(int), minlength=NUM_IMAGES)
                     for rows in seen_by_step])
  assert chosen.max() == 1 and len(chosen) == steps
  error = 6 * np.sqrt(rate * (1 - rate) / steps)
  np.testing.assert_allclose(chosen.mean(axis=0), rate, atol=error)
  size = chosen.sum(axis=1)
  assert size.var() == pytest.approx(NUM_IMAGES * rate * (1 - rate), rel=0.4)
  together = chosen.T @ chosen / steps
  np.fill_diagonal(together, rate**2)
  np.testing.assert_allclose(together, rate**2, atol=error)
