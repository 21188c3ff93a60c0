"""lgc-evaluate, bin/evaluate: what an artifact is worth to a classifier, or a
baseline of as many bytes."""

import dataclasses
import json
from typing import Any, Mapping, Optional, Sequence

from tfp_lgc import budget, flags
from tfp_lgc.commands import compress
from tfp_lgc.commands.run import (
  new_progress,
  print_table,
  run,
  start_tensorflow,
)
from tfp_lgc.config import BASELINES, Config, DataConfig, EvaluateConfig
from tfp_lgc.errors import ConfigError
from tfp_lgc.options import (
  chosen_metrics,
  METRIC_GROUPS,
  METRICS,
  MetricsConfig,
)
from tfp_lgc.setting import setting

USAGE = """\
Trains a judge only on samples of an artifact and one on the real train split,
for the same number of steps, and tests both on the real test split. With
--baseline and --budget the samples are what a simpler method sends in as many
bytes; no artifact is read. --metrics names what else is measured of them."""


@dataclasses.dataclass(frozen=True)
class Runs:
  """The runs."""
  artifact: str = setting(
      'lgc_artifact', 'artifact.lgc, a SavedModel, or the directory of both.')
  baseline: str = setting(
      'none', 'What to judge in place of an artifact: lossless (real images by '
      'the best of gzip, xz, PNG and WebP), thumbnails (at less size and '
      'depth), a lossy format, medoids of loss gradients (coreset), k-means, '
      'or Gaussian mixtures on principal components.',
      choices=('none', *BASELINES))
  budget: str = setting(
      '', 'Bytes that the baseline may take: a number, or as 500B, 32kB '
      '(32,000 bytes), 1.5MB.')
  metrics: str = setting(
      'accuracy', 'What to measure, separated by commas: of '
      f'{", ".join(METRICS)}; or a group: '
      + '; '.join(f'{group} (all but shadow and canary, which train further '
                  'artifacts)' if group == 'all' else
                  f'{group} ({", ".join(names)})'
                  for group, names in METRIC_GROUPS.items())
      + '. Those of privacy are measured, not guaranteed.')
  runs: int = setting(3, 'Judges of each kind, each with another seed.', low=1,
                      high=1000)
  seed: int = setting(0, 'Of the first run.', low=0, high=2**30)


# Of a run of bin/compress: its images and its judge. A budget, say, would be
# that of a baseline here.
FILE = flags.FromFile(
    frozenset({*flags.names([DataConfig, EvaluateConfig]), 'seed'}),
    flags.names(compress.GROUPS))


def main(argv: Optional[Sequence[str]] = None) -> int:
  return run(_evaluate, argv)


def _evaluate(argv: Sequence[str]) -> None:
  options, data_config, config, settings = flags.parse(
      USAGE, [Runs, DataConfig, EvaluateConfig, MetricsConfig], argv,
      file=FILE)
  num_bytes = _budget(options)
  chosen_metrics(options.metrics)  # Refused before TensorFlow is waited for.
  start_tensorflow()
  from tfp_lgc import evaluation, opening
  log = new_progress()
  config_all = Config(data=data_config, evaluate=config, seed=options.seed)
  how = {'runs': options.runs, 'progress': log, 'metrics': options.metrics,
         **dataclasses.asdict(settings)}
  if num_bytes:
    result = evaluation.evaluate_baseline(
        options.baseline, num_bytes, data_config.dataset, config_all, **how)
    what = {'baseline': options.baseline, 'budget': num_bytes}
  else:
    size = opening.num_bytes_on_disk(options.artifact)
    result = {'num_bytes': size, **evaluation.evaluate(
        options.artifact, data_config.dataset, config_all, **how)}
    what = {'artifact': options.artifact}
  print_table(_table(result))
  print(json.dumps({
      **what, 'dataset': data_config.dataset, **result, 'seed': options.seed,
      'judge_steps': config.judge_steps, 'seconds': log.seconds}))


# Titles of single numbers, and where they stand in the result.
_NUMBERS = (
    ('Frechet distance (of train images)', 'fid', 'distance', 'train_distance'),
    ('kernel distance (of train images)', 'kid', 'squared_mmd',
     'train_squared_mmd'),
    ('precision (of train images)', 'prdc', 'precision', 'train_precision'),
    ('coverage (of train images)', 'prdc', 'coverage', 'train_coverage'),
    ('accuracy of nearest latents', 'latents', 'knn_accuracy', ''),
    ('BIC (of one Gaussian each)', 'bic', 'bic', 'bic_one'),
    ('bits an image (raw)', 'rate', 'bits_per_image', 'raw_bits_per_image'))
_ATTACKS = (('by reconstruction', 'membership', 'reconstruction'),
            ('by decoded means of components', 'membership', 'components'),
            ('by density ratio', 'membership', 'density_ratio'),
            ('by shadow models', 'shadow'))


def _table(result: Mapping[str, Any]) -> list[tuple[str, str]]:
  """For people: what one would look at first."""
  rows = [(title, _spread(result[key])) for title, key in (
      ('judge trained on samples', 'tstr_accuracy'),
      ('judge trained on real', 'real_accuracy'),
      ('its worst group, samples', 'tstr_worst_group'),
      ('its worst group, real', 'real_worst_group')) if key in result]
  for title, metric, name, other in _NUMBERS:
    if metric in result:
      beside = f' ({_short(result[metric][other])})' if other else ''
      rows.append((title, _short(result[metric][name]) + beside))
  rows += _private_rows(result.get('privacy', {}))
  rows += [(f'{name} left out', reason)
           for name, reason in result.get('left_out', {}).items()]
  return rows or [('measured', ', '.join(result))]


def _short(number: float) -> str:
  return f'{number:,}' if isinstance(number, int) else f'{number:.4g}'


def _private_rows(privacy: Mapping[str, Any]) -> list[tuple[str, str]]:
  rows = [('privacy', privacy['note'])] if privacy else []
  if 'dcr' in privacy:
    dcr = privacy['dcr']
    rows += [('samples nearer to train than test',
              f'{dcr["nearer_to_train"]:.2%} '
              f'({_ends(dcr["chance_interval"], ".2%")} by chance)'),
             ('samples that are train images', f'{dcr["identical_share"]:.2%}')]
  for title, *keys in _ATTACKS:
    attack: Any = privacy
    for key in keys:
      attack = attack.get(key, {})
    if 'auc' in attack:
      interval = attack['auc_interval']
      rows.append((f'membership {title}, AUC', f'{attack["auc"]:.3f}' + (
          f' ({_ends(interval, ".3f")})' if interval else '')))
  if 'copying' in privacy:
    copying = privacy['copying']
    note = f' ({copying["note"]})' if 'note' in copying else ''
    rows.append(('data copying, z', f'{copying["copying_z"]:.2f}{note}'))
  if 'components' in privacy:
    rows.append(('images of the smallest component',
                 f'{privacy["components"]["points"]:.1f}'))
  if 'canary' in privacy:
    rows += [(f'exposure of canaries, {times} x', f'{row["mean"]:.2f} bits')
             for times, row in privacy['canary']['exposures'].items()]
  return rows


def _ends(interval: Sequence[float], form: str) -> str:
  return ' to '.join(format(end, form) for end in interval)


def _budget(options: Runs) -> int:
  """Bytes for the baseline; 0 if an artifact is judged."""
  if options.baseline == 'none':
    if options.budget:
      raise ConfigError(f'budget = {options.budget!r}: is for a baseline; '
                        'choose one by --baseline')
    return 0
  if options.artifact != Runs.artifact:
    raise ConfigError(f'baseline = {options.baseline!r}: is judged in place of '
                      'an artifact; give only one of them')
  if not options.budget:
    raise ConfigError(f'baseline = {options.baseline!r}: needs --budget, the '
                      'bytes that it may take, as --budget=32kB')
  return budget.parse(options.budget)


def _spread(accuracy: Mapping[str, Any]) -> str:
  if accuracy['stddev'] is None:
    return f'{accuracy["mean"]:.2%} (1 run)'
  return (f'{accuracy["mean"]:.2%} (stddev {accuracy["stddev"]:.2%}, '
          f'{len(accuracy["runs"])} runs)')
