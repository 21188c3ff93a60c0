"""What is said of a run, of numbers that are easy to follow.

Those of a run itself are in compress_command_test.py.
"""

import types

import pytest

from tfp_lgc import config
from tfp_lgc.commands import summary as summary_lib

LOG = types.SimpleNamespace(seconds={'train': 2.0, 'save': 0.54})
PRIVACY = {'epsilon': 2.0, 'delta': 1e-5}


def _artifact(privacy=None):
  return types.SimpleNamespace(
      num_bytes_by_part={'decoder': 150, 'mixture': 50},
      class_names=('ape', 'cat'), num_components=(3, 1), privacy=privacy)


@pytest.fixture
def output(tmp_path):
  """A folder with an artifact of 200 bytes."""
  (tmp_path / 'artifact.lgc').write_bytes(bytes(200))
  (tmp_path / 'saved_model').mkdir()
  return str(tmp_path)


def _summary(output, artifact, gzip=4000, **accuracies):
  return summary_lib.summarize(config.Config(seed=7), artifact, output,
                               (10_000, gzip), LOG, accuracies)


def test_figures_are_made_of_bytes(output):
  summary = _summary(output, _artifact())
  saved = summary.pop('saved_model_num_bytes')
  assert 0 < saved < 1000
  assert summary == {
      'model': 'vae', 'dataset': 'digits', 'num_bytes': 200,
      'num_bytes_by_part': {'decoder': 150, 'mixture': 50},
      'bits_per_class': 800.0, 'raw_num_bytes': 10_000, 'gzip_num_bytes': 4000,
      'reduction_percent': 98.0, 'compression_ratio': 50.0,
      'num_components': {'ape': 3, 'cat': 1},
      'seconds': {'train': 2.0, 'save': 0.54}, 'seed': 7}


def test_the_published_index_is_percent_by_percent(output):
  summary = _summary(output, _artifact(), tstr_accuracy=0.9, real_accuracy=0.95)
  assert summary['published_index'] == 45.0  # 90 % by 2 %.
  assert (summary['tstr_accuracy'], summary['real_accuracy']) == (0.9, 0.95)


def test_a_guarantee_stands_in_the_place_of_what_gzip_tells(output):
  summary = _summary(output, _artifact(PRIVACY), gzip=None)
  assert 'gzip_num_bytes' not in summary
  assert summary['privacy'] == PRIVACY
  rows = dict(summary_lib.table(summary, 'out'))
  assert rows['guarantee'] == 'epsilon 2, delta 1e-05'
  assert 'gzip -9' not in rows


def test_people_see_the_same_numbers(output):
  rows = dict(summary_lib.table(_summary(
      output, _artifact(), tstr_accuracy=0.9, real_accuracy=0.95,
      tstr_worst_group=0.5, real_worst_group=0.625), 'out'))
  assert rows.pop('SavedModel, .tar.gz').endswith(' bytes')
  assert rows == {
      'raw images and labels': '10,000 bytes', 'gzip -9': '4,000 bytes',
      'artifact.lgc': '200 bytes, 2 % of raw', 'components per class': '1 to 3',
      'judge trained on samples': '90.00%', 'judge trained on real': '95.00%',
      'its worst group, samples': '50.00%', 'its worst group, real': '62.50%',
      'written to': 'out', 'seconds': '2.5'}
