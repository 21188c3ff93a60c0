"""The detectors detect: artifacts that leak what they were made from."""

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
  return tfp_lgc.evaluate(artifact, train, test=test, metrics='privacy')[
      'privacy']


def _of_two_classes(digits, duplicated):
  """180 zeros and ones, and, if duplicated, 1,000 copies of two of them."""
  images, labels = digits
  some = np.flatnonzero(labels < 2)
  train, test = some[:180], some[180:]
  if duplicated:
    train = np.concatenate([train, np.repeat(
        [train[labels[train] == label][0] for label in (0, 1)], 500)])
  return _privacy((images[train], labels[train]), (images[test], labels[test]),
                  model='ae', epochs=40, latent_size=4, hidden_size=32,
                  num_components_max=3)


@pytest.mark.slow
def test_images_that_are_there_many_times_are_seen(digits):
  """And are not, where they are there once."""
  leaks, other = [_of_two_classes(digits, value) for value in (True, False)]
  assert leaks['copying']['copying_z'] < -4 < other['copying']['copying_z']
  for attack in ('reconstruction', 'density_ratio'):
    low = leaks['membership'][attack]['auc_interval'][0]
    assert 0.6 < low > other['membership'][attack]['auc']
  # A component of a single image is narrow.
  assert 3 * leaks['components']['smallest_relative'] < other['components'][
      'smallest_relative']


@pytest.mark.slow
def test_an_autoencoder_that_memorizes_is_caught(digits):
  images, labels = digits
  privacy = _privacy((images[:100], labels[:100]),
                     (images[100:500], labels[100:500]), model='ae',
                     epochs=600, batch_size=100, latent_size=16,
                     hidden_size=128, num_components_max=1)
  attack = privacy['membership']['reconstruction']
  assert attack['auc_interval'][0] > 0.95
  assert attack['tpr_at_fpr_0.01_interval'][0] > 0.5
  dcr = privacy['dcr']
  assert dcr['nearer_to_train'] > dcr['chance_interval'][1]
  assert privacy['components']['num_few'] > 0
