"""The folder that an artifact is saved in: which files are its own, and what
they are called."""

import io
import os
import pathlib
import tarfile
from typing import Union

from tfp_lgc import card
from tfp_lgc.encoder import ENCODER_NAME
from tfp_lgc.errors import ConfigError
from tfp_lgc.runfile import RUN_NAME
from tfp_lgc.staging import check_directory

__all__ = ['EVALUATION_NAME', 'LGC_NAME', 'LITERT_NAME', 'METRICS_NAME',
           'OWNED', 'PAGE_NAME', 'Path', 'SAVED_MODEL_NAME', 'check_output',
           'saved_model_num_bytes', 'write']

Path = Union[str, os.PathLike]

LGC_NAME = 'artifact.lgc'
SAVED_MODEL_NAME = 'saved_model'
LITERT_NAME = 'artifact.tflite'
METRICS_NAME = 'metrics.jsonl'
# What is written later, or by others, about the artifact that stands there.
EVALUATION_NAME, PAGE_NAME = 'evaluation.json', 'report.html'
# What goes with an artifact that is replaced.
OWNED = (LGC_NAME, METRICS_NAME, RUN_NAME, SAVED_MODEL_NAME, ENCODER_NAME,
         LITERT_NAME, *card.CARD_NAMES, EVALUATION_NAME, PAGE_NAME)


def check_output(directory: Path, overwrite: bool) -> None:
  """Refuses a directory that cannot take an artifact, before any work."""
  directory = pathlib.Path(directory)
  check_directory(directory)
  holds = [name for name in OWNED if (directory / name).exists()]
  if holds and not overwrite:
    raise ConfigError(f'output = {str(directory)!r}: holds another artifact, '
                      f'or a file of the name of one ({holds[0]}); name '
                      'another directory, or --overwrite to replace it')


def saved_model_num_bytes(directory: Path) -> int:
  """Size of an artifact's SavedModel as .tar.gz."""
  buffer = io.BytesIO()
  with tarfile.open(fileobj=buffer, mode='w:gz') as tar:
    tar.add(pathlib.Path(directory) / SAVED_MODEL_NAME, SAVED_MODEL_NAME)
  return len(buffer.getvalue())


def write(path: pathlib.Path, content: bytes) -> None:
  """A new file, which is on the disk afterwards."""
  with open(path, 'wb') as file:
    file.write(content)
    file.flush()
    os.fsync(file.fileno())
