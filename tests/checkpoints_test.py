"""Checkpoints within a stage."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tfp_lgc
from tfp_lgc import resuming
from tfp_lgc.checkpoints import Checkpoints
from tfp_lgc.errors import DataError, LgcError


def test_checkpoints_give_back_variables_and_what_was_said(tmp_path):
  work = resuming.Work(tmp_path, seconds=0)
  x, y = tf.Variable([1.0, 2.0]), tf.Variable(3, dtype=tf.int64)
  checkpoints = Checkpoints(work, 'train', [x, y])
  assert checkpoints.restore() == {}
  for step in (1, 2):
    x.assign_add([1.0, 1.0])
    y.assign_add(1)
    checkpoints.save({'step': step, 'loss': 0.1})
  x.assign([0.0, 0.0])
  fresh = [tf.Variable([0.0, 0.0]), tf.Variable(0, dtype=tf.int64)]
  assert Checkpoints(work, 'train', fresh).restore() == {'step': 2, 'loss': 0.1}
  np.testing.assert_array_equal(fresh[0], [3.0, 4.0])
  assert int(fresh[1]) == 5
  assert len(list((tmp_path / 'train').glob('*.index'))) == 1
  with pytest.raises(LgcError, match='is damaged'):
    Checkpoints(work, 'train', [*fresh, tf.Variable(1.0)]).restore()
  # Not before it is time, but at the end.
  seldom = Checkpoints(resuming.Work(tmp_path, 1e6), 'other', [x])
  seldom.save({})
  assert not (tmp_path / 'other').exists()
  seldom.save({}, last=True)
  assert (tmp_path / 'other' / 'checkpoint').exists()


def test_the_last_good_checkpoint_stays_when_training_diverges(tmp_path):
  said, folder = [], tmp_path / 'work'
  x = tf.Variable([1.0, 2.0])

  def run(name, error):
    with resuming.keeping(folder, name, 0, said.append) as work:
      Checkpoints(work.below('try_0'), 'train', [x]).save({'step': 1})
      raise error

  with pytest.raises(FloatingPointError):
    run('first', FloatingPointError('diverged'))
  assert said == [f'the last good checkpoint is in {folder}']
  assert resuming.is_of(folder, 'first')
  x.assign([0.0, 0.0])
  left = resuming.Work(folder / 'try_0')
  assert Checkpoints(left, 'train', [x]).restore() == {'step': 1}
  np.testing.assert_array_equal(x, [1.0, 2.0])
  # Other settings throw it away, and so does an error of another kind.
  with pytest.raises(DataError):
    run('second', DataError('x'))
  assert 'begins anew' in said[-1] and not folder.exists()


def test_weights_that_are_no_numbers_do_not_replace_the_last_good_ones(
    tmp_path):
  class Spoils(tf_keras.callbacks.Callback):
    """As the last step of a round may, whose own loss is still finite."""

    def on_epoch_end(self, epoch, logs=None):
      assert np.isfinite(logs['loss'])
      if epoch == 2:
        weight = self.model.decoder.trainable_weights[0]
        weight.assign(np.nan * weight)

    def on_batch_end(self, batch, logs=None):
      if not np.isfinite(logs['loss']):
        raise FloatingPointError('not finite')

  images = np.random.default_rng(0).integers(0, 256, [128, 6, 5, 1], np.uint8)
  with pytest.raises(FloatingPointError):
    tfp_lgc.compress((images, np.arange(128) % 2), work_dir=tmp_path,
                     checkpoint_seconds=0, callbacks=[Spoils()], epochs=40,
                     batch_size=32, hidden_size=8, latent_size=3)
  folder = tmp_path / 'train'
  reader = tf.train.load_checkpoint(str(folder))
  weights = [reader.get_tensor(name) for name in
             reader.get_variable_to_shape_map()]
  kept = json.loads(next(value for value in weights
                         if isinstance(value, bytes)))
  assert len(kept['rounds']) == 2
  assert all(np.isfinite(value).all() for value in weights
             if np.issubdtype(np.asarray(value).dtype, np.floating))
