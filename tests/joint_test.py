"""An artifact as one distribution, against its three parts."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras as tfk
from scipy import special, stats

import tfp_lgc
from tfp_lgc.errors import LgcError
from tfp_lgc.gaussians import Components
from tfp_lgc.mixture import stack

tfd = tfp.distributions


@pytest.fixture(scope='module')
def joint(artifact):
  return artifact.joint_distribution()


@pytest.fixture(scope='module')
def drawn(joint):
  return joint.sample(400, seed=(0, 1))


def log_latent(artifact, label, z, temperature=1.0):
  """log p(z | y) of one latent by SciPy."""
  components = artifact.mixture.components(label)
  parts = [weight + stats.multivariate_normal(
      loc, temperature * (scale @ scale.T)).logpdf(z)
           for weight, loc, scale in zip(*[part.astype(float)
                                           for part in components])]
  return special.logsumexp(parts)


def test_it_is_tfps_own(joint, artifact):
  assert isinstance(joint, tfd.JointDistributionNamed)
  assert joint.event_shape == {'label': [], 'latent': [2], 'image': [7, 6, 3]}
  assert joint.dtype == {'label': tf.int32, 'latent': tf.float32,
                         'image': tf.float32}
  assert {name: part.shape for name, part in joint.sample(seed=(0, 1)).items()
          } == joint.event_shape


def test_a_log_density_is_the_sum_of_three(joint, artifact, drawn):
  log_prob = joint.log_prob(drawn).numpy()
  assert log_prob.shape == (400,)
  counts = np.array(artifact.class_counts)
  for i in range(5):
    label = int(drawn['label'][i])
    z = drawn['latent'][i].numpy().astype(float)
    params = artifact.sampler.params(drawn['latent'][i:i + 1], None)
    image = artifact.sampler.head(params).log_prob(drawn['image'][i:i + 1])[0]
    expected = (np.log(counts[label] / counts.sum())
                + log_latent(artifact, label, z) + image.numpy())
    np.testing.assert_allclose(log_prob[i], expected, rtol=1e-4, atol=1e-3)


def test_draws_are_those_of_an_artifact(artifact, drawn):
  """In distribution: classes, latents, and images before they are bytes."""
  counts = np.array(artifact.class_counts)
  shares = np.bincount(drawn['label'], minlength=3) / 400
  np.testing.assert_allclose(shares, counts / counts.sum(), atol=0.1)
  theirs = artifact.sampler.sample(400, [0, 5])
  for label in (0, 2):
    mine = drawn['latent'].numpy()[drawn['label'] == label]
    other = theirs['latent'].numpy()[theirs['label'] == label]
    for i in range(2):
      assert stats.ks_2samp(mine[:, i], other[:, i]).pvalue > 1e-3
  pixels = tfp_lgc.sample(artifact, 400, stochastic=True).images.mean()
  mine = np.clip(drawn['image'], 0, 1).mean() * 255
  assert abs(mine - pixels) < 0.1 * pixels


def test_the_temperature_is_that_of_the_artifact(artifact):
  warm = dataclasses.replace(artifact, temperature=4.0)
  latent = warm.joint_distribution().sample_distributions(
      seed=(0, 1))[0]['latent']
  z = np.array([0.3, -0.2])
  values = [log_latent(artifact, label, z, 4.0) for label in range(3)]
  assert np.isclose(latent.log_prob(z.astype(np.float32)), values,
                    rtol=1e-4).any()
  cold = dataclasses.replace(artifact, temperature=0.0)
  with pytest.raises(LgcError, match='temperature = 0.0'):
    cold.joint_distribution()


def test_a_decoder_that_is_told_labels_is_told_them():
  images = np.random.default_rng(0).integers(0, 256, [40, 4, 3], np.uint8)
  told = tfp_lgc.compress((images, np.arange(40) % 2), model='cvae', epochs=1,
                          batch_size=20, latent_size=2, hidden_size=4,
                          num_components_max=1)
  joint = told.joint_distribution()
  z = tf.constant([[0.5, -1.0]] * 2)
  parts, _ = joint.sample_distributions(value={
      'label': tf.constant([0, 1]), 'latent': z, 'image': None})
  for label in range(2):
    decoded = told.sampler.decode(z[:1], [label])['image'][0]
    np.testing.assert_allclose(255 * parts['image'].mean()[label],
                               decoded, atol=0.51)


@pytest.mark.parametrize('shape', [[], [3], [2, 3]], ids=str)
def test_it_works_in_a_graph_and_has_gradients(shape, joint, artifact):
  value = joint.sample(shape, seed=(0, 2))

  @tf.function
  def log_prob(z):
    return joint.log_prob({**value, 'latent': z})

  np.testing.assert_allclose(log_prob(value['latent']), joint.log_prob(value),
                             rtol=1e-5)
  assert log_prob(value['latent']).shape == shape
  _, gradient = tfp.math.value_and_gradient(log_prob, value['latent'])
  assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


# A mixture by class.


def test_a_mixture_is_called_by_a_class_or_by_many(artifact):
  z = np.random.default_rng(0).normal(size=[3, 2]).astype(np.float32)
  many = artifact.mixture(tf.constant([0, 1, 2]))
  assert isinstance(many, tfd.MixtureSameFamily)
  assert many.batch_shape == [3] and many.event_shape == [2]
  for label in range(3):
    one = artifact.mixture(label)
    assert isinstance(one, tfd.MixtureSameFamily) and one.batch_shape == []
    expected = log_latent(artifact, label, z[label].astype(float))
    np.testing.assert_allclose(one.log_prob(z[label]), expected, rtol=1e-4)
    np.testing.assert_allclose(many.log_prob(z)[label], expected, rtol=1e-4)


def test_components_that_pad_are_never_drawn_and_have_finite_gradients():
  rng = np.random.default_rng(0)
  factor = np.array([[1.0, 0.0], [0.5, 2.0]])
  padded = stack([
      Components(np.log(np.full(k, 1 / k)), 5 + rng.normal(size=[k, 2]),
                 np.tile(factor, [k, 1, 1])) for k in (3, 1)], ('full',) * 2)
  z = tf.function(lambda labels: padded(labels).sample(500, seed=(0, 1)))(
      tf.constant([1]))[:, 0]
  # Padding has its mean at 0 and unit scales.
  normal = stats.multivariate_normal(padded.loc[1, 0], factor @ factor.T)
  for i in range(2):
    scale = np.sqrt((factor @ factor.T)[i, i])
    assert stats.kstest(z[:, i], stats.norm(
        padded.loc[1, 0, i], scale).cdf).pvalue > 1e-3
  log_prob, gradient = tfp.math.value_and_gradient(
      lambda z: padded(tf.constant([1])).log_prob(z), z[:1])
  np.testing.assert_allclose(log_prob, normal.logpdf(z[:1])[None], rtol=1e-4)
  np.testing.assert_allclose(
      gradient[0], -np.linalg.solve(factor @ factor.T, z[0] - padded.loc[1, 0]),
      rtol=1e-3, atol=1e-4)


# The idioms.


def test_a_chain_of_mcmc_finds_the_posterior(joint, artifact, drawn):
  """Of draws (z, x) the latent is a draw from p(z | x, y): a chain that starts
  far away comes to where it is as likely as that."""
  label, x = drawn['label'][0], drawn['image'][0]

  def density(z):
    return joint.log_prob(label=label, latent=z, image=x)

  @tf.function
  def chain(start):
    kernel = tfp.mcmc.DualAveragingStepSizeAdaptation(
        tfp.mcmc.HamiltonianMonteCarlo(density, 0.01, 3), 80)
    return tfp.mcmc.sample_chain(
        20, start, num_burnin_steps=80, kernel=kernel, trace_fn=None,
        seed=(0, 1))

  start = drawn['latent'][0] + 1.0
  z = chain(start)
  assert density(z[-1]) > density(start)
  assert abs(density(z[-1]) - density(drawn['latent'][0])) < 15


def test_variational_inference_lowers_its_loss(joint, artifact, drawn):
  before = tfp_lgc.sample(artifact, 20, seed=1)
  pinned = joint.experimental_pin(label=drawn['label'][0],
                                  image=drawn['image'][0])
  posterior = tfd.MultivariateNormalDiag(
      tf.Variable(drawn['latent'][0] + 1.0),
      tfp.util.TransformedVariable(tf.ones(2), tfp.bijectors.Softplus()))
  losses = tfp.vi.fit_surrogate_posterior(
      lambda z: pinned.unnormalized_log_prob(latent=z), posterior,
      tfk.optimizers.Adam(0.1), num_steps=40, seed=(0, 1))
  assert np.isfinite(losses).all()
  assert np.mean(losses[-5:]) < np.mean(losses[:5])
  # Of the posterior alone: the decoder is what it was.
  np.testing.assert_array_equal(tfp_lgc.sample(artifact, 20, seed=1).images,
                                before.images)
