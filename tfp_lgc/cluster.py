"""What the environment variable TF_CONFIG says of the processes of a job, and
what several devices cannot do.

Standard library only: what is wrong with it is said before TensorFlow starts.
"""

import json
from typing import Any, Optional

from tfp_lgc.errors import ConfigError

__all__ = ['check', 'members']

_EXAMPLE = ('{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, '
            '"task": {"type": "worker", "index": 0}}')


def check(strategy: str, max_memory: str = '', **others: Any) -> None:
  """Refuses what several devices or processes cannot do.

  ```python
  check('multi_worker', dp_epsilon=1.0)   # ConfigError
  ```

  Args:
    strategy: as `--strategy` takes it.
    max_memory: of each process. Several keep copies of what they share.
    **others: values of settings that are for one device alone, by name.

  Raises:
    ConfigError: if one of them is given.
  """
  if strategy == 'none':
    return
  for name, value in others.items():
    if value:
      raise ConfigError(f'strategy = {strategy}: {name} is for one process and '
                        f'one device; give no {name}, or no strategy')
  if max_memory and strategy == 'multi_worker':
    raise ConfigError(f'strategy = {strategy}: max_memory = {max_memory!r} is '
                      'for one process; give no max_memory, or the strategy '
                      'mirrored or none')


def members(text: Optional[str]) -> tuple[int, int]:
  """The number of processes, and which this is; 0 is the chief.

  ```python
  members('{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, '
          '"task": {"type": "worker", "index": 1}}')   # 2, 1
  ```

  Args:
    text: of the variable; None if there is none.

  Raises:
    ConfigError: if it is missing, or not of that form.
  """
  if not text:
    raise ConfigError('strategy = multi_worker: needs the environment variable '
                      f'TF_CONFIG, as {_EXAMPLE}, with the index of each '
                      'process')
  try:
    return _members(json.loads(text))
  except (AttributeError, LookupError, OverflowError, RecursionError, TypeError,
          ValueError) as error:  # What a wrong form may end in.
    why = f'{error} is missing' if isinstance(error, KeyError) else error
    raise ConfigError(f'TF_CONFIG = {text!r}: {why}; must be as {_EXAMPLE}'
                      ) from error


def _members(said: Any) -> tuple[int, int]:
  cluster, task = said['cluster'], said['task']
  for kind, addresses in cluster.items():
    if kind not in ('chief', 'worker'):
      raise ValueError(f'a cluster has workers and a chief, no {kind!r}')
    if not isinstance(addresses, list) or not all(map(_is_address, addresses)):
      raise ValueError(f'{kind} = {addresses!r} is no list of "HOST:PORT"')
  all_addresses = [address for some in cluster.values() for address in some]
  for address in all_addresses:
    if all_addresses.count(address) > 1:
      raise ValueError(f'{address!r} is there more than once')
  if len(cluster.get('chief', [])) > 1:
    raise ValueError('there is more than one chief')
  jobs = [(kind, i) for kind in ('chief', 'worker')
          for i in range(len(cluster.get(kind, [])))]
  me = task['type'], int(task['index'])
  if me not in jobs:
    raise ValueError(f'the cluster has no {me[0]} of index {me[1]}')
  return len(jobs), jobs.index(me)


def _is_address(value: Any) -> bool:
  host, _, port = value.rpartition(':') if isinstance(value, str) else [''] * 3
  return bool(host) and port.isdecimal() and 0 < int(port) < 65536
