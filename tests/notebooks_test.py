"""The notebooks: Python files that are notebooks, and that run as such."""

import pathlib
import re

import jupytext
import nbclient
import nbformat
import pytest
import yaml

DOCS = pathlib.Path(__file__).parent.parent / 'docs'
PATHS = sorted(DOCS.glob('notebooks/*.py'))


@pytest.mark.parametrize('path', PATHS, ids=lambda path: path.stem)
def test_text_is_a_notebook(path):
  notebook = jupytext.read(path)
  nbformat.validate(notebook)
  kinds = [cell.cell_type for cell in notebook.cells]
  assert kinds[0] == 'markdown' and kinds.count('markdown') >= 4
  assert kinds.count('code') >= 4
  # Its cells are those of the text, and nothing is lost on the way.
  assert len(kinds) == len(re.findall(r'^# %%', path.read_text(), re.MULTILINE))
  again = jupytext.reads(jupytext.writes(notebook, 'ipynb'), 'ipynb')
  assert jupytext.writes(again, 'py:percent').split('\n# %%')[1:] == (
      jupytext.writes(notebook, 'py:percent').split('\n# %%')[1:])
  assert any('assert' in cell.source for cell in notebook.cells)


def test_the_site_has_each_of_them():
  nav = yaml.safe_load((DOCS.parent / 'mkdocs.yml').read_text())['nav']
  [pages] = [entry['Notebooks'] for entry in nav if 'Notebooks' in entry]
  assert {f'notebooks/{path.stem}.md' for path in PATHS} == {
      name for page in pages for name in page.values()}


@pytest.mark.slow
@pytest.mark.parametrize('path', PATHS, ids=lambda path: path.stem)
def test_it_runs(path, tmp_path):
  """Their asserts are what is tested; a figure shows that plots work."""
  notebook = jupytext.read(path)
  nbclient.NotebookClient(
      notebook, timeout=None, iopub_timeout=600, kernel_name='python3',
      resources={'metadata': {'path': str(tmp_path)}}).execute()
  outputs = [output for cell in notebook.cells if cell.cell_type == 'code'
             for output in cell.outputs]
  assert any('image/png' in output.get('data', {}) for output in outputs)
