"""What commands say while they work, by absl logging, on stderr.

Results go to stdout by `print`, and what ends a command is no log either.
"""

import logging

from absl import flags
from absl import logging as absl_logging
from absl.logging import converter

__all__ = ['is_said', 'say', 'set_verbosity', 'start', 'warn']

# Of its own: the loggers `absl` and root are those of all libraries, and what
# TFDS says of every step is not asked for.
_LOGGER = logging.getLogger('tfp_lgc')


def start() -> None:
  """Lets absl's handler write lines as they are to stderr."""
  if not flags.FLAGS.is_parsed():
    # absl would warn of a log before its global flags are parsed, and commands
    # have flags of their own.
    flags.FLAGS.mark_as_parsed()
  flags.FLAGS['logtostderr'].value = True
  absl_logging.use_absl_handler()
  absl_logging.get_absl_handler().setFormatter(
      logging.Formatter('%(message)s'))
  set_verbosity(absl_logging.INFO)


def set_verbosity(verbosity: int) -> None:
  """Chooses what is said: 0 by absl's numbers is progress, -1 and less only
  warnings, 1 also what libraries log by absl, of which errors are always."""
  _LOGGER.setLevel(converter.absl_to_standard(verbosity))
  absl_logging.set_verbosity(
      verbosity if verbosity > absl_logging.INFO else absl_logging.ERROR)


def is_said() -> bool:
  """Whether `say` shows something."""
  return _LOGGER.isEnabledFor(logging.INFO)


def say(line: str) -> None:
  """A line about how far the work is."""
  _LOGGER.info('%s', line)


def warn(line: str) -> None:
  """A line about what is left out, or not as one would expect."""
  _LOGGER.warning('%s', line)
