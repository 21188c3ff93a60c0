"""What a step knows of the replicas that make it with others."""

from typing import Any, Mapping, NamedTuple, Optional

import tensorflow as tf

__all__ = ['Place', 'place']


class Place(NamedTuple):
  """Where the examples of a replica are among those of all replicas.

  Attributes:
    index: int `[]`, of the replica.
    num_replicas: R.
  """
  index: Any
  num_replicas: int

  def own(self, values: tf.Tensor) -> tf.Tensor:
    """`[B / R, ...]` of what all have, `[B, ...]`."""
    size = tf.shape(values)[0] // self.num_replicas
    first = tf.cast(self.index, tf.int32) * size
    return values[first:first + size]

  def mean(self, values: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Of scalars by name, over all replicas."""
    context = tf.distribute.get_replica_context()
    total = context.all_reduce(tf.distribute.ReduceOp.SUM,
                               tf.stack(list(values.values())))
    return dict(zip(values, tf.unstack(total / self.num_replicas,
                                       num=len(values))))


def place() -> Optional[Place]:
  """That of the replica whose step is traced; None where there is one only."""
  context = tf.distribute.get_replica_context()
  if context is None or context.num_replicas_in_sync == 1:
    return None
  return Place(context.replica_id_in_sync_group, context.num_replicas_in_sync)
