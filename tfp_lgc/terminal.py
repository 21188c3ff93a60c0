"""What a terminal shows: a bar with the time left, and colors.

Elsewhere, as in a file or a pipe, neither.
"""

import os
import sys
import threading
import time
from typing import Any, Callable, Optional, TextIO

__all__ = ['Bar', 'has_colors', 'is_terminal', 'painted', 'write_line']

# Seconds before a stage gets a bar, and between two looks at it.
DELAY, INTERVAL = 5.0, 0.5
# Of a terminal that does not say.
NUM_COLUMNS, NUM_ROWS = 80, 24
_RED, _RESET = '\x1b[31m', '\x1b[0m'


def is_terminal(stream: Optional[TextIO] = None) -> bool:
  """Whether a person looks on; of stderr by default."""
  stream = sys.stderr if stream is None else stream
  return stream is not None and stream.isatty()


def has_colors(stream: Optional[TextIO] = None) -> bool:
  """Whether to color: on a terminal, unless NO_COLOR says no
  (https://no-color.org: any value but an empty one)."""
  return (is_terminal(stream) and not os.environ.get('NO_COLOR')
          and os.environ.get('TERM') != 'dumb')


def painted(text: str) -> str:
  """`text` in red, where stderr has colors."""
  return f'{_RED}{text}{_RESET}' if has_colors() else text


def write_line(write: Callable[[str], Any], line: str) -> None:
  """`write(line)` without leaving parts of a bar in it."""
  # Without a bar tqdm was never imported.
  if tqdm := sys.modules.get('tqdm'):
    with tqdm.tqdm.external_write_mode(file=sys.stderr):
      write(line)
  else:
    write(line)


class Bar:
  """A line about a stage, drawn anew twice a second after its first 5 s.

  ```python
  shown = Bar('train', 40)
  shown.step(8, 'loss 93.1', left=40.0)
  shown.close()
  ```
  """

  def __init__(self, name: str, total: int):
    """`total` steps; 0 if nobody knows, or there are none."""
    # Here, where there is a terminal, and not in a thread of its own:
    # `write_line` asks whether it is imported.
    import tqdm
    self._tqdm = tqdm.tqdm
    self._name, self._total = name, total
    self._done, self._text = 0, ''
    self._end: Optional[float] = None
    self._closed = threading.Event()
    self._thread = threading.Thread(target=self._draw, daemon=True)
    self._thread.start()

  def step(self, done: int, text: str, left: Optional[float]) -> None:
    """`done` steps of all are done; `left` is in seconds, None if unknown."""
    self._done, self._text = done, text
    self._end = None if left is None else time.perf_counter() + left

  def close(self) -> None:
    """Takes it off the screen."""
    self._closed.set()
    self._thread.join()

  def _draw(self) -> None:
    # A thread, because a step may take minutes, and some stages have none.
    if self._closed.wait(DELAY):
      return
    # Some terminals do not know their size.
    is_sized = os.get_terminal_size(sys.stderr.fileno()).columns > 0
    line = self._tqdm(
        total=self._total or None, desc=self._name, leave=False,
        initial=self._done, postfix=self._said(), file=sys.stderr,
        dynamic_ncols=is_sized, ncols=None if is_sized else NUM_COLUMNS,
        nrows=None if is_sized else NUM_ROWS,
        bar_format=self._format(), colour='green' if has_colors() else None)
    line.start_t -= DELAY
    with line:
      while not self._closed.wait(INTERVAL):
        line.n = self._done
        line.set_postfix_str(self._said(), refresh=False)
        line.refresh()
    # Of a bar below another one tqdm leaves the cursor where its line ended.
    with line.get_lock():
      sys.stderr.write('\r')
      sys.stderr.flush()

  def _format(self) -> str:
    if self._total:
      return '{desc} {percentage:3.0f}%|{bar}| {n}/{total} {elapsed}{postfix}'
    return '{desc} {elapsed}{postfix}'

  def _said(self) -> str:
    if self._end is None:
      return self._text
    left = max(self._end - time.perf_counter(), 0.0)
    return f'{self._tqdm.format_interval(left)} left {self._text}'.rstrip()
