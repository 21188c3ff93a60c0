"""Gradients of the last layer, their distances, and medoids of them."""

import image_sets
import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial import distance

from tfp_lgc import data
from tfp_lgc.baselines import coreset
from tfp_lgc.config import EvaluateConfig
from tfp_lgc.data import Images
from tfp_lgc.metrics import tstr


@pytest.fixture(scope='module')
def digits():
  return image_sets.digits()


def test_gradients_are_those_of_the_last_layer(digits):
  some = Images(digits.images[:40], digits.labels[:40], digits.class_names)
  got = coreset.gradients(some, seed=3, steps=1)
  judge = tstr.train_judge(
      data.array_split(some.images, some.labels), 10,
      EvaluateConfig(judge_steps=1, judge_batch_size=coreset.BATCH_SIZE), 3)
  layer = judge.get_layer('logits')
  for i in (0, 17, 39):
    with tf.GradientTape() as tape:
      logits = judge(some.images[i:i + 1].astype(np.float32) / 255)
      loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
          some.labels[i:i + 1], logits)
    kernel, bias = tape.gradient(loss, [layer.kernel, layer.bias])
    outer = np.outer(got.hidden[i], got.residual[i])
    np.testing.assert_allclose(outer[:-1], kernel, atol=2e-6)
    np.testing.assert_allclose(outer[-1], bias, atol=2e-6)


@pytest.fixture(scope='module')
def points():
  rng = np.random.default_rng(2)
  hidden = rng.random([60, 5]).astype(np.float32)
  return coreset.Gradients(
      hidden, rng.normal(size=[60, 3]).astype(np.float32))


def test_distances_are_those_of_outer_products(points, monkeypatch):
  monkeypatch.setattr(coreset, 'BLOCK_SIZE', 7)
  outer = np.einsum('nf,nc->nfc', *points).reshape(60, -1)
  np.testing.assert_allclose(
      coreset.distances(points, points.take(slice(11))),
      distance.cdist(outer, outer[:11]), atol=2e-3)


def test_greedy_choices_lower_the_sum_most(points):
  matrix = coreset.distances(points, points)
  chosen = list(coreset.greedy(matrix, 12))
  for i in range(12):
    sums = [matrix[[*chosen[:i], j]].min(0).sum(dtype=np.float64)
            for j in range(60)]
    assert sums[chosen[i]] == pytest.approx(min(sums), rel=1e-5)
  assert sorted(coreset.greedy(matrix, 60)) == list(range(60))


def test_starts_are_spread(points):
  matrix = coreset.distances(points, points)
  for k in (1, 5, 60):
    start = coreset.spread_start(matrix, k, np.random.default_rng(0))
    assert len(set(start)) == k
  same = np.zeros([4, 4], np.float32)
  assert len(set(coreset.spread_start(same, 3, np.random.default_rng(0)))) == 3
  # Of two far groups both get one.
  far = np.repeat(np.repeat(np.array([[0, 1], [1, 0.]]), 5, 0), 5, 1)
  pair = coreset.spread_start(far, 2, np.random.default_rng(0))
  assert {i // 5 for i in pair} == {0, 1}


@pytest.mark.parametrize('method', coreset.METHODS)
def test_medoids_stand_for_all(method, points, monkeypatch):
  labels = np.arange(60) % 3
  positions, weights = coreset.select(points, labels, 9, method, 0)
  assert len(set(positions)) == 9 and weights.sum() == 60
  if method != 'all':
    assert list(np.bincount(labels[positions])) == [3, 3, 3]
  # No worse than medoids drawn at random.
  matrix = coreset.distances(points, points)
  rng = np.random.default_rng(0)
  sums = [matrix[rng.choice(60, 9, replace=False)].min(0).sum()
          for _ in range(20)]
  assert matrix[positions].min(0).sum() < np.median(sums)
  for most in (15, 2):  # A part can be medoids, or there are too many of them.
    monkeypatch.setattr(coreset, 'MAX_POINTS', most)
    positions, weights = coreset.select(points, labels, 9, method, 0)
    assert len(set(positions)) == 9 and weights.sum() == 60
