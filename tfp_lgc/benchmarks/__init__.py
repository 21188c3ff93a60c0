"""Suites of bin/benchmark: what is measured and how.

A suite is a function `(config, progress, done) -> rows of a table`. A row is a
dict that JSON can hold and has a `name`; `done` are rows of an earlier run by
name, which are not made again. Times are compared side by side, in one process
and one run.
"""

from tfp_lgc.benchmarks import em, heads, throughput

__all__ = ['SUITE_FUNCTIONS']

SUITE_FUNCTIONS = {'em': em.run, 'heads': heads.run,
                   'throughput': throughput.run}
