"""lgc-evaluate, bin/evaluate: what an artifact is worth to a classifier, or a
baseline of as many bytes."""

import dataclasses
import json
from typing import Any, Mapping, Optional, Sequence

from tfp_lgc import budget, flags
from tfp_lgc.commands.run import print_table, run, say, start_tensorflow
from tfp_lgc.config import (
  BASELINES,
  Config,
  DataConfig,
  EvaluateConfig,
  setting,
)
from tfp_lgc.errors import ConfigError

USAGE = """\
Trains a judge only on samples of an artifact and one on the real train split,
for the same number of steps, and tests both on the real test split. With
--baseline and --budget the samples are what a simpler method sends in as many
bytes; no artifact is read."""


@dataclasses.dataclass(frozen=True)
class Runs:
  """The runs."""
  artifact: str = setting(
      'lgc_artifact', 'artifact.lgc, a SavedModel, or the directory of both.')
  baseline: str = setting(
      'none', 'What to judge in place of an artifact: lossless (real images by '
      'the best of gzip, xz, PNG and WebP), thumbnails (at less size and '
      'depth), a lossy format, medoids of loss gradients (coreset), k-means, '
      'or Gaussian mixtures on principal components.',
      choices=('none', *BASELINES))
  budget: str = setting(
      '', 'Bytes that the baseline may take: a number, or as 500B, 32kB '
      '(32,000 bytes), 1.5MB.')
  runs: int = setting(3, 'Judges of each kind, each with another seed.', low=1,
                      high=1000)
  seed: int = setting(0, 'Of the first run.', low=0, high=2**30)


def main(argv: Optional[Sequence[str]] = None) -> int:
  return run(_evaluate, argv)


def _evaluate(argv: Sequence[str]) -> None:
  options, data_config, config = flags.parse(
      USAGE, [Runs, DataConfig, EvaluateConfig], argv)
  num_bytes = _budget(options)
  start_tensorflow()
  from tfp_lgc import artifact as artifact_lib
  from tfp_lgc import evaluation, progress
  log = progress.Progress(say)
  config_all = Config(data=data_config, evaluate=config, seed=options.seed)
  how = {'runs': options.runs, 'progress': log}
  if num_bytes:
    result = evaluation.evaluate_baseline(
        options.baseline, num_bytes, data_config.dataset, config_all, **how)
    what = {'baseline': options.baseline, 'budget': num_bytes}
  else:
    artifact = artifact_lib.load(options.artifact)
    size = artifact_lib.num_bytes_on_disk(options.artifact)
    result = {'num_bytes': size, **evaluation.evaluate(
        artifact, data_config.dataset, config_all, **how)}
    what = {'artifact': options.artifact}
  print_table([(title, _spread(result[key])) for title, key in (
      ('judge trained on samples', 'tstr_accuracy'),
      ('judge trained on real', 'real_accuracy'),
      ('its worst group, samples', 'tstr_worst_group'),
      ('its worst group, real', 'real_worst_group')) if key in result])
  print(json.dumps({
      **what, 'dataset': data_config.dataset, **result, 'seed': options.seed,
      'judge_steps': config.judge_steps, 'seconds': log.seconds}))


def _budget(options: Runs) -> int:
  """Bytes for the baseline; 0 if an artifact is judged."""
  if options.baseline == 'none':
    if options.budget:
      raise ConfigError(f'budget = {options.budget!r}: is for a baseline; '
                        'choose one by --baseline')
    return 0
  if options.artifact != Runs.artifact:
    raise ConfigError(f'baseline = {options.baseline!r}: is judged in place of '
                      'an artifact; give only one of them')
  if not options.budget:
    raise ConfigError(f'baseline = {options.baseline!r}: needs --budget, the '
                      'bytes that it may take, as --budget=32kB')
  return budget.parse(options.budget)


def _spread(accuracy: Mapping[str, Any]) -> str:
  if accuracy['stddev'] is None:
    return f'{accuracy["mean"]:.2%} (1 run)'
  return (f'{accuracy["mean"]:.2%} (stddev {accuracy["stddev"]:.2%}, '
          f'{len(accuracy["runs"])} runs)')
