"""The three-sample test against SciPy's U test and on samples of known kind."""

import numpy as np
import pytest
from scipy import stats

from tfp_lgc import data
from tfp_lgc.arrays import from_arrays
from tfp_lgc.metrics.privacy import copying
from tfp_lgc.metrics.subject import Subject


def test_the_score_has_scipys_probability():
  rng = np.random.default_rng(0)
  samples, others = rng.normal(0.2, 1, 150), rng.normal(size=120)
  expected = stats.mannwhitneyu(samples, others, method='asymptotic',
                                use_continuity=False, alternative='less')
  z = copying.z_score(samples, others)
  assert stats.norm.cdf(z) == pytest.approx(expected.pvalue, rel=1e-6)
  assert copying.z_score(others, samples) == pytest.approx(-z)


def test_the_score_of_ties_has_scipys_probability():
  """As of pictures that are there many times."""
  rng = np.random.default_rng(0)
  samples, others = rng.integers(0, 4, 150), rng.integers(0, 4, 120)
  samples[:9] = 0
  expected = stats.mannwhitneyu(samples, others, method='asymptotic',
                                use_continuity=False, alternative='less')
  assert stats.norm.cdf(copying.z_score(samples, others)) == pytest.approx(
      expected.pvalue, rel=1e-6)
  assert copying.z_score(np.ones(5), np.ones(4)) == 0


def test_the_score_counts_pairs():
  samples, others = np.array([1.0, 4.0]), np.array([2.0, 3.0, 4.0])
  u = sum((s > o) + 0.5 * (s == o) for s in samples for o in others)
  assert copying.z_score(samples, others) == pytest.approx(
      (u - 3) / np.sqrt(2 * 3 * (6 - 6 / 20) / 12))  # Two are equal.


def _mixture(seed, count):
  rng = np.random.default_rng(seed)
  centers = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0]])
  labels = rng.integers(0, 3, count)
  return centers[labels] + rng.normal(size=[count, 3]), labels


def test_cells_find_what_is_copied_in_one_of_them(monkeypatch):
  """And underfitted in the others, so that the test of all finds nothing."""
  monkeypatch.setattr(copying, 'NUM_CELLS', 3)
  train, labels = _mixture(0, 400)
  others, _ = _mixture(1, 400)
  samples, sample_labels = _mixture(2, 400)
  copied = sample_labels == 0
  samples[copied] = train[labels == 0][
      np.arange(copied.sum()) % (labels == 0).sum()] + 0.01
  samples[~copied] += np.random.default_rng(3).normal(
      size=[(~copied).sum(), 3])
  _, scores = copying.by_cells(samples, others, train)
  assert len(scores) == 3 and min(scores) < -8 and max(scores) > 3
  weighed, fresh_scores = copying.by_cells(_mixture(3, 400)[0], others, train)
  assert abs(weighed) < 3 and max(map(abs, fresh_scores)) < 4


def test_the_weighed_score_is_by_held_out_points(monkeypatch):
  monkeypatch.setattr(copying, 'NUM_CELLS', 3)
  train, others, samples = [_mixture(seed, 300)[0] for seed in range(3)]
  near = np.abs(others).max(axis=1) < 4.5  # Of the cell around the origin.
  others = np.concatenate([others, others[near] + 0.01])
  weighed, scores = copying.by_cells(samples, others, train)
  counts = [near.sum() * 2, (others[:, 0] > 4.5).sum(),
            (others[:, 1] > 4.5).sum()]
  expected = [np.dot(scores, np.array(counts)[list(order)]) / sum(counts)
              for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0),
                            (2, 0, 1), (2, 1, 0))]
  assert min(abs(weighed - value) for value in expected) < 1e-9


def test_small_cells_say_nothing():
  assert copying.by_cells(np.ones([5, 2]), np.ones([5, 2]),
                          np.random.default_rng(0).normal(size=[30, 2])) == (
      None, [])


def _images(seed, count):
  """Blurred noise: images that have something in common."""
  rng = np.random.default_rng(seed)
  base = rng.integers(60, 196, [count, 2, 2, 1])
  noise = rng.integers(-40, 41, [count, 6, 6, 1])
  return np.clip(np.repeat(np.repeat(base, 3, 1), 3, 2) + noise, 0, 255).astype(
      np.uint8)


def _measured(samples, train, test):
  source = from_arrays((train, np.arange(len(train)) % 2),
                       (test, np.arange(len(test)) % 2))
  drawn = data.Images(samples, np.zeros(len(samples), np.int32), ('0', '1'))
  return copying.measure(Subject(source, lambda seed, n: (drawn, None),
                                 lambda: 100))


def test_smooth_samples_are_no_copies():
  """They are near to train images, as to all others; copies to those alone."""
  train, test, fresh = _images(0, 300), _images(1, 300), _images(2, 300)
  blocks = fresh.reshape(300, 2, 3, 2, 3, 1).mean(axis=(2, 4)).astype(np.uint8)
  smooth = _measured(np.repeat(np.repeat(blocks, 3, 1), 3, 2), train, test)
  assert smooth['z'] < -10 and smooth['half_z'] < -8
  assert abs(smooth['copying_z']) < 2.5
  copies = _measured(train[::-1], train, test)
  assert copies['z'] < -10 and copies['copying_z'] < -5
  alike = _measured(fresh, train, test)
  assert abs(alike['z']) < 4 and abs(alike['copying_z']) < 4
  assert not any('note' in got for got in (smooth, alike))


def test_a_split_that_is_not_random_is_noted():
  """Fresh samples of writers of the train images are taken for copies."""
  train, fresh, test = _images(0, 300), _images(2, 300), _images(1, 300)
  got = _measured(fresh // 2, train // 2, test // 2 + 100)
  assert got['copying_z'] < -5 and 'no random split' in got['note']
