"""Run the lessons and the rooms from top to bottom and build the site from what came out: python tools/course.py [--save]

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
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path
from statistics import median

from notebooks import ROOT, notebooks_in, read, source
from site_builder import build

RUN = ROOT / '_build' / 'nbs'
ALONE = '13_scaling',  # it takes times
TIME = re.compile(r'\*\*Time\*\* run \d+ s on 2 cores.*?, read \d+ min\.')


class Progress:
    "A line for one notebook that counts its cells; nbdev reports each finished cell by printing a line."
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
    import pandas as pd
    from nbdev.test import nb_test_cells, test_nb
    pd.set_option('display.width', 250, 'display.max_columns', None)  # or tables would be cut where they are printed
    path = path.resolve()  # nbdev changes the folder
    progress = Progress(path.stem, len(nb_test_cells(path)))
    with redirect_stdout(progress):
        passed, seconds = test_nb(path, save=True, cell_timing_min=-1)
    end = '\r' if sys.__stdout__.isatty() else ''
    print(f'{end}{path.stem:<16} {"done" if passed else "FAILED"} after {seconds:.0f} s, {progress.total} cells')
    sys.exit(not passed)


def run_copy(copy, threads):
    "Run a notebook in a process of its own, on so many threads. Returns the seconds it took, or None if it failed."
    start = time.perf_counter()
    # The bars of `fit` would be saved as hundreds of lines of text. And a thread that waits for another one must not keep its core busy.
    env = {**os.environ, 'TQDM_DISABLE': '1', 'PYTHONUNBUFFERED': '1', 'OMP_NUM_THREADS': str(threads), 'OMP_WAIT_POLICY': 'PASSIVE'}
    failed = subprocess.run([sys.executable, __file__, '--one', copy], env=env, cwd=ROOT).returncode
    return None if failed else time.perf_counter() - start


def run_all():
    """Run a copy of every notebook. Returns the seconds each took.

    As many run side by side as there are cores, each on one thread: two threads of one network lose more time by waiting for each other
    than they gain, as soon as anything else runs on the machine. Those that take times run first and have it to themselves."""
    shutil.rmtree(RUN, ignore_errors=True)
    copies = []
    for path in notebooks_in(ROOT / 'nbs'):
        copies.append(RUN / path.relative_to(ROOT / 'nbs'))
        copies[-1].parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copies[-1])
    cores = os.cpu_count() or 1
    alone = [copy for copy in copies if copy.stem in ALONE]
    together = [copy for copy in copies if copy.stem not in ALONE]
    with ThreadPoolExecutor(cores) as pool:
        seconds = dict(zip(alone, [run_copy(copy, cores) for copy in alone])) | dict(zip(together, pool.map(lambda copy: run_copy(copy, 1), together)))
    failed = [copy.name for copy in copies if seconds[copy] is None]
    if failed:
        sys.exit(f'{", ".join(failed)} failed, see above; the notebooks in nbs/ are as they were')
    return {copy: seconds[copy] for copy in copies}


def training_speed():
    "How many images a second the packaged U-Net's training takes on this machine: the median of three short ones, after two."
    from denoise_ae import RECIPES, UNet, fit, mnist_tensors
    images, recipe = mnist_tensors('train')[0][:1024], RECIPES['unet'].options | {'epochs': 1, 'progress': False}
    return median([len(images) / fit(UNet(), images, **recipe).seconds[0] for _ in range(5)][2:])


def results(folder=RUN):
    "The tables of the notebooks, as text, in their order."
    for path in notebooks_in(folder):
        for cell in read(path)['cells']:
            if '#| label: tbl-' in source(cell):
                yield f'{path.stem}\n' + '\n'.join(''.join(out['data']['text/plain']) for out in cell['outputs'])


def save(seconds, speed):
    "Put the outputs into the notebooks of nbs/, with the measured times in the heads of the lessons and nothing that changes by itself."
    for path in seconds:
        notebook = read(path)
        words = sum(len(source(cell).split()) for cell in notebook['cells'])
        stated = (f'**Time** run {5 * math.ceil(seconds[path] / 5)} s on 2 cores at [{round(speed, -1):.0f} images a second](index.ipynb#times), '
                  f'read {math.ceil(words / 200)} min.')
        for cell in notebook['cells']:
            if cell['cell_type'] == 'markdown':
                cell['source'] = TIME.sub(stated, source(cell)).splitlines(True)
            else:
                # A widget can't be kept without its kernel; the page shows the picture beside it.
                cell['outputs'] = [out for out in cell['outputs'] if 'output: false' not in source(cell)]
        (ROOT / 'nbs' / path.relative_to(RUN)).write_text(json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + '\n', encoding='utf-8')
    subprocess.run([sys.executable, ROOT / 'tools' / 'export.py'], check=True, cwd=ROOT)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--save', action='store_true', help='keep the outputs in nbs/')
    parser.add_argument('--one', type=Path, metavar='NOTEBOOK', help='run only this notebook, in place')
    args = parser.parse_args()
    if args.one:
        run_one(args.one)
    start = time.perf_counter()
    seconds = run_all()
    minutes = (time.perf_counter() - start) / 60
    speed = training_speed()
    took = f'{len(seconds)} notebooks in {minutes:.1f} minutes, where the U-Net trains at {round(speed, -1):.0f} images a second.'
    if args.save:
        save(seconds, speed)
        print(took)
        return
    page = build(RUN)
    print('\n' + '\n\n'.join(results()))
    print(f'\n{took} The site: {page}')


if __name__ == '__main__':
    main()
