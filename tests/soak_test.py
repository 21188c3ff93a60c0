"""A server that answers for a long time, and the memory that it holds then."""

import itertools
import pathlib
from concurrent import futures

import pytest
from servers import Process

NUM_REQUESTS, NUM_WARM_UP = 10_000, 1_000
# What clients ask for, in turn: all formats, classes and temperatures, every
# other path, and what is refused.
QUERIES = [*itertools.product(('png', 'npz'), ('', 'ape', 'emu'),
                              ('0', '0.5', '1'))]
OTHERS = [('/', 200), ('/healthz', 200), ('/metrics', 200), ('/none', 404),
          ('/sample?n=0', 400), ('/sample?label=dog', 400)]
# Of the others there is one for so many samples.
EVERY = 50


def _path(i):
  """The i-th request, and the status of its answer."""
  if i % EVERY == EVERY - 1:
    return OTHERS[i // EVERY % len(OTHERS)]
  format_, label, temperature = QUERIES[i % len(QUERIES)]
  return (f'/sample?n=16&seed={i}&format={format_}&label={label}'
          f'&temperature={temperature}'), 200


def _resident(process):
  """Bytes of a process that are in memory, as Linux counts them."""
  status = pathlib.Path(f'/proc/{process.pid}/status').read_text()
  [line] = [line for line in status.splitlines() if line.startswith('VmRSS')]
  return 1024 * int(line.split()[1])


@pytest.mark.slow
def test_10000_requests_do_not_make_the_server_grow(saved):
  if not pathlib.Path('/proc/self/status').exists():
    pytest.skip('this system does not say what a process holds in /proc')
  server = Process(saved)

  def asked(i):
    path, expected = _path(i)
    status, _, content = server.get(path)
    return status == expected and content

  sizes = []
  with futures.ThreadPoolExecutor(8) as pool:
    for first in range(0, NUM_REQUESTS + NUM_WARM_UP, NUM_WARM_UP):
      assert all(pool.map(asked, range(first, first + NUM_WARM_UP)))
      sizes.append(_resident(server.process))
  assert server.stop() == (0, '', '')
  print('\nMB after each thousand requests:',
        *[round(size / 1e6, 1) for size in sizes])
  assert sizes[-1] <= 1.05 * sizes[0]
