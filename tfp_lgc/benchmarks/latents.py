"""What the latents of a trained model look like to a mixture of Gaussians.

The draws of a VAE are blurred by its posterior, so that a single Gaussian may
do for a class; their means show what structure there is.
"""

import functools
from typing import Any, Iterator, Mapping

import numpy as np
from matplotlib import figure
from scipy import stats

from tfp_lgc import config as config_lib
from tfp_lgc import latent, mixture, pipeline, plots, train
from tfp_lgc.autoencoder import Encoded
from tfp_lgc.config import Config
from tfp_lgc.metrics import bic, clustering, gaussianity
from tfp_lgc.options import BenchmarkConfig
from tfp_lgc.progress import Progress

__all__ = ['figures', 'run']

STATISTICS = ('draw', 'mean')


def run(config: Config, progress: Progress, done: Mapping[str, dict],
        options: BenchmarkConfig) -> Iterator[dict[str, Any]]:
  """Fits the latent model of the flags to the draws from the posteriors of one
  trained model, and to their means, if it has posteriors.

  Yields:
    For each statistic `bic` rows of the classes: num_components and structure,
    as BIC chose them, and bic, the whole curves; `gaussianity` rows of their
    components, see `metrics.gaussianity`; and one that sums up: the numbers of
    components, the lowest bic of all classes together and that of one Gaussian
    each (of draws and of means they are of other points: compare the gain), ks,
    the mean over the images of that of their component, and purity and nmi of
    a mixture of as many components as classes that was fitted without labels.
  """
  del options
  name = f'latents/{config.model.model}/{config.model.trunk}'

  @functools.cache
  def encoded() -> tuple[Encoded, tuple[str, ...]]:
    source = pipeline.open_source(config.data.dataset, config)
    latent.check(config, len(source.class_names))
    with progress.stage('train'):
      model = train.fit(config, source.train, len(source.class_names))
    return model.encode_all(source.train), source.class_names

  for statistic in STATISTICS:
    prefix = f'{name}/{statistic}'
    if prefix in done:
      yield from (row for key, row in done.items()
                  if key.startswith(f'{prefix}/'))
      yield done[prefix]
      is_point = done[prefix]['is_point']
    else:
      latents, class_names = encoded()
      is_point = np.array_equal(latents.draw, latents.mean)
      yield from _statistic(
          prefix, latents, class_names, progress,
          config_lib.replace(config, latent_statistic=statistic))
    if is_point:
      break  # Its draws are their means.


def _statistic(prefix: str, encoded: Encoded, class_names: tuple[str, ...],
               progress: Progress, config: Config) -> Iterator[dict[str, Any]]:
  """All rows of draws, or of means."""
  latents, kept = latent.usable(encoded, config)
  labels, num_classes = encoded.labels, len(class_names)
  with progress.stage('mixture', num_classes):
    fitted, records = latent.fit(latents, labels, num_classes, config,
                                 lambda label: progress.step(label + 1))
  curves = [row for row in records if row['event'] == 'bic' and row['bic']]
  for row in curves:
    label = row.get('label')
    class_name = 'all' if label is None else class_names[label]
    yield {'name': f'{prefix}/bic/{class_name}', 'class_name': class_name,
           'num_points': int(len(labels) if label is None
                             else np.sum(labels == label)),
           'num_components': fitted.num_components[label or 0],
           'structure': fitted.structures[label or 0],
           'bic': {name: np.round(values, 1).tolist()
                   for name, values in row['bic'].items()}}
  distances = []
  for row in gaussianity.latent_gaussianity(latents, labels, fitted):
    class_name = class_names[row.pop('label')]
    distances.append(row)
    yield {'name': f'{prefix}/gaussianity/{class_name}/{row["component"]}',
           'class_name': class_name, 'latent_size': latents.shape[1], **row}
  yield {
      'name': prefix, 'latent_size': len(kept), 'live': int(kept.sum()),
      'is_point': np.array_equal(encoded.draw, encoded.mean),
      'num_components': list(fitted.num_components),
      **bic.sums([row['bic'] for row in curves]),
      'ks': round(float(np.average(
          [row['ks'] for row in distances],
          weights=[row['num_points'] for row in distances])), 4),
      **_unsupervised(latents, labels, num_classes, config)}


def _unsupervised(latents: np.ndarray, labels: np.ndarray, num_classes: int,
                  config: Config) -> dict[str, float]:
  """How well components tell classes they were not told."""
  structure = config.mixture.covariance
  fit = mixture.most_likely(
      latents, num_classes, 'full' if structure == 'auto' else structure,
      config.mixture, latent.floor(latents, config), config.seed)
  shares = clustering.responsibilities(latents, fit.components)
  weights = np.eye(num_classes)[labels].T @ shares / len(labels)
  return {'purity': round(latent.purity(weights), 4),
          'nmi': round(clustering.nmi(labels, shares), 4)}


def figures(rows: list[dict[str, Any]]) -> dict[str, figure.Figure]:
  """File name -> figure, of the rows of a run: BIC curves and Q-Q plots."""
  parts: dict[tuple[str, ...], list[dict[str, Any]]] = {}
  for row in rows:
    _, model, trunk, statistic, *kind = row['name'].split('/')
    if kind:
      parts.setdefault((kind[0], model, trunk, statistic), []).append(row)
  result = {}
  for (kind, *of_what), part in parts.items():
    of = '_'.join(of_what)
    title = 'latents of {}, {} trunk, posterior {}'.format(*of_what)
    if kind == 'bic':
      result[f'bic_{of}.png'] = plots.bic_curves(part, f'BIC of {title}')
    else:
      expected = stats.chi2(part[0]['latent_size']).ppf(gaussianity.LEVELS)
      result[f'qq_{of}.png'] = plots.qq_plots(
          part, expected, f'Squared Mahalanobis distances of {title}')
  return result
