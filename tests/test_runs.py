"""Runs that are killed, damaged, stopped, shared and changed: nothing is lost, and the end is the same, bit for bit."""
import ast
import errno
import json
import os
import pickle
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
import warnings

import pytest
import safetensors.torch
import torch
from conftest import ROOT, run_python
from torch import nn
from torch.nn.functional import l1_loss
from torchvision.transforms import v2

from denoise_ae import (Autoencoder, GaussianNoise, MaskingNoise, Muon, Pretrained, Run, SaltAndPepperNoise, UNet, export_onnx, fit, load_model,
                        read_picture, unpack_mnist, write_picture)
from denoise_ae.files import only_process, read_folder, sha256, write_file, write_folder

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


@pytest.mark.skipif(sys.platform != 'linux', reason='forks where PyTorch is loaded')
def test_killed_at_fifty_moments_and_the_weights_are_the_same_bit_for_bit(tmp_path, record_property, monkeypatch):
    "Also while it writes, which it does after each step and most of the time."
    code = TRAIN + f'''
import os, psutil, random, signal, tempfile, time
from pathlib import Path
random.seed(0)
kills = finished = while_writing = 0
while kills < 50 or not finished:
    folder = Path({str(tmp_path)!r}) / f'run-{{finished}}'
    before = set(folder.rglob('*.part'))
    child = os.fork()
    if child == 0:
        train(folder, every=0.).save_pretrained(folder / 'end')
        os._exit(0)
    begun, most = psutil.Process(child), random.uniform(0, .2)
    while kills < 50 and sum(begun.cpu_times()[:2]) < most and begun.status() != 'zombie':
        time.sleep(random.uniform(0, .01))  # it is given a time of its own, and not less of it on a machine with other work
    if kills < 50: os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    kills += os.WIFSIGNALED(status)
    while_writing += bool(set(folder.rglob('*.part')) - before)
    finished += not os.WIFSIGNALED(status)
print(kills, finished, while_writing)
for number in range(finished): train(Path({str(tmp_path)!r}) / f'run-{{number}}')
print(*Path({str(tmp_path)!r}).rglob('*.part'), *Path(tempfile.gettempdir()).glob('*'))
'''
    (tmp_path / 'tmp').mkdir()
    monkeypatch.setenv('TMPDIR', str(tmp_path / 'tmp'))
    result = run_python(code, timeout=300)
    assert result.returncode == 0 and not result.stderr, result.stderr[-3000:]
    numbers, left = result.stdout.splitlines()
    assert not left.strip(), 'what the killed ones left half written is cleared away'
    kills, finished, while_writing = map(int, numbers.split())
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
    with pytest.warns(UserWarning, match='stopped in epoch 2 of 3.*holds 1 finished epoch. Everything is kept in .*go on with resume=True'):
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


@posix
def test_a_signal_that_is_ignored_stays_ignored(digits, tmp_path):
    "As Ctrl-C is for what a script has started with &."
    class Pressed(Stopping):
        def forward(self, x):
            os.kill(os.getpid(), signal.SIGINT)
            return self.noise(x)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert len(train(digits, Run(tmp_path), noise=Pressed(0))[1]) == 3
    finally:
        signal.signal(signal.SIGINT, before)


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
    with pytest.raises(ValueError, match='other settings: .*data was 500'):
        train(digits, Run(tmp_path, resume=True))  # the lock is gone with the process, only the data differ


@pytest.mark.parametrize('change, words', [
    ({'noise': GaussianNoise(std=.2)}, r'noise was GaussianNoise\(mean=0.0, std=0.1, clip=False\) and is now GaussianNoise\(mean=0.0, std=0.2'),
    ({'model': Autoencoder(12)}, r'model was Autoencoder\(latent_dim=10\) and is now Autoencoder\(latent_dim=12\)'),
    ({'lr': .1}, 'lr was 0.003 and is now 0.1'),
    ({'epochs': 2}, 'epochs was 3 and is now 2'),
    ({'epochs': 5, 'lr': .1}, 'other settings: lr was 0.003 and is now 0.1. Go on'),  # more epochs of a finished run are no reason, and not named as one
    ({'epochs': 5, 'noise': GaussianNoise(std=.2)}, r'other settings: noise was GaussianNoise\(mean=0.0, std=0.1'),
    ({'optimizer': Muon}, 'optimizer was denoise_ae.training.adam [0-9a-f]+ and is now .*Muon'),
    ({'optimizer': torch.optim.SGD}, 'optimizer was denoise_ae.training.adam [0-9a-f]+ and is now .*SGD'),
    ({'schedule': None}, 'schedule was denoise_ae.training.one_cycle [0-9a-f]+ and is now None'),
    ({'loss': l1_loss}, 'loss was .*mse_loss .*and is now .*l1_loss'),
    ({'metrics': {}}, r'metrics was \[psnr\] and is now \[\]'),
    ({'batch_size': 32}, 'batch_size was 64 and is now 32'),
    ({'seed': 3}, 'seed was 0 and is now 3'),
    ({'valid': None}, 'valid was 60×1×28×28 float32, SHA-256 [0-9a-f]{16} and is now None'),
])
def test_going_on_with_something_else_is_refused_and_the_difference_shown(change, words, digits, tmp_path):
    unbroken, _ = train(digits, Run(tmp_path))
    before = {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()}
    with pytest.raises(ValueError, match=f'begun with other settings: (?s:.)*{words}' if 'other settings' not in words else words):
        train(digits, Run(tmp_path, resume=True), **change)
    with pytest.raises(ValueError, match='data was 300.* and is now 300'):
        train(1 - digits, Run(tmp_path, resume=True))
    assert {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()} == before
    assert bits(train(digits, Run(tmp_path, resume=True))[0]) == bits(unbroken), 'a finished run gives its model'


def stopped(digits, folder, step=4, **options):
    "A run that has been begun and was told to stop in one of its steps."
    noise = options.pop('noise', None)
    with pytest.warns(UserWarning, match='stopped in epoch'):
        return train(digits, Run(folder, resume=True), noise=Stopping(step, noise=noise), **options)


def test_a_run_may_go_on_in_numbers_of_another_type(digits, tmp_path):
    "Another processor may have none of those that it was begun in. It is said that the weights will not be the same."
    stopped(digits, tmp_path)
    with pytest.warns(UserWarning, match="'dtype': 'torch.float32'.* and goes on with .*'dtype': 'torch.bfloat16'.*: it will not be bit for bit"):
        model, history = train(digits, Run(tmp_path, resume=True), dtype=torch.bfloat16)
    assert len(history) == 3


class Speckle:
    "A noise that says nothing of itself."
    def __init__(self, strength):
        self.strength = strength

    def __call__(self, x):
        return x * (1 + self.strength * torch.randn_like(x))


class Silent(nn.Module):
    "A noise as people write it: a module without extra_repr."
    def __init__(self, strength):
        super().__init__()
        self.strength = strength

    def forward(self, x):
        return x + self.strength * torch.randn_like(x)


class Inner(Silent):
    "One that keeps another in itself."
    def __init__(self, strength):
        super().__init__(.1)
        self.other = Silent(strength)

    def forward(self, x):
        return self.other(super().forward(x))


class Blur(nn.Module):
    "A noise with a table of numbers."
    def __init__(self, value):
        super().__init__()
        self.register_buffer('kernel', torch.full((1,), value))

    def forward(self, x):
        return x * self.kernel


class Itself:
    "A noise that knows itself."
    def __init__(self, strength):
        self.strength, self.me = strength, self

    def __call__(self, x):
        return x + self.strength


def closure(strength):
    return lambda x: x + strength * torch.randn_like(x)


def default(strength):
    def noise(x, strength=strength):
        return x + strength * torch.randn_like(x)
    return noise


KINDS = {'a class without __repr__': Speckle, 'a module without extra_repr': Silent, 'a module in a module': Inner, 'a closure': closure, 'a default': default,
         'a composition': lambda strength: v2.Compose([MaskingNoise(.1), GaussianNoise(std=strength)]),
         'a composition of silent ones': lambda strength: v2.Compose([Silent(strength), MaskingNoise(.1)]),
         'a sequence': lambda strength: nn.Sequential(MaskingNoise(.1), Silent(strength)),
         'a lambda of torchvision': lambda strength: v2.Lambda(closure(strength)),
         'a method': lambda strength: Speckle(strength).__call__, 'a buffer': Blur, 'one that knows itself': Itself}


@pytest.mark.parametrize('kind', KINDS)
def test_noise_of_ones_own_with_another_strength_is_refused_and_with_the_same_goes_on(kind, digits, tmp_path):
    make, options = KINDS[kind], {'epochs': 2, 'valid': None}
    unbroken, history = train(digits, Run(tmp_path), noise=make(.1), **options)
    with pytest.raises(ValueError, match='other settings: noise was .* and is now .*Go on'):
        train(digits, Run(tmp_path, resume=True), noise=make(2.9), **options)
    with pytest.raises(ValueError, match='other settings: noise was .* and is now .*Go on'):
        train(digits, Run(tmp_path, resume=True), noise=make(2.9), **options | {'epochs': 3})
    again, same = train(digits, Run(tmp_path, resume=True), noise=make(.1), **options)
    assert bits(again) == bits(unbroken) and same.train_loss == history.train_loss


STRENGTH = .1


def test_functions_that_differ_in_a_single_word_are_told_apart(digits, tmp_path, monkeypatch):
    "The same number of arguments, names and operations; or a number that stands elsewhere."
    def absolute(output, clean):
        return (output - clean).abs().mean()

    def squared(output, clean):
        return (output - clean).square().mean()
    absolute.__qualname__ = squared.__qualname__ = 'loss'
    pairs = (lambda x: x.sin(), lambda x: x.cos()), (lambda x: x + sum(k for k in (.1, .2)), lambda x: x + sum(k for k in (.1, .3)))
    for number, (name, first, second) in enumerate([('loss', absolute, squared), *(('noise', *pair) for pair in pairs)]):
        train(digits, Run(tmp_path / str(number)), **{name: first}, epochs=1)
        with pytest.raises(ValueError, match=f'{name} was .* and is now'):
            train(digits, Run(tmp_path / str(number), resume=True), **{name: second}, epochs=1)
        train(digits, Run(tmp_path / str(number), resume=True), **{name: first}, epochs=1)

    def noise(x):
        return x + STRENGTH
    train(digits, Run(tmp_path / 'global'), noise=noise, epochs=1)
    monkeypatch.setitem(globals(), 'STRENGTH', .2)
    with pytest.raises(ValueError, match='noise was .*STRENGTH: 0.1.* and is now .*STRENGTH: 0.2'):
        train(digits, Run(tmp_path / 'global', resume=True), noise=noise, epochs=1)


# --- more epochs

@posix
@pytest.mark.parametrize('options', [{}, {'schedule': None}, {'optimizer': torch.optim.SGD, 'lr': .1}, {'optimizer': lambda p, lr: torch.optim.SGD(p, lr, momentum=.9), 'lr': .1},
                                     {'optimizer': Muon, 'valid': None}], ids=['Adam', 'no schedule', 'SGD', 'momentum', 'Muon'])
def test_a_finished_run_goes_on_for_more_epochs_in_a_new_cycle(options, digits, tmp_path):
    "And for more again; and is killed in it, and goes on as if nothing had been."
    once, _ = train(digits, epochs=5, **options)
    train(digits, Run(tmp_path / 'run', every=0.), epochs=3, **options)
    shutil.copytree(tmp_path / 'run', tmp_path / 'broken')
    with pytest.warns(UserWarning, match='the run in .* had finished its 3 epochs: the rest of 5 is a new cycle of the learning rate'):
        more, history = train(digits, Run(tmp_path / 'run', resume=True), epochs=5, **options)
    assert len(history) == 5 and (tmp_path / 'run' / 'history.csv').read_text().count('\n') == 6
    assert (bits(more) == bits(once)) == ('schedule' in options), 'without a schedule five epochs are three and two'
    assert json.loads((tmp_path / 'run' / 'config.json').read_text())['epochs'] == '5'
    assert bits(load_model(tmp_path / 'run' / 'last')) == bits(more)

    with pytest.warns(UserWarning, match='had finished its 3 epochs'):
        stopped(digits, tmp_path / 'broken', step=2, epochs=5, **options)  # in epoch 4
    stopped(digits, tmp_path / 'broken', step=5, epochs=5, **options)  # in epoch 5
    with pytest.raises(ValueError, match='other settings: epochs was 5 and is now 6'):
        train(digits, Run(tmp_path / 'broken', resume=True), epochs=6, **options)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        resumed, again = train(digits, Run(tmp_path / 'broken', resume=True), epochs=5, **options)
        finished, _ = train(digits, Run(tmp_path / 'broken', resume=True), epochs=5, **options)
    assert bits(resumed) == bits(more) == bits(finished) and again.train_loss == history.train_loss

    ends = []
    for folder in ('run', 'broken'):
        with pytest.warns(UserWarning, match='had finished its 5 epochs: the rest of 6 is a new cycle'):
            third, history = train(digits, Run(tmp_path / folder, resume=True), epochs=6, **options)
        ends.append(bits(third))
        assert len(history) == 6
    assert ends[0] == ends[1] != bits(more)


@posix
def test_the_rate_of_the_new_cycle_is_that_of_a_new_training(digits, tmp_path):
    class Rates:
        def __init__(self):
            self.rates, self.betas = [], []

        def after_step(self, trainer):
            self.rates.append(trainer.optimizer.param_groups[0]['lr'])
            self.betas.append(trainer.optimizer.param_groups[0]['betas'])
    fresh, more, killed = Rates(), Rates(), Rates()
    train(digits, epochs=2, callbacks=[fresh])
    for epochs in (1, 3):
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            train(digits, Run(tmp_path / 'run', resume=True), epochs=epochs, callbacks=[more])
    assert more.rates[5:] == fresh.rates and more.betas[5:] == fresh.betas and len(fresh.rates) == 10
    train(digits, Run(tmp_path / 'killed'), epochs=1)
    for step in (2, 3, 100):
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            train(digits, Run(tmp_path / 'killed', resume=True), epochs=3, callbacks=[killed], noise=Stopping(step))
    assert killed.rates == fresh.rates and killed.betas == fresh.betas


@posix
def test_a_run_that_is_not_finished_keeps_to_its_epochs(digits, tmp_path):
    stopped(digits, tmp_path, epochs=3)
    with pytest.raises(ValueError, match='other settings: epochs was 3 and is now 4'):
        train(digits, Run(tmp_path, resume=True), epochs=4)


# --- models of a run

FACTS = {'noise': 'GaussianNoise', 'mean': 0., 'std': [.05, .5], 'clip': True}


def test_what_it_was_trained_on_goes_with_the_model_everywhere(digits, tmp_path):
    "From the run through folders and loading to the ONNX file and the card."
    import onnx
    noise = GaussianNoise(std=(.05, .5), clip=True)
    model, _ = train(digits, Run(tmp_path / 'run'), noise=noise, epochs=1)
    assert model.trained_on == FACTS
    for name in ('best', 'last'):
        folder = tmp_path / 'run' / name
        config = json.loads((folder / 'config.json').read_text())
        assert config == {'class': 'Autoencoder', 'trained_on': FACTS, 'latent_dim': 10}
        for loaded in (Autoencoder.from_pretrained(folder), load_model(folder), load_model(str(folder))):
            assert type(loaded) is Autoencoder and loaded.trained_on == FACTS and not loaded.training
        assert '| trained on | GaussianNoise, mean 0, std 0.05 to 0.5, clipped |' in (folder / 'README.md').read_text(encoding='utf-8')
        assert 'It was trained on images of 300×1×28×28 float32' in (folder / 'README.md').read_text(encoding='utf-8')
    loaded.save_pretrained(tmp_path / 'again')
    assert json.loads((tmp_path / 'again' / 'config.json').read_text()) == config
    export_onnx(load_model(tmp_path / 'again'), tmp_path / 'x.onnx')
    facts = {prop.key: prop.value for prop in onnx.load(tmp_path / 'x.onnx').metadata_props}
    assert facts['class'] == 'Autoencoder' and json.loads(facts['trained_on']) == FACTS
    train(digits, model=loaded, noise=SaltAndPepperNoise(.2), epochs=1)
    loaded.save_pretrained(tmp_path / 'again')
    card = tmp_path / 'again' / 'README.md'
    assert '| trained on | SaltAndPepperNoise, p 0.2 |' in card.read_text(encoding='utf-8'), 'a card that nobody has changed is made anew'
    card.write_text(changed := card.read_text(encoding='utf-8').replace('p 0.2', 'p 0.2, in the dark'), encoding='utf-8')
    Autoencoder().save_pretrained(tmp_path / 'again')
    assert card.read_text(encoding='utf-8') == changed
    loaded.save_pretrained(tmp_path / 'again')
    assert load_model(tmp_path / 'again').trained_on == {'noise': 'SaltAndPepperNoise', 'p': .2}


@pytest.mark.parametrize('noise, facts', [
    (Speckle(.1), {'noise': 'Speckle', 'strength': .1}), (closure(.1), {'noise': '<lambda>'}),
    (v2.Compose([MaskingNoise(.1), GaussianNoise(std=.1)]), {'noise': 'Compose', 'transforms': ['MaskingNoise(p=0.1)', 'GaussianNoise(mean=0.0, std=0.1, clip=False)']}),
    (Speckle([1, [2, 3]]), {'noise': 'Speckle', 'strength': [1, [2, 3]]}), (Speckle(torch.tensor(.5)), {'noise': 'Speckle'}), (None, None)],
    ids=['object', 'function', 'composition', 'lists', 'tensor', 'pairs'])
def test_any_noise_leaves_facts_that_a_config_can_hold(noise, facts, digits, tmp_path):
    data = digits[:300] if noise is not None else [(digits[0], digits[0])] * 3
    if isinstance(getattr(noise, 'strength', None), list | torch.Tensor):
        noise.__class__ = type('Speckle', (Speckle,), {'__call__': lambda self, x: x + .1})
    model = Autoencoder()
    fit(model, data, noise, epochs=1, run=Run(tmp_path), progress=False)
    loaded = load_model(tmp_path / 'best')
    assert loaded.trained_on == facts == model.trained_on
    assert '| trained on | ' in (tmp_path / 'best' / 'README.md').read_text(encoding='utf-8')


class Own(nn.Module):
    "A network of one's own, without save_pretrained."
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x):
        return self.layer(x)


class Folders(Own):
    "One that has a way of its own to be saved, into a folder of folders."
    def save_pretrained(self, folder):
        os.makedirs(os.path.join(folder, 'parts'))
        write_file(os.path.join(folder, 'parts', 'weights.txt'), str(self.layer.weight.tolist()).encode())


class Tied(Pretrained, Own):
    "One built on the library's, without settings of its own."


def test_a_network_of_ones_own_is_kept_and_the_error_says_how_to_load_it(digits, tmp_path):
    model, _ = train(digits, Run(tmp_path), model=Own(), epochs=1)
    for name in ('best', 'last'):
        folder = tmp_path / name
        assert [path.name for path in folder.iterdir()] == ['model.safetensors']
        for load in (Autoencoder.from_pretrained, load_model):
            with pytest.raises(FileNotFoundError, match='there is no config.json in .*: it holds weights only, of a network of your own: make it, then ') as caught:
                load(folder)
        network = Own()
        exec(str(caught.value).split('make it, then ')[1], {'safetensors': safetensors, 'network': network})
        assert bits(network) == bits(model)


def test_networks_with_ways_of_their_own(digits, tmp_path):
    model, _ = train(digits, Run(tmp_path / 'folders'), model=Folders(), epochs=1)
    assert (tmp_path / 'folders' / 'last' / 'parts' / 'weights.txt').read_text() == str(model.layer.weight.tolist())
    model, _ = train(digits, Run(tmp_path / 'tied'), model=Tied(), epochs=1)
    loaded = load_model(tmp_path / 'tied' / 'last')
    assert type(loaded) is Tied and bits(loaded) == bits(model) and loaded.trained_on['std'] == .1
    train(digits, Run(tmp_path / 'tied', resume=True), model=Tied.from_pretrained(tmp_path / 'tied' / 'last'), epochs=1)  # the same network by its settings
    train(digits, model=loaded, noise=GaussianNoise(std=.7), epochs=1)
    loaded.save_pretrained(tmp_path / 'again')
    assert Tied.from_pretrained(tmp_path / 'again').trained_on['std'] == .7


def test_a_network_in_a_wrapper_for_several_devices(digits, tmp_path):
    model, _ = train(digits, Run(tmp_path / 'run'), model=nn.DataParallel(Autoencoder()), epochs=2)
    for load in (Autoencoder.from_pretrained, load_model):
        for name in ('best', 'last'):
            loaded = load(tmp_path / 'run' / name)
            assert type(loaded) is Autoencoder and loaded.trained_on['std'] == .1
    assert bits(loaded) == bits(model.module) and model.module.trained_on == loaded.trained_on
    again, history = train(digits, Run(tmp_path / 'run', resume=True), model=nn.DataParallel(Autoencoder()), epochs=2)
    assert bits(again) == bits(model) and len(history) == 2


def test_what_load_model_says(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, error, words in (('resnet', FileNotFoundError, "there is no model 'resnet': choose one of autoencoder, mlp, conv, unet, photo-grey, photo, or the folder of a trained model"),
                               ('runs/first', FileNotFoundError, "there is no model 'runs/first'")):
        with pytest.raises(error, match=re.escape(words)):
            load_model(name)
    train(digits, Run('run'), epochs=1)
    with pytest.raises(ValueError, match='run is the folder of a run: name the model in it, .*best.* or .*last'):
        load_model('run')
    os.makedirs('empty')
    with pytest.raises(FileNotFoundError, match='there is no config.json in empty: is it a folder that save_pretrained wrote'):
        load_model('empty')
    Autoencoder().save_pretrained('mine')
    config = json.loads(open('mine/config.json').read())
    for change, words in (({'class': 'Stranger'}, 'mine holds a network of the class Stranger, which is not known here: import its module first'),
                          ({'class': ['UNet']}, 'mine.config.json is no config.json of a model: class must be a name'), ({'class': None}, 'mine.config.json is no config.json of a model: class must be a name'),
                          ({'class': 'UNet'}, 'mine.config.json does not fit UNet: .*latent_dim'), ({'latent_dim': 3}, 'mine.model.safetensors does not fit Autoencoder: decoder')):
        with open('mine/config.json', 'w') as file:
            json.dump(config | change, file)
        with pytest.raises(ValueError, match=words) as caught:
            load_model('mine')
        assert '\n' not in str(caught.value)
    with open('mine/config.json', 'w') as file:
        json.dump({'latent_dim': 10}, file)
    with pytest.raises(ValueError, match='mine.config.json does not say the class of the network: load it with the from_pretrained of that class'):
        load_model('mine')
    assert type(Autoencoder.from_pretrained('mine')) is Autoencoder
    with open('mine/config.json', 'w') as file:
        file.write('{')
    with pytest.raises(ValueError, match='mine.config.json is no config.json of a model'):
        load_model('mine')


def test_a_callback_that_fails_at_the_end_leaves_the_folder_free(digits, tmp_path):
    class Failing:
        def after_fit(self, trainer):
            raise OSError('no room for a report')

    class Last:
        def after_fit(self, trainer):
            raise OSError('the last error')

    old = signal.getsignal(signal.SIGTERM)
    run = Run(tmp_path / 'run', resume=True)
    for callbacks, a_run in ([Failing()], run), ([run, Failing()], None):
        with pytest.raises(OSError, match='no room for a report'):
            train(digits, a_run, epochs=1, callbacks=callbacks)
        assert signal.getsignal(signal.SIGTERM) == old
        train(digits, Run(tmp_path / 'run', resume=True), epochs=1)
    with pytest.raises(OSError, match='the last error') as raised:  # of several, with the first as its context
        train(digits, epochs=1, callbacks=[Failing(), Failing(), Last()])
    assert 'no room' in str(raised.value.__context__)


# --- drives that can't do everything

@posix
@pytest.mark.parametrize('number', [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EPERM])
def test_a_folder_that_cannot_be_synced_is_no_error(number, digits, tmp_path, monkeypatch):
    "As on many network and shared drives. Files are still synced."
    real, files = os.fsync, []

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        files.append(descriptor)
        return real(descriptor)
    monkeypatch.setattr(os, 'fsync', fsync)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        write_file(tmp_path / 'a', b'new')
        write_file(tmp_path / 'a', b'newer', overwrite=True)
        write_folder(tmp_path / 'b', {'c': b'd'})
        write_picture(digits[0], tmp_path / 'a.png')
        train(digits, Run(tmp_path / 'run'), epochs=1)
        again, history = train(digits, Run(tmp_path / 'run', resume=True), epochs=1)
        again.save_pretrained(tmp_path / 'model')
        if number == errno.EINVAL:  # which is one for all, and these take their time
            export_onnx(again, tmp_path / 'x.onnx')
            assert unpack_mnist(tmp_path / 'home') == tmp_path / 'home' and len(list((tmp_path / 'home' / 'MNIST' / 'raw').glob('*ubyte'))) == 4
    assert (tmp_path / 'a').read_bytes() == b'newer' and read_folder(tmp_path / 'b', ('c',)) == {'c': b'd'}
    assert read_picture(tmp_path / 'a.png').shape == (1, 28, 28)
    assert len(history) == 1 and bits(load_model(tmp_path / 'run' / 'last')) == bits(again) == bits(load_model(tmp_path / 'model')) and len(files) > 10


@posix
def test_a_folder_that_may_be_written_to_but_not_read_is_none(tmp_path):
    "Into a box for letters one can put something without looking into it."
    from conftest import under_permissions
    box = tmp_path / 'box'
    box.mkdir()
    box.chmod(0o300)
    code = f"from pathlib import Path\nfrom denoise_ae.files import write_file\nwrite_file(Path({str(box / 'letter')!r}), b'words')"
    run = subprocess.run([*under_permissions(), sys.executable, '-c', code], capture_output=True, text=True)
    box.chmod(0o700)
    assert run.returncode == 0, run.stderr
    assert (box / 'letter').read_bytes() == b'words' and len(list(box.iterdir())) == 1


@posix
@pytest.mark.parametrize('number', [errno.EIO, errno.ENOSPC])
def test_a_folder_whose_drive_breaks_is_one(number, tmp_path, monkeypatch):
    real = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        return real(descriptor)
    monkeypatch.setattr(os, 'fsync', fsync)
    with pytest.raises(OSError, match=re.escape(f'could not be written: {os.strerror(number)}')):
        write_file(tmp_path / 'a', b'new')


@posix
@pytest.mark.parametrize('number', [errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS])
def test_a_drive_without_locks_trains_with_a_warning_and_unpacks(number, digits, tmp_path, monkeypatch):
    "As a home folder on NFS without the process that keeps its locks."
    import fcntl

    def flock(*args):
        raise OSError(number, os.strerror(number))
    monkeypatch.setattr(fcntl, 'flock', flock)
    words = 'has no locks: see that no other process writes there' if number != errno.ENOSYS else 'flock'  # there filelock finds another way, and says so
    with pytest.warns(UserWarning, match=words):
        first, _ = train(digits, Run(tmp_path / 'run'), epochs=2)
    with pytest.warns(UserWarning, match=words):
        again, history = train(digits, Run(tmp_path / 'run', resume=True), epochs=2)
    assert bits(first) == bits(again) and len(history) == 2
    with pytest.warns(UserWarning, match=words), only_process(tmp_path):
        pass
    if number == errno.ENOLCK:
        with pytest.warns(UserWarning, match=words):
            assert len(list((unpack_mnist(tmp_path / 'home') / 'MNIST' / 'raw').glob('*ubyte'))) == 4


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


def dangers(code):
    "What could run a program that somebody has put into a file."
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [getattr(node, 'module', None), *(each.name for each in node.names)]
            found += [each for each in modules if each and each.split('.')[0] in ('pickle', '_pickle', 'cPickle', 'dill', 'cloudpickle', 'joblib', 'shelve', 'marshal', 'runpy')]
        if isinstance(node, ast.Call):
            name, given = ast.unparse(node.func), {each.arg: ast.unparse(each.value) for each in node.keywords}
            if name in ('eval', 'exec', 'compile', '__import__', 'torch.load', 'torch.save') or (name.endswith('np.load') and given.get('allow_pickle') != 'False'):
                found.append(name)
    return found


class Malicious:
    def __reduce__(self):
        return exec, ("open('executed', 'w')",)


def test_nothing_in_a_checkpoint_is_executed(digits, tmp_path, monkeypatch):
    "Neither is there a pickle in the library, nor does one that somebody slips into a checkpoint, with the right sums, get loaded."
    for path in (ROOT / 'denoise_ae').glob('*.py'):
        assert not dangers(path.read_text(encoding='utf-8')), path
    for code in ('import pickle', 'from pickle import loads', 'import a, joblib', 'eval(text)', 'import torch\ntorch.load(path)', 'np.load(path)', 'np.load(path, allow_pickle=True)'):
        assert dangers(code), code
    monkeypatch.chdir(tmp_path)
    train(digits, Run('run'))
    for name in ('state.json', 'tensors.safetensors'):
        shutil.copytree('run', name)
        for checkpoint in (tmp_path / name / 'checkpoints').iterdir():
            (checkpoint / name).write_bytes(pickle.dumps(Malicious()))
            files = {path.name: path.read_bytes() for path in checkpoint.iterdir() if path.name != 'SHA256SUMS'}
            shutil.rmtree(checkpoint)
            write_folder(checkpoint, files)
            assert f'{sha256(pickle.dumps(Malicious()))}  {name}\n' in (checkpoint / 'SHA256SUMS').read_text()
        with pytest.raises(ValueError, match='is no checkpoint of a training'):
            train(digits, Run(name, resume=True))
    assert not (tmp_path / 'executed').exists()
    pickle.loads(pickle.dumps(Malicious()))
    assert (tmp_path / 'executed').exists(), 'it would have done harm'
