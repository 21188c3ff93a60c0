"""bin/benchmark, whatever the suite: files, rows and flags that are refused."""

import pytest
from benchmark_rows import PAPERS

from tfp_lgc import benchmarks
from tfp_lgc import options as options_lib
from tfp_lgc.commands import benchmark
from tfp_lgc.errors import ConfigError


def test_choices_are_the_table():
  assert set(options_lib.SUITES) == set(benchmarks.SUITES)


def test_figures_of_a_suite_that_has_none(capsys, tmp_path):
  assert benchmark.main(['benchmark', '--suite=em',
                         f'--figures={tmp_path}/figures']) == 2
  assert ('choose from baselines, frontier, gmm_dae_loss, latents'
          in capsys.readouterr().err)
  assert not (tmp_path / 'figures').exists()


def test_a_file_of_something_else_is_left_alone(capsys, tmp_path):
  file = tmp_path / 'notes.txt'
  file.write_text('mine\n')
  assert benchmark.main(['benchmark', f'--output={file}']) == 2
  assert 'no row of a suite' in capsys.readouterr().err
  assert file.read_text() == 'mine\n'


def test_unknown_rows_and_tables_are_refused(capsys, tmp_path):
  assert benchmark.main(['benchmark', *PAPERS, '--rows=vae,gan']) == 2
  assert 'there is no gan; choose from ae, ' in capsys.readouterr().err
  assert benchmark.main(['benchmark', '--suite=heads', '--dataset=digits',
                         '--rows=vpa_mlp/mse,vpa_mlp/normal']) == 2
  assert ('there is no vpa_mlp/normal; choose from vpa_mlp/mse/0, '
          in capsys.readouterr().err)
  file = tmp_path / 'em.jsonl'
  file.write_text('{"name": "em/all"}\n')
  assert benchmark.main(['benchmark', '--suite=em', '--table',
                         f'--output={file}']) == 2
  assert 'em has none' in capsys.readouterr().err
  assert benchmark.main(['benchmark', '--suite=papers', '--table']) == 2
  assert 'has no row' in capsys.readouterr().err
  assert benchmark.main(['benchmark', *PAPERS, '--dataset=spuco']) == 2
  assert "dataset = 'spuco'" in capsys.readouterr().err
  assert benchmark.main(['benchmark', '--output=no/such/x.jsonl']) == 2
  assert 'that can be written to' in capsys.readouterr().err


def test_half_a_row_is_made_again(tmp_path):
  file = tmp_path / 'x.jsonl'
  file.write_text('{"name": "a"}\n{"name": "a", "n": 2}\n{"name": "b", "n')
  assert benchmark._rows(str(file)) == {'a': {'name': 'a', 'n': 2}}
  assert file.read_text() == '{"name": "a"}\n{"name": "a", "n": 2}\n'
  file.write_text('mine')
  with pytest.raises(ConfigError, match='no row of a suite'):
    benchmark._rows(str(file))
  assert file.read_text() == 'mine'
