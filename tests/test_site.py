"""The site as its readers see it: opened from a folder in a real browser, with no network."""
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import MODULES, NOTEBOOKS, ROOT
from filelock import FileLock
from playwright.sync_api import expect

WRITTEN = [path.relative_to(ROOT / 'nbs').with_suffix('.html').as_posix() for path in NOTEBOOKS]
PAGES = [*WRITTEN, 'commands.html', *(f'api/{name}.html' for name in MODULES)]


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    "The site, built once for all workers and then moved to another folder: nothing in it may depend on where it was made."
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if 'PYTEST_XDIST_WORKER' in os.environ else shared
    moved = shared / 'a folder with spaces'
    with FileLock(shared / 'site.lock'):
        if not moved.exists():
            subprocess.run([sys.executable, ROOT / 'tools' / 'site_builder.py', '--out', shared / 'site'], check=True, cwd=ROOT)
            (shared / 'site').rename(moved)
    return moved


@pytest.fixture
def page(browser):
    "A page that remembers its faults: console errors, failed requests, and requests to any host at all."
    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    page.faults = []
    page.on('console', lambda message: message.type in ('error', 'warning') and page.faults.append(message.text))
    page.on('pageerror', lambda error: page.faults.append(str(error)))
    page.on('requestfailed', lambda request: page.faults.append(f'failed: {request.url}'))
    page.on('request', lambda request: urlparse(request.url).scheme in ('file', 'data', 'blob') or page.faults.append(f'left the folder: {request.url}'))
    yield page
    context.close()


DESKTOP, PHONE = {'width': 1265, 'height': 900}, {'width': 375, 'height': 700}  # 1,280 pixels less a scroll bar
# Lines of code of at most 96 characters that go on in a second line, or stick out of their box.
BROKEN_LINES = """() => [...document.querySelectorAll("main pre code")].filter(code => code.getClientRects().length).flatMap(code => {
    const texts = [], walker = document.createTreeWalker(code, NodeFilter.SHOW_TEXT), place = at => {
        const found = texts.find(([node, start]) => at <= start + node.length)
        return [found[0], at - found[1]]
    }
    for (let node, at = 0; node = walker.nextNode(); at += node.length) texts.push([node, at])
    const box = code.closest("pre").getBoundingClientRect(), bad = []
    let at = 0
    for (const line of code.textContent.split("\\n")) {
        if (line && line.length <= 96) {
            const range = document.createRange()
            range.setStart(...place(at))
            range.setEnd(...place(at + line.length))
            const rects = [...range.getClientRects()].filter(rect => rect.width), tops = rects.map(rect => rect.top)
            if (Math.max(...tops) - Math.min(...tops) > 12 || rects.some(rect => rect.right > box.right)) bad.push(line)
        }
        at += line.length + 1
    }
    return bad
})"""
# What sticks out to the right and can't be scrolled into view, because something around it hides what is too wide.
CUT_OFF = """() => [...document.querySelectorAll("main *")].filter(element => {
    for (let box = element; box; box = box.parentElement)
        if (["auto", "scroll"].includes(getComputedStyle(box).overflowX)) return false
    const {width, right} = element.getBoundingClientRect()
    return width && right > 376
}).map(element => element.outerHTML.slice(0, 120))"""


def serious(page, **options):
    "What axe finds to be in the way of people who can't see or use a page as others do."
    violations = [v for v in Axe().run(page, options=options).response['violations'] if v['impact'] in ('serious', 'critical')]
    return [(v['id'], [n['html'][:160] for n in v['nodes'][:4]], [n.get('failureSummary', '')[:200] for n in v['nodes'][:1]]) for v in violations]


@pytest.mark.parametrize('name', PAGES)
def test_a_page(name, site, page):
    page.goto((site / name).as_uri())
    page.wait_for_timeout(300)
    assert page.faults == []
    assert page.locator('h1').count() == 1 and page.title()
    assert page.evaluate('document.documentElement.lang').startswith('en')
    images = page.eval_on_selector_all('img', 'images => images.map(each => [each.alt, each.naturalWidth, each.outerHTML.slice(0, 200)])')
    assert [html for alt, width, html in images if len(alt) <= 40 or not width] == []
    text = page.locator('main').inner_text()
    assert not re.search(r'\\\(|\\\[|\\frac|\\sigma|\$\$|:::|#\|', text), 'raw TeX or raw Markdown'
    shown = page.evaluate('''() => { const main = document.querySelector('main').cloneNode(true);
                                     main.querySelectorAll('.sourceCode').forEach(code => code.remove()); return main.textContent }''')
    assert not re.search(r'application/vnd|interactive\(children|(Float|Int)Slider\(', shown), 'a widget as text'
    page.evaluate('document.querySelectorAll("details").forEach(each => each.open = true)')
    assert page.evaluate(BROKEN_LINES) == []
    assert serious(page) == []


@pytest.mark.parametrize('name', PAGES)
def test_a_page_in_the_dark_and_on_a_phone(name, site, page):
    "What the other theme and another width can change: colours, and what fits."
    page.emulate_media(color_scheme='dark')
    page.goto((site / name).as_uri())
    page.wait_for_timeout(100)
    assert serious(page, runOnly=['color-contrast']) == []
    assert page.evaluate(BROKEN_LINES) == []
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(100)
    assert page.evaluate('Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)') <= 375
    assert page.evaluate(CUT_OFF) == []


def test_a_line_too_long_for_its_column_is_found(site, page):
    "The measurement above would notice."
    page.goto((site / 'index.html').as_uri())
    page.add_style_tag(content='pre { font-size: 14px !important }')
    line = 'x' * 96
    page.evaluate('line => document.querySelector("main pre code").textContent = "first\\n" + line', line)
    assert line in page.evaluate(BROKEN_LINES)
    page.add_style_tag(content='pre > code { white-space: pre !important }')
    assert line in page.evaluate(BROKEN_LINES)


def test_every_link_resolves(site, page):
    ids = {name: set(re.findall(r'\bid="([^"]+)"', (site / name).read_text(encoding='utf-8'))) for name in PAGES}
    checked = 0
    for name in PAGES:
        page.goto((site / name).as_uri())
        for href in page.eval_on_selector_all('a[href]', 'links => links.map(a => a.href)'):
            target = urlparse(href)
            if target.scheme in ('http', 'https'):
                assert target.netloc and ' ' not in href
                continue
            assert target.scheme == 'file', f'{name}: {href}'
            path = Path(unquote(target.path))
            assert path.is_file(), f'{name}: {href}'
            if target.fragment:
                assert unquote(target.fragment) in ids[path.relative_to(site).as_posix()], f'{name}: {href}'
            checked += 1
    assert checked > 200


def test_formulas_are_typeset(site, page):
    "MathML, which the browser itself sets: a fraction is higher than a line of text. Lesson 09 has most formulas."
    page.goto((site / '09_generation.html').as_uri())
    formulas = page.locator('math[display="block"]')
    assert formulas.count() >= 3 and page.locator('math:not([display="block"])').count() >= 5
    page.eval_on_selector_all('details', 'all => all.forEach(one => one.open = true)')
    fractions = page.locator('math[display="block"]:has(mfrac)')
    assert fractions.count() >= 2
    for fraction in fractions.all():
        assert fraction.bounding_box()['height'] > 30
    assert page.locator('merror').count() == 0


def test_formulas_do_not_scroll_up_and_down(site, page):
    "A box that scrolls sideways, as a wide formula must on a phone, also scrolls up and down if something in it hangs out by a pixel."
    for name in ('03_training.html', '05_evaluation.html', '09_generation.html'):
        page.goto((site / name).as_uri())
        for size in (DESKTOP, PHONE):
            page.set_viewport_size(size)
            heights = page.eval_on_selector_all('math[display="block"]', 'all => all.map(one => [one.scrollHeight, one.clientHeight])')
            assert heights and all(inside <= box for inside, box in heights), f'{name}: {heights}'


def test_search_finds_the_bottleneck(site, page):
    page.goto((site / 'index.html').as_uri())
    page.locator('input[type=search]').first.fill('bottleneck')
    result = page.locator('.search-result').first
    expect(result).to_be_visible(timeout=10_000)
    assert 'bottleneck' in page.locator('.smalldocs-search-results').first.inner_text().lower()
    result.click()
    page.wait_for_load_state()
    assert 'bottleneck' in page.locator('main').inner_text().lower()
    page.locator('input[type=search]').first.fill('qqqqzzzz')
    expect(page.locator('.search-none')).to_be_visible()
    assert page.faults == []


def test_the_theme_switches_and_stays(site, page):
    def brightness():
        page.wait_for_timeout(300)
        return sum(int(n) for n in re.findall(r'\d+', page.evaluate('getComputedStyle(document.body).backgroundColor'))[:3])
    page.goto((site / 'index.html').as_uri())
    light = brightness()
    page.get_by_role('button', name=re.compile('toggle|dark|theme', re.I)).or_(page.locator('.quarto-color-scheme-toggle')).first.click()
    dark = brightness()
    assert light > 700 and dark < 200
    page.goto((site / '00_data.html').as_uri())
    assert brightness() == dark, 'the choice holds on the next page'


def test_the_sidebar_and_the_next_buttons_follow_the_course(site, page):
    page.goto((site / 'index.html').as_uri())
    listed = page.eval_on_selector_all('#quarto-sidebar a[href]', 'links => links.map(a => a.href)')
    listed = [Path(unquote(urlparse(href).path)).relative_to(site).as_posix() for href in listed if href.startswith('file:')]
    assert list(dict.fromkeys(name for name in listed if name in WRITTEN)) == WRITTEN
    assert set(PAGES) <= set(listed)
    for name in WRITTEN[1:]:
        page.locator('.nav-page-next a').click()
        page.wait_for_load_state()
        assert unquote(page.url).endswith(f'/{name}')
    page.locator('.nav-page-previous a').click()
    page.wait_for_load_state()
    assert unquote(page.url).endswith(f'/{WRITTEN[-2]}')
    page.locator('#TOC a, #quarto-margin-sidebar a').first.wait_for()


def test_the_api_reference_is_complete_and_links_to_the_source(site, page):
    for module in MODULES:
        code = import_module(f'denoise_ae.{module}')
        page.goto((site / f'api/{module}.html').as_uri())
        text = page.locator('main').inner_text()
        notebook = re.search(r'File to edit: \.\./nbs/(\S+)\.ipynb', Path(code.__file__).read_text(encoding='utf-8'))[1]
        assert page.locator(f'main a[href="../{notebook}.html"]').count(), f'{module} does not lead to its notebook'
        for name in code.__all__:
            value = getattr(code, name)
            if callable(value) and not value.__module__.startswith('click.'):  # what click has made has its page among the commands
                assert page.locator(f'[id="{name}"]').count() == 1 and name in text, f'{module}.{name}'
        for href in page.eval_on_selector_all('main a', 'links => links.filter(a => a.textContent == "source").map(a => a.href)'):
            path, line = re.search(r'blob/main/(.*)#L(\d+)', href).groups()
            source = (ROOT / path).read_text(encoding='utf-8').splitlines()[int(line) - 1]
            assert re.match(r'\s*(def|class|@)', source), f'{href}: {source}'


def test_solutions_are_folded(site, page):
    page.goto((site / '01_noise.html').as_uri())
    details = page.locator('details', has=page.locator('summary', has_text='Solution')).first
    code = details.locator('pre')
    assert not code.is_visible()
    details.locator('summary').click()
    assert code.is_visible()
