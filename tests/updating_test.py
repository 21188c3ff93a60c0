"""New images of classes that an artifact has, or has not yet."""

import dataclasses

import numpy as np
import pytest
from four_classes import again, assert_same_class, components, NAMES, packed

import tfp_lgc
from tfp_lgc import data
from tfp_lgc.config import MixtureConfig
from tfp_lgc.errors import ArtifactError, DataError, LgcError
from tfp_lgc.mixture import stack


@pytest.fixture(scope='module')
def new():
  rng = np.random.default_rng(1)
  labels = np.array(['emu', 'yak'])[np.arange(30) % 2]
  return rng.integers(0, 256, [30, 7, 6, 3]).astype(np.uint8), labels


def test_new_images_make_new_mixtures(artifact, new):
  later = artifact.updated(*new)
  later = dataclasses.replace(again(later), encoder=artifact.encoder)
  assert later.class_names == ('ape', 'cat', 'emu', 'yak')
  assert later.class_counts == (*artifact.class_counts[:2], 15, 15)
  for name in ('ape', 'cat'):
    assert_same_class(later, name, artifact)
  # As close to the latents of the new images as one Gaussian of them is.
  split = data.array_split(new[0], np.zeros(30), keep_order=True)
  z = artifact.encoder.latents(split)
  for label, name in ((2, 'emu'), (3, 'yak')):
    mean = later.mixture.distribution(label).mean()
    step = float(later.tensors['mixture/loc'].steps[0])
    np.testing.assert_allclose(mean, z[new[1] == name].mean(axis=0),
                               atol=step + 0.01 * np.abs(z).max())
  for name, tensor in later.tensors.items():
    if artifact.tensors[name].values.any():
      np.testing.assert_array_equal(tensor.steps, artifact.tensors[name].steps)
  # What came can leave again, and be merged with what it came from.
  yak = later.without_class('ape').without_class('cat').without_class('emu')
  assert_same_class(tfp_lgc.merge(artifact, yak), 'yak', later)
  assert_same_class(later.without_class('yak'), 'ape', artifact)


def test_log_weights_of_single_components_have_no_step_to_keep():
  """They are zero, and a class of two components is not."""
  single = stack([components(1, i) for i in range(4)], ('full',) * 4)
  one = packed('ae', mixture=single)
  assert float(np.abs(one.mixture.logits).max()) < 1e-12
  # Dark ones and bright ones, each with some noise.
  images = np.random.default_rng(0).integers(0, 20, [40, 4, 3, 1])
  images[::2] += 235
  later = again(one.updated(images, ['yak'] * 40))
  assert later.num_components == (1, 1, 1, 1, 2)
  assert later.tensors['mixture/log_weights'].values.any()
  for name in NAMES:
    assert_same_class(later, name, one)
  np.testing.assert_allclose(
      np.exp(later.mixture.components(4).log_weights), 0.5, atol=0.02)
  ape = one.without_class('cat').without_class('emu').without_class('fox')
  both = again(tfp_lgc.merge(later.without_class('ape'), ape))
  for name in (*NAMES, 'yak'):
    assert_same_class(both, name, later)


def test_the_folder_of_a_run_can_be_updated(artifact, saved, new, tmp_path):
  opened = tfp_lgc.load_with_encoder(saved)
  later = opened.updated(*new)
  assert later.to_bytes() == artifact.updated(*new).to_bytes()
  later.save(tmp_path / 'later')
  again_updated = tfp_lgc.load_with_encoder(tmp_path / 'later').updated(*new)
  assert again_updated.to_bytes() == later.to_bytes()
  with pytest.raises(ArtifactError, match='load_with_encoder'):
    tfp_lgc.load(saved).updated(*new)


@pytest.mark.parametrize('images, labels, error', [
    (np.zeros([0, 7, 6, 3], np.uint8), [], LgcError),
    (np.zeros([2, 6, 6, 3], np.uint8), ['a', 'b'], LgcError),
    (np.zeros([2, 7, 6, 3], np.uint8), ['a'], DataError),
    (np.full([2, 7, 6, 3], 0.5), ['a', 'b'], DataError)], ids=range(4))
def test_images_of_another_form_are_refused(images, labels, error, artifact):
  with pytest.raises(error, match='images|labels'):
    artifact.updated(images, labels)


def test_a_decoder_that_is_told_labels_learns_no_new_class():
  whole = packed('cvae')
  images = np.zeros([6, 4, 3, 1], np.uint8)
  with pytest.raises(DataError, match="'dog' does not occur"):
    whole.updated(images, ['dog'] * 6)
  images = np.random.default_rng(0).integers(0, 256, [9, 4, 3, 1], np.uint8)
  later = again(whole.updated(images, ['cat'] * 9))
  assert later.class_counts == (5, 9, 8, 0)
  assert later.num_conditions == 4
  for name in ('ape', 'emu', 'fox'):
    assert_same_class(later, name, whole)
  # Whose encoder is told positions of another row of classes.
  assert whole.without_class('ape').encoder is None


def test_a_mixture_of_all_classes_is_not_updated(artifact, new):
  config = dataclasses.replace(
      artifact.encoder.config, mixture=MixtureConfig(latent_model='global'))
  other = dataclasses.replace(artifact, encoder=dataclasses.replace(
      artifact.encoder, config=config))
  with pytest.raises(LgcError, match='global.*anew'):
    other.updated(*new)
