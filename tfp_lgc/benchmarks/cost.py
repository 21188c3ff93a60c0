"""What jobs take that nobody has run: cost_model.py, fitted to the rows of the
suite scale, beside cost_simulation.py."""

import dataclasses
import math
from typing import Iterator, Mapping

import numpy as np

from tfp_lgc import pipeline
from tfp_lgc.benchmarks import scale
from tfp_lgc.benchmarks.cost_model import (
  Fit,
  fit,
  Job,
  predicted,
  Row,
  STAGES,
  work,
)
from tfp_lgc.benchmarks.cost_simulation import simulated
from tfp_lgc.config import Config
from tfp_lgc.errors import ConfigError
from tfp_lgc.options import BenchmarkConfig
from tfp_lgc.progress import Progress

__all__ = ['JOBS', 'WORKERS', 'run', 'table']

WORKERS = (1, 8, 64)
_IMAGENET = {'trunk': 'conv', 'latent_size': 256}


def _imagenet(**settings) -> Job:
  """1.28 million images of 1,000 classes."""
  return Job(1_281_167, (224, 224, 3), 1000, {**_IMAGENET, **settings},
             sizes=(1, 5, 10), iterations=50, epochs=20)


JOBS = {
    '3M': Job(3_000_000, (28, 28, 1), 10, {}),
    'imagenet': _imagenet(),
    'imagenet_tied': _imagenet(covariance='tied'),
    'imagenet_low_rank': _imagenet(covariance='low_rank', covariance_rank=8),
    'imagenet_64': _imagenet(covariance='tied', latent_size=64),
    '1e9': Job(1_000_000_000, (28, 28, 1), 1000, {'covariance': 'tied'},
               sizes=(1, 5, 10), iterations=50),
}


def run(config: Config, progress: Progress, done: Mapping[str, dict],
        options: BenchmarkConfig) -> Iterator[Row]:
  """The model of the rows of the suite scale that are in `--output`.

  Yields:
    `cost/fit/train` and so on: see `cost_model.Fit`. Then `cost/imagenet/64`:
    of each of `JOBS` on each of `WORKERS`, what `predicted` returns, and of
    more than one what `simulated` says, and the ratio of both totals.

  Raises:
    ConfigError: if there are no such rows of two sizes.
  """
  del progress, options
  fits = {}
  for stage, found in _fits(config, done):
    fits[stage] = found
    if stage not in STAGES:
      continue
    yield {'name': f'cost/fit/{stage}', 'overhead': round(found.overhead, 2),
           'multiply_adds_per_second': round(1.0 / found.rate),
           'error': round(found.error, 3)}
  for name, job in JOBS.items():
    for workers in WORKERS:
      row = {'name': f'cost/{name}/{workers}', **predicted(fits, job, workers)}
      if workers > 1:
        row['simulated'] = simulated(fits, job, workers)
        row['ratio'] = round(row['total_seconds']
                             / row['simulated']['total_seconds'], 3)
      yield row


def _fits(config: Config, done: Mapping[str, dict],
          ) -> Iterator[tuple[str, Fit]]:
  """That of each stage, and of reading."""
  source = pipeline.open_source(config.data.dataset, config)
  each = work(Job(1, source.train.image_shape, len(source.class_names), {
      **dataclasses.asdict(config.model), **scale.SETTINGS})).by_stage
  for stage in STAGES:
    rows = [row for name, row in done.items()
            if name.startswith('scale/') and name.endswith(f'/{stage}')]
    if len({row['num_images'] for row in rows}) < 2:
      raise ConfigError(
          f'output: has no rows of the suite scale of two sizes for {stage}; '
          'run --suite=scale with the same --output first')
    found = fit(np.array([row['num_images'] for row in rows], float),
                np.array([row['seconds'] for row in rows], float), each[stage])
    if not found.rate:
      raise ConfigError(f'output: seconds of {stage} do not grow with the '
                        'images; measure larger sizes')
    yield stage, found
    if stage == 'encode':
      pixels = math.prod(source.train.image_shape)
      yield 'read', Fit(0.0, found.rate * each[stage] / pixels, found.error)


def table(rows: Mapping[str, dict]) -> str:
  """Of the rows of `run`: each job by workers."""
  lines = ['| job | workers | ' + ' | '.join(f'{stage}, s' for stage in STAGES)
           + ' | all, s | by simulation | sent, GB | a sum of EM, GB | latents '
           'of a worker, GB | numbers of the mixtures |',
           '|---' * (len(STAGES) + 8) + '|']
  for name, row in rows.items():
    if not name.startswith('cost/') or 'workers' not in row:
      continue
    by_simulation = (f'{row["simulated"]["total_seconds"]:,.0f}'
                     if 'simulated' in row else '')
    lines.append(
        f'| {name.split("/")[1]} | {row["workers"]} | '
        + ' | '.join(f'{row["seconds"][stage]:,.0f}' for stage in STAGES)
        + f' | {row["total_seconds"]:,.0f} | {by_simulation} | ' + ' | '.join(
            f'{row[key] / 1e9:,.2f}' for key in (
                'sent_num_bytes', 'statistics_num_bytes', 'latents_num_bytes'))
        + f' | {row["mixture_num_params"]:,} |')
  return '\n'.join(lines)
