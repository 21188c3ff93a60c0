"""What the page about a run is made from, and made of."""

import dataclasses
import functools
from typing import NamedTuple, Optional, Sequence, Union

import numpy as np

from tfp_lgc import reporting
from tfp_lgc.artifact import Artifact
from tfp_lgc.data import array_split, Images, Source
from tfp_lgc.reporting import Picture
from tfp_lgc.runs import Run

__all__ = ['Block', 'MAX_CLASSES', 'Missing', 'Real', 'Table', 'View']

# Classes that are shown one by one.
MAX_CLASSES = 20


class Missing(Exception):
  """Why a section cannot be made, as a sentence."""


class Table(NamedTuple):
  """A table whose first column names the rows.

  Attributes:
    caption: what it is.
    head: names of the columns.
    rows: of the table, as people read them.
  """
  caption: str
  head: Sequence[str]
  rows: Sequence[Sequence[str]]


Block = Union[str, Table, Picture]


class Real(NamedTuple):
  """What of a data set is looked at.

  Attributes:
    source: all of it.
    split_name: what `images` are of.
    images: at most 2,000, of the test split if there is one.
    train: at most 10,000 of the train split.
    lossless: the best lossless code of the train split and its bytes; None if
      it was not measured.
  """
  source: Source
  split_name: str
  images: Images
  train: Images
  lossless: Optional[tuple[str, int]]


@dataclasses.dataclass(frozen=True, eq=False)
class View:
  """A run, and the images that it was made from.

  Attributes:
    run: its folder.
    real_or_reason: the images, or why they are not at hand.
    seed: of all that is drawn at random.
  """
  run: Run
  real_or_reason: Union[Real, str]
  seed: int

  @property
  def real(self) -> Real:
    if isinstance(self.real_or_reason, str):
      raise Missing('This needs the images that were compressed: '
                    f'{self.real_or_reason}.')
    return self.real_or_reason

  @functools.cached_property
  def z(self) -> np.ndarray:
    """Means of the posteriors of `real.images`, `[N, d]`."""
    return reporting.latents(self._with_encoder(), self.real.images)

  @functools.cached_property
  def fitted(self) -> np.ndarray:
    """Latents of `real.train` as the mixture was fitted to, `[N, d]`."""
    encoder, train = self._with_encoder().encoder, self.real.train
    assert encoder is not None
    encoded = encoder.model.encode_all(array_split(
        train.images, train.labels, keep_order=True))
    statistic = encoder.config.mixture.latent_statistic
    return getattr(encoded, statistic)[:, encoder.kept]

  def _with_encoder(self) -> Artifact:
    if self.run.artifact.encoder is None:
      raise Missing('This needs the encoder, which is not in the folder of the '
                    'run.')
    return self.run.artifact

  @property
  def names(self) -> tuple[str, ...]:
    return self.run.artifact.class_names

  @property
  def first_names(self) -> tuple[str, ...]:
    """Of the classes that are shown one by one."""
    return self.names[:MAX_CLASSES]

  @property
  def only_first(self) -> str:
    if len(self.names) <= MAX_CLASSES:
      return ''
    return f' The first {MAX_CLASSES} of {len(self.names)} classes.'
