"""The playground in a real browser, opened from a folder: on a page beside its scripts as on the site, and in the one file of `export_html`."""
import base64
import re
import shutil
from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
import pytest
import torch
from conftest import ROOT
from firefox import PROGRAM as FIREFOX, tab
from PIL import Image
from playwright.sync_api import expect
from seen import DESKTOP, PHONE, serious, watched_page
from site_builder import add_the_playground

from denoise_ae import Autoencoder, ConvAutoencoder, GaussianNoise, MLPDenoiser, UNet, denoise, export_html, load_model, psnr, sample
from denoise_ae.classical import median
from denoise_ae.page import linear_reader, read_digits
from denoise_ae.photographs import as_grey

LESSON = '''<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>A lesson</title>
<style>:root { color-scheme: light dark; font: 16px/1.5 sans-serif } main { max-width: 800px; margin: auto; padding: 0 12px }</style>
<link rel="icon" href="data:,"><link rel="stylesheet" href="playground/playground.css"><main><h1>A lesson</h1><h2>A section</h2>
<div data-playground="3"><p>Here nothing answers.</p></div></main>
<script src="playground/kernel.js" defer></script><script src="playground/engine.js" defer></script>
<script src="playground/data.js" defer></script><script src="playground/playground.js" defer></script></html>'''
TILES = ['doing nothing', 'median filter', 'convolutional autoencoder', 'autoencoder', 'U-Net']


@pytest.fixture(scope='module')
def lesson(tmp_path_factory):
    folder = tmp_path_factory.mktemp('a folder with spaces')
    add_the_playground(folder / 'playground')
    (folder / 'lesson.html').write_text(LESSON, encoding='utf-8')
    (folder / 'first.html').write_text(LESSON.replace('data-playground="3"', 'data-playground="2" data-short'), encoding='utf-8')
    return (folder / 'lesson.html').as_uri()


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    "The packaged networks as pages, in a folder that they were moved to."
    folder = tmp_path_factory.mktemp('exported')
    for kind in (Autoencoder, MLPDenoiser, ConvAutoencoder, UNet):
        name = f'{kind.__name__}.html'
        assert export_html(kind.from_pretrained(), folder / name) == (folder / name).stat().st_size <= 4_000_000
    return shutil.move(folder, folder.with_name('moved somewhere else'))


@pytest.fixture
def page(browser):
    with watched_page(browser) as page:
        yield page
        assert page.faults == []


def opened(page, address):
    page.goto(address)
    page.evaluate('denoiseAE.ready')
    settled(page)
    return page


def settled(page):
    page.evaluate('() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))')


def drawn(page, *names):
    "What is on the canvases of these names, or on those of the tiles."
    settled(page)
    which = ', '.join(f'[data-{name}]' for name in names) or '[data-tiles] canvas'
    return page.eval_on_selector_all(which, 'all => all.map(each => each.toDataURL())')


def whole(page, name):
    "The pixels of the canvas with this name, or of the first one in it, of any size, `(3, H, W)` in [0, 1]."
    settled(page)
    height, width, values = page.evaluate("""name => {
        const canvas = document.querySelector(`canvas[data-${name}], [data-${name}] canvas`), {width, height} = canvas
        const copy = Object.assign(document.createElement('canvas'), {width, height}).getContext('2d', {willReadFrequently: true})
        copy.drawImage(canvas, 0, 0)
        return [height, width, [...copy.getImageData(0, 0, width, height).data]]
    }""", name)
    return np.array(values).reshape(height, width, 4)[..., :3].transpose(2, 0, 1) / 255


def greys(page, name):
    return whole(page, name)[0].flatten()


def scores(page):
    "The decibels under the tiles, by their names."
    settled(page)
    tiles = page.eval_on_selector_all('[data-tiles] figure', 'all => all.map(each => [...each.querySelectorAll("b, span")].map(part => part.textContent))')
    return {name: float(text[:-3]) if text.endswith(' dB') else text for name, text, mark in tiles}


def best(page):
    settled(page)
    marked = page.locator('.dae-first')
    assert marked.count() == page.get_by_text('★ best').count() <= 1
    return marked.locator('b').inner_text() if marked.count() else None


def move(page, name, value):
    page.locator(f'[data-{name}]').evaluate('(handle, value) => { handle.value = value; handle.dispatchEvent(new Event("input")) }', str(value))


def arrays(page, code, **given):
    "What a piece of JavaScript makes of arrays, as arrays."
    letters = {name: base64.b64encode(np.ascontiguousarray(value, np.float32).tobytes()).decode() for name, value in given.items()}
    return np.frombuffer(base64.b64decode(page.evaluate(f'''letters => {{
        const given = Object.entries(letters).map(([name, text]) => [name, new Float32Array(denoiseAE.bytes(text).buffer)])
        const bytes = new Uint8Array(Float32Array.from(({code})(Object.fromEntries(given))).buffer)
        return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ''))
    }}''', letters)), np.float32)


def test_it_is_there_at_once_and_one_handle_moves_everything(lesson, page):
    opened(page, lesson)
    first, before = scores(page), drawn(page)
    assert list(first) == TILES and all(isinstance(value, float) for value in first.values()) and best(page) == max(first, key=first.get) == 'U-Net'
    assert page.locator('[data-says]').inner_text() == 'standard deviation 0.50' and page.locator('[data-engine]').inner_text() == 'WebAssembly'
    page.locator('[data-amount]').press('ArrowRight')
    after = drawn(page)
    assert all(one != other for one, other in zip(before, after)) and scores(page)['doing nothing'] < first['doing nothing']
    page.locator('[data-amount]').press('ArrowLeft')
    assert drawn(page) == before, 'the same noise for the same setting'
    page.get_by_role('button', name='other noise').click()
    assert drawn(page)[0] != before[0]
    move(page, 'amount', 0)
    assert scores(page)['doing nothing'] == 'without an error' and best(page) == 'doing nothing'
    move(page, 'amount', .1)
    page.get_by_role('combobox').select_option('salt and pepper')
    assert scores(page)['median filter'] > scores(page)['U-Net'] + 2 and page.locator('[data-says]').inner_text() == '10 % of the pixels lost, to white or black'
    for kind, words in ('holes', '10 % of the pixels lost, to black'), ('photons', 'a white pixel counts 100 photons'):
        page.get_by_role('combobox').select_option(kind)
        expect(page.locator('[data-says]')).to_have_text(words)
    page.get_by_role('button', name='show the MLP, too').click()
    expect(page.locator('[data-tiles] figure')).to_have_count(6)
    expect(page.locator('[data-tiles] figure').last).to_contain_text('dB')
    assert 8 < scores(page)['MLP'] < 30


def test_what_it_computes_is_what_the_library_computes(lesson, page, valid):
    "The median filter, the decibels, and a whole walk without fresh noise."
    opened(page, lesson)
    noisy = GaussianNoise(std=.4, generator=torch.Generator().manual_seed(0))(valid[0][:1])
    assert np.array_equal(arrays(page, '({x}) => denoiseAE.median(x)', x=noisy), median(noisy, 3).flatten().numpy())
    decibels = arrays(page, '({x, clean}) => [denoiseAE.psnr(x, clean)]', x=noisy, clean=valid[0][:1])
    assert abs(decibels[0] - psnr(noisy.clamp(0, 1), valid[0][:1])) < 1e-4
    unet, start = UNet.from_pretrained(), torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(1)) + valid[0][:1]
    end = arrays(page, '''({x}) => { for (let k = 0, now = 1; k < 40; k++, now *= .1 ** (1 / 39)) {
        x = denoiseAE.step(x, denoiseAE.denoise('unet', x), now, k < 39 ? now * .1 ** (1 / 39) : 0, 0, Math.random)
    } return x.map(v => Math.min(1, Math.max(0, v))) }''', x=start)
    assert np.abs(end - sample(unet, start, eta=0., progress=False).flatten().numpy()).max() < 1e-3


def test_the_strength_of_each_noise(lesson, page):
    "On a grey picture: mean and standard deviation of the difference, or how many pixels are lost, at several amounts."
    opened(page, lesson)
    page.get_by_role('button', name='clear').click()
    white = page.evaluate('''() => { const {left, top, width} = document.querySelector('[data-pad]').getBoundingClientRect()
                                     return [left, top, width] }''')
    page.mouse.move(white[0] + 4, white[1] + 4)
    page.mouse.down()
    for line in range(28):  # all of the paper
        page.mouse.move(white[0] + (white[2] - 4 if line % 2 == 0 else 4), white[1] + (line + .5) * white[2] / 28)
        page.mouse.move(white[0] + (white[2] - 4 if line % 2 == 0 else 4), white[1] + (min(line, 26) + 1.5) * white[2] / 28)
    page.mouse.up()
    for kind, mean in ('holes', .7), ('salt and pepper', .85):
        page.get_by_role('combobox').select_option(kind)
        move(page, 'amount', .3)
        grey = greys(page, 'tiles')
        assert abs(grey[100:700].mean() - mean) < .06, kind


def test_pictures_of_ones_own(lesson, browser):
    with watched_page(browser, has_touch=True) as page:
        opened(page, lesson)
        page.get_by_role('button', name='digit 4').click()
        four = drawn(page, 'pad')
        pressed = page.locator('[data-digits] [aria-pressed=true]')
        assert pressed.get_attribute('aria-label') == 'digit 4'
        box = page.locator('[data-pad]').bounding_box()
        page.mouse.move(box['x'] + 30, box['y'] + 30)
        page.mouse.down()
        page.mouse.move(box['x'] + 60, box['y'] + 90, steps=3)
        page.mouse.up()
        page.mouse.move(box['x'] + 150, box['y'] + 90)
        line = drawn(page, 'pad')
        assert line != four and pressed.count() == 0 and 'dB' in page.locator('[data-tiles]').inner_text()
        page.touchscreen.tap(box['x'] + 120, box['y'] + 40)
        two_strokes = drawn(page, 'pad')
        assert two_strokes != line, 'a second stroke is added to the first'
        page.get_by_role('button', name='centre').click()
        centred = drawn(page, 'pad')
        assert centred != two_strokes
        page.get_by_role('button', name='centre').click()
        assert drawn(page, 'pad') == centred
        page.get_by_role('button', name='clear').click()
        assert set(scores(page).values()) == {'nothing to compare'} and best(page) is None
        page.locator('[data-pad]').focus()
        empty = drawn(page, 'pad')
        page.keyboard.press('ArrowLeft')
        assert drawn(page, 'pad') == empty and page.locator('[data-pen]').is_visible() and page.locator('[data-pen-heard]').inner_text() == 'pen up, column 13, row 14'
        for key in ['Space', *['ArrowDown'] * 6, 'Space', *['ArrowRight'] * 3]:
            page.keyboard.press(key)
        stroke = drawn(page, 'pad')
        assert stroke != empty and page.locator('[data-pen-heard]').inner_text() == 'pen up, column 16, row 20'
        page.keyboard.press('Delete')
        assert drawn(page, 'pad') == empty
        assert page.faults == []


def test_the_numbers_in_the_middle(lesson, page):
    opened(page, lesson)
    page.get_by_role('button', name='digit 4').click()
    assert page.get_by_role('heading', name='Ten numbers').is_visible() and page.locator('[data-handles] input').count() == 10
    decoded, moved = drawn(page, 'decoded', 'moved')
    assert decoded == moved
    for _ in range(20):
        page.locator('[data-handles] input').nth(3).press('ArrowRight')
    now = drawn(page, 'decoded', 'moved')
    assert now[0] == decoded != now[1] and page.locator('[data-handles] output').nth(3).inner_text() == '2.0'
    page.get_by_role('button', name='all back to 0').click()
    assert drawn(page, 'decoded', 'moved') == [decoded, decoded]
    page.locator('[data-handles] input').nth(3).press('ArrowRight')
    page.get_by_role('button', name='digit 5').click()
    assert page.locator('[data-handles] output').nth(3).inner_text() == '0.0', 'another picture begins at its own numbers'


def test_what_it_asks_for_and_notices(lesson, exported, page):
    "Not before anything was touched, not without noise, not by two numbers; then each once, in words and for all to hear."
    opened(page, lesson)
    asked, done = page.locator('[data-tasks] li'), page.locator('[data-tasks] .dae-done')
    assert asked.count() == 3 and done.count() == 0 and page.locator('[data-read]').inner_text() == '8' and page.locator('[data-right]').inner_text() == '85 %'
    move(page, 'amount', 0)
    assert best(page) == 'doing nothing' and done.count() == 0
    move(page, 'amount', .01)
    assert best(page) == 'doing nothing' and done.all_inner_texts() == ['… make doing nothing the best, though there is noise? ✓ done']
    page.get_by_role('combobox').select_option('salt and pepper')
    assert done.count() == 1
    page.get_by_role('button', name='digit 1').click()
    move(page, 'amount', .04)
    assert best(page) == 'median filter' and done.count() == 2 and page.locator('[data-news]').inner_text() == 'Done: make the median filter the best of all.'
    page.get_by_role('button', name='digit 4').click()
    handles = page.locator('[data-handles] input')
    handles.nth(3).press('ArrowRight')
    handles.nth(0).press('End')
    settled(page)
    assert page.locator('[data-read]').inner_text() == '9' and done.count() == 2
    page.get_by_role('button', name='all back to 0').click()
    settled(page)
    assert page.locator('[data-read]').inner_text() == '4' and done.count() == 2
    handles.nth(0).press('End')
    settled(page)
    assert page.locator('[data-read]').inner_text() == '9' and done.count() == 3
    opened(page, (exported / 'UNet.html').as_uri())
    assert asked.count() == 2 and page.locator('[data-reading]').is_hidden()


def test_it_reads_digits_as_python_does(lesson, page, valid):
    opened(page, lesson)
    reader = linear_reader(*valid)
    page.evaluate('reader => { self.reader = reader }', reader)
    read = arrays(page, '({x}) => Array.from({length: 200}, (_, k) => denoiseAE.read(x.subarray(784 * k, 784 * k + 784), reader))', x=valid[0][:200])
    assert read.tolist() == read_digits(reader, valid[0][:200]).tolist() and len(set(read)) == 10


@pytest.mark.parametrize('motion', ['no-preference', 'reduce'])
def test_a_walk(lesson, browser, motion):
    with watched_page(browser, reduced_motion=motion) as page:
        page.add_init_script('Math.random = () => .3')  # where a walk begins: most of them end at a digit, and this one does
        opened(page, lesson)
        page.evaluate("""() => { self.painted = 0; const context = document.querySelector('[data-said]').getContext('2d'), put = context.putImageData
                                 context.putImageData = (...all) => { self.painted++; put.apply(context, all) } }""")
        assert page.get_by_role('button', name='denoise this one').is_disabled()
        page.locator('[data-handles] input').first.press('ArrowRight')
        page.get_by_role('button', name='walk').click()
        expect(page.locator('[data-step]')).to_have_text('step 40 of 40')
        assert page.evaluate('painted') == (40 if motion == 'no-preference' else 1)
        assert .03 < greys(page, 'said').mean() < .3, 'as much ink as a digit has'
        eight = drawn(page, 'pad')
        page.get_by_role('button', name='denoise this one').click()
        assert drawn(page, 'pad') != eight and page.locator('[data-handles] output').first.inner_text() == '0.0' and best(page)
        assert page.faults == []


def test_the_address_keeps_what_was_set(lesson, page, browser):
    opened(page, lesson)
    assert '#' not in page.url
    page.get_by_role('button', name='digit 3').click()
    page.get_by_role('combobox').select_option('holes')
    move(page, 'amount', .3)
    page.get_by_role('button', name='other noise').click()
    page.locator('[data-handles] input').nth(1).press('ArrowLeft')
    expect(page).to_have_url(re.compile(r'#play:digit=3&noise=holes&amount=0.3&seed=2&z=0_-0.1_0'))
    names = 'pad', 'decoded', 'moved'
    kept = drawn(page) + drawn(page, *names)
    with watched_page(browser) as other:
        opened(other, page.url)
        assert drawn(other) + drawn(other, *names) == kept and other.faults == []
    page.locator('[data-pad]').click(position={'x': 60, 'y': 60})
    expect(page).to_have_url(re.compile('#play:drawn='))
    with watched_page(browser) as other:
        opened(other, page.url)
        for mine, theirs in zip(scores(page).values(), scores(other).values()):
            assert mine == theirs
        assert best(other)
        assert other.faults == []
    page.get_by_role('button', name='digit 3').click()
    for nonsense in ('play:digit=99&noise=toString&amount=x&seed=-1&z=a_b', 'play:drawn=!!!&noise=holes', 'play:drawn=AAAA', 'play', 'a-section'):
        page.evaluate('text => { location.hash = text }', nonsense)
        settled(page)
        assert len(scores(page)) == 5 and best(page) and page.faults == [], nonsense
    page.evaluate('''() => { document.querySelector('[aria-label="digit 4"]').click(); location.hash = 'another-section';
                             return new Promise(done => setTimeout(done, 1500)) }''')
    assert page.url.endswith('#another-section'), 'who follows a link at once keeps its address'
    page.evaluate('location.hash = "play:digit=7&noise=photons&amount=0.2"')
    expect(page.locator('[data-digits] [aria-pressed=true]')).to_have_attribute('aria-label', 'digit 7')
    expect(page.locator('[data-says]')).to_have_text('a white pixel counts 25 photons')


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_it_can_be_used_by_all(lesson, exported, browser, scheme):
    "With the keyboard alone, on a phone, with a screen reader."
    with watched_page(browser, color_scheme=scheme) as page:
        for address in (lesson, (exported / 'UNet.html').as_uri()):
            page.set_viewport_size(DESKTOP)
            opened(page, address)
            assert serious(page) == []
            page.set_viewport_size(PHONE)
            settled(page)
            assert serious(page) == [] and page.evaluate('document.documentElement.scrollWidth') <= 375
            small = page.eval_on_selector_all('.dae button, .dae select', 'all => all.filter(each => each.getClientRects().length && (each.offsetWidth < 44 || each.offsetHeight < 44)).map(each => each.outerHTML)')
            assert small == [], 'a finger needs 44 pixels'
            page.evaluate('document.activeElement.blur()')
            reached = []
            while (name := page.evaluate('document.activeElement.closest(".dae") && document.activeElement.outerHTML')) or not reached:
                page.keyboard.press('Tab')
                reached.append(name)
                assert len(reached) < 60
            assert len(set(reached)) >= page.locator('.dae :is(button, select, input, [tabindex]):enabled:visible').count()


def test_the_short_one_of_the_first_page(lesson, page):
    "Noise and what takes it away, with less to read and to fetch; the handles of the long one are not there, for nobody."
    asked = []
    page.on('request', lambda request: asked.append(request.url.rpartition('/')[2]))
    opened(page, lesson.replace('lesson.html', 'first.html'))
    assert list(scores(page)) == ['doing nothing', 'median filter', 'autoencoder', 'U-Net'] and best(page) == 'U-Net'
    assert {'autoencoder.js', 'unet.js'} == {name for name in asked if name.endswith('.js')} - {'kernel.js', 'engine.js', 'data.js', 'playground.js'}
    assert [each.inner_text() for each in page.get_by_role('heading').all()] == ['A lesson', 'A section']
    assert page.locator('[data-start], [data-zero], [data-more], [data-tasks], [data-handles], [data-file]').and_(page.locator(':visible')).count() == 0
    before = drawn(page)
    move(page, 'amount', 0)
    assert best(page) == 'doing nothing' and all(a != b for a, b in zip(before, drawn(page)))
    page.locator('[data-pad]').click(position={'x': 60, 'y': 60})
    expect(page).to_have_url(re.compile('#play:drawn='))
    page.set_viewport_size(PHONE)
    assert serious(page, preload=False) == [] and page.evaluate('document.documentElement.scrollWidth') <= 375


def test_without_javascript_the_sentence_stays(lesson, browser):
    with watched_page(browser, java_script_enabled=False) as page:
        page.goto(lesson)
        assert page.get_by_text('Here nothing answers.').is_visible() and page.locator('canvas').count() == 0


@pytest.mark.skipif(not FIREFOX, reason='Firefox is not installed here: firefox-esr is its package in Debian')
def test_in_firefox_too(lesson, exported, tmp_path, valid):
    "The same numbers as in PyTorch, tiles, a drawn digit, a walk, a photo, the short one, and the file to double-click."
    noisy = GaussianNoise(std=.3, generator=torch.Generator().manual_seed(0))(valid[0][:100])
    letters = base64.b64encode(noisy.numpy().tobytes()).decode()
    tiles = '[...document.querySelectorAll("[data-tiles] figure")].map(each => each.innerText)'
    with tab(tmp_path / 'profile') as firefox:
        firefox.goto(lesson)
        firefox.evaluate('denoiseAE.ready.then(() => 1)')
        assert [each.splitlines()[0] for each in firefox.evaluate(tiles)] == TILES and '★ best' in firefox.evaluate(tiles)[-1]
        firefox.evaluate('document.querySelector("[data-more]").click()')
        firefox.until('denoiseAE.models.mlpdenoiser')
        for kind in Autoencoder, MLPDenoiser, ConvAutoencoder, UNet:
            found = firefox.evaluate(f"""(() => {{ const x = new Float32Array(denoiseAE.bytes("{letters}").buffer), out = []
                for (let at = 0; at < x.length; at += 784) out.push(...denoiseAE.denoise("{kind.__name__.lower()}", x.subarray(at, at + 784)))
                return out }})()""")
            assert np.abs(np.array(found) - denoise(kind.from_pretrained(), noisy).flatten().numpy()).max() <= 1e-5, kind
        firefox.evaluate("""(() => { const pad = document.querySelector("[data-pad]"), {left, top} = pad.getBoundingClientRect()
            pad.setPointerCapture = () => {}
            for (const [type, by] of [["pointerdown", 40], ["pointermove", 90], ["pointerup", 90]])
                pad.dispatchEvent(new PointerEvent(type, {clientX: left + by, clientY: top + by, pointerId: 1})) })()""")
        firefox.until('location.hash.startsWith("#play:drawn=")')
        firefox.evaluate('document.querySelector("[data-start]").click()')
        firefox.until('!document.querySelector("[data-use]").disabled')
        firefox.evaluate('document.querySelector("[data-example]").click()')
        firefox.until('/denoised: (29|3\\d)\\.\\d dB/.test(document.querySelector("[data-after-says]").textContent)')
        firefox.goto(lesson.replace('lesson.html', 'first.html'))
        firefox.evaluate('denoiseAE.ready.then(() => 1)')
        assert len(firefox.evaluate(tiles)) == 4 and '★ best' in firefox.evaluate(tiles)[-1]
        firefox.goto((exported / 'UNet.html').as_uri())
        firefox.evaluate('denoiseAE.ready.then(() => 1)')
        assert 'differs from PyTorch by' in firefox.evaluate('document.querySelector("[data-checked]").textContent') and firefox.faults == []


# --- one file to double-click

@pytest.mark.parametrize('kind', [Autoencoder, MLPDenoiser, ConvAutoencoder, UNet])
def test_a_page_of_a_packaged_network(kind, exported, page, valid):
    "Equal to PyTorch on twenty digits, from a folder, with nothing asked for."
    opened(page, (exported / f'{kind.__name__}.html').as_uri())
    assert page.title() == page.get_by_role('heading', level=1).inner_text() == f'A denoiser: {kind.__name__}'
    assert 'differs from PyTorch by' in page.locator('[data-checked]').inner_text() and best(page) and len(scores(page)) == 3
    noisy = GaussianNoise(std=.3, generator=torch.Generator().manual_seed(0))(valid[0][:20])
    name = kind.__name__.lower()
    found = arrays(page, f'''({{x}}) => {{ const out = new Float32Array(x.length)
        for (let at = 0; at < x.length; at += 784) out.set(denoiseAE.denoise('{name}', x.subarray(at, at + 784)), at)
        return out }}''', x=noisy)
    assert np.abs(found - denoise(kind.from_pretrained(), noisy).flatten().numpy()).max() <= 1e-5
    assert page.locator('[data-middle]').is_visible() == (kind is Autoencoder) and page.locator('[data-walk]').is_visible() == (kind is not Autoencoder)


def test_networks_of_ones_own(tmp_path, page):
    "Trained or not, of other sizes, in another number format, on no Gaussian noise."
    for model, visible in (Autoencoder(2).double(), 'Two numbers'), (UNet((4, 6), (1, 1), residual=True).train(), None), (MLPDenoiser((7,)), None):
        model.trained_on = {'noise': 'MaskingNoise', 'p': .5}
        file = tmp_path / f'{type(model).__name__}.html'
        training = model.training
        export_html(model, file, title='Mine', note='Not tried on cheques.')
        assert model.training == training
        opened(page, file.as_uri())
        assert page.get_by_text('Not tried on cheques.').is_visible() and page.get_by_role('cell', name='MaskingNoise, p 0.5').is_visible() and best(page)
        assert not page.locator('[data-walk]').is_visible() and (visible is None or page.get_by_role('heading', name=visible).is_visible())


@pytest.fixture
def of_colours():
    "A network for pictures in colour that does something, though it hasn't learnt anything."
    torch.manual_seed(0)
    model = UNet((8, 12), (1, 1), residual=True, bias=False, channels=3, shuffle=2)
    with torch.no_grad():
        model.last.weight.normal_(std=.02)
    return model


@pytest.mark.parametrize('colour', [False, True])
def test_a_picture_of_ones_own(colour, of_colours, exported, tmp_path, page):
    "Denoised as PyTorch does it, to a byte; with noise on it, in decibels; and saved."
    model = of_colours if colour else UNet.from_pretrained()
    file = tmp_path / 'colours.html' if colour else exported / 'UNet.html'
    if colour:
        export_html(model, file)
    opened(page, file.as_uri())
    assert page.locator('[data-pad]').count() == (not colour) and 'differs from PyTorch by' in page.locator('[data-checked]').inner_text()
    pixels = np.random.default_rng(0).integers(0, 256, (29, 43, 3), np.uint8)
    pixels[5:20, 5:30] //= 3
    Image.fromarray(pixels).save(tmp_path / 'mine.png')
    picture = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    given = picture if colour else as_grey(picture)
    move(page, 'grain', 0)
    page.get_by_label('picture', exact=True).set_input_files(tmp_path / 'mine.png')
    expect(page.locator('[data-after-says]')).to_have_text('denoised')
    assert page.locator('[data-about]').inner_text() == 'mine.png: 43 × 29 pixels.' + ('' if colour else ' The network sees it in grey.') and 'Denoised in' in page.locator('[data-progress]').inner_text()
    assert np.abs(whole(page, 'before') - given[0].numpy()).max() <= .51 / 255
    expected = denoise(model, given)[0].clamp(0, 1).numpy()
    assert np.abs(whole(page, 'after') - expected).max() <= .51 / 255 and np.abs(expected - given[0].numpy()).max() > .1
    with page.expect_download() as download:
        page.get_by_role('button', name='save the denoised picture').click()
    assert download.value.suggested_filename == 'denoised.png'
    saved = np.asarray(Image.open(download.value.path()).convert('RGB')).transpose(2, 0, 1) / 255
    assert np.array_equal(saved, whole(page, 'after'))
    move(page, 'grain', .2)
    expect(page.locator('[data-after-says]')).to_have_text(re.compile(r'denoised: [0-9.]+ dB'))
    noisy = whole(page, 'before')
    said = float(page.locator('[data-before-says]').inner_text()[len('with noise: '):-3])
    assert abs(psnr(torch.tensor(noisy)[None], given.double().expand(1, 3, -1, -1)) - said) < .1 and 13 < said < 18
    page.set_viewport_size(PHONE)
    assert serious(page) == [] and page.evaluate('document.documentElement.scrollWidth') <= 375


def test_a_photo_in_the_lesson(lesson, page):
    "The network for photographs is fetched when it is asked, and does here what it does in PyTorch, to a byte."
    opened(page, lesson)
    assert page.evaluate('"photo" in denoiseAE.models') is False
    move(page, 'grain', 0)
    page.get_by_role('button', name='take a photo from the course').click()
    expect(page.locator('[data-after-says]')).to_have_text('denoised')
    given = torch.tensor(whole(page, 'before'), dtype=torch.float32)[None]
    assert given.shape == (1, 3, 213, 320) and page.locator('[data-about]').inner_text() == 'The photo: 320 × 213 pixels.'
    expected = denoise(load_model('photo'), given)[0].clamp(0, 1).numpy()
    assert np.abs(whole(page, 'after') - expected).max() <= .51 / 255
    move(page, 'grain', .1)
    expect(page.locator('[data-after-says]')).to_have_text(re.compile(r'denoised: (29|3\d)\.\d dB'))
    page.set_viewport_size(PHONE)
    assert serious(page, preload=False) == [] and page.evaluate('document.documentElement.scrollWidth') <= 375


def test_nothing_is_lost_while_the_network_comes(lesson, tmp_path, browser):
    "A handle that is moved, a second click, a file that is no picture: the network is fetched once, and what belongs together is there in the end."
    (tmp_path / 'none.png').write_bytes(b'no picture')
    with watched_page(browser) as page:
        held = []
        page.route('**/photo.js', lambda route: held.append(route))
        opened(page, lesson)
        for _ in range(2):
            page.get_by_role('button', name='take a photo from the course').click()
        expect(page.locator('[data-about]')).to_have_text('The network is being loaded …')
        move(page, 'grain', .2)
        settled(page)
        assert len(held) == 1 and page.locator('script[src$="photo.js"]').count() == 1
        held[0].continue_()
        expect(page.locator('[data-after-says]')).to_have_text(re.compile(r'denoised: 2\d\.\d dB'))
        assert page.locator('[data-grain-says]').inner_text() == 'standard deviation 0.20'
        move(page, 'grain', .1)
        assert page.locator('[data-after-says]').inner_text() == 'denoising …' and page.locator('canvas.dae-old').count() == 1
        page.get_by_label('picture', exact=True).set_input_files(tmp_path / 'none.png')
        expect(page.locator('[data-after-says]')).to_have_text(re.compile(r'denoised: (29|3\d)\.\d dB'))
        assert "can't read none.png" in page.locator('[data-about]').inner_text() and page.locator('canvas.dae-old').count() == 0


def test_a_network_that_is_not_there_is_named(lesson, tmp_path, browser):
    folder = Path(unquote(urlparse(lesson).path)).parent
    shutil.copytree(folder, tmp_path / 'copy')
    (tmp_path / 'copy' / 'playground' / 'photo.js').unlink()
    with watched_page(browser) as page:
        opened(page, (tmp_path / 'copy' / 'lesson.html').as_uri())
        page.get_by_role('button', name='take a photo from the course').click()
        expect(page.locator('[data-about]')).to_have_text("The picture can't be denoised here: photo.js is not beside the page.")


def test_pictures_that_are_large_or_none(tmp_path, page):
    "By the file's button, by dropping and by pasting; a new one in the middle of the work on the one before."
    export_html(UNet((32, 48), (1, 1), residual=True, channels=3), tmp_path / 'x.html')  # slow enough to be interrupted
    opened(page, (tmp_path / 'x.html').as_uri())
    about, progress = page.locator('[data-about]'), page.locator('[data-progress]')
    (tmp_path / 'none.png').write_bytes(b'no picture')
    page.get_by_label('picture', exact=True).set_input_files(tmp_path / 'none.png')
    expect(about).to_contain_text("This browser can't read none.png as a picture")
    assert page.locator('[data-own]').is_hidden()
    page.evaluate("""async () => {
        async function event(Kind, field, colour, side) {
            const canvas = Object.assign(document.createElement('canvas'), {width: side, height: side / 2}), moved = new DataTransfer()
            Object.assign(canvas.getContext('2d'), {fillStyle: colour}).fillRect(0, 0, side, side)
            moved.items.add(new File([await new Promise(done => canvas.toBlob(done))], 'x.png', {type: 'image/png'}))
            return new Kind(field === 'dataTransfer' ? 'drop' : 'paste', {[field]: moved, bubbles: true, cancelable: true})
        }
        const progress = document.querySelector('[data-progress]')
        const [red, green] = [await event(DragEvent, 'dataTransfer', 'rgb(200, 0, 0)', 700), await event(ClipboardEvent, 'clipboardData', 'rgb(0, 200, 0)', 40)]
        document.body.dispatchEvent(red)
        while (!progress.textContent.startsWith('Layer')) await new Promise(done => setTimeout(done))
        self.before = document.querySelector('[data-about]').textContent
        document.body.dispatchEvent(green)
    }""")
    assert page.evaluate('before') == 'x.png: 512 × 256 pixels, made smaller from 700 × 350, or you would wait.'
    expect(about).to_have_text('x.png: 40 × 20 pixels.')
    expect(progress).to_contain_text('Denoised in')
    page.wait_for_timeout(2500)  # what goes on with the red one would have come to its end
    assert page.locator('[data-after-says]').inner_text().startswith('denoised: ')
    for canvas in 'before', 'after':
        red, green, blue = whole(page, canvas).mean((1, 2))
        assert whole(page, canvas).shape == (3, 20, 40) and green > .7 > .2 > red and blue < .2


HOSTILE = ['</script><script>self.broken = 1</script>', '"><img src=x onerror="self.broken = 2">', "'-(self.broken=3)-'", '<!--<script>', '${self.broken = 4}', '$script',
           '</title></style><svg onload="self.broken = 5">', '\u2028self.broken = 6//', '&lt;script&gt;', ']]>\\u003cscript>', '`']


@pytest.mark.parametrize('bypass_csp', [True, False], ids=['without a policy', 'with its policy'])
def test_no_text_can_become_a_script(bypass_csp, tmp_path, browser):
    "Neither in the title, the note, the licence nor in what a config.json from anywhere says of the noise."
    model, text = MLPDenoiser((4,)), ' '.join(HOSTILE)
    model.trained_on = {'noise': text, text: text}
    export_html(model, tmp_path / 'x.html', title=text, note=text, license=text)
    with watched_page(browser, bypass_csp=bypass_csp) as page:
        opened(page, (tmp_path / 'x.html').as_uri())
        assert page.evaluate('self.broken') is None and page.faults == []
        assert page.locator('script').count() == 2 and page.locator('img, svg').count() == 0
        assert page.evaluate('document.querySelector("h1").textContent') == page.evaluate('document.querySelector("main > p").textContent') == text
        assert page.evaluate('Object.values(denoiseAE.models)[0].config.trained_on') == model.trained_on
        page.evaluate('''() => { document.body.append(document.createRange().createContextualFragment('<script>self.sneaked = 1</' + 'script>')) }''')
        assert page.evaluate('self.sneaked') == (1 if bypass_csp else None)
        assert bool(page.faults) != bypass_csp, 'the policy stops a script that came in some other way, and says so'


def test_a_page_whose_weights_were_damaged_says_so(exported, tmp_path, browser):
    text = (exported / 'ConvAutoencoder.html').read_text(encoding='utf-8')
    at = text.index('"weights": "') + 100_000
    for name, damaged in ('other', text[:at] + 'A' * 400 + text[at + 400:]), ('no', text.replace('"weights": "', '"weights": "!')):
        (tmp_path / f'{name}.html').write_text(damaged, encoding='utf-8')
        with watched_page(browser) as page:
            opened(page, (tmp_path / f'{name}.html').as_uri())
            expect(page.get_by_role('alert')).to_contain_text("The playground can't work here: " + ('this browser computes other pictures' if name == 'other' else ''))
            assert page.locator('canvas').count() == 0


def test_what_is_refused(tmp_path):
    class Mine(MLPDenoiser):
        pass
    broken = UNet((4,), (1,))
    with torch.no_grad():
        broken.first.bias[0] = float('nan')
    for model, error, words in ((torch.nn.Linear(2, 2), TypeError, 'one of Autoencoder, MLPDenoiser, ConvAutoencoder, UNet, not Linear'), (Mine((4,)), TypeError, 'not Mine'),
                                (UNet((4,), (1,), channels=2), ValueError, 'takes pictures of 2'), (broken, ValueError, 'first.bias are not all finite')):
        with pytest.raises(error, match=words):
            export_html(model, tmp_path / 'x.html')
    assert list(tmp_path.iterdir()) == []
    (tmp_path / 'x.html').write_text('mine')
    with pytest.raises(FileExistsError, match='pass overwrite=True'):
        export_html(UNet((4,), (1,)), tmp_path / 'x.html')
    assert (tmp_path / 'x.html').read_text() == 'mine' and export_html(UNet((4,), (1,)), tmp_path / 'x.html', overwrite=True) > 50_000


def test_no_script_ends_its_own_element():
    for path in (ROOT / 'denoise_ae' / 'web').glob('*.js'):
        assert not re.search(r'</?script|<!--', path.read_text(encoding='utf-8'), re.I), path.name
