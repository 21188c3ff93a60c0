"""The errors that a user can cause; a command prints one as a line, exit 2."""

__all__ = ['ArtifactError', 'BudgetError', 'ConfigError', 'DataError',
           'LgcError']


class LgcError(ValueError):
  """What was given cannot be used; the message says what to give instead."""


class ConfigError(LgcError):
  """A setting has a value that is not allowed."""


class BudgetError(ConfigError):
  """Nothing fits into so few bytes."""


class DataError(LgcError):
  """A data set is missing, damaged or not of the described form."""


class ArtifactError(LgcError):
  """A file is not an artifact, or is damaged, or of a newer format."""
