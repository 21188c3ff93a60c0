"""What mkdocs is told beside mkdocs.yml: mathematics, and the notebooks.

Formulas are written as GitHub reads them, `$...$` and fences of the language
`math`, and become MathML when the site is built: browsers draw it without a
script or a font from elsewhere. Notebooks are Python files in the percent
format and become pages by jupytext.
"""

import pathlib

import jupytext
from latex2mathml import converter
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor
from mkdocs.structure.files import File

# No digit follows the second dollar: `$5 and $6` are prices.
INLINE = r'(?<![\\$])\$(?=[^\s$])([^$]*[^\s$])\$(?!\d)'
# Below that of code, which stays as it is; above all that changes backslashes.
PRIORITY = 185


class _Inline(InlineProcessor):

  def handleMatch(self, m, data):
    formula = converter.convert(m.group(1))
    return self.md.htmlStash.store(formula), m.start(0), m.end(0)


class _Formulas(Extension):

  def extendMarkdown(self, md):
    md.inlinePatterns.register(_Inline(INLINE, md), 'formula', PRIORITY)


def _fence(source, language, css_class, options, md, **kwargs):
  """A fence of the language `math`, as superfences asks for it."""
  del language, options, md, kwargs
  formula = converter.convert(source, display='block')
  return f'<div class="{css_class}">{formula}</div>'


def on_config(config):
  config.markdown_extensions.append(_Formulas())
  config.mdx_configs.setdefault('pymdownx.superfences', {})[
      'custom_fences'] = [{'name': 'math', 'class': 'math', 'format': _fence}]
  return config


def on_files(files, config):
  """Adds a page for each notebook."""
  for path in sorted(pathlib.Path(config.docs_dir).glob('notebooks/*.py')):
    text = jupytext.writes(jupytext.read(path), fmt='md')
    # Its front matter is for jupytext alone.
    text = text.removeprefix('---\n').split('\n---\n', 1)[-1]
    files.append(File.generated(config, f'notebooks/{path.stem}.md',
                                content=text))
  return files
