"""TensorBoard logs: losses, reconstructions, samples."""

import numpy as np
import tensorflow as tf
import tf_keras as tfk

from tfp_lgc.autoencoder import to_unit
from tfp_lgc.data import Split

__all__ = ['Log']

NUM_IMAGES = 16
# Rounds of training between two pictures of reconstructions.
IMAGES_EVERY = 5


class Log(tfk.callbacks.Callback):
  """Writes every loss term each round, and now and then reconstructions.

  ```python
  log = Log('out/tensorboard', source.train)
  train.fit(config, source.train, len(source.class_names), callbacks=[log])
  log.samples(tfp_lgc.sample(artifact, 16).images)
  ```
  """

  def __init__(self, directory: str, split: Split):
    """`split`: where the images that are reconstructed come from."""
    super().__init__()
    self._writer = tf.summary.create_file_writer(directory)
    self._images = next(iter(split.batches(NUM_IMAGES)))[0]

  def on_epoch_end(self, epoch, logs=None):
    with self._writer.as_default(step=epoch):
      for name, value in (logs or {}).items():
        tf.summary.scalar(f'train/{name}', value)
      if epoch % IMAGES_EVERY == 0:
        x = to_unit(self._images)
        # Originals on the left, reconstructions on the right.
        tf.summary.image('reconstructions', tf.concat([x, self.model(x)], 2),
                         max_outputs=NUM_IMAGES)

  def samples(self, images: np.ndarray) -> None:
    """Adds samples of the finished artifact, uint8 `[N, H, W, C]`."""
    with self._writer.as_default(step=0):
      tf.summary.image('samples', images, max_outputs=NUM_IMAGES)
    self._writer.flush()
