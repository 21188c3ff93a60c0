"""Training whose loss is no number any more: when, which term, what helps."""

from typing import Mapping

import tensorflow as tf
import tf_keras as tfk

__all__ = ['Term', 'message']

# What to change, by the term of the loss.
_REMEDIES = {
    'nll': 'a lower --learning_rate, a higher --min_stddev or another --head',
    'kl': 'a lower --learning_rate or --beta',
    'contrastive': 'a lower --learning_rate or --contrastive_weight, or a '
                   'higher --contrastive_temperature',
    'center': 'a lower --learning_rate or --center_weight',
    'teacher': 'a lower --learning_rate or --teacher_weight',
    'cdf': 'a lower --learning_rate or --prior_weight',
    'covariance': 'a lower --learning_rate or --prior_weight',
}
_OTHERWISE = 'a lower --learning_rate'


class Term(tfk.metrics.Mean):
  """The mean of a term of the loss, which remembers, beyond all resets, the
  first step at which it was not finite."""

  def __init__(self, name: str):
    super().__init__(name)
    # The step and 1; 0: never.
    self.first = self.add_weight('first', initializer='zeros', dtype=tf.int64)

  def add_weight(self, name, **kwargs):
    """All replicas note the same values, so that one tells of all."""
    return super().add_weight(
        name, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA, **kwargs)

  def note(self, value: tf.Tensor, step: tf.Tensor) -> None:
    """`value` of a step, `[]`; steps count from 0."""
    self.update_state(value)
    is_first = tf.equal(self.first, 0) & ~tf.math.is_finite(value)
    self.first.assign(tf.where(is_first, tf.cast(step, tf.int64) + 1,
                               self.first))

  def reset_state(self):
    self.total.assign(tf.zeros_like(self.total))
    self.count.assign(tf.zeros_like(self.count))


def message(what: str, firsts: Mapping[str, int], step: int, batch_size: int,
            num_examples: int, remedy: str = '') -> str:
  """One line for who trains.

  ```python
  message('training', {'nll': 0, 'kl': 12}, 50, batch_size=10, num_examples=90)
  # 'training diverged in epoch 2, at step 12: kl of the loss is not ...'
  ```

  Args:
    what: was done.
    firsts: term of the loss -> the first step, from 1 on, at which it was not
      finite; 0 if it always was.
    step: where training ended.
    batch_size: images per step.
    num_examples: of the training split; an epoch is a pass over them.
    remedy: what to change; empty for what helps against these terms.
  """
  known = {name: first for name, first in firsts.items() if first}
  step = min(known.values(), default=step)
  epoch = (step - 1) // max(1, num_examples // batch_size) + 1
  names = [name for name, first in known.items() if first == step]
  where = f'{what} diverged in epoch {epoch}, at step {step:,}: '
  if not names:
    return f'{where}weights are not finite any more; try {remedy or _OTHERWISE}'
  if len(names) > 1 and len(names) == len(firsts):
    return (f'{where}no term of the loss ({", ".join(names)}) is finite, for '
            'the weights are not any more; try '
            f'{remedy or _REMEDIES["nll"]}')
  remedies = dict.fromkeys(_REMEDIES.get(name, _OTHERWISE) for name in names)
  is_are = 'is' if len(names) == 1 else 'are'
  return (f'{where}{" and ".join(names)} of the loss {is_are} not finite; try '
          f'{remedy or "; or ".join(remedies)}')
