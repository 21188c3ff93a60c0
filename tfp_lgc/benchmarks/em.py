"""EM against scikit-learn's, from the same starts."""

import multiprocessing
import time
import warnings
from typing import Any, Iterator, Mapping

import numpy as np
from scipy import special

from tfp_lgc import config as config_lib
from tfp_lgc import memory, pipeline, train
from tfp_lgc.config import Config
from tfp_lgc.em import fit_em, kmeans_start
from tfp_lgc.errors import DataError
from tfp_lgc.gaussians import Components, log_joint
from tfp_lgc.options import BenchmarkConfig
from tfp_lgc.progress import Progress

__all__ = ['run']

# As scikit-learn's own defaults.
TOLERANCE = 1e-3
FLOOR = 1e-6


def run(config: Config, progress: Progress, done: Mapping[str, dict],
        options: BenchmarkConfig) -> Iterator[dict[str, Any]]:
  """Full covariances, K = 1 to `num_components_max`, for each class.

  The latents are those of a plain autoencoder, which BIC gives more components
  than those of a VAE. Both get the same start, tolerance and iteration limit;
  the held-out likelihood is of the latents of the test split.

  Yields:
    A row for each class, and one of all: seconds of both, their ratio, both
    held-out log-likelihoods (nats an image) and the largest difference; and
    one of memory: what the largest fit of the largest class adds to the peak
    of a process of its own, in bytes.
  """
  del options
  config = config_lib.replace(config, model='ae')
  source = pipeline.open_source(config.data.dataset, config)
  if source.test is None:
    raise DataError(f'dataset = {source.name!r}: has no test split')
  with progress.stage('train'):
    model = train.fit(config, source.train, len(source.class_names))
  latents, _, labels = model.encode_all(source.train)
  test, _, test_labels = model.encode_all(source.test)
  floor = FLOOR * float(latents.var(axis=0).mean())
  rows = []
  with progress.stage('em', len(source.class_names)):
    for label, class_name in enumerate(source.class_names):
      name = f'em/{class_name}'
      row = done.get(name) or {'name': name, **_compare(
          latents[labels == label], test[test_labels == label], config, floor)}
      rows.append(row)
      progress.step(label + 1, f'{row["ratio"]} times')
      yield row
  ours, theirs = [sum(row[key] for row in rows)
                  for key in ('seconds', 'sklearn_seconds')]
  yield {'name': 'em/all', 'seconds': round(ours, 3),
         'sklearn_seconds': round(theirs, 3), 'ratio': round(theirs / ours, 2),
         'largest_loss': max(row['largest_loss'] for row in rows)}
  x = latents[labels == np.bincount(labels).argmax()]
  yield done.get('em/memory') or {'name': 'em/memory', **_memory(
      x, config, floor)}


def _memory(x: np.ndarray, config: Config, floor: float) -> dict[str, int]:
  """Each in a fresh process, which nothing else took memory in."""
  spawn = multiprocessing.get_context('spawn')
  start = kmeans_start(x, config.mixture.num_components_max, floor, config.seed)
  with spawn.Pool(1, maxtasksperchild=1) as pool:
    return {name: pool.apply(_added_memory, [
        fit, x, start, floor, config.mixture.max_iterations])
        for name, fit in (('num_bytes', _fit_ours),
                          ('sklearn_num_bytes', _fit_sklearn))}


def _added_memory(fit, x: np.ndarray, start: Components, floor: float,
                  limit: int) -> int:
  """Bytes that this process holds at most during a fit, beyond what it holds
  before; libraries, which a first fit of few points loads, do not count. Linux
  alone tells."""
  fit(x[:100], start, floor, 1)
  memory.begin_peak()
  before = memory.held('VmRSS')
  fit(x, start, floor, limit)
  return memory.held() - before


def _compare(x: np.ndarray, held_out: np.ndarray, config: Config,
             floor: float) -> dict[str, Any]:
  """Both over all numbers of components; nothing is timed that is shared."""
  limit = config.mixture.max_iterations
  seconds, sklearn_seconds, iterations = 0.0, 0.0, 0
  ours, theirs = [], []
  for k in range(1, config.mixture.num_components_max + 1):
    start = kmeans_start(x, k, floor, config.seed)
    # Graphs are compiled once a process, whatever is fitted afterwards.
    fit_em(x, start, floor, 1, TOLERANCE)
    fit, taken = _fit_ours(x, start, floor, limit)
    seconds += taken
    iterations += fit.num_iterations
    ours.append(_score(held_out, fit.components))
    fitted, taken = _fit_sklearn(x, start, floor, limit)
    sklearn_seconds += taken
    theirs.append(float(fitted.score(held_out)))
  return {
      'num_points': len(x), 'latent_size': x.shape[1],
      'num_components_max': len(ours), 'num_iterations': iterations,
      'seconds': round(seconds, 3),
      'sklearn_seconds': round(sklearn_seconds, 3),
      'ratio': round(sklearn_seconds / seconds, 2),
      'held_out': [round(value, 4) for value in ours],
      'sklearn_held_out': [round(value, 4) for value in theirs],
      'largest_loss': round(max(b - a for a, b in zip(ours, theirs)), 6)}


def _score(x: np.ndarray, components: Components) -> float:
  return float(special.logsumexp(log_joint(x, components), axis=1).mean())


def _fit_ours(x: np.ndarray, start: Components, floor: float, limit: int):
  """The fit and the seconds it took."""
  began = time.perf_counter()
  fit = fit_em(x, start, floor, limit, TOLERANCE)
  return fit, time.perf_counter() - began


def _fit_sklearn(x: np.ndarray, start: Components, floor: float, limit: int):
  """The fitted model and the seconds it took; float64, as is its default."""
  from sklearn import mixture  # pylint: disable=g-import-not-at-top
  weights = np.exp(start.log_weights)
  covariance = start.scale_tril @ np.swapaxes(start.scale_tril, 1, 2)
  model = mixture.GaussianMixture(
      len(weights), tol=TOLERANCE, reg_covar=floor, max_iter=limit,
      weights_init=weights / weights.sum(), means_init=start.loc,
      precisions_init=np.linalg.inv(covariance))
  x = x.astype(np.float64)
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')  # Of no convergence: the limit is ours.
    began = time.perf_counter()
    model.fit(x)
    return model, time.perf_counter() - began
