"""What is logged goes through absl's handler, and libraries stay silent."""

import logging

import pytest
from absl import logging as absl_logging

from tfp_lgc import logs


@pytest.fixture(autouse=True)
def as_it_was():
  logs.start()
  yield
  logs.start()


def test_a_line_goes_to_stderr_as_it_is(capsys):
  logs.say('train: 5 % of 100')
  assert capsys.readouterr() == ('', 'train: 5 % of 100\n')


def test_it_is_absl_that_writes_it():
  """Once, whatever else was started."""
  logs.start()
  seen = []
  handler = absl_logging.get_absl_handler()
  assert logging.root.handlers.count(handler) == 1
  watch = lambda record: seen.append(record.getMessage()) or True
  handler.addFilter(watch)
  try:
    logs.say('hello')
  finally:
    handler.removeFilter(watch)
  assert seen == ['hello']


@pytest.mark.parametrize('verbosity, ours, theirs', [
    (1, True, True), (0, True, False), (-1, False, False), (-3, False, False)])
def test_verbosity_is_that_of_absl(verbosity, ours, theirs, capsys):
  logs.set_verbosity(verbosity)
  assert logs.is_said() == ours
  logs.say('ours')
  logs.warn('warning')
  absl_logging.info('theirs')
  logging.getLogger('some.library').info('theirs')
  err = capsys.readouterr().err.split()
  assert ('ours' in err) == ours
  assert err.count('theirs') == 2 * theirs
  assert ('warning' in err) == (verbosity >= -1)


def test_warnings_of_libraries_are_for_those_who_ask(capsys):
  """As TFDS, which warns users of how it is called; errors are for all."""
  logs.set_verbosity(1)
  absl_logging.warning('careful')
  logs.set_verbosity(0)
  absl_logging.warning('careful')
  absl_logging.error('wrong')
  assert capsys.readouterr().err == 'careful\nwrong\n'
