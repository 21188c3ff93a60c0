"""Covariance structures against scikit-learn and their own laws."""

import numpy as np
import pytest
from sklearn import decomposition
from sklearn import mixture as sk_mixture

from tfp_lgc import config as config_lib
from tfp_lgc import em
from tfp_lgc.covariance import COVARIANCES

SIZE, RANK = 5, 2
# What scikit-learn has; low_rank it has for one component only.
THEIRS = ('full', 'tied', 'diag', 'spherical')


def test_choices_are_the_table():
  assert set(config_lib.COVARIANCES) == set(COVARIANCES)


def _points(num_points=500):
  rng = np.random.default_rng(0)
  x = rng.normal(size=[num_points, SIZE]) @ rng.normal(size=[SIZE, SIZE])
  x[:num_points // 3] += 6.0
  return x


def _covariance(scale_tril):
  return scale_tril @ np.swapaxes(scale_tril, 1, 2)


def _precisions(covariance, structure):
  precisions = np.linalg.inv(covariance)
  return {'full': precisions, 'tied': precisions[0],
          'diag': np.diagonal(precisions, axis1=1, axis2=2),
          'spherical': precisions[:, 0, 0]}[structure]


def _as_matrices(covariances, structure, num_components):
  eye = np.eye(SIZE)
  return {'full': lambda c: c,
          'tied': lambda c: np.tile(c, [num_components, 1, 1]),
          'diag': lambda c: c[:, :, None] * eye,
          'spherical': lambda c: c[:, None, None] * eye}[structure](covariances)


@pytest.mark.filterwarnings('ignore:Best performing')
@pytest.mark.parametrize('structure', THEIRS)
def test_em_equals_scikit_learn_from_the_same_start(structure):
  x, num_components = _points(), 3
  start = em.kmeans_start(x, num_components, 1e-6, 0, structure)
  fit = em.fit_em(x, start, 1e-6, 10, 0.0, structure)
  weights = np.exp(start.log_weights)
  theirs = sk_mixture.GaussianMixture(
      num_components, covariance_type=structure, max_iter=10, tol=0.0,
      weights_init=weights / weights.sum(), means_init=start.loc,
      precisions_init=_precisions(_covariance(start.scale_tril), structure))
  theirs.fit(x)
  np.testing.assert_allclose(fit.components.loc, theirs.means_, atol=1e-4)
  np.testing.assert_allclose(
      _covariance(fit.components.scale_tril),
      _as_matrices(theirs.covariances_, structure, num_components), atol=1e-4)
  assert fit.log_likelihood == pytest.approx(theirs.score(x), abs=1e-5)
  free = (theirs._n_parameters() - num_components * SIZE
          - (num_components - 1))
  assert COVARIANCES[structure].num_params(num_components, SIZE, 0) == free


def test_one_low_rank_component_is_scikit_learns_probabilistic_pca():
  x = _points()
  x -= x.mean(axis=0)
  start = em.kmeans_start(x, 1, 0.0, 0, 'low_rank', RANK)
  # It divides by N - 1.
  pca = decomposition.PCA(RANK).fit(x)
  np.testing.assert_allclose(
      _covariance(start.scale_tril)[0],
      pca.get_covariance() * (len(x) - 1) / len(x), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize('structure', COVARIANCES)
def test_log_likelihood_never_falls(structure):
  x = _points()
  start = em.kmeans_start(x, 3, 1e-9, 0, structure, RANK)
  values = [em.fit_em(x, start, 1e-9, i, 0.0, structure, RANK).log_likelihood
            for i in range(10)]
  assert (np.diff(values) >= -1e-5).all()
  assert values[-1] > values[0] - 1e-6


@pytest.mark.parametrize('structure', COVARIANCES)
@pytest.mark.parametrize('num_components', [1, 4])
def test_unpacking_gives_what_was_packed(structure, num_components):
  covariance = COVARIANCES[structure]
  start = em.kmeans_start(_points(), num_components, 1e-6, 0, structure, RANK)
  packed = covariance.pack(start.scale_tril, RANK)
  # Nothing is stored twice.
  assert packed.size == covariance.num_params(num_components, SIZE, RANK)
  again = covariance.unpack(packed, num_components, SIZE)
  assert len(again) == (1 if structure == 'tied' else num_components)
  np.testing.assert_allclose(
      np.broadcast_to(_covariance(again), start.scale_tril.shape),
      _covariance(start.scale_tril), rtol=1e-6, atol=1e-8)
  assert (np.diagonal(again, axis1=1, axis2=2) > 0).all()
  np.testing.assert_array_equal(again, np.tril(again))


@pytest.mark.parametrize('structure', COVARIANCES)
def test_fewer_parameters_are_less_likely(structure):
  x = _points()
  full, other = [em.kmeans_start(x, 1, 1e-9, 0, name, RANK)
                 for name in ('full', structure)]
  values = [em.fit_em(x, start, 1e-9, 0).log_likelihood
            for start in (full, other)]
  assert values[0] >= values[1] - 1e-6


@pytest.mark.parametrize('rank', [0, 1, 4, 9])
def test_a_rank_of_any_size_is_a_covariance(rank):
  start = em.kmeans_start(_points(), 2, 1e-6, 0, 'low_rank', rank)
  packed = COVARIANCES['low_rank'].pack(start.scale_tril, rank)
  again = COVARIANCES['low_rank'].unpack(packed, 2, SIZE)
  np.testing.assert_allclose(_covariance(again), _covariance(start.scale_tril),
                             rtol=1e-6, atol=1e-8)
