"""The pictures of the page "For teachers", made anew from one lesson: python tools/showcase.py [LESSON] [--out FOLDER]

A slide and a handout are made as for a class. A class is made up: each of its students gives, to each exercise, the solution, one of the wrong
answers in teach/ or none, by lot; the lot is the same each time. What it hands in is marked by tools/grade.py, and headless Chromium takes the
pictures: of the class, of one student, of the slide and of the paper."""
import argparse
import csv
import io
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Error, sync_playwright

import handouts
import slides
from copies import filled, save, student
from notebooks import ROOT, read
from printing import chromium, launched
from teaching import exercises, lessons, notes

IMAGES = ROOT / 'nbs' / 'images'
CLASS = 'Ada Bo Cem Dora Eli Fay Gus Hana Ivo Jun Kit Lea Max Nia Ola Pia Quin Rui Sol Tea Uma Vic Wen Yara'.split()
SOLVED, SILENT = .5, .1  # the chances of the solution and of no answer; the wrong answers share the rest as 1, 1/2, 1/3 …
WIDTH = 460  # of a page in the pictures: narrow, so that they can be read on a phone
HEIGHTS = {'class': 900, 'student': 640, 'handout': 600}  # at most
# The lowest place above a height at which a picture can end without cutting through a line.
END = """height => Math.max(...[...document.querySelectorAll('h1, h2, h3, p, li, pre, .bar, .rule')]
    .map(each => each.getBoundingClientRect().bottom).filter(bottom => bottom <= height)) + 6"""
PICTURED = "() => [...document.querySelectorAll('.slide')].findIndex(slide => slide.querySelector('img')) + 1"


def answers(asked, told, lot):
    "What one student writes: an answer to each exercise, or None."
    for exercise in asked:
        wrong = [each['code'] for each in told[exercise.title].wrong]
        shares = [1 / number for number in range(1, len(wrong) + 1)]
        rest = (1 - SOLVED - SILENT) / sum(shares)
        yield lot.choices([exercise.solution, None, *wrong], [SOLVED, SILENT, *(rest * share for share in shares)])[0]


def hand_in(path, folder):
    "Write the notebooks of the class for the lesson at this path."
    lesson, told, lot = read(path), notes(path.stem), random.Random(path.stem)
    asked = list(exercises(lesson))
    for name in CLASS:
        save(filled(student(lesson), answers(asked, told, lot), asked), folder / f'{name}.ipynb')


def worth_showing(marks):
    "The student of whom the most can be told in little room: with something solved, and something wrong whose name is known."
    with open(marks / 'marks.csv', encoding='utf-8-sig', newline='') as file:
        rows = list(csv.DictReader(file))

    def told(name):
        own = [row for row in rows if row['student'] == name]
        named = sum(bool(row['what it looks like']) and not row['what it looks like'].startswith('perhaps') for row in own)
        return any(row['solved'] == 'yes' for row in own), min(named, 2), -sum(len(row['what failed']) for row in own)
    return max(CLASS, key=told)


def keep(picture, path):
    "Write a picture in a form that every browser shows and that is small."
    Image.open(io.BytesIO(picture)).convert('RGB').save(path, 'WEBP', quality=70, method=6)
    print(f'{path.name}: {path.stat().st_size / 1000:.0f} kB')


def photograph(browser, places):
    "The pictures of the pages at these places."
    for name, page in places.items():
        shape = (WIDTH, HEIGHTS[name]) if name in HEIGHTS else (640, 360)  # the proportions of a slide
        tab = browser.new_page(viewport=dict(zip(('width', 'height'), shape)), device_scale_factor=2, color_scheme='light')
        tab.goto(page.resolve().as_uri())
        if name == 'slide':
            tab.goto(f'{page.resolve().as_uri()}#{tab.evaluate(PICTURED)}')
            tab.add_style_tag(content='nav.keys { display: none !important }')
        high = tab.evaluate(END, shape[1]) if name in HEIGHTS else shape[1]
        yield name, tab.screenshot(clip={'x': 0, 'y': 0, 'width': shape[0], 'height': high})
        tab.close()


def make(path, out):
    "Make the pictures of the lesson at this path."
    program = chromium()
    if not program:
        raise ValueError('this needs a Chromium, Chrome or Edge, and none was found: the variable CHROMIUM can name one')
    with tempfile.TemporaryDirectory() as made:
        made = Path(made)
        hand_in(path, made / 'in')
        command = [sys.executable, ROOT / 'tools' / 'grade.py', made / 'in', '--lesson', path.stem, '--out', made / 'marks']
        if subprocess.run(command).returncode:
            raise ValueError('the made-up class could not be marked, see above')
        slide, = slides.write(made / 'slides', [path])
        handout = handouts.write(made / 'handouts', pdf=False, which=[path])[0]
        places = {'class': made / 'marks' / 'class.html', 'student': made / 'marks' / 'students' / f'{worth_showing(made / "marks")}.html',
                  'slide': slide, 'handout': handout}
        with sync_playwright() as driver:
            pictures = dict(photograph(launched(driver, program), places))
    out.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        keep(picture, out / f'{name}.webp')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('lesson', nargs='?', default='01', help='its number, by default 01')
    parser.add_argument('--out', type=Path, default=IMAGES, help='the folder of the pictures, by default nbs/images')
    args = parser.parse_args()
    path = next((each for each in lessons() if each.stem[:2] == args.lesson.zfill(2)), None)
    try:
        if not path:
            raise ValueError(f'there is no lesson {args.lesson!r}: name one of {", ".join(each.stem[:2] for each in lessons())}')
        make(path, args.out)
    except (ValueError, OSError, Error) as error:
        sys.exit(f'Error: {error}')


if __name__ == '__main__':
    main()
