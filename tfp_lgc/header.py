"""What a file says of an artifact beside its tensors."""

import dataclasses
from typing import Any, Optional

import numpy as np

from tfp_lgc import config as config_lib
from tfp_lgc import guarantee, networks
from tfp_lgc.config import MixtureConfig, ModelConfig
from tfp_lgc.covariance import COVARIANCES, has_one_factor
from tfp_lgc.errors import ArtifactError, PaddingError
from tfp_lgc.limits import MAX_CLASSES, MAX_ELEMENTS

__all__ = ['DRAWING', 'LABELS', 'Header', 'OPTIONAL_DRAWING', 'TRAINING',
           'for_drawing']

# Settings that decoder, head and prior are rebuilt from. A file has all of
# them, whatever they are, so that a default may change.
DRAWING = ('model', 'trunk', 'head', 'head_num_components', 'loc_activation',
           'latent_size', 'hidden_size', 'num_filters', 'width',
           'prior_num_components', 'prior_separation', 'min_stddev',
           'max_head_params')
# Those that are there only if they say something, and what they say otherwise:
# readers of before refuse files whose decoder they cannot build.
OPTIONAL_DRAWING: dict[str, Any] = {'grid_filters': 0}
# Those that a file does not have: they matter to training alone, or, as
# `texture`, show in its tensors.
TRAINING = ('beta', 'contrastive_weight', 'contrastive_form',
            'contrastive_temperature', 'center_weight', 'prior_weight',
            'noise_stddev', 'texture')
# What files of versions 1 and 2 need not say, as it was when they were made.
_EARLIER = {'head_num_components': 0, 'loc_activation': 'linear', 'width': 1.0,
            'max_head_params': 2**18}

# Keys that are about labels.
LABELS = ('class_names', 'class_counts')
_TUPLES = ('image_shape', *LABELS, 'num_components', 'structures')
_SCALARS = ('num_conditions', 'temperature')
# Keys that are there only if they say something, and what they say otherwise.
_OPTIONAL: dict[str, Any] = {'privacy': None, 'hard_copies': 1}


def for_drawing(model: ModelConfig) -> ModelConfig:
  """The settings that drawing reads, and the defaults of the others."""
  return ModelConfig(**{name: getattr(model, name)
                        for name in (*DRAWING, *OPTIONAL_DRAWING)})


def _said(holder, optional: dict[str, Any]) -> dict[str, Any]:
  """Attributes that are not what they are otherwise."""
  return {name: getattr(holder, name) for name, default in optional.items()
          if getattr(holder, name) != default}


@dataclasses.dataclass(frozen=True, eq=False)
class Header:
  """All of an artifact but its tensors.

  Attributes:
    model: settings that the decoder is rebuilt from; those that matter to
      training alone have their defaults.
    image_shape: `(H, W, C)`.
    class_names: one string a class.
    class_counts: training images of each class, or what editing made of their
      number; classes are drawn in proportion.
    num_components: of each class' mixture.
    structures: of the covariances of each row of components, see `Mixture`.
    num_conditions: classes that the decoder is told; 0 if it is told none.
    temperature: what covariances are multiplied by when latents are drawn.
    privacy: what of differential privacy holds of the train split, see
      `guarantee.described`; None if nothing does.
    hard_copies: how often hard images counted when mixtures were fitted.
  """
  model: ModelConfig
  image_shape: tuple[int, int, int]
  class_names: tuple[str, ...]
  class_counts: tuple[int, ...]
  num_components: tuple[int, ...]
  structures: tuple[str, ...]
  num_conditions: int
  temperature: float
  privacy: Optional[dict[str, Any]] = dataclasses.field(default=None,
                                                        kw_only=True)
  hard_copies: int = dataclasses.field(default=1, kw_only=True)

  def to_json(self) -> dict[str, Any]:
    """As it stands in a file."""
    model = {**{name: getattr(self.model, name) for name in DRAWING},
             **_said(self.model, OPTIONAL_DRAWING)}
    return {'model': model, **{key: getattr(self, key)
                               for key in (*_TUPLES, *_SCALARS)},
            **_said(self, _OPTIONAL)}

  @staticmethod
  def fields(header: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments of a `Header`, of what stands in a file of any version.

    Raises:
      KeyError, TypeError, ConfigError, ArtifactError: if it is none.
    """
    if unknown := set(header) - {'model', *_OPTIONAL, *_TUPLES, *_SCALARS}:
      raise ArtifactError(f'there is no {sorted(unknown)[0]!r}')
    header = {'structures': ['full'] * len(header['class_names']),
              'num_conditions': 0, 'temperature': 1.0, **header}
    if not all(isinstance(header[key], list) for key in _TUPLES):
      raise ArtifactError(f'{", ".join(_TUPLES)} must be lists')
    settings = {**_EARLIER, **header['model']}
    if unknown := set(settings) - {*DRAWING, *OPTIONAL_DRAWING, *TRAINING}:
      raise ArtifactError(f'there is no setting {sorted(unknown)[0]!r}')
    if missing := set(DRAWING) - set(settings):
      raise ArtifactError(f'model has no {", ".join(sorted(missing))}')
    model = config_lib.replace(ModelConfig(), **settings)
    return {'model': for_drawing(model),
            **{key: tuple(header[key]) for key in _TUPLES},
            **{key: header[key] for key in _SCALARS},
            **{key: header.get(key, default)
               for key, default in _OPTIONAL.items()}}

  def check(self) -> None:
    """Refuses parts that do not fit each other."""
    def counts(values, low):
      return all(type(value) is int and low <= value < 2**53
                 for value in values)

    num_classes = len(self.class_names)
    if not (len(self.image_shape) == 3 and counts(self.image_shape, 1)
            and np.prod(np.array(self.image_shape, float)) <= 2**28
            and self.image_shape[2] in (1, 3)):
      raise ArtifactError(f'image_shape = {self.image_shape}')
    if num_classes > MAX_CLASSES:
      raise ArtifactError(f'{num_classes} classes; at most {MAX_CLASSES} are '
                          'allowed')
    if not (num_classes and counts(self.class_counts, 0)
            and counts(self.num_components, 1) and sum(self.class_counts)
            and len(self.class_counts) == len(self.num_components)
            == num_classes
            and all(isinstance(name, str) for name in self.class_names)
            and len(set(self.class_names)) == num_classes):
      raise ArtifactError('class_names, class_counts and num_components do not '
                          'fit')
    self.check_padding(MAX_ELEMENTS)
    if not set(self.structures) <= {*COVARIANCES, 'prior'}:
      raise ArtifactError(f'structures = {self.structures}')
    if networks.code_size(self.model, self.image_shape):
      raise ArtifactError(f'trunk = {self.model.trunk}')
    if (type(self.num_conditions) is not int
        or self.num_conditions not in (0, num_classes)):
      raise ArtifactError(f'num_conditions = {self.num_conditions}')
    config_lib.replace(MixtureConfig(), temperature=self.temperature,
                       hard_copies=self.hard_copies)
    if type(self.hard_copies) is not int or (
        self.privacy and self.hard_copies > 1):
      raise ArtifactError(f'hard_copies = {self.hard_copies}')
    guarantee.check_described(self.privacy)

  def check_padding(self, most: int) -> None:
    """Refuses mixtures that take much more memory than their tensors, for all
    classes are padded to the same number of components.

    Args:
      most: numbers that their weights and factors may have; where there is one
        factor of several components of a row, means count too.
    """
    num_classes, largest = len(self.class_names), max(self.num_components)
    if 'prior' in self.structures:
      largest = max(largest, self.model.prior_num_components)
    size = self.model.latent_size
    # Whatever a file says of the components of a prior.
    is_one = 'prior' not in self.structures and has_one_factor(
        self.structures, self.num_components)
    row = size * (largest + size if is_one and largest > 1 else largest * size)
    if num_classes * largest + len(self.structures) * row > most:
      raise PaddingError(
          f'{num_classes} classes of up to {largest} components, padded, are '
          f'more than {most} numbers; compress with fewer components or '
          'latents')
