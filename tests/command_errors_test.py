"""What users get wrong is a line, whichever command it is."""

import hashlib
import re
import shutil
import struct

import numpy as np
import pytest
from command_lines import (
  COMMANDS,
  content_of,
  main,
  process,
)
from PIL import Image


@pytest.fixture(scope='module')
def inputs(digits_run, tmp_path_factory):
  """A directory of everything that a command refuses."""
  directory = tmp_path_factory.mktemp('inputs')
  content = (digits_run / 'artifact.lgc').read_bytes()
  x = np.random.default_rng(0).integers(0, 256, [20, 8, 8], np.uint8)
  y = np.arange(20) % 10
  wide = x.reshape([10, 8, 16])
  for name, arrays in {
      'good': {'x_train': x, 'y_train': y},
      'nan': {'x_train': np.where(x > 9, x, np.nan)},
      'unit': {'x_train': x / 255, 'y_train': y},
      'short': {'x_train': x, 'y_train': y[1:]},
      'keys': {'images': x},
      'objects': {'x_train': x, 'y_train': np.array([{}] * 20)},
      'wide': {'x_train': wide, 'y_train': y[:10],
               'x_test': wide, 'y_test': y[:10]},
      'one': {'x_train': x},
  }.items():
    np.savez(directory / f'{name}.npz', **arrays)
  for i, height in enumerate((8, 8, 9)):
    path = directory / f'sizes/train/a/{i}.png'
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros([height, 8], np.uint8)).save(path)
  (directory / 'empty').mkdir()
  shutil.copytree(digits_run / 'encoder', directory / 'art/encoder')
  altered = bytearray(content)
  altered[len(content) // 2] ^= 1
  newer = content[:8] + struct.pack('<H', 5) + content[10:-32]
  for name, file_content in {
      'corrupt.npz': (directory / 'good.npz').read_bytes()[:900],
      'file': b'something else',
      'wrong.txt': b'--epochs=1\n--latent_siz=3\n',
      'unknown.json': b'{"settings": {"latent_siz": 3}}',
      'range.json': b'{"settings": {"epochs": -1, "latent_size": 4}}',
      'newer.json': b'{"format_version": 2, "more": []}',
      'budget.json': b'{"settings": {"budget": "32kiB"}}',
      'art/artifact.lgc': content,
      'truncated.lgc': content[:-1],
      'short.lgc': content[:9],
      'altered.lgc': altered,
      'newer.lgc': newer + hashlib.sha256(newer).digest(),
  }.items():
    (directory / name).write_bytes(file_content)
  return directory


# Command, arguments, and a word that the line has to have.
WRONG = [
    ('compress', ['--model=vea'], "model = 'vea'.*vae"),
    ('compress', ['--head=gauss'], 'head'),
    ('compress', ['--trunk=resnet'], 'trunk'),
    ('compress', ['--num_autoencoders=2'], 'num_autoencoders = 2.*a budget'),
    ('compress', ['--epoch=2'], 'epoch'),
    ('compress', ['--no_such_flag'], 'no_such_flag'),
    ('compress', ['--latent_size=0'], 'latent_size'),
    ('compress', ['--latent_size=many'], 'latent_size'),
    ('compress', ['--latent_size'], 'latent_size'),
    ('compress', ['--batch_size=2.5'], 'batch_size'),
    ('compress', ['--beta=nan'], 'beta'),
    ('compress', ['--learning_rate=inf'], 'learning_rate'),
    ('compress', ['--seed=-1'], 'seed'),
    ('compress', ['--evaluate=perhaps'], 'evaluate'),
    ('compress', ['--flagfile=missing.txt'], 'missing.txt'),
    ('compress', ['--flagfile=wrong.txt'], 'did you mean latent_size'),
    ('compress', ['--config=missing.json'], "'missing.json': No such file"),
    ('compress', ['--config=empty'], "'empty': Is a directory"),
    ('compress', ['--config=file'], "'file': is not JSON"),
    ('compress', ['--config=unknown.json'],
     "'unknown.json': .*'latent_siz'; did you mean latent_size"),
    ('compress', ['--config=range.json', '--latent_size=3'],
     "'range.json': epochs = -1: must be from 0"),
    ('compress', ['--config=newer.json'], "'newer.json': format_version = 2"),
    ('compress', ['--config=budget.json'], "budget = '32kiB'.*32kB"),
    ('evaluate', ['--artifact=art', '--config=unknown.json'],
     "'unknown.json': .*'latent_siz'; did you mean latent_size"),
    ('evaluate', ['--artifact=art', '--config=missing.json'], 'missing.json'),
    ('sample', ['--artifact=art', '--config=range.json'], 'config'),
    ('compress', ['--verbosity=9'], 'verbosity = 9'),
    ('compress', ['digits'], "'digits'"),
    ('compress', ['--epochs', '1', 'digits'], "'digits'"),
    ('compress', ['--dataset=./missing'], './missing'),
    ('compress', ['--dataset=missing.npz'], 'missing.npz'),
    ('compress', ['--dataset=no_such_name', '--data_dir=.'], 'no_such_name'),
    ('compress', ['--dataset=corrupt.npz'], 'corrupt.npz'),
    ('compress', ['--dataset=nan.npz'], 'nan.npz.*x_train.*nan'),
    ('compress', ['--dataset=unit.npz'],
     'unit.npz: x_train: .*--value_range=0,1'),
    ('compress', ['--dataset=short.npz'], 'short.npz.*y_train.*20'),
    ('compress', ['--dataset=keys.npz'], 'keys.npz.*x_train'),
    ('compress', ['--dataset=objects.npz'], 'objects.npz'),
    ('compress', ['--dataset=sizes/'], 'train/a/2.png'),
    ('compress', ['--dataset=empty/'], 'empty'),
    ('compress', ['--dataset=./file'], 'file'),
    ('compress', ['--output=art'], "'art'.*--overwrite"),
    ('compress', ['--output=file'], "'file'"),
    ('compress', ['--output=file/below'], 'file'),
    ('sample', ['--artifact=art', '--n=0'], 'n = 0'),
    ('sample', ['--artifact=art', '--n=-1'], 'n = -1'),
    ('sample', ['--artifact=art', '--n=many'], 'n'),
    ('sample', ['--artifact=art', '--seed=-1'], 'seed'),
    ('sample', ['--artifact=art', '--label=ten'], "'ten'.*0, 1, 2"),
    ('sample', ['--artifact=art', '--epochs=1'], 'epochs'),
    ('sample', ['--artifact=art', '16'], "'16'"),
    ('sample', ['--artifact=art', '--output=x.gif'], 'x.gif.*png'),
    ('sample', ['--artifact=art', '--output=good.npz'],
     'good.npz.*--overwrite'),
    ('sample', ['--artifact=art', '--output=sizes'], 'sizes'),
    ('sample', ['--artifact=art', '--output=sizes', '--overwrite'], 'sizes'),
    ('sample', ['--artifact=art', '--output=file', '--overwrite'], 'file'),
    ('sample', ['--artifact=art', '--output=file/x.npz'], 'file'),
    ('sample', ['--artifact=art', '--output_format=tfsd'],
     'did you mean tfds'),
    ('sample', ['--artifact=art', '--output=file', '--output_format=tfds',
                '--overwrite'], "'file'"),
    ('sample', ['--artifact=art', '--output=x', '--output_format=tfds',
                '--splits=train:9,test:9'], 'splits.*n = 100'),
    ('sample', ['--artifact=art', '--splits=test'], '--output_format=tfds'),
    ('sample', ['--artifact=missing'], 'missing'),
    ('sample', ['--artifact=empty'], 'empty'),
    ('sample', ['--artifact=file'], 'file'),
    ('sample', ['--artifact=short.lgc'], 'short.lgc'),
    ('sample', ['--artifact=truncated.lgc'], 'truncated.lgc'),
    ('sample', ['--artifact=altered.lgc'], 'altered.lgc'),
    ('sample', ['--artifact=newer.lgc'], 'newer.lgc.*version 5'),
    ('sample', [], 'lgc_artifact'),
    ('serve', ['art', 'more'], "'more'"),
    ('serve', ['--artifact=art', 'more'], "'more'"),
    ('serve', ['missing', '--port=0'], 'missing'),
    ('serve', ['altered.lgc', '--port=0'], 'altered.lgc'),
    ('serve', ['art', '--port=65536'], 'port = 65536'),
    ('serve', ['art', '--port=0', '--host=no.such.host.invalid'], 'host = '),
    ('serve', ['art', '--timeout=0'], 'timeout = 0'),
    ('report', ['--artifact=art', '--output=sizes'], "'sizes'.*--overwrite"),
    ('report', ['--artifact=art', '--output=file'], "'file'"),
    ('report', ['--artifact=art', '--output=file/below', '--overwrite'],
     'file'),
    ('report', ['--artifact=art/artifact.lgc'], 'no encoder/settings.json'),
    ('report', ['--artifact=missing'], 'missing'),
    ('report', ['--artifact=art', '--dataset=wide.npz'],
     r'wide.npz.*\(8, 16, 1\).*\(8, 8, 1\)'),
    ('report', ['--artifact=art', '--dataset=./missing'], './missing'),
    ('evaluate', ['--artifact=art', '--runs=0'], 'runs'),
    ('evaluate', ['--artifact=art', '--judge_steps=0'], 'judge_steps'),
    ('evaluate', ['--baseline=losless', '--budget=1kB'],
     'did you mean lossless'),
    ('evaluate', ['--baseline=xz'], '--budget'),
    ('evaluate', ['--baseline=xz', '--budget=1KiB'], 'KiB'),
    ('evaluate', ['--budget=1kB'], '--baseline'),
    ('evaluate', ['--baseline=xz', '--budget=1kB', '--artifact=art'],
     'only one'),
    ('evaluate', ['--artifact=art', '--seed=-1'], 'seed'),
    ('evaluate', ['--artifact=art', '--metrics=fdi'], "'fdi'.*mean fid"),
    ('evaluate', ['--artifact=art', '--metrics='], 'metrics.*accuracy'),
    ('evaluate', ['--artifact=art/artifact.lgc', '--metrics=latents'],
     'latents.*encoder.*bin/compress'),
    ('evaluate', ['--baseline=xz', '--budget=1kB', '--metrics=components'],
     'components.*not of a baseline'),
    ('evaluate', ['--artifact=art', '--metrics=shadow', '--shadow_models=5'],
     'shadow_models = 5.*even'),
    ('evaluate', ['--artifact=art', '--metrics=fid', '--feature_network=file'],
     "feature_network = 'file'.*keras"),
    ('evaluate', ['--artifact=art', '--metric_images=1'], 'metric_images'),
    ('evaluate', ['--artifact=art', '--latent_size=2'], 'latent_size'),
    ('evaluate', ['--artifact=art', 'digits'], "'digits'"),
    ('evaluate', ['--artifact=missing'], 'missing'),
    ('evaluate', ['--artifact=altered.lgc'], 'altered.lgc'),
    ('evaluate', ['--artifact=art', '--dataset=./missing'], './missing'),
    ('evaluate', ['--artifact=art', '--dataset=wide.npz'],
     r'wide.npz.*\(8, 16, 1\).*\(8, 8, 1\)'),
    ('evaluate', ['--artifact=art', '--dataset=one.npz'],
     'one.npz.*only one class'),
    ('evaluate', ['--artifact=art', '--dataset=good.npz'],
     'good.npz.*no test split'),
]


@pytest.mark.parametrize('command, args, words', WRONG,
                         ids=lambda value: ' '.join(value) if isinstance(
                             value, list) else str(value)[:8])
def test_what_is_wrong_is_a_line_and_leaves_everything_as_it_was(
    command, args, words, inputs, monkeypatch, capsys):
  monkeypatch.chdir(inputs)
  before = content_of(inputs)
  assert main(command, *args) == 2
  out, err = capsys.readouterr()
  assert out == ''
  [line] = err.splitlines()
  assert re.match(f'lgc-{command}: error: .*{words}', line)
  assert content_of(inputs) == before


@pytest.mark.parametrize('command', COMMANDS)
def test_a_process_ends_with_status_2_and_that_line(command, tmp_path):
  done = process(command, '--seed=-1', cwd=tmp_path)
  assert (done.returncode, done.stdout) == (2, '')
  [line] = done.stderr.splitlines()
  assert line.startswith(f'{command}: error: seed = -1')
