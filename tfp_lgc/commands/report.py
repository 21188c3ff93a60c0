"""lgc-report, bin/report: pictures of what an artifact does, and a page about
runs."""

import dataclasses
from typing import Optional, Sequence

from tfp_lgc import flags
from tfp_lgc.commands.run import new_progress, run, start_tensorflow
from tfp_lgc.config import Config, DataConfig
from tfp_lgc.errors import ConfigError
from tfp_lgc.setting import setting

USAGE = """\
With --runs: writes one HTML file about runs of lgc-compress, which needs no
other file and no network: sizes, accuracy, samples beside real images,
mixtures, latents, privacy, accuracy against bytes, all settings.

With --artifact: draws what an artifact makes of images: reconstructions with
their variance, the components of a mixture head, samples, latents by class,
interpolations. PNG files, and one page that shows them all."""


@dataclasses.dataclass(frozen=True)
class Report:
  """The report."""
  runs: str = setting(
      '', 'Directories that lgc-compress wrote to, separated by commas. Their '
      'data sets are those that they name themselves, unless --dataset is '
      'given. What bin/evaluate printed is shown if its last line is in '
      'evaluation.json of the directory.')
  artifact: str = setting(
      'lgc_artifact', 'Without --runs: the directory that lgc-compress wrote '
      'to, with the encoder in it.')
  output: str = setting(
      'lgc_report', 'Directory to write index.html and *.png to; with --runs a '
      'file, by default lgc_report.html.')
  frontier: str = setting(
      '', 'With --runs: rows of lgc-benchmark --suite=frontier (.jsonl).')
  lossless: bool = setting(
      False, 'With --runs: also look for the best lossless code of data sets '
      'of more than 4 MB, which takes minutes.')
  overwrite: bool = setting(
      False, 'Replace what stands at --output.')
  seed: int = setting(0, 'Same seed, same pictures.', low=0, high=2**31 - 1)


def main(argv: Optional[Sequence[str]] = None) -> int:
  return run(_report, argv)


def _report(argv: Sequence[str]) -> None:
  options, data = flags.parse(USAGE, [Report, DataConfig], argv)
  given = flags.given([Report, DataConfig], argv)
  if options.runs:
    _page(options, data, given)
    return
  for name in ('frontier', 'lossless'):
    if name in given:
      raise ConfigError(f'{name} = {getattr(options, name)!r}: is for a page '
                        'about runs; name them by --runs')
  start_tensorflow()
  from tfp_lgc import reporting
  reporting.report(
      options.artifact, data.dataset, options.output,
      Config(data=data, seed=options.seed), progress=new_progress(),
      overwrite=options.overwrite)
  print(f'{options.output}/{reporting.PAGE_NAME}')


def _page(options: Report, data: DataConfig, given: frozenset[str]) -> None:
  if 'artifact' in given:
    raise ConfigError(f'artifact = {options.artifact!r}: give either --runs or '
                      '--artifact')
  about_data = given & {field.name for field in dataclasses.fields(DataConfig)}
  if about_data and 'dataset' not in given:
    raise ConfigError(f'{min(about_data)}: is for the data set that --dataset '
                      'names; the runs name theirs and how they were split')
  output = options.output if 'output' in given else f'{options.output}.html'
  start_tensorflow()
  from tfp_lgc import page
  page.report_runs(
      [name for name in options.runs.split(',') if name], output,
      dataset=data.dataset if about_data else None, config=Config(data=data),
      frontier=options.frontier, lossless=options.lossless, seed=options.seed,
      progress=new_progress(), overwrite=options.overwrite)
  print(output)
