"""bin/evaluate: whom it has judged, and what it prints of it."""

import json

import numpy as np
import pytest
from command_lines import json_of, main

from tfp_lgc import config as config_lib
from tfp_lgc import sources
from tfp_lgc.commands import evaluate
from tfp_lgc.metrics import tstr


@pytest.fixture
def judged(monkeypatch):
  """Judges that are not trained: what they would see, and answers."""
  seen = []

  def right(train, test, num_classes, config, seed=0, on_step=None):
    seen.append((train, test, num_classes, config.judge_steps, seed))
    return np.arange(1000) < [500, 900, 625, 800][len(seen) - 1]

  monkeypatch.setattr(tstr, 'right', right)
  return seen


def test_evaluate_judges_samples_and_real_images_alike(
    digits_run, place, judged, capsys):
  assert main('evaluate', f'--artifact={digits_run}', '--dataset=digits',
              '--runs=2', '--seed=7', '--judge_steps=5') == 0
  out, _ = capsys.readouterr()
  got = json_of(out.splitlines()[-1])
  assert set(got) == {'artifact', 'dataset', 'num_bytes', 'tstr_accuracy',
                      'real_accuracy', 'seed', 'judge_steps', 'seconds'}
  for name, runs in (('tstr_accuracy', [0.5, 0.625]),
                     ('real_accuracy', [0.9, 0.8])):
    assert got[name]['runs'] == runs
    assert got[name]['mean'] == pytest.approx(np.mean(runs))
    assert got[name]['stddev'] == pytest.approx(np.std(runs, ddof=1))
    assert f'{np.mean(runs):.2%}' in out
  assert got['num_bytes'] == (digits_run / 'artifact.lgc').stat().st_size
  assert (got['seed'], got['judge_steps']) == (7, 5)
  # As many samples as real images, the official test split, one seed a run.
  source = sources.load(config_lib.DataConfig())
  assert [train.num_examples for train, *_ in judged] == [
      source.train.num_examples] * 4
  assert {test.num_examples for _, test, *_ in judged} == {
      source.test.num_examples}
  assert [rest for _, _, *rest in judged] == [
      [10, 5, 7], [10, 5, 7], [10, 5, 8], [10, 5, 8]]
  first, other = (judged[i][0].to_memory(()).images for i in (0, 2))
  assert (first != other).any()


def test_evaluate_of_one_run_is_json_too(digits_run, place, judged, capsys):
  """Where a deviation is not defined."""
  assert main('evaluate', f'--artifact={digits_run}', '--runs=1') == 0
  json_of(capsys.readouterr().out.splitlines()[-1])


def test_evaluate_judges_a_baseline_in_place_of_an_artifact(
    place, judged, capsys):
  assert main('evaluate', '--baseline=xz', '--budget=3kB', '--runs=2',
              '--seed=7', '--judge_steps=5') == 0
  out, _ = capsys.readouterr()
  got = json_of(out.splitlines()[-1])
  assert set(got) == {
      'baseline', 'budget', 'dataset', 'num_bytes', 'baseline_settings',
      'tstr_accuracy', 'real_accuracy', 'seed', 'judge_steps', 'seconds'}
  assert (got['baseline'], got['budget']) == ('xz', 3000)
  assert 2900 < got['num_bytes'] <= 3000
  assert got['tstr_accuracy']['runs'] == [0.5, 0.625]
  assert f'{0.5625:.2%}' in out
  # The judges saw what fits, drawn anew for each run.
  counts = [row['num_images'] for row in got['baseline_settings']]
  assert [train.num_examples for train, *_ in judged[::2]] == counts
  first, other = (judged[i][0].to_memory(()).images[:50] for i in (0, 2))
  assert (first != other).any()
  assert [rest for _, _, *rest in judged] == [
      [10, 5, 7], [10, 5, 7], [10, 5, 8], [10, 5, 8]]


def test_evaluate_takes_images_and_judge_from_the_run(digits_run, place, judged,
                                                      capsys):
  settings = {'dataset': 'digits', 'judge_steps': 5, 'seed': 7,
              'budget': '1kB', 'latent_size': 3}
  flags = [f'--artifact={digits_run}', '--config=run.json', '--runs=1',
           '--judge_steps=6']
  (place / 'run.json').write_text(json.dumps({'settings': settings}))
  assert main('evaluate', *flags) == 0
  assert [rest for _, _, *rest in judged] == [[10, 6, 7]] * 2
  # Not the images that the artifact was made from.
  (place / 'run.json').write_text(json.dumps({'settings': {
      **settings, 'test_fraction': 0.5}}))
  assert main('evaluate', *flags) == 2
  assert 'another part held out' in capsys.readouterr().err


def test_a_share_stands_beside_that_by_chance():
  """And an area without an interval alone."""
  dcr = {'nearer_to_train': 0.542, 'nearer_to_train_interval': [0.5, 0.6],
         'chance_interval': [0.46, 0.54], 'identical_share': 0.0}
  attack = {'auc': 1.0, 'auc_interval': None}
  rows = dict(evaluate._table({'privacy': {
      'note': 'measured', 'dcr': dcr, 'shadow': attack}}))
  assert rows['samples nearer to train than test'] == (
      '54.20% (46.00% to 54.00% by chance)')
  assert rows['membership by shadow models, AUC'] == '1.000'
