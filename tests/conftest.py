import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import ReadWriteLock

ROOT = Path(__file__).resolve().parent.parent
# One cache for the whole run, so that MNIST is unpacked once and nobody's own cache is touched.
os.environ['DENOISE_AE_HOME'] = str(ROOT / '_build' / 'mnist')
NOTEBOOKS = sorted((ROOT / 'nbs').glob('*.ipynb'))
LESSONS = [path for path in NOTEBOOKS if path.stem != 'index']
sys.path.insert(0, str(ROOT / 'tools'))
if 'PYTEST_XDIST_WORKER' in os.environ:
    os.environ['OMP_NUM_THREADS'] = '1'  # two tests at a time, one core for each; read when torch is imported
(ROOT / '_build').mkdir(exist_ok=True)
TURN = ReadWriteLock(ROOT / '_build' / 'turn.lock', is_singleton=False)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    "A test that is marked as `alone`, because it takes times, waits until no other runs, and the others wait for it."
    with TURN.write_lock() if item.get_closest_marker('alone') else TURN.read_lock():
        return (yield)


def read_notebook(path):
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    return [{**cell, 'source': ''.join(cell['source'])} for cell in cells]


def run_python(code, *, home=None, cwd=None, timeout=300, **options):
    "Run a piece of Python in a process of its own."
    env = {**os.environ, **({'DENOISE_AE_HOME': str(home)} if home else {})}
    return subprocess.run([sys.executable, '-c', code], env=env, cwd=cwd, timeout=timeout, capture_output=True, text=True, **options)


@pytest.fixture(scope='session')
def valid():
    from denoise_ae import mnist_tensors
    return mnist_tensors('valid')
