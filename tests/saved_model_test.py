"""The SavedModel in the hands of TensorFlow alone."""

import dataclasses
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import tfp_lgc
from tfp_lgc.errors import ArtifactError


@pytest.fixture(scope='module')
def signatures(saved):
  return tf.saved_model.load(str(saved / 'saved_model' / '1')).signatures


def test_decode_gives_the_images_of_latents(signatures):
  drawn = signatures['serving_default'](
      n=tf.constant(30), seed=tf.constant([0, 1]),
      temperature=tf.constant(1.0))
  decoded = signatures['decode'](latent=drawn['latent'])
  np.testing.assert_array_equal(decoded['image'], drawn['image'])


def test_latent_log_prob_is_the_prior_and_tfps_mixture(signatures, artifact):
  z = np.random.default_rng(0).normal(size=[20, 2]).astype(np.float32)
  got = signatures['latent_log_prob'](latent=tf.constant(z))
  prior = np.array(artifact.class_counts) / 64
  expected = np.stack([
      np.log(prior[label]) + artifact.mixture.distribution(label).log_prob(z)
      for label in range(3)], axis=1)
  np.testing.assert_allclose(got['log_prob'], expected, rtol=1e-4, atol=1e-3)


_ALONE = """
import sys
import numpy as np
import tensorflow as tf

common = {'seed': tf.constant([0, 7]), 'temperature': tf.constant(-1.0)}
for name, path in zip(sys.argv[1::2], sys.argv[2::2]):
  signatures = tf.saved_model.load(path).signatures
  drawn = signatures['sample'](n=tf.constant(300), **common)
  of_class = signatures['sample_class'](label=tf.constant([2, 0, 2]), **common)
  pixels = signatures['sample_stochastic'](n=tf.constant(300), **common)
  np.savez(name, image=drawn['image'], label=drawn['label'],
           pixels=pixels['image'], latent=drawn['latent'],
           class_image=of_class['image'], class_label=of_class['label'])
print([name for name in ('tfp_lgc', 'tensorflow_probability', 'tf_keras')
       if name in sys.modules])
"""


def _run(*command, cwd):
  environment = {key: value for key, value in os.environ.items()
                 if key != 'PYTHONPATH'}
  run = subprocess.run([sys.executable, *map(str, command)], cwd=cwd,
                       env=environment, capture_output=True, text=True)
  assert run.returncode == 0, run.stderr[-3000:]
  return run.stdout


# They differ in what drawing from them takes.
HEADS = {'normal_diag': None,
         'mixture': {'head': 'matrix_t_diag', 'head_num_components': 3},
         'flow': {'head': 'maf', 'head_num_components': 2}}


@pytest.fixture(scope='module')
def with_heads(artifact, saved, tmp_path_factory):
  """Of each of HEADS an artifact, and where it is saved."""
  made = {'normal_diag': (artifact, saved)}
  images = np.random.default_rng(0).integers(0, 256, [64, 7, 6, 3], np.uint8)
  for name in ('mixture', 'flow'):
    other = tfp_lgc.compress(
        (images, np.array(['ape', 'emu', 'cat', 'emu'] * 16)), trunk='conv',
        epochs=2, batch_size=16, latent_size=2, hidden_size=4, num_filters=2,
        num_components_max=1, **HEADS[name])
    directory = tmp_path_factory.mktemp('head') / 'out'
    other.save(directory)
    made[name] = other, directory
  return made


@pytest.fixture(scope='module')
def drawn_alone(with_heads, tmp_path_factory):
  """Where a process is that drew from each of them."""
  directory = tmp_path_factory.mktemp('alone')
  printed = _run('-c', _ALONE, *itertools.chain(*(
      (f'{name}.npz', saved / 'saved_model' / '1')
      for name, (_, saved) in with_heads.items())), cwd=directory)
  assert printed == '[]\n'
  return directory


@pytest.mark.parametrize('name', HEADS)
def test_tensorflow_alone_draws_the_same_images(name, with_heads, drawn_alone):
  artifact, _ = with_heads[name]
  got = np.load(drawn_alone / f'{name}.npz')
  drawn = tfp_lgc.sample(artifact, 300, seed=7)
  np.testing.assert_array_equal(got['image'], drawn.images)
  np.testing.assert_array_equal(got['label'], drawn.labels)
  drawn = tfp_lgc.sample(artifact, 300, seed=7, stochastic=True)
  np.testing.assert_array_equal(got['pixels'], drawn.images)
  drawn = tfp_lgc.sample(artifact, 3, labels=['emu', 'ape', 'emu'], seed=7)
  np.testing.assert_array_equal(got['class_image'], drawn.images)
  np.testing.assert_array_equal(got['class_label'], [2, 0, 2])


@pytest.mark.parametrize('name', HEADS)
def test_a_head_comes_back_with_its_file(name, with_heads):
  artifact, saved = with_heads[name]
  again = tfp_lgc.load(saved / 'artifact.lgc')
  assert again.model == artifact.model
  assert set(again.tensors) == set(artifact.tensors)
  for stochastic in (False, True):
    np.testing.assert_array_equal(
        tfp_lgc.sample(again, 20, stochastic=stochastic).images,
        tfp_lgc.sample(artifact, 20, stochastic=stochastic).images)


@pytest.mark.parametrize('name', HEADS)
def test_a_flow_is_packed_and_a_file_without_it_refused(name, with_heads):
  artifact, _ = with_heads[name]
  names = {name for name in artifact.tensors if name.startswith('head/')}
  if artifact.model.head != 'maf':
    assert not names
    return
  assert names == {f'head/{layer}/{part}' for layer in ('hidden', 'params')
                   for part in ('kernel', 'bias')}
  less = dataclasses.replace(artifact, tensors={
      name: tensor for name, tensor in artifact.tensors.items()
      if name != 'head/hidden/bias'})
  with pytest.raises(ArtifactError, match='head/hidden/bias'):
    _ = less.sampler


def test_saved_model_cli_draws_the_same_images(artifact, saved, tmp_path):
  _run('-m', 'tensorflow.python.tools.saved_model_cli', 'run',
       '--dir', saved / 'saved_model' / '1', '--tag_set', 'serve',
       '--signature_def', 'sample', '--input_exprs', 'n=40;seed=[0,7]',
       '--outdir', 'out', cwd=tmp_path)
  drawn = tfp_lgc.sample(artifact, 40, seed=7)
  np.testing.assert_array_equal(np.load(tmp_path / 'out' / 'image.npy'),
                                drawn.images)
  np.testing.assert_array_equal(np.load(tmp_path / 'out' / 'label.npy'),
                                drawn.labels)
