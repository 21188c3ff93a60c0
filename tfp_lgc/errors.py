"""The errors that a user can cause; a command prints one as a line, exit 2.

`WorkerLostError` alone is nobody's fault: exit 75, and to be tried again.
"""

__all__ = ['ArtifactError', 'BudgetError', 'ConfigError', 'DataError',
           'DifferenceError', 'LgcError', 'PaddingError', 'WorkerLostError']


class LgcError(ValueError):
  """What was given cannot be used; the message says what to give instead."""


class ConfigError(LgcError):
  """A setting has a value that is not allowed."""


class BudgetError(ConfigError):
  """Nothing fits into so few bytes."""


class DifferenceError(ConfigError):
  """The processes of a job were not started alike; what stands is good."""


class DataError(LgcError):
  """A data set is missing, damaged or not of the described form."""


class ArtifactError(LgcError):
  """A file is not an artifact, or is damaged, or of a newer format."""


class PaddingError(ArtifactError):
  """Mixtures that would take much more memory than their bytes."""


class WorkerLostError(Exception):
  """Another process of the same job has ended; what stands is good."""
