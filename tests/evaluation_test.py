"""Judges are shown what they are said to be shown."""

import dataclasses
import json

import numpy as np
import pytest

import tfp_lgc
from tfp_lgc import classifier, evaluation, pipeline
from tfp_lgc.arrays import from_arrays
from tfp_lgc.baselines import BASELINES, Compressed, tuning
from tfp_lgc.config import Config, EvaluateConfig, replace
from tfp_lgc.errors import ConfigError, DataError, LgcError
from tfp_lgc.metrics import tstr
from tfp_lgc.progress import Progress

TINY = dict(epochs=1, batch_size=16, latent_size=2, hidden_size=4,
            num_filters=2, num_components_max=2)


def _pixels(*shape):
  return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def _source(shape=(7, 6, 3), names=('ape', 'cat', 'emu'), test=True):
  images = _pixels(30, *shape)
  labels = np.array(names)[np.arange(30) % len(names)]
  return from_arrays((images, labels), (images, labels) if test else None)


@pytest.mark.parametrize('source, match', [
    (_source((6, 7, 3)), 'shape'), (_source((7, 6, 1)), 'shape'),
    (_source(names=('ape', 'cat', 'dog')), 'classes'),
    (_source(names=('ape', 'cat')), 'classes'),
    (_source(names=('ape', 'cat', 'dog', 'emu')), 'classes'),
    (_source(test=False), 'no test split'),
    (_source(names=('ape',)), 'only one class'),
    ((_pixels(30, 7, 6, 3), np.arange(30) % 3), 'no test split')],
    ids=['turned', 'gray', 'another class', 'fewer', 'more', 'no test',
         'one class', 'arrays'])
def test_data_that_are_not_the_artifacts_are_no_judges(source, match, artifact):
  with pytest.raises(LgcError, match=match):
    tfp_lgc.evaluate(artifact, source)


def test_cannot_judge_says_why():
  assert evaluation.cannot_judge(_source()) == ''
  assert 'one class' in evaluation.cannot_judge(_source(names=('ape',)))
  assert 'test split' in evaluation.cannot_judge(_source(test=False))
  unlabeled = pipeline.open_source((_pixels(9, 5, 7), None), Config())
  assert 'one class' in evaluation.cannot_judge(unlabeled)


def test_evaluate_counts_what_judges_name_rightly(artifact):
  progress = Progress()
  made_of_it = dataclasses.replace(artifact, class_counts=(10, 10, 10))
  result = tfp_lgc.evaluate(made_of_it, _source(), progress=progress,
                            judge_steps=2)
  assert set(result) == {'tstr_accuracy', 'real_accuracy'}
  for value in result.values():
    assert value['runs'] == [value['mean']]
    # 30 test images: an accuracy is a thirtieth, rounded to 4 places.
    assert value['mean'] in {round(i / 30, 4) for i in range(31)}
  assert list(progress.seconds) == ['evaluate']


@pytest.mark.parametrize('judge_samples, num', [(0, 30), (7, 7), (90, 90)])
def test_a_judge_of_samples_has_as_many_as_it_is_given(judge_samples, num,
                                                       artifact, monkeypatch):
  """And one of real images all of them."""
  seen, fit = [], classifier.fit
  monkeypatch.setattr(classifier, 'fit', lambda judge, split, *args: (
      seen.append(split.num_examples), fit(judge, split, *args)))
  made_of_it = dataclasses.replace(artifact, class_counts=(10, 10, 10))
  config = replace(Config(), judge_steps=2, judge_samples=judge_samples)
  tfp_lgc.evaluate(made_of_it, _source(), config)
  assert sorted(seen) == sorted([num, 30])
  evaluation.accuracy_of_samples(made_of_it, _source(), config, Progress())
  assert seen[2:] == [num]
  # What no judge is about is of as many as there are.
  settings = {'metrics': ('dcr',), 'judge_steps': 2}
  assert tfp_lgc.evaluate(made_of_it, _source(), judge_samples=judge_samples,
                          **settings) == tfp_lgc.evaluate(
                              made_of_it, _source(), **settings)


def _accuracy_table(right, labels, groups):
  return [[float(np.round(right[(labels == i) & (groups == j)].mean(), 4))
           if ((labels == i) & (groups == j)).any() else None
           for j in range(groups.max() + 1)] for i in range(labels.max() + 1)]


@pytest.mark.parametrize('missing', [False, True])
def test_evaluate_knows_the_worst_of_groups(missing, artifact, monkeypatch):
  """Of judges whose answers are known."""
  source = _source()
  labels = source.test_labels()
  groups = np.arange(30) // 3 % 2
  if missing:
    groups[labels == 1] = 1
  source = dataclasses.replace(source, test_groups=groups)
  rights = [np.random.default_rng(i).random(30) < 0.6 for i in range(4)]
  answers = iter(rights)
  monkeypatch.setattr(tstr, 'right', lambda *args: next(answers))
  result = tfp_lgc.evaluate(
      dataclasses.replace(artifact, class_counts=(10, 10, 10)), source, runs=2)
  json.dumps(result, allow_nan=False)
  for name, pair in (('tstr', rights[::2]), ('real', rights[1::2])):
    tables = [_accuracy_table(right, labels, groups) for right in pair]
    assert (tables[0][1][0] is None) == missing
    worst = [min(x for row in table for x in row if x is not None)
             for table in tables]
    assert result[f'{name}_worst_group']['runs'] == worst
    assert result[f'{name}_groups'] == [
        [None if a is None else pytest.approx((a + b) / 2, abs=2e-4)
         for a, b in zip(*rows)] for rows in zip(*tables)]


def test_colors_deceive_a_judge():
  """Where the color tells the class, a judge of real images has bad groups."""
  settings = dict(spurious_base='digits', spurious_strength=1.0,
                  spurious_group_size=5)
  source = pipeline.open_source('spuco', replace(Config(), **settings))
  artifact = tfp_lgc.compress(source, **{**TINY, 'num_components_max': 1})
  result = tfp_lgc.evaluate(artifact, 'spuco', judge_steps=30, **settings)
  assert np.shape(result['real_groups']) == (2, 2)
  diagonal = np.diag(result['real_groups'])
  assert diagonal.min() > 0.9  # In the color of its class.
  worst = result['real_worst_group']['mean']
  assert worst == np.min(result['real_groups']) < 0.5
  assert result['real_accuracy']['mean'] == pytest.approx(
      np.mean(result['real_groups']), abs=0.02)  # Groups are equally large.


def test_test_images_may_be_arrays_too(artifact):
  made_of_it = dataclasses.replace(artifact, class_counts=(10, 10, 10))
  source = _source()
  train = source.train.to_memory(source.class_names)
  names = np.array(source.class_names)[train.labels]
  result = tfp_lgc.evaluate(made_of_it, (train.images, names), judge_steps=1,
                            test=(train.images[:6], names[:6]))
  assert result['real_accuracy']['mean'] in {round(i / 6, 4) for i in range(7)}
  with pytest.raises(DataError, match='test: '):
    tfp_lgc.evaluate(made_of_it, 'digits', test=(train.images, names))


def test_no_judge_is_tested_on_images_that_were_compressed(artifact):
  """Another part held out is another train split."""
  with pytest.raises(LgcError, match='30 train.*64.*--test_fraction'):
    tfp_lgc.evaluate(artifact, _source())


def test_a_baseline_is_made_of_train_images_alone(monkeypatch):
  """And judged with its weights, with the seed of each run."""
  source, seen = _source(), []

  def baseline(images, num_bytes, seed):
    weights = np.linspace(0.5, 1.5, len(images)).astype(np.float32)
    return Compressed(images, bytes(num_bytes - seed), weights,
                      {'num_images': len(images)})

  def right(split, test, num_classes, config, seed, on_step):
    seen.append((list(split.examples.as_numpy_iterator()), seed))
    return np.arange(30) < 15

  monkeypatch.setitem(BASELINES, 'xz', baseline)
  monkeypatch.setattr(tstr, 'right', right)
  result = tfp_lgc.evaluate_baseline('xz', '1.5kB', source, runs=2, seed=3)
  assert result['num_bytes'] == 1497
  assert result['baseline_settings'] == [{'num_images': 30}] * 2
  assert result['tstr_accuracy']['runs'] == [0.5, 0.5]
  assert [seed for _, seed in seen] == [3, 3, 4, 4]
  train = source.train.to_memory(source.class_names)
  for i, (image, label, weight) in enumerate(seen[0][0]):
    np.testing.assert_array_equal(image, train.images[i])
    assert label == train.labels[i]
    assert weight == pytest.approx(0.5 + i / 29)


def test_settings_of_a_baseline_are_chosen_by_the_judge_of_the_settings(
    monkeypatch):
  judges = []
  monkeypatch.setattr(tuning, 'accuracy', lambda made, held_out, seed, judge:
                      judges.append(judge) or 0.5)
  monkeypatch.setattr(tstr, 'right', lambda *_: np.arange(30) < 15)
  settings = {'judge_steps': 7, 'judge_augmentation': 'shift'}
  tfp_lgc.evaluate_baseline('jpeg', '1.5kB', _source(), **settings)
  assert judges and all(judge == EvaluateConfig(**settings)
                        for judge in judges)


@pytest.mark.parametrize('name, budget, source, error, match', [
    ('xy', '1kB', _source(), ConfigError, 'xy.*random_subset'),
    ('xz', '1KiB', _source(), ConfigError, 'did you mean 1kB'),
    ('xz', 20, _source(), LgcError, 'xz.*20 bytes'),
    ('xz', 20, _source(test=False), LgcError, 'no test split')])
def test_what_is_no_baseline(name, budget, source, error, match):
  with pytest.raises(error, match=match):
    tfp_lgc.evaluate_baseline(name, budget, source)
