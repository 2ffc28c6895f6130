"""Make a folder for a USB stick that sets the course up on computers without a network: packages, notebooks, site, start files.

What is fetched once is not fetched again, and a broken file is. Packages come from pip's index; Python is not among them. For Linux most of it is
GPU libraries; if pip is told of a further index with PyTorch's wheels for CPUs (PIP_EXTRA_INDEX_URL), those are taken, and need no such libraries."""
import argparse
import json
import os
import re
import shutil
import sys
import zipfile
from email.parser import BytesHeaderParser
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import fill as wrapped

from tqdm import tqdm

from copies import save, student
from notebooks import ROOT, notebooks_in, read
from release import build, version
from stick_folder import begin, files_in, new_course
from wheels import SYSTEMS, Target, Wheel, choose, fetch, gpu, needs, oldest, sha256

KIT = ROOT / '_class'
TITLES = {'linux': 'Linux', 'macos': 'macOS', 'windows': 'Windows'}
EXTRAS = '', 'widgets', 'classical', 'onnx', 'distributed'  # of the library; what the lessons use
FOR_TEACHERS = shutil.ignore_patterns('answers', 'nbgrader', 'otter')  # with solutions
MORE = [('jupyterlab', ''), ('ipykernel', ''), ('nbclient', ''), ('pip', '')]
SOLUTIONS = '- course/site has the solutions, folded, as every page of the course has. make stick NO_SITE=1 leaves it out.\n'


def course_wheel(folder):
    "The wheel of the library as it is now."
    os.environ.setdefault('SOURCE_DATE_EPOCH', '1577836800')  # so that the same files make the same wheel
    build(ROOT, folder)
    path = next(Path(folder).glob('*.whl'))
    with zipfile.ZipFile(path) as file:
        facts = BytesHeaderParser().parsebytes(file.read(next(name for name in file.namelist() if name.endswith('.dist-info/METADATA'))))
    return Wheel('denoise-ae', facts['Version'], path.as_uri(), sha256(path), tuple(facts.get_all('Requires-Dist', [])))


def wheels_for(target, course, lock):
    "The wheels of a target, the course's among them, and what the index lacks."
    start = {pair for extra in EXTRAS for pair in needs(course.requires, extra, target)}
    chosen, lacking = choose([*start, *MORE], target, lock)
    return [course, *chosen], lacking


def put_course(folder, site, kit=KIT):
    "Put what is for students: the notebooks without solutions; of the classroom kit, if it was made, assignments, slides, handouts; the site."
    for path in notebooks_in(ROOT / 'nbs'):
        save(student(read(path)), folder / 'notebooks' / path.relative_to(ROOT / 'nbs'))
    shutil.copytree(ROOT / 'nbs' / 'images', folder / 'notebooks' / 'images')
    for name in ('assignments', 'slides', 'handouts'):
        if (kit / name).is_dir():
            shutil.copytree(kit / name, folder / name, ignore=FOR_TEACHERS)
    if site:
        shutil.copytree(site, folder / 'site')


def about_kit(kit=KIT):
    "What of the classroom kit can't be on the stick, or may be old, and what to do."
    page = kit / 'index.html'
    if not page.exists():
        return ['without assignments, slides and handouts: make classroom, and then again make stick']
    older = page.stat().st_mtime < max(path.stat().st_mtime for path in notebooks_in(ROOT / 'nbs'))
    return ['assignments, slides and handouts are older than the lessons: make classroom, and then again make stick'] * older


def site():
    "The folder of the site, which is built where it is missing or older than a notebook."
    page = ROOT / '_docs' / 'index.html'
    if not page.exists() or page.stat().st_mtime < max(path.stat().st_mtime for path in notebooks_in(ROOT / 'nbs')):
        from site_builder import build as build_site  # not needed without it, and slow to load
        print('building the site')
        build_site()
    return page.parent


def fill(text, values):
    "Put values in the place of words such as @COURSE@."
    return re.sub('@([A-Z_]+)@', lambda match: values[match[1]], text)


def put_programs(out, values):
    "Write the start files and the text beside them."
    for path in sorted((ROOT / 'tools' / 'on_stick').iterdir()):
        if path.is_file():
            text = fill(path.read_text(encoding='utf-8'), values)
            end = '\r\n' if path.suffix in ('.bat', '.txt') else '\n'  # cmd and old editors of Windows want the first, a shell the second
            (out / path.name).write_text(text, encoding='utf-8', newline=end)
            (out / path.name).chmod(0o755 if path.suffix in ('.sh', '.command') else 0o644)


def facts_of(target, wheels, lacking, folder):
    "What the start file and the README say of a target."
    sizes, unpacked = {wheel: (folder / wheel.file).stat().st_size for wheel in wheels}, 0
    for wheel in wheels:
        with zipfile.ZipFile(folder / wheel.file) as file:
            unpacked += sum(info.file_size for info in file.infolist())
    return {'requirements': f'wheels/{target}.txt', 'wheels': [f'wheels/{wheel.file}' for wheel in wheels], 'lacking': lacking,
            'oldest': oldest(wheel.file for wheel in wheels), 'bytes': sum(sizes.values()), 'unpacked': unpacked,
            'gpu': sum(map(sizes.get, gpu(wheels)))}


def told(target, facts):
    "A line about a target."
    name = f'{TITLES[target.system]}, Python {target.python}'
    if facts['lacking']:
        return f'{name}: CANNOT BE SET UP, the package index has no wheel of {", ".join(facts["lacking"])}'
    oldest = f'{"macOS" if target.system == "macos" else "glibc"} {".".join(map(str, facts["oldest"]))} or newer, ' if facts['oldest'] else ''
    for_gpu = f' ({gigabytes(facts["gpu"])} of it GPU libraries, which PyTorch\'s wheel on this index requires)' if facts['gpu'] else ''
    return f'{name}: {oldest}{len(facts["wheels"])} packages of {gigabytes(facts["bytes"])}{for_gpu}, {gigabytes(facts["unpacked"])} once set up'


def gigabytes(size):
    return f'{size / 1e9:.1f} GB' if size >= 1e9 else f'{size / 1e6:.0f} MB'


def put_wheels(out, found):
    "Fetch what is missing, and write for each target what is to be installed. Returns the facts of each."
    for name in fetch({target: wheels for target, (wheels, _) in found.items()}, out / 'wheels'):
        print(f'{name} was broken, and was fetched anew')
    for old in out.glob('wheels/*.txt'):
        old.unlink()
    for target, (wheels, _) in found.items():
        (out / 'wheels' / f'{target}.txt').write_text(''.join(f'{wheel.line}\n' for wheel in wheels), encoding='utf-8', newline='\n')
    return {target: facts_of(target, wheels, lacking, out / 'wheels') for target, (wheels, lacking) in found.items()}


def put_manifest(out, course, facts):
    "Write the list of all files, which makes the stick complete, and return their sizes."
    systems = {}
    for target, each in facts.items():
        entry = systems.setdefault(target.system, {'title': TITLES[target.system], 'machine': SYSTEMS[target.system][1], 'pythons': {}})
        entry['pythons'][target.python] = each
    files = {name: (path.stat().st_size, sha256(path)) for name, path in files_in(out).items() if not name.startswith('python/')}
    text = json.dumps({'course': course, 'systems': systems, 'files': files}, indent=1)
    (out / 'manifest.json').write_text(text + '\n', encoding='utf-8', newline='\n')
    return [size for size, _ in files.values()]


def make(out, systems=tuple(SYSTEMS), pythons=('3.12',), with_site=True):
    "Make the folder, or bring it up to date. Returns lines about what is in it, and the targets that lack something."
    lock, targets = (ROOT / 'requirements.lock').read_text(encoding='utf-8'), [Target(system, python) for python in pythons for system in systems]
    with TemporaryDirectory() as temporary:
        course, found = course_wheel(temporary), {}
        for target in tqdm(targets, 'asking the package index', unit='system', disable=None):
            found[target] = wheels_for(target, course, lock)
        begin(out)
        if (out / 'wheels' / course.file).exists() and sha256(out / 'wheels' / course.file) != course.sha256:
            (out / 'wheels' / course.file).unlink()  # not broken, only older
        facts = put_wheels(out, found)
    with new_course(out) as course_folder:
        put_course(course_folder, site() if with_site else None)
    name, lines = f'denoise_ae {version()}', [told(target, each) for target, each in facts.items()]
    put_programs(out, {
        'COURSE': name, 'PYTHONS': ' '.join(pythons), 'PYTHONS_OR': ' or '.join(pythons), 'PYTHONS_FIRST': pythons[0],
        'UNPACKED': gigabytes(max(each['unpacked'] for each in facts.values())),
        'SIZES': '\n'.join(wrapped(f'- {line}', 120, subsequent_indent='  ') for line in lines),
        'SOLUTIONS': SOLUTIONS if with_site else '', 'CONTENTS': ', '.join(sorted(path.name for path in (out / 'course').iterdir() if path.is_dir()))})
    size = sum(put_manifest(out, name, facts))
    lines += [*about_kit(), f'all together: {gigabytes(size)}, since what systems share is there once']
    return lines, [target for target in facts if facts[target]['lacking']]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--systems', nargs='+', choices=SYSTEMS, default=list(SYSTEMS), help='all three if none is named')
    parser.add_argument('--python', nargs='+', default=['3.12'], metavar='VERSION', help='the versions of Python, such as 3.12 3.13')
    parser.add_argument('--out', type=Path, default=ROOT / '_stick', help='the folder, %(default)s if none is named')
    parser.add_argument('--no-site', action='store_true', help='leave out the site, whose pages have folded solutions')
    args = parser.parse_args()
    for each in args.python:
        if not re.fullmatch(r'3\.1[0-9]', each):
            raise ValueError(f'--python {each}: a version looks like 3.12, and the course needs 3.10 or newer')
    lines, lacking = make(args.out.resolve(), args.systems, args.python, with_site=not args.no_site)
    print(*lines, sep='\n')
    if lacking:
        raise ValueError(f'{args.out} can be used, but not for {", ".join(map(str, lacking))}')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, ChildProcessError, OSError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit('stopped; run it again to go on')
