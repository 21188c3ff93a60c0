"""Files that somebody made on purpose: each is loaded as it stands or refused.

What `load` may take, in time and memory, is on the page about the format.
"""

import ast
import collections
import pathlib
import re
import signal
import time
import tracemalloc
from typing import NamedTuple

import fuzzing
import hostile_files
import imports_test
import numpy as np
import pytest
import tensorflow as tf

import tfp_lgc
from tfp_lgc import config as config_lib
from tfp_lgc import limits
from tfp_lgc.errors import ArtifactError, LgcError

GOLDENS = sorted((pathlib.Path(__file__).parent / 'goldens').glob('v*/*.lgc'))
# Seconds of a processor, not of a clock: other work on the machine is no hang.
MAX_SECONDS = 2
# Of files of up to 16,000 bytes; BUILD.md says so.
MAX_EXTRA_NUM_BYTES = 2**28


@pytest.fixture(scope='module')
def seeds(dictionary):
  """Good files: of every version, and small artifacts of every kind."""
  contents = [path.read_bytes() for path in GOLDENS]
  contents += [fuzzing.small_artifact(i, head).to_bytes()
               for i, head in enumerate(config_lib.HEADS)]
  return [fuzzing.parsed(content, dictionary) for content in contents]


class Hang(BaseException):
  """Not an error that a program may catch."""


class Loaded(NamedTuple):
  """What came of a file.

  Attributes:
    artifact: or None, if it was refused.
    seconds: of a processor.
    num_bytes: that NumPy and Python took at the most, beside the file.
  """
  artifact: object
  seconds: float
  num_bytes: int


def _loaded(content: bytes) -> Loaded:
  """Any error but an ArtifactError gets out."""
  def hang(*_):
    raise Hang(f'more than {MAX_SECONDS} s')

  def load():
    try:
      return tfp_lgc.Artifact.from_bytes(content, 'here')
    except ArtifactError as error:
      assert str(error).startswith('here: ') and len(str(error)) < 2000
    return None

  before = signal.signal(signal.SIGVTALRM, hang)
  start = time.process_time()
  signal.setitimer(signal.ITIMER_VIRTUAL, MAX_SECONDS)
  try:
    load()
  finally:
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    seconds = time.process_time() - start
    signal.signal(signal.SIGVTALRM, before)
  # Once more, for what is traced takes many times as long.
  tracemalloc.start()
  try:
    artifact = load()
    _, peak = tracemalloc.get_traced_memory()
  finally:
    tracemalloc.stop()
  return Loaded(artifact, seconds, peak)


def _check_written(artifact, file) -> None:
  """Nothing is lost or changed when it is written and read again either."""
  again = artifact.to_bytes()
  other = tfp_lgc.Artifact.from_bytes(again)
  assert not fuzzing.differences(other, file)
  assert other.to_bytes() == again


def _check_drawn(artifact) -> bool:
  """Whether it draws images; if not, it says why."""
  try:
    drawn = artifact.sampler.block(tf.constant(0), tf.constant([0, 1]),
                                   tf.constant(1.0))
  except LgcError:
    return False
  images = drawn['image'].numpy()
  assert images.dtype == np.uint8
  assert images.shape[1:] == tuple(artifact.image_shape)
  assert set(drawn['label'].numpy()) <= set(range(len(artifact.class_names)))
  return True


def _fuzz(seeds, lgc_file, dictionary, numbers, write_every, draw_every):
  """Loads the files of these numbers; returns what came of them."""
  counts, worst = collections.Counter(), [(0.0, 0), (0.0, 0), (0, 0)]
  for i in numbers:
    rng = np.random.default_rng([1, i])
    seed, other = (seeds[int(rng.integers(len(seeds)))] for _ in range(2))
    mutator = hostile_files.MUTATORS[i % len(hostile_files.MUTATORS)]
    content = mutator(rng, seed, lgc_file, other)
    try:
      loaded = _loaded(content)
      extra = loaded.num_bytes - 4 * len(content)
      assert extra <= MAX_EXTRA_NUM_BYTES
      counts[mutator.__name__, loaded.artifact is not None] += 1
      if loaded.artifact:
        file = fuzzing.parsed(content, dictionary)
        assert not fuzzing.differences(loaded.artifact, file)
        # Not for all, which takes longer: numbers without a common divisor
        # with that of the mutators come to all of these.
        if i % write_every == 0:
          _check_written(loaded.artifact, file)
        if i % draw_every == 0:
          counts['drawn', _check_drawn(loaded.artifact)] += 1
    except BaseException as error:
      error.add_note(f'file {i}, by {mutator.__name__}')
      raise
    worst = [max(worst[0], (loaded.seconds, i)),
             max(worst[1], (loaded.num_bytes / max(len(content), 1), i)),
             max(worst[2], (loaded.num_bytes, i))]
  return counts, worst


def test_seeds_are_of_every_version_and_kind(seeds):
  assert {seed.version for seed in seeds} == {1, 2, 3, 4}
  models = [seed.header['model'] for seed in seeds]
  assert {model['head'] for model in models} == set(config_lib.HEADS)
  assert {model['trunk'] for model in models} == {'dense', 'conv'}
  assert any(model.get('head_num_components') for model in models)
  structures = {name for seed in seeds
                for name in seed.header.get('structures', [])}
  assert structures == {*config_lib.COVARIANCES, 'prior'}
  assert any(len(seed.header['structures']) < len(seed.header['class_names'])
             and seed.header['structures'] != ['prior'] for seed in seeds)
  names = {entry[0] for seed in seeds for entry in seed.header['tensors']}
  assert {'texture/scale', 'head/params/kernel'} <= names


def test_good_files_load_and_draw(seeds, lgc_file):
  """Or the fuzzer would begin with bad ones."""
  for i, seed in enumerate(seeds):
    content = lgc_file(seed.header, seed.payload, seed.version)
    loaded = _loaded(content)
    assert not fuzzing.differences(loaded.artifact, seed)
    _check_written(loaded.artifact, seed)
    if i % 9 == 0:
      assert _check_drawn(loaded.artifact)


def test_what_differs_is_found(seeds, lgc_file):
  """Of what was loaded and a file: or the fuzzer would find nothing."""
  seed = seeds[-1]
  artifact = _loaded(lgc_file(*seed[1:], 3)).artifact
  for header, payload, what in (
      ({**seed.header, 'class_counts': [9, 2, 3]}, seed.payload,
       'class_counts'),
      ({**seed.header, 'model': {**seed.header['model'], 'width': 2.0}},
       seed.payload, 'width'),
      (seed.header, seed.payload[:-1] + bytes([seed.payload[-1] ^ 1]),
       seed.header['tensors'][-1][0]),
      ({**seed.header, 'tensors': seed.header['tensors'][::-1]}, seed.payload,
       'names')):
    assert what in fuzzing.differences(
        artifact, fuzzing.Seed(3, header, payload))


def test_hostile_files_are_loaded_as_they_stand_or_refused(seeds, lgc_file,
                                                           dictionary):
  counts, _ = _fuzz(seeds, lgc_file, dictionary, range(600), 8, 150)
  _check_counts(counts)


@pytest.mark.slow
@pytest.mark.parametrize('part', range(4))
def test_twenty_thousand_hostile_files(part, seeds, lgc_file, dictionary,
                                       capsys):
  counts, worst = _fuzz(seeds, lgc_file, dictionary,
                        range(5100 * part, 5100 * (part + 1)), 8, 160)
  with capsys.disabled():
    print(f'\n{_total(counts, True)} loaded, {_total(counts, False)} refused, '
          f'drawn {counts["drawn", True]}, not drawn {counts["drawn", False]}')
    print('longest {:.3f} s (file {}); memory by size of file {:.1f} (file '
          '{}); memory {} bytes (file {})'.format(*sum(worst, ())))
  _check_counts(counts)


def _total(counts, loaded):
  return sum(count for (name, its), count in counts.items()
             if its == loaded and name != 'drawn')


def _check_counts(counts):
  """Every mutator makes files, and most make both kinds."""
  assert _total(counts, True) > 0.1 * _total(counts, False) > 0
  for mutator in hostile_files.MUTATORS:
    name = mutator.__name__
    assert counts[name, False] or name == 'recoded'
    assert counts[name, True] or name in ('no_checksum', 'payload_bytes',
                                          'text_bytes', 'other_payload')
  assert not counts['no_checksum', True] and not counts['recoded', False]


@pytest.mark.parametrize('name', hostile_files.BOMBS)
def test_a_few_bytes_are_never_a_great_deal(name, seeds, lgc_file):
  """What is just allowed takes no more than the page says either."""
  content = hostile_files.BOMBS[name](seeds[-1], lgc_file)
  assert len(content) < 16_000
  loaded = _loaded(content)
  assert loaded.num_bytes <= 4 * len(content) + MAX_EXTRA_NUM_BYTES


def test_the_page_says_what_a_loader_takes():
  page = (imports_test.ROOT / 'docs/container.md').read_text()
  text = ' '.join(page.split())
  assert f'4 times its size and {MAX_EXTRA_NUM_BYTES >> 20} MiB' in text
  for words in ('2^18 + 64 n bytes', '2^21 + 32 n numbers',
                '2^18 + 16 n symbols', '2^7 + n / 64', '2^12 contexts',
                '2^21 + 256 n numbers'):
    assert words in text
  assert limits.limits(1000) == (2**18 + 64_000, 2**21 + 32_000, 2**18 + 16_000,
                                 2**7 + 15, 2**21 + 256_000)
  assert limits.limits(2**40) == (
      limits.MAX_HEADER_NUM_BYTES, limits.MAX_ELEMENTS, limits.MAX_ANS_SYMBOLS,
      limits.MAX_CONTEXTS, limits.MAX_ELEMENTS)


# A file that is too long is not even read.


def test_a_file_longer_than_any_artifact_is_not_read(tmp_path):
  with open(tmp_path / 'x.lgc', 'wb') as file:
    file.truncate(limits.MAX_NUM_BYTES + 1)  # It takes no place on the disk.
  tracemalloc.start()
  try:
    with pytest.raises(ArtifactError, match='x.lgc: has 268435457 bytes'):
      tfp_lgc.load(tmp_path / 'x.lgc')
    assert tracemalloc.get_traced_memory()[1] < 2**20
  finally:
    tracemalloc.stop()


# Nothing on the way from a file to an artifact can run what is in the file.

_RUNS = {'pickle', 'cPickle', 'dill', 'cloudpickle', 'joblib', 'marshal',
         'shelve', 'yaml', 'importlib', 'imp', 'runpy', 'code', 'codeop',
         'ctypes', 'pkgutil', 'h5py'}
_CALLS = {'eval', 'exec', 'compile', '__import__', 'load_model',
          'model_from_json', 'model_from_config', 'from_config', 'load_weights',
          'import_module'}


def _on_the_path():
  """Modules that a file passes through: of the package, `opening` and all that
  it imports, whatever they do, but for what reads an encoder."""
  found, new = set(), {'opening'}
  while new:
    found |= new
    new = set().union(*map(imports_test._own_imports, new)) - found
  return found


def _called(tree):
  """Names of what is called, and the call."""
  for node in ast.walk(tree):
    if isinstance(node, ast.Call):
      function = node.func
      yield (function.attr if isinstance(function, ast.Attribute)
             else getattr(function, 'id', '')), node


@pytest.mark.parametrize('module', sorted(_on_the_path()))
def test_nothing_on_the_way_of_a_file_runs_code(module):
  tree = imports_test.MODULES[module]
  # What asks whether a package is there loads nothing.
  imported = {name.split('.')[0] for name in imports_test._imported(tree)
              if name != 'importlib.util'}
  assert not imported & _RUNS
  for name, call in _called(tree):
    source = ast.unparse(call)
    if source.startswith(('re.compile', 'model.compile')):
      continue
    assert name not in _CALLS, source
    assert not re.search(r'saved_model\.load|models\.load', source), source
    if re.match(r'(np|numpy)\.(load|fromfile|loadtxt)\(', source):
      assert 'allow_pickle=False' in source, source


def test_the_way_of_a_file_is_found():
  """Or the test above would hold of nothing."""
  assert {'opening', 'artifact', 'container', 'codec', 'ans', 'header',
          'packing', 'limits', 'networks', 'sampler'} <= _on_the_path()
  assert 'commands/serve' not in _on_the_path()
  names = [name for name, _ in _called(ast.parse('eval("1"); a.b.exec("")'))]
  assert names == ['eval', 'exec']
