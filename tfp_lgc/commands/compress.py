"""lgc-compress, bin/compress: a data set in, an artifact out."""

import contextlib
import dataclasses
import json
import os
import platform
import time
from typing import Any, Mapping, Optional, Sequence

from tfp_lgc import budget, flags
from tfp_lgc.commands.run import print_table, run, say, start_tensorflow
from tfp_lgc.config import (
  CodecConfig,
  Config,
  DataConfig,
  EvaluateConfig,
  MixtureConfig,
  ModelConfig,
  Preset,
  PrivacyConfig,
  setting,
  TrainConfig,
)
from tfp_lgc.errors import ConfigError
from tfp_lgc.options import ExportConfig

USAGE = """\
Compresses a labelled image data set into a small artifact: a decoder and a
Gaussian mixture per class, from which lgc-sample draws labelled images."""


@dataclasses.dataclass(frozen=True)
class Run:
  """The run."""
  output: str = setting('lgc_artifact', 'Directory to write to.')
  budget: str = setting(
      '', 'Bytes that artifact.lgc may have at the most: a number, or as 500B, '
      '32kB (32,000 bytes), 1.5MB. Sizes of the decoder, bits, mixtures and '
      'texture are then chosen for it, with a judge and a part of the train '
      'split; what other flags say stays. Empty: flags decide.')
  overwrite: bool = setting(
      False, 'Replace an artifact that stands in --output.')
  evaluate: bool = setting(
      True, 'Train a judge on samples and one on the real images, and test '
      'both on the test split.')
  report: bool = setting(
      False, 'Write OUTPUT/report.html about the run, as lgc-report --runs '
      'does.')
  tensorboard: bool = setting(
      False, 'Log losses, reconstructions and samples to '
      'OUTPUT/tensorboard/TIME.')
  license: str = setting(
      'unknown', 'What the dataset card says of the license of the images, as '
      'CC-BY-4.0; nobody checks it.')
  seed: int = setting(
      0, 'Same seed, same machine, same bytes.', low=0, high=2**31 - 1)


def main(argv: Optional[Sequence[str]] = None) -> int:
  return run(_compress, argv)


def _compress(argv: Sequence[str]) -> None:
  groups = [Preset, DataConfig, ModelConfig, TrainConfig, MixtureConfig,
            CodecConfig, EvaluateConfig, PrivacyConfig, ExportConfig, Run]
  _, *sections, export, options = flags.parse(USAGE, groups, argv)
  if options.budget:
    budget.parse(options.budget)
  config = dataclasses.replace(Config(*sections), seed=options.seed)
  if config.privacy.dp_epsilon:
    _check_private(options)
  start_tensorflow()
  from tfp_lgc import artifact as artifact_lib
  from tfp_lgc import (
    card,
    compression,
    evaluation,
    pipeline,
    progress,
    sampling,
    sources,
  )
  from tfp_lgc.metrics import tstr
  artifact_lib.check_output(options.output, options.overwrite)
  tstr.check(config.evaluate)
  source = sources.load(config.data)
  log = progress.Progress(say)
  log.record(event='config', **dataclasses.asdict(config),
             arguments=list(argv[1:]), versions=_versions())
  about = {'source': card.public_name(config.data.dataset),
           'license': options.license}
  tensorboard = _tensorboard(options, source)
  with (contextlib.nullcontext() if config.privacy.dp_epsilon
        else pipeline.raw_sizes(source)) as sizes:
    artifact = compression.compress(
        source, config, budget=options.budget, progress=log,
        callbacks=tensorboard, fixed=flags.given(groups, argv))
    with log.stage('save'):
      artifact.save(options.output, log.records, options.overwrite, say,
                    **about, **dataclasses.asdict(export))
    for callback in tensorboard:
      callback.samples(sampling.sample(artifact, 16).images)
    accuracies = {}
    if options.evaluate and (reason := evaluation.cannot_judge(source)):
      say(f'no evaluation: {reason}')
    elif options.evaluate:
      # Judges of real images tell of them: a guarantee has none.
      result = (evaluation.accuracy_of_samples if artifact.privacy
                else evaluation.evaluate)(artifact, source, config,
                                          progress=log)
      accuracies = {  # Those of groups are a table of means already.
          name: value['mean'] if isinstance(value, dict) else value
          for name, value in result.items()}
    raw = sizes.result() if sizes else (_noised_size(artifact), None)
    summary = _summary(config, artifact, options.output, raw, log, accuracies)
  # How long it took depends on the number of images.
  written = {name: value for name, value in summary.items()
             if name != 'seconds' or not artifact.privacy}
  artifact.write_metrics(options.output, [
      *log.records, {'event': 'summary', **written}], **about)
  if options.report:
    _report(options, source, log)
  print_table(_table(summary, options.output))
  print(json.dumps(summary))


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


def _report(options: Run, source, log) -> None:
  from tfp_lgc import artifact as artifact_lib
  from tfp_lgc import page
  page.report_runs(
      [options.output], os.path.join(options.output, artifact_lib.PAGE_NAME),
      dataset=source, seed=options.seed, progress=log, overwrite=True)


def _tensorboard(options: Run, source) -> list:
  if not options.tensorboard:
    return []
  from tfp_lgc import tensorboard
  # A folder for each run, or an --overwrite would mix their curves.
  run = time.strftime('%Y%m%d-%H%M%S')
  return [tensorboard.Log(os.path.join(options.output, 'tensorboard', run),
                          source.train)]


def _summary(config: Config, artifact, output: str,
             sizes: tuple[int, Optional[int]], log,
             accuracies: Mapping[str, Any]) -> dict[str, Any]:
  """The one JSON object of a run. All sizes are bytes."""
  from tfp_lgc import artifact as artifact_lib
  raw_num_bytes, gzip_num_bytes = sizes
  num_bytes = os.path.getsize(os.path.join(output, artifact_lib.LGC_NAME))
  remaining = 100 * num_bytes / raw_num_bytes
  summary = {
      'model': config.model.model,
      'dataset': config.data.dataset,
      'num_bytes': num_bytes,
      'num_bytes_by_part': artifact.num_bytes_by_part,
      'bits_per_class': round(8 * num_bytes / len(artifact.class_names), 1),
      'saved_model_num_bytes': artifact_lib.saved_model_num_bytes(output),
      'raw_num_bytes': raw_num_bytes,
      'gzip_num_bytes': gzip_num_bytes,
      'reduction_percent': round(100 - remaining, 4),
      'compression_ratio': round(raw_num_bytes / num_bytes, 2),
      'num_components': dict(zip(artifact.class_names,
                                 artifact.num_components)),
      'seconds': log.seconds,
      'seed': config.seed,
  }
  if artifact.privacy:
    # A size by gzip tells of the images.
    del summary['gzip_num_bytes']
    summary['privacy'] = artifact.privacy
  if accuracies:
    # The LGC paper's "compression ratio": percent by percent that remain.
    index = 100 * accuracies['tstr_accuracy'] / remaining
    summary.update(published_index=round(index, 2), **accuracies)
  return summary


def _table(summary: Mapping[str, Any], output: str) -> list[tuple[str, str]]:
  components = summary['num_components'].values()
  rows = [
      ('raw images and labels', f'{summary["raw_num_bytes"]:,} bytes'),
      *([('gzip -9', f'{summary["gzip_num_bytes"]:,} bytes')]
        if 'gzip_num_bytes' in summary else []),
      ('artifact.lgc', f'{summary["num_bytes"]:,} bytes, '
       f'{100 - summary["reduction_percent"]:.4g} % of raw'),
      ('SavedModel, .tar.gz', f'{summary["saved_model_num_bytes"]:,} bytes'),
      ('components per class', f'{min(components)} to {max(components)}'),
  ]
  if 'tstr_accuracy' in summary:
    rows.append(('judge trained on samples', f'{summary["tstr_accuracy"]:.2%}'))
  if 'real_accuracy' in summary:
    rows.append(('judge trained on real', f'{summary["real_accuracy"]:.2%}'))
  if 'tstr_worst_group' in summary:
    rows += [('its worst group, samples', f'{summary["tstr_worst_group"]:.2%}'),
             ('its worst group, real', f'{summary["real_worst_group"]:.2%}')]
  if said := summary.get('privacy'):
    rows.append(('guarantee', f'epsilon {said["epsilon"]:g}, delta '
                 f'{said["delta"]:g}'))
  total = sum(summary['seconds'].values())
  return [*rows, ('written to', output), ('seconds', f'{total:.1f}')]
