"""What is made from the notebooks is what the notebooks make, and the notebooks keep the rules of the course."""
import ast
import base64
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest
import schedule
from conftest import COLOURS, LESSONS, MODULES, NOTEBOOKS, ROOMS, ROOT, read_notebook
from looks import is_chart
from nbdev.config import get_config
from notebooks import runs
from PIL import Image, ImageColor
from teaching import EXERCISES, QUIZ

import denoise_ae


@pytest.fixture(scope='module')
def remade(tmp_path_factory):
    "A copy of the repository in which the notebooks were cleaned and exported anew."
    copy = tmp_path_factory.mktemp('remade')
    for name in ('nbs', 'denoise_ae'):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns('__pycache__', 'mnist'))
    shutil.copy(ROOT / 'pyproject.toml', copy)
    for path in (copy / 'denoise_ae').glob('*.py'):
        if path.name != '__init__.py':
            path.unlink()
    for command in ('nbdev-clean', 'nbdev-export'):
        subprocess.run([str(Path(sys.executable).parent / command)], cwd=copy, check=True)
    return copy


def test_the_library_is_what_the_notebooks_export(remade):
    made = {path.name for path in (remade / 'denoise_ae').glob('*.py')}
    assert made == {path.name for path in (ROOT / 'denoise_ae').glob('*.py')}
    for name in made:
        exported, kept = ((folder / 'denoise_ae' / name).read_text(encoding='utf-8') for folder in (remade, ROOT))
        assert exported == kept, f'{name} differs: run make export'


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_no_noise_in_the_metadata(path, remade):
    cleaned = remade / path.relative_to(ROOT)
    assert cleaned.read_text(encoding='utf-8') == path.read_text(encoding='utf-8'), f'{path.name} carries metadata: run make export'


def test_the_readme_is_the_index():
    from export import readme
    made = readme()
    assert len(made) == 4, 'the README has three pictures'
    for name, content in made.items():
        assert (ROOT / name).read_bytes() == content, f'{name} differs from nbs/index.ipynb: run make export'


def shown_code(cells):
    return [cell for cell in cells if cell['cell_type'] == 'code' and 'default_exp' not in cell['source']]


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_saved_and_whole(path):
    for cell in shown_code(read_notebook(path)):
        where = f'{path.stem}: {cell["source"][:60]}'
        last = ast.parse(cell['source']).body[-1:]
        if not runs(cell) or '#| output: false' in cell['source']:
            assert not cell['outputs'], where
        elif '#| fig-cap' in cell['source']:
            assert any('image/png' in out.get('data', {}) for out in cell['outputs']), where
        elif last and isinstance(last[0], ast.Expr) and not cell['source'].rstrip().endswith(';'):
            assert cell['outputs'], where
        for out in cell['outputs']:
            assert out.get('name') != 'stderr' and out['output_type'] != 'error', where


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_every_figure_has_a_caption_and_alt_text(path):
    for cell in shown_code(read_notebook(path)):
        if any('image/png' in out.get('data', {}) for out in cell['outputs']):
            for option in ('fig-cap', 'fig-alt'):
                text = re.search(rf'#\| {option}: "(.*)"', cell['source'])
                assert text and len(text[1]) > 40, f'{path.stem}, {option}: {cell["source"][:80]}'


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_charts_are_in_the_colours_of_the_course(path):
    "None of Matplotlib's own is in a saved figure, but for the grey that pixels of pictures have, too, or asked for by its name."
    usual, course = [{*map(ImageColor.getrgb, colours)} for colours in (matplotlib.colors.TABLEAU_COLORS.values(), COLOURS)]
    for cell in shown_code(read_notebook(path)):
        assert 'tab:' not in cell['source'], cell['source']
        for png in (base64.b64decode(out['data']['image/png']) for out in cell['outputs'] if 'image/png' in out.get('data', {})):
            found = {colour for count, colour in Image.open(io.BytesIO(png)).convert('RGB').getcolors(10_000_000) if count > 20}
            assert not found & usual - {(127, 127, 127)}, cell['source']
            hues = {colour for colour in found if max(colour) - min(colour) > 60}
            assert not is_chart(png) or not hues or hues & course, cell['source']


def length(source):
    "Lines of code, without those that are the table of parameters and the docstring of an exported function."
    lines = {number for number, line in enumerate(source.splitlines(), 1) if line.strip() and not line.startswith('#|')}
    for node in ast.walk(ast.parse(source)) if '#| export' in source else []:
        if isinstance(node, ast.FunctionDef):
            lines -= set(range(node.lineno + 1, node.body[0].lineno))
            if ast.get_docstring(node):
                lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_are_short_and_follow_prose(path):
    previous = 'markdown'
    for cell in read_notebook(path):
        code = [line for line in cell['source'].splitlines() if line.strip() and not line.startswith('#|')]
        if cell['cell_type'] == 'code' and code:
            imports = all(re.match(r'\s*(import|from)\b', line) for line in code)
            assert previous == 'markdown' or imports, f'{path.stem}: no prose before\n{cell["source"]}'
            assert length(cell['source']) <= 25, f'{path.stem}: {length(cell["source"])} lines\n{cell["source"]}'
            previous = 'imports' if imports and previous == 'markdown' else 'code'
        elif cell['cell_type'] == 'markdown':
            previous = 'markdown'


def shown_lines(cells):
    "The lines of code that a reader sees, with the name of the cell they are in: cells, and code in the text."
    for cell in cells:
        if cell['cell_type'] == 'code':
            lines = [line for line in cell['source'].splitlines() if not line.startswith('#|')]
        else:
            lines = [line for block in re.findall(r'^```.*?\n(.*?)^```', cell['source'], re.M | re.S) for line in block.splitlines()]
        yield from ((cell['id'], line) for line in lines)


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_lines_of_code_fit_the_column(path):
    "The widest line that fits the page; test_site.py measures that it does."
    too_long = [f'{cell}: {line}' for cell, line in shown_lines(read_notebook(path)) if len(line) > 96]
    assert not too_long, f'{path.name}: {len(too_long)} lines are longer than 96 characters\n' + '\n'.join(too_long)


def head_and_text(path):
    "The first cell, which is title and subtitle, and all of the text."
    cells = read_notebook(path)
    assert re.fullmatch(r'# .+\n\n> .+', cells[0]['source']), cells[0]['source']
    return cells, '\n'.join(cell['source'] for cell in cells if cell['cell_type'] == 'markdown')


def neighbours(path, paths):
    number = paths.index(path)
    return {other.name for other in paths[max(0, number - 1):number + 2] if other != path}


@pytest.mark.parametrize('path', LESSONS, ids=lambda path: path.stem)
def test_a_lesson_has_all_its_parts(path):
    cells, text = head_and_text(path)
    for part in ('**After this lesson you can**', '**You need**', f'## {EXERCISES}', '## Summary', f'## {QUIZ}', '## Further reading'):
        assert text.count(part) == 1, part
    quiz = text.split(f'## {QUIZ}')[1].split('## Further reading')[0]
    questions, answers = quiz.split('<details><summary>Answers</summary>')
    count = len(re.findall(r'^\d\. ', questions, re.M))
    assert 3 <= count <= 5 and count == len(re.findall(r'^\d\. ', answers, re.M))
    assert re.search(r'https://(doi|arxiv)\.org', text.split('## Further reading')[1])
    assert neighbours(path, LESSONS) <= set(re.findall(r'\((\w+\.ipynb)\)', cells[-1]['source']))


@pytest.mark.parametrize('path', LESSONS, ids=lambda path: path.stem)
def test_a_lesson_states_its_times(path):
    "As make save has measured them; machines of one kind differ by two, so the bound is for one that trains the U-Net at 800 images a second."
    _, text = head_and_text(path)
    stated = re.search(r'\*\*Time\*\* run ([1-9]\d*) s on 2 cores at \[([1-9]\d*) images a second\]\(index\.ipynb#times\), read [1-9]\d* min\.', text)
    assert stated, 'run make save'
    seconds, speed = map(int, stated.groups())
    assert seconds * speed / 800 <= 45


@pytest.mark.parametrize('path', ROOMS, ids=lambda path: path.stem)
def test_a_room_has_all_its_parts(path):
    cells, text = head_and_text(path)
    code = '\n'.join(cell['source'] for cell in cells if cell['cell_type'] == 'code')
    assert re.search(r'^\s*assert ', code, re.M)
    assert re.search(r'\]\(\.\./\d\d_\w+\.ipynb\)', text), 'no way back to a lesson'
    linked = re.findall(r'(Before|Next): \[[^]]+\]\((\w+\.ipynb)\)', cells[-1]['source'])
    order = [room.name for room in ROOMS]
    expected = {'Before': order.index(path.name) - 1, 'Next': order.index(path.name) + 1}
    assert dict(linked) == {word: order[number] for word, number in expected.items() if 0 <= number < len(order)}


def test_everything_is_in_the_sidebar_and_in_the_index():
    sidebar = (ROOT / '_quarto.yml').read_text(encoding='utf-8')
    listed = re.findall(r'href: (\S+\.ipynb)', sidebar)
    names = [path.relative_to(ROOT / 'nbs').as_posix() for path in NOTEBOOKS]
    assert sorted(set(listed)) == sorted(names)
    assert sorted(set(re.findall(r'href: api/(\w+)\.qmd', sidebar))) == MODULES
    index = ROOT / 'nbs' / 'index.ipynb'
    linked = re.findall(r'^\| \[[^]]+\]\((\S+\.ipynb)\)', head_and_text(index)[1], re.M)
    assert linked == [name for name in names[1:] if name != 'teaching.ipynb'], 'the tables of the index'


def test_the_citation_is_of_this_version():
    citation = (ROOT / 'CITATION.cff').read_text(encoding='utf-8')
    assert f'\nversion: {denoise_ae.__version__}\n' in citation and f'\nrepository-code: {get_config().git_url}\n' in citation


def test_the_files_for_other_peoples_computers_name_what_is_there():
    "What a dev container and Binder do can't be tried here; that they use this project's own set-up can."
    container = json.loads((ROOT / '.devcontainer' / 'devcontainer.json').read_text(encoding='utf-8'))
    assert container['postCreateCommand'] == 'make .venv/.installed' and '$(VENV)/.installed:' in (ROOT / 'Makefile').read_text(encoding='utf-8')
    binder = ROOT / '.binder'
    assert (binder / (binder / 'requirements.txt').read_text(encoding='utf-8').removeprefix('-r ').strip()).resolve() == ROOT / 'requirements.lock'
    version = re.fullmatch(r'python-(3\.\d+)\n', (binder / 'runtime.txt').read_text(encoding='utf-8'))
    assert version and f"'{version[1]}'" in (ROOT / '.github' / 'workflows' / 'test.yml').read_text(encoding='utf-8'), 'a version that is tested'
    assert (binder / 'postBuild').read_text(encoding='utf-8').splitlines()[-1] == 'python -m pip install --no-deps --no-build-isolation -e .'


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_no_path_of_a_machine(path):
    assert not re.search(r'["\s\'](/(home|root|tmp|Users|work)/|[A-Z]:\\\\)', path.read_text(encoding='utf-8'))


def test_every_module_names_the_notebook_it_is_from():
    for module in MODULES:
        head = (ROOT / 'denoise_ae' / f'{module}.py').read_text(encoding='utf-8').split('# %%')[0]
        notebook = ROOT / 'denoise_ae' / re.search(r'File to edit: (\S+\.ipynb)\.$', head, re.M)[1]
        cells = read_notebook(notebook)
        assert any(f'#| default_exp {module}' in cell['source'].splitlines() for cell in cells), notebook
        subtitle = re.search(r'^> (.*)', cells[0]['source'], re.M)[1]
        assert ast.get_docstring(ast.parse(head)) == subtitle


def test_the_results_at_the_end_of_make_course():
    from course import results
    tables = '\n'.join(results(ROOT / 'nbs'))
    for row in ('noisy picture, untouched', 'PCA, ten components', 'autoencoder, just trained', 'ten dimensions', 't-SNE, two', 'fit, batch 64', 'two DataLoaders',
                'non-local means', 'UNet', 'from 0.05 to 1'):
        assert row in tables, row
    assert not re.search(r' \.\.\. |^\.\.\.|\[\d+ rows x \d+ columns\]', tables, re.M), 'a table is cut'


def test_the_readme_of_a_release_leads_out_of_the_package():
    "PyPI shows it beside no other file."
    text = subprocess.run([sys.executable, 'setup.py', '--long-description'], capture_output=True, text=True, encoding='utf-8', check=True, cwd=ROOT).stdout
    places = re.findall(r'\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"', text)
    assert len(places) > 20 and [place for pair in places for place in pair if place and not place.startswith(('https://', '#'))] == []


def test_every_requirement_of_the_site_builder_is_locked_for_python_3_10():
    "There it is installed without its requirements."
    from importlib.metadata import requires
    from packaging.requirements import Requirement
    lines = [Requirement(line) for line in (ROOT / 'requirements.lock').read_text(encoding='utf-8').splitlines() if line and not line.startswith('#')]
    applying = {r.name.lower() for r in lines if r.marker is None or r.marker.evaluate({'python_version': '3.10', 'python_full_version': '3.10.13'})}
    for needed in map(Requirement, requires('smalldocs')):
        if needed.marker is None:
            assert needed.name.lower() in applying, needed


def test_the_page_for_teachers_shows_its_pictures_and_names_the_plans():
    "Each picture is there, small, and said in words; the plans are those of teach/plans.toml, with their lessons."
    text, folder = head_and_text(ROOT / 'nbs' / 'teaching.ipynb')[1], ROOT / 'nbs' / 'images'
    pictures = [path for path in folder.glob('*.webp') if path.name != 'opening.webp']  # which is of the first page
    figures = re.findall(r'<figure><img src="images/([\w.]+)" alt="([^"]+)" loading="lazy"><figcaption>(.+?)</figcaption></figure>', text)
    assert text.count('<img') == len(figures) and sorted(name for name, *_ in figures) == sorted(path.name for path in pictures)
    assert all(len(alt) > 40 and len(caption) > 20 for _, alt, caption in figures)
    assert sum(path.stat().st_size for path in pictures) <= 300_000
    for plan in schedule.load():
        minutes = [meeting['minutes'] for meeting in plan['meeting']]
        length = f'{len(minutes)} × {minutes[0]} minutes' if len(minutes) > 1 else f'{minutes[0]} minutes'
        line = re.search(rf'^- \*\*{plan["title"]}, {length}.*', text, re.M)
        assert line, f'{plan["title"]}, {length}'
        named = set(re.findall(r'\]\((\w+)\.ipynb\)', line[0])) | {path.stem for path in LESSONS[:10] if '00_data.ipynb) to [09]' in line[0]}
        assert named == {block['lesson'] for meeting in plan['meeting'] for block in meeting['blocks'] if 'lesson' in block}, plan['title']


def test_the_readme_names_every_command_for_teachers():
    "Those that it names are there, and none of the kit's is missing."
    known = set(re.findall(r'^([a-z]+):', (ROOT / 'Makefile').read_text(encoding='utf-8'), re.M))
    for name in ('README.md', 'nbs/teaching.ipynb', 'teach/guide.md'):
        named = set(re.findall(r'`make ([a-z]+)', (ROOT / name).read_text(encoding='utf-8')))
        assert {'classroom', 'grade', 'stick'} <= named <= known, name
