"""The site of docs/: it is built without a warning and needs nothing else."""

import html
import os
import pathlib
import re
import subprocess
import sys

import pytest

import tfp_lgc
from tfp_lgc import config

ROOT = pathlib.Path(__file__).parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def site(tmp_path_factory):
  """Page -> its HTML."""
  place = tmp_path_factory.mktemp('site')
  run = subprocess.run(
      [sys.executable, '-m', 'mkdocs', 'build', '--strict', '-d', str(place)],
      # Of the end of mkdocs 1.
      env={**os.environ, 'NO_MKDOCS_2_WARNING': '1'},
      cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
  assert not run.returncode and 'WARNING' not in run.stdout, run.stdout
  return {str(path.relative_to(place)): path.read_text()
          for path in place.rglob('*.html')}


def test_pages_load_nothing_from_elsewhere(site):
  for name, page in site.items():
    loaded = re.findall(
        r'<(?:link|script|img|iframe)[^>]*(?:src|href)="([^"]+)', page)
    assert loaded
    # A 404 page does not know where it stands, and begins links with a slash.
    assert not [url for url in loaded
                if re.match(r'(?:https?:)?//', url)], name


def test_formulas_are_mathml(site):
  for name in ('how_it_works', 'notebooks/gmm_regularised_latents'):
    source = ROOT / 'docs' / f'{name}.md'
    if not source.exists():
      source = source.with_suffix('.py')
    page = site[f'{name}.html']
    fences = source.read_text().count('```math')
    assert fences and page.count('display="block"') == fences
    text = html.unescape(re.sub(r'<(pre|code|math).*?</\1>', '', page,
                                flags=re.DOTALL))
    assert not re.search(r'\$|\\(?:log|sum|mu|mathcal)\b', text)


def test_links_and_parts_of_readme_are_resolved(site):
  for name, page in site.items():
    text = re.sub(r'<(pre|code).*?</\1>', '', page, flags=re.DOTALL)
    assert '](' not in text and '--8<--' not in text, name
  assert 'bin/compress' in re.sub('<.*?>', '', site['index.html'])
  assert 'href="BUILD.html#published-numbers"' in site['results.html']


def test_reference_has_all_public_names_and_settings(site):
  for name in set(tfp_lgc.__all__) - {'__version__'}:
    assert re.search(rf'id="tfp_lgc\.(?:\w+\.)?{name}"', site['api.html']), name
  for name in config.settings(config.Config()):
    assert f'<code>{name}</code>' in site['settings.html'], name
