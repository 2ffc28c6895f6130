"""The site as its readers see it: opened from a folder in a real browser, with no network."""
import base64
import io
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlparse

import opening
import pytest
from conftest import COLOURS, MODULES, NOTEBOOKS, ROOT
from copies import asks
from filelock import FileLock
from notebooks import read
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import expect
from seen import DESKTOP, PHONE, serious, watched_page
from teaching import times

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
    with watched_page(browser) as page:
        yield page


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


# Code, formulas and tables say thousands of times what looks the same; once is enough to judge its contrast, and axe takes milliseconds for each.
ONE_OF_EACH_LOOK = """() => {
    const met = new Set(), ground = element => {
        const colour = getComputedStyle(element).backgroundColor
        return element == document.body || !/, 0\\)$/.test(colour) ? colour : ground(element.parentElement)
    }
    const look = element => {
        const {color, fontSize, fontWeight, opacity} = getComputedStyle(element)
        return [element.tagName, ...element.getAttributeNames(), color, fontSize, fontWeight, opacity, ground(element), ...[...element.children].map(look)].join()
    }
    const again = [...document.querySelectorAll("pre span, math *, tbody tr")].filter(element => {
        const its = look(element), known = met.has(its)
        met.add(its)
        return known
    })
    for (const each of again) each.remove()
}"""


def ground(page):
    "The colour behind all, as three numbers from 0 to 255."
    return tuple(int(n) for n in re.findall(r'\d+', page.evaluate('getComputedStyle(document.body).backgroundColor'))[:3])


def brightness(page):
    "Of the page's ground, from 0 to 765."
    return sum(ground(page))


@pytest.mark.parametrize('name', PAGES)
def test_a_page(name, site, page):
    "By day, in the dark and on a phone: what is on it, what fits, and what axe says."
    page.goto((site / name).as_uri())
    page.wait_for_timeout(300)
    assert page.faults == []
    assert page.locator('h1').count() == 1 and page.title()
    assert page.evaluate('document.documentElement.lang').startswith('en')
    page.evaluate("Promise.all([...document.images].map(each => { each.loading = 'eager'; return each.decode().catch(() => 0) }))")
    images = page.eval_on_selector_all('img', '''images => images.map(each => [
        each.matches('.navbar-logo, .cards img') ? !each.alt : each.alt.length > 40, each.naturalWidth, each.outerHTML.slice(0, 200)])''')
    assert [html for told, width, html in images if not (told and width)] == [], 'what only adorns has no words, all else has some'
    text = page.locator('main').inner_text()
    assert not re.search(r'\\\(|\\\[|\\frac|\\sigma|\$\$|:::|#\|', text), 'raw TeX or raw Markdown'
    shown = page.evaluate('''() => { const main = document.querySelector('main').cloneNode(true);
                                     main.querySelectorAll('.sourceCode').forEach(code => code.remove()); return main.textContent }''')
    assert not re.search(r'application/vnd|interactive\(children|(Float|Int)Slider\(', shown), 'a widget as text'
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(100)
    assert page.evaluate('Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)') <= 375
    assert page.evaluate(CUT_OFF) == []
    page.set_viewport_size(DESKTOP)
    page.evaluate('document.querySelectorAll("details").forEach(each => each.open = true)')
    assert page.evaluate(BROKEN_LINES) == []
    page.evaluate(ONE_OF_EACH_LOOK)
    assert brightness(page) > 700 and serious(page) == []
    page.emulate_media(color_scheme='dark')
    page.wait_for_timeout(300)
    assert brightness(page) < 200 and serious(page, runOnly=['color-contrast']) == []


def test_the_first_page_shows_each_lesson_as_a_card(site, page):
    page.goto((site / 'index.html').as_uri())
    lessons = [path for path in NOTEBOOKS if path.stem[0].isdigit()]
    cards = page.locator('.cards tbody tr')
    assert cards.count() == len(lessons)
    for card, path in zip(cards.all(), lessons):
        seconds, minutes = times(read(path))
        assert card.locator('img').get_attribute('src') == f'images/cards/{path.stem}.webp' and (site / 'images' / 'cards' / f'{path.stem}.webp').exists()
        assert f'{minutes} minutes to read, {max(1, round(seconds / 60))} to run' in card.inner_text() and '?' in card.inner_text()
    cards.nth(3).click()
    assert page.url.endswith(f'{lessons[3].stem}.html'), 'all of a card leads to its lesson'
    ways = page.goto((site / 'index.html').as_uri()) and page.locator('.ways li a')
    assert [way.get_attribute('href') for way in ways.all()] == ['00_data.html', '#four-ways-in', 'teaching.html']


@pytest.mark.parametrize('path', [path for path in NOTEBOOKS if path.stem[0].isdigit()], ids=lambda path: path.stem)
def test_what_a_lesson_is_for_and_what_it_asks_can_be_seen(path, site):
    text = (site / f'{path.stem}.html').read_text(encoding='utf-8')
    assert text.count('<p class="aims">') == 4
    for place in (f'https://colab.research.google.com/github/denoise-ae/denoise_ae/blob/main/nbs/{path.name}',
                  f'https://mybinder.org/v2/gh/denoise-ae/denoise_ae/main?urlpath=lab/tree/nbs/{path.name}'):
        assert text.count(f'<a href="{place}">') == 1
    cells = read(path)['cells']
    assert text.count('<p class="asks">') == sum(map(asks, cells, cells[1:])) > 0


def test_links_to_the_site_have_a_picture(site):
    text = (site / 'index.html').read_text(encoding='utf-8')
    address = 'https://denoise-ae.github.io/denoise_ae/'
    assert f'<meta property="og:image" content="{address}images/preview.png">' in text and Image.open(site / 'images' / 'preview.png').size == (1200, 630)
    assert '<link rel="icon" href="images/mark.svg">' in text and (site / 'images' / 'mark.svg').exists()
    listed = re.findall(f'<loc>{address}(.*?)</loc>', (site / 'sitemap.xml').read_text(encoding='utf-8'))
    assert sorted(listed) == sorted(PAGES)


def test_too_little_contrast_is_found_once_the_rest_is_taken_out(site, page):
    "In a word of code and a cell of a table, each like hundreds of others but for its colour. Formulas axe does not judge."
    page.goto((site / '05_evaluation.html').as_uri())
    marks = page.evaluate("""() => ["pre span", "tbody tr:last-child td"].map(which => {
        const one = [...document.querySelectorAll(`main ${which}`)].filter(each => !each.childElementCount && each.getClientRects().length).at(20)
        one.style.color = "#f0f0f0"
        return one.id = which.replaceAll(/\\W/g, "")
    })""")
    page.evaluate(ONE_OF_EACH_LOOK)
    [(rule, found, _)] = serious(page, runOnly=['color-contrast'])
    assert len(found) == 2 and all(any(f'id="{mark}"' in html for html in found) for mark in marks), found


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


def test_the_playground_answers_in_its_lesson(site, page):
    "From its folder and from nowhere else; test_playground.py plays with it."
    page.goto((site / '10_playground.html').as_uri())
    page.evaluate('denoiseAE.ready')
    tiles = page.locator('[data-playground] [data-tiles] figure')
    expect(tiles.last).to_contain_text('dB')
    assert tiles.count() == 5 and page.get_by_text('★ best').count() == 1 and page.locator('[data-walk]').is_visible()
    assert page.evaluate('denoiseAE.denoise("unet", new Float32Array(784)).length') == 784 and page.faults == []


def test_the_first_page_answers_on_its_first_screen(site, page):
    page.goto((site / 'index.html').as_uri())
    page.evaluate('denoiseAE.ready')
    tiles = page.locator('[data-playground] [data-tiles] figure')
    expect(tiles.last).to_contain_text('dB')
    assert tiles.count() == 4 and page.get_by_text('★ best').count() == 1 and page.faults == []
    height = DESKTOP['height']
    for name in 'Read', 'Run', 'Teach':
        assert page.locator('.ways').get_by_role('link', name=name, exact=True).bounding_box()['y'] < height - 80


def test_the_moving_picture_is_what_the_networks_give():
    "All of its frames, to less than a grey of sixteen in the mean: on another processor a pixel may be rounded to the next one."
    made, saved = list(opening.frames()), Image.open(opening.PATH)
    moving = [*made, *made[-2:9:-1]]
    assert saved.n_frames == len(moving) == 31 and saved.info['loop'] == 1
    for number, frame in enumerate(moving):
        saved.seek(number)
        assert ImageStat.Stat(ImageChops.difference(saved.convert('RGB'), frame)).mean < [1, 1, 1], number


def test_charts_are_dark_in_the_dark_and_pictures_are_as_they_are(site, page):
    page.emulate_media(color_scheme='dark')
    page.goto((site / '05_evaluation.html').as_uri())
    charts, pictures = page.locator('main .cell img[data-chart]'), page.locator('main .cell img:not([data-chart])')
    assert charts.count() == 1 and pictures.count() == 3

    def ground_of(image):
        "The colour that most of its pixels have in a strip on its left."
        image.scroll_into_view_if_needed()
        picture = Image.open(io.BytesIO(image.screenshot())).convert('RGB')
        return max(picture.crop((8, 8, 16, picture.height - 8)).getcolors(100_000))[1]
    assert max(abs(a - b) for a, b in zip(ground_of(charts.first), ground(page))) <= 3
    assert [ground_of(each) for each in pictures.all()] == 3 * [(255, 255, 255)]
    page.emulate_media(media='print')
    assert charts.first.evaluate('each => getComputedStyle(each).filter') == 'none'


def contrast(*colours):
    "Of two colours, as WCAG 2.2 defines it: from 1 to 21."
    linear = [[n / 255 / 12.92 if n <= 10 else ((n / 255 + .055) / 1.055) ** 2.4 for n in colour] for colour in colours]
    dark, light = sorted(.2126 * red + .7152 * green + .0722 * blue for red, green, blue in linear)
    return (light + .05) / (dark + .05)


def test_the_colours_of_charts_are_seen_by_day_and_in_the_dark_and_the_site_shares_them(site, page):
    "As they come out on the screen, each at least 3 to 1 against the page (WCAG 2.2, 1.4.11)."
    chart = Image.new('RGB', (20 * len(COLOURS), 20), 'white')
    for number, colour in enumerate(COLOURS):
        chart.paste(colour, (20 * number, 0, 20 * number + 20, 20))
    png = io.BytesIO()
    chart.save(png, 'png')
    url = f'data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}'
    for scheme in 'light', 'dark':
        page.emulate_media(color_scheme=scheme)
        page.goto((site / '05_evaluation.html').as_uri())
        page.evaluate("""url => new Promise(loaded => {
            const img = Object.assign(new Image(), {id: "swatches", onload: loaded, src: url})
            img.dataset.chart = ""
            document.querySelector("main .cell").replaceChildren(img)
        })""", url)
        assert (max(ground(page)) < 128) == (scheme == 'dark')
        seen = Image.open(io.BytesIO(page.locator('#swatches').screenshot())).convert('RGB')
        shown = {colour: seen.getpixel((20 * number + 10, 10)) for number, colour in enumerate(COLOURS)}
        weak = {colour: rgb for colour, rgb in shown.items() if contrast(rgb, ground(page)) < 3}
        assert not weak, f'{scheme}, on {ground(page)}: {weak}'
    for accent in '--accent', '--ask':
        assert page.evaluate('name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()', accent) in COLOURS


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
    expect(result).to_be_visible()
    assert 'bottleneck' in page.locator('.smalldocs-search-results').first.inner_text().lower()
    result.click()
    page.wait_for_load_state()
    assert 'bottleneck' in page.locator('main').inner_text().lower()
    page.locator('input[type=search]').first.fill('qqqqzzzz')
    expect(page.locator('.search-none')).to_be_visible()
    assert page.faults == []


def test_the_theme_switches_and_stays(site, page):
    def settled():
        page.wait_for_timeout(300)
        return brightness(page)
    page.goto((site / 'index.html').as_uri())
    light = settled()
    page.get_by_role('button', name=re.compile('toggle|dark|theme', re.I)).or_(page.locator('.quarto-color-scheme-toggle')).first.click()
    dark = settled()
    assert light > 700 and dark < 200
    page.goto((site / '00_data.html').as_uri())
    assert settled() == dark, 'the choice holds on the next page'


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
