"""One file that shows runs of bin/compress to people: it needs no other."""

import base64
import json
import os
import pathlib
from typing import Any, Optional, Sequence, Union

from tfp_lgc import config as config_lib
from tfp_lgc import pipeline, rendering, reporting
from tfp_lgc.baselines import lossless as lossless_lib
from tfp_lgc.benchmarks import frontier_table
from tfp_lgc.config import Config
from tfp_lgc.data import Source
from tfp_lgc.errors import ConfigError, LgcError
from tfp_lgc.evaluation import check_source
from tfp_lgc.progress import Progress
from tfp_lgc.reporting import Picture
from tfp_lgc.runs import open_run, Run
from tfp_lgc.sections import SECTIONS
from tfp_lgc.staging import check_directory, replacing
from tfp_lgc.view import Block, Missing, Real, Table, View

__all__ = ['report_runs']

# Train images whose latents are looked at.
NUM_TRAIN = 10_000
# Raw bytes up to which the lossless codes take seconds; of MNIST, minutes.
LOSSLESS_NUM_BYTES = 2**22


def report_runs(runs: Sequence[Union[str, os.PathLike]],
                output: Union[str, os.PathLike], *,
                dataset: Optional[pipeline.AnyDataset] = None,
                config: Optional[Config] = None,
                test: Optional[pipeline.Arrays] = None,
                frontier: str = '', lossless: bool = False, seed: int = 0,
                progress: Optional[Progress] = None,
                overwrite: bool = False) -> None:
  """Writes a page about runs of `bin/compress`, one self-contained HTML file.

  ```python
  tfp_lgc.report_runs(['out'], 'report.html')
  ```

  Args:
    runs: the directories that they wrote to.
    output: a file ending in .html.
    dataset: what all of them were made from, as for `compress`; None for what
      each says of itself in metrics.jsonl. What needs images of a data set that
      is not at hand is left out, and the page says so.
    config: where data sets lie, if `dataset` is given.
    test: `(images, labels)`, where `dataset` is such a pair.
    frontier: rows of the suite frontier of bin/benchmark, a .jsonl file.
    lossless: whether to look for the best lossless code of a large data set.
    seed: of what is drawn.
    progress: hears how far the job is.
    overwrite: whether a file that stands there may be replaced.

  Raises:
    LgcError: for a run or rows that cannot be read, a `dataset` that is not
      that of a run, or an output that cannot be written to.
  """
  path = _checked(output, overwrite)
  if not runs:
    raise ConfigError('runs: none is named; name directories that '
                      'bin/compress wrote to')
  opened = _opened(runs)
  frontier_blocks = _frontier(frontier)
  progress = progress or Progress()
  known: dict[Any, Any] = {}
  shown = []
  for i, run in enumerate(opened):
    with progress.stage(f'report {run.name}', len(SECTIONS)):
      if dataset is not None:
        source = pipeline.open_source(dataset, config or Config(), test)
        check_source(run.artifact, source)
        real: Union[Real, str] = _real(source, lossless, seed, known)
      else:
        real = _own(run, lossless, seed, known)
      shown.append(_run(f'run-{i}', View(run, real, seed), progress))
  text = _rendered(opened, shown, frontier_blocks)
  with replacing(path.parent, [path.name]) as new:
    (new / path.name).write_text(text, encoding='utf-8')


def _opened(runs: Sequence[Union[str, os.PathLike]]) -> list[Run]:
  """Runs by the names of their folders alone: where those are is nobody's
  business; unless two have the same."""
  names = [os.path.basename(os.path.abspath(run)) for run in runs]
  if len(set(names)) < len(names):
    names = [os.fspath(run) for run in runs]
  return [open_run(run)._replace(name=name) for run, name in zip(runs, names)]


def _checked(output, overwrite: bool) -> pathlib.Path:
  path = pathlib.Path(output)
  if path.suffix != '.html':
    raise ConfigError(f'output = {str(output)!r}: must end in .html')
  check_directory(path.parent)
  if path.is_dir() or (path.exists() and not overwrite):
    raise ConfigError(f'output = {str(output)!r}: stands already; name another '
                      'file, or --overwrite to replace it')
  return path


def _own(run: Run, lossless: bool, seed: int, known: dict[Any, Any],
         ) -> Union[Real, str]:
  """Of the data set that a run says it was made from, or why not."""
  said = run.last('config').get('data')
  if not isinstance(said, dict):
    return 'metrics.jsonl does not name the data set; name it by --dataset'
  try:
    config = config_lib.replace(Config(), **said)
    key = json.dumps(said)
    if key not in known:
      known[key] = pipeline.open_source(config.data.dataset, config)
    check_source(run.artifact, known[key])
    return _real(known[key], lossless, seed, known)
  except (LgcError, OSError) as error:
    return ' '.join(str(error).split()).rstrip('.')


def _real(source: Source, lossless: bool, seed: int, known: dict[Any, Any],
          ) -> Real:
  """What is looked at of a data set; once, if several runs are of it."""
  if id(source) not in known:
    split_name, images = reporting.shown(source, seed)
    train = reporting.some(source.train, NUM_TRAIN, source.class_names, seed)
    num_raw = source.train.num_raw_bytes(len(source.class_names))
    best = None
    if lossless or num_raw <= LOSSLESS_NUM_BYTES:
      # With room for all images, and for what goes beside them.
      made = lossless_lib.subset(
          source.train.to_memory(source.class_names), 2 * num_raw + 2**16)
      best = str(made.settings['codec']), made.num_bytes
    # The source goes with it, so that its id stays its own.
    known[id(source)] = Real(source, split_name, images, train, best)
  return known[id(source)]


def _run(name: str, view: View, progress: Progress) -> dict[str, Any]:
  """What the template shows of a run."""
  sections = []
  for i, (key, (title, make)) in enumerate(SECTIONS.items()):
    try:
      blocks = make(view)
    except Missing as missing:
      blocks = [str(missing)]
    sections.append({'id': f'{name}-{key}', 'title': title,
                     'blocks': [_block(block) for block in blocks]})
    progress.step(i + 1, key)
  return {'id': name, 'title': view.run.name, 'sections': sections}


def _block(block: Block) -> dict[str, Any]:
  if isinstance(block, str):
    return {'kind': 'text', 'text': block}
  if isinstance(block, Table):
    return {'kind': 'table', **block._asdict()}
  return {'kind': 'picture', 'title': block.title, 'text': block.text,
          'png': base64.b64encode(block.png).decode()}


def _frontier(path: str) -> list[dict[str, Any]]:
  """Accuracy over bytes, of the rows of a file."""
  if not path:
    return [_block('No rows were given: bin/benchmark --suite=frontier makes '
                   'them, and --frontier shows them here.')]
  try:
    with open(path, encoding='utf-8') as file:
      lines = [json.loads(line) for line in file.read().splitlines()]
    rows = {row['name']: row for row in lines}
    figures = frontier_table.figures(list(rows.values()))
    tables = _frontier_tables(rows)
  except OSError as error:
    raise ConfigError(f'frontier = {path!r}: cannot be read: '
                      f'{error.strerror}') from error
  except (ValueError, TypeError, KeyError) as error:
    raise ConfigError(f'frontier = {path!r}: has a line that is no row of '
                      'bin/benchmark --suite=frontier') from error
  judge = frontier_table.JUDGES[0]
  if not figures:
    return [_block(f'The rows in {path} have no means of the judge {judge}.')]
  blocks: list[Block] = [Picture(
      f'Accuracy over bytes, {name.removesuffix(".png").partition("_")[2]}',
      f'Accuracy on real test images of the judge {judge} over the bytes that '
      'it was trained on: of our artifacts (lgc) and of what else fits into as '
      'many. Wide and gray, the upper convex hull of all points; dashed, all '
      'real images.', figure) for name, figure in figures.items()]
  return [_block(block) for block in (*blocks, *tables)]


def _frontier_tables(rows: dict[str, dict[str, Any]]) -> list[Table]:
  judge, tables = frontier_table.JUDGES[0], dict[str, list[Sequence[str]]]()
  for row in rows.values():
    if 'num_runs' in row and judge in row['accuracies']:
      _, dataset, method, _ = row['name'].split('/')
      tables.setdefault(dataset, []).append((
          method, f'{row["num_bytes"]:,}', f'{row["accuracies"][judge]:.2%}',
          str(row['num_runs'])))
  return [Table(f'{dataset}, judge {judge}',
                ('method', 'bytes', 'accuracy', 'seeds'), sorted(
                    lines, key=lambda line: int(line[1].replace(',', ''))))
          for dataset, lines in tables.items()]


def _compared(runs: Sequence[Run]) -> dict[str, Any]:
  """A table of several runs."""
  rows = []
  for run in runs:
    summary, model = run.last('summary'), run.artifact.model
    accuracy = run.evaluation.get('tstr_accuracy', {}).get(
        'mean', summary.get('tstr_accuracy'))
    rows.append((
        run.name, summary.get('dataset', 'not told'),
        f'{model.model}, {model.trunk}, {model.head}', f'{run.num_bytes:,}',
        'not measured' if accuracy is None else f'{accuracy:.2%}'))
  return _block(Table('The runs', (
      'folder', 'data set', 'model', 'bytes', 'accuracy of samples'), rows))


def _rendered(runs: Sequence[Run], shown: list[dict[str, Any]],
              frontier: list[dict[str, Any]]) -> str:
  names = list(dict.fromkeys(
      run.last('summary').get('dataset', run.name) for run in runs))
  return rendering.render(
      'page.html', title=f'{", ".join(names)}, compressed', runs=shown,
      frontier=frontier, compared=_compared(runs))
