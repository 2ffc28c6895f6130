"""A deck of slides for each lesson, from its notebook with the saved outputs: python tools/slides.py FOLDER [LESSONS]

The rule is in deck.py. A deck is one file of HTML that needs no other and no network; `?` in it lists its keys."""
import argparse
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from tqdm.auto import tqdm

from deck import Deck
from teaching import lessons

HERE = Path(__file__).resolve().parent


def page(path):
    "The deck of the lesson at this path, as HTML."
    deck = Deck(path)
    template = Environment(loader=FileSystemLoader(HERE), trim_blocks=True, lstrip_blocks=True).get_template('slides.html.j2')
    style, script = ((HERE / f'slides.{kind}').read_text(encoding='utf-8') for kind in ('css', 'js'))
    return template.render(title=f'{path.stem[:2]} {deck.title}', columns=deck.columns, total=len(deck.slides()), style=style, script=script)


def write(folder, which=None):
    "Write the decks of all lessons, or of those at the paths `which`, into a folder, and return their paths."
    folder, written = Path(folder), []
    folder.mkdir(parents=True, exist_ok=True)
    for path in tqdm(which or lessons(), desc='slides', unit='deck'):
        written.append(folder / f'{path.stem}.html')
        written[-1].write_text(page(path), encoding='utf-8')
    return written


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('folder', type=Path, help='where to put them')
    parser.add_argument('lessons', nargs='*', type=Path, help='notebooks; by default all lessons')
    args = parser.parse_args()
    write(args.folder, args.lessons)
