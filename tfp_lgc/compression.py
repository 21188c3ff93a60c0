"""The main job: a labelled image data set in, an artifact out."""

import dataclasses
import os
from typing import AbstractSet, Optional, Sequence, Union

import tf_keras as tfk

from tfp_lgc import (
  agreement,
  cluster,
  distribution,
  overlap,
  pipeline,
  resuming,
  search,
  shared,
  sizes,
)
from tfp_lgc import budget as budget_lib
from tfp_lgc import config as config_lib
from tfp_lgc.artifact import Artifact
from tfp_lgc.config import Config
from tfp_lgc.data import Source
from tfp_lgc.errors import ConfigError
from tfp_lgc.progress import Progress

__all__ = ['compress']


def compress(dataset: pipeline.AnyDataset,
             config: Optional[Config] = None, *, budget: Union[int, str] = '',
             progress: Optional[Progress] = None,
             callbacks: Sequence[tfk.callbacks.Callback] = (),
             fixed: AbstractSet[str] = frozenset(),
             work_dir: Union[str, os.PathLike, None] = None,
             checkpoint_seconds: float = resuming.CHECKPOINT_SECONDS,
             **overrides) -> Artifact:
  """Compresses a labelled image data set.

  ```python
  artifact = tfp_lgc.compress((images, labels), model='vae', latent_size=8)
  artifact = tfp_lgc.compress('mnist', data_dir='/data/tfds', budget='32kB')
  artifact.save('out')
  ```

  Args:
    dataset: what `--dataset` takes, or `(images, labels)`: whole numbers from
      0 to 255 (others with `value_range`), `[N, H, W]` or `[N, H, W, C]`, C 1
      or 3, and `[N]` numbers or strings or None; or a `Source`.
    config: all settings.
    budget: bytes that artifact.lgc may have at the most, a number or as
      '32kB'. The settings of `sizes.CHOSEN` are then chosen for it, with a
      part of the train split as the judge's test images, but for those in
      `overrides` and those that are not as they are by default. Empty: the
      settings decide how large it is.
    progress: hears how far the job is; its `records` get the training losses,
      the BIC curves and what was tried.
    callbacks: for Keras' `fit`.
    fixed: names of further settings that a budget does not choose.
    work_dir: a new directory for checkpoints, of one process at a time. After
      a kill the same call goes on from there and ends in the same bytes; at the
      end it is removed. None: nothing is written.
    checkpoint_seconds: of training between two checkpoints.
    **overrides: settings by name, as the flags of `bin/compress`. With
      `strategy='multi_worker'` all processes make the same call, before
      anything else of TensorFlow, and get the same artifact; the encoder has
      that of the chief alone.

  Returns:
    The artifact, in memory. The same settings give the same bytes on the same
    machine, whatever the program's random seeds, but with dp_epsilon, whose
    noise has no seed; BUILD.md says what may differ on others.

  Raises:
    ConfigError: for a setting that does not exist or is not allowed, or a
      budget that nothing fits into.
    DataError: for a data set that is missing, damaged or of another form.
    FloatingPointError: if training diverges.
    WorkerLostError: if another process of `strategy` has ended, or the chief
      has raised an error. A process that is not the chief and raises one has
      to end, or the others wait for it.
  """
  num_bytes = 0 if budget == '' else budget_lib.parse(str(budget))
  config = config_lib.replace(config or Config(), **overrides)
  budget_lib.check_num_autoencoders(config.train.num_autoencoders, num_bytes)
  cluster.check(config.train.strategy, config.data.max_memory,
                dp_epsilon=config.privacy.dp_epsilon, budget=num_bytes)
  its = distribution.of(config.train.strategy)
  source = pipeline.open_source(dataset, config)
  progress = progress or Progress()
  if num_bytes and config.privacy.dp_epsilon:
    raise ConfigError(
        f'budget = {budget}: is kept by a judge who looks at private images, '
        'which dp_epsilon does not allow; choose the sizes, or no dp_epsilon')
  if work_dir is not None and config.privacy.dp_epsilon:
    raise ConfigError(
        f'work_dir = {os.fspath(work_dir)!r}: what is kept there would have no '
        'noise, which dp_epsilon does not allow; give none')
  fixed = fixed | set(overrides)
  if not its.is_chief:
    work_dir = None
  run = work_dir is not None and fingerprint(source, config, num_bytes, fixed)
  with resuming.keeping(work_dir, run or '', checkpoint_seconds,
                        progress.note) as work:
    return compress_with(work, source, config, num_bytes, fixed, progress,
                         callbacks)


def fingerprint(source: Source, config: Config, num_bytes: int,
                fixed: AbstractSet[str]) -> str:
  """Of all that decides what `compress` makes."""
  settings = dataclasses.asdict(config)
  del settings['data']  # The images themselves count,
  # and how many are shuffled, encoded and fitted to at a time.
  settings['bound'] = source.train.bound and list(source.train.bound)
  # Sums of other parts are rounded otherwise.
  if config.train.strategy != 'none':
    settings['replicas'] = distribution.of(config.train.strategy).num_replicas
  if num_bytes:
    settings.update(num_bytes=num_bytes, fixed=sorted(
        fixed & set(sizes.CHOSEN)))
    del settings['evaluate']['judge_steps']  # Those of what chooses are fixed.
  else:
    del settings['evaluate']
  return resuming.fingerprint(settings, source.train, source.class_names)


def compress_with(work: resuming.Work, source: Source, config: Config,
                  num_bytes: int, fixed: AbstractSet[str], progress: Progress,
                  callbacks: Sequence[tfk.callbacks.Callback] = (),
                  ) -> Artifact:
  """`compress`, with work that was opened elsewhere; 0 bytes: no budget.

  Of several processes the chief gives its work, and others `NO_WORK`.

  Raises:
    DifferenceError: if processes have other settings, data or versions.
    WorkerLostError: if another process of `strategy` has ended.
  """
  its = distribution.of(config.train.strategy)
  with its.watched():
    agreement.check(source, config, its)
    return _compress_with(shared.work_of(its, work), source, config, num_bytes,
                          fixed, progress, callbacks)


def _compress_with(work: resuming.Work, source: Source, config: Config,
                   num_bytes: int, fixed: AbstractSet[str], progress: Progress,
                   callbacks: Sequence[tfk.callbacks.Callback]) -> Artifact:
  # Both tell of single images of the train split.
  if not config.privacy.dp_epsilon:
    pipeline.tell_skipped(source, progress)
    overlap.warn(source, progress)
  if num_bytes:
    return search.compress_within(source, num_bytes, config, progress, fixed,
                                  callbacks, work)
  return pipeline.fit(source, config, progress, callbacks, work).artifact
