"""The plans add up, the pages for teachers say all that stands beside the lessons, and they can be read in every light and size."""
import re
import subprocess
import sys

import plan as plan_pages
import pytest
import schedule
from axe_playwright_python.sync_playwright import Axe
from conftest import LESSONS, ROOT
from ending import LIMIT
from schedule import tomllib
from shown import shown_in
from teaching import headings

TEACH = ROOT / 'teach'
PLAN = '''
[[plan]]
title = "Small"
who = "them"
before = "nothing"
after = "add"
[[plan.meeting]]
title = "One"
minutes = 20
blocks = [
    { minutes = 6, lesson = "01_noise", headings = ["Decibels"], do = "Show it." },
    { minutes = 12, lesson = "01_noise", exercises = [1, 3], do = "Solve them." },
    { minutes = 2, pause = true, do = "Pause." },
]
home = [{ lesson = "00_data", exercises = [4] }]
'''


@pytest.fixture(scope='module')
def known():
    return schedule.known_lessons()


@pytest.fixture(scope='module')
def plans():
    return tomllib.loads((TEACH / 'plans.toml').read_text(encoding='utf-8'))['plan']


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp('class')
    plan_pages.write(folder)
    return folder


def letters(text):
    "Its letters and digits, by which a page and the Markdown that it is made from can be compared."
    return re.sub(r'\W', '', text)


def test_there_is_a_plan_for_a_term_for_a_day_and_for_a_single_lesson(plans):
    sizes = {plan['title']: [meeting['minutes'] for meeting in plan['meeting']] for plan in plans}
    assert sizes.items() >= {'A term': [90] * 12, 'One day': [420], 'One lesson': [90]}.items(), 'and a teacher may add plans'
    lesson = next(plan for plan in plans if plan['title'] == 'One lesson')['meeting'][0]
    assert len({block['lesson'] for block in lesson['blocks'] if 'lesson' in block}) == 1
    taught = {block['lesson'] for plan in plans for meeting in plan['meeting'] for block in meeting['blocks'] if 'lesson' in block}
    assert len(taught) >= 12


def test_the_minutes_add_up_and_what_is_done_fits_into_them(plans):
    "Counted here from the files themselves, and not by the tool that makes the page."
    for plan in plans:
        for meeting in plan['meeting']:
            where = f'{plan["title"]}: {meeting["title"]}'
            assert sum(block['minutes'] for block in meeting['blocks']) == meeting['minutes'], where
            for block in meeting['blocks']:
                told = (TEACH / f'{block["lesson"]}.md').read_text(encoding='utf-8') if 'lesson' in block else ''
                minutes = [int(re.search(rf'^## Exercise {number}: .*\n\nminutes: (\d+)\n', told, re.M)[1]) for number in block.get('exercises', [])]
                assert sum(minutes) <= block['minutes'], f'{where}: {block}'
    assert schedule.load() == plans


def test_reading_is_shared_out_among_the_headings(known):
    for lesson in known.values():
        assert set(headings(schedule.read(ROOT / 'nbs' / f'{lesson.name}.ipynb'))) == set(lesson.reading)
        assert .9 * lesson.minutes < sum(lesson.reading.values()) < lesson.minutes
        longest = max(lesson.reading.values())
        assert longest < lesson.minutes / 2


@pytest.mark.parametrize('right, slip, said', [
    ('minutes = 20', 'minutes = 21', "plans.toml, 'Small', meeting 1: its blocks add up to 20 minutes, not to 21"),
    ('minutes = 12', 'minutes = 11', "'Small', meeting 1, block 2: it has 11 minutes and needs 12"),
    ('minutes = 6', 'minutes = 1', "meeting 1, block 1: it has 1 minutes and needs"),
    ('minutes = 2,', 'minutes = 0,', "meeting 1, block 3: it has 0 minutes and needs 1"),
    ('minutes = 2,', 'minutes = "2",', "meeting 1, block 3: write its minutes as a whole number"),
    ('minutes = 2,', 'minutes = true,', "meeting 1, block 3: write its minutes as a whole number"),
    ('minutes = 20', 'minutes = "20"', "'Small', meeting 1: write its minutes as a whole number, without quotes"),
    ('minutes = 20', 'minutes = 20.5', "'Small', meeting 1: write its minutes as a whole number, without quotes"),
    ('who =', 'start = "9"\nwho =', "'Small': write start as \"9:00\""),
    ('who =', 'start = "24:00"\nwho =', "'Small': write start as \"9:00\""),
    ('who =', 'start = ""\nwho =', "'Small': write start as \"9:00\""),
    ('who =', 'start = 09:00:00\nwho =', "'Small': write start as \"9:00\""),
    ('[1, 3]', '[1, 5]', "meeting 1, block 2: 01_noise has no exercise 5: it has 4"),
    ('["Decibels"]', '["Decibel"]', "meeting 1, block 1: 01_noise has no heading 'Decibel': write one of 'Add a random number to each pixel', "),
    ('"01_noise", exercises', '"01", exercises', "meeting 1, block 2: there is no lesson '01': write one of 00_data, 01_noise, "),
    ('lesson = "01_noise", exercises', 'exercises', "meeting 1, block 2: name the lesson whose exercises you mean"),
    ('pause = true', 'pause = true, quiz = true, lesson = "01_noise"',
     "meeting 1, block 3: give headings, exercises, a quiz and a pause a block each"),
    ('pause', 'paus', "meeting 1, block 3: 'paus' is none of do, exercises, headings, "),
    ('who = "them"\n', '', "'Small': it does not say 'who'"),
    ('title = "One"\n', '', "meeting 1: it does not say 'title'"),
    ('[4]', '[9]', "meeting 1, home: 00_data has no exercise 9"),
    ('minutes = 6,', 'minutes = 6', "plans.toml is no TOML: "),
    ('[[plan]]', '[[plans]]', "plans.toml has no plan: begin each with"),
])
def test_what_is_wrong_in_a_plan_is_named(right, slip, said, known, tmp_path, monkeypatch):
    monkeypatch.setattr(schedule, 'PLANS', tmp_path / 'plans.toml')
    (tmp_path / 'plans.toml').write_text(PLAN, encoding='utf-8')
    assert schedule.load(known)[0]['title'] == 'Small'
    assert right in PLAN
    text = PLAN.replace(right, slip, 1) if right != '[[plan]]' else PLAN.replace('[plan', '[plans')
    (tmp_path / 'plans.toml').write_text(text, encoding='utf-8')
    with pytest.raises(ValueError) as caught:
        schedule.load(known)
    assert said in str(caught.value)


def test_nothing_is_written_if_a_plan_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(schedule, 'PLANS', tmp_path / 'plans.toml')
    (tmp_path / 'plans.toml').write_text(PLAN.replace('minutes = 20', 'minutes = 21'), encoding='utf-8')
    with pytest.raises(ValueError, match='add up to 20'):
        plan_pages.write(tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_the_times_of_a_day_follow_each_other(known):
    assert [plan_pages.clock(minutes, '9:05') for minutes in (0, 55, 240)] == ['9:05', '10:00', '13:05']
    assert plan_pages.clock(75, None) == '75'
    meeting = plan_pages.meeting_of(tomllib.loads(PLAN)['plan'][0]['meeting'][0], known, '9:00')
    assert [(row['from'], row['to']) for row in meeting['rows']] == [('9:00', '9:06'), ('9:06', '9:18'), ('9:18', '9:20')]
    assert meeting['home'][0]['minutes'] == known['00_data'].exercises[3][1]


def test_the_plan_page_says_what_stands_in_the_plans_and_beside_the_lessons(pages, plans, known):
    text = letters(shown_in((pages / 'plan.html').read_text(encoding='utf-8')))
    for plan in plans:
        for meeting in plan['meeting']:
            assert letters(meeting['title']) in text
            for block in meeting['blocks']:
                assert letters(block['do']) in text
                if 'lesson' in block:
                    lesson = known[block['lesson']]
                    assert letters(lesson.lost) in text
                    assert all(letters(f'{title} ({minutes} min)') in text for title, minutes in lesson.chosen(block)[1])


def test_the_guide_takes_what_is_often_believed_from_the_files_of_the_lessons(pages, known):
    "All of it, in the order of the lessons, and none of it is typed into the guide."
    text, typed = letters(shown_in((pages / 'guide.html').read_text(encoding='utf-8'))), letters((TEACH / 'guide.md').read_text(encoding='utf-8'))
    said = [letters(each) for lesson in known.values() for each in [*sum(([believed, say] for _, believed, say in lesson.believed), []), lesson.lost]]
    assert len(known) == len(LESSONS) == 17 and len(said) == len(set(said)) > 17 * 5
    places = [text.index(each) for each in said]
    assert places == sorted(places)
    assert not [each for each in said if each in typed]
    assert all(letters(f'{lesson.short} {lesson.seconds} {lesson.minutes} {lesson.exercises[0][1]}') in text for lesson in known.values())


def test_the_guide_says_what_a_slip_of_a_student_can_do():
    "No more is promised than the limits keep: those of time, of memory, and of single files."
    text = re.search('^## Where students\' code should run\n(.*?)^## ', (TEACH / 'guide.md').read_text(encoding='utf-8'), re.M | re.S)[1]
    assert f'up to {LIMIT / 1024 ** 3:.0f} GB for each of the students' in text
    assert 'the disk, which many files together can fill' in text and 'stop or fill' not in text


def test_slides_are_linked_to_where_they_are(tmp_path):
    assert 'slides/' not in plan_pages.pages(tmp_path)['plan.html']
    (tmp_path / 'instructor' / 'slides').mkdir(parents=True)
    (tmp_path / 'instructor' / 'slides' / '01_noise.html').touch()
    assert set(re.findall(r'href="([^"]*slides/[^"]+)"', plan_pages.pages(tmp_path)['plan.html'])) == {'instructor/slides/01_noise.html'}


def test_the_pages_need_nothing_else_and_their_links_lead_somewhere(pages):
    for name in plan_pages.PAGES:
        page = (pages / name).read_text(encoding='utf-8')
        assert not re.search(r'<(?:link|script|img|iframe)\b|url\(|@import|https?://', page), name
        for target in re.findall(r'href="([^"]+)"', page):
            file, _, place = target.partition('#')
            other = (pages / (file or name)).read_text(encoding='utf-8')
            assert not place or f'id="{place}"' in other, f'{name}: {target}'
        levels = [int(level) for level in re.findall(r'<h(\d)', page)]
        assert levels[0] == 1 == levels.count(1) and all(after <= before + 1 for before, after in zip(levels, levels[1:]))


def test_the_command_writes_both_pages_and_takes_nothing_away(tmp_path):
    command = [sys.executable, ROOT / 'tools' / 'plan.py', '--out', tmp_path / 'made']
    for _ in range(2):
        ran = subprocess.run(command, capture_output=True, text=True)
        assert ran.returncode == 0 and {path.name for path in (tmp_path / 'made').glob('*.html')} == set(plan_pages.PAGES), ran.stderr
    (tmp_path / 'made' / 'guide.html').write_text('mine', encoding='utf-8')
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 1 and 'guide.html was not made here or was changed since' in ran.stderr and 'Traceback' not in ran.stderr
    assert (tmp_path / 'made' / 'guide.html').read_text(encoding='utf-8') == 'mine'


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_the_pages_can_be_read_in_the_light_in_the_dark_and_on_a_phone(scheme, pages, chromium, browser):
    context = browser.new_context(color_scheme=scheme, viewport={'width': 375, 'height': 700})
    page = context.new_page()
    page.on('console', lambda message: pytest.fail(message.text) if message.type == 'error' else None)
    for name in plan_pages.PAGES:
        page.goto((pages / name).as_uri())
        assert page.evaluate('document.documentElement.scrollWidth') <= 375, name
        found = Axe().run(page).response['violations']
        assert not found, [(each['id'], [node['html'][:200] for node in each['nodes']][:3]) for each in found]
    context.close()
