"""What came out of marking, for a class: a table, a page for each student, and a page for tomorrow's lesson."""
import csv
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field

from pages import rendered

DEVICES = re.compile(r'con|prn|aux|nul|(?:com|lpt)[\d¹²³]', re.I)  # Windows takes these for devices, whatever comes after a dot
COLUMNS = 'student', 'exercise', 'points', 'of', 'solved', 'what failed', 'what it looks like', 'what happened'


@dataclass
class Group:
    "Students whose answers to an exercise fail with the same words first."
    first: str
    marks: list = field(default_factory=list)

    def alike(self):
        "Pairs of a wrong answer and how many fell for it; and how many may have for any of several."
        told = {each['name']: each for mark in self.marks for each in mark.alike}
        sure = Counter(mark.alike[0]['name'] for mark in self.marks if mark.exact and len(mark.alike) == 1)
        perhaps = Counter(each['name'] for mark in self.marks if not (mark.exact and len(mark.alike) == 1) for each in mark.alike)
        found = [(told[name], str(count)) for name, count in sure.most_common()]
        return found + [(told[name], f'up to {count}') for name, count in perhaps.most_common() if name not in sure]


@dataclass
class Exercise:
    "How a class did in an exercise."
    title: str
    marks: list

    def count(self):
        "How many have solved it, have tried and not solved it, and have not answered."
        solved, answered = sum(mark.solved for mark in self.marks), sum(mark.answered for mark in self.marks)
        return {'solved': solved, 'not yet': answered - solved, 'no answer': len(self.marks) - answered}

    def groups(self):
        "The answers that fail, by what goes wrong first, most frequent first."
        found = {}
        for mark in self.marks:
            if mark.answered and not mark.solved:
                found.setdefault(shape(mark.first()), Group(mark.first())).marks.append(mark)
        return sorted(found.values(), key=lambda group: -len(group.marks))


def shape(text):
    "A message without its numbers, and without the place of an error, so that those that differ by nothing else count together."
    return re.sub(r'-?\d+(?:[.,]\d+)*', '…', re.sub(r' \((?:cell \d+, )?line \d+\)$', '', text))


def questions(mark):
    "What a student may be asked: the questions of the wrong answers that this one looks like, at most three."
    asked = (re.search(r'\b([Aa])sk (.+?[.?])(?=\s|$)', wrong['tells']) for wrong in mark.alike)
    found = [f'Ask {"" if each[2].startswith("exercise") else "yourself "}{each[2]}' for each in asked if each]
    return list(dict.fromkeys(found))[:3]


def looks_like(mark):
    "The names of the wrong answers that a student's may be."
    return ('' if mark.exact or not mark.alike else 'perhaps ') + ' or '.join(each['name'] for each in mark.alike)


def code(text):
    "Text for a page, with what stands between backticks as code."
    return [(number % 2 == 1, part) for number, part in enumerate(str(text).split('`'))]


def cell(text):
    "What a table may hold: a spreadsheet would run what begins with one of these signs."
    return f"'{text}" if str(text)[:1] in tuple('=+-@\t\r') else text


def file_name(student, taken):
    "A name for a student's page that every system takes, used by nobody else."
    signs = [sign if unicodedata.category(sign)[0] in 'LMN' else '_' if sign == '_' else '-' for sign in unicodedata.normalize('NFC', student)]
    base = re.sub('-+', '-', ''.join(signs)).strip('-')[:60] or 'student'
    base = f'student-{base}' if DEVICES.fullmatch(base) else base
    name = next(each for each in (base, *(f'{base}-{number}' for number in range(2, 10_000))) if each.casefold() not in taken)
    taken.add(name.casefold())
    return f'{name}.html'


def tomorrow(exercises):
    "What most students would gain by: the wrong answers that most have given, at most three, each with its exercise."
    groups = [(exercise, group) for exercise in exercises for group in exercise.groups() if group.marks[0].failed]
    return sorted(groups, key=lambda each: -len(each[1].marks))[:3]


def write(folder, course, found, marks, names, walls):
    "Write all of it into an empty folder. `names`: what students are called instead, if anything."
    (folder / 'students').mkdir()
    def called(name):
        return names.get(name, name)

    def nameless(text, student):
        return text.replace(student, called(student)) if names and len(student) > 2 else text
    order = sorted(found, key=lambda each: called(each.student))
    with open(folder / 'marks.csv', 'w', encoding='utf-8-sig', errors='replace', newline='') as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for submission in order:
            for mark in (each for each in marks if each.student == submission.student):
                happened = submission.notes + mark.notes
                table.writerow([cell(nameless(str(text), submission.student)) for text in (
                    called(mark.student), mark.title, mark.points, mark.of, 'yes' if mark.solved else 'no' if mark.answered else 'no answer',
                    ' | '.join(mark.failed + mark.stopped), looks_like(mark), ' | '.join(happened))])
    if names:
        with open(folder / 'who-is-who.csv', 'w', encoding='utf-8-sig', errors='replace', newline='') as file:
            csv.writer(file).writerows([('student', 'called'), *((cell(each.student), called(each.student)) for each in order)])
    shared, taken, rows = {'course': course, 'code': code, 'called': called, 'nameless': nameless}, set(), []
    exercises = [Exercise(task.title, [mark for mark in marks if mark.title == task.title]) for task in course.tasks]
    for submission in order:
        own = [mark for mark in marks if mark.student == submission.student]
        name = file_name(called(submission.student), taken)
        rows.append((submission, own, f'students/{name}'))
        page = rendered('marks.html.j2', submission=submission, marks=own, questions=questions, **shared)
        (folder / 'students' / name).write_text(page, encoding='utf-8', errors='replace')
    page = rendered('marks.html.j2', exercises=exercises, rows=rows, tomorrow=tomorrow(exercises), walls=walls, names=names, **shared)
    (folder / 'class.html').write_text(page, encoding='utf-8', errors='replace')
