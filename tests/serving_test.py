"""The HTTP server as clients meet it: answers, and what it refuses."""

import dataclasses
import io
import re
import socket
import threading
import time
from concurrent import futures

import numpy as np
import pytest
from PIL import Image
from servers import CLASSES, CONFIG, error_of, metrics_of, Running

import tfp_lgc
from tfp_lgc import config as config_lib
from tfp_lgc import sampling, serving

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
  before = metrics_of(server)
  server.get('/sample?n=7')
  server.get('/sample?n=0')
  server.get('/wp-login.php')
  after = metrics_of(server)
  more = {name: value - before.get(name, 0) for name, value in after.items()}
  assert more['lgc_images_total',] == 7
  assert more['lgc_requests_total', '/sample', '200'] == 1
  assert more['lgc_requests_total', '/sample', '400'] == 1
  # A path that a stranger makes up is no series of its own.
  assert more['lgc_requests_total', 'other', '404'] == 1
  assert more['lgc_request_seconds_count', '/sample'] == 2
  assert after['lgc_requests_in_progress',] == 1  # That of /metrics itself.


# What clients get wrong.


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
  got, message = error_of(server.get(path, **options))
  assert got == status
  assert re.search(words, message)


def test_what_is_allowed_instead_is_in_the_header(server):
  allowed = server.get('/sample', method='POST')[1]['Allow']
  assert {*allowed.split(', ')} == {'GET', 'HEAD'}


def test_a_client_that_leaves_amid_its_body_is_no_error_of_the_server(
    server, caplog):
  name = 'lgc_requests_total', '/healthz', '400'
  before = metrics_of(server).get(name, 0)
  with socket.create_connection(('127.0.0.1', server.port)) as client:
    client.sendall(b'GET /healthz HTTP/1.1\r\nHost: a\r\n'
                   b'Content-Length: 50\r\n\r\nx')
    time.sleep(0.2)
  end = time.monotonic() + 30
  while metrics_of(server).get(name, 0) != before + 1:
    assert time.monotonic() < end
  assert not caplog.text


def test_a_class_whose_name_is_no_utf_8_does_no_harm(artifact):
  odd = dataclasses.replace(artifact, class_names=('ape', 'cat', '\ud800'))
  with Running(odd, CONFIG) as server:
    status, headers, _ = server.get('/sample?n=9')
    assert status == 200 and '%ED%A0%80' in headers['X-Labels'].split(',')
    status, message = error_of(server.get('/sample?label=dog'))
    assert status == 400 and message.endswith('ape, cat, \ud800')
    assert server.get('/')[0] == 200


def test_a_body_that_is_small_does_no_harm(server):
  assert server.get('/sample?n=1', body=b'x' * 100)[0] == 200


def test_an_error_of_the_server_is_json_too(server, monkeypatch, caplog):
  def fail(*args, **kwargs):
    raise ZeroDivisionError('secret')
  monkeypatch.setattr(sampling, 'sample', fail)
  status, message = error_of(server.get('/sample'))
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
    got = sorted(error_of(answer.result()) for answer in answers)
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
