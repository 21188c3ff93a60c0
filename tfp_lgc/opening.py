"""Opening what an artifact was saved as."""

import dataclasses
import pathlib
from typing import Optional, Union

from tfp_lgc import container, layout
from tfp_lgc.artifact import Artifact
from tfp_lgc.encoder import load_encoder
from tfp_lgc.errors import ArtifactError, LgcError
from tfp_lgc.layout import Path
from tfp_lgc.limits import MAX_NUM_BYTES

__all__ = ['load', 'load_with_encoder', 'num_bytes_on_disk']


def load(path: Path) -> Artifact:
  """Opens an artifact; nothing in it is executed.

  A SavedModel carries the compact file among its extra assets, and that is
  what is read: its graph, which is a program, is left alone.

  ```python
  artifact = tfp_lgc.load('out')
  ```

  Args:
    path: artifact.lgc, a SavedModel (`saved_model` or `saved_model/1`), or the
      directory that holds both.

  Raises:
    ArtifactError: if there is none, or it is damaged or of a newer format.
  """
  found = _found(path)
  try:
    if (num_bytes := found.stat().st_size) > MAX_NUM_BYTES:
      raise ArtifactError(f'{found}: has {num_bytes} bytes; an artifact has at '
                          f'most {MAX_NUM_BYTES}')
    return Artifact.from_bytes(found.read_bytes(), str(found))
  except OSError as error:
    raise LgcError(f'artifact = {str(found)!r}: cannot be read: '
                   f'{error.strerror}') from error


def load_with_encoder(model_dir: Union[Artifact, Path]) -> Artifact:
  """Opens an artifact and the encoder beside it.

  ```python
  artifact = tfp_lgc.load_with_encoder('out')
  later = artifact.updated(images, labels)
  ```

  Args:
    model_dir: where `bin/compress` or `Artifact.save` wrote to; or an
      `Artifact`, which is returned if it has its encoder.

  Raises:
    ArtifactError: if there is no encoder, or that of another artifact.
  """
  if isinstance(model_dir, Artifact):
    if model_dir.encoder is None:
      raise ArtifactError('model_dir: got an Artifact without its encoder; '
                          'name the directory that bin/compress wrote to')
    return model_dir
  artifact = load(model_dir)
  encoder = load_encoder(model_dir, container.checksum(
      _found(model_dir).read_bytes()))
  return dataclasses.replace(artifact, encoder=encoder)


def num_bytes_on_disk(path: Path) -> int:
  """Size of the artifact.lgc that `load` would read, of whatever version."""
  return _found(path).stat().st_size


def _found(path: Path) -> pathlib.Path:
  """The compact file that `path` is or holds."""
  found = _find(pathlib.Path(path))
  if found is None:
    raise ArtifactError(f'artifact = {str(path)!r}: there is no '
                        f'{layout.LGC_NAME} and no SavedModel of one')
  return found


def _find(path: pathlib.Path) -> Optional[pathlib.Path]:
  if not path.is_dir():
    return path if path.exists() else None
  versions = sorted((int(child.name), child) for child in path.iterdir()
                    if child.name.isdecimal())
  folders = [path, path / 'assets.extra']
  folders += [child / 'assets.extra' for _, child in versions[::-1]]
  return next((folder / layout.LGC_NAME for folder in folders
               if (folder / layout.LGC_NAME).is_file()), None)
