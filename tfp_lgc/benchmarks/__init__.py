"""Suites of bin/benchmark: what is measured and how."""

from typing import Callable, NamedTuple, Optional

from tfp_lgc.benchmarks import (
  augment,
  baselines,
  coreset,
  cost,
  em,
  frontier,
  frontier_table,
  gmm_dae_loss,
  heads,
  latents,
  papers,
  scale,
  serving,
  throughput,
)

__all__ = ['SUITES', 'Suite']


class Suite(NamedTuple):
  """What bin/benchmark measures under one name.

  Attributes:
    run: (config, progress, done, options[, fixed]) -> rows. A row is a dict
      that JSON can hold and has a `name`; `done` are rows of an earlier run by
      name, which are not made again. Times are compared side by side, in one
      process and one run.
    figures: rows -> file name -> `Figure`; from the rows alone, so that a
      finished suite can be drawn again.
    table: (rows by name) -> a table for people, in Markdown.
    takes_fixed: whether `run` takes `fixed`, too: names of settings that are
      given, whatever their values, and that a budget then does not choose.
  """
  run: Callable
  figures: Optional[Callable] = None
  table: Optional[Callable] = None
  takes_fixed: bool = False


SUITES = {
    'augment': Suite(augment.run, table=augment.table),
    'baselines': Suite(baselines.run, baselines.figures, frontier_table.table,
                       takes_fixed=True),
    'coreset': Suite(coreset.run, table=coreset.table),
    'cost': Suite(cost.run, table=cost.table),
    'em': Suite(em.run),
    'frontier': Suite(frontier.run, frontier_table.figures,
                      frontier_table.table, takes_fixed=True),
    'gmm_dae_loss': Suite(gmm_dae_loss.run, gmm_dae_loss.figures),
    'heads': Suite(heads.run, table=heads.table),
    'latents': Suite(latents.run, latents.figures),
    'papers': Suite(papers.run, table=papers.table),
    'scale': Suite(scale.run, table=scale.table),
    'serving': Suite(serving.run),
    'throughput': Suite(throughput.run),
}
