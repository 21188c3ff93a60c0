"""An artifact as one distribution, for those who know TFP.

`artifact.joint_distribution()` is p(y) p(z | y) p(x | z, y): what `sample`
draws from, before images are rounded to bytes and without a texture. Of classes
as frequent as in the training data, latents with the artifact's temperature,
and the output head's distribution over images in 0..1.

```python
joint = tfp_lgc.load('out').joint_distribution()
drawn = joint.sample(16, seed=(0, 1))   # a dict of label, latent and image
joint.log_prob(drawn)                   # [16], nats
```

Which latents may an image of a class have? By tfp.mcmc, which asks for their
density, up to a constant:

```python
x = tf.cast(images[0], tf.float32) / 255
joint = tfp_lgc.load('out').joint_distribution()

@tf.function
def chain(z):
  kernel = tfp.mcmc.HamiltonianMonteCarlo(
      lambda z: joint.log_prob(label=2, latent=z, image=x), 0.01, 3)
  return tfp.mcmc.sample_chain(20, z, kernel=kernel, trace_fn=None, seed=(0, 1))

z = chain(artifact.mixture(2).sample(seed=(0, 2)))   # [20, d]
```

And by tfp.vi, which fits a Gaussian to it:

```python
pinned = joint.experimental_pin(label=2, image=x)
scale = tfp.util.TransformedVariable(tf.ones(z.shape[-1]),
                                     tfp.bijectors.Softplus())
posterior = tfd.MultivariateNormalDiag(
    tf.Variable(artifact.mixture(2).mean()), scale)
losses = tfp.vi.fit_surrogate_posterior(
    lambda z: pinned.unnormalized_log_prob(latent=z), posterior,
    tfk.optimizers.Adam(0.05), num_steps=20, seed=(0, 3))
```
"""

import tensorflow as tf
import tensorflow_probability as tfp

from tfp_lgc.errors import LgcError
from tfp_lgc.head import as_it_is
from tfp_lgc.mixture import Mixture
from tfp_lgc.sampler import Sampler

__all__ = ['joint_distribution']

tfd = tfp.distributions


def joint_distribution(sampler: Sampler, mixture: Mixture, temperature: float,
                       ) -> tfd.JointDistributionNamed:
  """p(label, latent, image).

  Args:
    sampler: of the artifact; its classes, decoder and head.
    mixture: of the artifact.
    temperature: what covariances are multiplied by.

  Returns:
    A distribution over dicts of `label` (int32 `[]`), `latent` (float32 `[d]`)
    and `image` (float32 `[H, W, C]`).

  Raises:
    LgcError: for a temperature of 0, at which latents have no density.
  """
  if not temperature:
    raise LgcError('temperature = 0.0: latents have no density; must be above '
                   '0')
  tempered = mixture.tempered(temperature)

  @as_it_is
  def image(label, latent):
    batch_shape = tf.shape(latent)[:-1]
    labels = tf.reshape(tf.broadcast_to(label, batch_shape), [-1])
    params = sampler.params(
        tf.reshape(latent, [-1, latent.shape[-1]]), labels)
    return sampler.head(tf.reshape(
        params, tf.concat([batch_shape, [params.shape[-1]]], 0)))

  return tfd.JointDistributionNamed({
      'label': tfd.Categorical(logits=sampler.log_prior),
      'latent': as_it_is(lambda label: tempered(label)), 'image': image})
