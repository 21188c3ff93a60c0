"""Artifacts of at most so many bytes."""

import dataclasses
import re

import numpy as np
import pytest
from scipy import stats

import tfp_lgc
from tfp_lgc import (
  codec,
  data,
  held_out,
  overlap,
  refitting,
  search,
  sources,
  teacher,
  trials,
)
from tfp_lgc.config import Config, DataConfig, replace
from tfp_lgc.errors import ConfigError
from tfp_lgc.limits import limits
from tfp_lgc.progress import Progress
from tfp_lgc.resuming import Work

# What makes a search short.
SHORT = {'epochs': 4, 'finetune_steps': 60, 'num_components_max': 8,
         'max_iterations': 20}


class _Unseen(data.Split):
  """A test split that must not be looked at."""

  def batches(self, *args, **kwargs):
    raise AssertionError('the test split was looked at')


@pytest.fixture(scope='module')
def digits():
  source = sources.load(DataConfig())
  return dataclasses.replace(source, test=_Unseen(None, 9, (8, 8, 1)))


@pytest.fixture(autouse=True)
def short_judge_and_teacher(monkeypatch):
  monkeypatch.setattr(held_out, 'JUDGE_STEPS', 30)
  monkeypatch.setattr(teacher, 'TEACHER_STEPS', 30)


@pytest.fixture(autouse=True)
def no_warning(monkeypatch):
  """Of test images that are train images; it looks at both and chooses
  nothing."""
  monkeypatch.setattr(overlap, 'warn', lambda source, progress: None)


def _entropy_num_bytes(values):
  _, counts = np.unique(values, return_counts=True)
  return stats.entropy(counts, base=2) * values.size / 8


@pytest.mark.slow
@pytest.mark.parametrize('budget', [900, 1500, 2500, '6kB', '20kB'])
def test_a_budget_is_never_exceeded(budget, digits, tmp_path):
  progress = Progress()
  artifact = tfp_lgc.compress(digits, budget=budget, progress=progress, **SHORT)
  artifact.save(tmp_path)
  size = (tmp_path / 'artifact.lgc').stat().st_size
  limit = {'6kB': 6000, '20kB': 20_000}.get(budget, budget)
  assert size == artifact.num_bytes <= limit
  # All of the train split is what it stands for.
  assert sum(artifact.class_counts) == digits.train.num_examples
  trials = [row for row in progress.records if row['event'] == 'trial']
  [chosen] = [row for row in progress.records if row['event'] == 'chosen']
  assert chosen['accuracy'] == max(row['accuracy'] for row in trials)
  assert chosen['num_bytes'] == size
  if limit >= 6000:  # There is room for a texture.
    assert {row['texture'] for row in trials} == {False, True}
  assert all(row['num_bytes'] <= limit for row in trials)


@pytest.mark.slow
def test_tensors_take_no_more_than_3_percent_above_their_entropy(digits):
  artifact = tfp_lgc.compress(digits, budget='20kB', **SHORT)
  coded = sum(len(codec.encode_smallest(tensor)[1])
              for tensor in artifact.tensors.values())
  assert coded <= 1.03 * sum(_entropy_num_bytes(tensor.values)
                             for tensor in artifact.tensors.values())


def test_a_budget_is_for_mixtures_by_class(digits):
  for latent_model in ('global', 'prior'):
    with pytest.raises(ConfigError, match='latent_model'):
      tfp_lgc.compress(digits, budget='4kB', latent_model=latent_model)
  with pytest.raises(ConfigError, match='selection = bic.*choose bytes'):
    tfp_lgc.compress(digits, budget='4kB', selection='bic')


def test_what_the_user_says_stays(digits):
  artifact = tfp_lgc.compress(
      digits, budget='4kB', trunk='dense', latent_size=3, hidden_size=16,
      covariance='diag', mixture_bits=7, texture='residual',
      fixed={'hard_copies'}, **SHORT)
  assert (artifact.model.trunk, artifact.model.latent_size,
          artifact.model.hidden_size) == ('dense', 3, 16)
  assert set(artifact.structures) == {'diag'}
  assert artifact.texture is not None
  assert artifact.tensors['mixture/loc'].bits == 7
  assert artifact.num_bytes <= 4000


def test_a_setting_that_is_named_stays_though_it_is_the_default(
    digits, one_trial):
  artifact = tfp_lgc.compress(
      digits, replace(Config(), **SHORT), budget='4kB',
      fixed={'trunk', 'texture', 'hard_copies'})
  assert artifact.model.trunk == 'dense'


def test_no_mixture_takes_more_memory_than_a_file_may(
    digits, one_trial, monkeypatch):
  config = replace(Config(), **SHORT, latent_size=1)
  fixed = {'texture', 'hard_copies'}
  artifact = tfp_lgc.compress(digits, config, budget='6kB', fixed=fixed)
  assert 5 < max(artifact.num_components) <= 8  # Not 1,000.
  monkeypatch.setattr('tfp_lgc.artifact.limits', lambda num_bytes:
                      limits(num_bytes)._replace(padded=10 * 5 * (1 + 1**2)))
  artifact = tfp_lgc.compress(digits, config, budget='6kB', fixed=fixed)
  assert max(artifact.num_components) in (4, 5)


@pytest.fixture
def one_trial(monkeypatch):
  monkeypatch.setattr(trials, 'MIXTURES', (('diag', 6),))


@pytest.mark.parametrize('num_bytes', [1500, 32_000])
def test_a_budget_of_color_images_is_never_exceeded(
    num_bytes, tmp_path, one_trial):
  """And what is tried is told, with its size."""
  rng = np.random.default_rng(0)
  images = rng.integers(0, 256, [240, 7, 9, 3]).astype(np.uint8)
  said = []
  artifact = tfp_lgc.compress(
      (images, np.arange(240) % 3), budget=num_bytes,
      progress=Progress(said.append), fixed={'hard_copies'}, **SHORT)
  artifact.save(tmp_path)
  size = (tmp_path / 'artifact.lgc').stat().st_size
  assert size == artifact.num_bytes <= num_bytes
  parts = artifact.num_bytes_by_part
  assert parts['header'] + parts['labels'] < 600
  tried = [line for line in said if line.startswith('covariance diag, ')]
  assert len(tried) > 1 and any(line.startswith('tries ') for line in said)
  sizes = [int(re.search(r'num_bytes (\d+)', line)[1]) for line in tried]
  assert 0 < max(sizes) <= num_bytes
  assert f'num_bytes {size}' in [line for line in said
                                 if line.startswith('takes ')][0]


@pytest.mark.parametrize('fits', [True, False])
def test_what_the_judge_prefers_is_fitted_on_to_all_images(
    fits, digits, one_trial, monkeypatch):
  """Where it does not fit then, it stays as it was."""
  judged, sizes, rooms, ended = [], [], [], []
  monkeypatch.setattr(
      held_out.HeldOut, 'accuracy', lambda self, artifact, *_:
      judged.append(artifact) or 0.5)
  fit_em = refitting.fit_em
  monkeypatch.setattr(refitting, 'fit_em', lambda x, *args:
                      sizes.append(len(x)) or fit_em(x, *args))
  fitting = trials.Trials._fitting

  def spied(self, choices, config, texture, room, whole):
    found = None if whole and not fits else fitting(
        self, choices, config, texture, room, whole)
    rooms.append(room)
    # As if a correction had made the judged one smaller.
    found = found and found._replace(room=0.9 * found.room)
    ended.append(found and found.room)
    return found

  monkeypatch.setattr(trials.Trials, '_fitting', spied)
  progress = Progress()
  artifact = tfp_lgc.compress(
      digits, replace(Config(), trunk='dense', **SHORT), budget='4kB',
      fixed={'texture', 'hard_copies', 'mixture_bits'}, progress=progress)
  [before] = judged
  assert artifact.structures == before.structures
  assert artifact.num_bytes <= 4000
  # It begins where the judged one ended.
  assert rooms[1:] == ended[:1]
  if fits:
    # Each class is fitted first with the components that it was judged with.
    assert sum(sizes[:len(digits.class_names)]) == digits.train.num_examples
    assert not np.array_equal(artifact.tensors['mixture/loc'].values,
                              before.tensors['mixture/loc'].values)
  else:
    assert not sizes and artifact.to_bytes() == before.to_bytes()
  [row] = [row for row in progress.records if row['event'] == 'chosen']
  assert row['num_bytes'] == artifact.num_bytes


@pytest.mark.parametrize('asked, accuracies, tried, chosen', [
    (1, [0.5, 0.9], 1, 0), (2, [0.5, 0.9], 2, 1), (2, [0.9, 0.5], 2, 0),
    (2, [None, 0.5, 0.9], 3, 2), (9, [0.5] * 3, 3, 0), (1, [None, 0.5], 2, 1),
    (2, [0.5, np.nan, 0.9], 3, 2)])
def test_so_many_autoencoders_are_trained_and_the_best_is_taken(
    asked, accuracies, tried, chosen, digits, monkeypatch, tmp_path):
  """None: one that does not fit, and another takes its place; nan: one that
  diverges, after another one that fits."""
  configs = [replace(Config(), latent_size=i + 1)
             for i in range(len(accuracies))]
  monkeypatch.setattr(search.sizes, 'likely', lambda *_: configs)
  seen, finished = [], []

  class Trials:

    def __init__(self, seen_source, num_bytes, config, *rest):
      self.place = config.model.latent_size - 1
      self.smallest = 9000 - self.place
      seen.append((self.place, rest[-1].directory.name))

    def best(self):
      accuracy = accuracies[self.place]
      if accuracy is not None and np.isnan(accuracy):
        raise FloatingPointError('it diverged')
      return None if accuracy is None else trials.Trial(
          self.place, accuracy, {'accuracy': accuracy}, Config(), {}, 0.0)

    def of_whole(self, trial):
      finished.append(self.place)
      return trial

  monkeypatch.setattr(search, 'Trials', Trials)
  config, progress = replace(Config(), num_autoencoders=asked), Progress()
  assert chosen == search.compress_within(digits, 4000, config, progress,
                                          work=Work(tmp_path))
  assert finished == [chosen]
  # Each has work of its own.
  assert seen == [(i, f'try_{i}') for i in range(tried)]
  [row] = [row for row in progress.records if row['event'] == 'chosen']
  assert (row['number'], row['latent_size'], row['accuracy']) == (
      chosen, chosen + 1, accuracies[chosen])
  accuracies[:] = [None] * len(accuracies)
  with pytest.raises(ConfigError, match=f'takes {9001 - len(configs):,} bytes'):
    search.compress_within(digits, 4000, config, progress, work=Work(tmp_path))


def test_without_a_budget_there_are_not_several_autoencoders(digits):
  with pytest.raises(ConfigError, match='num_autoencoders = 2: .*a budget'):
    tfp_lgc.compress(digits, num_autoencoders=2)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(digits, one_trial):
  def made(seed):
    return tfp_lgc.compress(digits, budget=2000, seed=seed, texture='none',
                            **SHORT).to_bytes()
  first = made(1)
  assert first == made(1)
  assert first != made(2)


def test_too_few_bytes_say_how_many_it_takes(digits):
  with pytest.raises(ConfigError, match='budget = 200.* takes [0-9,]+ bytes'):
    tfp_lgc.compress(digits, budget=200, latent_size=2, num_filters=2,
                     hidden_size=2, **SHORT)


def test_without_a_second_class_the_first_that_fits_will_do(one_trial):
  images = np.random.default_rng(0).integers(0, 256, [60, 6, 6, 1], np.uint8)
  artifact = tfp_lgc.compress((images, np.zeros(60, int)), budget='2kB',
                              **SHORT)
  assert artifact.num_bytes <= 2000


@pytest.mark.parametrize('gain', [-0.1, 0.1])
def test_hard_images_count_more_if_the_judge_prefers_it(
    gain, digits, one_trial, monkeypatch):
  monkeypatch.setattr(
      held_out.HeldOut, 'accuracy', lambda self, artifact, *_:
      0.5 + gain * (artifact.hard_copies > 1))
  judged, trained = [], []
  accuracy = held_out.HeldOut.accuracy
  monkeypatch.setattr(
      held_out.HeldOut, 'accuracy', lambda self, artifact, *rest:
      judged.append(artifact) or accuracy(self, artifact, *rest))
  excess = teacher.excess
  monkeypatch.setattr(teacher, 'excess', lambda *args:
                      trained.append(args[2]) or excess(*args))
  progress = Progress()
  artifact = tfp_lgc.compress(
      digits, budget='4kB', progress=progress, trunk='dense', **SHORT)
  # Samples of one artifact; mixtures that are other ones.
  assert [drawn.num_examples for drawn in trained] == [
      sum(artifact.class_counts)]
  means = [its.mixture.loc.mean() for its in judged[-2:]]
  plain = {its.mixture.loc.mean() for its in judged[:-2]}
  assert len(plain | set(means)) == len(plain) + 2
  *before, once, twice = [row['hard_copies'] for row in progress.records
                          if row['event'] == 'trial']
  assert before == [1] * len(before) and [once, twice] == [4, 8]
  assert artifact.hard_copies == (4 if gain > 0 else 1)
  assert artifact.num_bytes <= 4000


@pytest.mark.parametrize('hard_copies', [
    pytest.param(1, marks=pytest.mark.slow), 3])
def test_hard_copies_that_are_named_stay(hard_copies, digits, one_trial):
  progress = Progress()
  artifact = tfp_lgc.compress(
      digits, replace(Config(), trunk='dense', hard_copies=hard_copies,
                      **SHORT),
      budget='4kB', progress=progress, fixed={'hard_copies'})
  tried = [row['hard_copies'] for row in progress.records
           if row['event'] == 'trial']
  assert set(tried) == {hard_copies} == {artifact.hard_copies}
