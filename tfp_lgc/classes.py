"""What is of one class alone: taken out of an artifact's tensors and put back.

A mixture is of one class, so that its rows can stand in other tensors. Integers
are not rounded again as long as steps agree. What all classes share stays, the
decoder and the steps of quantization above all: they were made of the images of
all classes.
"""

from typing import Any, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from tfp_lgc import packing
from tfp_lgc.codec import dequantize, quantize_by_step, Quantized
from tfp_lgc.config import Config
from tfp_lgc.errors import ArtifactError, ConfigError, LgcError
from tfp_lgc.header import Header
from tfp_lgc.mixture import Mixture

__all__ = ['OneClass', 'Tensors', 'fitted', 'joined', 'taken_apart',
           'without_classes']

# By name, see `Artifact.pack`.
Tensors = Mapping[str, Quantized]


class OneClass(NamedTuple):
  """What is of one class alone.

  Attributes:
    name: of the class.
    size: its training images.
    num_components: of its mixture.
    structure: of its covariances.
    tensors: its rows of the tensors of the mixture.
    condition: row of the decoder's first layer that its label switches on, if
      the decoder is told labels.
  """
  name: str
  size: int
  num_components: int
  structure: str
  tensors: dict[str, Quantized]
  condition: Optional[Quantized]


def taken_apart(header: Header, tensors: Tensors) -> list[OneClass]:
  """What is of each class alone; the inverse of `joined`.

  Raises:
    LgcError: if classes share components that were fitted to all of them.
  """
  structures, num_classes = header.structures, len(header.class_names)
  if len(structures) < num_classes and structures != ('prior',):
    raise LgcError('latent_model = global: classes share their components, and '
                   'what is of one of them cannot be told apart; compress the '
                   'data anew, with gmm to edit what comes of it')
  mixture = {name: tensor for name, tensor in tensors.items()
             if name.startswith('mixture/')}
  if structures == ('prior',) and num_classes == 1:
    mixture = {}
  rows = _by_class(mixture, header.num_components, structures)
  for k, its in zip(header.num_components, rows):
    if k == 1 and structures != ('prior',):
      # Its weight is 1, whatever a logarithm was rounded to.
      weight = its['mixture/log_weights']
      its['mixture/log_weights'] = weight._replace(values=0 * weight.values)
  kernel = tensors[_first_kernel(tensors)]
  first = len(kernel.values) - header.num_conditions
  conditions = [kernel._replace(values=kernel.values[first + i:first + i + 1])
                if header.num_conditions else None
                for i in range(num_classes)]
  return [OneClass(*parts) for parts in zip(
      header.class_names, header.class_counts, header.num_components,
      np.resize(np.array(structures, object), num_classes), rows, conditions)]


def joined(header: Header, tensors: Tensors, classes: list[OneClass],
           ) -> dict[str, Any]:
  """The same decoder with other classes.

  Args:
    header: of an artifact.
    tensors: of the same.
    classes: one at least, of this decoder.

  Returns:
    `tensors`, and what is another in the header, by name.

  Raises:
    LgcError: for classes that no artifact has beside each other.
  """
  if len({its.structure == 'prior' for its in classes}) > 1:
    raise LgcError('b: only one of a and b draws latents from the prior of the '
                   'model')
  is_prior = classes[0].structure == 'prior'
  told = is_prior and classes[0].num_components > 1
  if told and (len(classes) == 1 or not all(its.tensors for its in classes)):
    raise LgcError('latent_model = prior: a single class has the weights of '
                   'the prior itself, not its own; compress its images alone')
  if not any(its.size for its in classes):
    raise LgcError('name: all other classes are without images')
  if len({packing.is_old(its.tensors) for its in classes
          if its.structure == 'tied'}) > 1:
    raise ArtifactError('b: one of a and b is of an earlier format version, '
                        'where means of tied components have other units; '
                        'compress its data anew')
  shared = without_classes(header, tensors)
  if header.num_conditions:
    kernel = _first_kernel(shared)
    shared[kernel] = _concatenated([shared[kernel], *[
        its.condition for its in classes if its.condition]])
  for name in dict.fromkeys(name for its in classes for name in its.tensors):
    shared[name] = _concatenated([its.tensors[name] for its in classes
                                  if name in its.tensors])
  return {'tensors': shared,
          'class_names': tuple(its.name for its in classes),
          'class_counts': tuple(its.size for its in classes),
          'num_components': tuple(its.num_components for its in classes),
          'structures': ('prior',) if is_prior else tuple(
              its.structure for its in classes),
          'num_conditions': header.num_conditions and len(classes)}


def without_classes(header: Header, tensors: Tensors) -> dict[str, Quantized]:
  """What makes images of latents, without what is of one class alone."""
  shared = {name: tensor for name, tensor in tensors.items()
            if not name.startswith('mixture/')}
  name = _first_kernel(shared)
  kernel = shared[name]
  shared[name] = kernel._replace(
      values=kernel.values[:len(kernel.values) - header.num_conditions])
  return shared


def fitted(config: Config, mixture: Mixture, names: Sequence[str],
           counts: Sequence[int], classes: list[OneClass]) -> list[OneClass]:
  """Classes of mixtures that were fitted anew, in the steps of others.

  Args:
    config: settings of the codec and of low-rank covariances.
    mixture: of C classes.
    names: `[C]`.
    counts: `[C]`, images of each.
    classes: those whose steps are taken.

  Raises:
    LgcError: for numbers that do not fit these steps.
  """
  def quantize_as(name, x):
    tensor = _telling([its.tensors[name] for its in classes
                       if name in its.tensors])
    if tensor is None:  # As log-weights of single components.
      return packing.quantized(name, x, config.codec.mixture_bits)
    return _like(tensor, x, 'images')

  tensors = packing.pack_mixture_by(quantize_as, mixture,
                                    config.mixture.covariance_rank)
  return [OneClass(*parts, None) for parts in zip(
      names, counts, mixture.num_components,
      mixture.structures,
      _by_class(tensors, mixture.num_components, mixture.structures))]


def _first_kernel(tensors: Tensors) -> str:
  """The name of the one tensor that has rows for labels."""
  return next(name for name in tensors
              if name.startswith('decoder/') and name.endswith('/kernel'))


def _telling(tensors: list[Quantized]) -> Optional[Quantized]:
  """The first that is not all zero, whose step means something; or None."""
  return next((tensor for tensor in tensors if tensor.values.any()), None)


def _like(tensor: Quantized, x: np.ndarray, argument: str) -> Quantized:
  """Numbers as integers of the step of another tensor of their kind, which is
  not all zero. `argument` is where they come from, for the error."""
  again = quantize_by_step(x, float(tensor.steps[0]))
  if not np.array_equal(again.steps, tensor.steps):
    raise LgcError(f'{argument}: its latents are too far from those that the '
                   'artifact was made of to be told in its steps; compress '
                   'the data anew')
  return again


def _by_class(tensors: Mapping[str, Quantized], num_components, structures,
              ) -> list[dict[str, Quantized]]:
  """The rows of each class of the tensors of a mixture."""
  result: list[dict[str, Quantized]] = [{} for _ in num_components]
  for name, tensor in tensors.items():
    counts = packing.class_rows(tensors, name, num_components, structures)
    parts = np.split(tensor.values, np.cumsum(counts)[:-1])
    for its, part in zip(result, parts):
      if len(part):
        its[name] = tensor._replace(values=part)
  return result


def _concatenated(parts: list[Quantized]) -> Quantized:
  """Rows below rows, by the step of the first of them that is not zero."""
  first = _telling(parts) or parts[0]
  again = []
  for part in parts:
    if not part.values.any():
      part = part._replace(steps=first.steps)
    if part.values.shape[1:] != first.values.shape[1:]:
      raise ConfigError('b: its covariances have another rank than those of a')
    if not np.array_equal(part.steps, first.steps):
      if len(first.steps) > 1 or len(part.steps) > 1:
        raise ArtifactError('b: is of format version 1 or 2, and its numbers '
                            'have other steps than those of a')
      part = _like(first, dequantize(part), 'b')
    again.append(part)
  return Quantized(np.concatenate([part.values for part in again]),
                   first.steps, max(part.bits for part in again))
