"""Check and build what would be published as the version in settings.ini, from the last commit, into dist/.

Name the tag, such as v0.1.0, and it must be that version's."""
import re
import shutil
import subprocess
import sys
import tempfile
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def version(folder=ROOT):
    "The version, which settings.ini alone states."
    config = ConfigParser()
    config.read(folder / 'settings.ini', encoding='utf-8')
    return config['DEFAULT']['version']


def section(changelog, name):
    "The date and the text of a version in the changelog; None and '' if it has none."
    found = re.search(rf'^## \[{re.escape(name)}\](?: - (\d{{4}}-\d\d-\d\d))?\n(.*?)(?=^## |^\[.*\]: |\Z)', changelog, re.M | re.S)
    return (found[1], found[2].strip()) if found else (None, '')


def check(tag, version, changelog):
    "Raise a `ValueError` that says what to do, unless the tag is the version's and the changelog tells of it."
    if tag is not None and tag != f'v{version}':
        raise ValueError(f'the tag is {tag}, and the version in settings.ini {version}: the tag must be v{version}')
    date, text = section(changelog, version)
    if not (date and text):
        raise ValueError(f'CHANGELOG.md does not tell of this version: give it a section ## [{version}] - YYYY-MM-DD')
    if section(changelog, 'Unreleased')[1]:
        raise ValueError(f'CHANGELOG.md has something under Unreleased: move it to {version}')


def build(source, out):
    "The source distribution, and the wheel from it, looked at as PyPI looks at them."
    for words in (['build', '--no-isolation', '--outdir', out, source], ['twine', 'check', '--strict', Path(out) / '*']):
        done = subprocess.run([sys.executable, '-m', *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding='utf-8', errors='replace')
        if done.returncode:
            raise ChildProcessError(done.stdout)


def main(tag=None):
    if subprocess.run(['git', 'status', '--porcelain'], cwd=ROOT, check=True, capture_output=True).stdout:
        raise ValueError('there are changes that are not committed, and a release is made of a commit')
    check(tag, version(), (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8'))
    if (ROOT / 'dist').exists() and any((ROOT / 'dist').iterdir()):
        raise ValueError('dist/ is not empty: clear it first')
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(['git', 'archive', '--output', f'{folder}/commit.zip', 'HEAD'], cwd=ROOT, check=True)
        shutil.unpack_archive(f'{folder}/commit.zip', f'{folder}/source')
        build(f'{folder}/source', ROOT / 'dist')
    subprocess.run([sys.executable, '-m', 'pytest', '-n0', 'tests/test_wheel.py'], cwd=ROOT, check=True)
    print(*sorted(path.name for path in (ROOT / 'dist').iterdir()), sep='\n')


if __name__ == '__main__':
    try:
        main(*sys.argv[1:])
    except (ValueError, ChildProcessError) as error:
        sys.exit(str(error))
