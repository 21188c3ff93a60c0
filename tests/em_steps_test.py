"""The steps of tied components against those of any, and SciPy."""

import numpy as np
from scipy import special, stats

from tfp_lgc import em, em_steps
from tfp_lgc.gaussians import whitening_of


def test_components_of_one_covariance_need_no_distances_of_their_own():
  """Narrow ones, too, from which most points are far away."""
  rng = np.random.default_rng(0)
  x = np.concatenate([100 + center + rng.normal(size=[200, 4])
                      @ np.linalg.cholesky(np.eye(4) + 0.5)
                      for center in (-3.0, 0.0, 3.0)])
  components = em.kmeans_start(x, 3, 1e-6, 0, 'tied')
  rows = np.concatenate([x, np.ones([len(x), 1])], axis=1)
  weights = np.ones(len(x))
  weights[::7] = 0.0
  for scale in (1.0, 1e-3):
    slow = components._replace(scale_tril=scale * components.scale_tril)
    quick = slow._replace(scale_tril=slow.scale_tril[:1])
    sums = em_steps.e_step(rows, weights, slow, whitening_of(slow))
    tied = em_steps.tied_e_step(rows, weights, quick)
    together = sums._replace(sum_ww=np.sum(sums.sum_ww, axis=0, keepdims=True))
    for a, b in zip(tied, together):
      np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    after = em_steps.m_step(sums, slow, 1e-6, 'tied', 0)
    quick_after = em_steps.tied_m_step(tied, quick, 1e-6)
    for a, b in zip(quick_after, after):
      np.testing.assert_allclose(a, b[:len(a)], rtol=1e-6, atol=1e-9)
    density = special.logsumexp([
        log_weight + stats.multivariate_normal(loc, covariance).logpdf(x)
        for log_weight, loc, covariance in zip(
            slow.log_weights, slow.loc,
            slow.scale_tril @ slow.scale_tril.swapaxes(1, 2))], axis=0)
    np.testing.assert_allclose(tied.log_likelihood, density @ weights,
                               rtol=1e-7)
