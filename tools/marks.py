"""What an answer is worth: the asserts of its check that it passes and the stub does not; and which wrong answer of teach/ it looks like."""
import ast
import re
from dataclasses import dataclass, field

import slices
from answers import Given, answer_in
from assignments import set_up
from marking import statements_of
from notebooks import read, runs, source
from teaching import exercises, lessons, notes, pattern

SLOWER, LEAST, SOLUTION = 10, 5, 600  # times the work of the solution that an answer may do, but at least so many seconds; seconds of the solution
PATIENCE = 6  # times as many seconds by the clock, for other programs that the machine is busy with and for answers that wait
ALIKE = 2  # seconds that a solution may take for the wrong answers to be run beside what students wrote


@dataclass
class Task:
    "An exercise, and what is known of it once its solution and its stub have been marked."
    title: str
    name: str  # of the function that is asked for
    stub: str
    prefix: str  # what stands before it
    check: str
    solution: str
    wrong: list
    limit: float = SOLUTION
    patience: float = PATIENCE * SOLUTION
    takes: float = 0.
    free: set = field(default_factory=set)  # the asserts that the stub passes

    def job(self, code):
        return {'name': self.name, 'prefix': self.prefix, 'check': self.check, 'code': code, 'limit': self.limit, 'patience': self.patience}

    def asserts(self):
        return [number for number, (_, asserts) in enumerate(statements_of(self.check)) if asserts]

    def worth(self):
        return len(self.asserts()) - len(self.free)


@dataclass
class Mark:
    "What the answer of a student to one exercise is worth."
    student: str
    title: str
    points: int
    of: int
    answered: bool
    solved: bool
    failed: list  # what the check says
    stopped: list  # errors, and how it ended otherwise
    notes: list
    alike: list = field(default_factory=list)  # the wrong answers that it looks like: dictionaries of `teaching.notes`
    exact: bool = False  # whether it returns all that they return, as far as that was looked at
    returned: list = field(default_factory=list)

    def first(self):
        "What went wrong first."
        return next(iter([*self.failed, *self.stopped]), '')


class Course:
    "A lesson as it is needed for marking."
    def __init__(self, lesson):
        known = lessons()
        found = [path for path in known if path.stem == lesson or path.stem.split('_')[0] == lesson.zfill(2)]
        if not found:
            raise ValueError(f'there is no lesson {lesson!r}: name one of {", ".join(path.stem.split("_")[0] for path in known)}')
        self.path, notebook = found[0], read(found[0])
        self.number, self.title = self.path.stem[:2], source(notebook['cells'][0]).splitlines()[0].removeprefix('# ')
        told, self.tasks = notes(self.path.stem), []
        for each in exercises(notebook):
            name = [node.name for node in ast.parse(each.stub).body if isinstance(node, ast.FunctionDef)][-1]
            start = each.stub.index(f'def {name}')
            self.tasks.append(Task(each.title, name, each.stub[start:], each.stub[:start], each.check, each.solution, told[each.title].wrong))
        taken = {cell['id']: cell['source'] for cell in set_up(notebook, told)}
        self.setup = list(taken.values())
        cells = list(filter(runs, notebook['cells']))
        ready = bound_by([*self.setup, *(task.prefix for task in self.tasks)])
        code = {cell['id']: slices.code_of(cell) for cell in cells}
        self.given = Given(ready, ready | bound_by(code.values()), [cell for cell in cells if taken.get(cell['id']) != code[cell['id']]],
                           '\n\n'.join(code.values()))

    def answers(self, submission):
        "For each exercise the answer of a student, or None, and what is odd about it."
        found = [answer_in(submission, task.name, task.stub, self.given) for task in self.tasks]
        aside = [why for code, why in submission.broken if not any(task.name in code for task in self.tasks)]
        if aside and submission.notebook and not submission.notes:
            submission.notes.append(f'has code that cannot be read: {"; ".join(aside[:3])}')
        if not any(answer for answer, _ in found) and not submission.notes:
            names = {name for each in submission.statements for name in each.bound}
            if not names & {task.name for task in self.tasks}:
                submission.notes.append(f'has none of the functions {", ".join(task.name for task in self.tasks)}: is it of another lesson?')
        if submission.notebook and 'grader.check(' not in submission.text:  # where otter-grader has put these in their place
            lines = set(map(str.strip, submission.text.splitlines()))
            for task, (answer, told) in zip(self.tasks, found):
                if answer and not set(map(str.strip, task.check.splitlines())) <= lines:
                    told.append("its check is missing or changed: the course's own counts")
        return found

    def measure(self, run):
        "Mark the solution and the stub of each exercise, for the limits and for what is given without doing anything."
        for task in self.tasks:
            result, = run([task.job([('', task.solution)])])
            mark = self.judge(task, '', result, [])
            if not mark.solved:
                raise ValueError(f'{self.path.name}, {task.title}: the solution of the course itself does not pass here, so nothing can be marked. '
                                 f'Is this machine busy, or without the packages of the course? {mark.first()}')
            task.takes, task.limit = result['work'], max(LEAST, SLOWER * result['work'])
            task.patience = max(PATIENCE * task.limit, SLOWER * result['seconds'])
            result, = run([task.job([('', task.stub)])])
            task.free = {number for number, passed, *_ in outcome(result) if passed}

    def judge(self, task, student, result, odd):
        "The mark for what was told of an answer; `result` is None where there is no answer."
        if result is None:
            return Mark(student, task.title, 0, task.worth(), False, False, [], [], odd)
        told, counted = outcome(result), task.asserts()
        passed = {number for number, ok, *_ in told if ok and number in counted}
        lost = {number for number, ok, *_ in told if not ok} & task.free
        failed = [text for _, ok, text, by_check in told if not ok and by_check]
        # an error in the check itself mostly follows from what failed before: it would have given a name, or a value
        errors = [text for _, ok, text, by_check in told if not ok and not by_check]
        stopped = [text for text in errors if text.endswith(')') or not failed and not text.startswith('NameError')]
        notes = odd + sorted({what[1] for what in result['told'] if what[0] == 'note' and isinstance(what[1], str)})
        if result['ended']:
            stopped.append(result['ended'])
        solved = passed == set(counted)
        if solved:  # whatever else went wrong did not matter
            notes, stopped = notes + stopped, []
        returned = next((what[1] for what in result['told'] if what[0] == 'returned'), [])
        return Mark(student, task.title, max(0, len(passed - task.free) - len(lost)), task.worth(), True, solved,
                    *(list(dict.fromkeys(each)) for each in (failed, stopped, notes)), returned=returned)

    def compare(self, marks, run):
        "Find the wrong answers that those of students look like: by what the check says first and, where they run quickly, by what they return."
        seen = {}
        for task in self.tasks:
            for mark in marks:
                if mark.title != task.title or mark.solved or not mark.failed:
                    continue
                mark.alike = [wrong for wrong in task.wrong if re.fullmatch(pattern(wrong['fails']), mark.failed[0], re.S)]
                for wrong in mark.alike if task.takes < ALIKE else ():
                    if (task.title, wrong['name']) not in seen:
                        result, = run([task.job([('', wrong['code'])])])
                        other = self.judge(task, '', result, [])
                        seen[task.title, wrong['name']] = other.failed, other.returned
                for own in ((mark.failed, mark.returned), (mark.failed,)):
                    same = [wrong for wrong in mark.alike if seen.get((task.title, wrong['name']), ())[:len(own)] == own]
                    if same:
                        mark.alike, mark.exact = same, len(own) == 2
                        break


def bound_by(codes):
    "The names that pieces of code give."
    return set().union(*(slices.names(code, {}).bound for code in codes))


def outcome(result):
    "What was told of the statements of a check, each once: its number, whether it passed, the text, and whether the check says it."
    found = {}
    for what in result['told']:
        if len(what) == 4 and type(what[0]) is int and what[0] not in found:
            found[what[0]] = what
    return list(found.values())
