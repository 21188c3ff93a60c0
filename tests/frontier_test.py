"""Accuracy against bytes: rows that go on where they stopped."""

import json

import numpy as np
import pytest

import tfp_lgc
from tfp_lgc import compression, data, held_out, resuming, search, teacher
from tfp_lgc.baselines import BASELINES, tuning
from tfp_lgc.benchmarks import (
  baselines,
  frontier,
  frontier_rows,
  frontier_table,
)
from tfp_lgc.commands import benchmark
from tfp_lgc.errors import BudgetError

FLAGS = ['--suite=frontier', '--dataset=digits', '--rows=lgc,lossless',
         '--budgets=300B,3kB', '--runs=2', '--judge_steps=30', '--epochs=2',
         '--finetune_steps=20', '--covariance=diag', '--texture=residual',
         '--num_components_max=2', '--num_filters=4', '--latent_size=3']


def _rows(capsys, *flags):
  assert benchmark.main(['benchmark', *FLAGS, *flags]) == 0
  return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize('methods', [
    ('random_subset',),
    pytest.param(('lgc', 'lossless'), marks=pytest.mark.slow)])
def test_rows_are_budgets_by_method_and_their_means(methods, capsys, tmp_path,
                                                    monkeypatch):
  monkeypatch.setattr(held_out, 'JUDGE_STEPS', 10)
  monkeypatch.setattr(teacher, 'TEACHER_STEPS', 10)
  files = [f'--output={tmp_path}/rows.jsonl', f'--artifacts={tmp_path}/kept',
           f'--rows={",".join(methods)}']
  rows = _rows(capsys, *files, '--judges=mlp/none', '--budgets=3kB')
  by_name = {row['name']: row for row in rows}
  assert set(by_name) == {f'frontier/digits/{name}' for name in (
      'real/0', 'real/0/0', 'real/0/1',
      *(f'{method}/3000{seed}' for method in methods
        for seed in ('', '/0', '/1')))}
  for method in methods:
    means = by_name[f'frontier/digits/{method}/3000']
    pair = [by_name[f'{means["name"]}/{seed}'] for seed in (0, 1)]
    values = [row['accuracies']['mlp/none'] for row in pair]
    assert means['accuracies']['mlp/none'] == pytest.approx(np.mean(values),
                                                            abs=1e-4)
    assert means['stddevs']['mlp/none'] == pytest.approx(
        np.std(values, ddof=1), abs=1e-4)
    assert means['num_bytes'] == max(row['num_bytes'] for row in pair) <= 3000
  if 'lgc' in methods:
    [kept] = (tmp_path / 'kept').glob('digits-3000-1-*.lgc')
    assert kept.stat().st_size == by_name['frontier/digits/lgc/3000/1'][
        'num_bytes']
    assert tfp_lgc.load(kept).texture is not None

  # What is there is not made again, nor is a judge trained again.
  monkeypatch.setattr(search, 'compress_within', None)
  accuracy, judged = frontier._accuracy, []

  def judge(name, *args):
    judged.append(name)
    return accuracy(name, *args)

  monkeypatch.setattr(frontier, '_accuracy', judge)
  more = _rows(capsys, *files, '--judges=mlp/none,cnn/shift', '--budgets=3kB')
  assert judged == ['cnn/shift'] * 2 * (1 + len(methods))
  assert set(more[-1]['accuracies']) == {'mlp/none', 'cnn/shift'}
  assert more[-1]['accuracies']['mlp/none'] == rows[-1]['accuracies'][
      'mlp/none']

  assert benchmark.main(['benchmark', *FLAGS, *files, '--table',
                         f'--figures={tmp_path}/figures']) == 0
  assert (tmp_path / 'figures/frontier_digits.png').exists()
  table = capsys.readouterr().out
  assert 'digits, judge mlp/none; all real images' in table
  assert f'{100 * rows[-1]["accuracies"]["mlp/none"]:.2f}' in table
  assert _rows(capsys, *files, '--judges=cnn/shift', '--budgets=3kB',
               f'--figures={tmp_path}')
  assert (tmp_path / 'frontier_digits.png').stat().st_size > 10_000
  assert benchmark.main(['benchmark', *FLAGS, *files, '--judge_steps=31']) == 2
  assert 'judge_steps = 31' in capsys.readouterr().err


def test_rows_and_artifacts_tell_what_they_are_of(
    capsys, tmp_path, monkeypatch, artifact):
  monkeypatch.setattr(compression, 'compress', lambda *_, **__: artifact)
  monkeypatch.setattr(frontier, 'sample', lambda _, n, seed: data.Images(
      np.zeros([n, 8, 8, 1], np.uint8), np.arange(n) % 10, tuple('0123456789')))
  flags = ['--rows=lgc', '--budgets=3kB', '--judges=mlp/none', '--runs=1',
           f'--artifacts={tmp_path}', f'--output={tmp_path}/rows.jsonl']
  rows = _rows(capsys, *flags, '--judge_samples=90')
  assert rows[-2]['judge_samples'] == 90
  assert benchmark.main(['benchmark', *FLAGS, *flags]) == 2
  assert 'judge_samples = 0: ' in capsys.readouterr().err
  _rows(capsys, *flags[:-1])
  assert len(list(tmp_path.glob('*.lgc'))) == 2
  monkeypatch.setattr(resuming, 'code', lambda: b'other')
  _rows(capsys, *flags[:-1])
  assert len(list(tmp_path.glob('*.lgc'))) == 3
  # Steps of the judge that counts are no part of an artifact.
  _rows(capsys, *flags[:-1], '--judge_steps=31')
  assert len(list(tmp_path.glob('*.lgc'))) == 3
  _rows(capsys, *flags[:-1], '--max_memory=2GB')
  monkeypatch.setattr(frontier_rows, 'digest', lambda source: 'others')
  _rows(capsys, *flags[:-1])
  assert len(list(tmp_path.glob('*.lgc'))) == 5


def test_rows_of_other_settings_are_not_mixed(capsys, tmp_path):
  flags = ['--rows=random_subset', '--budgets=3kB', '--judges=mlp/none',
           '--runs=1', f'--output={tmp_path}/rows.jsonl']
  row = _rows(capsys, *flags, '--judge_batch_size=32')[-2]
  assert row['given'] == {'judge_batch_size': 32}
  assert len(row['code']) == 8
  # What a baseline does not depend on may differ.
  _rows(capsys, *flags, '--judge_batch_size=32', '--latent_size=4')
  assert benchmark.main(['benchmark', *FLAGS, *flags]) == 2
  error = capsys.readouterr().err
  assert 'of judge_batch_size 32, these' in error


@pytest.mark.parametrize('method, feature', [
    ('avif', 'avif'), ('kmeans', 'webp'), ('coreset', 'webp'),
    ('thumbnails', 'libtiff')])
def test_another_format_that_pillow_lacks_is_told_at_once(
    method, feature, capsys, monkeypatch):
  monkeypatch.setattr('PIL.features.check', lambda its: its != feature)
  monkeypatch.setattr(frontier, '_made', None)  # Nothing is made before.
  assert benchmark.main(['benchmark', *FLAGS,
                         f'--rows=random_subset,pca_gmm,{method}']) == 2
  assert f'without {feature}' in capsys.readouterr().err


def test_settings_of_a_baseline_are_chosen_by_the_judge_of_the_flags(
    capsys, monkeypatch):
  judges = []
  monkeypatch.setattr(tuning, 'accuracy', lambda made, held_out, seed, judge:
                      judges.append(judge) or 0.5)
  row = _rows(capsys, '--rows=pca_gmm', '--budgets=3kB', '--judges=mlp/none',
              '--runs=1', '--judge_augmentation=shift')[-2]
  assert {(judge.judge_augmentation, judge.judge_steps)
          for judge in judges} == {('shift', 30)}
  assert row['given'] == {'judge_augmentation': 'shift'}


def test_settings_of_a_baseline_are_chosen_with_the_first_seed(
    capsys, monkeypatch, tmp_path):
  """Also where its row is of an earlier run. What is chosen is never what comes
  first or last of all settings."""
  judged = []
  monkeypatch.setattr(tuning, 'accuracy', lambda made, held_out, seed, judge:
                      judged.append(seed) or made.settings.get('size') == 16)
  flags = ['--rows=pca_gmm', '--budgets=3kB',
           f'--output={tmp_path}/rows.jsonl']
  first = _rows(capsys, *flags, '--judges=mlp/none', '--runs=1', '--seed=4')[-2]
  num_judged = len(judged)
  assert set(judged) == {4 ^ data.SALT} and num_judged > 1
  assert first['settings']['size'] == 16 and 'settings_of' not in first
  rows = _rows(capsys, *flags, '--judges=mlp/none', '--runs=3', '--seed=4')
  assert rows[-4] == first
  for row in rows[-3:-1]:
    assert row['settings']['size'] == 16
    assert row['settings_of'] == first['name']
  assert len(judged) == num_judged
  # What is made again for another judge, and a lower seed, choose themselves.
  monkeypatch.setattr(tuning, 'accuracy', lambda made, held_out, seed, judge:
                      judged.append(seed) or made.settings.get('size') == 8)
  lower = _rows(capsys, *flags, '--judges=mlp/none', '--runs=1', '--seed=3')[-2]
  again = _rows(capsys, *flags, '--judges=mlp/shift', '--runs=1', '--seed=3')[
      -2]
  assert lower['settings']['size'] == again['settings']['size'] == 8
  assert set(judged[num_judged:]) == {3 ^ data.SALT}
  assert len(judged) == 3 * num_judged


def test_a_row_of_ours_is_of_its_settings(capsys, tmp_path, monkeypatch,
                                          artifact):
  monkeypatch.setattr(compression, 'compress', lambda *_, **__: artifact)
  monkeypatch.setattr(frontier, 'sample', lambda _, n, seed: data.Images(
      np.zeros([n, 8, 8, 1], np.uint8), np.arange(n) % 10, tuple('0123456789')))
  flags = ['--rows=lgc', '--budgets=3kB', '--judges=mlp/none', '--runs=1',
           f'--output={tmp_path}/rows.jsonl']
  row = _rows(capsys, *flags, '--beta=0.5', '--grid_filters=0')[-2]
  wanted = {'beta': 0.5, 'grid_filters': 0, 'latent_size': 3}
  assert row['given'].items() >= wanted.items()
  assert not {'seed', 'dataset', 'decoder_bits'} & set(row['given'])
  for other in (['--beta=0.5'], ['--grid_filters=0'],
                ['--beta=0.25', '--grid_filters=0']):
    assert benchmark.main(['benchmark', *FLAGS, *flags, *other]) == 2
    assert ', these are ' in capsys.readouterr().err


@pytest.mark.parametrize('suite', ['frontier', 'baselines'])
def test_a_flag_that_says_the_default_stays_as_it_is(suite, tmp_path,
                                                     monkeypatch, artifact):
  """As with bin/compress: a budget chooses nothing that a user has."""
  told = []

  def made(*args, fixed, **kwargs):
    told.append(fixed & {'grid_filters', 'texture'})
    return artifact

  monkeypatch.setattr(compression, 'compress', made)
  monkeypatch.setattr(frontier, 'sample', lambda _, n, seed: data.Images(
      np.zeros([n, 8, 8, 1], np.uint8), np.arange(n) % 10, tuple('0123456789')))
  flags = [f'--suite={suite}', '--dataset=digits', '--rows=lgc', '--runs=1',
           '--budgets=3kB', '--judges=mlp/none', '--judge_steps=2',
           f'--artifacts={tmp_path}']
  assert benchmark.main(['benchmark', *flags]) == 0
  assert benchmark.main(['benchmark', *flags, '--grid_filters=0']) == 0
  assert told == [set(), {'grid_filters'}]
  assert len(list(tmp_path.glob('*.lgc'))) == 2  # Neither is for the other.


def test_an_artifact_goes_on_where_it_was_killed(tmp_path, monkeypatch, capsys):
  made = []

  def stopped(*args):
    work = args[-1]
    work.kept('found', lambda: made.append(work.directory) or {'x': np.ones(1)})
    raise KeyboardInterrupt if len(made) < 2 else BudgetError('none')

  monkeypatch.setattr(search, 'compress_within', stopped)
  flags = [*FLAGS, '--rows=lgc', '--budgets=3kB', '--judges=mlp/none',
           '--runs=1', f'--output={tmp_path}/rows.jsonl',
           f'--artifacts={tmp_path}/kept']
  assert benchmark.main(['benchmark', *flags]) == 130
  [work] = made
  assert (work / 'found.npz').exists() and work.parent == tmp_path / 'kept'
  assert benchmark.main(['benchmark', *flags]) == 130
  assert made == [work]
  made.append(None)  # Now it ends, and nothing of the work is left.
  assert benchmark.main(['benchmark', *flags]) == 0
  assert made[:1] == [work] and not work.exists()
  capsys.readouterr()


def test_a_row_is_of_one_set_of_images(capsys, tmp_path, monkeypatch):
  """Where another version makes others, no judge of the former stays."""
  flags = ['--rows=random_subset', '--budgets=3kB', '--runs=1',
           f'--output={tmp_path}/rows.jsonl']
  _rows(capsys, *flags, '--judges=mlp/none')
  made, judged = BASELINES['random_subset'], []
  monkeypatch.setitem(BASELINES, 'random_subset', lambda images, num_bytes,
                      seed: made(images, num_bytes // 2, seed))
  monkeypatch.setattr(frontier, '_accuracy', lambda judge, *_: judged.append(
      judge) or 0.25)
  row = _rows(capsys, *flags, '--judges=mlp/shift,mlp/none')[-1]
  # The first is that of the real images.
  assert judged == ['mlp/shift', 'mlp/shift', 'mlp/none']
  assert row['num_bytes'] <= 1500
  assert row['accuracies'] == {'mlp/shift': 0.25, 'mlp/none': 0.25}


def test_where_nothing_fits_there_is_no_accuracy(capsys, tmp_path,
                                                 monkeypatch):
  flags = ['--rows=lgc,lossless,random_subset', '--budgets=50B', '--runs=1',
           '--judges=mlp/none', f'--output={tmp_path}/rows.jsonl']
  rows = _rows(capsys, *flags)
  without = {row['name'] for row in rows if not row.get('accuracies')}
  assert without == {f'frontier/digits/{method}/50{seed}'
                     for method in ('lgc', 'lossless', 'random_subset')
                     for seed in ('', '/0')}
  assert {row['num_bytes'] for row in rows if row['name'] in without} == {0}
  # It is not tried again, but by another version.
  made, tried = frontier._made, []
  monkeypatch.setattr(frontier, '_made', lambda method, *args: tried.append(
      method) or made(method, *args))
  _rows(capsys, *flags)
  assert not tried
  monkeypatch.setattr(resuming, 'code', lambda: b'other')
  _rows(capsys, *flags)
  assert tried == ['lgc', 'lossless', 'random_subset']


@pytest.mark.parametrize('flag, message', [
    ('--rows=gan', "there is no 'gan'; choose from lgc, "),
    ('--judges=cnn', "there is no 'cnn'; choose from cnn/shift, "),
    ('--budgets=4kiB', 'budgets = ')])
def test_what_there_is_not_is_refused(flag, message, capsys):
  assert benchmark.main(['benchmark', *FLAGS, flag]) == 2
  assert message in capsys.readouterr().err


def test_a_path_gives_rows_its_file_name(capsys, tmp_path):
  rng = np.random.default_rng(0)
  images = rng.integers(0, 256, [60, 6, 6, 1], np.uint8)
  labels = np.arange(60) % 2
  np.savez(tmp_path / 'two.npz', x_train=images, y_train=labels, x_test=images,
           y_test=labels)
  rows = _rows(capsys, f'--dataset={tmp_path}/two.npz', '--rows=lossless',
               '--budgets=1kB', '--judges=mlp/none', '--runs=1')
  assert rows[-1]['name'] == 'frontier/two/lossless/1000'


# The suite baselines, which is the same but for its defaults.


def test_the_methods_of_the_figure_are_there():
  assert {*frontier.METHODS, 'gzip', 'coreset_greedy', 'random_subset'} == set(
      baselines.PROTOCOL.methods)
  assert set(baselines.PROTOCOL.methods) - {'lgc'} <= set(BASELINES)
  assert set(baselines.PROTOCOL.judges) <= set(frontier_table.JUDGES)


def test_baselines_are_judged_by_both_networks(capsys, tmp_path):
  flags = ['--suite=baselines', f'--output={tmp_path}/rows.jsonl', '--runs=1',
           '--rows=gzip,random_subset', '--budgets=3kB', '--judge_steps=5']
  rows = _rows(capsys, *flags)
  means = {row['name'].split('/', 1)[1]: row for row in rows
           if row['name'].count('/') == 3}
  assert list(means) == ['digits/real/0', 'digits/gzip/3000',
                         'digits/random_subset/3000']
  assert {row['name'].split('/')[0] for row in rows} == {'baselines'}
  for row in means.values():
    assert list(row['accuracies']) == ['cnn/shift', 'lgc_cnn/none']
  assert 0 < means['digits/gzip/3000']['num_bytes'] <= 3000
  assert _rows(capsys, *flags)[-1] == rows[-1]
  assert benchmark.main(['benchmark', *FLAGS, *flags, '--table',
                         f'--figures={tmp_path}/figures']) == 0
  table = capsys.readouterr().out
  assert table.count('| gzip | ') == table.count('digits, judge ') == 2
  assert (tmp_path / 'figures/baselines_digits.png').stat().st_size > 10_000


def test_a_method_of_one_suite_is_not_of_the_other(capsys):
  assert benchmark.main(['benchmark', *FLAGS, '--rows=gzip']) == 2
  assert "there is no 'gzip'" in capsys.readouterr().err
