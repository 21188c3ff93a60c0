"""Clusters against classes, by definitions and by scikit-learn."""

import numpy as np
import pytest
from scipy import special, stats
from sklearn import mixture as sk_mixture

from tfp_lgc.gaussians import Components
from tfp_lgc.metrics import clustering


def _components():
  rng = np.random.default_rng(0)
  scale_tril = np.tril(0.3 * rng.normal(size=[3, 2, 2]))
  scale_tril[:, [0, 1], [0, 1]] = [[1.0, 2.0], [0.5, 1.5], [3.0, 0.7]]
  return Components(np.log([0.2, 0.5, 0.3]), 2 * rng.normal(size=[3, 2]),
                    scale_tril)


def test_responsibilities_are_bayes_rule():
  components = _components()
  x = np.random.default_rng(1).normal(size=[50, 2])
  joint = np.stack([
      np.exp(log_weight) * stats.multivariate_normal.pdf(x, loc, s @ s.T)
      for log_weight, loc, s in zip(*components)], axis=1)
  np.testing.assert_allclose(clustering.responsibilities(x, components),
                             joint / joint.sum(axis=1, keepdims=True),
                             rtol=1e-8)


def test_responsibilities_equal_scikit_learn():
  components = _components()
  x = np.random.default_rng(1).normal(size=[50, 2])
  theirs = sk_mixture.GaussianMixture(3)
  theirs.weights_ = np.exp(components.log_weights)
  theirs.means_ = components.loc
  theirs.precisions_cholesky_ = np.linalg.inv(
      components.scale_tril).swapaxes(1, 2)
  np.testing.assert_allclose(clustering.responsibilities(x, components),
                             theirs.predict_proba(x), rtol=1e-8)


def _mutual_information(labels, clusters):
  """The definition, normalized by the mean of the entropies."""
  joint = np.zeros([labels.max() + 1, clusters.max() + 1])
  np.add.at(joint, (labels, clusters), 1 / len(labels))
  rows, columns = joint.sum(axis=1), joint.sum(axis=0)
  mutual = special.rel_entr(joint, np.outer(rows, columns)).sum()
  return 2 * mutual / (special.entr(rows).sum() + special.entr(columns).sum())


def test_nmi_equals_its_definition():
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 4, 500)
  shares = rng.dirichlet(np.ones(6), 500) + 0.4 * np.eye(6)[labels]
  got = clustering.nmi(labels, shares)
  assert 0.1 < got < 0.9
  assert got == pytest.approx(_mutual_information(labels, shares.argmax(1)))


def test_nmi_does_not_care_for_the_names_of_components():
  labels = np.arange(60) % 3
  assert clustering.nmi(labels, np.eye(5)[[4, 0, 2]][labels]) == pytest.approx(
      1.0)


@pytest.mark.parametrize('labels, shares', [
    (np.arange(60) % 3, np.ones([60, 1])),
    (np.arange(60) // 20, np.eye(4)[np.arange(60) % 4])],
    ids=['one component', 'independent'])
def test_nmi_of_what_says_nothing_is_0(labels, shares):
  assert clustering.nmi(labels, shares) == pytest.approx(0.0, abs=1e-12)


# Mean average precision.


def _average_precision(relevant, scores):
  """Mean of the precision at each relevant item, best score first."""
  hits = relevant[np.argsort(-scores)]
  precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
  return precision[hits].mean()


def test_map_equals_its_definition():
  rng = np.random.default_rng(0)
  labels, train_labels = rng.integers(0, 3, 80), rng.integers(0, 3, 200)
  shares = rng.dirichlet(np.ones(5), 80)
  train_shares = rng.dirichlet(np.ones(5), 200) + np.eye(5)[train_labels]
  train_shares /= 2
  weights = np.stack([train_shares[train_labels == label].sum(axis=0)
                      for label in range(3)], axis=1)  # [K, C]
  scores = shares @ (weights / weights.sum(axis=1, keepdims=True))
  expected = np.mean([_average_precision(labels == label, scores[:, label])
                      for label in range(3)])
  assert clustering.mean_average_precision(
      labels, shares, train_labels, train_shares) == pytest.approx(expected)


def test_components_that_are_classes_rank_perfectly():
  labels, train_labels = np.arange(30) % 3, np.arange(90) % 3
  order = [2, 0, 1]
  assert clustering.mean_average_precision(
      labels, np.eye(3)[order][labels], train_labels,
      np.eye(3)[order][train_labels]) == pytest.approx(1.0)


def test_one_component_ranks_as_chance_does():
  """All scores are equal: precision is the share of the class."""
  labels = np.repeat([0, 1, 2], [10, 20, 30])
  assert clustering.mean_average_precision(
      labels, np.ones([60, 1]), labels, np.ones([60, 1])) == pytest.approx(
          1 / 3)


@pytest.mark.parametrize('labels, train_labels, expected', [
    ([0, 0, 2, 2], [0, 0, 2, 2], 1.0),  # Nobody has seen class 1.
    # The train images lack class 2: all images rank alike, for both classes.
    ([0, 0, 2, 2], [0, 0, 0, 0], 0.5),
    ([0, 0, 0, 0], [0, 0, 2, 2], 1.0)])
def test_classes_may_be_missing(labels, train_labels, expected):
  shares = np.eye(3)[[0, 0, 2, 2]]  # And nothing belongs to component 1.
  got = clustering.mean_average_precision(
      np.array(labels), shares, np.array(train_labels), shares)
  assert got == pytest.approx(expected)


@pytest.mark.parametrize('batch', [3, 36, 10**6])
def test_in_batches_it_is_the_same(batch, monkeypatch):
  monkeypatch.setattr(clustering, 'BATCH_NUM', batch)
  rng, components = np.random.default_rng(0), _components()
  labels, train_labels = rng.integers(0, 3, 50), rng.integers(0, 4, 70)
  z, train_z = [components.loc[y % 3] + rng.normal(size=[len(y), 2])
                for y in (labels, train_labels)]
  shares, train_shares = [clustering.responsibilities(x, components)
                          for x in (z, train_z)]
  np.testing.assert_allclose(
      clustering.of_latents(labels, z, train_labels, train_z, components),
      (clustering.nmi(labels, shares), clustering.mean_average_precision(
          labels, shares, train_labels, train_shares)), rtol=1e-9)
