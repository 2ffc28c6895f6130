"""Every notebook runs from top to bottom through nbdev, and every exercise's check tells a stub from a solution."""
import json
import re
import subprocess
import sys

import pytest
import teaching
from conftest import LESSONS, NOTEBOOKS, ROOT
from notebooks import read
from teaching import exercises, notes, pattern

# The generators are put back, so that the lesson goes on as if no answer had been tried.
MUST_FAIL = '''
import re as _re, torch as _torch
_before = _torch.get_rng_state()
try:
    exec({code!r}, dict(globals()))
except AssertionError as _failure:  # Python forgets this name after the clause, so it must not be one of the lesson's
    assert _re.fullmatch({pattern!r}, str(_failure), _re.S), {name!r} + ': it fails with ' + repr(str(_failure))
else:
    raise AssertionError({name!r} + ': the check passes on it')
finally:
    _torch.set_rng_state(_before)
'''


def code_cell(source, name):
    return {'cell_type': 'code', 'id': name, 'metadata': {}, 'outputs': [], 'execution_count': None, 'source': source}


@pytest.mark.parametrize('path', [pytest.param(path, id=path.stem, marks=[pytest.mark.alone] * (path.stem == '11_scaling'))
                                  for path in NOTEBOOKS])  # it takes times
def test_notebook_and_its_exercises(path, tmp_path):
    "A check fails on the stub and on each wrong answer in teach/, with the message that is told there, and passes on the solution."
    notebook = read(path)
    for n, exercise in reversed(list(enumerate(exercises(notebook), 1))):
        told = notes(path.stem)[exercise.title]
        answers = [('the stub', told.stub, f'{exercise.stub}\n{exercise.check}')]
        answers += [(wrong['name'], wrong['fails'], exercise.with_answer(wrong['code'])) for wrong in told.wrong]
        fail = [MUST_FAIL.format(code=code, pattern=pattern(fails), name=f'{exercise.title}, {name}') for name, fails, code in answers]
        added = [*fail, exercise.with_answer(exercise.solution)]
        notebook['cells'][exercise.place + 1:exercise.place + 1] = [code_cell(code, f'answer-{n}-{k}') for k, code in enumerate(added)]
    copy = tmp_path / path.name
    copy.write_text(json.dumps(notebook), encoding='utf-8')
    run = subprocess.run([sys.executable, '-c', 'import sys; from nbdev.test import test_nb; sys.exit(not test_nb(sys.argv[1])[0])', str(copy)],
                         capture_output=True, text=True, cwd=ROOT)
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


def test_what_is_not_in_its_form_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(teaching, 'ROOT', tmp_path)
    (tmp_path / 'teach').mkdir()
    wrong = teaching.FORM[teaching.FORM.index('### wrong'):]
    (tmp_path / 'teach' / 'fine.md').write_text(f'{teaching.FORM}\n{wrong}\n{teaching.FORM.replace("Exercise 1", "Exercise 2")}', encoding='utf-8')
    assert [len(each.wrong) for each in notes('fine').values()] == [2, 1]
    (tmp_path / 'teach' / 'slip.md').write_text(f'{teaching.FORM}\n{wrong.replace("Tells", "tells")}', encoding='utf-8')
    with pytest.raises(ValueError, match='slip.md, line 16: from here on'):
        notes('slip')


def test_a_failing_cell_is_named(tmp_path):
    "The mechanism above would notice: a notebook with a false assert fails, and the message shows the cell."
    copy = tmp_path / 'broken.ipynb'
    cells = [code_cell('x = 1', 'fine'), code_cell('assert x == 2, "x is not two"', 'false')]
    copy.write_text(json.dumps({'cells': cells, 'metadata': {}, 'nbformat': 4, 'nbformat_minor': 5}), encoding='utf-8')
    run = subprocess.run([sys.executable, ROOT / 'tools' / 'course.py', '--one', copy], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 1
    assert 'FAILED' in run.stdout and 'x is not two' in run.stderr and 'broken.ipynb' in run.stderr
