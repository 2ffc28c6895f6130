"""Slides and handouts, as they are shown and printed: in a real browser, from a folder, with no network."""
import re
import subprocess
import sys
from urllib.parse import urlparse

import excerpts
import handouts
import printing
import pytest
import slides
from conftest import LESSONS, ROOT
from deck import Deck
from markup import sentences
from notebooks import read, source
from shown import leaks, secrets, shown_in
from teaching import exercises, headings, notes, quiz
from test_site import serious

LOCAL = 'file', 'data', 'blob'
SHOWN, PROJECTED = {'width': 1280, 'height': 720}, {'width': 1920, 'height': 1080}
# What sticks out of the frame of its slide, or is cut off in it.
OVERFULL = """() => [...document.querySelectorAll('.slide')].flatMap(slide => {
    const box = slide.querySelector('.body').getBoundingClientRect()
    return [...slide.querySelectorAll('.body *')].filter(each => {
        if (each.closest('math') && each.tagName !== 'math') return false
        const {left, right, top, bottom, width} = each.getBoundingClientRect()
        const cut = each.tagName === 'PRE' && (each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1)
        return cut || width && (left < box.left - 1 || right > box.right + 1 || top < box.top - 1 || bottom > box.bottom + 1)
    }).map(each => `slide ${slide.id}: ${each.outerHTML.slice(0, 90)}`)
})"""
# Letters too small for the last row: below 28 pixels, in tables 22, in code 20.
SMALL = """() => [...document.querySelectorAll('.slide .body')].flatMap(body => {
    const found = [], walker = document.createTreeWalker(body, NodeFilter.SHOW_TEXT)
    for (let node; node = walker.nextNode();) {
        const element = node.parentElement, size = parseFloat(getComputedStyle(element).fontSize)
        const least = element.closest('pre, code') ? 20 : element.closest('table') ? 22 : 28
        if (node.data.trim() && size < least && !element.closest('mrow, msub, msup, mfrac')) found.push(`${size}: ${node.data.slice(0, 60)}`)
    }
    return found
})"""


def squeezed(markdown):
    "The letters of a text, without spaces and marks, as they can be looked for in what is shown."
    return re.sub(r'[\s`*$\\]', '', re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', markdown))


@pytest.fixture
def page(chromium, browser):
    "A page that remembers its faults, and to which every host but this computer is closed."
    context = browser.new_context(viewport=SHOWN, has_touch=True)
    page = context.new_page()
    page.faults = []
    context.route(lambda url: urlparse(url).scheme not in LOCAL, lambda route: route.abort())
    page.on('console', lambda message: message.type in ('error', 'warning') and page.faults.append(message.text))
    page.on('pageerror', lambda error: page.faults.append(str(error)))
    page.on('request', lambda request: urlparse(request.url).scheme in LOCAL or page.faults.append(f'left the folder: {request.url}'))
    yield page
    context.close()


def deck_of(path, tmp_path):
    "The deck of a lesson in a folder of its own: nothing in it may depend on another file."
    return slides.write(tmp_path / 'a folder with spaces', [path])[0]


@pytest.mark.parametrize('path', LESSONS, ids=lambda path: path.stem)
def test_a_deck(path, tmp_path, page):
    "All of the lesson that belongs on slides is on them, fits, can be read from the last row, and tells no answer."
    deck, notebook = deck_of(path, tmp_path), read(path)
    page.goto(deck.as_uri())
    page.wait_for_timeout(100)
    assert page.faults == []
    assert page.evaluate(OVERFULL) == []
    assert page.evaluate(SMALL) == []
    assert page.locator('merror').count() == 0
    assert not re.search(r'\$\$|\\frac|\\sigma|\*\*|^#+ |:::', page.locator('main').inner_text(), re.M), 'raw TeX or raw Markdown'
    wanted = [source(notebook['cells'][0]).splitlines()[0].removeprefix('# '), *headings(notebook)]
    found = page.eval_on_selector_all('.body :is(h1, h2, h3)', 'all => all.map(each => [each.tagName, each.textContent])')
    assert [squeezed(text) for _, text in found] == [squeezed(text) for text in wanted]
    assert all(int(after[0][1]) <= int(before[0][1]) + 1 for before, after in zip(found, found[1:])), 'a level is left out'
    drawn = [re.search(r'^#\| fig-alt: "(.*)"$', source(cell), re.M)[1] for cell in notebook['cells'] if cell['cell_type'] == 'code'
             for out in cell['outputs'] if 'image/png' in out.get('data', {})]
    images = page.eval_on_selector_all('img', 'all => all.map(each => [each.alt, each.naturalWidth, each.width])')
    assert [alt for alt, *_ in images] == drawn and all(width > 0 and shown > 300 for _, width, shown in images)
    tables = sum('text/html' in out.get('data', {}) for cell in notebook['cells'] if cell['cell_type'] == 'code' for out in cell['outputs'])
    assert len(page.locator('.slide.table').all()) >= tables
    shown, text = page.locator('.slide .body').all_inner_texts(), squeezed(page.locator('main').text_content())
    assert not re.search(r'^\s*assert ', '\n'.join(page.locator('.body pre').all_text_contents()), re.M)
    assert leaks(deck, secrets()) == []
    for exercise in exercises(notebook):
        slide = next(each for each in page.locator('.slide.exercise').all() if exercise.title in each.text_content())
        assert f'{notes(path.stem)[exercise.title].minutes} minutes' in slide.text_content()
        assert squeezed(exercise.stub) in text
    asked = squeezed('\n'.join(page.locator('.question').all_text_contents()))
    assert all(squeezed(question) in asked for question, _ in quiz(notebook) if '$' not in question)
    assert len(shown) == len(Deck(path).slides())


def test_each_question_of_the_prose_is_a_slide(tmp_path, page):
    page.goto(deck_of(LESSONS[1], tmp_path).as_uri())
    asked = page.locator('.slide.ask .question').all_text_contents()
    assert 'Will you get the same picture twice?' in asked
    assert 'What will σ = 0.1 look like, a tenth of the way from black to white? And σ = 0.5?' in asked, 'two in a row stand together'
    assert 'Guess how the clipped one will do.' in asked
    about = page.locator('.slide.ask', has_text='the same picture twice?').locator('.context')
    assert about.text_content() == "It goes where torchvision's users expect it, after ToTensor. The same item is read twice."
    assert sentences('It is so (Vincent et al., 2008). Is **it. Or** not? $a. B$ is `c. D`.') == [
        'It is so (Vincent et al., 2008).', 'Is **it. Or** not?', '$a. B$ is `c. D`.']


def test_what_does_not_fit_would_be_found(tmp_path, page):
    "The measurements above notice what is too high, too wide, cut off, or too small."
    page.goto(deck_of(LESSONS[1], tmp_path).as_uri())
    for change, measure in ((".textContent = 'word '.repeat(900)", OVERFULL), (".innerHTML = `<pre>${'x'.repeat(200)}</pre>`", OVERFULL),
                            (".style.fontSize = '27px'", SMALL)):
        page.reload()
        assert page.evaluate(measure) == []
        page.evaluate(f"document.querySelector('.slide.ask .question'){change}")
        assert page.evaluate(measure) != []


def test_letters_shrink_to_fit_but_not_below_their_floor(tmp_path, page):
    "Where a computer's fonts are wider than expected."
    deck = deck_of(LESSONS[1], tmp_path)
    wider = deck.read_text(encoding='utf-8').replace('</style>', '.question { --size: 160px !important }</style>')
    deck.write_text(wider, encoding='utf-8')
    page.goto(deck.as_uri())
    assert page.evaluate(OVERFULL) == [] and page.evaluate(SMALL) == []
    sizes = page.eval_on_selector_all('.question', 'all => all.map(each => parseFloat(getComputedStyle(each).fontSize))')
    assert all(28 <= size <= 160 for size in sizes) and min(sizes) < 100 and len(set(sizes)) > 5, 'each as large as it fits'


def current(page):
    return int(page.locator('.slide.current').get_attribute('id'))


def test_the_keys(tmp_path, page):
    deck = deck_of(LESSONS[1], tmp_path)
    page.goto(f'{deck.as_uri()}#4')
    assert current(page) == 4, 'the address tells where one is'
    last = page.locator('.slide').count()
    for key, place in (('ArrowRight', 5), ('Space', 6), ('PageDown', 7), ('ArrowLeft', 6), ('Shift+Space', 5), ('PageUp', 4), ('Home', 1),
                       ('ArrowLeft', 1), ('End', last), ('ArrowRight', last)):
        page.keyboard.press(key)
        assert current(page) == place and page.url.endswith(f'#{place}'), key
        assert page.locator('.slide:visible').count() == 1
    page.keyboard.press('Home')
    starts = page.eval_on_selector_all('.column', 'all => all.map(each => +each.firstElementChild.id)')
    for start in starts[1:4]:
        page.keyboard.press('ArrowDown')
        assert current(page) == start
    page.keyboard.press('ArrowUp')
    assert current(page) == starts[2]
    page.keyboard.press('o')
    assert page.locator('.slide:visible').count() == last
    page.locator('[id="9"]').click()
    assert current(page) == 9 and page.locator('.slide:visible').count() == 1
    page.keyboard.press('o')
    page.keyboard.press('Tab')
    page.keyboard.press('Enter')
    assert current(page) == 10, 'chosen by keyboard'
    page.keyboard.press('?')
    assert page.locator('dialog').is_visible()
    page.keyboard.press('ArrowRight')
    assert current(page) == 10, 'behind the dialogue nothing moves'
    page.keyboard.press('Escape')
    assert not page.locator('dialog').is_visible()
    page.get_by_role('button', name='Next').click()
    assert current(page) == 11
    page.keyboard.press('n')
    assert page.locator('.current .notes').is_visible()
    page.keyboard.press('n')
    assert not page.locator('.current .notes').is_visible()
    assert page.faults == []


def test_a_swipe(tmp_path, page):
    page.goto(deck_of(LESSONS[1], tmp_path).as_uri())
    swipe = """([from, to]) => { const at = x => [new Touch({identifier: 1, target: document.body, clientX: x, clientY: 300})]
        document.body.dispatchEvent(new TouchEvent('touchstart', {touches: at(from), bubbles: true}))
        document.body.dispatchEvent(new TouchEvent('touchend', {changedTouches: at(to), bubbles: true})) }"""
    for move, place in (((900, 300), 2), ((900, 880), 2), ((300, 900), 1)):
        page.evaluate(swipe, move)
        assert current(page) == place


def test_the_notes_in_a_second_window(tmp_path, page):
    page.goto(deck_of(LESSONS[1], tmp_path).as_uri())
    with page.context.expect_page() as opened:
        page.keyboard.press('s')
    second = opened.value
    second.locator('.slide.current .notes').wait_for()
    page.keyboard.press('End')
    page.keyboard.press('Home')
    for _ in range(4):
        page.keyboard.press('ArrowRight')
    second.locator('.slide.current[id="5"]').wait_for()
    assert 'What will σ = 0.1 look like' in second.locator('.slide.current .notes').inner_text()
    assert second.locator('.slide.following').get_attribute('id') == '6' and re.match(r'\d\d:\d\d', second.locator('.clock').inner_text())
    second.keyboard.press('ArrowRight')
    page.locator('.slide.current[id="6"]').wait_for()
    assert page.faults == []


def test_a_projector_a_phone_and_paper(tmp_path, page):
    "The frame fills a larger screen; a phone held upright shows the notes beneath; on paper each slide is a page."
    page.goto(deck_of(LESSONS[1], tmp_path).as_uri())
    page.set_viewport_size(PROJECTED)
    page.wait_for_timeout(100)
    box = page.locator('.current .frame').bounding_box()
    assert abs(box['width'] - 1920) < 2 and abs(box['height'] - 1080) < 2
    page.set_viewport_size({'width': 375, 'height': 700})
    page.wait_for_timeout(100)
    assert page.evaluate('document.documentElement.scrollWidth') <= 375 and page.locator('.current .notes').is_visible()
    page.set_viewport_size(SHOWN)
    printed = page.pdf(prefer_css_page_size=True, tagged=True)
    assert len(re.findall(rb'/Type\s*/Page\b', printed)) == page.locator('.slide').count()
    assert b'/StructTreeRoot' in printed and set(re.findall(rb'/MediaBox\s*\[0 0 ([\d.]+ [\d.]+)\]', printed)) == {b'960 540'}


def test_a_deck_is_accessible_light_and_dark(tmp_path, page):
    page.goto(deck_of(LESSONS[0], tmp_path).as_uri())
    page.keyboard.press('o')
    assert serious(page) == []
    page.keyboard.press('d')
    assert sum(map(int, re.findall(r'\d+', page.evaluate('getComputedStyle(document.body).backgroundColor'))[:3])) < 150
    assert serious(page, runOnly=['color-contrast']) == []
    page.reload()
    assert page.evaluate('document.documentElement.dataset.theme') == 'dark', 'the choice stays'
    page.emulate_media(media='print')
    assert page.evaluate('getComputedStyle(document.body).backgroundColor') == 'rgb(255, 255, 255)', 'paper is white'


def test_code_for_a_slide():
    code = ('#| exports\nimport math\n\nassert 1\nfor x in y:\n    assert x\n\n'
            'def f(\n    a,  # kept\n    # dropped\n    b,\n):\n    """Long\n\n    text."""\n    return a')
    assert excerpts.trimmed(code) == 'def f(\n    a,  # kept\n    b,\n):\n    return a'
    assert excerpts.trimmed('!ls\nassert 1') == '!ls\nassert 1', 'what is not Python alone stays as it is'
    assert excerpts.trimmed('with a:\n    import b') == 'with a:\n    import b', 'nothing is left empty'
    long = 'def f():\n    "Says."\n' + '    x()\n' * 30 + '\ndef g():\n    y()\n    z()'
    assert excerpts.folded(long, 10) == 'def f():\n    "Says."\n    ...\n\ndef g():\n    y()\n    z()'
    pieces = excerpts.split_code('\n'.join(f'x{n} = (\n    {n})' for n in range(12)), 10)
    assert len(pieces) == 3 and all(len(piece.split('\n')) <= 10 and excerpts.parsed(piece) is not None for piece in pieces)
    assert excerpts.split_code('x = [\n' + '    1,\n' * 30 + ']', 10)[0].endswith('# …')


# Handouts


@pytest.mark.parametrize('path', LESSONS, ids=lambda path: path.stem)
def test_a_handout(path, tmp_path):
    "It asks all and answers nothing; the sheet beside it has all answers."
    written = handouts.write(tmp_path, pdf=False, which=[path])
    paper, sheet = (each.read_text(encoding='utf-8') for each in written)
    notebook, beside = read(path), notes(path.stem)
    asked, answered = (squeezed(shown_in(page)) for page in (paper, sheet))
    assert leaks(written[0], secrets()) == [] != leaks(written[1], secrets())
    assert 'Wrong' not in asked
    for exercise in exercises(notebook):
        assert squeezed(exercise.title) in asked and squeezed(exercise.stub) in asked
        assert squeezed(exercise.solution) in answered
        assert f'{beside[exercise.title].minutes} min' in paper
        assert all(squeezed(wrong['code']) in answered for wrong in beside[exercise.title].wrong)
    assert paper.count('<div class="rule">') >= 5 * len(beside) + 3 * len(quiz(notebook))
    assert not re.search(r'<(link|script|img|a)\b|https?://(?!www\.w3\.org/1998/Math)', paper + sheet), 'nothing to load, and no address on paper'
    assert not re.search(r'\$[^$]*\\|\*\*', re.sub(r'<pre>.*?</pre>', '', paper + sheet, flags=re.S)), 'raw TeX or raw Markdown'


def test_handouts_as_pdf(tmp_path, page):
    "Tagged, on A4, with no code across two pages."
    written = handouts.write(tmp_path, which=[LESSONS[1]])
    assert sorted(each.relative_to(tmp_path).as_posix() for each in written) == [
        '01_noise.html', '01_noise.pdf', 'answers/01_noise.html', 'answers/01_noise.pdf']
    for each in (each for each in written if each.suffix == '.pdf'):
        printed = each.read_bytes()
        assert b'/StructTreeRoot' in printed and b'/Marked true' in printed and re.search(rb'/Lang\s*\(en\)', printed)
        sheets = re.findall(rb'/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]', printed)
        assert sheets and all(abs(float(wide) - 595) < 2 and abs(float(high) - 842) < 2 for wide, high in sheets), 'A4'
    page.goto(written[0].as_uri())
    page.emulate_media(media='print')
    assert set(page.eval_on_selector_all('pre, .asked', 'all => all.map(each => getComputedStyle(each).breakInside)')) == {'avoid'}
    assert page.faults == [] and serious(page) == []


def test_without_a_browser_a_sentence_says_how_to_print(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv('CHROMIUM', raising=False)
    monkeypatch.setattr(printing, 'places', lambda: ())
    monkeypatch.setenv('PATH', '')
    written = handouts.write(tmp_path, which=[LESSONS[1]])
    assert [each.suffix for each in written] == ['.html', '.html']
    assert 'No PDF: no Chromium' in capsys.readouterr().err
    monkeypatch.setenv('CHROMIUM', str(tmp_path / 'none'))
    assert len(handouts.write(tmp_path, which=[LESSONS[1]])) == 2
    assert re.search(r'2 of 2 pages are not printed, because .*none failed: .*Open a page in any browser', capsys.readouterr().err)


@pytest.mark.parametrize('place', [
    'Applications/Google Chrome.app/Contents/MacOS/Google Chrome', 'Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
    'programs/Google/Chrome/Application/chrome.exe', 'programs/Microsoft/Edge/Application/msedge.exe'])
def test_a_browser_is_found_where_its_installer_puts_it(place, tmp_path, monkeypatch):
    monkeypatch.delenv('CHROMIUM', raising=False)
    monkeypatch.setenv('PATH', '')
    monkeypatch.setattr(printing.Path, 'home', lambda: tmp_path)
    for name in printing.FOLDERS:
        monkeypatch.delenv(name, raising=False)
    for name in ('ProgramFiles(x86)', 'LocalAppData'):
        monkeypatch.setenv(name, str(tmp_path / 'programs'))
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).touch()
    assert printing.chromium() in {str(tmp_path / place), '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'}, 'or this Mac has one for everyone'


def test_from_the_command_line(tmp_path):
    for tool in ('slides.py', 'handouts.py'):
        extra = ['--no-pdf'] if tool == 'handouts.py' else []
        run = subprocess.run([sys.executable, ROOT / 'tools' / tool, *extra, tmp_path / tool, LESSONS[0]], capture_output=True, text=True)
        assert run.returncode == 0 and (tmp_path / tool / '00_data.html').exists(), run.stderr
