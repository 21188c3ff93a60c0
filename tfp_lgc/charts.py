"""Figures of what one run recorded, and of what was measured of it.

Each function returns a Matplotlib `Figure`, which belongs to no window and no
global state.
"""

from typing import Any, Mapping, NamedTuple, Sequence

import matplotlib
import numpy as np
from matplotlib import figure, patches

__all__ = ['confusion', 'Ellipse', 'latent_plane', 'training_curves']

# More cells are not numbered, and more classes not named.
MAX_NUMBERS, MAX_NAMES = 15, 40


class Ellipse(NamedTuple):
  """A component of a mixture in the plane.

  Attributes:
    label: its class.
    loc: `[2]`.
    covariance: `[2, 2]`.
  """
  label: int
  loc: np.ndarray
  covariance: np.ndarray


def training_curves(rows: Sequence[Mapping[str, Any]]) -> figure.Figure:
  """Each term of the loss over the steps of training.

  Args:
    rows: `step`, and each term.
  """
  names = [name for name in rows[0] if name not in ('event', 'step')]
  columns = min(3, len(names))
  drawn = figure.Figure((3.3 * columns, 2.6 * -(-len(names) // columns)),
                        layout='constrained')
  axes = drawn.subplots(-(-len(names) // columns), columns, squeeze=False)
  for ax in axes.flat[len(names):]:
    ax.set_axis_off()
  for ax, name in zip(axes.flat, names):
    its = [row for row in rows if name in row]
    ax.plot([row['step'] for row in its], [row[name] for row in its], '.-',
            linewidth=1.2, markersize=4)
    ax.set_title(name, fontsize=10)
    ax.grid(color='0.92')
    ax.tick_params(labelsize=8)
  drawn.supxlabel('step', fontsize=10)
  return drawn


def confusion(matrix: np.ndarray, names: Sequence[str]) -> figure.Figure:
  """Classes by what a judge calls them, each row in percent of its images.

  Args:
    matrix: counts `[C, C]`, rows are the true classes.
    names: of the classes.
  """
  shares = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
  drawn = figure.Figure((6.4, 5.6), layout='constrained')
  ax = drawn.subplots()
  shown = ax.imshow(shares, cmap='Blues', vmin=0, vmax=100)
  drawn.colorbar(shown, ax=ax, label='% of the images of a class')
  if len(names) <= MAX_NUMBERS:
    for (row, column), share in np.ndenumerate(shares):
      if share:
        ax.text(column, row, f'{share:.1f}', ha='center', va='center',
                fontsize=7, color='white' if share > 50 else 'black')
  ticks = range(len(names) if len(names) <= MAX_NAMES else 0)
  ax.set(xticks=ticks, yticks=ticks, xlabel='what the judge says',
         ylabel='class')
  if len(ticks):
    ax.set_xticklabels([name[:12] for name in names], fontsize=8, rotation=45,
                       ha='right')
    ax.set_yticklabels([name[:12] for name in names], fontsize=8)
  return drawn


def latent_plane(points: np.ndarray, labels: np.ndarray, names: Sequence[str],
                 ellipses: Sequence[Ellipse]) -> figure.Figure:
  """Points in the plane and the components that stand for them.

  Args:
    points: `[N, 2]`.
    labels: int `[N]`.
    names: of the classes.
    ellipses: drawn at two standard deviations.
  """
  drawn = figure.Figure((7.6, 6.2), layout='constrained')
  ax = drawn.subplots()
  colors = matplotlib.colormaps['tab20' if len(names) > 10 else 'tab10']
  for label, name in enumerate(names):
    chosen = points[labels == label]
    ax.scatter(chosen[:, 0], chosen[:, 1], s=6, linewidths=0, alpha=0.5,
               color=colors(label % colors.N), label=name)
  for ellipse in ellipses:
    lengths, axes = np.linalg.eigh(ellipse.covariance)
    width, height = 4 * np.sqrt(np.maximum(lengths, 0))  # Both sides.
    ax.add_patch(patches.Ellipse(
        (ellipse.loc[0], ellipse.loc[1]), width, height, fill=False,
        linewidth=1.1,
        angle=np.degrees(np.arctan2(axes[1, 0], axes[0, 0])),
        color=colors(ellipse.label % colors.N)))
  if len(names) <= 20:
    ax.legend(markerscale=2.5, fontsize=8, loc='center left',
              bbox_to_anchor=(1.0, 0.5))
  ax.set(xlabel='first principal component', ylabel='second')
  ax.tick_params(labelsize=8)
  ax.autoscale_view()
  return drawn
