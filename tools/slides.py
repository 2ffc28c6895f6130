"""A deck of slides for each lesson, from its notebook with the saved outputs: python tools/slides.py FOLDER [LESSONS]

The rule is in deck.py. A deck is one file of HTML that needs no other and no network; `?` in it lists its keys. Its notes are the lesson's prose;
those of a teacher's deck have, besides, what is often believed, and what to do when half the class is lost."""
import argparse
from pathlib import Path

from tqdm.auto import tqdm

from deck import Deck
from pages import rendered
from teaching import lessons

HERE = Path(__file__).resolve().parent


def page(path, for_teachers=False):
    "The deck of the lesson at this path, as HTML."
    deck = Deck(path, for_teachers)
    style, script = ((HERE / f'slides.{kind}').read_text(encoding='utf-8') for kind in ('css', 'js'))
    return rendered('slides.html.j2', title=f'{path.stem[:2]} {deck.title}', columns=deck.columns, total=len(deck.slides()), style=style, script=script)


def write(folder, which=None, for_teachers=False):
    "Write the decks of all lessons, or of those at the paths `which`, into a folder, and return their paths."
    folder, written = Path(folder), []
    folder.mkdir(parents=True, exist_ok=True)
    for path in tqdm(which or lessons(), desc="teacher's slides" if for_teachers else 'slides', unit='deck'):
        written.append(folder / f'{path.stem}.html')
        written[-1].write_text(page(path, for_teachers), encoding='utf-8')
    return written


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('folder', type=Path, help='where to put them')
    parser.add_argument('lessons', nargs='*', type=Path, help='notebooks; by default all lessons')
    parser.add_argument('--for-teachers', action='store_true', help='with what is for teachers alone in the notes')
    args = parser.parse_args()
    write(args.folder, args.lessons, args.for_teachers)
