"""One training by several processes: the same curve as by one, one writer, and an end in every case."""
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest
from conftest import run_python

from denoise_ae import Autoencoder

pytestmark = pytest.mark.skipif(os.name == 'nt', reason='sends signals as POSIX knows them')
TRAIN = ['-m', 'denoise_ae.cli', 'train', '--batch-size', '64', '--limit', '961']  # the last batch has one image, for two processes
BY_TWO = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2']


def start(*arguments, cwd):
    return subprocess.Popen([sys.executable, *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, 'OMP_NUM_THREADS': '1'})


def finished(*arguments, cwd):
    process = start(*arguments, cwd=cwd)
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors[-3000:]
    return output, errors


def steps(folder):
    return max((int(path.name) for path in folder.glob('checkpoints/*') if path.name.isdigit()), default=-1)


@pytest.fixture(scope='module')
def by_one(tmp_path_factory):
    folder = tmp_path_factory.mktemp('one')
    finished(*TRAIN, '--epochs', '3', '--out', 'run', cwd=folder)
    return pd.read_csv(folder / 'run' / 'history.csv')


@pytest.mark.parametrize('launcher, processes', [(BY_TWO, 2), (['-m', 'accelerate.commands.launch', '--cpu', '--num_processes', '1', '--num_machines', '1',
                                                               '--mixed_precision', 'no', '--dynamo_backend', 'no'], 1)], ids=['torchrun', 'accelerate'])
def test_started_by_another_program_it_has_the_same_curve(launcher, processes, by_one, tmp_path):
    "Without MPI, accelerate starts several processes on GPUs only."
    output, errors = finished(*launcher, *TRAIN, '--epochs', '3', '--out', 'run', cwd=tmp_path)
    by_two = pd.read_csv(tmp_path / 'run' / 'history.csv')
    for column in ('train_loss', 'valid_loss', 'valid_psnr'):
        assert (by_two[column] / by_one[column] - 1).abs().max() < 1e-5
    assert output.count('valid PSNR, dB') == 1, 'one of them speaks'
    assert f'processes": {processes}' in (tmp_path / 'run' / 'config.json').read_text()
    assert Autoencoder.from_pretrained(tmp_path / 'run' / 'best')


def test_two_launchers_as_on_two_machines(by_one, tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    machines = [start('-m', 'torch.distributed.run', '--nnodes', '2', '--node-rank', str(rank), '--nproc-per-node', '1', '--master-addr', '127.0.0.1',
                      '--master-port', str(port), *TRAIN, '--epochs', '3', '--out', 'run', cwd=tmp_path) for rank in (0, 1)]
    outputs = [machine.communicate(timeout=240) for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], outputs
    by_two = pd.read_csv(tmp_path / 'run' / 'history.csv')
    assert (by_two['valid_loss'] / by_one['valid_loss'] - 1).abs().max() < 1e-5
    assert [output.count('valid PSNR, dB') for output, _ in outputs] == [1, 0]


def test_begun_by_two_and_finished_by_one(by_one, tmp_path):
    going = start(*BY_TWO, *TRAIN, '--epochs', '3', '--checkpoint-every', '0', '--out', 'run', cwd=tmp_path)
    while going.poll() is None and steps(tmp_path / 'run') < 20:
        time.sleep(.01)
    going.send_signal(signal.SIGTERM)
    output, errors = going.communicate(timeout=60)
    assert going.returncode != 0 and 20 <= steps(tmp_path / 'run') < 48
    assert re.search(r'Everything is kept in run: go on with --resume', errors)
    output, errors = finished(*TRAIN, '--epochs', '3', '--checkpoint-every', '0', '--out', 'run', '--resume', cwd=tmp_path)
    assert "'processes': 2" in errors and 'it will not be bit for bit' in errors
    history = pd.read_csv(tmp_path / 'run' / 'history.csv')
    assert (history['valid_loss'] / by_one['valid_loss'] - 1).abs().max() < 1e-5


def test_a_process_that_is_killed_ends_the_training_of_all(tmp_path):
    going = start(*BY_TWO, *TRAIN, '--epochs', '100000', '--checkpoint-every', '0.2', '--out', 'run', cwd=tmp_path)
    while going.poll() is None and steps(tmp_path / 'run') < 5:
        time.sleep(.05)
    workers = psutil.Process(going.pid).children(recursive=True)
    training = [worker for worker in workers if 'denoise_ae.cli' in ' '.join(worker.cmdline())]
    assert len(training) == 2
    training[-1].kill()
    began = time.monotonic()
    output, errors = going.communicate(timeout=60)
    assert going.returncode != 0 and time.monotonic() - began < 60 and errors
    gone, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive, 'no process is left behind'
    kept = steps(tmp_path / 'run')
    assert kept >= 5, 'what was kept is still there'


def test_a_single_process_pays_nothing_for_it():
    code = 'import sys, torch\nfrom denoise_ae import *\nfit(Autoencoder(), torch.rand(20, 784), epochs=1, progress=False)\nprint("accelerate" in sys.modules)'
    run = run_python(code)
    assert run.stdout == 'False\n', run.stderr
    missing = run_python('import sys, os; sys.modules["accelerate"] = None; os.environ["WORLD_SIZE"] = "2"\n' + code)
    assert missing.stderr.strip().endswith("a training by several processes needs the package accelerate: pip install 'denoise_ae[distributed]'")
