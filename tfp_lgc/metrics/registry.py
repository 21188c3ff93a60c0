"""All metrics by name.

A metric is a function of a `Subject`; what it returns can be written as JSON.
"""

from typing import Any, Callable, Mapping

from tfp_lgc.card import NOTE
from tfp_lgc.errors import LgcError
from tfp_lgc.metrics import (
  accuracy,
  bic,
  confusion,
  features,
  fid,
  kid,
  latents,
  prdc,
  rate,
  tstr,
)
from tfp_lgc.metrics.privacy import (
  canary,
  components,
  copying,
  dcr,
  membership,
  shadow,
)
from tfp_lgc.metrics.subject import Subject
from tfp_lgc.options import PRIVACY

__all__ = ['METRICS', 'NEEDS', 'check', 'measure', 'uses_encoder']

METRICS: dict[str, Callable[[Subject], dict[str, Any]]] = {
    'accuracy': accuracy.measure,
    'confusion': confusion.measure,
    'fid': fid.measure,
    'kid': kid.measure,
    'prdc': prdc.measure,
    'latents': latents.measure,
    'bic': bic.measure,
    'rate': rate.measure,
    'dcr': dcr.measure,
    'membership': membership.measure,
    'copying': copying.measure,
    'components': components.measure,
    'shadow': shadow.measure,
    'canary': canary.measure,
}

# Those of privacy.
_PRIVATE = {*PRIVACY, 'shadow', 'canary'}

# What a metric cannot do without; keys of `_MISSING`.
NEEDS: dict[str, tuple[str, ...]] = {
    'accuracy': ('classes', 'test'),
    'confusion': ('classes', 'test'),
    'fid': ('features', 'test', 'pairs', 'covariance'),
    'kid': ('features', 'test', 'pairs'),
    'prdc': ('features', 'test', 'pairs'),
    'latents': ('classes', 'test', 'artifact', 'encoder'),
    'bic': ('artifact', 'encoder', 'mixture'),
    'rate': (),
    'dcr': ('test',),
    'membership': ('test',),
    'copying': ('test', 'pairs'),
    'components': ('artifact',),
    'shadow': ('test', 'artifact', 'encoder'),
    'canary': ('artifact', 'encoder'),
}


def _no_encoder(subject: Subject) -> bool:
  return subject.artifact is None or subject.artifact.encoder is None


def _has_no_choice(subject: Subject) -> bool:
  assert subject.artifact is not None and subject.artifact.encoder is not None
  config = subject.artifact.encoder.config
  return (config.mixture.latent_model == 'prior'
          or bool(config.privacy.dp_epsilon))


_MISSING: dict[str, tuple[Callable[[Subject], bool], str]] = {
    'classes': (lambda subject: len(subject.class_names) < 2,
                'there is only one class'),
    'features': (lambda subject: len(subject.class_names) < 2
                 and not subject.settings.feature_network,
                 'there is only one class to train a network on; name one by '
                 '--feature_network'),
    'test': (lambda subject: subject.source.test is None,
             'there is no test split'),
    'artifact': (lambda subject: subject.artifact is None,
                 'is of an artifact, not of a baseline'),
    'encoder': (_no_encoder, 'the encoder is not at hand; name the directory '
                'that bin/compress wrote to'),
    'mixture': (_has_no_choice,
                'no number of components was chosen, for the mixture is the '
                'prior of the model, or was made with dp_epsilon'),
    'pairs': (lambda subject: subject.num_compared < 2,
              'there are fewer than two samples, or test images'),
    'covariance': (lambda subject: subject.num_compared <= subject.num_features,
                   'there are no more samples, train, test or metric_images '
                   'than features, too few for a covariance; kid takes fewer'),
}
# Those that are known only when there are samples and a network.
_LATE = ('pairs', 'covariance')


def uses_encoder(names) -> bool:
  return any(name == 'membership' or 'encoder' in NEEDS[name] for name in names)


def check(chosen: Mapping[str, bool], subject: Subject) -> None:
  """Refuses metrics that were asked for by name and cannot be measured, before
  anything is.

  Args:
    chosen: see `options.chosen_metrics`.
    subject: what is to be measured; nothing is drawn.

  Raises:
    LgcError: for the first of them, or a setting that cannot be.
  """
  tstr.check(subject.config.evaluate)
  for name, is_named in chosen.items():
    needs = [need for need in NEEDS[name] if need not in _LATE]
    if is_named and (reason := _missing(needs, subject)):
      raise LgcError(_line(name, reason, subject))
  if 'shadow' in chosen:
    shadow.check(subject.settings)
  if subject.settings.feature_network:
    features.check(subject.settings.feature_network)


def _line(name: str, reason: str, subject: Subject) -> str:
  return f'metric {name}: dataset = {subject.source.name!r}: {reason}'


def _missing(needs, subject: Subject) -> str:
  """Why a metric cannot be measured, or an empty string."""
  for need in needs:
    is_missing, reason = _MISSING[need]
    if is_missing(subject):
      return reason
  return ''


def measure(chosen: Mapping[str, bool], subject: Subject) -> dict[str, Any]:
  """All that was chosen, in that order.

  Returns:
    What `accuracy` returns, as it is; by name what others return, those of
    privacy under `privacy`, with a `note`; `left_out`, by name, why members of
    a group could not be measured, if there are any.

  Raises:
    LgcError: if one that was asked for by name cannot be measured.
  """
  judges = subject.runs * subject.config.evaluate.judge_steps
  steps = {'accuracy': 2 * judges, 'confusion': judges,
           'shadow': subject.settings.shadow_models,
           'bic': len(subject.class_names)}
  result: dict[str, Any] = {}
  left_out: dict[str, str] = {}
  private: dict[str, Any] = {}
  for name, is_named in chosen.items():
    if reason := _missing(NEEDS[name], subject):
      if is_named:
        raise LgcError(_line(name, reason, subject))
      left_out[name] = reason
      continue
    stage = 'evaluate' if name == 'accuracy' else name
    with subject.progress.stage(stage, steps.get(name, 0)):
      measured = METRICS[name](subject)
    if name == 'accuracy':
      result.update(measured)
    else:
      (private if name in _PRIVATE else result)[name] = measured
  if private:
    result['privacy'] = {'note': NOTE, **private}
  if left_out:
    result['left_out'] = left_out
  return result
