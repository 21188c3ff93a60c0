"""The sizes and accuracies that the README promises; takes minutes."""

import json
import os
import pathlib
import resource
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parent.parent
DATA = os.environ.get('TFP_LGC_TEST_DATA')

needs_data = pytest.mark.skipif(
    not DATA, reason='TFP_LGC_TEST_DATA names no folder of data sets')


def _compress(tmp_path, *flags):
  run = subprocess.run(
      [sys.executable, ROOT / 'bin/compress', '--model=vae',
       f'--output={tmp_path}/out', *flags], stdout=subprocess.PIPE, text=True,
      check=True)
  return json.loads(run.stdout.splitlines()[-1])


def test_digits(tmp_path):
  summary = _compress(tmp_path)
  assert summary['num_bytes'] <= 12_000
  assert summary['tstr_accuracy'] >= 0.93


@needs_data
@pytest.mark.parametrize('trunk, most_bytes, least_accuracy', [
    ('dense', 400_000, 0.94), ('conv', 100_000, 0.96)])
def test_mnist(trunk, most_bytes, least_accuracy, tmp_path):
  summary = _compress(tmp_path, '--dataset=mnist', f'--data_dir={DATA}/tfds',
                      f'--trunk={trunk}')
  assert summary['num_bytes'] <= most_bytes
  assert summary['tstr_accuracy'] >= least_accuracy
  # Of the largest child so far, in KiB.
  peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
  assert peak < 3e9
