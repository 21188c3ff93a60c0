"""lgc-serve, bin/serve: an artifact in, an HTTP server of its images out."""

import functools
from typing import Optional, Sequence

from tfp_lgc import flags
from tfp_lgc.commands.run import run, start_tensorflow
from tfp_lgc.errors import ConfigError
from tfp_lgc.options import ServeConfig

USAGE = """\
Serves labelled images over HTTP: /sample, a page to look at them at /, and
/healthz and /metrics for those who watch over it."""


def main(argv: Optional[Sequence[str]] = None) -> int:
  return run(_serve, argv)


def _serve(argv: Sequence[str]) -> None:
  [config] = flags.parse(USAGE, [ServeConfig], argv, positional='artifact')
  start_tensorflow()
  from tfp_lgc import opening, serving
  if reason := serving.missing():
    raise ConfigError(reason)
  with serving.bind(config.host, config.port) as listening:
    serving.run(opening.load(config.artifact), config, listening,
                functools.partial(print, flush=True))
