"""Labelled images out of an artifact."""

import numbers
import os
from typing import Optional, Union

import numpy as np
import tensorflow as tf

from tfp_lgc import config as config_lib
from tfp_lgc.artifact import Artifact, load
from tfp_lgc.data import Images
from tfp_lgc.errors import LgcError
from tfp_lgc.sampler import AS_MADE, BLOCK_SIZE

__all__ = ['AnyArtifact', 'as_dataset', 'opened', 'sample', 'whole']

# Blocks that one call draws: bounds the memory of a sample of any size.
BLOCKS_PER_CALL = 32

AnyArtifact = Union[Artifact, str, os.PathLike]


def whole(name: str, value, low: int) -> int:
  """A whole number from `low` to 2^31 - 1."""
  if (not isinstance(value, numbers.Integral) or isinstance(value, bool)
      or not low <= int(value) < 2**31):
    raise LgcError(f'{name} = {value!r}: must be a whole number from {low} to '
                   f'{2**31 - 1}')
  return int(value)


def _seed_tensor(seed: int) -> np.ndarray:
  """The int32 `[2]` that the SavedModel's signatures take for `seed`."""
  return np.array([0, whole('seed', seed, 0)], np.int32)


def opened(artifact: AnyArtifact) -> Artifact:
  return artifact if isinstance(artifact, Artifact) else load(artifact)


def sample(artifact: AnyArtifact, n: int, labels=None, seed: int = 0, *,
           balanced: bool = False, temperature: Optional[float] = None,
           stochastic: bool = False) -> Images:
  """Draws labelled images.

  The same artifact and seed give the same images, from an `Artifact`, either
  of its files, and the SavedModel's `sample` with seed `[0, seed]`; the first
  of them do not depend on n.

  ```python
  images = tfp_lgc.sample('out', n=1000, seed=1)
  threes = tfp_lgc.sample('out', n=16, labels='3')
  ```

  Args:
    artifact: an `Artifact`, or the path of one, see `load`.
    n: how many, at least 1.
    labels: None for classes as frequent as in the training data; or a class
      name, or n of them. A number stands for the class whose name it is.
    seed: from 0 to 2^31 - 1.
    balanced: whether, without `labels`, all classes are equally frequent: they
      take turns.
    temperature: what covariances are multiplied by; None for what the artifact
      was made with.
    stochastic: whether pixels are drawn from the output head, p(x | z), with
      all their noise; else an image is the one point that stands for p(x | z),
      with the artifact's texture, if it has one.

  Raises:
    LgcError: for n, labels, seed or temperature that are not allowed.
    ArtifactError: if the artifact cannot be opened.
  """
  n = whole('n', n, 1)
  artifact, seed_tensor = opened(artifact), _seed_tensor(seed)
  if temperature is None:
    temperature = AS_MADE
  else:
    temperature = config_lib.replace(config_lib.MixtureConfig(),
                                     temperature=temperature).temperature
  if balanced and labels is None:
    labels = np.resize([name for name, count in zip(
        artifact.class_names, artifact.class_counts) if count], n)
  positions = None if labels is None else _positions(artifact, labels, n)
  sampler = artifact.sampler
  if stochastic:
    sampler = sampler.stochastic
  parts = []
  for first in range(0, -(-n // BLOCK_SIZE), BLOCKS_PER_CALL):
    if positions is None:
      count = min(BLOCKS_PER_CALL, -(-n // BLOCK_SIZE) - first)
      drawn = sampler.sample_blocks(first, count, seed_tensor,
                                    temperature)
    else:
      stop = (first + BLOCKS_PER_CALL) * BLOCK_SIZE
      drawn = sampler.sample_class_blocks(
          positions[first * BLOCK_SIZE:stop], seed_tensor, first,
          temperature)
    parts.append((drawn['image'].numpy(), drawn['label'].numpy()))
  return Images(np.concatenate([image for image, _ in parts])[:n],
                np.concatenate([label for _, label in parts])[:n],
                artifact.class_names)


def _positions(artifact: Artifact, labels, n: int) -> np.ndarray:
  """Labels as int32 `[n]` positions in `class_names`."""
  labels = np.broadcast_to(labels, [n]) if np.ndim(labels) == 0 else (
      np.asarray(labels))
  if labels.shape != (n,):
    raise LgcError(f'labels: got shape {labels.shape}; must be one label or '
                   f'n = {n} of them')
  counts = np.array(artifact.class_counts)
  # A class without an image has a place in the artifact, but no mixture.
  known = {name: i for i, name in enumerate(artifact.class_names) if counts[i]}
  positions = np.array([known.get(str(label), -1) for label in labels])
  bad = positions < 0
  if bad.any():
    names = list(known)
    listed = ', '.join(names[:20]) + (', ...' if len(names) > 20 else '')
    raise LgcError(f'labels: {str(labels[bad][0])!r} is no class of the '
                   f'artifact; choose from {listed}')
  return positions.astype(np.int32)


def as_dataset(artifact: AnyArtifact, seed: int = 0) -> tf.data.Dataset:
  """An endless stream of `(uint8 [H, W, C], int32 [])`.

  Its first n elements are those of `sample(artifact, n, seed=seed)`.

  ```python
  dataset = tfp_lgc.as_dataset('out').batch(128)
  ```

  Args:
    artifact: an `Artifact`, or the path of one.
    seed: from 0 to 2^31 - 1.
  """
  sampler, seed_tensor = opened(artifact).sampler, _seed_tensor(seed)

  def block(position):
    drawn = sampler.sample_blocks(position, 1, seed_tensor)
    return drawn['image'], drawn['label']

  positions = tf.data.Dataset.range(2**31 - 1, output_type=tf.int32)
  return positions.map(block, tf.data.AUTOTUNE).unbatch()
