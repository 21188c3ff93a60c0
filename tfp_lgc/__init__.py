"""Latent Gaussian Compression: a labelled image data set in a few kilobytes.

```python
import tfp_lgc
artifact = tfp_lgc.compress('digits', model='vae')
artifact.save('out')
images = tfp_lgc.sample('out', n=100)   # .images, .labels, .class_names
```
"""

import importlib
from typing import TYPE_CHECKING

from tfp_lgc.version import __version__

# Where each public name lives. They are imported at first use: TensorFlow
# takes seconds to import and `--help` must not wait for it.
_HOME = {
    'Artifact': 'artifact',
    'Config': 'config',
    'Images': 'data',
    'as_dataset': 'sampling',
    'augment': 'augmentation',
    'compress': 'compression',
    'evaluate': 'evaluation',
    'evaluate_baseline': 'evaluation',
    'load': 'opening',
    'load_with_encoder': 'opening',
    'merge': 'editing',
    'report': 'reporting',
    'report_runs': 'page',
    'sample': 'sampling',
}

__all__ = [
    'Artifact',
    'Config',
    'Images',
    '__version__',
    'as_dataset',
    'augment',
    'compress',
    'evaluate',
    'evaluate_baseline',
    'load',
    'load_with_encoder',
    'merge',
    'report',
    'report_runs',
    'sample',
]

if TYPE_CHECKING:
  from tfp_lgc.artifact import Artifact
  from tfp_lgc.augmentation import augment
  from tfp_lgc.compression import compress
  from tfp_lgc.config import Config
  from tfp_lgc.data import Images
  from tfp_lgc.editing import merge
  from tfp_lgc.evaluation import evaluate, evaluate_baseline
  from tfp_lgc.opening import load, load_with_encoder
  from tfp_lgc.page import report_runs
  from tfp_lgc.reporting import report
  from tfp_lgc.sampling import as_dataset, sample


def __getattr__(name):
  if name in _HOME:
    return getattr(importlib.import_module(f'tfp_lgc.{_HOME[name]}'), name)
  raise AttributeError(f"module 'tfp_lgc' has no attribute {name!r}")


def __dir__():
  return __all__
