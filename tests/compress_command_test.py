"""bin/compress: what it prints and writes."""

import gzip
import itertools
import os
import pathlib
import re
import shutil

import numpy as np
import pytest
from command_lines import json_of, main, makes, process, PROGRESS, TINY
from sklearn import datasets
from tensorboard.backend.event_processing import event_accumulator

import tfp_lgc
from tfp_lgc import config as config_lib
from tfp_lgc import evaluation, held_out, sources, teacher

KEYS = ['model', 'dataset', 'num_bytes', 'num_bytes_by_part',
        'bits_per_class', 'saved_model_num_bytes',
        'raw_num_bytes', 'gzip_num_bytes', 'reduction_percent',
        'compression_ratio', 'num_components', 'seconds', 'seed']
JUDGED_KEYS = ['published_index', 'tstr_accuracy', 'real_accuracy']
STAGES = ['train', 'encode', 'mixture', 'pack', 'save']


@pytest.fixture(scope='module')
def compressed(tmp_path_factory):
  """The main command, run once in an empty directory."""
  directory = tmp_path_factory.mktemp('empty')
  return directory, process('compress', '--model=vae', *TINY, cwd=directory)


@pytest.fixture(scope='module')
def summary(compressed):
  _, done = compressed
  assert done.returncode == 0, done.stderr
  return json_of(done.stdout.splitlines()[-1])


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
  rows = [json_of(line) for line in text.splitlines()]
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


def test_a_single_class_is_compressed_and_not_judged(place, capsys):
  """And it replaces what stood there, and nothing else that did."""
  (place / 'out/saved_model').mkdir(parents=True)
  (place / 'out/artifact.lgc').write_bytes(b'old')
  (place / 'out/run.json').write_bytes(b'old')
  (place / 'out/mine.txt').write_bytes(b'kept')
  assert main('compress', '--dataset=one.npz', '--output=out', '--overwrite',
              '--tensorboard', '--report', '--license=CC0-1.0', *TINY) == 0
  out, err = capsys.readouterr()
  got = json_of(out.splitlines()[-1])
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
  run_file = json_of((place / 'out/run.json').read_text())
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
  monkeypatch.setattr(held_out, 'JUDGE_STEPS', 5)
  monkeypatch.setattr(teacher, 'TEACHER_STEPS', 5)
  # The dense trunk is the default, and said.
  assert main('compress', '--dataset=two.npz', '--output=out',
              '--budget=1.5kB', '--trunk=dense', '--finetune_steps=10',
              '--covariance=diag', '--mixture_bits=6', '--texture=none',
              *TINY) == 0
  out, err = capsys.readouterr()
  got = json_of(out.splitlines()[-1])
  assert got['num_bytes'] == (place / 'out/artifact.lgc').stat().st_size <= 1500
  assert tfp_lgc.load(place / 'out').model.trunk == 'dense'
  assert [line for line in err.splitlines() if 'covariance diag' in line]


@pytest.mark.parametrize('budget, message', [
    ('32kiB', 'did you mean 32kB'), ('none', 'must be a number of bytes'),
    ('60B', 'takes [0-9,]+ bytes at the least')])
def test_a_budget_that_will_not_do(budget, message, place, capsys):
  assert main('compress', '--dataset=two.npz', '--output=out',
              f'--budget={budget}', '--finetune_steps=10',
              '--num_filters=2', *TINY) == 2
  assert re.search(message, capsys.readouterr().err.splitlines()[-1])
  assert not (place / 'out').exists()


def test_groups_are_part_of_the_summary(place, capsys):
  assert main('compress', '--dataset=spuco', '--spurious_base=two.npz',
              '--output=out', *TINY) == 0
  got = json_of(capsys.readouterr().out.splitlines()[-1])
  names = [f'{name}_{what}' for name in ('tstr', 'real')
           for what in ('worst_group', 'groups')]
  assert set(got) == {*KEYS, *JUDGED_KEYS, *names}
  for name in ('tstr', 'real'):
    assert np.shape(got[f'{name}_groups']) == (2, 2)
    assert got[f'{name}_worst_group'] == np.min(got[f'{name}_groups'])


@pytest.mark.parametrize('flag', ['--evaluate=false', '--noevaluate'])
def test_without_evaluation_no_judge_is_trained(
    flag, digits_run, place, monkeypatch, capsys):
  makes(digits_run, monkeypatch)
  monkeypatch.setattr(evaluation, 'evaluate', None)
  assert main('compress', '--output=out', flag) == 0
  out, err = capsys.readouterr()
  assert set(json_of(out.splitlines()[-1])) == set(KEYS)
  assert 'evaluat' not in out + err


def test_a_report_has_what_was_measured_for_it(place, capsys):
  rng = np.random.default_rng(0)
  labels = np.arange(120) % 2
  images = rng.integers(0, 99, [120, 6, 5]) + 150 * labels[:, None, None]
  np.savez('told.npz', x_train=images.astype(np.uint8), y_train=labels)
  assert main('compress', '--dataset=told.npz', '--output=out', '--report',
              *TINY) == 0
  summary = json_of(capsys.readouterr().out.splitlines()[-1])
  found = json_of((place / 'out/evaluation.json').read_text())
  assert found['num_bytes'] == summary['num_bytes']
  assert found['tstr_accuracy']['mean'] == summary['tstr_accuracy']
  assert {'confusion', 'privacy'} <= set(found)
  assert not {'confusion', 'privacy', 'left_out'} & set(summary)
  text = (place / 'out/report.html').read_text()
  assert 'Attacks were not measured' not in text
  assert 'membership by reconstruction, AUC' in text
  assert '--metrics=confusion' not in text
