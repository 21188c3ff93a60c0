"""Was this image compressed? Asked of all that is sent, and of the encoder, if
it is at hand: an attacker who has it is the stronger one."""

from typing import Any, Callable

import numpy as np
from scipy import special

from tfp_lgc import config as config_lib
from tfp_lgc import latent
from tfp_lgc.config import Config
from tfp_lgc.data import Images
from tfp_lgc.gaussians import log_joint
from tfp_lgc.metrics import latents, neighbors
from tfp_lgc.metrics.privacy import attack, reconstruction
from tfp_lgc.metrics.subject import some, Subject
from tfp_lgc.mixture import Mixture

__all__ = ['density_ratio', 'log_prob', 'measure', 'reference']

# Held-out images of a class that a reference density needs.
MIN_REFERENCES = 2
# And those, by dimension of the latents, that full covariances need.
POINTS_PER_DIMENSION = 10


def measure(subject: Subject) -> dict[str, Any]:
  """Attacks, each of train images against test images.

  `reconstruction` scores an image by how near the decoder comes to it: from its
  latent where the encoder is at hand, else among all samples: as many as there
  are train images, of a baseline as many as it sends; `by` says which.
  `components` scores it by how near an artifact's decoder comes to it from the
  mean of any component, without the encoder. `density_ratio` is
  `density_ratio`. Of train images beyond the `metric_images`
  that are drawn nothing is known.

  Returns:
    By attack, what `attack.by_class` returns; without the encoder, in place of
    `density_ratio`, `left_out` says why.
  """
  most, seed = subject.settings.metric_images, subject.seed
  members, others = [some(images, most, seed)
                     for images in (subject.train, subject.test)]
  has_encoder = subject.artifact and subject.artifact.encoder

  def attacked(distances: Callable[[Images], np.ndarray]) -> dict[str, Any]:
    return attack.by_class(
        -distances(members), members.labels, -distances(others), others.labels,
        subject.class_names, seed)

  result: dict[str, Any] = {'reconstruction': {
      'by': 'encoder' if has_encoder else 'samples',
      **attacked(lambda images: _distances(subject, images))}}
  if subject.artifact:
    means = reconstruction.component_means(subject.artifact)
    result['components'] = attacked(
        lambda images: _nearest(images.images, means))
  if not has_encoder:
    return {**result, 'left_out': {
        'density_ratio': 'needs the encoder, which is not beside the artifact'}}
  return {**result, 'density_ratio': density_ratio(subject, members, others)}


def _distances(subject: Subject, images: Images) -> np.ndarray:
  if subject.artifact and subject.artifact.encoder:
    return reconstruction.distances(subject.artifact, images)
  return _nearest(images.images, subject.samples.images)


def _nearest(images: np.ndarray, others: np.ndarray) -> np.ndarray:
  """The distance of each image to the nearest of others, `[N]`."""
  return neighbors.nearest(neighbors.flattened(images),
                           neighbors.flattened(others)).distances[:, 0]


def density_ratio(subject: Subject, members: Images, others: Images,
                  ) -> dict[str, Any]:
  """Where the mixture of a class has more density than held-out images explain.

  In the manner of B. van Breugel, H. Sun, Z. Qian, M. van der Schaar,
  Membership Inference Attacks against Synthetic Data through Overfitting
  Detection (DOMIAS), AISTATS 2023: the score is log p(z | y), of the artifact,
  less that of a reference density, of held-out latents. Here p is known and
  need not be estimated of samples.

  Args:
    subject: whose artifact has its encoder.
    members: train images.
    others: test images. The reference is fitted to every other one of each
      class, and the attack is made on the rest: on what it was fitted to it
      would win by that alone.

  Returns:
    What `attack.by_class` returns, and `num_references`. Classes with too few
    held-out images are left out; if all are, only why.
  """
  assert subject.artifact is not None and subject.artifact.encoder is not None
  config = subject.artifact.encoder.config
  counts = np.bincount(others.labels[_every_other(others.labels)],
                       minlength=len(subject.class_names))
  known = counts >= MIN_REFERENCES
  is_reference = _every_other(others.labels) & known[others.labels]
  z_members, z_others = [latents.encode(subject, images)
                         for images in (members, others)]
  ours = known[members.labels]
  theirs = known[others.labels] & ~is_reference
  if not (ours.any() and theirs.any()):
    return {'left_out': 'no class has enough test images'}
  density = reference(z_others[is_reference], others.labels[is_reference],
                      len(subject.class_names), config)
  scores = [log_prob(subject.artifact.mixture, z, labels)
            - log_prob(density, z, labels) for z, labels in (
                (z_members[ours], members.labels[ours]),
                (z_others[theirs], others.labels[theirs]))]
  return {**attack.by_class(scores[0], members.labels[ours], scores[1],
                            others.labels[theirs], subject.class_names,
                            subject.seed),
          'num_references': int(is_reference.sum())}


def _every_other(labels: np.ndarray) -> np.ndarray:
  """bool `[N]`: the first, third, ... of each class."""
  result = np.zeros(len(labels), bool)
  for label in np.unique(labels):
    result[np.flatnonzero(labels == label)[::2]] = True
  return result


def reference(z: np.ndarray, labels: np.ndarray, num_classes: int,
              config: Config) -> Mixture:
  """A mixture of each class, its number of components chosen by BIC.

  Held-out images are often too few for full covariances, which would fit them
  and no others, and BIC does not see that; then they are diagonal.

  Args:
    z: latents `[N, d]`.
    labels: int `[N]`.
    num_classes: C.
    config: of the run, for all other settings of mixtures.
  """
  counts = np.bincount(labels)
  enough = counts[counts > 0].min() >= POINTS_PER_DIMENSION * z.shape[1]
  config = config_lib.replace(config, covariance='full' if enough else 'diag',
                              selection='bic')
  mixture, _ = latent.gmm(z, labels, num_classes, config, lambda label: None)
  return mixture


def log_prob(mixture: Mixture, z: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """log p(z | y) in nats, float64 `[N]`, of latents `[N, d]` and labels."""
  result = np.empty(len(z))
  for label in np.unique(labels):
    is_it = labels == label
    result[is_it] = special.logsumexp(
        log_joint(z[is_it], mixture.components(label)), axis=1)
  return result
