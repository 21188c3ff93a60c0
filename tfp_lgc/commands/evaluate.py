"""lgc-evaluate, bin/evaluate: what an artifact is worth to a classifier."""

import dataclasses
import json
from typing import Any, Mapping, Optional, Sequence

from tfp_lgc import flags
from tfp_lgc.commands.run import print_table, run, say, start_tensorflow
from tfp_lgc.config import Config, DataConfig, EvaluateConfig, setting

USAGE = """\
Trains a judge only on samples of an artifact and one on the real train split,
for the same number of steps, and tests both on the real test split."""


@dataclasses.dataclass(frozen=True)
class Runs:
  """The runs."""
  artifact: str = setting(
      'lgc_artifact', 'artifact.lgc, a SavedModel, or the directory of both.')
  runs: int = setting(3, 'Judges of each kind, each with another seed.', low=1,
                      high=1000)
  seed: int = setting(0, 'Of the first run.', low=0, high=2**30)


def main(argv: Optional[Sequence[str]] = None) -> int:
  return run(_evaluate, argv)


def _evaluate(argv: Sequence[str]) -> None:
  options, data_config, config = flags.parse(
      USAGE, [Runs, DataConfig, EvaluateConfig], argv)
  start_tensorflow()
  from tfp_lgc import artifact as artifact_lib
  from tfp_lgc import evaluation, progress
  artifact = artifact_lib.load(options.artifact)
  log = progress.Progress(say)
  result = evaluation.evaluate(
      artifact, data_config.dataset,
      Config(data=data_config, evaluate=config, seed=options.seed),
      runs=options.runs, progress=log)
  print_table([(what, _spread(result[key])) for what, key in (
      ('judge trained on samples', 'tstr_accuracy'),
      ('judge trained on real', 'real_accuracy'),
      ('its worst group, samples', 'tstr_worst_group'),
      ('its worst group, real', 'real_worst_group')) if key in result])
  print(json.dumps({
      'artifact': options.artifact, 'dataset': data_config.dataset,
      'num_bytes': artifact.num_bytes, **result, 'seed': options.seed,
      'judge_steps': config.judge_steps, 'seconds': log.seconds}))


def _spread(accuracy: Mapping[str, Any]) -> str:
  if accuracy['stddev'] is None:
    return f'{accuracy["mean"]:.2%} (1 run)'
  return (f'{accuracy["mean"]:.2%} (stddev {accuracy["stddev"]:.2%}, '
          f'{len(accuracy["runs"])} runs)')
