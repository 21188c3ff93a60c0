"""lgc-benchmark, bin/benchmark: what is published, measured again."""

import dataclasses
import json
import os
from typing import Optional, Sequence

from tfp_lgc import flags
from tfp_lgc.commands.run import new_progress, run, start_tensorflow
from tfp_lgc.config import (
  CodecConfig,
  Config,
  DataConfig,
  EvaluateConfig,
  MixtureConfig,
  ModelConfig,
  Preset,
  PrivacyConfig,
  TrainConfig,
)
from tfp_lgc.errors import ConfigError
from tfp_lgc.options import BenchmarkConfig, SUITES
from tfp_lgc.setting import setting

USAGE = """\
Measures a suite and prints a line of JSON for each row as soon as it is there.
With --output a run that was ended goes on where it stopped."""


@dataclasses.dataclass(frozen=True)
class Run:
  """The suite."""
  suite: str = setting(
      'em', 'What is measured: augment, whether component means of a mixture '
      'head help a judge; baselines, the figure of the LGC paper by bytes of '
      'files; coreset, time, memory and accuracy of 182 and 2,850 medoids; '
      'cost, what other jobs would take, of the rows of scale; em, our '
      'EM against that of scikit-learn; frontier, accuracy against bytes, ours '
      'beside baselines (flags that are given, here and of baselines, stay '
      'whatever their values, a budget chooses the rest); '
      'gmm_dae_loss, what the loss of gmm_dae sees, and each of its terms '
      'alone; heads, reconstructions by likelihood; latents, what BIC chooses '
      'for draws and means, and how Gaussian the components are; papers, '
      'accuracies and bytes of the models of the papers; scale, seconds and '
      'memory of each stage by the number of images; serving, seconds of '
      'requests to lgc-serve, eight at a time; throughput, how fast is '
      'training, encoding and drawing, beside PyTorch.', choices=SUITES)
  output: str = setting(
      '', 'x.jsonl to add the rows to; rows that it has are not made again, '
      'but those of throughput and serving, so use another file for other '
      'flags.')
  figures: str = setting(
      '', 'Folder for figures (PNG) of the rows of gmm_dae_loss, latents, '
      'frontier or baselines; those of an earlier run are replaced. Empty: '
      'none.')
  table: bool = setting(
      False, 'Print the table of the rows of papers, heads, augment, scale, '
      'coreset, cost, frontier or baselines that stand in --output, draw '
      'the --figures of the last two, and measure nothing.')
  seed: int = setting(0, 'Of the first run.', low=0, high=2**30)


def main(argv: Optional[Sequence[str]] = None) -> int:
  return run(_benchmark, argv)


def _benchmark(argv: Sequence[str]) -> None:
  said = flags.parsed(
      USAGE, [Run, BenchmarkConfig, Preset, DataConfig, ModelConfig,
              TrainConfig, MixtureConfig, CodecConfig, EvaluateConfig,
              PrivacyConfig], argv)
  options, selection, _, *sections = said.groups
  config = dataclasses.replace(Config(*sections), seed=options.seed)
  done = _rows(options.output)
  if options.table and not done:
    raise ConfigError(f'output = {options.output!r}: has no row; --table shows '
                      'those of an earlier run')
  for name in ('output', 'figures'):
    _check_place(name, getattr(options, name))
  start_tensorflow()
  from tfp_lgc import benchmarks, plots
  suite, rows = benchmarks.SUITES[options.suite], []
  for what in ('figures', 'table'):
    if getattr(options, what) and getattr(suite, what) is None:
      has = [name for name, its in benchmarks.SUITES.items()
             if getattr(its, what)]
      raise ConfigError(f'{what}: the suite {options.suite} has none; choose '
                        f'from {", ".join(has)}')
  if options.table and suite.table:
    print(suite.table(done))
    if options.figures and suite.figures:
      plots.save(suite.figures(list(done.values())), options.figures)
    return
  fixed = {'fixed': said.given} if suite.takes_fixed else {}
  for row in suite.run(config, new_progress(), done, selection, **fixed):
    line = json.dumps(row)
    print(line, flush=True)
    # Means may be of more runs than they were.
    if options.output and done.get(row['name']) != row:
      with open(options.output, 'a') as file:
        file.write(line + '\n')
    rows.append(row)
  if options.figures and suite.figures:
    plots.save(suite.figures(rows), options.figures)


def _check_place(name: str, path: str) -> None:
  """Refuses what cannot be written to, before anything is measured."""
  folder = os.path.dirname(os.path.abspath(path))
  if path and not (os.path.isdir(folder) and os.access(folder, os.W_OK)):
    raise ConfigError(f'{name} = {path!r}: {folder} is no directory that can '
                      'be written to')


def _rows(path: str) -> dict[str, dict]:
  """Name -> row of an earlier run; the last one of a name counts.

  What a run that was killed wrote of a row is taken out of the file.
  """
  if not path or not os.path.exists(path):
    return {}
  with open(path) as file:
    text = file.read()
  complete = text[:text.rfind('\n') + 1]
  try:
    rows = [json.loads(line) for line in complete.splitlines()]
    result = {row['name']: row for row in rows}
    if text[len(complete):len(complete) + 1] not in ('', '{'):
      raise ValueError('no beginning of a row')
  except (ValueError, TypeError, KeyError) as error:
    raise ConfigError(f'output = {path!r}: has a line that is no row of a '
                      'suite; name another file') from error
  if complete != text:
    os.truncate(path, len(complete.encode()))
  return result
