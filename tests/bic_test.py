"""BIC curves of an artifact against those of its run, and scikit-learn's."""

import dataclasses

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

import tfp_lgc
from tfp_lgc import arrays
from tfp_lgc import progress as progress_lib
from tfp_lgc.config import Config, replace
from tfp_lgc.errors import LgcError
from tfp_lgc.metrics import bic, registry
from tfp_lgc.metrics.subject import Subject

TINY = dict(model='vae', epochs=5, batch_size=32, latent_size=2, hidden_size=8,
            num_components_max=3, num_restarts=1)


def _source():
  rng = np.random.default_rng(0)
  labels = np.arange(200) % 2
  images = (rng.integers(0, 120, [200, 6, 5, 1]) + 120 * labels[
      :, np.newaxis, np.newaxis, np.newaxis]).astype(np.uint8)
  return arrays.from_arrays((images, labels))


def _measured(records=None, **settings):
  source = _source()
  progress = progress_lib.Progress()
  if records is not None:
    progress.record = lambda **row: records.append(row)
  artifact = tfp_lgc.compress(source, progress=progress, **{**TINY, **settings})
  subject = Subject(source, lambda seed, n: None, lambda: 0, Config(),
                    artifact=artifact)
  registry.check({'bic': True}, subject)
  return subject, bic.measure(subject)


@pytest.fixture(scope='module')
def measured():
  records = []
  subject, result = _measured(records, covariance='auto')
  return subject, result, {row['class_name']: row['bic'] for row in records
                           if row['event'] == 'bic'}


def test_they_are_those_of_the_run(measured):
  subject, result, of_run = measured
  assert set(result['curves']) == set(of_run) == set(subject.class_names)
  for name, curve in of_run.items():
    assert set(result['curves'][name]) == set(curve)
    for structure, values in curve.items():
      np.testing.assert_allclose(result['curves'][name][structure], values,
                                 atol=0.051)
  artifact = subject.artifact
  assert list(result['num_components'].values()) == list(
      artifact.num_components)
  assert list(result['structures'].values()) == list(artifact.structures)


def test_of_one_gaussian_it_is_that_of_scikit_learn(measured):
  subject, result, _ = measured
  encoder = subject.artifact.encoder
  encoded = encoder.model.encode_all(subject.source.train)
  total = 0.0
  for label, name in enumerate(subject.class_names):
    own = encoded.draw[encoded.labels == label]
    points = own[:, encoder.kept].astype(float)
    theirs = {structure: GaussianMixture(1, covariance_type=structure).fit(
        points).bic(points) for structure in ('full', 'diag', 'spherical')}
    for structure, value in theirs.items():
      assert result['curves'][name][structure][0] == pytest.approx(value,
                                                                   rel=1e-3)
    total += min(values[0] for values in result['curves'][name].values())
  assert result['bic_one'] == pytest.approx(total, abs=0.7)  # Rounded.
  assert result['bic'] <= result['bic_one']


def test_of_shared_components_it_is_one_curve():
  _, result = _measured(latent_model='global', covariance='full')
  assert set(result['curves']) == {'all'}
  assert result['num_components'] == {'all': bic.lowest(
      result['curves']['all'])[1]}


def test_mixtures_priced_in_bytes_have_curves_all_the_same():
  _, result = _measured(selection='bytes', covariance='diag')
  assert all(len(curve['diag']) >= 1 for curve in result['curves'].values())


@pytest.mark.parametrize('settings', [
    dict(model='cvae', latent_model='prior'), dict(dp_epsilon=1.0)],
                         ids=['prior', 'dp_epsilon'])
def test_where_no_number_was_chosen_there_is_none(measured, settings):
  subject = measured[0]
  encoder = dataclasses.replace(subject.artifact.encoder,
                                config=replace(Config(), **settings))
  artifact = dataclasses.replace(subject.artifact, encoder=encoder)
  with pytest.raises(LgcError, match='metric bic.*no number of components'):
    registry.check({'bic': True},
                   dataclasses.replace(subject, artifact=artifact))


@pytest.mark.parametrize('curve, expected', [
    ({'full': [3.0, 2.0, 2.5], 'diag': [4.0, 2.0]}, ('full', 2)),
    ({'full': [3.0], 'diag': [4.0, 1.0, 1.0]}, ('diag', 2))])
def test_the_lowest_is_the_first_of_equals(curve, expected):
  assert bic.lowest(curve) == expected
