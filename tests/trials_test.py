"""What is tried of one autoencoder."""

import contextlib
import types

import pytest

import tfp_lgc
from tfp_lgc import sources, trials
from tfp_lgc.config import DataConfig
from tfp_lgc.errors import BudgetError


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
