"""What is made from the notebooks is what the notebooks make, and the notebooks keep the rules of the course."""
import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import LESSONS, NOTEBOOKS, ROOT, read_notebook


@pytest.fixture(scope='module')
def remade(tmp_path_factory):
    "A copy of the repository in which the notebooks were cleaned and exported anew."
    copy = tmp_path_factory.mktemp('remade')
    for name in ('nbs', 'denoise_ae'):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns('__pycache__', 'mnist', 'api', '_quarto.yml', '_symbols.json'))
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
        assert (remade / 'denoise_ae' / name).read_bytes() == (ROOT / 'denoise_ae' / name).read_bytes(), f'{name} differs: run make export'


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_no_noise_in_the_metadata(path, remade):
    assert (remade / 'nbs' / path.name).read_bytes() == path.read_bytes(), f'{path.name} carries metadata: run make export'


def test_the_readme_is_the_index():
    from export import readme
    made = readme()
    assert len(made) == 2, 'the README has a picture'
    for name, content in made.items():
        assert (ROOT / name).read_bytes() == content, f'{name} differs from nbs/index.ipynb: run make export'


def shown_code(cells):
    return [cell for cell in cells if cell['cell_type'] == 'code' and 'default_exp' not in cell['source']]


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_saved_and_whole(path):
    for cell in shown_code(read_notebook(path)):
        where = f'{path.stem}: {cell["source"][:60]}'
        last = ast.parse(cell['source']).body[-1:]
        if '#| eval: false' in cell['source'] or '#| output: false' in cell['source']:
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


@pytest.mark.parametrize('path', LESSONS, ids=lambda path: path.stem)
def test_a_lesson_has_all_its_parts(path):
    cells = read_notebook(path)
    head, text = cells[0]['source'], '\n'.join(cell['source'] for cell in cells if cell['cell_type'] == 'markdown')
    assert re.fullmatch(r'# .+\n\n> .+', head)
    for part in ('**After this lesson you can**', '**You need**', '## Exercises', '## Summary', '## Quiz', '## Further reading'):
        assert text.count(part) == 1, part
    assert int(re.search(r'\*\*Time\*\* run ([1-9]\d*) s on 2 cores, read [1-9]\d* min\.', text)[1]) <= 90
    quiz = text.split('## Quiz')[1].split('## Further reading')[0]
    questions, answers = quiz.split('<details><summary>Answers</summary>')
    count = len(re.findall(r'^\d\. ', questions, re.M))
    assert 3 <= count <= 5 and count == len(re.findall(r'^\d\. ', answers, re.M))
    assert re.search(r'https://(doi|arxiv)\.org', text.split('## Further reading')[1])
    neighbours = re.findall(r'\((\w+\.ipynb)\)', cells[-1]['source'])
    number = LESSONS.index(path)
    expected = {p.name for p in LESSONS[max(0, number - 1):number + 2] if p != path}
    assert expected <= set(neighbours)


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_no_path_of_a_machine(path):
    assert not re.search(r'["\s\'](/(home|root|tmp|Users|work)/|[A-Z]:\\\\)', path.read_text(encoding='utf-8'))


def test_imports_point_to_earlier_lessons():
    order = [name for path in LESSONS for name in re.findall(r'#\| default_exp (\w+)', '\n'.join(c['source'] for c in read_notebook(path)))]
    found = 0
    for number, name in enumerate(order):
        for other in re.findall(r'from (?:denoise_ae)?\.(\w+) import', (ROOT / 'denoise_ae' / f'{name}.py').read_text(encoding='utf-8')):
            assert order.index(other) < number, f'{name} imports {other}'
            found += 1
    assert found >= 5


def test_the_results_at_the_end_of_make_course():
    from course import results
    tables = '\n'.join(results(ROOT / 'nbs'))
    for row in ('noisy picture, untouched', 'PCA, ten components', 'autoencoder, just trained', 'ten dimensions', 't-SNE, two', 'fit, batch 64', 'two DataLoaders',
                'non-local means', 'UNet', 'from 0.05 to 1'):
        assert row in tables, row


def test_every_requirement_of_the_site_builder_is_locked_for_python_3_10():
    "There it is installed without its requirements."
    from importlib.metadata import requires
    from packaging.requirements import Requirement
    lines = [Requirement(line) for line in (ROOT / 'requirements.lock').read_text(encoding='utf-8').splitlines() if line and not line.startswith('#')]
    applying = {r.name.lower() for r in lines if r.marker is None or r.marker.evaluate({'python_version': '3.10', 'python_full_version': '3.10.13'})}
    for needed in map(Requirement, requires('smalldocs')):
        if needed.marker is None:
            assert needed.name.lower() in applying, needed
