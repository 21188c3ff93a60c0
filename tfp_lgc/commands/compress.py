"""lgc-compress, bin/compress: a data set in, an artifact out."""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import platform
import time
from typing import AbstractSet, Any, Mapping, NamedTuple, Optional, Sequence

from tfp_lgc import budget, cluster, flags, runfile
from tfp_lgc.commands.run import (
  new_progress,
  print_table,
  run,
  say,
  start_tensorflow,
  stopping,
  warn,
)
from tfp_lgc.commands.summary import summarize, table
from tfp_lgc.config import (
  CodecConfig,
  Config,
  DataConfig,
  EvaluateConfig,
  MixtureConfig,
  ModelConfig,
  Preset,
  PrivacyConfig,
  TrainConfig,
)
from tfp_lgc.errors import ConfigError
from tfp_lgc.options import ExportConfig
from tfp_lgc.setting import setting
from tfp_lgc.version import __version__

USAGE = """\
Compresses a labelled image data set into a small artifact: a decoder and a
Gaussian mixture per class, from which lgc-sample draws labelled images."""

# Of a run that is not at its end, in its output.
WORK_NAME = '.resume'
# There: the checksum of the artifact that it is about to put in place.
SAVING_NAME = 'saving.txt'
# Logs of --tensorboard, in its output.
TENSORBOARD = 'tensorboard'
# What a page shows beside accuracies, and is measured for it.
_METRICS_ON_PAGE = ('confusion', 'privacy')


@dataclasses.dataclass(frozen=True)
class Run:
  """The run."""
  output: str = setting('lgc_artifact', 'Directory to write to.')
  budget: str = setting(
      '', 'Bytes that artifact.lgc may have at the most: a number, or as 500B, '
      '32kB (32,000 bytes), 1.5MB. The conv trunk, fine-tuning, sizes of the '
      'decoder, its KL weight and rate_weight, bits, mixtures, texture and how '
      'often hard images count are then chosen for it, in part by a judge of '
      '2,000 steps on a part of the train split; what other flags say stays. '
      'Empty: flags decide.')
  overwrite: bool = setting(
      False, 'Replace an artifact that stands in --output.')
  evaluate: bool = setting(
      True, 'Train a judge on samples and one on the real images, and test '
      'both on the test split.')
  report: bool = setting(
      False, 'Write OUTPUT/report.html about the run, as lgc-report --runs '
      'does, and before it, unless --noevaluate, OUTPUT/evaluation.json: '
      'accuracies, the confusion matrix and attacks on privacy.')
  tensorboard: bool = setting(
      False, 'Log losses, reconstructions and samples to '
      'OUTPUT/tensorboard/TIME.')
  license: str = setting(
      'unknown', 'What the dataset card says of the license of the images, as '
      'CC-BY-4.0; nobody checks it.')
  checkpoint_seconds: float = setting(
      30.0, 'Seconds of training between two checkpoints, from which the same '
      'command goes on after a kill; 0: after every round.', low=0.0,
      high=1e6)
  seed: int = setting(
      0, 'Same seed, same machine, same bytes.', low=0, high=2**31 - 1)


GROUPS = [Preset, DataConfig, ModelConfig, TrainConfig, MixtureConfig,
          CodecConfig, EvaluateConfig, PrivacyConfig, ExportConfig, Run]
FILE = flags.FromFile(flags.names(GROUPS))


def main(argv: Optional[Sequence[str]] = None) -> int:
  return run(_compress, argv)


def _compress(argv: Sequence[str]) -> None:
  said = flags.parsed(USAGE, GROUPS, argv, file=FILE)
  _, *sections, export, options = said.groups
  num_bytes = budget.parse(options.budget) if options.budget else 0
  config = dataclasses.replace(Config(*sections), seed=options.seed)
  budget.check_num_autoencoders(config.train.num_autoencoders, num_bytes)
  if config.privacy.dp_epsilon:
    _check_private(options)
  _check_strategy(config, options)
  start_tensorflow(config.train.strategy)
  from tfp_lgc import distribution, layout, locking, staging
  its = distribution.of(config.train.strategy)
  output = pathlib.Path(options.output)
  # One with work may be of this very run.
  if its.is_chief and not (output / WORK_NAME).is_dir():
    layout.check_output(output, options.overwrite)
  source = _opened(config, options)
  if not its.is_chief:
    _help(its, source, config)
    return
  versions = _versions()
  _say_other_versions(said, versions)
  about = Invocation(list(argv[1:]), said.given, versions, runfile.dumps(
      _settings(said.groups), said.given, versions))
  staging.check_directory(output)
  with stopping('the same command ' + (
      'begins anew' if config.privacy.dp_epsilon
      else 'goes on from its last checkpoint')), (
      locking.only_writer(output)):
    staging.recover(output)
    summary = _run(source, config, options, export, about)
  print_table(table(summary, options.output))
  print(json.dumps(summary))


def _opened(config: Config, options: Run):
  """The data set; refuses what would be refused after training."""
  from tfp_lgc import guarantee, memory, sources
  from tfp_lgc.metrics import tstr
  tstr.check(config.evaluate)
  if config.privacy.dp_epsilon:
    guarantee.check(config)
  source = sources.load(config.data)
  if options.evaluate:
    tstr.check(config.evaluate, source.train)
  if options.report:
    for split in filter(None, (source.train, source.test)):
      memory.check(split.num_bytes, split.bound, '--report')
  return source


def _check_strategy(config: Config, options: Run) -> None:
  """Refuses what several replicas cannot do, before TensorFlow starts."""
  cluster.check(config.train.strategy, config.data.max_memory,
                dp_epsilon=config.privacy.dp_epsilon, budget=options.budget,
                tensorboard=options.tensorboard)
  if config.train.strategy == 'multi_worker':
    num_workers, _ = cluster.members(os.environ.get('TF_CONFIG'))
    say(f'waits until {num_workers} workers are there')


def _help(its, source, config: Config) -> None:
  """What a process does that is not the chief: it writes nothing."""
  from tfp_lgc import compression, resuming
  from tfp_lgc.progress import Progress
  say(f'worker {its.worker} of 0 to {its.num_workers - 1} helps worker 0, the '
      'chief, which alone writes')
  with stopping('all workers have to be started again with the same commands'):
    compression.compress_with(resuming.NO_WORK, source, config, 0, frozenset(),
                              Progress())


class Invocation(NamedTuple):
  """How the command was called.

  Attributes:
    arguments: of the command line.
    given: names of the settings that it gives.
    versions: of the packages.
    run: run.json.
  """
  arguments: list[str]
  given: AbstractSet[str]
  versions: Mapping[str, str]
  run: str


def _run(source, config: Config, options: Run, export: ExportConfig,
         called: Invocation) -> dict[str, Any]:
  """From images to all files, or what is left of that to do."""
  from tfp_lgc import compression, layout, resuming
  num_bytes = budget.parse(options.budget) if options.budget else 0
  if config.privacy.dp_epsilon:  # What is kept for later would have no noise.
    layout.check_output(options.output, options.overwrite)
    _check_nothing_exact(options.output)
    return _make(resuming.NO_WORK, source, config, options, export, num_bytes,
                 called)
  folder = os.path.join(options.output, WORK_NAME)
  mine = compression.fingerprint(source, config, num_bytes, called.given)
  if resuming.is_of(folder, mine) and _is_made(folder, options.output):
    options = dataclasses.replace(options, overwrite=True)
  layout.check_output(options.output, options.overwrite)
  with resuming.keeping(folder, mine, options.checkpoint_seconds,
                        warn) as work:
    return _make(work, source, config, options, export, num_bytes, called)


def _check_nothing_exact(output: str) -> None:
  """Refuses a guarantee beside what a run without one has left."""
  from tfp_lgc import resuming
  work = pathlib.Path(output, WORK_NAME)
  for path in (work, resuming.done_name(work), work.with_name(TENSORBOARD)):
    if os.path.lexists(path):
      raise ConfigError(f'output = {output!r}: {path} holds results without '
                        'noise; remove it or name another directory')


def _is_made(folder: str, output: str) -> bool:
  """Whether it was this run, before a kill, that made what stands there."""
  from tfp_lgc import layout
  try:
    made = pathlib.Path(folder, SAVING_NAME).read_text()
  except FileNotFoundError:
    return False
  path = pathlib.Path(output, layout.LGC_NAME)
  return not path.exists() or (
      hashlib.sha256(path.read_bytes()).hexdigest() == made)


def _make(work, source, config: Config, options: Run, export: ExportConfig,
          num_bytes: int, called: Invocation) -> dict[str, Any]:
  """All files, and the summary."""
  from tfp_lgc import card, compression, pipeline, sampling
  log = new_progress()
  log.record(event='config', **dataclasses.asdict(config),
             arguments=called.arguments, versions=called.versions)
  about = {'source': card.public_name(config.data.dataset),
           'license': options.license}
  tensorboard = _tensorboard(options, source)
  with (contextlib.nullcontext() if config.privacy.dp_epsilon
        else pipeline.raw_sizes(source)) as sizes:
    artifact = compression.compress_with(work, source, config, num_bytes,
                                         called.given, log, tensorboard)
    work.write(SAVING_NAME, hashlib.sha256(artifact.to_bytes()).hexdigest())
    with log.stage('save'):
      artifact.save(options.output, log.records, options.overwrite, warn,
                    run=called.run,
                    **about, **dataclasses.asdict(export))
    for callback in tensorboard:
      callback.samples(sampling.sample(artifact, 16).images)
    found = _evaluated(artifact, source, config, options, log)
    # Means alone; those of groups are a table of means already.
    accuracies = {name: value['mean'] if isinstance(value, dict) else value
                  for name, value in found.items()
                  if name.startswith(('tstr_', 'real_'))}
    raw = sizes.result() if sizes else (_noised_size(artifact), None)
    summary = summarize(config, artifact, options.output, raw, log, accuracies)
  # How long it took depends on the number of images.
  written = {name: value for name, value in summary.items()
             if name != 'seconds' or not artifact.privacy}
  artifact.write_metrics(options.output, [
      *log.records, {'event': 'summary', **written}], **about)
  if options.report:
    _report(options, source, log, {'num_bytes': artifact.num_bytes, **found})
  return summary


def _evaluated(artifact, source, config: Config, options: Run, log,
               ) -> dict[str, Any]:
  """Accuracies of judges, and with a report what it shows; or nothing."""
  from tfp_lgc import evaluation
  if not options.evaluate:
    return {}
  if reason := evaluation.cannot_judge(source):
    warn(f'no evaluation: {reason}')
    return {}
  # Judges of real images tell of them: a guarantee has none.
  if artifact.privacy:
    return dict(evaluation.accuracy_of_samples(artifact, source, config, log))
  metrics = ('accuracy', *(_METRICS_ON_PAGE if options.report else ()))
  return evaluation.evaluate(artifact, source, config, metrics=metrics,
                             progress=log)


def _settings(groups: Sequence[Any]) -> dict[str, Any]:
  return {name: value for group in groups
          for name, value in dataclasses.asdict(group).items()}


def _say_other_versions(said: flags.Parsed, versions: Mapping[str, str],
                        ) -> None:
  """Why the bytes may be others than those of the run of --config."""
  before = said.versions
  for name, version in {'tfp_lgc': __version__, **versions}.items():
    if before.get(name, version) != version:
      warn(f'{said.path} was made with {name} {before[name]}, this is '
           f'{version}: bytes may differ')


def _check_private(options: Run) -> None:
  """Refuses what would write of private images beside the artifact."""
  for name, why in (
      ('budget', 'a judge looks at private images'),
      ('report', 'it shows real images and judges'),
      ('tensorboard', 'it logs losses and reconstructions of real images')):
    if getattr(options, name):
      raise ConfigError(f'{name} = {getattr(options, name)}: is not allowed '
                        f'with dp_epsilon, for {why}; give no --{name}, or no '
                        '--dp_epsilon')


def _noised_size(artifact) -> int:
  """Bytes of about as many raw images and labels as there were."""
  from tfp_lgc import data
  height, width, channels = artifact.image_shape
  label = data.label_dtype(len(artifact.class_names)).itemsize
  return sum(artifact.class_counts) * (height * width * channels + label)


def _versions() -> dict[str, str]:
  """Of what the same settings give the same bytes with."""
  import numpy
  import tensorflow
  import tensorflow_probability
  import tf_keras
  return {'python': platform.python_version(),
          **{module.__name__: module.__version__ for module in (
              numpy, tensorflow, tensorflow_probability, tf_keras)}}


def _report(options: Run, source, log, evaluation: Mapping[str, Any]) -> None:
  """The page, and beside it what was measured for it."""
  from tfp_lgc import layout, page
  if len(evaluation) > 1:
    layout.write(pathlib.Path(options.output, layout.EVALUATION_NAME),
                 (json.dumps(evaluation) + '\n').encode())
  page.report_runs(
      [options.output], os.path.join(options.output, layout.PAGE_NAME),
      dataset=source, seed=options.seed, progress=log, overwrite=True)


def _tensorboard(options: Run, source) -> list:
  if not options.tensorboard:
    return []
  from tfp_lgc import tensorboard
  # A folder for each run, or an --overwrite would mix their curves.
  run = time.strftime('%Y%m%d-%H%M%S')
  return [tensorboard.Log(os.path.join(options.output, TENSORBOARD, run),
                          source.train)]
