import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest
import torch
from filelock import ReadWriteLock
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
# One cache for the whole run, so that MNIST is unpacked once and nobody's own cache is touched.
os.environ['DENOISE_AE_HOME'] = str(ROOT / '_build' / 'mnist')
sys.path.insert(0, str(ROOT / 'tools'))
from notebooks import notebooks_in  # noqa: E402
from printing import chromium as installed_chromium  # noqa: E402

CHROMIUM = installed_chromium()
NOTEBOOKS = notebooks_in(ROOT / 'nbs')
ROOMS = [path for path in NOTEBOOKS if path.parent.name == 'inside']
LESSONS = [path for path in NOTEBOOKS if path not in ROOMS and path.stem[0].isdigit()]
MODULES = sorted(path.stem for path in (ROOT / 'denoise_ae').glob('*.py') if not path.stem.startswith('_'))
COLOURS = matplotlib.rc_params_from_file(ROOT / 'denoise_ae' / 'course.mplstyle', use_default_template=False)['axes.prop_cycle'].by_key()['color']  # of the course's charts
(ROOT / '_build').mkdir(exist_ok=True)
expect.set_options(timeout=60_000)  # also where the machine has other work
TURN = ReadWriteLock(ROOT / '_build' / 'turn.lock', is_singleton=False)


def pytest_collection_modifyitems(items):
    "What needs the machine to itself comes first, while nobody has to be waited for, then what is marked as `long`, or at the end one core would wait for the other."
    def rank(item):
        long = item.get_closest_marker('long')
        return not item.get_closest_marker('alone'), -long.args[0] if long else 0
    items.sort(key=rank)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    "A test that is marked as `alone` waits until no other runs, the others wait for it, and it has all cores; the others have one."
    alone = bool(item.get_closest_marker('alone'))
    with TURN.write_lock() if alone else TURN.read_lock():
        threads = os.cpu_count() if alone else 1
        os.environ['OMP_NUM_THREADS'] = str(threads)  # for the processes that the test starts
        torch.set_num_threads(threads)
        return (yield)


def pytest_terminal_summary(terminalreporter):
    "What tests have counted, said by `record_property`."
    for report in terminalreporter.getreports('passed'):
        for name, value in report.user_properties:
            terminalreporter.write_line(f'{name}: {value}')


def read_notebook(path):
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    return [{**cell, 'source': ''.join(cell['source'])} for cell in cells]


def run_python(code, *, home=None, cwd=None, timeout=300, **options):
    "Run a piece of Python in a process of its own."
    env = {**os.environ, **({'DENOISE_AE_HOME': str(home)} if home else {})}
    return subprocess.run([sys.executable, '-c', code], env=env, cwd=cwd, timeout=timeout, capture_output=True, text=True, **options)


def under_permissions():
    "What to put before a command so that the permissions of files bind it, also where the tests run as root, who is above them."
    return ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] if os.name != 'nt' and os.geteuid() == 0 else []


@pytest.fixture(autouse=True)
def ctrl_c():
    "Ctrl-C works, for the test and for the processes that it starts, also where the tests were begun with it ignored, as by `nohup make test &` in a script."
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def seeded():
    "A test that passes once passes again: some small networks, as they are drawn, answer every picture with black."
    torch.manual_seed(0)


@pytest.fixture(scope='session')
def chromium():
    "The path of a browser, for tests that are skipped where there is none."
    return CHROMIUM or pytest.skip('no Chromium: apt-get install chromium, or name a browser in the variable CHROMIUM')


@pytest.fixture(scope='module')
def browser():
    assert CHROMIUM, 'this test needs Chromium: apt-get install chromium, or name a browser in the variable CHROMIUM'
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox', '--disable-gpu', '--disable-background-networking'])
        yield browser
        browser.close()


@pytest.fixture(scope='session')
def valid():
    from denoise_ae import mnist_tensors
    return mnist_tensors('valid')


@pytest.fixture
def program(tmp_path, monkeypatch, capfd):
    "Call the program in a folder of its own; gives its status, its output and its errors, without progress bars."
    monkeypatch.chdir(tmp_path)

    from denoise_ae.cli import main

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            main([str(each) for each in arguments])
        output, errors = capfd.readouterr()
        assert 'Traceback' not in errors
        return end.value.code, output, '\n'.join(line for line in re.split(r'[\r\n]', errors) if line.strip() and '%|' not in line)
    return call
