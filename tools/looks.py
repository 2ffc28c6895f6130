"""What a page of the site gets once it is built: its aims, questions and charts marked, where it can be run, the lessons as cards with pictures, one picture for links to the site."""
import base64
import io
import re
from urllib.parse import urlparse

import numpy as np
from matplotlib.font_manager import findfont
from nbdev.config import get_config
from PIL import Image, ImageDraw, ImageFont, ImageOps

from notebooks import notebooks_in, read, source
from teaching import times

# The picture that stands for a lesson: the cell that draws it, and the part of it that is shown, from left, top, right and bottom.
PICTURES = {
    '00_data': ('cd8e8135', (.05, .2, .95, .76)), '01_noise': ('f85f057b', (.02, .02, .6, .8)), '02_autoencoder': ('2e11aa15', (0, .52, 1, 1)),
    '03_training': ('03mean06', (0, 0, 1, 1)), '04_latent': ('6f70f718', (.52, 0, 1, 1)), '05_evaluation': ('eaf37f41', (0, 0, .75, 1)),
    '06_convolution': ('e6b74802', (0, 0, 1, 1)), '07_blind': ('bdc249ae', (0, 0, 1, 1)), '08_without_clean': ('08b00009', (0, 0, .62, 1)),
    '09_generation': ('09a00019', (.5, 0, 1, 1)), '10_playground': ('10b00001', (0, 0, 1, 1)), '11_pictures': ('34732735', (.25, .2, .75, .95)),
    '12_photos': ('12ph0004', (0, 0, .5, 1)), '13_scaling': ('7f6d5ffd', (0, 0, .72, 1)), '14_runs': ('d130003a', (0, 0, 1, 1)), '15_export': ('899aa7f1', (0, 0, 1, 1)),
    '16_cli': ('d1500042', (0, 0, .62, 1))}
SIDES = 480, 300


def picture(notebook, cell, part, sides=SIDES):
    "A part of a saved figure, on white, as a picture of another size."
    outputs = [output for each in notebook['cells'] if each.get('id') == cell for output in each['outputs']]
    found = [output['data']['image/png'] for output in outputs if 'image/png' in output.get('data', {})]
    if not found:
        raise ValueError(f'{source(notebook["cells"][0]).splitlines()[0]}: its cell {cell} has no figure saved; PICTURES in tools/looks.py names another')
    figure = Image.open(io.BytesIO(base64.b64decode(''.join(found[0])))).convert('RGBA')
    figure = Image.alpha_composite(Image.new('RGBA', figure.size, 'white'), figure).convert('RGB')
    width, height = figure.size
    cut = figure.crop((round(part[0] * width), round(part[1] * height), round(part[2] * width), round(part[3] * height)))
    return ImageOps.pad(cut, sides, Image.Resampling.LANCZOS, 'white')


def is_chart(png):
    "Is a figure mostly white with thin lines, and not a picture or a row of digits?"
    figure = Image.open(io.BytesIO(png)).convert('RGBA')
    pixels = np.asarray(Image.alpha_composite(Image.new('RGBA', figure.size, 'white'), figure))[..., :3]
    return (pixels.min(-1) >= 250).mean() > .55 and (pixels.max(-1) < 60).mean() < .06


def with_charts(page):
    "The page, its charts marked: in the dark they change their colours, which pictures must not."
    return re.sub(r'<img (?=[^>]*?src="data:image/png;base64,([^"]+)")', lambda match: '<img data-chart ' if is_chart(base64.b64decode(match[1])) else match[0], page)


def lessons(folder):
    "Each lesson's name and notebook."
    return {path.stem: read(path) for path in notebooks_in(folder) if path.parent == folder and path.stem[0].isdigit()}


def preview(index):
    "What other sites show beside a link to this one: its name, its claim and its first figure."
    claim = source(index['cells'][0]).partition('> ')[2].partition('. ')[0] + '.'
    figure = next(each['id'] for each in index['cells'] if each['cell_type'] == 'code' and each['outputs'])
    sheet = Image.new('RGB', (1200, 630), 'white')
    sheet.paste(picture(index, figure, (0, 0, 1, 1), (1140, 440)), (30, 180))
    for text, size, top, colour in (('denoise_ae', 64, 24, '#0a6b58'), (claim, 30, 112, '#1d2a33')):
        ImageDraw.Draw(sheet).text((40, top), text, colour, ImageFont.truetype(findfont('DejaVu Sans'), size))
    return sheet


def draw(folder, out):
    "Write the pictures of the lessons in `folder`, and that of the site, into the folder `out`."
    (out / 'cards').mkdir(parents=True, exist_ok=True)
    for name, notebook in lessons(folder).items():
        picture(notebook, *PICTURES[name]).save(out / 'cards' / f'{name}.webp', quality=80)
    preview(read(folder / 'index.ipynb')).save(out / 'preview.png', optimize=True)


def as_cards(page, folder):
    "The first page with its table of lessons as cards, which have a picture and the minutes, too."
    found = lessons(folder)

    def card(match):
        seconds, minutes = times(found[match['name']])
        return (f'<tr>\n<td><img src="images/cards/{match["name"]}.webp" alt="" width="{SIDES[0]}" height="{SIDES[1]}"></td>\n'
                f'<td>{match["link"]}</td>\n<td>{match["question"]}</td>\n<td>{minutes} minutes to read, {max(1, round(seconds / 60))} to run</td>\n</tr>')
    row = r'<tr>\n<td>(?P<link><a href="(?P<name>\d\d_\w+)\.html">[^<]*</a>)</td>\n<td>(?P<question>.*?)</td>\n</tr>'
    page, count = re.subn(row, card, page)
    if count != len(found):
        raise ValueError(f'the first page lists {count} of {len(found)} lessons')
    return page.replace('<div class="sd-table">', '<div class="cards">', 1)


def places(name):
    "The addresses where a lesson can be run with nothing installed. Both services take them from a repository on GitHub."
    repository, branch = urlparse(get_config().git_url).path.strip('/'), get_config().branch
    return {'Colab': f'https://colab.research.google.com/github/{repository}/blob/{branch}/nbs/{name}.ipynb',
            'Binder': f'https://mybinder.org/v2/gh/{repository}/{branch}?urlpath=lab/tree/nbs/{name}.ipynb'}


def with_places(page, name):
    "The page of a lesson that says in its head where it can be run."
    links = {place: f'<a href="{address}">{place}</a>' for place, address in places(name).items()}
    said = (f'<p class="aims"><strong>Run it</strong> on your computer with <code>make lab</code>, in {links["Binder"]}, or in {links["Colab"]} '
            f'after <code>!pip install git+{get_config().git_url}</code> in a cell at its top.</p>')
    return re.sub(r'(<p class="aims"><strong>Time</strong>.*?</p>)', rf'\1\n{said}', page, count=1, flags=re.S)


def marked(page):
    "A page with the head of a lesson, and the questions before its cells, in classes of their own."
    page = re.sub(r'<p>(?=<strong>(?:After this lesson you can|You need|Time)</strong>)', '<p class="aims">', page)
    return re.sub(r'<p>((?:(?!</?p>).)*\?)</p>\n(?=<div id="[\w-]+" class="cell">)', r'<p class="asks">\1</p>\n', page)
