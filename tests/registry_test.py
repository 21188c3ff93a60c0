"""Every metric, of a tiny artifact and of a baseline: the table is read, so
that a new member is tested here by itself."""

import dataclasses
import importlib
import json
import math
import re

import numpy as np
import pytest

import tfp_lgc
from tfp_lgc import options as options_lib
from tfp_lgc.arrays import from_arrays
from tfp_lgc.config import Config, replace
from tfp_lgc.errors import ConfigError, LgcError
from tfp_lgc.metrics import registry, tstr
from tfp_lgc.metrics.subject import Subject

TINY = dict(model='ae', epochs=20, batch_size=32, latent_size=2, hidden_size=8,
            num_components_max=2, covariance='diag', num_restarts=1)
# Where what a result holds is described, beside the module of the metric.
_DESCRIBED = {'accuracy': ('metrics.tstr',), 'confusion': ('metrics.tstr',),
              'membership': ('metrics.privacy.attack',),
              'shadow': ('metrics.privacy.attack',)}


def _source():
  """Two classes that differ in brightness, of images of noise."""
  rng = np.random.default_rng(0)
  labels = np.arange(160) % 2
  images = (rng.integers(0, 120, [160, 6, 5, 1]) + 120 * labels[
      :, np.newaxis, np.newaxis, np.newaxis]).astype(np.uint8)
  return from_arrays((images[:100], labels[:100]),
                     (images[100:], labels[100:]))


@pytest.fixture(scope='module')
def made():
  source = _source()
  return source, tfp_lgc.compress(source, **TINY)


@pytest.fixture(scope='module')
def subject(made):
  """Further artifacts are the same one: they are trained in the slow test."""
  source, artifact = made
  config = replace(Config(), judge_steps=5)
  settings = options_lib.MetricsConfig(canaries=3)
  return Subject(
      source, lambda seed, n: (tfp_lgc.sample(artifact, 100, seed=seed), None),
      lambda: artifact.num_bytes, config, settings, artifact=artifact,
      compress=lambda images, seed, steps: artifact)


def test_the_tables_have_the_same_names():
  assert options_lib.METRICS == tuple(registry.METRICS)
  assert set(registry.NEEDS) == set(registry.METRICS)
  for group in options_lib.METRIC_GROUPS.values():
    assert set(group) < set(options_lib.METRICS)


def _numbers(value):
  if isinstance(value, dict):
    value = list(value.values())
  if isinstance(value, (list, tuple)):
    for part in value:
      yield from _numbers(part)
  elif isinstance(value, (int, float)):
    yield value


def _documented(name):
  """Words in backticks, where the metric is described."""
  module = registry.METRICS[name].__module__
  texts = []
  for place in (module, *(f'tfp_lgc.{m}' for m in _DESCRIBED.get(name, ()))):
    found = importlib.import_module(place)
    texts += [value.__doc__ or '' for value in vars(found).values()
              if getattr(value, '__module__', '') == place]
  return set(re.findall(r'`([\w.]+)`', ' '.join(texts)))


@pytest.mark.parametrize('name', registry.METRICS)
def test_every_metric_is_finite_and_described(name, subject):
  result = registry.METRICS[name](subject)
  json.dumps(result, allow_nan=False)
  numbers = list(_numbers(result))
  assert numbers and all(map(math.isfinite, numbers))
  known = _documented(name)
  for key in result:
    short = re.sub('_interval$', '', key.removeprefix('train_'))
    assert {key, short} & known, f'{key} is not described'


@pytest.fixture
def answers(monkeypatch):
  """Of judges that are not trained: two thirds are right."""
  def predicted(train, test, num_classes, config, seed=0, on_step=None):
    labels = np.concatenate([y for _, y in test.batches(100)])
    return np.where((np.arange(len(labels)) + seed) % 3 == 0, 0, labels)

  monkeypatch.setattr(tstr, 'predicted', predicted)
  return predicted


def test_what_was_chosen_stands_where_it_is_said_to(subject, answers):
  subject = dataclasses.replace(subject, runs=2)
  chosen = options_lib.chosen_metrics('privacy,rate,accuracy')
  result = registry.measure(chosen, subject)
  assert set(result) == {'tstr_accuracy', 'real_accuracy', 'rate', 'privacy'}
  assert list(result['privacy']) == ['note', *options_lib.PRIVACY]
  assert result['privacy']['note'] == 'measured, not guaranteed'
  assert result['rate']['bits_per_image'] == pytest.approx(
      8 * subject.artifact.num_bytes / 100, abs=1e-3)
  assert result['rate']['raw_bits_per_image'] == 8 * (6 * 5 + 1)
  assert 'interval' in result['tstr_accuracy']


def test_confusion_is_of_all_judges(subject, answers):
  subject = dataclasses.replace(subject, runs=2)
  result = registry.METRICS['confusion'](subject)
  labels, test = subject.test.labels, subject.source.test
  expected = np.zeros([2, 2], int)
  for seed in (0, 1):
    np.add.at(expected, (labels, answers(None, test, 2, None, seed)), 1)
  assert result['confusion_matrix'] == expected.tolist()
  for i, row in enumerate(result['per_class_accuracy'].values()):
    assert row['mean'] == pytest.approx(expected[i, i] / 60, abs=1e-4)
    assert len(row['runs']) == 2


def test_without_an_encoder_less_can_be_measured(made, subject):
  source, artifact = made
  bare = dataclasses.replace(artifact, encoder=None)
  result = tfp_lgc.evaluate(bare, source, metrics='privacy', judge_steps=5)
  privacy = result['privacy']
  assert privacy['membership']['reconstruction']['by'] == 'samples'
  assert 'density_ratio' in privacy['membership']['left_out']
  whole = tfp_lgc.evaluate(artifact, source, metrics=('privacy',))['privacy']
  assert whole['membership']['reconstruction']['by'] == 'encoder'
  assert whole['components'] == privacy['components']
  with pytest.raises(LgcError, match='metric latents.*encoder'):
    tfp_lgc.evaluate(bare, source, metrics='latents')


def test_of_a_baseline_it_is_measured_too_and_finds_copies():
  result = tfp_lgc.evaluate_baseline(
      'xz', '4kB', _source(), metrics=('privacy', 'rate'))
  assert set(result['left_out']) == {'components'}
  privacy = result['privacy']
  assert privacy['dcr']['identical_share'] == 1.0
  dcr = privacy['dcr']
  assert dcr['nearer_to_train'] > dcr['chance_interval'][1]
  assert privacy['membership']['reconstruction']['auc_interval'][0] > 0.8
  assert privacy['copying']['copying_z'] < -4
  assert result['rate']['bits_per_image'] == pytest.approx(
      8 * result['num_bytes'] / 100, abs=1e-3)
  with pytest.raises(LgcError, match='components.*not of a baseline'):
    tfp_lgc.evaluate_baseline('xz', '4kB', _source(), metrics='components')


def test_of_a_baseline_nothing_may_be_left_to_measure():
  """Without a test split; the bytes are known all the same."""
  images = np.random.default_rng(0).integers(0, 256, [20, 6, 5]).astype(
      np.uint8)
  source = from_arrays((images, np.arange(20) % 2))
  result = tfp_lgc.evaluate_baseline('xz', '4kB', source, metrics='privacy')
  assert set(result['left_out']) == set(options_lib.PRIVACY)
  assert 0 < result['num_bytes'] <= 4000


def test_of_a_single_class_what_needs_none_is_measured():
  source = from_arrays((np.zeros([9, 4, 4], np.uint8), None),
                       (np.ones([5, 4, 4], np.uint8), None))
  result = tfp_lgc.evaluate_baseline('xz', '1kB', source,
                                     metrics=('all',))
  assert {'accuracy', 'fid', 'latents'} < set(result['left_out'])
  assert result['privacy']['dcr']['identical_share'] == 1.0


def test_networks_of_other_seeds_or_steps_have_other_names(subject):
  names = {dataclasses.replace(subject, config=replace(
      subject.config, **settings)).feature_network
           for settings in ({}, {'seed': 1}, {'judge_steps': 6})}
  assert len(names) == 3 and 'judge64/seed=0/steps=5' in names


def test_a_covariance_needs_more_images_than_features(subject):
  """Here there are 60 images of each kind for 64 features."""
  result = registry.measure({'fid': False, 'prdc': False}, subject)
  assert set(result) == {'prdc', 'left_out'}
  assert 'too few for a covariance' in result['left_out']['fid']
  with pytest.raises(LgcError, match='metric fid.*too few for a covariance'):
    registry.measure({'fid': True}, subject)


@pytest.mark.parametrize('metrics, match', [
    ('fdi', 'did you mean fid'), ('', 'unknown'), ((), 'names none'),
    (('fid', 3), '3 is unknown')])
def test_names_that_there_are_not(metrics, match):
  with pytest.raises(ConfigError, match=f'metrics = .*{match}'):
    options_lib.chosen_metrics(metrics)


def test_groups_and_names_come_in_one_order():
  assert options_lib.chosen_metrics('privacy,fid,dcr') == {
      'fid': True, 'dcr': True, 'membership': False, 'copying': False,
      'components': False}
  chosen = options_lib.chosen_metrics(('all', 'shadow'))
  assert 'canary' not in chosen and chosen['shadow'] and not chosen['fid']


@pytest.mark.slow
def test_shadows_and_canaries_are_trained(made):
  source, artifact = made
  result = tfp_lgc.evaluate(artifact, source, metrics='shadow,canary',
                            shadow_steps=60, canaries=3)['privacy']
  assert result['shadow']['shadow_steps'] == 60
  # 20 epochs of the artifact; of 133 pictures and images, 4 batches an epoch.
  assert result['shadow']['artifact_steps'] == 60
  assert result['canary']['shadow_steps'] == 60
  assert result['shadow']['num_members'] == 100
  assert set(result['canary']['exposures']) == {'1', '10'}
  again = tfp_lgc.evaluate(artifact, source, metrics='shadow',
                           shadow_steps=60)['privacy']
  assert again['shadow'] == result['shadow']
