"""The pictures on the page for teachers: made by a rule, from a class that is made up and of what a class gets."""
import io
import sys

import handouts
import pytest
import showcase
import slides
from conftest import LESSONS
from notebooks import read
from PIL import Image
from playwright.sync_api import sync_playwright
from slices import code_of
from teaching import exercises

LESSON = LESSONS[1]


def test_the_class_is_the_same_each_time_and_looks_like_one(tmp_path):
    for folder in ('first', 'again'):
        showcase.hand_in(LESSON, tmp_path / folder)
    found = sorted((tmp_path / 'first').iterdir())
    assert [path.stem for path in found] == sorted(showcase.CLASS)
    assert all(path.read_bytes() == (tmp_path / 'again' / path.name).read_bytes() for path in found)
    written = [{code_of(cell) for cell in read(path)['cells'] if cell['cell_type'] == 'code'} for path in found]
    for exercise in exercises(read(LESSON)):
        solved = sum(exercise.filled(exercise.solution).strip() in cells for cells in written)
        silent = sum(exercise.stub.strip() in cells for cells in written)
        assert 6 < solved < 18 and silent < 6, f'{exercise.title}: {solved} solved, {silent} silent'


def test_pictures_are_sharp_and_end_between_two_lines(tmp_path, chromium):
    lines = tmp_path / 'lines.html'
    lines.write_text('<p style="background: #000; height: 30px; margin: 8px 0"></p>' * 40, encoding='utf-8')
    places = {'slide': slides.write(tmp_path / 'slides', [LESSON])[0], 'student': lines,
              'handout': handouts.write(tmp_path / 'paper', pdf=False, which=[LESSON])[0]}
    with sync_playwright() as driver:
        pictures = dict(showcase.photograph(showcase.launched(driver, chromium), places))
    shown = {name: Image.open(io.BytesIO(picture)).convert('L') for name, picture in pictures.items()}
    assert shown['slide'].size == (1280, 720) and shown['handout'].width == 2 * showcase.WIDTH
    assert shown['slide'].crop((300, 100, 1000, 500)).getextrema() == (0, 255), 'the first slide with a picture'
    for name in ('handout', 'student'):
        width, height = shown[name].size
        assert 2 * showcase.HEIGHTS[name] - 120 < height <= 2 * showcase.HEIGHTS[name] + 12
        assert shown[name].crop((0, height - 10, width, height)).getextrema()[0] > 200, f'{name}: a line is cut'


@pytest.mark.parametrize('words, said', [(['77'], "there is no lesson '77': name one of 00, 01"), ([], 'this needs a Chromium, Chrome or Edge')])
def test_what_is_missing_is_named(words, said, tmp_path, monkeypatch):
    monkeypatch.setattr(showcase, 'chromium', lambda: None)
    monkeypatch.setattr(sys, 'argv', ['showcase.py', *words, '--out', str(tmp_path / 'out')])
    with pytest.raises(SystemExit, match=said):
        showcase.main()
    assert not (tmp_path / 'out').exists()
