"""The suite serving: what is counted, and a server that is asked."""

import http.server
import json
import threading

import numpy as np
import pytest

from tfp_lgc.benchmarks import serving
from tfp_lgc.commands import benchmark
from tfp_lgc.errors import LgcError


class _Answers(http.server.BaseHTTPRequestHandler):
  """200, or as the target says: another status, or nothing, or half of it."""

  def do_GET(self):
    what = self.path.strip('/')
    if what == 'nothing':
      self.close_connection = True
      return
    self.send_response(200 if what in ('', 'half') else int(what))
    self.send_header('Content-Length', '10')
    self.end_headers()
    self.wfile.write(b'x' * (5 if what == 'half' else 10))

  def log_message(self, *args):
    pass


def test_every_request_is_counted():
  server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), _Answers)
  thread = threading.Thread(target=server.serve_forever, args=(0.01,))
  thread.start()
  try:
    answers = serving.ask(server.server_address[1], [
        '/', '/503', '/nothing', '/half', '/', '/503', '/404'], 3)
  finally:
    server.shutdown()
    thread.join()
    server.server_close()
  assert [status for status, _ in answers] == [200, 503, None, None, 200, 503,
                                               404]
  row = serving.describe(answers, 2.0)
  assert row['statuses'] == {'200': 2, '404': 1, '503': 2}
  assert (row['num_requests'], row['lost']) == (7, 2)
  assert row['requests_per_second'] == 1.0
  with pytest.raises(LgcError, match='none of 1 .*503: 1'):
    serving.describe(answers[1:2], 1.0)


def test_percentiles_are_of_what_was_answered():
  rng = np.random.default_rng(0)
  seconds = rng.exponential(size=200)
  answers = [serving.Answer(200, value) for value in seconds]
  answers += [serving.Answer(None, 60.0), serving.Answer(503, 0.0)]
  row = serving.describe(answers, 1.0)
  ordered = 1000 * np.sort(seconds)
  assert ordered[98] <= row['p50'] <= ordered[101]
  assert ordered[196] <= row['p99'] <= ordered[199]


@pytest.mark.slow
def test_a_server_answers_all(capsys, monkeypatch):
  monkeypatch.setattr(serving, 'NUM_REQUESTS', 40)
  assert benchmark.main(['benchmark', '--suite=serving', '--dataset=digits',
                         '--latent_size=3', '--hidden_size=8',
                         '--num_components_max=2']) == 0
  row = json.loads(capsys.readouterr().out)
  assert row['name'] == 'serving/vae/dense'
  assert row['statuses'] == {'200': 40} and row['lost'] == 0
  assert 0 < row['p50'] <= row['p99']


def test_a_server_that_does_not_start_says_why(tmp_path, monkeypatch):
  monkeypatch.setattr(serving, '_COMMAND', 'import sys; sys.exit(sys.argv[1])')
  with pytest.raises(LgcError, match='did not start: .*artifact.lgc'):
    with serving._server(tmp_path / 'artifact.lgc'):
      pass


def test_what_is_not_installed_is_a_line(capsys, monkeypatch):
  monkeypatch.setattr(serving.serving, 'missing', lambda: 'x not installed')
  assert benchmark.main(['benchmark', '--suite=serving']) == 2
  assert 'x not installed' in capsys.readouterr().err
