"""What the pipelines of lgc-beam leave for each other.

It lies on a disk that all workers see. A path may be whatever TensorFlow opens:
a folder of a shared disk, or `gs://...`. A file is written aside
and then renamed: where its name stands it is whole, and two workers that were
given the same piece do not disturb each other.
"""

import contextlib
import io
import json
import posixpath
import uuid
from typing import Any, Iterator, Mapping, NamedTuple

import numpy as np
import tensorflow as tf

from tfp_lgc.errors import ConfigError

__all__ = ['Latents', 'claim', 'from_bytes', 'from_record', 'join', 'placed',
           'settings_of', 'to_bytes', 'to_record']

NOTE = 'settings.json'

join = posixpath.join


class Latents(NamedTuple):
  """Latents of images of one class.

  Attributes:
    label: position of the class.
    positions: int64 `[N]`, of the images in their data set.
    points: float32 `[N, d]`.
  """
  label: int
  positions: np.ndarray
  points: np.ndarray


def to_record(latents: Latents) -> bytes:
  """A serialized `tf.train.Example` of `label`, `position` (int64) and `latent`
  (the little-endian float32 of all points, one after the other)."""
  def whole(values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

  points = np.ascontiguousarray(latents.points, '<f4').tobytes()
  return tf.train.Example(features=tf.train.Features(feature={
      'label': whole([latents.label]),
      'position': whole(latents.positions),
      'latent': tf.train.Feature(bytes_list=tf.train.BytesList(value=[points])),
  })).SerializeToString(deterministic=True)


def from_record(record: bytes) -> Latents:
  """The inverse of `to_record`."""
  feature = tf.train.Example.FromString(record).features.feature
  positions = np.array(feature['position'].int64_list.value, np.int64)
  points = np.frombuffer(feature['latent'].bytes_list.value[0], '<f4')
  return Latents(int(feature['label'].int64_list.value[0]), positions,
                 points.reshape([len(positions), -1]))


def to_bytes(arrays: Mapping[str, Any]) -> bytes:
  """Arrays by name, as an .npz file."""
  buffer = io.BytesIO()
  np.savez(buffer, **arrays)
  return buffer.getvalue()


def from_bytes(content: bytes) -> dict[str, np.ndarray]:
  """The inverse of `to_bytes`; no pickle is read."""
  with np.load(io.BytesIO(content), allow_pickle=False) as file:
    return {name: file[name] for name in file.files}


@contextlib.contextmanager
def placed(path: str, folder: str) -> Iterator[str]:
  """A name to write to, of a file that then takes its place at once.

  ```python
  with placed('out/x', 'out') as aside:
    pathlib.Path(aside).write_text('x')   # If this raises, there is no x.
  ```

  Args:
    path: where the file is to stand, whatever stands there.
    folder: where it is written before; what a killed worker leaves stays here.
  """
  aside = join(folder, f'aside-{uuid.uuid4().hex}')
  try:
    yield aside
    tf.io.gfile.rename(aside, path, overwrite=True)
  except BaseException:
    if tf.io.gfile.exists(aside):
      tf.io.gfile.remove(aside)
    raise


def claim(directory: str, settings: Mapping[str, Any]) -> None:
  """Makes a directory for what follows from some settings, or finds that of an
  earlier run.

  Args:
    directory: made if it does not exist.
    settings: what JSON can hold.

  Raises:
    ConfigError: if it is that of a run with other settings, or of something
      else.
  """
  text = json.dumps(settings, indent=1, sort_keys=True)
  note = join(directory, NOTE)
  if tf.io.gfile.exists(note):
    before, now = settings_of(directory), json.loads(text)
    other = sorted(key for key in {*before, *now}
                   if before.get(key) != now.get(key))
    if other:
      raise ConfigError(
          f'{directory} holds what a run with another {", ".join(other)} made; '
          'remove it, or name another directory')
    return
  if tf.io.gfile.exists(directory) and (
      not tf.io.gfile.isdir(directory)
      or [name for name in tf.io.gfile.listdir(directory)
          if not name.startswith('aside-')]):
    raise ConfigError(f'{directory} stands in the way; remove it, or name '
                      'another directory')
  tf.io.gfile.makedirs(directory)
  with placed(note, directory) as aside:
    with tf.io.gfile.GFile(aside, 'w') as file:
      file.write(text)


def settings_of(directory: str) -> dict[str, Any]:
  """What a directory was claimed for.

  Raises:
    ConfigError: if it was not, or the note is damaged.
  """
  note = join(directory, NOTE)
  if not tf.io.gfile.exists(note):
    raise ConfigError(f'{note}: there is no such file; name a directory that '
                      'lgc-beam wrote')
  try:
    with tf.io.gfile.GFile(note) as file:
      settings = json.loads(file.read())
    if not isinstance(settings, dict):
      raise ValueError('must be an object')
    return settings
  except ValueError as error:
    raise ConfigError(f'{note}: is damaged ({error}); remove its directory and '
                      'make it anew') from error
