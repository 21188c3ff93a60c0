"""The SavedModel as others see it: names, bounds, warm-up requests."""

import dataclasses
import importlib.util
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

import tfp_lgc
from tfp_lgc import sampling, warmup

MAX_BATCH = 40
NAMES = {'serving_default', 'sample', 'sample_class', 'sample_stochastic',
         'decode', 'latent_log_prob'}
PAGE = pathlib.Path(__file__).parent.parent / 'docs/serving.md'


@pytest.fixture(scope='module')
def version(artifact, tmp_path_factory):
  """A SavedModel of which a request may ask for 40 images. The class in the
  middle is without images."""
  counts = (artifact.class_counts[0], 0, artifact.class_counts[2])
  directory = tmp_path_factory.mktemp('bounded') / 'out'
  dataclasses.replace(artifact, class_counts=counts).save(
      directory, max_serving_batch=MAX_BATCH)
  return directory / 'saved_model' / '1'


@pytest.fixture(scope='module')
def signatures(version):
  return tf.saved_model.load(str(version)).signatures


def _call(signature, **inputs):
  kinds = {'n': tf.int32, 'label': tf.int32, 'seed': tf.int32,
           'temperature': tf.float32, 'latent': tf.float32}
  return {name: part.numpy() for name, part in signature(**{
      name: tf.constant(value, kinds[name])
      for name, value in inputs.items()}).items()}


def _drawn(signatures, temperature, n=30):
  return _call(signatures['sample'], n=n, seed=[0, 5], temperature=temperature)


def _described(cell, sizes):
  """`a` int32 [B], `b` ... of the page -> name, kind and shape of each."""
  shape = lambda text: [sizes.get(size, None) for size in
                        re.findall(r'\w+', text)]
  return {name: (kind, shape(dimensions)) for name, kind, dimensions in
          re.findall(r'`(\w+)` (\w+) \[([^]]*)\]', cell)}


def test_inputs_and_outputs_are_those_of_the_page(signatures):
  sizes = {'H': 7, 'W': 6, 'C': 3, 'd': 2, 'classes': 3, '2': 2}
  page = {}
  for line in PAGE.read_text().split('\n## ')[0].splitlines():
    if line.startswith('| `'):
      names, inputs, outputs = line.strip('| ').split(' | ')
      for name in re.findall('`([^`]+)`', names):
        page[name] = (_described(inputs.split(';')[0], sizes),
                      _described(outputs, sizes))
  specs = lambda parts: {name: (spec.dtype.name, spec.shape.as_list())
                         for name, spec in parts.items()}
  got = {name: (specs(function.structured_input_signature[1]),
                specs(function.structured_outputs))
         for name, function in signatures.items()}
  assert set(page) == NAMES
  # TensorFlow does not infer every size of an image that was drawn in blocks.
  for name in NAMES:
    assert got[name][0] == page[name][0]
    assert got[name][1].keys() == page[name][1].keys()
    for part, (kind, shape) in page[name][1].items():
      assert got[name][1][part][0] == kind
      assert len(got[name][1][part][1]) == len(shape)


def test_a_decoder_that_is_told_the_class_is_told_it(tmp_path):
  images = np.random.default_rng(0).integers(0, 256, [64, 6, 5, 1], np.uint8)
  artifact = tfp_lgc.compress((images, np.arange(64) % 2), model='cvae',
                              epochs=2, latent_size=2, hidden_size=4,
                              num_components_max=1)
  artifact.save(tmp_path)
  decode = tf.saved_model.load(str(tmp_path / 'saved_model/1')).signatures[
      'decode']
  latent = np.zeros([2, 2])
  first, second = _call(decode, latent=latent, label=[0, 1])['image']
  assert (first != second).any()
  for label, words in (([0, 2], 'label must be positions.*from 0 to 1.*2'),
                       ([0], 'label must have as many rows as latent'),
                       ([0] * 2000, 'label must have from 0 to 1024 rows')):
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
      _call(decode, latent=latent, label=label)


@pytest.mark.parametrize('temperature', [-1.0, 0.0, 0.25, 0.9, 1.0, 100.0])
def test_images_are_those_of_sample_at_any_temperature(
    temperature, signatures, version):
  drawn = _drawn(signatures, temperature)
  expected = tfp_lgc.sample(
      version, 30, seed=5,
      temperature=None if temperature == -1 else temperature)
  np.testing.assert_array_equal(drawn['image'], expected.images)
  np.testing.assert_array_equal(drawn['label'], expected.labels)


def test_a_temperature_is_the_same_number_as_in_python(signatures, version):
  drawn = _drawn(signatures, 0.9)
  blocks = sampling.drawing(version, seed=5, temperature=0.9).blocks(0, 1)
  np.testing.assert_array_equal(drawn['latent'], blocks['latent'][:30])


def test_covariances_are_multiplied_by_the_temperature(signatures):
  means = _drawn(signatures, 0.0)['latent']
  once, four_times = (_drawn(signatures, temperature)['latent'] - means
                      for temperature in (1.0, 4.0))
  assert np.abs(once).max() > 0.1
  np.testing.assert_allclose(four_times, 2 * once, rtol=1e-3, atol=1e-5)


def test_the_posterior_names_the_class_of_latents(signatures):
  drawn = _drawn(signatures, 0.01)
  got = _call(signatures['latent_log_prob'], latent=drawn['latent'])
  np.testing.assert_allclose(
      got['class_posterior'], special.softmax(got['log_prob'], axis=1),
      atol=1e-5)
  np.testing.assert_allclose(np.exp(got['class_log_posterior']),
                             got['class_posterior'], atol=1e-5)
  assert (got['class_posterior'].argmax(axis=1) == drawn['label']).mean() > 0.8


@pytest.mark.parametrize('name, inputs', [
    ('sample', {'n': MAX_BATCH}), ('sample', {'n': 0}),
    ('sample_class', {'label': [2] * MAX_BATCH}),
    ('decode', {'latent': np.zeros([MAX_BATCH, 2])})])
def test_up_to_the_bound_is_answered(name, inputs, signatures):
  rows = inputs.get('n', MAX_BATCH)
  if name != 'decode':
    inputs = {'seed': [0, 0], 'temperature': -1.0, **inputs}
  assert _call(signatures[name], **inputs)['image'].shape == (rows, 7, 6, 3)


@pytest.mark.parametrize('name, inputs, words', [
    ('sample', {'n': MAX_BATCH + 1}, r'n must be from 0 to 40 .*got.*41'),
    ('serving_default', {'n': 2**31 - 1}, 'n must be from 0 to 40'),
    ('sample_stochastic', {'n': -1}, r'n must be from 0 to 40 .*got.*-1'),
    ('sample', {'temperature': -0.5}, 'temperature must be from 0 to.*-0.5'),
    ('sample', {'temperature': np.nan}, 'temperature must be'),
    ('sample_class', {'temperature': 101}, 'temperature must be.*101'),
    ('sample_class', {'label': [0] * 41}, 'label must have from 0 to 40.*41'),
    ('sample_class', {'label': [0, 3]}, r'label must be .*of 0, 2, got.*0 3'),
    ('sample_class', {'label': [-1]}, 'label must be .*got.*-1'),
    ('sample_class', {'label': [1]}, 'label must be .*got.*1'),
    ('decode', {'latent': np.zeros([41, 2])}, 'latent must have from 0 to 40'),
    ('latent_log_prob', {'latent': np.zeros([41, 2])}, 'latent must .*41'),
])
def test_what_is_beyond_it_is_an_invalid_argument(
    name, inputs, words, signatures):
  if 'latent' not in inputs:
    subject = {'label': [0]} if name == 'sample_class' else {'n': 1}
    inputs = {'seed': [0, 0], 'temperature': 1.0, **subject, **inputs}
  with pytest.raises(tf.errors.InvalidArgumentError) as error:
    _call(signatures[name], **inputs)
  assert re.search(words, str(error.value), re.DOTALL)


# Warm-up requests.


def _requests(version):
  """As TensorFlow Serving reads them, by its own messages."""
  from tensorflow_serving.apis import prediction_log_pb2
  path = version / 'assets.extra' / 'tf_serving_warmup_requests'
  for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
    yield prediction_log_pb2.PredictionLog.FromString(
        record).predict_log.request


def test_every_signature_answers_its_warm_up_request(signatures, version):
  requests = list(_requests(version))
  for request in requests:
    answer = signatures[request.model_spec.signature_name](**{
        name: tf.constant(tf.make_ndarray(value))
        for name, value in request.inputs.items()})
    assert {len(part) for part in answer.values()} == {1}
  names = [request.model_spec.signature_name for request in requests]
  assert len(names) == len(NAMES) and set(names) == NAMES


def test_the_same_artifact_has_the_same_requests(artifact, saved, tmp_path):
  artifact.save(tmp_path)
  one, other = (
      (path / 'saved_model/1/assets.extra' / warmup.NAME).read_bytes()
      for path in (saved, tmp_path))
  assert one == other


def test_where_there_are_none_it_is_said(artifact, tmp_path, monkeypatch):
  find = importlib.util.find_spec
  monkeypatch.setattr(
      importlib.util, 'find_spec',
      lambda name: None if name == 'tensorflow_serving' else find(name))
  said = []
  artifact.save(tmp_path, say=said.append)
  assert len(said) == 1 and 'tfp_lgc[serving]' in said[0]
  assert [path.name for path in (
      tmp_path / 'saved_model/1/assets.extra').iterdir()] == ['artifact.lgc']
