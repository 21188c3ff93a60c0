"""What a bound of memory leaves for data, and that a process keeps to it."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import tfp_lgc
from tfp_lgc import memory, sources
from tfp_lgc.config import DataConfig
from tfp_lgc.errors import ConfigError

ROOT = pathlib.Path(__file__).parent.parent


def test_parts_are_less_than_the_bound():
  assert memory.limits('') is None
  for text, num_bytes in (('1.5GB', 1.5e9), ('2GB', 2e9), ('64GB', 64e9)):
    bound = memory.limits(text)
    assert min(bound) > 0
    # A split has two copies, and there are two arrays of latents.
    taken = (2 * bound.split + bound.shuffle + bound.batch + 2 * bound.latents)
    assert memory.BASE_NUM_BYTES + taken <= num_bytes
    assert memory.BASE_NUM_BYTES + bound.points + bound.shuffle <= num_bytes


@pytest.mark.parametrize('text', ['600MB', '1', '1.4999GB'])
def test_less_than_tensorflow_takes_is_refused(text):
  with pytest.raises(ConfigError, match='max_memory = .*at least 1.5GB'):
    memory.limits(text)
  with pytest.raises(ConfigError, match='at least 1.5GB'):
    tfp_lgc.compress('digits', max_memory=text)


def test_what_is_no_size_is_refused():
  with pytest.raises(ConfigError, match='max_memory = .*unknown unit'):
    sources.load(DataConfig(max_memory='2GiB'))


def test_an_array_that_is_too_large_is_refused():
  images = np.zeros([100_000, 20, 20], np.uint8)
  with pytest.raises(ConfigError, match='an array holds 40,000,000 bytes'):
    tfp_lgc.compress((images, None), max_memory='1.5GB')


def test_a_budget_holds_its_latents_and_says_so():
  images = np.zeros([100_000, 6, 6, 1], np.uint8)
  labels = np.arange(100_000) % 2
  with pytest.raises(ConfigError, match='a budget holds 6,400,000 bytes of '
                                        'latents in memory; give 1.6GB'):
    tfp_lgc.compress((images, labels), budget='4kB', latent_size=16,
                     max_memory='1.5GB')


_PROGRAM = """
import resource, sys
from tfp_lgc.commands import compress
status = compress.main(['lgc-compress', *sys.argv[1:]])
print(status, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_a_process_keeps_to_its_bound(tmp_path):
  """Of images that take more than the bound leaves for data: without it, over
  2 GB."""
  rng = np.random.default_rng(0)
  images = np.repeat(rng.integers(0, 256, [30_000, 8, 8, 1], np.uint8), 100, 0)
  images = images.reshape([-1, 32, 32, 1])[:, :, :, [0, 0, 0]]
  labels = np.arange(len(images)) % 10
  np.savez(tmp_path / 'x.npz', x_train=images, y_train=labels,
           x_test=images[:1000], y_test=labels[:1000])
  assert images.nbytes > 500e6
  del images
  run = subprocess.run(
      [sys.executable, '-c', _PROGRAM, f'--dataset={tmp_path / "x.npz"}',
       f'--output={tmp_path / "out"}', '--max_memory=1.6GB', '--trunk=conv',
       '--num_filters=4', '--epochs=1', '--batch_size=2048',
       '--num_components_max=2', '--judge_steps=5'],
      cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
      env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'})
  status, peak = run.stdout.splitlines()[-1].split()
  print(f'\npeak {int(peak) / 1e6:.0f} MB within 1600 MB')
  assert status == '0' and int(peak) <= 1.6e9
