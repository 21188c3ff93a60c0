"""The sizes and accuracies that the README promises; takes minutes."""

import json
import os
import pathlib
import resource
import subprocess
import sys

import numpy as np
import pytest

import tfp_lgc
from tfp_lgc.config import MODELS

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
@pytest.mark.parametrize('model', MODELS)
def test_every_model_takes_color_photographs(model, tmp_path):
  artifact = tfp_lgc.compress(
      f'{DATA}/cifar10_small.npz', model=model, trunk='conv', epochs=1,
      num_filters=8, num_components_max=1)
  artifact.save(tmp_path)
  drawn = tfp_lgc.sample(tmp_path, 50, seed=1)
  assert drawn.images.shape == (50, 32, 32, 3)
  assert artifact.num_bytes < 20_000
  # Neither one color nor one image.
  assert drawn.images.std(axis=(0, 1, 2)).min() > 5
  assert np.ptp(drawn.images.mean(axis=(1, 2, 3))) > 5


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
