"""The exercises of a lesson, and what a teacher has beside them in teach/NN_name.md: wrong answers, and what each tells."""
import ast
import re
from dataclasses import dataclass

from notebooks import ROOT, source

FORM = '''\
## Exercise 1: the heading in the lesson

stub: the message with which the check fails on the stub

### wrong: a name for it

fails: the message of the check that catches it, with … for what varies

```python
def answer():
    ...
```

Tells: what it misunderstands, and a question that helps.
'''
WRONG = re.compile(r'### wrong: (?P<name>[^\n]+)\n\nfails: (?P<fails>[^\n]+)\n\n```python\n(?P<code>.*?\n)```\n\nTells: (?P<tells>[^\n]+)\n+', re.S)
SECTION = re.compile(rf'## (?P<title>Exercise [^\n]+)\n\nstub: (?P<stub>[^\n]+)\n\n(?P<wrong>(?:{re.sub(r"[(][?]P<[a-z]+>", "(?:", WRONG.pattern)})*)', re.S)


@dataclass
class Exercise:
    "An exercise as it stands in a lesson."
    title: str
    place: int  # of the check, among the lesson's cells
    stub: str
    check: str
    solution: str

    def with_answer(self, answer):
        "The code of an answer and its check. What stands before the function in the stub is kept; an answer replaces only the function."
        return f'{self.stub[:self.stub.index("def ")]}{answer}\n{self.check}'

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
        title = re.search(r'^### (Exercise.*)', cell['source'], re.M) if cell['cell_type'] == 'markdown' else None
        if not title:
            continue
        stub, check = [i for i in range(start, start + 5) if cells[i]['cell_type'] == 'code'][:2]
        if not all('#| eval: false' in cells[i]['source'] for i in (stub, check)):
            raise ValueError(f'{title[1]}: its stub and its check must not run by themselves')
        solution = re.search(r'<details><summary>Solution</summary>\n\n```python\n(.*?)```', cells[check + 1]['source'], re.S)
        if not solution:
            raise ValueError(f'{title[1]} has no folded solution after its check')
        code = [cells[i]['source'].replace('#| eval: false\n', '') for i in (stub, check)]
        yield Exercise(title[1], check, *code, solution[1])


def notes(lesson):
    "What is in teach/LESSON.md, by the exercises' headings. Raises a `ValueError` that says where the file is not in its form."
    path, found, end = ROOT / 'teach' / f'{lesson}.md', {}, 0
    text = path.read_text(encoding='utf-8')
    for section in SECTION.finditer(text):
        if section.start() != end:
            break
        wrong = [each.groupdict() for each in WRONG.finditer(section['wrong'])]
        found[section['title']], end = Notes(section['stub'], wrong), section.end()
    if end != len(text):
        raise ValueError(f'{path}, line {text[:end].count(chr(10)) + 1}: from here on it is not in this form:\n\n{FORM}')
    return found
