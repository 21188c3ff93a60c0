"""What a long job says while it runs, and how long each stage took."""

import contextlib
import time
from typing import Any, Callable, Optional

__all__ = ['Progress']


class Progress:
  """Collects seconds by stage and records, and speaks through a function.

  ```python
  progress = Progress(say=lambda line: print(line, file=sys.stderr))
  with progress.stage('train', total=40):
    progress.step(1, 'loss 93.1')
  progress.seconds   # {'train': 12.3}
  ```

  Attributes:
    seconds: stage -> wall seconds, of a stage that came again the sum.
    records: rows for metrics.jsonl.
  """

  def __init__(self, say: Optional[Callable[[str], None]] = None,
               interval: float = 5.0):
    """Says nothing without `say`; steps at most every `interval` seconds."""
    self.seconds: dict[str, float] = {}
    self.records: list[dict[str, Any]] = []
    self._say = say or (lambda line: None)
    self._interval = interval
    self._name, self._total, self._start, self._said = '', 0, 0.0, 0.0
    self._skipped = 0

  @contextlib.contextmanager
  def stage(self, name: str, total: int = 0):
    """Times what is inside; `total` is its number of steps, if known."""
    self._name, self._total, self._skipped = name, total, 0
    start = self._start = self._said = time.perf_counter()
    self._say(f'{name} ...')
    yield
    taken = time.perf_counter() - start
    # A stage may come again.
    self.seconds[name] = round(self.seconds.get(name, 0.0) + taken, 2)
    self._say(f'{name}: done in {taken:.1f} s')

  def step(self, done: int, text: str = '') -> None:
    """Says how far the stage is and how long it still takes."""
    now = time.perf_counter()
    if now - self._said < self._interval:
      return
    self._said = now
    if not self._total:
      self._say(f'{self._name} {done} {text}')
      return
    left = ((now - self._start) * (self._total - done)
            / max(done - self._skipped, 1))
    self._say(f'{self._name} {done}/{self._total} {text} '
              f'({max(left, 0.0):.0f} s left)')

  def skip(self, count: int) -> None:
    """So many of the next steps are done already and took no time."""
    self._skipped += count

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
