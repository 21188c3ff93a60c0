"""Membership inference by artifacts that the attacker makes alike.

The likelihood ratio of N. Carlini et al., Membership Inference Attacks From
First Principles, IEEE S&P 2022, section V, with one variance for all images,
as they advise for few shadow models: how near an artifact comes to this image,
is that as of those that were made from it, or as of the others?
"""

from typing import Any

import numpy as np
from scipy import stats

from tfp_lgc.data import Images
from tfp_lgc.errors import ConfigError
from tfp_lgc.metrics.privacy import attack, reconstruction
from tfp_lgc.metrics.subject import num_steps, some, Subject
from tfp_lgc.options import MetricsConfig

__all__ = ['check', 'likelihood_ratio', 'measure']

# Distances below are the same: their logarithm has to be finite.
MIN_DISTANCE = 1e-4
MIN_STDDEV = 1e-6
# What the seeds of shadows are moved by from that of the run.
FIRST_SEED = 1000


def likelihood_ratio(target: np.ndarray, shadows: np.ndarray,
                     inside: np.ndarray) -> np.ndarray:
  """log p(target | made from it) - log p(target | not), by image.

  The target was made from other images in other steps, so its values are first
  brought to the mean and deviation that those of shadows have.

  Args:
    target: `[N]`, a statistic of each image by the artifact in question.
    shadows: `[S, N]`, the same by S shadows.
    inside: bool `[S, N]`, which images each was made from; each image is inside
      of at least two, and outside of at least two.

  Returns:
    `[N]`, in nats.
  """
  scale = shadows.std(axis=1).mean() / max(target.std(), MIN_STDDEV)
  value = (target - target.mean()) * scale + shadows.mean()
  logs = []
  for members in (inside, ~inside):
    count = members.sum(axis=0)
    mean = np.where(members, shadows, 0).sum(axis=0) / count
    squares = np.where(members, np.square(shadows - mean), 0).sum()
    stddev = max(np.sqrt(squares / (count - 1).sum()), MIN_STDDEV)
    logs.append(stats.norm.logpdf(value, mean, stddev))
  return logs[0] - logs[1]


def check(settings: MetricsConfig) -> None:
  """Refuses an odd number of shadows."""
  if settings.shadow_models % 2:
    raise ConfigError(f'shadow_models = {settings.shadow_models}: must be even')


def measure(subject: Subject) -> dict[str, Any]:
  """Trains `shadow_models` artifacts with the settings of the one in question,
  but `shadow_steps`, each on half of all images, train and test; a pair has
  complementary halves. This attacker knows more than one who has no images.

  Returns:
    What `attack.by_class` returns, and `shadow_models`; `shadow_steps`, those
    really made, whole epochs, of the one that has the fewest, and
    `artifact_steps`, of the artifact in question. Shadows that are trained for
    fewer steps remember less than it does, so that the attack understates what
    it gives away.
  """
  settings, seed = subject.settings, subject.seed
  check(settings)
  assert subject.artifact is not None and subject.compress is not None
  members, others = [some(images, settings.metric_images, seed)
                     for images in (subject.train, subject.test)]
  pool = Images(np.concatenate([members.images, others.images]),
                np.concatenate([members.labels, others.labels]),
                subject.class_names)
  rng, inside, shadows, steps = np.random.default_rng(seed), [], [], []
  for i in range(settings.shadow_models):
    if i % 2 == 0:
      half = np.isin(np.arange(len(pool)),
                     rng.permutation(len(pool))[:len(pool) // 2])
    else:
      half = ~half
    made = subject.compress(
        Images(pool.images[half], pool.labels[half], pool.class_names),
        seed + FIRST_SEED + i, settings.shadow_steps)
    inside.append(half)
    shadows.append(_statistic(made, pool))
    steps.append(num_steps(made))
    subject.progress.step(i + 1)
  scores = likelihood_ratio(_statistic(subject.artifact, pool),
                            np.stack(shadows), np.stack(inside))
  return {**attack.by_class(
      scores[:len(members)], members.labels, scores[len(members):],
      others.labels, subject.class_names, seed),
      'shadow_models': settings.shadow_models,
      'shadow_steps': min(steps),
      'artifact_steps': num_steps(subject.artifact)}


def _statistic(artifact, images: Images) -> np.ndarray:
  return np.log(np.maximum(reconstruction.distances(artifact, images),
                           MIN_DISTANCE))
