"""What is tried of one autoencoder."""

import contextlib
import types

import numpy as np
import pytest

import tfp_lgc
from tfp_lgc import config as config_lib
from tfp_lgc import sources, trials
from tfp_lgc.config import DataConfig
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


@pytest.mark.parametrize('judged, sizes, num_components, want', [
    ({4: 400, 5: 300}, {4: 63, 5: 71, 6: 79}, {5: 400, 6: 300}, 5),
    ({4: 400, 5: 300}, {4: 63, 5: 68, 6: 71, 7: 74}, {5: 400, 6: 400}, 6),
    ({4: 400, 5: 400}, {4: 63}, {}, 4), ({4: 400}, {4: 71}, {}, 4),
    ({4: 400}, {4: 63, 5: None}, {}, 4)])
def test_what_is_fitted_to_all_images_takes_bits_that_are_left(
    judged, sizes, num_components, want):
  """Of the same components, and not where the judge refused them."""
  def trial(config, num_bytes, count):
    return trials.Trial(types.SimpleNamespace(
        num_bytes=num_bytes, num_components=(count,)), 0.5, {}, config, {}, 0.0)

  def whole(trial_):
    bits = trial_.config.codec.mixture_bits
    return None if sizes[bits] is None else trial(
        trial_.config, sizes[bits], num_components.get(bits, 400))

  its = trials.Trials.__new__(trials.Trials)
  its._stays, its._num_bytes, its._progress = set(), 78, Progress()
  its._seen = types.SimpleNamespace(rest=np.array([True, False]),
                                    source=types.SimpleNamespace(test=True))
  its._tried = [trial(config_lib.replace(
      config_lib.Config(), covariance='tied', mixture_bits=bits), 75, count)
      for bits, count in judged.items()]
  its._whole = whole
  assert its.of_whole(its._tried[0]).config.codec.mixture_bits == want
