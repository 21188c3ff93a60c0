"""Frechet distances against SciPy's matrix root, and a judge's features."""

import numpy as np
import pytest
from scipy import linalg
from sklearn import datasets

from tfp_lgc import data, judges
from tfp_lgc.autoencoder import to_unit
from tfp_lgc.config import EvaluateConfig
from tfp_lgc.metrics import frechet, tstr


def _points(seed, count=300, size=6):
  rng = np.random.default_rng(seed)
  return (rng.normal(size=[count, size]) @ rng.normal(size=[size, size])
          + rng.normal(size=size))


def test_distance_equals_the_formula_with_a_matrix_root():
  a, b = _points(0), _points(1, 500)
  cov_a, cov_b = np.cov(a.T), np.cov(b.T)
  expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(
      cov_a + cov_b - 2 * linalg.sqrtm(cov_a @ cov_b).real)
  assert frechet.distance(a, b) == pytest.approx(expected, rel=1e-8)


def test_in_one_dimension_it_is_that_of_means_and_deviations():
  a, b = _points(0, size=1), _points(1, size=1)
  expected = ((a.mean() - b.mean())**2
              + (a.std(ddof=1) - b.std(ddof=1))**2)
  assert frechet.distance(a, b) == pytest.approx(expected, rel=1e-8)


def test_laws_of_a_distance():
  a, b = _points(0), _points(1)
  assert frechet.distance(a, a) == pytest.approx(0.0, abs=1e-8)
  assert frechet.distance(a, b) == pytest.approx(frechet.distance(b, a))
  shift = np.arange(6.0)
  assert frechet.distance(a, a + shift) == pytest.approx(shift @ shift)
  # Both turned and moved alike: nothing changes.
  turn, _ = linalg.qr(np.random.default_rng(2).normal(size=[6, 6]))
  assert frechet.distance(a @ turn + 3, b @ turn + 3) == pytest.approx(
      frechet.distance(a, b))


def test_features_that_never_vary_add_nothing():
  """As those of a judge's units that are never active; float32 as they come."""
  a, b = _points(0).astype(np.float32), _points(1).astype(np.float32)
  padded = [np.pad(x, [[0, 0], [0, 20]]) for x in (a, b)]
  assert frechet.distance(*padded) == pytest.approx(frechet.distance(a, b),
                                                    rel=1e-6)


def test_fewer_points_than_features_are_finite():
  a, b = _points(0, 4), _points(1, 4)
  got = frechet.distance(a, b)
  assert np.isfinite(got) and got > 0


def test_features_are_what_the_logits_are_made_of():
  judge = judges.cnn((5, 6, 3), 4)
  rng = np.random.default_rng(0)
  images = rng.integers(0, 256, [1003, 5, 6, 3]).astype(np.uint8)
  features = frechet.features(judge, images)
  assert features.shape == (1003, 64) and features.dtype == np.float32
  assert (features >= 0).all() and features.any()
  kernel, bias = judge.get_layer('logits').get_weights()
  np.testing.assert_allclose(features @ kernel + bias, judge(to_unit(images)),
                             rtol=1e-4, atol=1e-5)


def test_noise_is_farther_from_digits_than_digits_are():
  bunch = datasets.load_digits()
  images = (255 / 16 * bunch.images).astype(np.uint8)[..., np.newaxis]
  judge = tstr.train_judge(data.array_split(images, bunch.target), 10,
                           EvaluateConfig(judge_steps=50))
  rng = np.random.default_rng(0)
  noise = rng.integers(0, 256, images[::2].shape).astype(np.uint8)
  first, second, other = [frechet.features(judge, x)
                          for x in (images[::2], images[1::2], noise)]
  assert frechet.distance(first, other) > 10 * frechet.distance(first, second)
