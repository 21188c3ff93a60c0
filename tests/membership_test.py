"""What the attacks compute, against TFP and scikit-learn."""

import dataclasses

import numpy as np
import pytest
from sklearn import mixture as sk_mixture

from tfp_lgc import data, sampling
from tfp_lgc.arrays import from_arrays
from tfp_lgc.config import Config, replace
from tfp_lgc.data import Images, Source
from tfp_lgc.metrics.privacy import membership, reconstruction
from tfp_lgc.metrics.subject import some, Subject
from tfp_lgc.options import MetricsConfig
from tfp_lgc.progress import Progress


def test_log_prob_is_that_of_each_points_class(artifact):
  z = np.random.default_rng(0).normal(size=[30, 2]).astype(np.float32)
  labels = np.arange(30) % 3
  got = membership.log_prob(artifact.mixture, z, labels)
  expected = [artifact.mixture.distribution(label).log_prob(point)
              for point, label in zip(z, labels)]
  np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_distances_are_from_what_the_decoder_makes(artifact):
  rng = np.random.default_rng(0)
  images = Images(rng.integers(0, 256, [7, 7, 6, 3]).astype(np.uint8),
                  np.zeros(7, np.int32), artifact.class_names)
  model = artifact.encoder.model
  z = model.encode(images.images / np.float32(255)).mean().numpy()
  decoded = artifact.sampler.decode(z[:, artifact.encoder.kept])['image']
  expected = np.sqrt(np.mean(
      (images.images / 255 - decoded.numpy() / 255)**2, axis=(1, 2, 3)))
  np.testing.assert_allclose(reconstruction.distances(artifact, images),
                             expected, rtol=1e-6)


def test_a_reference_of_few_points_has_few_numbers():
  """15 points of 16 dimensions, where a full covariance would be singular but
  for a floor: fresh points are likelier than by that of scikit-learn."""
  rng = np.random.default_rng(0)
  scales = rng.uniform(0.5, 2, 16)
  z, fresh = [(scales * rng.normal(size=[n, 16])).astype(np.float32)
              for n in (15, 200)]
  config = replace(Config(), num_components_max=1)
  got = membership.reference(z, np.zeros(15, np.int32), 1, config)
  assert got.structures == ('diag',)
  full = sk_mixture.GaussianMixture(1, reg_covar=1e-3).fit(z).score(fresh)
  score = membership.log_prob(got, fresh, np.zeros(200, np.int32)).mean()
  assert score > full + 10
  many = np.tile(z, [11, 1])
  got = membership.reference(many, np.zeros(165, np.int32), 1, config)
  assert got.structures == ('full',)


def test_a_reference_is_chosen_by_bic_whatever_the_run_does():
  z = np.random.default_rng(0).normal(size=[60, 2]).astype(np.float32)
  z[30:] += 3
  by_bic, by_bytes = [membership.reference(
      z, np.zeros(60, np.int32), 1, replace(Config(), selection=selection))
      for selection in ('bic', 'bytes')]
  np.testing.assert_array_equal(by_bic.loc, by_bytes.loc)
  assert by_bic.structures == by_bytes.structures == ('full',)


def test_every_other_image_of_each_class_is_a_reference():
  labels = np.array([0, 1, 1, 0, 1, 0, 2, 0])
  np.testing.assert_array_equal(
      membership._every_other(labels),
      [True, True, False, False, True, True, True, False])


def test_no_image_is_attacked_that_the_reference_was_fitted_to(
    artifact, monkeypatch):
  """Else its density alone would tell members from others."""
  rng = np.random.default_rng(0)

  def images(n):
    return Images(rng.integers(0, 256, [n, 7, 6, 3]).astype(np.uint8),
                  (np.arange(n) % 2 * 2).astype(np.int32), artifact.class_names)

  fitted, scored = [], []
  log_prob, reference = membership.log_prob, membership.reference

  def seen_reference(z, labels, *rest):
    fitted.append(z)
    return reference(z, labels, *rest)

  def seen_log_prob(mixture, z, labels):
    scored.append(z)
    return log_prob(mixture, z, labels)

  monkeypatch.setattr(membership, 'reference', seen_reference)
  monkeypatch.setattr(membership, 'log_prob', seen_log_prob)
  source = from_arrays((images(8).images, None))
  subject = Subject(
      dataclasses.replace(source, class_names=artifact.class_names),
      lambda seed, n: (sampling.sample(artifact, 8), None), lambda: 1,
      artifact=artifact)
  got = membership.density_ratio(subject, images(24), images(20))
  assert (got['num_members'], got['num_others'], got['num_references']) == (
      24, 10, 10)
  [references] = fitted
  assert len(references) == 10 and [len(z) for z in scored] == [24, 24, 10, 10]
  for point in scored[-1]:
    assert not (references == point).all(axis=1).any()


def test_a_class_of_one_image_does_not_change_the_others(artifact, monkeypatch):
  """42 images of two latents are enough for full covariances."""
  fitted, reference = [], membership.reference

  def seen_reference(*args):
    fitted.append(reference(*args))
    return fitted[-1]

  class _Subject(Subject):
    class_names = artifact.class_names

  monkeypatch.setattr(membership, 'reference', seen_reference)
  rng = np.random.default_rng(0)
  labels = np.append(np.arange(84) % 2 * 2, 1).astype(np.int32)
  images = Images(rng.integers(0, 256, [85, 7, 6, 3]).astype(np.uint8), labels,
                  artifact.class_names)
  got = membership.density_ratio(
      _Subject(None, None, None, artifact=artifact), images, images)
  [density] = fitted
  assert (density.structures[0], density.structures[2]) == ('full', 'full')
  assert (got['num_members'], got['num_references']) == (84, 42)


def test_too_few_test_images_are_no_reference(artifact):
  one = Images(np.zeros([1, 7, 6, 3], np.uint8), np.zeros(1, np.int32),
               artifact.class_names)

  class _Subject(Subject):
    class_names = artifact.class_names

  subject = _Subject(None, None, None, artifact=artifact)
  assert membership.density_ratio(subject, one, one) == {
      'left_out': 'no class has enough test images'}


@pytest.mark.parametrize('n', [3, 10, 99])
def test_some_images_are_of_them_in_order(n):
  images = Images(np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1),
                  np.arange(50, dtype=np.int32), ())
  got = some(images, n, 0)
  assert len(got) == min(n, 50) and (np.diff(got.labels) > 0).all()
  np.testing.assert_array_equal(got.images[:, 0, 0, 0], got.labels)


def test_decoded_means_are_those_of_every_component(artifact):
  got = reconstruction.component_means(artifact)
  expected = [
      artifact.sampler.decode(artifact.mixture.loc[label, k][np.newaxis])[
          'image'].numpy()[0]
      for label, count in enumerate(artifact.num_components)
      for k in range(count) if artifact.class_counts[label]]
  np.testing.assert_array_equal(got, expected)


def test_an_image_that_is_a_decoded_mean_is_found_without_the_encoder(artifact):
  means = reconstruction.component_means(artifact)
  rng = np.random.default_rng(0)
  images = [Images(x.astype(np.uint8), np.arange(len(x)) % 3,
                   artifact.class_names) for x in (
                       means[np.arange(30) % len(means)],
                       rng.integers(0, 256, [30, *means.shape[1:]]))]
  train, test = [data.array_split(its.images, its.labels.astype(np.int32))
                 for its in images]
  alone = dataclasses.replace(artifact, encoder=None)
  found = membership.measure(Subject(
      Source('images', train, test, artifact.class_names),
      lambda seed, n: (sampling.sample(alone, 30, seed=seed), None),
      lambda: alone.num_bytes, Config(), MetricsConfig(), 1, Progress(),
      alone))
  assert found['components']['auc'] == 1.0
  assert found['reconstruction']['by'] == 'samples'
