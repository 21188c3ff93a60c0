"""bin/benchmark on little data, for tests of its suites."""

import json

from tfp_lgc.commands import benchmark

TINY = ['--dataset=digits', '--epochs=2', '--latent_size=3', '--hidden_size=8',
        '--num_components_max=2', '--max_iterations=20']
PAPERS = ['--suite=papers', '--dataset=digits', '--epochs=1', '--latent_size=3',
          '--hidden_size=8', '--num_components_max=2', '--judge_steps=5']


def rows_of(capsys, *flags):
  """What a suite prints; its other settings are TINY."""
  assert benchmark.main(['benchmark', *TINY, *flags]) == 0
  return [json.loads(line) for line in capsys.readouterr().out.splitlines()]
