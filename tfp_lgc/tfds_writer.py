"""Writing a stream of labelled images as a TFDS data set.

The files are those that https://www.tensorflow.org/datasets/external_tfrecord
describes: shards of serialized `tf.train.Example`, and the metadata that TFDS'
own `write_metadata` makes. A shard is written aside and then renamed, so that
where its name stands it is whole; and so is the data set: it is made in
`OUTPUT.unfinished` and takes its place when all shards are there.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import shutil
from typing import Any, Callable, Iterator, Union

import numpy as np

from tfp_lgc.errors import ConfigError
from tfp_lgc.progress import Progress
from tfp_lgc.version import __version__

__all__ = ['DATASET_NAME', 'Shard', 'check_names', 'features_of',
           'is_in_place', 'parse_splits', 'plan', 'serialized', 'shard_size',
           'write_metadata', 'write_tfds']

# In the names of all files; TFDS takes letters, digits and underscores.
DATASET_NAME = 'lgc_samples'
DESCRIPTION = 'Images drawn from a compressed data set by tfp_lgc.'
UNFINISHED = '.unfinished'
# In it: what the images follow from.
NOTE = 'settings.json'
# A shard has as many images as one call draws, or a few times that, ...
SHARD_NUM_IMAGES = 2**14
# ... but no more bytes of pixels than this.
SHARD_NUM_BYTES = 2**28
# Shards begin where a block of images begins, or some were drawn twice.
MULTIPLE = 256

Portions = Iterator[tuple[np.ndarray, np.ndarray]]
Path = Union[str, os.PathLike]


def parse_splits(text: str, n: int) -> dict[str, int]:
  """Names of splits and how many images each has.

  ```python
  parse_splits('train', 100)             # {'train': 100}
  parse_splits('train:900,test:100', 1000)
  ```

  Args:
    text: one name; or `NAME:NUMBER` of each, separated by commas.
    n: what the numbers add up to.

  Raises:
    ConfigError: for anything else.
  """
  splits: dict[str, int] = {}
  for part in text.split(','):
    name, colon, number = part.strip().partition(':')
    # `.isascii`: digits and letters of other scripts are digits and letters.
    if not (name.isascii() and name.replace('_', '').isalnum()
            and not name[0].isdigit() and name != 'all'):
      raise ConfigError(f'splits = {text!r}: {name!r} is no name of a split; '
                        'use letters, digits and _, and not "all"')
    if name in splits:
      raise ConfigError(f'splits = {text!r}: has {name} twice')
    # Python does not read numbers of thousands of digits.
    if colon and not (number.isascii() and number.isdigit()
                      and len(number) < 20 and int(number)):
      raise ConfigError(f'splits = {text[:80]!r}: {name} has {number[:40]!r} '
                        'images; must be a whole number from 1')
    splits[name] = int(number) if colon else n
  if sum(splits.values()) != n:
    raise ConfigError(f'splits = {text!r}: must add up to n = {n}; write '
                      'train:NUMBER,test:NUMBER')
  return splits


def shard_size(image_shape: tuple[int, int, int]) -> int:
  """Images a shard."""
  fit = SHARD_NUM_BYTES // int(np.prod(image_shape))
  return min(SHARD_NUM_IMAGES, max(fit // MULTIPLE, 1) * MULTIPLE)


@dataclasses.dataclass(frozen=True)
class Shard:
  """A file: images from position `first` to before `stop`."""
  path: str
  first: int
  stop: int


def write_tfds(portions: Callable[[int, int], Portions],
               splits: dict[str, int], image_shape: tuple[int, int, int],
               class_names: tuple[str, ...], output: str,
               settings: dict[str, Any], progress: Progress,
               description: str = DESCRIPTION) -> None:
  """Writes a data set that `tfds.builder_from_directory(output)` opens.

  Its features are `image` and `label`. The images lie in their order; TFDS
  takes turns between shards unless it is read with
  `tfds.ReadConfig(interleave_cycle_length=1)`. What a run
  that was killed left is taken up again: whole shards are kept, and the files
  become those of a run that nobody disturbed. Memory does not depend on the
  number of images.

  ```python
  write_tfds(drawing.portions, {'train': 1_000}, drawing.image_shape,
             drawing.class_names, 'out', {'seed': 0}, Progress())
  ```

  Args:
    portions: (first, stop) -> the images and labels, uint8 `[B, H, W, C]` and
      int32 `[B]`, from one position to before another.
    splits: name -> number of images, one split after the other.
    image_shape: `(H, W, C)`.
    class_names: what the labels mean.
    output: a directory that does not exist or is empty; beside it,
      `OUTPUT.unfinished` is worked in.
    settings: what JSON can hold and the images follow from, besides the
      version of this package.
    progress: hears of the images.
    description: of the data set, for people.

  Raises:
    ConfigError: if what a killed run left is of other settings, another run is
      at the same output, or TFDS cannot keep the name of a class.
    OSError: if the disk is full or not to be written to.
  """
  check_names(class_names)
  directory = pathlib.Path(output).resolve()
  working = directory.with_name(directory.name + UNFINISHED)
  size = shard_size(image_shape)
  _take_up(working, output, json.dumps(
      {**settings, 'tfp_lgc': __version__, 'splits': splits,
       'shard_size': size}, indent=1, sort_keys=True))
  with _alone(working, output):
    if not is_in_place(output):
      (working / 'data').mkdir(exist_ok=True)
      _write(working / 'data', portions, splits, size, features_of(
          image_shape, class_names), description, progress)
      os.replace(working / 'data', directory)
    shutil.rmtree(working)


def is_in_place(output: str) -> bool:
  """Whether a run was killed just after its data set took its place: the same
  command has nothing left to do but to tidy up."""
  directory = pathlib.Path(output).resolve()
  working = directory.with_name(directory.name + UNFINISHED)
  return ((working / NOTE).exists() and not (working / 'data').exists()
          and directory.is_dir() and any(directory.iterdir()))


def features_of(image_shape: tuple[int, int, int],
                class_names: tuple[str, ...]):
  """Those of the data set, a `tfds.features.FeaturesDict`."""
  import tensorflow_datasets as tfds
  return tfds.features.FeaturesDict({
      'image': tfds.features.Image(shape=image_shape, dtype=np.uint8,
                                   encoding_format='png'),
      'label': tfds.features.ClassLabel(names=list(class_names))})


def _write(data: pathlib.Path, portions: Callable[[int, int], Portions],
           splits: dict[str, int], size: int, features, description: str,
           progress: Progress) -> None:
  """Writes shards of `size` images, and the metadata."""
  shards = plan(data, splits, size)
  with progress.stage('write', sum(splits.values())):
    for its in shards.values():
      for shard in its:
        _write_shard(shard, portions, progress)
    write_metadata(data, shards, features, description)


def _template(data: Path, split: str):
  """The names of the files of a split."""
  import tensorflow_datasets as tfds
  return tfds.core.ShardedFileTemplate(
      tfds.core.as_path(data), dataset_name=DATASET_NAME, split=split,
      filetype_suffix='tfrecord')


def plan(data: Path, splits: dict[str, int], size: int,
         ) -> dict[str, list[Shard]]:
  """The files of all splits.

  Args:
    data: the directory that they are in.
    splits: name -> number of images, one split after the other.
    size: images a file.
  """
  shards, start = {}, 0
  for name, count in splits.items():
    shards[name] = _shards(_template(data, name), start, count, size)
    start += count
  return shards


def write_metadata(data: Path, shards: dict[str, list[Shard]], features,
                   description: str = DESCRIPTION) -> None:
  """Writes what TFDS has to know of files that stand; see `plan`."""
  import tensorflow as tf
  import tensorflow_datasets as tfds
  infos = [
      tfds.core.SplitInfo(
          name, [shard.stop - shard.first for shard in its],
          sum(tf.io.gfile.stat(shard.path).length for shard in its),
          _template(data, name))
      for name, its in shards.items()]
  tfds.folder_dataset.write_metadata(
      data_dir=data, features=features, split_infos=infos, check_data=False,
      supervised_keys=('image', 'label'),
      description=description)


def check_names(class_names: tuple[str, ...]) -> None:
  """TFDS keeps them as lines of a file, without spaces at either end."""
  for name in class_names:
    # Either of \r and \n ends a line; half a surrogate pair is no UTF-8.
    if (not name or name != name.strip() or {*'\r\n'} & {*name}
        or name.encode(errors='ignore').decode() != name):
      raise ConfigError(f'output_format = tfds: a data set of TFDS cannot have '
                        f'a class named {name!r}; choose npz or folder')


def _take_up(working: pathlib.Path, output: str, settings: str) -> None:
  """Makes the directory of an unfinished run, or finds that of this one."""
  note = working / NOTE
  if note.exists():
    before, now = json.loads(note.read_text()), json.loads(settings)
    other = sorted(key for key in {*before, *now}
                   if before.get(key) != now.get(key))
    if other:
      raise ConfigError(
          f'output = {output!r}: {working} holds the unfinished part of a run '
          f'with another {", ".join(other)}; remove it, or name another output')
  elif working.exists() and any(working.iterdir()):
    raise ConfigError(f'output = {output!r}: {working} stands in the way; '
                      'remove it, or name another output')
  else:
    working.mkdir(parents=True, exist_ok=True)
    aside = working.with_name(working.name + '.json')
    aside.write_text(settings)
    os.replace(aside, note)


@contextlib.contextmanager
def _alone(working: pathlib.Path, output: str) -> Iterator[None]:
  """Keeps out other runs, until this one ends in whatever way."""
  with open(working / NOTE, 'rb') as note:
    try:
      fcntl.flock(note, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      raise ConfigError(f'output = {output!r}: another run writes it; wait for '
                        'its end, or name another output') from error
    yield


def _shards(template, start: int, count: int, size: int) -> list[Shard]:
  """The shards of `count` images from position `start` on."""
  firsts = range(start, start + count, size)
  return [Shard(os.fspath(template.sharded_filepath(
      shard_index=i, num_shards=len(firsts))), first,
                min(first + size, start + count))
          for i, first in enumerate(firsts)]


def _write_shard(shard: Shard, portions: Callable[[int, int], Portions],
                 progress: Progress) -> None:
  """Writes one file, if it does not stand."""
  import tensorflow as tf
  path = pathlib.Path(shard.path)
  if path.exists():
    progress.skip(shard.stop - shard.first)
    return
  # TFDS does not take it for one of its files.
  aside = path.with_name('shard')
  done = shard.first
  with tf.io.TFRecordWriter(str(aside)) as writer:
    for images, labels in portions(shard.first, shard.stop):
      for example in serialized(images, labels):
        writer.write(example)
      done += len(images)
      progress.step(done)
  with open(aside, 'rb') as file:
    os.fsync(file.fileno())
  os.replace(aside, path)


def serialized(images: np.ndarray, labels: np.ndarray) -> Iterator[bytes]:
  """The examples of `features_of`, as TFDS has them: the same bytes, made of
  many images at once, which takes a fifth of the time. TFDS leaves the order of
  features to chance, which is another one in every process; here the same image
  is the same bytes."""
  import tensorflow as tf
  feature, example = tf.train.Feature, tf.train.Example
  for first in range(0, len(images), MULTIPLE):
    encoded = tf.io.encode_png(images[first:first + MULTIPLE]).numpy()
    for png, label in zip(encoded, labels[first:first + MULTIPLE].tolist()):
      yield example(features=tf.train.Features(feature={
          'image': feature(bytes_list=tf.train.BytesList(value=[png])),
          'label': feature(int64_list=tf.train.Int64List(value=[label])),
      })).SerializeToString(deterministic=True)
