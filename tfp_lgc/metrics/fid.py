"""Frechet distance of samples from test images, in named features."""

from typing import Any

from tfp_lgc.metrics import frechet
from tfp_lgc.metrics.subject import Subject

__all__ = ['measure']


def measure(subject: Subject) -> dict[str, Any]:
  """See `frechet.distance`. Only with features of Inception, of a file, is it
  what others call FID. Samples may be nearer than train images, see
  `features.trained`.

  Returns:
    `distance` of samples and `train_distance` of train images, each from as
    many test images, more than there are features; `feature_network`,
    `num_images` of each kind.
  """
  test = subject.test_features
  return {
      'distance': round(frechet.distance(subject.sample_features, test), 4),
      'train_distance': round(
          frechet.distance(subject.train_features, test), 4),
      'feature_network': subject.feature_network, 'num_images': len(test)}
