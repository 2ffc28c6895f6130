"""Answers put into a notebook beside the checks of its exercises, and the notebook run: wrong ones must fail as teach/ says, solutions pass."""
import json
import subprocess
import sys

from conftest import ROOT
from teaching import pattern

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


def add_answers(notebook, found, told):
    "After the check of each exercise: the stub and each wrong answer in teach/, which must fail with the message told there, and the solution."
    for n, exercise in reversed(list(enumerate(found, 1))):
        beside = told[exercise.title]
        answers = [('the stub', beside.stub, f'{exercise.stub}\n{exercise.check}')]
        answers += [(wrong['name'], wrong['fails'], exercise.with_answer(wrong['code'])) for wrong in beside.wrong]
        fail = [MUST_FAIL.format(code=code, pattern=pattern(fails), name=f'{exercise.title}, {name}') for name, fails, code in answers]
        added = [*fail, exercise.with_answer(exercise.solution)]
        notebook['cells'][exercise.place + 1:exercise.place + 1] = [code_cell(code, f'answer-{n}-{k}') for k, code in enumerate(added)]
    return notebook


def run_notebook(notebook, copy):
    "Run a notebook from a file `copy` through nbdev. Cells that say eval: false are left out."
    copy.write_text(json.dumps(notebook), encoding='utf-8')
    return subprocess.run([sys.executable, '-c', 'import sys; from nbdev.test import test_nb; sys.exit(not test_nb(sys.argv[1])[0])', str(copy)],
                          capture_output=True, text=True, cwd=ROOT)
