"""Decoder and head of an artifact, from its header and its tensors."""

import math
from typing import Callable

import tensorflow as tf
import tf_keras as tfk

from tfp_lgc import flow, heads, networks
from tfp_lgc.classes import Tensors
from tfp_lgc.codec import dequantize
from tfp_lgc.errors import ArtifactError, ConfigError
from tfp_lgc.head import Head
from tfp_lgc.header import Header
from tfp_lgc.limits import MAX_BLOCK_NUMBERS
from tfp_lgc.sampler import BLOCK_SIZE
from tfp_lgc.weightless import weightless

__all__ = ['rebuilt']


def rebuilt(header: Header, tensors: Tensors) -> tuple[tfk.Model, Head]:
  """Networks with the numbers of a file.

  Args:
    header: what they are.
    tensors: `decoder/LAYER/kernel` and the like, and those of a flow; others
      are not looked at.

  Raises:
    ArtifactError: if tensors do not fit the header, before what it describes
      takes memory.
  """
  _check(header, tensors)
  decoder, head, variables = _built(header)
  for name, variable in variables.items():
    variable.assign(dequantize(tensors[name]))
  return decoder, head


def _check(header: Header, tensors: Tensors) -> None:
  """Refuses tensors that do not fit the header."""
  def compare(got, expected):
    if got != expected:
      raise ArtifactError(f'the decoder has tensors {str(got)[:1000]}; must '
                          f'be {str(expected)[:1000]}')

  shapes = {name: tensor.values.shape for name, tensor in tensors.items()
            if name.startswith(('decoder/', 'head/'))}
  # The masks of a flow take memory even in a graph.
  compare({name: shape for name, shape in shapes.items()
           if name.startswith('head/')},
          {f'head/{name}': shape
           for name, shape in flow.weight_shapes(header.image_shape).items()}
          if header.model.head == 'maf' else {})
  try:
    with weightless():
      decoder, _, variables = _built(header)
      largest = max(math.prod(layer.output_shape[1:])
                    for layer in decoder.layers[1:])
      expected = {name: tuple(variable.shape)
                  for name, variable in variables.items()}
  except ConfigError as error:
    raise ArtifactError(
        f'the decoder takes more numbers for head = {header.model.head} than '
        f'max_head_params = {header.model.max_head_params} allows; compress '
        'the data anew') from error
  compare(shapes, expected)
  if BLOCK_SIZE * largest > MAX_BLOCK_NUMBERS:
    raise ArtifactError(
        f'{BLOCK_SIZE} images, which are drawn at once, take {largest} '
        'numbers each in a layer of the decoder; at most '
        f'{MAX_BLOCK_NUMBERS // BLOCK_SIZE} are allowed')


def _fixed(create: Callable[..., tf.Variable], **settings) -> tf.Variable:
  """A variable that no gradient tape watches by itself."""
  return create(**{**settings, 'trainable': False})


def _built(header: Header) -> tuple[tfk.Model, Head, dict[str, tf.Variable]]:
  """Decoder, head, and the variables of both by the names of their tensors."""
  # Or variational inference of a latent would train the decoder as well.
  with tf.variable_creator_scope(_fixed):
    head = heads.build(header.model, header.image_shape)
    decoder = networks.decoder(header.model, head, header.num_conditions,
                               batch_norm=False)
  variables = {f'decoder/{variable.name.split(":")[0]}': variable
               for variable in decoder.weights}
  variables.update((f'head/{name}', variable)
                   for name, variable in head.weights.items())
  return decoder, head, variables
