"""How fast labelled images are drawn."""

import statistics
import time
from typing import Any, Iterator, Mapping

from tfp_lgc import compression, sampling
from tfp_lgc.config import Config
from tfp_lgc.options import BenchmarkConfig
from tfp_lgc.progress import Progress

__all__ = ['run']

NUM_IMAGES = 60_000
NUM_RUNS = 5
# What the decoder is like does not depend on how well it was trained.
NUM_EPOCHS = 1


def run(config: Config, progress: Progress, done: Mapping[str, dict],
        options: BenchmarkConfig) -> Iterator[dict[str, Any]]:
  """Seconds of `sample(artifact, 60_000)`, beside decoding alone.

  Yields:
    One row: median seconds of both, and images a second.
  """
  del done, options  # A time is measured whenever it is asked for.
  artifact = compression.compress(config.data.dataset, config,
                                  progress=progress, epochs=NUM_EPOCHS)
  drawn = artifact.sampler.sample(NUM_IMAGES, [0, 0])
  inputs = [drawn['latent']]
  if artifact.num_conditions:
    inputs.append(drawn['label'])
  artifact.sampler.decode(*inputs)
  sampling.sample(artifact, NUM_IMAGES)  # By now everything is compiled.
  seconds, decode_seconds = [], []
  with progress.stage('sample', NUM_RUNS):
    for i in range(NUM_RUNS):
      began = time.perf_counter()
      sampling.sample(artifact, NUM_IMAGES, seed=i)
      middle = time.perf_counter()
      artifact.sampler.decode(*inputs)['image'].numpy()
      decode_seconds.append(time.perf_counter() - middle)
      seconds.append(middle - began)
      progress.step(i + 1)
  median = statistics.median(seconds)
  yield {'name': f'throughput/{config.model.model}/{config.model.trunk}',
         'num_images': NUM_IMAGES, 'seconds': round(median, 3),
         'decode_seconds': round(statistics.median(decode_seconds), 3),
         'images_per_second': round(NUM_IMAGES / median)}
