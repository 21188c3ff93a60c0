"""The compressed data set: decoder and mixture as quantized tensors.

What is packed is what samples: the compact file and the SavedModel hold the
same numbers, those that came back from quantization.
"""

import dataclasses
import functools
import json
import pathlib
import shutil
import warnings
from typing import Any, Callable, Iterable, Optional

import numpy as np
import tensorflow_probability as tfp

from tfp_lgc import (
  card,
  container,
  joint,
  layout,
  litert,
  models,
  rebuilding,
  signatures,
  warmup,
)
from tfp_lgc import config as config_lib
from tfp_lgc.autoencoder import Autoencoder
from tfp_lgc.codec import quantize, Quantized
from tfp_lgc.config import CodecConfig, Config
from tfp_lgc.editing import Editable
from tfp_lgc.encoder import Encoder, ENCODER_NAME
from tfp_lgc.errors import ArtifactError, ConfigError
from tfp_lgc.folding import decoder_weights
from tfp_lgc.header import for_drawing, Header, LABELS
from tfp_lgc.layout import Path
from tfp_lgc.limits import limits
from tfp_lgc.locking import only_writer
from tfp_lgc.mixture import Mixture
from tfp_lgc.options import ExportConfig
from tfp_lgc.packing import (
  pack_mixture,
  unpack_mixture,
  unpack_texture,
  vector_bits,
)
from tfp_lgc.runfile import RUN_NAME
from tfp_lgc.sampler import Sampler
from tfp_lgc.staging import recover, replacing
from tfp_lgc.texture import Texture

__all__ = ['Artifact']

tfd = tfp.distributions

# What names of tensors begin with.
_PARTS = ('decoder/', 'head/', 'mixture/', 'texture/')


@dataclasses.dataclass(frozen=True, eq=False)  # Arrays have no one truth.
class Artifact(Editable):
  """A compressed data set.

  ```python
  artifact = tfp_lgc.load('out/artifact.lgc')
  artifact.mixture(2).sample(5)   # latents of the third class
  ```

  Attributes:
    tensors: name -> quantized tensor, see `pack`.
    encoder: of the run that made it, if it is at hand; not a part of the files
      that are sent. The others are those of `Header`.
  """

  @classmethod
  def pack(cls, model: Autoencoder, mixture: Mixture, class_names,
           class_counts, config: Config, kept: Optional[np.ndarray] = None,
           fill: Optional[np.ndarray] = None) -> 'Artifact':
    """Quantizes a trained model and its mixture.

    Tensors: `decoder/LAYER/kernel` and `decoder/LAYER/bias`, the same with
    `head` for those of a flow, and those of packing.py.

    Args:
      model: trained.
      mixture: over the latents that are kept.
      class_names: one string a class.
      class_counts: training images of each class.
      config: settings of the model, the mixture and the codec.
      kept: bool `[latent_size]`, see folding.py; None for all of them.
      fill: float `[latent_size]`, what the others are replaced by.
    """
    codec: CodecConfig = config.codec
    size = config.model.latent_size
    kept = np.ones(size, bool) if kept is None else kept
    weights = decoder_weights(model.decoder, kept,
                              np.zeros(size) if fill is None else fill)
    weights = {f'decoder/{name}': value for name, value in weights.items()}
    weights.update((f'head/{name}', variable.numpy())
                   for name, variable in model.head.weights.items())
    bits = codec.decoder_bits
    tensors = {name: quantize(value, bits if value.ndim > 1
                              else vector_bits(bits))
               for name, value in weights.items()}
    tensors.update(pack_mixture(mixture, codec.mixture_bits,
                                config.mixture.covariance_rank))
    return cls(
        dataclasses.replace(for_drawing(config.model),
                            latent_size=int(kept.sum())),
        model.head.event_shape, tuple(class_names),
        tuple(int(count) for count in class_counts), mixture.num_components,
        mixture.structures, model.num_conditions, config.mixture.temperature,
        tensors, Encoder(config, len(class_names), model, kept),
        hard_copies=config.mixture.hard_copies)

  @functools.cached_property
  def mixture(self) -> Mixture:
    """p(z | y) of every class, `mixture(label)` a `tfd.MixtureSameFamily`."""
    prior = models.prior(self.model) if 'prior' in self.structures else None
    return unpack_mixture(self.tensors, self.num_components, self.structures,
                          self.model.latent_size, prior)

  def replaced(self, tensors: dict[str, Quantized]) -> 'Artifact':
    """The same with some tensors that are other ones, or new."""
    return dataclasses.replace(self, tensors={**self.tensors, **tensors})

  def joint_distribution(self) -> tfd.JointDistributionNamed:
    """p(label, latent, image) with this artifact's temperature and head, but
    no texture; joint.py has examples with tfp.mcmc and tfp.vi.

    ```python
    artifact.joint_distribution().sample(16)['image']   # [16, H, W, C], 0..1
    ```

    Raises:
      LgcError: for a temperature of 0, at which latents have no density.
    """
    return joint.joint_distribution(self.sampler, self.mixture,
                                    self.temperature)

  @functools.cached_property
  def texture(self) -> Optional[Texture]:
    """What is added to drawn images, or None."""
    if not any(name.startswith('texture/') for name in self.tensors):
      return None
    return unpack_texture(self.tensors, self.image_shape[-1])

  @functools.cached_property
  def sampler(self) -> Sampler:
    """Decoder and mixture as TensorFlow functions."""
    decoder, head = rebuilding.rebuilt(self, self.tensors)
    with np.errstate(divide='ignore'):
      log_prior = np.log(np.array(self.class_counts) / sum(self.class_counts))
    return Sampler(decoder, head, self.mixture, log_prior, self.num_conditions,
                   self.temperature, self.texture)

  @functools.cached_property
  def _content(self) -> bytes:
    content = container.dumps(self.to_json(), self.tensors)
    # Or no loader would take it.
    self.check_padding(limits(len(content)).padded)
    return content

  def to_bytes(self) -> bytes:
    """The content of artifact.lgc."""
    return self._content

  @property
  def checksum(self) -> str:
    """SHA-256 of `to_bytes` without its last 32 bytes, which are the same."""
    return container.checksum(self._content)

  @property
  def num_bytes(self) -> int:
    """Size of artifact.lgc, as it would be saved now: files of an older version
    take more."""
    return len(self._content)

  @property
  def num_bytes_by_part(self) -> dict[str, int]:
    """The same by what they are of: decoder (with head and texture), mixture,
    labels (their names and counts) and header (settings, descriptions of
    tensors, checksum)."""
    sizes, labels = container.sizes(self._content, LABELS)
    mixture = sum(size for name, size in sizes.items()
                  if name.startswith('mixture/'))
    decoder = sum(sizes.values()) - mixture
    return {'decoder': decoder, 'mixture': mixture, 'labels': labels,
            'header': self.num_bytes - decoder - mixture - labels}

  @classmethod
  def from_bytes(cls, content: bytes, name: str = 'artifact') -> 'Artifact':
    """The inverse of `to_bytes`; `name` is for errors.

    Raises:
      ArtifactError: for bytes that `to_bytes` of no version made.
    """
    header, tensors = container.loads(content, name)
    try:
      artifact = cls(tensors=tensors, **Header.fields(header))
      artifact.check()
      artifact.check_padding(limits(len(content)).padded)
      _ = artifact.mixture, artifact.texture  # Refuse other shapes.
      for tensor in tensors:
        if not tensor.startswith(_PARTS):
          raise ArtifactError(f'there is no tensor {tensor!r}')
    except (KeyError, TypeError, ConfigError, ArtifactError) as error:
      raise ArtifactError(f'{name}: the header does not describe an artifact: '
                          f'{str(error)[:1000]}') from error
    return artifact

  def save(self, directory: Path, metrics: Iterable[dict[str, Any]] = (),
           overwrite: bool = False, say: Callable[[str], Any] = warnings.warn,
           source: str = card.UNKNOWN, license: str = card.UNKNOWN,
           run: str = '', **export) -> None:
    """Writes artifact.lgc, saved_model/1/, metrics.jsonl, the dataset card,
    encoder/ if it is at hand and artifact.tflite if it is asked for.

    All is made elsewhere and then put in place, artifact.lgc last: where that
    stands, all stands, however a run ended.

    Args:
      directory: made if it does not exist.
      metrics: rows of metrics.jsonl.
      overwrite: whether an artifact that stands there may be replaced, and what
        was written about it.
      say: is told in a line what could not be written.
      source: what the card calls the data set.
      license: what the card says of the license of its images.
      run: content of run.json, see runfile.py; empty for none.
      **export: settings of `ExportConfig` by name.

    Raises:
      ConfigError: if one stands there and may not be replaced, if another
        process is writing there, or for a setting that does not exist or is not
        allowed.
      OSError: if the disk is full or not to be written to.
    """
    directory = pathlib.Path(directory)
    settings = config_lib.replace(ExportConfig(), **export)
    layout.check_output(directory, overwrite)
    with only_writer(directory):
      # Another process may have written since, or been killed at it.
      recover(directory)
      layout.check_output(directory, overwrite)
      with replacing(directory, layout.OWNED) as new:
        layout.write(new / layout.LGC_NAME, self.to_bytes())
        version = new / layout.SAVED_MODEL_NAME / '1'
        signatures.save(self.sampler, str(version), settings.max_serving_batch)
        extra = version / 'assets.extra'
        extra.mkdir()
        shutil.copy(new / layout.LGC_NAME, extra / layout.LGC_NAME)
        if reason := warmup.missing():
          say(reason)
        else:
          warmup.write(extra / warmup.NAME, signatures.examples(self.sampler))
        if settings.export == 'litert':
          self.export_litert(new / layout.LITERT_NAME)
        self._write_about(new, list(metrics), source, license)
        if run:
          layout.write(new / RUN_NAME, run.encode())
        if self.encoder:
          self.encoder.save(new / ENCODER_NAME, self.checksum)

  def export_litert(self, path: Path) -> None:
    """Writes decoder and mixtures as a LiteRT model, see litert.py.

    Args:
      path: the .tflite file; one that stands there is replaced.

    Raises:
      LgcError: if LiteRT has no operations for the head, or for a directory.
      OSError: if the disk is full or not to be written to.
    """
    path = pathlib.Path(path)
    if path.is_dir():
      raise ConfigError(f'path = {str(path)!r}: is a directory, which is never '
                        'replaced; name a file')
    content = litert.convert(self.sampler)
    with replacing(path.parent, [path.name]) as new:
      layout.write(new / path.name, content)

  def write_metrics(self, directory: Path, metrics: Iterable[dict[str, Any]],
                    source: str = card.UNKNOWN, license: str = card.UNKNOWN,
                    ) -> None:
    """Replaces metrics.jsonl and the dataset card in one step; as `save`."""
    with replacing(pathlib.Path(directory),
                   [layout.METRICS_NAME, *card.CARD_NAMES]) as new:
      self._write_about(new, list(metrics), source, license)

  def _write_about(self, directory: pathlib.Path, rows: list[dict[str, Any]],
                   source: str, license: str) -> None:
    layout.write(directory / layout.METRICS_NAME, _lines(rows))
    summary = next((row for row in rows[::-1]
                    if row.get('event') == 'summary'), {})
    card.write(card.Card(
        self, self._content, self.num_bytes_by_part,
        card.smallest_component(self.mixture, self.class_counts,
                                self.hard_copies),
        summary, source, license), directory)


def _lines(rows: Iterable[dict[str, Any]]) -> bytes:
  return ''.join(json.dumps(row) + '\n' for row in rows).encode()
