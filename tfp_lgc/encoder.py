"""From images to the latents of an artifact: what is kept and never sent.

An artifact has a decoder only. Its encoder stands beside it, in the folder
`encoder/` of a run, for whoever has the images: to look at reconstructions, to
augment a data set, to refit the mixtures.
"""

import dataclasses
import json
import os
import pathlib
from typing import Any, Sequence, Union

import numpy as np

from tfp_lgc import models
from tfp_lgc.autoencoder import Autoencoder
from tfp_lgc.config import Config
from tfp_lgc.data import Split
from tfp_lgc.errors import ArtifactError
from tfp_lgc.sources import read_npz

__all__ = ['ENCODER_NAME', 'Encoder', 'from_parts', 'load_encoder']

ENCODER_NAME = 'encoder'
_SETTINGS_NAME, _WEIGHTS_NAME = 'settings.json', 'weights.npz'


@dataclasses.dataclass(frozen=True, eq=False)  # Arrays have no one truth.
class Encoder:
  """The encoder of a run.

  ```python
  encoder = tfp_lgc.load_with_encoder('out').encoder
  z = encoder.latents(source.test)   # what artifact.sampler.decode takes
  ```

  Attributes:
    config: all settings of the run.
    num_classes: of its data set.
    model: the autoencoder; of a loaded one only the encoder is trained.
    kept: bool `[latent_size]`, the latents that the artifact has, see
      folding.py.
  """
  config: Config
  num_classes: int
  model: Autoencoder
  kept: np.ndarray

  def latents(self, split: Split) -> np.ndarray:
    """Means of the posteriors of all images, in the order of the split, float32
    `[N, d]`, d as in the artifact."""
    return self.model.encode_all(split).mean[:, self.kept]

  def points(self, split: Split, first_batch: int = 0) -> np.ndarray:
    """What mixtures are fitted to, `config.mixture.latent_statistic` of all
    images, float32 `[N, d]`; see `Autoencoder.encode_all`."""
    encoded = self.model.encode_all(split, first_batch=first_batch)
    return getattr(encoded, self.config.mixture.latent_statistic)[:, self.kept]

  def to_parts(self) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What `from_parts` makes the same of: settings that JSON can hold, and
    weights."""
    return {'config': json.loads(self.config.to_json()),
            'image_shape': self.model.head.event_shape,
            'num_classes': self.num_classes,
            'kept': [int(i) for i in np.flatnonzero(self.kept)],
            }, self.model.encoder.get_weights()

  def save(self, directory: pathlib.Path, checksum: str) -> None:
    """Writes settings.json and weights.npz into a new directory; `checksum` is
    that of the artifact."""
    directory.mkdir()
    settings, weights = self.to_parts()
    (directory / _SETTINGS_NAME).write_text(json.dumps(
        {'checksum': checksum, **settings}, indent=1))
    # No HDF5: Keras reads a damaged one without end.
    np.savez_compressed(directory / _WEIGHTS_NAME, *weights)


def from_parts(settings: dict[str, Any], weights: Sequence[np.ndarray],
               ) -> Encoder:
  """The inverse of `Encoder.to_parts`."""
  config = Config.from_json(json.dumps(settings['config']))
  model = models.build(config, tuple(settings['image_shape']),
                       settings['num_classes'])
  model.encoder.set_weights(list(weights))
  kept = np.zeros(config.model.latent_size, bool)
  kept[settings['kept']] = True
  return Encoder(config, settings['num_classes'], model, kept)


def load_encoder(model_dir: Union[str, os.PathLike], checksum: str) -> Encoder:
  """Opens the encoder that a run left in its folder.

  Args:
    model_dir: where `bin/compress` or `Artifact.save` wrote to.
    checksum: of the artifact that it has to be of.

  Raises:
    ArtifactError: if there is none, it is damaged, or of another artifact.
  """
  folder = pathlib.Path(model_dir) / ENCODER_NAME
  if not (folder / _SETTINGS_NAME).is_file():
    raise ArtifactError(
        f'{str(model_dir)!r}: there is no {ENCODER_NAME}/{_SETTINGS_NAME}; '
        'name the directory that bin/compress wrote to')
  try:
    settings: dict[str, Any] = json.loads((folder / _SETTINGS_NAME).read_text())
    if settings['checksum'] != checksum:
      raise ArtifactError('it is that of another artifact')
    return from_parts(settings,
                      list(read_npz(folder / _WEIGHTS_NAME).values()))
  except (OSError, LookupError, TypeError, ValueError,
          AttributeError) as error:
    raise ArtifactError(f'{folder}: cannot be used: {error}') from error
