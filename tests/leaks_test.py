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
  """180 zeros and ones; some are in the data set many times over."""
  images, labels = digits
  some = np.flatnonzero(labels < 2)
  train, test = some[:180], some[180:]
  if duplicated:
    train = np.concatenate([train, np.repeat(
        [train[labels[train] == label][0] for label in (0, 1)], 90)])
  return _privacy((images[train], labels[train]), (images[test], labels[test]),
                  epochs=20, latent_size=4, hidden_size=32,
                  num_components_max=3)


def test_images_that_are_there_many_times_are_seen(digits):
  """And are not, where they are there once."""
  leaks, other = [_of_two_classes(digits, value) for value in (True, False)]
  assert leaks['dcr']['nearer_to_train_interval'][0] > 0.55
  assert other['dcr']['nearer_to_train_interval'][0] < 0.55
  assert leaks['copying']['copying_z'] < -4 < other['copying']['copying_z']
  # A component of one image, as narrow as the floor of variances lets it.
  assert leaks['components']['smallest_relative'] < 0.0015
  assert other['components']['smallest_relative'] > 0.005
  for attack in ('reconstruction', 'density_ratio'):
    assert leaks['membership'][attack]['auc'] > other['membership'][attack][
        'auc'] + 0.1


def test_an_autoencoder_that_memorizes_is_caught(digits):
  images, labels = digits
  privacy = _privacy((images[:100], labels[:100]),
                     (images[100:500], labels[100:500]), model='ae',
                     epochs=600, batch_size=100, latent_size=16,
                     hidden_size=128, num_components_max=1)
  attack = privacy['membership']['reconstruction']
  assert attack['auc_interval'][0] > 0.95
  assert attack['tpr_at_fpr_0.01_interval'][0] > 0.5
  assert privacy['membership']['density_ratio']['auc_interval'][0] > 0.55
  assert privacy['dcr']['nearer_to_train_interval'][0] > 0.6
  assert privacy['copying']['copying_z'] < -4
  assert privacy['components']['num_few'] > 0
