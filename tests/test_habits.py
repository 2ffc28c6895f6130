"""What is looked at without running the library: style, types, and that a release is what it says."""
import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import release
from conftest import NOTEBOOKS, ROOT
from tried import code_cell

import denoise_ae

WRONG = '''
import torch
from denoise_ae import Run, Trainer, UNet, denoise, fit, mnist_tensors, psnr
images = torch.rand(2, 1, 28, 28)
mnist_tensors(3)  # arg-type
psnr([1.], images)  # arg-type
fit('unet', images)  # arg-type
Trainer(UNet(), images, epoch=3)  # call-arg
denoise(UNet(), images, batch_size='all')  # arg-type
Run('here', every='minute')  # arg-type
from denoise_ae import pretrain  # attr-defined
'''


def called(*words, **options):
    return subprocess.run([sys.executable, '-m', *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding='utf-8', **options)


def test_ruff_finds_nothing():
    run = called('ruff', 'check', '--no-cache', '--quiet', '--output-format', 'concise')
    assert run.returncode == 0, run.stdout


def test_ruff_sees_a_name_that_no_cell_has_made():
    cells = [code_cell('x = 1', 'first'), code_cell('import os\nprint(os.sep, x, y)', 'second')]
    run = called('ruff', 'check', '--no-cache', '--quiet', '--output-format', 'concise', '--stdin-filename', 'nbs/inside/a.ipynb',
                 input=json.dumps({'cells': cells, 'metadata': {}, 'nbformat': 4, 'nbformat_minor': 5}))
    assert re.findall(r'([A-Z]+\d+ .*)', run.stdout) == ['F821 Undefined name `y`'], run.stdout


@pytest.mark.long(30)
def test_the_types_fit_and_a_user_may_rely_on_them(tmp_path):
    "The library, a file that uses all of it, and one in which each line is wrong, and is told so."
    (tmp_path / 'wrong.py').write_text(WRONG)
    run = called('mypy', '--no-pretty', '--no-error-summary', 'denoise_ae', 'tests/typing_check.py', tmp_path / 'wrong.py')
    found = re.findall(r'^(.*):(\d+): error: .*\[([\w-]+)\]$', run.stdout, re.M)
    expected = [('wrong.py', str(number), line.split('# ')[1]) for number, line in enumerate(WRONG.splitlines(), 1) if '# ' in line]
    assert [(Path(file).name, *rest) for file, *rest in found] == expected, run.stdout


def test_the_check_of_types_uses_all_public_names():
    check = ast.parse((ROOT / 'tests' / 'typing_check.py').read_text(encoding='utf-8'))
    used = {node.attr for node in ast.walk(check) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == 'da'}
    assert set(denoise_ae.__all__) <= used, set(denoise_ae.__all__) - used


# --- releases

CHANGELOG = '''# Changelog

## [Unreleased]

## [0.2.0] - 2026-05-01

### Added

- Something.

## [0.1.0] - 2026-01-31

[Unreleased]: https://example.org
'''


def test_the_tag_is_the_version_and_the_changelog_has_it():
    release.check('v0.2.0', '0.2.0', CHANGELOG)
    release.check(None, '0.2.0', CHANGELOG)
    for tag, version, changelog, words in [
            ('v0.2.1', '0.2.0', CHANGELOG, 'the tag must be v0.2.0'), ('0.2.0', '0.2.0', CHANGELOG, 'the tag must be v0.2.0'),
            ('v0.3.0', '0.3.0', CHANGELOG, r'a section ## \[0.3.0\]'), ('v0.1.0', '0.1.0', CHANGELOG, r'a section ## \[0.1.0\]'),  # it is empty
            ('v0.2.0', '0.2.0', CHANGELOG.replace(' - 2026-05-01', ''), r'a section ## \[0.2.0\] - YYYY-MM-DD'),
            ('v0.2.0', '0.2.0', CHANGELOG.replace('ed]\n', 'ed]\n\n- More.\n', 1), 'something under Unreleased: move it to 0.2.0'),
            ('v0.2.0', '0.2.0', '', r'a section ## \[0.2.0\]')]:
        with pytest.raises(ValueError, match=words):
            release.check(tag, version, changelog)


def test_the_changelog_tells_of_this_version():
    from importlib.metadata import version
    changelog, stated = (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8'), release.version()
    assert version('denoise_ae') == stated, 'the version in settings.ini was changed: install anew'
    assert release.section(changelog, stated)[1] or release.section(changelog, 'Unreleased')[1], 'CHANGELOG.md tells of no changes'


def test_what_is_to_be_installed_is_named_as_pip_finds_it_from_a_clone_too():
    "An extra, denoise_ae[onnx], is not on PyPI before a release and never in a clone."
    paths = [*NOTEBOOKS, *(ROOT / 'denoise_ae').glob('*.py'), *(ROOT / 'tools').glob('*.py'), *ROOT.glob('*.md')]
    assert not [path.name for path in paths if re.search(r'denoise[_-]ae\[\w', path.read_text(encoding='utf-8'))]
