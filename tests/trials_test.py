"""What is tried of one autoencoder."""

import contextlib
import types

import numpy as np
import pytest
from scipy.spatial import distance

import tfp_lgc
from tfp_lgc import held_out, sources, trials
from tfp_lgc.config import Config, DataConfig, replace
from tfp_lgc.errors import BudgetError
from tfp_lgc.progress import Progress


@pytest.fixture(scope='module')
def digits():
  return sources.load(DataConfig())


@pytest.mark.parametrize('latent_size, stays, want', [
    (64, {}, [('full', 6), ('full', 5), ('tied', 5), ('tied', 4)]),
    (65, {}, [('tied', 5), ('tied', 4)]),
    (65, {'covariance': 'full'}, [('full', 6), ('full', 5), ('full', 4)]),
    (65, {'mixture_bits': 7}, [('tied', 7)])])
def test_of_many_latents_there_are_no_full_covariances(
    latent_size, stays, want, digits, monkeypatch):
  tried = []
  monkeypatch.setattr(trials.Trials, '_trial', lambda self, config, texture:
                      tried.append((config.mixture.covariance,
                                    config.codec.mixture_bits)))
  with pytest.raises(BudgetError):  # None fits, as far as it is told.
    tfp_lgc.compress(digits, budget='20kB', latent_size=latent_size,
                     texture='none', epochs=1, finetune_steps=1,
                     num_filters=2, fixed={'texture'}, **stays)
  assert tried == want


@pytest.mark.parametrize('num_bytes, accuracies, stays, asked', [
    (17_000, {6: 0.5, 5: 0.4, 7: 0.6, 8: 0.55}, {}, [6, 5, 7, 8]),
    (17_000, {6: 0.5, 5: 0.4, 7: None}, {}, [6, 5, 7]),
    (17_000, {6: 0.4, 5: 0.5}, {}, [6, 5]),
    (17_000, {6: None, 5: None}, {}, [6, 5]),
    (17_000, {6: 0.5, 5: 0.4, 7: 0.6, 8: 0.7, 9: 0.8, 10: 0.9}, {},
     [6, 5, 7, 8, 9, 10]),
    (19_000, {6: 0.5, 5: 0.4}, {}, [6, 5]),
    (17_000, {7: 0.5}, {'mixture_bits': 7}, [7])])
def test_where_bytes_are_left_the_best_is_tried_with_more_bits(
    num_bytes, accuracies, stays, asked, digits, monkeypatch):
  """As long as it fits and the judge prefers it."""
  tried, chosen = [], []

  def trial(self, config, texture):
    bits = config.codec.mixture_bits
    tried.append(bits)
    return None if accuracies[bits] is None else trials.Trial(
        types.SimpleNamespace(num_bytes=num_bytes), accuracies[bits], {},
        config, {}, 0.0)

  monkeypatch.setattr(trials, 'MIXTURES', (('full', 6), ('full', 5)))
  monkeypatch.setattr(trials.Trials, '_trial', trial)
  monkeypatch.setattr(trials.Trials, 'of_whole', lambda self, best:
                      chosen.append(best.accuracy) or best)
  options = dict(budget='20kB', texture='none', hard_copies=1, epochs=1,
                 finetune_steps=1, num_filters=2, latent_size=3, **stays,
                 fixed={'texture', 'hard_copies'})
  if best := [value for value in accuracies.values() if value]:
    with contextlib.suppress(AttributeError):  # It is no artifact.
      tfp_lgc.compress(digits, **options)
    assert chosen == [max(best)]
  else:
    with pytest.raises(BudgetError):
      tfp_lgc.compress(digits, **options)
  assert tried == asked


@pytest.mark.parametrize('num_bytes, fixed, refused, want', [
    (20_000, set(), False, 10), (20_000, set(), True, 6),
    (20_000, {'mixture_bits'}, False, 8), (2200, set(), False, None)])
def test_what_is_fitted_to_all_images_takes_bits_that_are_left(
    num_bytes, fixed, refused, want, digits, monkeypatch):
  """As many as fit, of the same components, unless the judge refused them."""
  monkeypatch.setattr(trials, 'MIXTURES', (('diag', 6),))
  monkeypatch.setattr(held_out.HeldOut, 'accuracy', lambda *_: 0.5)
  if not refused:  # The search is to try no others.
    monkeypatch.setattr(trials, 'FULL', 0.0)
  fitting, found = trials.Trials._fitting, []

  def spied(self, choices, config, texture, room, whole):
    result = fitting(self, choices, config, texture, room, whole)
    if whole:
      monkeypatch.setattr(trials, 'FULL', 1.0)
      found.append(result)
    return result

  monkeypatch.setattr(trials.Trials, '_fitting', spied)
  progress = Progress()
  artifact = tfp_lgc.compress(
      digits, replace(Config(), trunk='dense', epochs=4, finetune_steps=30,
                      num_components_max=3), budget=num_bytes,
      fixed={'texture', 'hard_copies', *fixed}, progress=progress)
  [whole] = found
  [chosen] = [row for row in progress.records if row['event'] == 'chosen']
  bits = chosen['mixture_bits']
  assert artifact.num_components == whole.artifact.num_components
  assert whole.artifact.num_bytes <= artifact.num_bytes <= num_bytes
  assert chosen['num_bytes'] == artifact.num_bytes
  if want:
    assert bits == want
  else:  # One more takes about as many bytes as the last one.
    assert 6 < bits < 10 and artifact.num_bytes + (
        artifact.num_bytes - whole.artifact.num_bytes) / (bits - 6) > num_bytes
  # Their order in a file is another one.
  errors = [np.mean([
      distance.cdist(each.components.loc, made.mixture.components(label).loc
                     ).min(axis=1).mean()
      for label, each in enumerate(whole.sent)])
            for made in (whole.artifact, artifact)]
  if artifact.num_bytes > whole.artifact.num_bytes:
    assert errors[1] < 0.6 * errors[0]


@pytest.mark.parametrize('judged, want', [
    (100, 6), (91, 6), (120, 6), (50, 10)])
def test_a_refusal_of_more_bits_is_of_about_as_many_components(judged, want):
  """The judge had 7 bits of so many components, and preferred 6."""
  def artifact(num_components):
    return types.SimpleNamespace(num_bytes=500, num_components=[num_components])

  its = object.__new__(trials.Trials)
  its._stays, its._num_bytes, its._progress = set(), 1000, Progress()
  its._seen = types.SimpleNamespace(source=types.SimpleNamespace(test=True))
  six, seven = [replace(Config(), mixture_bits=bits, covariance='tied')
                for bits in (6, 7)]
  best = trials.Trial(artifact(100), 0.9, {}, six, {}, 0.0)
  its._tried = [best, best._replace(artifact=artifact(judged), config=seven)]
  its._made = lambda sent, config, texture: artifact(100)
  config, _ = its._with_bits_left(best, trials.Found(artifact(100), 0.0, []))
  assert config.codec.mixture_bits == want
