"""An artifact on disk: saved, replaced and loaded."""

import dataclasses
import json
import os
import pathlib
import shutil

import pytest

import tfp_lgc
from tfp_lgc import artifact as artifact_lib
from tfp_lgc.errors import ArtifactError, ConfigError


def _files(directory):
  """Relative path -> content of all that lies below."""
  return {str(path.relative_to(directory)): path.read_bytes()
          for path in pathlib.Path(directory).rglob('*') if path.is_file()}


def _other(artifact):
  """An artifact that differs a little."""
  return dataclasses.replace(artifact, class_names=('x', 'y', 'z'))


@pytest.mark.parametrize('place', [
    '.', 'artifact.lgc', 'saved_model', 'saved_model/1'])
@pytest.mark.parametrize('kind', [str, pathlib.Path])
def test_what_was_saved_loads_from_each_of_its_places(place, kind, saved,
                                                      artifact):
  assert tfp_lgc.load(kind(saved / place)).to_bytes() == artifact.to_bytes()


def test_the_metrics_are_json_lines(saved):
  lines = (saved / 'metrics.jsonl').read_text().splitlines()
  assert [json.loads(line) for line in lines] == [{'event': 'a'},
                                                  {'event': 'b'}]


def test_nothing_else_is_saved(saved):
  assert {path.name for path in saved.iterdir()} == {
      'artifact.lgc', 'saved_model', 'metrics.jsonl', 'encoder', 'README.md',
      'metadata.json'}


def test_the_newest_version_of_a_saved_model_is_loaded(artifact, tmp_path):
  for version, content in (('2', b'not this'), ('10', artifact.to_bytes()),
                           ('9', b'nor this'), ('11-draft', b'nor this')):
    extra = tmp_path / version / 'assets.extra'
    extra.mkdir(parents=True)
    (extra / 'artifact.lgc').write_bytes(content)
  assert tfp_lgc.load(tmp_path).to_bytes() == artifact.to_bytes()


@pytest.mark.parametrize('path', ['none', 'none/artifact.lgc', '', 'a\0b'])
def test_where_nothing_is_nothing_loads(path, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  for place in (path, pathlib.Path(path)):
    with pytest.raises(ArtifactError, match='there is no artifact.lgc'):
      tfp_lgc.load(place)


def test_a_damaged_file_is_named(tmp_path):
  path = tmp_path / 'x.lgc'
  path.write_bytes(b'anything')
  with pytest.raises(ArtifactError, match='x.lgc'):
    tfp_lgc.load(path)


@pytest.mark.parametrize('standing', ['artifact.lgc', 'saved_model/1/x'])
def test_another_artifact_is_not_replaced(standing, artifact, tmp_path):
  path = tmp_path / standing
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(b'precious')
  with pytest.raises(ConfigError, match='--overwrite'):
    artifact.save(tmp_path)
  assert _files(tmp_path) == {standing: b'precious'}


def test_nor_one_that_another_process_puts_there_meanwhile(
    artifact, tmp_path, monkeypatch):
  taken = artifact_lib.only_writer

  def late(directory):
    (tmp_path / 'artifact.lgc').write_bytes(b'precious')
    return taken(directory)

  monkeypatch.setattr(artifact_lib, 'only_writer', late)
  with pytest.raises(ConfigError, match='--overwrite'):
    artifact.save(tmp_path)
  assert _files(tmp_path) == {'artifact.lgc': b'precious'}


@pytest.mark.parametrize('place', ['file', 'file/out', 'file/a/b'])
@pytest.mark.parametrize('overwrite', [False, True])
def test_a_file_is_no_directory(place, overwrite, artifact, tmp_path):
  (tmp_path / 'file').write_bytes(b'precious')
  with pytest.raises(ConfigError, match='not a directory'):
    artifact.save(tmp_path / place, overwrite=overwrite)
  assert _files(tmp_path) == {'file': b'precious'}


def test_overwrite_replaces_the_artifact_and_nothing_else(artifact, saved,
                                                          tmp_path):
  out = tmp_path / 'out'
  shutil.copytree(saved, out)
  (out / 'saved_model' / '2').mkdir()
  (out / 'notes.txt').write_bytes(b'precious')
  other = _other(artifact)
  other.save(out, overwrite=True)
  for place in ('artifact.lgc', 'saved_model'):
    assert tfp_lgc.load(out / place).to_bytes() == other.to_bytes()
  assert set(_files(out)) == {*_files(saved), 'notes.txt'}
  assert (out / 'metrics.jsonl').read_bytes() == b''


def test_a_directory_is_made_with_those_above(artifact, tmp_path, monkeypatch):
  monkeypatch.setattr(artifact_lib.signatures, 'save',
                      lambda sampler, path, max_batch: os.makedirs(path))
  artifact.save(tmp_path / 'a' / 'b')
  assert tfp_lgc.load(tmp_path / 'a' / 'b').to_bytes() == artifact.to_bytes()


@pytest.mark.parametrize('error', [OSError('disk full'), KeyboardInterrupt()],
                         ids=['error', 'interrupt'])
def test_a_save_that_fails_changes_nothing(error, artifact, saved, tmp_path,
                                           monkeypatch):
  def fail(sampler, path, max_batch):
    os.makedirs(path)
    (pathlib.Path(path) / 'half').write_bytes(b'')
    raise error
  monkeypatch.setattr(artifact_lib.signatures, 'save', fail)
  out = tmp_path / 'out'
  shutil.copytree(saved, out)
  with pytest.raises(type(error)):
    _other(artifact).save(out, overwrite=True)
  assert _files(out) == _files(saved)
  assert {path.name for path in out.iterdir()} == {
      path.name for path in saved.iterdir()}
  assert tfp_lgc.load(out).to_bytes() == artifact.to_bytes()


@pytest.mark.parametrize('which', range(13))
def test_a_save_that_fails_at_a_rename_leaves_an_artifact(
    which, artifact, saved, tmp_path, monkeypatch):
  """The old one or the new one, whichever of the renames fails."""
  monkeypatch.setattr(artifact_lib.signatures, 'save',
                      lambda sampler, path, max_batch: os.makedirs(path))
  out = tmp_path / 'out'
  shutil.copytree(saved, out)
  other = _other(artifact)
  done = []

  def flaky(function):
    def call(*args, **kwargs):
      done.append(args)
      if len(done) == which + 1:
        raise OSError('disk gone for a moment')
      return function(*args, **kwargs)
    return call
  for name in ('rename', 'replace'):
    monkeypatch.setattr(os, name, flaky(getattr(os, name)))
  with pytest.raises(OSError, match='disk gone'):
    other.save(out, overwrite=True)
  content = tfp_lgc.load(out).to_bytes()
  assert content in (artifact.to_bytes(), other.to_bytes())
  assert tfp_lgc.load(out / 'saved_model').to_bytes() == content
  assert not list(out.glob('.*'))


def test_write_metrics_replaces_them_and_the_card(artifact, tmp_path):
  artifact.write_metrics(tmp_path, [{'a': 1}, {'b': 'é'}])
  artifact.write_metrics(tmp_path, [{'c': 2}], source='new')
  files = _files(tmp_path)
  assert set(files) == {'metrics.jsonl', 'README.md', 'metadata.json'}
  assert files['metrics.jsonl'] == b'{"c": 2}\n'
  assert b'| source | new |' in files['README.md']


def test_what_was_written_about_an_artifact_goes_with_it(artifact, tmp_path,
                                                         monkeypatch):
  monkeypatch.setattr(artifact_lib.signatures, 'save',
                      lambda sampler, path, max_batch: os.makedirs(path))
  artifact.save(tmp_path)
  for name in ('evaluation.json', 'report.html'):
    (tmp_path / name).write_bytes(b'of the old one')
  artifact.save(tmp_path, overwrite=True)
  assert not {'evaluation.json', 'report.html'} & {
      path.name for path in tmp_path.iterdir()}
