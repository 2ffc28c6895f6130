"""Set the course up on this computer from the packages beside this file, with no network, and open it in JupyterLab.

Needs nothing but a Python that the packages are for. The first start takes some minutes; later ones open JupyterLab at once."""
import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from computer import here, unfit

STICK = Path(__file__).resolve().parent
MARK = '.made-from-the-stick'  # in folders of ours, so that no other is touched
PROGRAMS = 'start.py', 'computer.py', 'start.sh', 'start.command', 'start.bat', 'trial.py', 'get-python.txt'


class Problem(Exception):
    "What is wrong, and what to do about it."


def progress(text):
    "Say in one line how far it is, where somebody watches."
    if sys.stdout.isatty():
        print('\r' + text.ljust(70), end='' if text else '\r', flush=True)


def read_manifest():
    "What is on the stick."
    try:
        return json.loads((STICK / 'manifest.json').read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise Problem('This stick is not complete, there is no manifest.json on it: copy it again, or have it made again.') from None
    except ValueError:
        raise Problem('The list of the files on this stick, manifest.json, is broken: copy the stick again.') from None


def broken(manifest, names):
    "Those files that are missing or not what they were."
    found = []
    for number, name in enumerate(names, 1):
        progress(f'checking file {number} of {len(names)}')
        path, (size, sha256) = STICK / name, manifest['files'][name]
        if not path.is_file():
            found.append(name + ' is missing')
        elif path.stat().st_size != size or digest(path) != sha256:
            found.append(name + ' is broken')
    progress('')
    return found


def digest(path):
    "The SHA-256 of a file."
    found = hashlib.sha256()
    with open(str(path), 'rb') as file:
        for block in iter(lambda: file.read(1 << 20), b''):
            found.update(block)
    return found.hexdigest()


def surroundings(**more):
    "The variables for the programs of the course, without settings that lead to other packages, indexes or kernels."
    env = {key: value for key, value in os.environ.items() if not key.startswith(('PIP_', 'PYTHON'))}
    return dict(env, PIP_CONFIG_FILE=os.devnull, JUPYTER_PREFER_ENV_PATH='1', PYTHONNOUSERSITE='1', PYTHONUTF8='1', **more)


def run(words, what, count=None, **more):
    "Run a command, counting the packages that are in a folder; a `Problem` with its last words if it fails."
    with tempfile.TemporaryFile('w+', encoding='utf-8', errors='replace') as log:
        process = subprocess.Popen([str(word) for word in words], env=surroundings(**more), stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            progress('{}: {} of {}'.format(what, len(list(count[0].glob('*.dist-info'))), count[1]) if count else what)
            time.sleep(.5 if count else .1)
        progress('')
        log.seek(0)
        said = log.read().strip()
    if process.returncode:
        raise Problem(f'{what} failed:\n{said[-2000:]}')
    return said


def packages(to):
    "Where an environment keeps its packages."
    return to / '.venv' / ('Lib/site-packages' if os.name == 'nt' else 'lib/python{}.{}/site-packages'.format(*sys.version_info))


def program(to):
    "The Python of the environment in a folder."
    return to / '.venv' / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python')


def copy_course(to):
    "Put the notebooks and the rest into a folder. What is there already stays as it is: it may be somebody's work."
    if to.exists() and any(to.iterdir()) and not (to / MARK).exists():
        raise Problem(f'{to} exists and was not made by this stick: name another folder with --to FOLDER.')
    to.mkdir(parents=True, exist_ok=True)
    (to / MARK).touch()  # before the first file, so that a start that was broken off can be repeated
    course = STICK / 'course'
    names = [path.relative_to(course) for path in course.rglob('*') if path.is_file()]
    files = [(course / name, to / name) for name in names if not any(part.startswith('.') for part in name.parts)]
    files += [(STICK / name, to / name) for name in PROGRAMS]
    for source, target in files:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            part = target.with_name(target.name + '.part')  # half a file must not be taken for somebody's work
            shutil.copyfile(str(source), str(part))
            if target.suffix in ('.sh', '.command'):
                part.chmod(0o755)
            os.replace(str(part), str(target))


def install(manifest, to, system, python):
    "Make the environment in a folder, from the wheels alone; nothing if it is there already."
    needed = manifest['systems'][system]['pythons'][python]
    done = to / '.venv' / 'complete'
    lines = (STICK / needed['requirements']).read_text(encoding='utf-8')
    if done.exists() and done.read_text(encoding='utf-8') == lines:
        return
    shutil.rmtree(str(to / '.venv'), ignore_errors=True)
    free = shutil.disk_usage(str(to)).free
    if free < 1.05 * needed['unpacked']:
        raise Problem('{} has {:.1f} GB of free disk, and the course needs {:.1f}: make room, or name a folder on another disk with --to FOLDER.'
                      .format(to, free / 1e9, 1.05 * needed['unpacked'] / 1e9))
    run([sys.executable, '-m', 'venv', '--without-pip', to / '.venv'], 'making an environment')
    pip = next(STICK / name for name in needed['wheels'] if name.startswith('wheels/pip-'))  # so that a Python without pip does, too
    words = ['-m', 'pip', 'install', '--isolated', '--no-index', '--find-links', STICK / 'wheels', '--require-hashes',
             '-r', STICK / needed['requirements']]
    try:
        run([program(to), *words], 'installing packages', (packages(to), len(needed['wheels'])), PYTHONPATH=str(pip))
    except Problem as problem:
        if found := broken(manifest, [needed['requirements'], *needed['wheels']]):
            raise Problem('Files on this stick are broken: {}. Copy the stick again.'.format(', '.join(found))) from None
        raise problem
    done.write_text(lines, encoding='utf-8')


def try_out(to):
    "Import the packages, run cells of the first lesson, then the program. Says what came out."
    print(run([program(to), '-m', 'pip', 'check'], 'comparing what the packages need').splitlines()[-1])
    print(run([program(to), STICK / 'trial.py', to / 'notebooks' / '00_data.ipynb'], 'trying the first lesson'))
    with tempfile.TemporaryDirectory() as folder:
        print(run([program(to), '-m', 'denoise_ae.cli', 'demo', '-o', Path(folder) / 'digits.png'], 'denoise-ae demo').splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--to', type=Path, help='the folder, denoise-ae-course in your home if none is named')
    parser.add_argument('--test', action='store_true', help='set up, try out a lesson and the program, and do not open JupyterLab')
    parser.add_argument('--check', action='store_true', help='only check that no file of the stick is broken or missing')
    args = parser.parse_args()
    to, started = (args.to or Path.home() / 'denoise-ae-course').expanduser().resolve(), time.time()
    if (STICK / MARK).exists():  # it was copied from the stick, with the course
        if args.check or args.to:
            raise Problem('This is the start file of a course that is set up already: --check and --to are for the one on the stick.')
        to = STICK
    else:
        manifest = read_manifest()
        if args.check:
            if found := broken(manifest, list(manifest['files'])):
                raise Problem('\n'.join(found) + '\nCopy the stick again from where it was made.')
            return print(len(manifest['files']), 'files, and all as they were made')
        if why := unfit(manifest, **here()):
            raise Problem(why)
        print('Setting up', manifest['course'], 'in', to)
        copy_course(to)
        install(manifest, to, here()['system'], here()['python'])
    if not (to / '.venv' / 'complete').exists():
        raise Problem(f'The course is not set up in {to}: start it from the stick once more.')
    if args.test:
        try_out(to)
        return print(f'All works. It took {time.time() - started:.0f} seconds.')
    print('Opening JupyterLab. It ends when this window is closed. Next time, start it from', to)
    first = next(path for path in [to / 'notebooks' / 'index.ipynb', to / 'notebooks' / '00_data.ipynb'] if path.exists())
    quiet = '--LabApp.news_url=None', '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate'  # there may be no network to ask
    sys.exit(subprocess.call([str(program(to)), '-m', 'jupyterlab', *quiet, str(first)], cwd=str(to / 'notebooks'), env=surroundings()))


if __name__ == '__main__':
    try:
        main()
    except Problem as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit('Stopped. Start again to go on.')
    except OSError as error:
        sys.exit('{}: {}. Is the disk full, or the stick pulled out? Start again.'.format(error.filename or 'A file', error.strerror))
