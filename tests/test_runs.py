"""Runs that are killed, damaged, stopped, shared and changed: nothing is lost, and the end is the same, bit for bit."""
import json
import os
import pickle
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT, run_python
from torch import nn

from denoise_ae import Autoencoder, GaussianNoise, Muon, Run, UNet, fit
from denoise_ae.runs import _sums

posix = pytest.mark.skipif(os.name == 'nt', reason='Windows has neither these signals nor fork')
TRAIN = '''
import torch
from denoise_ae import *
torch.set_num_threads(1)
images = mnist_tensors('valid')[0][:600]

def train(folder, epochs=8, **options):
    torch.manual_seed(0)
    model = Autoencoder()
    fit(model, images[:500], valid=images[500:], epochs=epochs, batch_size=64, progress=False, run=Run(folder, resume=True, **options))
    return model
'''


def bits(model):
    return b''.join(p.detach().cpu().contiguous().numpy().tobytes() for p in model.parameters())


@pytest.fixture
def digits(valid):
    return valid[0][:360]


def train(digits, run=None, seed=0, model=None, epochs=3, **options):
    torch.manual_seed(0)
    model = model or Autoencoder()
    history = fit(model, digits[:300], **{'valid': digits[300:], 'epochs': epochs, 'batch_size': 64, 'seed': seed, 'progress': False, 'run': run} | options)
    return model, history


class Stopping(nn.Module):
    "A noise that sends its own process a signal in one of the steps, and otherwise passes for the noise in it."
    def __init__(self, step, number=signal.SIGINT, noise=None):
        super().__init__()
        self.noise, self.number, self.left = noise or GaussianNoise(), number, step + 1  # the first call is for the validation images

    def forward(self, x):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)
        return self.noise(x)

    def __repr__(self):
        return repr(self.noise)


@posix
def test_killed_at_fifty_moments_and_the_weights_are_the_same_bit_for_bit(tmp_path, record_property):
    "Also while it writes, which it does after each step and most of the time."
    code = TRAIN + f'''
import os, random, signal, time
from pathlib import Path
random.seed(0)
kills = finished = while_writing = 0
while kills < 50 or not finished:
    folder = Path({str(tmp_path)!r}) / f'run-{{finished}}'
    child = os.fork()
    if child == 0:
        train(folder, every=0.).save_pretrained(folder / 'end')
        os._exit(0)
    time.sleep(random.uniform(0, .15))
    if kills < 50: os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    kills += os.WIFSIGNALED(status)
    while_writing += bool(list(folder.rglob('*.part')))
    finished += not os.WIFSIGNALED(status)
print(kills, finished, while_writing)
'''
    result = run_python(code, timeout=300)
    assert result.returncode == 0 and not result.stderr, result.stderr[-3000:]
    kills, finished, while_writing = map(int, result.stdout.split())
    record_property('trainings killed', f'{kills} times, {while_writing} of them while writing')
    assert kills >= 50 and finished >= 1 and while_writing >= 5
    unbroken = run_python(TRAIN + f'train({str(tmp_path / "unbroken")!r}).save_pretrained({str(tmp_path / "unbroken" / "end")!r})')
    assert unbroken.returncode == 0, unbroken.stderr
    expected = (tmp_path / 'unbroken' / 'end' / 'model.safetensors').read_bytes()
    for number in range(finished):
        assert (tmp_path / f'run-{number}' / 'end' / 'model.safetensors').read_bytes() == expected
        assert (tmp_path / f'run-{number}' / 'best' / 'model.safetensors').read_bytes() == (tmp_path / 'unbroken' / 'best' / 'model.safetensors').read_bytes()


@posix
def test_the_same_with_half_precision_another_optimiser_and_noise_of_its_own(digits, tmp_path):
    "Muon, bfloat16, and a network whose weights lie in another order in memory."
    def once(stop=None, run=None):
        torch.manual_seed(0)
        noise = GaussianNoise(std=(.05, 1.), generator=torch.Generator().manual_seed(5))
        return train(digits, run, model=UNet((8, 16), (1, 1)), noise=Stopping(stop, noise=noise) if stop else noise,
                     optimizer=Muon, dtype=torch.bfloat16, lr=3e-2)

    unbroken, history = once()
    with pytest.warns(UserWarning, match='stopped in epoch 2 of 3.*holds the 1 finished epochs.*Everything is kept in .*go on with resume=True'):
        once(stop=8, run=Run(tmp_path))
    resumed, again = once(run=Run(tmp_path, resume=True))
    assert bits(resumed) == bits(unbroken)
    assert (again.train_loss, again.valid_loss, again.valid_psnr) == (history.train_loss, history.valid_loss, history.valid_psnr)


def damages(path):
    "Ways to damage a file, by name; each is told the content and gives the new one."
    content = path.read_bytes()
    draw = random.Random(path.name)
    yield 'gone', None
    for length in {0, 1, len(content) - 1, *(draw.randrange(len(content)) for _ in range(4))}:
        yield f'cut off at {length}', content[:length]
    yield 'longer', content + b' '
    for _ in range(12):
        at, bit = draw.randrange(len(content)), draw.randrange(8)
        yield f'bit {bit} of byte {at} flipped', content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1:]


@posix
def test_a_damaged_checkpoint_is_noticed_named_and_the_one_before_it_used(digits, tmp_path):
    unbroken = bits(train(digits)[0])
    with pytest.warns(UserWarning, match='stopped in epoch 3'):
        train(digits, Run(tmp_path / 'run', every=0.), noise=Stopping(12))
    newest = max((tmp_path / 'run' / 'checkpoints').iterdir())
    assert newest.name == '0000000012' and len(list(newest.parent.iterdir())) == 2
    tried = 0
    for name in ('state.json', 'tensors.safetensors', 'SHA256SUMS'):
        for damage, content in damages(newest / name):
            copy = tmp_path / 'copy'
            shutil.copytree(tmp_path / 'run', copy)
            path = copy / 'checkpoints' / newest.name / name
            path.unlink() if content is None else path.write_bytes(content)
            words = r'SHA-256 sum|SHA256SUMS' if name == 'SHA256SUMS' else re.escape(name)
            with pytest.warns(UserWarning, match=f'(?s)({words}).*one before it is used'):
                model, history = train(digits, Run(copy, resume=True))
            assert bits(model) == unbroken and len(history) == 3, (name, damage)
            assert (copy / 'checkpoints' / '0000000012.damaged').is_dir(), 'nothing is thrown away'
            shutil.rmtree(copy)
            tried += 1
    assert tried >= 50


@posix
def test_no_whole_checkpoint_is_an_error_and_not_a_fresh_start(digits, tmp_path):
    with pytest.warns(UserWarning, match='stopped'):
        train(digits, Run(tmp_path), noise=Stopping(3))
    for path in tmp_path.glob('checkpoints/*/tensors.safetensors'):
        path.write_bytes(b'')
    with pytest.warns(UserWarning, match='tensors.safetensors'), pytest.raises(ValueError, match='no checkpoint in .* is whole'):
        train(digits, Run(tmp_path, resume=True))
    with pytest.raises(ValueError, match='no checkpoint in .* is whole'):
        train(digits, Run(tmp_path, resume=True))


@posix
def test_sigterm_ends_the_step_keeps_all_and_says_how_to_go_on(tmp_path):
    code = TRAIN + f'''
import os, signal
real = GaussianNoise.forward
def noise(self, x):
    noise.calls += 1
    if noise.calls == 20: os.kill(os.getpid(), signal.SIGTERM)
    return real(self, x)
noise.calls = 0
GaussianNoise.forward = noise
try: train({str(tmp_path)!r})
finally: print('cleaned up')
print('never')
'''
    run = run_python(code)
    assert run.returncode == 1 and run.stdout == 'cleaned up\n'
    assert re.fullmatch(r'stopped in epoch 3 of 8\. Everything is kept in .*: go on with resume=True', run.stderr.strip())
    assert json.loads((tmp_path / 'config.json').read_text())['epochs'] == '8'
    assert max((tmp_path / 'checkpoints').iterdir()).name == '0000000019'


@posix
def test_the_second_ctrl_c_stops_at_once(digits, tmp_path):
    class Twice(Stopping):
        def forward(self, x):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(.1)
                raise AssertionError('it went on')
            return self.noise(x)
    before = signal.getsignal(signal.SIGINT)
    with pytest.warns(UserWarning, match='stopped in epoch 1'):
        train(digits, Run(tmp_path), noise=Twice(4))
    assert signal.getsignal(signal.SIGINT) is before
    assert bits(train(digits, Run(tmp_path, resume=True))[0]) == bits(train(digits)[0]), 'it goes on from the checkpoint before'


def test_the_second_process_is_refused(digits, tmp_path):
    code = TRAIN + f'''
import time
real = GaussianNoise.forward
def noise(self, x):
    print('training', flush=True)
    time.sleep(60)
GaussianNoise.forward = noise
images = images[:500]
fit(Autoencoder(), images, run=Run({str(tmp_path)!r}), progress=False)
'''
    first = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == 'training\n'
        with pytest.raises(RuntimeError, match='another process is training in .*: wait for it, or choose another folder'):
            train(digits, Run(tmp_path, resume=True))
    finally:
        first.kill()
        first.wait()
    with pytest.raises(ValueError, match='other settings: .*images was 500'):
        train(digits, Run(tmp_path, resume=True))  # the lock is gone with the process, only the data differ


@pytest.mark.parametrize('change, words', [
    ({'noise': GaussianNoise(std=.2)}, r'noise was GaussianNoise\(mean=0.0, std=0.1, clip=False\) and is now GaussianNoise\(mean=0.0, std=0.2'),
    ({'model': Autoencoder(12)}, r'model was Autoencoder\(latent_dim=10\) and is now Autoencoder\(latent_dim=12\)'),
    ({'lr': .1}, 'lr was 0.003 and is now 0.1'),
    ({'epochs': 4}, 'epochs was 3 and is now 4'),
    ({'optimizer': Muon}, 'optimizer was <function _adam> and is now .*Muon'),
    ({'seed': 3}, 'seed was 0 and is now 3'),
    ({'valid': None}, 'valid was 60×1×28×28 float32, SHA-256 [0-9a-f]{16} and is now none'),
])
def test_going_on_with_something_else_is_refused_and_the_difference_shown(change, words, digits, tmp_path):
    unbroken, _ = train(digits, Run(tmp_path))
    before = {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()}
    with pytest.raises(ValueError, match=f'begun with other settings: (?s:.)*{words}'):
        train(digits, Run(tmp_path, resume=True), **change)
    with pytest.raises(ValueError, match='images was 300.* and is now 300'):
        train(1 - digits, Run(tmp_path, resume=True))
    assert {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()} == before
    assert bits(train(digits, Run(tmp_path, resume=True))[0]) == bits(unbroken), 'a finished run gives its model'


def test_folders_that_are_in_use_for_something_else(digits, tmp_path):
    (tmp_path / 'thesis.tex').write_text('years of work')
    for resume, words in (False, 'is not empty: pass resume=True'), (True, 'there are files in .*, but no run'):
        with pytest.raises(FileExistsError, match=words):
            train(digits, Run(tmp_path, resume=resume))
    with pytest.raises(OSError, match='could not be kept in .*thesis.tex'):
        train(digits, Run(tmp_path / 'thesis.tex'))
    assert (tmp_path / 'thesis.tex').read_text() == 'years of work'
    train(digits, Run(tmp_path / 'run', resume=True))  # nothing there: it begins
    with pytest.raises(FileExistsError, match='is not empty: pass resume=True'):
        train(digits, Run(tmp_path / 'run'))
    for wrong, error in ('runs/first', TypeError), (3, TypeError):
        with pytest.raises(error, match='run must be a Run'):
            train(digits, wrong)
    with pytest.raises(TypeError, match='every must be a number'):
        Run(tmp_path, every='second')


@pytest.mark.skipif(sys.platform != 'linux', reason='limits the size of files as Linux does')
def test_a_full_disk_ends_the_run_and_the_last_checkpoint_still_loads(tmp_path):
    code = TRAIN + f'''
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
real, calls = GaussianNoise.forward, []
def noise(self, x):
    calls.append(1)
    if len(calls) == 20: resource.setrlimit(resource.RLIMIT_FSIZE, (10**5, resource.RLIM_INFINITY))
    return real(self, x)
GaussianNoise.forward = noise
try: train({str(tmp_path / 'run')!r}, every=0.)
except OSError as error: print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
model = train({str(tmp_path / 'run')!r})
fresh = train({str(tmp_path / 'fresh')!r})
print(all(torch.equal(a, b) for a, b in zip(model.parameters(), fresh.parameters())))
'''
    run = run_python(code)
    assert run.returncode == 0, run.stderr
    message, same = run.stdout.splitlines()
    assert re.search(r'the run could not be kept in .*/run: File too large.*make room there.*resume=True', message)
    assert same == 'True'


class Malicious:
    def __reduce__(self):
        return exec, ("open('executed', 'w')",)


def test_nothing_in_a_checkpoint_is_executed(digits, tmp_path, monkeypatch):
    "Neither is there a pickle in the library, nor does one that somebody slips into a checkpoint, with the right sums, get loaded."
    for path in (ROOT / 'denoise_ae').glob('*.py'):
        assert not re.search(r'(?<!allow_)pickle|(?<!safetensors\.)torch\.(load|save)|(?<![.\w])(eval|exec)\(', path.read_text(encoding='utf-8')), path
    monkeypatch.chdir(tmp_path)
    train(digits, Run('run'))
    for name in ('state.json', 'tensors.safetensors'):
        shutil.copytree('run', name)
        for checkpoint in (tmp_path / name / 'checkpoints').iterdir():
            (checkpoint / name).write_bytes(pickle.dumps(Malicious()))
            files = {path.name: path.read_bytes() for path in checkpoint.iterdir() if path.name != 'SHA256SUMS'}
            (checkpoint / 'SHA256SUMS').write_text(_sums(files))
        with pytest.raises(ValueError, match='is no checkpoint of a training'):
            train(digits, Run(name, resume=True))
    assert not (tmp_path / 'executed').exists()
    pickle.loads(pickle.dumps(Malicious()))
    assert (tmp_path / 'executed').exists(), 'it would have done harm'
