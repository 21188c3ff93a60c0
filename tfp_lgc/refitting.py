"""Mixtures that are fitted on, to more images or to other ones.

Where a mixture is that was fitted to a part of the images, once each, few steps
of EM take it to where all of them have it, or hard images that count more.
"""

import functools
import math
from typing import Optional, Sequence

import numpy as np

from tfp_lgc import allocation, data, teacher
from tfp_lgc.allocation import Candidate
from tfp_lgc.artifact import Artifact
from tfp_lgc.config import Config, MixtureConfig
from tfp_lgc.data import Split
from tfp_lgc.em import fit_em
from tfp_lgc.pipeline import Trained
from tfp_lgc.progress import Progress
from tfp_lgc.resuming import Work
from tfp_lgc.sampling import sample

__all__ = ['Refitted']


class Refitted:
  """Mixtures of the classes of one split, each fitted on once."""

  def __init__(self, trained: Trained, split: Split, rest: np.ndarray,
               config: Config, floor: float, progress: Progress, work: Work):
    """Nothing is made yet.

    Args:
      trained: has the latents that mixtures are fitted to.
      split: the N images that these are of, for teachers to see.
      rest: bool `[N]`, the images that candidates were fitted to.
      config: says how often these counted then.
      floor: added to variances.
      progress: hears of teachers.
      work: where their results and mixtures are kept, if at all.
    """
    self._trained, self._split, self._rest = trained, split, rest
    self._config, self._floor = config, floor
    self._progress, self._work = progress, work
    self._excess: Optional[np.ndarray] = None  # Nats, [N].
    self._made: dict[str, Candidate] = {}

  def find_hard(self, artifact: Artifact) -> None:
    """Which images samples teach too little of: those that are hard from now
    on, see `teacher.excess`.

    Args:
      artifact: has these classes; as many samples of it are seen as images.
    """
    self._excess = self._work.stage(
        'excess', self._progress, lambda: {'excess': self._found(artifact)},
        name='hard images')['excess']

  def _found(self, artifact: Artifact) -> np.ndarray:
    drawn = sample(artifact, self._split.num_examples, seed=self._config.seed)
    return teacher.excess(
        self._config, self._split,
        data.array_split(drawn.images, drawn.labels),
        len(artifact.class_names), self._work)

  def is_hard(self, config: Config) -> bool:
    """Whether hard images count otherwise than they did for candidates."""
    return config.mixture.hard_copies != self._config.mixture.hard_copies

  def fitted(self, picks: Sequence[Candidate], config: Config,
             whole: bool) -> list[Candidate]:
    """A mixture of each class, from where it is.

    Args:
      picks: of each class, candidates.
      config: says how often hard images count now; where not as for the
        candidates, these are what `find_hard` found.
      whole: whether to all images; else to the same as before.

    Returns:
      `picks`, where these count as for the candidates.
    """
    is_hard = self.is_hard(config)
    if not (whole or is_hard):
      return [*picks]
    copies = self._trained.copies
    if is_hard:
      assert self._excess is not None  # `find_hard` comes first.
      copies = teacher.copies(self._excess, self._trained.labels,
                              config.mixture)
    return [self._of_class(label, pick, copies if whole
                           else copies * self._rest, config.mixture, whole)
            for label, pick in enumerate(picks)]

  def _of_class(self, label: int, pick: Candidate, copies: np.ndarray,
                config: MixtureConfig, whole: bool) -> Candidate:
    own = self._trained.labels == label
    if not copies[own].any():  # There is nothing to fit.
      return pick
    key = (f'fitted_{config.hard_copies}_{config.hard_share}_{pick.structure}_'
           f'{label}_{len(pick.components.loc)}{"_whole" * whole}')
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
