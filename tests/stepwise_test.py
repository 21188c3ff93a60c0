"""EM by passes ends where EM of all points at once ends."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_lgc import config, em, latent, mixture, stepwise
from tfp_lgc.em_steps import Statistics
from tfp_lgc.gaussians import Components


def settings(**mixture_settings):
  """Of a mixture."""
  return config.replace(config.Config(), seed=1, **mixture_settings)


def points(num_points=240, seed=0):
  """Two classes, each of three clusters in three dimensions that overlap."""
  rng = np.random.default_rng(seed)
  labels = np.arange(num_points) % 2
  centers = 1.5 * rng.normal(size=[2, 3, 3])[labels, rng.integers(
      0, 3, num_points)]
  mix = np.eye(3) + 0.4 * rng.normal(size=[3, 3])
  x = 5 + centers + rng.normal(size=[num_points, 3]) @ mix
  return x.astype(np.float32), labels


def covariances(components):
  return components.scale_tril @ np.swapaxes(components.scale_tril, 1, 2)


def assert_same(a, b, tolerance=1e-5):
  """Of components."""
  np.testing.assert_allclose(np.exp(a.log_weights), np.exp(b.log_weights),
                             atol=tolerance)
  np.testing.assert_allclose(a.loc, b.loc, atol=tolerance)
  np.testing.assert_allclose(covariances(a), covariances(b), atol=tolerance)


def sums_of(x, labels):
  """Passes over points in three parts."""
  def sums(state):
    frames = state.frames()
    return [stepwise.added(
        stepwise.batch_statistics(frames[run.label].rows(part), run.components,
                                  run.dtype)
        for part in np.array_split(x[labels == run.label], 3))
            for run in state.waiting]
  return sums


@pytest.mark.parametrize('its', [
    settings(num_components_max=3, max_iterations=3, num_restarts=2),
    settings(num_components_max=2, num_restarts=1, tolerance=0.02,
             covariance='diag'),
])
def test_the_choice_is_that_of_all_points_at_once(its):
  x, labels = points()
  added = latent.floor(x, its)
  state = stepwise.joined([
      stepwise.begin(label, len(own), own.mean(axis=0, dtype=float),
                     own.var(axis=0, dtype=float), added,
                     stepwise.kmeans_runs(label, own, its, added))
      for label in (1, 0) for own in [x[labels == label]]])
  assert len(state.waiting) == len(state.runs)
  left = []
  done = stepwise.fit(state, sums_of(x, labels), its,
                      on_pass=lambda after: left.append(len(after.waiting)))
  assert left[-1] == 0 and not done.waiting and len(left) > 2
  assert left == sorted(left, reverse=True)
  found = stepwise.chosen(done, its)
  for label in (0, 1):
    other = mixture.select(x[labels == label], its.mixture, added, its.seed)
    ours = found.selections[label]
    assert ours.structure == other.structure
    assert_same(ours.components, other.components)
    name = ours.structure
    assert ours.bics[name] == pytest.approx(other.bics[name], abs=1e-3)
  assert found.counts.tolist() == [120, 120]
  assert found.mixture.num_components == tuple(
      len(found.selections[label].components.loc) for label in (0, 1))


def test_it_goes_on_from_any_state():
  """What is made again in float64 begins where the first state says."""
  x, _ = points()
  its = settings(num_components_max=2, max_iterations=4, tolerance=0.0)
  state = stepwise.begin(0, len(x), x.mean(axis=0), x.var(axis=0), 1e-6,
                         stepwise.kmeans_runs(0, x, its, 1e-6))
  sums, states = sums_of(x, np.zeros(len(x), int)), []
  whole = stepwise.fit(state, sums, its, on_pass=states.append)
  rest = stepwise.fit(states[1], sums, its, state)
  for a, b in zip(whole.runs, rest.runs):
    assert_same(a.components, b.components, 1e-12)
    assert a.num_iterations == b.num_iterations == 4


def test_what_float32_cannot_do_is_done_again_in_float64():
  start, now = [Components(np.zeros(1), np.full([1, 2], value), np.eye(2)[
      np.newaxis]) for value in (0.0, 1.0)]
  frame = em.Frame(np.zeros(2), 1.0)
  run = stepwise.Run(3, 'full', 1, now, -2.0, 0.5, 7)
  failed = Statistics(np.float64(np.nan), np.ones(1), np.zeros([1, 2]),
                      np.zeros([1, 2, 2]))

  def after(run):
    return stepwise.advanced(run, failed, frame, 5, 1e-6, settings(), start)
  again = after(run)
  assert again == stepwise.Run(3, 'full', 1, start, is_wide=True)
  # There is nothing wider.
  ended = after(again)
  assert ended.status == stepwise.LAST
  assert after(ended).status == stepwise.DONE
  assert np.isnan(after(ended).log_likelihood)


@pytest.mark.parametrize('max_iterations', [3, 50])
def test_a_step_that_makes_data_less_likely_is_not_made(max_iterations):
  """What is added to variances is far from the most likely; as in one
  process."""
  x, _ = points()
  its = settings(max_iterations=max_iterations, tolerance=0.0)
  start, floor = em.kmeans_start(x, 3, 1e-6, seed=0), 0.5
  frame = em.Frame(x.mean(axis=0), float(x.std(axis=0).max()))
  run = stepwise.Run(0, 'full', 0, frame.inside(start))
  likelihoods = []
  while run.status != stepwise.DONE:
    run = stepwise.advanced(
        run, stepwise.batch_statistics(frame.rows(x), run.components), frame,
        len(x), floor, its, frame.inside(start))
    likelihoods.append(run.log_likelihood)
  expected = em.fit_em(x, start, floor, max_iterations, 0.0)
  assert run.fell and expected.converged
  assert run.num_iterations == expected.num_iterations
  assert_same(frame.outside(run.components), expected.components)
  assert frame.log_density(run.log_likelihood) == pytest.approx(
      expected.log_likelihood, abs=1e-5)
  assert not any(em.falls(*pair) for pair in zip(np.diff(likelihoods),
                                                 likelihoods[1:]))


@pytest.mark.parametrize('status', [stepwise.STEP, stepwise.LAST])
def test_what_stood_before_a_fall_comes_back(status):
  before, now = [Components(np.zeros(1), np.full([1, 2], value), np.eye(2)[
      np.newaxis]) for value in (0.0, 1.0)]
  run = stepwise.Run(3, 'full', 1, now, -2.0, 0.5, 7, status=status,
                       previous=before)

  def after(log_likelihood):
    sums = Statistics(np.float64(5 * log_likelihood), np.ones(1),
                      np.zeros([1, 2]), np.zeros([1, 2, 2]))
    return stepwise.advanced(run, sums, em.Frame(np.zeros(2), 1.0), 5, 1e-6,
                             settings(), before)
  fell = after(-2.1)
  assert fell.components is before and fell.log_likelihood == -2.0
  assert fell.fell and fell.status == stepwise.DONE
  # Rounding is no fall.
  for level in (-2.0 - 1e-6, -1.9):
    assert not after(level).fell and after(level).components is not before


@pytest.mark.parametrize('dtype', [tf.float32, tf.float64])
def test_sums_of_parts_are_those_of_the_whole(dtype):
  x, _ = points()
  start = em.kmeans_start(x, 3, 1e-6, seed=0)
  frame = em.Frame(x.mean(axis=0), float(x.std(axis=0).max()))

  def statistics(part):
    return stepwise.batch_statistics(frame.rows(part), frame.inside(start),
                                     dtype)
  whole = statistics(x)
  for ours, expected in zip(stepwise.added(
      statistics(part) for part in np.array_split(x, 5)), whole):
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-4)
  # The definition.
  np.testing.assert_allclose(whole.count.sum(), len(x), rtol=1e-6)
