"""The model of what a job takes, beside what is drawn or counted."""

import math

import numpy as np
import pytest

from tfp_lgc import config as config_lib
from tfp_lgc import options
from tfp_lgc.benchmarks import cost, cost_model, cost_simulation
from tfp_lgc.errors import ConfigError
from tfp_lgc.progress import Progress

SMALL = cost_model.Job(100_000, (8, 8, 1), 10, {
    'latent_size': 2, 'hidden_size': 4}, sizes=(1, 2), iterations=5)
FITS = {stage: cost_model.Fit(2.0, 1e-9, 0.0)
        for stage in (*cost_model.STAGES, 'read')}
STEADY = cost_model.Cluster(spread=0.0, jitter=0.0,
                            seconds_between_failures=1e18)


def test_work_of_dense_layers_is_that_of_their_kernels():
  from tfp_lgc import models
  its = cost_model.work(SMALL)
  model = models.build(SMALL.config, SMALL.image_shape, SMALL.num_classes)
  encoder, decoder = [
      sum(weight.size for weight in network.get_weights() if weight.ndim == 2)
      for network in (model.encoder, model.decoder)]
  assert encoder > 64 * 4 and decoder > 64 * 4
  assert its.by_stage['encode'] == 100_000 * encoder
  assert its.by_stage['sample'] == 100_000 * decoder
  assert its.by_stage['train'] == 300_000 * (encoder + decoder)
  # 6 passes; 3 numbers times 3 x 2 by each of 1 + 2 components, and twice more
  # for each of the two fits, by the component that a point is nearest to.
  assert its.by_stage['mixture'] == 100_000 * 6 * (3 * 2) * (3 + 2 * 2)


def test_work_of_convolutions_counts_pixels():
  from tfp_lgc import models
  config = config_lib.replace(config_lib.Config(), trunk='conv', num_filters=2,
                              latent_size=3, hidden_size=5)
  model = models.build(config, (16, 16, 1), 2)
  conv = [layer for layer in model.encoder.layers
          if type(layer).__name__ == 'Conv2D']
  assert conv
  by_hand = sum(
      layer.output_shape[1] * layer.output_shape[2] * int(np.prod(
          layer.kernel.shape)) for layer in conv) + sum(
      int(np.prod(layer.kernel.shape)) for layer in model.encoder.layers
      if type(layer).__name__ == 'Dense')
  assert cost_model.multiply_adds(model.encoder) == by_hand
  up = [layer for layer in model.decoder.layers
        if type(layer).__name__ == 'Conv2DTranspose']
  # Each pixel that comes in is multiplied by the whole kernel.
  assert up and cost_model.multiply_adds(model.decoder) > sum(
      int(np.prod(layer.kernel.shape)) * layer.input_shape[1]**2
      for layer in up)


def test_a_line_is_found_again():
  sizes = np.array([6e4, 6e5, 3e6])
  found = cost_model.fit(sizes, 3.0 + 2e-6 * sizes, 500.0)
  assert found.overhead == pytest.approx(3.0)
  assert found.rate == pytest.approx(4e-9)
  assert found.error < 1e-9
  # Weighted by shares, as np.polyfit does with w = 1 / seconds.
  seconds = np.array([4.0, 15.0, 60.0])
  slope, intercept = np.polyfit(sizes, seconds, 1, w=1 / seconds)
  found = cost_model.fit(sizes, seconds, 1.0)
  assert (found.rate, found.overhead) == (pytest.approx(slope),
                                          pytest.approx(intercept))


@pytest.mark.parametrize('workers', [2, 3, 8])
def test_a_sum_takes_the_messages_of_a_ring(workers):
  """The algorithm itself, counting what one worker sends."""
  rng = np.random.default_rng(0)
  values = rng.integers(0, 9, [workers, workers])  # [worker, part]
  held, messages = values.copy(), 0
  for add in (True, False):
    for step in range(workers - 1):
      sent = [(i - step + (0 if add else 1)) % workers for i in range(workers)]
      parts = [held[i, sent[i]] for i in range(workers)]
      for i in range(workers):
        to = (i + 1) % workers
        held[to, sent[i]] = parts[i] + (held[to, sent[i]] if add else 0)
      messages += 1
  np.testing.assert_array_equal(held, np.tile(values.sum(axis=0), [workers, 1]))
  seconds = cost_model.all_reduce(8e6, workers, STEADY)
  assert seconds == pytest.approx(messages * (
      STEADY.latency + 8e6 / workers / STEADY.bytes_per_second))


@pytest.mark.parametrize('workers', [8, 64])
def test_the_slowest_takes_as_long_as_drawn(workers):
  drawn = np.random.default_rng(0).lognormal(0.0, 0.1, [20_000, workers])
  assert cost_model.slowest(workers, 0.1) == pytest.approx(
      drawn.max(axis=1).mean(), rel=0.01)


def test_links_are_waited_for_as_long_as_drawn():
  rng = np.random.default_rng(0)
  drawn = rng.uniform(0.9, 1.1, [20_000, 64]).max(axis=1).mean()
  cluster = STEADY._replace(jitter=0.1)
  assert (cost_model.all_reduce(1e6, 64, cluster)
          / cost_model.all_reduce(1e6, 64, STEADY)) == pytest.approx(
              drawn, rel=1e-3)


def test_bundles_take_as_long_as_all_workers_together():
  rng = np.random.default_rng(0)
  took, failed = cost_simulation._apart(6400.0, 64 * 10_000 * 50, 64, STEADY,
                                        rng)
  assert (took, failed) == (pytest.approx(100.0), 0)
  often = STEADY._replace(seconds_between_failures=1000.0, restart=10.0)
  took, failed = cost_simulation._apart(6400.0, 64 * 10_000 * 50, 64, often,
                                        rng)
  assert failed > 0 and 101.0 < took < 130.0


def test_without_chance_the_simulation_is_the_model():
  for workers in (1, 8):
    model = cost_model.predicted(FITS, SMALL, workers, STEADY)
    drawn = cost_simulation.simulated(FITS, SMALL, workers, cluster=STEADY)
    assert drawn['num_failures'] == 0
    assert drawn['total_seconds'] == pytest.approx(model['total_seconds'],
                                                   rel=0.02, abs=0.2)


def test_failures_cost_what_was_done_since_the_last_checkpoint():
  """Of many runs of 40,000 s with about 12 failures each."""
  often = cost_model.Cluster(spread=0.0, seconds_between_failures=64 * 3600.0,
                       checkpoint_interval=300.0, restart=60.0)
  rng = np.random.default_rng(0)
  runs = [cost_simulation._together(np.full(40_000, 1.0), 300.0, 64,
                                     often, rng)
          for _ in range(60)]
  seconds, failures = np.mean(runs, axis=0)
  assert failures == pytest.approx(12, rel=0.15)
  lost = (0.5 * 300.0 + 60.0) / 3600.0
  assert seconds == pytest.approx(40_000 / (1 - lost), rel=0.01)


def test_memory_and_bytes_are_those_of_the_numbers():
  row = cost_model.predicted(FITS, SMALL, 8)
  assert row['latents_num_bytes'] == 4 * 100_000 * 2 / 8
  # Of 10 classes with 1 and with 2 components: weight, mean, products.
  assert row['statistics_num_bytes'] == 8 * 10 * 3 * (1 + 2 + 4)
  # 2 components of 2 numbers, 2 x 3 for covariances, 1 weight, 10 classes.
  assert row['mixture_num_params'] == 10 * (2 * 2 + 2 * 3 + 1)


def test_rows_of_the_suite_scale_become_a_model():
  done = {f'scale/{n}/{stage}': {'num_images': n, 'seconds': 2.0 + 1e-5 * n}
          for n in (60_000, 600_000) for stage in cost_model.STAGES}
  config = config_lib.replace(config_lib.Config(), dataset='digits')
  rows = {row['name']: row for row in cost.run(
      config, Progress(), done, options.BenchmarkConfig())}
  assert {f'cost/fit/{stage}' for stage in cost_model.STAGES} <= set(rows)
  assert {f'cost/{job}/{workers}' for job in cost.JOBS
          for workers in cost.WORKERS} <= set(rows)
  assert rows['cost/fit/train']['overhead'] == pytest.approx(2.0, abs=0.01)
  for name, row in rows.items():
    if name.endswith('/64'):
      assert 0.9 < row['ratio'] < 1.1, name
      assert math.isfinite(row['total_seconds'])
  assert cost.table(rows).count('\n') == 1 + len(cost.JOBS) * len(cost.WORKERS)


def test_without_two_sizes_there_is_nothing_to_fit():
  config = config_lib.replace(config_lib.Config(), dataset='digits')
  with pytest.raises(ConfigError, match='two sizes'):
    list(cost.run(config, Progress(), {}, options.BenchmarkConfig()))
