"""Encoding a data set of any size, as a Beam pipeline.

The images are cut into pieces by position. A worker reads a piece, encodes it
and writes its latents as one file of records, one for each class that occurs,
so that EM is given batches of one class.
"""

import dataclasses
from typing import Any, Iterator, NamedTuple, Optional, Sequence

import apache_beam as beam
import numpy as np
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from tfp_lgc import beam_files, encoder, sources
from tfp_lgc.artifact import Artifact
from tfp_lgc.beam_files import Latents
from tfp_lgc.config import DataConfig
from tfp_lgc.errors import ConfigError, LgcError

__all__ = ['PIECE_SIZE', 'Read', 'encode', 'latents_of', 'pieces_of']

# Images that are encoded by one call, as `Autoencoder.encode_all` does.
BATCH_SIZE = 1000
# Images of one file. A thousand classes of as many images each have 64 of
# them, and are summed up by so many.
PIECE_SIZE = 64 * BATCH_SIZE


class _Piece(NamedTuple):
  """A file: of images from position `first` to before `stop`."""
  path: str
  first: int
  stop: int


def encode(artifact: Artifact, data: DataConfig, output: str,
           options: Optional[PipelineOptions] = None,
           piece_size: int = PIECE_SIZE) -> None:
  """Writes the latents of all train images of a data set.

  They are those that the mixtures of the artifact's run were fitted to, each
  once, whatever its `hard_copies`: draws of the posterior, or its means, the
  same that one process makes of the same images in the same order, unless
  `--max_memory` made that process encode fewer than 1,000 images at a time:
  draws go by batches, and this makes those of whole ones. What a run that was
  killed left is taken up again.

  ```python
  artifact = tfp_lgc.load_with_encoder('out')
  encode(artifact, DataConfig(dataset='digits'), 'latents')
  latents, labels = latents_of('latents')   # If they fit into memory.
  ```

  Args:
    artifact: with its encoder.
    data: which data set; one of TFDS is read by the files that a piece is in.
    output: a directory that does not exist, or that of the same run.
    options: of Beam.
    piece_size: images of a file, a multiple of 1,000.

  Raises:
    ArtifactError: if the artifact is without its encoder.
    DataError: if the data set cannot be read.
    ConfigError: if another run wrote to `output`, or for another `piece_size`.
    LgcError: if the images are not as the artifact has them.
  """
  its = artifact.check_refit()
  if piece_size < 1 or piece_size % BATCH_SIZE:
    raise ConfigError(f'piece_size = {piece_size}: must be a multiple of '
                      f'{BATCH_SIZE}')
  source = sources.load(data)
  if source.train.image_shape != artifact.image_shape:
    raise LgcError(f'dataset = {data.dataset!r}: its images are '
                   f'{source.train.image_shape}; must be '
                   f'{artifact.image_shape}, as the artifact has them')
  if artifact.num_conditions and source.class_names != artifact.class_names:
    raise LgcError(f'dataset = {data.dataset!r}: has other classes than the '
                   'artifact, whose encoder is told them')
  num_images = source.train.num_examples
  beam_files.claim(output, {
      'artifact': artifact.checksum, 'class_names': list(source.class_names),
      'data': dataclasses.asdict(data), 'num_images': num_images,
      'piece_size': piece_size})
  pieces = pieces_of(output, num_images, piece_size)
  with beam.Pipeline(options=options) as pipeline:
    _ = (pipeline
         | 'Pieces' >> beam.Create(pieces)
         # Or one worker would be given all of them.
         | 'Spread' >> beam.Reshuffle()
         | 'Encode' >> beam.ParDo(_Encode(*its.to_parts(), data, output)))


def pieces_of(output: str, num_images: int, piece_size: int) -> list[_Piece]:
  """The files of a data set."""
  firsts = range(0, num_images, piece_size)
  return [
      _Piece(beam_files.join(output, f'latents-{i:05d}-of-{len(firsts):05d}'
                             '.tfrecord'), first,
             min(first + piece_size, num_images))
      for i, first in enumerate(firsts)]


class _Encode(beam.DoFn):
  """Writes the file of a piece, if it does not stand."""

  def __init__(self, settings: dict[str, Any], weights: Sequence[np.ndarray],
               data: DataConfig, output: str):
    """Takes what a pickle can hold; see `Encoder.to_parts`."""
    self._settings, self._weights = settings, weights
    self._data, self._output = data, output

  def setup(self):
    """Once a worker."""
    self._encoder = encoder.from_parts(self._settings, self._weights)
    self._part = sources.parts(self._data)

  def process(self, piece: _Piece):
    if tf.io.gfile.exists(piece.path):
      return
    split = self._part(piece.first, piece.stop)
    labels = np.concatenate([
        labels for _, labels in split.batches(BATCH_SIZE).as_numpy_iterator()])
    points = self._encoder.points(split, piece.first // BATCH_SIZE)
    with beam_files.placed(piece.path, self._output) as aside:
      with tf.io.TFRecordWriter(aside) as writer:
        for label in np.unique(labels):
          [rows] = np.nonzero(labels == label)
          writer.write(beam_files.to_record(Latents(
              int(label), piece.first + rows, points[rows])))


class Read(beam.PTransform):
  """The `Latents` that `encode` wrote, file by file on whichever worker."""

  def __init__(self, directory: str):
    super().__init__()
    self._directory = directory

  def expand(self, pipeline):
    note = beam_files.settings_of(self._directory)
    pieces = pieces_of(self._directory, note['num_images'], note['piece_size'])
    return (pipeline
            | 'Files' >> beam.Create([piece.path for piece in pieces])
            | 'Spread' >> beam.Reshuffle()
            | 'Records' >> beam.FlatMap(_records))


def _records(path: str) -> Iterator[Latents]:
  for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
    yield beam_files.from_record(record)


def latents_of(directory: str) -> tuple[np.ndarray, np.ndarray]:
  """What `encode` wrote, in memory.

  Returns:
    latents: float32 `[N, d]`, in the order of the images.
    labels: int32 `[N]`.
  """
  settings = beam_files.settings_of(directory)
  pieces = pieces_of(directory, settings['num_images'], settings['piece_size'])
  rows = [row for piece in pieces for row in _records(piece.path)]
  order = np.argsort(np.concatenate([row.positions for row in rows]))
  labels = np.concatenate([np.full(len(row.points), row.label, np.int32)
                           for row in rows])
  return np.concatenate([row.points for row in rows])[order], labels[order]
