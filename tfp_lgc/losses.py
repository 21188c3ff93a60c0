"""Penalties that an autoencoder adds to its negative log-likelihood.

A penalty is any callable `(posterior, z, labels) -> scalar`, in nats an image,
a mean over the batch.
"""

import tensorflow as tf
import tensorflow_probability as tfp

__all__ = ['kl_standard_normal']

tfd = tfp.distributions


def kl_standard_normal(posterior: tfd.Distribution, z: tf.Tensor,
                       labels: tf.Tensor) -> tf.Tensor:
  """KL(q(z | x) || N(0, I)), the second term of the ELBO.

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
