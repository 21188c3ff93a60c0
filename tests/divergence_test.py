"""What is said of training that diverges, and of which term."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_lgc import divergence

NAN, INF = float('nan'), float('inf')


def test_a_term_remembers_the_first_step_at_which_it_was_not_finite():
  term = divergence.Term('nll')
  for step, value in enumerate((1.0, 2.0)):
    term.note(tf.constant(value), tf.constant(step))
  assert float(term.result()) == 1.5 and int(term.first) == 0
  term.reset_state()
  assert float(term.result()) == 0
  for step, value in ((2, 4.0), (3, INF), (4, NAN), (5, 1.0)):
    term.note(tf.constant(value), tf.constant(step))
  assert int(term.first) == 4
  term.reset_state()  # Of a mean; what was seen stays seen.
  assert int(term.first) == 4 and np.isfinite(float(term.result()))


@pytest.mark.parametrize('firsts, words', [
    ({'nll': 0, 'kl': 12}, ['epoch 2, at step 12: kl of the loss is not finite',
                            '--beta']),
    # What came later was spoiled by what came first.
    ({'nll': 30, 'kl': 12}, ['step 12: kl of']),
    ({'nll': 9, 'kl': 10}, ['epoch 1, at step 9: nll of', '--min_stddev']),
    ({'nll': 19, 'cdf': 12, 'covariance': 12},
     ['cdf and covariance of the loss are not', '--prior_weight']),
    ({'nll': 12, 'kl': 12}, ['epoch 2', 'no term of the loss (nll, kl)',
                             '--learning_rate']),
    ({'nll': 0, 'kl': 0}, ['epoch 6, at step 50: weights are not finite',
                           '--learning_rate']),
])
def test_the_message_says_when_what_and_what_to_change(firsts, words):
  text = divergence.message('training', firsts, 50, 10, 99)
  assert text.startswith('training diverged in ')
  for word in words:
    assert word in text
  assert '\n' not in text
  assert divergence.message('x', firsts, 50, 10, 99, 'less of it').endswith(
      'try less of it')


@pytest.mark.parametrize('batch_size, step, epoch', [
    (10, 1, 1), (10, 9, 1), (10, 10, 2), (128, 1, 1), (128, 7, 7)])
def test_an_epoch_is_a_pass_over_the_images(batch_size, step, epoch):
  text = divergence.message('training', {'nll': step}, 50, batch_size, 99)
  assert f'in epoch {epoch}, at step {step}:' in text
