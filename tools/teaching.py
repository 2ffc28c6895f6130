"""The exercises and the quiz of a lesson, and what a teacher has beside them in teach/NN_name.md: minutes, misconceptions, wrong answers."""
import ast
import re
from dataclasses import dataclass
from functools import partial

from notebooks import NOT_RUN, ROOT, notebooks_in, read, runs, source

EXERCISE = re.compile(r'^### (Exercise \d.*)', re.M)  # the heading of one in a lesson, under that of all
EXERCISES, QUIZ = 'Exercises', 'Quiz'  # headings of their sections
RUN = 'Run the check'  # how what stands before a check begins
FORM = '''\
When half the class is lost: what to show again, and what to skip.

## A heading of the lesson

misconception: what is often believed

Say: what helps

## Exercise 1: the heading in the lesson

minutes: 10

stub: the message with which the check fails on the stub

### wrong: a name for it

fails: the message of the check that catches it, with … for what varies

```python
def answer():
    ...
```

Tells: what it misunderstands, and a question that helps.
'''
LOST = r'\AWhen half the class is lost: (?P<lost>[^\n]+)\n+'
SAID = r'misconception: (?P<believed>[^\n]+)\n\nSay: (?P<say>[^\n]+)\n+'
WRONG = r'### wrong: (?P<name>[^\n]+)\n\nfails: (?P<fails>[^\n]+)\n\n```python\n(?P<code>.*?\n)```\n\nTells: (?P<tells>[^\n]+)\n+'

unnamed = partial(re.sub, r'[(][?]P<[a-z]+>', '(?:')  # the same regular expression, to be repeated inside another
TALK = rf'## (?P<heading>(?!Exercise \d)[^\n]+)\n\n(?P<said>(?:{unnamed(SAID)})+)'
SECTION = rf'## (?P<title>Exercise \d[^\n]+)\n\nminutes: (?P<minutes>[1-9]\d?)\n\nstub: (?P<stub>[^\n]+)\n\n(?P<wrong>(?:{unnamed(WRONG)})*)'
PART = re.compile(f'{LOST}|{TALK}|{SECTION}', re.S)
FOLD = re.compile(r'<details><summary>(?:Solution|Answers)</summary>\s*(.*?)\s*</details>\n*', re.S)


@dataclass
class Exercise:
    "An exercise as it stands in a lesson."
    title: str
    start: int  # where its heading stands among the lesson's cells
    place: int  # of the check
    stub: str
    check: str
    solution: str

    def filled(self, answer):
        "The stub with an answer in the place of its function. What stands before that is kept."
        return f'{self.stub[:self.stub.index("def ")]}{answer}'

    def with_answer(self, answer):
        "The code of an answer, and its check."
        return f'{self.filled(answer)}\n{self.check}'

    def messages(self):
        "Those of the check, with … for what is put in when it fails."
        tree = ast.parse(self.check)
        named = {target.id: node.value for node in ast.walk(tree) if isinstance(node, ast.Assign)
                 for target in node.targets if isinstance(target, ast.Name)}
        said = [node.msg for node in ast.walk(tree) if isinstance(node, ast.Assert)]
        said += [node.exc.args[0] for node in ast.walk(tree) if isinstance(node, ast.Raise) and ast.unparse(node.exc).startswith('AssertionError(')]
        return [message_of(named.get(getattr(node, 'id', ''), node), self.title) for node in said]


@dataclass
class Notes:
    "What a teacher has beside an exercise."
    stub: str  # how its check fails on the stub
    wrong: list  # dictionaries of name, fails, code, tells
    minutes: int  # that a second-year student needs


def message_of(node, title):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return ''.join(part.value if isinstance(part, ast.Constant) else '…' for part in node.values)
    raise ValueError(f'{title}: an assert of its check has no message of its own: write one that says what is wrong')


def pattern(message):
    "A regular expression for a message in which … stands for anything."
    return '.*'.join(map(re.escape, message.split('…')))


def exercises(notebook):
    "The exercises of a lesson, in their order."
    cells = [{**cell, 'source': source(cell)} for cell in notebook['cells']]
    for start, cell in enumerate(cells):
        title = EXERCISE.search(cell['source']) if cell['cell_type'] == 'markdown' else None
        if not title:
            continue
        stub, check = [i for i in range(start, start + 5) if cells[i]['cell_type'] == 'code'][:2]
        if any(runs(cells[i]) for i in (stub, check)):
            raise ValueError(f'{title[1]}: its stub and its check must not run by themselves')
        solution = re.search(r'<details><summary>Solution</summary>\n\n```python\n(.*?)```', cells[check + 1]['source'], re.S)
        if not solution:
            raise ValueError(f'{title[1]} has no folded solution after its check')
        code = [cells[i]['source'].replace(NOT_RUN, '') for i in (stub, check)]
        yield Exercise(title[1], start, check, *code, solution[1])


def lessons():
    "Where the lessons are, in their order."
    return [path for path in notebooks_in(ROOT / 'nbs') if re.match(r'\d\d_', path.name)]


def folds(markdown):
    "What is in its folded solutions and quiz answers. Other folds, such as a proof, are part of the lesson."
    return FOLD.findall(markdown)


def without_folds(markdown):
    "The text without its folded solutions and quiz answers. What stands before and after them in the same cell is kept."
    return FOLD.sub('', markdown).rstrip()


def text_of(notebook):
    "All that a lesson says, without its code cells."
    return '\n\n'.join(source(cell) for cell in notebook['cells'] if cell['cell_type'] == 'markdown')


def heading_of(notebook):
    "The title of a lesson."
    return re.search(r'^# (.+)', text_of(notebook), re.M)[1]


def headings(notebook):
    "The headings of a lesson below its title."
    return re.findall(r'^##+ (.+)', re.sub(r'^```.*?^```', '', text_of(notebook), flags=re.M | re.S), re.M)


def times(notebook):
    "The seconds that a lesson runs and the minutes to read it, as its head says."
    found = re.search(r'^\*\*Time\*\* run (\d+) s .*?, read (\d+) min', text_of(notebook), re.M)
    if not found:
        raise ValueError(f'{heading_of(notebook)}: its head must say **Time** run … s …, read … min')
    return int(found[1]), int(found[2])


def quiz(notebook):
    "The questions of a lesson's quiz, each with its answer."
    _, _, after = text_of(notebook).partition(f'\n## {QUIZ}\n')
    section = re.split(r'^## ', after, maxsplit=1, flags=re.M)[0]
    asked, answered = (re.findall(r'^\d+\. (.*?)\s*(?=^\d+\. |\Z)', text, re.M | re.S)
                       for text in (without_folds(section), '\n'.join(folds(section))))
    if not asked or len(asked) != len(answered):
        raise ValueError(f'{heading_of(notebook)}: its quiz has {len(asked)} questions and {len(answered)} folded answers')
    return list(zip(asked, answered))


def sections(lesson):
    "The sections of teach/LESSON.md, each with its line. Raises a `ValueError` that says where the file is not in its form."
    path, end = ROOT / 'teach' / f'{lesson}.md', 0
    if not path.exists():
        raise ValueError(f'{path} is missing: each lesson has such a file, in this form:\n\n{FORM}')
    text = path.read_text(encoding='utf-8')
    while end < len(text):
        part, line = PART.match(text, end), text[:end].count('\n') + 1
        if not part:
            raise ValueError(f'{path}, line {line}: from here on it is not in this form:\n\n{FORM}')
        yield line, part
        end = part.end()


def notes(lesson):
    "What is in teach/LESSON.md beside the exercises, by their headings."
    wrong = re.compile(WRONG, re.S)
    return {part['title']: Notes(part['stub'], [each.groupdict() for each in wrong.finditer(part['wrong'])], int(part['minutes']))
            for _, part in sections(lesson) if part['title']}


def misconceptions(lesson):
    "Pairs of a heading of the lesson and what is often believed there; its last paragraph begins with 'Say: ' and helps."
    return [(part['heading'], f'{said["believed"]}\n\nSay: {said["say"]}')
            for _, part in sections(lesson) if part['heading'] for said in re.finditer(SAID, part['said'])]


def when_lost(lesson):
    "What to do when half the class is lost."
    return next((part['lost'] for _, part in sections(lesson) if part['lost']), '')


def mismatches(path):
    "What a lesson and its file in teach/ do not agree on, each with where it is."
    notebook, file = read(path), ROOT / 'teach' / f'{path.stem}.md'
    known, titles = headings(notebook), [exercise.title for exercise in exercises(notebook)]
    told = [(line, part['heading'] or part['title']) for line, part in sections(path.stem) if not part['lost']]
    found = [f'{file}, line {line}: the lesson has no heading {each!r}' for line, each in told if each not in known]
    found += [f'{file}: {title!r} of the lesson is missing' for title in titles if title not in [each for _, each in told]]
    places = [(line, known.index(each)) for line, each in told if each in known]
    found += [f'{file}, line {line}: the headings stand in another order than in the lesson, or twice'
              for (_, before), (line, place) in zip(places, places[1:]) if place <= before]
    found += [f'{file}: fewer than two misconceptions'] * (len(misconceptions(path.stem)) < 2)
    return found + [f"{file}, line 1: it must begin with 'When half the class is lost: '"] * (not when_lost(path.stem))
