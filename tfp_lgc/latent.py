"""Latent models: what the latents of a class are drawn from.

A latent model is a function `(latents, labels, num_classes, config) ->
(Mixture, records)`; the records go to metrics.jsonl.
"""

import math
from typing import Any, Callable, Optional

import numpy as np
from scipy import special

from tfp_lgc import (
  allocation,
  distribution,
  folding,
  memory,
  models,
  networks,
  shared,
  streamed_em,
  streams,
)
from tfp_lgc.autoencoder import Encoded
from tfp_lgc.config import Config
from tfp_lgc.distributed_em import SpreadPoints
from tfp_lgc.errors import ConfigError
from tfp_lgc.gaussians import Components, log_joint
from tfp_lgc.mixture import (
  lowest_bic,
  Mixture,
  select,
  Selection,
  share,
  stack,
)
from tfp_lgc.points import Points
from tfp_lgc.stepwise import SAMPLE_SIZE
from tfp_lgc.streamed_em import FilePoints

__all__ = ['LATENT_MODELS', 'check', 'fit', 'floor', 'nothing', 'points',
           'purity', 'usable']

# Weights below this are as good as none, and a code needs a smallest number.
MIN_WEIGHT = 1e-6
# Latents that are copied at a time.
BLOCK = 2**14

OnClass = Callable[[int], None]
Bound = Optional[memory.Limits]
Records = list[dict[str, Any]]


def floor(latents: np.ndarray, config: Config) -> float:
  """What is added to variances, in the units of the latents."""
  if isinstance(latents, np.memmap):
    variance = streamed_em.moments(latents)[1]
  else:
    variance = latents.var(axis=0, dtype=np.float64)
  # Machines may round it another way.
  found = shared.from_chief(distribution.of(config.train.strategy),
                            {'variance': variance})
  # A data set of one repeated latent has no unit of its own: take 1.
  unit = float(found['variance'].mean()) or 1.0
  return config.mixture.covariance_floor * unit


def gmm(latents: np.ndarray, labels: np.ndarray, num_classes: int,
        config: Config, on_class: OnClass, bound: Bound = None,
        ) -> tuple[Mixture, Records]:
  """A mixture for each class, of its own; LGC paper."""
  added = floor(latents, config)
  if _fit_in(latents, bound):
    def own(label):
      return latents[labels == label]
  else:
    own = streamed_em.by_class(latents, labels, num_classes, bound).of
  chosen, records = [], []
  for label in range(num_classes):
    x = own(label)
    if not len(x):
      chosen.append(nothing(latents.shape[1]))
      records.append({'event': 'bic', 'label': label, 'bic': {}})
    elif config.mixture.selection == 'bic':
      selection = _selected(x, config, added, bound)
      chosen.append(selection[:2])
      records.append({'event': 'bic', 'label': label, 'bic': selection.bics})
    else:
      choices = _candidates(x, config, added, bound)
      chosen.append(allocation.cheapest(choices)[:2])
      records.append({'event': 'bytes', 'label': label, 'tried': [
          {'structure': choice.structure,
           'num_components': len(choice.components.loc),
           'bits_of_latents': round(choice.code_length, 1),
           'bits_of_mixture': round(choice.num_bits, 1)}
          for choice in choices]})
    on_class(label)
  return stack(*zip(*chosen)), records


def _fit_in(x: np.ndarray, bound: Bound) -> bool:
  """Whether EM may hold points `[N, d]` in memory."""
  return not bound or memory.EM_BYTES_PER_NUMBER * x.size <= bound.points


def _in_file(x: np.ndarray, config: Config, added: float,
             bound: memory.Limits) -> FilePoints:
  """As many as fit are the sample that EM starts from."""
  most = bound.points // (memory.EM_BYTES_PER_NUMBER * x.shape[1])
  return FilePoints(x, config, added, max(1, min(SAMPLE_SIZE, most)))


def _passes(x: np.ndarray, config: Config, added: float, bound: Bound,
            ) -> Optional[Points]:
  """Points for EM over a file, if memory is bound, or by replicas; None if it
  is made of an array."""
  its = distribution.of(config.train.strategy)
  if bound and not _fit_in(x, bound):
    return _in_file(x, config, added, bound)
  return None if its.is_one else SpreadPoints(np.array(x), config, added, its)


def _selected(x: np.ndarray, config: Config, added: float, bound: Bound,
              ) -> Selection:
  """`mixture.select`, wherever the points are."""
  points = _passes(x, config, added, bound)
  if points is None:
    return select(np.array(x), config.mixture, added, config.seed)
  return lowest_bic(points.fit, points.sizes(), len(points), config.mixture)


def _candidates(x: np.ndarray, config: Config, added: float, bound: Bound,
                ) -> list[allocation.Candidate]:
  """The same of `allocation.candidates`."""
  points = _passes(x, config, added, bound)
  if points is None:
    return allocation.candidates(np.array(x), config, added)
  return allocation.candidates_of(
      points.fit, {structure: max(sizes) for structure, sizes
                   in points.sizes().items()}, len(points), config)


def nothing(latent_size: int) -> tuple[Components, str]:
  """Components and structure of a class without an image, from which nothing
  is ever drawn."""
  return Components(np.zeros(1), np.zeros([1, latent_size]),
                    np.eye(latent_size)[np.newaxis]), 'spherical'


def global_gmm(latents: np.ndarray, labels: np.ndarray, num_classes: int,
               config: Config, on_class: OnClass, bound: Bound = None,
               ) -> tuple[Mixture, Records]:
  """One mixture of all latents, fitted without labels; then each component is
  given to the classes by its responsibilities for the labeled images."""
  selection = _selected(latents, config, floor(latents, config), bound)
  order = np.random.default_rng(config.seed).permutation(len(labels))
  shown = order[:math.ceil(config.mixture.labeled_fraction * len(labels))]
  mixture, weights = _attach(selection.components, selection.structure,
                             latents, labels, shown, num_classes)
  on_class(num_classes - 1)
  return mixture, [{'event': 'bic', 'bic': selection.bics},
                   {'event': 'purity', 'purity': purity(weights)}]


def prior(latents: np.ndarray, labels: np.ndarray, num_classes: int,
          config: Config, on_class: OnClass, bound: Bound = None,
          ) -> tuple[Mixture, Records]:
  """The model's own prior, which takes no bytes but its weights by class.

  A model that is told the label needs no more. Of another, the components of
  the prior are given to the classes as in `global_gmm`.
  """
  del bound  # Nothing is fitted.
  components = _usable_prior(config, num_classes)
  on_class(num_classes - 1)
  if config.model.model in models.CONDITIONAL or num_classes == 1:
    logits = np.tile(components.log_weights, [num_classes, 1])
    return share(logits, components, 'prior'), []
  mixture, weights = _attach(components, 'prior', latents, labels,
                             np.arange(len(labels)), num_classes)
  return mixture, [{'event': 'purity', 'purity': purity(weights)}]


def _usable_prior(config: Config, num_classes: int) -> Components:
  """The prior of the model, if labelled images can be drawn from it."""
  name = config.model.model
  components = models.prior(config.model)
  if components is None:
    raise ConfigError(f'latent_model = prior: {name} has no prior; choose gmm '
                      f'or global, or one of {", ".join(models.PRIORS)}')
  if (len(components.loc) == 1 < num_classes
      and name not in models.CONDITIONAL):
    raise ConfigError(f'latent_model = prior: the prior of {name} does not '
                      'know of classes; choose gmm, or the model cvae')
  return components


def check(config: Config, num_classes: int) -> None:
  """Refuses a latent model that will not do, before anything is trained.

  Raises:
    ConfigError: for a prior of a model that has none, or none for classes; for
      a trunk of more latents than a mixture is for; for a selection, or hard
      copies, that the latent model does not know.
  """
  if networks.TRUNKS[config.model.trunk].code_size:
    raise ConfigError(f'trunk = {config.model.trunk}: its latents are more '
                      'than the pixels of an image, and no mixture of them '
                      'would be small; it can be trained and reconstructs '
                      '(train.fit), to compress choose another trunk')
  if config.mixture.latent_model == 'prior':
    _usable_prior(config, num_classes)
  if (config.mixture.latent_model, config.mixture.selection) == ('global',
                                                                 'bytes'):
    raise ConfigError('selection = bytes: is for mixtures by class; choose bic '
                      'or --latent_model=gmm')
  if config.mixture.latent_model != 'gmm' and config.mixture.hard_copies > 1:
    raise ConfigError(
        f'hard_copies = {config.mixture.hard_copies}: is for mixtures by '
        'class; choose 1 or --latent_model=gmm')
  if num_classes == 1 and config.mixture.hard_copies > 1:
    raise ConfigError(f'hard_copies = {config.mixture.hard_copies}: images are '
                      'hard to tell from other classes, and there is one; '
                      'choose 1')


LATENT_MODELS = {'gmm': gmm, 'global': global_gmm, 'prior': prior}


def usable(encoded: Encoded, config: Config, bound: Bound = None,
           ) -> tuple[np.ndarray, np.ndarray]:
  """The latents that a latent model is fitted to.

  Returns:
    latents: float32 `[N, d]`, without those that say nothing.
    kept: bool `[latent_size]`, which these are. A prior keeps all.
  """
  kept = np.ones(encoded.draw.shape[1], bool)
  if config.mixture.latent_model != 'prior':
    every = 1  # Of so many latents a part tells which are dead.
    if bound:  # Of a number, two of float32, and two of float64 for a variance.
      every = max(1, -(-24 * encoded.draw.size // bound.points))
    kept = folding.live(_part(encoded.draw, every), _part(encoded.mean, every))
    # A variance may be above a threshold on one machine, below on another.
    kept = shared.from_chief(distribution.of(config.train.strategy),
                             {'kept': kept})['kept']
  return points(encoded, kept, config, bound), kept


def points(encoded: Encoded, kept: np.ndarray, config: Config,
           bound: Bound = None) -> np.ndarray:
  """What mixtures are fitted to, `latent_statistic` of the latents that are
  kept: float32 `[N, d]`, in memory or, if it is bound, in a file.

  Args:
    encoded: N images.
    kept: bool `[latent_size]`, d of them true.
    config: of the mixture.
    bound: of memory.
  """
  chosen = getattr(encoded, config.mixture.latent_statistic)
  result = streams.scratch((len(chosen), int(kept.sum())), bound)
  for first in range(0, len(chosen), BLOCK):
    result[first:first + BLOCK] = chosen[first:first + BLOCK, kept]
    streams.release(result)
    streams.release(chosen)
  return result


def _part(latents: np.ndarray, every: int) -> np.ndarray:
  """One row of `every`; of a mapped file a copy, and the file is let go of."""
  if every == 1 or not isinstance(latents, np.memmap):
    return latents[::every]
  first, parts = 0, []
  for block in streamed_em.blocks_of(latents):
    parts.append(np.array(block[-first % every::every]))
    first += len(block)
  return np.concatenate(parts)


def fit(latents: np.ndarray, labels: np.ndarray, num_classes: int,
        config: Config, on_class: OnClass = lambda label: None,
        bound: Bound = None) -> tuple[Mixture, Records]:
  """The latent model that `config.mixture.latent_model` names.

  Args:
    latents: `[N, d]`.
    labels: int `[N]`, below `num_classes`.
    num_classes: C.
    config: of model and mixture.
    on_class: called with each label when it is done.
    bound: of memory; points beyond it are read from a file in each pass of EM,
      and their starts are those of a sample.
  """
  return LATENT_MODELS[config.mixture.latent_model](
      latents, labels, num_classes, config, on_class, bound)


def _attach(components: Components, structure: str, latents: np.ndarray,
            labels: np.ndarray, shown: np.ndarray, num_classes: int,
            ) -> tuple[Mixture, np.ndarray]:
  """Shared components with p(k | y) for each class.

  Args:
    components: K of them.
    structure: of their covariances.
    latents: `[N, d]`.
    labels: int `[N]`.
    shown: int `[n]`, positions of the labeled images.
    num_classes: C.

  Returns:
    mixture: of all classes.
    weights: `[C, K]`, p(y, k) of the labeled images.
  """
  if isinstance(latents, np.memmap):
    shown = np.sort(shown)  # It is read from its start to its end.
  weights = np.zeros([num_classes, len(components.loc)])
  for first in range(0, len(shown), BLOCK):
    some = shown[first:first + BLOCK]
    responsibilities = special.softmax(
        log_joint(latents[some], components), axis=1)
    one_hot = np.eye(num_classes)[labels[some]]  # [B, C]
    weights += one_hot.T @ responsibilities
    streams.release(latents)
  weights /= len(shown)
  totals = weights.sum(axis=1, keepdims=True)
  # A class without a labeled image takes the components as they are.
  given = np.where(totals > 0, weights / np.maximum(totals, 1e-300),
                   np.exp(components.log_weights))
  return share(np.log(np.maximum(given, MIN_WEIGHT)), components,
               structure), weights


def purity(weights: np.ndarray) -> float:
  """Share of images whose class is the commonest of their component.

  Args:
    weights: `[C, K]`, p(y, k).
  """
  return float(weights.max(axis=0).sum() / weights.sum())
