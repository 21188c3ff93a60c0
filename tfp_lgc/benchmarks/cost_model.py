"""Seconds, bytes and memory of a job on any number of workers.

A stage takes a time whatever the size, and one for each unit of its work, which
workers share: both are fitted to measured rows. What workers do together costs,
beyond that, sums over all of them, waiting for the slowest, images that each of
them reads, and work that is done again after a failure. Training is that of
`--strategy=multi_worker`; encoding, EM and drawing are those of bin/beam, whose
EM makes one sum an iteration for all classes and numbers of components.
"""

import math
from typing import Any, Mapping, NamedTuple

import numpy as np
import tf_keras as tfk
from scipy import optimize, special

from tfp_lgc import config as config_lib
from tfp_lgc import models
from tfp_lgc.config import Config
from tfp_lgc.mixture import num_params

__all__ = ['CLUSTER', 'Cluster', 'Fit', 'Job', 'STAGES', 'Work', 'all_reduce',
           'fit', 'interval', 'multiply_adds', 'predicted', 'reading',
           'slowest', 'work']

STAGES = ('train', 'encode', 'mixture', 'sample')
# A pass forward, and back: once for inputs and once for weights.
PASSES_OF_A_STEP = 3
# Images of a worker in a step, and of what bin/beam gives a worker at a time.
BATCH_SIZE, BUNDLE_SIZE = 128, 10_000

Row = dict[str, Any]


class Cluster(NamedTuple):
  """What workers are assumed to be, each as fast as the machine measured.

  Attributes:
    bytes_per_second: of a link, 10 Gbit/s.
    latency: of a message, seconds.
    jitter: the share by which a message may be faster or slower.
    spread: standard deviation of the logarithm of the time that a worker takes
      for its part of a step.
    seconds_between_failures: of one worker, on average; 30 days.
    checkpoint_interval: of training, seconds.
    checkpoint_seconds: that one takes.
    restart: seconds from a failure until work goes on.
  """
  bytes_per_second: float = 1.25e9
  latency: float = 5e-5
  jitter: float = 0.1
  spread: float = 0.1
  seconds_between_failures: float = 30 * 86400.0
  checkpoint_interval: float = 30.0
  checkpoint_seconds: float = 0.5
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
  size, passes = config.model.latent_size, job.iterations + 1
  # A point is whitened by every component; most have to do with one alone,
  # which takes it for its mean and its products.
  of_point = size * (size + 1) * passes * sum(k + 2 for k in job.sizes)
  # For sums a covariance is always a full one, whatever is made of it.
  statistics = 8 * job.num_classes * sum(job.sizes) * (1 + size + size * size)
  num_weights = sum(math.prod(weight.shape)
                    for weight in model.trainable_variables)
  return Work(
      {'train': float(job.num_images * job.epochs * PASSES_OF_A_STEP
                      * (encoder + decoder)),
       'encode': float(job.num_images * encoder),
       'mixture': float(job.num_images * of_point),
       'sample': float(job.num_images * decoder)},
      {'train': math.ceil(job.num_images * job.epochs
                          / (BATCH_SIZE * workers)), 'mixture': passes},
      {'train': 4 * num_weights, 'mixture': statistics}, num_weights,
      job.num_classes * num_params(
          max(job.sizes), size, config.mixture.covariance,
          config.mixture.covariance_rank))


def fit(sizes: np.ndarray, seconds: np.ndarray, work_each: float) -> Fit:
  """Overhead and rate, neither negative, that miss measured seconds by the
  least share.

  Args:
    sizes: `[n]`, images.
    seconds: `[n]`.
    work_each: multiply-adds an image.
  """
  rows = np.stack([np.ones(len(sizes)), sizes * work_each], axis=1)
  unit = rows.max(axis=0)  # Columns of one size, for the solver's sake.
  (overhead, rate), _ = optimize.nnls(rows / unit / seconds[:, np.newaxis],
                                      np.ones(len(sizes)))
  overhead, rate = overhead / unit[0], rate / unit[1]
  found = rows @ [overhead, rate]
  return Fit(overhead, rate, float(np.abs(found / seconds - 1.0).max()))


def all_reduce(num_bytes: float, workers: int, cluster: Cluster) -> float:
  """Seconds of a sum around a ring, on average.

  P. Patarasuk, X. Yuan, Bandwidth Optimal All-reduce Algorithms for Clusters of
  Workstations, 2009: 2 (W - 1) messages of a W-th of the bytes each. All wait
  for the slowest of W messages, whose times are uniform.
  """
  hops = 2 * (workers - 1)
  waiting = 1.0 + cluster.jitter * (workers - 1) / (workers + 1)
  return hops * waiting * (cluster.latency
                           + num_bytes / workers / cluster.bytes_per_second)


def slowest(workers: int, spread: float) -> float:
  """How many times the median the slowest of W workers takes, on average, if
  logarithms of times are normal; by the rank of G. Blom, Statistical Estimates
  and Transformed Beta-Variables, 1958."""
  if workers == 1:  # Whose time is the one that was measured.
    return 1.0
  rank = (workers - 0.375) / (workers + 0.25)
  return math.exp(spread * float(special.ndtri(rank)))


def interval(stage: str, seconds_of_a_step: float, cluster: Cluster) -> float:
  """Seconds between two states that are kept: training has checkpoints, EM one
  after each of its steps."""
  return (cluster.checkpoint_interval if stage == 'train'
          else seconds_of_a_step)


def reading(fits: Mapping[str, Fit], job: Job) -> float:
  """Seconds in which a worker reads all images, as each does, whoever trains on
  them, by the pixels. To encode small images is to read them above all, and
  much of that is the same for larger ones: it is no more than this."""
  return (fits['read'].rate * job.num_images * job.epochs
          * math.prod(job.image_shape))


def predicted(fits: Mapping[str, Fit], job: Job, workers: int,
              cluster: Cluster = CLUSTER) -> Row:
  """Seconds by stage, bytes that a worker sends, and memory.

  `fits` are of `STAGES`, and of 'read', whose rate is seconds a pixel.

  After a failure in training or EM what was done since the last state that was
  kept, half an interval on average, is done again, and all wait for the restart
  (J. W. Young, A First Order Approximation to the Optimum Checkpoint Interval,
  1974). In encoding and drawing the other workers go on, and take what the
  slower ones do not get to.
  """
  its = work(job, workers)
  seconds, sent = {}, 0.0
  failures = 1.0 / cluster.seconds_between_failures  # A second and worker.
  for stage in STAGES:
    took = fits[stage].rate * its.by_stage[stage] / workers
    wait = cluster.restart
    if workers > 1 and stage in its.num_steps:
      num_steps, num_bytes = its.num_steps[stage], its.num_bytes[stage]
      took = (took * slowest(workers, cluster.spread)
              + num_steps * all_reduce(num_bytes, workers, cluster))
      if stage == 'train':
        took += reading(fits, job) * (1.0 - 1.0 / workers)
        took *= 1.0 + cluster.checkpoint_seconds / cluster.checkpoint_interval
      wait += 0.5 * interval(stage, took / num_steps, cluster)
      wait *= workers
      sent += num_steps * num_bytes * 2 * (workers - 1) / workers
    seconds[stage] = fits[stage].overhead + took / (1.0 - failures * wait)
  return {'workers': workers,
          'seconds': {name: round(value, 1) for name, value in seconds.items()},
          'total_seconds': round(sum(seconds.values()), 1),
          'sent_num_bytes': round(sent),
          # Weights, their gradients and two moments of Adam.
          'weights_num_bytes': 16 * its.num_weights,
          'statistics_num_bytes': its.num_bytes['mixture'],
          'latents_num_bytes': (4 * job.num_images
                                * job.config.model.latent_size // workers),
          'mixture_num_params': its.num_params}
