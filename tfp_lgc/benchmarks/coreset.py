"""Coresets of as many images as the LGC paper has: time, memory, accuracy.

There a coreset of 182 images of MNIST teaches 86.65 % (Figure 4); 2,850 are
those of its larger files.
"""

import multiprocessing
import time
from concurrent import futures
from typing import Any, Iterator, Mapping

import numpy as np

from tfp_lgc import config as config_lib
from tfp_lgc import data, evaluation, memory, pipeline
from tfp_lgc.baselines import coreset
from tfp_lgc.benchmarks import frontier
from tfp_lgc.config import Config
from tfp_lgc.data import Images
from tfp_lgc.errors import LgcError
from tfp_lgc.options import BenchmarkConfig
from tfp_lgc.progress import Progress

__all__ = ['SIZES', 'run', 'table']

SIZES = (182, 2850)
# The paper's judge, which sees images as they are, and the default one.
JUDGES = ('lgc_cnn', 'cnn')


def run(config: Config, progress: Progress, done: Mapping[str, dict],
        options: BenchmarkConfig) -> Iterator[dict[str, Any]]:
  """Medoids by each of `coreset.METHODS`, and images at random.

  Args:
    config: of the data, the judges, and the seed.
    progress: is told of every part.
    done: rows of an earlier run by name.
    options: `rows`, methods.

  Yields:
    For each number of images and method: name (coreset/DATASET/METHOD/K),
    num_images, seconds of gradients and choice, peak_num_bytes (the most memory
    that a process of its own held for it, libraries and images as well; Linux
    alone tells), and accuracies by judge, trained on the images,
    and of `class` also with their weights (JUDGE/weighted).
  """
  source = pipeline.open_source(config.data.dataset, config)
  if reason := evaluation.cannot_judge(source):
    raise LgcError(f'dataset = {source.name!r}: {reason}; nothing to judge by')
  images = source.train.to_memory(source.class_names)
  methods = frontier.chosen('rows', options.rows,
                            (*coreset.METHODS, 'random'))
  for k in (size for size in SIZES if size <= len(images)):
    for method in methods:
      name = f'coreset/{frontier.short_name(source)}/{method}/{k}'
      if name in done:
        yield done[name]
        continue
      with progress.stage(f'{method} {k}'):
        positions, weights, cost = _chosen(images, k, method, config.seed)
      row = {'name': name, 'num_images': len(positions), **cost,
             'judge_steps': config.evaluate.judge_steps, 'accuracies': {}}
      for judge, weighted in _judges(method):
        judged_by = config_lib.replace(config.evaluate, judge=judge)
        split = data.array_split(
            images.images[positions], images.labels[positions],
            weights=weights if weighted else None)
        with progress.stage(f'judge {judge}'):
          right = evaluation.judge(split, source, judged_by, config.seed)
        row['accuracies'][judge + '/weighted' * weighted] = round(
            float(right.mean()), 4)
      yield row


def _judges(method: str) -> list[tuple[str, bool]]:
  """Judges, and whether each trains with weights."""
  return [(judge, weighted) for judge in JUDGES
          for weighted in ((False, True) if method == 'class' else (False,))]


def _chosen(images: Images, k: int, method: str, seed: int,
            ) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
  """Positions, weights, and what choosing them took in a fresh process."""
  spawn = multiprocessing.get_context('spawn')
  # Unlike a `Pool`, it says so if the process is killed for want of memory.
  with futures.ProcessPoolExecutor(1, mp_context=spawn) as executor:
    return executor.submit(_choose, images, k, method, seed).result()


def _choose(images: Images, k: int, method: str, seed: int,
            ) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
  began = time.perf_counter()
  if method == 'random':
    positions = np.random.default_rng(seed).permutation(len(images))[:k]
    weights = np.ones(k, int)
  else:
    positions, weights = coreset.select(
        coreset.gradients(images, seed), images.labels, k, method, seed)
  return positions, weights, {
      'seconds': round(time.perf_counter() - began, 1),
      'peak_num_bytes': memory.held()}


def table(rows: Mapping[str, dict[str, Any]]) -> str:
  """The rows of `run` as a table (Markdown)."""
  lines = ['| coreset | images | seconds | MB | lgc_cnn | cnn | weighted |',
           '|---' * 7 + '|']
  for name, row in rows.items():
    if not name.startswith('coreset/'):
      continue
    _, dataset, method, k = name.split('/')
    cells = [f'{100 * row["accuracies"][judge]:.2f}'
             if judge in row['accuracies'] else ''
             for judge in (*JUDGES, 'lgc_cnn/weighted')]
    lines.append(f'| {dataset} {method} | {int(k):,} | {row["seconds"]} | '
                 f'{row["peak_num_bytes"] / 1e6:,.0f} | {" | ".join(cells)} |')
  return '\n'.join(lines)
