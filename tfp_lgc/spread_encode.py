"""Encoding by several processes, see distribution.py."""

from typing import Callable

import numpy as np

from tfp_lgc.autoencoder import Autoencoder, Encoded
from tfp_lgc.data import Split
from tfp_lgc.distribution import Distribution

__all__ = ['encode_all']

# Images of one call.
BATCH_SIZE = 1000


def encode_all(model: Autoencoder, split: Split, its: Distribution,
               on_step: Callable[[int], None] = lambda done: None) -> Encoded:
  """`model.encode_all(split)`, of which each process makes a part.

  All processes have all of it in the end. Posterior draws are those of one
  process: they depend on the number of a batch, and batches are the same.

  ```python
  its = distribution.of(config.train.strategy)
  encoded = spread_encode.encode_all(model, source.train, its)
  ```

  Args:
    model: the same in all processes.
    split: the same.
    its: the processes.
    on_step: is told how many this process has done.
  """
  if its.num_workers == 1:
    return model.encode_all(split, on_step=on_step)
  num_batches = -(-split.num_examples // BATCH_SIZE)
  low, high = [num_batches * i // its.num_workers
               for i in (its.worker, its.worker + 1)]
  first, last = low * BATCH_SIZE, min(high * BATCH_SIZE, split.num_examples)
  own = model.encode_all(
      split.part(first, last), BATCH_SIZE, on_step, first_batch=low)
  # The last one always has a batch.
  is_last = its.worker == its.num_workers - 1
  [width] = its.sum(np.array([own.draw.shape[1] if is_last else 0], np.int64))
  labels = np.zeros(split.num_examples, np.int32)
  whole = [*[np.empty((split.num_examples, int(width)), np.float32)
             for _ in range(2)], labels]
  for array, part in zip(whole, own):
    if len(part):
      array[first:last] = part
    its.gather(array, first, last - first)
  return Encoded(*whole)
