"""Every notebook runs from top to bottom through nbdev, every exercise's check tells a stub from a solution, and teach/ is about the lessons."""
import json
import re
import subprocess
import sys

import pytest
import teaching
from conftest import LESSONS, NOTEBOOKS, ROOT
from notebooks import read
from teaching import exercises, folds, misconceptions, mismatches, notes, pattern, quiz, times, when_lost, without_folds
from tried import add_answers, code_cell, run_notebook


def marks(path):
    "Lesson 13 takes times. The other lessons take about as long as their heads say."
    return pytest.mark.alone if path.stem == '13_scaling' else pytest.mark.long(times(read(path))[0] if path in LESSONS else 0)


@pytest.mark.timeout(3600)  # the longest take three minutes on two cores, and here they have one, and all the wrong answers
@pytest.mark.parametrize('path', [pytest.param(path, id=path.stem, marks=marks(path)) for path in NOTEBOOKS])
def test_notebook_and_its_exercises(path, tmp_path):
    "A check fails on the stub and on each wrong answer in teach/, with the message that is told there, and passes on the solution."
    notebook = read(path)
    found = list(exercises(notebook))
    run = run_notebook(add_answers(notebook, found, notes(path.stem) if found else {}), tmp_path / path.name)
    assert run.returncode == 0, run.stderr[-4000:]


@pytest.mark.parametrize('path', LESSONS, ids=lambda path: path.stem)
def test_each_exercise_has_wrong_answers_and_each_message_of_its_check_is_met(path):
    found, told = {exercise.title: exercise for exercise in exercises(read(path))}, notes(path.stem)
    assert len(found) >= 3 and list(found) == list(told), 'teach/ has the same headings in the same order'
    for title, exercise in found.items():
        wrong = told[title].wrong
        assert len({each['name'] for each in wrong}) == len(wrong) >= 3, f'{title}: three wrong answers or more, each with a name'
        met = [told[title].stub, *(each['fails'] for each in wrong)]
        for message in exercise.messages():
            assert any(re.fullmatch(pattern(message), each) for each in met), f'{title}: no wrong answer is told {message!r}'


@pytest.mark.parametrize('path', LESSONS, ids=lambda path: path.stem)
def test_what_a_teacher_has_beside_a_lesson_is_about_this_lesson(path):
    assert not mismatches(path)


def test_what_is_not_in_its_form_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(teaching, 'ROOT', tmp_path)
    (tmp_path / 'teach').mkdir()
    first = teaching.FORM[teaching.FORM.index('## Exercise 1'):]
    wrong = first[first.index('### wrong'):]
    slips = {'minutes: 10\n\n': (9, ''), 'minutes: 10': (9, 'minutes: ten'), 'Tells': (15, 'tells'), 'Say: ': (3, 'Says: '), 'When ': (1, 'If ')}
    for n, (right, (line, slip)) in enumerate(slips.items()):
        (tmp_path / 'teach' / f'slip{n}.md').write_text(teaching.FORM.replace(right, slip), encoding='utf-8')
        with pytest.raises(ValueError, match=f'slip{n}.md, line {line}: from here on'):
            notes(f'slip{n}')
    (tmp_path / 'teach' / 'fine.md').write_text(f'{teaching.FORM}\n{wrong}\n{first.replace("Exercise 1", "Exercise 2")}', encoding='utf-8')
    assert [(len(each.wrong), each.minutes) for each in notes('fine').values()] == [(2, 10), (1, 10)]
    assert misconceptions('fine') == [('A heading of the lesson', 'what is often believed\n\nSay: what helps')]
    assert when_lost('fine') == 'what to show again, and what to skip.'
    with pytest.raises(ValueError, match='none.md is missing'):
        notes('none')


def test_a_heading_that_one_side_lacks_is_named(tmp_path, monkeypatch):
    path = next(path for path in LESSONS if path.stem == '01_noise')
    told = (ROOT / 'teach' / '01_noise.md').read_text(encoding='utf-8')
    monkeypatch.setattr(teaching, 'ROOT', tmp_path)
    (tmp_path / 'teach').mkdir()
    parts = re.split('^(?=## )', told, flags=re.M)
    two = [n for n, part in enumerate(parts) if part.startswith('## Exercise 2')][0]
    line = told[:told.index('## Exercise 2')].count('\n') + 1
    cases = {
        told.replace('## Exercise 2: ', '## Exercise 2: not '): [
            f"01_noise.md, line {line}: the lesson has no heading 'Exercise 2: not ", 'Exercise 2: another noise'],
        ''.join(parts[:two] + parts[two + 1:]): ["'Exercise 2: another noise, equally strong' of the lesson is missing"],
        ''.join(parts[:two] + [parts[two + 1], parts[two]] + parts[two + 2:]): ['the headings stand in another order'],
        re.sub('^## (?!Exercise 1)', '## Not ', told, count=1, flags=re.M): ["line 3: the lesson has no heading 'Not "],
        ''.join(parts[1:]): ["line 1: it must begin with 'When half"],
        ''.join(parts[:1] + [part for part in parts if part.startswith('## Exercise ')]): ['fewer than two misconceptions'],
    }
    for text, expected in cases.items():
        (tmp_path / 'teach' / '01_noise.md').write_text(text, encoding='utf-8')
        said = mismatches(path)
        assert len(said) == len(expected) and all(each in one for each, one in zip(expected, said)), said


def test_a_quiz_is_read_and_its_answers_can_be_taken_out():
    "Also where a fold shares a cell with the next heading; a proof that is folded is no answer."
    proof = '<details><summary>The reason is short</summary>\n\nIt is.\n\n</details>'
    cell = f"""{proof}

<details><summary>Solution</summary>

secret

</details>

## Quiz

1. One?
2. Two, and
   more?

<details><summary>Answers</summary>

1. Yes.
2. No.

</details>

## Further reading"""
    notebook = {'cells': [{'cell_type': 'markdown', 'source': f'# A lesson\n\n{cell}'}]}
    assert quiz(notebook) == [('One?', 'Yes.'), ('Two, and\n   more?', 'No.')]
    assert folds(cell) == ['secret', '1. Yes.\n2. No.']
    assert without_folds(cell) == f'{proof}\n\n## Quiz\n\n1. One?\n2. Two, and\n   more?\n\n## Further reading'
    with pytest.raises(ValueError, match='A lesson: its quiz has 2 questions and 1 folded'):
        quiz({'cells': [{'cell_type': 'markdown', 'source': f'# A lesson\n\n{cell}'.replace('2. No.\n', '')}]})


def test_a_failing_cell_is_named(tmp_path):
    "The mechanism above would notice: a notebook with a false assert fails, and the message shows the cell."
    copy = tmp_path / 'broken.ipynb'
    cells = [code_cell('x = 1', 'fine'), code_cell('assert x == 2, "x is not two"', 'false')]
    copy.write_text(json.dumps({'cells': cells, 'metadata': {}, 'nbformat': 4, 'nbformat_minor': 5}), encoding='utf-8')
    run = subprocess.run([sys.executable, ROOT / 'tools' / 'course.py', '--one', copy], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 1
    assert 'FAILED' in run.stdout and 'x is not two' in run.stderr and 'broken.ipynb' in run.stderr
