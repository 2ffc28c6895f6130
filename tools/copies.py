"""A notebook as a student gets it, and as a teacher has it. Both are made by rule; the notebooks in nbs/ stay as they are."""
import json
import re

from nbformat.v4 import new_markdown_cell

from notebooks import source
from slices import code_of
from teaching import exercises, without_folds

GUESS = '**Your guess:** …'


def note(before, name, text):
    "A cell with a text. Its id is made from that of the cell before, so that it stays the same from one making to the next."
    return new_markdown_cell(text, id=f'{before["id"]}-{name}')


def cleared(cell):
    "A code cell that has not run."
    return {**cell, 'outputs': [], 'execution_count': None}


def asks(cell, after):
    "Whether a cell is prose that ends in a question, and the next one the code that answers it."
    return cell['cell_type'] == 'markdown' and after['cell_type'] == 'code' and without_folds(source(cell)).rstrip('* \n').endswith('?')


def student(notebook):
    "A notebook without solutions, quiz answers and outputs, with a place to guess after each question."
    cells = []
    for cell, after in zip(notebook['cells'], [*notebook['cells'][1:], {'cell_type': ''}]):
        if cell['cell_type'] == 'code':
            cells.append(cleared(cell))
        elif text := without_folds(source(cell)):
            cells.append({**cell, 'source': text})
        if asks(cell, after):
            cells.append(note(cell, 'guess', GUESS))
    return {**notebook, 'cells': cells}


def filled(notebook, answers, asked=None):
    """A copy of a notebook with answers in the place of the stubs of its exercises, as a student hands it in; None leaves a stub as it is.
    `asked`: the exercises, those of the notebook itself if not given."""
    notebook = json.loads(json.dumps(notebook))
    for exercise, answer in zip(asked or exercises(notebook), answers):
        stub = next(cell for cell in notebook['cells'] if code_of(cell) == exercise.stub.strip())
        stub['source'] = stub['source'] if answer is None else exercise.filled(answer)
    return notebook


def about(told):
    "What a teacher has beside an exercise, as text."
    paragraphs = [f'**For the teacher: {told.minutes} minutes.** On the stub the check says: {quoted(told.stub)}']
    for wrong in told.wrong:
        paragraphs += [f'**Wrong: {wrong["name"]}.** The check says: {quoted(wrong["fails"])}',
                  f'```python\n{wrong["code"].strip()}\n```', f'Tells: {wrong["tells"]}']
    return '\n\n'.join(paragraphs)


def quoted(message):
    "The words of a check. They may have any sign in them, a backtick too."
    ticks = '`' * (1 + max(map(len, re.findall('`+', message)), default=0))
    return f'{ticks} {message} {ticks}' if len(ticks) > 1 else f'`{message}`'


def instructor(notebook, told=None, believed=(), lost=''):
    """All of a notebook, with its outputs and solutions, and what a teacher has beside it as cells of their own.

    `told`: notes by the exercises' headings. `believed`: pairs of a heading and a misconception. `lost`: what to do when half the class is lost."""
    places = {exercise.place: told[exercise.title] for exercise in exercises(notebook)} if told else {}
    cells = []
    for place, cell in enumerate(notebook['cells']):
        cells.append(cell)
        if place == 1 and lost:
            cells.append(note(cell, 'lost', f'**For the teacher: when half the class is lost.** {lost}'))
        if place in places:
            cells.append(note(cell, 'teacher', about(places[place])))
        if cell['cell_type'] == 'markdown':
            found = re.findall(r'^#+ (.+)', source(cell), re.M)
            here = [text for heading, text in believed if heading in found]
            cells += [note(cell, f'believed-{n}', f'**For the teacher: often believed here.** {text}') for n, text in enumerate(here, 1)]
    return {**notebook, 'cells': cells}


def save(notebook, path):
    "Write a notebook in the form of those in nbs/."
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + '\n', encoding='utf-8')
