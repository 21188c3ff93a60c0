"""Mixtures as tensors: sizes by count, values within a quantization step."""

import tracemalloc

import numpy as np
import pytest
import tensorflow_probability as tfp

from tfp_lgc import codec, em, mixture, packing, texture
from tfp_lgc.covariance import COVARIANCES
from tfp_lgc.errors import ArtifactError
from tfp_lgc.gaussians import Components

tfd = tfp.distributions

SIZE, RANK = 4, 2


def _mixture(structures):
  x = np.random.default_rng(0).normal(size=[300, SIZE]) * [1, 2, 3, 4]
  counts = [1 + i for i in range(len(structures))]
  rows = [em.kmeans_start(x, count, 1e-3, 0, structure, RANK)
          for count, structure in zip(counts, structures)]
  # As they are packed, the lightest first.
  rows = [Components(*(part[np.argsort(row.log_weights, kind='stable')]
                       for part in row)) for row in rows]
  return counts, mixture.stack(rows, structures)


@pytest.mark.parametrize('structures', [
    *[(name,) * 3 for name in COVARIANCES], tuple(COVARIANCES),
    ('diag', 'full', 'diag', 'full')])
def test_what_is_packed_comes_back(structures):
  counts, original = _mixture(structures)
  tensors = packing.pack_mixture(original, 16, RANK)
  again = packing.unpack_mixture(tensors, counts, structures, SIZE, None)
  assert again.structures == structures
  assert again.num_components == tuple(counts)
  np.testing.assert_allclose(again.loc, original.loc, atol=1e-3)
  np.testing.assert_allclose(
      again.scale_tril @ np.swapaxes(again.scale_tril, 2, 3),
      original.scale_tril @ np.swapaxes(original.scale_tril, 2, 3), atol=2e-2)
  # As many numbers as BIC counts, and the one weight that the others imply.
  size = sum(tensor.values.size for tensor in tensors.values())
  assert size == sum(
      1 + mixture.num_params(count, SIZE, structure, RANK)
      for count, structure in zip(counts, structures))


@pytest.mark.parametrize('structure', COVARIANCES)
def test_components_are_packed_by_weight_as_what_they_were(structure):
  rng = np.random.default_rng(0)
  weights = np.array([0.4, 0.1, 0.3, 0.2])
  factors = np.tile(np.eye(SIZE), [4, 1, 1]) * (
      1 if structure == 'tied' else np.arange(1, 5)[:, np.newaxis, np.newaxis])
  loc = rng.normal(size=[4, SIZE])
  tensors = packing.pack_mixture(mixture.stack(
      [Components(np.log(weights), loc, factors)], [structure]), 16, 0)
  assert (np.diff(tensors['mixture/log_weights'].values) > 0).all()
  again = packing.unpack_mixture(tensors, [4], [structure], SIZE, None)
  order = [1, 3, 2, 0]
  np.testing.assert_allclose(np.exp(again.logits[0]), weights[order], rtol=1e-3)
  np.testing.assert_allclose(again.loc[0], loc[order], atol=2e-3)
  for got, k in zip(np.broadcast_to(again.scale_tril[0], factors.shape), order):
    np.testing.assert_allclose(got, factors[k], atol=2e-3)


@pytest.mark.parametrize('name', ['mixture/loc', 'mixture/log_weights',
                                  'mixture/scale_diag',
                                  'mixture/log_scale_full',
                                  'mixture/unit_full'])
def test_a_tensor_of_another_shape_is_refused(name):
  counts, original = _mixture(('diag', 'full'))
  tensors = packing.pack_mixture(original, 8, RANK)
  longer = tensors[name]._replace(
      values=np.concatenate([tensors[name].values] * 2))
  narrow = tensors[name]._replace(
      values=tensors[name].values[..., :-1], steps=tensors[name].steps[:1])
  thin = tensors[name]._replace(
      values=tensors[name].values[..., :1], steps=tensors[name].steps[:1])
  for broken in ({**tensors, name: longer}, {**tensors, name: narrow},
                 {**tensors, name: thin},
                 {k: v for k, v in tensors.items() if k != name}):
    with pytest.raises(ArtifactError, match=name):
      packing.unpack_mixture(broken, counts, ('diag', 'full'), SIZE, None)


@pytest.mark.parametrize('structure', COVARIANCES)
def test_shared_components_are_stored_once(structure):
  _, one = _mixture((structure,) * 3)
  logits = np.log([[0.2, 0.3, 0.5], [1e-6, 0.5, 0.5]])
  original = mixture.share(logits, one.components(2), structure)
  tensors = packing.pack_mixture(original, 16, RANK)
  [loc] = [tensor for name, tensor in tensors.items() if 'loc' in name]
  assert len(loc.values) == 3
  again = packing.unpack_mixture(tensors, (3, 3), (structure,), SIZE, None)
  np.testing.assert_allclose(again.logits, logits, atol=5e-3)
  np.testing.assert_allclose(again.loc, original.loc, atol=1e-3)


@pytest.mark.parametrize('num_classes, num_components, num_tensors', [
    (1, 3, 0), (4, 1, 0), (4, 3, 1)])
def test_a_prior_takes_no_bytes_but_its_weights_by_class(
    num_classes, num_components, num_tensors):
  prior = _mixture(('spherical',) * 3)[1].components(num_components - 1)
  logits = np.tile(prior.log_weights, [num_classes, 1])
  tensors = packing.pack_mixture(mixture.share(logits, prior, 'prior'), 8, RANK)
  assert len(tensors) == num_tensors
  counts = (num_components,) * num_classes
  again = packing.unpack_mixture(tensors, counts, ('prior',), SIZE, prior)
  np.testing.assert_array_equal(again.loc[0], prior.loc)
  np.testing.assert_allclose(again.logits, logits, atol=1e-2)
  with pytest.raises(ArtifactError, match='prior'):
    packing.unpack_mixture(tensors, counts, ('prior',), SIZE, None)


def test_a_texture_comes_back_and_one_of_another_shape_does_not():
  rng = np.random.default_rng(0)
  noise = texture.fit(*rng.integers(0, 256, [2, 20, 9, 8, 3], np.uint8))
  tensors = packing.pack_texture(noise)
  got = packing.unpack_texture(tensors, 3)
  for part, want in zip(got, noise):
    assert np.abs(part - want).max() <= 0.005 * np.abs(want).max()
  with pytest.raises(ArtifactError, match='texture/scale has shape'):
    packing.unpack_texture(tensors, 1)
  with pytest.raises(ArtifactError, match='texture/kernel is missing'):
    packing.unpack_texture({'texture/scale': tensors['texture/scale']}, 3)


@pytest.mark.parametrize('structure, name', [('full', 'mixture/scale_tril'),
                                             ('tied', 'mixture/scale_tied')])
def test_the_covariances_of_old_files_are_cholesky_factors(structure, name):
  structures = (structure, 'diag', structure)
  counts, original = _mixture(structures)
  tensors = packing.pack_mixture(original, 16, RANK)
  rows = []
  for label in (0, 2):
    factors = original.components(label).scale_tril
    rows += [[np.log(factor[i, j]) if i == j else factor[i, j]
              for i in range(SIZE) for j in range(i + 1)]
             for factor in (factors if structure == 'full' else factors[:1])]
  old = {key: tensor for key, tensor in tensors.items()
         if not key.endswith(structure)}
  old[name] = codec.quantize(np.array(rows), 16)
  old['mixture/loc'] = codec.quantize(np.concatenate([
      original.components(label).loc for label in range(3)]), 16)
  again = packing.unpack_mixture(old, counts, structures, SIZE, None)
  np.testing.assert_allclose(again.scale_tril, original.scale_tril, atol=1e-3)


def test_the_factor_of_many_tied_components_is_not_copied():
  size, count = 64, 500
  one = mixture.stack([Components(
      np.full(count, -np.log(count)), np.zeros([count, size]),
      np.broadcast_to(np.eye(size), [count, size, size]))] * 3, ('tied',) * 3)
  tracemalloc.start()
  try:
    packing.pack_mixture(one, 4, 0)
    _, peak = tracemalloc.get_traced_memory()
  finally:
    tracemalloc.stop()
  assert peak < 4 * count * size**2  # One class of them in float32.


@pytest.mark.parametrize('bits', [3, 4, 6, 8])
def test_tied_means_are_off_in_units_of_their_covariance(bits):
  """By half a step at the most, however narrow it is in whatever direction."""
  counts, original = _mixture(('tied', 'diag', 'tied'))
  tensors = packing.pack_mixture(original, bits, RANK)
  white = tensors['mixture/white_loc_tied']
  assert white.values.shape == (1 + 3, SIZE)
  assert len(tensors['mixture/loc'].values) == 2
  step = float(white.steps[0])
  assert 0 <= step / 2 ** (5.5 - bits) - 1 < 2**-7  # A bfloat16.
  again = packing.unpack_mixture(tensors, counts, original.structures, SIZE,
                                 None)
  for label in (0, 2):
    got, want = again.components(label), original.components(label)
    off = np.linalg.solve(got.scale_tril[0].astype(float),
                          (got.loc - want.loc).T.astype(float))
    assert np.abs(off).max() <= step / 2 * 1.001
  broken = {**tensors, 'mixture/white_loc_tied': white._replace(
      values=white.values + 2**14, steps=np.float32([2.0**120]))}
  with pytest.raises(ArtifactError, match='white_loc_tied.*not finite'):
    packing.unpack_mixture(broken, counts, original.structures, SIZE, None)


@pytest.mark.parametrize('structures, expected', [
    (('tied', 'diag'), True), (('full', 'diag'), False)])
def test_files_from_before_have_means_of_tied_components_beside_others(
    structures, expected):
  counts, original = _mixture(structures)
  tensors = packing.pack_mixture(original, 16, RANK)
  assert not packing.is_old(tensors)
  old = {name: tensor for name, tensor in tensors.items() if 'loc' not in name}
  loc = np.concatenate([original.components(label).loc for label in range(2)])
  old['mixture/loc'] = codec.quantize(loc, 16)
  assert packing.is_old(old) == expected
  again = packing.unpack_mixture(old, counts, structures, SIZE, None)
  np.testing.assert_allclose(again.loc[1], original.loc[1], atol=1e-3)
  assert packing.class_rows(old, 'mixture/loc', counts, structures) == counts


def test_narrow_and_wide_components_lose_alike():
  """KL divergence of TFP, which quantization in other units has not equal."""
  x = np.random.default_rng(0).normal(size=[300, SIZE]) @ np.array(
      [[1, 2, 0, 1], [0, 1, 1, 1], [0, 0, 1, 3], [0, 0, 0, 1.0]])
  one = em.kmeans_start(x, 1, 1e-6, 0)
  scales = np.float32([1e-3, 1.0, 1e3])
  original = mixture.stack([
      Components(one.log_weights, one.loc, scale * one.scale_tril)
      for scale in scales], ('full',) * 3)
  tensors = packing.pack_mixture(original, 8, RANK)
  again = packing.unpack_mixture(tensors, (1,) * 3, ('full',) * 3, SIZE, None)
  lost = [tfd.kl_divergence(*(
      tfd.MultivariateNormalTriL(scale_tril=m.scale_tril[label, 0].astype(
          np.float64)) for m in (original, again))).numpy()
          for label in range(3)]
  assert max(lost) < 0.02
