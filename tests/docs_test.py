"""What is shown runs: README.md, pages, and docstrings of what people call."""

import inspect
import pathlib
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras as tfk

import tfp_lgc
from tfp_lgc import config, em, heads, joint, mixture, reporting, sources
from tfp_lgc.metrics import tstr

ROOT = pathlib.Path(__file__).parent.parent
# What makes a run short.
TINY = dict(epochs=1, hidden_size=8, latent_size=2, num_components_max=2,
            head='normal_unit', head_num_components=2)


def blocks(text):
  return re.findall(r'```python\n(.*?)```', inspect.cleandoc(text or ''),
                    re.DOTALL)


def shown():
  """Where examples stand -> the text that has them."""
  texts = {'README.md': (ROOT / 'README.md').read_text()}
  texts.update((f'docs/{page.name}', page.read_text())
               for page in sorted(ROOT.glob('docs/*.md')))
  for module in (tfp_lgc, heads, joint, mixture):
    texts[module.__name__] = module.__doc__
  members = [(name, getattr(tfp_lgc, name)) for name in tfp_lgc.__all__]
  members += [(f'{module.__name__}.{name}', getattr(module, name))
              for module in (em, heads, mixture) for name in module.__all__]
  for name, member in members:
    if inspect.isfunction(member) or inspect.isclass(member):
      texts[name] = member.__doc__
    if inspect.isclass(member):
      texts.update((f'{name}.{method}', value.__doc__)
                   for method, value in vars(member).items()
                   if inspect.isfunction(value) and not method.startswith('_'))
  for method in ('without_class', 'reweighted', 'updated'):
    texts[f'Artifact.{method}'] = getattr(tfp_lgc.Artifact, method).__doc__
  return {name: text for name, text in texts.items() if blocks(text)}


SHOWN = shown()
# Whole runs, of which README.md has one, too; t-SNE; a conversion to LiteRT;
# and what joint_test.py does with fewer numbers.
SLOW = ('docs/serving.md', 'tfp_lgc', 'compress', 'evaluate_baseline', 'report',
        'tfp_lgc.joint')


def test_examples_are_found():
  """Or the following would run nothing."""
  functions = {name for name in tfp_lgc.__all__
               if inspect.isfunction(getattr(tfp_lgc, name))}
  assert functions <= set(SHOWN)
  assert {'README.md', 'docs/container.md', 'docs/how_it_works.md',
          'docs/privacy.md', 'docs/serving.md', 'tfp_lgc.heads',
          'tfp_lgc.heads.build', 'tfp_lgc.em.fit_em', 'tfp_lgc.joint',
          'tfp_lgc.mixture', 'tfp_lgc.mixture.select',
          'Artifact', 'Artifact.without_class', 'Artifact.reweighted',
          'Artifact.updated', 'Artifact.joint_distribution'} <= set(SHOWN)


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


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
    for name in SHOWN])
def test_what_is_shown_runs(name, digits, out, shortened, tmp_path,
                            monkeypatch):
  monkeypatch.chdir(tmp_path)
  code = blocks(SHOWN[name])
  if not any("save('out')" in block for block in code):
    shutil.copytree(out, 'out')
  (images, labels), (x_test, y_test) = digits
  artifact = tfp_lgc.load(out)
  if any('.tflite' in block for block in code):
    artifact.export_litert('out/artifact.tflite')
  scope = {
      'np': np, 'tf': tf, 'tfp': tfp, 'tfk': tfk, 'tfd': tfp.distributions,
      'tfp_lgc': tfp_lgc, 'config': config, 'em': em, 'heads': heads,
      'mixture': mixture,
      'Config': config.Config, 'replace': config.replace,
      'images': images, 'labels': labels, 'x_test': x_test, 'y_test': y_test,
      'new_images': x_test, 'new_labels': y_test, 'artifact': artifact,
      'z': tf.zeros([artifact.model.latent_size]),
      'points': np.random.default_rng(0).normal(size=[60, 2])}
  for block in code:
    exec(compile(block, name, 'exec'), scope)  # pylint: disable=exec-used
