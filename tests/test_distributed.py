"""One training by several processes: the same curve as by one, one writer, and an end in every case."""
import os
import re
import shutil
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


def start(*arguments, cwd, on=(), **env):
    return subprocess.Popen([*on, sys.executable, *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, 'OMP_NUM_THREADS': '1', **env})


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


@pytest.fixture
def machines(tmp_path):
    """Two machines as far as Linux can play them: each has a network, an address and a host name of its own, which nobody can look up, a folder
    of its own, and a line to the other. Gives for each what to put before a command, and the folder."""
    names, made = [f'{letter}-{os.getpid()}' for letter in 'ab'], []

    def ip(*words):
        subprocess.run(['ip', *words], check=True, capture_output=True)
    try:
        for name in names:
            ip('netns', 'add', name)
            made.append(name)
        ip('link', 'add', 'line', 'netns', names[0], 'type', 'veth', 'peer', 'name', 'line', 'netns', names[1])
        for number, name in enumerate(names, 1):
            ip('-n', name, 'addr', 'add', f'10.77.0.{number}/24', 'dev', 'line')
            for link in ('line', 'lo'):
                ip('-n', name, 'link', 'set', link, 'up')
            (tmp_path / name).mkdir()
        yield [(('ip', 'netns', 'exec', name, 'unshare', '--uts', 'sh', '-c', f'hostname {name}; exec "$0" "$@"'), tmp_path / name) for name in names]
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f'this system does not let the tests make networks of their own: {error}')
    finally:
        for name in made:
            ip('netns', 'del', name)


def on_both(machines, *arguments, **env):
    return [start('-m', 'torch.distributed.run', '--nnodes', '2', '--node-rank', str(rank), '--nproc-per-node', '1', '--master-addr', '10.77.0.1', '--master-port', '29400',
                  *TRAIN, '--out', 'run', *arguments, cwd=folder, on=on, **env) for rank, (on, folder) in enumerate(machines)]


@pytest.mark.long(60)
def test_two_machines_without_a_common_folder(machines, by_one):
    "One of them dies; the other ends by itself, and both go on later, though only one of them has the files."
    (_, first), (_, second) = machines
    for victim, other in ((1, 0), (0, 1)):
        going = on_both(machines, '--epochs', '100000', '--checkpoint-every', '0.2', '--resume')
        begun = max(steps(first / 'run'), 0)
        while all(one.poll() is None for one in going) and steps(first / 'run') < begun + 5:
            time.sleep(.05)
        for process in psutil.Process(going[victim].pid).children(recursive=True) + [going[victim]]:
            process.kill()
        going[victim].communicate()
        began = time.monotonic()
        errors = going[other].communicate(timeout=60)[1]
        assert going[other].returncode != 0 and time.monotonic() - began < 60, errors
        assert steps(first / 'run') >= begun + 5, errors

    shutil.rmtree(first / 'run')
    going = on_both(machines, '--epochs', '3', '--checkpoint-every', '0')
    while all(one.poll() is None for one in going) and steps(first / 'run') < 20:
        time.sleep(.01)
    going[0].send_signal(signal.SIGTERM)
    outputs = [one.communicate(timeout=60) for one in going]
    assert all(one.returncode != 0 for one in going) and 20 <= steps(first / 'run') < 48, outputs
    going = on_both(machines, '--epochs', '3', '--resume')
    outputs = [one.communicate(timeout=240) for one in going]
    assert [one.returncode for one in going] == [0, 0], outputs
    by_two = pd.read_csv(first / 'run' / 'history.csv')
    assert (by_two['valid_loss'] / by_one['valid_loss'] - 1).abs().max() < 1e-5
    assert [output.count('valid PSNR, dB') for output, _ in outputs] == [1, 0]
    assert not (second / 'run').exists(), 'the second machine keeps nothing'


def test_machines_that_look_for_each_other_in_the_wrong_network(machines):
    going = on_both(machines, '--epochs', '3', GLOO_SOCKET_IFNAME='lo')
    while all(one.poll() is None for one in going):  # which of them notices at once, and which only after some minutes, is by chance
        time.sleep(.1)
    noticed, waiting = sorted(going, key=lambda one: one.poll() is None)
    errors = noticed.communicate(timeout=60)[1]
    message = next(line for line in errors.splitlines() if line.startswith('Error: '))
    assert "can't reach the others of its training" in message and 'GLOO_SOCKET_IFNAME' in message, errors
    waiting.send_signal(signal.SIGTERM)
    waiting.communicate(timeout=60)


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


DATASET = """
import sys
import torch
from torch.utils.data import Dataset
from denoise_ae import Autoencoder, GaussianNoise, Run, fit, mnist_tensors

class Digits(Dataset):
    "Items that are read one by one, each of which draws random numbers of its own."
    images = mnist_tensors('train')[0][:961]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index] + 0 * torch.rand(1), index

torch.manual_seed(0)
fit(Autoencoder(), Digits(), GaussianNoise(), valid=mnist_tensors('valid')[0][:961], epochs=3, batch_size=64, lr=5e-3, device='cpu', progress=False,
    run=Run(sys.argv[1], resume=True, every=float(sys.argv[2])))
"""


@pytest.mark.long(40)
def test_a_data_set_of_items_by_two(by_one, tmp_path):
    "The same curve as by one from a tensor; and stopped and taken up again the same weights as undisturbed, bit for bit."
    (tmp_path / 'train.py').write_text(DATASET)
    finished(*BY_TWO, 'train.py', 'whole', '10', cwd=tmp_path)
    by_two = pd.read_csv(tmp_path / 'whole' / 'history.csv')
    for column in ('train_loss', 'valid_loss', 'valid_psnr'):
        assert (by_two[column] / by_one[column] - 1).abs().max() < 1e-5
    going = start(*BY_TWO, 'train.py', 'run', '0', cwd=tmp_path)
    while going.poll() is None and steps(tmp_path / 'run') < 20:
        time.sleep(.01)
    going.send_signal(signal.SIGTERM)
    output, errors = going.communicate(timeout=60)
    assert going.returncode != 0 and 20 <= steps(tmp_path / 'run') < 48 and 'Everything is kept in run: go on with resume=True' in errors
    finished(*BY_TWO, 'train.py', 'run', '10', cwd=tmp_path)
    for name in ('last', 'best'):
        assert (tmp_path / 'run' / name / 'model.safetensors').read_bytes() == (tmp_path / 'whole' / name / 'model.safetensors').read_bytes()


# --- which device

DEVICES = """
import os
import torch
gpus = rank = 0
os.environ |= {'WORLD_SIZE': '2', 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': '1', 'OMP_NUM_THREADS': '1'}
backends = []
torch.cuda.is_available = torch.accelerator.is_available = lambda: gpus > 0
torch.cuda.device_count, torch.cuda.set_device = (lambda: gpus), (lambda device: None)
torch.distributed.is_initialized = lambda: bool(backends)
torch.distributed.init_process_group = lambda backend=None, **more: backends.append(backend)
torch.distributed.get_world_size, torch.distributed.get_rank, torch.distributed.destroy_process_group = (lambda *a: 2), (lambda *a: rank), (lambda *a: None)
from accelerate.state import AcceleratorState
from denoise_ae.processes import team_for
for asked, gpus, rank in ((None, 2, 0), (None, 2, 1), ('cuda', 2, 1), (None, 0, 1), ('cpu', 2, 1)):
    os.environ |= {'RANK': str(rank), 'LOCAL_RANK': str(rank)}
    backends.clear()
    AcceleratorState._reset_state(reset_partial_state=True)
    team = team_for(asked, torch.device('cpu'))
    print(asked, gpus, rank, str(team.device).removeprefix('cpu:0') or 'cpu', 'nccl' if 'nccl' in backends[0] else backends[0], team.rank, team.processes)
"""


def test_the_device_that_each_process_takes():
    "With no GPU at hand: what PyTorch says of GPUs is replaced, and accelerate chooses by it. By default each process takes a GPU, if there are any."
    run = subprocess.run([sys.executable, '-c', DEVICES], capture_output=True, text=True)
    assert run.stdout.splitlines() == ['None 2 0 cuda:0 nccl 0 2', 'None 2 1 cuda:1 nccl 1 2', 'cuda 2 1 cuda:1 nccl 1 2', 'None 0 1 cpu gloo 1 2',
                                       'cpu 2 1 cpu gloo 1 2'], (run.stdout, run.stderr[-2000:])


def test_a_single_process_pays_nothing_for_it():
    code = 'import sys, torch\nfrom denoise_ae import *\nfit(Autoencoder(), torch.rand(20, 784), epochs=1, progress=False)\nprint("accelerate" in sys.modules)'
    run = run_python(code)
    assert run.stdout == 'False\n', run.stderr
    missing = run_python('import sys, os; sys.modules["accelerate"] = None; os.environ["WORLD_SIZE"] = "2"\n' + code)
    assert missing.stderr.strip().endswith('this needs the package accelerate: pip install "accelerate>=1.2"')
