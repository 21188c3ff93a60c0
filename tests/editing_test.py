"""Classes that leave, that change how frequent they are, and two artifacts that
become one."""

import dataclasses
import pathlib

import numpy as np
import pytest
from four_classes import (
  again,
  assert_same_class,
  components,
  COUNTS,
  NAMES,
  packed,
  SIZE,
)

import tfp_lgc
from tfp_lgc import packing
from tfp_lgc.config import ModelConfig
from tfp_lgc.errors import LgcError
from tfp_lgc.mixture import share, stack
from tfp_lgc.models import prior

GOLDENS = pathlib.Path(__file__).parent / 'goldens'


@pytest.fixture(scope='module', params=['vae', 'cvae'])
def whole(request):
  return packed(request.param)


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
      counts = packing.class_rows(whole.tensors, name, whole.num_components,
                                  whole.structures)
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
