"""Drawing by pipelines writes the files of one process."""

import pytest

pytest.importorskip(
    'apache_beam', reason='Apache Beam is not installed; see extra beam')

import numpy as np  # noqa: E402
import tensorflow_datasets as tfds  # noqa: E402
from beam_cases import OPTIONS  # noqa: E402

import tfp_lgc  # noqa: E402
from tfp_lgc import beam_sample, tfds_writer  # noqa: E402
from tfp_lgc.errors import ConfigError  # noqa: E402
from tfp_lgc.progress import Progress  # noqa: E402


@pytest.fixture(scope='module')
def artifact(short_run):
  return tfp_lgc.load_with_encoder(short_run)


@pytest.fixture
def small_shards(monkeypatch):
  monkeypatch.setattr(tfds_writer, 'SHARD_NUM_IMAGES', 256)


def content(directory):
  return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_files_are_those_of_one_process(artifact, tmp_path, small_shards):
  how = {'seed': 5, 'temperature': 0.5}
  splits = {'train': 600, 'test': 30}
  beam_sample.sample(artifact, 630, str(tmp_path / 'ours'), OPTIONS, splits,
                     **how)
  drawing = tfp_lgc.sampling.drawing(artifact, 630, **how)
  tfds_writer.write_tfds(drawing.portions, splits, artifact.image_shape,
                         artifact.class_names, str(tmp_path / 'expected'),
                         {}, Progress())
  assert content(tmp_path / 'ours') == content(tmp_path / 'expected')
  assert len(content(tmp_path / 'ours')) == 3 + 1 + 3
  assert {path.name for path in tmp_path.iterdir()} == {'ours', 'expected'}
  rows = list(tfds.as_numpy(tfds.builder_from_directory(
      tmp_path / 'ours').as_dataset(
          split='train',
          read_config=tfds.ReadConfig(interleave_cycle_length=1))))
  images = tfp_lgc.sample(artifact, 600, **how)
  np.testing.assert_array_equal([row['image'] for row in rows], images.images)
  np.testing.assert_array_equal([row['label'] for row in rows], images.labels)


def test_drawing_goes_on_where_it_was_killed(artifact, tmp_path, monkeypatch,
                                             small_shards):
  output = tmp_path / 'x'

  def killed(*arguments):
    raise KeyboardInterrupt
  with monkeypatch.context() as patch:
    patch.setattr(tfds_writer, 'write_metadata', killed)
    with pytest.raises(KeyboardInterrupt):
      beam_sample.sample(artifact, 300, str(output), OPTIONS)
  before = content(output)
  with pytest.raises(ConfigError, match='another seed'):
    beam_sample.sample(artifact, 300, str(output), OPTIONS, seed=1)
  first, second = sorted(output.iterdir())
  first.write_bytes(b'as it was')
  second.unlink()
  beam_sample.sample(artifact, 300, str(output), OPTIONS)
  assert content(output)[first.name] == b'as it was'
  assert content(output)[second.name] == before[second.name]
  assert 'dataset_info.json' in content(output)
  assert [path.name for path in tmp_path.iterdir()] == ['x']
  with pytest.raises(ConfigError, match='is not empty'):
    beam_sample.sample(artifact, 300, str(output), OPTIONS)
