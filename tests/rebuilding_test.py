"""Decoder and head come out of tensors as they went in.

Headers and tensors that do not fit are in unfit_artifact_test.py, by files.
"""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfp_lgc import config, models, networks, rebuilding
from tfp_lgc.codec import dequantize, quantize
from tfp_lgc.errors import ArtifactError
from tfp_lgc.header import for_drawing, Header

SHAPE = (4, 3, 1)


def _packed(**settings):
  """A decoder, and header and tensors of it, without batch normalization."""
  its = config.replace(config.Config(), latent_size=2, hidden_size=3,
                       **settings)
  model = models.build(its, SHAPE, 2)
  decoder = networks.decoder(its.model, model.head, 0, batch_norm=False)
  rng = np.random.default_rng(0)
  for variable in decoder.weights:
    variable.assign(rng.normal(size=variable.shape))
  weights = {f'decoder/{variable.name.split(":")[0]}': variable.numpy()
             for variable in decoder.weights}
  weights.update((f'head/{name}', variable.numpy())
                 for name, variable in model.head.weights.items())
  header = Header(for_drawing(its.model), SHAPE, ('a', 'b'), (1, 1), (1, 1),
                  ('full', 'full'), 0, 1.0)
  return decoder, header, {
      name: quantize(value, 16) for name, value in weights.items()}


@pytest.mark.parametrize('head', ['bernoulli', 'maf'])
def test_numbers_are_those_of_the_tensors(head):
  decoder, header, tensors = _packed(head=head)
  tensors['mixture/loc'] = quantize(np.zeros([2, 2]), 8)  # Not looked at.
  again, its_head = rebuilding.rebuilt(header, tensors)
  z = tf.constant(np.random.default_rng(1).normal(size=[5, 2]), tf.float32)
  with tf.GradientTape() as tape:
    its_head.point_image(again(z))
  assert not tape.watched_variables()
  np.testing.assert_allclose(again(z), decoder(z), rtol=1e-2, atol=1e-2)
  for name, variable in its_head.weights.items():
    np.testing.assert_array_equal(variable.numpy(),
                                  dequantize(tensors[f'head/{name}']))
  assert bool(its_head.weights) == (head == 'maf')


@pytest.mark.parametrize('change', [
    {'image_shape': (4, 4, 1)}, {'num_conditions': 2}], ids=str)
def test_another_header_is_refused(change):
  _, header, tensors = _packed()
  with pytest.raises(ArtifactError, match='the decoder has tensors .*must be'):
    rebuilding.rebuilt(dataclasses.replace(header, **change), tensors)


def test_images_that_no_memory_holds_are_not_drawn(monkeypatch):
  _, header, tensors = _packed()
  # Of 12 pixels, in blocks of 256 images.
  monkeypatch.setattr(rebuilding, 'MAX_BLOCK_NUMBERS', 256 * 12)
  rebuilding.rebuilt(header, tensors)
  monkeypatch.setattr(rebuilding, 'MAX_BLOCK_NUMBERS', 256 * 12 - 1)
  with pytest.raises(ArtifactError, match='256 images.*12 numbers.*at most 11'):
    rebuilding.rebuilt(header, tensors)
