"""Measure how fast the course's code is, beside what else one could use: python tools/bench.py [--part PART]

Writes training.csv, inference.csv and quality.csv into denoise_ae/results/ and prints them, each when its part is done.
Close other programs first. The other libraries go into an environment of their own, .venv-bench."""
import argparse
import contextlib
import itertools
import json
import math
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
import time
from importlib import metadata, util
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
SIZES = [784, 256, 128, 32, 16, 10, 16, 32, 64, 128, 256, 784]
BATCH_SIZES = (64, 256)
PEERS = {  # the contenders that need packages the course does not
    'JAX + optax': ['jax>=0.6', 'optax>=0.2.4'],
    'Keras 3 on JAX': ['jax>=0.6', 'keras>=3.8'],
    'fastai': ['fastcore>=2.2.22', 'fasttransform>=0.0.3', 'fastdownload>=0.0.8,<2', 'fastprogress>=0.2.4', 'plum-dispatch<2.10'],
    'bare matrix products, JAX': ['jax>=0.6']}
ALONE = {'fastai': ['fastai>=2.8.12']}  # installed without what it asks for: spaCy is large, and nothing here reads text
CONTENDERS = {}


def contender(name, *packages):
    "Register a function of images `(N, 784)`, batch size and device. It returns a function that trains for one epoch and returns the mean loss."
    def register(function):
        CONTENDERS[name] = function, packages
        return function
    return register


def two_loaders(n, batch_size):
    "The batches of the well-known tutorial: picture by picture, once with noise and once without."
    from torch.utils.data import DataLoader, Subset
    from torchvision import transforms
    from denoise_ae import GaussianNoise, mnist
    ways = transforms.Compose([transforms.ToTensor(), GaussianNoise(std=.1)]), transforms.ToTensor()
    noisy, clean = (DataLoader(Subset(mnist(transform=way), range(n)), batch_size) for way in ways)
    return lambda: ((x, y) for (x, _), (y, _) in zip(noisy, clean))


def plain_loop(model, batches, device):
    "The loop of most tutorials, with Adam as it comes."
    import torch
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters())

    def epoch():
        losses = []
        for noisy, clean in batches():
            noisy, clean = noisy.to(device), clean.to(device)
            loss = torch.nn.functional.mse_loss(model(noisy), clean)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).mean().item()
    return epoch


@contender('two DataLoaders', 'torch', 'torchvision')
def with_two_loaders(images, batch_size, device):
    from denoise_ae import Autoencoder
    return plain_loop(Autoencoder(), two_loaders(len(images), batch_size), device)


@contender('DataLoader over tensors', 'torch')
def with_one_loader(images, batch_size, device):
    import torch
    from torch.utils.data import DataLoader, TensorDataset
    from denoise_ae import Autoencoder, GaussianNoise
    noise, loader = GaussianNoise(std=.1), DataLoader(TensorDataset(torch.from_numpy(images)), batch_size, shuffle=True)
    return plain_loop(Autoencoder(), lambda: ((noise(clean), clean) for clean, in loader), device)


@contender('fit', 'denoise_ae', 'torch')
def with_fit(images, batch_size, device):
    import torch
    from denoise_ae import Autoencoder, GaussianNoise, fit
    model, images = Autoencoder(), torch.from_numpy(images).to(device)

    def epoch():
        with open(os.devnull, 'w') as nowhere, contextlib.redirect_stderr(nowhere):  # the bar is drawn, where nobody looks
            return fit(model, images, GaussianNoise(std=.1), epochs=1, batch_size=batch_size, device=device).train_loss[-1]
    return epoch


@contender('fit, medium precision', 'denoise_ae', 'torch')
def with_fit_medium(images, batch_size, device):
    import torch
    torch.set_float32_matmul_precision('medium')
    return with_fit(images, batch_size, device)


@contender('compiled step', 'torch')
def with_compiled_step(images, batch_size, device):
    "Forward, backward and Adam compiled into one function, as JAX does; the batches and their noise are drawn as in `fit`."
    import torch
    from torch.func import functional_call, grad_and_value
    from denoise_ae import Autoencoder, GaussianNoise
    model, images, noise = Autoencoder().to(device), torch.from_numpy(images).to(device), GaussianNoise(std=.1)
    params = {name: p.detach().clone() for name, p in model.named_parameters()}
    means, squares = ({name: torch.zeros_like(p) for name, p in params.items()} for _ in range(2))
    corrected = ([torch.tensor(value, device=device) for value in (1e-3 / (1 - .9 ** t), 1 - .999 ** t)] for t in itertools.count(1))  # Adam's early steps
    torch._inductor.config.force_disable_caches = True  # or an earlier run would make the warm-up look short

    def loss_of(params, noisy, clean):
        return torch.nn.functional.mse_loss(functional_call(model, params, noisy), clean)

    @torch.compile(fullgraph=True, dynamic=False)
    def step(params, means, squares, noisy, clean, rate, correction):
        slopes, loss = grad_and_value(loss_of)(params, noisy, clean)
        for name, slope in slopes.items():
            means[name].lerp_(slope, .1)
            squares[name].lerp_(slope ** 2, .001)
            params[name].sub_(rate * means[name] / ((squares[name] / correction).sqrt() + 1e-8))
        return loss

    def epoch():
        order = torch.randperm(len(images), device=device)[:len(images) // batch_size * batch_size]  # another size would be compiled anew
        batches = (images[index] for index in order.split(batch_size))
        return torch.stack([step(params, means, squares, noise(clean), clean, *next(corrected)) for clean in batches]).mean().item()
    return epoch


@contender('compiled step, medium precision', 'torch')
def with_compiled_step_medium(images, batch_size, device):
    import torch
    torch.set_float32_matmul_precision('medium')
    return with_compiled_step(images, batch_size, device)


@contender('Keras 3 on JAX', 'keras', 'jax')
def with_keras(images, batch_size, device):
    os.environ['KERAS_BACKEND'] = 'jax'
    import keras
    from keras.layers import Dense, GaussianNoise, Input
    inner = [Dense(n, activation=None if n == min(SIZES) else 'relu') for n in SIZES[1:-1]]
    model = keras.Sequential([Input((784,)), GaussianNoise(.1), *inner, Dense(784, activation='sigmoid')])
    model.compile(keras.optimizers.Adam(), 'mse')
    return lambda: model.fit(images, images, batch_size=batch_size, epochs=1).history['loss'][-1]


@contender('JAX + optax', 'jax', 'optax')
def with_jax(images, batch_size, device):
    import jax
    import optax
    from jax import numpy as jnp
    n, adam, x = len(images) // batch_size, optax.adam(1e-3), jnp.asarray(images)
    keys = jax.random.split(jax.random.key(0), len(SIZES))
    params = [(jax.random.normal(k, (a, b)) * (2 / a) ** .5, jnp.zeros(b)) for k, a, b in zip(keys, SIZES, SIZES[1:])]

    def loss_of(params, noisy, clean):
        h = noisy
        for number, (w, b) in enumerate(params, 1):
            h = h @ w + b
            if w.shape[1] != min(SIZES):
                h = jax.nn.relu(h) if number < len(params) else jax.nn.sigmoid(h)
        return jnp.mean((h - clean) ** 2)

    def step(carry, batch):
        (params, state), (index, key) = carry, batch
        clean = x[index]
        loss, slopes = jax.value_and_grad(loss_of)(params, clean + .1 * jax.random.normal(key, clean.shape), clean)
        updates, state = adam.update(slopes, state)
        return (optax.apply_updates(params, updates), state), loss

    @jax.jit
    def all_steps(carry, key):
        order = jax.random.permutation(key, len(x))[:n * batch_size].reshape(n, batch_size)
        return jax.lax.scan(step, carry, (order, jax.random.split(jax.random.fold_in(key, 1), n)))

    carry, key = (params, adam.init(params)), keys[-1]

    def epoch():
        nonlocal carry, key
        key = jax.random.fold_in(key, 0)
        carry, losses = all_steps(carry, key)
        return float(losses.mean())
    return epoch


@contender('fastai', 'fastai', 'torch')
def with_fastai(images, batch_size, device):
    import torch
    from fastai.callback.core import Callback
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from torch.utils.data import TensorDataset
    from denoise_ae import Autoencoder, GaussianNoise

    class Noise(Callback):
        def before_batch(self):
            self.learn.xb = noise(*self.xb),

    noise, clean = GaussianNoise(std=.1), torch.from_numpy(images)
    sets = TensorDataset(clean, clean), TensorDataset(clean[:1], clean[:1])  # it can't do without a validation set
    loaders = DataLoaders.from_dsets(*sets, bs=batch_size, num_workers=0, device=device)
    learner = Learner(loaders, Autoencoder(), loss_func=torch.nn.functional.mse_loss, cbs=Noise())

    def epoch():
        learner.fit(1)
        return torch.stack(learner.recorder.losses).mean().item()
    return epoch


@contender('scikit-learn', 'scikit-learn')
def with_sklearn(images, batch_size, device):
    import numpy as np
    from sklearn.neural_network import MLPRegressor
    draw = np.random.default_rng(0)
    model = MLPRegressor(hidden_layer_sizes=SIZES[1:-1], alpha=0, batch_size=batch_size)  # it has no sigmoid at the end, and a ReLU at the bottleneck

    def epoch():
        model.partial_fit(images + np.float32(.1) * draw.standard_normal(images.shape, np.float32), images)
        return 2 * float(model.loss_)  # it counts half the squared error
    return epoch


@contender('bare matrix products, PyTorch', 'torch')
def products_in_torch(images, batch_size, device):
    import torch
    weights = [torch.randn(b, a, device=device) / a ** .5 for a, b in zip(SIZES, SIZES[1:])]
    values = [torch.randn(batch_size, n, device=device) for n in SIZES]  # always the same, so that nothing is waited for but the products

    def epoch():
        for _ in range(math.ceil(len(images) / batch_size)):
            for number, w in enumerate(weights):
                values[number] @ w.T
                values[number + 1].T @ values[number]
                if number:
                    last = values[number + 1] @ w
        last.sum().item()  # waits for an accelerator
    return epoch


@contender('bare matrix products, JAX', 'jax')
def products_in_jax(images, batch_size, device):
    import jax
    from jax import numpy as jnp
    n = len(images) // batch_size
    batches = jnp.asarray(images[:n * batch_size].reshape(n, batch_size, 784))
    weights = [jax.random.normal(jax.random.key(a), (a, b)) / a ** .5 for a, b in zip(SIZES, SIZES[1:])]

    def step(_, h):  # the slopes are carried along, or the compiler would leave them out
        inputs, slopes = [], []
        for w in weights:
            inputs.append(h)
            h = h @ w
        for number in reversed(range(len(weights))):
            slopes.append(inputs[number].T @ h)
            if number:
                h = h @ weights[number].T
        return slopes[::-1], None
    all_steps = jax.jit(lambda batches: jax.lax.scan(step, [jnp.zeros_like(w) for w in weights], batches)[0])

    def epoch():
        jax.block_until_ready(all_steps(batches))
    return epoch


def work(name, data, batch_size, device):
    "A worker: train for one epoch for each line that comes in, and answer with the seconds."
    import numpy as np
    answers, sys.stdout = sys.stdout, sys.stderr  # what the libraries print must not get among the answers
    (build, packages), images, epoch = CONTENDERS[name], np.load(data), None
    version = ', '.join(f'{package} {metadata.version(package)}' for package in packages)
    for _ in sys.stdin:
        start = time.perf_counter()
        epoch = epoch or build(images, batch_size, device)
        loss = epoch()
        print(json.dumps({'seconds': time.perf_counter() - start, 'loss': loss, 'version': version}), file=answers, flush=True)


class Worker:
    "A process that trains when told to."
    def __init__(self, python, name, data, batch_size, device):
        # Some machines hold NumPy to old instructions by the first of these; the second would hide the bar of fit.
        env = {k: v for k, v in os.environ.items() if not k.startswith('OPENBLAS_') and k != 'TQDM_DISABLE'}
        self.log = tempfile.TemporaryFile('w+')
        command = [python, __file__, '--worker', name, '--data', data, '--batch-size', str(batch_size), '--device', device]
        self.process = subprocess.Popen(command, text=True, env={**env, 'JAX_PLATFORMS': device}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)

    def epoch(self):
        "Have it train for an epoch. Raises a `RuntimeError` with the last thing it said if it died of that."
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write('\n')
            self.process.stdin.flush()
        if answer := self.process.stdout.readline():
            return json.loads(answer)
        self.log.seek(0)
        raise RuntimeError((self.log.read().strip().splitlines() or [f'it ended with the status {self.process.wait()}'])[-1])

    def stop(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()


def call(*command):
    "Run a command. Raises a `RuntimeError` with the last line of its errors if it fails."
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError((run.stderr.strip() or run.stdout.strip() or f'{command[0]} ended with the status {run.returncode}').splitlines()[-1])
    return run.stdout.strip()


def install(folder, device):
    "Make the peers' environment. Returns its Python, and for each contender that lacks a package the error."
    python, failed = folder / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python'), {}
    try:
        if not python.exists():
            call(sys.executable, '-m', 'venv', folder)
        site = call(python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))')
        # What it lacks, such as PyTorch, it finds in the course's environment.
        Path(site, 'course.pth').write_text(f'{sysconfig.get_path("purelib")}\n{ROOT}\n', encoding='utf-8')
    except (RuntimeError, OSError) as error:
        return python, {name: f'{folder} can\'t be made: {error}. Name another folder with --peers' for name in PEERS}
    for name, packages in {} if failed else PEERS.items():
        packages = [p.replace('jax>', 'jax[cuda13]>') if device == 'cuda' else p for p in packages]
        print(f'{name}: {", ".join(packages + ALONE.get(name, []))}', flush=True)
        try:
            for options, group in ([], packages), (['--no-deps'], ALONE.get(name)):
                if group:
                    call(python, '-m', 'pip', 'install', '-q', '--disable-pip-version-check', *options, *group)
        except RuntimeError as error:
            failed[name] = f'{error}. Is there a network? Without one, name an environment that has these packages with --peers.'
    return python, failed


def in_turns(workers, rounds, title):
    "Have each worker train once, then each again, and so on: a slow minute of the machine hits all. Returns the answers and the errors."
    from tqdm.auto import tqdm
    answers, failed = {name: [] for name in workers}, {}
    for name in (bar := tqdm([*workers] * rounds, desc=title, unit='epoch')):
        bar.set_postfix_str(name)
        if name not in failed:
            try:
                answers[name].append(workers[name].epoch())
            except RuntimeError as error:
                failed[name] = str(error)
    return answers, failed


def training(args):
    "Seconds of one epoch, for all contenders."
    import numpy as np
    from denoise_ae.data import mnist
    peers, failed = install(args.peers, args.device)
    if args.device == 'cuda':
        failed['scikit-learn'] = 'it computes on the CPU only'
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, 'images.npy')
        np.save(data, mnist().data[:args.images].flatten(1).numpy() / np.float32(255))
        for size in BATCH_SIZES:  # new workers for each, or the second would find everything warmed up by the first
            with contextlib.ExitStack() as stack:
                workers = {name: Worker(peers if name in PEERS else sys.executable, name, data, size, args.device) for name in CONTENDERS if name not in failed}
                for worker in workers.values():
                    stack.callback(worker.stop)
                answers[size], died = in_turns(workers, args.repeats + 1, f'batch {size}')
            failed |= died
    if 'fit' in failed:
        raise RuntimeError(f'fit failed: {failed["fit"]}')
    rows = []
    for size, name in ((size, name) for size, rounds in answers.items() for name in rounds if name not in failed):
        first, *others = answers[size][name]
        seconds, ours = ([answer['seconds'] for answer in rounds] for rounds in (others, answers[size]['fit'][1:]))
        rows.append({'contender': name, 'batch_size': size, 'seconds': median(seconds), 'fastest': min(seconds), 'slowest': max(seconds),
                     'ratio_to_fit': median(a / b for a, b in zip(seconds, ours)), 'warmup_seconds': first['seconds'],
                     'loss': others[-1]['loss'], 'version': first['version']})
    return rows, failed


def speed(function, images, at_least=.3):
    "A function that measures images per second, over as many calls as take some tenths of a second."
    start = time.perf_counter()
    function(images)
    calls = math.ceil(at_least / (time.perf_counter() - start))

    def measure():
        start = time.perf_counter()
        for _ in range(calls):
            function(images)
        return calls * len(images) / (time.perf_counter() - start)
    return measure


def inference(args):
    "Images per second of each denoiser, 1,000 at a time; of the slow ones, 100."
    import torch
    from tqdm.auto import tqdm
    from denoise_ae import CLASSICAL, NETWORKS, GaussianNoise, denoise, load_model, mnist_tensors
    noisy = GaussianNoise(std=.3, generator=torch.Generator().manual_seed(0))(mnist_tensors('test')[0][:1000])
    functions, parameters, timers, failed = {}, {}, {}, {}
    for model in (load_model(name).to(args.device) for name in NETWORKS):
        name = type(model).__name__
        functions[name], parameters[name] = (lambda x, model=model: denoise(model, x)), sum(p.numel() for p in model.parameters())
    for name, (function, settings) in CLASSICAL.items():
        middle = settings[len(settings) // 2]
        functions[name] = lambda x, function=function, setting=middle: function(x, setting)
    for name, function in tqdm(functions.items(), desc='first calls', unit='denoiser'):
        try:
            function(noisy[:100])  # the first call prepares things
            start = time.perf_counter()
            function(noisy[:100])
            timers[name] = speed(function, noisy[:100] if time.perf_counter() - start > .5 else noisy)
        except ImportError as error:
            failed[name] = str(error)
    rounds = [{name: timer() for name, timer in timers.items()} for _ in tqdm(range(args.repeats), desc='rounds', unit='round')]
    rows = []
    for name in timers:
        speeds = [values[name] for values in rounds]
        rows.append({'denoiser': name, 'images_per_second': median(speeds), 'fastest': max(speeds), 'slowest': min(speeds), 'parameters': parameters.get(name, 0)})
    return rows, failed


def quality(args):
    "PSNR on the validation digits after so many seconds of training, at σ = 0.1."
    import torch
    from denoise_ae import RECIPES, Autoencoder, GaussianNoise, UNet, denoise, fit, mnist_tensors, psnr

    def clipped_psnr(output, clean):
        return psnr(output.clamp(0, 1), clean)

    images, valid, noise = mnist_tensors('train')[0][:args.images], mnist_tensors('valid')[0], GaussianNoise(std=.1)
    noisy = GaussianNoise(std=.1, generator=torch.Generator().manual_seed(0))(valid)
    torch.manual_seed(0)
    results, model = {'two DataLoaders, batch 64': []}, Autoencoder()
    epoch, total = plain_loop(model, two_loaders(len(images), 64), args.device), 0
    for number in range(3):
        print(f'two DataLoaders, epoch {number + 1} of 3', flush=True)
        start = time.perf_counter()
        epoch()
        total += time.perf_counter() - start
        results['two DataLoaders, batch 64'].append((total, clipped_psnr(denoise(model, noisy), valid).mean().item()))
    for name, model, options in (('fit', Autoencoder(), {}), ('U-Net', UNet(), RECIPES[UNet] | {'epochs': 3})):
        print(name, flush=True)
        history = fit(model, images, valid=valid, metrics={'psnr': clipped_psnr}, device=args.device, **options | {'noise': noise})
        results[name] = [(sum(history.seconds[:n]), decibels) for n, decibels in enumerate(history.valid_psnr, 1)]
    return [{'contender': name, 'epoch': number, 'seconds': seconds, 'psnr': decibels}
            for name, values in results.items() for number, (seconds, decibels) in enumerate(values, 1)], {}


def machine(device):
    "The processor's name and number of cores, or the accelerator's name."
    if device == 'cuda':
        import torch
        return torch.cuda.get_device_name()
    with contextlib.suppress(OSError):
        for line in Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines():
            if line.startswith('model name'):
                return f'{line.split(":")[1].strip()}, {os.cpu_count()} cores'
    return f'{platform.processor() or platform.machine()}, {os.cpu_count()} cores'


def write(part, args):
    "Do one part, write its CSV, and print it as a table."
    import pandas as pd
    rows, failed = part(args)
    table, path = pd.DataFrame(rows), args.out / f'{part.__name__}.csv'
    table = table.map(lambda value: float(f'{value:.4g}') if isinstance(value, float) else value)
    table['machine'] = machine(args.device)
    args.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)
    print(f'\n{path}\n{table.drop(columns="machine").to_string(index=False)}\n')
    for name, error in failed.items():
        print(f'left out: {name}: {error}')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {part.__name__: part for part in (training, inference, quality)}
    parser.add_argument('--part', choices=parts, help='do only this one')
    parser.add_argument('--images', type=int, default=60_000, metavar='N', help='train on the first N digits (60000)')
    parser.add_argument('--repeats', type=int, default=5, metavar='N', help='measure N times, beside the warm-up (5)')
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
    parser.add_argument('--out', type=Path, default=ROOT / 'denoise_ae' / 'results', metavar='FOLDER', help='where the CSV files go (denoise_ae/results)')
    parser.add_argument('--peers', type=Path, default=ROOT / '.venv-bench', metavar='FOLDER', help='the environment of the other libraries (.venv-bench)')
    parser.add_argument('--worker', choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument('--data', help=argparse.SUPPRESS)
    parser.add_argument('--batch-size', type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return work(args.worker, args.data, args.batch_size, args.device)
    if not max(BATCH_SIZES) <= args.images <= 60_000 or args.repeats < 1:
        parser.error(f'--images must be from {max(BATCH_SIZES)} to 60000, and --repeats 1 or more')
    if not util.find_spec('denoise_ae'):
        parser.error('the course is not installed here: use make bench, or the Python of its .venv')
    try:
        for name in [args.part] if args.part else parts:
            write(parts[name], args)
    except (RuntimeError, OSError) as error:
        sys.exit(f'bench.py: {str(error).splitlines()[0]}')
    except KeyboardInterrupt:
        sys.exit('bench.py: stopped; the parts that were done are written')


if __name__ == '__main__':
    main()
