"""Run the lessons from top to bottom and build the site from what came out: python tools/course.py [--save]

The notebooks in nbs/ are not touched: copies run in _build/nbs. With --save their outputs are kept, once all have run."""
import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / '_build' / 'nbs'


class Progress:
    "A line for one lesson that counts its cells; nbdev reports each finished cell by printing a line."
    def __init__(self, name, total):
        self.name, self.total, self.done, self.start = name, total, 0, time.perf_counter()
        self.write('\n')

    def write(self, text):
        self.done += ':' in text and self.done < self.total
        if sys.__stdout__.isatty():
            sys.__stdout__.write(f'\r{self.name:<16} cell {self.done:>2} of {self.total}  {time.perf_counter() - self.start:3.0f} s')
            sys.__stdout__.flush()

    def flush(self):
        sys.__stdout__.flush()


def run_one(path):
    "Run one notebook in this process through nbdev, keeping its outputs in the file, and say how long it took."
    from nbdev.test import nb_test_cells, test_nb
    path = path.resolve()  # nbdev changes the folder
    progress = Progress(path.stem, len(nb_test_cells(path)))
    with redirect_stdout(progress):
        passed, seconds = test_nb(path, save=True, cell_timing_min=-1)
    end = '\r' if sys.__stdout__.isatty() else ''
    print(f'{end}{path.stem:<16} {"done" if passed else "FAILED"} after {seconds:.0f} s, {progress.total} cells')
    sys.exit(not passed)


def lessons(folder):
    return sorted(folder.glob('*.ipynb'), key=lambda p: (p.stem != 'index', p.stem))


def run_all():
    "Run a copy of every lesson, each in a process of its own. Returns the seconds each took."
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir(parents=True)
    seconds = {}
    for source in lessons(ROOT / 'nbs'):
        copy = shutil.copy(source, RUN)
        start = time.perf_counter()
        # The bars of `fit` would be saved as hundreds of lines of text.
        env = {**os.environ, 'TQDM_DISABLE': '1', 'PYTHONUNBUFFERED': '1'}
        if subprocess.run([sys.executable, __file__, '--one', copy], env=env, cwd=ROOT).returncode:
            sys.exit(f'{source.name} failed, see above; the notebooks in nbs/ are as they were')
        seconds[source.name] = time.perf_counter() - start
    return seconds


def source(cell):
    return ''.join(cell['source'])


def read(path):
    return json.loads(path.read_text(encoding='utf-8'))


def results(folder=RUN):
    "The tables of the lessons, as text, in their order."
    for path in lessons(folder):
        for cell in read(path)['cells']:
            if '#| label: tbl-' in source(cell):
                yield f'{path.stem}\n' + '\n'.join(''.join(out['data']['text/plain']) for out in cell['outputs'])


def save(seconds):
    "Put the outputs into the notebooks of nbs/, with the measured minutes in their heads and nothing that changes by itself."
    for path in lessons(RUN):
        notebook = read(path)
        words = sum(len(source(cell).split()) for cell in notebook['cells'])
        for cell in notebook['cells']:
            if cell['cell_type'] == 'markdown':
                stated = f'**Time** run {5 * math.ceil(seconds[path.name] / 5)} s on 2 cores, read {math.ceil(words / 200)} min.'
                cell['source'] = re.sub(r'\*\*Time\*\* run \d+ s on 2 cores, read \d+ min\.', stated, source(cell)).splitlines(True)
            else:
                # A widget can't be kept without its kernel; the page shows the picture beside it.
                cell['outputs'] = [out for out in cell['outputs'] if 'output: false' not in source(cell)]
        (ROOT / 'nbs' / path.name).write_text(json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + '\n', encoding='utf-8')
    subprocess.run([sys.executable, ROOT / 'tools' / 'export.py'], check=True, cwd=ROOT)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--save', action='store_true', help='keep the outputs in nbs/')
    parser.add_argument('--one', type=Path, metavar='NOTEBOOK', help='run only this notebook, in place')
    args = parser.parse_args()
    if args.one:
        run_one(args.one)
    seconds = run_all()
    if args.save:
        save(seconds)
        return
    from site_builder import build
    page = build(RUN)
    print('\n' + '\n\n'.join(results()))
    print(f'\n{len(seconds)} lessons in {sum(seconds.values()) / 60:.1f} minutes. The site: {page}')


if __name__ == '__main__':
    main()
