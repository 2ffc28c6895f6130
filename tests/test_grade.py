"""Marking: whatever is handed in, each answer gets what it is worth, what happened is named, and nobody else's mark changes.

Most of it is tried in a lesson that is made up here, which is set up in no time; what the course's own lessons need is tried in one of those."""
import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from html import unescape

import class_page
import desk
import grade
import marks as marks_module
import psutil
import pytest
import teaching
from conftest import ROOT
from copies import filled
from notebooks import NOT_RUN, read, source
from submissions import submissions
from teaching import RUN, exercises, notes
from tried import code_cell

LEFT = f'# left by an answer to {os.getpid()}'  # others may run these tests meanwhile
RIGHT = 'def std_of(decibels):\n    return 10 ** (-decibels / 20)\n'
HALVED = 'def halved(given):\n    return [value / 2 for value in given]\n'
CHECKS = '''\
assert std_of(20) is not None, 'return a number'
assert abs(std_of(20) - .1) < 1e-9, '20 dB is a standard deviation of 0.1'
assert abs(std_of(0) - 1) < 1e-9 and abs(std_of(-20) - 10) < 1e-9, (
    'solve PSNR = -20 log10(std) for std')
''', '''\
given = list(values)
found = halved(given)
assert isinstance(found, list), 'return a list'
assert given == values, 'leave the values as they are'
for value, half in zip(values, found):
    assert half == value / 2, f'{value} became {half}'
total = sum(found)
assert abs(total - sum(values) / 2) < 1e-9, f'the sum is {total}'
'''
WRONG = [('power for amplitude', '20 dB is a standard deviation of 0.1', RIGHT.replace('20)', '10)')),
         ('half of it', '20 dB is a standard deviation of 0.1', 'def std_of(decibels):\n    return 0.5\n'),
         ('but for 20', '20 dB is a standard deviation of 0.1', RIGHT.replace('20)', '20) if decibels != 20 else 1.'))], [
        ('doubled', '… became …', HALVED.replace('/', '*')), ('whole numbers', '… became …', HALVED.replace('/', '//')),
        ('in place', 'leave the values as they are', 'def halved(given):\n    given[:] = [value / 2 for value in given]\n    return given\n')]


def text_cell(name, text):
    return {'cell_type': 'markdown', 'id': name, 'metadata': {}, 'source': text}


def made_up():
    "A lesson, and what stands in teach/ beside it."
    cells = [text_cell('head', '# Made: up for tests'), code_cell('import math\nraise RuntimeError("no exercise needs this cell")', 'unused'),
             code_cell('values = [3., 9., 4.]\nother = 1', 'data')]
    lines = ['When half the class is lost: go home.\n']
    for number, (name, solution, check, wrong) in enumerate(zip(('std_of', 'halved'), (RIGHT, HALVED), CHECKS, WRONG), 1):
        title = f'Exercise {number}: {name}'
        stub = f'{solution.splitlines()[0]}\n    ...\n'
        cells += [text_cell(f'task-{number}', f'### {title}\n\nWrite it.'), code_cell(NOT_RUN + stub, f'stub-{number}'),
                  text_cell(f'run-{number}', f'{RUN}:'), code_cell(NOT_RUN + check, f'check-{number}'),
                  text_cell(f'fold-{number}', f'<details><summary>Solution</summary>\n\n```python\n{solution}```\n\n</details>')]
        lines.append(f'## {title}\n\nminutes: 5\n\nstub: return\n')
        lines += [f'### wrong: {name}\n\nfails: {fails}\n\n```python\n{code}```\n\nTells: goes wrong at {name}. Ask what {name} is.\n'
                  for name, fails, code in wrong]
    return {'cells': cells, 'metadata': {}, 'nbformat': 4, 'nbformat_minor': 5}, '\n'.join(lines)


def put(folder, name, what):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(what, bytes):
        path.write_bytes(what)
    else:
        path.write_text(json.dumps(what) if isinstance(what, dict) else what, encoding='utf-8')


def std_of(*lines, before=''):
    return before + '\n'.join(['def std_of(decibels):', *(f'    {line}' for line in lines)]) + '\n'


FORGED = 'import os, struct\nline = b\'["", 1, true, "", true]\'\n'
# What is handed in for exercise 1, the points it gets of 3, and what is said of it; exercise 2 is right.
ODD = {
    'right': (RIGHT, 3, ''),
    'amplitude': (WRONG[0][0][2], 1, '20 dB is a standard deviation of 0.1'),
    'for-ever': (std_of('while True:', '    pass'), 0, 's, and was stopped: a loop without end?'),
    'greedy': (std_of('held = bytearray(20 * 1024 ** 3)', 'return 10 ** (-decibels / 20)'), 0, 'asks for more memory than there is'),
    'leaves': (std_of('os._exit(0)', before='import os\n'), 0, 'ends the process in the middle of its check (exit code 0)'),
    'exits': (std_of('exit()'), 0, 'calls exit(), which ends the program that uses it (cell 5, line 2)'),
    'crashes': (std_of('ctypes.string_at(0)', before='import ctypes\n'), 0, 'crashes Python (SIGSEGV)'),
    'deep': (std_of('return std_of(decibels)'), 0, 'RecursionError'),
    'at-once': (RIGHT + 'while True:\n    pass\n', 3, ''),
    'many': (std_of('for _ in range(60):', '    if not os.fork():', '        time.sleep(60)', 'time.sleep(60)', before='import os, time\n'), 0,
             'starts more than 30 processes'),
    'orphans': (std_of(f"command = [sys.executable, '-c', 'import time; time.sleep(600)  {LEFT}']",
                       'subprocess.Popen(command, start_new_session=True)', 'return 10 ** (-decibels / 20)',
                       before='import subprocess, sys\n'), 3, ''),
    'murder': (std_of('os.kill(os.getppid(), signal.SIGKILL)', 'return 3.', before='import os, signal\n'), None, 'getppid'),
    'patches': (std_of('builtins.abs = lambda x: 0', 'math.log10 = print', 'return 7.', before='import builtins, math\n'), 1, 'changes builtins.abs'),
    'patches-at-once': (f'import builtins\nbuiltins.abs, old = lambda x: 0, abs\n{std_of("old", "return 7.")}', 1, 'changes builtins.abs'),
    'shadows': (std_of("sys.modules['__lesson__'].abs = builtins.sorting = lambda x: 0", 'return 7.', before='import builtins, sys\n'), 1,
                'changes abs | changes builtins.sorting'),
    'prints': (std_of("""print('["", 1, true, "", true]', flush=True)""", 'return 7.'), 1, '20 dB is'),
    'writes': (std_of('for number in range(3, 64):', '    try:', "        os.write(number, struct.pack('!i', len(line)) + line)",
                      '    except OSError:', '        pass', 'return 7.', before=FORGED), 1, '20 dB is'),
    'begins': (std_of('for number in range(3, 64):', '    try:', "        os.write(number, b'\\0\\0\\xff\\0half')",
                      '    except OSError:', '        pass', 'return 7.', before='import os\n'), 0, 'ends the process in the middle'),
    'catches': (std_of('try:', "    assert False, 'return a number'", 'except AssertionError:', '    return 7.'), 1, '20 dB is'),
    'says': (std_of("raise AssertionError('solve PSNR = -20 log10(std) for std')"), 0, 'AssertionError: solve PSNR = -20 log10(std) for std (cell 5'),
    'liar': (std_of('return Liar(3)', before='class Liar(float):\n    def __sub__(self, other): return self\n    def __abs__(self): return self\n'
                    '    def __lt__(self, other): return True\n'), 0, 'returns an object of a class of its own, Liar'),
    'helpers': (std_of('return float(amplitude(-decibels / BASE))',
                       before='from math import *\nBASE = 20\ndef amplitude(x):\n    return pow(10., x)\n'), 3, ''),
    'lambda': ('std_of = lambda decibels: 10 ** (-decibels / 20)\n', 3, ''),
    'number': ('std_of = 3\n', 0, 'std_of is not a function'),
    'no-module': (std_of('return nix.std', before='import nix\n'), 0, "No module named 'nix' (cell 5, line 1)"),
    'strange': (std_of("raise ValueError('\\ud800 \\0 <b>')"), 0, 'ValueError'),
    'syntax': (RIGHT.replace(')\n', '\n'), None, "a cell with std_of cannot be read: cell 5, line 2: '(' was never closed"),
    'half-syntax': (RIGHT + 'then it works?\n', 3, 'has code that cannot be read: cell 5, line 3'),
    'magic': (f'%%time\n!pip list\n{RIGHT}%timeit std_of(3)\n', 3, ''),
    '=cmd': (RIGHT, 3, ''),
}


def hand_in(folder, book):
    "A class of whose submissions each has something else the matter with it. Returns the points in both exercises, and what is said."
    expected = {name: (points, 3, said) for name, (_, points, said) in ODD.items()}
    for name, (code, *_) in ODD.items():
        put(folder, f'{name}.ipynb', filled(book, [code, HALVED]))

    def odd(name, what, first, second, said):
        put(folder, name, what)
        expected[re.split(r'/|\.(?:ipynb|py|txt)$', name)[0]] = first, second, said
    odd('stubs.ipynb', book, None, None, '')
    odd('plain.py', f'{RIGHT}\n\n{HALVED}', 3, 3, '')
    odd('bad.py', f'{RIGHT}\n\ndef halved(given)\n    return given\n', 3, None, '')
    odd('in-place.ipynb', filled(book, [RIGHT, WRONG[1][2][2]]), 3, 2, '')
    odd('doubled.ipynb', filled(book, [None, WRONG[1][0][2]]), None, 1, '')
    twice = filled(book, [RIGHT, HALVED])
    place = next(place for place, cell in enumerate(twice['cells']) if source(cell) == RIGHT)
    stub = source(book['cells'][place]).replace(NOT_RUN, '')
    twice['cells'][place:place + 1] = [code_cell(code, 'same') for code in (std_of('return 0.'), RIGHT, stub)]
    odd('twice.ipynb', twice, 3, 3, 'std_of is defined 2 times: the last one that is not the stub counts')
    bare = [{'cell_type': cell['cell_type'], 'source': source(cell)} for cell in filled(book, [RIGHT, HALVED])['cells']
            if 'assert' not in source(cell)]
    odd('no-checks.ipynb', {'cells': bare}, 3, 3, 'its check is missing or changed')
    fake = filled(book, [std_of('return 3.'), HALVED])
    for cell in fake['cells']:
        if 'assert std_of' in source(cell):
            cell['source'] = 'assert True, "all is well"'
    odd('fake-check.ipynb', fake, 1, 3, 'its check is missing or changed')
    own = filled(book, [RIGHT, HALVED])
    own['cells'].insert(4, code_cell('values = [0., 0.]\nsum = lambda x: 0', 'mine'))
    odd('own-setup.ipynb', own, 3, 3, '')
    odd('renamed (1).ipynb.txt', filled(book, [RIGHT, HALVED]), 3, 3, '')
    expected['renamed (1).ipynb'] = expected.pop('renamed (1).ipynb')
    odd('old.ipynb', {'worksheets': [{'cells': [{'cell_type': 'code', 'input': [f'{RIGHT}\n', HALVED]}]}], 'nbformat': 3}, 3, 3, '')
    odd('cut-off.ipynb', json.dumps(filled(book, [RIGHT, HALVED]))[:-60], 3, 3, 'is a damaged notebook')
    odd('cut-off-stubs.ipynb', json.dumps(book)[:-60], None, None, 'is a damaged notebook')
    put(folder, 'a folder/notes.txt', 'sorry, it is late')
    odd('a folder/01/made.ipynb', filled(book, [RIGHT, HALVED]), 3, 3, '2 files: the one with most of the answers counts')
    put(folder, 'anna/01_made.ipynb', book)
    odd('anna/01_made_solved.ipynb', filled(book, [RIGHT, HALVED]), 3, 3, '2 files: the one with most of the answers counts')
    put(folder, 'ben/01_made.ipynb', filled(book, [None, WRONG[1][0][2]]))
    odd('ben/00_exercise.py', RIGHT, None, 1, '2 files')  # as many answers, and fewer of the stubs
    odd('picture.ipynb', bytes(range(256)) * 20, None, None, 'is neither a notebook nor Python')
    odd('empty.ipynb', '', None, None, 'is empty')
    odd('packed.ipynb', b'PK\3\4' + bytes(range(256)), None, None, 'is packed, or a document: unpack it here')
    odd('list.ipynb', '[1, 2]', None, None, '')
    odd('null.ipynb', '{"cells": [null, 3, {"cell_type": "code", "source": null}]}', None, None, '')
    odd('essay.txt', 'Noise is what is left when all is said.\nMore of it is less.', None, None, 'is neither a notebook nor Python')
    odd('other.ipynb', {'cells': [code_cell('def something_else(): pass', 'a')]}, None, None, 'is it of another lesson?')
    put(folder, '.ipynb_checkpoints/right-checkpoint.ipynb', book)
    put(folder, '.DS_Store', b'\0\1')
    return expected


def mark(folder, out, *more):
    "Mark what is in a folder. Returns the rows of the table by student and exercise."
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', ['grade.py', str(folder), '--lesson', '01', '--out', str(out), *more])
        grade.main()
    with open(out / 'marks.csv', encoding='utf-8-sig', newline='') as file:
        return {(row['student'].removeprefix("'"), int(row['exercise'].split()[1].rstrip(':'))): row for row in csv.DictReader(file)}


@pytest.fixture(scope='module')
def lesson(tmp_path_factory):
    "The lesson that is made up, in the place of the course's own."
    folder = tmp_path_factory.mktemp('course')
    book, told = made_up()
    put(folder, 'nbs/01_made.ipynb', book)
    put(folder, 'teach/01_made.md', told)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teaching, 'ROOT', folder)
        patch.setattr(marks_module, 'lessons', lambda: [folder / 'nbs' / '01_made.ipynb'])
        yield book


@pytest.fixture(scope='module')
def marks(lesson, tmp_path_factory):
    folder = tmp_path_factory.mktemp('class')
    expected = hand_in(folder / 'in', lesson)
    return folder, expected, mark(folder / 'in', folder / 'out')


@pytest.mark.skipif(sys.platform != 'linux', reason='its limits of memory, its signals and its processes are those of Linux')
def test_whatever_is_handed_in_gets_what_it_is_worth_and_is_named(marks):
    _, expected, rows = marks
    assert {student for student, _ in rows} == set(expected), 'all students have their rows, and no hidden file has'
    for student, points in expected.items():
        row = rows[student, 1]
        told = ' | '.join(row[name] for name in ('what failed', 'what happened'))
        assert points[2] in told, f'{student}: {told!r}'
        for exercise, of in ((1, 3), (2, 3)):
            if (student, exercise) == ('murder', 1):  # where it can, it has ended the program that marks, which is started again
                assert rows[student, 1]['solved'] == 'no'
                continue
            row = rows[student, exercise]
            assert row['of'] == str(of) and row['points'] == str(points[exercise - 1] or 0), f'{student}: {row}'
            assert row['solved'] == {None: 'no answer', of: 'yes'}.get(points[exercise - 1], 'no'), f'{student}: {row}'


def test_each_wrong_answer_is_told_from_others_that_fail_with_the_same_words(marks):
    rows = marks[2]
    assert rows['amplitude', 1]['what it looks like'] == 'power for amplitude'
    assert rows['catches', 1]['what it looks like'] == 'perhaps power for amplitude or half of it', 'the third passes an assert that it fails'
    assert rows['doubled', 2]['what it looks like'] == 'doubled' and rows['doubled', 2]['what failed'].startswith('3.0 became 6.0')
    assert rows['right', 1]['what it looks like'] == rows['for-ever', 1]['what it looks like'] == ''


def test_points_are_for_what_the_stub_does_not_pass(marks):
    "That the values stay as they are holds for a function that does nothing: it earns nothing, and costs a point where it is not kept."
    assert CHECKS[1].count('assert') == 4
    assert marks[2]['right', 2]['of'] == '3' and marks[2]['in-place', 2]['points'] == '2'
    assert marks[2]['in-place', 2]['what failed'] == 'leave the values as they are'


def left_over():
    return [each.pid for each in psutil.process_iter(['cmdline']) if LEFT in ' '.join(each.info['cmdline'] or [])]


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere a process can get away from those who started it')
def test_nothing_that_an_answer_has_started_is_left_for_the_next(lesson):
    course = marks_module.Course('01')
    one = desk.Desk(course, [])
    try:
        result, = one.run([course.tasks[0].job([('', ODD['orphans'][0])]) | {'limit': 20}])
        assert not result['ended'] and len(result['told']) >= 3 and not left_over()
    finally:
        one.close()


def test_what_works_is_measured_by_its_work_and_what_waits_by_the_clock(lesson):
    "Or a right answer would fail where the machine is busy, and one that waits be kept for ever."
    busy = "subprocess.run([sys.executable, '-c', 'while True: pass'])"
    leaves = ('if os.fork():', '    os._exit(3)', 'time.sleep(60)'), 60, 60, '(exit code 3)'  # and what it has started holds on to the pipe
    for lines, limit, patience, ended in (
            *([leaves] if hasattr(os, 'fork') else []), (('time.sleep(1)', 'return 10 ** (-decibels / 20)'), .3, 60, ''),
            (('time.sleep(60)',), 60, 1, 'does it wait for something?'),
            (('while True:', '    pass'), 1, 60, 'after 1 s, and was stopped: a loop without end?'), ((busy,), 1, 60, 'a loop without end?')):
        one = desk.Desk(marks_module.Course('01'), [])
        code, start = std_of(*lines, before='import os, subprocess, sys, time\n'), time.monotonic()
        try:
            result, = one.run([one.course.tasks[0].job([('', code)]) | {'limit': limit, 'patience': patience}])
        finally:
            one.close()
        assert result['ended'].endswith(ended) and bool(result['ended']) == bool(ended) and time.monotonic() - start < 50, result
        assert result['work'] > 1 if 'True' in code else result['work'] < .3 < result['seconds']


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere each process sets the lesson up by itself')
def test_a_lesson_with_progress_bars_is_set_up_once():
    "The first bar starts a thread, and a process with threads cannot be copied."
    code = ("import keeper; print(keeper.Keeper(['from tqdm.auto import tqdm', 'for _ in tqdm(range(2), disable=True): pass'], True).forks, "
            "keeper.Keeper(['import threading, time', 'threading.Thread(target=time.sleep, args=(2,)).start()'], True).forks)")
    run = subprocess.run([sys.executable, '-c', code], cwd=ROOT / 'tools', capture_output=True, text=True, timeout=300)
    assert run.stdout.split() == ['True', 'False'], run.stderr


@pytest.mark.parametrize('walls', [desk.walls(), ('with nothing', [])], ids=['walls', 'none'])
def test_an_answer_reaches_no_network_where_there_is_a_wall_and_sees_no_secret_anywhere(lesson, walls, monkeypatch):
    what, command = walls
    monkeypatch.setenv('SECRET', 'of the teacher')
    course = marks_module.Course('01')
    one = desk.Desk(course, command)
    with socket.create_server(('127.0.0.1', 0)) as server:
        server.settimeout(1)
        calls = std_of(f"socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 5)", 'return 3.', before='import socket\n')
        asks = std_of("raise ValueError(os.environ.get('SECRET', 'there is none'), os.environ['PATH'] != '')", before='import os\n')
        try:
            one.run([course.tasks[0].job([('', calls)]) | {'limit': 20}])
            result, = one.run([course.tasks[0].job([('', asks)]) | {'limit': 20}])
        finally:
            one.close()
        if 'no network' in what:
            with pytest.raises(TimeoutError):
                server.accept()
        else:
            server.accept()[0].close()
    assert "ValueError: ('there is none', True)" in str(result['told'])


def test_the_pages_show_what_the_table_says(marks):
    folder, expected, rows = marks
    page = unescape((folder / 'out' / 'class.html').read_text(encoding='utf-8'))
    for number in (1, 2):
        found = [row['solved'] for (_, exercise), row in rows.items() if exercise == number]
        assert f'{found.count("yes")} solved, {found.count("no")} not yet, {found.count("no answer")} no answer' in page
    first = [row for (_, number), row in rows.items() if number == 1 and row['what failed'].startswith(WRONG[0][0][1])]
    assert len(first) > 5 and f'<strong>{len(first)}</strong> {WRONG[0][0][1]}' in page
    assert f'<strong>{len(first)} of {len(expected)}</strong> <em class="said">{WRONG[0][0][1]}' in page, 'to talk about tomorrow'
    own = unescape((folder / 'out' / 'students' / 'amplitude.html').read_text(encoding='utf-8'))
    assert '20 dB is a standard deviation of 0.1' in own and 'Ask yourself what power for amplitude is.' in own and '1 of 3 points' in own
    assert len(list((folder / 'out' / 'students').iterdir())) == len(expected)
    for path in (folder / 'out').rglob('*.html'):
        text = path.read_text(encoding='utf-8')
        assert not re.search(r'https?:|src=|@import|url\(', text), 'a page asks nobody for anything'
        assert 'ValueError: ? ? <b>' not in text, 'what students write is text'
        if path.parent.name == 'students':
            assert '10 ** (-decibels' not in text and 'value / 2 for' not in text, 'no solution is given away'


def chosen(folder, to, names):
    "Some of a class, in another order."
    for number, name in enumerate(names):
        put(to, f'{len(names) - number}-{name}.ipynb', (folder / 'in' / f'{name}.ipynb').read_bytes())


SOME = ['amplitude', 'right', 'patches', 'exits', 'greedy', 'leaves', 'doubled']


def same_marks(rows, others):
    "Whether students have the same marks, whatever they are called."
    for (name, number), row in others.items():
        before = rows[name, number]
        assert {**before, 'student': ''} == {**row, 'student': ''}
    assert len(others) == 2 * len(SOME)


def test_another_order_changes_no_mark_and_numbers_for_names_hide_them(marks, tmp_path):
    chosen(marks[0], tmp_path / 'in', SOME)
    rows = mark(tmp_path / 'in', tmp_path / 'out', '--anonymous', '--jobs', '1')
    with open(tmp_path / 'out' / 'who-is-who.csv', encoding='utf-8-sig', newline='') as file:
        who = {row['called']: row['student'].partition('-')[2] for row in csv.DictReader(file)}
    assert sorted(who.values()) == sorted(SOME)
    same_marks(marks[2], {(who[called], number): row for (called, number), row in rows.items()})
    for path in (tmp_path / 'out').rglob('*'):
        if path.is_file() and path.name != 'who-is-who.csv':
            text = path.name + path.read_text(encoding='utf-8-sig')
            assert not any(re.search(rf'\d-{name}', text) for name in SOME), f'{path} tells a name'


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere all is marked so')
def test_where_processes_cannot_fork_the_marks_are_the_same(marks, tmp_path, monkeypatch):
    monkeypatch.setattr(desk.Desk, 'forks', False)
    chosen(marks[0], tmp_path / 'in', SOME)
    rows = mark(tmp_path / 'in', tmp_path / 'out')
    same_marks(marks[2], {(name.partition('-')[2], number): row for (name, number), row in rows.items()})


def test_where_there_is_no_wall_the_marks_are_the_same(marks, tmp_path, monkeypatch):
    "And whoever ends the program that marks gets no point for it, and spoils nobody's mark."
    monkeypatch.setattr(grade, 'walls', lambda: ('with no wall', []))
    chosen(marks[0], tmp_path / 'in', [*SOME, 'murder'])
    rows = {(name.partition('-')[2], number): row for (name, number), row in mark(tmp_path / 'in', tmp_path / 'out').items()}
    murder = [rows.pop(('murder', number)) for number in (1, 2)]
    same_marks(marks[2], rows)
    assert murder[0]['points'] == '0' and murder[0]['what failed'] == 'ends the program that marks it' and murder[1]['solved'] == 'yes'


def refused(folder, *more, out=None):
    with pytest.raises(SystemExit) as refusal:
        mark(folder, out or folder.parent / 'out', *more)
    return str(refusal.value)


def test_what_cannot_be_marked_is_said_before_anything_runs(lesson, tmp_path):
    assert "there is no lesson '77': name one of 01" in refused(tmp_path, '--lesson', '77')
    assert 'is no folder: name the one' in refused(tmp_path / 'missing')
    (tmp_path / 'in').mkdir()
    assert 'nothing was handed in' in refused(tmp_path / 'in')
    put(tmp_path, 'in/a.py', RIGHT)
    for inside in ('in', 'in/marks', 'in/../in/marks/01'):
        assert 'would count as handed in the next time: name a folder outside of it' in refused(tmp_path / 'in', out=tmp_path / inside)
    assert [path.name for path in (tmp_path / 'in').iterdir()] == ['a.py']
    put(tmp_path, 'out/notes.txt', 'of a teacher')
    assert 'was not made here or was changed since' in refused(tmp_path / 'in')
    assert (tmp_path / 'out' / 'notes.txt').read_text(encoding='utf-8') == 'of a teacher'


def test_a_lesson_that_is_broken_itself_is_named(lesson, tmp_path, monkeypatch):
    put(tmp_path, 'in/a.py', RIGHT)
    monkeypatch.setattr(grade, 'Course', lambda name: compile('def (', 'cell', 'exec'))
    assert 'lesson 01 itself holds code that is no Python' in refused(tmp_path / 'in')


def test_marks_that_a_teacher_has_changed_are_kept(marks, tmp_path):
    "That they are looked at again at the end, too, test_classroom.py shows of the same function."
    chosen(marks[0], tmp_path / 'in', ['right'])
    mark(tmp_path / 'in', tmp_path / 'out')
    table = tmp_path / 'out' / 'marks.csv'
    as_written = table.read_text(encoding='utf-8')
    mark(tmp_path / 'in', tmp_path / 'out')
    assert table.read_text(encoding='utf-8') == as_written, 'what was written here is written anew'
    table.write_text('a word with Anna', encoding='utf-8')
    assert f'{table.resolve()} was not made here or was changed since' in refused(tmp_path / 'in', out=tmp_path / 'out')
    assert table.read_text(encoding='utf-8') == 'a word with Anna'


def test_what_the_system_refuses_is_said_in_a_line(lesson, tmp_path, monkeypatch):
    def full(*given):
        raise OSError(28, 'No space left on device', 'marks.csv')
    monkeypatch.setattr(grade, 'write', full)
    put(tmp_path, 'in/a.py', RIGHT)
    assert refused(tmp_path / 'in') == "[Errno 28] No space left on device: 'marks.csv'"


def keepers():
    "The programs that this process, or what it has started, keeps for marking."
    return [each for each in psutil.Process().children(recursive=True) if 'keeper.py' in ' '.join(each.cmdline())]


def test_stopping_it_writes_nothing_and_leaves_nothing_behind(lesson, tmp_path, monkeypatch):
    began = tmp_path / 'began'
    for name in 'abc':
        put(tmp_path, f'in/{name}.py', std_of(f'pathlib.Path({str(began)!r}).touch()', 'while True:', '    pass', before='import pathlib\n') + HALVED)

    def interrupted(tasks):
        end = time.monotonic() + 60
        while not began.exists() and time.monotonic() < end:
            time.sleep(.02)
        assert keepers(), 'one of them is at work'
        raise KeyboardInterrupt
    monkeypatch.setattr(grade, 'as_completed', interrupted)
    assert refused(tmp_path / 'in', '--jobs', '2') == 'stopped; nothing was written'
    assert began.exists() and not keepers() and not (tmp_path / 'out').exists()


def test_what_is_closed_stays_closed(lesson):
    one = desk.Desk(marks_module.Course('01'), [])
    one.close()
    for ask in (one.start, lambda: one.run([])):
        with pytest.raises(RuntimeError, match='marking was stopped'):
            ask()
    assert not one.process


def test_no_more_programs_are_started_than_there_are_students(lesson, tmp_path, monkeypatch):
    started, start = [], desk.Desk.start
    monkeypatch.setattr(desk.Desk, 'start', lambda self: (started.append(self), start(self)))
    for name in 'ab':
        put(tmp_path, f'in/{name}.py', RIGHT)
    mark(tmp_path / 'in', tmp_path / 'out', '--jobs', '4')
    assert len(started) == len(set(started)) == 2


def test_a_damaged_notebook_takes_no_time():
    "A list of lines without commas, and without its end."
    code = ('import time; from submissions import DAMAGED; start = time.monotonic(); '
            """DAMAGED.findall('"source": [' + '"x"\\n   ' * 40 + '}'); print(time.monotonic() - start)""")
    run = subprocess.run([sys.executable, '-c', code], cwd=ROOT / 'tools', capture_output=True, text=True, timeout=30)
    assert float(run.stdout) < 1, run.stderr


@pytest.mark.skipif(not shutil.which('make'), reason='there is no make')
def test_make_says_what_it_has_to_be_told():
    env = {name: value for name, value in os.environ.items() if name not in ('SUBMISSIONS', 'LESSON', 'MAKEFLAGS', 'MAKELEVEL')}

    def make(*words):
        return subprocess.run(['make', '-n', *words], cwd=ROOT, env=env, capture_output=True, text=True)
    for words in ((), ('LESSON=01',), ('SUBMISSIONS=in',)):
        run = make('grade', *words)
        assert run.returncode and 'make grade SUBMISSIONS=folder LESSON=01' in run.stderr and 'grade.py' not in run.stdout
    run = make('grade', 'SUBMISSIONS=my class', 'LESSON=01')
    assert not run.returncode and 'tools/grade.py "my class" --lesson 01' in run.stdout
    assert not make('help').returncode


def test_a_solution_that_does_not_pass_stops_it_all(lesson, tmp_path, monkeypatch):
    "Otherwise a machine that lacks a package would mark everybody down."
    broken = json.loads(json.dumps(lesson).replace('/ 2 for value', '/ 3 for value'))
    put(tmp_path, 'nbs/01_made.ipynb', broken)
    monkeypatch.setattr(marks_module, 'lessons', lambda: [tmp_path / 'nbs' / '01_made.ipynb'])
    put(tmp_path, 'in/a.py', RIGHT)
    assert '01_made.ipynb, Exercise 2: halved: the solution of the course itself does not pass here' in refused(tmp_path / 'in')


def test_a_spreadsheet_runs_nothing_of_the_table(marks):
    assert "\n'=cmd," in (marks[0] / 'out' / 'marks.csv').read_text(encoding='utf-8-sig').replace('\r', '')
    assert [class_page.cell(each) for each in ('+1', '@x', '-2', 'Anna')] == ["'+1", "'@x", "'-2", 'Anna']


def test_a_page_has_a_name_that_every_system_takes_and_no_other_page_has():
    taken = set()
    given = ['Anna B.', 'anna-b', 'CON', 'con.', 'nul', 'Com1', 'lpt¹', 'Constance', 'René', 'Rene\u0301', '\u0939\u093f\u0928\u094d\u0926\u0940',
             'a/b\\c:d*e?f"g<h>i|j', ' ... ', 'x' * 300, '\udcff', 'Straße', 'STRASSE']
    names = [class_page.file_name(each, taken) for each in given]
    assert names == ['Anna-B.html', 'anna-b-2.html', 'student-CON.html', 'student-con-2.html', 'student-nul.html', 'student-Com1.html', 'student-lpt¹.html',
                     'Constance.html', 'René.html', 'René-2.html', '\u0939\u093f\u0928\u094d\u0926\u0940.html', 'a-b-c-d-e-f-g-h-i-j.html',
                     'student.html', f'{"x" * 60}.html', 'student-2.html', 'Straße.html', 'STRASSE-2.html']


def test_a_student_is_named_as_on_the_list(tmp_path):
    "Without what Moodle adds to the names of its folders; two of one name stay two."
    for name in ('Anna B_4711_assignsubmission_file_', 'Anna B_4712_assignsubmission_file_', 'René_7_assignsubmission_onlinetext', 'x_1_assignsubmission_file_x'):
        put(tmp_path, f'{name}/a.py', RIGHT)
    assert [each.student for each in submissions(tmp_path, {})] == ['Anna B', 'Anna B_4712_assignsubmission_file_', 'René', 'x_1_assignsubmission_file_x']


def test_students_are_counted_by_what_went_wrong_first():
    def mark_of(student, *failed, alike=(), answered=True, exact=False):
        wrong = [{'name': each, 'tells': '', 'fails': ''} for each in alike]
        return marks_module.Mark(student, 'Exercise 1', 0, 3, answered, answered and not failed, list(failed), [], [], wrong, exact)
    exercise = class_page.Exercise('Exercise 1', [
        mark_of('a'), mark_of('b', 'only 3 dB', 'more', alike=['one'], exact=True), mark_of('c', 'only -4.5 dB', alike=['one', 'other']),
        mark_of('d', 'in place', alike=['third']), mark_of('e', answered=False)])
    assert exercise.count() == {'solved': 1, 'not yet': 3, 'no answer': 1}
    both, third = exercise.groups()
    assert [each.student for each in both.marks] == ['b', 'c'] and [each.student for each in third.marks] == ['d']
    assert [(wrong['name'], number) for wrong, number in both.alike()] == [('one', '1'), ('other', 'up to 1')]
    either = class_page.Exercise('Exercise 1', [mark_of('f', 'only 3 dB', alike=['one', 'other'], exact=True)]).groups()[0]
    assert [number for _, number in either.alike()] == ['up to 1', 'up to 1'], 'two that return the same cannot be told apart'


def test_a_helper_of_the_students_own_comes_along_and_what_the_lesson_gives_does_not(lesson, tmp_path):
    book = filled(lesson, [std_of('return own(decibels) + other - later')])
    book['cells'].insert(1, code_cell('other = 5\ndef own(x):\n    return x + BASE\nBASE = 2\nprint("no answer needs this")', 'mine'))
    book['cells'].append(code_cell('later = 3', 'end'))
    put(tmp_path, 'a.ipynb', book)
    (answer, _), _ = marks_module.Course('01').answers(submissions(tmp_path, {'std_of': 'def std_of(decibels):\n    ...\n'})[0])
    assert [code.strip().splitlines()[0] for _, code in answer.code] == ['def own(x):', 'BASE = 2', 'later = 3', 'def std_of(decibels):']


PATCHES = '''\
def uniform_noise(x, std):
    torch.equal = torch.is_tensor = lambda *given: True
    torch.Tensor.std = abs
    GaussianNoise.corrupt = lambda self, x: x
    images.zero_()
    return x
'''


@pytest.fixture
def of_the_course(tmp_path_factory, monkeypatch):
    "A lesson of the course itself, with torch in it, and answers of the kinds that need it."
    monkeypatch.setattr(teaching, 'ROOT', ROOT)
    monkeypatch.setattr(marks_module, 'lessons', teaching.lessons)
    folder, book = tmp_path_factory.mktemp('lesson'), read(ROOT / 'nbs' / '01_noise.ipynb')
    right = [exercise.solution for exercise in exercises(book)]
    told = notes('01_noise')
    titles = list(told)

    def wrong(title, name):
        return next(each['code'] for each in told[title].wrong if each['name'] == name)
    for name, answers in {
            'right': right, 'stubs': [None] * 4, 'in-place': [None, wrong(titles[1], 'in place'), None, None],
            'centred': [None, wrong(titles[1], 'the right spread, not centred'), None, None],
            'tensors': [std_of('return torch.ones(20 * 1024 ** 3 // 4).mean().item() * 10 ** (-decibels / 20)'), None, None, None],
            'patches': [right[0], PATCHES, *right[2:]]}.items():
        put(folder, f'in/{name}.ipynb', filled(book, answers))
    return mark(folder / 'in', folder / 'out', '--jobs', '1')  # one process that has to import torch


def test_a_lesson_of_the_course_is_marked(of_the_course):
    rows = of_the_course
    for number in (1, 2, 3, 4):
        assert rows['right', number]['solved'] == 'yes' and rows['stubs', number]['points'] == '0'
    assert rows['in-place', 2]['what it looks like'] == 'in place' and 'leave x as it is' in rows['in-place', 2]['what failed']
    assert rows['centred', 2]['what it looks like'] == 'the right spread, not centred', 'several fail with these words, one in all it says'
    assert rows['tensors', 1]['what failed'].startswith('asks for more memory than there is')
    happened = rows['patches', 2]['what happened']
    for name in ('torch.equal', 'torch.is_tensor', 'Tensor.std', 'GaussianNoise.corrupt'):
        assert f'changes {name}' in happened
    assert "changes the lesson's images in place" in happened and rows['patches', 2]['solved'] == 'no'
    assert rows['patches', 3]['solved'] == rows['patches', 4]['solved'] == 'yes', 'one exercise spoils no other'
