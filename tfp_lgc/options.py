"""Settings of commands that say nothing about the artifact itself.

Described as those of `config`, for flags and keywords alike. Standard library
only.
"""

import dataclasses
import difflib
from typing import Any, Sequence, Union

from tfp_lgc.errors import ConfigError
from tfp_lgc.setting import setting

__all__ = [
    'BeamConfig',
    'BenchmarkConfig',
    'DrawConfig',
    'ExportConfig',
    'MetricsConfig',
    'ServeConfig',
    'chosen_metrics',
]

SUITES = ('augment', 'baselines', 'coreset', 'cost', 'em', 'frontier',
          'gmm_dae_loss', 'heads', 'latents', 'papers', 'scale', 'serving',
          'throughput')
# Named alone, or by the groups; those that train further artifacts are in none.
PRIVACY = ('dcr', 'membership', 'copying', 'components')
METRICS = ('accuracy', 'confusion', 'fid', 'kid', 'prdc', 'latents', 'bic',
           'rate', *PRIVACY, 'shadow', 'canary')
METRIC_GROUPS = {'all': tuple(name for name in METRICS
                              if name not in ('shadow', 'canary')),
                 'privacy': PRIVACY}


@dataclasses.dataclass(frozen=True)
class ExportConfig:
  """What is made for serving."""
  export: str = setting(
      'none', 'What is written beside artifact.lgc and the SavedModel: '
      'nothing, or artifact.tflite, the same sampler as a LiteRT model.',
      choices=('none', 'litert'))
  max_serving_batch: int = setting(
      1024, 'Images, labels or latents of one request to the SavedModel at the '
      'most.', low=1, high=2**20)


@dataclasses.dataclass(frozen=True)
class DrawConfig:
  """What is drawn."""
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
  splits: str = setting(
      'train', 'Of a TFDS data set: its one split; or several and how many '
      'images of --n each has, train:900,test:100.')

  def arguments(self) -> dict[str, Any]:
    """Those of `tfp_lgc.sample`, but for n."""
    return {'labels': self.label or None, 'seed': self.seed,
            'balanced': self.balanced, 'stochastic': self.stochastic,
            'temperature': (None if self.temperature == -1
                            else self.temperature)}


@dataclasses.dataclass(frozen=True)
class BeamConfig:
  """The pipeline."""
  job: str = setting(
      'sample', 'encode: --dataset to latents; fit: latents to --output, the '
      'same artifact with mixtures of all of them; sample: a TFDS data set.',
      choices=('encode', 'fit', 'sample'))
  runner: str = setting(
      'DirectRunner', 'What Beam runs on: DirectRunner, FlinkRunner, '
      'SparkRunner, DataflowRunner or another that it knows.')
  artifact: str = setting(
      'lgc_artifact', 'Directory that lgc-compress wrote to; of the job sample '
      'also artifact.lgc or a SavedModel.')
  latents: str = setting(
      'lgc_latents', 'Directory that the job encode writes and the job fit '
      'reads; as all others but --artifact and --output of fit, on a disk that '
      'all workers see.')
  working: str = setting(
      'lgc_em', 'Directory where the job fit keeps what stands after each '
      'iteration; it can be removed afterwards.')
  output: str = setting(
      'lgc_output', 'Directory that the jobs fit and sample write.')
  piece_size: int = setting(
      64_000, 'Images of one file of latents, a multiple of 1,000; with many '
      'classes the more the better.', low=1000, high=2**31 - 1)
  sample_size: int = setting(
      10_000, 'Images of a class that the start of EM is made from.', low=1,
      high=2**31 - 1)


@dataclasses.dataclass(frozen=True)
class ServeConfig:
  """The server."""
  artifact: str = setting(
      'lgc_artifact', 'artifact.lgc, a SavedModel, or the directory of both; '
      'its flag may be left out.')
  host: str = setting(
      '127.0.0.1', 'Address to listen on; 0.0.0.0 for all of the network.')
  port: int = setting(
      8000, 'Port to listen on; 0 for any that is free.', low=0, high=65535)
  seed: int = setting(
      0, 'Seed of requests that name none.', low=0, high=2**31 - 1)
  max_n: int = setting(
      1024, 'Images of one request at the most.', low=1, high=2**20)
  max_body: int = setting(
      4096, 'Bytes of the body of a request at the most; none needs one.',
      low=0, high=2**30)
  timeout: float = setting(
      30.0, 'Seconds after which a request is given up.', low=0.001,
      high=86400.0)
  num_workers: int = setting(
      2, 'Requests that are drawn at the same time.', low=1, high=1024)
  max_waiting: int = setting(
      128, 'Requests that may wait for them; others are told to come back.',
      low=0, high=2**20)


@dataclasses.dataclass(frozen=True)
class MetricsConfig:
  """What else is measured of samples."""
  feature_network: str = setting(
      '', 'Keras 2 model (.keras or a SavedModel) in whose features fid, kid '
      'and prdc compare images. It is a program and is run: name only files '
      'of people you trust. Empty: the default judge, trained on the data set.')
  metric_images: int = setting(
      10_000, 'Images of each kind, samples, train and test, that a metric '
      'looks at, at the most.', low=2, high=10_000_000)
  shadow_models: int = setting(
      4, 'Artifacts that the metric shadow trains, on halves of all images; '
      'an even number.', low=4, high=1000)
  shadow_steps: int = setting(
      1000, 'Steps in which each of them is trained, and the artifact of the '
      'metric canary.', low=1, high=10_000_000)
  canaries: int = setting(
      8, 'Random pictures that the metric canary adds to the train images, '
      'and as many that it adds ten times each.', low=1, high=10_000)


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
  """What of a suite is measured."""
  rows: str = setting(
      '', 'Rows of the suite papers, heads, augment, throughput, frontier, '
      'baselines or coreset (methods), separated by commas; of heads also '
      'what their names begin with, as vpa_mlp/normal_unit. Empty: all.')
  runs: int = setting(
      3, 'Seeds of each row of the suites papers, heads, augment, frontier and '
      'baselines.', low=1, high=1000)
  budgets: str = setting(
      '', 'Sizes of the suites frontier and baselines, separated by commas, as '
      '4kB,32kB. Empty: those of the suite.')
  judges: str = setting(
      '', 'Judges of the suites frontier and baselines, with the augmentation '
      'of what they see, separated by commas, as cnn/shift,mlp/none. Empty: '
      'all of frontier, two of baselines.')
  artifacts: str = setting(
      '', 'Folder where the suites frontier and baselines keep artifacts, and '
      'scale its data sets, and find those of an earlier run, artifacts if it '
      'had the same code. Unfinished work goes on from there; one process at '
      'a time may use it. Empty: none, or of scale a temporary one.')
  sizes: str = setting(
      '60000,600000,3000000', 'Numbers of train images of the suite scale, '
      'separated by commas.')


def chosen_metrics(metrics: Union[str, Sequence[str]]) -> dict[str, bool]:
  """The metrics of names and groups, in the order they are measured in.

  ```python
  chosen_metrics('fid,privacy')   # {'fid': True, 'dcr': False, ...}
  ```

  Args:
    metrics: names of `METRICS` and `METRIC_GROUPS`, one by one or separated by
      commas.

  Returns:
    Name -> whether it was named itself, not only by a group.

  Raises:
    ConfigError: for a name that there is not, or for none.
  """
  given = metrics.split(',') if isinstance(metrics, str) else list(metrics)
  known = (*METRICS, *METRIC_GROUPS)
  for name in given:
    if name not in known:
      near = difflib.get_close_matches(str(name), known, n=1)
      hint = f' (did you mean {near[0]}?)' if near else ''
      raise ConfigError(f'metrics = {metrics!r}: {name!r} is unknown; choose '
                        f'from {", ".join(known)}{hint}')
  if not given:
    raise ConfigError(f'metrics = {metrics!r}: names none; choose from '
                      f'{", ".join(known)}')
  grouped = {name for group in given for name in METRIC_GROUPS.get(group, ())}
  return {name: name in given for name in METRICS
          if name in given or name in grouped}
