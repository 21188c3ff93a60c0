"""Classes that leave, come, or change how frequent they are."""

import dataclasses
import pathlib

import numpy as np
import pytest

import tfp_lgc
from tfp_lgc import data, packing
from tfp_lgc.artifact import Artifact
from tfp_lgc.config import (
  CodecConfig,
  Config,
  MixtureConfig,
  ModelConfig,
)
from tfp_lgc.em import Components
from tfp_lgc.errors import ArtifactError, DataError, LgcError
from tfp_lgc.mixture import share, stack
from tfp_lgc.models import build, prior

GOLDENS = pathlib.Path(__file__).parent / 'goldens'
NAMES = ('ape', 'cat', 'emu', 'fox')
COUNTS = (5, 1, 8, 0)
STRUCTURES = ('full', 'tied', 'full', 'low_rank')
SIZE = 3


def components(k, seed):
  rng = np.random.default_rng(seed)
  factors = np.tile(np.tril(0.2 * rng.normal(size=[SIZE, SIZE])), [k, 1, 1])
  factors[:, range(SIZE), range(SIZE)] = 0.5 + rng.uniform(size=SIZE)
  return Components(np.log(rng.dirichlet(np.ones(k))),
                    3 * rng.normal(size=[k, SIZE]), factors)


def packed(model='vae', mixture=None, **settings):
  """An artifact of four classes with mixtures of 2, 3, 1 and 2 components."""
  config = Config(
      model=ModelConfig(model=model, latent_size=SIZE, hidden_size=5,
                        prior_num_components=3),
      mixture=MixtureConfig(covariance_rank=1, num_components_max=2),
      codec=CodecConfig(decoder_bits=7, mixture_bits=8))
  return Artifact.pack(
      build(config, (4, 3, 1), 4),
      mixture or stack([components(k, k) for k in (2, 3, 1, 2)], STRUCTURES),
      NAMES, COUNTS, config, **settings)


@pytest.fixture(scope='module', params=['vae', 'cvae'])
def whole(request):
  return packed(request.param)


def again(artifact):
  """As it comes out of its file."""
  return Artifact.from_bytes(artifact.to_bytes())


def assert_same_class(artifact, name, other, other_name=None):
  """The very same numbers, to the last bit; a weight of 1 is 1."""
  i = artifact.class_names.index(name)
  j = other.class_names.index(other_name or name)
  assert artifact.num_components[i] == other.num_components[j]
  assert artifact.structures[i] == other.structures[j]
  got, expected = (artifact.mixture.components(i),
                   other.mixture.components(j))
  np.testing.assert_array_equal(got.loc, expected.loc)
  np.testing.assert_array_equal(got.scale_tril, expected.scale_tril)
  np.testing.assert_allclose(got.log_weights, expected.log_weights, rtol=0,
                             atol=1e-12)


def decoded(artifact, name):
  """What the decoder makes of some latents of a class."""
  z = np.random.default_rng(0).normal(size=[20, SIZE]).astype(np.float32)
  labels = np.full(20, artifact.class_names.index(name), np.int32)
  inputs = [z, labels] if artifact.num_conditions else [z]
  return artifact.sampler.decode(*inputs)['image'].numpy().astype(int)


# A class leaves.


@pytest.mark.parametrize('name', NAMES)
def test_what_stays_is_what_it_was(name, whole):
  rest = again(whole.without_class(name))
  left = [i for i in range(4) if NAMES[i] != name]
  assert rest.class_names == tuple(NAMES[i] for i in left)
  assert rest.class_counts == tuple(COUNTS[i] for i in left)
  assert rest.num_conditions == (3 if whole.num_conditions else 0)
  for other in rest.class_names:
    assert_same_class(rest, other, whole)
  for key, tensor in rest.tensors.items():
    before = whole.tensors[key]
    assert tensor.bits == before.bits
    np.testing.assert_array_equal(tensor.steps, before.steps)
    if not key.startswith('mixture/') and key != 'decoder/hidden/kernel':
      np.testing.assert_array_equal(tensor.values, before.values)
  # But for the order in which a sum is rounded.
  other = rest.class_names[-1]
  assert np.abs(decoded(rest, other) - decoded(whole, other)).max() <= 1


@pytest.mark.parametrize('label', range(4))
def test_the_numbers_of_a_class_are_in_the_file_no_more(label, whole):
  """Its rows, as packing.py lays them out, are what is missing."""
  rest = again(whole.without_class(NAMES[label]))
  assert f"'{NAMES[label]}'" not in str(rest.to_json())
  for name, tensor in whole.tensors.items():
    if name.startswith('mixture/'):
      counts = packing.class_rows(name, whole.num_components, whole.structures)
    elif name == 'decoder/hidden/kernel' and whole.num_conditions:
      # Rows of latents come first.
      np.testing.assert_array_equal(
          rest.tensors[name].values, np.delete(tensor.values, SIZE + label, 0))
      continue
    else:
      continue
    rows = np.split(tensor.values, np.cumsum(counts)[:-1])
    expected = np.concatenate(rows[:label] + rows[label + 1:])
    if len(expected):
      np.testing.assert_array_equal(rest.tensors[name].values, expected)
    else:  # The only class of its structure.
      assert name not in rest.tensors


def test_a_class_of_low_rank_takes_its_tensor_with_it(whole):
  assert 'mixture/scale_low_rank' in whole.tensors
  rest = whole.without_class('fox')
  assert 'mixture/scale_low_rank' not in rest.tensors
  assert rest.num_bytes < whole.num_bytes


def test_samples_of_what_stays_are_the_same(whole):
  rest = whole.without_class('cat')
  before = tfp_lgc.sample(whole, 300, labels='emu', seed=1).images.astype(int)
  after = tfp_lgc.sample(rest, 300, labels='emu', seed=1).images.astype(int)
  assert np.abs(before - after).max() <= 1
  assert set(tfp_lgc.sample(rest, 300).labels) == {0, 1}
  with pytest.raises(LgcError, match="'cat' is no class"):
    tfp_lgc.sample(rest, 1, labels='cat')


def test_a_number_is_the_name_of_a_class(whole):
  numbered = dataclasses.replace(whole, class_names=('7', '5', '1', '0'))
  assert numbered.without_class(5).class_names == ('7', '1', '0')


def test_a_class_that_cannot_leave_is_named(whole):
  with pytest.raises(LgcError, match="'dog'.*choose from ape, cat"):
    whole.without_class('dog')
  one = whole.without_class('fox').without_class('cat').without_class('emu')
  assert again(one).class_names == ('ape',)
  assert_same_class(again(one), 'ape', whole)
  with pytest.raises(LgcError, match='only class'):
    one.without_class('ape')
  rest = whole.without_class('ape').without_class('cat')
  with pytest.raises(LgcError, match='without images'):
    rest.without_class('emu')


def test_components_of_all_classes_cannot_be_told_apart():
  shared = packed(mixture=share(np.zeros([4, 3]), components(3, 0), 'full'))
  for edit in (lambda: shared.without_class('ape'),
               lambda: tfp_lgc.merge(shared, dataclasses.replace(
                   shared, class_names=tuple('abcd')))):
    with pytest.raises(LgcError, match='global.*compress the data anew'):
      edit()
  assert shared.reweighted({'ape': 2}).class_counts == (10, 1, 8, 0)


def test_of_a_prior_a_class_has_its_weights_alone():
  config = ModelConfig(model='gmm_dae', latent_size=SIZE,
                       prior_num_components=3)
  logits = np.log(np.random.default_rng(0).dirichlet(np.ones(3), size=4))
  whole = packed('gmm_dae', share(logits, prior(config), 'prior'))
  rest = again(whole.without_class('cat'))
  for name in rest.class_names:
    i, j = rest.class_names.index(name), NAMES.index(name)
    np.testing.assert_array_equal(rest.mixture.logits[i],
                                  whole.mixture.logits[j])
  with pytest.raises(LgcError, match='weights of the prior'):
    rest.without_class('ape').without_class('fox')


def test_without_weights_there_is_nothing_but_the_row_of_the_decoder():
  config = ModelConfig(model='cvae', latent_size=SIZE)
  whole = packed('cvae', share(np.zeros([4, 1]), prior(config), 'prior'))
  rest = again(whole.without_class('ape').without_class('cat'))
  assert (rest.structures, rest.num_conditions) == (('prior',), 2)
  assert np.abs(decoded(rest, 'emu') - decoded(whole, 'emu')).max() <= 1
  assert (decoded(rest, 'emu') != decoded(rest, 'fox')).any()
  assert tfp_lgc.merge(rest, again(whole.without_class('emu').without_class(
      'fox'))).class_names == ('emu', 'fox', 'ape', 'cat')


def test_files_of_older_versions_can_be_edited_too():
  """Their tensors have a step per column."""
  whole = tfp_lgc.load(GOLDENS / 'v1' / 'dense.lgc')
  name, *others = whole.class_names
  rest = again(whole.without_class(name))
  for other in others:
    assert_same_class(rest, other, whole)


# How frequent classes are.


def test_frequencies_are_multiplied(whole):
  heavier = again(whole.reweighted({'ape': 2.0, 'emu': 0.5, 'fox': 9}))
  assert heavier.class_counts == (10, 1, 4, 0)
  np.testing.assert_allclose(
      np.exp(heavier.sampler.log_prior), np.array([10, 1, 4, 0]) / 15,
      rtol=1e-6)
  for name, tensor in heavier.tensors.items():
    np.testing.assert_array_equal(tensor.values, whole.tensors[name].values)
  drawn = tfp_lgc.sample(heavier, 3000).labels
  np.testing.assert_allclose(np.bincount(drawn) / 3000,
                             np.array([10, 1, 4]) / 15, atol=0.03)


@pytest.mark.parametrize('factor, count', [
    (0.1, 1), (1e-9, 1), (0.5, 3), (0.49, 2), (1, 5), (1.1, 6), (1000, 5000)])
def test_counts_are_rounded_half_up_and_stay_above_zero(factor, count, whole):
  assert whole.reweighted({'ape': factor}).class_counts == (count, 1, 8, 0)


@pytest.mark.parametrize('factors, words', [
    ({'dog': 1}, "'dog'.*choose from"), ({'ape': 0}, 'without_class'),
    ({'ape': -1}, 'positive'), ({'ape': float('nan')}, 'positive'),
    ({'ape': float('inf')}, 'positive'), ({'ape': 'x'}, 'positive'),
    ({'ape': True}, 'positive'), ({'ape': 1e300}, 'divide')], ids=str)
def test_other_factors_are_refused(factors, words, whole):
  with pytest.raises(LgcError, match=words):
    whole.reweighted(factors)


def test_a_factor_that_no_float_holds_is_refused(whole):
  with pytest.raises(LgcError, match='2.53 images or more'):
    whole.reweighted({'ape': 10**400})


# Two become one.


def test_parts_make_the_whole_again(whole):
  a = whole.without_class('ape').without_class('fox')
  b = whole.without_class('cat').without_class('emu')
  both = again(tfp_lgc.merge(again(b), again(a)))
  assert both.class_names == ('ape', 'fox', 'cat', 'emu')
  assert both.class_counts == (5, 0, 1, 8)
  for name in NAMES:
    assert_same_class(both, name, whole)
    np.testing.assert_array_equal(decoded(both, name).shape, (20, 4, 3, 1))
    assert np.abs(decoded(both, name) - decoded(whole, name)).max() <= 1


def test_what_was_rounded_otherwise_is_rounded_to_the_steps_of_the_first():
  a = packed()
  b = dataclasses.replace(
      packed(mixture=stack([components(k, 9) for k in (1, 2, 2, 1)],
                           ('full',) * 4)), class_names=tuple('wxyz'))
  both = again(tfp_lgc.merge(a, b))
  for name in NAMES:
    assert_same_class(both, name, a)
  step = float(a.tensors['mixture/loc'].steps[0])
  for name in 'wxyz':
    i, j = both.class_names.index(name), b.class_names.index(name)
    got, expected = both.mixture.components(i), b.mixture.components(j)
    assert np.abs(got.loc - expected.loc).max() <= step / 2 * (1 + 1e-5)
    np.testing.assert_allclose(
        got.scale_tril, expected.scale_tril, atol=0.1)


def test_only_artifacts_of_one_decoder_are_merged(whole):
  a, b = whole.without_class('ape'), whole.without_class('cat')
  with pytest.raises(LgcError, match="class 'emu'.*without_class"):
    tfp_lgc.merge(a, b)
  b = b.without_class('emu').without_class('fox')
  bias = whole.tensors['decoder/params/bias']
  other = bias._replace(values=bias.values[::-1] + 1)
  with pytest.raises(LgcError, match='another decoder/params/bias'):
    tfp_lgc.merge(a, b.replaced({'decoder/params/bias': other}))
  with pytest.raises(LgcError, match='another texture/scale'):
    tfp_lgc.merge(a, b.replaced({'texture/scale': other}))
  with pytest.raises(LgcError, match='another temperature'):
    tfp_lgc.merge(a, dataclasses.replace(b, temperature=2.0))
  with pytest.raises(LgcError, match='another model'):
    tfp_lgc.merge(a, dataclasses.replace(b, model=dataclasses.replace(
        b.model, hidden_size=6)))
  with pytest.raises(LgcError, match='b: got str; must be an Artifact'):
    tfp_lgc.merge(a, 'out')


# New images.


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
