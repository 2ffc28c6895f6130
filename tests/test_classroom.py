"""What `make classroom` makes: nothing that a student gets has a solution in it, and the assignments tell right from wrong as the lessons do."""
import ast
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import assignments
import classroom
import folders
import nbformat
import pytest
import slices
from conftest import LESSONS, NOTEBOOKS, ROOT
from deck import Deck
from filelock import FileLock
from jinja2 import UndefinedError
from notebooks import NOT_RUN, read, runs, source
from pages import rendered
from shown import leaks, pieces, secrets, text_in
from teaching import exercises, folds, headings, misconceptions, notes, when_lost
from tried import add_answers, code_cell, run_notebook

QUICK = '00_data', '01_noise', '16_cli'
TRIED = [path for path in LESSONS if os.environ.get('CLASSROOM') == 'all' or path.stem in QUICK]
FOR_STUDENTS = 'student/**/*', 'assignments/*.ipynb', 'slides/*', 'handouts/*.*'


def has_text(path):
    "Whether it is a file that can be searched. The pictures of the page for teachers can't."
    return path.is_file() and path.suffix != '.webp'


@pytest.fixture(scope='module')
def kit(tmp_path_factory):
    "Everything, made once for all processes of pytest."
    base = tmp_path_factory.getbasetemp()  # each process of xdist has its own, beneath that of this run
    folder = (base.parent if 'PYTEST_XDIST_WORKER' in os.environ else base) / 'kit'
    with FileLock(f'{folder}.lock'):
        if not folder.exists():
            classroom.make(folder, pdf=False)
    return folder


def test_no_line_of_a_solution_or_an_answer_is_in_anything_a_student_gets(kit):
    hidden = secrets()
    assert list(hidden) == [path.stem for path in LESSONS] and all(len(own) >= 8 for own, _ in hidden.values())
    files = [path for pattern in FOR_STUDENTS for path in kit.glob(pattern) if has_text(path)]
    assert len(files) >= len(NOTEBOOKS) + 3 * len(LESSONS)
    for path in files:
        assert not leaks(path, hidden), path.relative_to(kit)
    known = {path for path in kit.rglob('*') if has_text(path)} - set(files)
    whole = {path for path in known if leaks(path, hidden)}
    for folder in ('instructor', 'assignments/otter', 'assignments/nbgrader', 'handouts/answers'):
        assert sum((kit / folder) in path.parents for path in whole) == len(LESSONS), f'{folder}: there the search finds what is there'


def test_no_hint_for_teachers_is_in_anything_a_student_gets(kit):
    "Neither what is often believed nor what to do when half the class is lost: what of them the lessons do not say themselves."
    shown = ''.join(''.join(source(cell).split()) for path in NOTEBOOKS for cell in read(path)['cells'])
    hints = {path.stem: [{each for each in pieces(text) if each not in shown} for text in [when_lost(path.stem), *(text for _, text in misconceptions(path.stem))]]
             for path in LESSONS}
    assert all(len(found) > 2 and all(found) for found in hints.values()), 'each can be looked for'
    hidden = {name: (set().union(*found), set().union(*found)) for name, found in hints.items()}
    for path in (path for pattern in FOR_STUDENTS for path in kit.glob(pattern) if has_text(path)):
        assert not leaks(path, hidden), path.relative_to(kit)
        assert not re.search('Often believed|half the class is lost', path.read_text(encoding='utf-8')), path.relative_to(kit)
    for path in LESSONS:
        text = text_in(kit / 'instructor' / 'slides' / f'{path.stem}.html')
        assert all(any(each in text for each in hint) for hint in hints[path.stem]), f'{path.stem}: the slides to show have them all'
        assert len(Deck(path).slides()) == len(Deck(path, for_teachers=True).slides()), 'otherwise they are the same'


def test_nor_is_it_in_the_handouts_as_pdf(tmp_path, chromium, monkeypatch):
    from handouts import write
    monkeypatch.setenv('CHROMIUM', chromium)
    write(tmp_path, which=[path for path in LESSONS if path.stem in QUICK])
    for path in LESSONS:
        if path.stem in QUICK:
            heading = ''.join(next(exercises(read(path))).title.split())
            assert heading in text_in(tmp_path / f'{path.stem}.pdf'), 'the text of a PDF is read'
            assert not leaks(tmp_path / f'{path.stem}.pdf', secrets())
            assert len(leaks(tmp_path / 'answers' / f'{path.stem}.pdf', secrets())) > 8


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_a_students_copy_has_all_the_rest(path, kit):
    lesson, copy = read(path), read(kit / 'student' / path.relative_to(ROOT / 'nbs'))
    nbformat.validate(copy)
    given, ids = lesson['cells'], [cell['id'] for cell in copy['cells']]
    assert len(set(ids)) == len(ids)
    kept = {cell['id']: cell for cell in copy['cells']}
    assert headings(copy) == headings(lesson)
    for cell, after in zip(given, [*given[1:], {'cell_type': 'none'}]):
        text = source(cell)
        if cell['cell_type'] == 'code':
            assert source(kept[cell['id']]) == text and kept[cell['id']]['outputs'] == [] and kept[cell['id']]['execution_count'] is None
            continue
        rest = text
        for fold in folds(text):  # nothing but the folds is gone
            before, _, behind = rest.partition(fold)
            rest = before[:before.rindex('<details>')] + behind[behind.index('</details>') + len('</details>'):]
        assert rest.split() == (source(kept[cell['id']]).split() if cell['id'] in kept else [])
        asked = re.search(r'\?[*)]*$', rest.strip()) and after['cell_type'] == 'code'
        assert bool(asked) == (f'{cell["id"]}-guess' in ids), f'{cell["id"]}: a guess where a question comes before code'
        if asked:
            place = ids.index(f'{cell["id"]}-guess')
            assert ids[place - 1:place + 2] == [cell['id'], f'{cell["id"]}-guess', after['id']] and '**Your guess:**' in source(copy['cells'][place])
    assert len(ids) == len(set(ids) & {cell['id'] for cell in given}) + sum(each.endswith('-guess') for each in ids)


@pytest.mark.parametrize('path', LESSONS, ids=lambda path: path.stem)
def test_a_teachers_copy_has_everything_and_what_stands_beside_it(path, kit):
    lesson, copy = read(path), read(kit / 'instructor' / path.name)
    nbformat.validate(copy)
    ids = {cell['id'] for cell in lesson['cells']}
    assert [cell for cell in copy['cells'] if cell['id'] in ids] == lesson['cells']
    told, cells = notes(path.stem), copy['cells']
    for exercise in exercises(lesson):
        check = [cell['id'] for cell in cells].index(lesson['cells'][exercise.place]['id'])
        beside = source(cells[check + 1])
        assert f'{told[exercise.title].minutes} minutes' in beside and told[exercise.title].stub in beside
        for wrong in told[exercise.title].wrong:
            assert all(wrong[part].strip() in beside for part in ('name', 'fails', 'code', 'tells'))
    for heading, text in misconceptions(path.stem):
        place = next(n for n, cell in enumerate(cells) if cell['cell_type'] == 'markdown'
                     and re.search(f'^#+ {re.escape(heading)}$', source(cell), re.M))
        assert any(text in source(cell) for cell in cells[place + 1:place + 4]), heading


@pytest.mark.parametrize('path', [pytest.param(path, id=path.stem, marks=[pytest.mark.alone] * (path.stem == '13_scaling')) for path in TRIED])
def test_an_assignment_tells_right_from_wrong(path, kit, tmp_path):
    "In the notebook that was made: the stub and each wrong answer fail with their messages, the solution passes. CLASSROOM=all tries all lessons."
    notebook, told = read(kit / 'assignments' / path.name), notes(path.stem)
    place = {cell['id']: n for n, cell in enumerate(notebook['cells'])}
    lesson = read(path)
    found = []
    for exercise in exercises(lesson):
        check = place[lesson['cells'][exercise.place]['id']]
        stub = max(n for n in range(check) if notebook['cells'][n]['cell_type'] == 'code')
        assert f'### {exercise.title}' in ''.join(source(cell) for cell in notebook['cells'][stub - 2:stub])
        found.append(replace(exercise, place=check, stub=source(notebook['cells'][stub]), check=source(notebook['cells'][check])))
        for n in (stub, check):
            notebook['cells'][n]['source'] = NOT_RUN + source(notebook['cells'][n])
    assert len(found) == len(told) >= 3
    run = run_notebook(add_answers(notebook, found, told), tmp_path / path.name)
    assert run.returncode == 0, run.stderr[-4000:]


@pytest.mark.parametrize('path', LESSONS, ids=lambda path: path.stem)
def test_an_assignment_is_small_and_stands_by_itself(path, kit):
    notebook, lesson = read(kit / 'assignments' / path.name), read(path)
    nbformat.validate(notebook)
    asked = len(list(exercises(lesson)))
    code = [source(cell) for cell in notebook['cells'] if cell['cell_type'] == 'code']
    run = [cell for cell in lesson['cells'] if runs(cell) and 'default_exp' not in source(cell)]
    assert len(code) - 2 * asked < len(run), 'fewer cells than the lesson has'
    text = '\n'.join(source(cell) for cell in notebook['cells'] if cell['cell_type'] == 'markdown')
    assert not re.search(r'\]\((?!https?:)', text), 'links to what was not handed out'
    assert '#|' not in '\n'.join(code) and text.count('### Exercise') == asked


def test_links_into_the_course_become_words():
    text = 'as in [lesson 03](03_training.ipynb#why), the room [Hub](inside/hub.ipynb) or [the paper](https://arxiv.org/abs/1803.04189)'
    assert assignments.unlinked(text) == 'as in lesson 03, the room Hub or [the paper](https://arxiv.org/abs/1803.04189)'


CELLS = '''\
import torch
from math import pi, sqrt
limit = 3
---
commands = {}
def command(function):
    commands[function.__name__] = function
    return function
---
@command
def first(): return helper() + limit
---
def helper(): return sqrt(4)
---
def unused(): return torch.zeros(3)
---
limit = 4
print(unused())
---
@command
def second(): return 2
---
rows = []
for n in range(3):
    rows.append(n * limit)
---
table = {'a': rows}
---
table['b'] = 2
---
figure = object()
print(table)
'''


def cut(*codes):
    cells = [code_cell(source, f'c{n}') for n, source in enumerate(CELLS.split('---\n'))]
    return {int(cell['id'][1:]): code for cell, code in slices.needed(cells, codes)}


def test_names_are_followed():
    whole = dict(enumerate(each.strip() for each in CELLS.split('---\n')))
    assert cut('x = 1\nx + len([1])') == {}
    assert cut('pi') == {0: 'import torch\nfrom math import pi, sqrt'}, 'imports alone'
    assert cut('limit') == {5: whole[5], 0: 'import torch\nfrom math import pi, sqrt', 4: whole[4]}, 'the last value, and what its cell uses'
    assert set(cut('commands["first"]()')) >= {0, 1, 2, 3, 6}, 'what is registered by a decorator, and what a function looks up when it is called'
    assert set(cut('table')) == {0, 4, 5, 7, 8, 9}, 'what changes it, too'
    assert cut('def f():\n    return pi\n') == {}, 'not called, so not looked up'
    assert set(cut('def f():\n    return pi\nf()')) == {0}
    assert set(cut('[pi for _ in range(3)]')) == set(cut('(lambda: pi)()')) == {0}
    assert cut('for pi in range(3):\n    print(pi)') == {} == cut('with open("x") as pi:\n    pi.read()')
    assert set(cut('pi += 1')) == set(cut('pi = pi + 1')) == set(cut('if 1:\n    pi.real = 2')) == {0}


@pytest.mark.parametrize('path', LESSONS, ids=lambda path: path.stem)
def test_forms_for_graders(path, kit):
    "Metadata as schema 3 of nbgrader has it; raw cells in pairs, as otter-grader wants them. Both have the lesson's stub, solution and check."
    lesson = read(path)
    for form in ('nbgrader/source/' + path.stem, 'otter'):
        notebook = read(kit / 'assignments' / form / path.name)
        nbformat.validate(notebook)
        text = '\n'.join(source(cell) for cell in notebook['cells'])
        for exercise in exercises(lesson):
            assert exercise.solution.strip() in text and (exercise.check in text or repr(exercise.check) in text)
    graded = [cell['metadata']['nbgrader'] for cell in read(kit / 'assignments' / 'nbgrader' / 'source' / path.stem / path.name)['cells']]
    assert len({each['grade_id'] for each in graded}) == len(graded) and all(re.fullmatch(r'[\w-]+', each['grade_id']) for each in graded)
    asked = len(list(exercises(lesson)))
    assert [sum(each[kind] for each in graded) for kind in ('solution', 'grade')] == [asked, asked]
    assert all(each['schema_version'] == 3 and each['locked'] != each['solution'] and ('points' in each) == each['grade'] for each in graded)
    marks = [source(cell) for cell in notebook['cells'] if cell['cell_type'] == 'raw']
    assert marks[0].startswith('# ASSIGNMENT CONFIG') and 'ok_format: false' in marks[0]
    kinds = [each.splitlines()[0] for each in marks[1:]]
    assert kinds == ['# BEGIN QUESTION', '# BEGIN SOLUTION', '# END SOLUTION', '# BEGIN TESTS', '# END TESTS', '# END QUESTION'] * asked
    before = [source(cell) == '# BEGIN TESTS' for cell in notebook['cells']]
    tests = [ast.parse(source(cell)).body for cell, is_test in zip(notebook['cells'][1:], before) if is_test]
    assert [[type(node) for node in test] for test in tests] == [[ast.FunctionDef]] * asked, 'a cell that is one function, or otter takes none of it'


def test_made_twice_it_is_the_same(kit, tmp_path):
    path = LESSONS[1]
    classroom.write_assignments(tmp_path, [path])
    for name in (path.name, f'nbgrader/source/{path.stem}/{path.name}', f'otter/{path.name}'):
        assert (tmp_path / name).read_bytes() == (kit / 'assignments' / name).read_bytes()


def test_what_is_put_into_a_page_is_text_and_what_is_missing_is_an_error():
    lesson = {'name': '00_data', 'title': '<b>Data: what?', 'exercises': 4, 'minutes': 30, 'paper': 'a', 'answers': 'b'}
    assert '00 &lt;b&gt;Data' in rendered('classroom.html.j2', lessons=[lesson, lesson])
    del lesson['minutes']
    with pytest.raises(UndefinedError, match='minutes'):
        rendered('classroom.html.j2', lessons=[lesson, lesson])


def test_the_index_leads_to_what_is_there(kit):
    page = (kit / 'index.html').read_text(encoding='utf-8')
    links = re.findall('href="([^"]+)"', page)
    assert len(links) >= 2 + 3 * len(LESSONS) and all((kit / link).is_file() for link in links)
    for name in re.findall('<th scope="row"><code>([^<]+)/</code>', page):
        assert (kit / name).is_dir()


def test_what_was_made_is_kept_where_it_cannot_take_its_place(tmp_path, monkeypatch):
    folder = tmp_path / 'class'

    def make(meanwhile=lambda: None):
        with folders.replaced(folder) as new:
            (new / 'x.txt').write_text('new', encoding='utf-8')
            meanwhile()
    make()
    (tmp_path / 'class-2').mkdir()
    with pytest.raises(ValueError, match=r'x.txt was not made here or was changed since.* What was made now is in .*class-3$'):
        make(lambda: (folder / 'x.txt').write_text('a word', encoding='utf-8'))
    assert (folder / 'x.txt').read_text(encoding='utf-8') == 'a word' and (tmp_path / 'class-3' / 'x.txt').read_text(encoding='utf-8') == 'new'
    folders.check(tmp_path / 'class-3')  # known as made here
    (folder / 'x.txt').write_text('new', encoding='utf-8')
    rename = Path.rename
    for held in (folder, folder / 'new'):  # whose files another program has open: the old one, or the new one as it takes its place
        def refused(self, to, held=held):
            if self == held or self.name == held.name and to == folder:
                raise PermissionError(13, 'used by another process', str(self))
            return rename(self, to)
        monkeypatch.setattr(Path, 'rename', refused)
        with pytest.raises(ValueError, match=r'used by another process.*close what has one of its files open. What was made now is in .*class-[45]$'):
            make()
        assert (folder / 'x.txt').read_text(encoding='utf-8') == 'new', 'as it was'
    assert sorted(path.name for path in tmp_path.iterdir()) == ['class', *(f'class-{number}' for number in (2, 3, 4, 5))]


def test_what_others_put_there_is_not_lost(tmp_path):
    folder = tmp_path / 'class'
    for content in ('one', 'two'):
        with folders.replaced(folder) as new:
            (new / 'a').mkdir()
            (new / 'a' / 'x.txt').write_text(content, encoding='utf-8')
    assert (folder / 'a' / 'x.txt').read_text(encoding='utf-8') == 'two' and [path.name for path in tmp_path.iterdir()] == ['class']

    def make():
        with folders.replaced(folder) as new:
            (new / 'y').write_text('new', encoding='utf-8')
    (folder / 'mine.txt').write_text('notes', encoding='utf-8')
    with pytest.raises(ValueError, match='mine.txt was not made here or was changed'):
        make()
    (folder / 'mine.txt').unlink()
    (folder / 'a' / 'x.txt').write_text('a guess', encoding='utf-8')
    with pytest.raises(ValueError, match=r'x.txt was not made .*move it to another place, or name another folder with --out'):
        make()
    (folder / 'a' / 'x.txt').write_text('two', encoding='utf-8')
    with pytest.raises(RuntimeError), folders.replaced(folder):
        raise RuntimeError('in the middle')
    assert (folder / 'a' / 'x.txt').read_text(encoding='utf-8') == 'two', 'as it was'
    make()
    assert not (folder / 'a').exists() and [path.name for path in tmp_path.iterdir()] == ['class']
    record = (folder / folders.RECORD).read_text(encoding='utf-8')
    for damaged in (record[:-5], '[]', ''):
        (folder / folders.RECORD).write_text(damaged, encoding='utf-8')
        with pytest.raises(ValueError, match=r'made-here.json is damaged.*move the folder to another place, or name another one with --out'):
            make()
    assert (folder / 'y').read_text(encoding='utf-8') == 'new'
    home = tmp_path / 'home'
    home.mkdir()
    (home / 'thesis.txt').write_text('years', encoding='utf-8')
    run = subprocess.run([sys.executable, ROOT / 'tools' / 'classroom.py', '--out', home], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 1 and run.stderr.startswith(f'Error: {home / "thesis.txt"} was not made here') and len(list(home.iterdir())) == 1
