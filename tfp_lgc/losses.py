"""Penalties that an autoencoder adds to its negative log-likelihood.

A penalty is any callable `(posterior, z, labels) -> scalar`, a mean over the
batch; one that learns is a `tf.Module`. One of images is a callable `(x, point)
-> scalar` of images and what stands for p(x | z). All see the batch of their
own replica only.
"""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras as tfk

from tfp_lgc.gaussians import Components

__all__ = ['CenterLoss', 'as_penalty', 'cdf_distance', 'covariance_distance',
           'expected_cdf_distance', 'expected_covariance_distance',
           'feature_distance', 'kl_standard_normal', 'supervised_contrastive']

tfd = tfp.distributions

# Draws of a prior's batches by which a covariance distance is normalized.
NUM_DRAWS = 4000


def kl_standard_normal(posterior: tfd.Distribution, z: tf.Tensor,
                       labels: tf.Tensor) -> tf.Tensor:
  """KL(q(z | x) || N(0, I)), the second term of the ELBO, in nats.

  D. P. Kingma, M. Welling, Auto-Encoding Variational Bayes, ICLR 2014
  (arXiv 1312.6114), equation 10 (with the opposite sign).

  Args:
    posterior: a `tfd.MultivariateNormalDiag` of batch shape `[B]`.
    z: not used.
    labels: not used.
  """
  del z, labels
  prior = tfd.MultivariateNormalDiag(tf.zeros(posterior.event_shape))
  return tf.reduce_mean(tfd.kl_divergence(posterior, prior))


def supervised_contrastive(posterior: tfd.Distribution, z: tf.Tensor,
                           labels: tf.Tensor, form: str = 'mean_of_logs',
                           temperature: float = 0.5) -> tf.Tensor:
  """Pulls latents of one class together, pushes others apart.

  P. Khosla et al., Supervised Contrastive Learning, NeurIPS 2020 (arXiv
  2004.11362): equation 2, "out", is `mean_of_logs`, which the LGC paper prints;
  equation 3, "in", up to the factor 1 / |P(i)|, a constant, is `log_of_sums`,
  which its authors run.

  Args:
    posterior: not used.
    z: float `[B, d]`; only directions count.
    labels: int `[B]`. An image whose class has no other one in the batch is
      no anchor; a batch without an anchor costs 0.
    form: 'mean_of_logs' or 'log_of_sums'.
    temperature: divides the cosines.
  """
  del posterior
  direction = tf.math.l2_normalize(z, axis=1)
  logits = tf.matmul(direction, direction, transpose_b=True) / temperature
  other = 1.0 - tf.eye(tf.shape(z)[0])
  same = tf.cast(labels[:, tf.newaxis] == labels, tf.float32) * other  # [B, B]
  count = tf.reduce_sum(same, axis=1)
  minus_inf = tf.constant(-1e30)
  total = tf.reduce_logsumexp(
      tf.where(other > 0, logits, minus_inf), axis=1)  # [B]
  if form == 'mean_of_logs':
    positive = tf.math.divide_no_nan(tf.reduce_sum(same * logits, axis=1),
                                     count)
  elif form == 'log_of_sums':
    positive = tf.reduce_logsumexp(tf.where(same > 0, logits, minus_inf),
                                   axis=1)
  else:
    raise ValueError(f"form = {form!r}; must be 'mean_of_logs' or "
                     "'log_of_sums'")
  is_anchor = count > 0
  losses = tf.where(is_anchor, total - positive, 0.0)
  return tf.math.divide_no_nan(
      tf.reduce_sum(losses), tf.reduce_sum(tf.cast(is_anchor, tf.float32)))


class CenterLoss(tf.Module):
  """Half the squared distance of z from the learned center of its class.

  Y. Wen et al., A Discriminative Feature Learning Approach for Deep Face
  Recognition, ECCV 2016, equation 2; a mean over the batch, a sum over
  dimensions. The centers are learned by the optimizer like all weights.
  """

  def __init__(self, num_classes: int, latent_size: int):
    super().__init__(name='center')
    self.centers = tf.Variable(tf.zeros([num_classes, latent_size]),
                               name='centers')

  def __call__(self, posterior, z: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """`z`: float `[B, d]`, `labels`: int `[B]`."""
    del posterior
    difference = z - tf.gather(self.centers, labels)
    return 0.5 * tf.reduce_mean(tf.reduce_sum(tf.square(difference), axis=1))


def feature_distance(teacher: tfk.Model, x: tf.Tensor, point: tf.Tensor,
                     ) -> tf.Tensor:
  """How differently a classifier sees an image and its reconstruction.

  The mean squared difference of each layer's features, in units of their
  variance over the batch, plus the KL divergence of the classes, nats. After
  J. Johnson, A. Alahi, L. Fei-Fei, Perceptual Losses for Real-Time Style
  Transfer and Super-Resolution, ECCV 2016, equation 2; G. Hinton, O. Vinyals,
  J. Dean, Distilling the Knowledge in a Neural Network, arXiv 1503.02531.

  Args:
    teacher: see `networks.teacher`.
    x: images in 0..1 `[B, H, W, C]`.
    point: the same, reconstructed.
  """
  logits, *wanted = teacher(x)
  point_logits, *got = teacher(point)
  log_odds = tf.nn.log_softmax(logits) - tf.nn.log_softmax(point_logits)
  distance = tf.reduce_mean(
      tf.reduce_sum(tf.nn.softmax(logits) * log_odds, axis=-1))
  for a, b in zip(wanted, got):
    variance = tf.reduce_mean(tf.math.reduce_variance(a, axis=0))
    distance += tf.math.divide_no_nan(
        tf.reduce_mean(tf.square(a - b)), variance)
  return distance


def _mixture_cdf(z: tf.Tensor, prior: Components) -> tf.Tensor:
  """Marginal distribution functions of a mixture at `[B, d]`."""
  loc = tf.cast(prior.loc, z.dtype)  # [K, d]
  scale = tf.cast(tf.linalg.norm(prior.scale_tril, axis=-1), z.dtype)  # [K, d]
  cdf = tfd.Normal(loc, scale).cdf(z[:, tf.newaxis])  # [B, K, d]
  weights = tf.cast(tf.exp(prior.log_weights), z.dtype)
  return tf.einsum('k,bkd->bd', weights, cdf)


def cdf_distance(z: tf.Tensor, prior: Components) -> tf.Tensor:
  """Mean squared distance of marginal distribution functions.

  A. Saseendran et al., Shape your Space, NeurIPS 2021: the term that the paper
  names after Kolmogorov and Smirnov. Of each sorted latent, the empirical
  distribution function i / N against the mixture's.

  Args:
    z: float `[N, d]`.
    prior: a mixture.
  """
  size = tf.shape(z)[0]
  ordered = tf.sort(z, axis=0)
  empirical = tf.cast(tf.range(1, size + 1), z.dtype) / tf.cast(size, z.dtype)
  return tf.reduce_mean(
      tf.square(_mixture_cdf(ordered, prior) - empirical[:, tf.newaxis]))


def expected_cdf_distance(batch_size: int) -> float:
  """(N + 1) / (6 N^2): of N draws from the prior itself, whatever it is.

  The i-th of N ordered uniforms is Beta(i, N + 1 - i); summing its second
  moment about i / N gives this.
  """
  return (batch_size + 1) / (6 * batch_size**2)


def _mixture_covariance(prior: Components) -> tf.Tensor:
  """Within and between components (law of total variance), `[d, d]`."""
  weights = tf.exp(prior.log_weights)
  centered = prior.loc - tf.einsum('k,kd->d', weights, prior.loc)
  return (tf.einsum('k,kij,klj->il', weights, prior.scale_tril,
                    prior.scale_tril)
          + tf.einsum('k,ki,kj->ij', weights, centered, centered))


def covariance_distance(z: tf.Tensor, prior: Components) -> tf.Tensor:
  """Mean squared difference of the entries of two covariances.

  A. Saseendran et al., Shape your Space, NeurIPS 2021: the (biased) covariance
  of a batch against that of the prior.

  Args:
    z: float `[N, d]`.
    prior: a mixture.
  """
  centered = z - tf.reduce_mean(z, axis=0)
  covariance = (tf.matmul(centered, centered, transpose_a=True)
                / tf.cast(tf.shape(z)[0], z.dtype))
  expected = tf.cast(_mixture_covariance(prior), z.dtype)
  return tf.reduce_mean(tf.square(covariance - expected))


def expected_covariance_distance(prior: Components, batch_size: int,
                                 num_draws: int = NUM_DRAWS) -> float:
  """`covariance_distance` of batches drawn from the prior, by Monte Carlo."""
  rng = np.random.default_rng(0)
  expected = _mixture_covariance(prior).numpy()
  size = prior.loc.shape[1]
  weights = np.exp(prior.log_weights)
  total = 0.0
  for _ in range(num_draws):
    counts = rng.multinomial(batch_size, weights / weights.sum())
    z = np.concatenate([
        loc + rng.standard_normal([count, size]) @ scale_tril.T
        for count, loc, scale_tril in zip(counts, prior.loc, prior.scale_tril)])
    total += np.mean(np.square(np.cov(z.T, bias=True) - expected))
  return total / num_draws


def as_penalty(distance, prior: Components, expected: float):
  """A distance of z from a prior as a penalty of expectation 1 under it."""
  def penalty(posterior, z, labels):
    del posterior, labels
    return distance(z, prior) / expected
  return penalty
