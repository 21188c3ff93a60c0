"""Mixtures priced in bytes, against scikit-learn, a code and brute force."""

import itertools
import math

import numpy as np
import pytest
from sklearn import mixture as sk_mixture

from tfp_lgc import allocation, codec, latent
from tfp_lgc.allocation import Candidate
from tfp_lgc.config import Config, replace
from tfp_lgc.covariance import COVARIANCES
from tfp_lgc.errors import ConfigError
from tfp_lgc.gaussians import Components
from tfp_lgc.mixture import stack
from tfp_lgc.packing import pack_mixture


@pytest.fixture(scope='module')
def clusters():
  """900 points of three clusters in three dimensions."""
  rng = np.random.default_rng(0)
  return (rng.normal(size=[900, 3])
          + 6.0 * np.eye(3)[np.arange(900) % 3]).astype(np.float32)


def _theirs(components):
  """A scikit-learn mixture of the same parameters."""
  theirs = sk_mixture.GaussianMixture(len(components.loc))
  theirs.weights_ = np.exp(components.log_weights)
  theirs.means_ = components.loc
  theirs.precisions_cholesky_ = np.linalg.inv(
      components.scale_tril).transpose(0, 2, 1)
  return theirs


@pytest.mark.parametrize('structure', COVARIANCES)
def test_a_code_length_is_the_likelihood_of_scikit_learn(structure, clusters):
  config = replace(Config(), covariance=structure, num_components_max=4)
  found = allocation.candidates(clusters, config, floor=1e-6)
  assert {candidate.structure for candidate in found} == {structure}
  for candidate in found:
    theirs = _theirs(candidate.components).score_samples(clusters).sum()
    assert candidate.code_length == pytest.approx(-theirs / math.log(2),
                                                  rel=1e-5)


@pytest.mark.parametrize('structure', COVARIANCES)
def test_bits_are_nearly_those_of_the_file(structure):
  rng = np.random.default_rng(1)
  x = rng.normal(size=[3000, 8]) + rng.normal(size=[30, 8])[
      np.arange(3000) % 30] * 5
  config = replace(Config(), covariance=structure, num_components_max=30,
                   mixture_bits=6, max_iterations=20)
  largest = allocation.candidates(x, config, floor=1e-3)[-1]
  tensors = pack_mixture(stack([largest.components], [structure]), 6, 4)
  coded = sum(len(codec.encode_smallest(tensor)[1])
              for tensor in tensors.values())
  # Frequencies have to be learned: up to a byte for each of 2^6 integers.
  assert 0 <= coded - largest.num_bits / 8 < 64 * len(tensors)


@pytest.mark.parametrize('shape', [(1000, 24), (24, 1000)])
def test_columns_or_rows_of_other_scales_take_fewer_bits(shape):
  scales = np.logspace(-1.5, 0, 24)
  x = np.random.default_rng(0).normal(size=shape) * (
      scales if shape[1] == 24 else scales[:, np.newaxis])
  tensor = codec.quantize(x, 6)
  got = allocation._code_bits(tensor.values) / 8
  name, code = codec.encode_smallest(tensor)
  assert name == ('ans_columns' if shape[1] == 24 else 'ans_rows')
  assert got < 0.9 * codec.entropy_bits(tensor.values) / 8
  assert got == pytest.approx(len(code), rel=0.02)


def test_means_of_which_some_latents_tell_much_take_fewer_bits():
  """By frequencies of each, not of all numbers of a tensor."""
  rng = np.random.default_rng(0)
  loc = rng.normal(size=[400, 8]) * np.logspace(-1, 1.5, 8)
  components = Components(np.full(400, -np.log(400)), loc,
                          np.tile(np.eye(8), [400, 1, 1]))
  config = replace(Config(), mixture_bits=6)
  got = allocation.num_bits(components, 'tied', config)
  tensors = pack_mixture(stack([components], ['tied']), 6, 4)
  coded = 8 * sum(len(codec.encode_smallest(tensor)[1])
                  for tensor in tensors.values())
  assert got == pytest.approx(coded, rel=0.1)
  assert got < 0.95 * sum(codec.entropy_bits(tensor.values)
                          for tensor in tensors.values())


@pytest.mark.parametrize('structure', COVARIANCES)
def test_candidates_are_the_same_from_arrays(structure):
  x = np.random.default_rng(0).normal(size=[60, 3])
  config = replace(Config(), num_components_max=4, covariance=structure)
  before = allocation.candidates(x, config, 1e-6)
  arrays = allocation.to_arrays(before)
  if structure == 'tied':  # One factor, however many components.
    assert {arrays[f'{i}:scale_tril'].shape for i in range(len(before))} == {
        (1, 3, 3)}
  after = allocation.from_arrays(arrays)
  assert len(after) == len(before) > 1
  for one, other in zip(before, after):
    assert one[1:] == other[1:]
    for part, same in zip(one.components, other.components):
      np.testing.assert_array_equal(part, same)


def test_sizes_grow_up_to_the_bits_that_are_allowed():
  x = np.random.default_rng(0).uniform(size=[2000, 2])
  config = replace(Config(), num_components_max=40, covariance='tied')
  few, many = [allocation.candidates(x, config, 1e-6, max_bits)
               for max_bits in (150.0, 4000.0)]
  assert all(candidate.num_bits <= 150 for candidate in few)
  assert len(many) > len(few)
  sizes = [len(candidate.components.loc) for candidate in many]
  assert sizes == sorted(set(sizes)) and sizes[:4] == [1, 2, 3, 4]


def test_three_clusters_are_described_by_three_components(clusters):
  config = replace(Config(), covariance='auto')
  found = allocation.candidates(clusters, config, floor=1e-6)
  assert len(allocation.cheapest(found).components.loc) == 3


def _curve(rng):
  """Candidates of one class: more bits, shorter code."""
  bits = np.sort(rng.integers(1, 100, 4)).astype(float)
  lengths = np.sort(rng.integers(0, 400, 4))[::-1].astype(float)
  return [Candidate(None, 'full', length, num_bits)
          for length, num_bits in zip(lengths, bits)]


def _total(picks):
  """Bits in the file and of the code of the points."""
  return (sum(pick.num_bits for pick in picks),
          sum(pick.code_length for pick in picks))


def _best(by_class, num_bits):
  """The shortest code of all choices that fit, by brute force."""
  return min(_total(picks)[1] for picks in itertools.product(*by_class)
             if _total(picks)[0] <= num_bits)


@pytest.mark.parametrize('price', [0.25, 1.0, 3.0, 20.0])
@pytest.mark.parametrize('seed', range(5))
def test_no_other_choice_of_as_few_bits_is_better(seed, price):
  """Everett's theorem (Operations Research 1963)."""
  rng = np.random.default_rng(seed)
  by_class = [_curve(rng) for _ in range(4)]
  used, length = _total([allocation.cheapest(choices, price)
                         for choices in by_class])
  assert length == _best(by_class, used)


@pytest.mark.parametrize('seed', range(20))
def test_what_is_allocated_fits_and_is_nearly_the_best(seed):
  rng = np.random.default_rng(seed)
  by_class = [_curve(rng) for _ in range(4)]
  least = sum(choices[0].num_bits for choices in by_class)
  most = _total([choices[0] for choices in by_class])[1]
  for total in (least, 1.3 * least, 2 * least, 10 * least):
    picks = allocation.allocate(by_class, total)
    used, length = _total(picks)
    assert used <= total
    # Of what there is to gain, nearly all, and nothing that would still fit.
    assert most - length >= 0.8 * (most - _best(by_class, total))
    for pick, choices in zip(picks, by_class):
      for other in choices:
        gain = pick.code_length - other.code_length
        bits = other.num_bits - pick.num_bits
        assert gain <= allocation.MIN_PRICE * bits or used + bits > total


def test_what_cannot_fit_is_as_small_as_it_can_be():
  by_class = [_curve(np.random.default_rng(seed)) for seed in range(3)]
  picks = allocation.allocate(by_class, 0.0)
  assert picks == [choices[0] for choices in by_class]


def test_more_bits_a_number_buy_fewer_components():
  rng = np.random.default_rng(0)
  labels = np.arange(80) % 2
  x = rng.normal(0, 0.1, [80, 2]) + rng.integers(0, 3, [80, 2])

  def count(bits):
    config = replace(Config(), selection='bytes', covariance='diag',
                     mixture_bits=bits, num_components_max=20)
    mixture, records = latent.fit(x, labels, 2, config)
    assert [row['event'] for row in records] == ['bytes', 'bytes']
    return sum(mixture.num_components)

  assert count(4) > count(14)


def test_a_class_without_an_image_takes_the_smallest_mixture():
  x = np.random.default_rng(0).normal(size=[50, 2])
  mixture, _ = latent.fit(x, np.zeros(50, int), 2,
                          replace(Config(), selection='bytes'))
  assert mixture.num_components[1] == 1


def test_one_mixture_for_all_classes_has_no_bytes_by_class():
  with pytest.raises(ConfigError, match='selection'):
    latent.check(replace(Config(), selection='bytes', latent_model='global'), 2)
