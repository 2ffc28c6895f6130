"""The folder for a USB stick: which packages each system gets, and what its start files do. The packages are tiny ones, from a folder made here."""
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import stick
import stick_folder
import wheels
from conftest import LESSONS, NOTEBOOKS, ROOT
from copies import student
from notebooks import read, source
from teaching import folds
from wheels import Target, choose, fetch, gpu, oldest

LINUX, MAC, WINDOWS = (Target(system, '3.12') for system in ('linux', 'macos', 'windows'))
HERE = Target('linux', '{}.{}'.format(*sys.version_info))
on_linux = pytest.mark.skipif(not (sys.platform == 'linux' and os.uname().machine == 'x86_64'), reason='sets up a stick for Linux on x86-64')
PINNED = '''
net==1.0
nvidia-tiny==2.0 ; sys_platform == 'linux'
only-windows==1.0 ; os_name == 'nt'
shared==1.0 ; python_full_version < '3.11'
shared==2.0 ; python_full_version >= '3.11'
deep==1.0
compiled==1.0
not-needed==1.0
'''


def tiny(folder, name, version='1.0', tag='py3-none-any', requires=(), python='>=3.8'):
    "Write a wheel with one small module."
    module, info = name.replace('-', '_'), f'{name.replace("-", "_")}-{version}.dist-info'
    files = {f'{module}/__init__.py': f'version = {version!r}\n',
             f'{info}/WHEEL': f'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n',
             f'{info}/METADATA': '\n'.join(['Metadata-Version: 2.1', f'Name: {name}', f'Version: {version}', f'Requires-Python: {python}',
                                            'Provides-Extra: more', *(f'Requires-Dist: {each}' for each in requires)]) + '\n'}
    files[f'{info}/RECORD'] = ''.join(f'{file},,\n' for file in [*files, f'{info}/RECORD'])
    with zipfile.ZipFile(folder / f'{module}-{version}-{tag}.whl', 'w') as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)


@pytest.fixture(scope='module')
def index(tmp_path_factory):
    "A folder that pip takes for its index."
    folder = tmp_path_factory.mktemp('index')
    before = {name: os.environ.get(name) for name in ('PIP_NO_INDEX', 'PIP_FIND_LINKS', 'PIP_CONFIG_FILE')}
    os.environ.update(PIP_NO_INDEX='1', PIP_FIND_LINKS=str(folder), PIP_CONFIG_FILE=os.devnull)
    needed = ['nvidia-tiny; platform_system == "Linux"', 'only-windows>=1; sys_platform == "win32"', 'shared[more]', 'unknown; extra == "test"']
    for tag in ('cp312-cp312-manylinux_2_28_x86_64', 'cp312-cp312-macosx_14_0_arm64', 'cp312-cp312-win_amd64', 'cp311-cp311-win_amd64'):
        tiny(folder, 'net', tag=tag, requires=needed)
        tiny(folder, 'net', '2.0', tag=tag)
    tiny(folder, 'nvidia-tiny', '2.0', tag='py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64')
    tiny(folder, 'only-windows', tag='cp38-abi3-win_amd64')
    tiny(folder, 'shared', '1.0')
    tiny(folder, 'shared', '2.0', requires=['deep; extra == "more"'], python='>=3.12')
    tiny(folder, 'deep')
    tiny(folder, 'compiled', tag='cp312-cp312-manylinux_2_17_x86_64')
    tiny(folder, 'compiled', tag='cp312-cp312-manylinux_2_28_x86_64')
    tiny(folder, 'compiled', tag='cp312-cp312-manylinux_2_39_x86_64')
    tiny(folder, 'compiled', tag='cp312-cp312-macosx_11_0_universal2')
    tiny(folder, 'not-needed')
    yield folder
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture(scope='module')
def chosen(index):
    "What each of three systems gets, and what the index lacks for it."
    return {target: choose([('net', ''), ('compiled', '')], target, PINNED) for target in (LINUX, MAC, WINDOWS)}


def files(found):
    return {wheel.file for wheel in found}


def test_each_system_gets_the_wheels_that_fit_it_in_the_versions_of_the_lock(chosen):
    both = {'shared-2.0-py3-none-any.whl', 'deep-1.0-py3-none-any.whl'}
    assert files(chosen[LINUX][0]) == both | {
        'net-1.0-cp312-cp312-manylinux_2_28_x86_64.whl', 'nvidia_tiny-2.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
        'compiled-1.0-cp312-cp312-manylinux_2_17_x86_64.whl'}, 'of two, the one that runs on older computers, too'
    assert files(chosen[MAC][0]) == both | {'net-1.0-cp312-cp312-macosx_14_0_arm64.whl', 'compiled-1.0-cp312-cp312-macosx_11_0_universal2.whl'}
    assert files(chosen[WINDOWS][0]) == both | {'net-1.0-cp312-cp312-win_amd64.whl', 'only_windows-1.0-cp38-abi3-win_amd64.whl'}
    assert [wheel.name for wheel in gpu(chosen[LINUX][0])] == ['nvidia-tiny'] and not gpu(chosen[MAC][0]) + gpu(chosen[WINDOWS][0])
    assert [oldest(files(chosen[target][0])) for target in chosen] == [(2, 28), (14, 0), None]


def test_what_the_index_lacks_is_named_and_the_rest_is_there(chosen):
    assert [chosen[target][1] for target in chosen] == [[], [], ['compiled==1.0']]


def test_a_package_that_the_lock_does_not_have_is_named(index):
    with pytest.raises(ValueError, match='requirements.lock does not have deep, which linux-3.12 needs: make lock'):
        choose([('shared', 'more')], LINUX, PINNED.replace('deep==1.0', ''))


def test_a_wheel_for_another_python_is_not_taken(index):
    assert choose([('shared', '')], Target('linux', '3.11'), PINNED) == ([], ['shared==2.0'])


def test_a_wheel_without_gpu_libraries_is_preferred_where_the_index_has_one(index, tmp_path, monkeypatch):
    monkeypatch.setenv('PIP_FIND_LINKS', f'{index} {tmp_path}')
    tiny(tmp_path, 'net', '1.0+cpu', tag='cp312-cp312-linux_x86_64', requires=['deep'])
    found, lacking = choose([('net', '')], LINUX, PINNED)
    assert (files(found), lacking) == ({'net-1.0+cpu-cp312-cp312-linux_x86_64.whl', 'deep-1.0-py3-none-any.whl'}, [])
    assert found[1].line.startswith('net==1.0+cpu --hash=sha256:')


def test_no_network_is_not_taken_for_a_missing_package(monkeypatch):
    monkeypatch.setenv('PIP_CONFIG_FILE', os.devnull)
    monkeypatch.setenv('PIP_INDEX_URL', 'http://127.0.0.1:9/simple')
    monkeypatch.setattr(wheels, 'RETRIES', '1')
    for name in ('PIP_NO_INDEX', 'PIP_FIND_LINKS'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ChildProcessError, match='pip could not ask the package index(?s:.*)Check the network'):
        wheels.ask(['net==1.0'], LINUX)


def test_wheels_are_counted_while_folders_come_and_go(tmp_path):
    (tmp_path / 'kept').mkdir()
    (tmp_path / 'kept' / 'net.whl').write_bytes(b'12345')
    done = threading.Event()

    def come_and_go():
        while not done.is_set():
            for k in range(20):
                (tmp_path / f'{k}' / 'deeper').mkdir(parents=True)
                (tmp_path / f'{k}' / 'deeper' / 'more.whl').touch()
            for k in range(20):
                shutil.rmtree(tmp_path / f'{k}')

    with ThreadPoolExecutor(1) as pool:
        pip = pool.submit(come_and_go)
        try:
            assert {wheels.size_of_wheels(tmp_path) for _ in range(1000)} == {5}
        finally:
            done.set()
        pip.result()


def test_shared_wheels_are_fetched_once_and_broken_ones_again(chosen, tmp_path, monkeypatch):
    wanted = {target: found for target, (found, _) in chosen.items() if target != MAC}
    (tmp_path / 'old-1.0-py3-none-any.whl').touch()
    asked = []
    monkeypatch.setattr(wheels, 'pip', lambda *words, ask=wheels.pip, **more: asked.append(words[-1]) or ask(*words, **more))
    assert fetch(wanted, tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} == files(wanted[LINUX]) | files(wanted[WINDOWS])
    assert len(asked) == len(set(asked)) == 7
    whole = (tmp_path / 'deep-1.0-py3-none-any.whl').read_bytes()
    (tmp_path / 'deep-1.0-py3-none-any.whl').write_bytes(whole[:-1] + b'?')
    (tmp_path / 'shared-2.0-py3-none-any.whl').unlink()
    asked.clear()
    assert fetch(wanted, tmp_path) == ['deep-1.0-py3-none-any.whl']
    assert sorted(re.findall(r'/(\w+)-[^/]+whl', ' '.join(asked))) == ['deep', 'shared'], 'what is there and whole is not fetched again'
    assert (tmp_path / 'deep-1.0-py3-none-any.whl').read_bytes() == whole


def test_a_wheel_that_changes_on_its_way_is_refused(chosen, index, tmp_path):
    wheel = next(wheel for wheel in chosen[LINUX][0] if wheel.name == 'deep')
    with pytest.raises(ChildProcessError, match='(?i)hash'):
        fetch({LINUX: [wheels.Wheel(wheel.name, wheel.version, wheel.url, '0' * 64, ())]}, tmp_path)
    assert not list(tmp_path.iterdir())


def load_start(folder):
    "start.py of a stick, as a module."
    spec = importlib.util.spec_from_file_location('start', folder / 'start.py')
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        sys.modules.pop('computer', None)
        spec.loader.exec_module(module)
    return module


VALUES = dict.fromkeys(['COURSE', 'UNPACKED', 'SOLUTIONS', 'CONTENTS', 'SIZES'], '') | dict.fromkeys(['PYTHONS', 'PYTHONS_OR', 'PYTHONS_FIRST'], '3.12')
FITS = {'system': 'linux', 'machine': 'x86_64', 'python': '3.12', 'bits': 64, 'has': [2, 36]}
ON = {'linux': {'title': 'Linux', 'machine': 'x86_64', 'pythons': {'3.12': {'oldest': [2, 28], 'lacking': []}}},
      'macos': {'title': 'macOS', 'machine': 'arm64', 'pythons': {'3.12': {'oldest': [14, 0], 'lacking': []}}},
      'windows': {'title': 'Windows', 'machine': 'AMD64', 'pythons': {'3.12': {'oldest': None, 'lacking': ['net==1.0']}}}}


@pytest.mark.parametrize('computer, said', [
    ({}, ''),
    ({'python': '3.10'}, 'This is Python 3.10 with 64 bits, and this stick has packages for Python 3.12 with 64. Install Python 3.12'),
    ({'bits': 32}, 'This is Python 3.12 with 32 bits'),
    ({'system': 'FreeBSD'}, 'This stick has packages for linux, macos, windows, not for FreeBSD'),
    ({'machine': 'aarch64'}, 'This stick has packages for Linux on x86_64, and this Python runs on aarch64.'),
    ({'system': 'macos', 'machine': 'x86_64'}, 'If the computer is arm64, install another Python 3.12'),
    ({'system': 'macos', 'machine': 'arm64', 'has': [13, 6]}, 'The packages need macOS 14.0 or newer, and this computer has 13.6'),
    ({'has': [2, 17]}, 'The packages need glibc 2.28 or newer, and this computer has 2.17'),
    ({'has': []}, 'This Linux has no glibc'),
    ({'system': 'windows', 'machine': 'AMD64', 'has': []}, 'The package index had nothing of net==1.0 for Windows'),
])
def test_a_computer_that_does_not_fit_is_told_why(computer, said, tmp_path):
    stick.put_programs(tmp_path, VALUES)
    heard = load_start(tmp_path).unfit({'systems': ON}, **{**FITS, **computer})
    assert said in heard and bool(said) == bool(heard)


@pytest.fixture(scope='module')
def made(index, tmp_path_factory):
    "A whole stick for the Python that runs, whose packages but the course's own are tiny."
    lock = (ROOT / 'requirements.lock').read_text(encoding='utf-8')
    pinned, requires = wheels.pins(lock, HERE), stick.course_wheel(tmp_path_factory.mktemp('course')).requires
    for name, _ in {pair for extra in stick.EXTRAS for pair in wheels.needs(requires, extra, HERE)} | set(stick.MORE) - {('pip', '')}:
        tiny(index, name, pinned[name])
    import ensurepip
    for path in (Path(ensurepip.__file__).parent / '_bundled').glob('pip-*.whl'):
        shutil.copy(path, index)
    pages = tmp_path_factory.mktemp('site')
    (pages / 'index.html').write_text('the site')
    out = tmp_path_factory.mktemp('made') / 'stick'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stick, 'site', lambda: pages)
        lines, lacking = stick.make(out, ['linux'], [HERE.python])
    assert not lacking and lines[0].startswith(f'Linux, Python {HERE.python}: ') and lines[-1].startswith('all together: ')
    return out


def start(folder, *words, **env):
    done = subprocess.run(['sh', str(folder / 'start.sh'), *map(str, words)], env={**os.environ, **env}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding='utf-8')
    return done.returncode, done.stdout


@pytest.fixture
def copy(made, tmp_path):
    "A copy of it, in a folder with a space in its name."
    return Path(shutil.copytree(made, tmp_path / 'a stick'))


@on_linux
def test_the_stick_holds_what_its_manifest_says_and_one_broken_file_is_named(copy):
    manifest = json.loads((copy / 'manifest.json').read_text(encoding='utf-8'))
    there = {path.relative_to(copy).as_posix() for path in copy.rglob('*') if path.is_file()}
    assert set(manifest['files']) == there - {'manifest.json', '.stick', 'course/.made-here.json'}
    assert {'start.sh', 'start.py', 'computer.py', 'trial.py', 'start.bat', 'start.command', 'README.txt', 'get-python.txt'} <= there
    assert {'course/site/index.html', 'course/notebooks/index.ipynb'} <= there
    assert b'\r\n' in (copy / 'start.bat').read_bytes() and b'\r' not in (copy / 'start.sh').read_bytes()
    text = ''.join((copy / name).read_text(encoding='utf-8') for name in ('start.sh', 'start.bat', 'README.txt', 'get-python.txt'))
    assert HERE.python in text and not re.search('@[A-Z_]+@', text)
    assert 'course/site has the solutions' in text and 'make stick NO_SITE=1 leaves it out' in text
    assert start(copy, '--check') == (0, f'{len(manifest["files"])} files, and all as they were made\n')
    lesson = copy / 'course' / 'notebooks' / LESSONS[0].name
    lesson.write_bytes(lesson.read_bytes().replace(b'e', b'E', 1))
    next(copy.glob('wheels/tqdm-*')).unlink()
    code, said = start(copy, '--check')
    assert code == 1 and f'course/notebooks/{LESSONS[0].name} is broken\n' in said and re.search(r'wheels/tqdm-.* is missing\n', said)
    assert said.count(' is ') == 2 and 'Copy the stick again' in said
    (copy / 'manifest.json').unlink()
    assert start(copy)[0] == 1 and 'This stick is not complete' in start(copy)[1]


@on_linux
@pytest.mark.long(25)
def test_it_sets_up_from_its_wheels_alone_and_leaves_work_alone(copy, tmp_path, monkeypatch):
    monkeypatch.setenv('PIP_FIND_LINKS', str(tmp_path / 'elsewhere'))  # settings of the computer do not matter
    monkeypatch.setenv('PYTHONPATH', str(tmp_path / 'elsewhere'))
    to, module, manifest = tmp_path / 'my course', load_start(copy), json.loads((copy / 'manifest.json').read_text(encoding='utf-8'))
    assert module.unfit(manifest, **module.here()) == ''
    module.copy_course(to)
    module.install(manifest, to, 'linux', HERE.python)
    said = module.run([module.program(to), '-c', 'import sys, torch; print(torch.version, sys.prefix)'], 'importing')
    pinned = wheels.pins((ROOT / 'requirements.lock').read_text(encoding='utf-8'), HERE)
    assert said == f'{pinned["torch"]} {to / ".venv"}'
    assert 'denoise_ae' in module.run([module.program(to), '-m', 'pip', 'list', '--format', 'freeze'], 'listing')
    (to / 'notebooks' / LESSONS[0].name).write_text('my work')
    module.copy_course(to)
    assert (to / 'notebooks' / LESSONS[0].name).read_text() == 'my work'
    before = (to / '.venv' / 'complete').stat().st_mtime_ns
    module.install(manifest, to, 'linux', HERE.python)
    assert (to / '.venv' / 'complete').stat().st_mtime_ns == before, 'what is there is not installed again'


@on_linux
def test_a_broken_wheel_is_named_and_a_foreign_folder_left_alone(copy, tmp_path):
    wheel = next(copy.glob('wheels/pandas-*'))
    wheel.write_bytes(wheel.read_bytes().replace(b'version', b'versi0n'))
    code, said = start(copy, '--to', tmp_path / 'new')
    assert code == 1 and f'Files on this stick are broken: wheels/{wheel.name} is broken. Copy the stick again.' in said
    assert not (tmp_path / 'new' / '.venv' / 'complete').exists()
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'letter.txt').write_text('Dear')
    code, said = start(copy, '--to', tmp_path / 'mine')
    assert code == 1 and 'was not made by this stick: name another folder' in said
    assert [path.name for path in (tmp_path / 'mine').iterdir()] == ['letter.txt']


@on_linux
def test_the_start_file_takes_a_python_that_fits_and_says_which_to_get(copy, tmp_path):
    def python(name, version):
        (tmp_path / name).write_text(f'#!/bin/sh\ncase "$*" in *version_info*) echo {version};; *) echo "{name} was asked to" "$@";; esac\n')
        (tmp_path / name).chmod(0o755)
    text = (copy / 'start.sh').read_text(encoding='utf-8')
    (copy / 'start.sh').write_text(text.replace(f'for version in {HERE.python};', 'for version in 3.98 3.99;'), encoding='utf-8')
    path = {'PATH': f'{tmp_path}:/usr/bin:/bin'}
    python('python3.99', '3.97')
    python('python3', '3.9')
    code, said = start(copy, **path)
    assert code == 1 and 'No Python was found that fits this stick.' in said and f'Install Python {HERE.python} with 64 bits' in said
    python('python', '3.99')
    assert start(copy, '--to', 'a b', **path) == (0, f'python was asked to -B {copy}/start.py --to a b\n')
    python('python3.98', '3.98')
    assert start(copy, **path) == (0, f'python3.98 was asked to -B {copy}/start.py\n')


def test_students_get_their_notebooks_and_nothing_of_a_teachers(tmp_path):
    kit = tmp_path / 'kit'
    for name in [*(f'student/{path.name}' for path in LESSONS), 'instructor/00_data.ipynb', 'handouts/00_data.html', 'handouts/answers/00_data.html',
                 'slides/00_data.html', 'assignments/00_data.ipynb', 'assignments/nbgrader/source/00_data/00_data.ipynb',
                 'assignments/otter/00_data.ipynb', 'guide.html']:
        (kit / name).parent.mkdir(parents=True, exist_ok=True)
        (kit / name).write_text(name)
    stick.put_course(tmp_path / 'course', None, kit)
    there = {path.relative_to(tmp_path / 'course').as_posix() for path in (tmp_path / 'course').rglob('*') if path.is_file()}
    others = {name for name in there if not name.startswith('notebooks/')}
    assert others == {'assignments/00_data.ipynb', 'handouts/00_data.html', 'slides/00_data.html'}
    shutil.rmtree(kit)
    stick.put_course(tmp_path / 'without', None, kit)
    assert [path.name for path in (tmp_path / 'without').iterdir()] == ['notebooks']
    for path in NOTEBOOKS:
        for made in ('course', 'without'):  # the kit's copies may be old, and there may be no kit
            notebook = read(tmp_path / made / 'notebooks' / path.relative_to(ROOT / 'nbs'))
            assert notebook == student(read(path))
            for cell in notebook['cells']:
                assert not (cell.get('outputs') or folds(source(cell))), path.name


def test_a_kit_that_is_missing_or_old_is_named(tmp_path):
    assert stick.about_kit(tmp_path / 'none') == ['without assignments, slides and handouts: make classroom, and then again make stick']
    (tmp_path / 'index.html').touch()
    assert stick.about_kit(tmp_path) == []
    os.utime(tmp_path / 'index.html', (0, 0))
    assert stick.about_kit(tmp_path)[0].startswith('assignments, slides and handouts are older than the lessons: make classroom')


def test_a_folder_that_is_no_stick_is_left_alone(tmp_path):
    (tmp_path / 'letter.txt').write_text('Dear')
    with pytest.raises(ValueError, match='exists and is no stick'):
        stick.begin(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['letter.txt']


def test_a_new_stick_is_taken_for_empty_in_spite_of_what_systems_put_there(tmp_path):
    for name in ('System Volume Information/IndexerVolumeGuid', '.Spotlight-V100/store.db', '.DS_Store'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    stick.begin(tmp_path)
    stick.begin(tmp_path)
    (tmp_path / 'course' / 'notebooks').mkdir(parents=True)
    for name in ('00_data.ipynb', '._00_data.ipynb'):
        (tmp_path / 'course' / 'notebooks' / name).write_text(name)
    stick.put_manifest(tmp_path, 'denoise_ae', {})
    assert list(json.loads((tmp_path / 'manifest.json').read_text(encoding='utf-8'))['files']) == ['course/notebooks/00_data.ipynb']


def test_what_a_teacher_changed_or_added_in_the_course_is_not_lost(tmp_path):
    def make(text, before=lambda: None):
        stick.begin(tmp_path)
        with stick_folder.new_course(tmp_path) as course:
            (course / 'one.txt').write_text(text)
            before()
    make('first')
    (tmp_path / 'course' / '.DS_Store').touch()
    with pytest.raises(KeyboardInterrupt):
        make('stopped', lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    make('second')
    assert (tmp_path / 'course' / 'one.txt').read_text() == 'second' and not list(tmp_path.glob('part-*'))
    (tmp_path / 'manifest.json').touch()
    for name, text in (('one.txt', 'my own words'), ('mine.txt', 'new')):
        (tmp_path / 'course' / name).write_text(text)
        with pytest.raises(ValueError, match=f'{name} was not made here or was changed since.*move it to another place, or name another folder'):
            make('third')
        assert (tmp_path / 'course' / name).read_text() == text and (tmp_path / 'manifest.json').exists()
        (tmp_path / 'course' / 'one.txt').write_text('second')
    (tmp_path / 'course' / 'mine.txt').unlink()
    with pytest.raises(ValueError, match='late.txt was not made here'):
        make('third', lambda: (tmp_path / 'course' / 'late.txt').touch())
    assert (tmp_path / 'course' / 'one.txt').read_text() == 'second'


@pytest.fixture
def start_file(tmp_path):
    "start.py as a module, on a stick with two notebooks."
    out = tmp_path / 'stick'
    for name in ('00_data.ipynb', '01_noise.ipynb', '._01_noise.ipynb'):
        (out / 'course' / 'notebooks').mkdir(parents=True, exist_ok=True)
        (out / 'course' / 'notebooks' / name).write_text(f'all of {name}')
    stick.put_programs(out, VALUES)
    return load_start(out)


def test_a_first_start_that_was_broken_off_can_be_repeated(start_file, tmp_path, monkeypatch):
    to, copied, whole = tmp_path / 'mine', [], shutil.copyfile

    def full(source, target):
        copied.append(source)
        if len(copied) == 2:
            Path(target).write_text('half')
            raise OSError(28, 'No space left on device', target)
        return whole(source, target)
    monkeypatch.setattr(start_file.shutil, 'copyfile', full)
    with pytest.raises(OSError, match='No space left'):
        start_file.copy_course(to)
    monkeypatch.undo()
    start_file.copy_course(to)
    there = {path.relative_to(to).as_posix(): path for path in to.rglob('*') if path.is_file()}
    assert set(there) == {'notebooks/00_data.ipynb', 'notebooks/01_noise.ipynb', start_file.MARK, *start_file.PROGRAMS}
    assert all(there[f'notebooks/{name}'].read_text() == f'all of {name}' for name in ('00_data.ipynb', '01_noise.ipynb'))
    assert os.name == 'nt' or os.access(to / 'start.sh', os.X_OK)


@pytest.mark.parametrize('words', [['--check'], ['--to', 'elsewhere']])
def test_in_the_copied_folder_what_is_for_the_stick_is_refused(words, start_file, tmp_path):
    start_file.copy_course(tmp_path / 'mine')
    run = subprocess.run([sys.executable, '-B', tmp_path / 'mine' / 'start.py', *words], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 1 and '--check and --to are for the one on the stick' in run.stderr, run


@pytest.mark.skipif(not shutil.which('make'), reason='needs make')
def test_make_hands_on_that_the_site_is_to_be_left_out():
    for words, wanted in ((['NO_SITE=1'], True), ([], False)):
        run = subprocess.run(['make', '-n', 'stick', *words], capture_output=True, text=True, cwd=ROOT)
        assert 'tools/stick.py' in run.stdout and ('--no-site' in run.stdout) == wanted, run
