"""What tests of Beam's pipelines share: the runner, data, latents of points."""

import numpy as np
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from tfp_lgc import beam_encode, beam_files, config

DIGITS = config.DataConfig(dataset='digits')
OPTIONS = PipelineOptions(['--runner=DirectRunner'])


def write_latents(directory, x, labels, piece_size=100):
  """As `encode` leaves them."""
  directory = str(directory)
  beam_files.claim(directory, {
      'artifact': '', 'class_names': ['a', 'b'], 'num_images': len(x),
      'piece_size': piece_size})
  for piece in beam_encode.pieces_of(directory, len(x), piece_size):
    with tf.io.TFRecordWriter(piece.path) as writer:
      part = slice(piece.first, piece.stop)
      for label in np.unique(labels[part]):
        [rows] = np.nonzero(labels[part] == label)
        writer.write(beam_files.to_record(beam_files.Latents(
            int(label), piece.first + rows, x[part][rows])))
  return directory
