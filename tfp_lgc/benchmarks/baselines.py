"""Figure 4 of the LGC paper, made again with the bytes of files.

There accuracy stands over the share of bytes saved, of autoencoders of 1.2 to
3 MB beside 182 images, which are said to take 3 MB too and take 28 kB. Here
every method has the same budgets, those of the paper's files and smaller ones,
and what is judged, and how, is the suite `frontier`'s.
"""

import functools
from typing import AbstractSet, Any, Iterator, Mapping

from tfp_lgc.benchmarks import frontier, frontier_table
from tfp_lgc.config import Config
from tfp_lgc.options import BenchmarkConfig
from tfp_lgc.progress import Progress

__all__ = ['PROTOCOL', 'figures', 'run']

# The paper's baselines are gzip, here of as many images as fit, random images
# and a coreset by gradients. `coreset_greedy` chooses as the paper does whose
# method that is (CRUST).
PROTOCOL = frontier.Protocol(
    name='baselines',
    methods=(*frontier.METHODS, 'gzip', 'coreset_greedy'),
    budgets=('32kB', '78.4kB', '392kB', '3MB'),
    # The first is that of the hull; the other is the paper's, which sees images
    # as they are.
    judges=('cnn/shift', 'lgc_cnn/none'))


def run(config: Config, progress: Progress, done: Mapping[str, dict],
        options: BenchmarkConfig, fixed: AbstractSet[str] = frozenset(),
        ) -> Iterator[dict[str, Any]]:
  """As `frontier.run`, of the methods, budgets and judges of `PROTOCOL`."""
  return frontier.run(config, progress, done, options, fixed, PROTOCOL)


figures = functools.partial(frontier_table.figures, suite=PROTOCOL.name)
