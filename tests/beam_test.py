"""Pipelines by their command, and in the processes of workers."""

import pathlib
import subprocess
import sys

import pytest

pytest.importorskip(
    'apache_beam', reason='Apache Beam is not installed; see extra beam')

import numpy as np  # noqa: E402
import tensorflow_datasets as tfds  # noqa: E402
from apache_beam.internal import pickler  # noqa: E402
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: E402
from beam_cases import DIGITS, OPTIONS  # noqa: E402
from stepwise_test import assert_same, settings  # noqa: E402

import tfp_lgc  # noqa: E402
from tfp_lgc import beam_em, beam_encode, beam_sample, beam_start  # noqa: E402
from tfp_lgc.commands import beam as command  # noqa: E402


@pytest.fixture(scope='module')
def artifact(short_run):
  return tfp_lgc.load_with_encoder(short_run)


def test_pickles_need_nothing_but_the_package(artifact, tmp_path):
  """A worker's process knows no main session and no test."""
  settings_, weights = artifact.encoder.to_parts()
  functions = [beam_encode._Encode(settings_, weights, DIGITS, 'x'),
               beam_em._Statistics('x'), beam_em.Sum(),
               beam_start._Merge(3), beam_start._Start(settings(), None),
               beam_sample._Draw(artifact.to_bytes(), 'x', {})]
  (tmp_path / 'pickle').write_bytes(pickler.dumps(functions))
  program = f'''
import pathlib, sys
from apache_beam.internal import pickler
found = pickler.loads(pathlib.Path({str(tmp_path / 'pickle')!r}).read_bytes())
found[-1].setup()
print(*[type(function).__name__ for function in found])
'''
  done = subprocess.run([sys.executable, '-c', program], text=True,
                        capture_output=True, check=True,
                        cwd=pathlib.Path(__file__).parent.parent)
  assert done.stdout.split() == ['_Encode', '_Statistics', 'Sum', '_Merge',
                                 '_Start', '_Draw']


@pytest.mark.slow
def test_workers_in_other_processes(artifact, tmp_path):
  options = PipelineOptions([
      '--runner=DirectRunner', '--direct_running_mode=multi_processing',
      '--direct_num_workers=2'])
  latents = str(tmp_path / 'latents')
  beam_encode.encode(artifact, DIGITS, latents, OPTIONS, piece_size=1000)
  its = settings(num_components_max=1, max_iterations=1)
  ours, expected = [beam_em.fit(latents, str(tmp_path / name), its, how)
                    for name, how in (('a', options), ('b', OPTIONS))]
  for key, fit in expected.fits.items():
    assert_same(ours.fits[key].components, fit.components, 1e-9)


def main(*arguments):
  return command.main(['lgc-beam', *map(str, arguments)])


@pytest.mark.slow
def test_the_three_jobs(short_run, tmp_path, capsys):
  where = [f'--artifact={short_run}', f'--latents={tmp_path}/latents',
           f'--working={tmp_path}/em']
  assert main('--job=encode', *where, '--dataset=digits') == 0
  assert main('--job=fit', *where, f'--output={tmp_path}/new') == 0
  assert main('--job=fit', *where, f'--output={tmp_path}/new') == 2
  assert 'holds another artifact' in capsys.readouterr().err
  assert main('--job=sample', f'--artifact={tmp_path}/new', '--n=20',
              f'--output={tmp_path}/samples', '--label=3',
              '--direct_num_workers=1') == 0
  builder = tfds.builder_from_directory(tmp_path / 'samples')
  images = tfp_lgc.sample(tmp_path / 'new', 20, labels='3')
  rows = list(tfds.as_numpy(builder.as_dataset(split='train')))
  np.testing.assert_array_equal([row['image'] for row in rows], images.images)


@pytest.mark.parametrize('arguments, message', [
    (['--datset=x'], '--datset: is neither a flag of lgc-beam'),
    (['--direct_num_workers=x'], 'direct_num_workers: invalid int value'),
    (['3'], "unexpected argument '3'"),
    (['--n=0'], 'n = 0: must be at least 1'),
    (['--artifact=none'], 'there is no artifact.lgc'),
])
def test_a_wrong_flag_is_one_line(arguments, message, capsys):
  assert main(*arguments) == 2
  out, err = capsys.readouterr()
  assert out == '' and err.count('\n') == 1
  assert err.startswith('lgc-beam: error: ') and message in err


def test_flags_of_beam_go_to_beam():
  options = command._pipeline_options(
      'FlinkRunner', ['--flink_master=host:8081', '--parallelism=8'])
  known = options.get_all_options(drop_default=True)
  assert known['runner'] == 'FlinkRunner'
  assert known['flink_master'] == 'host:8081'
