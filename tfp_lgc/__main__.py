"""`python -m tfp_lgc COMMAND`: the commands, where they are not on the path."""

import difflib
import importlib
import sys
from typing import Optional, Sequence

from tfp_lgc.commands.run import run
from tfp_lgc.errors import ConfigError
from tfp_lgc.flags import HelpRequested
from tfp_lgc.version import __version__

COMMANDS = {
    'compress': 'a data set in, an artifact out',
    'sample': 'an artifact in, labelled images out',
    'evaluate': 'what an artifact, or a baseline, is worth to a classifier',
    'report': 'a page about runs, or pictures of what an artifact does',
    'serve': 'images over HTTP',
    'beam': 'very large jobs, as pipelines of Apache Beam',
    'benchmark': 'what is published, measured again',
}


def main(argv: Optional[Sequence[str]] = None) -> int:
  argv = ['tfp_lgc', *(sys.argv if argv is None else argv)[1:]]
  if argv[1:] and argv[1] in COMMANDS:
    command = importlib.import_module(f'tfp_lgc.commands.{argv[1]}')
    return command.main([f'lgc-{argv[1]}', *argv[2:]])
  return run(_other, argv)


def _other(argv: Sequence[str]) -> None:
  """Arguments that do not begin with a command."""
  first = argv[1] if argv[1:] else ''
  if first in ('-h', '-help', '--help', 'help'):
    raise HelpRequested(_help())
  if first in ('-version', '--version'):
    raise HelpRequested(f'tfp_lgc {__version__}')
  known = f'choose from {", ".join(COMMANDS)}'
  if not first:
    raise ConfigError(f'no command; {known}, or --help')
  near = difflib.get_close_matches(first, COMMANDS, n=1)
  hint = f' (did you mean {near[0]}?)' if near else ''
  raise ConfigError(f'command = {first!r} is unknown; {known}{hint}')


def _help() -> str:
  width = max(map(len, COMMANDS))
  return '\n'.join([
      'Latent Gaussian Compression: a labelled image data set in a few '
      'kilobytes.', '',
      'usage: python -m tfp_lgc COMMAND [--flag=value ...]', '',
      *(f'  {name:<{width}}  {text}' for name, text in COMMANDS.items()), '',
      'COMMAND --help lists its flags; --version shows the version.'])


if __name__ == '__main__':
  sys.exit(main())
