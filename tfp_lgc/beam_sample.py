"""Drawing labelled images of any number, as a Beam pipeline.

An image depends on the seed and its position alone (sampler.py). So each worker
draws the files that it is given, and they are, to the last byte, those that
`lgc-sample --output_format=tfds` writes.
"""

import functools
from typing import Any, Mapping, Optional

import apache_beam as beam
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from tfp_lgc import beam_files, sampling, tfds_writer
from tfp_lgc.artifact import Artifact
from tfp_lgc.errors import ConfigError
from tfp_lgc.tfds_writer import Shard, UNFINISHED

__all__ = ['sample']


def sample(artifact: sampling.AnyArtifact, n: int, output: str,
           options: Optional[PipelineOptions] = None,
           splits: Optional[Mapping[str, int]] = None, **how) -> None:
  """Writes a TFDS data set of the images that `tfp_lgc.sample` draws.

  Each file takes its place when it is whole. The metadata, without which TFDS
  opens nothing, are written when all files are there: no directory is ever
  renamed, which object stores cannot do. What a run that was killed left is
  taken up again, as long as `OUTPUT.unfinished` is there.

  ```python
  import tensorflow_datasets as tfds
  sample('out', 1_000, 'samples', seed=1)
  tfds.builder_from_directory('samples')
  ```

  Args:
    artifact: an `Artifact`, or the path of one; workers need not see it.
    n: how many.
    output: a directory that does not exist or is empty.
    options: of Beam.
    splits: name -> number of images; None for all in `train`.
    **how: labels (one class), seed, balanced, temperature and stochastic, as of
      `tfp_lgc.sample`.

  Raises:
    LgcError: for arguments that are not allowed.
    ConfigError: if something else stands at `output`, or another run wrote
      there, or TFDS cannot keep the name of a class.
    ArtifactError: if the artifact cannot be opened.
  """
  artifact, n = sampling.opened(artifact), sampling.whole('n', n, 1)
  sampling.drawing(artifact, n, **how)  # Refuses what is not allowed.
  tfds_writer.check_names(artifact.class_names)
  output = output.rstrip('/')
  working = output + UNFINISHED
  if (_stands(output) and not tf.io.gfile.exists(
      beam_files.join(working, beam_files.NOTE))):
    raise ConfigError(f'output = {output!r}: is not empty; name another '
                      'directory')
  splits = dict(splits or {'train': n})
  if sum(splits.values()) != n:
    raise ConfigError(f'splits = {splits}: must add up to n = {n}')
  size = tfds_writer.shard_size(artifact.image_shape)
  beam_files.claim(working, {'artifact': artifact.checksum, 'n': n,
                             'splits': splits, 'shard_size': size, **how})
  tf.io.gfile.makedirs(output)
  shards = tfds_writer.plan(output, splits, size)
  with beam.Pipeline(options=options) as pipeline:
    _ = (pipeline
         | 'Shards' >> beam.Create([
             shard for its in shards.values() for shard in its])
         # Or one worker would be given all of them.
         | 'Spread' >> beam.Reshuffle()
         | 'Draw' >> beam.ParDo(_Draw(artifact.to_bytes(), working, how)))
  tfds_writer.write_metadata(output, shards, tfds_writer.features_of(
      artifact.image_shape, artifact.class_names))
  tf.io.gfile.rmtree(working)


def _stands(output: str) -> bool:
  return tf.io.gfile.exists(output) and (
      not tf.io.gfile.isdir(output) or bool(tf.io.gfile.listdir(output)))


@functools.lru_cache(maxsize=1)  # Its graph is traced once a worker.
def _opened(content: bytes) -> Artifact:
  return Artifact.from_bytes(content)


class _Draw(beam.DoFn):
  """Writes the file of a shard, if it does not stand."""

  def __init__(self, content: bytes, working: str, how: dict[str, Any]):
    """Takes the artifact as it is in its file."""
    self._content, self._working, self._how = content, working, how

  def setup(self):
    """Once a worker."""
    self._drawing = sampling.drawing(_opened(self._content), **self._how)

  def process(self, shard: Shard):
    if tf.io.gfile.exists(shard.path):
      return
    with beam_files.placed(shard.path, self._working) as aside:
      with tf.io.TFRecordWriter(aside) as writer:
        for images, labels in self._drawing.portions(shard.first, shard.stop):
          for example in tfds_writer.serialized(images, labels):
            writer.write(example)
