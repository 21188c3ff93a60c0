"""What is shown runs: README.md, pages, and docstrings of what people call."""

import ast
import importlib
import inspect
import pathlib
import pkgutil
import re
import shutil
import sys
import types

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras as tfk
from PIL import Image

import tfp_lgc
from tfp_lgc import (
  config,
  distribution,
  em,
  networks,
  options,
  progress,
  reporting,
  resuming,
  sampling,
  sources,
  streamed_em,
  tfds_writer,
)
from tfp_lgc.errors import LgcError
from tfp_lgc.metrics import tstr

ROOT = pathlib.Path(__file__).parent.parent
# Packages without which a module cannot be imported, and is not shown.
OPTIONAL = ('apache_beam', 'torch')
# What makes a run short.
TINY = dict(epochs=1, hidden_size=8, latent_size=2, num_components_max=2,
            head='normal_unit', head_num_components=2)


def blocks(text):
  return re.findall(r'```python\n(.*?)```', inspect.cleandoc(text or ''),
                    re.DOTALL)


def modules():
  """All of the package, but those that want what is not installed."""
  result = [tfp_lgc]
  for info in pkgutil.walk_packages(tfp_lgc.__path__, 'tfp_lgc.'):
    if info.name.endswith('__main__'):
      continue
    try:
      result.append(importlib.import_module(info.name))
    except ModuleNotFoundError as error:
      if error.name.split('.')[0] not in OPTIONAL:
        raise
  return result


def members(module):
  """(name, docstring) of what a module has, and its classes."""
  yield module.__name__, module.__doc__
  for name, member in vars(module).items():
    is_own = getattr(member, '__module__', '') == module.__name__
    if is_own and (inspect.isfunction(member) or inspect.isclass(member)):
      yield f'{module.__name__}.{name}', member.__doc__
    if is_own and inspect.isclass(member):
      for method, value in vars(member).items():
        if isinstance(value, (types.FunctionType, property, classmethod,
                              staticmethod)):
          yield f'{module.__name__}.{name}.{method}', value.__doc__


def shown():
  """Where examples stand -> their code, and the names that it may use."""
  pages = [ROOT / 'README.md', *sorted(ROOT.glob('docs/*.md'))]
  result = {str(page.relative_to(ROOT)): (page.read_text(), {})
            for page in pages}
  for module in modules():
    result.update((name, (text, vars(module)))
                  for name, text in members(module))
  return {name: (found, scope) for name, (text, scope) in result.items()
          if (found := blocks(text))}


SHOWN = shown()
# Whole runs, of which README.md has one, too; t-SNE; a conversion to LiteRT;
# and what joint_test.py does with fewer numbers.
SLOW = ('docs/serving.md', 'tfp_lgc', 'tfp_lgc.compression.compress',
        'tfp_lgc.evaluation.evaluate_baseline', 'tfp_lgc.reporting.report',
        'tfp_lgc.joint', 'tfp_lgc.evaluation.evaluate',
        'tfp_lgc.litert.convert')


# Not run: no machine has these weights, or this cluster, by itself.
NOT_RUN = ('tfp_lgc.metrics.features.load', 'tfp_lgc.beam')


def test_examples_are_found():
  """Or the following would run nothing."""
  functions = {f'{member.__module__}.{name}' for name in tfp_lgc.__all__
               if inspect.isfunction(member := getattr(tfp_lgc, name))}
  assert functions <= set(SHOWN)
  assert {'README.md', 'docs/container.md', 'docs/how_it_works.md',
          'docs/privacy.md', 'docs/serving.md', 'tfp_lgc.heads',
          'tfp_lgc.heads.build', 'tfp_lgc.em.fit_em', 'tfp_lgc.joint',
          'tfp_lgc.mixture', 'tfp_lgc.mixture.select',
          'tfp_lgc.artifact.Artifact',
          'tfp_lgc.editing.Editable.without_class',
          'tfp_lgc.artifact.Artifact.joint_distribution'} <= set(SHOWN)
  assert len(SHOWN) > 80


@pytest.fixture(scope='module')
def digits():
  """The two splits, as users have them."""
  source = sources.load(config.DataConfig())
  splits = [split.to_memory(source.class_names)
            for split in (source.train, source.test)]
  return [(images.images, np.array(images.class_names)[images.labels])
          for images in splits]


@pytest.fixture(scope='module')
def out(tmp_path_factory):
  """The directory of a run."""
  directory = tmp_path_factory.mktemp('run') / 'out'
  tfp_lgc.compress('digits', **TINY).save(directory)
  return directory


@pytest.fixture
def shortened(digits, monkeypatch):
  """The same functions, with runs that are short."""
  whole = tfp_lgc.compress

  def compress(dataset, **settings):
    if isinstance(dataset, str) and dataset == 'mnist':
      dataset = digits[0]  # It may not be at hand.
      settings.pop('data_dir')
    return whole(dataset, **{**TINY, **settings})

  monkeypatch.setattr(tfp_lgc, 'compress', compress, raising=False)
  monkeypatch.setattr(reporting, 'MAX_POINTS', 40)
  monkeypatch.setattr(tstr, 'right', lambda train, test, *args, **kwargs: (
      np.ones(test.num_examples, bool)))


@pytest.fixture(scope='module')
def given(digits, out):
  """What examples may take as given."""
  (images, labels), (x_test, y_test) = digits
  source = sources.load(config.DataConfig())
  settings = config.replace(config.Config(), **TINY)
  its = distribution.of('none')
  encoder = tfp_lgc.load_with_encoder(out).encoder
  points = np.random.default_rng(0).normal(size=[60, 2])
  artifact = tfp_lgc.load(out)
  train, test = [split.to_memory(source.class_names)
                 for split in (source.train, source.test)]
  return {
      'np': np, 'tf': tf, 'tfp': tfp, 'tfk': tfk, 'tfd': tfp.distributions,
      'tfp_lgc': tfp_lgc, 'pathlib': pathlib, 'sys': sys,
      **{module.__name__.split('.')[-1]: module for module in modules()},
      'Config': config.Config, 'ModelConfig': config.ModelConfig,
      'replace': config.replace,
      'images': images, 'labels': labels, 'x_test': x_test, 'y_test': y_test,
      'x': points, 'names': source.class_names, 'artifact': artifact,
      'new_images': x_test, 'new_labels': y_test,
      'source': source, 'split': source.train, 'its': its, 'floor': 1e-6,
      'model': encoder.model, 'work': resuming.NO_WORK,
      'samples': tfp_lgc.sample(artifact, 100, seed=0),
      'latents': encoder.latents(source.train),
      'z': tf.zeros([artifact.model.latent_size]), 'settings': settings,
      'points': points, 'all_train': train, 'all_test': test,
      'positions': train.labels, 'progress': progress.Progress()}


def with_settings(given):
  return {'config': given['settings']}


# Example -> what else it may take as given, or what it has another name for.
OWN = {
    'tfp_lgc.agreement.check': with_settings,
    'tfp_lgc.baselines.decode': lambda given: {'images': given['all_train']},
    'tfp_lgc.beam_em.fit': lambda given: {
        'artifact': tfp_lgc.load_with_encoder('out')},
    'tfp_lgc.benchmarks.distorted.portions': lambda given: {
        'train': given['all_train'], 'test': given['all_test']},
    'tfp_lgc.codec.quantize': lambda given: {
        'kernel': np.random.default_rng(0).normal(size=[3, 4])},
    'tfp_lgc.distributed_em.SpreadPoints': with_settings,
    'tfp_lgc.distribution.Distribution': with_settings,
    'tfp_lgc.flags.parse': lambda given: {
        'DataConfig': config.DataConfig, 'DrawConfig': options.DrawConfig},
    'tfp_lgc.metrics.groups.accuracies': lambda given: {
        'labels': given['positions'], 'right': given['positions'] > 3,
        'colors': given['positions'] % 3},
    'tfp_lgc.metrics.gaussianity.latent_gaussianity': lambda given: {
        'labels': given['positions']},
    'tfp_lgc.metrics.privacy.canary.run': lambda given: {
        'train': given['all_train']},
    'tfp_lgc.metrics.privacy.dcr.closest': lambda given: {
        'train': given['all_train']},
    'tfp_lgc.noised.fit': lambda given: {'z': given['points']},
    'tfp_lgc.points': lambda given: {
        **with_settings(given), 'points': streamed_em.FilePoints(
            given['points'], given['settings'], 1e-6)},
    'tfp_lgc.resuming.keeping': lambda given: {
        **with_settings(given), 'settings': {'model': 'vae'}},
    'tfp_lgc.sampler.Sampler': lambda given: {
        'decoder': networks.decoder(given['artifact'].model,
                                    given['model'].head, 0),
        'head': given['model'].head, 'mixture': given['artifact'].mixture},
    'tfp_lgc.spread_encode.encode_all': with_settings,
    'tfp_lgc.stepwise.batch_statistics': lambda given: {
        'components': em.kmeans_start(given['points'], 2, 1e-6, seed=0)},
    'tfp_lgc.streamed_em': lambda given: {
        **with_settings(given), 'labels': given['positions'],
        'num_classes': 10},
    'tfp_lgc.tensorboard.Log': with_settings,
    'tfp_lgc.train.fit': with_settings,
    'tfp_lgc.tfds_writer.write_tfds': lambda given: {
        'drawing': sampling.drawing(given['artifact'])},
}


def checked(line, value):
  """Asserts what a comment behind an expression says it is, if it does."""
  said = re.sub(r'(?<=\d),(?=\d{3})', '', line.partition('   # ')[2])
  try:
    expected = ast.literal_eval(said)
  except (SyntaxError, ValueError):
    return
  if isinstance(expected, float):
    places = len(said.partition('.')[2])
    assert value == pytest.approx(expected, abs=0.5 * 10.0**-places), line
  elif list(np.shape(value)) != expected:  # The shape, or what is in it.
    assert np.array_equal(value, expected), line


def run(code, name, scope):
  """Runs a block, statement by statement."""
  lines = code.splitlines()
  for statement in ast.parse(code).body:
    line = lines[statement.end_lineno - 1]
    if error := re.search(r'   # (\w+Error)$', line):
      with pytest.raises(LgcError) as caught:
        exec(compile(ast.Module([statement], []), name, 'exec'), scope)
      assert caught.typename == error[1]
    elif isinstance(statement, ast.Expr):
      value = eval(compile(ast.Expression(statement.value), name, 'eval'),
                   scope)
      checked(line, value)
    else:
      exec(compile(ast.Module([statement], []), name, 'exec'), scope)


def make_files(code, given):
  """What examples read, besides the run in `out`."""
  if '.tflite' in code:
    given['artifact'].export_litert('out/artifact.tflite')
  if "data_dir='tfds'" in code:
    drawn = sampling.drawing(given['artifact'])
    tfds_writer.write_tfds(
        drawn.portions, {'train': 1000, 'test': 100}, drawn.image_shape,
        drawn.class_names, 'tfds/lgc_samples/1.0.0', {}, given['progress'])
  if 'cat.jpg' in code:
    Image.new('RGB', (32, 32)).save('cat.jpg')
  if "fit('latents'" in code:
    given['beam_encode'].encode(tfp_lgc.load_with_encoder('out'),
                                config.DataConfig(), 'latents')


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
    for name in SHOWN if name not in NOT_RUN])
def test_what_is_shown_runs(name, given, out, shortened, tmp_path,
                            monkeypatch):
  monkeypatch.chdir(tmp_path)
  code, scope = SHOWN[name]
  if not any("save('out')" in block for block in code):
    shutil.copytree(out, 'out')
  make_files('\n'.join(code), given)
  scope = {**given, **scope, **(OWN[name](given) if name in OWN else {})}
  for block in code:
    run(block, name, scope)
