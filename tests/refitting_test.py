"""Mixtures that are fitted on."""

import numpy as np
import pytest
from sklearn import mixture as sklearn_mixture

from tfp_lgc import data, refitting, teacher
from tfp_lgc.allocation import Candidate
from tfp_lgc.config import Config, replace
from tfp_lgc.em import fit_em
from tfp_lgc.mixture import most_likely
from tfp_lgc.pipeline import Trained
from tfp_lgc.progress import Progress
from tfp_lgc.resuming import NO_WORK
from tfp_lgc.sampling import sample

FLOOR = 1e-6
NUM_IMAGES, NUM_CLASSES = 600, 2


@pytest.fixture(scope='module')
def trained():
  """Two clusters a class; what is held out, every third image, is elsewhere."""
  rng = np.random.default_rng(0)
  labels = np.arange(NUM_IMAGES) % NUM_CLASSES
  latents = rng.normal(size=[NUM_IMAGES, 3]) + 5.0 * labels[:, np.newaxis]
  latents[::4] += 6.0
  latents[::3] -= 1.0
  return Trained(None, latents.astype(np.float32), labels, np.ones(3, bool),
                 np.zeros(3, np.float32), np.ones(NUM_IMAGES, int))


@pytest.fixture(scope='module')
def rest():
  return np.arange(NUM_IMAGES) % 3 > 0


@pytest.fixture(scope='module')
def picks(trained, rest):
  result = []
  for label in range(NUM_CLASSES):
    x = trained.latents[(trained.labels == label) & rest]
    fit = most_likely(x, 2, 'full', Config().mixture, FLOOR, 0)
    result.append(Candidate(fit.components, 'full', 1.0, 2.0))
  return result


def _made(trained, rest):
  split = data.array_split(np.zeros([NUM_IMAGES, 2, 2, 1], np.uint8),
                           trained.labels, keep_order=True)
  return refitting.Refitted(trained, split, rest, Config(), FLOOR, Progress(),
                            NO_WORK)


def _sorted(components):
  order = np.argsort(components.loc[:, 0])
  return [np.asarray(part)[order] for part in components]


def test_fitted_to_all_images_it_is_as_by_sklearn(trained, rest, picks):
  config = replace(Config(), tolerance=1e-6)
  fitted = _made(trained, rest).fitted(picks, config, whole=True)
  for label, (pick, each) in enumerate(zip(picks, fitted)):
    x = trained.latents[trained.labels == label]
    log_weights, loc, scale_tril = pick.components
    covariances = scale_tril @ np.swapaxes(scale_tril, 1, 2)
    reference = sklearn_mixture.GaussianMixture(
        2, weights_init=np.exp(log_weights), means_init=loc,
        precisions_init=np.linalg.inv(covariances), reg_covar=FLOOR,
        tol=1e-6, max_iter=500).fit(x)
    order = np.argsort(reference.means_[:, 0])
    weights, loc, scale_tril = _sorted(each.components)
    np.testing.assert_allclose(np.exp(weights), reference.weights_[order],
                               atol=1e-3)
    np.testing.assert_allclose(loc, reference.means_[order], atol=0.01)
    assert (each.structure, each.num_bits) == (pick.structure, pick.num_bits)


def test_nothing_is_done_where_the_images_are_the_same(trained, rest, picks):
  assert _made(trained, rest).fitted(picks, Config(), whole=False) == picks


@pytest.mark.parametrize('whole', [False, True])
def test_hard_images_count_more(whole, artifact, trained, rest, picks,
                                monkeypatch):
  hardness = np.linspace(-1.0, 3.0, NUM_IMAGES).astype(np.float32)
  drawn = []
  monkeypatch.setattr(teacher, 'excess', lambda config, split, samples, *_:
                      drawn.append(samples) or hardness)
  config = replace(Config(), hard_copies=3, hard_share=0.25)
  refitted = _made(trained, rest)
  refitted.find_hard(artifact)
  [samples] = drawn
  images = np.concatenate([images for images, _ in samples.batches(100)])
  assert {image.tobytes() for image in images} == {
      image.tobytes() for image in sample(artifact, NUM_IMAGES).images}
  fitted = refitted.fitted(picks, config, whole)
  for label, (pick, each) in enumerate(zip(picks, fitted)):
    own = (trained.labels == label) & (whole | rest)
    hard = hardness > np.quantile(hardness[trained.labels == label], 0.75)
    x = np.concatenate([trained.latents[own],
                        *2 * [trained.latents[own & hard]]])
    expected = fit_em(x, pick.components, FLOOR, 200, 1e-3, 'full')
    for one, other in zip(_sorted(each.components),
                          _sorted(expected.components)):
      np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_a_class_without_images_keeps_what_it_has(trained, rest, picks):
  labels = np.ones_like(trained.labels)
  fitted = _made(trained._replace(labels=labels), rest).fitted(
      picks, Config(), whole=True)
  assert fitted[0] is picks[0]
