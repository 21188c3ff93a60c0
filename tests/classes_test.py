"""Classes are taken out of tensors and put back, integer by integer."""

import dataclasses

import numpy as np
import pytest

from tfp_lgc import classes, config, packing
from tfp_lgc.codec import quantize
from tfp_lgc.config import ModelConfig
from tfp_lgc.errors import LgcError
from tfp_lgc.gaussians import Components
from tfp_lgc.header import Header
from tfp_lgc.mixture import share, stack

NAMES, COUNTS = ('ape', 'cat', 'emu'), (5, 1, 0)
STRUCTURES = ('full', 'diag', 'full')
NUM_COMPONENTS = (2, 1, 3)
SIZE = 2


def _components(k, seed):
  rng = np.random.default_rng(seed)
  return Components(np.log(np.sort(rng.dirichlet(np.ones(k)))),
                    3 * rng.normal(size=[k, SIZE]),
                    np.tile(np.eye(SIZE), [k, 1, 1])
                    * rng.uniform(0.5, 2, size=[k, 1, 1]))


def _artifact(mixture=None, num_conditions=0):
  """Header and tensors of three classes."""
  mixture = mixture or stack([_components(k, k) for k in NUM_COMPONENTS],
                             STRUCTURES)
  rng = np.random.default_rng(0)
  header = Header(ModelConfig(latent_size=SIZE), (4, 3, 1), NAMES, COUNTS,
                  mixture.num_components, mixture.structures, num_conditions,
                  1.0)
  return header, {
      'decoder/hidden/kernel': quantize(
          rng.normal(size=[SIZE + num_conditions, 6]), 7),
      'decoder/hidden/bias': quantize(rng.normal(size=[6]), 8),
      'decoder/params/kernel': quantize(rng.normal(size=[6, 12]), 7),
      **packing.pack_mixture(mixture, 8, 0)}


def _assert_same(got, expected):
  assert set(got) == set(expected)
  for name, tensor in expected.items():
    assert got[name].bits == tensor.bits
    np.testing.assert_array_equal(got[name].steps, tensor.steps)
    np.testing.assert_array_equal(got[name].values, tensor.values)


@pytest.mark.parametrize('num_conditions', [0, 3])
def test_joined_is_the_inverse_of_taken_apart(num_conditions):
  header, tensors = _artifact(num_conditions=num_conditions)
  parts = classes.taken_apart(header, tensors)
  assert [part.name for part in parts] == list(NAMES)
  fields = classes.joined(header, tensors, parts)
  again = fields.pop('tensors')
  # The weight of a single component is 1, whatever it was rounded to.
  weights = tensors['mixture/log_weights']
  weights.values[NUM_COMPONENTS[0]] = 0
  _assert_same(again, tensors)
  for name, value in fields.items():
    assert getattr(header, name) == value
  dataclasses.replace(header, **fields).check()


def test_a_class_has_its_rows_alone():
  header, tensors = _artifact(num_conditions=3)
  ape, cat, emu = classes.taken_apart(header, tensors)
  loc = tensors['mixture/loc'].values
  for part, rows in ((ape, loc[:2]), (cat, loc[2:3]), (emu, loc[3:])):
    np.testing.assert_array_equal(part.tensors['mixture/loc'].values, rows)
  assert 'mixture/scale_diag' in cat.tensors
  assert not {'mixture/scale_diag'} & {*ape.tensors, *emu.tensors}
  kernel = tensors['decoder/hidden/kernel'].values
  np.testing.assert_array_equal(cat.condition.values, kernel[SIZE + 1:SIZE + 2])
  shared = classes.without_classes(header, tensors)
  assert set(shared) == {name for name in tensors if 'decoder' in name}
  np.testing.assert_array_equal(shared['decoder/hidden/kernel'].values,
                                kernel[:SIZE])


def test_an_order_of_classes_is_an_order_of_rows():
  header, tensors = _artifact(num_conditions=3)
  ape, cat, emu = classes.taken_apart(header, tensors)
  fields = classes.joined(header, tensors, [emu, ape])
  assert fields['class_names'] == ('emu', 'ape')
  assert fields['class_counts'] == (0, 5)
  assert fields['num_components'] == (3, 2)
  assert fields['num_conditions'] == 2
  kernel = tensors['decoder/hidden/kernel'].values
  np.testing.assert_array_equal(
      fields['tensors']['decoder/hidden/kernel'].values,
      kernel[[*range(SIZE), SIZE + 2, SIZE]])
  # Tensors of what is gone are gone.
  assert 'mixture/scale_diag' not in fields['tensors']


def test_new_mixtures_come_in_the_steps_that_stand():
  header, tensors = _artifact()
  parts = classes.taken_apart(header, tensors)
  new = stack([_components(2, 9)], ('full',))
  [yak] = classes.fitted(config.Config(), new, ['yak'], [4], parts)
  assert (yak.name, yak.size, yak.num_components) == ('yak', 4, 2)
  step = tensors['mixture/loc'].steps
  np.testing.assert_array_equal(yak.tensors['mixture/loc'].steps, step)
  np.testing.assert_allclose(step * yak.tensors['mixture/loc'].values,
                             new.loc[0], atol=0.5001 * float(step[0]))


def test_components_of_all_classes_cannot_be_told_apart():
  header, tensors = _artifact(share(np.zeros([3, 2]), _components(2, 0),
                                    'full'))
  with pytest.raises(LgcError, match='global.*compress the data anew'):
    classes.taken_apart(header, tensors)


def test_tied_means_of_earlier_files_are_not_put_beside_others():
  mixture = stack([_components(2, 0), _components(1, 1), _components(3, 2)],
                  ('tied', 'diag', 'tied'))
  header, tensors = _artifact(mixture)
  ape, cat, emu = classes.taken_apart(header, tensors)
  old = ape._replace(tensors={
      name.replace('white_loc_tied', 'loc'): tensor
      for name, tensor in ape.tensors.items()})
  assert 'mixture/loc' in old.tensors
  classes.joined(header, tensors, [old, cat])
  with pytest.raises(LgcError, match='b: .*earlier format.*compress'):
    classes.joined(header, tensors, [old, cat, emu])


def test_latents_out_of_reach_are_refused():
  tensor = quantize(np.ones([2, 2]), 8)
  with pytest.raises(LgcError, match='^b: .*too far'):
    classes._like(tensor, np.full([1, 2], 1e6), 'b')
