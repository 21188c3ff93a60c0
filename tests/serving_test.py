"""The HTTP server and its page, as clients and people meet them."""

import base64
import dataclasses
import http.client
import io
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from concurrent import futures

import browser as browser_lib
import numpy as np
import pytest
from PIL import Image
from prometheus_client import parser

import tfp_lgc
from tfp_lgc import config as config_lib
from tfp_lgc import queries, sampling, serving
from tfp_lgc.commands import serve
from tfp_lgc.errors import ConfigError, LgcError
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
    return _get(self.port, path, method, **options)


def _get(port, path, method='GET', **options):
  connection = http.client.HTTPConnection('127.0.0.1', port, timeout=120)
  try:
    connection.request(method, path, **options)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()
  finally:
    connection.close()


@pytest.fixture(scope='module')
def server(artifact):
  with Running(artifact, CONFIG) as running:
    yield running


def _metrics(server):
  """Name and labels of each sample -> value, by Prometheus' own parser."""
  status, headers, content = server.get('/metrics')
  assert status == 200 and headers['Content-Type'].startswith('text/plain')
  return {(sample.name, *sample.labels.values()): sample.value
          for family in parser.text_string_to_metric_families(content.decode())
          for sample in family.samples}


def _error(answer):
  status, headers, content = answer
  assert headers['Content-Type'] == 'application/json'
  body = json.loads(content)
  assert list(body) == ['error']
  return status, body['error']


# Answers.


@pytest.mark.parametrize('query, draw', [
    ('', {'n': 16, 'seed': 3}),
    ('n=1&seed=0', {'n': 1}),
    ('n=50&label=emu&seed=9&temperature=0.5',
     {'n': 50, 'labels': 'emu', 'seed': 9, 'temperature': 0.5}),
    ('n=3&label=&temperature=0', {'n': 3, 'seed': 3, 'temperature': 0}),
])
def test_npz_is_what_sample_draws(query, draw, server, artifact):
  status, headers, content = server.get(f'/sample?{query}&format=npz')
  assert status == 200
  expected = tfp_lgc.sample(artifact, **draw)
  names = [CLASSES[label] for label in expected.labels]
  assert headers['X-Labels'].split(',') == names
  with np.load(io.BytesIO(content)) as got:
    np.testing.assert_array_equal(got['x_train'], expected.images)
    assert got['y_train'].tolist() == names


def test_png_is_a_sheet_of_them(server, artifact):
  status, headers, content = server.get('/sample?n=6&seed=1')
  assert (status, headers['Content-Type']) == (200, 'image/png')
  sheet = np.asarray(Image.open(io.BytesIO(content)))
  columns = sheet.shape[1] // 6
  for i, image in enumerate(tfp_lgc.sample(artifact, 6, seed=1).images):
    top, left = 7 * (i // columns), 6 * (i % columns)
    np.testing.assert_array_equal(sheet[top:top + 7, left:left + 6], image)


def test_health_and_metrics(server):
  assert server.get('/healthz')[2] == b'{"status":"ok"}'
  before = _metrics(server)
  server.get('/sample?n=7')
  server.get('/sample?n=0')
  server.get('/wp-login.php')
  after = _metrics(server)
  more = {name: value - before.get(name, 0) for name, value in after.items()}
  assert more['lgc_images_total',] == 7
  assert more['lgc_requests_total', '/sample', '200'] == 1
  assert more['lgc_requests_total', '/sample', '400'] == 1
  # A path that a stranger makes up is no series of its own.
  assert more['lgc_requests_total', 'other', '404'] == 1
  assert more['lgc_request_seconds_count', '/sample'] == 2
  assert after['lgc_requests_in_progress',] == 1  # That of /metrics itself.


# What clients get wrong.


@pytest.mark.parametrize('query, words', [
    ('n=0', "n = '0': must be a whole number from 1 to 50"),
    ('n=51', "n = '51'.*from 1 to 50"),
    ('n=', "n = ''"), ('n=1e2', 'n = '), ('n=1.0', 'n = '),
    ('n=%D9%A3', 'n = '), ('n=' + '9' * 5000, "n = '9{40}': must"),
    ('seed=-1', "seed = '-1'.*from 0 to 2147483647"),
    ('seed=2147483648', 'seed = '), ('seed=x', 'seed = '),
    ('temperature=-1', 'temperature = .*from 0 to 100'),
    ('temperature=nan', 'temperature = '),
    ('temperature=1_0', 'temperature = '), ('temperature=%201', 'temperature'),
    ('temperature=%D9%A3', 'temperature = '), ('temperature=', 'temperature'),
    ('temperature=1e400', 'temperature = '),
    ('temperature=inf', 'temperature = '), ('temperature=hot', 'temperature'),
    ('label=dog', "label = 'dog'.*ape, cat, emu"),
    ('format=gif', "format = 'gif'.*png or npz"),
    ('sede=1', "'sede'.*did you mean seed"), ('q=1', "'q'.*choose from n, "),
    ('n=1&n=2', 'n: is given twice'),
])
def test_an_argument_that_is_wrong_is_named(query, words):
  with pytest.raises(LgcError, match=words):
    queries.draw_of(urllib.parse.parse_qsl(query, keep_blank_values=True),
                    CLASSES, CONFIG)


@pytest.mark.parametrize('path, options, status, words', [
    ('/sample?n=51', {}, 400, "n = '51'"),
    ('/sample?label=%00%22', {}, 400, 'label = '),
    ('/samples', {}, 404, "'/samples'.*/sample, "),
    ('/docs', {}, 404, "'/docs'"), ('/sample/', {}, 404, "'/sample/'"),
    ('/sample', {'method': 'POST'}, 405, 'POST: must be GET'),
    ('/sample', {'body': b'x' * 101}, 413, 'body: got 101 .*at most 100'),
    ('/sample', {'body': iter([b'x' * 60] * 2), 'encode_chunked': True,
                 'headers': {'Transfer-Encoding': 'chunked'}}, 413,
     'body: .*at most 100'),
])
def test_what_cannot_be_answered_is_json_with_one_message(
    path, options, status, words, server):
  got, message = _error(server.get(path, **options))
  assert got == status
  assert re.search(words, message)


def test_what_is_allowed_instead_is_in_the_header(server):
  allowed = server.get('/sample', method='POST')[1]['Allow']
  assert {*allowed.split(', ')} == {'GET', 'HEAD'}


@pytest.mark.parametrize('text, value', [
    ('0', 0), ('100', 100), ('.5', 0.5), ('5.', 5), ('1e-2', 0.01)])
def test_numbers_are_read_as_people_write_them(text, value):
  assert queries.draw_of([('temperature', text)], CLASSES,
                         CONFIG).temperature == value


def test_a_client_that_leaves_amid_its_body_is_no_error_of_the_server(
    server, caplog):
  name = 'lgc_requests_total', '/healthz', '400'
  before = _metrics(server).get(name, 0)
  with socket.create_connection(('127.0.0.1', server.port)) as client:
    client.sendall(b'GET /healthz HTTP/1.1\r\nHost: a\r\n'
                   b'Content-Length: 50\r\n\r\nx')
    time.sleep(0.2)
  end = time.monotonic() + 30
  while _metrics(server).get(name, 0) != before + 1:
    assert time.monotonic() < end
  assert not caplog.text


def test_a_class_whose_name_is_no_utf_8_does_no_harm(artifact):
  odd = dataclasses.replace(artifact, class_names=('ape', 'cat', '\ud800'))
  with Running(odd, CONFIG) as server:
    status, headers, _ = server.get('/sample?n=9')
    assert status == 200 and '%ED%A0%80' in headers['X-Labels'].split(',')
    status, message = _error(server.get('/sample?label=dog'))
    assert status == 400 and message.endswith('ape, cat, \ud800')
    assert server.get('/')[0] == 200


def test_a_body_that_is_small_does_no_harm(server):
  assert server.get('/sample?n=1', body=b'x' * 100)[0] == 200


def test_an_error_of_the_server_is_json_too(server, monkeypatch, caplog):
  def fail(*args, **kwargs):
    raise ZeroDivisionError('secret')
  monkeypatch.setattr(sampling, 'sample', fail)
  status, message = _error(server.get('/sample'))
  assert status == 500 and 'secret' not in message
  assert 'ZeroDivisionError: secret' in caplog.text


def test_who_waits_too_long_or_comes_too_late_is_told(artifact, monkeypatch):
  """One thread that is held up, one that waits, and a third."""
  held, real, drawn = threading.Event(), sampling.sample, []

  def slow(artifact, n, label, seed, **kwargs):
    drawn.append(seed)
    held.wait(60)
    return real(artifact, n, label, seed, **kwargs)
  monkeypatch.setattr(sampling, 'sample', slow)
  config = config_lib.replace(CONFIG, num_workers=1, max_waiting=1, timeout=1.0)
  with Running(artifact, config) as server, (
      futures.ThreadPoolExecutor(3)) as pool:
    answers = [pool.submit(server.get, f'/sample?n=1&seed={seed}')
               for seed in range(3)]
    # Others are answered meanwhile: nothing waits on the event loop.
    assert server.get('/healthz')[0] == 200
    got = sorted(_error(answer.result()) for answer in answers)
    assert [status for status, _ in got] == [503, 504, 504]
    assert 'try again' in got[0][1] and 'longer than 1 s' in got[1][1]
    # The one that is drawn keeps its place, the one that waited does not.
    assert server.get('/sample?n=1&seed=3')[0] == 504
    held.set()
    end = time.monotonic() + 30
    while server.get('/sample?n=1&seed=4')[0] != 200:
      assert time.monotonic() < end
    assert len({*drawn} & {0, 1, 2}) == 1 and 3 not in drawn


def test_connections_are_bounded(artifact, monkeypatch):
  monkeypatch.setattr(serving, 'SPARE_CONNECTIONS', 1)
  config = config_lib.replace(CONFIG, num_workers=1, max_waiting=1)
  with Running(artifact, config) as server:
    address = '127.0.0.1', server.port
    with socket.create_connection(address), socket.create_connection(address):
      assert server.get('/healthz')[::2] == (503, b'Service Unavailable')
    end = time.monotonic() + 30
    while server.get('/healthz')[0] != 200:
      assert time.monotonic() < end


# The page.


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
  if not browser_lib.found():
    pytest.skip('no Chromium on this machine')
  with browser_lib.Browser(tmp_path_factory.mktemp('browser')) as running:
    yield running


_STATUS = "(document.getElementById('status')?.textContent ?? '')"
_PIXELS = """[...document.querySelectorAll('canvas')].map(c => [
  ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data])"""


def _shown(browser, text):
  browser.wait(f'{_STATUS}.includes({json.dumps(text)})')


@pytest.mark.parametrize('width', [400, 1400])
@pytest.mark.parametrize('dark', [False, True], ids=['light', 'dark'])
def test_the_page_shows_the_samples(width, dark, browser, server, artifact):
  browser.open(f'http://127.0.0.1:{server.port}/', width, dark=dark)
  _shown(browser, '24 samples of all classes, seed 3, temperature 1')
  drawn = tfp_lgc.sample(artifact, 24, seed=3)
  pixels = np.array(browser.run(_PIXELS)).reshape([24, 7, 6, 4])
  np.testing.assert_array_equal(pixels[..., :3], drawn.images)
  assert browser.run("[...document.querySelectorAll('li')]"
                     ".map(item => item.textContent)") == [
      CLASSES[label] for label in drawn.labels]
  assert browser.run('document.documentElement.scrollWidth') <= width
  image = np.asarray(Image.open(io.BytesIO(base64.b64decode(
      browser.screenshot()))).convert('L'))
  assert (np.median(image) < 64) == dark
  assert not browser.messages


def test_the_page_is_used_by_keyboard(browser, server, artifact):
  browser.open(f'http://127.0.0.1:{server.port}/')
  _shown(browser, '24 samples')
  visited = []
  for _ in range(6):
    browser.press('Tab', 9)
    visited.append(browser.run('document.activeElement.id'))
    if visited[-1] == 'label':
      browser.press('e', 69, 'e')  # Chooses emu.
      _shown(browser, '24 samples of emu, seed 3')
    if visited[-1] == 'temperature':
      browser.run('document.activeElement.select()')
      for key in '0.5':
        browser.press(key, 0, key)
      browser.press('Enter', 13, '\r')
      _shown(browser, 'temperature 0.5')
  browser.press('Enter', 13, '\r')
  _shown(browser, '24 samples of emu, seed 4, temperature 0.5')
  assert visited == ['label', 'n', 'seed', 'temperature', 'draw', 'next']
  drawn = tfp_lgc.sample(artifact, 24, 'emu', 4, temperature=0.5)
  pixels = np.array(browser.run(_PIXELS)).reshape([24, 7, 6, 4])
  np.testing.assert_array_equal(pixels[..., :3], drawn.images)


def test_every_control_and_picture_has_a_name_for_screen_readers(
    browser, server, artifact):
  browser.open(f'http://127.0.0.1:{server.port}/')
  _shown(browser, '24 samples')
  names = {}
  for node in browser.call('Accessibility.getFullAXTree')['nodes']:
    role = node.get('role', {}).get('value')
    names.setdefault(role, []).append(node.get('name', {}).get('value'))
  assert names['combobox'] == ['Class']
  assert names['spinbutton'] == ['Images', 'Seed', 'Temperature']
  assert names['button'] == ['Draw', 'Next seed']
  drawn = tfp_lgc.sample(artifact, 24, seed=3)
  assert names['image'] == [f'sample {i + 1}, class {CLASSES[label]}'
                            for i, label in enumerate(drawn.labels)]


def test_an_error_is_shown_and_read_out(browser, server, monkeypatch):
  browser.open(f'http://127.0.0.1:{server.port}/')
  _shown(browser, '24 samples')

  def fail(*args):
    raise LgcError('n: nothing is left')
  monkeypatch.setattr(serving, 'draw_of', fail)
  browser.run("document.getElementById('draw').click()")
  browser.wait("document.querySelector('[role=alert]').textContent"
               " === 'n: nothing is left'")
  browser.messages.clear()  # The browser notes the 400 of its own accord.


def test_an_error_in_plain_text_is_shown_too(browser, server):
  browser.open(f'http://127.0.0.1:{server.port}/')
  _shown(browser, '24 samples')
  browser.run('''window.fetch = async () => new Response(
      'Service Unavailable', {status: 503})''')
  browser.run("document.getElementById('draw').click()")
  browser.wait("document.querySelector('[role=alert]').textContent"
               " === 'Service Unavailable'")


# The command.


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
    assert _get(urllib.parse.urlsplit(url).port, '/healthz')[0] == 200
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
    return _get(self.port, path)

  def stop(self):
    """Exit status and what was printed after SIGTERM."""
    self.process.send_signal(signal.SIGTERM)
    out, err = self.process.communicate(timeout=60)
    return self.process.returncode, out, err


def test_a_server_that_is_told_to_stop_answers_who_waits(saved):
  server = Process(saved, '--num_workers=1', '--max_n=4096')
  with futures.ThreadPoolExecutor(8) as pool:
    answers = [pool.submit(_get, server.port, f'/sample?n=4096&seed={seed}')
               for seed in range(8)]
    end = time.monotonic() + 30
    # One of them is this very question.
    while _metrics(server)['lgc_requests_in_progress',] < 3:
      assert time.monotonic() < end
    assert server.stop() == (0, '', '')
    assert [answer.result()[0] for answer in answers] == [200] * 8
  with pytest.raises(ConnectionRefusedError):
    _get(server.port, '/healthz')


@pytest.mark.slow
def test_of_200_requests_at_8_in_parallel_none_is_lost(saved, artifact):
  server = Process(saved)

  def timed(seed):
    began = time.perf_counter()
    status, _, content = _get(
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
