"""What a request asks for, from the text of its query."""

import urllib.parse

import pytest
from servers import CLASSES, CONFIG

from tfp_lgc import queries
from tfp_lgc.errors import LgcError


@pytest.mark.parametrize('query, words', [
    ('n=0', "n = '0': must be a whole number from 1 to 50"),
    ('n=51', "n = '51'.*from 1 to 50"),
    ('n=', "n = ''"), ('n=1e2', 'n = '), ('n=1.0', 'n = '),
    ('n=%D9%A3', 'n = '), ('n=' + '9' * 5000, "n = '9{40}': must"),
    ('seed=-1', "seed = '-1'.*from 0 to 2147483647"),
    ('seed=2147483648', 'seed = '), ('seed=x', 'seed = '),
    ('temperature=-1', 'temperature = .*from 0 to 100'),
    ('temperature=nan', 'temperature = '),
    ('temperature=1_0', 'temperature = '), ('temperature=%201', 'temperature'),
    ('temperature=%D9%A3', 'temperature = '), ('temperature=', 'temperature'),
    ('temperature=1e400', 'temperature = '),
    ('temperature=inf', 'temperature = '), ('temperature=hot', 'temperature'),
    ('label=dog', "label = 'dog'.*ape, cat, emu"),
    ('format=gif', "format = 'gif'.*png or npz"),
    ('sede=1', "'sede'.*did you mean seed"), ('q=1', "'q'.*choose from n, "),
    ('n=1&n=2', 'n: is given twice'),
])
def test_an_argument_that_is_wrong_is_named(query, words):
  with pytest.raises(LgcError, match=words):
    queries.draw_of(urllib.parse.parse_qsl(query, keep_blank_values=True),
                    CLASSES, CONFIG)


@pytest.mark.parametrize('text, value', [
    ('0', 0), ('100', 100), ('.5', 0.5), ('5.', 5), ('1e-2', 0.01)])
def test_numbers_are_read_as_people_write_them(text, value):
  assert queries.draw_of([('temperature', text)], CLASSES,
                         CONFIG).temperature == value
