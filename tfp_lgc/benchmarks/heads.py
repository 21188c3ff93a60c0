"""Tables 1 and 2 of the Vanilla Probabilistic Autoencoder, measured again.

How well a plain autoencoder reconstructs MNIST, by what its decoder's numbers
mean; the rows, and what the paper has there, are in vpa_tables.py.
"""

import dataclasses
import statistics
import time
from typing import Any, Iterator, Mapping

import numpy as np
import tensorflow as tf
import tf_keras as tfk

from tfp_lgc import config as config_lib
from tfp_lgc import heads, pipeline, train
from tfp_lgc.autoencoder import Autoencoder, to_unit
from tfp_lgc.benchmarks.vpa_tables import MSE, Row, ROWS
from tfp_lgc.config import Config
from tfp_lgc.data import Source, Split
from tfp_lgc.errors import ConfigError, DataError
from tfp_lgc.metrics import frechet, tstr
from tfp_lgc.options import BenchmarkConfig
from tfp_lgc.progress import Progress

__all__ = ['ROWS', 'run', 'table']

# Test images that are reconstructed, the first of them; as in the paper.
NUM_IMAGES = 1000
NUM_EPOCHS = 20
# What differs from seed to seed, and gets a mean.
_MEASURED = ('l2_percent', 'frechet', 'seconds_per_epoch', 'ratio')


def run(config: Config, progress: Progress, done: Mapping[str, dict],
        options: BenchmarkConfig) -> Iterator[dict[str, Any]]:
  """Rows of the tables, over seeds.

  Layers, batch size and learning rate are those of the presets, whatever the
  flags say; of a row's settings the flags have the floor of scales, the bound
  on numbers an image and the epochs. A full covariance that `max_head_params`
  does not allow is measured on images of half the height and width, or of half
  of that, and so on. The mse of a size always comes first: others are compared
  with its time.

  Args:
    config: of the data, the judge and what is said above.
    progress: is told of every row and seed.
    done: rows of an earlier run by name.
    options: `rows`, labels as `vpa_mlp/normal_unit/1` or what some begin with
      as `vpa_cnn`, empty for all; `runs`, how many seeds.

  Yields:
    For each row and seed: name (heads/LABEL/SEED, with a size as `14x14` before
    the seed where images are smaller), l2_percent (100 times the mean squared
    error of a pixel in 0..1, over the first 1,000 test images), frechet
    (between reconstructions and these images, in `feature_space`), num_params,
    seconds_per_epoch (without the first round, which compiles), ratio (to
    seconds_per_epoch of mse on images of that size) and, for MNIST, what the
    paper has; or diverged, or refused, with the reason. After the seeds of a
    row their means, and standard deviations with `_stddev`.

  Raises:
    ConfigError: for rows that there are not.
    DataError: if there is no test split.
  """
  wanted = _wanted(options)
  source = pipeline.open_source(config.data.dataset, config)
  if source.test is None:
    raise DataError(f'dataset = {source.name!r}: has no test split')
  seeds = range(config.seed, config.seed + options.runs)
  benches: dict[int, _Bench] = {}
  made: dict[str, dict[str, Any]] = dict(done)
  rows = _ordered(config, source, wanted)
  with progress.stage('heads', len(rows) * len(seeds)):
    for i, (row, halvings) in enumerate(rows):
      name, mse = (_name(its, source, halvings) for its in (row, MSE))
      for j, seed in enumerate(seeds):
        key = f'{name}/{seed}'
        if key not in made:
          if halvings not in benches:
            benches[halvings] = _Bench(_smaller(source, halvings), config)
          made[key] = {'name': key, **benches[halvings].measure(row, seed)}
          made[key].update(_ratio(made[key], made[f'{mse}/{seed}']))
        progress.step(i * len(seeds) + j + 1,
                      f'{key}: L2 {made[key].get("l2_percent")} %')
        yield made[key]
      yield {'name': name, **_means([made[f'{name}/{seed}']
                                     for seed in seeds])}


def _wanted(options: BenchmarkConfig) -> list[Row]:
  """The rows that are asked for."""
  if not options.rows:
    return ROWS
  prefixes = options.rows.split(',')

  def begins(row: Row, prefix: str) -> bool:
    return f'{row.label}/'.startswith(prefix.rstrip('/') + '/')

  for prefix in prefixes:
    if not any(begins(row, prefix) for row in ROWS):
      raise ConfigError(
          f'rows = {options.rows!r}: there is no {prefix}; choose from '
          f'{", ".join(row.label for row in ROWS)}')
  return [row for row in ROWS
          if any(begins(row, prefix) for prefix in prefixes)]


def _ordered(config: Config, source: Source, wanted: list[Row],
             ) -> list[tuple[Row, int]]:
  """Rows, and how often their images are halved; mse of a size comes first."""
  result: list[tuple[Row, int]] = []
  for row in wanted:
    halvings = _halvings(config, row, source)
    for pair in ((MSE, halvings), (row, halvings)):
      if pair not in result:
        result.append(pair)
  return result


def _halvings(config: Config, row: Row, source: Source) -> int:
  """How often images are halved until a full covariance is allowed; others are
  refused where they are."""
  halvings = 0
  while row.head in ('normal_full', 'student_t_full'):
    try:
      heads.build(_configured(config, row, 0).model, _shape(source, halvings))
      break
    except ConfigError:  # One of a single pixel is always allowed.
      halvings += 1
  return halvings


def _shape(source: Source, halvings: int) -> tuple[int, int, int]:
  """That of images that are halved so often; odd sides are rounded up."""
  height, width, channels = source.train.image_shape
  return -(-height // 2**halvings), -(-width // 2**halvings), channels


def _name(row: Row, source: Source, halvings: int) -> str:
  height, width, _ = _shape(source, halvings)
  return f'heads/{row.label}' + f'/{height}x{width}' * bool(halvings)


def _configured(config: Config, row: Row, seed: int) -> Config:
  return config_lib.replace(
      config, preset=row.preset, model=row.model, head=row.head,
      head_num_components=row.num_components,
      min_stddev=row.min_stddev or config.model.min_stddev,
      epochs=config.train.epochs or NUM_EPOCHS, seed=seed)


def _ratio(row: dict[str, Any], mse: dict[str, Any]) -> dict[str, float]:
  seconds, base = (its.get('seconds_per_epoch') for its in (row, mse))
  return {'ratio': round(seconds / base, 2)} if seconds and base else {}


def _means(rows: list[dict[str, Any]]) -> dict[str, Any]:
  """Of the seeds that did not diverge, with how many these are."""
  finished = [row for row in rows if 'l2_percent' in row]
  result = {key: value for key, value in (finished or rows)[0].items()
            if key not in ('name', 'seed', 'diverged', *_MEASURED)}
  result['num_runs'] = len(finished)
  result['num_diverged'] = sum('diverged' in row for row in rows)
  for key in _MEASURED:
    values = [row[key] for row in finished if key in row]
    if values:
      result[key] = round(statistics.fmean(values), 3)
    if len(values) > 1:
      result[f'{key}_stddev'] = round(statistics.stdev(values), 3)
  return result


def table(rows: Mapping[str, dict]) -> str:
  """The means of `run`, by name, as the table of docs/results.md."""
  def cell(row, key, form) -> str:
    if key not in row:
      return ''
    spread = row.get(f'{key}_stddev')
    return format(row[key], form) + (
        f' ({spread:{form}})' if spread is not None else '')

  lines = ['| row | K | L2 % | paper\'s L2 % | Frechet | parameters | '
           'seconds per epoch | ratio | paper\'s ratio |',
           '|---|---|---|---|---|---|---|---|---|']
  for row in rows.values():
    if 'num_runs' not in row:  # Of one seed.
      continue
    _, preset, head, k, *extra = row['name'].split('/')
    l2 = cell(row, 'l2_percent', '.3f') or (
        'refused' if 'refused' in row else 'diverged')
    lines.append('| ' + ' | '.join([
        ' '.join([f'{preset}/{head}', *extra]), k, l2,
        cell(row, 'paper_l2_percent', '.3f'), cell(row, 'frechet', '.1f'),
        cell(row, 'num_params', ','), cell(row, 'seconds_per_epoch', '.2f'),
        cell(row, 'ratio', '.2f'), cell(row, 'paper_ratio', '.2f')]) + ' |')
  return '\n'.join(lines)


class _Bench:
  """What the rows of images of one size have in common."""

  def __init__(self, source: Source, config: Config):
    assert source.test is not None
    self._source, self._config = source, config
    self._images = next(iter(source.test.batches(NUM_IMAGES)))[0].numpy()
    self._judge = tstr.train_judge(
        source.train, len(source.class_names),
        config_lib.replace(config.evaluate, judge='cnn'), config.seed)
    self._features = frechet.features(self._judge, self._images)

  def measure(self, row: Row, seed: int) -> dict[str, Any]:
    config, source = _configured(self._config, row, seed), self._source
    clock = _Clock()
    common = {'image_shape': list(source.train.image_shape), 'seed': seed,
              'min_stddev': config.model.min_stddev}
    if config.data.dataset == 'mnist':
      common.update(row.published())
    try:
      model = train.fit(config, source.train, len(source.class_names), [clock])
    except FloatingPointError as error:
      return {**common, 'diverged': str(error)}
    except ConfigError as error:
      return {**common, 'refused': str(error)}
    steps = max(1, source.train.num_examples // config.train.batch_size)
    images = _reconstructed(model, self._images)
    off = images.astype(float) - self._images / 255
    return {
        **common,
        'l2_percent': round(100 * float(np.square(off).mean()), 3),
        'frechet': round(frechet.distance(
            frechet.features(self._judge, np.round(255 * images).astype(
                np.uint8)), self._features), 2),
        'feature_space': frechet.FEATURES,
        'num_params': int(sum(np.prod(weight.shape)
                              for weight in model.trainable_weights)),
        'seconds_per_epoch': round(steps * clock.seconds_per_step(), 3)}


def _reconstructed(model: Autoencoder, images: np.ndarray) -> np.ndarray:
  """float32 `[N, H, W, C]` in 0..1."""
  reconstruct = tf.function(model)
  return np.concatenate([
      reconstruct(to_unit(images[first:first + 100])).numpy()
      for first in range(0, len(images), 100)])


class _Clock(tfk.callbacks.Callback):
  """Seconds of a step, from the end of the first round on."""

  def __init__(self):
    super().__init__()
    self._began, self._ends = 0.0, []

  def on_train_begin(self, logs=None):
    self._began = time.perf_counter()

  def on_epoch_end(self, epoch, logs=None):
    self._ends.append((time.perf_counter(),
                       int(self.model.optimizer.iterations)))

  def seconds_per_step(self) -> float:
    (first, before), (last, steps) = self._ends[0], self._ends[-1]
    if steps == before:  # A single round, with what compiling takes.
      return (last - self._began) / steps
    return (last - first) / (steps - before)


def _smaller(source: Source, halvings: int) -> Source:
  """The same with means over 2 x 2 pixels, as uint8, so many times."""
  assert source.test is not None
  for _ in range(halvings):
    source = dataclasses.replace(source, train=_half(source.train),
                                 test=_half(source.test))
  return source


def _half(split: Split) -> Split:
  height, width, channels = split.image_shape

  def pooled(image, label):
    x = tf.cast(image[tf.newaxis], tf.float32)
    x = tf.nn.avg_pool2d(x, 2, 2, 'SAME')
    return tf.cast(tf.round(x[0]), tf.uint8), label

  examples = split.examples.map(pooled, tf.data.AUTOTUNE).cache()
  return Split(examples, split.num_examples,
               ((height + 1) // 2, (width + 1) // 2, channels))
