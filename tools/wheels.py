"""Which wheels a system and a Python need, of the versions in requirements.lock, and fetching them. pip is asked, and so its own settings hold:
which index, which certificates, which further folders. Markers are read for the system that the wheels are for, which pip does not do."""
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename
from tqdm import tqdm

LEGACY = {5: 'manylinux1', 12: 'manylinux2010', 17: 'manylinux2014'}
# The oldest that PyTorch's wheels run on, and older ones, those first: of two wheels of a package the one comes that runs on more computers.
MANYLINUX = [tag for minor in range(5, 29) for tag in (f'manylinux_2_{minor}', LEGACY.get(minor)) if tag]
SYSTEMS = {  # the machine as Python names it there, what markers see, and the platforms to ask for
    'linux': ('Linux', 'x86_64', {'os_name': 'posix', 'sys_platform': 'linux'}, [f'{tag}_x86_64' for tag in MANYLINUX] + ['linux_x86_64']),
    'macos': ('Darwin', 'arm64', {'os_name': 'posix', 'sys_platform': 'darwin'}, ['macosx_14_0_arm64']),  # pip adds older ones itself
    'windows': ('Windows', 'AMD64', {'os_name': 'nt', 'sys_platform': 'win32'}, ['win_amd64']),
}
RETRIES = '3'
GPU = re.compile(r'(nvidia|cuda|triton)\b')


@dataclass(frozen=True)
class Wheel:
    "A wheel as the index has it."
    name: str
    version: str
    url: str
    sha256: str
    requires: tuple

    @property
    def file(self):
        return unquote(urlsplit(self.url).path).rsplit('/', 1)[1]

    @property
    def line(self):
        "Its line in a file of requirements. pip checks the hash when it installs."
        return f'{self.name}=={self.version} --hash=sha256:{self.sha256}'


@dataclass(frozen=True)
class Target:
    "A system and a version of Python, its newest patch."
    system: str
    python: str

    @property
    def full(self):
        return f'{self.python}.99'

    @property
    def markers(self):
        name, machine, more, _ = SYSTEMS[self.system]
        return {**more, 'platform_system': name, 'platform_machine': machine, 'implementation_name': 'cpython', 'platform_python_implementation':
                'CPython', 'python_version': self.python, 'python_full_version': self.full, 'implementation_version': self.full}

    @property
    def options(self):
        "Those that have pip choose as it would there."
        words = [word for tag in SYSTEMS[self.system][3] for word in ('--platform', tag)]
        # whether a package is for a Python, pip install asks of the one that runs; `ask` looks itself
        return ['--no-deps', '--only-binary', ':all:', '--ignore-requires-python', '--implementation', 'cp', '--python-version', self.full, *words]

    def __str__(self):
        return f'{self.system}-{self.python}'


def pins(lock, target):
    "The versions in a lock file that hold for a target, by name."
    wanted = [Requirement(line) for line in lock.splitlines() if line and line[0] not in '#- ']
    return {canonicalize_name(each.name): str(each.specifier).removeprefix('==') for each in wanted
            if not each.marker or each.marker.evaluate({**target.markers, 'extra': ''})}


def needs(requires, extra, target):
    "What is required with an extra, '' for none: pairs of a name and an extra of that."
    for each in map(Requirement, requires):
        if not each.marker or each.marker.evaluate({**target.markers, 'extra': extra}):
            yield from ((canonicalize_name(each.name), more) for more in ('', *each.extras))


def size_of_wheels(folder):
    "How many bytes of wheels are in a folder in which pip makes files and takes them away meanwhile."
    total = 0
    for parent, _, names in os.walk(folder):  # unlike rglob, it goes on where a folder has gone
        for name in names:
            with suppress(OSError):
                total += os.stat(os.path.join(parent, name)).st_size if name.endswith('.whl') else 0
    return total


def pip(*words, folder=None, tell=None):
    "Ask pip. It may leave what is under way in a folder, and is told how many bytes are there. Raises a `ChildProcessError` with its last words."
    env = {**os.environ, **({'TMPDIR': str(folder), 'TEMP': str(folder), 'TMP': str(folder)} if folder else {})}
    process = subprocess.Popen([sys.executable, '-m', 'pip', *words, '--disable-pip-version-check', '--retries', RETRIES], env=env,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8', errors='replace')
    while True:
        try:
            said, complained = process.communicate(timeout=.5 if tell else None)
            break
        except subprocess.TimeoutExpired:
            tell(size_of_wheels(folder))
    if process.returncode:
        raise ChildProcessError(complained.strip() or said.strip())
    return said


def ask(specs, target):
    "The wheels of the index for some requirements such as numpy==2.4.6, and those of them of which it has none that fits."
    if not specs:
        return [], []
    try:
        report = json.loads(pip('install', '--dry-run', '--target', 'not-used', '--quiet', '--report', '-', *target.options, *specs))
    except ChildProcessError as error:
        said = str(error)
        if 'no such option' in said:
            raise ChildProcessError('this pip is older than 22.2: python -m pip install --upgrade pip in this environment, and again') from error
        lacking = re.findall(r'No matching distribution found for (\S+)', said)
        if 'Retrying' in said or not set(lacking) & set(specs):
            raise ChildProcessError(f'pip could not ask the package index, {target}:\n{said}\nCheck the network and what `pip config list` says, '
                                    'and run it again: what is already fetched stays.') from error
        wheels, more = ask([spec for spec in specs if spec not in lacking], target)
        return wheels, [*lacking, *more]
    fitting = [each for each in report['install'] if target.full in SpecifierSet(each['metadata'].get('requires_python', ''))]
    return [Wheel(canonicalize_name(each['metadata']['name']), each['metadata']['version'], each['download_info']['url'],
                  each['download_info']['archive_info']['hash'].removeprefix('sha256='), tuple(each['metadata'].get('requires_dist', [])))
            for each in fitting], [f'{each["metadata"]["name"]}=={each["metadata"]["version"]}' for each in report['install'] if each not in fitting]


def choose(start, target, lock):
    "The wheels that a target needs: those of `start`, pairs of a name and an extra, and all that they require. With the requirements that lack one."
    versions, wheels, lacking, done, level = pins(lock, target), {}, [], set(), set(start)
    while level:
        new = {name for name, _ in level} - {name for name, _ in done}
        if unknown := {name for name in new if name not in versions and name != 'pip'}:
            raise ValueError(f'requirements.lock does not have {", ".join(sorted(unknown))}, which {target} needs: make lock, and again')
        found, none = ask(sorted(f'{name}=={versions[name]}' if name in versions else name for name in new), target)
        wheels.update((wheel.name, wheel) for wheel in found)
        lacking += none
        done |= level
        level = {pair for name, extra in level if name in wheels for pair in needs(wheels[name].requires, extra, target)} - done
    return sorted(wheels.values(), key=lambda wheel: wheel.name), sorted(lacking)


def sha256(path):
    with open(path, 'rb') as file:
        found = hashlib.sha256()
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def fetch(wheels, folder):
    """Fetch wheels, by the target they are for, into a folder that may have some of them, and leave no other there. Returns the names of those
    that were there and broken."""
    wanted = {wheel.file: (wheel, target) for target, chosen in wheels.items() for wheel in chosen}
    there = {path.name: path for path in folder.glob('*.whl')}
    for name in there.keys() - wanted.keys():
        there[name].unlink()
    checked = tqdm(sorted(there.keys() & wanted.keys()), 'checking what is there', unit='wheel', disable=None)
    broken = [name for name in checked if sha256(there[name]) != wanted[name][0].sha256]
    progress = tqdm(sorted(wanted.keys() - (there.keys() - set(broken))), unit='wheel', disable=None)
    for name in progress:
        wheel, target = wanted[name]
        progress.set_description(f'fetching {name.split("-cp")[0]}')
        with tempfile.TemporaryDirectory(dir=folder, prefix='part-') as part:  # a file with its own name is a whole one, also after Ctrl-C
            pip('download', '--quiet', '--no-cache-dir', '--dest', part, *target.options, f'{wheel.url}#sha256={wheel.sha256}',
                folder=part, tell=lambda size: progress.set_postfix_str(f'{size / 1e6:.0f} MB'))
            (Path(part) / name).replace(folder / name)
    return broken


def oldest(files):
    "The oldest glibc or macOS that has all of some wheels, such as (2, 28); None where wheels don't tell."
    highest = None
    for name in files:
        tags = ' '.join(tag.platform for tag in parse_wheel_filename(name)[3])
        for minor, legacy in LEGACY.items():
            tags = tags.replace(f'{legacy}_', f'manylinux_2_{minor}_')
        found = [tuple(map(int, pair)) for pair in re.findall(r'(?:manylinux|macosx)_(\d+)_(\d+)_', tags)]
        highest = max(filter(None, [highest, min(found, default=None)]), default=None)
    return highest


def gpu(wheels):
    "Those that are there for a GPU alone."
    return [wheel for wheel in wheels if GPU.match(wheel.name)]
