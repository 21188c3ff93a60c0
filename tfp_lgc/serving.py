"""An HTTP server of labelled images, and a page to look at them.

GET /sample, /healthz, /metrics and /; what is wrong with a request is a JSON
object with one message, `{"error": "n = 0: must be ..."}`.

Images are drawn by a few threads, never on the event loop. Whoever comes while
too many wait is told so at once (503); whoever waits too long, too (504).
"""

import asyncio
import importlib.util
import io
import json
import logging
import signal
import socket
import threading
import time
import urllib.parse
from concurrent import futures
from typing import Any, Callable, Mapping, Optional, Sequence

from tfp_lgc import rendering, sampling, writers
from tfp_lgc.artifact import Artifact
from tfp_lgc.errors import ConfigError, LgcError
from tfp_lgc.options import ServeConfig
from tfp_lgc.queries import Draw, draw_of

__all__ = ['app', 'bind', 'missing', 'run', 'server_of']

_TYPES = {'png': 'image/png', 'npz': 'application/octet-stream'}
# Images that the page shows at the most.
PAGE_MAX_N = 400
# Seconds that requests under way have to end once the server is told to.
GRACE = 30
# Connections beside those whose images are drawn or waited for.
SPARE_CONNECTIONS = 256
# Nothing that is not from here, and nothing but what the page does.
_POLICY = ("default-src 'none'; img-src blob: data:; connect-src 'self'; "
           "style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
           "form-action 'self'; base-uri 'none'; frame-ancestors 'self'")


class _Refused(Exception):
  """A request that is answered by a status and one message."""

  def __init__(self, status: int, message: str):
    super().__init__(message)
    self.status = status


def missing() -> Optional[str]:
  """What keeps the server from being run, or None."""
  names = [name for name in ('fastapi', 'prometheus_client', 'uvicorn')
           if not importlib.util.find_spec(name)]
  if not names:
    return None
  return (f'{", ".join(names)} not installed; python3 -m pip install '
          "'tfp_lgc[serving]'")


def bind(host: str, port: int) -> socket.socket:
  """A socket that listens.

  Args:
    host: name or address of this machine.
    port: 0 for any that is free.

  Raises:
    ConfigError: if there is no such host, or the port is in use or may not be
      used.
  """
  family = socket.AF_INET6 if ':' in host else socket.AF_INET
  try:
    socket.getaddrinfo(host, port, family)
    return socket.create_server((host, port), family=family)
  # The last two: what no name can hold, as NUL.
  except (socket.gaierror, TypeError, ValueError) as error:
    raise ConfigError(f'host = {host!r}: is no name of this machine') from error
  except OSError as error:
    raise ConfigError(f'port = {port}: {host} cannot be listened on '
                      f'({error.strerror}); try another --port') from error


def _drawn(artifact: Artifact, draw: Draw) -> tuple[bytes, Mapping[str, str]]:
  """Content and headers of the answer."""
  images = sampling.sample(artifact, draw.n, draw.label, draw.seed,
                           temperature=draw.temperature)
  buffer = io.BytesIO()
  writers.WRITERS[draw.format](images, buffer)
  # A header holds ASCII alone, and a name may be anything.
  names = ','.join(urllib.parse.quote(images.class_names[label],
                                      errors='surrogatepass')
                   for label in images.labels)
  headers = {'X-Labels': names} if len(names) < 2**13 else {}
  if draw.format == 'npz':
    headers['Content-Disposition'] = 'attachment; filename="samples.npz"'
  return buffer.getvalue(), headers


class _Workers:
  """A few threads, and a bound on how many wait for them."""

  def __init__(self, config: ServeConfig):
    self._pool = futures.ThreadPoolExecutor(config.num_workers, 'draw')
    self._config = config
    self._places = threading.BoundedSemaphore(
        config.num_workers + config.max_waiting)

  async def run(self, function: Callable, *args):
    """`function(*args)`, or `_Refused`. What is given up is not begun; if it
    was, it runs to its end and keeps its place until then."""
    if not self._places.acquire(blocking=False):
      raise _Refused(503, 'too many requests wait; try again in a second')
    future = self._pool.submit(function, *args)
    future.add_done_callback(lambda _: self._places.release())
    try:
      # At the timeout this cancels `future` as well, if a thread has not begun.
      return await asyncio.wait_for(asyncio.wrap_future(future),
                                    self._config.timeout)
    except asyncio.TimeoutError:
      raise _Refused(504, f'took longer than {self._config.timeout:g} s; ask '
                     'for fewer images') from None

  def close(self) -> None:
    self._pool.shutdown(wait=False, cancel_futures=True)


class _Metrics:
  """What GET /metrics tells."""

  def __init__(self):
    import prometheus_client as prometheus
    self.registry = prometheus.CollectorRegistry()
    self.requests = prometheus.Counter(
        'lgc_requests', 'Requests by path and status.', ['path', 'status'],
        registry=self.registry)
    self.seconds = prometheus.Histogram(
        'lgc_request_seconds', 'Seconds until an answer was ready.', ['path'],
        registry=self.registry)
    self.images = prometheus.Counter(
        'lgc_images', 'Images that were drawn.', registry=self.registry)
    self.in_progress = prometheus.Gauge(
        'lgc_requests_in_progress', 'Requests that are not answered yet.',
        registry=self.registry)


class _Answers:
  """What is answered at each path."""

  def __init__(self, artifact: Artifact, config: ServeConfig):
    self._artifact, self._config = artifact, config
    self._classes = [name for name, count in zip(
        artifact.class_names, artifact.class_counts) if count]
    self._page = _page(artifact, self._classes, config)
    self.workers, self.metrics = _Workers(config), _Metrics()
    self.paths = {'/sample': self.sample, '/healthz': self.healthz,
                  '/metrics': self.show_metrics, '/': self.index}

  async def sample(self, request):
    from starlette import responses
    try:
      draw = draw_of(request.query_params.multi_items(), self._classes,
                     self._config)
    except LgcError as wrong:
      raise _Refused(400, str(wrong)) from wrong
    content, headers = await self.workers.run(_drawn, self._artifact, draw)
    self.metrics.images.inc(draw.n)
    return responses.Response(content, media_type=_TYPES[draw.format],
                              headers=headers)

  async def healthz(self, request):
    from starlette import responses
    return responses.JSONResponse({'status': 'ok'})

  async def show_metrics(self, request):
    import prometheus_client as prometheus
    from starlette import responses
    return responses.Response(
        prometheus.generate_latest(self.metrics.registry),
        media_type=prometheus.CONTENT_TYPE_LATEST)

  async def index(self, request):
    from starlette import responses
    return responses.HTMLResponse(self._page.encode(errors='replace'), headers={
        'Content-Security-Policy': _POLICY})

  async def watch(self, request, call_next):
    """Every request passes here, whatever becomes of it."""
    path = request.url.path if request.url.path in self.paths else 'other'
    began = time.perf_counter()
    self.metrics.in_progress.inc()
    try:
      await _check_body(request, self._config)
      response = await call_next(request)
    except _Refused as refused:
      response = _error(refused.status, str(refused))
    except Exception:
      logging.getLogger(__name__).exception('%s failed', request.url)
      response = _error(500, 'an error of the server; its log has more')
    finally:
      self.metrics.in_progress.dec()
    self.metrics.requests.labels(path, response.status_code).inc()
    self.metrics.seconds.labels(path).observe(time.perf_counter() - began)
    return response

  async def http_error(self, request, exception):
    """What no path here takes."""
    response = _error(exception.status_code, {
        404: f'there is no {request.url.path[:80]!r}; try '
             f'{", ".join(self.paths)}',
        405: f'{request.method[:20]}: must be GET',
    }.get(exception.status_code, str(exception.detail)))
    response.headers.update(exception.headers or {})
    return response


def _error(status: int, message: str):
  from starlette import responses
  # In ASCII: half a surrogate pair in the name of a class is no UTF-8.
  return responses.Response(json.dumps({'error': message}), status,
                            media_type='application/json')


def app(artifact: Artifact, config: ServeConfig):
  """The server as an ASGI application, a `fastapi.FastAPI`.

  Args:
    artifact: what images are drawn from.
    config: limits.
  """
  import fastapi
  from starlette.exceptions import HTTPException
  answers = _Answers(artifact, config)
  # Its own pages of documentation would be read from elsewhere.
  server = fastapi.FastAPI(title='lgc-serve', openapi_url=None,
                           redirect_slashes=False)
  for path, answer in answers.paths.items():
    server.add_route(path, answer, methods=['GET'])
  server.middleware('http')(answers.watch)
  server.exception_handler(HTTPException)(answers.http_error)
  server.state.close = answers.workers.close
  return server


async def _check_body(request, config: ServeConfig) -> None:
  """Reads a body, which no request here needs, as far as it may go."""
  from starlette.requests import ClientDisconnect

  async def read():
    size = 0
    async for part in request.stream():
      size += len(part)
      if size > config.max_body:
        raise _Refused(413, f'body: must have at most {config.max_body} bytes')

  declared = request.headers.get('content-length', '0')
  if declared.isdecimal() and int(declared) > config.max_body:
    raise _Refused(413, f'body: got {declared} bytes, must have at most '
                   f'{config.max_body}')
  if declared != '0' or 'transfer-encoding' in request.headers:
    try:
      await asyncio.wait_for(read(), config.timeout)
    except asyncio.TimeoutError:
      raise _Refused(408, f'body: did not come within {config.timeout:g} s'
                     ) from None
    except ClientDisconnect:
      raise _Refused(400, 'body: ended before all of it came') from None


def _page(artifact: Artifact, classes: Sequence[str], config: ServeConfig,
          ) -> str:
  return rendering.render(
      'serve.html', title='Samples of an artifact', classes=classes,
      seed=config.seed, n=min(24, config.max_n),
      max_n=min(PAGE_MAX_N, config.max_n), temperature=artifact.temperature,
      shape=artifact.image_shape, num_bytes=artifact.num_bytes)


def server_of(application: Any, config: ServeConfig):
  """The `uvicorn.Server` of what `app` made.

  Beyond its bound of connections it answers 503 itself, in plain text.
  """
  import uvicorn
  return uvicorn.Server(uvicorn.Config(
      application, log_level='warning', access_log=False,
      limit_concurrency=(
          config.num_workers + config.max_waiting + SPARE_CONNECTIONS),
      timeout_graceful_shutdown=GRACE, timeout_keep_alive=5,
      server_header=False))


def run(artifact: Artifact, config: ServeConfig, listening: socket.socket,
        say: Callable[[str], None]) -> None:
  """Serves until SIGTERM or SIGINT; requests under way are answered first.

  Args:
    artifact: what images are drawn from.
    config: limits.
    listening: see `bind`.
    say: is told when the first request will not wait.
  """
  for label in (None, next(name for name, count in zip(
      artifact.class_names, artifact.class_counts) if count)):
    sampling.sample(artifact, 1, label)  # Traced now, not by the first client.
  application: Any = app(artifact, config)
  server = server_of(application, config)

  def stop(*_):
    # Before uvicorn listens to signals itself. It raises them again when it is
    # done, which changes nothing then.
    server.should_exit = True

  signal.signal(signal.SIGTERM, stop)
  host, port, *_ = listening.getsockname()
  host = f'[{host}]' if ':' in host else host
  try:
    say(f'http://{host}:{port}/')
    server.run(sockets=[listening])
  finally:  # After SIGINT, `server.run` raises KeyboardInterrupt.
    application.state.close()
