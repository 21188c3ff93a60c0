"""Mixtures that are fitted on with hard images counting more than others."""

import functools
import math
from typing import Sequence

import numpy as np

from tfp_lgc import allocation, teacher
from tfp_lgc.allocation import Candidate
from tfp_lgc.config import Config, MixtureConfig
from tfp_lgc.data import Split
from tfp_lgc.em import fit_em
from tfp_lgc.pipeline import Trained
from tfp_lgc.progress import Progress
from tfp_lgc.resuming import Work

__all__ = ['Oversampled']


class Oversampled:
  """Mixtures of the classes of one split, each fitted once."""

  def __init__(self, trained: Trained, split: Split, floor: float,
               progress: Progress, work: Work):
    """Nothing is made yet.

    Args:
      trained: has the latents that mixtures are fitted to.
      split: the images that these are of, for a teacher to see.
      floor: added to variances.
      progress: hears of the teacher.
      work: where losses and mixtures are kept, if at all.
    """
    self._trained, self._split, self._floor = trained, split, floor
    self._progress, self._work = progress, work
    self._losses: dict[str, np.ndarray] = {}
    self._made: dict[str, Candidate] = {}

  def fitted(self, picks: Sequence[Candidate], config: Config,
             ) -> list[Candidate]:
    """A mixture of each class, from where it is, which takes few steps.

    Args:
      picks: of each class, fitted with all images counting once.
      config: says how often hard ones count.
    """
    if not self._losses:
      self._losses = self._work.stage(
          'losses', self._progress, lambda: {'losses': teacher.losses(
              config, self._split, len(picks), self._work)},
          name='hard images')
    copies = teacher.copies(self._losses['losses'], self._trained.labels,
                            config.mixture)
    return [self._of_class(label, pick, copies, config.mixture)
            for label, pick in enumerate(picks)]

  def _of_class(self, label: int, pick: Candidate, copies: np.ndarray,
                config: MixtureConfig) -> Candidate:
    own = self._trained.labels == label
    if not own.any():  # There is nothing to fit.
      return pick
    key = (f'hard_{config.hard_copies}_{config.hard_share}_{pick.structure}_'
           f'{label}_{len(pick.components.loc)}')
    if key not in self._made:
      x = np.repeat(self._trained.latents[own], copies[own], axis=0)
      [self._made[key]] = allocation.from_arrays(self._work.kept(
          key, functools.partial(self._fit_on, x, pick, config)))
    return self._made[key]

  def _fit_on(self, x: np.ndarray, pick: Candidate, config: MixtureConfig,
              ) -> dict[str, np.ndarray]:
    fit = fit_em(x, pick.components, self._floor, config.max_iterations,
                 config.tolerance, pick.structure, config.covariance_rank)
    return allocation.to_arrays([
        pick._replace(components=fit.components)
        if math.isfinite(fit.log_likelihood) else pick])
