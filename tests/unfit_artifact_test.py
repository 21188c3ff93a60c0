"""Files whose parts do not fit, or that take too much memory, are refused."""

import dataclasses

import numpy as np
import pytest

import tfp_lgc
from tfp_lgc import container
from tfp_lgc.codec import dequantize, quantize
from tfp_lgc.errors import ArtifactError

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
    'model.grid_filters': [None, -1, 4097, 2.5, '2', True, [2], _NAN],
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
    {'grid_filters': 1}, {'width': 1000.0, 'num_filters': 4096},
    {'width': 1000.0, 'num_filters': 4096, 'grid_filters': 4096},
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
