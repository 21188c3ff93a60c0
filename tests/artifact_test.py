"""An artifact in memory, on disk, and in the hands of TensorFlow alone."""

import dataclasses
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfp_lgc
from tfp_lgc import artifact as artifact_lib
from tfp_lgc import container, models
from tfp_lgc.codec import CODECS, dequantize, quantize
from tfp_lgc.config import CodecConfig, Config, ModelConfig
from tfp_lgc.errors import ArtifactError, ConfigError
from tfp_lgc.header import DRAWING, TRAINING
from tfp_lgc.mixture import Mixture

tfd = tfp.distributions


def _files(directory):
  """Relative path -> content of all that lies below."""
  return {str(path.relative_to(directory)): path.read_bytes()
          for path in pathlib.Path(directory).rglob('*') if path.is_file()}


def _other(artifact):
  """An artifact that differs a little."""
  return dataclasses.replace(artifact, class_names=('x', 'y', 'z'))


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
      np.log(np.array([[0.3, 0.7], [1.0, 0.0], [0.999, 0.001]],
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


# A file whose parts do not fit.

_INF, _NAN = float('inf'), float('nan')
WRONG = {
    'image_shape': [
        None, 5, [], [7, 6], [7, 6, 3, 1], [0, 6, 3], [7, 6, 2], [7.0, 6, 3],
        [-7, -6, 3], [True, 6, 3], ['7', 6, 3], '763', {}, [2**20, 2**20, 3],
        [10**30, 1, 1], [_NAN, 6, 3], [[7], 6, 3]],
    'class_names': [
        None, 5, [], ['a', 'b'], ['a', 'b', 'c', 'd'], [1, 2, 3],
        [None, 'a', 'b'], [['a'], 'b', 'c'], 'abc',
        {'a': 0, 'b': 1, 'c': 2}, ['a', 'b', 'a']],
    'class_counts': [
        None, 5, [], [1, 2], [1, 2, 3, 4], [-1, 2, 3], [1.0, 2, 3],
        [True, 2, 3], ['1', 2, 3], 'abc', [0, 0, 0], [2**53, 2, 3],
        [_NAN, 2, 3], [[1], 2, 3]],
    'num_components': [
        None, 5, [], [1], [0, 0, 0], [10**30, 1, 1], [-1, 1, 1], [1.0, 1, 1],
        [True, True, True], ['1', 1, 1], 'abc', [_INF, 1, 1], [9, 9, 9]],
    'model': [
        None, 5, [], 'vae', {}, {'config': {}}, [['model', 'vae']]],
    'model.model': [None, 'gan', 7, ['vae']],
    'model.trunk': [None, 'lstm', 7, {}],
    'model.head': [None, 'poisson', 7],
    'model.latent_size': [
        None, 0, -2, 3, 1025, 2.5, '2', True, [2], _NAN, _INF, -_INF, 10**400],
    'model.num_filters': [0, _INF, _NAN],
    'model.min_stddev': [None, 0, -1.0, _NAN, _INF, '0.05', 10**400],
    'model.no_such_setting': [1], 'no_such_key': [1], 'model.preset': ['none'],
    'structures': [
        None, 5, [], ['full'], ['full'] * 4, ['prior'] * 3,
        ['round'] * 3, [1, 2, 3], 'full', ['diag'] * 3, [['full']] * 3],
    'num_conditions': [None, -1, 1, 3.0, 0.0, True, False, '0', [0]],
    'temperature': [None, -0.5, 1e300, _NAN, _INF, '1', True, [1.0]],
}


@pytest.mark.parametrize('place, value', [
    (place, value) for place, values in WRONG.items() for value in values],
    ids=lambda x: str(x)[:40])
def test_a_header_that_fits_nothing_is_refused(place, value, artifact):
  header, tensors = container.loads(artifact.to_bytes())
  section, _, setting = place.partition('.')
  if setting:
    header[section][setting] = value
  else:
    header[section] = value
  with pytest.raises(ArtifactError, match='^here: '):
    tfp_lgc.Artifact.from_bytes(container.dumps(header, tensors), 'here')


def test_a_class_has_a_component_whatever_the_others_have(artifact):
  header, tensors = container.loads(artifact.to_bytes())
  total = sum(header['num_components'])
  # The sum is right, so that the tensors fit.
  for counts in ([0, total - 1, 1], [-1, total, 1], [total],
                 [total, 0, 0, 0]):
    header['num_components'] = counts
    with pytest.raises(ArtifactError):
      tfp_lgc.Artifact.from_bytes(container.dumps(header, tensors))


@pytest.mark.parametrize('key', [
    'model', 'image_shape', 'class_names', 'class_counts', 'num_components'])
def test_a_header_without_a_part_is_refused(key, artifact):
  header, tensors = container.loads(artifact.to_bytes())
  del header[key]
  with pytest.raises(ArtifactError, match=key):
    tfp_lgc.Artifact.from_bytes(container.dumps(header, tensors))


@pytest.mark.parametrize('name', [
    'mixture/log_weights', 'mixture/loc', 'mixture/log_scale_full',
    'mixture/unit_full'])
def test_a_mixture_of_another_size_is_refused(name, artifact):
  header, tensors = container.loads(artifact.to_bytes())
  value = dequantize(tensors[name])
  for wrong in (None, value[:-1], value[..., np.newaxis], value.ravel()[:1]):
    changed = dict(tensors)
    if wrong is None:
      del changed[name]
    else:
      changed[name] = quantize(wrong, 8)
    with pytest.raises(ArtifactError, match=name):
      tfp_lgc.Artifact.from_bytes(container.dumps(header, changed))


@pytest.mark.parametrize('changes', [
    {'trunk': 'dense'}, {'trunk': 'dense', 'hidden_size': 65536},
    {'head': 'bernoulli'}, {'num_filters': 3}, {'num_filters': 4096},
    {'image_shape': [9, 6, 3]}, {'image_shape': [7, 6, 1]},
    {'image_shape': [2**14, 2**14, 1]}, {'head': 'maf'},
    {'head': 'maf', 'image_shape': [2**14, 2**14, 1]},
    {'head': 'normal_full', 'image_shape': [28, 28, 3]}], ids=str)
def test_a_decoder_of_other_settings_is_never_built(changes, artifact):
  header, tensors = container.loads(artifact.to_bytes())
  for key, value in changes.items():
    (header if key in header else header['model'])[key] = value
  with pytest.raises(ArtifactError, match='decoder'):
    _ = tfp_lgc.Artifact.from_bytes(container.dumps(header, tensors)).sampler


def test_a_flow_of_another_size_is_never_built(artifact):
  """Not even its masks: those of such a large image have no place in memory."""
  header, tensors = container.loads(artifact.to_bytes())
  header['model']['head'], header['image_shape'] = 'maf', [2**14, 2**14, 1]
  size = 7 * 6 * 3
  for name, shape in (('hidden/kernel', (size, 10)), ('hidden/bias', (10,)),
                      ('params/kernel', (10, 2 * size)),
                      ('params/bias', (2 * size,))):
    tensors[f'head/{name}'] = quantize(np.zeros(shape), 6)
  with pytest.raises(ArtifactError, match='must be .*268435456'):
    _ = tfp_lgc.Artifact.from_bytes(container.dumps(header, tensors)).sampler


@pytest.mark.parametrize('change', ['without', 'with another', 'of one more'])
def test_a_decoder_of_other_tensors_is_never_built(change, artifact):
  header, tensors = container.loads(artifact.to_bytes())
  name = next(name for name in tensors if name.startswith('decoder/'))
  value = dequantize(tensors[name])
  if change == 'without':
    del tensors[name]
  elif change == 'with another':
    tensors['decoder/extra/kernel'] = quantize(np.zeros([1, 2]), 6)
  else:
    tensors[name] = quantize(np.concatenate([value, value[:1]]), 6)
  with pytest.raises(ArtifactError, match='decoder'):
    _ = tfp_lgc.Artifact.from_bytes(container.dumps(header, tensors)).sampler


# On disk.


@pytest.mark.parametrize('place', [
    '.', 'artifact.lgc', 'saved_model', 'saved_model/1'])
@pytest.mark.parametrize('kind', [str, pathlib.Path])
def test_what_was_saved_loads_from_each_of_its_places(place, kind, saved,
                                                      artifact):
  assert tfp_lgc.load(kind(saved / place)).to_bytes() == artifact.to_bytes()


def test_the_metrics_are_json_lines(saved):
  lines = (saved / 'metrics.jsonl').read_text().splitlines()
  assert [json.loads(line) for line in lines] == [{'event': 'a'},
                                                  {'event': 'b'}]


def test_nothing_else_is_saved(saved):
  assert {path.name for path in saved.iterdir()} == {
      'artifact.lgc', 'saved_model', 'metrics.jsonl', 'encoder', 'README.md',
      'metadata.json'}


def test_the_newest_version_of_a_saved_model_is_loaded(artifact, tmp_path):
  for version, content in (('2', b'not this'), ('10', artifact.to_bytes()),
                           ('9', b'nor this'), ('11-draft', b'nor this')):
    extra = tmp_path / version / 'assets.extra'
    extra.mkdir(parents=True)
    (extra / 'artifact.lgc').write_bytes(content)
  assert tfp_lgc.load(tmp_path).to_bytes() == artifact.to_bytes()


@pytest.mark.parametrize('path', ['none', 'none/artifact.lgc', '', 'a\0b'])
def test_where_nothing_is_nothing_loads(path, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  for place in (path, pathlib.Path(path)):
    with pytest.raises(ArtifactError, match='there is no artifact.lgc'):
      tfp_lgc.load(place)


def test_a_damaged_file_is_named(tmp_path):
  path = tmp_path / 'x.lgc'
  path.write_bytes(b'anything')
  with pytest.raises(ArtifactError, match='x.lgc'):
    tfp_lgc.load(path)


@pytest.mark.parametrize('standing', ['artifact.lgc', 'saved_model/1/x'])
def test_another_artifact_is_not_replaced(standing, artifact, tmp_path):
  path = tmp_path / standing
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(b'precious')
  with pytest.raises(ConfigError, match='--overwrite'):
    artifact.save(tmp_path)
  assert _files(tmp_path) == {standing: b'precious'}


def test_nor_one_that_another_process_puts_there_meanwhile(
    artifact, tmp_path, monkeypatch):
  taken = artifact_lib.only_writer

  def late(directory):
    (tmp_path / 'artifact.lgc').write_bytes(b'precious')
    return taken(directory)

  monkeypatch.setattr(artifact_lib, 'only_writer', late)
  with pytest.raises(ConfigError, match='--overwrite'):
    artifact.save(tmp_path)
  assert _files(tmp_path) == {'artifact.lgc': b'precious'}


@pytest.mark.parametrize('place', ['file', 'file/out', 'file/a/b'])
@pytest.mark.parametrize('overwrite', [False, True])
def test_a_file_is_no_directory(place, overwrite, artifact, tmp_path):
  (tmp_path / 'file').write_bytes(b'precious')
  with pytest.raises(ConfigError, match='not a directory'):
    artifact.save(tmp_path / place, overwrite=overwrite)
  assert _files(tmp_path) == {'file': b'precious'}


def test_overwrite_replaces_the_artifact_and_nothing_else(artifact, saved,
                                                          tmp_path):
  out = tmp_path / 'out'
  shutil.copytree(saved, out)
  (out / 'saved_model' / '2').mkdir()
  (out / 'notes.txt').write_bytes(b'precious')
  other = _other(artifact)
  other.save(out, overwrite=True)
  for place in ('artifact.lgc', 'saved_model'):
    assert tfp_lgc.load(out / place).to_bytes() == other.to_bytes()
  assert set(_files(out)) == {*_files(saved), 'notes.txt'}
  assert (out / 'metrics.jsonl').read_bytes() == b''


def test_a_directory_is_made_with_those_above(artifact, tmp_path, monkeypatch):
  monkeypatch.setattr(artifact_lib.signatures, 'save',
                      lambda sampler, path, max_batch: os.makedirs(path))
  artifact.save(tmp_path / 'a' / 'b')
  assert tfp_lgc.load(tmp_path / 'a' / 'b').to_bytes() == artifact.to_bytes()


@pytest.mark.parametrize('error', [OSError('disk full'), KeyboardInterrupt()],
                         ids=['error', 'interrupt'])
def test_a_save_that_fails_changes_nothing(error, artifact, saved, tmp_path,
                                           monkeypatch):
  def fail(sampler, path, max_batch):
    os.makedirs(path)
    (pathlib.Path(path) / 'half').write_bytes(b'')
    raise error
  monkeypatch.setattr(artifact_lib.signatures, 'save', fail)
  out = tmp_path / 'out'
  shutil.copytree(saved, out)
  with pytest.raises(type(error)):
    _other(artifact).save(out, overwrite=True)
  assert _files(out) == _files(saved)
  assert {path.name for path in out.iterdir()} == {
      path.name for path in saved.iterdir()}
  assert tfp_lgc.load(out).to_bytes() == artifact.to_bytes()


@pytest.mark.parametrize('which', range(13))
def test_a_save_that_fails_at_a_rename_leaves_an_artifact(
    which, artifact, saved, tmp_path, monkeypatch):
  """The old one or the new one, whichever of the renames fails."""
  monkeypatch.setattr(artifact_lib.signatures, 'save',
                      lambda sampler, path, max_batch: os.makedirs(path))
  out = tmp_path / 'out'
  shutil.copytree(saved, out)
  other = _other(artifact)
  done = []

  def flaky(function):
    def call(*args, **kwargs):
      done.append(args)
      if len(done) == which + 1:
        raise OSError('disk gone for a moment')
      return function(*args, **kwargs)
    return call
  for name in ('rename', 'replace'):
    monkeypatch.setattr(os, name, flaky(getattr(os, name)))
  with pytest.raises(OSError, match='disk gone'):
    other.save(out, overwrite=True)
  content = tfp_lgc.load(out).to_bytes()
  assert content in (artifact.to_bytes(), other.to_bytes())
  assert tfp_lgc.load(out / 'saved_model').to_bytes() == content
  assert not list(out.glob('.*'))


def test_write_metrics_replaces_them_and_the_card(artifact, tmp_path):
  artifact.write_metrics(tmp_path, [{'a': 1}, {'b': 'é'}])
  artifact.write_metrics(tmp_path, [{'c': 2}], source='new')
  files = _files(tmp_path)
  assert set(files) == {'metrics.jsonl', 'README.md', 'metadata.json'}
  assert files['metrics.jsonl'] == b'{"c": 2}\n'
  assert b'| source | new |' in files['README.md']


def test_what_was_written_about_an_artifact_goes_with_it(artifact, tmp_path,
                                                         monkeypatch):
  monkeypatch.setattr(artifact_lib.signatures, 'save',
                      lambda sampler, path, max_batch: os.makedirs(path))
  artifact.save(tmp_path)
  for name in ('evaluation.json', 'report.html'):
    (tmp_path / name).write_bytes(b'of the old one')
  artifact.save(tmp_path, overwrite=True)
  assert not {'evaluation.json', 'report.html'} & {
      path.name for path in tmp_path.iterdir()}


# The SavedModel.


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

signatures = tf.saved_model.load(sys.argv[1]).signatures
common = {'seed': tf.constant([0, 7]), 'temperature': tf.constant(-1.0)}
drawn = signatures['sample'](n=tf.constant(300), **common)
of_class = signatures['sample_class'](label=tf.constant([2, 0, 2]), **common)
pixels = signatures['sample_stochastic'](n=tf.constant(300), **common)
np.savez(sys.argv[2], image=drawn['image'], label=drawn['label'],
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


@pytest.fixture(scope='module', params=[
    None, {'head': 'matrix_t_diag', 'head_num_components': 3},
    {'head': 'maf', 'head_num_components': 2}],
    ids=['normal_diag', 'mixture', 'flow'])
def with_head(request, artifact, saved, tmp_path_factory):
  """Artifacts whose heads differ in what drawing from them takes."""
  if request.param is None:
    return artifact, saved
  images = np.random.default_rng(0).integers(0, 256, [64, 7, 6, 3], np.uint8)
  other = tfp_lgc.compress(
      (images, np.array(['ape', 'emu', 'cat', 'emu'] * 16)), trunk='conv',
      epochs=2, batch_size=16, latent_size=2, hidden_size=4, num_filters=2,
      num_components_max=1, **request.param)
  directory = tmp_path_factory.mktemp('head') / 'out'
  other.save(directory)
  return other, directory


def test_tensorflow_alone_draws_the_same_images(with_head, tmp_path):
  artifact, saved = with_head
  printed = _run('-c', _ALONE, saved / 'saved_model' / '1', 'drawn.npz',
                 cwd=tmp_path)
  assert printed == '[]\n'
  got = np.load(tmp_path / 'drawn.npz')
  drawn = tfp_lgc.sample(artifact, 300, seed=7)
  np.testing.assert_array_equal(got['image'], drawn.images)
  np.testing.assert_array_equal(got['label'], drawn.labels)
  drawn = tfp_lgc.sample(artifact, 300, seed=7, stochastic=True)
  np.testing.assert_array_equal(got['pixels'], drawn.images)
  drawn = tfp_lgc.sample(artifact, 3, labels=['emu', 'ape', 'emu'], seed=7)
  np.testing.assert_array_equal(got['class_image'], drawn.images)
  np.testing.assert_array_equal(got['class_label'], [2, 0, 2])


def test_a_head_comes_back_with_its_file(with_head):
  artifact, saved = with_head
  again = tfp_lgc.load(saved / 'artifact.lgc')
  assert again.model == artifact.model
  assert set(again.tensors) == set(artifact.tensors)
  for stochastic in (False, True):
    np.testing.assert_array_equal(
        tfp_lgc.sample(again, 20, stochastic=stochastic).images,
        tfp_lgc.sample(artifact, 20, stochastic=stochastic).images)


def test_a_flow_is_packed_and_a_file_without_it_refused(with_head):
  artifact, _ = with_head
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
  assert set(DRAWING) | set(TRAINING) == names
  assert not set(DRAWING) & set(TRAINING)
  header, _ = container.loads(artifact.to_bytes())
  assert set(header['model']) == set(DRAWING)


# The first files do not have the others.
@pytest.mark.parametrize('name', sorted(set(DRAWING) - {
    'head_num_components', 'loc_activation', 'width', 'max_head_params'}))
def test_no_default_stands_for_a_setting_of_a_file(name, artifact):
  """So that a default may change."""
  header, tensors = container.loads(artifact.to_bytes())
  del header['model'][name]
  with pytest.raises(ArtifactError, match=name):
    tfp_lgc.Artifact.from_bytes(container.dumps(header, tensors))


def test_latents_that_no_mixture_is_for_are_refused(artifact):
  header, tensors = container.loads(artifact.to_bytes())
  header['model']['trunk'] = 'vpa_cnn'
  with pytest.raises(ArtifactError, match='trunk = vpa_cnn'):
    tfp_lgc.Artifact.from_bytes(container.dumps(header, tensors))


def test_a_prior_takes_no_more_memory_than_a_file_may(artifact):
  header, tensors = container.loads(artifact.to_bytes())
  header['model'].update(model='gmm_dae', latent_size=1024,
                         prior_num_components=1000)
  header['structures'] = ['prior']
  with pytest.raises(ArtifactError, match='1000 components'):
    tfp_lgc.Artifact.from_bytes(container.dumps(header, tensors))


def test_an_artifact_that_no_loader_would_read_is_not_written(artifact):
  """Padded it takes memory that its few bytes are not believed to need."""
  count = 2000
  total = count + 999
  size = artifact.model.latent_size
  tensors = {**artifact.tensors,
             'mixture/log_weights': quantize(np.zeros(total), 2),
             'mixture/loc': quantize(np.zeros([total, size]), 2),
             'mixture/scale_diag': quantize(np.zeros([total, size]), 2)}
  large = dataclasses.replace(
      artifact, class_names=tuple(map(str, range(count))),
      class_counts=(1,) * count, num_components=(1000, *[1] * (count - 1)),
      structures=('diag',) * count, tensors=tensors, encoder=None)
  with pytest.raises(ArtifactError, match='padded.*fewer components'):
    large.to_bytes()


def test_padding_takes_no_more_memory_than_a_file_may(artifact):
  """Many classes of one component and one class of many: a small file."""
  header, tensors = container.loads(artifact.to_bytes())
  count, size = 40_000, artifact.model.latent_size
  total = count + 999
  header.update(class_names=[str(i) for i in range(count)],
                class_counts=[1] * count,
                num_components=[1000] + [1] * (count - 1))
  tensors.update({
      'mixture/log_weights': quantize(np.zeros(total), 2),
      'mixture/loc': quantize(np.zeros([total, size]), 2),
      'mixture/log_scale_full': quantize(np.zeros([total, size]), 2),
      'mixture/unit_full': quantize(
          np.zeros([total, size * (size - 1) // 2]), 2)})
  content = container.dumps(header, tensors)
  assert len(content) < 2e6
  with pytest.raises(ArtifactError, match='40000 classes of up to 1000'):
    tfp_lgc.Artifact.from_bytes(content)
