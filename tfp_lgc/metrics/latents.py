"""How well the latents of test images tell their classes.

The encoder is not sent: this is of who keeps it.
"""

from typing import Any

import numpy as np
from scipy import special
from sklearn import neighbors

from tfp_lgc.data import array_split, Images
from tfp_lgc.gaussians import Components
from tfp_lgc.metrics import clustering
from tfp_lgc.metrics.subject import some, Subject
from tfp_lgc.mixture import Mixture

__all__ = ['encode', 'measure', 'pooled', 'pooled_weights']

NUM_NEIGHBORS = 5


def measure(subject: Subject) -> dict[str, Any]:
  """Of means of posteriors, and the components of all classes together.

  Returns:
    `nmi`, see `clustering.nmi`; `mean_average_precision`, see there; and
    `knn_accuracy`, of test images by the vote of the nearest train images in
    latent space; `told_labels`, whether the encoder was told the class, so that
    none of it means much; `num_components`, `neighbors`, `num_images` of the
    test split.
  """
  artifact, most = subject.artifact, subject.settings.metric_images
  assert artifact is not None
  train = some(subject.train, most, subject.seed)
  test = some(subject.test, most, subject.seed)
  z_train, z_test = encode(subject, train), encode(subject, test)
  components = pooled(artifact.mixture, artifact.class_counts)
  k = min(NUM_NEIGHBORS, len(z_train))
  voters = neighbors.KNeighborsClassifier(k).fit(z_train, train.labels)
  nmi, precision = clustering.of_latents(test.labels, z_test, train.labels,
                                         z_train, components)
  return {
      'nmi': round(nmi, 4),
      'mean_average_precision': round(precision, 4),
      'knn_accuracy': round(float(voters.score(z_test, test.labels)), 4),
      'told_labels': bool(artifact.num_conditions),
      'num_components': len(components.loc), 'neighbors': k,
      'num_images': len(test)}


def encode(subject: Subject, images: Images) -> np.ndarray:
  """Means of the posteriors, float32 `[N, d]`, by the encoder at hand."""
  assert subject.artifact is not None and subject.artifact.encoder is not None
  return subject.artifact.encoder.latents(array_split(
      images.images, images.labels, keep_order=True))


def pooled(mixture: Mixture, class_counts) -> Components:
  """p(z): the components of all classes, as frequent as in the data.

  Args:
    mixture: of C classes.
    class_counts: train images of each.
  """
  weights = pooled_weights(mixture, class_counts)
  # Neither padding nor a class without an image has components.
  used = weights > 0
  scale_tril = np.broadcast_to(mixture.scale_tril,
                               [*mixture.loc.shape, mixture.loc.shape[-1]])
  return Components(np.log(weights[used]), mixture.loc[used].astype(np.float64),
                    scale_tril[used].astype(np.float64))


def pooled_weights(mixture: Mixture, class_counts) -> np.ndarray:
  """`[R, K]`, the weights of `pooled`; 0 where there is no component."""
  frequency = np.array(class_counts) / sum(class_counts)
  weights = special.softmax(mixture.logits, axis=1) * frequency[:, np.newaxis]
  return weights.sum(axis=0, keepdims=True) if mixture.is_shared else weights
