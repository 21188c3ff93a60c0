"""How likely components make points, by SciPy."""

import numpy as np
from scipy import stats

from tfp_lgc import gaussians


def _components(rng, count=3, size=4):
  factors = np.tril(rng.normal(size=[count, size, size]))
  diagonal = np.arange(size)
  factors[:, diagonal, diagonal] = rng.uniform(0.5, 2.0, [count, size])
  return gaussians.Components(np.log(rng.dirichlet(np.ones(count))),
                              rng.normal(size=[count, size]), factors)


def test_the_joint_density_is_that_of_scipy(monkeypatch):
  rng = np.random.default_rng(0)
  components, x = _components(rng), 100.0 + rng.normal(size=[150, 4])
  theirs = np.stack([
      log_weight + stats.multivariate_normal(loc, factor @ factor.T).logpdf(x)
      for log_weight, loc, factor in zip(*components)], axis=1)
  ours = gaussians.log_joint(x, components)
  assert ours.shape == (150, 3)
  np.testing.assert_allclose(ours, theirs, rtol=1e-9)
  monkeypatch.setattr(gaussians, 'BATCH_SIZE', 64)  # 64, 64 and 22.
  np.testing.assert_allclose(gaussians.log_joint(x, components), theirs,
                             rtol=1e-9)
  single = gaussians.Components(*[np.float32(part) for part in components])
  np.testing.assert_allclose(gaussians.log_joint(x, single), theirs, rtol=1e-4)


def test_whitened_points_are_standard():
  rng = np.random.default_rng(1)
  components, z = _components(rng), rng.normal(size=[5, 4])
  whitening = gaussians.whitening_of(components).numpy()
  for loc, factor, whiten in zip(components.loc, components.scale_tril,
                                 whitening):
    points = np.concatenate([loc + z @ factor.T, np.ones([5, 1])], axis=1)
    np.testing.assert_allclose(points @ whiten, z, atol=1e-9)
