"""Make all that a teacher needs from the lessons and teach/: python tools/classroom.py [--out FOLDER] [--no-pdf]

student/, assignments/, slides/ and handouts/ are for students, without solutions; instructor/ has everything, slides with your hints among it.
index.html says what is what. A folder that holds anything not made here, or changed since, is not touched."""
import argparse
import shutil
import sys
from pathlib import Path

from tqdm.auto import tqdm

import assignments
import handouts
import plan
import slides
from copies import instructor, save, student
from folders import replaced
from notebooks import ROOT, notebooks_in, read
from pages import rendered
from teaching import heading_of, lessons, misconceptions, notes, when_lost


def write_copies(folder):
    "The notebooks as students get them, the rooms too, so that links between them work; and those of the lessons as a teacher has them."
    known = set(lessons())
    for path in tqdm(notebooks_in(ROOT / 'nbs'), desc='copies', unit='notebook'):
        notebook, place = read(path), path.relative_to(ROOT / 'nbs')
        save(student(notebook), folder / 'student' / place)
        beside = (notes(path.stem), misconceptions(path.stem), when_lost(path.stem)) if path in known else ()
        save(instructor(notebook, *beside), folder / 'instructor' / place)
    for kind in ('student', 'instructor'):
        shutil.copytree(ROOT / 'nbs' / 'images', folder / kind / 'images')


def write_assignments(folder, which=None):
    "The assignments of all lessons, or of those at the paths `which`: plain, for nbgrader and for otter-grader."
    for path in tqdm(which or lessons(), desc='assignments', unit='lesson'):
        notebook, name = read(path), path.stem
        assignment = assignments.sliced(notebook, notes(name))
        save(assignment, folder / f'{name}.ipynb')
        save(assignments.nbgrader(notebook, assignment, name), folder / 'nbgrader' / 'source' / name / f'{name}.ipynb')
        save(assignments.otter(notebook, assignment, name), folder / 'otter' / f'{name}.ipynb')
    (folder / 'nbgrader' / 'nbgrader_config.py').write_text(assignments.NBGRADER, encoding='utf-8')


def write_index(folder):
    "The page that says what is what."
    found = []
    for path in lessons():
        told = notes(path.stem)
        paper = next(name for name in (f'handouts/{path.stem}.pdf', f'handouts/{path.stem}.html') if (folder / name).exists())
        found.append({'name': path.stem, 'title': heading_of(read(path)), 'exercises': len(told),
                      'minutes': sum(each.minutes for each in told.values()), 'paper': paper, 'answers': paper.replace('/', '/answers/')})
    (folder / 'index.html').write_text(rendered('classroom.html.j2', lessons=found), encoding='utf-8')


def make(folder, pdf=True):
    "Everything, into `folder`, which is replaced as a whole once all is there."
    with replaced(folder) as new:
        write_copies(new)
        write_assignments(new / 'assignments')
        slides.write(new / 'slides')
        slides.write(new / 'instructor' / 'slides', for_teachers=True)
        handouts.write(new / 'handouts', pdf=pdf)
        plan.write(new)
        write_index(new)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=ROOT / '_class', help='the folder, by default _class')
    parser.add_argument('--no-pdf', action='store_true', help='handouts as pages of HTML only')
    args = parser.parse_args()
    folder = args.out.resolve()
    try:
        make(folder, not args.no_pdf)
    except (ValueError, OSError) as error:
        sys.exit(f'Error: {error}')
    print(f'open {folder / "index.html"}')


if __name__ == '__main__':
    main()
