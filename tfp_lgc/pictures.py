"""Figures that show what a trained artifact does with images.

Each function takes arrays and returns a Matplotlib `Figure`, which belongs to
no window and no global state. Images are uint8 `[..., H, W, C]`.
"""

from typing import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib import figure

__all__ = ['by_class', 'components', 'embedding', 'grids', 'reconstructions']

# Inches a side of an image.
IMAGE_SIZE = 0.75
# Images in a row of a panel, and classes that a legend names.
PANEL_COLUMNS, MAX_LEGEND = 10, 20
# What has no variance is drawn in this color, which the color map lacks.
NO_VARIANCE = 'tab:red'


def _show(ax, image: np.ndarray, **options) -> None:
  """Puts an image `[H, W, C]` into axes without ticks."""
  ax.imshow(image[..., 0] if image.shape[-1] == 1 else image,
            **{'cmap': 'gray', 'vmin': 0, 'vmax': 255, **options})
  _bare(ax)


def _bare(ax) -> None:
  ax.set(xticks=[], yticks=[])
  ax.spines[:].set_visible(False)


def _rows(num_rows: int, num_columns: int, title: str,
          ) -> tuple[figure.Figure, np.ndarray]:
  """A figure of small images, and its axes `[R, C]`."""
  drawn = figure.Figure((IMAGE_SIZE * num_columns + 1.6,
                         IMAGE_SIZE * num_rows + 0.8), layout='constrained')
  drawn.suptitle(title, fontsize=11)
  axes = drawn.subplots(num_rows, num_columns, squeeze=False)
  for ax in axes.flat:
    _bare(ax)
  return drawn, axes


def reconstructions(images: np.ndarray, points: np.ndarray,
                    variances: np.ndarray, names: Sequence[str],
                    ) -> figure.Figure:
  """Images, their reconstructions, and the variance of each pixel.

  Args:
    images: `[N, H, W, C]`.
    points: the same, reconstructed.
    variances: float `[N, H, W, C]`, of pixels in 0..1, nan where there is none;
      the mean over the channels that have one is shown. Beyond the 99th
      percentile, or 1, colors are all alike.
    names: one string an image.
  """
  drawn, axes = _rows(3, len(images), 'Reconstructions and their uncertainty')
  colors = matplotlib.colormaps['viridis'].with_extremes(bad=NO_VARIANCE)
  means = np.ma.masked_invalid(variances).mean(axis=-1)  # [N, H, W]
  finite = means.compressed()
  highest = min(np.percentile(finite, 99), 1.0) if finite.size else 0.0
  for column, (image, point, variance, name) in enumerate(
      zip(images, points, means, names)):
    _show(axes[0, column], image)
    _show(axes[1, column], point)
    shown = axes[2, column].imshow(variance, cmap=colors, vmin=0,
                                  vmax=max(highest, 1e-12))
    axes[0, column].set_title(name, fontsize=8)
  for ax, text in zip(axes[:, 0], ('image', 'reconstruction', 'variance')):
    ax.set_ylabel(text, rotation=0, ha='right', va='center', fontsize=9)
  if finite.size:
    bar = drawn.colorbar(shown, ax=axes[2], fraction=0.05, pad=0.01,
                         extend='max')
    bar.ax.tick_params(labelsize=7)
  return drawn


def components(image: np.ndarray, points: np.ndarray,
               log_densities: np.ndarray) -> figure.Figure:
  """An image, and the means of the components that it decodes to.

  Vanilla Probabilistic Autoencoder, figure 4.

  Args:
    image: `[H, W, C]`.
    points: `[K, H, W, C]`.
    log_densities: `[K]`, of the mixture at each mean, nats.
  """
  columns = min(len(points) + 1, 11)
  drawn, axes = _rows(-(-(len(points) + 1) // columns), columns,
                      'Component means by the density of the mixture there')
  _show(axes.flat[0], image)
  axes.flat[0].set_title('image', fontsize=8)
  order = np.argsort(-log_densities)
  for ax, position in zip(axes.flat[1:], order):
    _show(ax, points[position])
    ax.set_title(f'{log_densities[position]:.1f}', fontsize=8)
  return drawn


def grids(panels: Mapping[str, np.ndarray], title: str) -> figure.Figure:
  """Panels of images, each panel one contact sheet.

  Args:
    panels: name -> `[N, H, W, C]`.
    title: of the figure.
  """
  sheets = {name: _sheet(images, PANEL_COLUMNS)
            for name, images in panels.items()}
  first = next(iter(sheets.values()))
  across = min(2, len(sheets))
  down = -(-len(sheets) // across)
  width = IMAGE_SIZE * PANEL_COLUMNS * 0.7
  height = width * first.shape[0] / first.shape[1] + 0.35
  drawn = figure.Figure((across * width, down * height + 0.4),
                        layout='constrained')
  drawn.suptitle(title, fontsize=11)
  axes = drawn.subplots(down, across, squeeze=False)
  for ax in axes.flat:
    _bare(ax)
  for ax, (name, sheet) in zip(axes.flat, sheets.items()):
    _show(ax, sheet)
    ax.set_title(name, fontsize=9)
  return drawn


def by_class(panels: Mapping[str, Sequence[np.ndarray]], names: Sequence[str],
             ) -> figure.Figure:
  """Panels side by side whose rows are the classes.

  Args:
    panels: name -> for each class images `[n, H, W, C]`, at most 10; where they
      are fewer, the rest of the row is white.
    names: of the classes.
  """
  sheets = {}
  for name, rows in panels.items():
    padded = [np.concatenate([row, np.full_like(row[:1], 255).repeat(
        PANEL_COLUMNS - len(row), 0)]) if len(row) else np.full(
            [PANEL_COLUMNS, *rows[0].shape[1:]], 255, np.uint8) for row in rows]
    sheets[name] = _sheet(np.concatenate(padded), PANEL_COLUMNS)
  first = next(iter(sheets.values()))
  width = IMAGE_SIZE * PANEL_COLUMNS * 0.6
  height = width * first.shape[0] / first.shape[1]
  drawn = figure.Figure((len(sheets) * width + 0.8, height + 0.4),
                        layout='constrained')
  axes = drawn.subplots(1, len(sheets), squeeze=False)[0]
  for ax, (name, sheet) in zip(axes, sheets.items()):
    _show(ax, sheet)
    ax.set_title(name, fontsize=10)
  each = first.shape[0] / len(names)
  axes[0].set_yticks((np.arange(len(names)) + 0.5) * each,
                     [name[:12] for name in names], fontsize=8)
  axes[0].tick_params(length=0)
  return drawn


def _sheet(images: np.ndarray, num_columns: int) -> np.ndarray:
  """One image `[rows * (H + 1), columns * (W + 1), C]` of many, white between
  them."""
  images = np.pad(images, [(0, 0), (0, 1), (0, 1), (0, 0)],
                  constant_values=255)
  count, height, width, channels = images.shape
  rows = -(-count // num_columns)
  sheet = np.full([rows * num_columns, height, width, channels], 255, np.uint8)
  sheet[:count] = images
  sheet = sheet.reshape([rows, num_columns, height, width, channels])
  return sheet.transpose([0, 2, 1, 3, 4]).reshape(
      [rows * height, num_columns * width, channels])


def embedding(points: np.ndarray, labels: np.ndarray, names: Sequence[str],
              title: str) -> figure.Figure:
  """Points in the plane, colored by class.

  Args:
    points: `[N, 2]`.
    labels: int `[N]`, positions in `names`.
    names: of the classes.
    title: of the figure.
  """
  drawn = figure.Figure((7.0, 6.0), layout='constrained')
  ax = drawn.subplots()
  colors = matplotlib.colormaps['tab20' if len(names) > 10 else 'tab10']
  for label, name in enumerate(names):
    chosen = points[labels == label]
    ax.scatter(chosen[:, 0], chosen[:, 1], s=7, linewidths=0,
               color=colors(label % colors.N), label=name)
  if len(names) <= MAX_LEGEND:
    ax.legend(markerscale=2.5, fontsize=8, loc='center left',
              bbox_to_anchor=(1.0, 0.5))
  ax.set(title=title, xticks=[], yticks=[])
  return drawn
