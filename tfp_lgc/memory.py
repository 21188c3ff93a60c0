"""How much of a data set is held in memory: `--max_memory`.

A process takes some memory whatever the data are, for TensorFlow, for graphs
and for the weights of models of usual size: `BASE_NUM_BYTES`, with room. What a
bound leaves beyond that is divided among what grows with the data. What would
not fit is read from the disk again and again, or put there.
"""

from typing import NamedTuple, Optional

from tfp_lgc import budget
from tfp_lgc.errors import ConfigError

__all__ = ['Limits', 'begin_peak', 'check', 'held', 'limits']

# Without data: tests/memory_test.py has a run that stays within such a bound.
BASE_NUM_BYTES = 1_400_000_000
# The least that data are given.
LEAST_NUM_BYTES = 100_000_000
# Bytes that EM takes for a number of a latent, copies and all.
EM_BYTES_PER_NUMBER = 32
# What is left for data by what a split, and an array of latents, may take.
SPLIT_SHARE, LATENTS_SHARE = 4, 16


class Limits(NamedTuple):
  """Bytes of what grows with the data.

  Attributes:
    split: raw bytes of the images of a split that is kept in memory; another
      one is read from the disk in every pass.
    shuffle: raw bytes of the images among which the next one is drawn.
    batch: raw bytes of images that are encoded at a time.
    latents: of an array of latents in memory; another one is a file that is
      mapped into it.
    points: of latents that EM has in memory, all copies counted; it makes its
      passes over a file of more.
  """
  split: int
  shuffle: int
  batch: int
  latents: int
  points: int


def limits(max_memory: str) -> Optional[Limits]:
  """What a bound of the whole process leaves for each of them.

  ```python
  limits('2GB').split   # 150,000,000
  ```

  Args:
    max_memory: bytes, as `budget.parse` takes them; empty for no bound.

  Returns:
    None if there is no bound.

  Raises:
    ConfigError: for a bound below what the process takes without data.
  """
  if not max_memory:
    return None
  num_bytes = budget.parse(max_memory, 'max_memory')
  least = BASE_NUM_BYTES + LEAST_NUM_BYTES
  if num_bytes < least:
    raise ConfigError(f'max_memory = {max_memory!r}: TensorFlow and the models '
                      f'take {BASE_NUM_BYTES / 1e9:g}GB whatever the data are; '
                      f'must be at least {least / 1e9:g}GB')
  data = num_bytes - BASE_NUM_BYTES
  # Of a split in memory there are two copies, NumPy's and TensorFlow's.
  return Limits(split=data // SPLIT_SHARE, shuffle=data // 8, batch=data // 64,
                latents=data // LATENTS_SHARE, points=data // 16)


def check(num_bytes: int, bound: Optional[Limits], what: str,
          of: str = 'images') -> None:
  """Refuses to hold what does not fit.

  Args:
    num_bytes: that would be held.
    bound: see `limits`.
    what: would hold them.
    of: images or latents.

  Raises:
    ConfigError: if there is a bound, and it is too low.
  """
  if not bound:
    return
  most, share = {'images': (bound.split, SPLIT_SHARE),
                 'latents': (bound.latents, LATENTS_SHARE)}[of]
  if num_bytes > most:
    enough = (BASE_NUM_BYTES + share * num_bytes) / 1e9
    raise ConfigError(f'max_memory: {what} holds {num_bytes:,} bytes of {of} '
                      f'in memory; give {enough + 0.1:.1f}GB or more, or no '
                      '--max_memory')


def begin_peak() -> None:
  """The peak of this process begins anew, see `held`; Linux alone does it.

  Raises:
    OSError: where there is no /proc that can be written to.
  """
  with open('/proc/self/clear_refs', 'w') as file:
    file.write('5')


def held(name: str = 'VmHWM') -> int:
  """Bytes that this process holds at the most, or (VmRSS) now."""
  with open('/proc/self/status') as file:
    [line] = [line for line in file if line.startswith(f'{name}:')]
  return 1024 * int(line.split()[1])
