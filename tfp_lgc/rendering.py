"""Pages from the templates of `templates/`, which begin with the same head."""

from typing import Any

import jinja2

__all__ = ['render']


def render(name: str, title: str, **values: Any) -> str:
  """A page.

  ```python
  render('report.html', title='digits', facts={}, sections=[])
  ```

  Args:
    name: of the template.
    title: of the page.
    **values: all that the template speaks of; text is escaped.
  """
  environment = jinja2.Environment(
      loader=jinja2.PackageLoader('tfp_lgc', 'templates'), autoescape=True,
      undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
  return environment.get_template(name).render(title=title, **values)
