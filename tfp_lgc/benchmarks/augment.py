"""Whether the component means of a mixture head help a judge.

S. Ciobanu, Vanilla Probabilistic Autoencoder, CAINE 2021, section 3.3, says
that they can augment a data set, and does not try. Here a judge is trained on a
few real images, and on them and the component means that an autoencoder of the
same few images makes of them.
"""

import statistics
from typing import Any, Iterator, Mapping

import numpy as np

from tfp_lgc import augmentation, evaluation, pipeline
from tfp_lgc import config as config_lib
from tfp_lgc.config import Config
from tfp_lgc.data import array_split, Images, Source
from tfp_lgc.errors import ConfigError, LgcError
from tfp_lgc.options import BenchmarkConfig
from tfp_lgc.progress import Progress

__all__ = ['SIZES', 'run', 'table']

# Real images that a judge and an autoencoder are given.
SIZES = (100, 1000, 10_000)
# The mixture of the paper that reconstructs best.
SETTINGS = {'preset': 'vpa_mlp', 'model': 'ae', 'head': 'normal_unit',
            'head_num_components': 10, 'epochs': 0}
_JUDGED = ('real', 'all', 'dense')


def run(config: Config, progress: Progress, done: Mapping[str, dict],
        options: BenchmarkConfig) -> Iterator[dict[str, Any]]:
  """Accuracies on the test split, by how many real images there are.

  Args:
    config: of the data and the judge; the model is that of `SETTINGS`.
    progress: is told of every part.
    done: rows of an earlier run by name.
    options: `runs`, how many seeds; `rows`, some of `SIZES`, empty for all.

  Yields:
    For each size and seed: name (augment/DATASET/SIZE/SEED), accuracies of
    judges of the same number of steps on the real images (real), on these and
    all component means (all), and on these and the denser half of the means
    (dense, whose log-density is at least `threshold`); num_all and num_dense,
    how many means that are. After the seeds of a size, their means.
  """
  source = pipeline.open_source(config.data.dataset, config)
  if reason := evaluation.cannot_judge(source):
    raise LgcError(f'dataset = {source.name!r}: {reason}; nothing to judge by')
  known = [str(size) for size in SIZES]
  wanted = options.rows.split(',') if options.rows else known
  if unknown := set(wanted) - set(known):
    raise ConfigError(f'rows = {options.rows!r}: there is no {min(unknown)}; '
                      f'choose from {", ".join(known)}')
  images = source.train.to_memory(source.class_names)
  for size in wanted:
    name, rows = f'augment/{source.name}/{size}', []
    for seed in range(config.seed, config.seed + options.runs):
      key = f'{name}/{seed}'
      rows.append(done.get(key) or {'name': key, **_measured(
          images, int(size), source, config_lib.replace(
              config, seed=seed, **SETTINGS), progress)})
      yield rows[-1]
    yield {'name': name, **_means(rows)}


def _measured(images: Images, size: int, source: Source, config: Config,
              progress: Progress) -> dict[str, Any]:
  if size > len(images):
    raise LgcError(f'dataset = {source.name!r}: has {len(images)} train images;'
                   f' must be at least {size}, or fewer --rows')
  chosen = np.random.default_rng(config.seed).permutation(len(images))[:size]
  x, labels = images.images[chosen], images.labels[chosen]
  few = Source(source.name, array_split(x, labels, keep_order=True), None,
               source.class_names)
  artifact = pipeline.fit(few, config, progress).artifact
  assert artifact.encoder
  points, log_densities = augmentation.component_images(
      artifact, artifact.encoder.latents(few.train), labels)
  threshold = float(np.median(log_densities))
  sets = {'real': Images(x, labels, source.class_names)}
  for what, low in (('all', -np.inf), ('dense', threshold)):
    kept = log_densities >= low  # [N, K]
    sets[what] = Images(
        np.concatenate([x, points[kept]]),
        np.concatenate([labels, np.repeat(labels, kept.sum(axis=1))]),
        source.class_names)
  result: dict[str, Any] = {
      'num_images': size, 'threshold': round(threshold, 2),
      'num_all': len(sets['all']) - size,
      'num_dense': len(sets['dense']) - size}
  for what, training in sets.items():
    with progress.stage(f'judge {what}', config.evaluate.judge_steps):
      right = evaluation.judge(array_split(training.images, training.labels),
                               source, config.evaluate, config.seed,
                               progress.step)
    result[f'{what}_accuracy'] = round(float(right.mean()), 4)
  return result


def _means(rows: list[dict[str, Any]]) -> dict[str, Any]:
  result: dict[str, Any] = {'num_images': rows[0]['num_images'],
                            'num_runs': len(rows)}
  for what in _JUDGED:
    values = [row[f'{what}_accuracy'] for row in rows]
    result[f'{what}_accuracy'] = round(statistics.fmean(values), 4)
    if len(values) > 1:
      result[f'{what}_stddev'] = round(statistics.stdev(values), 4)
  return result


def table(rows: Mapping[str, dict]) -> str:
  """The means of `run`, by name, as the table of docs/results.md."""
  lines = ['| real images | real alone | and all component means | and the '
           'denser half |', '|---|---|---|---|']
  for row in rows.values():
    if 'num_runs' in row:
      cells = [f'{row["num_images"]:,}']
      for what in _JUDGED:
        spread = row.get(f'{what}_stddev')
        cells.append(f'{100 * row[f"{what}_accuracy"]:.2f}' + (
            f' ({100 * spread:.2f})' if spread is not None else ''))
      lines.append(f'| {" | ".join(cells)} |')
  return '\n'.join(lines)
