"""Statistics of attacks against scikit-learn and their definitions."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from tfp_lgc.metrics.privacy import attack


def _scores(shift, seed=0, sizes=(300, 250)):
  rng = np.random.default_rng(seed)
  return (np.round(rng.normal(shift, 1, sizes[0]), 1),  # With ties.
          np.round(rng.normal(0, 1, sizes[1]), 1))


@pytest.mark.parametrize('shift', [0, 0.7, 3])
def test_auc_is_the_probability_that_a_member_scores_higher(shift):
  members, others = _scores(shift)
  u = stats.mannwhitneyu(members, others).statistic
  got = attack.summarize(members, others)
  assert got['auc'] == pytest.approx(u / (300 * 250), abs=6e-5)
  assert got['auc_interval'][0] < got['auc'] < got['auc_interval'][1]


@pytest.mark.parametrize('rate', [0.0, 0.001, 0.01, 0.1, 1.0])
def test_true_positives_are_the_highest_point_of_the_roc_up_to_a_rate(rate):
  members, others = _scores(1)
  false, true, _ = metrics.roc_curve(
      np.repeat([1, 0], [300, 250]), np.concatenate([members, others]),
      drop_intermediate=False)
  expected = 300 * true[false <= rate + 1e-12].max()
  assert attack.true_positives(members, others, rate) == pytest.approx(expected)


def test_the_interval_has_the_width_of_the_normal_approximation():
  """J. A. Hanley, B. J. McNeil, Radiology 1982."""
  members, others = _scores(0, sizes=(2000, 1500))
  low, high = attack.auc_interval(members, others)
  stddev = np.sqrt((2000 + 1500 + 1) / (12 * 2000 * 1500))
  assert high - low == pytest.approx(2 * 1.96 * stddev, rel=0.15)
  assert low < 0.5 < high


def test_the_interval_covers_the_truth_about_as_often_as_it_says(monkeypatch):
  monkeypatch.setattr(attack, 'NUM_BOOTSTRAPS', 200)
  rng = np.random.default_rng(1)
  truth = stats.norm.cdf(1 / np.sqrt(2))
  hits = 0
  for seed in range(200):
    low, high = attack.auc_interval(rng.normal(1, 1, 60), rng.normal(0, 1, 60),
                                    seed)
    hits += low <= truth <= high
  assert stats.binom.cdf(hits, 200, 0.93) > 1e-3


def test_a_perfect_attack_and_one_that_is_always_wrong():
  low, high = np.arange(100.0), np.arange(100.0) + 1000
  best, worst = attack.summarize(high, low), attack.summarize(low, high)
  assert best['auc'] == best['tpr_at_fpr_0.01'] == 1.0
  assert best['auc_interval'] == [1.0, 1.0]
  assert worst['auc'] == worst['tpr_at_fpr_0.01'] == 0.0
  assert best['tpr_at_fpr_0.01_interval'][0] == pytest.approx(
      stats.beta.ppf(0.025, 100, 1), abs=6e-5)


def test_a_rate_that_so_few_others_cannot_have_is_not_reported():
  """The highest of 99 others is exceeded by one in 100 of their kind."""
  members, others = _scores(1, sizes=(50, 1000))
  for count, known in ((99, ()), (100, ('0.01',)), (1000, ('0.001', '0.01'))):
    got = attack.summarize(members, others[:count])
    for rate in ('0.001', '0.01'):
      share, interval = [got[f'tpr_at_fpr_{rate}{end}']
                         for end in ('', '_interval')]
      assert (share is not None) == (interval is not None) == (rate in known)


def test_the_interval_of_a_rate_covers_the_truth(monkeypatch):
  """The exact one, of a threshold that is known, would seldom do."""
  monkeypatch.setattr(attack, 'NUM_BOOTSTRAPS', 200)
  rng = np.random.default_rng(0)
  truth = stats.norm.sf(stats.norm.isf(0.01) - 2)
  hits = exact_hits = 0
  for seed in range(60):
    members, others = rng.normal(2, 1, 400), rng.normal(0, 1, 500)
    low, high = attack.tpr_interval(members, others, 0.01, seed)
    hits += low <= truth <= high
    low, high = stats.binomtest(attack.true_positives(
        members, others, 0.01), 400).proportion_ci()
    exact_hits += low <= truth <= high
  assert stats.binom.cdf(hits, 60, 0.93) > 1e-3
  assert exact_hits < hits and stats.binom.cdf(exact_hits, 60, 0.93) < 1e-3


@pytest.mark.parametrize('sizes', [(1, 1), (9, 200), (200, 9)])
def test_few_images_have_no_interval(sizes):
  """One member that is above one other is not certain to be."""
  got = attack.summarize(*_scores(1, sizes=sizes))
  assert {value for name, value in got.items() if 'interval' in name} == {None}
  assert attack.summarize(*_scores(1, sizes=(10, 10)))['auc_interval']


def test_classes_are_those_that_have_both():
  members, others = _scores(1)
  labels = np.arange(300) % 3, np.arange(250) % 2
  got = attack.by_class(members, labels[0], others, labels[1], 'abc')
  assert set(got['per_class']) == {'a', 'b'}
  assert got['per_class']['b'] == attack.summarize(
      members[labels[0] == 1], others[labels[1] == 1])
  assert got['auc'] == attack.summarize(members, others)['auc']
