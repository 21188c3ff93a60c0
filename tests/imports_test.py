"""Imports only go down, as BUILD.md draws it.

The levels are read from BUILD.md, so that the page and the code cannot
disagree; a module that is not on the page fails.
"""

import ast
import graphlib
import pathlib
import re
import subprocess
import sys

import pytest

import tfp_lgc

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / 'tfp_lgc'

# What a module imports from its own level. All other imports go down.
SAME_LEVEL = {
    'ans': {'errors'},
    'arrays': {'data', 'errors', 'value_range'},
    'artifact': {'editing', 'encoder', 'joint', 'layout', 'litert',
                 'rebuilding', 'signatures', 'warmup'},
    'baselines/__init__': {
        'baselines/compressed', 'baselines/coreset', 'baselines/image_codecs',
        'baselines/kmeans', 'baselines/lossless', 'baselines/pca_gmm',
        'baselines/stored', 'baselines/subset', 'baselines/thumbnails',
        'baselines/tuning'},
    'baselines/coreset': {'baselines/compressed', 'baselines/stored',
                          'baselines/subset', 'baselines/tuning',
                          'metrics/tstr'},
    'baselines/image_codecs': {'baselines/compressed', 'baselines/stored',
                               'baselines/subset', 'baselines/tuning'},
    'baselines/kmeans': {'baselines/compressed', 'baselines/stored',
                         'baselines/subset', 'baselines/tuning'},
    'baselines/lossless': {'baselines/compressed', 'baselines/pixels',
                           'baselines/stored', 'baselines/subset',
                           'baselines/tuning'},
    'baselines/pca_gmm': {'baselines/compressed', 'baselines/stored',
                          'baselines/tuning'},
    'baselines/pixels': {'baselines/compressed'},
    'baselines/stored': {'baselines/compressed', 'baselines/pixels'},
    'baselines/subset': {'baselines/compressed'},
    'baselines/thumbnails': {'baselines/compressed', 'baselines/stored',
                             'baselines/subset', 'baselines/tuning'},
    'baselines/tuning': {'baselines/compressed', 'metrics/tstr'},
    'benchmarks/__init__': {'benchmarks/augment', 'benchmarks/baselines',
                            'benchmarks/coreset',
                            'benchmarks/cost', 'benchmarks/em',
                            'benchmarks/frontier', 'benchmarks/frontier_table',
                            'benchmarks/gmm_dae_loss', 'benchmarks/heads',
                            'benchmarks/latents', 'benchmarks/papers',
                            'benchmarks/scale', 'benchmarks/serving',
                            'benchmarks/throughput'},
    'benchmarks/coreset': {'benchmarks/frontier'},
    'benchmarks/frontier': {'benchmarks/frontier_rows',
                            'benchmarks/frontier_table', 'compression'},
    'benchmarks/frontier_rows': {'benchmarks/frontier_table'},
    'beam_em': {'beam_encode', 'beam_files', 'beam_start', 'beam_state'},
    'beam_encode': {'beam_files'},
    'beam_sample': {'beam_files'},
    'beam_start': {'beam_encode', 'beam_files', 'beam_state'},
    'beam_state': {'beam_files'},
    'beam': {'commands/beam'},
    'budget': {'errors'},
    'benchmarks/baselines': {'benchmarks/frontier',
                             'benchmarks/frontier_table'},
    'benchmarks/cost': {'benchmarks/cost_model', 'benchmarks/cost_simulation',
                        'benchmarks/scale'},
    'benchmarks/cost_simulation': {'benchmarks/cost_model'},
    'benchmarks/gmm_dae_loss': {'benchmarks/ablation'},
    'benchmarks/heads': {'benchmarks/vpa_tables'},
    'benchmarks/scale': {'benchmarks/distorted'},
    'benchmarks/serving': {'compression'},
    'benchmarks/throughput': {'benchmarks/torch_networks'},
    'cluster': {'errors'},
    'codec': {'ans', 'errors', 'limits'},
    'commands/beam': {'commands/run'},
    'commands/benchmark': {'commands/run'},
    'commands/compress': {'commands/run', 'commands/summary'},
    'commands/evaluate': {'commands/compress', 'commands/run'},
    'commands/report': {'commands/run'},
    'commands/sample': {'commands/run'},
    'commands/serve': {'commands/run'},
    'config': {'config_sections', 'errors', 'presets', 'setting'},
    'config_sections': {'presets', 'setting'},
    'data': {'errors', 'memory'},
    'distributed_em': {'points', 'shared', 'stepwise'},
    'distribution': {'cluster', 'errors', 'watching'},
    'editing': {'classes', 'encoder', 'latent'},
    'em': {'em_steps'},
    'head': {'flow'},
    'header': {'guarantee'},
    'heads': {'config', 'errors', 'flow', 'head', 'likelihoods', 'scales'},
    'judges': {'trunks'},
    'latent': {'allocation'},
    'layout': {'encoder'},
    'likelihoods': {'head', 'scales'},
    'locking': {'errors'},
    'memory': {'budget', 'errors'},
    'metrics/accuracy': {'metrics/groups', 'metrics/subject', 'metrics/tstr'},
    'metrics/confusion': {'metrics/subject', 'metrics/tstr'},
    'metrics/features': {'metrics/frechet', 'metrics/tstr'},
    'metrics/fid': {'metrics/frechet', 'metrics/subject'},
    'metrics/kid': {'metrics/subject'},
    'metrics/latents': {'metrics/clustering', 'metrics/subject'},
    'metrics/prdc': {'metrics/neighbors', 'metrics/subject'},
    'metrics/privacy/attack': {'metrics/intervals'},
    'metrics/privacy/canary': {
        'artifact', 'metrics/intervals', 'metrics/privacy/reconstruction',
        'metrics/subject'},
    'metrics/privacy/components': {'metrics/latents', 'metrics/subject'},
    'metrics/privacy/copying': {'metrics/neighbors', 'metrics/subject'},
    'metrics/privacy/dcr': {'metrics/intervals', 'metrics/neighbors',
                            'metrics/subject'},
    'metrics/privacy/membership': {
        'latent', 'metrics/latents', 'metrics/neighbors',
        'metrics/privacy/attack', 'metrics/privacy/reconstruction',
        'metrics/subject'},
    'metrics/privacy/reconstruction': {'artifact'},
    'metrics/privacy/shadow': {
        'metrics/privacy/attack', 'metrics/privacy/reconstruction',
        'metrics/subject'},
    'metrics/rate': {'metrics/subject'},
    'metrics/bic': {'latent', 'metrics/subject'},
    'metrics/registry': {
        'metrics/accuracy', 'metrics/bic', 'metrics/confusion',
        'metrics/features', 'metrics/fid', 'metrics/kid', 'metrics/latents',
        'metrics/prdc', 'metrics/rate', 'metrics/subject', 'metrics/tstr',
        'metrics/privacy/canary', 'metrics/privacy/components',
        'metrics/privacy/copying', 'metrics/privacy/dcr',
        'metrics/privacy/membership', 'metrics/privacy/shadow'},
    'metrics/subject': {'artifact', 'metrics/features', 'metrics/tstr',
                        'train'},
    'metrics/tstr': {'metrics/intervals'},
    'networks': {'config', 'head', 'paper_trunks', 'trunks'},
    'opening': {'artifact', 'encoder', 'layout'},
    'options': {'errors', 'setting'},
    'overlap': {'data', 'progress'},
    'page': {'benchmarks/frontier_table', 'sections', 'view'},
    'paper_trunks': {'config', 'trunks'},
    'pipeline': {'guaranteed'},
    'points': {'stepwise'},
    'private': {'view'},
    'runfile': {'errors', 'setting', 'version'},
    'queries': {'config', 'errors', 'options'},
    'rebuilding': {'classes'},
    'reporting': {'evaluation'},
    'search': {'held_out', 'trials'},
    'sections': {'private', 'view'},
    'image_files': {'errors'},
    'image_folder': {'arrays', 'config', 'data', 'errors', 'image_files'},
    'setting': {'errors'},
    'sources': {'arrays', 'config', 'data', 'errors', 'image_folder', 'memory',
                'spuco', 'streams', 'tfds_source'},
    'spuco': {'config', 'data', 'errors'},
    'staging': {'errors'},
    'streamed_em': {'points', 'stepwise'},
    'streams': {'arrays', 'config', 'data', 'errors', 'memory'},
    'teacher': {'shared'},
    'tfds_source': {'arrays', 'config', 'data', 'errors'},
    'tfds_writer': {'errors', 'progress', 'version'},
    'trunks': {'config', 'head'},
    'trials': {'held_out', 'refitting'},
    'value_range': {'errors'},
    'watching': {'errors'},
    'writers': {'data', 'errors', 'staging'},
}

# The package itself says where its public names live and imports them at
# their first use. It stands above all levels.
FRONT = '__init__'


def _levels():
  """Module -> level, from the table of BUILD.md."""
  text = (ROOT / 'BUILD.md').read_text()
  section = text.split('## How the code is arranged')[1].split('\n## ')[0]
  levels = {}
  for level, names in re.findall(r'^\| (\d+) \| ([^|]*) \|', section,
                                 re.MULTILINE):
    for name in re.findall(r'`([^`]+)`', names):
      modules = [name]
      if name.endswith('/'):
        modules = [name + path.stem for path in (PACKAGE / name).glob('*.py')]
      for module in modules:
        assert module not in levels, f'{module} has two levels'
        levels[module] = int(level)
  return levels


def _modules():
  """Module -> its syntax tree."""
  return {str(path.relative_to(PACKAGE).with_suffix('')):
          ast.parse(path.read_text(), str(path))
          for path in PACKAGE.rglob('*.py')}


MODULES = _modules()
LEVELS = _levels()


def _imported(tree):
  """Dotted names of all imports, those inside functions too."""
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      assert not node.level, 'imports are absolute'
      yield from (f'{node.module}.{alias.name}' for alias in node.names)


def _own_imports(module):
  """Modules of the package that one imports."""
  result = set()
  for name in _imported(MODULES[module]):
    first, *rest = name.split('.')
    if first == 'tfp_lgc':
      # The longest part of the name that is a module.
      while rest and '/'.join(rest) not in MODULES:
        inside = '/'.join([*rest, FRONT])
        rest = rest[:-1] if inside not in MODULES else [*rest, FRONT]
      result.add('/'.join(rest) or FRONT)
  return result


def test_every_module_has_a_level():
  assert set(LEVELS) == set(MODULES) - {FRONT}


def test_imports_are_found():
  """Or all of the following would hold of nothing."""
  assert {'config', 'data', 'errors'} <= _own_imports('sources')
  assert 'sources' in _own_imports('commands/compress')
  assert len([m for m in MODULES if _own_imports(m)]) > 15


@pytest.mark.parametrize('module', sorted(set(MODULES) - {FRONT}))
def test_imports_go_down(module):
  imported = _own_imports(module)
  assert FRONT not in imported
  above = {name for name in imported if LEVELS[name] > LEVELS[module]}
  assert not above
  beside = {name for name in imported if LEVELS[name] == LEVELS[module]}
  assert beside == SAME_LEVEL.get(module, set())


def test_imports_have_no_cycle():
  graphlib.TopologicalSorter(
      {module: _own_imports(module) for module in MODULES}).prepare()


def test_absl_stays_in_two_files():
  users = {module for module, tree in MODULES.items()
           if any(name.split('.')[0] == 'absl' for name in _imported(tree))}
  assert users == {'flags', 'logs'}


def test_keras_2_is_imported_by_its_own_name():
  """TensorFlow Probability does not work with the Keras of `tf.keras`."""
  for path in PACKAGE.rglob('*.py'):
    assert not re.search(r'\btf\.keras|tensorflow\.keras|^import keras',
                         path.read_text(), re.MULTILINE), path


@pytest.mark.parametrize('modules, heavy', [
    # `--help` does not wait; nor does a flag that is wrong.
     (['', '.__main__', '.budget', '.config', '.errors', '.flags', '.logs',
      '.cluster', '.progress', '.runfile', '.terminal', '.version', '.commands',
      '.commands.beam', '.commands.benchmark', '.commands.compress',
      '.commands.evaluate', '.commands.report', '.commands.run',
      '.commands.sample', '.commands.serve'],
     {'numpy', 'tensorflow', 'tf_keras', 'tqdm', 'sklearn'}),
    # A format that others read needs no TensorFlow.
    (['.codec', '.container', '.writers'], {'tensorflow', 'tf_keras'}),
])
def test_light_modules_import_nothing_heavy(modules, heavy):
  program = ''.join(f'import tfp_lgc{module}\n' for module in modules)
  program += 'import sys\nprint(*sys.modules)'
  run = subprocess.run([sys.executable, '-c', program], cwd=ROOT, check=True,
                       stdout=subprocess.PIPE, text=True)
  assert 'tfp_lgc' in run.stdout
  assert not heavy & set(run.stdout.split())


def test_public_names_live_where_the_package_says():
  assert dir(tfp_lgc) == tfp_lgc.__all__
  tree = MODULES[FRONT]
  for name in set(tfp_lgc.__all__) - {'__version__'}:
    public = getattr(tfp_lgc, name)
    assert public.__name__ == name
    # What a type checker is told is what there is.
    assert f'{public.__module__}.{name}' in set(_imported(tree))
  with pytest.raises(AttributeError, match="no attribute 'decompress'"):
    _ = tfp_lgc.decompress
