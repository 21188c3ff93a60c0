"""Rows of the frontier that compare: made of the same images, with the same
settings, by the same code."""

import hashlib
import json
import statistics
from typing import AbstractSet, Any, Mapping, Optional, Sequence

from tfp_lgc import config as config_lib
from tfp_lgc import resuming, sizes
from tfp_lgc.baselines import BASELINES, BestOf
from tfp_lgc.benchmarks.frontier_table import Row
from tfp_lgc.config import Config
from tfp_lgc.data import Source
from tfp_lgc.errors import ConfigError
from tfp_lgc.trials import words

__all__ = ['check_alike', 'code', 'digest', 'given', 'is_another', 'means',
           'of_first_seed', 'of_seeds']


def code() -> str:
  """Tells versions apart."""
  return resuming.code().hex()[:8]


def digest(source: Source) -> str:
  """Tells images apart, whatever their data set is called.

  Args:
    source: both of its splits are read.

  Returns:
    Eight hexadecimal digits.
  """
  found = hashlib.sha256()
  for split in filter(None, (source.train, source.test)):
    resuming.add_examples(found, split)
  return found.hexdigest()[:8]


def given(method: str, config: Config, fixed: AbstractSet[str],
           ) -> dict[str, Any]:
  """Settings of a row that are not as they are by default, or that the budget
  does not choose; of a baseline only those that it depends on.

  Args:
    method: of `frontier.METHODS`, or 'real'.
    config: of the run.
    fixed: names of further settings that the budget does not choose.

  Returns:
    Values by name.
  """
  ours, default = method == 'lgc', Config()
  apart = {'dataset', 'data_dir', 'seed', 'judge_steps', 'judge_samples'}
  if not ours and not isinstance(BASELINES.get(method), BestOf):
    apart |= {'judge', 'judge_augmentation'}  # These choose nothing there.
  return {name: sizes.value(config, name)
          for name, (section, _) in config_lib.settings(config).items()
          if name not in apart and (ours or section in ('data', 'evaluate'))
          and (sizes.value(config, name) != sizes.value(default, name)
               or ours and name in fixed and name in sizes.CHOSEN)}


def check_alike(row: Mapping[str, Any], method: str, config: Config,
                fixed: AbstractSet[str], images: str) -> None:
  """Refuses a row of an earlier run that was made or judged otherwise.

  Args:
    row: of a seed; what it does not say, as one of an earlier version, is taken
      to be alike.
    method: as for `given`, and so are the next two.
    config: see there.
    fixed: see there.
    images: `digest` of those of this run.

  Raises:
    ConfigError: if it does not compare.
  """
  defaults = {'judge_steps': config.evaluate.judge_steps}
  if method == 'lgc' and row.get('accuracies'):
    defaults['judge_samples'] = 0  # Before there was a choice.
  for name, default in defaults.items():
    wanted, had = getattr(config.evaluate, name), row.get(name, default)
    if had != wanted:
      raise ConfigError(
          f'{name} = {wanted}: {row["name"]} of --output has {had}, and only '
          'equal ones compare; give those, or another file')
  if row.get('images', images) != images:
    raise ConfigError(f'output: {row["name"]} there is of other images of that '
                      'name; give another file')
  ours = json.loads(json.dumps(given(method, config, fixed)))
  if (had := row.get('given', ours)) != ours:
    raise ConfigError(
        f'output: {row["name"]} there is of {words(had) or "no settings"}, '
        f'these are {words(ours) or "none"}; give those, or another file')


def is_another(row: Row, made: Row) -> bool:
  """Whether judges of a row saw other images than those that were made, or may
  have.

  Args:
    row: of an earlier run.
    made: what the same row would say of what was made now.
  """
  made = json.loads(json.dumps(made))  # Rows come out of a file.
  return bool(row.get('accuracies')) and any(
      row.get(key) != made.get(key)
      for key in ('num_bytes', 'settings', 'given', 'code', 'images'))


def of_seeds(name: str, done: Mapping[str, Row]) -> dict[str, Row]:
  """Rows of an earlier run, also of seeds that this one has not.

  Args:
    name: of their mean.
    done: all rows by name.

  Returns:
    Those of single seeds by name.
  """
  return {its: row for its, row in done.items()
          if its.rpartition('/')[0] == name}


def of_first_seed(name: str, rows: Mapping[str, Row]) -> Optional[Row]:
  """The row whose settings a further seed has, too: a choice takes longer than
  all judges, and seeds of one setting tell how much is chance.

  Args:
    name: of the row of a seed.
    rows: of all seeds by name.

  Returns:
    That of the lowest seed that was judged; None if no lower one than this was.
  """
  def seed(row: Row) -> int:
    return int(row['name'].rpartition('/')[2])

  first = min((row for row in rows.values() if row.get('accuracies')),
              key=seed, default=None)
  return first if first and seed(first) < seed({'name': name}) else None


def means(rows: Sequence[Row]) -> Row:
  """Over seeds; a judge that not all seeds have is left out.

  Args:
    rows: of one method and budget, one of each seed.

  Returns:
    num_runs, budget, num_bytes (of the largest), accuracies and stddevs.
  """
  result: Row = {'num_runs': len(rows), 'budget': rows[0]['budget'],
                 'num_bytes': max(row['num_bytes'] for row in rows),
                 'accuracies': {}, 'stddevs': {}}
  for judge in rows[0].get('accuracies', {}):
    values = [row.get('accuracies', {}).get(judge) for row in rows]
    if None not in values:
      result['accuracies'][judge] = round(statistics.fmean(values), 4)
      if len(values) > 1:
        result['stddevs'][judge] = round(statistics.stdev(values), 4)
  return result
