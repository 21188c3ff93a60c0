"""Which rows of the frontier compare."""

import json

import numpy as np
import pytest

from tfp_lgc import data, memory
from tfp_lgc.benchmarks import frontier_rows
from tfp_lgc.commands import benchmark

FLAGS = ['--suite=frontier', '--dataset=digits', '--runs=1', '--judge_steps=30']


def _rows(capsys, *flags):
  assert benchmark.main(['benchmark', *FLAGS, *flags]) == 0
  return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_judges_of_other_numbers_of_samples_are_not_mixed(capsys, tmp_path):
  path = tmp_path / 'rows.jsonl'
  rows = [{'name': f'frontier/digits/{method}/3000/0', 'budget': 3000,
           'judge_steps': 30, 'num_bytes': 2900,
           'accuracies': {'mlp/none': 0.5}} for method in ('lgc', 'lossless')]
  path.write_text(''.join(json.dumps(row) + '\n' for row in rows))
  flags = [*FLAGS, f'--output={path}', '--budgets=3kB', '--judges=mlp/none',
           '--runs=1', '--judge_samples=90']
  assert benchmark.main(['benchmark', *flags, '--rows=lossless']) == 0
  capsys.readouterr()
  assert benchmark.main(['benchmark', *flags, '--rows=lgc']) == 2
  assert 'judge_samples = 90: ' in capsys.readouterr().err


def test_rows_of_other_images_of_one_name_are_not_mixed(capsys, tmp_path):
  rng = np.random.default_rng(0)
  labels = np.arange(60) % 2
  for folder in ('first', 'second'):
    (tmp_path / folder).mkdir()
    images = rng.integers(0, 256, [60, 6, 6, 1], np.uint8)
    np.savez(tmp_path / folder / 'two.npz', x_train=images, y_train=labels,
             x_test=images, y_test=labels)
  flags = ['--rows=lossless', '--budgets=1kB', '--judges=mlp/none', '--runs=1',
           f'--output={tmp_path}/rows.jsonl']
  _rows(capsys, *flags, f'--dataset={tmp_path}/first/two.npz')
  assert benchmark.main(['benchmark', *FLAGS, *flags,
                         f'--dataset={tmp_path}/second/two.npz']) == 2
  assert 'other images of that name' in capsys.readouterr().err


@pytest.mark.parametrize('other, another', [
    ({}, False), ({'settings': {'sides': (1, 3)}}, True),
    ({'num_bytes': 4}, True), ({'given': {'beta': 0.5}}, True),
    ({'code': '1234'}, True), ({'num_bytes': 0, 'settings': None}, True)],
    ids=str)
def test_what_is_known_of_a_row_tells_it_from_another(other, another):
  made = {'num_bytes': 3, 'settings': {'sides': (1, 2)}, 'given': {},
          'code': 'abcd'}
  row = {'name': 'x', **made, 'settings': {'sides': [1, 2]},
         'accuracies': {'mlp/none': 0.5}}
  assert frontier_rows.is_another(row, {**made, **other}) == another
  assert not frontier_rows.is_another({'name': 'x'}, made)
  del row['code']  # As of rows from before they had one.
  assert frontier_rows.is_another(row, {**made, **other})


def test_means_are_of_all_seeds_though_one_alone_is_asked_for(capsys, tmp_path):
  flags = ['--rows=random_subset', '--budgets=3kB',
           f'--output={tmp_path}/rows.jsonl']
  three = _rows(capsys, *flags, '--judges=mlp/none', '--runs=3')
  again = _rows(capsys, *flags, '--judges=mlp/none', '--runs=1')
  assert again[-1] == three[-1] and again[-1]['num_runs'] == 3
  # Of another judge there is but one, and it is left out.
  more = _rows(capsys, *flags, '--judges=mlp/none,mlp/shift', '--runs=1')
  assert set(more[-2]['accuracies']) == {'mlp/none', 'mlp/shift'}
  assert more[-1] == three[-1]
  # Rows of seeds that are not asked for have to be alike as well.
  assert benchmark.main(['benchmark', *FLAGS, *flags, '--judges=mlp/none',
                         '--runs=1', '--seed=3', '--judge_steps=31']) == 2
  assert 'judge_steps = 31' in capsys.readouterr().err


def test_images_are_told_apart_whatever_batches_they_are_read_in():
  rng = np.random.default_rng(0)
  images, labels = rng.integers(0, 256, [700, 32, 32, 3]), np.arange(700) % 2

  def digest(images, labels, max_memory=''):
    split = data.array_split(images.astype(np.uint8), labels)
    source = data.bounded(data.Source('some', split, split, ('a', 'b')),
                          memory.limits(max_memory))
    [first, *_] = source.train.batches(1000)
    assert len(first[0]) == (508 if max_memory else 700)
    return frontier_rows.digest(source)

  want = digest(images, labels)
  assert len(want) == 8 and digest(images, labels, '1.5GB') == want
  assert digest(images[::-1], labels) != want != digest(images, 1 - labels)
