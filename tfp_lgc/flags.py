"""absl flags made from dataclasses of settings.

Each command has flags of its own, not absl's global ones, so that `--help`
shows only what the command takes, and so that a test can run several commands
in one process. `--flagfile=FILE` works as everywhere in absl.
"""

import dataclasses
import difflib
import textwrap
from typing import Any, Callable, NamedTuple, Optional, Sequence

from absl import flags

from tfp_lgc import logs, runfile
from tfp_lgc.errors import ConfigError
from tfp_lgc.presets import preset
from tfp_lgc.setting import check, setting
from tfp_lgc.version import __version__

__all__ = ['FromFile', 'given', 'HelpRequested', 'names', 'parse', 'Parsed',
           'parsed']

_DEFINE: dict[Any, Callable] = {
    str: flags.DEFINE_string, int: flags.DEFINE_integer,
    float: flags.DEFINE_float, bool: flags.DEFINE_bool}


@dataclasses.dataclass(frozen=True)
class _File:
  """Settings from a file."""
  config: str = setting(
      '', 'run.json of a run of lgc-compress, or one written by hand: what its '
      '`settings` say takes the place of defaults, flags the place of that.')


@dataclasses.dataclass(frozen=True)
class _Every:
  """What all commands take."""
  verbosity: int = setting(
      0, 'What is logged to stderr, by numbers of absl: 0 progress, -1 only '
      'warnings, 1 also what libraries say.', low=-3, high=1)


# Flags of all commands that are no settings.
_OTHERS = (('--flagfile=FILE', 'Flags from a file, one a line.'),
           ('--version', 'Show the version.'), ('--help', 'Show this.'))


class FromFile(NamedTuple):
  """What of a run.json a command takes, for `--config`.

  Attributes:
    taken: names of settings.
    known: names of others, which are left out.
  """
  taken: frozenset[str]
  known: frozenset[str] = frozenset()


class HelpRequested(Exception):
  """The user asked for `--help` or `--version`; the message is the answer."""


class Parsed(NamedTuple):
  """All that a command line says, and the file that it names, read once.

  Attributes:
    groups: see `parse`.
    given: see `given`.
    path: of the file that `--config` names, or empty.
    versions: of packages that the file was made with, by name.
  """
  groups: list[Any]
  given: frozenset[str]
  path: str
  versions: dict[str, str]


class _Line(NamedTuple):
  """A command line, read.

  Attributes:
    values: of flags that are given, unchecked.
    rest: arguments that are no flags.
    file: what `--config` names, or nothing.
  """
  values: dict[str, Any]
  rest: list[str]
  file: runfile.RunFile


def names(groups: Sequence[type]) -> frozenset[str]:
  """Of all settings of groups."""
  return frozenset(_fields(groups))


def parse(usage: str, groups: Sequence[type], argv: Sequence[str],
          positional: Optional[str] = None, file: Optional[FromFile] = None,
          others: Optional[list[str]] = None) -> list[Any]:
  """Settings of a command line; `--verbosity` takes effect besides.

  ```python
  data, drawing = parse('Evaluates.', [DataConfig, DrawConfig],
                        ['evaluate', '--dataset=mnist', '--n=16'])
  drawing.n   # 16
  ```

  Args:
    usage: what the command does, for `--help`.
    groups: dataclasses whose fields were made by `setting.setting`; the
      setting `preset`, where there is one, changes the defaults of others.
    argv: the command's name and its arguments.
    positional: the string setting that an argument without a flag stands for,
      or None.
    file: what `--config` sets, below flags; None for a command without it.
    others: takes the arguments that are none of these; None refuses them.

  Returns:
    One instance of each group.

  Raises:
    HelpRequested: for --help or --version.
    ConfigError: for a flag, file or value that is not allowed.
  """
  return parsed(usage, groups, argv, positional, file, others).groups


def parsed(usage: str, groups: Sequence[type], argv: Sequence[str],
           positional: Optional[str] = None, file: Optional[FromFile] = None,
           others: Optional[list[str]] = None) -> Parsed:
  """`parse`, and what else the command line says; its arguments and errors."""
  values, rest = _values(groups, argv, file, others is not None)
  if values['help'].value:
    raise HelpRequested(_help(usage, argv[0], groups, positional, file))
  if values['version'].value:
    raise HelpRequested(f'tfp_lgc {__version__}')
  line = _read(groups, values, rest, file)
  if rest and positional and positional not in line.values:
    line.values[positional] = line.rest.pop(0)
  if others is not None:
    others += rest
  elif rest:
    raise ConfigError(f'unexpected argument {rest[0]!r}; flags are written '
                      '--name=value')
  fields = _fields(groups)
  said = {name: check(fields[name], value)
          for name, value in line.values.items()}
  [verbosity] = dataclasses.fields(_Every)
  logs.set_verbosity(check(verbosity, values['verbosity'].value))
  chosen = _chosen(fields, line.file.settings, said)
  made = [group(**{field.name: chosen[field.name]
                   for field in dataclasses.fields(group)})
          for group in groups]
  return Parsed(made, _given(line), str(values['config'].value) if file else '',
                line.file.versions)


def given(groups: Sequence[type], argv: Sequence[str],
          file: Optional[FromFile] = None) -> frozenset[str]:
  """Names of the settings that a command line gives, by themselves, by a
  preset, or by a file in which they are given, whatever their values; for the
  arguments, and errors, see `parse`."""
  return _given(_read(groups, *_values(groups, argv, file), file))


def _given(line: _Line) -> frozenset[str]:
  from_file = {name: value for name, value in line.file.settings.items()
               if name in line.file.given}
  result = {*line.values, *line.file.given}
  for said in (from_file, line.values):
    if said.get('preset', 'none') != 'none':
      result |= set(preset(str(said['preset']), said.get('model')))
  return frozenset(result)


def _fields(groups: Sequence[type]) -> dict[str, dataclasses.Field]:
  return {field.name: field for group in groups
          for field in dataclasses.fields(group)}


def _values(groups: Sequence[type], argv: Sequence[str],
            file: Optional[FromFile], known_only: bool = False,
            ) -> tuple[flags.FlagValues, list[str]]:
  """Flags as absl reads them, and what is none."""
  values = flags.FlagValues()
  flags.DEFINE_bool('help', False, 'Show this.', flag_values=values,
                    short_name='h')
  flags.DEFINE_bool('version', False, 'Show it.', flag_values=values)
  every = [_File, _Every] if file else [_Every]
  for field in _fields([*groups, *every]).values():
    _DEFINE[type(field.default)](
        field.name, field.default, field.metadata['help'], flag_values=values)
  try:
    return values, values(list(argv), known_only)[1:]
  except flags.UnrecognizedFlagError as error:
    near = difflib.get_close_matches(error.flagname, list(values), n=1)
    hint = f'; did you mean {near[0]}?' if near else ''
    raise ConfigError(f'there is no flag {error.flagname!r}{hint}') from error
  except flags.Error as error:
    raise ConfigError(str(error).removeprefix('ERROR:: ')) from error


def _read(groups: Sequence[type], values: flags.FlagValues, rest: list[str],
          file: Optional[FromFile]) -> _Line:
  fields = _fields(groups)
  said = {name: values[name].value for name in fields if values[name].present}
  content = runfile.RunFile({}, frozenset(), {})
  if file and values['config'].present:
    content = runfile.read(
        str(values['config'].value),
        {name: field for name, field in fields.items() if name in file.taken},
        file.known)
  return _Line(said, rest, content)


def _chosen(fields: dict[str, dataclasses.Field], file: dict[str, Any],
            line: dict[str, Any]) -> dict[str, Any]:
  """All settings: flags win over their preset, that over the file, that over
  the file's preset, and that over defaults."""
  chosen: dict[str, Any] = {
      name: field.default for name, field in fields.items()}
  models = line.get('model', file.get('model')), line.get('model')
  for said, model in zip((file, line), models):
    if said.get('preset', 'none') != 'none':
      chosen.update(preset(said['preset'], model, chosen['model']))
    chosen.update(said)
  return chosen


def _help(usage: str, command: str, groups: Sequence[type],
          positional: Optional[str], file: Optional[FromFile]) -> str:
  argument = f' [{positional.upper()}]' if positional else ''
  lines = [usage, '', f'usage: {command}{argument} [--flag=value ...] '
           '[--flagfile=FILE]']
  for group in [*groups, *([_File] if file else []), _Every]:
    lines += ['', (group.__doc__ or '').splitlines()[0]]
    for field in dataclasses.fields(group):
      lines += _help_of(field)
  for shown, text in _OTHERS:
    lines += [f'  {shown}', f'      {text}']
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
