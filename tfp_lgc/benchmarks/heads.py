"""Tables 1 and 2 of the Vanilla Probabilistic Autoencoder, measured again.

S. Ciobanu, Vanilla Probabilistic Autoencoder, CAINE 2021: how well a plain
autoencoder reconstructs MNIST, by what its decoder's numbers mean. The paper's
"FID" is the distance of images from uniform noise, so that lower is not better;
it is quoted and not measured.
"""

import dataclasses
import math
import time
from typing import Any, Iterator, Mapping, NamedTuple, Optional

import numpy as np
import tensorflow as tf
import tf_keras as tfk

from tfp_lgc import config as config_lib
from tfp_lgc import pipeline, train
from tfp_lgc.autoencoder import Autoencoder, to_unit
from tfp_lgc.config import BenchmarkConfig, Config
from tfp_lgc.data import Source, Split
from tfp_lgc.errors import DataError
from tfp_lgc.metrics import frechet, tstr
from tfp_lgc.progress import Progress

__all__ = ['ROWS', 'run']

# Test images that are reconstructed, the first of them; as in the paper.
NUM_IMAGES = 1000
NUM_EPOCHS = 20
# The floor of scales that the paper has.
PAPER_MIN_STDDEV = 1e-6


class Row(NamedTuple):
  """A row of the tables, and what the paper has there for MNIST.

  Attributes:
    preset: vpa_mlp (table 1), vpa_cnn (table 2), or our form of the latter.
    head: of the decoder; for `vae` that of the VAE.
    num_components: K; 0 where the paper has no mixture.
    l2: percent.
    seconds: an epoch, on the paper's GPU.
    fid: the paper's, see above; None where it cannot be read.
    model: ae or vae.
    min_stddev: floor of scales, or None for that of the run.
  """
  preset: str
  head: str
  num_components: int
  l2: Optional[float] = None
  seconds: Optional[float] = None
  fid: Optional[float] = None
  model: str = 'ae'
  min_stddev: Optional[float] = None


# Head, and for K = 1 and K = 10: L2, seconds, FID.
_TABLE_1 = {
    'normal_unit': ((1.587, 4.325, 521.217), (1.163, 4.97, 500.474)),
    'normal_diag': ((5.299, 4.667, 507.615), (4.575, 10.6, 465.341)),
    'normal_full': ((9.808, 60.116, 447.789), None),
    'student_t_unit': ((1.623, 5.83, 523.926), (7.671, 51.9, 528.223)),
    'student_t_diag': ((5.037, 7.655, 496.185), (4.975, 56.9, 518.133)),
    'student_t_full': ((4.303, 57.132, 544.819), None),
    'matrix_normal_unit': ((1.668, 2.601, 521.807), (1.208, 9.07, 501.229)),
    'matrix_normal_diag': ((5.685, 3.503, 619.038), (4.795, 17.8, 547.99)),
    'matrix_normal_full': ((6.207, 4.824, 553.959), (5.98, 33.2, 596.754)),
    'matrix_t_unit': ((1.706, 5.749, 524.907), (7.953, 53.1, 496.058)),
    'matrix_t_diag': ((4.571, 6.46, 558.429), (5.149, 62.9, 544.661)),
    'matrix_t_full': ((5.61, 7.94, 585.251), (5.677, 79.6, 578.372))}
# Head, and L2 for K = 1 and K = 10.
_TABLE_2 = {
    'matrix_normal_unit': (8.047, 8.498), 'matrix_normal_diag': (8.778, 9.503),
    'matrix_normal_full': (9.825, 9.907), 'matrix_t_unit': (8.074, 8.682),
    'matrix_t_diag': (8.192, 11.093), 'matrix_t_full': (47.054, 17.739)}

ROWS = [Row('vpa_mlp', 'mse', 0, 1.585, 2.563, 520.167)]
ROWS += [Row('vpa_mlp', head, k, *values)
         for head, pair in _TABLE_1.items()
         for k, values in zip((1, 10), pair) if values]
ROWS += [Row('vpa_mlp', 'maf', 0, 1.869, 93.599, 524.118),
         Row('vpa_mlp', 'normal_diag', 0, 5.412, 4.39, 444.135, 'vae')]
# What the paper's floor does to scales that are learned.
ROWS += [Row('vpa_mlp', head, 1, *_TABLE_1[head][0], 'ae', PAPER_MIN_STDDEV)
         for head in ('normal_diag', 'matrix_normal_diag', 'matrix_t_diag')]
ROWS += [Row(preset, head, k, l2 if preset == 'vpa_cnn' else None)
         for preset in ('vpa_cnn', 'vpa_cnn_aligned')
         for head, pair in _TABLE_2.items() for k, l2 in zip((1, 10), pair)]
_MSE = ROWS[0]


def run(config: Config, progress: Progress, done: Mapping[str, dict],
        options: BenchmarkConfig) -> Iterator[dict[str, Any]]:
  """Every row of the tables; those of a full covariance on images of half the
  height and width, unless `max_head_params` allows them whole.

  Yields:
    name (preset/head/K, with `vae`, the floor or the size where they are not
    the usual ones), l2_percent (100 times the mean squared error of a pixel in
    0..1, over the first 1,000 test images), frechet (between reconstructions
    and these images, in `feature_space`), num_params, seconds_per_epoch
    (without the first round, which compiles), ratio (to seconds_per_epoch of
    mse on images of that size) and what the paper has; or diverged.
  """
  del options
  source = pipeline.open_source(config.data.dataset, config)
  if source.test is None:
    raise DataError(f'dataset = {source.name!r}: has no test split')
  benches: dict[bool, _Bench] = {}
  made: dict[str, dict[str, Any]] = dict(done)
  rows = _ordered(config, source)
  with progress.stage('heads', len(rows)):
    for i, (row, is_half) in enumerate(rows):
      name = _name(row, is_half)
      if name not in made:
        if is_half not in benches:
          its = _half(source) if is_half else source
          benches[is_half] = _Bench(its, config)
        made[name] = {'name': name, **benches[is_half].measure(row)}
      result = made[name]
      mse = made[_name(_MSE, is_half)]
      if 'seconds_per_epoch' in result:
        result['ratio'] = round(
            result['seconds_per_epoch'] / mse['seconds_per_epoch'], 2)
      progress.step(i + 1, f'{name}: L2 {result.get("l2_percent")} %')
      yield result


def _ordered(config: Config, source: Source) -> list[tuple[Row, bool]]:
  """Rows, and whether they are of smaller images; mse of a size comes first."""
  result: list[tuple[Row, bool]] = []
  for row in ROWS:
    n = math.prod(source.train.image_shape)
    is_half = (row.head in ('normal_full', 'student_t_full')
               and 2 + n + n * (n + 1) // 2 > config.model.max_head_params)
    if is_half and (_MSE, True) not in result:
      result.append((_MSE, True))
    result.append((row, is_half))
  return result


def _name(row: Row, is_half: bool) -> str:
  extra = [row.model] if row.model != 'ae' else []
  extra += [f'{row.min_stddev:g}'] if row.min_stddev else []
  extra += ['half'] if is_half else []
  return '/'.join(['heads', row.preset, row.head, str(row.num_components),
                   *extra])


class _Bench:
  """What the rows of images of one size have in common."""

  def __init__(self, source: Source, config: Config):
    assert source.test is not None
    self._source, self._config = source, config
    self._images = next(iter(source.test.batches(NUM_IMAGES)))[0].numpy()
    self._judge = tstr.train_judge(source.train, len(source.class_names),
                                   config.evaluate, config.seed)
    self._features = frechet.features(self._judge, self._images)

  def measure(self, row: Row) -> dict[str, Any]:
    config, source = self._config, self._source
    config = config_lib.replace(
        config, preset=row.preset, model=row.model, head=row.head,
        head_num_components=row.num_components,
        min_stddev=row.min_stddev or config.model.min_stddev,
        max_head_params=config.model.max_head_params,
        epochs=config.train.epochs or NUM_EPOCHS)
    paper = {'paper_l2_percent': row.l2, 'paper_fid': row.fid,
             'paper_ratio': row.seconds and _MSE.seconds and round(
                 row.seconds / _MSE.seconds, 2)}
    paper = {key: value for key, value in paper.items() if value}
    clock = _Clock()
    shape = list(source.train.image_shape)
    try:
      model = train.fit(config, source.train, len(source.class_names), [clock])
    except FloatingPointError as error:
      return {'image_shape': shape, 'diverged': str(error), **paper}
    steps = max(1, source.train.num_examples // config.train.batch_size)
    images = _reconstructed(model, self._images)
    off = images.astype(float) - self._images / 255
    return {
        'image_shape': shape, 'seed': config.seed,
        'min_stddev': config.model.min_stddev,
        'l2_percent': round(100 * float(np.square(off).mean()), 3),
        'frechet': round(frechet.distance(
            frechet.features(self._judge, np.round(255 * images).astype(
                np.uint8)), self._features), 2),
        'feature_space': frechet.FEATURES,
        'num_params': int(sum(np.prod(weight.shape)
                              for weight in model.trainable_weights)),
        'seconds_per_epoch': round(steps * clock.seconds_per_step(), 3),
        **paper}


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


def _half(source: Source) -> Source:
  """The same with means over 2 x 2 pixels, as uint8."""
  def half(split: Split) -> Split:
    height, width, channels = split.image_shape

    def pooled(image, label):
      x = tf.cast(image[tf.newaxis], tf.float32)
      x = tf.nn.avg_pool2d(x, 2, 2, 'SAME')
      return tf.cast(tf.round(x[0]), tf.uint8), label

    examples = split.examples.map(pooled, tf.data.AUTOTUNE).cache()
    return Split(examples, split.num_examples,
                 ((height + 1) // 2, (width + 1) // 2, channels))

  assert source.test is not None
  return dataclasses.replace(source, train=half(source.train),
                             test=half(source.test))
