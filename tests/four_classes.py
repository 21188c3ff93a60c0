"""Artifacts of four classes, of which each may leave, and what one class is."""

import numpy as np

from tfp_lgc.artifact import Artifact
from tfp_lgc.config import (
  CodecConfig,
  Config,
  MixtureConfig,
  ModelConfig,
)
from tfp_lgc.gaussians import Components
from tfp_lgc.mixture import stack
from tfp_lgc.models import build

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
