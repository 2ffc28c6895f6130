"""Every notebook runs from top to bottom through nbdev, and every exercise's check tells a stub from a solution."""
import json
import re
import subprocess
import sys

import pytest
from conftest import LESSONS, NOTEBOOKS, ROOT, read_notebook

STUB_MUST_FAIL = '''
try:
    exec({code!r}, dict(globals()))
except AssertionError as error:
    assert str(error), {title!r} + ': the check fails on the stub, but does not say why'
else:
    raise AssertionError({title!r} + ': the check passes on the stub')
'''


def exercises(cells):
    "The exercises of a notebook: title, position of the check, and the code of stub, check and solution."
    starts = [i for i, cell in enumerate(cells) if re.search(r'^### Exercise', cell['source'], re.M)]
    for start in starts:
        title = re.search(r'^### (Exercise.*)', cells[start]['source'], re.M)[1]
        stub, check = [i for i in range(start, start + 5) if cells[i]['cell_type'] == 'code'][:2]
        code = [cells[i]['source'].replace('#| eval: false\n', '') for i in (stub, check)]
        assert all('#| eval: false' in cells[i]['source'] for i in (stub, check)), title
        solution = re.search(r'<details><summary>Solution</summary>\n\n```python\n(.*?)```', cells[check + 1]['source'], re.S)
        assert solution, f'{title} has no folded solution after its check'
        yield title, check, *code, solution[1]


def code_cell(source, name):
    return {'cell_type': 'code', 'id': name, 'metadata': {}, 'outputs': [], 'execution_count': None, 'source': source}


@pytest.mark.parametrize('path', [pytest.param(path, id=path.stem, marks=[pytest.mark.alone] * (path.stem[3:] in ('training', 'scaling')))
                                  for path in NOTEBOOKS])  # these take times
def test_notebook_and_its_exercises(path, tmp_path):
    notebook = json.loads(path.read_text(encoding='utf-8'))
    cells = read_notebook(path)
    for n, (title, at, stub, check, solution) in reversed(list(enumerate(exercises(cells), 1))):
        # A stub may set up names before its function; the solution replaces only the function.
        setup = stub[:stub.index('def ')]
        notebook['cells'][at + 1:at + 1] = [
            code_cell(STUB_MUST_FAIL.format(code=f'{stub}\n{check}', title=title), f'stub-{n}'),
            code_cell(f'{setup}{solution}\n{check}', f'solution-{n}')]
    copy = tmp_path / path.name
    copy.write_text(json.dumps(notebook), encoding='utf-8')
    run = subprocess.run([sys.executable, '-c', 'import sys; from nbdev.test import test_nb; sys.exit(not test_nb(sys.argv[1])[0])', str(copy)],
                         capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr[-4000:]


@pytest.mark.parametrize('path', LESSONS, ids=lambda path: path.stem)
def test_each_lesson_has_three_exercises_or_more(path):
    assert len(list(exercises(read_notebook(path)))) >= 3


def test_a_failing_cell_is_named(tmp_path):
    "The mechanism above would notice: a notebook with a false assert fails, and the message shows the cell."
    copy = tmp_path / 'broken.ipynb'
    cells = [code_cell('x = 1', 'fine'), code_cell('assert x == 2, "x is not two"', 'false')]
    copy.write_text(json.dumps({'cells': cells, 'metadata': {}, 'nbformat': 4, 'nbformat_minor': 5}), encoding='utf-8')
    run = subprocess.run([sys.executable, ROOT / 'tools' / 'course.py', '--one', copy], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 1
    assert 'FAILED' in run.stdout and 'x is not two' in run.stderr and 'broken.ipynb' in run.stderr
