"""The commands as a user meets them: files, streams and exit status."""

import dataclasses
import errno
import gzip
import hashlib
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image
from sklearn import datasets
from tensorboard.backend.event_processing import event_accumulator

import tfp_lgc
from tfp_lgc import artifact as artifact_lib
from tfp_lgc import compression, evaluation, locking, search, sources, train
from tfp_lgc import config as config_lib
from tfp_lgc import options as options_lib
from tfp_lgc.commands import (
  beam,
  benchmark,
  compress,
  evaluate,
  report,
  run,
  sample,
  serve,
)
from tfp_lgc.errors import DataError
from tfp_lgc.metrics import tstr
from tfp_lgc.opening import load

BIN = pathlib.Path(__file__).parent.parent / 'bin'
COMMANDS = {'beam': beam, 'benchmark': benchmark, 'compress': compress,
            'evaluate': evaluate, 'report': report, 'sample': sample,
            'serve': serve}

KEYS = ['model', 'dataset', 'num_bytes', 'num_bytes_by_part',
        'bits_per_class', 'saved_model_num_bytes',
        'raw_num_bytes', 'gzip_num_bytes', 'reduction_percent',
        'compression_ratio', 'num_components', 'seconds', 'seed']
JUDGED_KEYS = ['published_index', 'tstr_accuracy', 'real_accuracy']
STAGES = ['train', 'encode', 'mixture', 'pack', 'save']
PROGRESS = re.compile(
    r'\w+( \.\.\.|: done in [\d.]+ s| \d+/\d+ .*\(\d+ s left\))')
# What makes a run short.
TINY = ['--epochs=2', '--hidden_size=8', '--latent_size=2', '--judge_steps=20',
        '--num_components_max=3']


def _process(command, *args, cwd):
  """A command in a process of its own, as from a user's shell."""
  environment = {name: value for name, value in os.environ.items()
                 if name not in ('PYTHONPATH', 'TF_CPP_MIN_LOG_LEVEL')}
  return subprocess.run(
      [sys.executable, BIN / command, *args], cwd=cwd, text=True,
      stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
      env={**environment, 'PYTHONDONTWRITEBYTECODE': '1'})


def _main(command, *args):
  return COMMANDS[command].main([f'lgc-{command}', *map(str, args)])


def _json(line):
  """JSON as others read it, who do not know NaN."""
  def refuse(name):
    raise AssertionError(f'{name} is not JSON')
  return json.loads(line, parse_constant=refuse)


def _content(directory):
  """Every file and folder, to see whether one was touched."""
  return {str(path.relative_to(directory)):
          path.is_file() and path.read_bytes()
          for path in directory.rglob('*')}


def _shown_flags(text):
  return {name for _, name in re.findall(r'^  --(\[no\])?(\w+)', text, re.M)}


# compress.


@pytest.fixture(scope='module')
def compressed(tmp_path_factory):
  """The main command, run once in an empty directory."""
  directory = tmp_path_factory.mktemp('empty')
  return directory, _process('compress', '--model=vae', *TINY, cwd=directory)


@pytest.fixture(scope='module')
def summary(compressed):
  _, done = compressed
  assert done.returncode == 0, done.stderr
  return _json(done.stdout.splitlines()[-1])


def test_the_last_line_is_the_documented_summary(summary):
  assert set(summary) == {*KEYS, *JUDGED_KEYS}
  assert (summary['model'], summary['dataset'], summary['seed']) == (
      'vae', 'digits', 0)
  assert set(summary['num_components']) == set('0123456789')
  assert all(1 <= count <= 3 for count in summary['num_components'].values())
  assert list(summary['seconds']) == [*STAGES, 'evaluate']
  assert all(seconds >= 0 for seconds in summary['seconds'].values())
  for name in ('tstr_accuracy', 'real_accuracy'):
    assert 0 <= summary[name] <= 1


def test_sizes_are_those_on_the_disk(compressed, summary, tmp_path):
  directory = compressed[0] / 'lgc_artifact'
  assert summary['num_bytes'] == (directory / 'artifact.lgc').stat().st_size
  parts = summary['num_bytes_by_part']
  assert set(parts) == {'decoder', 'mixture', 'labels', 'header'}
  assert min(parts.values()) > 0
  assert sum(parts.values()) == summary['num_bytes']
  # Of ten classes.
  assert summary['bits_per_class'] == pytest.approx(0.8 * summary['num_bytes'])
  archive = shutil.make_archive(str(tmp_path / 'x'), 'gztar', directory,
                                'saved_model')
  assert summary['saved_model_num_bytes'] == pytest.approx(
      os.path.getsize(archive), rel=0.05)


def test_raw_and_gzip_bytes_are_those_of_the_train_split(summary):
  counts = np.bincount(datasets.load_digits().target)
  num_train = int((counts - counts // 5).sum())
  assert summary['raw_num_bytes'] == num_train * (8 * 8 + 1)
  source = sources.load(config_lib.DataConfig())
  train = source.train.to_memory(source.class_names)
  content = train.images.tobytes() + train.labels.astype(np.uint8).tobytes()
  assert summary['gzip_num_bytes'] == len(gzip.compress(content, 9))


def test_the_arithmetic_of_the_summary(summary):
  num_bytes, raw = summary['num_bytes'], summary['raw_num_bytes']
  reduction = summary['reduction_percent']
  assert reduction == pytest.approx(100 * (1 - num_bytes / raw), abs=1e-4)
  assert summary['compression_ratio'] == pytest.approx(raw / num_bytes,
                                                       abs=0.01)
  assert summary['published_index'] == pytest.approx(
      100 * summary['tstr_accuracy'] / (100 - reduction), abs=0.01)


def test_people_see_the_same_numbers(compressed, summary):
  table = '\n'.join(compressed[1].stdout.splitlines()[:-1])
  for number in (f'{summary["num_bytes"]:,} bytes',
                 f'{summary["raw_num_bytes"]:,} bytes',
                 f'{summary["gzip_num_bytes"]:,} bytes',
                 f'{summary["tstr_accuracy"]:.2%}',
                 f'{summary["real_accuracy"]:.2%}'):
    assert number in table


def test_stderr_has_progress_and_nothing_of_tensorflow(compressed):
  lines = compressed[1].stderr.splitlines()
  assert not [line for line in lines if not PROGRESS.fullmatch(line)]
  for stage in STAGES:
    assert any(line.startswith(f'{stage}: done') for line in lines)


def test_only_what_is_documented_is_written(compressed):
  directory, _ = compressed
  assert [path.name for path in directory.iterdir()] == ['lgc_artifact']
  assert {path.name for path in (directory / 'lgc_artifact').iterdir()} == {
      'artifact.lgc', 'saved_model', 'metrics.jsonl', 'encoder', 'README.md',
      'metadata.json', 'run.json'}


def test_metrics_are_lines_of_json_that_end_with_the_summary(
    compressed, summary):
  text = (compressed[0] / 'lgc_artifact/metrics.jsonl').read_text()
  rows = [_json(line) for line in text.splitlines()]
  assert rows[-1] == {'event': 'summary', **summary}
  by_event = {event: list(group) for event, group in itertools.groupby(
      rows, lambda row: row['event'])}
  assert list(by_event) == ['config', 'train', 'latents', 'bic',
                            'summary']
  assert by_event['config'][0]['model']['latent_size'] == 2
  assert {'step', 'loss', 'nll', 'kl'} <= set(by_event['train'][0])
  assert [row['class_name'] for row in by_event['bic']] == list('0123456789')
  [latents] = by_event['latents']
  assert latents['latent_size'] == 2 and 1 <= latents['live'] <= 2
  for row in by_event['bic']:
    # The chosen number of components is where the curve is lowest.
    assert np.argmin(row['bic']['full']) + 1 == summary['num_components'][
        row['class_name']]


@pytest.fixture
def artifact(compressed):
  directory, done = compressed
  assert done.returncode == 0, done.stderr
  return directory / 'lgc_artifact'


@pytest.fixture
def place(tmp_path, monkeypatch):
  """An empty working directory but for images of noise, in two classes."""
  monkeypatch.chdir(tmp_path)
  images = np.random.default_rng(0).integers(0, 256, [60, 6, 5], np.uint8)
  np.savez('two.npz', x_train=images, y_train=np.arange(60) % 2)
  np.savez('one.npz', x_train=images)
  return tmp_path


def test_a_single_class_is_compressed_and_not_judged(place, capsys):
  """And it replaces what stood there, and nothing else that did."""
  (place / 'out/saved_model').mkdir(parents=True)
  (place / 'out/artifact.lgc').write_bytes(b'old')
  (place / 'out/run.json').write_bytes(b'old')
  (place / 'out/mine.txt').write_bytes(b'kept')
  assert _main('compress', '--dataset=one.npz', '--output=out', '--overwrite',
               '--tensorboard', '--report', '--license=CC0-1.0', *TINY) == 0
  out, err = capsys.readouterr()
  got = _json(out.splitlines()[-1])
  assert set(got) == set(KEYS)
  # 12 of 60 are held out. A label takes a byte, also where all are the same.
  assert got['raw_num_bytes'] == 48 * (6 * 5 + 1)
  assert set(got['num_components']) == {'all'}
  [line] = [line for line in err.splitlines() if 'no evaluation' in line]
  assert 'only one class' in line
  assert {path.name for path in (place / 'out').iterdir()} == {
      'artifact.lgc', 'saved_model', 'metrics.jsonl', 'encoder', 'tensorboard',
      'mine.txt', 'README.md', 'metadata.json', 'report.html', 'run.json'}
  assert '| source | one.npz |\n| license | CC0-1.0 |' in (
      place / 'out/README.md').read_text()
  run_file = _json((place / 'out/run.json').read_text())
  assert run_file['settings']['license'] == 'CC0-1.0'
  text = (place / 'out/report.html').read_text()
  assert 'lgc-compress --dataset=one.npz' in text
  assert got['num_bytes'] == (place / 'out/artifact.lgc').stat().st_size > 100
  events = event_accumulator.EventAccumulator(
      str(next(pathlib.Path('out/tensorboard').iterdir()))).Reload()
  assert set(events.Tags()['tensors']) == {
      'train/loss', 'train/nll', 'train/kl', 'reconstructions', 'samples'}


def test_a_budget_is_kept_and_leaves_alone_what_flags_say(place, capsys,
                                                          monkeypatch):
  monkeypatch.setattr(search, 'JUDGE_STEPS', 5)
  # The dense trunk is the default, and said.
  assert _main('compress', '--dataset=two.npz', '--output=out',
               '--budget=1.5kB', '--trunk=dense', '--finetune_steps=10',
               '--covariance=diag', '--mixture_bits=6',
               '--texture=none', *TINY) == 0
  out, err = capsys.readouterr()
  got = _json(out.splitlines()[-1])
  assert got['num_bytes'] == (place / 'out/artifact.lgc').stat().st_size <= 1500
  assert tfp_lgc.load(place / 'out').model.trunk == 'dense'
  assert [line for line in err.splitlines() if 'covariance diag' in line]


# run.json.


def test_a_run_says_all_its_settings(artifact):
  content = _json((artifact / 'run.json').read_text())
  assert set(content['settings']) == FLAGS['compress'] - EVERY - {
      'config', 'output', 'overwrite'}
  assert content['settings']['latent_size'] == 2
  assert set(content['given']) == {'model', *(
      flag[2:].split('=')[0] for flag in TINY)}
  assert content['versions']['tfp_lgc'] == tfp_lgc.__version__
  assert content['versions']['tensorflow'] == tf.__version__
  # No place of this machine.
  assert '/' not in (artifact / 'run.json').read_text()


@pytest.fixture
def asked(artifact, monkeypatch):
  """What was to be compressed, which takes its time."""
  seen = []

  def compressed(work, source, config, num_bytes, fixed, *args):
    seen.append((config, num_bytes, fixed))
    return load(artifact)

  monkeypatch.setattr(compression, 'compress_with', compressed)
  monkeypatch.setattr(tfp_lgc.Artifact, 'save', _save_run)
  monkeypatch.setattr(compress, 'summarize', lambda *args: {
      'raw_num_bytes': 1, 'gzip_num_bytes': 1, 'num_bytes': 1, 'seconds': {},
      'reduction_percent': 0, 'saved_model_num_bytes': 1,
      'num_components': {'0': 1}})
  return seen


def _save_run(self, directory, *args, run, **kwargs):
  """That of an artifact, but only the one file."""
  os.makedirs(directory, exist_ok=True)
  (pathlib.Path(directory) / 'run.json').write_text(run)


def test_a_run_is_asked_for_once_more_by_its_file(place, asked, capsys):
  flags = ['--dataset=two.npz', '--budget=1.5kB', '--trunk=dense',
           '--preset=lgc', '--seed=3', '--license=CC0-1.0', '--noevaluate',
           '--max_serving_batch=7', *TINY]
  assert _main('compress', *flags, '--output=a') == 0
  assert _main('compress', '--config=a/run.json', '--output=b') == 0
  assert _main('compress', '--config=b/run.json', '--output=c',
               '--seed=4', '--budget=', '--verbosity=-1') == 0
  first, again, other = asked
  assert again == first
  assert (first[1], other[1]) == (1500, 0)
  assert other[0] == config_lib.replace(first[0], seed=4)
  assert other[2] == first[2] > {'trunk', 'budget', 'seed', 'batch_size'}
  before, after, last = ((place / name / 'run.json').read_text()
                         for name in 'abc')
  assert before == after != last
  assert 'bytes may differ' not in capsys.readouterr().err


def test_a_run_by_other_packages_may_have_other_bytes(place, asked, capsys):
  (place / 'old.json').write_text(json.dumps({
      'settings': {'dataset': 'two.npz', 'evaluate': False},
      'versions': {'tfp_lgc': '0.0.1', 'numpy': np.__version__}}))
  assert _main('compress', '--config=old.json', '--output=a') == 0
  [line] = [line for line in capsys.readouterr().err.splitlines()
            if 'bytes may differ' in line]
  assert line.startswith('old.json was made with tfp_lgc 0.0.1, ')


@pytest.mark.slow
@pytest.mark.parametrize('flags', [
    [], ['--budget=1.5kB', '--trunk=dense', '--finetune_steps=10',
         '--covariance=diag', '--texture=none', '--mixture_bits=6']],
    ids=['plain', 'budget'])
def test_the_same_bytes_come_out_of_its_file(flags, place, capsys,
                                             monkeypatch):
  monkeypatch.setattr(search, 'JUDGE_STEPS', 5)
  assert _main('compress', '--dataset=digits', '--noevaluate', *TINY, *flags,
               '--output=a') == 0
  assert _main('compress', '--config=a/run.json', '--output=b') == 0
  assert _main('compress', '--config=a/run.json', '--output=c',
               '--seed=1') == 0
  capsys.readouterr()
  first, again, other = ((place / name / 'artifact.lgc').read_bytes()
                         for name in 'abc')
  assert again == first != other
  assert (place / 'b/run.json').read_bytes() == (
      place / 'a/run.json').read_bytes()


@pytest.mark.parametrize('budget, message', [
    ('32kiB', 'did you mean 32kB'), ('none', 'must be a number of bytes'),
    ('60B', 'takes [0-9,]+ bytes at the least')])
def test_a_budget_that_will_not_do(budget, message, place, capsys):
  assert _main('compress', '--dataset=two.npz', '--output=out',
               f'--budget={budget}', '--finetune_steps=10',
               '--num_filters=2', *TINY) == 2
  assert re.search(message, capsys.readouterr().err.splitlines()[-1])
  assert not (place / 'out').exists()


def test_groups_are_part_of_the_summary(place, capsys):
  assert _main('compress', '--dataset=spuco', '--spurious_base=two.npz',
               '--output=out', *TINY) == 0
  got = _json(capsys.readouterr().out.splitlines()[-1])
  names = [f'{name}_{what}' for name in ('tstr', 'real')
           for what in ('worst_group', 'groups')]
  assert set(got) == {*KEYS, *JUDGED_KEYS, *names}
  for name in ('tstr', 'real'):
    assert np.shape(got[f'{name}_groups']) == (2, 2)
    assert got[f'{name}_worst_group'] == np.min(got[f'{name}_groups'])


def _makes(artifact, monkeypatch):
  """Runs take no time and make an artifact that there is."""
  monkeypatch.setattr(compression, 'compress_with',
                      lambda *args: load(artifact))


@pytest.mark.parametrize('flag', ['--evaluate=false', '--noevaluate'])
def test_without_evaluation_no_judge_is_trained(
    flag, artifact, place, monkeypatch, capsys):
  _makes(artifact, monkeypatch)
  monkeypatch.setattr(evaluation, 'evaluate', None)
  assert _main('compress', '--output=out', flag) == 0
  out, err = capsys.readouterr()
  assert set(_json(out.splitlines()[-1])) == set(KEYS)
  assert 'evaluat' not in out + err


def test_training_that_diverges_at_once_ends_in_a_line_and_leaves_nothing(
    place, capsys):
  before = _content(place)
  assert _main('compress', '--dataset=two.npz', '--output=out', '--model=ae',
               '--head=normal_diag', '--min_stddev=1e-6', '--learning_rate=10',
               '--batch_size=16', *TINY, '--epochs=15') == 2
  out, err = capsys.readouterr()
  *lines, last = err.splitlines()
  assert re.match('lgc-compress: error: training diverged in epoch .*'
                  '--learning_rate', last)
  assert not [line for line in lines if not PROGRESS.fullmatch(line)]
  assert _content(place) == before
  # What Keras has to say does not go where results are expected.
  assert out == ''


def test_training_that_diverges_later_leaves_its_last_good_checkpoint(
    place, monkeypatch, capsys):
  monkeypatch.setattr(train, 'STEPS_PER_EXECUTION', 1)
  before = _content(place)
  for _ in range(2):  # It comes again.
    assert _main('compress', '--dataset=two.npz', '--output=out', '--model=ae',
                 '--head=normal_diag', '--min_stddev=1e-6', '--batch_size=16',
                 '--learning_rate=10', *TINY, '--epochs=15',
                 '--checkpoint_seconds=0') == 2
    _, err = capsys.readouterr()
    *_, line, last = err.splitlines()
    assert 'error: training diverged in epoch' in last
    assert 'the last good checkpoint is in out/.resume' in line
    reader = tf.train.load_checkpoint('out/.resume/train')
    assert len(reader.get_variable_to_shape_map()) > 3
  after = _content(place)
  assert {name: after[name] for name in before} == before
  left = {pathlib.Path(name).parts[:2] for name in set(after) - set(before)}
  assert left == {('out',), ('out', '.resume')}


@pytest.mark.parametrize('number, status, word', [
    (signal.SIGINT, 130, 'interrupted'), (signal.SIGTERM, 143, 'terminated')])
def test_a_signal_ends_a_run_with_a_word_on_how_to_go_on(
    number, status, word, artifact, place, monkeypatch, capsys):
  def stop(*args):
    os.kill(os.getpid(), number)
    raise AssertionError('it goes on')

  handlers = [signal.getsignal(each) for each in (signal.SIGINT,
                                                  signal.SIGTERM)]
  monkeypatch.setattr(compression, 'compress_with', stop)
  assert _main('compress', '--output=out', '--noevaluate') == status
  out, err = capsys.readouterr()
  assert (out, err) == ('', f'lgc-compress: {word}; the same command goes on '
                            'from its last checkpoint\n')
  assert [signal.getsignal(each) for each in (
      signal.SIGINT, signal.SIGTERM)] == handlers
  _makes(artifact, monkeypatch)
  assert _main('compress', '--output=out', '--noevaluate') == 0
  assert 'goes on with' in capsys.readouterr().err
  assert sorted(os.listdir('out')) == sorted(
      name for name in os.listdir(artifact) if name != 'encoder')


def test_a_run_that_stops_after_its_artifact_stands_goes_on(
    artifact, place, monkeypatch, capsys):
  def stop(*args, **kwargs):
    raise KeyboardInterrupt

  _makes(artifact, monkeypatch)
  with monkeypatch.context() as patch:
    patch.setattr(evaluation, 'evaluate', stop)
    assert _main('compress', '--output=out', *TINY) == 130
  before = _content(place)
  # Another run may not replace it, nor take away what the first left.
  assert _main('compress', '--output=out', *TINY, '--seed=1') == 2
  assert _content(place) == before
  assert '--overwrite' in capsys.readouterr().err.splitlines()[-1]
  assert _main('compress', '--output=out', *TINY) == 0
  assert not (place / 'out/.resume').exists()
  rows = (place / 'out/metrics.jsonl').read_text().splitlines()
  assert _json(rows[-1])['event'] == 'summary'


def test_a_full_disk_is_a_line_and_leaves_the_artifact_that_stood(
    artifact, place, monkeypatch, capsys):
  def full(path, content):
    raise OSError(errno.ENOSPC, 'No space left on device', str(path))

  shutil.copytree(artifact, 'out')
  before = _content(place / 'out')
  _makes(artifact, monkeypatch)
  with monkeypatch.context() as patch:
    patch.setattr(artifact_lib.layout, 'write', full)
    assert _main('compress', '--output=out', '--overwrite', '--noevaluate') == 2
  out, err = capsys.readouterr()
  assert out == ''
  assert re.fullmatch('lgc-compress: error: .*: No space left on device',
                      err.splitlines()[-1])
  after = _content(place / 'out')
  assert {name: after[name] for name in before} == before
  assert {name.split('/')[0] for name in set(after) - set(before)} == {
      '.resume'}
  assert _main('compress', '--output=out', '--overwrite', '--noevaluate') == 0


def test_of_two_runs_with_one_output_one_is_told(place, capsys):
  ready, done = threading.Event(), threading.Event()

  def hold():
    with locking.only_writer('out'):
      ready.set()
      done.wait()

  thread = threading.Thread(target=hold)
  thread.start()
  ready.wait()
  try:
    assert _main('compress', '--dataset=two.npz', '--output=out', *TINY) == 2
  finally:
    done.set()
    thread.join()
  out, err = capsys.readouterr()
  assert out == ''
  assert re.fullmatch("lgc-compress: error: output = '.*out': another process "
                      'is writing there; .*', err.rstrip('\n'))


# sample.


def _sampled(artifact, output, *flags):
  """The arrays of `sample --output=output`, which is an .npz."""
  assert _main('sample', f'--artifact={artifact}', f'--output={output}',
               *flags) == 0
  with np.load(output) as file:
    assert set(file.files) == {'x_train', 'y_train'}
    return file['x_train'], file['y_train']


def test_samples_as_npz_are_a_data_set(artifact, place, capsys):
  x, y = _sampled(artifact, 'x.npz', '--n=300')
  out, err = capsys.readouterr()
  assert (x.shape, x.dtype) == ((300, 8, 8, 1), np.uint8)
  assert set(y) == set(range(10))
  assert '300' in out and 'x.npz' in out and err == ''
  assert {path.name for path in place.iterdir()} == {'one.npz', 'two.npz',
                                                     'x.npz'}
  assert sources.load(config_lib.DataConfig('./x.npz')).class_names == tuple(
      '0123456789')


def test_samples_are_those_of_the_seed_whatever_file_they_come_from(
    artifact, place):
  x, y = _sampled(artifact, 'a.npz', '--n=20', '--seed=1')
  for i, form in enumerate(('artifact.lgc', 'saved_model', 'saved_model/1')):
    x_again, y_again = _sampled(artifact / form, f'b{i}.npz', '--n=10',
                                '--seed=1')
    np.testing.assert_array_equal(x_again, x[:10])
    np.testing.assert_array_equal(y_again, y[:10])
  x_other, _ = _sampled(artifact, 'c.npz', '--n=20', '--seed=2')
  assert (x_other != x).any()


def test_stochastic_samples_are_draws_from_the_head(artifact, place):
  x, y = _sampled(artifact, 'a.npz', '--n=20')
  drawn, labels = _sampled(artifact, 'b.npz', '--n=20', '--stochastic')
  np.testing.assert_array_equal(labels, y)
  assert set(np.unique(drawn)) == {0, 255}  # Bernoulli pixels.
  # As bright as the points on average, which are their probabilities.
  assert abs(drawn.mean() - x.mean()) < 5 * 127 / np.sqrt(x.size)
  assert drawn[x > 127].mean() > drawn[x <= 127].mean()
  np.testing.assert_array_equal(
      drawn, tfp_lgc.sample(artifact, 20, stochastic=True).images)


def test_samples_of_a_label_are_of_that_class(artifact, place):
  _, y = _sampled(artifact, 'x.npz', '--n=9', '--label=3')
  np.testing.assert_array_equal(y, [3] * 9)


def test_samples_as_png_and_as_a_folder_are_those_of_the_npz(artifact, place):
  x, y = _sampled(artifact, 'x.npz', '--n=12')
  for output in ('x.png', 'x'):
    assert _main('sample', f'--artifact={artifact}', '--n=12',
                 f'--output={output}') == 0
  sheet = np.asarray(Image.open('x.png'))
  columns = sheet.shape[1] // 8
  assert sheet.shape == (8 * -(-12 // columns), 8 * columns)
  for i, image in enumerate(x):
    top, left = 8 * (i // columns), 8 * (i % columns)
    np.testing.assert_array_equal(sheet[top:top + 8, left:left + 8],
                                  image[..., 0])
  files = sorted(place.glob('x/*/*.png'), key=lambda path: path.name)
  assert [path.parent.name for path in files] == [str(label) for label in y]
  for path, image in zip(files, x):
    np.testing.assert_array_equal(np.asarray(Image.open(path)), image[..., 0])


def test_samples_as_a_data_set_of_tfds_are_those_of_the_npz(
    artifact, place, capsys):
  x, y = _sampled(artifact, 'x.npz', '--n=300', '--balanced', '--seed=2')
  capsys.readouterr()
  assert _main('sample', f'--artifact={artifact}', '--output=x', '--n=300',
               '--balanced', '--seed=2', '--output_format=tfds',
               '--splits=train:290,test:10') == 0
  out, err = capsys.readouterr()
  assert out == '300 images written to x\n'
  assert not [line for line in err.splitlines() if not PROGRESS.fullmatch(line)]
  assert {path.name for path in place.iterdir()} == {'one.npz', 'two.npz',
                                                     'x.npz', 'x'}
  builder = tfds.builder_from_directory('x')
  rows = [row for name in ('train', 'test') for row in tfds.as_numpy(
      builder.as_dataset(split=name))]
  np.testing.assert_array_equal([row['image'] for row in rows], x)
  assert builder.info.features['label'].names == list('0123456789')
  np.testing.assert_array_equal([row['label'] for row in rows], y)


# report.


def test_report_writes_a_page_of_pictures(artifact, place, capsys):
  assert _main('report', f'--artifact={artifact}', '--output=page') == 0
  out, err = capsys.readouterr()
  assert out == 'page/index.html\n'
  assert not [line for line in err.splitlines() if not PROGRESS.fullmatch(line)]
  assert {path.name for path in (place / 'page').iterdir()} == {
      'index.html', 'reconstructions.png', 'samples.png', 'latents.png',
      'interpolations.png'}


# evaluate.


@pytest.fixture
def judged(monkeypatch):
  """Judges that are not trained: what they would see, and answers."""
  seen = []

  def right(train, test, num_classes, config, seed=0, on_step=None):
    seen.append((train, test, num_classes, config.judge_steps, seed))
    return np.arange(1000) < [500, 900, 625, 800][len(seen) - 1]

  monkeypatch.setattr(tstr, 'right', right)
  return seen


def test_evaluate_judges_samples_and_real_images_alike(
    artifact, place, judged, capsys):
  assert _main('evaluate', f'--artifact={artifact}', '--dataset=digits',
               '--runs=2', '--seed=7', '--judge_steps=5') == 0
  out, _ = capsys.readouterr()
  got = _json(out.splitlines()[-1])
  assert set(got) == {'artifact', 'dataset', 'num_bytes', 'tstr_accuracy',
                      'real_accuracy', 'seed', 'judge_steps', 'seconds'}
  for name, runs in (('tstr_accuracy', [0.5, 0.625]),
                     ('real_accuracy', [0.9, 0.8])):
    assert got[name]['runs'] == runs
    assert got[name]['mean'] == pytest.approx(np.mean(runs))
    assert got[name]['stddev'] == pytest.approx(np.std(runs, ddof=1))
    assert f'{np.mean(runs):.2%}' in out
  assert got['num_bytes'] == (artifact / 'artifact.lgc').stat().st_size
  assert (got['seed'], got['judge_steps']) == (7, 5)
  # As many samples as real images, the official test split, one seed a run.
  source = sources.load(config_lib.DataConfig())
  assert [train.num_examples for train, *_ in judged] == [
      source.train.num_examples] * 4
  assert {test.num_examples for _, test, *_ in judged} == {
      source.test.num_examples}
  assert [rest for _, _, *rest in judged] == [
      [10, 5, 7], [10, 5, 7], [10, 5, 8], [10, 5, 8]]
  first, other = (judged[i][0].to_memory(()).images for i in (0, 2))
  assert (first != other).any()


def test_evaluate_of_one_run_is_json_too(artifact, place, judged, capsys):
  """Where a deviation is not defined."""
  assert _main('evaluate', f'--artifact={artifact}', '--runs=1') == 0
  _json(capsys.readouterr().out.splitlines()[-1])


def test_evaluate_judges_a_baseline_in_place_of_an_artifact(
    place, judged, capsys):
  assert _main('evaluate', '--baseline=xz', '--budget=3kB', '--runs=2',
               '--seed=7', '--judge_steps=5') == 0
  out, _ = capsys.readouterr()
  got = _json(out.splitlines()[-1])
  assert set(got) == {
      'baseline', 'budget', 'dataset', 'num_bytes', 'baseline_settings',
      'tstr_accuracy', 'real_accuracy', 'seed', 'judge_steps', 'seconds'}
  assert (got['baseline'], got['budget']) == ('xz', 3000)
  assert 2900 < got['num_bytes'] <= 3000
  assert got['tstr_accuracy']['runs'] == [0.5, 0.625]
  assert f'{0.5625:.2%}' in out
  # The judges saw what fits, drawn anew for each run.
  counts = [row['num_images'] for row in got['baseline_settings']]
  assert [train.num_examples for train, *_ in judged[::2]] == counts
  first, other = (judged[i][0].to_memory(()).images[:50] for i in (0, 2))
  assert (first != other).any()
  assert [rest for _, _, *rest in judged] == [
      [10, 5, 7], [10, 5, 7], [10, 5, 8], [10, 5, 8]]


def test_evaluate_takes_images_and_judge_from_the_run(artifact, place, judged,
                                                      capsys):
  settings = {'dataset': 'digits', 'judge_steps': 5, 'seed': 7,
              'budget': '1kB', 'latent_size': 3}
  flags = [f'--artifact={artifact}', '--config=run.json', '--runs=1',
           '--judge_steps=6']
  (place / 'run.json').write_text(json.dumps({'settings': settings}))
  assert _main('evaluate', *flags) == 0
  assert [rest for _, _, *rest in judged] == [[10, 6, 7]] * 2
  # Not the images that the artifact was made from.
  (place / 'run.json').write_text(json.dumps({'settings': {
      **settings, 'test_fraction': 0.5}}))
  assert _main('evaluate', *flags) == 2
  assert 'another part held out' in capsys.readouterr().err


# What users get wrong.


@pytest.fixture(scope='module')
def inputs(compressed, tmp_path_factory):
  """A directory of everything that a command refuses."""
  directory = tmp_path_factory.mktemp('inputs')
  content = (compressed[0] / 'lgc_artifact/artifact.lgc').read_bytes()
  x = np.random.default_rng(0).integers(0, 256, [20, 8, 8], np.uint8)
  y = np.arange(20) % 10
  wide = x.reshape([10, 8, 16])
  for name, arrays in {
      'good': {'x_train': x, 'y_train': y},
      'nan': {'x_train': np.where(x > 9, x, np.nan)},
      'unit': {'x_train': x / 255, 'y_train': y},
      'short': {'x_train': x, 'y_train': y[1:]},
      'keys': {'images': x},
      'objects': {'x_train': x, 'y_train': np.array([{}] * 20)},
      'wide': {'x_train': wide, 'y_train': y[:10],
               'x_test': wide, 'y_test': y[:10]},
      'one': {'x_train': x},
  }.items():
    np.savez(directory / f'{name}.npz', **arrays)
  for i, height in enumerate((8, 8, 9)):
    path = directory / f'sizes/train/a/{i}.png'
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros([height, 8], np.uint8)).save(path)
  (directory / 'empty').mkdir()
  shutil.copytree(compressed[0] / 'lgc_artifact/encoder',
                  directory / 'art/encoder')
  altered = bytearray(content)
  altered[len(content) // 2] ^= 1
  newer = content[:8] + struct.pack('<H', 4) + content[10:-32]
  for name, file_content in {
      'corrupt.npz': (directory / 'good.npz').read_bytes()[:900],
      'file': b'something else',
      'wrong.txt': b'--epochs=1\n--latent_siz=3\n',
      'unknown.json': b'{"settings": {"latent_siz": 3}}',
      'range.json': b'{"settings": {"epochs": -1, "latent_size": 4}}',
      'newer.json': b'{"format_version": 2, "more": []}',
      'budget.json': b'{"settings": {"budget": "32kiB"}}',
      'art/artifact.lgc': content,
      'truncated.lgc': content[:-1],
      'short.lgc': content[:9],
      'altered.lgc': altered,
      'newer.lgc': newer + hashlib.sha256(newer).digest(),
  }.items():
    (directory / name).write_bytes(file_content)
  return directory


# Command, arguments, and a word that the line has to have.
WRONG = [
    ('compress', ['--model=vea'], "model = 'vea'.*vae"),
    ('compress', ['--head=gauss'], 'head'),
    ('compress', ['--trunk=resnet'], 'trunk'),
    ('compress', ['--epoch=2'], 'epoch'),
    ('compress', ['--no_such_flag'], 'no_such_flag'),
    ('compress', ['--latent_size=0'], 'latent_size'),
    ('compress', ['--latent_size=many'], 'latent_size'),
    ('compress', ['--latent_size'], 'latent_size'),
    ('compress', ['--batch_size=2.5'], 'batch_size'),
    ('compress', ['--beta=nan'], 'beta'),
    ('compress', ['--learning_rate=inf'], 'learning_rate'),
    ('compress', ['--seed=-1'], 'seed'),
    ('compress', ['--evaluate=perhaps'], 'evaluate'),
    ('compress', ['--flagfile=missing.txt'], 'missing.txt'),
    ('compress', ['--flagfile=wrong.txt'], 'did you mean latent_size'),
    ('compress', ['--config=missing.json'], "'missing.json': No such file"),
    ('compress', ['--config=empty'], "'empty': Is a directory"),
    ('compress', ['--config=file'], "'file': is not JSON"),
    ('compress', ['--config=unknown.json'],
     "'unknown.json': .*'latent_siz'; did you mean latent_size"),
    ('compress', ['--config=range.json', '--latent_size=3'],
     "'range.json': epochs = -1: must be from 0"),
    ('compress', ['--config=newer.json'], "'newer.json': format_version = 2"),
    ('compress', ['--config=budget.json'], "budget = '32kiB'.*32kB"),
    ('evaluate', ['--artifact=art', '--config=unknown.json'],
     "'unknown.json': .*'latent_siz'; did you mean latent_size"),
    ('evaluate', ['--artifact=art', '--config=missing.json'], 'missing.json'),
    ('sample', ['--artifact=art', '--config=range.json'], 'config'),
    ('compress', ['--verbosity=9'], 'verbosity = 9'),
    ('compress', ['digits'], "'digits'"),
    ('compress', ['--epochs', '1', 'digits'], "'digits'"),
    ('compress', ['--dataset=./missing'], './missing'),
    ('compress', ['--dataset=missing.npz'], 'missing.npz'),
    ('compress', ['--dataset=no_such_name', '--data_dir=.'], 'no_such_name'),
    ('compress', ['--dataset=corrupt.npz'], 'corrupt.npz'),
    ('compress', ['--dataset=nan.npz'], 'nan.npz.*x_train.*nan'),
    ('compress', ['--dataset=unit.npz'],
     'unit.npz: x_train: .*--value_range=0,1'),
    ('compress', ['--dataset=short.npz'], 'short.npz.*y_train.*20'),
    ('compress', ['--dataset=keys.npz'], 'keys.npz.*x_train'),
    ('compress', ['--dataset=objects.npz'], 'objects.npz'),
    ('compress', ['--dataset=sizes/'], 'train/a/2.png'),
    ('compress', ['--dataset=empty/'], 'empty'),
    ('compress', ['--dataset=./file'], 'file'),
    ('compress', ['--output=art'], "'art'.*--overwrite"),
    ('compress', ['--output=file'], "'file'"),
    ('compress', ['--output=file/below'], 'file'),
    ('sample', ['--artifact=art', '--n=0'], 'n = 0'),
    ('sample', ['--artifact=art', '--n=-1'], 'n = -1'),
    ('sample', ['--artifact=art', '--n=many'], 'n'),
    ('sample', ['--artifact=art', '--seed=-1'], 'seed'),
    ('sample', ['--artifact=art', '--label=ten'], "'ten'.*0, 1, 2"),
    ('sample', ['--artifact=art', '--epochs=1'], 'epochs'),
    ('sample', ['--artifact=art', '16'], "'16'"),
    ('sample', ['--artifact=art', '--output=x.gif'], 'x.gif.*png'),
    ('sample', ['--artifact=art', '--output=good.npz'],
     'good.npz.*--overwrite'),
    ('sample', ['--artifact=art', '--output=sizes'], 'sizes'),
    ('sample', ['--artifact=art', '--output=sizes', '--overwrite'], 'sizes'),
    ('sample', ['--artifact=art', '--output=file', '--overwrite'], 'file'),
    ('sample', ['--artifact=art', '--output=file/x.npz'], 'file'),
    ('sample', ['--artifact=art', '--output_format=tfsd'],
     'did you mean tfds'),
    ('sample', ['--artifact=art', '--output=file', '--output_format=tfds',
                '--overwrite'], "'file'"),
    ('sample', ['--artifact=art', '--output=x', '--output_format=tfds',
                '--splits=train:9,test:9'], 'splits.*n = 100'),
    ('sample', ['--artifact=art', '--splits=test'], '--output_format=tfds'),
    ('sample', ['--artifact=missing'], 'missing'),
    ('sample', ['--artifact=empty'], 'empty'),
    ('sample', ['--artifact=file'], 'file'),
    ('sample', ['--artifact=short.lgc'], 'short.lgc'),
    ('sample', ['--artifact=truncated.lgc'], 'truncated.lgc'),
    ('sample', ['--artifact=altered.lgc'], 'altered.lgc'),
    ('sample', ['--artifact=newer.lgc'], 'newer.lgc.*version 4'),
    ('sample', [], 'lgc_artifact'),
    ('serve', ['art', 'more'], "'more'"),
    ('serve', ['--artifact=art', 'more'], "'more'"),
    ('serve', ['missing', '--port=0'], 'missing'),
    ('serve', ['altered.lgc', '--port=0'], 'altered.lgc'),
    ('serve', ['art', '--port=65536'], 'port = 65536'),
    ('serve', ['art', '--port=0', '--host=no.such.host.invalid'], 'host = '),
    ('serve', ['art', '--timeout=0'], 'timeout = 0'),
    ('report', ['--artifact=art', '--output=sizes'], "'sizes'.*--overwrite"),
    ('report', ['--artifact=art', '--output=file'], "'file'"),
    ('report', ['--artifact=art', '--output=file/below', '--overwrite'],
     'file'),
    ('report', ['--artifact=art/artifact.lgc'], 'no encoder/settings.json'),
    ('report', ['--artifact=missing'], 'missing'),
    ('report', ['--artifact=art', '--dataset=wide.npz'],
     r'wide.npz.*\(8, 16, 1\).*\(8, 8, 1\)'),
    ('report', ['--artifact=art', '--dataset=./missing'], './missing'),
    ('evaluate', ['--artifact=art', '--runs=0'], 'runs'),
    ('evaluate', ['--artifact=art', '--judge_steps=0'], 'judge_steps'),
    ('evaluate', ['--baseline=losless', '--budget=1kB'],
     'did you mean lossless'),
    ('evaluate', ['--baseline=xz'], '--budget'),
    ('evaluate', ['--baseline=xz', '--budget=1KiB'], 'KiB'),
    ('evaluate', ['--budget=1kB'], '--baseline'),
    ('evaluate', ['--baseline=xz', '--budget=1kB', '--artifact=art'],
     'only one'),
    ('evaluate', ['--artifact=art', '--seed=-1'], 'seed'),
    ('evaluate', ['--artifact=art', '--metrics=fdi'], "'fdi'.*mean fid"),
    ('evaluate', ['--artifact=art', '--metrics='], 'metrics.*accuracy'),
    ('evaluate', ['--artifact=art/artifact.lgc', '--metrics=latents'],
     'latents.*encoder.*bin/compress'),
    ('evaluate', ['--baseline=xz', '--budget=1kB', '--metrics=components'],
     'components.*not of a baseline'),
    ('evaluate', ['--artifact=art', '--metrics=shadow', '--shadow_models=5'],
     'shadow_models = 5.*even'),
    ('evaluate', ['--artifact=art', '--metrics=fid', '--feature_network=file'],
     "feature_network = 'file'.*keras"),
    ('evaluate', ['--artifact=art', '--metric_images=1'], 'metric_images'),
    ('evaluate', ['--artifact=art', '--latent_size=2'], 'latent_size'),
    ('evaluate', ['--artifact=art', 'digits'], "'digits'"),
    ('evaluate', ['--artifact=missing'], 'missing'),
    ('evaluate', ['--artifact=altered.lgc'], 'altered.lgc'),
    ('evaluate', ['--artifact=art', '--dataset=./missing'], './missing'),
    ('evaluate', ['--artifact=art', '--dataset=wide.npz'],
     r'wide.npz.*\(8, 16, 1\).*\(8, 8, 1\)'),
    ('evaluate', ['--artifact=art', '--dataset=one.npz'],
     'one.npz.*only one class'),
    ('evaluate', ['--artifact=art', '--dataset=good.npz'],
     'good.npz.*no test split'),
]


@pytest.mark.parametrize('command, args, words', WRONG,
                         ids=lambda value: ' '.join(value) if isinstance(
                             value, list) else str(value)[:8])
def test_what_is_wrong_is_a_line_and_leaves_everything_as_it_was(
    command, args, words, inputs, monkeypatch, capsys):
  monkeypatch.chdir(inputs)
  before = _content(inputs)
  assert _main(command, *args) == 2
  out, err = capsys.readouterr()
  assert out == ''
  [line] = err.splitlines()
  assert re.match(f'lgc-{command}: error: .*{words}', line)
  assert _content(inputs) == before


@pytest.mark.parametrize('command', COMMANDS)
def test_a_process_ends_with_status_2_and_that_line(command, tmp_path):
  done = _process(command, '--seed=-1', cwd=tmp_path)
  assert (done.returncode, done.stdout) == (2, '')
  [line] = done.stderr.splitlines()
  assert line.startswith(f'{command}: error: seed = -1')


# --help.


DATA_FLAGS = {field.name
              for field in dataclasses.fields(config_lib.DataConfig)}
JUDGE_FLAGS = {'judge', 'judge_steps', 'judge_batch_size', 'judge_augmentation'}
# Those of every command, and of those that read run.json.
EVERY = {'verbosity', 'flagfile', 'version', 'help'}
WITH_FILE = {'compress', 'evaluate'}
FLAGS = {
    'beam': {*config_lib.settings(options_lib.BeamConfig()),
             *config_lib.settings(options_lib.DrawConfig()), *DATA_FLAGS},
    'benchmark': {*config_lib.settings(config_lib.Config()), 'preset', 'suite',
                  'output', 'figures', 'table', 'rows', 'runs', 'budgets',
                  'judges', 'artifacts', 'sizes'},
    'compress': {*config_lib.settings(config_lib.Config()), 'preset', 'output',
                 'overwrite', 'evaluate', 'tensorboard', 'budget', 'license',
                 'report', 'checkpoint_seconds',
                 *config_lib.settings(options_lib.ExportConfig())},
    'evaluate': {'artifact', 'baseline', 'budget', 'metrics', 'runs', 'seed',
                 *DATA_FLAGS, *JUDGE_FLAGS,
                 *config_lib.settings(options_lib.MetricsConfig())},
    'report': {'runs', 'artifact', 'output', 'frontier', 'lossless',
               'overwrite', 'seed', *DATA_FLAGS},
    'sample': {'artifact', 'n', 'label', 'stochastic', 'balanced',
               'temperature', 'seed', 'output', 'output_format', 'splits',
               'overwrite'},
    'serve': set(config_lib.settings(options_lib.ServeConfig())),
}
for command, flags in FLAGS.items():
  flags |= EVERY | ({'config'} if command in WITH_FILE else set())


def test_every_command_is_tested():
  assert {path.name for path in BIN.iterdir()} == set(COMMANDS) == set(FLAGS)


@pytest.mark.parametrize('command', COMMANDS)
def test_help_shows_the_flags_of_the_command_without_waiting(command, tmp_path):
  environment = {**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'}
  done = subprocess.run(
      [sys.executable, '-X', 'importtime', BIN / command, '--help'],
      cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
      env=environment)
  assert done.returncode == 0
  assert _shown_flags(done.stdout) == FLAGS[command]
  assert f'usage: {command} ' in done.stdout
  assert max(map(len, done.stdout.splitlines())) <= 80
  imported = {line.split('|')[-1].strip() for line in done.stderr.splitlines()}
  assert 'tfp_lgc.flags' in imported
  assert not imported & {'numpy', 'tensorflow', 'tf_keras'}
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('command', COMMANDS)
def test_the_version_is_an_answer_too(command, capsys):
  assert _main(command, '--version') == 0
  assert capsys.readouterr() == ('tfp_lgc 0.1.0\n', '')


@pytest.mark.parametrize('command', COMMANDS)
@pytest.mark.parametrize('flag', ['-h', '--help'])
def test_help_is_an_answer_and_no_error(command, flag, capsys):
  assert _main(command, flag) == 0
  out, err = capsys.readouterr()
  assert _shown_flags(out) == FLAGS[command] and err == ''


# How a command ends.


def test_a_share_stands_beside_that_by_chance():
  """And an area without an interval alone."""
  dcr = {'nearer_to_train': 0.542, 'nearer_to_train_interval': [0.5, 0.6],
         'chance_interval': [0.46, 0.54], 'identical_share': 0.0}
  attack = {'auc': 1.0, 'auc_interval': None}
  rows = dict(evaluate._table({'privacy': {
      'note': 'measured', 'dcr': dcr, 'shadow': attack}}))
  assert rows['samples nearer to train than test'] == (
      '54.20% (46.00% to 54.00% by chance)')
  assert rows['membership by shadow models, AUC'] == '1.000'


def test_nobody_reading_is_no_error():
  done = subprocess.run(f'{sys.executable} {BIN / "compress"} --help | head -1',
                        shell=True, text=True, capture_output=True)
  assert len(done.stdout.splitlines()) == 1
  assert done.stderr == ''


def test_an_error_within_a_graph_is_a_line(capsys):
  error = tf.errors.InvalidArgumentError(None, None, 'no space left\nat op X')
  assert run.run(_raise(error), ['bin/x']) == 2
  assert capsys.readouterr().err == 'x: error: no space left\n'


def _raise(error):
  def body(argv):
    raise error
  return body


@pytest.mark.parametrize('error, status, line', [
    (DataError('x.npz:\n  is\n  damaged'), 2, 'error: x.npz: is damaged'),
    (FloatingPointError('diverged'), 2, 'error: diverged'),
    (OSError(28, 'No space left on device', 'out/x'), 2,
     'error: out/x: No space left on device'),
    (OSError(28, 'No space left on device'), 2,
     'error: No space left on device'),
    (OSError('something of a library'), 2, 'error: something of a library'),
    (KeyboardInterrupt(), 130, 'interrupted'),
])
def test_an_error_of_the_user_is_a_line(error, status, line, capsys):
  assert run.run(_raise(error), ['/usr/bin/lgc-x']) == status
  assert capsys.readouterr() == ('', f'lgc-x: {line}\n')


def test_an_error_of_the_program_is_not_hidden():
  with pytest.raises(ZeroDivisionError):
    run.run(_raise(ZeroDivisionError()), ['lgc-x'])
