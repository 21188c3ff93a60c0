"""run.json says all settings of a run, and --config asks for it once more."""

import json
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from command_lines import DIGITS_FLAGS, EVERY, FLAGS, json_of, main, TINY

import tfp_lgc
from tfp_lgc import compression, held_out, teacher
from tfp_lgc import config as config_lib
from tfp_lgc.commands import compress
from tfp_lgc.opening import load


def test_a_run_says_all_its_settings(digits_run):
  content = json_of((digits_run / 'run.json').read_text())
  assert set(content['settings']) == FLAGS['compress'] - EVERY - {
      'config', 'output', 'overwrite'}
  assert content['settings']['latent_size'] == 2
  assert set(content['given']) == {
      flag[2:].split('=')[0] for flag in DIGITS_FLAGS}
  assert content['versions']['tfp_lgc'] == tfp_lgc.__version__
  assert content['versions']['tensorflow'] == tf.__version__
  # No place of this machine.
  assert '/' not in (digits_run / 'run.json').read_text()


@pytest.fixture
def asked(digits_run, monkeypatch):
  """What was to be compressed, which takes its time."""
  seen = []

  def compressed(work, source, config, num_bytes, fixed, *args):
    seen.append((config, num_bytes, fixed))
    return load(digits_run)

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
  assert main('compress', *flags, '--output=a') == 0
  assert main('compress', '--config=a/run.json', '--output=b') == 0
  assert main('compress', '--config=b/run.json', '--output=c',
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
  assert main('compress', '--config=old.json', '--output=a') == 0
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
  monkeypatch.setattr(held_out, 'JUDGE_STEPS', 5)
  monkeypatch.setattr(teacher, 'TEACHER_STEPS', 5)
  assert main('compress', '--dataset=digits', '--noevaluate', *TINY, *flags,
              '--output=a') == 0
  assert main('compress', '--config=a/run.json', '--output=b') == 0
  assert main('compress', '--config=a/run.json', '--output=c',
              '--seed=1') == 0
  capsys.readouterr()
  first, again, other = ((place / name / 'artifact.lgc').read_bytes()
                         for name in 'abc')
  assert again == first != other
  assert (place / 'b/run.json').read_bytes() == (
      place / 'a/run.json').read_bytes()
