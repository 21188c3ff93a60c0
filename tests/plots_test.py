"""Figures are drawn from rows: what is in them, and that something is."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from scipy import stats

from tfp_lgc import plots

LEVELS = np.arange(1, 40) / 40


def _pixels(figures, tmp_path):
  plots.save(figures, tmp_path / 'new' / 'folder')
  for name in figures:
    with Image.open(tmp_path / 'new' / 'folder' / name) as image:
      yield np.asarray(image.convert('L'))


@pytest.fixture
def figures():
  rng = np.random.default_rng(0)
  curves = [
      {'prior': 'unimodal', 'latent_size': size, 'change': change,
       'values': [0, 1, 2], 'num_samples': [10, 100],
       'cdf': [[1, 1], [2, 20], [4, 40]],
       'covariance': [[1, 1], [3, 30], [5, 50]]}
      for size in (1, 2) for change in ('shift', 'stddev')]
  pairs = [
      {'terms': terms, 'epoch': epoch, 'cdf': 1.0, 'covariance': 2.0,
       'purity': 0.5, 'points': rng.normal(size=[50, 2]).tolist(),
       'labels': ['1', '8'] * 25} for terms in ('cdf', 'both')
      for epoch in (1, 30)]
  separations = [
      {'separation': value, 'accuracy': value / 8, 'cdf': value,
       'covariance': 1.0, 'num_components': 10, 'batch_size': 100}
      for value in (2, 4, 8)]
  bics = [{'class_name': name, 'bic': {'full': [3000, 1000, 2000],
                                       'diag': [4000, 3500]},
           'num_components': 2, 'structure': 'full'} for name in 'abcdefg']
  law = stats.chi2(3)
  quantiles = [{'class_name': name, 'component': 0, 'ks': 0.1,
                'quantiles': law.ppf(LEVELS).tolist()} for name in 'ab']
  return {
      'curves.png': plots.loss_curves(curves, 'Curves'),
      'separation.png': plots.separation(separations),
      'ablation.png': plots.ablation(
          pairs, np.array([[3.0, 3.0], [-3.0, -3.0]]), ('cdf', 'both')),
      'bic.png': plots.bic_curves(bics, 'BIC'),
      'qq.png': plots.qq_plots(quantiles, law.ppf(LEVELS), 'Q-Q')}


def test_no_figure_is_blank_nor_open(figures, tmp_path):
  for pixels in _pixels(figures, tmp_path):
    assert min(pixels.shape) > 300
    assert (pixels == 255).mean() > 0.3
    assert (pixels < 200).mean() > 0.01
  assert not plt.get_fignums()


def _lines(ax):
  return [(line.get_xdata(), line.get_ydata()) for line in ax.get_lines()]


def test_the_choice_of_bic_is_where_its_curve_is_lowest(figures):
  panels = [ax for ax in figures['bic.png'].axes if ax.axison]
  assert len(panels) == 7
  full, diag, chosen = _lines(panels[0])
  np.testing.assert_array_equal(full[0], [1, 2, 3])
  np.testing.assert_array_equal(diag[1], [4.0, 3.5])
  lowest = np.argmin(full[1])
  assert (chosen[0], chosen[1]) == ([full[0][lowest]], [full[1][lowest]])


def test_a_gaussian_lies_on_the_diagonal(figures):
  for ax in figures['qq.png'].axes:
    observed, diagonal = _lines(ax)
    np.testing.assert_allclose(*observed)
    np.testing.assert_allclose(*diagonal)


def test_a_loss_is_the_sum_of_its_terms(figures):
  ax = figures['curves.png'].axes[0]
  np.testing.assert_array_equal([y for _, y in _lines(ax)],
                                [[2, 2], [5, 50], [9, 90]])


def test_marginals_of_the_prior_have_an_area_of_one(figures):
  side = figures['ablation.png'].axes[0].child_axes[0]
  [(x, density)] = _lines(side)
  assert np.trapezoid(density, x) == pytest.approx(1, abs=1e-3)
  bars = sum(bar.get_height() * bar.get_width() for bar in side.patches)
  assert bars == pytest.approx(1, abs=1e-6)
