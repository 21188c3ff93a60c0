"""How lgc-serve does under load: many requests, several at a time."""

import collections
import contextlib
import http.client
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.parse
from concurrent import futures
from typing import Any, Iterator, Mapping, NamedTuple, Optional

import numpy as np

from tfp_lgc import compression, serving
from tfp_lgc.config import Config
from tfp_lgc.errors import ConfigError, LgcError
from tfp_lgc.options import BenchmarkConfig
from tfp_lgc.progress import Progress

__all__ = ['Answer', 'ask', 'describe', 'run']

NUM_REQUESTS = 200
IN_PARALLEL = 8
# Images of a request, and what they come as, in turns.
NUM_IMAGES = 16
FORMATS = ('png', 'npz')
# What drawing costs does not depend on how well the decoder was trained.
NUM_EPOCHS = 1
# Seconds after which a client gives up.
PATIENCE = 60.0

_COMMAND = ('import sys; from tfp_lgc.commands import serve; '
            "sys.exit(serve.main(['lgc-serve', *sys.argv[1:]]))")


class Answer(NamedTuple):
  """What became of a request.

  Attributes:
    status: of HTTP; None if there was no answer, or only a part of it.
    seconds: until all of it was there, or was not.
  """
  status: Optional[int]
  seconds: float


def run(config: Config, progress: Progress, done: Mapping[str, dict],
        options: BenchmarkConfig) -> Iterator[dict[str, Any]]:
  """Asks a server of this machine, in a process of its own, for images.

  The clients are threads of this process: they take time from the server where
  there are few cores.

  Yields:
    One row, see `describe`.

  Raises:
    ConfigError: if what the server needs is not installed.
    LgcError: if it does not start, or answers nothing.
  """
  del done, options  # A time is measured whenever it is asked for.
  if reason := serving.missing():
    raise ConfigError(reason)
  artifact = compression.compress(config.data.dataset, config,
                                  progress=progress, epochs=NUM_EPOCHS)
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / 'artifact.lgc'
    path.write_bytes(artifact.to_bytes())
    with progress.stage('ask', NUM_REQUESTS), _server(path) as port:
      targets = [f'/sample?n={NUM_IMAGES}&seed={i}'
                 f'&format={FORMATS[i % len(FORMATS)]}'
                 for i in range(NUM_REQUESTS)]
      began = time.perf_counter()
      answers = ask(port, targets, IN_PARALLEL)
      seconds = time.perf_counter() - began
  yield {'name': f'serving/{config.model.model}/{config.model.trunk}',
         'num_images': NUM_IMAGES, 'in_parallel': IN_PARALLEL,
         **describe(answers, seconds)}


@contextlib.contextmanager
def _server(path: pathlib.Path) -> Iterator[int]:
  """lgc-serve of an artifact, at a free port, which it yields."""
  root = str(pathlib.Path(serving.__file__).parents[1])
  environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(
      [root, *filter(None, [os.environ.get('PYTHONPATH')])])}
  # A pipe that nobody reads could hold it up.
  with open(path.with_name('log'), 'w+') as log, subprocess.Popen(
      [sys.executable, '-c', _COMMAND, str(path), '--port=0'],
      stdout=subprocess.PIPE, stderr=log, text=True, env=environment,
  ) as process:
    try:
      assert process.stdout is not None
      # It prints its address when the first request will not wait.
      port = urllib.parse.urlsplit(process.stdout.readline().strip()).port
      if not port:
        log.seek(0)
        raise LgcError(f'lgc-serve: did not start: {log.read()}')
      yield port
    finally:
      process.terminate()


def ask(port: int, targets: list[str], in_parallel: int) -> list[Answer]:
  """GET of each target, on a connection of its own, so many at a time."""
  def one(target: str) -> Answer:
    began, status = time.perf_counter(), None
    connection = http.client.HTTPConnection('127.0.0.1', port,
                                            timeout=PATIENCE)
    try:
      connection.request('GET', target)
      answer = connection.getresponse()
      answer.read()
      status = answer.status
    except (OSError, http.client.HTTPException):
      pass  # Lost, and counted as such.
    finally:
      connection.close()
    return Answer(status, time.perf_counter() - began)

  with futures.ThreadPoolExecutor(in_parallel) as pool:
    return list(pool.map(one, targets))


def describe(answers: list[Answer], seconds: float) -> dict[str, Any]:
  """What a row says of answers that took so many seconds in all.

  Returns:
    num_requests; p50 and p99, milliseconds until an answer was there, of those
    with status 200; requests_per_second, of the same; lost, requests that got
    no answer; statuses, how many had which.

  Raises:
    LgcError: if none has status 200.
  """
  statuses = collections.Counter(answer.status for answer in answers)
  good = [answer.seconds for answer in answers if answer.status == 200]
  lost = statuses.pop(None, 0)
  if not good:
    raise LgcError(f'lgc-serve: answered none of {len(answers)} requests with '
                   f'200; got {dict(statuses)}, and {lost} got no answer')
  p50, p99 = 1000 * np.percentile(good, [50, 99])
  return {'num_requests': len(answers), 'p50': round(float(p50), 1),
          'p99': round(float(p99), 1),
          'requests_per_second': round(len(good) / seconds, 1), 'lost': lost,
          'statuses': {str(status): count
                       for status, count in sorted(statuses.items())}}
