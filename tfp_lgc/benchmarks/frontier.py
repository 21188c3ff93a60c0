"""Accuracy against bytes: our artifacts beside what else fits into as many.

Every method is given the same train split and the same bytes, and is judged by
the same networks in the same number of steps, on the test split, which nothing
was chosen by.
"""

import dataclasses
import functools
import json
import os
import pathlib
import time
import zlib
from typing import (
  AbstractSet,
  Any,
  Callable,
  Iterator,
  Mapping,
  NamedTuple,
  Optional,
  Sequence,
)

from tfp_lgc import budget as budget_lib
from tfp_lgc import (
  compression,
  data,
  evaluation,
  opening,
  pipeline,
  search,
  sizes,
)
from tfp_lgc import config as config_lib
from tfp_lgc.baselines import (
  BASELINES,
  BestOf,
  compress,
  image_codecs,
  stored,
)
from tfp_lgc.baselines.pixels import require
from tfp_lgc.benchmarks import frontier_rows
from tfp_lgc.benchmarks.frontier_table import JUDGES, Row
from tfp_lgc.config import Config
from tfp_lgc.data import Images, Source, Split
from tfp_lgc.errors import BudgetError, ConfigError, LgcError
from tfp_lgc.metrics import tstr
from tfp_lgc.options import BenchmarkConfig
from tfp_lgc.progress import Progress
from tfp_lgc.sampling import sample

__all__ = ['BUDGETS', 'METHODS', 'Protocol', 'chosen', 'run', 'short_name']

BUDGETS = ('4kB', '7.84kB', '16kB', '20kB', '32kB', '64kB', '78.4kB', '392kB')
# Ours, then what is made of real images and what is made of them.
METHODS = ('lgc', 'thumbnails', 'lossless', 'random_subset', 'coreset',
           'coreset_class', 'coreset_weighted', 'webp', 'avif', 'jpeg',
           'kmeans', 'pca_gmm')
# Whose bytes no image format is in.
WITHOUT_PILLOW = ('random_subset', 'gzip', 'pca_gmm')


class Protocol(NamedTuple):
  """What a suite of this kind measures.

  Attributes:
    name: of the suite; its rows begin with it.
    methods: all that it has.
    budgets: those of a run that names none.
    judges: those of a run that names none.
  """
  name: str
  methods: Sequence[str]
  budgets: Sequence[str]
  judges: Sequence[str]


class _Inputs(NamedTuple):
  """What all rows of a run are made of."""
  source: Source
  images: Images  # Of its train split.
  digest: str  # Of both splits.
  fixed: AbstractSet[str]
  artifacts: str  # The folder for them, if any.


FRONTIER = Protocol('frontier', METHODS, BUDGETS, JUDGES)


def run(config: Config, progress: Progress, done: Mapping[str, dict],
        options: BenchmarkConfig, fixed: AbstractSet[str] = frozenset(),
        protocol: Protocol = FRONTIER) -> Iterator[Row]:
  """Bytes and accuracies by method, budget and seed.

  Args:
    config: of the data, and the steps of the judges; what of the model is not
      as it is by default is kept, the rest is chosen by the budget.
    progress: is told of every part.
    done: rows of an earlier run by name; judges that they have are not trained
      again, unless another judge is missing and what is made for it, or the
      code, is not what the row was of: then it has only the judges of this run.
    options: `rows`, methods; `budgets`; `judges`; `runs`; `artifacts`.
    fixed: names of further settings that the budget does not choose.
    protocol: what `options` are chosen from, and their defaults.

  Yields:
    For each, name (SUITE/DATASET/METHOD/BUDGET/SEED), num_bytes, settings
    (how it was made), settings_of (the row that they were chosen for, if it is
    of a lower seed), given (settings of the run that are not the default), code
    and images (the first digits of their hashes), seconds (of making it, and of
    choosing settings, in the process that ended it, if it was made),
    judge_steps, and accuracies by judge: again after each judge, the last row
    of a name being the fullest. The method `real`, whose budget is 0, is all
    images: the ceiling. Then means over all seeds that there are, those of
    earlier runs, too.

  Raises:
    ConfigError: for what is not there to choose, a format that Pillow lacks, or
      rows in `done` that were made otherwise, or of other images.
  """
  source = pipeline.open_source(config.data.dataset, config)
  if reason := evaluation.cannot_judge(source):
    raise LgcError(f'dataset = {source.name!r}: {reason}; nothing to judge by')
  methods = chosen('rows', options.rows, protocol.methods)
  judges = (chosen('judges', options.judges, JUDGES) if options.judges
            else protocol.judges)
  budgets = [budget_lib.parse(text, 'budgets') for text in (
      options.budgets.split(',') if options.budgets else protocol.budgets)]
  images = source.train.to_memory(source.class_names)
  inputs = _Inputs(source, images, frontier_rows.digest(source), fixed,
                   options.artifacts)
  points = [('real', 0)] + [(method, num_bytes) for num_bytes in budgets
                            for method in methods]
  begins = f'{protocol.name}/{short_name(source)}'
  seeds = range(config.seed, config.seed + options.runs)
  # Before hours have passed.
  for method, num_bytes in points:
    _check_formats(method, source.train.image_shape[-1])
    for row in frontier_rows.of_seeds(f'{begins}/{method}/{num_bytes}',
                                      done).values():
      frontier_rows.check_alike(row, method, config, fixed, inputs.digest)
  for method, num_bytes in points:
    name = f'{begins}/{method}/{num_bytes}'
    rows = frontier_rows.of_seeds(name, done)
    for seed in seeds:
      seeded = config_lib.replace(config, seed=seed)
      row = begun = dict(done.get(f'{name}/{seed}',
                                  {'name': f'{name}/{seed}'}))
      first = frontier_rows.of_first_seed(begun['name'], rows)
      for row in _judged(begun, judges, source, seeded, functools.partial(
          _made, method, num_bytes, inputs, seeded, progress, first), progress):
        yield row
      rows[row['name']] = row
    if len({row.get('code') for row in rows.values()}) > 1:
      progress.note(f'{name} is the mean of rows of several versions')
    yield {'name': name, **frontier_rows.means(list(rows.values()))}


def _judged(row: Row, judges: Sequence[str], source: Source, config: Config,
            make: Callable[[], tuple[Optional[Split], Row]],
            progress: Progress) -> Iterator[Row]:
  """A row with ever more of the judges; `make` is called if one is missing."""
  missing = [judge for judge in judges if judge not in row.get('accuracies',
                                                               {})]
  split = None
  nothing_fits = (row.get('num_bytes') == 0
                  and row.get('code') == frontier_rows.code())
  if missing and not nothing_fits:
    split, about = make()
    if frontier_rows.is_another(row, about):
      progress.note(f'{row["name"]} was of another version')
      row, missing = {'name': row['name']}, list(judges)
    row.update(about)
  if split is None:
    yield row
    return
  for judge in missing:
    row = {**row, 'accuracies': {
        **row.get('accuracies', {}),
        judge: _accuracy(judge, split, source, config, progress)}}
    yield row


def short_name(source: Source) -> str:
  """A name without slashes, also of a data set that is a path."""
  return pathlib.Path(source.name).stem


def chosen(name: str, text: str, known: Sequence[str]) -> Sequence[str]:
  """The members of a list that a user wrote, or all."""
  wanted = text.split(',') if text else known
  if unknown := [member for member in wanted if member not in known]:
    raise ConfigError(f'{name} = {text!r}: there is no {unknown[0]!r}; choose '
                      f'from {", ".join(known)}')
  return wanted


def _check_formats(method: str, channels: int) -> None:
  """Raises ConfigError where this Pillow lacks one."""
  if method in image_codecs.QUALITIES:
    require(method)
  elif method in BASELINES and method not in WITHOUT_PILLOW:
    bits = 1 if method in ('thumbnails', 'kmeans') else 8
    for layout in stored.lossless(bits=bits, channels=channels):
      require(layout.codec)


def _made(method: str, num_bytes: int, inputs: _Inputs, config: Config,
          progress: Progress, first: Optional[Row],
          ) -> tuple[Optional[Split], Row]:
  """What a judge is trained on, and how it came about; None, and 0 bytes, if
  the method has nothing of so few. `first` is the row of another seed, if any,
  whose settings a baseline has, too."""
  about: Row = {'budget': num_bytes,
                'judge_steps': config.evaluate.judge_steps,
                'given': frontier_rows.given(method, config, inputs.fixed),
                'code': frontier_rows.code(), 'images': inputs.digest}
  if method == 'real':
    train, names = inputs.source.train, inputs.source.class_names
    return train, {**about, 'num_bytes': train.num_raw_bytes(len(names))}
  if method == 'lgc':
    return _ours(num_bytes, inputs, config, progress, about)
  baseline, begun = BASELINES[method], time.monotonic()
  if first and isinstance(baseline, BestOf):
    if its := baseline.like(first.get('settings', {})):
      baseline, about['settings_of'] = its, first['name']
  with progress.stage(f'{method} {num_bytes}'):
    made = compress(baseline, inputs.images, num_bytes, config.seed,
                    config.evaluate)
  split = data.array_split(made.images.images, made.images.labels,
                           weights=made.weights) if len(made.images) else None
  return split, {**about, 'seconds': round(time.monotonic() - begun),
                 'num_bytes': made.num_bytes,
                 'settings': dict(made.settings)}


def _ours(num_bytes: int, inputs: _Inputs, config: Config, progress: Progress,
          about: Row) -> tuple[Optional[Split], Row]:
  source, fixed, artifacts = inputs.source, inputs.fixed, inputs.artifacts
  about['judge_samples'] = config.evaluate.judge_samples
  # Other settings, images or code, other files; a budget chooses by a judge as
  # these have it, but for its steps.
  settings: dict[str, Any] = {
      **dataclasses.asdict(config), 'data': about['images'],
      'bound': source.train.bound, 'code': about['code']}
  del settings['evaluate']['judge_steps']
  # What is not the default stays in any case.
  if stays := sorted(sizes.staying(Config(), fixed)
                     - sizes.staying(config, frozenset())):
    settings['fixed'] = stays
  checksum = zlib.crc32(json.dumps(settings).encode())
  path = os.path.join(artifacts, f'{short_name(source)}-{num_bytes}-'
                      f'{config.seed}-{checksum:08x}.lgc')
  if artifacts and os.path.exists(path):
    artifact = opening.load(path)
  else:
    if artifacts:
      os.makedirs(artifacts, exist_ok=True)
    begun = time.monotonic()
    try:
      # A row takes minutes, so it goes on where it was killed.
      artifact = compression.compress(
          source, config, budget=num_bytes, progress=progress, fixed=fixed,
          work_dir=f'{path}.work' if artifacts else None)
    except BudgetError:
      return None, {**about, 'num_bytes': 0}
    about['seconds'] = round(time.monotonic() - begun)
    if artifacts:
      with open(f'{path}.part', 'wb') as file:
        file.write(artifact.to_bytes())
      os.replace(f'{path}.part', path)
  drawn = sample(artifact, tstr.num_samples(
      config.evaluate, source.train.num_examples), seed=config.seed)
  return data.array_split(drawn.images, drawn.labels), {
      **about, 'num_bytes': artifact.num_bytes,
      'num_bytes_by_part': artifact.num_bytes_by_part,
      'settings': search.describe(artifact)}


def _accuracy(judge: str, split: Split, source: Source, config: Config,
              progress: Progress) -> float:
  name, augmentation = judge.split('/')
  judged_by = config_lib.replace(config.evaluate, judge=name,
                                 judge_augmentation=augmentation)
  with progress.stage(f'judge {judge}', tstr.num_steps(judged_by)):
    right = evaluation.judge(split, source, judged_by, config.seed,
                             progress.step)
  return round(float(right.mean()), 4)
