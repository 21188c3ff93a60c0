"""What mechanisms cost in epsilon and delta, and how much noise pays for it.

The accountants are those of dp-accounting. Neighbors are data sets of which one
has one image, with its label, more than the other ("add or remove").
"""

import importlib.util
import math
from typing import NamedTuple, Sequence

from tfp_lgc.errors import ConfigError

__all__ = ['Mechanism', 'epsilon', 'noise_for', 'require']

# The noise is at most this share larger than it has to be.
TOLERANCE = 2e-3
# Epsilon beyond which a guarantee says nothing, and noise below any use.
LOWEST_NOISE, HIGHEST_NOISE = 0.2, 1e6
# Losses of privacy are rounded up to multiples of it, nats.
INTERVAL = 1e-3
# Of Rényi divergences; whole ones, for which there is a closed form.
ORDERS = (*range(2, 64), 80, 96, 128, 192, 256, 512, 1024, 2048)


class Mechanism(NamedTuple):
  """Normal noise on sums over images, again and again.

  Attributes:
    noise_multiplier: standard deviation of the noise, in units of the most
      that one image can change a sum by, in the Euclidean norm.
    sampling_rate: each image takes part with this probability, by itself
      (Poisson sampling); 1 for all of them.
    steps: how many sums there are.
  """
  noise_multiplier: float
  sampling_rate: float = 1.0
  steps: int = 1


def require() -> None:
  """Refuses where dp-accounting is not installed, before any work.

  Raises:
    ConfigError: then.
  """
  if importlib.util.find_spec('dp_accounting') is None:
    raise ConfigError('dp_epsilon: needs the package dp-accounting; install '
                      "it, or tfp_lgc with its extra 'dp'")


def _event(mechanism: Mechanism):
  import dp_accounting as dpa
  event = dpa.GaussianDpEvent(mechanism.noise_multiplier)
  if mechanism.sampling_rate < 1.0:
    event = dpa.PoissonSampledDpEvent(mechanism.sampling_rate, event)
  return dpa.SelfComposedDpEvent(event, mechanism.steps)


def epsilon(mechanisms: Sequence[Mechanism], delta: float,
            accountant: str = 'pld') -> float:
  """What mechanisms spend together, whatever each of them has seen before.

  ```python
  epsilon([Mechanism(1.1, 256 / 60_000, 14_062)], 1e-5)   # 2.39
  ```

  Args:
    mechanisms: one after the other.
    delta: for which epsilon is to be told.
    accountant: 'pld' (privacy loss distributions; A. Koskela, J. Jälkö,
      A. Honkela, Computing Tight Differential Privacy Guarantees Using FFT,
      AISTATS 2020), rounded up; or 'rdp' (Rényi divergences; I. Mironov,
      K. Talwar, L. Zhang, Rényi Differential Privacy of the Sampled Gaussian
      Mechanism, 2019), which is faster and somewhat higher.
  """
  import dp_accounting as dpa
  from dp_accounting import pld, rdp
  neighbors = dpa.NeighboringRelation.ADD_OR_REMOVE_ONE
  made = (rdp.RdpAccountant(ORDERS, neighbors) if accountant == 'rdp'
          else pld.PLDAccountant(neighbors, INTERVAL))
  for mechanism in mechanisms:
    made.compose(_event(mechanism))
  return float(made.get_epsilon(delta))


def noise_for(target: float, delta: float, sampling_rate: float = 1.0,
              steps: int = 1, beside: Sequence[Mechanism] = ()) -> Mechanism:
  """The mechanism of the least noise that keeps within a budget.

  Args:
    target: epsilon that it, and what is `beside` it, may spend together.
    delta: of the budget.
    sampling_rate: of the mechanism.
    steps: of the mechanism.
    beside: other mechanisms.

  Raises:
    ConfigError: if no noise is enough.
  """
  def spent(noise: float, accountant: str) -> float:
    return epsilon([*beside, Mechanism(noise, sampling_rate, steps)], delta,
                   accountant)

  def least(low: float, high: float, accountant: str) -> float:
    """By halving; what it returns is enough."""
    if spent(high, accountant) > target:
      raise ConfigError(
          f'dp_epsilon = {target:g} with dp_delta = {delta:g}: what else is '
          'spent leaves nothing, however much noise there is; give more, or, '
          'with --dp_steps, a smaller --dp_mixture_share')
    while high > low * (1.0 + TOLERANCE):
      middle = math.sqrt(low * high)
      if spent(middle, accountant) > target:
        low = middle
      else:
        high = middle
    return high

  # The quick accountant finds where the exact one has to look.
  bound = least(LOWEST_NOISE, HIGHEST_NOISE, 'rdp')
  return Mechanism(least(0.85 * bound, 1.02 * bound, 'pld'), sampling_rate,
                   steps)
