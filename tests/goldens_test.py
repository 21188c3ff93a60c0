"""Files that earlier programs wrote are read and drawn from as ever.

A file of goldens/vN was written by the program that had format version N, and
the .npz beside it is what that program drew from it. None is ever made anew:
what changes the bytes of a file that a user may have is a new version.
"""

import pathlib
import struct

import numpy as np
import pytest

import tfp_lgc
from tfp_lgc import codec, container, packing
from tfp_lgc.opening import num_bytes_on_disk

GOLDENS = sorted((pathlib.Path(__file__).parent / 'goldens').glob('v*/*.lgc'))


def test_every_version_has_goldens():
  versions = {int(path.parent.name[1:]) for path in GOLDENS}
  assert versions == set(range(1, container.FORMAT_VERSION + 1))


def test_there_is_one_of_everything_a_budget_chooses():
  """And of every integer code that a file may have."""
  grid = tfp_lgc.load(GOLDENS[0].parents[1] / 'v4' / 'grid.lgc')
  assert grid.model.grid_filters and grid.texture is not None
  assert set(grid.structures) == {'tied'} and max(grid.num_components) > 1
  used = {entry[4] for path in GOLDENS if path.parent.name == 'v4'
          for entry in _entries(path)}
  assert used == set(codec.CODECS)


def _entries(path):
  """Of the tensors in a header."""
  body = path.read_bytes()[container._PREFIX.size:-container._DIGEST_SIZE]
  return container._header(body, len(body) * 10)[0]['tensors']


@pytest.mark.parametrize('version, is_old', [
    (1, True), (2, True), (3, True), (4, False)])
def test_what_is_packed_otherwise_today_is_told(version, is_old):
  """Of version 3 means of tied components alone are."""
  folder = GOLDENS[0].parents[1] / f'v{version}'
  path = folder / ('tied.lgc' if version > 2 else 'dense.lgc')
  assert packing.is_old(tfp_lgc.load(path).tensors) == is_old
  if version > 2:
    assert not packing.is_old(tfp_lgc.load(folder / 'dense.lgc').tensors)


@pytest.mark.parametrize('path', GOLDENS, ids=lambda path: (
    f'{path.parent.name}-{path.stem}'))
def test_a_golden_is_drawn_from_as_when_it_was_made(path):
  content = path.read_bytes()
  version, = struct.unpack('<H', content[8:10])
  assert version == int(path.parent.name[1:])
  artifact = tfp_lgc.load(path)
  assert num_bytes_on_disk(path) == len(content)
  drawn = tfp_lgc.sample(artifact, n=24, seed=5)
  expected = np.load(path.with_suffix('.npz'))
  assert artifact.class_names == ('7', 'ape', 'k\u00f6')
  np.testing.assert_array_equal(drawn.labels, expected['labels'])
  # Other processors may round another way.
  off = np.abs(drawn.images.astype(int) - expected['images'])
  assert off.max() <= 1
  assert (off > 0).mean() < 0.01
  # What is written of it today is the same artifact, in today's version.
  again = tfp_lgc.Artifact.from_bytes(artifact.to_bytes())
  assert artifact.to_bytes()[8:10] == struct.pack('<H',
                                                  container.FORMAT_VERSION)
  np.testing.assert_array_equal(tfp_lgc.sample(again, n=24, seed=5).images,
                                drawn.images)
