"""What an artifact, or a baseline of as many bytes, is worth to a classifier
that sees nothing else."""

from typing import Any, Callable, Optional, Union

import numpy as np

from tfp_lgc import budget as budget_lib
from tfp_lgc import config as config_lib
from tfp_lgc import data, pipeline
from tfp_lgc.artifact import Artifact
from tfp_lgc.baselines import BASELINES, Compressed
from tfp_lgc.config import Config, EvaluateConfig
from tfp_lgc.data import Source, Split
from tfp_lgc.errors import ConfigError, LgcError
from tfp_lgc.metrics import groups, tstr
from tfp_lgc.progress import Progress
from tfp_lgc.sampling import AnyArtifact, opened, sample, whole

__all__ = ['cannot_judge', 'check_source', 'evaluate', 'evaluate_baseline',
           'judge']


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
  artifact = opened(artifact)
  config = config_lib.replace(config or Config(), **overrides)
  source = pipeline.open_source(dataset, config, test)
  _check_judging(source, config.evaluate)
  check_source(artifact, source)

  def draw(seed: int) -> Split:
    drawn = sample(artifact, source.train.num_examples, seed=seed)
    return data.array_split(drawn.images, drawn.labels)

  return _judged(draw, source, config, runs, progress or Progress())


def evaluate_baseline(baseline: str, budget: Union[int, str], dataset,
                      config: Optional[Config] = None, *, test=None,
                      runs: int = 1, progress: Optional[Progress] = None,
                      **overrides) -> dict[str, Any]:
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
  config = config_lib.replace(config or Config(), **overrides)
  source = pipeline.open_source(dataset, config, test)
  _check_judging(source, config.evaluate)
  images = source.train.to_memory(source.class_names)
  progress, made = progress or Progress(), list[Compressed]()

  def draw(seed: int) -> Split:
    compressed = BASELINES[baseline](images, num_bytes, seed)
    if not len(compressed.images):
      raise LgcError(f'baseline = {baseline!r}: nothing of it fits into '
                     f'{num_bytes:,} bytes; give a larger budget')
    made.append(compressed)
    return data.array_split(compressed.images.images, compressed.images.labels,
                            weights=compressed.weights)

  result = _judged(draw, source, config, runs, progress)
  return {'num_bytes': max(compressed.num_bytes for compressed in made),
          'baseline_settings': [dict(compressed.settings)
                                for compressed in made], **result}


def _judged(draw: Callable[[int], Split], source: Source, config: Config,
            runs: int, progress: Progress) -> dict[str, Any]:
  """Of judges of what is drawn for a seed, and of the real train split."""
  runs = whole('runs', runs, 1)
  rights: dict[str, list[np.ndarray]] = {'tstr': [], 'real': []}
  with progress.stage('evaluate', 2 * runs):
    for run in range(config.seed, config.seed + runs):
      for name, split in (('tstr', draw(run)), ('real', source.train)):
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


def check_source(artifact: Artifact, source: Source) -> None:
  """Refuses a data set that is not the one the artifact was made from, or of
  which another part was held out."""
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
        'with another part held out (--test_fraction) its test images would be '
        'some that were compressed')


def _check_judging(source: Source, config: EvaluateConfig) -> None:
  tstr.check(config)
  if reason := cannot_judge(source):
    raise LgcError(f'dataset = {source.name!r}: {reason}; nothing to judge by')
