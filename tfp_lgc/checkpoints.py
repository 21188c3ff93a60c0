"""Checkpoints within a stage that trains, see resuming.py."""

import json
import os
import time
from typing import Any, Sequence

import tensorflow as tf

from tfp_lgc.errors import LgcError
from tfp_lgc.resuming import Work

__all__ = ['Checkpoints']


class Checkpoints:
  """Variables as they are at points of a training that can be returned to.

  ```python
  checkpoints = Checkpoints(work, 'train', model.variables)
  done = checkpoints.restore().get('steps', 0)
  for step in range(done, 1000):
    ...
    checkpoints.save({'steps': step + 1})   # Now and then only.
  ```

  What is said beside the variables is one of them, so that no kill can part
  the two. Of work that keeps nothing there is nothing to restore.
  """

  def __init__(self, work: Work, key: str, variables: Sequence[tf.Variable]):
    """`variables` are known by their positions; `key` is a folder's name."""
    self._work, self._saved = work, time.monotonic()
    if not work.directory:
      return
    with tf.device('/CPU:0'):  # Where alone there are strings.
      self._about = tf.Variable('{}', trainable=False)
    self._checkpoint = tf.train.Checkpoint(variables=list(variables),
                                           about=self._about)
    self._manager = tf.train.CheckpointManager(
        self._checkpoint, os.path.join(work.directory, key), max_to_keep=1)
    # Or `save` would make it, within the scope of a strategy, whose variables
    # all processes make together.
    _ = self._checkpoint.save_counter

  def restore(self) -> dict[str, Any]:
    """Sets the variables; what was said when they were saved, or nothing.

    Raises:
      LgcError: for files that are damaged.
    """
    if not self._work.directory or not self._manager.latest_checkpoint:
      return {}
    path = self._manager.latest_checkpoint
    try:
      self._checkpoint.restore(path).assert_consumed()
    except (AssertionError, tf.errors.OpError) as error:
      raise LgcError(f'{path}: is damaged; the same command now begins anew'
                     ) from error
    return json.loads(self._about.numpy())

  def save(self, about: dict[str, Any], last: bool = False) -> None:
    """Saves, if it is time to or this is the end.

    Args:
      about: what `restore` is to return, what JSON can say.
      last: whether training ends here.

    Raises:
      OpError: of TensorFlow, if the disk is full.
    """
    if not self.is_due(last):
      return
    self._about.assign(json.dumps(about))
    self._manager.save()
    self._saved = time.monotonic()

  def is_due(self, last: bool = False) -> bool:
    """Whether `save` would save now."""
    return bool(self._work.directory) and (
        last or time.monotonic() - self._saved >= self._work.seconds)
