"""Pages from the templates in tools/ and the texts in teach/, all by the same rules: what is put into a page is text unless its template says that
it is HTML, and a value that nobody has given is an error."""
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from markup import as_html, inline
from notebooks import ROOT

TEMPLATES = Environment(loader=FileSystemLoader([ROOT / 'tools', ROOT / 'teach']), autoescape=lambda name: name.endswith('.html.j2'),
                        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
TEMPLATES.filters |= {'markdown': lambda text: Markup(as_html(text, kept=str)), 'inline': lambda text: Markup(inline(text, kept=str))}


def rendered(template, **values):
    "A template with its values in it."
    return TEMPLATES.get_template(template).render(values)
