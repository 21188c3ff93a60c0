"""Suites of bin/benchmark: what is measured and how.

A suite is a function `(config, progress, done, options) -> rows of a table`. A
row is a dict that JSON can hold and has a `name`; `done` are rows of an earlier
run by name, which are not made again. Times are compared side by side, in one
process and one run.
"""

from tfp_lgc.benchmarks import em, papers, throughput

__all__ = ['SUITE_FUNCTIONS', 'TABLES']

SUITE_FUNCTIONS = {'em': em.run, 'papers': papers.run,
                   'throughput': throughput.run}

# Suite -> (rows by name) -> a table for people, in Markdown.
TABLES = {'papers': papers.table}
