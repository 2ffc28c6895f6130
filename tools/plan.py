"""Make plan.html and guide.html, pages that need nothing beside them, from teach/: python tools/plan.py [--out FOLDER]"""
import argparse
import math
import sys
from pathlib import Path

import schedule
from folders import replaced
from notebooks import ROOT
from pages import rendered

PAGES = {'plan.html': 'Plans', 'guide.html': "Instructor's guide"}


def clock(minutes, start):
    "The time so many minutes after the start, such as 10:15; without a start, the minutes themselves."
    if not start:
        return str(minutes)
    hour, minute = map(int, start.split(':'))
    return '{}:{:02}'.format(*divmod(60 * hour + minute + minutes, 60))


def row(block, begins, lesson, start):
    "A block as the page shows it."
    shown, solved = lesson.chosen(block) if lesson else ([], [])
    kind = next((kind for kind in ('headings', 'exercises', 'quiz', 'pause') if block.get(kind)), 'talk')
    return {**block, 'kind': kind, 'from': clock(begins, start), 'to': clock(begins + block['minutes'], start), 'lesson': lesson,
            'shown': shown, 'solved': solved, 'reading': math.ceil(sum(minutes for _, minutes in shown)),
            'believed': [each for each in lesson.believed if each[0] in block.get('headings', [])] if lesson else []}


def meeting_of(meeting, known, start):
    "A meeting as the page shows it: its blocks with their times, what is for home, and its lessons."
    rows, begins = [], 0
    for block in meeting['blocks']:
        rows.append(row(block, begins, known.get(block.get('lesson')), start))
        begins += block['minutes']
    home = [{'lesson': known[each['lesson']], 'shown': known[each['lesson']].chosen(each)[0], 'solved': known[each['lesson']].chosen(each)[1],
             'minutes': known[each['lesson']].needs(each)} for each in meeting.get('home', [])]
    return {**meeting, 'rows': rows, 'home': home, 'lessons': list({each['lesson'].name: each['lesson'] for each in rows if each['lesson']}.values())}


def with_times(plans, known):
    "The plans as the page shows them."
    return [{**plan, 'meetings': [meeting_of(meeting, known, plan.get('start')) for meeting in plan['meeting']]} for plan in plans]


def pages(beside):
    "The two pages, by their names. A teacher's slides are linked to if the folder `beside` has them."
    known = schedule.known_lessons()
    plans = with_times(schedule.load(known=known), known)
    guide = rendered('guide.md', lessons=list(known.values()))
    slides = {name for name in known if (beside / 'instructor' / 'slides' / f'{name}.html').exists()}
    shared = dict(pages=PAGES, lessons=list(known.values()), slides=slides)
    return {'plan.html': rendered('plan.html.j2', page='plan.html', plans=plans, **shared),
            'guide.html': rendered('plan.html.j2', page='guide.html', guide=guide, **shared)}


def write(folder):
    "Write the two pages into a folder. Both are made before the first is written."
    made = pages(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (folder / name).write_text(text, encoding='utf-8')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=ROOT / '_build' / 'plan',
                        help='the folder, by default _build/plan; it is replaced if it was made here')
    folder = parser.parse_args().out.resolve()
    try:
        with replaced(folder) as new:
            write(new)
    except (ValueError, OSError) as error:
        sys.exit(f'Error: {error}')
    print(f'open {folder / "plan.html"}')


if __name__ == '__main__':
    main()
