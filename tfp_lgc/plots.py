"""Figures of what bin/benchmark measures, drawn from its rows.

Each function takes rows and returns a Matplotlib `Figure`, which belongs to no
window and no global state.
"""

import os
from typing import Any, Mapping, Optional, Sequence

import matplotlib
import numpy as np
from matplotlib import figure, patches, ticker
from scipy import stats

__all__ = ['ablation', 'bic_curves', 'frontier', 'loss_curves', 'qq_plots',
           'save', 'separation']

Rows = Sequence[Mapping[str, Any]]

DPI = 120
BLUE, ORANGE, GREEN, GRAY = '#1f77b4', '#e6851e', '#2a9d5c', '0.6'
TERM_COLORS = {'cdf': ORANGE, 'covariance': GREEN}
TERM_NAMES = {'cdf': 'distribution functions', 'covariance': 'covariances',
              'both': 'both terms'}
CHANGE_NAMES = {
    'shift': 'shift of the mean', 'stddev': 'standard deviation',
    'alpha': 'factor of the means \N{GREEK SMALL LETTER ALPHA}',
    'beta': 'factor of the covariances \N{GREEK SMALL LETTER BETA}'}


def save(figures: Mapping[str, figure.Figure], directory: str) -> None:
  """Writes each figure under its file name; the directory is made."""
  os.makedirs(directory, exist_ok=True)
  for name, drawn in figures.items():
    drawn.savefig(os.path.join(directory, name), dpi=DPI)


def _figure(num_rows: int, num_columns: int, size: tuple[float, float],
            title: str, **options) -> tuple[figure.Figure, np.ndarray]:
  """A figure of panels of `size` inches each, and its axes `[R, C]`."""
  drawn = figure.Figure((num_columns * size[0], num_rows * size[1] + 0.5),
                        layout='constrained')
  drawn.suptitle(title)
  axes = drawn.subplots(num_rows, num_columns, squeeze=False, **options)
  for ax in axes.flat:
    ax.grid(color='0.92')
    ax.set_axisbelow(True)
  return drawn, axes


def loss_curves(rows: Rows, title: str) -> figure.Figure:
  """The weighted loss against the number of samples and against what is
  changed.

  Shape your Space, appendix, figures 1 and 2: the prior itself is blue.

  Args:
    rows: of one prior, with `latent_size`, `change`, `values` [V],
      `num_samples` [S], and `cdf` and `covariance`, `[V, S]`.
    title: of the figure.
  """
  sizes = sorted({row['latent_size'] for row in rows})
  changes = list(dict.fromkeys(row['change'] for row in rows))
  drawn, axes = _figure(len(sizes), 2 * len(changes), (3.4, 3.0), title)
  for row in rows:
    line = axes[sizes.index(row['latent_size'])]
    position = changes.index(row['change'])
    size_label = f'd = {row["latent_size"]}'
    _over_samples(line[position], row, size_label)
    _over_values(line[len(changes) + position], row, size_label)
  return drawn


def _over_samples(ax, row: Mapping[str, Any], size_label: str) -> None:
  total = np.add(row['cdf'], row['covariance'])  # [V, S]
  shades = matplotlib.colormaps['YlOrRd'](
      np.linspace(0.4, 0.95, len(total) - 1))
  for value, losses, color in zip(row['values'], total, [BLUE, *shades]):
    ax.plot(row['num_samples'], losses, 'o-', color=color, markersize=3)
    ax.annotate(f'{value:g}', (row['num_samples'][-1], losses[-1]), (5, 0),
                textcoords='offset points', va='center', fontsize=8,
                color=color)
  ax.set(xscale='log', yscale='log', xlabel='samples in a batch',
         ylabel='sum of both terms', xmargin=0.18,
         title=f'{size_label}, by {CHANGE_NAMES[row["change"]]}')


def _over_values(ax, row: Mapping[str, Any], size_label: str) -> None:
  # Batches of 100, as the paper trains with, where there are such.
  position = int(np.abs(np.subtract(row['num_samples'], 100)).argmin())
  for term, color in TERM_COLORS.items():
    ax.plot(row['values'], np.array(row[term])[:, position], 'o-', color=color,
            markersize=3, label=TERM_NAMES[term])
  ax.axhline(1, color=BLUE, linestyle='--', linewidth=1, label='the prior')
  ax.set(yscale='log', xlabel=CHANGE_NAMES[row['change']],
         ylabel='weighted term',
         title=f'{size_label}, {row["num_samples"][position]} samples')
  ax.legend(fontsize=7)


def separation(rows: Rows) -> figure.Figure:
  """Whether components can be told from each other, and whether the loss tells
  the mixture from one Gaussian.

  Args:
    rows: `separation`, `accuracy`, `cdf`, `covariance`, `num_components`,
      `batch_size`.
  """
  drawn, [[left, right]] = _figure(
      1, 2, (4.6, 3.4), 'Priors of separated means, against the one Gaussian '
      'of their mean and covariance')
  x = [row['separation'] for row in rows]
  count = rows[0]['num_components']
  left.plot(x, [100 * row['accuracy'] for row in rows], 'o-', color=BLUE,
            label='best possible')
  left.axhline(100 / count, color=GRAY, linestyle='--', label='by chance')
  left.set(ylim=(0, 103), ylabel='components named rightly (%)',
           title=f'Draws from {count} components')
  for term, color in TERM_COLORS.items():
    right.plot(x, [row[term] for row in rows], 'o-', color=color,
               label=TERM_NAMES[term])
  right.axhline(1, color=BLUE, linestyle='--', label='the prior itself')
  right.set(ylabel='weighted term', ylim=(0, None),
            title=f'Batches of {rows[0]["batch_size"]} from one Gaussian')
  for ax in (left, right):
    ax.axvline(2**0.5, color=GRAY, linestyle=':', label='one-hot means')
    ax.set_xlabel('distance of two means')
    ax.legend(fontsize=8)
  return drawn


def ablation(rows: Rows, loc: np.ndarray, terms: Sequence[str],
             ) -> figure.Figure:
  """Pair plots of two latents by terms of the loss and epoch.

  Shape your Space, appendix, figure 3.

  Args:
    rows: `terms`, `epoch`, `points` `[N, 2]`, `labels` `[N]`, and `cdf`,
      `covariance` and `purity`, which are printed below.
    loc: `[K, 2]`, the means of the prior, whose components are equally likely
      and have the identity as covariance.
    terms: the columns.
  """
  epochs = sorted({row['epoch'] for row in rows})
  drawn, axes = _figure(len(epochs), len(terms), (3.7, 4.1),
                        'Test latents by the terms that were trained with')
  for row in rows:
    ax = axes[epochs.index(row['epoch']), terms.index(row['terms'])]
    # Each to its own scale, as the first epochs are far from the prior.
    limit = max(np.abs(loc).max() + 3.5,
                1.05 * float(np.quantile(np.abs(row['points']), 0.998)))
    _pair_plot(ax, row, loc, limit)
    ax.set_xlabel(
        f'{TERM_NAMES[row["terms"]]}, epoch {row["epoch"]}\n'
        f'cdf {row["cdf"]:.3g}, covariance {row["covariance"]:.3g}, '
        f'purity {row["purity"]:.3f}')
  handles, names = axes[0, 0].get_legend_handles_labels()
  drawn.legend(handles, names, loc='outside lower center', ncols=len(names),
               markerscale=3)
  return drawn


def _pair_plot(ax, row: Mapping[str, Any], loc: np.ndarray, limit: float,
               ) -> None:
  """A scatter plot with both marginals at its sides."""
  points, labels = np.array(row['points']), np.array(row['labels'])
  for name, color in zip(sorted(set(labels)), (ORANGE, GREEN)):
    ax.scatter(*points[labels == name].T, s=6, color=color, alpha=0.6,
               linewidths=0, label=f'digit {name}')
  for center in loc:
    for radius in (1, 2, 3):
      ax.add_patch(patches.Circle(center, radius, fill=False, color=BLUE))
  ax.plot([], [], color=BLUE, label='prior, 1 to 3 standard deviations')
  ax.set(xlim=(-limit, limit), ylim=(-limit, limit))
  for axis in (ax.xaxis, ax.yaxis):
    axis.set_major_locator(ticker.MaxNLocator(6, symmetric=True))
  grid = np.linspace(-limit, limit, 201)
  for axis, place in ((0, [0, 1.02, 1, 0.2]), (1, [1.02, 0, 0.2, 1])):
    side = ax.inset_axes(place)
    density = np.mean(stats.norm.pdf(grid[:, np.newaxis], loc[:, axis]), axis=1)
    along = 'vertical' if axis == 0 else 'horizontal'
    edges = np.linspace(-limit, limit, 61)
    side.hist(points[:, axis], bins=edges.tolist(), color=GRAY,
              weights=np.full(len(points), 1 / np.ptp(edges[:2]) / len(points)),
              orientation=along)
    side.plot(*((grid, density) if axis == 0 else (density, grid)), color=BLUE)
    side.set(**{f'{"xy"[axis]}lim': (-limit, limit),
                f'{"yx"[axis]}lim': (0, 2 * density.max())})
    side.set_axis_off()


def _by_class(rows: Rows) -> dict[str, list[Mapping[str, Any]]]:
  result: dict[str, list[Mapping[str, Any]]] = {}
  for row in rows:
    result.setdefault(row['class_name'], []).append(row)
  return result


def _class_grid(num_classes: int, size: tuple[float, float], title: str,
                ) -> tuple[figure.Figure, list]:
  """Five panels a row; those that are not needed stay empty."""
  columns = min(5, num_classes)
  drawn, axes = _figure(-(-num_classes // columns), columns, size, title)
  for ax in axes.flat[num_classes:]:
    ax.set_axis_off()
  return drawn, list(axes.flat[:num_classes])


def qq_plots(rows: Rows, expected: np.ndarray, title: str) -> figure.Figure:
  """Chi-square quantiles against observed ones: a panel a class, a line a
  component, on the diagonal where it is Gaussian.

  Args:
    rows: `class_name`, `component`, `quantiles` [Q], `ks`.
    expected: `[Q]`.
    title: of the figure.
  """
  classes = _by_class(rows)
  drawn, axes = _class_grid(len(classes), (2.5, 2.6), title)
  for ax, (class_name, components) in zip(axes, classes.items()):
    colors = matplotlib.colormaps['viridis'](
        np.linspace(0, 0.9, len(components)))
    for row, color in zip(components, colors):
      ax.plot(expected, row['quantiles'], color=color, linewidth=1)
    ax.plot(expected[[0, -1]], expected[[0, -1]], '--', color='black',
            linewidth=1)
    ax.set_title(f'{class_name}: K = {len(components)}, KS at most '
                 f'{max(row["ks"] for row in components):.2f}', fontsize=9)
  drawn.supxlabel('quantiles of the chi-square law')
  drawn.supylabel('quantiles observed')
  return drawn


def bic_curves(rows: Rows, title: str) -> figure.Figure:
  """BIC against the number of components, a panel a class and a line a
  structure; what was chosen is marked. LGC paper, appendix A.3.

  Args:
    rows: `class_name`, `bic` (structure -> BIC of K = 1, 2, ...),
      `num_components` and `structure`, the choice.
    title: of the figure.
  """
  drawn, axes = _class_grid(len(rows), (2.5, 2.4), title)
  structures = list(dict.fromkeys(name for row in rows for name in row['bic']))
  for ax, row in zip(axes, rows):
    for name, values in row['bic'].items():
      color = f'C{structures.index(name)}'
      ax.plot(np.arange(1, len(values) + 1), np.divide(values, 1000), '.-',
              color=color, linewidth=1, label=name)
    chosen = row['bic'][row['structure']][row['num_components'] - 1]
    ax.plot(row['num_components'], chosen / 1000, 'o', color='black',
            markersize=9, fillstyle='none', label='chosen')
    ax.set_title(f'{row["class_name"]}: K = {row["num_components"]}',
                 fontsize=9)
    ax.xaxis.get_major_locator().set_params(integer=True)
  drawn.supxlabel('components K')
  drawn.supylabel('BIC / 1000')
  handles, names = axes[0].get_legend_handles_labels()
  drawn.legend(handles, names, loc='outside right upper')
  return drawn


def frontier(lines: Mapping[str, Sequence[tuple[int, float]]],
             hull: Sequence[tuple[int, float]], ceiling: Optional[float],
             title: str) -> figure.Figure:
  """Accuracy of a judge over the bytes that it was trained on.

  Args:
    lines: method -> (bytes, accuracy from 0 to 1), in the order of bytes.
    hull: points of the upper convex hull of all, in that order too.
    ceiling: accuracy of all real images, if known.
    title: of the figure.
  """
  drawn, axes = _figure(1, 1, (8.0, 5.5), title)
  ax = axes[0, 0]
  if hull:
    ax.plot([x / 1000 for x, _ in hull], [100 * y for _, y in hull], '-',
            color='0.85', linewidth=7, label='upper convex hull', zorder=1)
  colors = matplotlib.colormaps['tab20']
  for i, (name, points) in enumerate(lines.items()):
    ours = name == 'lgc'
    ax.plot([x / 1000 for x, _ in points], [100 * y for _, y in points],
            'o-' if ours else '.-', linewidth=2.5 if ours else 1.2,
            color='black' if ours else colors(i), label=name,
            zorder=3 if ours else 2)
  if ceiling is not None:
    ax.axhline(100 * ceiling, color='0.4', linestyle='--', linewidth=1,
               label='all real images')
  ax.set_xscale('log')
  ax.xaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
  ax.xaxis.set_major_formatter(ticker.FormatStrFormatter('%g'))
  ax.xaxis.set_minor_formatter(ticker.NullFormatter())
  ax.set(xlabel='kB', ylabel='accuracy on real test images, %')
  ax.legend(fontsize=8, loc='lower right')
  return drawn
