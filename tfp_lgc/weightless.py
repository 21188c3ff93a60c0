"""Keras models that have shapes, but take no memory."""

import contextlib
import threading
from typing import Iterator

import tensorflow as tf
import tf_keras as tfk

__all__ = ['weightless']

# Classes are those of all threads.
_LOCK = threading.RLock()
# Blocks that are open, one in the other.
_open: list[None] = []


@contextlib.contextmanager
def weightless() -> Iterator[None]:
  """Models that are built within are of a graph that nobody runs.

  In such a graph Keras makes the classes of layers those of TensorFlow 1, and
  until the next layer of a class is built elsewhere, models that were built
  before are broken: their functions cannot be traced any more. So afterwards
  the classes are what they were. And where an operation of TensorFlow stands
  between layers, Keras runs a session, which would give memory to every weight
  that there is so far, unless it is told not to; that is for the whole process
  until the outermost block ends, and then as Keras has it by default.

  ```python
  with weightless():
    network = tfk.Sequential([tfk.layers.Dense(10**6, input_shape=[10**6])])
  network.count_params()   # 1000001000000
  ```
  """
  with _LOCK:
    before = {cls: cls.__bases__ for cls in _below(tfk.layers.Layer)}
    _open.append(None)
    tfk.backend.manual_variable_initialization(True)
    try:
      with tf.Graph().as_default():
        yield
    finally:
      _open.pop()
      tfk.backend.manual_variable_initialization(bool(_open))
      for cls, bases in before.items():
        if cls.__bases__ != bases:
          cls.__bases__ = bases


def _below(cls: type) -> set[type]:
  """All that inherit from a class, near and far."""
  found: set[type] = set()
  waiting = [cls]
  while waiting:
    children: list[type] = type.__subclasses__(waiting.pop())
    for child in children:
      if child not in found:
        found.add(child)
        waiting.append(child)
  return found
