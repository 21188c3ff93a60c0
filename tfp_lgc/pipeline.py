"""The main job, end to end: compress, sample, evaluate."""

import contextlib
import dataclasses
import numbers
import os
import threading
from concurrent import futures
from typing import Any, Iterator, NamedTuple, Optional, Sequence, Union

import numpy as np
import tensorflow as tf
import tf_keras as tfk

from tfp_lgc import config as config_lib
from tfp_lgc import data, latent, sources, train
from tfp_lgc.artifact import Artifact, load
from tfp_lgc.autoencoder import Autoencoder
from tfp_lgc.config import Config, EvaluateConfig
from tfp_lgc.data import Images, Source, Split
from tfp_lgc.errors import DataError, LgcError
from tfp_lgc.metrics import groups, tstr
from tfp_lgc.progress import Progress
from tfp_lgc.sampler import BLOCK_SIZE

__all__ = ['as_dataset', 'compress', 'evaluate', 'raw_sizes', 'sample']

# Blocks that one call draws: bounds the memory of a sample of any size.
BLOCKS_PER_CALL = 32

AnyArtifact = Union[Artifact, str, os.PathLike]


def compress(dataset, config: Optional[Config] = None, *,
             progress: Optional[Progress] = None,
             callbacks: Sequence[tfk.callbacks.Callback] = (),
             **overrides) -> Artifact:
  """Compresses a labelled image data set.

  ```python
  artifact = tfp_lgc.compress((images, labels), model='vae', latent_size=8)
  artifact = tfp_lgc.compress('mnist', data_dir='/data/tfds', trunk='conv')
  artifact.save('out')
  ```

  Args:
    dataset: what `--dataset` takes, or `(images, labels)`: whole numbers from
      0 to 255, `[N, H, W]` or `[N, H, W, C]`, C 1 or 3, and `[N]` numbers or
      strings or None; or a `Source`.
    config: all settings.
    progress: hears how far the job is; its `records` get the training losses
      and the BIC curves.
    callbacks: for Keras' `fit`.
    **overrides: settings by name, as the flags of `bin/compress`.

  Returns:
    The artifact, in memory. The same settings give the same bytes on the same
    machine, unless the program changes TensorFlow's global seed in between.

  Raises:
    ConfigError: for a setting that does not exist or is not allowed.
    DataError: for a data set that is missing, damaged or of another form.
    FloatingPointError: if training diverges.
  """
  config = config_lib.replace(config or Config(), **overrides)
  return fit(open_source(dataset, config), config, progress or Progress(),
             callbacks).artifact


class Fitted(NamedTuple):
  """What `fit` made on its way.

  Attributes:
    artifact: the compressed data set.
    model: the autoencoder, which the artifact has only the decoder of.
    latents: float32 `[N, d]`, what the mixture was fitted to.
    labels: int32 `[N]`.
    kept: bool `[latent_size]`, which latents of the model they are.
  """
  artifact: Artifact
  model: Autoencoder
  latents: np.ndarray
  labels: np.ndarray
  kept: np.ndarray


def fit(source: Source, config: Config, progress: Progress,
        callbacks: Sequence[tfk.callbacks.Callback] = ()) -> Fitted:
  """`compress`, for those who need more than the artifact."""
  num_classes = len(source.class_names)
  latent.check(config, num_classes)
  rounds, steps = train.schedule(config.train, source.train.num_examples)
  with progress.stage('train', rounds * steps):
    model = train.fit(config, source.train, num_classes,
                      [_TrainProgress(progress, steps), *callbacks])
  with progress.stage('encode'):
    encoded = model.encode_all(source.train)
    latents, kept = latent.usable(encoded, config)
    progress.record(event='latents', latent_size=len(kept),
                    live=int(kept.sum()))
  labels = encoded.labels
  with progress.stage('mixture', num_classes):
    mixture, records = latent.fit(latents, labels, num_classes, config,
                                  lambda label: progress.step(label + 1))
  for row in records:
    if 'label' in row:
      row['class_name'] = source.class_names[row.pop('label')]
    progress.record(**row)
  with progress.stage('pack'):
    counts = np.bincount(labels, minlength=num_classes)
    artifact = Artifact.pack(model, mixture, source.class_names, counts, config,
                             kept, encoded.mean.mean(axis=0))
  return Fitted(artifact, model, latents, labels, kept)


def open_source(dataset, config: Config, test=None) -> Source:
  """A `Source` of whatever `compress` takes, and of test arrays."""
  if isinstance(dataset, (tuple, list)) and len(dataset) == 2:
    return data.from_arrays(dataset, test)
  if test is not None:
    raise DataError('test: is for a dataset of arrays; others bring theirs')
  if isinstance(dataset, Source):
    return dataset
  if isinstance(dataset, (str, os.PathLike)):
    config = config_lib.replace(config, dataset=os.fspath(dataset))
    return sources.load(config.data)
  raise DataError(f'dataset: got {type(dataset).__name__}; must be a name or '
                  'path, (images, labels), or a Source')


class _TrainProgress(tfk.callbacks.Callback):
  """Tells a `Progress` of each round of training."""

  def __init__(self, progress: Progress, steps: int):
    super().__init__()
    self._progress, self._steps = progress, steps

  def on_epoch_end(self, epoch, logs=None):
    terms = {name: round(float(value), 4) for name, value in logs.items()}
    step = (epoch + 1) * self._steps
    self._progress.record(event='train', step=step, **terms)
    self._progress.step(step, f'loss {terms["loss"]:.4g}')


def _whole(name: str, value, low: int) -> int:
  """A whole number from `low` to 2^31 - 1."""
  if (not isinstance(value, numbers.Integral) or isinstance(value, bool)
      or not low <= int(value) < 2**31):
    raise LgcError(f'{name} = {value!r}: must be a whole number from {low} to '
                   f'{2**31 - 1}')
  return int(value)


def _seed_tensor(seed: int) -> np.ndarray:
  """The int32 `[2]` that the SavedModel's signatures take for `seed`."""
  return np.array([0, _whole('seed', seed, 0)], np.int32)


def _opened(artifact: AnyArtifact) -> Artifact:
  return artifact if isinstance(artifact, Artifact) else load(artifact)


def sample(artifact: AnyArtifact, n: int, labels=None, seed: int = 0, *,
           balanced: bool = False, temperature: Optional[float] = None,
           stochastic: bool = False) -> Images:
  """Draws labelled images.

  The same artifact and seed give the same images, from an `Artifact`, either
  of its files, and the SavedModel's `sample` with seed `[0, seed]`; the first
  of them do not depend on n.

  ```python
  images = tfp_lgc.sample('out', n=1000, seed=1)
  threes = tfp_lgc.sample('out', n=16, labels='3')
  ```

  Args:
    artifact: an `Artifact`, or the path of one, see `load`.
    n: how many, at least 1.
    labels: None for classes as frequent as in the training data; or a class
      name, or n of them. A number stands for the class whose name it is.
    seed: from 0 to 2^31 - 1.
    balanced: whether, without `labels`, all classes are equally frequent: they
      take turns.
    temperature: what covariances are multiplied by; None for what the artifact
      was made with.
    stochastic: whether pixels are drawn from the output head, p(x | z), with
      all their noise; else an image is the one point that stands for p(x | z).

  Raises:
    LgcError: for n, labels, seed or temperature that are not allowed.
    ArtifactError: if the artifact cannot be opened.
  """
  n = _whole('n', n, 1)
  artifact, seed_tensor = _opened(artifact), _seed_tensor(seed)
  if temperature is not None:
    mixture = config_lib.replace(config_lib.MixtureConfig(),
                                 temperature=temperature)
    artifact = dataclasses.replace(artifact, temperature=mixture.temperature)
  if balanced and labels is None:
    labels = np.resize([name for name, count in zip(
        artifact.class_names, artifact.class_counts) if count], n)
  positions = None if labels is None else _positions(artifact, labels, n)
  sampler = artifact.sampler
  if stochastic:
    sampler = sampler.stochastic
  parts = []
  for first in range(0, -(-n // BLOCK_SIZE), BLOCKS_PER_CALL):
    if positions is None:
      count = min(BLOCKS_PER_CALL, -(-n // BLOCK_SIZE) - first)
      drawn = sampler.sample_blocks(first, count, seed_tensor)
    else:
      stop = (first + BLOCKS_PER_CALL) * BLOCK_SIZE
      drawn = sampler.sample_class_blocks(
          positions[first * BLOCK_SIZE:stop], seed_tensor, first)
    parts.append((drawn['image'].numpy(), drawn['label'].numpy()))
  return Images(np.concatenate([image for image, _ in parts])[:n],
                np.concatenate([label for _, label in parts])[:n],
                artifact.class_names)


def _positions(artifact: Artifact, labels, n: int) -> np.ndarray:
  """Labels as int32 `[n]` positions in `class_names`."""
  labels = np.broadcast_to(labels, [n]) if np.ndim(labels) == 0 else (
      np.asarray(labels))
  if labels.shape != (n,):
    raise LgcError(f'labels: got shape {labels.shape}; must be one label or '
                   f'n = {n} of them')
  counts = np.array(artifact.class_counts)
  # A class without an image has a place in the artifact, but no mixture.
  known = {name: i for i, name in enumerate(artifact.class_names) if counts[i]}
  positions = np.array([known.get(str(label), -1) for label in labels])
  bad = positions < 0
  if bad.any():
    names = list(known)
    listed = ', '.join(names[:20]) + (', ...' if len(names) > 20 else '')
    raise LgcError(f'labels: {str(labels[bad][0])!r} is no class of the '
                   f'artifact; choose from {listed}')
  return positions.astype(np.int32)


def as_dataset(artifact: AnyArtifact, seed: int = 0) -> tf.data.Dataset:
  """An endless stream of `(uint8 [H, W, C], int32 [])`.

  Its first n elements are those of `sample(artifact, n, seed=seed)`.

  ```python
  dataset = tfp_lgc.as_dataset('out').batch(128)
  ```

  Args:
    artifact: an `Artifact`, or the path of one.
    seed: from 0 to 2^31 - 1.
  """
  sampler, seed_tensor = _opened(artifact).sampler, _seed_tensor(seed)

  def block(position):
    drawn = sampler.sample_blocks(position, 1, seed_tensor)
    return drawn['image'], drawn['label']

  positions = tf.data.Dataset.range(2**31 - 1, output_type=tf.int32)
  return positions.map(block, tf.data.AUTOTUNE).unbatch()


def evaluate(artifact: AnyArtifact, dataset, config: Optional[Config] = None,
             *, test=None, runs: int = 1, progress: Optional[Progress] = None,
             **overrides) -> dict[str, Any]:
  """Accuracy on real test images of judges trained on samples alone (TSTR),
  beside judges trained on the real train split with as many steps.

  ```python
  result = tfp_lgc.evaluate('out', 'digits', runs=3)
  result = tfp_lgc.evaluate('out', (images, labels), test=(x_test, y_test))
  result['tstr_accuracy']['mean']
  ```

  Args:
    artifact: an `Artifact`, or the path of one.
    dataset: what it was made from, as for `compress`.
    config: all settings; the seed is that of the first run.
    test: `(images, labels)` to test on, where `dataset` is such a pair.
    runs: judges of each kind, each with a seed of its own; the samples of each
      run are drawn anew, as many as there are real images.
    progress: hears how far the job is.
    **overrides: settings by name, e.g. `data_dir`, `judge_steps`, `seed`.

  Returns:
    `tstr_accuracy` and `real_accuracy`, each a dict of mean, stddev and runs
    (from 0 to 1); where the test images have groups (`spuco`), also
    `tstr_worst_group` and `real_worst_group`, and `tstr_groups` and
    `real_groups`, means by class and group, None where there is no image.

  Raises:
    LgcError: if the two do not fit, or there is no test split, or one class.
  """
  runs, artifact = _whole('runs', runs, 1), _opened(artifact)
  config = config_lib.replace(config or Config(), **overrides)
  source = open_source(dataset, config, test)
  judging_split(artifact, source)
  progress = progress or Progress()
  rights: dict[str, list[np.ndarray]] = {'tstr': [], 'real': []}
  with progress.stage('evaluate', 2 * runs):
    for run in range(config.seed, config.seed + runs):
      drawn = sample(artifact, source.train.num_examples, seed=run)
      synthetic = data.array_split(drawn.images, drawn.labels)
      for name, split in (('tstr', synthetic), ('real', source.train)):
        right = judge(split, source, config.evaluate, run)
        rights[name].append(right)
        done = sum(len(values) for values in rights.values())
        progress.step(done, f'{name}_accuracy {right.mean():.4f}')
  result: dict[str, Any] = {f'{name}_accuracy': tstr.summarize(
      [right.mean() for right in values]) for name, values in rights.items()}
  if source.test_groups is not None:
    labels = source.test_labels()
    for name, values in rights.items():
      tables = [groups.accuracies(right, labels, source.test_groups)
                for right in values]
      result[f'{name}_worst_group'] = tstr.summarize(
          [np.nanmin(table) for table in tables])
      result[f'{name}_groups'] = groups.rounded(np.mean(tables, axis=0))
  return result


def judge(split: Split, source: Source, config: EvaluateConfig, seed: int,
          ) -> np.ndarray:
  """Which test images of `source` a judge trained on `split` names rightly."""
  assert source.test is not None
  return tstr.right(split, source.test, len(source.class_names), config, seed)


def cannot_judge(source: Source) -> str:
  """Why no judge can be trained, or an empty string."""
  if len(source.class_names) < 2:
    return 'there is only one class'
  return '' if source.test else 'there is no test split'


def judging_split(artifact: Artifact, source: Source) -> Split:
  """The test split, unless it is of other images than the artifact's."""
  reason = cannot_judge(source)
  if reason or source.test is None:
    raise LgcError(f'dataset = {source.name!r}: {reason}; nothing to judge by')
  for name, got, wanted in (
      ('images of shape', source.train.image_shape, artifact.image_shape),
      ('the classes', source.class_names, artifact.class_names)):
    if tuple(got) != tuple(wanted):
      raise LgcError(f'dataset = {source.name!r}: has {name} {got}, the '
                     f'artifact {wanted}; give the data set it was made from')
  if source.train.num_examples != sum(artifact.class_counts):
    raise LgcError(
        f'dataset = {source.name!r}: has {source.train.num_examples:,} train '
        f'images, the artifact was made from {sum(artifact.class_counts):,}; '
        'with another part held out (--test_fraction) the judge would be '
        'tested on images that were compressed')
  return source.test


@contextlib.contextmanager
def raw_sizes(source: Source) -> Iterator[futures.Future]:
  """Sizes of the train split, computed beside other work.

  Yields:
    A future of `(raw_num_bytes, gzip_num_bytes)`; what is not done when the
    block is left is given up.
  """
  num_classes, stop = len(source.class_names), threading.Event()

  def sizes():
    return (source.train.num_raw_bytes(num_classes),
            data.gzip_num_bytes(source.train, num_classes, stop.is_set))

  executor = futures.ThreadPoolExecutor(1)
  try:
    yield executor.submit(sizes)
  finally:
    stop.set()
    executor.shutdown(wait=False)
