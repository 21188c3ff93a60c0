"""run.json: what is written is read again, and what is wrong is named."""

import dataclasses
import json

import pytest

from tfp_lgc import runfile
from tfp_lgc.errors import ConfigError
from tfp_lgc.setting import setting
from tfp_lgc.version import __version__


@dataclasses.dataclass(frozen=True)
class Fruit:
  """What grows."""
  apples: int = setting(3, 'How many apples.', low=0, high=100)
  sugar: float = setting(0.5, 'How sweet.', low=0.0, high=1.0)
  dish: str = setting('pie', 'Which dish.', choices=('pie', 'jam'))
  oven: bool = setting(True, 'Whether to bake.')


FIELDS = {field.name: field for field in dataclasses.fields(Fruit)}
SETTINGS = {'apples': 7, 'sugar': 0.1, 'dish': 'jam', 'oven': False}


@pytest.fixture
def path(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  return tmp_path / 'run.json'


def _read(path, content, known=()):
  path.write_text(json.dumps(content))
  return runfile.read('run.json', FIELDS, known)


def test_what_is_written_is_read_again(path):
  path.write_text(runfile.dumps(SETTINGS, {'dish', 'apples'},
                                {'numpy': '2.1.0'}))
  assert runfile.read('run.json', FIELDS) == (
      SETTINGS, {'apples', 'dish'},
      {'tfp_lgc': __version__, 'numpy': '2.1.0'})


def test_a_file_is_json_that_says_where_it_is_from():
  content = json.loads(runfile.dumps(SETTINGS, ['oven'], {'numpy': '2.1.0'}))
  assert content == {
      'format_version': 1, 'settings': SETTINGS, 'given': ['oven'],
      'versions': {'tfp_lgc': __version__, 'numpy': '2.1.0'}}


def test_where_a_run_wrote_to_is_left_out():
  content = json.loads(runfile.dumps(
      {**SETTINGS, 'output': '/home/me', 'overwrite': True},
      ['output', 'overwrite', 'apples'], {}))
  assert content['settings'] == SETTINGS and content['given'] == ['apples']


def test_of_a_file_by_hand_everything_is_given(path):
  assert _read(path, {'settings': {'apples': 3}}) == ({'apples': 3},
                                                      {'apples'}, {})


def test_a_whole_number_is_a_float_where_that_is_asked_for(path):
  value = _read(path, {'settings': {'sugar': 1}}).settings['sugar']
  assert (value, type(value)) == (1.0, float)


def test_what_is_for_others_is_left_out(path):
  content = {'settings': {'apples': 1, 'knife': 'any'},
             'given': ['apples', 'knife']}
  assert _read(path, content, known=['knife']) == ({'apples': 1}, {'apples'},
                                                   {})


@pytest.mark.parametrize('content, words', [
    ({'settings': {'aples': 1}}, "no setting 'aples'; did you mean apples"),
    ({'settings': {'knive': 1}}, "no setting 'knive'; did you mean knife"),
    ({'settings': {'zzz': 1}}, "no setting 'zzz'$"),
    ({'settings': {'apples': 101}}, 'apples = 101: must be from 0 to 100'),
    ({'settings': {'apples': 1.5}}, 'apples = 1.5: .*int'),
    ({'settings': {'apples': True}}, 'apples = True: .*int'),
    ({'settings': {'apples': '7'}}, "apples = '7': .*int"),
    ({'settings': {'apples': None}}, 'apples = None: .*int'),
    ({'settings': {'sugar': float('nan')}}, 'sugar = nan: .*float'),
    ({'settings': {'dish': 'jem'}}, "dish = 'jem'.*did you mean jam"),
    ({'settings': {'dish': ['jam']}}, r"dish = \['jam'\]: .*str"),
    ({'settings': {'oven': 'false'}}, "oven = 'false': .*bool"),
    ({'settings': {}, 'given': ['apples']}, "given: .*'apples'"),
    ({'settings': {}, 'given': 'apples'}, "given = 'apples': .*list"),
    ({'settings': [1]}, r'settings = \[1\]: .*dict'),
    ({'apples': 1}, "no entry 'apples'"),
    ({'setings': {}}, "no entry 'setings'; did you mean settings"),
    ({}, 'has no `settings`'), ([], 'JSON object'), (None, 'JSON object'),
    ({'format_version': 2, 'new': 1}, 'format_version = 2: .*install a newer'),
    ({'format_version': 0, 'settings': {}}, 'format_version = 0'),
    ({'format_version': '1', 'settings': {}}, "format_version = '1'"),
    ({'format_version': True, 'settings': {}}, 'format_version = True'),
], ids=str)
def test_what_is_wrong_is_named_with_its_file(content, words, path):
  with pytest.raises(ConfigError, match=f"^config = 'run.json': .*{words}"):
    _read(path, content, known=['knife'])


@pytest.mark.parametrize('content', [
    b'', b'{', b'{"settings": {}', b'\xff\xfe', b'[' * 100_000,
    b"{'settings': {}}"], ids=lambda content: str(content[:9]))
def test_what_is_no_json_is_refused(content, path):
  path.write_bytes(content)
  with pytest.raises(ConfigError, match="'run.json': is not JSON"):
    runfile.read('run.json', FIELDS)


@pytest.mark.parametrize('name', ['missing.json', '', '.'])
def test_what_is_no_file_is_refused(name, path):
  with pytest.raises(ConfigError, match=f"config = '{name}': .*bin/compress"):
    runfile.read(name, FIELDS)
