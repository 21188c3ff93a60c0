"""From images to an artifact, step by step."""

import contextlib
import os
import threading
from concurrent import futures
from typing import Iterator, Mapping, NamedTuple, Optional, Sequence, Union

import numpy as np
import numpy.typing as npt
import tf_keras as tfk

from tfp_lgc import config as config_lib
from tfp_lgc import (
  data,
  distribution,
  finetuning,
  guaranteed,
  latent,
  memory,
  packing,
  shared,
  sources,
  spread_encode,
  streamed_em,
  streams,
  teacher,
  texture,
  train,
)
from tfp_lgc.arrays import from_arrays
from tfp_lgc.artifact import Artifact
from tfp_lgc.autoencoder import Autoencoder
from tfp_lgc.codec import Quantized
from tfp_lgc.config import Config
from tfp_lgc.data import Source, Split
from tfp_lgc.errors import DataError
from tfp_lgc.mixture import Mixture
from tfp_lgc.progress import Progress
from tfp_lgc.resuming import NO_WORK, Work

__all__ = ['AnyDataset', 'Arrays', 'Fitted', 'Trained', 'finetuned', 'fit',
           'open_source', 'raw_sizes', 'tell_skipped', 'texture_of',
           'train_encode']

# The numbers of a texture are few: so many images tell them well.
TEXTURE_NUM_IMAGES = 10_000
# Of images that are left out.
MAX_NAMED = 10

# Images and labels, or None in the place of these.
Arrays = tuple[npt.ArrayLike, Optional[npt.ArrayLike]]
# What a data set can be given as: what --dataset takes, or those, or opened.
AnyDataset = Union[str, os.PathLike, Arrays, Source]


class Trained(NamedTuple):
  """A trained autoencoder and what it makes of the train split.

  Attributes:
    model: the autoencoder.
    latents: float32 `[N, d]`, what a mixture is fitted to.
    labels: int32 `[N]`.
    kept: bool `[latent_size]`, which latents of the model they are.
    fill: float32 `[latent_size]`, means: what stands for the others.
    copies: int `[N]`, how often each latent counts there, see teacher.py.
  """
  model: Autoencoder
  latents: np.ndarray
  labels: np.ndarray
  kept: np.ndarray
  fill: np.ndarray
  copies: np.ndarray


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
        callbacks: Sequence[tfk.callbacks.Callback] = (),
        work: Work = NO_WORK) -> Fitted:
  """`tfp_lgc.compress` without a budget, and what it makes on its way."""
  if config.privacy.dp_epsilon:
    made = guaranteed.fit(source, config, progress, callbacks)
    return Fitted(*made, np.ones(made.latents.shape[1], bool))
  trained = train_encode(source, config, progress, callbacks, work)
  mixture = _mixture(source, trained, config, progress, work)
  its = distribution.of(config.train.strategy)
  if its.is_chief:  # All others have done their part.
    artifact = _packed(source, trained, mixture, config, progress,
                       shared.own(work))
  content = its.broadcast(artifact.to_bytes() if its.is_chief else b'')
  if not its.is_chief:
    artifact = Artifact.from_bytes(content)
  return Fitted(artifact, *trained[:4])


def _packed(source: Source, trained: Trained, mixture: Mixture, config: Config,
            progress: Progress, work: Work) -> Artifact:
  """The stages of a trained model and its mixture."""
  with progress.stage('pack'):
    counts = np.bincount(trained.labels, minlength=len(source.class_names))
    # Who refits it later may be alone.
    artifact = Artifact.pack(trained.model, mixture, source.class_names, counts,
                             config_lib.replace(config, strategy='none'),
                             trained.kept, trained.fill)
  if config.codec.finetune_steps:
    artifact = finetuned(artifact, trained, source.train, config, progress,
                         work)
  if config.model.texture == 'residual':
    with progress.stage('texture'):
      artifact = artifact.replaced(texture_of(source.train, artifact,
                                              trained.latents, work))
  return artifact


def _mixture(source: Source, trained: Trained, config: Config,
             progress: Progress, work: Work) -> Mixture:
  """The stage of the latent model."""
  num_classes = len(source.class_names)

  def make():
    bound = source.train.bound
    mixture, records = latent.fit(
        streams.repeated(trained.latents, trained.copies, bound),
        np.repeat(trained.labels, trained.copies), num_classes, config,
        lambda label: progress.step(label + 1), bound)
    for row in records:
      if 'label' in row:
        row['class_name'] = source.class_names[row.pop('label')]
      progress.record(**row)
    return {**vars(mixture), 'structures': np.array(mixture.structures)}

  found = work.stage('mixture', progress, make, num_classes)
  return Mixture(found['logits'], found['loc'], found['scale_tril'],
                 tuple(map(str, found['structures'])))


def finetuned(artifact: Artifact, trained: Trained, split: Split,
              config: Config, progress: Progress, work: Work = NO_WORK,
              ) -> Artifact:
  """The stage that trains the decoder on, see finetuning.py."""
  return artifact.replaced(_quantized(work.stage(
      'finetuned', progress, lambda: _arrays(finetuning.finetune(
          trained.model, artifact.tensors, trained.kept, split, config,
          progress.step, work)),
      config.codec.finetune_steps, 'finetune')))


def _arrays(tensors: Mapping[str, Quantized]) -> dict[str, np.ndarray]:
  """Quantized tensors as what `Work` keeps."""
  return {f'{name}:{part}': np.asarray(value)
          for name, tensor in tensors.items()
          for part, value in tensor._asdict().items()}


def _quantized(arrays: Mapping[str, np.ndarray]) -> dict[str, Quantized]:
  """The inverse of `_arrays`."""
  names = dict.fromkeys(name.rpartition(':')[0] for name in arrays)
  return {name: Quantized(arrays[f'{name}:values'], arrays[f'{name}:steps'],
                          int(arrays[f'{name}:bits'])) for name in names}


def train_encode(source: Source, config: Config, progress: Progress,
                 callbacks: Sequence[tfk.callbacks.Callback] = (),
                 work: Work = NO_WORK) -> Trained:
  """The first steps, which are the same for all mixtures and codes.

  Raises:
    ConfigError: for a latent model, or a fine-tuning, that will not do.
    FloatingPointError: if training diverges.
  """
  num_classes = len(source.class_names)
  latent.check(config, num_classes)
  finetuning.check(config)
  rounds, steps = train.schedule(config.train, source.train.num_examples)

  def on_round(i, terms):
    step = (i + 1) * steps
    progress.record(event='train', step=step, **{
        name: round(value, 4) for name, value in terms.items()})
    progress.step(step, f'loss {terms["loss"]:.4g}')

  with progress.stage('train', rounds * steps):
    model = train.fit(config, source.train, num_classes, [*callbacks], on_round,
                      work)

  def encode():
    encoded = spread_encode.encode_all(
        model, source.train, distribution.of(config.train.strategy),
        progress.step)
    latents, kept = latent.usable(encoded, config, source.train.bound)
    progress.record(event='latents', latent_size=len(kept),
                    live=int(kept.sum()))
    return {'latents': latents, 'labels': encoded.labels, 'kept': kept,
            'fill': _fill(encoded.mean)}

  encoded = work.stage('encode', progress, encode, source.train.num_examples,
                       bound=source.train.bound)
  if config.mixture.hard_copies == 1:
    return Trained(model, **encoded,
                   copies=np.ones(len(encoded['labels']), int))
  found = work.stage('losses', progress, lambda: {'losses': teacher.losses(
      config, source.train, num_classes, work)}, name='hard images')
  return Trained(model, **encoded, copies=teacher.copies(
      found['losses'], encoded['labels'], config.mixture, teacher.MAX_LOSS))


def _fill(means: np.ndarray) -> np.ndarray:
  """float32 `[d]`: the mean of latents `[N, d]`."""
  if isinstance(means, np.memmap):
    return streamed_em.mean_of(means).astype(np.float32)
  return means.mean(axis=0)


def texture_of(split: Split, artifact: Artifact, latents: np.ndarray,
               work: Work = NO_WORK) -> dict[str, Quantized]:
  """Tensors of the texture that an artifact lacks, see texture.py.

  Args:
    split: N images.
    artifact: whose decoder it is.
    latents: `[N, d]` of the images, in their order.
    work: where they are kept, if at all.
  """
  return _quantized(work.kept('texture', lambda: _arrays(
      packing.pack_texture(texture.fit(
          *_with_decoded(split, artifact, latents))))))


def open_source(dataset: AnyDataset, config: Config,
                test: Optional[Arrays] = None) -> Source:
  """A `Source` of whatever `compress` takes, and of test arrays."""
  if isinstance(dataset, (tuple, list)) and len(dataset) == 2:
    source = from_arrays(dataset, test,
                         value_range=config.data.value_range)
    bound = memory.limits(config.data.max_memory)
    memory.check(source.train.num_bytes, bound, 'an array')
    return data.bounded(source, bound)
  if test is not None:
    raise DataError('test: is for a dataset of arrays; others bring theirs')
  if isinstance(dataset, Source):
    return dataset
  if isinstance(dataset, (str, os.PathLike)):
    config = config_lib.replace(config, dataset=os.fspath(dataset))
    return sources.load(config.data)
  raise DataError(f'dataset: got {type(dataset).__name__}; must be a name or '
                  'path, (images, labels), or a Source')


def tell_skipped(source: Source, progress: Progress) -> None:
  """Says and records how many images were left out, and names the first."""
  if not source.skipped:
    return
  first = source.skipped[:MAX_NAMED]
  progress.note(f'{len(source.skipped)} images are left out:')
  for line in first:
    progress.note(f'  {line}')
  if len(source.skipped) > len(first):
    progress.note(f'  ... and {len(source.skipped) - len(first)} more')
  progress.record(event='skipped_images', count=len(source.skipped),
                  first=list(first))


def _with_decoded(split: Split, artifact: Artifact, latents: np.ndarray,
                  ) -> tuple[np.ndarray, np.ndarray]:
  """Images from all of a split, and what the artifact decodes for them.

  Args:
    split: N images.
    artifact: whose decoder it is.
    latents: `[N, d]` of the images, in their order.

  Returns:
    Two uint8 `[n, H, W, C]`, n at most `TEXTURE_NUM_IMAGES`, and so many that
    one of them is within the bound of a split in memory.
  """
  most = TEXTURE_NUM_IMAGES
  if split.bound:
    size = int(np.prod(split.image_shape))
    most = min(most, max(1, split.bound.split // size))
  every = -(-split.num_examples // most)
  images, decoded, first = [], [], 0
  for batch, labels in split.batches(1000).as_numpy_iterator():
    some = np.arange(-first % every, len(batch), every)
    inputs = [latents[first + some]]
    if artifact.num_conditions:
      inputs.append(labels[some])
    images.append(batch[some])
    streams.release(latents)
    decoded.append(artifact.sampler.decode(*inputs)['image'].numpy())
    first += len(batch)
  return np.concatenate(images), np.concatenate(decoded)


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
