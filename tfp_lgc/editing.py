"""Editing what was compressed: classes leave, come, or change how frequent they
are, and nothing is trained.

A mixture is of one class, so that its numbers can be taken out of the tensors
and put into others. Integers of what stays are not touched: they are not
rounded again. What all classes share stays as well, the decoder and the steps
of quantization above all: they were made of the images of all classes.
"""

import dataclasses
import math
import numbers
from typing import Any, Mapping, NamedTuple, Optional, Sequence, TypeVar

import numpy as np
import numpy.typing as npt

from tfp_lgc import latent, packing
from tfp_lgc.arrays import check_images, encode_labels
from tfp_lgc.codec import dequantize, quantize, quantize_by_step, Quantized
from tfp_lgc.config import Config
from tfp_lgc.data import array_split
from tfp_lgc.encoder import Encoder
from tfp_lgc.errors import ArtifactError, ConfigError, LgcError
from tfp_lgc.header import Header
from tfp_lgc.mixture import Mixture

__all__ = ['Editable', 'merge']

AnyEditable = TypeVar('AnyEditable', bound='Editable')


class _Class(NamedTuple):
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


@dataclasses.dataclass(frozen=True, eq=False)  # Arrays have no one truth.
class Editable(Header):
  """Header and tensors, and what can be made of them without training.

  Attributes:
    tensors: name -> quantized tensor, see `Artifact.pack`.
    encoder: of the run that made it, if it is at hand.
  """
  tensors: dict[str, Quantized]
  encoder: Optional[Encoder] = None

  def without_class(self: AnyEditable, name: Any) -> AnyEditable:
    """The same without one class, by its name: its mixture, its name and its
    count are gone, and the row of the decoder's first layer that its label
    switched on, if the decoder is told labels (which loses its encoder, for
    that is told them, too). No other integer changes.

    It is not as if the class had never been there: decoder, texture and steps
    of quantization were made of its images, too.

    ```python
    artifact.without_class('3').save('without_3')
    ```

    Raises:
      LgcError: for an unknown or the only class, or if classes share their
        components (`latent_model` global, and prior where one would be left).
    """
    label = _position(self, name)
    if len(self.class_names) == 1:
      raise LgcError(f'name = {str(name)!r}: is the only class; an artifact '
                     'has one at least')
    classes = _classes(self)
    return _joined(self, classes[:label] + classes[label + 1:])

  def reweighted(self: AnyEditable, factors: Mapping[Any, float],
                 ) -> AnyEditable:
    """The same with other frequencies of classes.

    ```python
    artifact.reweighted({'3': 2.0, '5': 0.1})
    artifact.reweighted({name: 1000 / count for name, count in zip(
        artifact.class_names, artifact.class_counts)})   # all as frequent
    ```

    Args:
      factors: class name -> what its number of images is multiplied by, more
        than 0; other classes stay. It is rounded to a whole one, at least 1,
        half up. A class is drawn as often as its part of the sum of all.
        (`evaluate` knows by these numbers whether it is given the data set that
        an artifact was made from: judge one before it is reweighted.)

    Raises:
      LgcError: for an unknown class, or another factor.
    """
    counts = list(self.class_counts)
    for name, factor in factors.items():
      label = _position(self, name)
      if (isinstance(factor, bool) or not isinstance(factor, numbers.Real)
          or not 0 < factor < math.inf):
        raise LgcError(f'factors: {factor!r} for class {str(name)!r}; must be '
                       'a positive number (without_class takes a class out)')
      # A class that is there stays there. No float holds some whole numbers,
      # and from 2^53 on all are refused.
      counts[label] = counts[label] and max(
          1, math.floor(counts[label] * float(min(factor, 2**53)) + 0.5))
    if max(counts) >= 2**53:
      raise LgcError('factors: a class would count for 2^53 images or more; '
                     'divide all factors by the largest')
    return dataclasses.replace(self, class_counts=tuple(counts))

  def updated(self: AnyEditable, images: npt.ArrayLike,
              labels: npt.ArrayLike) -> AnyEditable:
    """The same with mixtures of new images, by the encoder of the run.

    Each class that occurs in `labels` gets a mixture that is fitted to these
    images alone, and their number; a class that is new comes last. Other
    classes keep their integers. The decoder stays as it is: images unlike those
    that it was trained on are drawn badly. A guarantee of privacy ends here:
    the new mixtures have none.

    ```python
    artifact = tfp_lgc.load_with_encoder('out').updated(images, labels)
    ```

    Args:
      images: as for `compress`, of the size of the artifact.
      labels: `[N]` class names; a model that is told labels takes no new ones.

    Raises:
      ArtifactError: if the encoder is missing.
      DataError: for images or labels of another form.
      LgcError: if classes share their components.
    """
    encoder = self.check_refit()
    x = check_images(images, 'images', encoder.config.data.value_range)
    if not len(x) or x.shape[1:] != self.image_shape:
      raise LgcError(f'images: got shape {x.shape}; must be one or more of '
                     f'{self.image_shape}, as the artifact has them')
    positions, names = encode_labels(labels, len(x), 'labels')
    told = positions
    if self.num_conditions:
      told, _ = encode_labels(labels, len(x), 'labels', self.class_names)
    points = encoder.points(array_split(x, told, keep_order=True))
    mixture, _ = latent.fit(points, positions, len(names), encoder.config)
    return self.refitted(mixture, names, np.bincount(positions).tolist())

  def check_refit(self) -> Encoder:
    """The encoder, if mixtures of new images can take the place of others.

    Raises:
      ArtifactError: if the encoder is missing, or for a file too old.
      LgcError: if classes share their components.
    """
    if self.encoder is None:
      raise ArtifactError('the artifact is without its encoder; open the '
                          'folder that bin/compress wrote to by '
                          'tfp_lgc.load_with_encoder')
    latent_model = self.encoder.config.mixture.latent_model
    if latent_model != 'gmm':
      raise LgcError(f'latent_model = {latent_model}: classes share their '
                     'components, which were fitted to all images; compress '
                     'all of them anew')
    if packing.is_old(self.tensors):
      raise ArtifactError('the artifact is of format version 1 or 2, whose '
                          'tensors take no further rows; compress the data '
                          'anew')
    return self.encoder

  def refitted(self: AnyEditable, mixture: Mixture, class_names: Sequence[str],
               class_counts: Sequence[int]) -> AnyEditable:
    """`updated` by mixtures that were fitted to latents elsewhere.

    Args:
      mixture: of C classes, of latents of the artifact's encoder.
      class_names: `[C]`; other classes of the artifact stay as they are.
      class_counts: `[C]`, images of each.

    Raises:
      ArtifactError: if the encoder is missing, or for a file too old.
      LgcError: if classes share their components, for a class that a model
        which is told labels does not know, or for numbers that do not fit the
        artifact's steps.
    """
    encoder = self.check_refit()
    new = [name for name in class_names if name not in self.class_names]
    if self.num_conditions and new:
      raise LgcError(f'class_names: {new[0]!r} is no class that the model was '
                     'told of; compress all data anew')
    classes = {its.name: its for its in _classes(self)}
    for its in _fitted(encoder.config, mixture, class_names, class_counts,
                       list(classes.values())):
      if its.name in classes:  # What the decoder is told of it stays.
        its = its._replace(condition=classes[its.name].condition)
      classes[its.name] = its
    return dataclasses.replace(
        _joined(self, list(classes.values()), keeps_classes=True), privacy=None)


def merge(a: AnyEditable, b: AnyEditable) -> AnyEditable:
  """The classes of two artifacts that have one decoder.

  Such are made of one by `without_class` and `updated`. The classes of `a` come
  first; each counts for as many images as before, which `reweighted` changes.
  Where a tensor of the mixtures of `b` was rounded by another step than that of
  `a`, it is rounded again by this; all other integers stay. Guarantees of
  privacy are not carried over: nobody knows whether the two share images.

  ```python
  run = tfp_lgc.load_with_encoder('out')
  theirs = run.updated(images, np.char.add('new ', labels))
  for name in run.class_names:
    theirs = theirs.without_class(name)   # Their own classes are left.
  both = tfp_lgc.merge(run, theirs)
  ```

  Args:
    a: an `Artifact`.
    b: another.

  Returns:
    An artifact like `a`. It has the encoder of `a`, unless the model is told
    labels, whose encoder knows the classes of one run.

  Raises:
    LgcError: if they do not have the same decoder, settings and temperature, or
      have a class in common, or have no mixtures by class.
  """
  for name, artifact in (('a', a), ('b', b)):
    if not isinstance(artifact, Editable):
      raise LgcError(f'{name}: got {type(artifact).__name__}; must be an '
                     'Artifact, as tfp_lgc.load opens it')
  for what in ('image_shape', 'temperature', 'model'):
    if getattr(a, what) != getattr(b, what):
      raise LgcError(f'b: has another {what} than a; only artifacts of one '
                     'decoder can be merged')
  first, second = _decoder(a), _decoder(b)
  differing = [name for name in sorted({*first, *second})
               if not _same(first.get(name), second.get(name))]
  if differing or bool(a.num_conditions) != bool(b.num_conditions):
    raise LgcError(f'b: has another {(differing or ["condition"])[0]} than a; '
                   'only artifacts of one decoder can be merged')
  common = set(a.class_names) & set(b.class_names)
  if common:
    raise LgcError(f'b: has class {min(common)!r}, and so has a; take it out '
                   'of one of them by without_class')
  return dataclasses.replace(_joined(a, _classes(a) + _classes(b)),
                             privacy=None)


def _fitted(config: Config, mixture: Mixture, names: Sequence[str],
            counts: Sequence[int], classes: list[_Class]) -> list[_Class]:
  """Classes of new images, in the steps of the artifact."""
  rows = packing.mixture_numbers(mixture, config.mixture.covariance_rank)
  tensors = {name: _like([its.tensors[name] for its in classes
                          if name in its.tensors], value,
                         packing.bits_of(name, config.codec.mixture_bits),
                         'images')
             for name, value in rows.items()}
  return [_Class(*parts, None) for parts in zip(
      names, counts, mixture.num_components,
      mixture.structures,
      _by_class(tensors, mixture.num_components, mixture.structures))]


def _position(artifact: Editable, name) -> int:
  """Of a class in `class_names`; a number stands for the class whose name it
  is."""
  if str(name) not in artifact.class_names:
    names = artifact.class_names
    listed = ', '.join(names[:20]) + (', ...' if len(names) > 20 else '')
    raise LgcError(f'name = {str(name)!r}: is no class of the artifact; choose '
                   f'from {listed}')
  return artifact.class_names.index(str(name))


def _telling(tensors: list[Quantized]) -> Optional[Quantized]:
  """The first that is not all zero, whose step means something; or None."""
  return next((tensor for tensor in tensors if tensor.values.any()), None)


def _like(tensors: list[Quantized], x: np.ndarray, bits: int,
          argument: str) -> Quantized:
  """Numbers as integers of the step that others of their kind have; of one of
  their own, with so many bits, if these are all zero, as log-weights of single
  components are. `argument` is where they come from, for the error."""
  tensor = _telling(tensors)
  if tensor is None:
    return quantize(x, bits)
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
    counts = packing.class_rows(name, num_components, structures)
    parts = np.split(tensor.values, np.cumsum(counts)[:-1])
    for its, part in zip(result, parts):
      if len(part):
        its[name] = tensor._replace(values=part)
  return result


def _first_kernel(artifact: Editable) -> str:
  """The name of the one tensor that has rows for labels."""
  return next(name for name in artifact.tensors
              if name.startswith('decoder/') and name.endswith('/kernel'))


def _decoder(artifact: Editable) -> dict[str, Quantized]:
  """What makes images of latents, without what is of one class alone."""
  tensors = {name: tensor for name, tensor in artifact.tensors.items()
             if not name.startswith('mixture/')}
  name = _first_kernel(artifact)
  kernel = tensors[name]
  tensors[name] = kernel._replace(
      values=kernel.values[:len(kernel.values) - artifact.num_conditions])
  return tensors


def _same(a: Optional[Quantized], b: Optional[Quantized]) -> bool:
  return (a is not None and b is not None and a.bits == b.bits
          and np.array_equal(a.values, b.values)
          and np.array_equal(a.steps, b.steps))


def _classes(artifact: Editable) -> list[_Class]:
  """What is of each class alone.

  Raises:
    LgcError: if classes share components that were fitted to all of them.
  """
  structures, num_classes = artifact.structures, len(artifact.class_names)
  if len(structures) < num_classes and structures != ('prior',):
    raise LgcError('latent_model = global: classes share their components, and '
                   'what is of one of them cannot be told apart; compress the '
                   'data anew, with gmm to edit what comes of it')
  mixture = {name: tensor for name, tensor in artifact.tensors.items()
             if name.startswith('mixture/')}
  if structures == ('prior',) and num_classes == 1:
    mixture = {}
  rows = _by_class(mixture, artifact.num_components, structures)
  for k, its in zip(artifact.num_components, rows):
    if k == 1 and structures != ('prior',):
      # Its weight is 1, whatever a logarithm was rounded to.
      weight = its['mixture/log_weights']
      its['mixture/log_weights'] = weight._replace(values=0 * weight.values)
  kernel = artifact.tensors[_first_kernel(artifact)]
  first = len(kernel.values) - artifact.num_conditions
  conditions = [kernel._replace(values=kernel.values[first + i:first + i + 1])
                if artifact.num_conditions else None
                for i in range(num_classes)]
  return [_Class(*parts) for parts in zip(
      artifact.class_names, artifact.class_counts, artifact.num_components,
      np.resize(np.array(structures, object), num_classes), rows, conditions)]


def _joined(artifact: AnyEditable, classes: list[_Class],
            keeps_classes: bool = False) -> AnyEditable:
  """The same decoder with other classes; `keeps_classes` says that those of the
  encoder keep their positions."""
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
  tensors = _decoder(artifact)
  fields: dict[str, Any] = {}
  if artifact.num_conditions:
    kernel = _first_kernel(artifact)
    tensors[kernel] = _concatenated([tensors[kernel], *[
        its.condition for its in classes if its.condition]])
    fields['num_conditions'] = len(classes)
    if not keeps_classes:
      fields['encoder'] = None
  for name in dict.fromkeys(name for its in classes for name in its.tensors):
    tensors[name] = _concatenated([its.tensors[name] for its in classes
                                   if name in its.tensors])
  edited = dataclasses.replace(
      artifact, tensors=tensors,
      class_names=tuple(its.name for its in classes),
      class_counts=tuple(its.size for its in classes),
      num_components=tuple(its.num_components for its in classes),
      structures=('prior',) if is_prior else tuple(
          its.structure for its in classes), **fields)
  edited.check()
  return edited


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
      part = _like([first], dequantize(part), first.bits, 'b')
    again.append(part)
  return Quantized(np.concatenate([part.values for part in again]),
                   first.steps, max(part.bits for part in again))
