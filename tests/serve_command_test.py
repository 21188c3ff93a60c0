"""bin/serve: how it starts and stops."""

import io
import os
import signal
import socket
import threading
import time
import urllib.parse
from concurrent import futures

import numpy as np
import pytest
from servers import CONFIG, get, metrics_of, Process

import tfp_lgc
from tfp_lgc import serving
from tfp_lgc.commands import serve
from tfp_lgc.errors import ConfigError


@pytest.fixture
def signals():
  """Puts back what heeded signals, which a process in the background ignores;
  and nothing hangs for ever."""
  before = signal.getsignal(signal.SIGTERM)
  interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
  timer = threading.Timer(60, os.kill, (os.getpid(), signal.SIGINT))
  timer.start()
  yield
  timer.cancel()
  signal.signal(signal.SIGTERM, before)
  signal.signal(signal.SIGINT, interrupt)


def test_a_signal_before_the_first_request_is_heeded(artifact, signals):
  urls = []

  def say(url):
    urls.append(url)
    signal.raise_signal(signal.SIGTERM)
  with serving.bind('127.0.0.1', 0) as listening:
    serving.run(artifact, CONFIG, listening, say)
  assert len(urls) == 1


def test_threads_are_given_up_at_an_interrupt_as_well(
    artifact, signals, monkeypatch):
  closed = []
  monkeypatch.setattr(serving._Workers, 'close',
                      lambda self: closed.append(self))

  def interrupt(url):
    assert get(urllib.parse.urlsplit(url).port, '/healthz')[0] == 200
    os.kill(os.getpid(), signal.SIGINT)
  with serving.bind('127.0.0.1', 0) as listening, (
      futures.ThreadPoolExecutor(1)) as pool:
    with pytest.raises(KeyboardInterrupt):
      serving.run(artifact, CONFIG, listening,
                  lambda url: pool.submit(interrupt, url))
  assert len(closed) == 1


def test_a_port_in_use_is_a_line(saved, capsys):
  with socket.create_server(('127.0.0.1', 0)) as other:
    port = other.getsockname()[1]
    assert serve.main(['lgc-serve', str(saved), f'--port={port}']) == 2
  out, err = capsys.readouterr()
  assert out == '' and len(err.splitlines()) == 1
  assert f'port = {port}: ' in err and 'in use' in err


def test_what_is_not_installed_is_a_line(saved, capsys, monkeypatch):
  find = serving.importlib.util.find_spec
  monkeypatch.setattr(
      serving.importlib.util, 'find_spec',
      lambda name: None if name == 'uvicorn' else find(name))
  assert serve.main(['lgc-serve', str(saved), '--port=0']) == 2
  [line] = capsys.readouterr().err.splitlines()
  assert 'uvicorn not installed' in line and 'tfp_lgc[serving]' in line


@pytest.mark.parametrize('host', ['a\0b', '\ud800', '\xfc' * 80])
def test_what_is_no_host_is_a_line(host, saved, capsys):
  assert serve.main(['lgc-serve', str(saved), f'--host={host}']) == 2
  [line] = capsys.readouterr().err.splitlines()
  assert 'host = ' in line


def test_an_address_of_another_machine_is_refused():
  with pytest.raises(ConfigError, match='192.0.2.1 cannot be listened on'):
    serving.bind('192.0.2.1', 0)


def test_a_server_that_is_told_to_stop_answers_who_waits(saved):
  server = Process(saved, '--num_workers=1', '--max_n=4096')
  with futures.ThreadPoolExecutor(4) as pool:
    answers = [pool.submit(get, server.port, f'/sample?n=4096&seed={seed}')
               for seed in range(4)]
    end = time.monotonic() + 30
    # One of them is this very question.
    while metrics_of(server)['lgc_requests_in_progress',] < 3:
      assert time.monotonic() < end
    assert server.stop() == (0, '', '')
    assert [answer.result()[0] for answer in answers] == [200] * 4
  with pytest.raises(ConnectionRefusedError):
    get(server.port, '/healthz')


@pytest.mark.slow
def test_of_200_requests_at_8_in_parallel_none_is_lost(saved, artifact):
  server = Process(saved)

  def timed(seed):
    began = time.perf_counter()
    status, _, content = get(
        server.port, f'/sample?n=16&label=emu&seed={seed}&format=npz')
    return status, content, time.perf_counter() - began

  with futures.ThreadPoolExecutor(8) as pool:
    answers = list(pool.map(timed, range(200)))
  assert server.stop() == (0, '', '')
  assert [status for status, *_ in answers] == [200] * 200
  for seed in (0, 99, 199):
    with np.load(io.BytesIO(answers[seed][1])) as got:
      np.testing.assert_array_equal(
          got['x_train'], tfp_lgc.sample(artifact, 16, 'emu', seed).images)
  milliseconds = 1000 * np.array([seconds for *_, seconds in answers])
  print('\n200 requests, 8 in parallel: p50 %.1f ms, p99 %.1f ms' % tuple(
      np.percentile(milliseconds, [50, 99])))
