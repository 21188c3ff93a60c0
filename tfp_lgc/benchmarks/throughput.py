"""How fast it trains, encodes and draws, beside plain PyTorch.

Both take turns in one process, so that what else the machine does meets both;
a ratio is the median of those of the turns.
"""

import dataclasses
import importlib.util
import statistics
import time
from typing import Any, Callable, Iterator, Mapping, Sequence

import numpy as np

from tfp_lgc import config as config_lib
from tfp_lgc import pipeline, sampling
from tfp_lgc.artifact import Artifact
from tfp_lgc.autoencoder import Autoencoder
from tfp_lgc.config import Config
from tfp_lgc.data import Split
from tfp_lgc.errors import ConfigError
from tfp_lgc.options import BenchmarkConfig
from tfp_lgc.progress import Progress

__all__ = ['ROWS', 'run']

ROWS = ('input', 'train', 'encode', 'sample', 'sample_torch')
WITH_TORCH = ('train', 'encode', 'sample_torch')

NUM_IMAGES = 60_000
# Turns, and the least steps of training in each.
NUM_RUNS = 5
NUM_STEPS = 200
# What the networks cost does not depend on how well they were trained.
NUM_EPOCHS = 1
# Images that PyTorch encodes or draws at a time: `Autoencoder.encode_all` has
# as many, `sample` draws 32 blocks of 256.
ENCODE_BATCH_SIZE = 1000
SAMPLE_BATCH_SIZE = 8192

Row = dict[str, Any]


def run(config: Config, progress: Progress, done: Mapping[str, dict],
        options: BenchmarkConfig) -> Iterator[Row]:
  """Seconds and images a second of what `options.rows` names, of `ROWS`.

  Yields:
    input: seconds of so many training steps, and of as many whose batch is
      always the same and waits in memory; input_share, what share of a step
      waits for its images. The other rows have a ratio, above 1 where ours is
      faster.
    train: beside the loop of torch_networks.py.
    encode: the train split, beside the same encoder.
    sample: `sample(artifact, 60_000)` beside our own decoder alone.
    sample_torch: the same beside mixture and decoder in PyTorch.

  Raises:
    ConfigError: for a row that there is not; if PyTorch is not installed, or
      the model is not one that is written in it.
  """
  del done  # A time is measured whenever it is asked for.
  wanted = options.rows.split(',') if options.rows else ROWS
  if unknown := [name for name in wanted if name not in ROWS]:
    raise ConfigError(f'rows = {options.rows!r}: there is no {unknown[0]}; '
                      f'choose from {", ".join(ROWS)}')
  torch_networks = _torch_networks(config, wanted)
  source = pipeline.open_source(config.data.dataset, config)
  ours = pipeline.fit(source, config_lib.replace(config, epochs=NUM_EPOCHS),
                      progress)
  rows: dict[str, Callable[[], Row]] = {
      'input': lambda: _input(ours.model, source.train, config, progress),
      'sample': lambda: _sample(ours.artifact, progress)}
  if torch_networks:
    beside = _Torch(torch_networks, config, progress)
    rows |= {'train': lambda: beside.train(ours.model, source.train),
             'encode': lambda: beside.encode(ours.model, source.train),
             'sample_torch': lambda: beside.sample(ours.artifact)}
  for name in wanted:
    yield {'name': f'throughput/{config.model.model}/{config.model.trunk}/'
                   f'{name}', **rows[name]()}


def _torch_networks(config: Config, wanted: Sequence[str]):
  """The module of that name, or None if no row is of PyTorch."""
  rows = [name for name in wanted if name in WITH_TORCH]
  if not rows:
    return None
  others = f'--rows={",".join(name for name in ROWS if name not in WITH_TORCH)}'
  if not importlib.util.find_spec('torch'):
    raise ConfigError(f'rows = {",".join(rows)}: torch not installed; python3 '
                      f"-m pip install 'tfp_lgc[bench]', or choose {others}")
  from tfp_lgc.benchmarks import torch_networks
  settings = dataclasses.asdict(config.model) | dataclasses.asdict(
      config.mixture)
  for name, known in torch_networks.KNOWN.items():
    if settings[name] not in known:
      raise ConfigError(
          f'{name} = {settings[name]!r}: not written in PyTorch, which has '
          f'{", ".join(map(str, known))}; or choose {others}')
  return torch_networks


def _seconds(name: str, progress: Progress, *functions: Callable[[], Any],
             ) -> list[np.ndarray]:
  """Those of each function in each turn, after one that does not count."""
  seconds: list[list[float]] = [[] for _ in functions]
  for function in functions:
    function()  # Compiles what is to be compiled.
  with progress.stage(name, NUM_RUNS):
    for i in range(NUM_RUNS):
      for function, its in zip(functions, seconds):
        began = time.perf_counter()
        function()
        its.append(time.perf_counter() - began)
      progress.step(i + 1)
  return [np.array(its) for its in seconds]


def _row(num_images: int, ours: np.ndarray, other: np.ndarray, name: str,
         ) -> Row:
  """Of seconds by turn, of ours and of what is called `name`."""
  seconds, others = statistics.median(ours), statistics.median(other)
  return {'num_images': num_images, 'seconds': round(seconds, 3),
          f'{name}_seconds': round(others, 3),
          'images_per_second': round(num_images / seconds),
          f'{name}_images_per_second': round(num_images / others),
          'ratio': round(float(np.median(other / ours)), 3)}


def _steps(model: Autoencoder, batches) -> tuple[int, Callable[[], Any]]:
  """Goes on training as `train.fit` does, with the graph that it left.

  Args:
    model: a trained one.
    batches: a `tf.data.Dataset` without an end.

  Returns:
    How many steps a call of the function makes, `NUM_STEPS` or a few more, and
    the function.
  """
  stream = iter(batches)
  before = int(model.optimizer.iterations)
  model.train_function(stream)
  per_call = int(model.optimizer.iterations) - before
  calls = -(-NUM_STEPS // per_call)

  def train():
    for _ in range(calls):
      model.train_function(stream)
    return int(model.optimizer.iterations)  # When all of it is done.

  return calls * per_call, train


def _input(model: Autoencoder, split: Split, config: Config,
           progress: Progress) -> Row:
  batches = split.batches(config.train.batch_size, seed=config.seed)
  steps, train = _steps(model, batches)
  _, without = _steps(model, batches.take(1).cache().repeat())
  seconds, alone = _seconds('input', progress, train, without)
  return {'num_steps': steps, 'seconds': round(statistics.median(seconds), 3),
          'constant_seconds': round(statistics.median(alone), 3),
          'input_share': round(float(np.median(1 - alone / seconds)), 3)}


def _sample(artifact: Artifact, progress: Progress) -> Row:
  drawn = artifact.sampler.sample(NUM_IMAGES, [0, 0])
  inputs = [drawn['latent']]
  if artifact.num_conditions:
    inputs.append(drawn['label'])
  seconds, decode = _seconds(
      'sample', progress, lambda: sampling.sample(artifact, NUM_IMAGES),
      lambda: artifact.sampler.decode(*inputs)['image'].numpy())
  return _row(NUM_IMAGES, seconds, decode, 'decode')


class _Torch:
  """The rows beside PyTorch."""

  def __init__(self, networks, config: Config, progress: Progress):
    self._networks, self._config, self._progress = networks, config, progress
    self._threads = {'threads': networks.use_threads_of_tensorflow()}

  def _same(self, model: Autoencoder):
    """The same networks in PyTorch."""
    other = self._networks.Autoencoder(self._config.model,
                                       model.head.event_shape)
    num_params = sum(int(np.prod(weight.shape))
                     for weight in model.trainable_variables)
    assert self._networks.num_params(other) == num_params, (other, num_params)
    return other

  def train(self, model: Autoencoder, split: Split) -> Row:
    config = self._config
    steps, train = _steps(model, split.batches(config.train.batch_size,
                                               seed=config.seed))
    other = self._networks.trainer(self._same(model), _pixels(split), config)
    seconds, others = _seconds('train', self._progress, train,
                               lambda: other(steps))
    return {'num_steps': steps, **self._threads, **_row(
        steps * config.train.batch_size, seconds, others, 'torch')}

  def encode(self, model: Autoencoder, split: Split) -> Row:
    other, images = self._same(model), _pixels(split)
    seconds, others = _seconds(
        'encode', self._progress, lambda: model.encode_all(split),
        lambda: other.encode_all(images, ENCODE_BATCH_SIZE))
    return {**self._threads,
            **_row(split.num_examples, seconds, others, 'torch')}

  def sample(self, artifact: Artifact) -> Row:
    sampler = artifact.sampler
    # Latents that say nothing are folded away in both.
    settings = config_lib.replace(self._config.model,
                                  latent_size=sampler.loc.shape[-1])
    other = self._networks.Sampler(
        self._networks.Autoencoder(settings, artifact.image_shape).decoder,
        *[part.numpy() for part in (sampler.log_prior, sampler.logits,
                                    sampler.loc, sampler.scale_tril)])
    seconds, others = _seconds(
        'sample_torch', self._progress,
        lambda: sampling.sample(artifact, NUM_IMAGES),
        lambda: other.sample(NUM_IMAGES, SAMPLE_BATCH_SIZE))
    return {**self._threads, **_row(NUM_IMAGES, seconds, others, 'torch')}


def _pixels(split: Split) -> np.ndarray:
  """uint8 `[N, H, W, C]`, all of a split."""
  return np.concatenate([
      images for images, _ in split.batches(1000).as_numpy_iterator()])
