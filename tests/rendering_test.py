"""Pages begin alike, and what a template speaks of has to be there."""

import pathlib
import re

import jinja2
import pytest

import tfp_lgc
from tfp_lgc import rendering

TEMPLATES = pathlib.Path(tfp_lgc.__file__).parent / 'templates'


def test_text_is_escaped():
  page = rendering.render('report.html', '<i>', facts={'a & b': '<b>'},
                          sections=[])
  assert '<title>&lt;i&gt;</title>' in page
  assert '<dt>a &amp; b</dt><dd>&lt;b&gt;</dd>' in page


def test_what_is_missing_is_an_error():
  with pytest.raises(jinja2.UndefinedError, match='facts'):
    rendering.render('report.html', 'x', sections=[])


def test_all_pages_begin_with_the_one_head():
  """And none has another of its own."""
  head = rendering.render('head.html', 'x')
  assert head.startswith('<!DOCTYPE html>\n<html lang="en">\n<head>\n')
  assert rendering.render('report.html', 'x', facts={}, sections=[]).startswith(
      head + '\n<style>\n')
  for path in TEMPLATES.glob('*.html'):
    text = path.read_text()
    assert (path.name == 'head.html') == ('<head>' in text)
    if path.name != 'head.html':
      assert re.search(r"^{% include 'head.html' \+%}\n<style>", text,
                       re.MULTILINE)
