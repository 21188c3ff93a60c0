"""lgc-benchmark, bin/benchmark: what is published, measured again."""

import dataclasses
import json
import os
from typing import Optional, Sequence

from tfp_lgc import flags
from tfp_lgc.commands.run import run, say, start_tensorflow
from tfp_lgc.config import (
  CodecConfig,
  Config,
  DataConfig,
  EvaluateConfig,
  MixtureConfig,
  ModelConfig,
  Preset,
  setting,
  SUITES,
  TrainConfig,
)
from tfp_lgc.errors import ConfigError

USAGE = """\
Measures a suite and prints a line of JSON for each row as soon as it is there.
With --output a run that was ended goes on where it stopped."""


@dataclasses.dataclass(frozen=True)
class Suite:
  """The suite."""
  suite: str = setting(
      'em', 'What is measured: em, our EM against that of scikit-learn; '
      'heads, reconstructions by likelihood; throughput, seconds to draw '
      '60,000 images.', choices=SUITES)
  output: str = setting(
      '', 'x.jsonl to add the rows to; rows that it has are not made '
      'again, so use another file for other flags.')
  seed: int = setting(0, 'Of the first run.', low=0, high=2**30)


def main(argv: Optional[Sequence[str]] = None) -> int:
  return run(_benchmark, argv)


def _benchmark(argv: Sequence[str]) -> None:
  options, _, *sections = flags.parse(
      USAGE, [Suite, Preset, DataConfig, ModelConfig, TrainConfig,
              MixtureConfig, CodecConfig, EvaluateConfig], argv)
  config = dataclasses.replace(Config(*sections), seed=options.seed)
  done = _rows(options.output)
  start_tensorflow()
  from tfp_lgc import progress
  from tfp_lgc.benchmarks import SUITE_FUNCTIONS
  suite = SUITE_FUNCTIONS[options.suite]
  for row in suite(config, progress.Progress(say), done):
    line = json.dumps(row)
    print(line, flush=True)
    if options.output and row['name'] not in done:
      with open(options.output, 'a') as file:
        file.write(line + '\n')


def _rows(path: str) -> dict[str, dict]:
  """Name -> row of an earlier run."""
  if not path or not os.path.exists(path):
    return {}
  try:
    with open(path) as file:
      rows = [json.loads(line) for line in file]
    return {row['name']: row for row in rows}
  except (ValueError, TypeError, KeyError) as error:
    raise ConfigError(f'output = {path!r}: has a line that is no row of a '
                      'suite; name another file') from error
