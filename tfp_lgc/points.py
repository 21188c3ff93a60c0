"""The points of one class, wherever they are, as EM by passes takes them.

```python
mixture.lowest_bic(points.fit, points.sizes(), len(points), config.mixture)
```
"""

import abc
from typing import Sequence

import numpy as np

from tfp_lgc import stepwise
from tfp_lgc.config import Config
from tfp_lgc.em import Fit
from tfp_lgc.em_steps import Statistics
from tfp_lgc.mixture import sizes
from tfp_lgc.stepwise import Run, State

__all__ = ['Points']


class Points(abc.ABC):
  """N points.

  From the same starts, EM ends where `mixture.most_likely` ends, but for
  rounding. Whoever holds the points makes the passes over them, `_sums`.
  """

  def __init__(self, num_points: int, mean: np.ndarray, variance: np.ndarray,
               sample: np.ndarray, config: Config, floor: float):
    """Takes what is known of them.

    Args:
      num_points: N, 1 or more.
      mean: float64 `[d]`, of all of them.
      variance: float64 `[d]`, of the same.
      sample: `[n, d]`, all or some of them, that k-means is given.
      config: of the mixture, and the seed.
      floor: added to variances.
    """
    self._num_points, self._mean, self._variance = num_points, mean, variance
    self._sample, self._config, self._floor = sample, config, floor

  def __len__(self):
    return self._num_points

  def sizes(self) -> dict[str, range]:
    """Structure -> numbers of components that may be tried."""
    return sizes(self._sample, self._config.mixture)

  def fit(self, structure: str, num_components: int) -> Fit:
    """The most likely of several EM runs, which make their passes together."""
    state = stepwise.begin(0, len(self), self._mean, self._variance,
                           self._floor, self._starts(structure, num_components))
    state = stepwise.fit(state, self._sums, self._config)
    [found] = stepwise.fits_of(state, self._config).values()
    return found

  def _starts(self, structure: str, num_components: int) -> list[Run]:
    """Runs at their starts, of points that are not in a frame."""
    return stepwise.runs_of_size(0, self._sample, structure, num_components,
                                 self._config, self._floor)

  @abc.abstractmethod
  def _sums(self, state: State) -> Sequence[Statistics]:
    """One pass over all points, see `stepwise.Sums`."""
