"""Work and checkpoints of several processes: what the chief keeps, all have.

Only the chief has a work folder, see resuming.py. What is found there is sent
to the others, so that all go on from the same state wherever they run.
"""

import dataclasses
import io
import json
from typing import Any, Mapping, Optional, Sequence

import numpy as np
import tensorflow as tf

from tfp_lgc import memory
from tfp_lgc.checkpoints import Checkpoints
from tfp_lgc.distribution import Distribution, ONE
from tfp_lgc.resuming import Work

__all__ = ['SharedCheckpoints', 'SharedWork', 'checkpoints', 'from_chief',
           'own', 'work_of']

Arrays = dict[str, np.ndarray]
# The name of what is said beside arrays.
_ABOUT = '.about'


def to_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
  """An .npz file, without pickle."""
  file = io.BytesIO()
  np.savez(file, **arrays)  # type: ignore[arg-type]
  return file.getvalue()


def from_bytes(content: bytes) -> Arrays:
  """The inverse of `to_bytes`."""
  with np.load(io.BytesIO(content), allow_pickle=False) as file:
    return {name: file[name] for name in file.files}


def from_chief(its: Distribution, arrays: Arrays) -> Arrays:
  """The chief's arrays, in all processes; those of others are dropped."""
  if its.num_workers == 1:
    return arrays
  content = its.broadcast(to_bytes(arrays) if its.is_chief else b'')
  return arrays if its.is_chief else from_bytes(content)


@dataclasses.dataclass(frozen=True)
class SharedWork(Work):
  """Work that the chief keeps, if it has a directory, and all find.

  Attributes:
    its: the processes.
  """
  its: Distribution = ONE

  def _read(self, key: str, bound: Optional[memory.Limits] = None,
            ) -> Optional[tuple[Arrays, dict[str, Any]]]:
    found = super()._read(key, bound)  # Several processes have no bound.
    content = b''
    if found:
      content = to_bytes({**found[0], _ABOUT: np.array(json.dumps(found[1]))})
    content = self.its.broadcast(content)
    if found or not content:
      return found
    arrays = from_bytes(content)
    return arrays, json.loads(str(arrays.pop(_ABOUT)))


def work_of(its: Distribution, work: Work) -> Work:
  """`work` of the chief as work of all; others give theirs, which keep
  nothing."""
  if its.num_workers == 1:
    return work
  return SharedWork(work.directory, work.seconds, its)


def own(work: Work) -> Work:
  """The same for the chief alone, once others take no part."""
  return Work(work.directory, work.seconds)


class SharedCheckpoints:
  """`Checkpoints` of variables that several replicas have.

  Values go through variables of the chief alone: a file that a strategy writes
  needs all processes, each at the same time.
  """

  def __init__(self, its: Distribution, work: Work, key: str,
               variables: Sequence[tf.Variable]):
    self._its, self._variables = its, variables
    self._copies: list[tf.Variable] = []
    if work.directory:
      self._copies = [tf.Variable(tf.zeros(variable.shape, variable.dtype))
                      for variable in variables]
    self._checkpoints = Checkpoints(work, key, self._copies)

  def restore(self) -> dict[str, Any]:
    """As that of `Checkpoints`, in all processes."""
    about, arrays = self._checkpoints.restore(), {}
    if about:
      arrays = {str(i): copy.numpy() for i, copy in enumerate(self._copies)}
    arrays = from_chief(self._its, {
        **arrays, _ABOUT: np.array(json.dumps(about))})
    about = json.loads(str(arrays.pop(_ABOUT)))
    for i, variable in enumerate(self._variables if about else []):
      variable.assign(arrays[str(i)])
    return about

  def save(self, about: dict[str, Any], last: bool = False) -> None:
    """As that of `Checkpoints`; all processes have to call it."""
    [due] = self._its.sum(np.array(
        [self._its.is_chief and self._checkpoints.is_due(last)], np.int64))
    if not due:
      return
    # Of some variables the value is a mean over all replicas.
    values = [tf.convert_to_tensor(variable).numpy()
              for variable in self._variables]
    for copy, value in zip(self._copies, values):
      copy.assign(value)
    self._checkpoints.save(about, last)


def checkpoints(its: Distribution, work: Work, key: str,
                variables: Sequence[tf.Variable],
                ) -> 'Checkpoints | SharedCheckpoints':
  """Of variables made within `its.scope()`."""
  if its.is_one:
    return Checkpoints(work, key, variables)
  return SharedCheckpoints(its, work, key, variables)
