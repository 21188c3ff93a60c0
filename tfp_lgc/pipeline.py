"""From images to an artifact, step by step."""

import contextlib
import os
import threading
from concurrent import futures
from typing import Iterator, NamedTuple, Sequence

import numpy as np
import tf_keras as tfk

from tfp_lgc import config as config_lib
from tfp_lgc import data, guaranteed, latent, packing, sources, texture, train
from tfp_lgc.artifact import Artifact
from tfp_lgc.autoencoder import Autoencoder
from tfp_lgc.codec import Quantized
from tfp_lgc.config import Config
from tfp_lgc.data import Source, Split
from tfp_lgc.errors import DataError
from tfp_lgc.finetuning import finetune
from tfp_lgc.progress import Progress

__all__ = ['Fitted', 'Trained', 'fit', 'open_source', 'raw_sizes', 'texture_of',
           'train_encode']

# The numbers of a texture are few: so many images tell them well.
TEXTURE_NUM_IMAGES = 10_000


class Trained(NamedTuple):
  """A trained autoencoder and what it makes of the train split.

  Attributes:
    model: the autoencoder.
    latents: float32 `[N, d]`, what a mixture is fitted to.
    labels: int32 `[N]`.
    kept: bool `[latent_size]`, which latents of the model they are.
    fill: float32 `[latent_size]`, means: what stands for the others.
  """
  model: Autoencoder
  latents: np.ndarray
  labels: np.ndarray
  kept: np.ndarray
  fill: np.ndarray


class Fitted(NamedTuple):
  """What `fit` made on its way.

  Attributes:
    artifact: the compressed data set.
    model: the autoencoder, before its decoder was rounded or fine-tuned.
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
  """`tfp_lgc.compress` without a budget, and what it makes on its way."""
  if config.privacy.dp_epsilon:
    made = guaranteed.fit(source, config, progress, callbacks)
    return Fitted(*made, np.ones(made.latents.shape[1], bool))
  num_classes = len(source.class_names)
  model, latents, labels, kept, fill = train_encode(source, config, progress,
                                                    callbacks)
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
                             kept, fill)
  if config.codec.finetune_steps:
    with progress.stage('finetune', config.codec.finetune_steps):
      artifact = artifact.replaced(finetune(
          model, artifact.tensors, kept, source.train, config, progress.step))
  if config.model.texture == 'residual':
    with progress.stage('texture'):
      artifact = artifact.replaced(texture_of(source.train, artifact, latents))
  return Fitted(artifact, model, latents, labels, kept)


def train_encode(source: Source, config: Config, progress: Progress,
                 callbacks: Sequence[tfk.callbacks.Callback] = ()) -> Trained:
  """The first steps, which are the same for all mixtures and codes.

  Raises:
    ConfigError: for a latent model that will not do.
    FloatingPointError: if training diverges.
  """
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
  return Trained(model, latents, encoded.labels, kept,
                 encoded.mean.mean(axis=0))


def texture_of(split: Split, artifact: Artifact, latents: np.ndarray,
               ) -> dict[str, Quantized]:
  """Tensors of the texture that an artifact lacks, see texture.py.

  Args:
    split: N images.
    artifact: whose decoder it is.
    latents: `[N, d]` of the images, in their order.
  """
  return packing.pack_texture(texture.fit(
      *_with_decoded(split, artifact, latents)))


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


def _with_decoded(split: Split, artifact: Artifact, latents: np.ndarray,
                  ) -> tuple[np.ndarray, np.ndarray]:
  """Images from all of a split, and what the artifact decodes for them.

  Args:
    split: N images.
    artifact: whose decoder it is.
    latents: `[N, d]` of the images, in their order.

  Returns:
    Two uint8 `[n, H, W, C]`, n at most `TEXTURE_NUM_IMAGES`.
  """
  every = -(-split.num_examples // TEXTURE_NUM_IMAGES)
  images, decoded, first = [], [], 0
  for batch, labels in split.batches(1000).as_numpy_iterator():
    some = np.arange(-first % every, len(batch), every)
    inputs = [latents[first + some]]
    if artifact.num_conditions:
      inputs.append(labels[some])
    images.append(batch[some])
    decoded.append(artifact.sampler.decode(*inputs)['image'].numpy())
    first += len(batch)
  return np.concatenate(images), np.concatenate(decoded)


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
