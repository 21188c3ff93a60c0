"""What a run of bin/compress left in its folder."""

import json
import os
import pathlib
from typing import Any, NamedTuple, Union

from tfp_lgc import layout, opening
from tfp_lgc.artifact import Artifact
from tfp_lgc.encoder import ENCODER_NAME
from tfp_lgc.errors import LgcError

__all__ = ['open_run', 'Run']


class Run(NamedTuple):
  """A folder that was opened.

  Attributes:
    name: of the folder, for people.
    artifact: with its encoder, if that is beside it.
    num_bytes: of artifact.lgc, as it lies there.
    saved_model_num_bytes: of the SavedModel as .tar.gz; 0 without one.
    rows: of metrics.jsonl.
    evaluation: what bin/evaluate, or bin/compress --report, found of this
      artifact, or empty.
    unmeasured: why `evaluation` is empty.
  """
  name: str
  artifact: Artifact
  num_bytes: int
  saved_model_num_bytes: int
  rows: list[dict[str, Any]]
  evaluation: dict[str, Any]
  unmeasured: str

  def of(self, event: str) -> list[dict[str, Any]]:
    """Rows of one kind."""
    return [row for row in self.rows if row.get('event') == event]

  def last(self, event: str) -> dict[str, Any]:
    """The last row of a kind, or an empty one."""
    return (self.of(event) or [{}])[-1]


def open_run(directory: Union[str, os.PathLike]) -> Run:
  """Opens the folder of a run.

  Raises:
    LgcError: if there is no artifact in it, or a file is damaged.
  """
  folder = pathlib.Path(directory)
  if not folder.is_dir():
    raise LgcError(f'runs: {str(directory)!r} is no directory; name those that '
                   'bin/compress wrote to')
  artifact = (opening.load_with_encoder(folder)
              if (folder / ENCODER_NAME).is_dir()
              else opening.load(folder))
  num_bytes = opening.num_bytes_on_disk(folder)
  saved = 0
  if (folder / layout.SAVED_MODEL_NAME).is_dir():
    saved = layout.saved_model_num_bytes(folder)
  evaluation, unmeasured = _evaluation(
      folder / layout.EVALUATION_NAME, num_bytes)
  return Run(str(directory), artifact, num_bytes, saved,
             _rows(folder / layout.METRICS_NAME), evaluation, unmeasured)


def _rows(path: pathlib.Path) -> list[dict[str, Any]]:
  if not path.exists():
    return []
  return [_object(line, path)
          for line in path.read_text(encoding='utf-8').splitlines()]


def _evaluation(path: pathlib.Path, num_bytes: int,
                ) -> tuple[dict[str, Any], str]:
  if not path.exists():
    return {}, (f'there is no {path.name} in the folder of the run, which '
                'would be the last line that bin/evaluate prints')
  found = _object(path.read_text(encoding='utf-8'), path)
  if found.get('num_bytes') != num_bytes:
    return {}, (f'{path.name} is of an artifact of '
                f'{found.get("num_bytes")} bytes, and this one has '
                f'{num_bytes}: measure anew by bin/evaluate')
  return found, ''


def _object(text: str, path: pathlib.Path) -> dict[str, Any]:
  try:
    value = json.loads(text)
  except ValueError as error:
    raise LgcError(f'{path}: is not JSON: {error}') from error
  if not isinstance(value, dict):
    raise LgcError(f'{path}: holds something else than JSON objects')
  return value
