"""Editing what was compressed: classes leave, come, or change how frequent they
are, and nothing is trained.

Integers of what stays are not touched, see classes.py. What all classes share
stays as well, the decoder and the steps of quantization above all: they were
made of the images of all classes.
"""

import dataclasses
import math
import numbers
from typing import Any, Mapping, Optional, Sequence, TypeVar

import numpy as np
import numpy.typing as npt

from tfp_lgc import latent, packing
from tfp_lgc.arrays import check_images, encode_labels
from tfp_lgc.classes import (
  fitted,
  joined,
  OneClass,
  taken_apart,
  without_classes,
)
from tfp_lgc.codec import Quantized
from tfp_lgc.data import array_split
from tfp_lgc.encoder import Encoder
from tfp_lgc.errors import ArtifactError, LgcError
from tfp_lgc.header import Header
from tfp_lgc.mixture import Mixture

__all__ = ['Editable', 'merge']

AnyEditable = TypeVar('AnyEditable', bound='Editable')


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
    classes = _parts(self)
    return _of_classes(self, classes[:label] + classes[label + 1:])

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
    the new mixtures have none. Each new image counts once, whatever
    `hard_copies` of the run: its teacher is not kept.

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
      raise ArtifactError('the artifact is of an earlier format version, whose '
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
    classes = {its.name: its for its in _parts(self)}
    for its in fitted(encoder.config, mixture, class_names, class_counts,
                      list(classes.values())):
      if its.name in classes:  # What the decoder is told of it stays.
        its = its._replace(condition=classes[its.name].condition)
      classes[its.name] = its
    is_all_new = set(classes) == set(class_names)
    return dataclasses.replace(
        _of_classes(self, list(classes.values()), keeps_classes=True),
        hard_copies=1 if is_all_new else self.hard_copies, privacy=None)


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
  first, second = [without_classes(one, one.tensors) for one in (a, b)]
  differing = [name for name in sorted({*first, *second})
               if not _same(first.get(name), second.get(name))]
  if differing or bool(a.num_conditions) != bool(b.num_conditions):
    raise LgcError(f'b: has another {(differing or ["condition"])[0]} than a; '
                   'only artifacts of one decoder can be merged')
  common = set(a.class_names) & set(b.class_names)
  if common:
    raise LgcError(f'b: has class {min(common)!r}, and so has a; take it out '
                   'of one of them by without_class')
  return dataclasses.replace(_of_classes(a, _parts(a) + _parts(b)),
                             hard_copies=max(a.hard_copies, b.hard_copies),
                             privacy=None)


def _position(artifact: Editable, name) -> int:
  """Of a class in `class_names`; a number stands for the class whose name it
  is."""
  if str(name) not in artifact.class_names:
    names = artifact.class_names
    listed = ', '.join(names[:20]) + (', ...' if len(names) > 20 else '')
    raise LgcError(f'name = {str(name)!r}: is no class of the artifact; choose '
                   f'from {listed}')
  return artifact.class_names.index(str(name))


def _same(a: Optional[Quantized], b: Optional[Quantized]) -> bool:
  return (a is not None and b is not None and a.bits == b.bits
          and np.array_equal(a.values, b.values)
          and np.array_equal(a.steps, b.steps))


def _parts(artifact: Editable) -> list[OneClass]:
  return taken_apart(artifact, artifact.tensors)


def _of_classes(artifact: AnyEditable, classes: list[OneClass],
                keeps_classes: bool = False) -> AnyEditable:
  """The same decoder with other classes; `keeps_classes` says that those of the
  encoder keep their positions."""
  fields = joined(artifact, artifact.tensors, classes)
  if artifact.num_conditions and not keeps_classes:
    fields['encoder'] = None
  edited = dataclasses.replace(artifact, **fields)
  edited.check()
  return edited
