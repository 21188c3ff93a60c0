"""Suites of bin/benchmark: what is measured and how.

A suite is a function `(config, progress, done) -> rows of a table`. A row is a
dict that JSON can hold and has a `name`; `done` are rows of an earlier run by
name, which are not made again. Times are compared side by side, in one process
and one run. Figures are drawn from the rows alone, by a function `rows -> file
name -> Figure`, so that a finished suite can be drawn again.
"""

from tfp_lgc.benchmarks import em, gmm_dae_loss, latents, throughput

__all__ = ['FIGURES', 'SUITE_FUNCTIONS']

SUITE_FUNCTIONS = {
    'em': em.run, 'throughput': throughput.run,
    'gmm_dae_loss': gmm_dae_loss.run, 'latents': latents.run}

FIGURES = {'gmm_dae_loss': gmm_dae_loss.figures, 'latents': latents.figures}
