"""Precision, recall, density and coverage against equations 1 to 4."""

import numpy as np
import pytest
from sklearn import metrics
from sklearn import neighbors as sk_neighbors

from tfp_lgc.metrics import neighbors, prdc


def _points(seed, count, size=4):
  return np.random.default_rng(seed).normal(size=[count, size])


def _radii(x, k):
  tree = sk_neighbors.NearestNeighbors(n_neighbors=k).fit(x)
  return tree.kneighbors()[0][:, -1]  # Without the points themselves.


def _expected(real, fake, k):
  distances = metrics.pairwise_distances(real, fake)  # [N, M]
  in_real = distances < _radii(real, k)[:, np.newaxis]
  in_fake = distances < _radii(fake, k)
  return {'precision': np.mean([in_real[:, j].any()
                                for j in range(len(fake))]),
          'recall': np.mean([in_fake[i].any() for i in range(len(real))]),
          'density': in_real.sum() / (k * len(fake)),
          'coverage': np.mean([in_real[i].any() for i in range(len(real))])}


@pytest.mark.parametrize('block_num', [2**24, 90])
@pytest.mark.parametrize('k', [1, 5])
def test_prdc_equals_the_definition(k, block_num, monkeypatch):
  monkeypatch.setattr(neighbors, 'BLOCK_NUM', block_num)
  real, fake = _points(0, 80), 0.7 * _points(1, 60) + 0.3
  got = prdc.prdc(real, fake, k)
  assert got == pytest.approx(_expected(real, fake, k), abs=1e-12)
  assert 0 < got['recall'] < 1


def test_what_collapsed_is_precise_and_recalls_nothing():
  real = _points(0, 200)
  fake = 0.01 * _points(1, 200)
  got = prdc.prdc(real, fake)
  assert got['precision'] == 1.0 and got['density'] > 1
  assert got['recall'] < 0.05 and got['coverage'] < 0.5


def test_far_away_all_are_zero():
  got = prdc.prdc(_points(0, 50), _points(1, 50) + 100)
  assert set(got.values()) == {0.0}
