"""Exposure by its definition, and of an artifact that copies."""

import types

import numpy as np
import pytest

from tfp_lgc.data import Images
from tfp_lgc.errors import ConfigError
from tfp_lgc.metrics.privacy import canary, reconstruction


def test_exposure_is_that_of_the_rank():
  references = np.arange(1.0, 16.0)
  got = canary.exposure(np.array([0.5, 1.0, 1.5, 15.5]), references)
  np.testing.assert_allclose(got, [4, 3, 3, 0])


def test_of_a_canary_like_all_others_it_is_as_expected():
  rng = np.random.default_rng(0)
  got = canary.exposure(rng.random(20000), rng.random(1000))
  # The integral of -log2 u over 0..1, nearly.
  assert canary.expected(1000) == pytest.approx(1 / np.log(2), abs=0.01)
  assert got.mean() == pytest.approx(canary.expected(1000), abs=0.1)


@pytest.mark.parametrize('shape', [(8, 8, 1), (28, 30, 3), (3, 3, 1)])
def test_canaries_are_squares_of_either_kind(shape):
  got = canary.canaries(200, shape, np.random.default_rng(0))
  assert got.shape == (200, *shape) and got.dtype == np.uint8
  assert set(np.unique(got)) == {0, 255}
  assert abs(got.mean() - 127.5) < 10
  if min(shape[:2]) >= 4:
    corner = got[:, :shape[0] // 4, :shape[1] // 4]
    assert (corner == corner[:, :1, :1]).all()
  assert len(np.unique(got.reshape(200, -1), axis=0)) == 200


def test_of_few_pictures_all_can_be_had_but_no_more():
  rng = np.random.default_rng(0)
  got = canary.canaries(64, (3, 2, 1), rng)
  assert len(np.unique(got.reshape(64, -1), axis=0)) == 64
  with pytest.raises(ConfigError, match='canary: needs 65 .* there are 64'):
    canary.canaries(65, (3, 2, 1), rng)


@pytest.mark.parametrize('remembers', [True, False])
def test_what_remembers_repeated_canaries_is_exposed(remembers, monkeypatch):
  """An artifact that has all it saw three times or more, or nothing."""
  train = Images(np.zeros([50, 8, 8, 1], np.uint8),
                 np.arange(50, dtype=np.int32) % 2, ('a', 'b'))
  rng = np.random.default_rng(0)

  def compress(images):
    assert len(images) == 50 + 6 * 1 + 6 * 5
    assert images.labels.max() <= 1
    kept, counts = np.unique(images.images.reshape(len(images), -1), axis=0,
                             return_counts=True)
    return types.SimpleNamespace(kept=kept[counts >= 3])

  def distances(artifact, images):
    x = images.images.reshape(len(images), 1, -1).astype(float)
    near = np.abs(x - artifact.kept).mean(axis=2).min(axis=1)
    return near if remembers else rng.random(len(images))

  monkeypatch.setattr(reconstruction, 'distances', distances)
  got = canary.run(compress, train, 6, repeats=(1, 5))
  assert set(got['exposures']) == {'1', '5'}
  assert got['most'] == pytest.approx(np.log2(1001), abs=1e-3)
  if remembers:
    assert got['exposures']['5']['mean'] == pytest.approx(got['most'], abs=1e-3)
  assert got['exposures']['1']['mean'] < 6
