"""What a job of any size takes on any number of workers: a model fitted to the
rows of the suite scale, and a simulation that it is checked by.

A stage takes a time whatever the size and one for each unit of its work, which
workers share. What workers do together costs, beyond that, sums over all of
them, waiting for the slowest, and work that is done again after a failure.
"""

import dataclasses
import math
from typing import Any, Iterator, Mapping, NamedTuple

import numpy as np
import tf_keras as tfk
from scipy import optimize, special

from tfp_lgc import config as config_lib
from tfp_lgc import models, pipeline
from tfp_lgc.benchmarks import scale
from tfp_lgc.config import Config
from tfp_lgc.errors import ConfigError
from tfp_lgc.mixture import num_params
from tfp_lgc.options import BenchmarkConfig
from tfp_lgc.progress import Progress

__all__ = ['CLUSTER', 'Cluster', 'Fit', 'JOBS', 'Job', 'fit', 'predicted',
           'run', 'simulated', 'table']

# Of the largest machine park that is looked at.
WORKERS = (1, 8, 64)
STAGES = ('train', 'encode', 'mixture', 'sample')
# A pass forward, and back: once for inputs and once for weights.
PASSES_OF_A_STEP = 3
# Images of a worker in a step.
BATCH_SIZE = 128

Row = dict[str, Any]


class Cluster(NamedTuple):
  """What workers are assumed to be, each as fast as the machine measured.

  Attributes:
    bytes_per_second: of a link, 10 Gbit/s.
    latency: of a message, seconds.
    spread: standard deviation of the logarithm of the time that a worker takes
      for its part of a step.
    seconds_between_failures: of one worker, on average; 30 days.
    checkpoint_interval: seconds.
    restart: seconds from a failure until all workers work again.
  """
  bytes_per_second: float = 1.25e9
  latency: float = 5e-5
  spread: float = 0.1
  seconds_between_failures: float = 30 * 86400.0
  checkpoint_interval: float = 30.0
  restart: float = 120.0


CLUSTER = Cluster()


class Job(NamedTuple):
  """A data set and what is made of it.

  Attributes:
    num_images: N.
    image_shape: `(H, W, C)`.
    num_classes: of labels.
    settings: of `Config`.
    sizes: numbers of components of a class that are tried.
    iterations: of EM, for each of them.
    epochs: passes of training.
  """
  num_images: int
  image_shape: tuple[int, int, int]
  num_classes: int
  settings: Mapping[str, Any]
  sizes: tuple[int, ...] = (1, 2, 3)
  iterations: int = 10
  epochs: int = 1

  @property
  def config(self) -> Config:
    return config_lib.replace(Config(), **self.settings)


class Work(NamedTuple):
  """Units of work of a job.

  Attributes:
    by_stage: stage -> multiply-adds, of all images.
    num_steps: how often workers add up what they have, by stage.
    num_bytes: of such a sum, by stage.
    num_weights: of encoder and decoder.
    num_params: of the mixtures, at the largest number of components.
  """
  by_stage: dict[str, float]
  num_steps: dict[str, int]
  num_bytes: dict[str, int]
  num_weights: int
  num_params: int


class Fit(NamedTuple):
  """Seconds of a stage: `overhead + rate * work`.

  Attributes:
    overhead: seconds, whatever the size.
    rate: seconds a multiply-add.
    error: the largest share by which a measured time is missed.
  """
  overhead: float
  rate: float
  error: float


JOBS = {
    '3M': Job(3_000_000, (28, 28, 1), 10, {}),
    'imagenet': Job(1_281_167, (224, 224, 3), 1000,
                    {'trunk': 'conv', 'latent_size': 256}, sizes=(1, 5, 10),
                    iterations=50, epochs=20),
    'imagenet_tied': Job(1_281_167, (224, 224, 3), 1000,
                         {'trunk': 'conv', 'latent_size': 256,
                          'covariance': 'tied'}, sizes=(1, 5, 10),
                         iterations=50, epochs=20),
    'imagenet_64': Job(1_281_167, (224, 224, 3), 1000,
                       {'trunk': 'conv', 'latent_size': 64,
                        'covariance': 'tied'}, sizes=(1, 5, 10),
                       iterations=50, epochs=20),
    '1e9': Job(1_000_000_000, (28, 28, 1), 1000,
               {'covariance': 'tied'}, sizes=(1, 5, 10), iterations=50),
}


def multiply_adds(network: tfk.Model) -> int:
  """Of one image, by the layers that have a kernel."""
  total = 0
  for layer in network.layers:
    if getattr(layer, 'kernel', None) is None:
      continue
    # A transposed convolution uses its kernel once for each pixel it is given.
    shape = (layer.input_shape if isinstance(layer, tfk.layers.Conv2DTranspose)
             else layer.output_shape)
    total += math.prod(layer.kernel.shape) * math.prod(shape[1:-1])
  return total


def work(job: Job, workers: int = 1) -> Work:
  """What a job has to do on so many workers."""
  config = job.config
  model = models.build(config, job.image_shape, job.num_classes)
  encoder, decoder = [multiply_adds(network)
                      for network in (model.encoder, model.decoder)]
  size, largest = config.model.latent_size, max(job.sizes)
  passes = job.iterations + 1
  # To whiten a point, and for its products, by each component.
  of_point = 2 * size * (size + 1) * sum(job.sizes) * passes
  num_weights = sum(math.prod(weight.shape)
                    for weight in model.trainable_variables)
  params = job.num_classes * num_params(
      largest, size, config.mixture.covariance, config.mixture.covariance_rank)
  # Sums of all sizes of all classes: of weights, means and products.
  statistics = 8 * job.num_classes * sum(job.sizes) * (1 + size + size * size)
  return Work(
      {'train': float(job.num_images * job.epochs * PASSES_OF_A_STEP
                      * (encoder + decoder)),
       'encode': float(job.num_images * encoder),
       'mixture': float(job.num_images * of_point),
       'sample': float(job.num_images * decoder)},
      {'train': math.ceil(job.num_images * job.epochs
                          / (BATCH_SIZE * workers)), 'mixture': passes},
      {'train': 4 * num_weights, 'mixture': statistics}, num_weights, params)


def fit(sizes: np.ndarray, seconds: np.ndarray, work_each: float) -> Fit:
  """Overhead and rate, neither negative, that miss measured seconds by the
  least share.

  Args:
    sizes: `[n]`, images.
    seconds: `[n]`.
    work_each: multiply-adds an image.
  """
  rows = np.stack([np.ones(len(sizes)), sizes * work_each], axis=1)
  # Columns of one size, for the solver's sake.
  unit = rows.max(axis=0)
  (overhead, rate), _ = optimize.nnls(rows / unit / seconds[:, np.newaxis],
                                      np.ones(len(sizes)))
  overhead, rate = overhead / unit[0], rate / unit[1]
  found = rows @ [overhead, rate]
  return Fit(overhead, rate, float(np.abs(found / seconds - 1.0).max()))


def all_reduce(num_bytes: float, workers: int, cluster: Cluster) -> float:
  """Seconds of a sum around a ring.

  P. Patarasuk, X. Yuan, Bandwidth Optimal All-reduce Algorithms for Clusters of
  Workstations, 2009: 2 (W - 1) messages of a W-th of the bytes each.
  """
  hops = 2 * (workers - 1)
  return hops * (cluster.latency
                 + num_bytes / workers / cluster.bytes_per_second)


def slowest(workers: int, spread: float) -> float:
  """How many times the median the slowest of W workers takes, on average, if
  logarithms of times are normal; by the rank of G. Blom, Statistical Estimates
  and Transformed Beta-Variables, 1958."""
  if workers == 1:  # Whose time is the one that was measured.
    return 1.0
  rank = (workers - 0.375) / (workers + 0.25)
  return math.exp(spread * float(special.ndtri(rank)))


def predicted(fits: Mapping[str, Fit], job: Job, workers: int,
              cluster: Cluster = CLUSTER) -> Row:
  """Seconds by stage, bytes that a worker sends, and memory.

  After a failure what was done since the last checkpoint, half an interval on
  average, is done again, and all workers wait for the restart (J. W. Young, A
  First Order Approximation to the Optimum Checkpoint Interval, 1974).
  """
  its = work(job, workers)
  seconds, sent = {}, 0.0
  for stage in STAGES:
    its_fit = fits[stage]
    alone = its_fit.rate * its.by_stage[stage] / workers
    together = 0.0
    if workers > 1 and stage in its.num_steps:
      together = its.num_steps[stage] * all_reduce(its.num_bytes[stage],
                                                   workers, cluster)
      sent += (its.num_steps[stage] * its.num_bytes[stage]
               * 2 * (workers - 1) / workers)
    alone *= slowest(workers, cluster.spread)
    failing = workers / cluster.seconds_between_failures
    lost = failing * (0.5 * cluster.checkpoint_interval + cluster.restart)
    seconds[stage] = its_fit.overhead + (alone + together) / (1.0 - lost)
  config = job.config
  return {'workers': workers,
          'seconds': {name: round(value, 1) for name, value in seconds.items()},
          'total_seconds': round(sum(seconds.values()), 1),
          'sent_num_bytes': round(sent),
          # Weights, their gradients and two moments of Adam.
          'weights_num_bytes': 16 * its.num_weights,
          'statistics_num_bytes': its.num_bytes['mixture'],
          'latents_num_bytes': (4 * job.num_images * config.model.latent_size
                                // workers),
          'mixture_num_params': its.num_params}


def simulated(fits: Mapping[str, Fit], job: Job, workers: int, seed: int = 0,
              cluster: Cluster = CLUSTER, num_drawn: int = 2000) -> Row:
  """The same by drawing what happens: how long each worker takes for its part
  of each step, each hop of a sum, and when workers fail.

  Of a stage of more than `num_drawn` steps, as many are drawn, and each stands
  for several.

  Returns:
    seconds: by stage.
    total_seconds: their sum.
    num_failures: of all workers.
  """
  rng = np.random.default_rng(seed)
  its, seconds, num_failures = work(job, workers), {}, 0
  for stage in STAGES:
    num_steps = its.num_steps.get(stage, 1)
    drawn = min(num_steps, num_drawn)
    median = fits[stage].rate * its.by_stage[stage] / workers / num_steps
    steps = median * rng.lognormal(0.0, cluster.spread, [drawn, workers])
    steps = steps.max(axis=1)
    if workers > 1 and stage in its.num_steps:
      part = its.num_bytes[stage] / workers
      # All wait for the slowest link in each of the hops.
      hop = cluster.latency + part / cluster.bytes_per_second
      steps += 2 * (workers - 1) * hop * rng.uniform(0.9, 1.1, drawn)
    took, failed = _with_failures(np.repeat(
        steps, math.ceil(num_steps / drawn))[:num_steps], workers, cluster, rng)
    seconds[stage] = fits[stage].overhead + took
    num_failures += failed
  return {'seconds': {name: round(value, 1) for name, value in seconds.items()},
          'total_seconds': round(sum(seconds.values()), 1),
          'num_failures': num_failures}


def _with_failures(steps: np.ndarray, workers: int, cluster: Cluster,
                   rng: np.random.Generator) -> tuple[float, int]:
  """Seconds of steps one after the other, some of them more than once, and how
  often a worker failed."""
  ends = np.cumsum(steps)
  clock, done, failed = 0.0, 0.0, 0
  mean = cluster.seconds_between_failures / workers
  while True:
    until = rng.exponential(mean)
    if done + until >= ends[-1]:
      return clock + ends[-1] - done, failed
    # The last step that ended before the last checkpoint.
    saved = done + until - rng.uniform(0.0, cluster.checkpoint_interval)
    at = int(np.searchsorted(ends, max(saved, 0.0), side='right'))
    done = max(done, float(ends[at - 1]) if at else 0.0)
    clock += until + cluster.restart
    failed += 1


def run(config: Config, progress: Progress, done: Mapping[str, dict],
        options: BenchmarkConfig) -> Iterator[Row]:
  """The model of the rows of the suite scale that are in `--output`.

  Yields:
    `cost/fit/train` and so on: see `Fit`. Then `cost/imagenet/64`: of each of
    `JOBS` on each of `WORKERS`, what `predicted` returns, and of more than one
    what `simulated` says, and the ratio of both totals.

  Raises:
    ConfigError: if there are no such rows of two sizes.
  """
  del progress, options
  source = pipeline.open_source(config.data.dataset, config)
  measured = Job(1, source.train.image_shape, len(source.class_names), {
      **dataclasses.asdict(config.model), **scale.SETTINGS})
  each, fits = work(measured).by_stage, {}
  for stage in STAGES:
    rows = [row for name, row in done.items()
            if name.startswith('scale/') and name.endswith(f'/{stage}')]
    if len({row['num_images'] for row in rows}) < 2:
      raise ConfigError(
          f'output: has no rows of the suite scale of two sizes for {stage}; '
          'run --suite=scale with the same --output first')
    fits[stage] = fit(np.array([row['num_images'] for row in rows], float),
                      np.array([row['seconds'] for row in rows], float),
                      each[stage])
    if not fits[stage].rate:
      raise ConfigError(f'output: seconds of {stage} do not grow with the '
                        'images; measure larger sizes')
    yield {'name': f'cost/fit/{stage}',
           'overhead': round(fits[stage].overhead, 2),
           'multiply_adds_per_second': round(1.0 / fits[stage].rate),
           'error': round(fits[stage].error, 3)}
  for name, job in JOBS.items():
    for workers in WORKERS:
      row = {'name': f'cost/{name}/{workers}', **predicted(fits, job, workers)}
      if workers > 1:
        drawn = simulated(fits, job, workers)
        row['simulated'] = drawn
        row['ratio'] = round(
            row['total_seconds'] / drawn['total_seconds'], 3)
      yield row


def table(rows: Mapping[str, dict]) -> str:
  """Of the rows of `run`: each job by workers."""
  lines = ['| job | workers | ' + ' | '.join(f'{stage}, s' for stage in STAGES)
           + ' | by simulation | sent, GB | sums of EM, GB | latents, GB | '
           'mixtures, numbers |', '|---' * (len(STAGES) + 7) + '|']
  for name, row in rows.items():
    if not name.startswith('cost/') or 'workers' not in row:
      continue
    simulated_seconds = (f'{row["simulated"]["total_seconds"]:,.0f} of '
                         f'{row["total_seconds"]:,.0f}'
                         if 'simulated' in row else '')
    lines.append(
        f'| {name.split("/")[1]} | {row["workers"]} | '
        + ' | '.join(f'{row["seconds"][stage]:,.0f}' for stage in STAGES)
        + f' | {simulated_seconds} | ' + ' | '.join(
            f'{row[key] / 1e9:,.2f}' for key in (
                'sent_num_bytes', 'statistics_num_bytes', 'latents_num_bytes'))
        + f' | {row["mixture_num_params"]:,} |')
  return '\n'.join(lines)
