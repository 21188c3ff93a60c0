"""Tables, figures and hulls of accuracy against bytes.

Of rows of the suites frontier and baselines, wherever they come from.
"""

import math
from typing import Any, Mapping, Sequence

import numpy as np
from scipy import spatial

from tfp_lgc import plots

__all__ = ['JUDGES', 'Row', 'figures', 'hull', 'table']

# Judge and augmentation; the first is what the hull is of.
JUDGES = ('cnn/shift', 'cnn/none', 'lgc_cnn/shift', 'lgc_cnn/none',
          'mlp/shift', 'mlp/none', 'resnet/shift', 'resnet/none')

Row = dict[str, Any]


def _means_by_method(rows: Mapping[str, Row], judge: str,
                     ) -> dict[str, list[Row]]:
  """Dataset/method -> means that have the judge, by budget."""
  result: dict[str, list[Row]] = {}
  for row in rows.values():
    if judge in row.get('accuracies', {}) and 'num_runs' in row:
      _, dataset, method, _ = row['name'].split('/')
      result.setdefault(f'{dataset}/{method}', []).append(row)
  return {name: sorted(its, key=lambda row: row['budget'])
          for name, its in result.items()}


def hull(num_bytes: Sequence[int], accuracies: Sequence[float]) -> list[int]:
  """The upper convex hull of accuracy over the logarithm of bytes.

  Args:
    num_bytes: `[N]`, positive.
    accuracies: `[N]`.

  Returns:
    Positions of the points on it, from the fewest bytes up to the highest
    accuracy: what no other point, and no mean of two, is above.
  """
  x, y = np.log(np.asarray(num_bytes, float)), np.asarray(accuracies, float)
  best = int(max(range(len(y)), key=lambda i: (y[i], -x[i])))
  # A floor below all points, so that what lies under others is not on it.
  floor = y.min() - 1.0
  corners = np.concatenate([np.stack([x, y], 1), [
      [x.min(), floor], [x.max() + 1.0, floor]]])
  on = [int(i) for i in spatial.ConvexHull(corners).vertices if i < len(y)]
  # Of points of the same bytes, the lower ones are corners too.
  on = [i for i in on if x[i] <= x[best] and y[i] == y[x == x[i]].max()]
  return sorted(on, key=lambda i: x[i])


def table(rows: Mapping[str, Row]) -> str:
  """The means of `frontier.run`, by name, as tables of the README (Markdown):
  of each data set one by the first judge, ours above the others, in which the
  best of its bytes is bold, and one of several other judges side by side, in
  which none is."""
  first, *others = JUDGES
  by_method = {judge: _means_by_method(rows, judge) for judge in JUDGES}
  datasets = list(dict.fromkeys(
      name.split('/')[0] for its in by_method.values() for name in its))
  blocks = []
  for dataset in datasets:
    its = {judge: {name.split('/')[1]: rows_
                   for name, rows_ in by_method[judge].items()
                   if name.split('/')[0] == dataset} for judge in JUDGES}
    # Where there are but real images, nothing else was judged like that.
    judges = [judge for judge in others if set(its[judge]) - {'real'}]
    if set(its[first]) - {'real'}:
      blocks.append(_table(dataset, first, its[first]))
    if len(judges) == 1:
      blocks.append(_table(dataset, judges[0], its[judges[0]]))
    elif judges:
      blocks.append(_by_judge(dataset, [judge for judge in JUDGES
                                        if set(its[judge]) - {'real'}], its))
  return '\n\n'.join(blocks)


def _by_judge(dataset: str, judges: Sequence[str],
              its: Mapping[str, Mapping[str, list[Row]]]) -> str:
  """A column of each judge, for what another than the first has judged."""
  found = {row['name']: row for judge in judges if judge != JUDGES[0]
           for rows in its[judge].values() for row in rows}
  lines = [f'{dataset}, other judges:', '',
           f'| bytes | | {" | ".join(judges)} |',
           '|---' * (len(judges) + 2) + '|']
  for row in sorted(found.values(),
                    key=lambda row: (row['budget'], row['name'])):
    method = row['name'].split('/')[2]
    lines.append(f'| {_size(row)} | {method} | ' + ' | '.join(
        _cell(row, judge) if judge in row['accuracies'] else ''
        for judge in judges) + ' |')
  return '\n'.join(lines)


def _size(row: Row) -> str:
  return f'{row["budget"]:,}' if row['budget'] else 'all'


def _table(dataset: str, judge: str, by_method: Mapping[str, list[Row]]) -> str:
  budgets = sorted({row['budget'] for method, rows in by_method.items()
                    if method != 'real' for row in rows})
  ceiling = ''.join(f'; all real images {_cell(row, judge)}'
                    for row in by_method.get('real', []))
  lines = [f'{dataset}, judge {judge}{ceiling}:', '',
           f'| bytes | {" | ".join(f"{size:,}" for size in budgets)} |',
           '|---' * (len(budgets) + 1) + '|']
  # Of each column the best is bold.
  best = {size: max((row['accuracies'][judge] for method, rows in
                     by_method.items() if method != 'real' for row in rows
                     if row['budget'] == size), default=math.nan)
          for size in budgets}
  for method, rows in sorted(by_method.items(),
                             key=lambda its: (its[0] != 'lgc', its[0])):
    if method != 'real':
      cells = {row['budget']: _cell(row, judge, best[row['budget']])
               for row in rows}
      lines.append(f'| {method} | ' + ' | '.join(
          cells.get(size, '') for size in budgets) + ' |')
  return '\n'.join(lines)


def _cell(row: Row, judge: str, best: float = math.inf) -> str:
  text = f'{100 * row["accuracies"][judge]:.2f}'
  if row['accuracies'][judge] >= best:
    text = f'**{text}**'
  if judge in row['stddevs']:
    text += f' ({100 * row["stddevs"][judge]:.2f})'
  return text


def figures(rows: Sequence[Row], suite: str = 'frontier',
            ) -> dict[str, Any]:
  """Accuracy over bytes of each data set, by the first judge."""
  result = {}
  by_method = _means_by_method({row['name']: row for row in rows}, JUDGES[0])
  for dataset in dict.fromkeys(name.split('/')[0] for name in by_method):
    lines = {name.split('/')[1]: [
        (row['num_bytes'], row['accuracies'][JUDGES[0]]) for row in its]
             for name, its in by_method.items()
             if name.split('/')[0] == dataset}
    ceiling = [accuracy for _, accuracy in lines.pop('real', [])]
    points = [point for its in lines.values() for point in its]
    on = [points[i] for i in hull(*zip(*points))] if points else []
    result[f'{suite}_{dataset}.png'] = plots.frontier(
        lines, on, ceiling[0] if ceiling else None,
        f'{dataset}, judge {JUDGES[0]}')
  return result
