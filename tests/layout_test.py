"""The folder of an artifact takes no place that another file has."""

import io
import tarfile

import pytest

from tfp_lgc import layout
from tfp_lgc.errors import ConfigError


@pytest.mark.parametrize('name', layout.OWNED)
def test_what_would_be_replaced_is_named(name, tmp_path):
  layout.check_output(tmp_path, overwrite=False)
  (tmp_path / name).write_bytes(b'precious')
  with pytest.raises(ConfigError, match=rf'another artifact.*\({name}\)'):
    layout.check_output(tmp_path, overwrite=False)
  layout.check_output(tmp_path, overwrite=True)


def test_other_files_do_no_harm(tmp_path):
  (tmp_path / 'notes.txt').write_bytes(b'precious')
  layout.check_output(tmp_path, overwrite=False)
  layout.check_output(tmp_path / 'not' / 'there', overwrite=False)


@pytest.mark.parametrize('overwrite', [False, True])
def test_a_file_is_no_directory(overwrite, tmp_path):
  (tmp_path / 'file').write_bytes(b'precious')
  with pytest.raises(ConfigError, match='not a directory'):
    layout.check_output(tmp_path / 'file', overwrite)


def test_an_artifact_has_no_other_files(saved):
  assert {path.name for path in saved.iterdir()} <= set(layout.OWNED)


def test_a_saved_model_is_as_large_as_its_archive(tmp_path):
  folder = tmp_path / layout.SAVED_MODEL_NAME / '1'
  folder.mkdir(parents=True)
  layout.write(folder / 'saved_model.pb', bytes(range(256)) * 400)
  assert (folder / 'saved_model.pb').read_bytes() == bytes(range(256)) * 400
  (tmp_path / 'artifact.lgc').write_bytes(b'not of it')
  archive = io.BytesIO()
  with tarfile.open(fileobj=archive, mode='w:gz') as tar:
    tar.add(tmp_path / 'saved_model', 'saved_model')
  # The time is in it, whose bytes may take more or fewer.
  assert layout.saved_model_num_bytes(tmp_path) == pytest.approx(
      len(archive.getvalue()), abs=16)
