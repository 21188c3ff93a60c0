"""run.json: the settings of a run of bin/compress, to make it once more.

Standard library only: a file that is wrong must not wait for TensorFlow.
"""

import dataclasses
import difflib
import json
from typing import Any, Collection, Iterable, Mapping, NamedTuple

from tfp_lgc.errors import ConfigError
from tfp_lgc.setting import check
from tfp_lgc.version import __version__

__all__ = ['dumps', 'read', 'RUN_NAME', 'RunFile']

RUN_NAME = 'run.json'
FORMAT_VERSION = 1
# Where a run writes to is no part of what it makes.
_LEFT_OUT = ('output', 'overwrite')
# What the file has, and of which type. Only `settings` has to be there.
_ENTRIES = {'format_version': int, 'settings': dict, 'given': list,
            'versions': dict}


class RunFile(NamedTuple):
  """What a file says.

  Attributes:
    settings: by name, checked.
    given: names of those that a user or a preset gave, whatever their values;
      of a file that does not say it, all.
    versions: of packages that the run was made with, by name.
  """
  settings: dict[str, Any]
  given: frozenset[str]
  versions: dict[str, str]


def dumps(settings: Mapping[str, Any], given: Iterable[str],
          versions: Mapping[str, str]) -> str:
  """The content of run.json.

  ```python
  dumps({'model': 'ae', 'seed': 0}, ['model'], {'numpy': '2.1.0'})
  ```

  Args:
    settings: of a run, by name.
    given: names of those that were given, see `RunFile`.
    versions: of packages, by name; that of tfp_lgc is added.
  """
  kept = {name: value for name, value in settings.items()
          if name not in _LEFT_OUT}
  return json.dumps({
      'format_version': FORMAT_VERSION,
      'versions': {'tfp_lgc': __version__, **versions},
      'settings': kept,
      'given': [name for name in kept if name in set(given)]}, indent=1) + '\n'


def read(path: str, fields: Mapping[str, dataclasses.Field],
         known: Collection[str] = ()) -> RunFile:
  """Opens a run.json, of `dumps` or written by hand.

  Args:
    path: of the file.
    fields: settings that are taken, by name, as of `setting.setting`.
    known: names of further settings that may stand in the file and are left
      out.

  Raises:
    ConfigError: if there is no such file, it is no JSON or of another form or
      of a newer version, or for a setting that does not exist or is not
      allowed. The message names the file.
  """
  try:
    content = _read(path)
    settings = content['settings']
    for name in settings:
      _refuse_unknown('setting', name, {*fields, *known})
    given = content.get('given', list(settings))
    for name in given:
      if name not in settings:
        raise ConfigError(f'given: there is no {name!r} in `settings`')
    return RunFile(
        {name: check(fields[name], value) for name, value in settings.items()
         if name in fields},
        frozenset(name for name in given if name in fields),
        content.get('versions', {}))
  except ConfigError as error:
    raise ConfigError(f'config = {path!r}: {error}') from error


def _read(path: str) -> dict[str, Any]:
  try:
    with open(path, encoding='utf-8') as file:
      content = json.load(file)
  except OSError as error:
    raise ConfigError(f'{error.strerror}; name a run.json that bin/compress '
                      'wrote') from error
  except (ValueError, RecursionError) as error:
    raise ConfigError(f'is not JSON: {error}') from error
  if not isinstance(content, dict):
    raise ConfigError('must be a JSON object with `settings`')
  version = content.get('format_version', FORMAT_VERSION)
  # Before anything else: a newer file may have other entries.
  if isinstance(version, int) and version > FORMAT_VERSION:
    raise ConfigError(f'format_version = {version}: is newer than '
                      f'{FORMAT_VERSION}, which tfp_lgc {__version__} reads; '
                      'install a newer one')
  for name, value in content.items():
    _refuse_unknown('entry', name, _ENTRIES)
    kind = _ENTRIES[name]
    if not isinstance(value, kind) or isinstance(value, bool):
      raise ConfigError(f'{name} = {value!r}: must be of type {kind.__name__}')
  if version < 1:
    raise ConfigError(f'format_version = {version}: must be from 1 to '
                      f'{FORMAT_VERSION}')
  if 'settings' not in content:
    raise ConfigError('has no `settings`: an object of settings by name, as '
                      'flags are called')
  return content


def _refuse_unknown(what: str, name: str, known: Collection[str]) -> None:
  if name not in known:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f'; did you mean {near[0]}?' if near else ''
    raise ConfigError(f'there is no {what} {name!r}{hint}')
