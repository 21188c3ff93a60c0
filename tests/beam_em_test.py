"""EM by pipelines on Beam's DirectRunner is that of one process."""

import pytest

pytest.importorskip(
    'apache_beam', reason='Apache Beam is not installed; see extra beam')

import numpy as np  # noqa: E402
from beam_cases import OPTIONS, write_latents  # noqa: E402
from sklearn import mixture as sk_mixture  # noqa: E402
from stepwise_test import assert_same, covariances, points, settings  # noqa: E402

from tfp_lgc import (  # noqa: E402
  beam_em,
  beam_files,
  beam_start,
  beam_state,
  em,
  latent,
  mixture,
  stepwise,
)
from tfp_lgc.errors import ConfigError  # noqa: E402

# EM.


@pytest.fixture(scope='module')
def fitted(tmp_path_factory):
  """All structures, two sizes, from given starts, in the same pipelines."""
  x, labels = points()
  folder = tmp_path_factory.mktemp('em')
  its = settings(covariance='auto', covariance_rank=1, max_iterations=4,
                 tolerance=0.02)
  added = latent.floor(x, its)
  starts = {label: [(structure, em.kmeans_start(
      x[labels == label], k, added, 7, structure, 1))
                    for structure in em.COVARIANCES for k in (2, 3)]
            for label in (0, 1)}
  found = beam_em.fit(write_latents(folder / 'latents', x, labels),
                      str(folder / 'em'), its, OPTIONS, starts)
  return x, labels, added, starts, found, its


def test_em_is_that_of_one_process(fitted):
  x, labels, added, starts, found, _ = fitted
  assert set(found.fits) == {
      (label, structure, k) for label in (0, 1)
      for structure in em.COVARIANCES for k in (2, 3)}
  ended, moved = set(), []
  for label in (0, 1):
    for structure, start in starts[label]:
      ours = found.fits[label, structure, len(start.loc)]
      other = em.fit_em(x[labels == label], start, added, 4, 0.02, structure, 1)
      assert_same(ours.components, other.components)
      assert ours.log_likelihood == pytest.approx(other.log_likelihood,
                                                  abs=1e-5)
      assert ours[2:] == other[2:]  # Iterations, and whether it converged.
      ended.add(other.num_iterations)
      moved.append(np.abs(ours.components.loc - start.loc).max())
  assert len(ended) > 1, 'some runs are to end before others'
  assert np.median(moved) > 0.01, 'most are to go somewhere'


@pytest.mark.filterwarnings('ignore:Best performing', 'ignore:Initialization')
@pytest.mark.parametrize('structure', ['full', 'tied'])
def test_em_is_that_of_scikit_learn(fitted, structure):
  x, labels, added, starts, found, _ = fitted
  [start] = [its for name, its in starts[0]
             if name == structure and len(its.loc) == 3]
  ours = found.fits[0, structure, 3]
  weights, precisions = np.exp(start.log_weights), np.linalg.inv(
      covariances(start))
  theirs = sk_mixture.GaussianMixture(
      3, covariance_type=structure, max_iter=ours.num_iterations, tol=0.0,
      reg_covar=added, weights_init=weights / weights.sum(),
      means_init=start.loc, precisions_init=(
          precisions if structure == 'full' else precisions[0]))
  own = x[labels == 0].astype(np.float64)  # Or its sums were float32.
  theirs.fit(own)
  np.testing.assert_allclose(ours.components.loc, theirs.means_, atol=1e-5)
  np.testing.assert_allclose(np.exp(ours.components.log_weights),
                             theirs.weights_, atol=1e-5)
  expected = np.broadcast_to(theirs.covariances_, [3, 3, 3])
  np.testing.assert_allclose(covariances(ours.components), expected, atol=1e-5)
  assert ours.log_likelihood == pytest.approx(
      theirs.score(own), abs=1e-5)


def test_bic_chooses_as_in_one_process(tmp_path):
  """With the starts of k-means, which sees all points of a class in the order
  of their positions."""
  x, labels = points()
  its = settings(num_components_max=3, max_iterations=3, num_restarts=2)
  found = beam_em.fit(write_latents(tmp_path / 'latents', x, labels),
                      str(tmp_path / 'em'), its, OPTIONS)
  added = latent.floor(x, its)
  for label in (0, 1):
    ours = found.selections[label]
    other = mixture.select(x[labels == label], its.mixture, added, its.seed)
    assert ours.structure == other.structure
    assert_same(ours.components, other.components)
    assert ours.bics['full'] == pytest.approx(other.bics['full'], abs=1e-3)
  assert found.counts.tolist() == [120, 120]
  assert found.mixture.num_components == tuple(
      len(found.selections[label].components.loc) for label in (0, 1))


def test_no_run_is_given_the_sums_of_another(tmp_path, monkeypatch):
  x, labels = points()
  latents = write_latents(tmp_path / 'latents', x, labels)
  sums = beam_em._sums

  def lost(*arguments):
    found = sums(*arguments)
    del found[0]  # Others come after it.
    return found

  monkeypatch.setattr(beam_em, '_sums', lost)
  with pytest.raises(KeyError):
    beam_em.fit(latents, str(tmp_path / 'em'),
                settings(num_components_max=2, num_restarts=1), OPTIONS)


def test_a_killed_run_goes_on(tmp_path, monkeypatch):
  x, labels = points()
  latents = write_latents(tmp_path / 'latents', x, labels)
  its = settings(num_components_max=2, num_restarts=1, max_iterations=3,
                 tolerance=0.0)
  save, sums, passes = beam_em._save, beam_em._sums, []

  def killed(state, working, iteration):
    if iteration == 2:
      raise KeyboardInterrupt
    save(state, working, iteration)

  def counted(*arguments):
    passes.append(arguments)
    return sums(*arguments)

  working = str(tmp_path / 'em')
  with monkeypatch.context() as patch:
    patch.setattr(beam_em, '_save', killed)
    with pytest.raises(KeyboardInterrupt):
      beam_em.fit(latents, working, its, OPTIONS)
  monkeypatch.setattr(beam_em, '_sums', counted)
  again = beam_em.fit(latents, working, its, OPTIONS)
  assert len(passes) == 3  # Of four: three steps and the last likelihood.
  # Nothing is left to do.
  once_more = beam_em.fit(latents, working, its, OPTIONS)
  assert len(passes) == 3
  undisturbed = beam_em.fit(latents, str(tmp_path / 'other'), its, OPTIONS)
  assert len(passes) == 7
  for found in (again, once_more):
    for key, expected in undisturbed.fits.items():
      assert_same(found.fits[key].components, expected.components, 1e-12)
      assert found.fits[key][2:] == expected[2:]
  with pytest.raises(ConfigError, match='another mixture'):
    beam_em.fit(latents, working, settings(num_components_max=3), OPTIONS)


def test_sums_of_parts_are_those_of_the_whole():
  x, _ = points()
  start = em.kmeans_start(x, 3, 1e-6, seed=0)
  frame = em.Frame(x.mean(axis=0), float(x.std(axis=0).max()))

  def statistics(part):
    return stepwise.batch_statistics(frame.rows(part), frame.inside(start))
  total = beam_em.Sum()
  accumulators = [total.create_accumulator() for _ in range(3)]
  for i, part in enumerate(np.array_split(x, 5)):
    accumulators[i % 2] = total.add_input(accumulators[i % 2],
                                          statistics(part))
  for ours, expected in zip(total.extract_output(
      total.merge_accumulators(accumulators)), statistics(x)):
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-4)


def test_a_state_comes_back():
  x, _ = points()
  components = [em.kmeans_start(x, k, 1e-6, seed=0) for k in (1, 3)]
  runs = (stepwise.Run(4, 'tied', 0, components[0]),
          stepwise.Run(4, 'full', 1, components[1], -3.5, 0.25, 9, True,
                         stepwise.LAST, True, em.kmeans_start(
                             x, 3, 1e-6, seed=1)))
  state = stepwise.State(np.array([4]), np.array([7]), np.ones([1, 3]),
                           np.array([2.5]), 1e-3, runs)
  again = beam_state.from_bytes(beam_state.to_bytes(state))
  for a, b in zip(again.runs, runs):
    assert (a._replace(components=None, previous=None)
            == b._replace(components=None, previous=None))
    assert_same(a.components, b.components, 0)
  assert again.runs[0].previous is None
  assert_same(again.runs[1].previous, runs[1].previous, 0)
  assert again.floor == 1e-3
  assert again.frames()[4].unit == 2.5
  other = state._replace(labels=np.array([2]), runs=runs[:1])
  both = stepwise.joined([state, other])
  assert both.labels.tolist() == [2, 4] and both.runs[1:] == runs


# Where EM starts.


def test_moments_are_those_of_numpy_and_the_sample_is_of_no_order():
  x, _ = points()
  parts = [beam_start.summary(beam_files.Latents(
      0, np.arange(first, first + 40), x[first:first + 40]), seed=3)
           for first in range(0, 240, 40)]
  orders = [range(6), [5, 3, 1, 0, 2, 4]]
  results = []
  for order in orders:
    merge = beam_start._Merge(50)
    accumulators = [merge.create_accumulator() for _ in range(3)]
    for i in order:
      accumulators[i % 2] = merge.add_input(accumulators[i % 2], parts[i])
    results.append(merge.extract_output(
        merge.merge_accumulators(accumulators)))
  for its in results:
    assert its.num_points == 240 and len(its.points) == 50
    np.testing.assert_allclose(its.mean, x.astype(float).mean(axis=0),
                               rtol=1e-12)
    np.testing.assert_allclose(its.squares / 240, x.astype(float).var(axis=0),
                               rtol=1e-12)
    np.testing.assert_array_equal(its.points, x[its.positions])
  np.testing.assert_array_equal(results[0].positions, results[1].positions)
  # Of all places: about as many in each half.
  assert 12 < (results[0].positions < 120).sum() < 38
  everything = beam_start.merged(parts[0], parts[1], 1000)
  assert sorted(everything.positions) == list(range(80))


def test_a_record_comes_back():
  x, _ = points()
  its = beam_files.Latents(65_000, np.arange(240) + 2**40, x)
  again = beam_files.from_record(beam_files.to_record(its))
  assert again.label == its.label
  np.testing.assert_array_equal(again.positions, its.positions)
  np.testing.assert_array_equal(again.points, its.points)
