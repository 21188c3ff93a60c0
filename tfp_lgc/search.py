"""The best artifact of at most so many bytes.

What there is to choose is chosen by a judge that is trained on samples and
tested on a part of the train split that no mixture was fitted to so far, but
autoencoders were. The mixture that is chosen is then fitted on to all of it,
with bits that this leaves. The test split chooses nothing.
"""

import math
from typing import AbstractSet, Any, Optional, Sequence

import tf_keras as tfk

from tfp_lgc import sizes
from tfp_lgc.artifact import Artifact
from tfp_lgc.config import Config
from tfp_lgc.data import Source
from tfp_lgc.errors import BudgetError, ConfigError
from tfp_lgc.held_out import HeldOut
from tfp_lgc.metrics import tstr
from tfp_lgc.progress import Progress
from tfp_lgc.resuming import NO_WORK, Work
from tfp_lgc.trials import Trial, Trials, words

__all__ = ['compress_within', 'describe']


def compress_within(source: Source, num_bytes: int, config: Config,
                    progress: Progress, fixed: AbstractSet[str] = frozenset(),
                    callbacks: Sequence[tfk.callbacks.Callback] = (),
                    work: Work = NO_WORK) -> Artifact:
  """An artifact of at most `num_bytes`.

  Args:
    source: its test split is not looked at.
    num_bytes: of artifact.lgc.
    config: settings of `sizes.CHOSEN` that are not as they are by default stay.
    progress: hears of everything that is tried.
    fixed: names of further settings that stay.
    callbacks: for training.
    work: where results of stages are kept, if at all.

  Raises:
    BudgetError: if nothing fits.
    ConfigError: for a latent model that has no mixtures by class, a selection
      by BIC, a judge that there is not, or a bound of memory that its images
      or latents are not within.
    FloatingPointError: if the first autoencoder diverges.
  """
  _check(config, fixed)
  stays = sizes.staying(config, fixed)
  seen = HeldOut(source)
  best: Optional[Trial] = None
  num_found, smallest = 0, math.inf
  for i, tried in enumerate(sizes.likely(source, num_bytes, config, stays)):
    about = {'number': i,
             **{name: sizes.value(tried, name) for name in sizes.OF_RUNGS}}
    progress.record(event='try', budget=num_bytes, **about)
    progress.note(f'tries {words(about)}')
    try:
      trials = Trials(seen, num_bytes, tried, stays, progress, callbacks,
                      work.below(f'try_{i}'))
      found = trials.best()
    except FloatingPointError as this:
      if not best:  # A smaller decoder in its place would hide it.
        raise
      progress.note(f'{this}; is left out')
      continue
    if found:
      num_found += 1
      if best is None or found.accuracy > best.accuracy:
        best = found._replace(about={**about, **found.about})
        its = trials
    # Where there is nothing to judge by, the first is as good as any.
    if best and (num_found == config.train.num_autoencoders
                 or not seen.source.test):
      break
    smallest = min(smallest, trials.smallest)
  if not best:
    raise BudgetError(f'budget = {num_bytes}: an artifact takes {smallest:,} '
                      'bytes at the least, with these settings; give more')
  chosen = its.of_whole(best)
  progress.record(event='chosen', **chosen.about)
  progress.note(f'takes {words(chosen.about)}')
  return chosen.artifact


def _check(config: Config, fixed: AbstractSet[str]) -> None:
  if config.mixture.latent_model != 'gmm':
    raise ConfigError(f'latent_model = {config.mixture.latent_model}: a budget '
                      'is for mixtures by class; choose gmm, or no --budget')
  if 'selection' in fixed and config.mixture.selection != 'bytes':
    raise ConfigError(
        f'selection = {config.mixture.selection}: a budget prices mixtures in '
        'bytes; choose bytes, or no --budget')
  tstr.check(config.evaluate)


def describe(artifact: Artifact) -> dict[str, Any]:
  """What was chosen, for people."""
  return {'num_filters': artifact.model.num_filters,
          **({'grid_filters': artifact.model.grid_filters}
             if artifact.model.grid_filters else {}),
          'latent_size': artifact.model.latent_size,
          'num_components': sum(artifact.num_components),
          'structures': sorted(set(artifact.structures)),
          'texture': artifact.texture is not None,
          'hard_copies': artifact.hard_copies}
