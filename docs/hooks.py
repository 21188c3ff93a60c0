"""What mkdocs is told beside mkdocs.yml: mathematics, and pages made of files.

Formulas are written as GitHub reads them, `$...$` and fences of the language
`math`, and become MathML when the site is built: browsers draw it without a
script or a font from elsewhere. Three kinds of pages are made of what stands
elsewhere: notebooks, which are Python files in the percent format, by jupytext;
the settings, of the dataclasses that bin/compress has flags of; and BUILD.md.
"""

import dataclasses
import pathlib
import re

import jupytext
from latex2mathml import converter
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor
from markdown.preprocessors import Preprocessor
from mkdocs.structure.files import File

from tfp_lgc import config as config_lib
from tfp_lgc import options
from tfp_lgc.commands import compress

# No digit follows the second dollar: `$5 and $6` are prices.
INLINE = r'(?<![\\$])\$(?=[^\s$])([^$]*[^\s$])\$(?!\d)'
# Below that of code, which stays as it is; above all that changes backslashes.
PRIORITY = 185
# After parts of README.md are in place, before code is taken out.
LINKS_PRIORITY = 31


def _mathml(formula, display='inline'):
  """TeX as MathML, with a space after a logarithm, whatever its base."""
  return re.sub('((?<!<msub>)<mi>log</mi>|<msub><mi>log</mi><mn>2</mn></msub>)',
                r'\1<mspace width="0.15em"/>',
                converter.convert(formula, display=display))


class _Inline(InlineProcessor):

  def handleMatch(self, m, data):
    return self.md.htmlStash.store(_mathml(m.group(1))), m.start(0), m.end(0)


class _Links(Preprocessor):
  """Links of parts of README.md, which stands one folder above."""

  def run(self, lines):
    return re.sub(r'\]\(\s*docs/', '](', '\n'.join(lines)).split('\n')


class _Formulas(Extension):

  def extendMarkdown(self, md):
    md.preprocessors.register(_Links(md), 'links', LINKS_PRIORITY)
    md.inlinePatterns.register(_Inline(INLINE, md), 'formula', PRIORITY)


def _fence(source, language, css_class, options, md, **kwargs):
  """A fence of the language `math`, as superfences asks for it."""
  del language, options, md, kwargs
  return f'<div class="{css_class}">{_mathml(source, "block")}</div>'


def on_config(config):
  config.markdown_extensions.append(_Formulas())
  config.mdx_configs.setdefault('pymdownx.superfences', {})[
      'custom_fences'] = [{'name': 'math', 'class': 'math', 'format': _fence}]
  return config


def on_files(files, config):
  docs = pathlib.Path(config.docs_dir)
  for path in sorted(docs.glob('notebooks/*.py')):
    text = jupytext.writes(jupytext.read(path), fmt='md')
    # Its front matter is for jupytext alone.
    text = text.removeprefix('---\n').split('\n---\n', 1)[-1]
    files.append(File.generated(config, f'notebooks/{path.stem}.md',
                                content=text))
  files.append(File.generated(config, 'settings.md', content=_settings()))
  building = (docs.parent / 'BUILD.md').read_text()
  files.append(File.generated(
      config, 'BUILD.md', content=re.sub(r'\]\(\s*docs/', '](', building)))
  return files


def on_page_markdown(markdown, page, config, files):
  """Links to what the site has as a page of its own."""
  del page, config, files
  markdown = re.sub(r'\]\(\s*\.\./BUILD\.md', '](BUILD.md', markdown)
  return re.sub(r'\]\(\s*(notebooks/\w+)\.py\)', r'](\1.md)', markdown)


def _settings():
  """A table for each group of flags of bin/compress."""
  lines = ['# Settings', '', 'Flags of `bin/compress`, and keywords of '
           '`tfp_lgc.compress`. `bin/compress --help` says the same. Of the '
           'last two tables only `budget`, `checkpoint_seconds` and `seed` are '
           'keywords.', '']
  sections = [config_lib.Preset, *(
      field.default_factory for field in dataclasses.fields(config_lib.Config)
      if field.default_factory is not dataclasses.MISSING),
      options.ExportConfig, compress.Run]
  for section in sections:
    lines += [f'## {section.__doc__.rstrip(".")}', '',
              '| setting | default | what |', '|---|---|---|']
    for field in dataclasses.fields(section):
      about = field.metadata
      allowed = ''
      if about['choices']:
        allowed = f' One of {", ".join(f"`{x}`" for x in about["choices"])}.'
      elif about['low'] is not None:
        allowed = f' From {about["low"]:g} to {about["high"]:g}.'
      default = f'`{field.default}`' if field.default != '' else ''
      lines.append(f'| `{field.name}` | {default} | '
                   f'{about["help"].replace("|", "&#124;")}{allowed} |')
    lines.append('')
  return '\n'.join(lines)
