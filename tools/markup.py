"""The lessons' Markdown outside the site: its blocks and sentences, and as HTML with formulas that a browser draws by itself."""
import html
import re

import latex2mathml.converter
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

# What a sentence can't end in: formulas, code, links, what is bold, emphasised or in brackets.
WHOLE = re.compile(r'`[^`]+`|\$[^$]+\$|\[[^\]]*\]\([^)]*\)|\*\*.+?\*\*|\*[^*\n]+\*|\([^()]*\)', re.S)
END = re.compile(r'(?<=[.?!])[*)”"]*\s+(?=[^a-z\s])')
SHORT_FORM = re.compile(r'\b(?:al|vs|cf|pp|[A-Z])\.\s*$|\b(?:e\.g|i\.e)\.\s*$')


def typeset(page):
    "Turn TeX into MathML, which browsers draw themselves, and drop the links to KaTeX on another host."
    def convert(match):
        display = 'block' if match[1] == 'display' else 'inline'
        math = latex2mathml.converter.convert(html.unescape(match[2]).strip()[2:-2].strip(), display=display)
        return math.replace('<math ', '<math tabindex="0" ') if display == 'block' else math  # long ones scroll, by keyboard too
    page = re.sub(r'<span class="math (inline|display)">(.*?)</span>', convert, page, flags=re.S)
    return re.sub(r'<(link|script)[^>]*katex[^>]*>(</script>)?\n?', '', page)


def formula(tex, options):
    kind, marks = ('display', r'\[{}\]') if options['display_mode'] else ('inline', r'\({}\)')
    math = typeset(f'<span class="math {kind}">{html.escape(marks.format(tex))}</span>')
    return math.replace(' tabindex="0"', '')  # nothing scrolls on a slide or on paper


def coloured(code):
    "Python code as HTML, its kinds of words in classes."
    return highlight(code, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).rstrip('\n')


MARKDOWN = MarkdownIt('commonmark', {'highlight': lambda code, language, _: coloured(code) if language == 'python' else ''})
MARKDOWN.enable('table').use(dollarmath_plugin, renderer=formula, allow_space=False, double_inline=True)


def relinked(page, kept):
    "The HTML with only those links that `kept` gives an address for; of the others the text stays."
    def link(match):
        address = kept(html.unescape(match[1]))
        return f'<a href="{html.escape(address)}">{match[2]}</a>' if address else match[2]
    return re.sub(r'<a href="([^"]*)"[^>]*>(.*?)</a>', link, page, flags=re.S)


def as_html(markdown, kept=lambda address: None):
    "Paragraphs and all; see `relinked` for what becomes of the links."
    return relinked(MARKDOWN.render(markdown), kept)


def inline(markdown, kept=lambda address: None):
    "The same for a piece of a paragraph."
    return relinked(MARKDOWN.renderInline(markdown), kept)


def blocks(markdown):
    "The top-level blocks of a text, as pairs of their kind (paragraph, heading, bullet_list, …) and their source."
    lines = markdown.split('\n')
    for token in MARKDOWN.parse(markdown):
        if token.level == 0 and token.map and token.nesting >= 0:
            yield token.type.removesuffix('_open'), '\n'.join(lines[slice(*token.map)]).strip()


def items(markdown):
    "The items of a list, without their bullets or numbers."
    return [re.sub(r'\n\s+', ' ', each).strip() for each in re.split(r'^(?:[-*]|\d+\.)\s+', markdown, flags=re.M) if each.strip()]


def sentences(paragraph):
    "A paragraph, sentence by sentence."
    held = [match.span() for match in WHOLE.finditer(paragraph)]
    found, start = [], 0
    for end in END.finditer(paragraph):
        inside = any(low < end.end() < high for low, high in held)
        if not inside and not SHORT_FORM.search(paragraph[start:end.start()]):
            found.append(paragraph[start:end.end()].strip())
            start = end.end()
    return [each for each in [*found, paragraph[start:].strip()] if each]


def readable(markdown):
    "About what is left to read, for counting letters."
    return re.sub(r'\[([^\]]*)\]\([^)]*\)|[*`$\\{}]', r'\1', markdown)
