"""The accountant against published numbers, and against definitions."""

import numpy as np
import pytest
from scipy import integrate, stats

from tfp_lgc import accounting
from tfp_lgc.accounting import Mechanism
from tfp_lgc.errors import ConfigError

DELTA = 1e-5
# Noise, epochs, and epsilon at delta 1e-5 of DP-SGD on MNIST (60,000 images,
# batches of 256): by a central limit, which is too low for few steps, and by
# the moments accountant, which is an upper bound; Z. Bu et al., Deep Learning
# with Gaussian Differential Privacy, 2020, table 1.
PUBLISHED = [(1.3, 15, 0.83, 1.19), (1.1, 60, 2.32, 3.01),
             (0.7, 45, 5.07, 7.10)]


def _mnist(noise, epochs):
  return [Mechanism(noise, 256 / 60_000, epochs * 60_000 // 256)]


@pytest.mark.parametrize('noise, epochs, low, high', PUBLISHED)
@pytest.mark.parametrize('accountant', ['pld', 'rdp'])
def test_published_values_of_dp_sgd(noise, epochs, low, high, accountant):
  spent = accounting.epsilon(_mnist(noise, epochs), DELTA, accountant)
  assert low < spent < high


def _log_moment(order, noise, rate):
  """log E[(p / p')^order], of M. Abadi et al., 2016, section 3.2: the larger of
  the two directions, by integration."""
  def densities(x):
    without = stats.norm.pdf(x, 0.0, noise)
    return without, (1 - rate) * without + rate * stats.norm.pdf(x, 1.0, noise)

  def moment(x, forward):
    without, mixed = densities(x)
    ratio = mixed / without if forward else without / mixed
    return (mixed if forward else without) * ratio**order

  return max(np.log(integrate.quad(
      moment, -10 * noise, (10 + order / noise) * noise, args=(forward,),
      limit=500)[0]) for forward in (True, False))


def test_the_moments_accountant_of_the_paper_finds_a_little_more():
  """Its example: sampling rate 0.01, noise 4, 10,000 steps: epsilon 1.26."""
  theirs = min((10_000 * _log_moment(order, 4.0, 0.01) - np.log(DELTA)) / order
               for order in range(1, 33))
  assert theirs == pytest.approx(1.26, abs=0.01)
  mechanism = [Mechanism(4.0, 0.01, 10_000)]
  tight = accounting.epsilon(mechanism, DELTA, 'pld')
  rdp = accounting.epsilon(mechanism, DELTA, 'rdp')
  # Both are upper bounds; theirs is converted to epsilon less well.
  assert 0.7 * theirs < tight < rdp < theirs


def _exact(noise, epsilon):
  """delta of the Gaussian mechanism: B. Balle, Y. Wang, Improving the Gaussian
  Mechanism for Differential Privacy, 2018, theorem 8."""
  a, b = 0.5 / noise, epsilon * noise
  return stats.norm.cdf(a - b) - np.exp(epsilon) * stats.norm.cdf(-a - b)


@pytest.mark.parametrize('noise', [0.8, 4.0])
def test_one_release_costs_what_the_formula_says(noise):
  spent = accounting.epsilon([Mechanism(noise)], DELTA)
  assert _exact(noise, spent) <= DELTA
  assert _exact(noise, 0.995 * spent) > DELTA


def test_releases_add_like_inverse_variances():
  """Several of the Gaussian mechanism are one of less noise."""
  several = accounting.epsilon(
      [Mechanism(3.0, steps=4), Mechanism(2.0)], DELTA)
  one = accounting.epsilon([Mechanism((4 / 9 + 1 / 4)**-0.5)], DELTA)
  assert several == pytest.approx(one, rel=1e-3)


@pytest.mark.parametrize('target', [1.0, 10.0])
def test_noise_is_enough_and_no_more(target):
  beside = [accounting.noise_for(0.2 * target, DELTA)]
  found = accounting.noise_for(target, DELTA, 0.05, 50, beside)
  assert found[1:] == (0.05, 50)
  assert 0.98 * target < accounting.epsilon([*beside, found], DELTA) <= target


def test_a_budget_that_is_spent_already_is_refused():
  with pytest.raises(ConfigError, match='dp_epsilon = 1 .*leaves nothing'):
    accounting.noise_for(1.0, DELTA, beside=[Mechanism(1.0)])
