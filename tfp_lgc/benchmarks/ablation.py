"""What each term of the loss of `gmm_dae` does on its own.

A. Saseendran et al., Shape your Space, NeurIPS 2021, appendix A.1 and figure 3:
digits 1 and 8, two latents, a prior of two Gaussians far apart.
"""

import functools
import math
from typing import Any, Iterator, Mapping

import numpy as np
import tf_keras as tfk

from tfp_lgc import config as config_lib
from tfp_lgc import data, latent, losses, pipeline
from tfp_lgc.autoencoder import Autoencoder
from tfp_lgc.config import Config
from tfp_lgc.data import Images, Source
from tfp_lgc.errors import DataError
from tfp_lgc.gaussians import Components, log_joint
from tfp_lgc.progress import Progress

__all__ = ['PRIOR', 'TERMS', 'run']

DIGITS = ('1', '8')
PRIOR = Components(np.full(2, -math.log(2)),
                   np.array([[3.0, 3.0], [-3.0, -3.0]]),
                   np.tile(np.eye(2), [2, 1, 1]))
# Row -> the terms that are trained with.
TERMS = {'cdf': ('cdf',), 'covariance': ('covariance',),
         'both': ('cdf', 'covariance')}
# What is shown beside the first epoch, unless `--epochs` says another.
NUM_EPOCHS = 30
# Latents that a row keeps to be drawn.
NUM_POINTS = 1000


def run(config: Config, progress: Progress, done: Mapping[str, dict],
        ) -> Iterator[dict[str, Any]]:
  """Trains with each term alone, and with both.

  Yields:
    For each of `TERMS`, after the first and the last epoch: of the test
    latents, cdf and covariance, the two distances in units of what they are
    for a batch of draws from the prior; loc and covariance_matrix;
    log_likelihood, their mean log-density under the prior in nats, beside
    that of the prior's own draws; purity, the share whose digit is the commoner
    of the component they are nearer to; nll, the reconstruction of the
    training images in nats; and points and labels, for figures.
  """
  epochs = sorted({1, config.train.epochs or NUM_EPOCHS})
  names = {terms: [f'gmm_dae_loss/ablation/{terms}/{epoch}' for epoch in epochs]
           for terms in TERMS}
  missing = [terms for terms in TERMS if not done.keys() >= {*names[terms]}]
  if missing:
    train, test = _two_digits(pipeline.open_source(config.data.dataset, config))
  with progress.stage('ablation', len(TERMS)):
    for i, terms in enumerate(TERMS):
      if terms in missing:
        rows = _train(config, TERMS[terms], epochs, train, test)
        yield from ({'name': name, 'terms': terms, **row}
                    for name, row in zip(names[terms], rows))
      else:
        yield from (done[name] for name in names[terms])
      progress.step(i + 1, terms)


def _two_digits(source: Source) -> list[Images]:
  """Train and test images of the two digits, labels 0 and 1."""
  missing = [name for name in DIGITS if name not in source.class_names]
  if missing or source.test is None:
    reason = f'has no class {missing[0]!r}' if missing else 'has no test split'
    raise DataError(f'dataset = {source.name!r}: {reason}; the ablation is of '
                    'the digits 1 and 8, as of digits or mnist')
  positions = [source.class_names.index(name) for name in DIGITS]
  result = []
  for split in (source.train, source.test):
    images = split.to_memory(source.class_names)
    kept = np.isin(images.labels, positions)
    result.append(Images(images.images[kept],
                         (images.labels[kept] == positions[1]).astype(np.int32),
                         DIGITS))
  return result


@functools.cache
def _penalties(batch_size: int):
  """Name -> penalty, 1 for batches of this size from the prior."""
  return {
      'cdf': losses.as_penalty(losses.cdf_distance, PRIOR,
                               losses.expected_cdf_distance(batch_size)),
      'covariance': losses.as_penalty(
          losses.covariance_distance, PRIOR,
          losses.expected_covariance_distance(PRIOR, batch_size))}


def _train(config: Config, terms, epochs: list[int], train: Images,
           test: Images) -> list[dict[str, Any]]:
  """What `_describe` says after each of `epochs`."""
  split = data.array_split(train.images, train.labels)
  test_split = data.array_split(test.images, test.labels)
  batch_size = min(config.train.batch_size, len(train))
  penalties = _penalties(batch_size)
  model = Autoencoder(
      config_lib.replace(config.model, model='gmm_dae', latent_size=2),
      split.image_shape, 'point',
      {name: (config.model.prior_weight, penalties[name]) for name in terms},
      seed=config.seed)
  rows = []

  def on_epoch_end(epoch, logs):
    if not math.isfinite(logs['loss']):
      raise FloatingPointError('training diverged; try a lower --learning_rate')
    if epoch + 1 in epochs:
      encoded = model.encode_all(test_split)
      rows.append({'epoch': epoch + 1, 'nll': round(float(logs['nll']), 3),
                   **_describe(encoded.mean, encoded.labels,
                               config.train.batch_size)})

  steps = len(train) // batch_size
  model.compile(tfk.optimizers.Adam(config.train.learning_rate),
                steps_per_execution=steps)
  model.fit(split.batches(batch_size, seed=config.seed), epochs=epochs[-1],
            steps_per_epoch=steps, verbose=0,
            callbacks=[tfk.callbacks.LambdaCallback(on_epoch_end=on_epoch_end)])
  return rows


def _describe(z: np.ndarray, labels: np.ndarray, batch_size: int,
              ) -> dict[str, Any]:
  """Test latents `[N, 2]` against the prior; N may be below a batch."""
  order = np.random.default_rng(0).permutation(len(z))
  z, labels = z[order], labels[order]
  size = min(batch_size, len(z))
  batches = [z[i:i + size] for i in range(0, len(z) - size + 1, size)]
  distances = {
      name: round(float(np.mean([penalty(None, batch, None)
                                 for batch in batches])), 3)
      for name, penalty in _penalties(size).items()}
  joint = log_joint(z, PRIOR)
  z = z.astype(np.float64)  # Which JSON can round.
  weights = np.eye(len(DIGITS))[labels].T @ np.eye(2)[joint.argmax(axis=1)]
  return {
      **distances, 'loc': z.mean(axis=0).round(3).tolist(),
      'covariance_matrix': np.cov(z.T, bias=True).round(3).tolist(),
      'log_likelihood': round(float(np.logaddexp(*joint.T).mean()), 3),
      'prior_log_likelihood': round(_prior_log_likelihood(), 3),
      'purity': round(latent.purity(weights), 4),
      'points': z[:NUM_POINTS].round(2).tolist(),
      'labels': [DIGITS[label] for label in labels[:NUM_POINTS]]}


def _prior_log_likelihood() -> float:
  """Minus the entropy of the prior, whose components hardly overlap."""
  return -math.log(2) - math.log(2 * math.pi) - 1.0
