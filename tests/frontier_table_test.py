"""Hull and tables of accuracy against bytes, and those that are published."""

import json
import pathlib
import re

import numpy as np
import pytest

from tfp_lgc.benchmarks import frontier_table


@pytest.mark.parametrize('seed', range(10))
def test_no_point_is_above_the_hull(seed):
  rng = np.random.default_rng(seed)
  num_bytes = rng.integers(1000, 10**6, 30)
  accuracies = rng.uniform(size=30)
  on = frontier_table.hull(num_bytes, accuracies)
  x, y = np.log(num_bytes[on]), accuracies[on]
  assert (np.diff(x) > 0).all() and (np.diff(y) > 0).all()
  slopes = np.diff(y) / np.diff(x)
  assert (np.diff(slopes) < 0).all()
  assert y[-1] == accuracies.max() and x[0] == np.log(num_bytes.min())
  assert (np.interp(np.log(num_bytes), x, y) >= accuracies - 1e-12).all()


@pytest.mark.parametrize('points, expected', [
    ([(10, 0.5)], [0]), ([(10, 0.5), (20, 0.4)], [0]),
    ([(20, 0.6), (10, 0.5)], [1, 0]), ([(10, 0.5), (10, 0.6)], [1])])
def test_a_hull_of_few_points(points, expected):
  assert frontier_table.hull(*zip(*points)) == expected


def test_a_judge_of_real_images_alone_has_no_table():
  real, ours = [
      {'name': f'frontier/digits/{name}', 'budget': budget, 'num_runs': 1,
       'stddevs': {}, 'accuracies': {frontier_table.JUDGES[0]: 0.9}}
      for name, budget in (('real/0', 0), ('lgc/1000', 1000))]
  assert frontier_table.table({real['name']: real}) == ''
  assert frontier_table.table({row['name']: row for row in (real, ours)}).count(
      'judge') == 1


def test_ours_stands_above_the_others_by_name():
  rows = [{'name': f'frontier/digits/{name}/1000', 'budget': 1000,
           'num_runs': 1, 'stddevs': {}, 'accuracies': {
               frontier_table.JUDGES[0]: 0.9}}
          for name in ('webp', 'lgc', 'avif')]
  lines = frontier_table.table({row['name']: row for row in rows}).splitlines()
  assert [line.split()[1] for line in lines[-3:]] == ['lgc', 'avif', 'webp']


def test_several_other_judges_stand_side_by_side():
  first, second, third = frontier_table.JUDGES[:3]
  rows = [{'name': f'frontier/digits/{name}', 'budget': budget, 'num_runs': 1,
           'stddevs': {}, 'accuracies': accuracies}
          for name, budget, accuracies in (
              ('real/0', 0, {first: 0.9, second: 0.8, third: 0.7}),
              ('lgc/1000', 1000, {first: 0.6, third: 0.5}),
              ('lossless/1000', 1000, {first: 0.4, second: 0.3}),
              ('lossless/2000', 2000, {first: 0.2}))]
  own, others = frontier_table.table(
      {row['name']: row for row in rows}).split('digits, ')[1:]
  assert own.startswith(f'judge {first}; all real images 90.00')
  assert others.splitlines()[2:] == [
      f'| bytes | | {first} | {second} | {third} |', '|---|---|---|---|---|',
      '| all | real | 90.00 | 80.00 | 70.00 |',
      '| 1,000 | lgc | 60.00 |  | 50.00 |',
      '| 1,000 | lossless | 40.00 | 30.00 |  |']


@pytest.mark.parametrize('rows, page, heading', [
    ('frontier', 'README.md', ''),
    ('judges', 'docs/results.md', 'other judges'),
    ('baselines', 'docs/results.md', '')])
def test_published_tables_are_those_of_their_rows(rows, page, heading):
  root = pathlib.Path(__file__).parent.parent
  by_name = {row['name']: row for row in map(
      json.loads, (root / f'docs/{rows}.jsonl').read_text().splitlines())}
  # As people call it.
  text = frontier_table.table(by_name).replace(
      'cifar10_small', '10,000 images of CIFAR-10')
  tables = re.findall(r'.+:\n\n(?:\|.+\n?)+', text)
  assert ''.join(tables).count('|') == text.count('|')
  wanted = [table.strip() for table in tables
            if heading in table.splitlines()[0]]
  assert wanted
  for table in wanted:  # Whole ones.
    assert f'{table}\n\n' in (root / page).read_text()


def test_no_published_file_is_larger_than_its_budget():
  """Nor has one of ours 600 bytes beside decoder and mixture."""
  path = pathlib.Path(__file__).parent.parent / 'docs/frontier.jsonl'
  rows = list(map(json.loads, path.read_text().splitlines()))
  of_files = [row for row in rows if row['budget']]
  assert of_files
  assert all(row['num_bytes'] <= row['budget'] for row in of_files)
  parts = [row['num_bytes_by_part'] for row in rows
           if 'num_bytes_by_part' in row]
  assert parts
  assert all(part['header'] + part['labels'] < 600 for part in parts)
