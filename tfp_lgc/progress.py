"""What a long job says while it runs, and how long each stage took."""

import contextlib
import dataclasses
import time
from typing import Any, Callable, Optional, Protocol

__all__ = ['Progress']


class Shown(Protocol):
  """What shows a stage in place of lines about its steps, see terminal.py."""

  def step(self, done: int, text: str, left: Optional[float]) -> None:
    """So many steps are done; `left` is in seconds, None if unknown."""

  def close(self) -> None:
    """The stage has ended."""


@dataclasses.dataclass
class _Stage:
  """The one that runs."""
  name: str = ''
  total: int = 0
  start: float = 0.0
  said: float = 0.0
  skipped: int = 0
  shown: Optional[Shown] = None


class Progress:
  """Collects seconds by stage and records, and speaks through a function.

  ```python
  progress = Progress(say=lambda line: print(line, file=sys.stderr))
  with progress.stage('train', total=40):
    progress.step(1, 'loss 93.1')
  progress.seconds['train']   # of this stage
  ```

  Attributes:
    seconds: stage -> wall seconds, of a stage that came again the sum.
    records: rows for metrics.jsonl.
  """

  def __init__(self, say: Optional[Callable[[str], None]] = None,
               interval: float = 5.0,
               bar: Optional[Callable[[str, int], Shown]] = None):
    """Says nothing without `say`; steps at most every `interval` seconds, and
    none with `bar`, which shows a stage of a name and number of steps (0 if
    unknown)."""
    self.seconds: dict[str, float] = {}
    self.records: list[dict[str, Any]] = []
    self._say = say or (lambda line: None)
    self._interval, self._bar = interval, bar
    self._stage = _Stage()

  @contextlib.contextmanager
  def stage(self, name: str, total: int = 0):
    """Times what is inside; `total` is its number of steps, if known."""
    start = time.perf_counter()
    outer, self._stage = self._stage, _Stage(name, total, start, start)
    self._say(f'{name} ...')
    if self._bar:
      self._stage.shown = self._bar(name, total)
    try:
      yield
    finally:
      if self._stage.shown:
        self._stage.shown.close()
      self._stage = outer
    taken = time.perf_counter() - start
    # A stage may come again.
    self.seconds[name] = round(self.seconds.get(name, 0.0) + taken, 2)
    self._say(f'{name}: done in {taken:.1f} s')

  def step(self, done: int, text: str = '') -> None:
    """Says how far the stage is and how long it still takes."""
    stage, now = self._stage, time.perf_counter()
    left = None
    if stage.total:
      left = max(0.0, (now - stage.start) * (stage.total - done)
                 / max(done - stage.skipped, 1))
    if stage.shown:
      stage.shown.step(done, text, left)
      return
    if now - stage.said < self._interval:
      return
    stage.said = now
    if left is None:
      self._say(f'{stage.name} {done} {text}')
    else:
      self._say(f'{stage.name} {done}/{stage.total} {text} '
                f'({left:.0f} s left)')

  def skip(self, count: int) -> None:
    """So many of the next steps are done already and took no time."""
    self._stage.skipped += count

  def recall(self, name: str, seconds: float, records: list[dict[str, Any]],
             ) -> None:
    """A stage that an earlier process did: its seconds and rows."""
    self.seconds[name] = round(self.seconds.get(name, 0.0) + seconds, 2)
    self.records.extend(records)
    self._say(f'{name}: was done before, in {seconds:.1f} s')

  def note(self, text: str) -> None:
    """Says something."""
    self._say(text)

  def record(self, **row) -> None:
    self.records.append(row)
