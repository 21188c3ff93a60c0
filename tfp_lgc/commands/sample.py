"""lgc-sample, bin/sample: an artifact in, labelled images out."""

import dataclasses
from typing import Optional, Sequence

from tfp_lgc import flags
from tfp_lgc.commands.run import new_progress, run, start_tensorflow
from tfp_lgc.errors import ConfigError
from tfp_lgc.options import DrawConfig
from tfp_lgc.setting import setting

USAGE = 'Draws labelled images from an artifact.'


@dataclasses.dataclass(frozen=True)
class Samples:
  """The samples."""
  artifact: str = setting(
      'lgc_artifact', 'artifact.lgc, a SavedModel, or the directory of both.')
  output: str = setting(
      'samples.npz', 'x.npz (arrays x_train, y_train), x.png (one contact '
      'sheet), or a directory.')
  output_format: str = setting(
      'auto', 'What to write: auto, by the ending of --output; folder, '
      'CLASS/*.png; tfds, a TFDS data set, at constant memory, and a killed '
      'run is taken up again by the same command.',
      choices=('auto', 'npz', 'png', 'folder', 'tfds'))
  overwrite: bool = setting(False, 'Replace a file that stands at --output.')


def main(argv: Optional[Sequence[str]] = None) -> int:
  return run(_sample, argv)


def _sample(argv: Sequence[str]) -> None:
  options, draw = flags.parse(USAGE, [Samples, DrawConfig], argv)
  if draw.n < 1:
    raise ConfigError(f'n = {draw.n}: must be at least 1')
  from tfp_lgc import tfds_writer, writers
  form = writers.form_of(options.output, options.output_format)
  if form != 'tfds' or not tfds_writer.is_in_place(options.output):
    writers.check_output(options.output, options.overwrite, form)
  splits = tfds_writer.parse_splits(draw.splits, draw.n)
  if form != 'tfds' and draw.splits != 'train':
    raise ConfigError(f'splits = {draw.splits!r}: only a TFDS data set has '
                      'splits; add --output_format=tfds')
  start_tensorflow()
  from tfp_lgc import sampling
  how = draw.arguments()
  artifact = sampling.opened(options.artifact)
  if form == 'tfds':
    drawing = sampling.drawing(artifact, draw.n, **how)
    tfds_writer.write_tfds(
        drawing.portions, splits, artifact.image_shape, artifact.class_names,
        options.output, {'artifact': artifact.checksum, **how}, new_progress())
  else:
    images = sampling.sample(artifact, draw.n, **how)
    writers.write(images, options.output, options.output_format)
  print(f'{draw.n:,} images written to {options.output}')
