"""An artifact in memory and as bytes: what is packed, and what a file says."""

import dataclasses
import os
import struct

import numpy as np
import pytest
import tensorflow_probability as tfp

import tfp_lgc
from tfp_lgc import container, models
from tfp_lgc.codec import CODECS, dequantize, quantize
from tfp_lgc.config import CodecConfig, Config, ModelConfig
from tfp_lgc.errors import ArtifactError
from tfp_lgc.header import DRAWING, OPTIONAL_DRAWING, TRAINING
from tfp_lgc.mixture import Mixture

tfd = tfp.distributions


# Bytes.


def test_bytes_are_an_artifact_and_back(artifact):
  content = artifact.to_bytes()
  again = tfp_lgc.Artifact.from_bytes(content)
  assert again.to_bytes() == content
  for field in ('model', 'image_shape', 'class_names', 'class_counts',
                'num_components'):
    assert getattr(again, field) == getattr(artifact, field)
  assert again.class_names == ('ape', 'cat', 'emu')
  assert again.class_counts == (32, 1, 31)
  assert again.image_shape == (7, 6, 3)


def test_num_bytes_is_the_size_on_disk(artifact, saved):
  assert artifact.num_bytes == os.path.getsize(saved / 'artifact.lgc')


def test_the_parts_are_the_whole(artifact):
  parts = artifact.num_bytes_by_part
  assert list(parts) == ['decoder', 'mixture', 'labels', 'header']
  assert sum(parts.values()) == artifact.num_bytes
  # Only its part grows with a part.
  more = dataclasses.replace(artifact, class_names=('x' * 9, 'y' * 9, '?!,;z'))
  wide = dataclasses.replace(artifact, tensors={
      name: quantize(np.random.default_rng(0).normal(size=tensor.values.shape),
                     16) if name.startswith('mixture/') else tensor
      for name, tensor in artifact.tensors.items()})
  assert more.num_bytes_by_part['labels'] > parts['labels']
  assert wide.num_bytes_by_part['mixture'] > parts['mixture']
  for other, changed in ((more, 'labels'), (wide, 'mixture')):
    same = {key: value for key, value in other.num_bytes_by_part.items()
            if key not in (changed, 'header')}
    assert same.items() <= parts.items()


def test_a_header_is_small(artifact):
  """With the checksum; a file of 32 kB may have 600 bytes of it and tables."""
  parts = artifact.num_bytes_by_part
  assert 32 + 12 < parts['header'] + parts['labels'] < 300


# What is packed.


@pytest.fixture(scope='module', params=[4, 8, 16])
def packed(request):
  """A mixture made by hand, and an artifact of it."""
  config = Config(model=ModelConfig(latent_size=4, hidden_size=3),
                  codec=CodecConfig(decoder_bits=request.param,
                                    mixture_bits=request.param))
  rng = np.random.default_rng(0)
  factors = np.tril(0.3 * rng.normal(size=[3, 2, 4, 4])) + np.diag(
      [0.01, 0.5, 1.0, 20.0])
  diagonal = np.abs(np.diagonal(factors, axis1=2, axis2=3))
  factors[..., range(4), range(4)] = diagonal
  mixture = Mixture(
      np.log(np.array([[0.3, 0.7], [1.0, 0.0], [0.001, 0.999]],
                      np.float32), where=[[True, True], [True, False],
                                          [True, True]],
             out=np.full([3, 2], -np.inf, np.float32)),
      (5 * rng.normal(size=[3, 2, 4])).astype(np.float32),
      factors.astype(np.float32), ('full',) * 3)
  model = models.vae(dataclasses.replace(config, seed=1), (2, 3, 1), 3)
  return request.param, mixture, model, tfp_lgc.Artifact.pack(
      model, mixture, ['0', '1', '2'], np.array([5, 1, 2]), config)


def test_each_mixture_keeps_its_components(packed):
  _, mixture, _, artifact = packed
  assert artifact.num_components == (2, 1, 2)
  assert artifact.mixture.num_components == mixture.num_components


def test_a_covariance_is_off_by_its_quantization_at_the_most(packed):
  """Of U S^2 U^T the logarithms of S and what U has below its diagonal."""
  bits, mixture, _, artifact = packed
  unit_step, log_step = [
      float(artifact.tensors[f'mixture/{name}_full'].steps[0])
      for name in ('unit', 'log_scale')]
  for label, k in ((0, 0), (0, 1), (1, 0), (2, 0), (2, 1)):
    factor = mixture.scale_tril[label, k].astype(float)
    got = artifact.mixture.scale_tril[label, k].astype(float)
    scale, got_scale = np.diag(factor), np.diag(got)
    assert (np.abs(np.log(got_scale / scale)) <= log_step / 2 + 1e-6).all()
    error = np.abs(got / got_scale - factor / scale)
    assert (error <= unit_step / 2 * (1 + 1e-5) + 1e-6).all()
    np.testing.assert_array_equal(got, np.tril(got))
    if bits == 16:
      np.testing.assert_allclose(got @ got.T, factor @ factor.T, rtol=2e-3,
                                 atol=2e-3)


def test_means_and_weights_are_off_by_half_a_step_at_the_most(packed):
  _, mixture, _, artifact = packed
  used = np.isfinite(mixture.logits)
  for name, got, expected in (
      ('loc', artifact.mixture.loc, mixture.loc),
      ('log_weights', artifact.mixture.logits, mixture.logits)):
    error = np.abs(got[used].astype(float) - expected[used])
    steps = artifact.tensors[f'mixture/{name}'].steps.astype(float)
    assert (error <= steps / 2 * (1 + 1e-5)).all()


def test_the_mixture_of_a_class_is_tfps_own(packed):
  bits, mixture, _, artifact = packed
  for label, count in enumerate((2, 1, 2)):
    distribution = artifact.mixture.distribution(label)
    assert isinstance(distribution, tfd.MixtureSameFamily)
    assert distribution.event_shape == (4,)
    assert distribution.components_distribution.batch_shape == (count,)
    if bits == 16:
      original = tfd.MixtureSameFamily(
          tfd.Categorical(logits=mixture.logits[label, :count]),
          tfd.MultivariateNormalTriL(mixture.loc[label, :count],
                                     mixture.scale_tril[label, :count]))
      z = original.sample(50, seed=(1, 2))
      np.testing.assert_allclose(distribution.log_prob(z),
                                 original.log_prob(z), atol=0.1)


def test_the_decoder_is_the_trained_one_up_to_its_quantization(packed):
  bits, _, model, artifact = packed
  weights = {f'decoder/{variable.name[:-2]}': variable.numpy()
             for variable in model.decoder.weights}
  assert set(weights) == {name for name in artifact.tensors
                          if name.startswith('decoder/')}
  for name, weight in weights.items():
    tensor = artifact.tensors[name]
    assert tensor.bits == (bits if weight.ndim > 1 else min(bits + 1, 16))
    assert (np.abs(dequantize(tensor).astype(float) - weight)
            <= tensor.steps.astype(float) / 2 * (1 + 1e-6)).all()


# What a file says.


def test_old_files_say_less_and_mean_the_same(artifact, lgc_file):
  """Of version 1, and of version 2 from before there were mixtures of heads."""
  for version, keys in ((1, ('structures', 'num_conditions', 'temperature')),
                        (2, ('head_num_components', 'loc_activation',
                             'max_head_params', 'width'))):
    header, _ = container.loads(artifact.to_bytes())
    for key in keys:
      (header if key in header else header['model']).pop(key)
    header['model'].update(beta=0.3, noise_stddev=0.1)
    entries, payload = [], b''
    for name, tensor in artifact.tensors.items():
      code = CODECS['packed'].encode(tensor.values, tensor.bits)
      entries.append([name, tensor.values.shape, tensor.bits, 1, 'packed',
                      len(code)])
      payload += struct.pack('<f', tensor.steps[0])[2:] + code
    again = tfp_lgc.Artifact.from_bytes(
        lgc_file({**header, 'tensors': entries}, payload, version))
    assert again.model == artifact.model
    assert again.to_bytes() == artifact.to_bytes()


def test_what_no_file_says_makes_no_difference(artifact):
  """Settings of training are neither kept nor needed."""
  names = {field.name for field in dataclasses.fields(ModelConfig)}
  # A new setting has a place here, or drawing would forget it.
  assert sorted([*DRAWING, *OPTIONAL_DRAWING, *TRAINING]) == sorted(names)
  header, _ = container.loads(artifact.to_bytes())
  assert set(header['model']) == set(DRAWING)


@pytest.mark.parametrize('name', OPTIONAL_DRAWING)
def test_an_optional_setting_is_in_files_that_need_it(name, artifact):
  """And without it they are as before there was one."""
  header, tensors = container.loads(artifact.to_bytes())
  header['model'][name] = OPTIONAL_DRAWING[name]
  same = tfp_lgc.Artifact.from_bytes(container.dumps(header, tensors))
  assert same.to_bytes() == artifact.to_bytes()
  other = dataclasses.replace(artifact, model=dataclasses.replace(
      artifact.model, **{name: OPTIONAL_DRAWING[name] + 1}))
  header, _ = container.loads(other.to_bytes())
  assert header['model'][name] == OPTIONAL_DRAWING[name] + 1


# The first files do not have the others.
@pytest.mark.parametrize('name', sorted(set(DRAWING) - {
    'head_num_components', 'loc_activation', 'width', 'max_head_params'}))
def test_no_default_stands_for_a_setting_of_a_file(name, artifact):
  """So that a default may change."""
  header, tensors = container.loads(artifact.to_bytes())
  del header['model'][name]
  with pytest.raises(ArtifactError, match=name):
    tfp_lgc.Artifact.from_bytes(container.dumps(header, tensors))
