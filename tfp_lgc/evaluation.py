"""What an artifact, or a baseline of as many bytes, is worth to a classifier
that sees nothing else, and what else is measured of its samples."""

import functools
import math
import pathlib
from typing import Any, Optional, Sequence, Union

import numpy as np

from tfp_lgc import budget as budget_lib
from tfp_lgc import config as config_lib
from tfp_lgc import data, memory, opening, overlap, pipeline
from tfp_lgc import options as options_lib
from tfp_lgc.artifact import Artifact
from tfp_lgc.baselines import BASELINES, compress, Compressed
from tfp_lgc.classifier import OnStep
from tfp_lgc.config import Config, EvaluateConfig
from tfp_lgc.data import Images, Source, Split
from tfp_lgc.encoder import ENCODER_NAME
from tfp_lgc.errors import ConfigError, LgcError
from tfp_lgc.metrics import registry, tstr
from tfp_lgc.metrics.subject import Compress, Subject
from tfp_lgc.options import MetricsConfig
from tfp_lgc.progress import Progress
from tfp_lgc.sampling import (
  AnyArtifact,
  as_dataset,
  opened,
  sample,
  whole,
)

__all__ = ['accuracy_of_samples', 'cannot_judge', 'check_source',
           'compress_as', 'evaluate', 'evaluate_baseline', 'judge']

Metrics = Union[str, Sequence[str]]


def evaluate(artifact: AnyArtifact, dataset: pipeline.AnyDataset,
             config: Optional[Config] = None, *,
             test: Optional[pipeline.Arrays] = None, runs: int = 1,
             metrics: Metrics = ('accuracy',),
             progress: Optional[Progress] = None, **overrides,
             ) -> dict[str, Any]:
  """Accuracy on real test images of judges trained on samples alone (TSTR),
  beside judges trained on the real train split with as many steps; and what
  else `metrics` names.

  ```python
  result = tfp_lgc.evaluate('out', 'digits', runs=3)
  result = tfp_lgc.evaluate('out', (images, labels), test=(x_test, y_test))
  result['tstr_accuracy']['mean']
  result = tfp_lgc.evaluate('out', 'digits', metrics=('fid', 'privacy'))
  result['fid']['distance'], result['privacy']['dcr']['nearer_to_train']
  ```

  Args:
    artifact: an `Artifact`, or the path of one. Some metrics need its encoder:
      that of the `Artifact`, or in the directory that the path is.
    dataset: what it was made from, as for `compress`.
    config: all settings; the seed is that of the first run.
    test: `(images, labels)` to test on, where `dataset` is such a pair.
    runs: judges of each kind, each with a seed of its own; the samples of each
      run are drawn anew, `judge_samples` or as many as there are real images.
    metrics: names of `options.METRICS`, or of groups: `all`, `privacy`.
    progress: hears how far the job is.
    **overrides: settings by name, e.g. `data_dir`, `judge_steps`, `seed`, and
      those of `MetricsConfig`.

  Returns:
    What `accuracy.measure` returns, and by the name of each other metric what
    that returns, those of privacy under `privacy`; `left_out`, see
    `registry.measure`.

  Raises:
    LgcError: if the two do not fit, there is no test split, or one class, or
      something else that a metric needs is missing.
  """
  chosen = options_lib.chosen_metrics(metrics)
  num_bytes = None
  if not isinstance(artifact, Artifact):
    num_bytes = opening.num_bytes_on_disk(artifact)
  made = _opened(artifact, registry.uses_encoder(chosen))
  config, settings = _configs(config, overrides)
  source = pipeline.open_source(dataset, config, test)
  progress = progress or Progress()
  if source is not dataset:  # Or who opened it has been told.
    pipeline.tell_skipped(source, progress)

  bound = source.train.bound
  num = tstr.num_samples(config.evaluate, source.train.num_examples)

  def draw(seed: int, n: int) -> tuple[Images, None]:
    memory.check(n * math.prod(made.image_shape), bound, 'a metric of samples')
    return sample(made, n, seed=seed), None

  def stream(seed: int) -> Split:
    return Split(as_dataset(made, num, seed=seed), num, made.image_shape, bound)

  subject = Subject(
      source, draw, lambda: made.num_bytes if num_bytes is None else num_bytes,
      config, settings, whole('runs', runs, 1), progress, made,
      compress_as(made), stream if bound else None)
  registry.check(chosen, subject)
  check_source(made, source)
  overlap.warn(source, subject.progress)
  return registry.measure(chosen, subject)


def accuracy_of_samples(artifact: Artifact, source: Source, config: Config,
                        progress: Progress) -> dict[str, float]:
  """`tstr_accuracy` of one judge and nothing else: no judge sees a real train
  image, and `judge_samples` images are drawn, or as many as there were."""
  with progress.stage('evaluate', tstr.num_steps(config.evaluate)):
    drawn = sample(artifact, tstr.num_samples(
        config.evaluate, sum(artifact.class_counts)), seed=config.seed)
    right = judge(data.array_split(drawn.images, drawn.labels), source,
                  config.evaluate, config.seed, progress.step)
  return {'tstr_accuracy': round(float(right.mean()), 4)}


def evaluate_baseline(baseline: str, budget: Union[int, str],
                      dataset: pipeline.AnyDataset,
                      config: Optional[Config] = None, *,
                      test: Optional[pipeline.Arrays] = None, runs: int = 1,
                      metrics: Metrics = ('accuracy',),
                      progress: Optional[Progress] = None, **overrides,
                      ) -> dict[str, Any]:
  """The same of what else could be sent in as many bytes.

  ```python
  result = tfp_lgc.evaluate_baseline('thumbnails', '32kB', 'digits', runs=3)
  result['tstr_accuracy']['mean'], result['num_bytes']
  ```

  Args:
    baseline: a name of `BASELINES`.
    budget: bytes, or a size as `budget.parse` takes it.
    dataset: as for `evaluate`, and so are all others. A baseline is made anew
      for each run, with the seed of the run.

  Returns:
    What `evaluate` returns, and `num_bytes`, the largest of all runs, and
    `baseline_settings`, by run: the number of images, and how they were made.

  Raises:
    ConfigError: for a baseline or a budget that is not allowed.
    LgcError: if not one image fits, or there is no test split, or one class.
  """
  num_bytes = budget_lib.parse(str(budget))
  if baseline not in BASELINES:
    raise ConfigError(f'baseline = {baseline!r} is unknown; choose from '
                      f'{", ".join(BASELINES)}')
  chosen = options_lib.chosen_metrics(metrics)
  config, settings = _configs(config, overrides)
  source = pipeline.open_source(dataset, config, test)
  progress = progress or Progress()
  if source is not dataset:
    pipeline.tell_skipped(source, progress)
  images = functools.cache(
      lambda: source.train.to_memory(source.class_names))
  made: dict[int, Compressed] = {}

  def compressed(seed: int) -> Compressed:
    if seed not in made:
      made[seed] = compress(BASELINES[baseline], images(), num_bytes, seed,
                            config.evaluate)
    if not len(made[seed].images):
      raise LgcError(f'baseline = {baseline!r}: nothing of it fits into '
                     f'{num_bytes:,} bytes; give a larger budget')
    return made[seed]

  def draw(seed: int, n: int) -> tuple[Images, Optional[np.ndarray]]:
    del n
    return compressed(seed).images, compressed(seed).weights

  subject = Subject(
      source, draw, lambda: compressed(config.seed).num_bytes, config, settings,
      whole('runs', runs, 1), progress)
  registry.check(chosen, subject)
  overlap.warn(source, subject.progress)
  compressed(config.seed)  # Known of, even if no metric can be measured.
  result = registry.measure(chosen, subject)
  return {'num_bytes': max(sent.num_bytes for sent in made.values()),
          'baseline_settings': [dict(sent.settings) for sent in made.values()],
          **result}


def compress_as(artifact: Artifact) -> Optional[Compress]:
  """What makes other artifacts with the settings of one, in other steps; None
  without its encoder, beside which they are kept."""
  if artifact.encoder is None:
    return None
  settings = artifact.encoder.config

  def compress(images: Images, seed: int, steps: int) -> Artifact:
    if settings.privacy.dp_epsilon:
      # Without steps those before are all, and cost nothing.
      config = config_lib.replace(
          settings, seed=seed, dp_steps=settings.privacy.dp_steps and steps)
    else:
      steps_per_epoch = max(1, len(images) // settings.train.batch_size)
      config = config_lib.replace(
          settings, seed=seed, epochs=math.ceil(steps / steps_per_epoch),
          finetune_steps=min(settings.codec.finetune_steps, steps))
    source = Source('images', data.array_split(images.images, images.labels),
                    None, images.class_names)
    return pipeline.fit(source, config, Progress()).artifact

  return compress


def _opened(artifact: AnyArtifact, with_encoder: bool) -> Artifact:
  """With its encoder, where that is at hand and wanted."""
  if isinstance(artifact, Artifact) or not with_encoder or not (
      pathlib.Path(artifact) / ENCODER_NAME).is_dir():
    return opened(artifact)
  return opening.load_with_encoder(artifact)


def _configs(config: Optional[Config], overrides: dict[str, Any],
             ) -> tuple[Config, MetricsConfig]:
  """Overrides go to whichever has a setting of that name."""
  known = config_lib.settings(MetricsConfig())
  others = {name: value for name, value in overrides.items()
            if name not in known}
  return (config_lib.replace(config or Config(), **others),
          config_lib.replace(MetricsConfig(), **{
              name: value for name, value in overrides.items()
              if name in known}))


def judge(split: Split, source: Source, config: EvaluateConfig, seed: int,
          on_step: OnStep = lambda done: None) -> np.ndarray:
  """Which test images of `source` a judge trained on `split` names rightly."""
  assert source.test is not None
  return tstr.right(split, source.test, len(source.class_names), config, seed,
                    on_step)


def cannot_judge(source: Source) -> str:
  """Why no judge can be trained, or an empty string."""
  if len(source.class_names) < 2:
    return 'there is only one class'
  return '' if source.test else 'there is no test split'


def check_source(artifact: Artifact, source: Source) -> None:
  """Refuses a data set that is not the one the artifact was made from, or of
  which another part was held out."""
  for name, got, wanted in (
      ('images of shape', source.train.image_shape, artifact.image_shape),
      ('the classes', source.class_names, artifact.class_names)):
    if tuple(got) != tuple(wanted):
      raise LgcError(f'dataset = {source.name!r}: has {name} {got}, the '
                     f'artifact {wanted}; give the data set it was made from')
  # With a guarantee of privacy the number of images has noise.
  if (source.train.num_examples != sum(artifact.class_counts)
      and not artifact.privacy):
    raise LgcError(
        f'dataset = {source.name!r}: has {source.train.num_examples:,} train '
        f'images, the artifact was made from {sum(artifact.class_counts):,}; '
        'with another part held out (--test_fraction) its test images would be '
        'some that were compressed')
