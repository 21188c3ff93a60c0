"""What the loss of `gmm_dae` sees, and what it does not.

A. Saseendran et al., Shape your Space, NeurIPS 2021, appendix A.1, figures 1
to 3; and a figure that the paper does not have, of separations of the prior.
"""

import functools
import math
from typing import Any, Callable, Iterator, Mapping

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from matplotlib import figure

from tfp_lgc import config as config_lib
from tfp_lgc import losses, plots, priors
from tfp_lgc.benchmarks import ablation
from tfp_lgc.config import Config, ModelConfig
from tfp_lgc.gaussians import Components, log_joint
from tfp_lgc.options import BenchmarkConfig
from tfp_lgc.progress import Progress

__all__ = ['figures', 'run']

tfd = tfp.distributions

NUM_SAMPLES = (10, 30, 100, 300, 1000)
# Batches that a point of a curve is the mean of.
NUM_BATCHES = 1000
# Draws whose component is guessed.
NUM_DRAWS = 100_000
SEPARATIONS = (math.sqrt(2), 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
FACTORS = (1.0, 1.5, 2.0, 3.0, 5.0)

Change = Callable[[Components, float], Components]

# Prior -> latent sizes, and what of the prior is changed, by which values, the
# first of which leaves it as it is.
CURVES: dict[str, tuple[tuple[int, ...], dict[str, tuple[Change, Any]]]] = {
    'unimodal': ((1, 2), {
        'shift': (lambda prior, value: prior._replace(loc=prior.loc + value),
                  (0.0, 0.25, 0.5, 1.0, 2.0)),
        'stddev': (lambda prior, value: prior._replace(
            scale_tril=prior.scale_tril * value), (1.0, 1.25, 1.5, 2.0, 3.0)),
    }),
    'bimodal': ((2, 3), {
        'alpha': (lambda prior, value: prior._replace(loc=prior.loc * value),
                  FACTORS),
        'beta': (lambda prior, value: prior._replace(
            scale_tril=prior.scale_tril * math.sqrt(value)), FACTORS),
    }),
}


def run(config: Config, progress: Progress, done: Mapping[str, dict],
        options: BenchmarkConfig) -> Iterator[dict[str, Any]]:
  """The loss of batches that are not from the prior, and what it trains.

  Both terms are in units of what they are for batches of the prior itself.

  Yields:
    `ablation` rows: see there.
    `curves` rows: cdf and covariance, lists by value and number of samples,
    with their standard errors. The prior is N(0, I), whose mean is shifted in
    all coordinates or whose scale is multiplied; or two Gaussians at one-hot
    means, which alpha multiplies, as beta does the covariances. (Of 10
    samples a small shift to the right costs less than none: the paper compares
    with i / N, which is above the mean of the i-th of N.)
    `separation` rows: accuracy, from 0 to 1, of naming the component of a draw
    from the prior of the flags at that separation; cdf and covariance of
    batches from the one Gaussian of its mean and covariance.
  """
  del options
  # The one that needs a data set, which may be missing, comes first.
  yield from ablation.run(config, progress, done)
  for prior_name, (sizes, changes) in CURVES.items():
    for size in sizes:
      for change in changes:
        name = f'gmm_dae_loss/curves/{prior_name}/{size}/{change}'
        yield done.get(name) or {'name': name, **_curves(
            prior_name, size, change, config)}
  for separation in SEPARATIONS:
    name = f'gmm_dae_loss/separation/{separation:.4g}'
    yield done.get(name) or {'name': name, **_separation(separation, config)}


def figures(rows: list[dict[str, Any]]) -> dict[str, figure.Figure]:
  """File name -> figure, of the rows of a run."""
  by_kind: dict[str, list[dict[str, Any]]] = {}
  for row in rows:
    by_kind.setdefault(row['name'].split('/')[1], []).append(row)
  curves = by_kind['curves']
  return {
      'figure1_unimodal.png': plots.loss_curves(
          [row for row in curves if row['prior'] == 'unimodal'],
          'Batches against a standard normal prior'),
      'figure2_bimodal.png': plots.loss_curves(
          [row for row in curves if row['prior'] == 'bimodal'],
          'Batches against a prior of two Gaussians at one-hot means'),
      'figure3_ablation.png': plots.ablation(
          by_kind['ablation'], ablation.PRIOR.loc, tuple(ablation.TERMS)),
      'separation.png': plots.separation(by_kind['separation'])}


def _prior(name: str, size: int) -> Components:
  config = config_lib.replace(
      ModelConfig(), latent_size=size, prior_num_components=2,
      prior_separation=math.sqrt(2))
  make = priors.standard_normal if name == 'unimodal' else priors.separated
  return make(config)


def _curves(prior_name: str, size: int, change: str, config: Config,
            ) -> dict[str, Any]:
  changed, values = CURVES[prior_name][1][change]
  prior = _prior(prior_name, size)
  row: dict[str, Any] = {
      'prior': prior_name, 'latent_size': size, 'change': change,
      'values': list(values), 'num_samples': list(NUM_SAMPLES)}
  # Every value has the same noise, so that what differs is the value.
  expected = {count: _expected(prior, count) for count in NUM_SAMPLES}
  measured = [[_weighted(changed(prior, value), prior, count, expected[count],
                         config.seed)
               for count in NUM_SAMPLES] for value in values]
  for key in measured[0][0]:
    row[key] = [[cell[key] for cell in line] for line in measured]
  return row


def _weighted(source: Components, prior: Components, batch_size: int,
              expected: dict[str, float], seed: int) -> dict[str, float]:
  """Both terms for batches from `source`, and their standard errors."""
  law = tfd.MixtureSameFamily(
      tfd.Categorical(logits=source.log_weights),
      tfd.MultivariateNormalTriL(source.loc, source.scale_tril))
  z = law.sample([NUM_BATCHES, batch_size], seed=[seed, batch_size])
  result = {}
  for name, distances in _distances(z, prior).items():
    values = distances.numpy() / expected[name]
    result[name] = round(float(values.mean()), 4)
    result[f'{name}_stderr'] = round(
        float(values.std() / math.sqrt(NUM_BATCHES)), 4)
  return result


def _expected(prior: Components, batch_size: int) -> dict[str, float]:
  """What both terms are for the prior itself."""
  return {'cdf': losses.expected_cdf_distance(batch_size),
          'covariance': losses.expected_covariance_distance(prior, batch_size)}


@tf.function
def _distances(z: tf.Tensor, prior: Components) -> dict[str, tf.Tensor]:
  """Both terms, `[M]`, of M batches `[M, N, d]`."""
  return {name: tf.vectorized_map(functools.partial(distance, prior=prior), z)
          for name, distance in (('cdf', losses.cdf_distance),
                                 ('covariance', losses.covariance_distance))}


def _separation(separation: float, config: Config) -> dict[str, Any]:
  """Whether components can be told, and whether the loss asks for them."""
  model = config_lib.replace(config.model, prior_separation=separation)
  prior = priors.separated(model)
  count, size = prior.loc.shape
  rng = np.random.default_rng(config.seed)
  component = rng.integers(count, size=NUM_DRAWS)
  z = prior.loc[component] + rng.standard_normal([NUM_DRAWS, size])
  accuracy = float(np.mean(log_joint(z, prior).argmax(axis=1) == component))
  covariance = np.eye(size) + np.cov(prior.loc.T, bias=True)
  one = Components(np.zeros(1), prior.loc.mean(axis=0)[np.newaxis],
                   np.linalg.cholesky(covariance)[np.newaxis])
  batch_size = config.train.batch_size
  return {'separation': round(separation, 4), 'num_components': count,
          'latent_size': size, 'batch_size': batch_size,
          'accuracy': round(accuracy, 4),
          **_weighted(one, prior, batch_size, _expected(prior, batch_size),
                      config.seed)}
