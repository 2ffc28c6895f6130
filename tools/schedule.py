"""The plans for teaching in teach/plans.toml, held against the lessons: names that exist, and minutes that add up."""
import math
import re

from notebooks import ROOT, read, source
from teaching import exercises, heading_of, lessons, misconceptions, notes, quiz, times, when_lost

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

CLOCK = re.compile(r'([01]?\d|2[0-3]):[0-5]\d')
WHOLE = 'write its minutes as a whole number, without quotes'
PLANS = ROOT / 'teach' / 'plans.toml'
KEYS = {'plan': {'title', 'start', 'who', 'before', 'after', 'meeting'}, 'meeting': {'title', 'minutes', 'blocks', 'home'},
        'block': {'minutes', 'do', 'lesson', 'headings', 'exercises', 'quiz', 'pause'}, 'home': {'lesson', 'headings', 'exercises'}}
MAY_MISS = {'start', 'home', 'lesson', 'headings', 'exercises', 'quiz', 'pause'}


def reading(notebook):
    "The minutes to read what stands under each heading: those of the lesson's head, shared out by the number of words."
    words, under = {}, ''
    for cell in notebook['cells']:
        parts = re.split(r'^##+ (.+)\n', source(cell), flags=re.M) if cell['cell_type'] == 'markdown' else [source(cell)]
        for number, part in enumerate(parts):
            if number % 2:
                under = part
            words[under] = words.get(under, 0) + (0 if number % 2 else len(part.split()))
    return {heading: times(notebook)[1] * number / sum(words.values()) for heading, number in words.items() if heading}


class Lesson:
    "What a plan can draw on in a lesson."
    def __init__(self, path):
        notebook, told = read(path), notes(path.stem)
        self.name, self.number = path.stem, path.stem[:2]
        self.short, self.question = heading_of(notebook).split(': ', 1)
        self.seconds, self.minutes = times(notebook)
        self.reading, self.questions = reading(notebook), len(quiz(notebook))
        self.exercises = [(exercise.title, told[exercise.title].minutes) for exercise in exercises(notebook)]
        self.lost = when_lost(path.stem)
        self.believed = [(heading, *text.split('\n\nSay: ')) for heading, text in misconceptions(path.stem)]

    def chosen(self, block):
        "The headings and the exercises of a block, each with its minutes."
        numbered = {int(re.search(r'\d+', title)[0]): (title, minutes) for title, minutes in self.exercises}
        return [(each, self.reading[each]) for each in block.get('headings', [])], [numbered[each] for each in block.get('exercises', [])]

    def needs(self, block):
        "The minutes that a block takes at least: to read its headings, to solve its exercises, one for each question of its quiz."
        shown, solved = self.chosen(block)
        return math.ceil(sum(minutes for _, minutes in shown)) + sum(minutes for _, minutes in solved) + self.questions * bool(block.get('quiz'))


def known_lessons():
    return {path.stem: Lesson(path) for path in lessons()}


def keys_of(kind, table, where):
    "Which keys of a table are none, and which are missing."
    yield from (f'{where}: {key!r} is none of {", ".join(sorted(KEYS[kind]))}' for key in sorted(table.keys() - KEYS[kind]))
    yield from (f'{where}: it does not say {key!r}' for key in sorted(KEYS[kind] - MAY_MISS - table.keys()))


def names_of(block, known, where):
    "Which lesson, headings and exercises of a block the course does not have."
    if 'lesson' not in block:
        yield from (f'{where}: name the lesson whose {key} you mean' for key in ('headings', 'exercises', 'quiz') if key in block)
        return
    if block['lesson'] not in known:
        yield f'{where}: there is no lesson {block["lesson"]!r}: write one of {", ".join(known)}'
        return
    lesson = known[block['lesson']]
    yield from (f'{where}: {lesson.name} has no heading {each!r}: write one of {", ".join(map(repr, lesson.reading))}'
                for each in block.get('headings', []) if each not in lesson.reading)
    yield from (f'{where}: {lesson.name} has no exercise {each}: it has {len(lesson.exercises)}'
                for each in block.get('exercises', []) if each not in range(1, len(lesson.exercises) + 1))


def faults_of(meeting, known, where):
    "What is wrong in a meeting. Its minutes are looked at when all of its names are right."
    found = list(keys_of('meeting', meeting, where))
    if type(meeting.get('minutes', 1)) is not int:  # true is one, too
        found.append(f'{where}: {WHOLE}')
    for place, block in enumerate(meeting.get('blocks', []), 1):
        found += [*keys_of('block', block, f'{where}, block {place}'), *names_of(block, known, f'{where}, block {place}')]
        if type(block.get('minutes', 1)) is not int:
            found.append(f'{where}, block {place}: {WHOLE}')
        if len(block.keys() & {'headings', 'exercises', 'quiz', 'pause'}) > 1:
            found.append(f'{where}, block {place}: give headings, exercises, a quiz and a pause a block each, so that each has its minutes')
    for block in meeting.get('home', []):
        found += [*keys_of('home', block, f'{where}, home'), *names_of(block, known, f'{where}, home')]
    if found:
        return found
    for place, block in enumerate(meeting['blocks'], 1):
        needed = known[block['lesson']].needs(block) if 'lesson' in block else 0
        if block['minutes'] < max(needed, 1):
            found.append(f'{where}, block {place}: it has {block["minutes"]} minutes and needs {max(needed, 1)}')
    total = sum(block['minutes'] for block in meeting['blocks'])
    return found + [f'{where}: its blocks add up to {total} minutes, not to {meeting["minutes"]}'] * (total != meeting['minutes'])


def load(known=None):
    "The plans. Raises a `ValueError` with all that is wrong in them."
    known, path = known or known_lessons(), PLANS
    try:
        plans = tomllib.loads(path.read_text(encoding='utf-8'))['plan']
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f'{path} is no TOML: {error}') from None
    except KeyError:
        raise ValueError(f'{path} has no plan: begin each with [[plan]]') from None
    found = []
    for plan in plans:
        where = f'{path.name}, {plan.get("title", "a plan")!r}'
        found += keys_of('plan', plan, where)
        if not CLOCK.fullmatch(str(plan.get('start', '9:00'))) or not isinstance(plan.get('start', ''), str):
            found.append(f'{where}: write start as "9:00"')
        for number, meeting in enumerate(plan.get('meeting', []), 1):
            found += faults_of(meeting, known, f'{where}, meeting {number}')
    if found:
        raise ValueError('\n'.join(found))
    return plans
