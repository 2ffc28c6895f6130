"""Build the site from notebooks with saved outputs, without Quarto: python tools/site_builder.py [--stage] [--out FOLDER] [NOTEBOOKS]

With --stage, only prepare nbs/ for `nbdev-docs`, which renders the same pages with Quarto."""
import argparse
import html
import re
import shutil
import typing
from pathlib import Path

import latex2mathml.converter
import typing_extensions
from nbdev.config import get_config
from nbdev.serve import proc_nbs
from smalldocs.api import Settings, build as build_api
from smalldocs.config import load
from smalldocs.site import Site

from denoise_ae.cli import help_texts

ROOT = Path(__file__).resolve().parent.parent
if not hasattr(typing, 'TypeVarTuple'):  # all that smalldocs misses in Python 3.10
    typing.TypeVarTuple = typing_extensions.TypeVarTuple


def stage(notebooks):
    "Put beside the notebooks what the pages need: the one _quarto.yml, the styles, the tables to download, the help of the commands, and the API reference."
    shutil.copy(ROOT / '_quarto.yml', notebooks)
    shutil.copytree(ROOT / 'denoise_ae' / 'results', notebooks / 'results', dirs_exist_ok=True)
    if notebooks != ROOT / 'nbs':
        shutil.copy(ROOT / 'nbs' / 'styles.css', notebooks)
    pages = '\n\n'.join(f'## denoise-ae {name} {{#{name or "program"}}}\n\n```text\n{text}\n```' for name, text in help_texts().items())
    (notebooks / 'commands.qmd').write_text('---\ntitle: "Commands"\ndescription: "What denoise-ae says when it is asked for help."\n---\n\n'
                                            f'Explained and tried out in the lesson [15_cli](15_cli.ipynb).\n\n{pages}\n', encoding='utf-8')
    source = f'{get_config().git_url}/blob/{get_config().branch}'

    def link(docs):
        lesson = next(notebooks.glob(f'*_{docs[1]}.ipynb')).name
        return f'Explained and tried out in the lesson [{lesson[:-6]}](../{lesson}).'

    for page in build_api(Settings(site=notebooks, packages=['denoise_ae'], out='api', root=ROOT, source=source)):
        # nbdev ends the text of each module with its lesson's address on the web; a page in a folder needs the one beside it.
        page.write_text(re.sub(r'^Docs: .*/(\w+)\.html\.md$', link, page.read_text(encoding='utf-8'), flags=re.M), encoding='utf-8')


def typeset(page):
    "Turn TeX into MathML, which browsers draw themselves, and drop the links to KaTeX on another host."
    def convert(match):
        display = 'block' if match[1] == 'display' else 'inline'
        math = latex2mathml.converter.convert(html.unescape(match[2]).strip()[2:-2].strip(), display=display)
        return math.replace('<math ', '<math tabindex="0" ') if display == 'block' else math  # long ones scroll, by keyboard too
    page = re.sub(r'<span class="math (inline|display)">(.*?)</span>', convert, page, flags=re.S)
    return re.sub(r'<(link|script)[^>]*katex[^>]*>(</script>)?\n?', '', page)


def search_from_a_folder(out):
    "Let the search box work on pages opened from a folder, where browsers refuse to fetch its index."
    index = (out / 'search.json').read_text(encoding='utf-8')
    (out / 'site_libs' / 'search-index.js').write_text(
        f'const searchIndex = {index};\nconst fetchFile = window.fetch;\n'
        'window.fetch = (what, ...more) => String(what).endsWith("search.json")\n'
        '  ? Promise.resolve(new Response(JSON.stringify(searchIndex))) : fetchFile(what, ...more);\n', encoding='utf-8')


def use_fonts_of_the_system(out):
    "Keep the themes from asking another host for their fonts."
    for theme in (out / 'site_libs' / 'themes').glob('*.css'):
        theme.write_text(re.sub(r'@import url\(["\']?https?:.*?["\']?\);', '', theme.read_text(encoding='utf-8')), encoding='utf-8')


def build(notebooks=ROOT / 'nbs', out=ROOT / '_docs'):
    "Build the site in the folder `out` and return its first page. Stops with a list of what is broken."
    notebooks = Path(notebooks).resolve()
    stage(notebooks)
    shutil.rmtree(ROOT / '_proc', ignore_errors=True)
    staged = Path(proc_nbs(notebooks, n_workers=0, force=True))
    for extra in ('_symbols.json', 'styles.css'):
        shutil.copy(notebooks / extra, staged)
    shutil.copytree(notebooks / 'results', staged / 'results', dirs_exist_ok=True)
    site = Site(load(staged), quiet=True)
    site.out = Path(out).resolve()
    site.build()
    warnings = [w for w in site.warnings if not re.search('html-math-method|output-file', w)]  # these two are for Quarto
    if warnings:
        raise SystemExit('the site has faults:\n' + '\n'.join(warnings))
    search_from_a_folder(site.out)
    use_fonts_of_the_system(site.out)
    for page in site.out.rglob('*.html'):
        text = typeset(page.read_text(encoding='utf-8'))
        text = re.sub(r'(<script src=")([^"]*)(smalldocs\.js")', r'\1\2search-index.js" defer></script>\n\1\2\3', text)
        text = text.replace('role="img"></i>', 'aria-hidden="true"></i>')  # an icon in a link that has a label
        page.write_text(text, encoding='utf-8')
    return site.out / 'index.html'


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('notebooks', nargs='?', type=Path, default=ROOT / 'nbs', help='their folder')
    parser.add_argument('--out', type=Path, default=ROOT / '_docs', help='the folder of the site')
    parser.add_argument('--stage', action='store_true', help='only prepare the folder for nbdev-docs')
    args = parser.parse_args()
    print(stage(args.notebooks) if args.stage else build(args.notebooks, args.out))
