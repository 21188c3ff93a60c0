"""Servers for tests, in this process and in one of their own."""

import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import urllib.parse

from prometheus_client import parser

from tfp_lgc import serving
from tfp_lgc.options import ServeConfig

BIN = pathlib.Path(__file__).parent.parent / 'bin'
CLASSES = ['ape', 'cat', 'emu']
CONFIG = ServeConfig(max_n=50, max_body=100, num_workers=2, max_waiting=300,
                     timeout=60.0, seed=3)


class Running:
  """A server of this process, at a free port."""

  def __init__(self, artifact, config):
    self._socket = serving.bind('127.0.0.1', 0)
    self.port = self._socket.getsockname()[1]
    self._server = serving.server_of(serving.app(artifact, config), config)
    self._thread = threading.Thread(
        target=self._server.run, kwargs={'sockets': [self._socket]})

  def __enter__(self):
    self._thread.start()
    return self

  def __exit__(self, *_):
    self._server.should_exit = True
    self._thread.join()
    self._socket.close()

  def get(self, path, method='GET', **options):
    """Status, headers and content."""
    return get(self.port, path, method, **options)


def get(port, path, method='GET', **options):
  """As `Running.get`."""
  connection = http.client.HTTPConnection('127.0.0.1', port, timeout=120)
  try:
    connection.request(method, path, **options)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()
  finally:
    connection.close()


def metrics_of(server):
  """Name and labels of each sample -> value, by Prometheus' own parser."""
  status, headers, content = server.get('/metrics')
  assert status == 200 and headers['Content-Type'].startswith('text/plain')
  return {(sample.name, *sample.labels.values()): sample.value
          for family in parser.text_string_to_metric_families(content.decode())
          for sample in family.samples}


def error_of(answer):
  """Its status, and what the JSON says."""
  status, headers, content = answer
  assert headers['Content-Type'] == 'application/json'
  body = json.loads(content)
  assert list(body) == ['error']
  return status, body['error']


class Process:
  """bin/serve in a process of its own."""

  def __init__(self, saved, *flags):
    self.process = subprocess.Popen(
        [sys.executable, BIN / 'serve', saved, '--port=0', *flags],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'})
    self.url = self.process.stdout.readline().strip()
    assert re.fullmatch(r'http://127\.0\.0\.1:\d+/', self.url), (
        self.process.communicate())
    self.port = urllib.parse.urlsplit(self.url).port

  def get(self, path):
    return get(self.port, path)

  def stop(self):
    """Exit status and what was printed after SIGTERM."""
    self.process.send_signal(signal.SIGTERM)
    out, err = self.process.communicate(timeout=60)
    return self.process.returncode, out, err
