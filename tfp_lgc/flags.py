"""absl flags made from dataclasses of settings.

Each command has flags of its own, not absl's global ones, so that `--help`
shows only what the command takes, and so that a test can run several commands
in one process. `--flagfile=FILE` works as everywhere in absl.
"""

import dataclasses
import textwrap
from typing import Any, Callable, Optional, Sequence

from absl import flags

from tfp_lgc.config import check
from tfp_lgc.errors import ConfigError
from tfp_lgc.presets import preset

__all__ = ['HelpRequested', 'given', 'parse']

_DEFINE: dict[Any, Callable] = {
    str: flags.DEFINE_string, int: flags.DEFINE_integer,
    float: flags.DEFINE_float, bool: flags.DEFINE_bool}


class HelpRequested(Exception):
  """The user asked for `--help`; the message is the answer."""


def parse(usage: str, groups: Sequence[type], argv: Sequence[str],
          positional: Optional[str] = None,
          others: Optional[list[str]] = None) -> list[Any]:
  """Settings of a command line.

  ```python
  data, output = flags.parse('Compresses.', [DataConfig, Output],
                             ['compress', '--dataset=mnist'])
  ```

  Args:
    usage: what the command does, for `--help`.
    groups: dataclasses whose fields were made by `config.setting`; the
      setting `preset`, where there is one, changes the defaults of others.
    argv: the command's name and its arguments.
    positional: the string setting that an argument without a flag stands for,
      or None.
    others: takes the arguments that are none of these; None refuses them.

  Returns:
    One instance of each group.

  Raises:
    HelpRequested: for --help.
    ConfigError: for a flag or value that is not allowed.
  """
  values, rest = _values(groups, argv, others is not None)
  if values.help:
    raise HelpRequested(_help(usage, argv[0], groups, positional))
  if rest and positional and not values[positional].present:
    values[positional].value = rest.pop(0)
  if others is not None:
    others += rest
  elif rest:
    raise ConfigError(f'unexpected argument {rest[0]!r}; flags are written '
                      '--name=value')
  chosen = {field.name: check(field, values[field.name].value)
            for group in groups for field in dataclasses.fields(group)}
  if chosen.get('preset', 'none') != 'none':
    model = chosen['model'] if values['model'].present else None
    chosen.update((name, value)
                  for name, value in preset(chosen['preset'], model).items()
                  if not values[name].present)
  return [group(**{field.name: chosen[field.name]
                   for field in dataclasses.fields(group)})
          for group in groups]


def given(groups: Sequence[type], argv: Sequence[str]) -> frozenset[str]:
  """Names of the settings that a command line gives, by themselves or by a
  preset, whatever their values; for the arguments, and errors, see `parse`."""
  values, _ = _values(groups, argv)
  names = {field.name for group in groups
           for field in dataclasses.fields(group) if values[field.name].present}
  if 'preset' in names and values['preset'].value != 'none':
    model = values['model'].value if values['model'].present else None
    names |= set(preset(str(values['preset'].value), model))
  return frozenset(names)


def _values(groups: Sequence[type], argv: Sequence[str],
            known_only: bool = False,
            ) -> tuple[flags.FlagValues, list[str]]:
  """Flags as absl reads them, and what is none."""
  values = flags.FlagValues()
  flags.DEFINE_bool('help', False, 'Show this.', flag_values=values,
                    short_name='h')
  for group in groups:
    for field in dataclasses.fields(group):
      _DEFINE[type(field.default)](
          field.name, field.default, field.metadata['help'],
          flag_values=values)
  try:
    return values, values(list(argv), known_only)[1:]
  except flags.Error as error:
    raise ConfigError(str(error)) from error


def _help(usage: str, command: str, groups: Sequence[type],
          positional: Optional[str]) -> str:
  argument = f' [{positional.upper()}]' if positional else ''
  lines = [usage, '', f'usage: {command}{argument} [--flag=value ...] '
           '[--flagfile=FILE]']
  for group in groups:
    lines += ['', (group.__doc__ or '').splitlines()[0]]
    for field in dataclasses.fields(group):
      lines += _help_of(field)
  return '\n'.join(lines)


def _help_of(field: dataclasses.Field) -> list[str]:
  default, choices = field.default, field.metadata['choices']
  if isinstance(default, bool):
    shown = f'--[no]{field.name}'
  else:
    shown = f'--{field.name}=' + (
        '|'.join(choices) if choices else type(default).__name__.upper())
  text = field.metadata['help']
  if default != '':
    text += f' (default: {str(default).lower()})'
  # Many choices are wrapped between two of them.
  lines = textwrap.wrap(shown.replace('|', '| '), 80, initial_indent='  ',
                        subsequent_indent='      ', break_on_hyphens=False)
  return [*(line.replace('| ', '|') for line in lines),
          *textwrap.wrap(text, 76, initial_indent='      ',
                         subsequent_indent='      ')]
