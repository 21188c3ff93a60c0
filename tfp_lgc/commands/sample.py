"""lgc-sample, bin/sample: an artifact in, labelled images out."""

import dataclasses
from typing import Optional, Sequence

from tfp_lgc import flags
from tfp_lgc.commands.run import new_progress, run, start_tensorflow
from tfp_lgc.config import setting
from tfp_lgc.errors import ConfigError

USAGE = 'Draws labelled images from an artifact.'


@dataclasses.dataclass(frozen=True)
class Samples:
  """The samples."""
  artifact: str = setting(
      'lgc_artifact', 'artifact.lgc, a SavedModel, or the directory of both.')
  n: int = setting(100, 'How many images, at least 1.')
  label: str = setting(
      '', 'Name of the class to draw from; empty for all classes, as frequent '
      'as in the training data.')
  balanced: bool = setting(
      False, 'Without --label, as many of each class as of any other.')
  temperature: float = setting(
      -1.0, 'What covariances are multiplied by; -1 for what the artifact was '
      'made with.', low=-1.0, high=100.0)
  stochastic: bool = setting(
      False, 'Draw pixels from the output head, noise and all, instead of the '
      'one image that stands for its distribution, and without texture.')
  seed: int = setting(0, 'Same seed, same images.', low=0, high=2**31 - 1)
  output: str = setting(
      'samples.npz', 'x.npz (arrays x_train, y_train), x.png (one contact '
      'sheet), or a directory.')
  output_format: str = setting(
      'auto', 'What to write: auto, by the ending of --output; folder, '
      'CLASS/*.png; tfds, a TFDS data set, at constant memory, and a killed '
      'run is taken up again by the same command.',
      choices=('auto', 'npz', 'png', 'folder', 'tfds'))
  splits: str = setting(
      'train', 'Of a TFDS data set: its one split; or several and how many '
      'images of --n each has, train:900,test:100.')
  overwrite: bool = setting(False, 'Replace a file that stands at --output.')


def main(argv: Optional[Sequence[str]] = None) -> int:
  return run(_sample, argv)


def _sample(argv: Sequence[str]) -> None:
  [options] = flags.parse(USAGE, [Samples], argv)
  if options.n < 1:
    raise ConfigError(f'n = {options.n}: must be at least 1')
  from tfp_lgc import tfds_writer, writers
  form = writers.form_of(options.output, options.output_format)
  if form != 'tfds' or not tfds_writer.is_in_place(options.output):
    writers.check_output(options.output, options.overwrite, form)
  splits = tfds_writer.parse_splits(options.splits, options.n)
  if form != 'tfds' and options.splits != 'train':
    raise ConfigError(f'splits = {options.splits!r}: only a TFDS data set has '
                      'splits; add --output_format=tfds')
  start_tensorflow()
  from tfp_lgc import sampling
  how = dict(
      labels=options.label or None, seed=options.seed,
      balanced=options.balanced,
      temperature=None if options.temperature == -1 else options.temperature,
      stochastic=options.stochastic)
  artifact = sampling.opened(options.artifact)
  if form == 'tfds':
    drawing = sampling.drawing(artifact, options.n, **how)
    tfds_writer.write_tfds(
        drawing.portions, splits, artifact.image_shape, artifact.class_names,
        options.output, {'artifact': artifact.checksum, **how}, new_progress())
  else:
    images = sampling.sample(artifact, options.n, **how)
    writers.write(images, options.output, options.output_format)
  print(f'{options.n:,} images written to {options.output}')
