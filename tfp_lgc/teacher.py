"""A classifier that guides what is trained for use; no artifact has it.

Its features are what images are compared by in training, see
`losses.feature_distance`. Its losses tell which images are hard, and those may
count more than others where latents are modelled: A. Shrivastava, A. Gupta,
R. Girshick, Training Region-based Object Detectors with Online Hard Example
Mining, CVPR 2016, leave the easy ones out. Where there are samples already, one
that has seen nothing else tells what they lack: S. Mindermann et al.,
Prioritized Training on Points that are Learnable, Worth Learning, and Not Yet
Learnt, ICML 2022.
"""

import numpy as np
import tensorflow as tf
import tf_keras as tfk

from tfp_lgc import classifier, distribution, networks, shared
from tfp_lgc.config import Config, MixtureConfig
from tfp_lgc.data import Split
from tfp_lgc.resuming import NO_WORK, Work

__all__ = ['MAX_LOSS', 'copies', 'excess', 'losses', 'trained']

# Steps in which it is trained.
TEACHER_STEPS = 1500
# The loss in nats above which a label is more likely to be wrong than its image
# to be hard.
MAX_LOSS = 2.0
BATCH_SIZE = 1000


def trained(config: Config, split: Split, num_classes: int,
            work: Work = NO_WORK) -> tfk.Model:
  """A trained `networks.teacher`.

  Args:
    config: of the training.
    split: the train split.
    num_classes: of its labels.
    work: where its weights are kept, if at all.
  """
  teacher = networks.teacher(split.image_shape, num_classes, config.seed)
  its = distribution.of(config.train.strategy)

  def weights():
    if not its.is_chief:  # It takes those of the chief.
      return {}
    classifier.fit(_logits(teacher), split, TEACHER_STEPS,
                   config.train.batch_size, config.seed)
    return {str(i): value for i, value in enumerate(teacher.get_weights())}

  found = shared.from_chief(its, work.kept('teacher', weights))
  teacher.set_weights([found[str(i)] for i in range(len(found))])
  return teacher


def _logits(teacher: tfk.Model) -> tfk.Model:
  """Without its features."""
  return tfk.Model(teacher.inputs, teacher.outputs[0])


def losses(config: Config, split: Split, num_classes: int,
           work: Work = NO_WORK) -> np.ndarray:
  """How hard a teacher finds each image: the cross entropy of its label, in
  nats, float32 `[N]` in the order of the split.

  Args:
    config: of the training.
    split: N images; see `trained`, as for the others.
    num_classes: of their labels.
    work: where the teacher is kept, if at all.
  """
  return _losses(trained(config, split, num_classes, work), config, split)


def excess(config: Config, split: Split, drawn: Split, num_classes: int,
           work: Work = NO_WORK) -> np.ndarray:
  """How much harder each image is for a teacher that has seen nothing but
  samples than for one of real images.

  The reducible loss of Mindermann et al., equation 3, but that the teacher of
  real images has seen these very ones, in nats, float32 `[N]` in the order of
  the split. A wrong label is hard for both, unless the latter knows it.

  Args:
    config: of the training.
    split: N images.
    drawn: the samples.
    num_classes: of the labels of both.
    work: where the teacher of real images is kept, if at all.
  """
  of_real = losses(config, split, num_classes, work)
  return _losses(trained(config, drawn, num_classes), config, split) - of_real


def _losses(teacher: tfk.Model, config: Config, split: Split) -> np.ndarray:
  """Cross entropies, float32 `[N]`."""
  logits = _logits(teacher)
  its = distribution.of(config.train.strategy)
  # Machines may round another way; the others take what the chief has.
  return shared.from_chief(its, {'losses': np.concatenate([
      tf.nn.sparse_softmax_cross_entropy_with_logits(
          labels, logits(images, training=False)).numpy()
      for images, labels in split.batches(BATCH_SIZE).map(classifier.scaled)])}
      if its.is_chief else {})['losses']


def copies(hardness: np.ndarray, labels: np.ndarray, config: MixtureConfig,
           most: float = np.inf) -> np.ndarray:
  """How often each image counts where latents are modelled, int `[N]`: hard
  ones are oversampled.

  ```python
  teacher.copies(np.array([0.0, 0.1, 0.2, 9.0]), np.zeros(4),
                 config.MixtureConfig(hard_copies=5, hard_share=0.5), most=2.0)
  # [1, 1, 5, 1]: the last one is likely to have the wrong label.
  ```

  Args:
    hardness: `[N]`, as of `losses` or `excess`; of a class, ranks alone count.
    labels: int `[N]`.
    config: says how often those count that are harder than the others of their
      class.
    most: but not those above it.
  """
  result = np.ones(len(hardness), int)
  for label in np.unique(labels):
    own = labels == label
    bound = np.quantile(hardness[own], 1.0 - config.hard_share)
    result[own & (hardness > bound) & (hardness <= most)] = config.hard_copies
  return result
