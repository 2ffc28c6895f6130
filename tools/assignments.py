"""A lesson's exercises as a small notebook, with only the cells of the lesson that they need; also for nbgrader and for otter-grader."""
import re

from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

from copies import cleared
from notebooks import runs, source
from slices import code_of, needed
from teaching import RUN, exercises, heading_of, without_folds

INTRODUCTION = '''\
# {heading}: exercises

These are the exercises of a lesson, without the lesson. Run the cells of the set-up. Then write the function of each exercise and run its check: \
it fails until the function is right, and says why.'''
SETUP = '## Set-up\n\nThese cells are from the lesson. They make what the exercises need.'
NBGRADER = '''\
"""Settings of nbgrader for this folder: nbgrader generate_assignment NAME --create, and the rest as its guide says."""
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import ClearSolutions

c = get_config()  # noqa: F821 nbgrader gives it
c.CourseDirectory.course_id = 'denoise_ae'
c.ExecutePreprocessor.timeout = 600  # seconds for one cell: some train a network


class OwnStubs(ClearSolutions):
    "Puts the stub of the lesson in the place of a solution. It may have more in it than the head of a function."
    def preprocess_cell(self, cell, resources, index):
        cell, resources = super().preprocess_cell(cell, resources, index)
        cell.source = cell.metadata.get('denoise_ae', {}).get('stub', cell.source)
        return cell, resources


listed = GenerateAssignment.class_traits()['preprocessors'].default()
c.GenerateAssignment.preprocessors = [OwnStubs if each is ClearSolutions else each for each in listed]
'''
OTTER = '''\
# ASSIGNMENT CONFIG
name: {name}
check_all_cell: false
export_cell: false
tests:
  files: true
  ok_format: false'''
OTTER_CHECK = '''\
def test_{name}(env):
    check = {check}
    exec(check, env)'''  # otter takes a cell that is one function, and nothing beside it


def unlinked(text):
    "A text whose links to other pages of the course are words alone: an assignment is handed out by itself."
    return re.sub(r'\[([^\]]+)\]\((?!https?:)[^)\s]*\)', r'\1', text)


def answers(exercise, told):
    "The codes of all that is known to be tried: the stub, the solution and the wrong answers, each with its check."
    yield f'{exercise.stub}\n{exercise.check}'
    yield from (exercise.with_answer(code) for code in [exercise.solution, *(wrong['code'] for wrong in told.wrong)])


def set_up(notebook, told):
    "The code cells of a lesson that its exercises need, those of the wrong answers too. Of some it is the imports alone."
    found = list(exercises(notebook))
    cells = list(filter(runs, notebook['cells'][:found[0].start]))
    codes = [code for exercise in found for code in answers(exercise, told[exercise.title])]
    return [{**cleared(cell), 'source': code} for cell, code in needed(cells, codes)]


def asked(notebook):
    "For each exercise the cells of the lesson from its heading to its check."
    cells = notebook['cells']
    for exercise in exercises(notebook):
        text = unlinked(without_folds(source(cells[exercise.start])))
        found = [{**cells[exercise.start], 'source': text[text.index(f'### {exercise.title}'):]}]
        for cell in cells[exercise.start + 1:exercise.place + 1]:
            found.append({**cleared(cell), 'source': code_of(cell)} if cell['cell_type'] == 'code' else {**cell, 'source': unlinked(source(cell))})
        yield exercise, found


def sliced(notebook, told):
    "The assignment of a lesson: the set-up, and each exercise with its text, stub and check. `told`: the notes of its exercises, by their headings."
    cells = [new_markdown_cell(INTRODUCTION.format(heading=heading_of(notebook).partition(':')[0]), id='about')]
    if setup := set_up(notebook, told):
        cells += [new_markdown_cell(SETUP, id='set-up'), *setup]
    cells.append(new_markdown_cell('## Exercises', id='exercises'))
    return {**notebook, 'cells': cells + [cell for _, found in asked(notebook) for cell in found]}


def labelled(notebook, assignment):
    "The cells of a lesson's assignment by what they are: text, set-up, stub or check, each with the exercise it belongs to and its number."
    numbered = {cell['id']: (kind, exercise, number) for number, (exercise, found) in enumerate(asked(notebook), 1)
                for kind, cell in zip(('stub', 'check'), [cell for cell in found if cell['cell_type'] == 'code'])}
    for cell in assignment['cells']:
        kind = 'set-up' if cell['cell_type'] == 'code' else 'text'
        yield (*numbered.get(cell['id'], (kind, None, 0)), cell)


def with_solution(exercise, begin, end):
    "A solution between two marks, with what stands before the function in the stub."
    return f'{begin}\n{exercise.filled(exercise.solution.strip())}\n{end}'


def nbgrader(notebook, assignment, name):
    "The teacher's version of a lesson's assignment for nbgrader: set-up and text locked, a cell for each answer, a check worth one point."
    cells = []
    for kind, exercise, number, cell in labelled(notebook, assignment):
        graded = {'grade': kind == 'check', 'solution': kind == 'stub', 'locked': kind != 'stub', 'task': False, 'schema_version': 3,
                  'grade_id': f'{name}-exercise-{number}-{kind}' if number else f'{name}-{cell["id"]}'}
        metadata = {'nbgrader': graded | ({'points': 1} if kind == 'check' else {})}
        if kind == 'stub':
            metadata['denoise_ae'] = {'stub': exercise.stub}
            cell = {**cell, 'source': with_solution(exercise, '### BEGIN SOLUTION', '### END SOLUTION')}
        cells.append({**cell, 'metadata': metadata})
    return {**notebook, 'cells': cells}


def raw(cell, *texts):
    "Raw cells with marks for otter-grader, beside the cell that they are about."
    return [new_raw_cell(f'# {text}', id='-'.join([cell['id'], *text.splitlines()[0].lower().split()])) for text in texts]


def otter(notebook, assignment, name):
    """The teacher's version of a lesson's assignment for otter-grader: questions, solutions and tests between raw cells that name them.

    Otter puts a cell that runs the check in its place, so what the lesson says before the check comes after it, if it is more than to run it."""
    cells, after = [new_raw_cell(OTTER.format(name=name), id='config')], None
    for kind, exercise, number, cell in labelled(notebook, assignment):
        question = f'exercise_{number}'
        if kind == 'stub':
            prompt = f'""" # BEGIN PROMPT\n{exercise.stub.strip()}\n""" # END PROMPT'
            code = with_solution(exercise, '# BEGIN SOLUTION NO PROMPT', '# END SOLUTION')
            cells += raw(cell, f'BEGIN QUESTION\nname: {question}\npoints: 1', 'BEGIN SOLUTION')
            cells += [{**cell, 'source': f'{code}\n{prompt}'}, *raw(cell, 'END SOLUTION')]
            after = []
        elif kind == 'check':
            check = repr(exercise.check) if "'''" in exercise.check else f"r'''\n{exercise.check}\n'''"
            test = new_code_cell(OTTER_CHECK.format(check=check, name=question), id=f'{cell["id"]}-test')
            cells += [*raw(cell, 'BEGIN TESTS'), test, *raw(cell, 'END TESTS', 'END QUESTION'), *after]
            after = None
        elif after is None:
            cells.append(cell)
        elif source(cell) != f'{RUN}:':
            after.append(cell)
    return {**notebook, 'cells': cells}
