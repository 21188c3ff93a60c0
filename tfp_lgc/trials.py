"""Artifacts of one autoencoder that fit into so many bytes.

What there is to choose, mixtures, a texture and images that count more often,
is chosen by a judge that is trained on samples and tested on images that no
mixture was fitted to so far; but bits that are left in the end are used.
"""

import functools
import math
from typing import Any, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import tf_keras as tfk

from tfp_lgc import allocation, held_out, latent, memory, pipeline, streams
from tfp_lgc import config as config_lib
from tfp_lgc.allocation import Candidate
from tfp_lgc.artifact import Artifact
from tfp_lgc.codec import Quantized
from tfp_lgc.config import Config
from tfp_lgc.errors import PaddingError
from tfp_lgc.gaussians import Components
from tfp_lgc.held_out import HeldOut
from tfp_lgc.latent import nothing
from tfp_lgc.mixture import stack
from tfp_lgc.progress import Progress
from tfp_lgc.refitting import Refitted
from tfp_lgc.resuming import Work

__all__ = ['Trial', 'Trials', 'words']

# Structures and bits of mixtures that are tried. Of many components with one
# covariance each needs few bits: more of them teach more. What chose these and
# the next is in docs/what_bytes_buy.md.
MIXTURES = (('full', 6), ('full', 5), ('tied', 5), ('tied', 4))
# Of more latents a full covariance has so many numbers that few components fit,
# which taught less at 392 kB of each data set that was tried.
MAX_LATENTS_OF_FULL = 64
# Where the best mixture takes no more than this share of the bytes, it is tried
# with more bits, up to so many: of few images there are not components for all.
FULL, MAX_BITS = 0.9, 10
# Bits that a judge refused of this share of components are refused of all.
ALIKE = 0.9
# How often images count in last trials, and the share of them that does. The
# first taught more of MNIST at 7 kB, the second at 74 and at 184.
HARD = ((4, 0.3), (8, 0.1))
# Of each class.
Choices = list[list[Candidate]]
# How often the size of a mixture is corrected, the share of bytes that may be
# left then, and how many times its share one class may take.
MAX_CORRECTIONS, MAX_LEFT, MAX_SHARE = 8, 0.005, 2.5


class Trial(NamedTuple):
  """An artifact that fits into the budget.

  Attributes:
    artifact: what would be sent.
    accuracy: of the judge, before the mixture was fitted on to all images and
      was given bits that this left; -1 where there is nothing to judge by.
    about: how it was made, for people.
    config: what it was made with.
    texture: tensors of its texture; empty for none.
    room: bits that its candidates were allocated.
  """
  artifact: Artifact
  accuracy: float
  about: dict[str, Any]
  config: Config
  texture: dict[str, Quantized]
  room: float


class Found(NamedTuple):
  """What fits, of a trial.

  Attributes:
    artifact: of at most so many bytes.
    room: bits that its candidates were allocated.
    sent: its mixtures of each class, before they are rounded.
  """
  artifact: Artifact
  room: float
  sent: Sequence[Candidate]


class Trials:
  """Artifacts of one autoencoder, with other mixtures and a texture.

  Attributes:
    smallest: bytes of the smallest one that was made.
  """

  def __init__(self, seen: HeldOut, num_bytes: int, config: Config,
               stays: set[str], progress: Progress,
               callbacks: Sequence[tfk.callbacks.Callback], work: Work):
    self._seen, self._num_bytes, self._config = seen, num_bytes, config
    self._stays, self._progress, self._work = stays, progress, work
    memory.check(4 * len(seen.rest) * config.model.latent_size,
                 seen.source.train.bound, 'a budget', 'latents')
    self._trained = pipeline.train_encode(seen.source, config, progress,
                                          callbacks, work)
    self._floor = latent.floor(streams.repeated(
        self._trained.latents, self._trained.copies), config)
    self._found: dict[str, Choices] = {}
    self._tried: list[Trial] = []
    self._refitted = Refitted(self._trained, seen.source.train, seen.rest,
                              config, self._floor, progress, work)
    self._base = self._with_mixture([nothing(self._trained.latents.shape[1])
                                     ] * len(seen.counts), config)
    if config.codec.finetune_steps:
      self._base = pipeline.finetuned(self._base, self._trained,
                                      seen.source.train, config, progress, work)
    self.smallest: float = math.inf

  def best(self) -> Optional[Trial]:
    """The one that the judge prefers, the first of equals; None if none
    fits."""
    texture = {}
    if self._config.model.texture == 'residual' or (
        'texture' not in self._stays):
      texture = pipeline.texture_of(self._seen.source.train, self._base,
                                    self._trained.latents, self._work)
    always = self._config.model.texture == 'residual'
    trials = self._tried  # What is added to one is added to the other.
    trials += filter(None, [self._trial(config, texture if always else {})
                            for config in self._mixtures()])
    while trials and (finer := self._finer(
        _best(trials).config, _best(trials).artifact, trials)) and (
            trial := self._trial(finer, texture if always else {})):
      trials.append(trial)
    if trials and texture and not always:
      trials += filter(None, [self._trial(_best(trials).config, texture)])
    # Where there is nothing to judge by, nothing tells whether it is better.
    if trials and self._seen.source.test and 'hard_copies' not in self._stays:
      plain = _best(trials)
      self._refitted.find_hard(plain.artifact)
      trials += filter(None, [self._trial(
          config_lib.replace(plain.config, hard_copies=copies, **(
              {} if 'hard_share' in self._stays else {'hard_share': share})),
          plain.texture) for copies, share in HARD])
    return _best(trials) if trials else None

  def of_whole(self, trial: Trial) -> Trial:
    """The same, its mixture fitted on to the images that it was chosen by, and
    with more bits where that leaves many bytes."""
    if self._seen.rest.all():
      return trial
    with self._progress.stage('all images'):
      found = self._fitting(self._candidates(trial.config, trial.room),
                            trial.config, trial.texture, trial.room, True)
    if not found:
      self._progress.note('fitted on to all images it does not fit, and stays '
                          'as it was')
      return trial
    config, artifact = self._with_bits_left(trial, found)
    return trial._replace(
        artifact=artifact, room=found.room, config=config, about={
            **trial.about, 'mixture_bits': config.codec.mixture_bits,
            **_size(artifact)})

  def _with_bits_left(self, trial: Trial, found: Found,
                      ) -> tuple[Config, Artifact]:
    """What was fitted to all images, with as many bits as fit.

    Such components are wider, so that as many bits are coarser and take fewer
    bytes. Nothing is left to judge by, but more bits of the same components
    have not taught less, beyond chance.
    """
    config, artifact = trial.config, found.artifact
    # What the judge said of far fewer components it did not say of these.
    least = ALIKE * sum(artifact.num_components)
    judged = [each for each in self._tried
              if sum(each.artifact.num_components) >= least]
    while (finer := self._finer(config, artifact, judged)) and (
        made := self._made(found.sent, finer, trial.texture)
        ).num_bytes <= self._num_bytes:
      config, artifact = finer, made
      self._progress.note(f'mixture_bits {config.codec.mixture_bits} fit as '
                          f'well, num_bytes {artifact.num_bytes}')
    return config, artifact

  def _mixtures(self) -> list[Config]:
    """Structures and bits to try, in which what stays is as it is."""
    has_all = 'covariance' in self._stays or (
        self._config.model.latent_size <= MAX_LATENTS_OF_FULL)
    tried = [(self._config.mixture.covariance if 'covariance' in self._stays
              else structure,
              self._config.codec.mixture_bits if 'mixture_bits' in self._stays
              else bits) for structure, bits in MIXTURES
             if has_all or structure != 'full']
    return [config_lib.replace(self._config, covariance=structure,
                               mixture_bits=bits)
            for structure, bits in dict.fromkeys(tried)]

  def _finer(self, config: Config, artifact: Artifact,
             judged: Sequence[Trial]) -> Optional[Config]:
    """With one bit more; None where few bytes are left for that, or the judge
    had its say on as many, or nothing tells whether it is better."""
    if 'mixture_bits' in self._stays or not self._seen.source.test:
      return None
    bits = config.codec.mixture_bits + 1
    tried = {trial.config.codec.mixture_bits for trial in judged
             if trial.config.mixture.covariance == config.mixture.covariance}
    if bits > MAX_BITS or bits in tried or (
        artifact.num_bytes > FULL * self._num_bytes):
      return None
    return config_lib.replace(config, mixture_bits=bits)

  def _trial(self, config: Config, texture: dict[str, Quantized],
             ) -> Optional[Trial]:
    """None if it does not fit."""
    base = self._base.replaced(texture)
    room = 8.0 * (self._num_bytes - base.num_bytes
                  + base.num_bytes_by_part['mixture'])
    with self._progress.stage('mixture', len(self._seen.counts)):
      choices = self._candidates(config, room)
    found = self._fitting(choices, config, texture, room, False)
    if not found:
      return None
    artifact, room, _ = found
    structure, bits = config.mixture.covariance, config.codec.mixture_bits
    hard = config.mixture.hard_copies
    judged = self._work.stage(
        f'judge_{structure}_{bits}_{"texture" if texture else "plain"}'
        + self._refitted.is_hard(config) * f'_hard_{hard}',
        self._progress,
        lambda: {'accuracy': np.array(self._seen.accuracy(
            artifact, config, self._progress.step))},
        held_out.JUDGE_STEPS, 'judge')
    accuracy = float(judged['accuracy'])
    about = {'covariance': structure, 'mixture_bits': bits, **_size(artifact),
             'texture': bool(texture), 'hard_copies': hard,
             **({'accuracy': round(accuracy, 4)} if accuracy >= 0 else {})}
    self._progress.record(event='trial', **about)
    self._progress.note(words(about))
    return Trial(artifact, accuracy, about, config, texture, room)

  def _fitting(self, choices: Choices, config: Config,
               texture: dict[str, Quantized], room: float, whole: bool,
               ) -> Optional[Found]:
    """The largest artifact of candidates that fits, or of what they become
    when they are fitted on to all images; `room` is what they are allocated
    first; None if none does."""
    found: Optional[Found] = None
    last = -1.0
    for _ in range(MAX_CORRECTIONS):
      made, used, choices = self._allocated(choices, room, config, texture,
                                            whole)
      num_bytes = made.artifact.num_bytes
      left = self._num_bytes - num_bytes
      if left >= 0 and (found is None
                        or num_bytes > found.artifact.num_bytes):
        found = made
      if 0 <= left < MAX_LEFT * self._num_bytes or used == last:
        break
      last = used
      # Entropies of classes are not the bytes of all of them together. What
      # one allocation left over would be left over again.
      room = (room if left >= 0 else used) + 8.0 * left
    return found

  def _allocated(self, choices: Choices, room: float, config: Config,
                 texture: dict[str, Quantized], whole: bool,
                 ) -> tuple[Found, float, Choices]:
    """An artifact of candidates for `room`, the bits that they are said to
    take, and the candidates that did not take too much memory, which alone are
    for further corrections."""
    while True:
      picks = allocation.allocate(choices, room)
      sent = self._refitted.fitted(picks, config, whole)
      try:
        made = self._made(sent, config, texture)
        self.smallest = min(self.smallest, made.num_bytes)
      except PaddingError:
        most = max(len(pick.components.loc) for pick in picks)
        if most == 1:
          raise
        choices = [[choice for choice in some
                    if len(choice.components.loc) < most] for some in choices]
      else:
        return (Found(made, room, sent), sum(pick.num_bits for pick in picks),
                choices)

  def _made(self, sent: Sequence[Candidate], config: Config,
            texture: dict[str, Quantized]) -> Artifact:
    """Of mixtures of each class, with the decoder and a texture, if any; not
    yet coded."""
    return self._with_mixture([each[:2] for each in sent], config).replaced(
        {**self._decoder(), **texture})

  def _decoder(self) -> dict[str, Quantized]:
    return {name: tensor for name, tensor in self._base.tensors.items()
            if name.startswith(('decoder/', 'head/'))}

  def _candidates(self, config: Config, room: float) -> Choices:
    """Of each class; fitted once for each structure."""
    structure = config.mixture.covariance
    if structure not in self._found:
      found = self._found[structure] = []
      for label in range(len(self._seen.counts)):
        own = (self._trained.labels == label) & self._seen.rest
        x = self._trained.latents[own]
        # No class is given more than a few times its share.
        limit = MAX_SHARE * room * max(len(x) / self._seen.rest.sum(),
                                       1 / len(self._seen.counts))
        found.append(allocation.from_arrays(self._work.kept(
            f'mixtures_{structure}_{label}', functools.partial(
                self._fitted, np.repeat(x, self._trained.copies[own], axis=0),
                config, limit))))
        self._progress.step(label + 1)
    return [[choice._replace(num_bits=allocation.num_bits(
        choice.components, choice.structure, config)) for choice in choices]
            for choices in self._found[structure]]

  def _fitted(self, x: np.ndarray, config: Config, limit: float,
              ) -> dict[str, np.ndarray]:
    """Candidates of the points of one class, as arrays."""
    if not len(x):
      return allocation.to_arrays([
          Candidate(*nothing(x.shape[1]), 0.0, 0.0)])
    return allocation.to_arrays(
        allocation.candidates(x, config, self._floor, limit))

  def _with_mixture(self, chosen: Sequence[tuple[Components, str]],
                    config: Config) -> Artifact:
    """Its decoder is as it was before fine-tuning."""
    trained, source = self._trained, self._seen.source
    return Artifact.pack(trained.model, stack(*zip(*chosen)),
                         source.class_names, self._seen.counts, config,
                         trained.kept, trained.fill)


def _best(trials: Sequence[Trial]) -> Trial:
  """The one that the judge prefers, the first of equals."""
  return max(trials, key=lambda trial: trial.accuracy)


def words(about: Mapping[str, Any]) -> str:
  """Of what was tried, for people."""
  return ', '.join(f'{name} {value}' for name, value in about.items())


def _size(artifact: Artifact) -> dict[str, int]:
  return {'num_bytes': artifact.num_bytes,
          'num_components': sum(artifact.num_components)}
