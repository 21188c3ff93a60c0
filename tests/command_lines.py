"""The commands for tests of them: how they are called, and their flags."""

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys

from tfp_lgc import artifact as artifact_lib
from tfp_lgc import compression
from tfp_lgc import config as config_lib
from tfp_lgc import options as options_lib
from tfp_lgc.commands import (
  beam,
  benchmark,
  compress,
  evaluate,
  report,
  sample,
  serve,
)
from tfp_lgc.opening import load

BIN = pathlib.Path(__file__).parent.parent / 'bin'
COMMANDS = {'beam': beam, 'benchmark': benchmark, 'compress': compress,
            'evaluate': evaluate, 'report': report, 'sample': sample,
            'serve': serve}

PROGRESS = re.compile(
    r'\w+( \.\.\.|: done in [\d.]+ s| \d+/\d+ .*\(\d+ s left\))')
# What makes a run short.
TINY = ['--epochs=2', '--hidden_size=8', '--latent_size=2', '--judge_steps=20',
        '--num_components_max=3']
# Those of the fixture `digits_run`.
DIGITS_FLAGS = ['--model=vae', '--evaluate=false', *TINY]

DATA_FLAGS = {field.name
              for field in dataclasses.fields(config_lib.DataConfig)}
JUDGE_FLAGS = {'judge', 'judge_steps', 'judge_batch_size', 'judge_samples',
               'judge_augmentation'}
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


def process(command, *args, cwd):
  """A command in a process of its own, as from a user's shell."""
  environment = {name: value for name, value in os.environ.items()
                 if name not in ('PYTHONPATH', 'TF_CPP_MIN_LOG_LEVEL')}
  return subprocess.run(
      [sys.executable, BIN / command, *args], cwd=cwd, text=True,
      stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
      env={**environment, 'PYTHONDONTWRITEBYTECODE': '1'})


def main(command, *args):
  """Its exit status, in this process."""
  return COMMANDS[command].main([f'lgc-{command}', *map(str, args)])


def json_of(line):
  """JSON as others read it, who do not know NaN."""
  def refuse(name):
    raise AssertionError(f'{name} is not JSON')
  return json.loads(line, parse_constant=refuse)


def content_of(directory):
  """Every file and folder, to see whether one was touched."""
  return {str(path.relative_to(directory)):
          path.is_file() and path.read_bytes()
          for path in directory.rglob('*')}


def makes(path, monkeypatch):
  """Runs make the artifact of that path and save it without the graph of its
  SavedModel: they take no time."""
  monkeypatch.setattr(compression, 'compress_with', lambda *args: load(path))
  monkeypatch.setattr(artifact_lib.signatures, 'save',
                      lambda sampler, path, max_batch: os.makedirs(path))
