"""A network that tells images from reconstructions, for a decoder to deceive.

What latents do not tell a decoder blurs, for that is the most likely mean. Real
images are not blurred, so that a network which learns to tell them apart has a
gradient against it: I. Goodfellow et al., Generative Adversarial Nets, NeurIPS
2014; beside a loss of reconstruction A. B. L. Larsen et al., Autoencoding
beyond Pixels Using a Learned Similarity Metric, ICML 2016. Nothing of it is
stored.
"""

import tensorflow as tf
import tf_keras as tfk

__all__ = ['Discriminator']

FILTERS, KERNEL_SIZE, STRIDES = (32, 64, 128), 4, 2
NEGATIVE_SLOPE = 0.2
# Of Adam.
LEARNING_RATE, BETA_1 = 4e-4, 0.5
# What the run's seed is mixed with.
SEED_SALT = 100


class Discriminator(tf.Module):
  """Three convolutions and a dense layer, and what they learn by.

  Each kernel, as a matrix [H W C, filters], is divided by an estimate of its
  largest singular value, better by a step of the power iteration in each step:
  T. Miyato et al., Spectral Normalization for Generative Adversarial Networks,
  ICLR 2018, with the hinge loss of equation 16, and for the decoder that of
  equation 17.

  ```python
  its = discriminator.Discriminator((8, 8, 1), seed=0)
  real, reconstructed = tf.ones([4, 8, 8, 1]), tf.zeros([4, 8, 8, 1])
  its.learn(real, reconstructed)
  its.penalty(reconstructed).shape  # (): to be added to a decoder's loss.
  ```

  Attributes:
    state: all that `learn` changes.
  """

  def __init__(self, image_shape: tuple[int, ...], seed: int):
    """Begins with weights of its own.

    Args:
      image_shape: (H, W, C).
      seed: of these weights.
    """
    super().__init__()
    height, width, channels = image_shape
    shapes: list[tuple[int, ...]] = []
    for filters in FILTERS:
      shapes.append((KERNEL_SIZE, KERNEL_SIZE, channels, filters))
      height, width = -(-height // STRIDES), -(-width // STRIDES)
      channels = filters
    shapes.append((height * width * channels, 1))
    self._kernels, self._biases, self._singular = [], [], []
    for i, shape in enumerate(shapes):
      start = tfk.initializers.GlorotUniform(SEED_SALT * (seed + 1) + i)
      self._kernels.append(tf.Variable(start(shape)))
      self._biases.append(tf.Variable(tf.zeros(shape[-1])))
      # A singular vector, wherever it starts.
      self._singular.append(tf.Variable(start((1, shape[-1])),
                                        trainable=False))
    self._trained = [*self._kernels, *self._biases]
    self._optimizer = tfk.optimizers.Adam(LEARNING_RATE, beta_1=BETA_1)
    self._optimizer.build(self._trained)
    self.state = [*self._trained, *self._singular, *self._optimizer.variables]

  def penalty(self, images: tf.Tensor) -> tf.Tensor:
    """How little images `[B, H, W, C]` in 0..1 are taken for real: scalar,
    mean over the batch, of any sign."""
    return -tf.reduce_mean(self._values(images, self._normalized()[0]))

  def learn(self, real: tf.Tensor, reconstructed: tf.Tensor) -> None:
    """Takes a step towards telling them apart, each as `penalty` has them."""
    with tf.GradientTape() as tape:
      kernels, singular = self._normalized()
      loss = tf.reduce_mean(
          tf.nn.relu(1.0 - self._values(real, kernels))
          + tf.nn.relu(1.0 + self._values(reconstructed, kernels)))
    gradients = tape.gradient(loss, self._trained)
    self._optimizer.apply_gradients(zip(gradients, self._trained))
    for variable, value in zip(self._singular, singular):
      variable.assign(value)

  def _values(self, images, kernels):
    """Large for what is real, `[B, 1]`."""
    x = images
    for kernel, bias in zip(kernels[:-1], self._biases):
      x = tf.nn.leaky_relu(
          tf.nn.conv2d(x, kernel, STRIDES, 'SAME') + bias, NEGATIVE_SLOPE)
    return tf.matmul(tf.reshape(x, [tf.shape(x)[0], -1]),
                     kernels[-1]) + self._biases[-1]

  # TF-Keras has a wrapper of layers for this, whose `build` fails where
  # TensorFlow brings Keras 3.
  def _normalized(self):
    """Kernels over their largest singular values, and better estimates of the
    vectors of these, by a step of the power iteration."""
    kernels, vectors = [], []
    for kernel, left in zip(self._kernels, self._singular):
      matrix = tf.stop_gradient(tf.reshape(kernel, [-1, kernel.shape[-1]]))
      right = tf.math.l2_normalize(tf.matmul(left, matrix, transpose_b=True))
      left = tf.math.l2_normalize(tf.matmul(right, matrix))
      value = tf.matmul(
          tf.matmul(right, tf.reshape(kernel, [-1, kernel.shape[-1]])), left,
          transpose_b=True)[0, 0]
      kernels.append(kernel / value)
      vectors.append(left)
    return kernels, vectors
