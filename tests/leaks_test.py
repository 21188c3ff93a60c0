"""The detectors detect: artifacts that leak what they were made from."""

import json
import re

import numpy as np
import pytest
from sklearn import datasets

import tfp_lgc

SMALL = dict(batch_size=60, num_restarts=1, covariance='diag')


@pytest.fixture(scope='module')
def digits():
  """In random order: the writers of the last ones are others."""
  bunch = datasets.load_digits()
  order = np.random.default_rng(0).permutation(len(bunch.target))
  return np.round(bunch.images * 255 / 16).astype(np.uint8)[order], (
      bunch.target[order])


def _privacy(train, test, **settings):
  artifact = tfp_lgc.compress(train, **{**SMALL, **settings})
  return artifact, tfp_lgc.evaluate(artifact, train, test=test,
                                    metrics='privacy')['privacy']


def _panel(artifact, privacy, train, test, directory):
  """Title of a row of the page's panel -> its value."""
  artifact.save(directory)
  (directory / 'evaluation.json').write_text(json.dumps(
      {'num_bytes': artifact.num_bytes, 'privacy': privacy}))
  page = directory / 'report.html'
  tfp_lgc.report_runs([directory], page, dataset=train, test=test)
  rows = re.findall(r'<tr>(.*?)</tr>', page.read_text(), re.DOTALL)
  cells = [[re.sub('<.*?>', '', cell).strip() for cell in re.findall(
      r'<t[hd].*?>(.*?)</t[hd]>', row, re.DOTALL)] for row in rows]
  return {first: rest[0] for first, *rest in cells if rest}


def _of_two_classes(digits, duplicated, directory):
  """180 zeros and ones, and, if duplicated, 1,000 copies of two of them."""
  images, labels = digits
  some = np.flatnonzero(labels < 2)
  train, test = some[:180], some[180:]
  if duplicated:
    train = np.concatenate([train, np.repeat(
        [train[labels[train] == label][0] for label in (0, 1)], 500)])
  splits = (images[train], labels[train]), (images[test], labels[test])
  artifact, privacy = _privacy(*splits, model='ae', epochs=40, latent_size=4,
                               hidden_size=32, num_components_max=3)
  return privacy, _panel(artifact, privacy, *splits, directory)


def test_images_that_are_there_many_times_are_seen(digits, tmp_path):
  """And are not, where they are there once; also on the page."""
  (leaks, panel), (other, harmless) = [
      _of_two_classes(digits, value, tmp_path / str(value))
      for value in (True, False)]
  assert leaks['copying']['copying_z'] < -4 < other['copying']['copying_z']
  for attack in ('reconstruction', 'density_ratio'):
    low = leaks['membership'][attack]['auc_interval'][0]
    assert 0.6 < low > other['membership'][attack]['auc']
  z = 'data copying, z (far below 0: copies)'
  assert float(panel[z]) < -4 < float(harmless[z])
  for title in ('membership by reconstruction, AUC',
                'membership by density ratio, AUC'):
    assert float(panel[title]) > max(0.6, float(harmless[title]))
  # A component of a single image is narrow.
  assert 3 * leaks['components']['smallest_relative'] < other['components'][
      'smallest_relative']


def test_an_autoencoder_that_memorizes_is_caught(digits):
  images, labels = digits
  _, privacy = _privacy((images[:100], labels[:100]),
                        (images[100:500], labels[100:500]), model='ae',
                        epochs=600, batch_size=100, latent_size=16,
                        hidden_size=128, num_components_max=1)
  attack = privacy['membership']['reconstruction']
  assert attack['auc_interval'][0] > 0.95
  assert attack['tpr_at_fpr_0.01_interval'][0] > 0.5
  dcr = privacy['dcr']
  assert dcr['nearer_to_train'] > dcr['chance_interval'][1]
  assert privacy['components']['num_few'] > 0
