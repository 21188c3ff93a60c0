"""What a guarantee of differential privacy rests on: what it forbids, how its
budget is split, and what is said of it.

C. Dwork, A. Roth, The Algorithmic Foundations of Differential Privacy, 2014.
Everything that leaves the training images passes one of three mechanisms, each
of which adds normal noise to sums over images that no image can move by more
than a bound: the class counts, the steps of training, the sums that mixtures
are made of. What is made of their results costs nothing.
"""

import dataclasses
from typing import Any, Mapping, NamedTuple, Optional

from tfp_lgc import accounting
from tfp_lgc.accounting import Mechanism
from tfp_lgc.config import Config
from tfp_lgc.errors import ArtifactError, ConfigError

__all__ = ['NEIGHBORS', 'Plan', 'check', 'check_described', 'described',
           'plan', 'sentence']

# Data sets that the guarantee tells apart no better than by epsilon.
NEIGHBORS = 'add_or_remove_one'
# Share of epsilon that the class counts would spend alone.
COUNTS_SHARE = 0.03

# Settings that would look at the images in another way, what they have to be,
# and why. What is not here, and not by itself data, is used as it is given.
_WANTED: dict[str, tuple[tuple[Any, ...], str]] = {
    'model': (('vae', 'cvae'), 'other losses compare images with each other, '
              'or leave open how large latents are'),
    'latent_model': (('gmm', 'prior'), 'one mixture of all latents is chosen '
                     'by looking at them'),
    'covariance': (('full', 'low_rank', 'tied', 'diag', 'spherical'),
                   'a structure is chosen by looking at latents'),
    'selection': (('bic',), 'it looks at latents; --dp_num_components says how '
                  'many components there are'),
    'finetune_steps': ((0,), 'fine-tuning looks at images without noise'),
    'adversarial_weight': ((0.0,), 'an adversary sees images without noise'),
    'teacher_weight': ((0.0,), 'a teacher is trained without noise'),
    'hard_copies': ((1,), 'which images are hard is seen without noise'),
    'texture': (('none',), 'a texture is measured without noise'),
    'validation_fraction': ((0.0,), 'what is chosen by held-out images tells '
                            'of them'),
    'skip_bad_images': ((False,), 'which images are left out, and how many, is '
                        'said without noise'),
    'strategy': (('none',), 'its steps and sums are those of one device'),
    'epochs': ((0,), '--dp_steps says how long training takes'),
    'batch_size': ((128,), '--dp_sampling_rate says how many images a step '
                   'sees'),
}


class Plan(NamedTuple):
  """Mechanisms, in the order they run in.

  Attributes:
    counts: of the images of each class; one image changes them by 1.
    training: of the clipped gradients; by `clip_norm`. None if no image is
      trained on.
    mixture: of the sums that mixtures are made of, see noised.py; None if
      latents are drawn from the model's prior.
    clip_norm: see there.
    epsilon: what they spend together, at most the budget.
    delta: of the budget.
  """
  counts: Mechanism
  training: Optional[Mechanism]
  mixture: Optional[Mechanism]
  clip_norm: float
  epsilon: float
  delta: float


def check(config: Config) -> None:
  """Refuses settings with which there would be no guarantee.

  Raises:
    ConfigError: for those; or if the accountant is not installed.
  """
  values: dict[str, Any] = {}
  for section in dataclasses.fields(config):
    value = getattr(config, section.name)
    if dataclasses.is_dataclass(value):
      values.update((field.name, getattr(value, field.name))
                    for field in dataclasses.fields(value))
  for name, (allowed, why) in _WANTED.items():
    if values[name] not in allowed:
      raise ConfigError(
          f'{name} = {values[name]}: is not allowed with dp_epsilon, for '
          f'{why}; choose {" or ".join(map(str, allowed))}, or no --dp_epsilon')
  privacy = config.privacy
  if not privacy.dp_steps and not privacy.dp_pretraining_steps:
    raise ConfigError('dp_steps = 0: leaves the networks untrained; give '
                      '--dp_pretraining_steps too, for lines that a program '
                      'draws')
  if not privacy.dp_steps and config.mixture.latent_model == 'prior':
    raise ConfigError('dp_steps = 0: with --latent_model=prior nothing would '
                      'be learned of the images; choose gmm, or more steps')
  accounting.require()


def plan(config: Config) -> Plan:
  """How much noise each mechanism needs; it depends on settings alone.

  Raises:
    ConfigError: if the budget is too small for any noise.
  """
  privacy = config.privacy
  counts = accounting.noise_for(COUNTS_SHARE * privacy.dp_epsilon,
                                privacy.dp_delta)
  used, mixture, training = [counts], None, None
  if config.mixture.latent_model == 'gmm':
    if privacy.dp_steps:
      mixture = accounting.noise_for(
          privacy.dp_mixture_share * privacy.dp_epsilon, privacy.dp_delta)
    else:
      mixture = accounting.noise_for(privacy.dp_epsilon, privacy.dp_delta,
                                     beside=used)
    used.append(mixture)
  if privacy.dp_steps:
    training = accounting.noise_for(
        privacy.dp_epsilon, privacy.dp_delta, privacy.dp_sampling_rate,
        privacy.dp_steps, used)
    used.append(training)
  return Plan(counts, training, mixture, privacy.dp_clip_norm,
              accounting.epsilon(used, privacy.dp_delta), privacy.dp_delta)


def described(plan: Plan) -> dict[str, Any]:
  """A plan as JSON, as it stands in an artifact and in the summary of a run.

  `counts`, `training` and `mixture` are `[noise multiplier, sampling rate,
  steps]`, or None for one that was not used. Numbers are rounded to where the
  guarantee still holds.
  """
  def listed(mechanism):
    return mechanism and [float(f'{mechanism.noise_multiplier:.6g}'),
                          *mechanism[1:]]
  return {'epsilon': round(plan.epsilon + 5e-5, 4), 'delta': plan.delta,
          'neighbors': NEIGHBORS, 'clip_norm': plan.clip_norm,
          'counts': listed(plan.counts), 'training': listed(plan.training),
          'mixture': listed(plan.mixture)}


def check_described(said: Any) -> None:
  """Refuses what `described` does not return.

  Raises:
    ArtifactError: for that.
  """
  def is_number(value, low=0.0, high=1e9):
    return (type(value) in (int, float) and low < value <= high)

  def is_mechanism(value):
    return (isinstance(value, list) and len(value) == 3
            and is_number(value[0]) and is_number(value[1], high=1.0)
            and type(value[2]) is int and is_number(value[2]))

  if said is None:
    return
  if not (isinstance(said, dict) and set(said) == {
      'epsilon', 'delta', 'neighbors', 'clip_norm', 'counts', 'training',
      'mixture'} and said['neighbors'] == NEIGHBORS
          and is_number(said['epsilon']) and is_number(said['delta'], high=1.0)
          and is_number(said['clip_norm'])
          and is_mechanism(said['counts']) and all(
              said[name] is None or is_mechanism(said[name])
              for name in ('training', 'mixture'))):
    raise ArtifactError(f'privacy = {said}')


def sentence(said: Mapping[str, Any]) -> str:
  """The guarantee in words, of what `described` returns."""
  return (
      f'Differentially private: (epsilon, delta) = ({said["epsilon"]:g}, '
      f'{said["delta"]:g}) for train splits that differ by one image, with its '
      'label, more or less')
