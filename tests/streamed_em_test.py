"""Mixtures of points in a file are those of points in memory."""

import numpy as np
import pytest

from tfp_lgc import config, latent, memory, mixture, streamed_em, streams

LEAST = memory.limits('1.5GB')


def settings(**mixture_settings):
  """Of a mixture."""
  return config.replace(config.Config(), seed=1, **mixture_settings)


def in_file(array):
  """The same as a file that is mapped into memory."""
  result = streams.scratch(array.shape, LEAST._replace(latents=0))
  result[:] = array
  assert isinstance(result, np.memmap)
  return result


@pytest.fixture(scope='module')
def points():
  """Three classes of 300, 0 and 500 points, of three clusters each."""
  rng = np.random.default_rng(0)
  labels = rng.permutation(np.repeat([0, 2], [300, 500]))
  centers = 4 * rng.normal(size=[3, 3, 2])[labels, rng.integers(0, 3, 800)]
  x = 5 + centers + rng.normal(size=[800, 2]) @ [[1.0, 0.3], [0.0, 0.7]]
  return x.astype(np.float32), labels


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
  """Or all points were one block."""
  monkeypatch.setattr(streamed_em, 'BLOCK_SIZE', 70)


def test_points_come_by_class_in_their_order(points):
  x, labels = points
  its = streamed_em.by_class(in_file(x), labels, 3, LEAST._replace(latents=0))
  assert isinstance(its.points, np.memmap)
  np.testing.assert_array_equal(its.points,
                                x[np.argsort(labels, kind='stable')])
  assert [len(its.of(label)) for label in range(3)] == [300, 0, 500]
  np.testing.assert_array_equal(its.of(2), x[labels == 2])


def test_moments_are_those_of_numpy(points):
  x = 1e3 + points[0]  # Of float32 sums nothing would be left.
  mean, variance = streamed_em.moments(in_file(x))
  np.testing.assert_allclose(mean, x.mean(axis=0, dtype=float), rtol=1e-12)
  np.testing.assert_allclose(variance, x.var(axis=0, dtype=float), rtol=1e-9)
  np.testing.assert_allclose(streamed_em.mean_of(in_file(x)), mean, rtol=1e-12)


def test_a_sample_is_of_all_places(points):
  x, _ = points
  drawn = streamed_em._sample(in_file(x), 100, seed=3)
  rows = [int(np.flatnonzero((x == row).all(axis=1))[0]) for row in drawn]
  assert len(rows) == 100 and rows == sorted(set(rows))
  assert 30 < sum(row < 400 for row in rows) < 70
  np.testing.assert_array_equal(streamed_em._sample(in_file(x), 800, 3), x)


@pytest.mark.parametrize('its', [
    settings(num_components_max=3, num_restarts=2, max_iterations=8),
    settings(num_components_max=3, covariance='tied', tolerance=1e-2),
])
def test_the_choice_is_that_of_points_in_memory(points, its):
  """Where the sample has all points, so that starts are the same."""
  x, labels = points
  own = x[labels == 2]
  expected = mixture.select(own, its.mixture, 1e-4, its.seed)
  ours = streamed_em.FilePoints(in_file(own), its, 1e-4, sample_size=500)
  found = mixture.lowest_bic(ours.fit, ours.sizes(), len(ours), its.mixture)
  assert found.structure == expected.structure
  assert found.bics[found.structure] == pytest.approx(
      expected.bics[found.structure], rel=1e-5)
  assert len(found.components.loc) == len(expected.components.loc) > 1
  for a, b in zip(found.components, expected.components):
    np.testing.assert_allclose(a, b, atol=1e-5)


# A class has more points than fit, and 60 of them are its sample.
SMALL = LEAST._replace(latents=0,
                       points=60 * 2 * memory.EM_BYTES_PER_NUMBER)


@pytest.mark.parametrize('selection', ['bic', 'bytes'])
def test_all_points_are_fitted(points, selection):
  """A single Gaussian has the moments of all points, not of the sample."""
  x, labels = points
  fitted, records = latent.fit(
      in_file(x), labels, 3,
      settings(num_components_max=1, selection=selection), bound=SMALL)
  assert [row['label'] for row in records] == [0, 1, 2]
  for label in (0, 2):
    own = x[labels == label].astype(float)
    its = fitted.components(label)
    np.testing.assert_allclose(its.loc[0], own.mean(axis=0), rtol=1e-5)
    floor = config.MixtureConfig().covariance_floor * x.var(axis=0).mean()
    np.testing.assert_allclose(
        its.scale_tril[0] @ its.scale_tril[0].T,
        np.cov(own.T, bias=True) + floor * np.eye(2), rtol=1e-5)
    assert np.abs(own[:60].mean(axis=0) - own.mean(axis=0)).max() > 1e-2


def test_clusters_far_apart_are_found_with_the_moments_of_all_points():
  rng = np.random.default_rng(0)
  cluster = rng.choice(3, 900, p=[0.2, 0.3, 0.5])
  x = (30 * np.eye(3)[cluster] + rng.normal(size=[900, 3])).astype(np.float32)
  fitted, _ = latent.fit(in_file(x), np.zeros(900, int), 1,
                         settings(num_components_max=3, num_restarts=4),
                         bound=SMALL)
  its = fitted.components(0)
  assert len(its.loc) == 3
  for weight, loc in zip(np.exp(its.log_weights), its.loc):
    own = x[cluster == loc.argmax()]
    assert weight == pytest.approx(len(own) / 900, rel=1e-5)
    np.testing.assert_allclose(loc, own.mean(axis=0, dtype=float), atol=1e-4)


def test_shared_components_are_those_of_points_in_memory(points):
  x, labels = points
  its = settings(latent_model='global', num_components_max=1,
                 labeled_fraction=0.5)
  expected, _ = latent.fit(x, labels, 3, its)
  found, records = latent.fit(in_file(x), labels, 3, its, bound=SMALL)
  np.testing.assert_allclose(found.loc, expected.loc, atol=1e-5)
  np.testing.assert_allclose(found.logits, expected.logits, atol=1e-5)
  assert [row['event'] for row in records] == ['bic', 'purity']


def test_what_is_dead_is_told_by_a_part_of_all(points):
  x, _ = points
  part = latent._part(in_file(x), 7)
  np.testing.assert_array_equal(part, x[::7])
  assert not isinstance(part, np.memmap)


def test_a_pass_has_sums_for_each_run_or_fails(points, monkeypatch):
  """Or a later run would be given those of another."""
  its = settings(num_components_max=2)
  ours = streamed_em.FilePoints(in_file(points[0]), its, 1e-4)
  monkeypatch.setattr(streamed_em, 'blocks_of', lambda points: iter(()))
  with pytest.raises(AssertionError, match='there is no point'):
    ours.fit('full', 2)
