"""Exercises and quiz on paper, with room to write, and apart from them a sheet with the answers: python tools/handouts.py FOLDER [LESSONS]

FOLDER gets a page of HTML for each lesson, made for print, and FOLDER/answers the sheets for teachers; where a Chromium is found, each as
PDF, too."""
import argparse
from pathlib import Path

from tqdm.auto import tqdm

from markup import as_html, coloured, inline
from notebooks import read, source
from pages import rendered
from printing import print_to_pdf
from tasks import tasks
from teaching import exercises, lessons, notes, quiz


def told(path):
    "What is on the paper and on the answer sheet of a lesson."
    notebook, beside = read(path), notes(path.stem)
    asked, found = tasks(notebook), []
    for each in exercises(notebook):
        task, note = asked[each.title], beside[each.title]
        needed = each.solution.strip().count('\n')  # lines, but for the first
        found.append({
            'title': inline(each.title), 'minutes': note.minutes, 'rules': min(max(5, needed + 4), 14), 'stub': coloured(each.stub.strip('\n')),
            'task': as_html('\n\n'.join(task.before)), 'after': as_html('\n\n'.join(task.after)), 'solution': as_html(task.solution),
            'wrong': [{'name': inline(each['name']), 'code': coloured(each['code']), 'fails': each['fails'],
                       'tells': inline(each['tells'])} for each in note.wrong]})
    title = inline(source(notebook['cells'][0]).splitlines()[0].removeprefix('# '))
    questions = [{'asked': as_html(question), 'answer': as_html(answer)} for question, answer in quiz(notebook)]
    return {'title': f'{path.stem[:2]} {title}', 'exercises': found, 'quiz': questions, 'total': sum(each['minutes'] for each in found)}


def write(folder, pdf=True, which=None):
    "Write the handouts of all lessons, or of those at the paths `which`, and the answer sheets beneath, and return the paths of all."
    folder, written = Path(folder), []
    (folder / 'answers').mkdir(parents=True, exist_ok=True)
    for path in tqdm(which or lessons(), desc='handouts', unit='lesson'):
        content = told(path)
        for answers, place in ((False, folder), (True, folder / 'answers')):
            written.append(place / f'{path.stem}.html')
            written[-1].write_text(rendered('handout.html.j2', answers=answers, **content), encoding='utf-8')
    return written + (print_to_pdf(written) if pdf else [])


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('folder', type=Path, help='where to put them')
    parser.add_argument('lessons', nargs='*', type=Path, help='notebooks; by default all lessons')
    parser.add_argument('--no-pdf', action='store_true', help='HTML only')
    args = parser.parse_args()
    write(args.folder, not args.no_pdf, args.lessons)
