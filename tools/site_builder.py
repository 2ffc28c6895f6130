"""Build the site from the notebooks with their saved outputs: python tools/site_builder.py [--out FOLDER] [NOTEBOOKS]"""
import argparse
import io
import re
import shutil
import typing
from pathlib import Path

import typing_extensions
from nbdev.config import get_config
from nbdev.serve import proc_nbs
from PIL import Image
from smalldocs.api import Settings, build as build_api
from smalldocs.config import load
from smalldocs.site import Site

from looks import as_cards, draw, marked, with_charts, with_places
from markup import typeset
from notebooks import ROOT, notebooks_in, read, source
from denoise_ae import Autoencoder, ConvAutoencoder, MLPDenoiser, UNet, load_model
from denoise_ae.cli import help_texts
from denoise_ae.page import as_data, for_page, in_letters, playground_facts, web_file

if not hasattr(typing, 'TypeVarTuple'):  # all that smalldocs misses in Python 3.10
    typing.TypeVarTuple = typing_extensions.TypeVarTuple


def origins(folder):
    "For each module the path and the title of the notebook it is exported from."
    for path in notebooks_in(folder):
        cells = [source(cell) for cell in read(path)['cells']]
        if module := re.search(r'^#\| default_exp (\w+)', '\n'.join(cells), re.M):
            yield module[1], (path.relative_to(folder).as_posix(), cells[0].splitlines()[0].removeprefix('# '))


def add_what_is_made(folder, notebooks):
    "Put beside the notebooks what else the site is made of: settings, styles, pictures, tables to download, the help of the commands, the API reference."
    shutil.copy(ROOT / '_quarto.yml', folder)
    shutil.copy(ROOT / 'nbs' / 'styles.css', folder)
    shutil.copytree(ROOT / 'nbs' / 'images', folder / 'images', dirs_exist_ok=True)
    draw(notebooks, folder / 'images')
    shutil.copytree(ROOT / 'denoise_ae' / 'results', folder / 'results')
    add_the_playground(folder / 'playground')
    found = dict(origins(notebooks))
    helps = '\n\n'.join(f'## denoise-ae {name} {{#{name or "program"}}}\n\n```text\n{text}\n```' for name, text in help_texts().items())
    (folder / 'commands.qmd').write_text('---\ntitle: "Commands"\ndescription: "What denoise-ae says when it is asked for help."\n---\n\n'
                                         f'Explained and tried out in the lesson [{found["cli"][1]}]({found["cli"][0]}).\n\n{helps}\n', encoding='utf-8')
    code = f'{get_config().git_url}/blob/{get_config().branch}'
    for page in build_api(Settings(site=folder, packages=['denoise_ae'], out='api', root=ROOT, source=code)):
        if origin := found.get(page.stem):
            place = 'the room' if origin[0].startswith('inside/') else 'the lesson'
            head, body = page.read_text(encoding='utf-8').split('\n---\n', 1)
            page.write_text(f'{head}\n---\n\nExplained and tried out in {place} [{origin[1]}](../{origin[0]}).\n{body}', encoding='utf-8')


def example():
    "A photo for those who have none at hand, small and without a loss, in letters."
    file = io.BytesIO()
    Image.open(ROOT / 'denoise_ae' / 'photos' / 'test' / '088.webp').resize((320, 213), Image.Resampling.LANCZOS).save(file, 'WEBP', lossless=True)
    return in_letters(file.getvalue())


def add_the_playground(folder):
    "The files of the playground: its scripts and styles, the packaged networks as scripts, and what it shows at first."
    folder.mkdir()
    for name in ('kernel.js', 'engine.js', 'playground.js', 'playground.css'):
        (folder / name).write_text(web_file(name), encoding='utf-8')
    networks = {kind.__name__.lower(): kind.from_pretrained() for kind in (ConvAutoencoder, Autoencoder, UNet, MLPDenoiser)}
    for name, network in [*networks.items(), ('photo', load_model('photo'))]:
        (folder / f'{name}.js').write_text(f'denoiseAE.models.{name} = {as_data(for_page(network))};\n', encoding='utf-8')
    *shown, on_demand = networks
    facts = playground_facts({name: networks[name] for name in shown}) | {'more': [on_demand], 'short': ['autoencoder', 'unet'], 'pictures': 'photo', 'example': True}
    with (folder / 'photo.js').open('a', encoding='utf-8') as file:
        file.write(f'denoiseAE.example = {as_data(example())};\n')
    (folder / 'data.js').write_text(f'denoiseAE.page = {as_data(facts)};\n', encoding='utf-8')


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
    shutil.rmtree(ROOT / '_proc', ignore_errors=True)
    folder = Path(proc_nbs(notebooks, n_workers=0, force=True))
    add_what_is_made(folder, notebooks)
    site = Site(load(folder), quiet=True)
    site.out = Path(out).resolve()
    site.build()
    if warnings := [each for each in site.warnings if 'output-file' not in each]:  # nbdev names that, and smalldocs has no use for it
        raise SystemExit('the site has faults:\n' + '\n'.join(warnings))
    search_from_a_folder(site.out)
    use_fonts_of_the_system(site.out)
    for page in site.out.rglob('*.html'):
        text = with_charts(with_places(marked(typeset(page.read_text(encoding='utf-8'))), page.stem))
        text = re.sub(r'(<script src=")([^"]*)(smalldocs\.js")', r'\1\2search-index.js" defer></script>\n\1\2\3', text)
        text = text.replace('role="img"></i>', 'aria-hidden="true"></i>')  # an icon in a link that has a label
        page.write_text(as_cards(text, notebooks) if page == site.out / 'index.html' else text, encoding='utf-8')
    return site.out / 'index.html'


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('notebooks', nargs='?', type=Path, default=ROOT / 'nbs', help='their folder')
    parser.add_argument('--out', type=Path, default=ROOT / '_docs', help='the folder of the site')
    args = parser.parse_args()
    print(build(args.notebooks, args.out))
