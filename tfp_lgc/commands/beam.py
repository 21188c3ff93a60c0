"""lgc-beam, bin/beam: jobs over more images than one machine is for."""

import contextlib
import io
import logging
from typing import Iterator, Optional, Sequence

from tfp_lgc import flags
from tfp_lgc.commands.run import run, say, start_tensorflow
from tfp_lgc.config import DataConfig
from tfp_lgc.errors import ConfigError, LgcError
from tfp_lgc.options import BeamConfig, DrawConfig

USAGE = ('Encodes a data set, fits mixtures or draws images with Apache Beam, '
         'on this\nmachine or on many. What is no flag of these goes to Beam, '
         'as --flink_master=...\nor --project=...')
# What is behind these has flags that nobody here knows.
_WITH_JOB_SERVER = ('FlinkRunner', 'PortableRunner', 'PrismRunner',
                    'SparkRunner')


def main(argv: Optional[Sequence[str]] = None) -> int:
  return run(_beam, argv)


def _beam(argv: Sequence[str]) -> None:
  others: list[str] = []
  job, draw, data = flags.parse(USAGE, [BeamConfig, DrawConfig, DataConfig],
                                argv, others=others)
  if draw.n < 1:
    raise ConfigError(f'n = {draw.n}: must be at least 1')
  start_tensorflow()
  options = _pipeline_options(job.runner, others)
  try:
    _JOBS[job.job](job, draw, data, options)
  except (LgcError, OSError):
    raise
  except Exception as error:
    if 'while running' not in str(error):
      raise
    # A runner tells what a worker raised as text, with the worker's traceback.
    lines = [line for line in str(error).splitlines() if line.strip()]
    raise LgcError(f'the pipeline failed: {lines[-1].strip()}') from error


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
  """Beam warns of what is not installed, and of flags, of which we say more."""
  logging.disable(logging.WARNING)
  try:
    yield
  finally:
    logging.disable(logging.NOTSET)


@_without_warnings()
def _pipeline_options(runner: str, others: Sequence[str]):
  """Of flags that are not ours."""
  try:
    from apache_beam.options.pipeline_options import PipelineOptions
  except ImportError as error:
    raise ConfigError("Apache Beam is missing; install it with pip install "
                      f"'tfp_lgc[beam]' ({error})") from error
  if others and not others[0].startswith('--'):
    raise ConfigError(f'unexpected argument {others[0]!r}; flags are written '
                      '--name=value')
  said = io.StringIO()
  try:
    with contextlib.redirect_stderr(said):
      options = PipelineOptions([f'--runner={runner}', *others])
      known = options.get_all_options(drop_default=True)
      given = options.get_all_options(drop_default=True,
                                      retain_unknown_options=True)
  except SystemExit as error:
    line = said.getvalue().strip().splitlines()[-1]
    raise ConfigError(line.partition('error: ')[2] or line) from error
  unknown = sorted(set(given) - set(known))
  if unknown and runner not in _WITH_JOB_SERVER:
    raise ConfigError(f'--{unknown[0]}: is neither a flag of lgc-beam nor one '
                      f'that Beam knows for {runner}; see --help')
  return options


def _encode(job: BeamConfig, draw: DrawConfig, data: DataConfig, options,
            ) -> None:
  from tfp_lgc import beam_encode, opening
  del draw
  beam_encode.encode(opening.load_with_encoder(job.artifact), data, job.latents,
                     options, job.piece_size)
  print(f'latents written to {job.latents}')


def _fit(job: BeamConfig, draw: DrawConfig, data: DataConfig, options) -> None:
  from tfp_lgc import beam_em, layout, opening
  del draw, data
  layout.check_output(job.output, overwrite=False)
  artifact = beam_em.refit(opening.load_with_encoder(job.artifact), job.latents,
                           job.working, options, job.sample_size, say)
  artifact.save(job.output, say=say)
  print(f'{artifact.num_bytes:,} bytes written to {job.output}')


def _sample(job: BeamConfig, draw: DrawConfig, data: DataConfig, options,
            ) -> None:
  from tfp_lgc import beam_sample, tfds_writer
  del data
  beam_sample.sample(job.artifact, draw.n, job.output, options,
                     tfds_writer.parse_splits(draw.splits, draw.n),
                     **draw.arguments())
  print(f'{draw.n:,} images written to {job.output}')


_JOBS = {'encode': _encode, 'fit': _fit, 'sample': _sample}
