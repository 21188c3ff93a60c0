"""lgc-report, bin/report: pictures of what an artifact does."""

import dataclasses
from typing import Optional, Sequence

from tfp_lgc import flags
from tfp_lgc.commands.run import run, say, start_tensorflow
from tfp_lgc.config import Config, DataConfig, setting

USAGE = """\
Draws what an artifact makes of images: reconstructions with their variance, the
components of a mixture head, samples, latents by class, interpolations. PNG
files, and one page that shows them all."""


@dataclasses.dataclass(frozen=True)
class Report:
  """The report."""
  artifact: str = setting(
      'lgc_artifact', 'The directory that lgc-compress wrote to, with the '
      'encoder in it.')
  output: str = setting(
      'lgc_report', 'Directory to write index.html and *.png to.')
  overwrite: bool = setting(
      False, 'Replace the pictures that stand in --output.')
  seed: int = setting(0, 'Same seed, same pictures.', low=0, high=2**31 - 1)


def main(argv: Optional[Sequence[str]] = None) -> int:
  return run(_report, argv)


def _report(argv: Sequence[str]) -> None:
  options, data = flags.parse(USAGE, [Report, DataConfig], argv)
  start_tensorflow()
  from tfp_lgc import progress, reporting
  reporting.report(
      options.artifact, data.dataset, options.output,
      Config(data=data, seed=options.seed), progress=progress.Progress(say),
      overwrite=options.overwrite)
  print(f'{options.output}/{reporting.PAGE_NAME}')
