"""Measure how fast the course's code is, beside what else one could use: python tools/bench.py [--part PART]

Writes training.csv, inference.csv, recipes.csv, race.csv and unet.csv into denoise_ae/results/ and prints them, each when its part is done.
Close other programs first. The other libraries go into an environment of their own, .venv-bench."""
import argparse
import contextlib
import functools
import itertools
import json
import math
import os
import platform
import random
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class Recipe:
    "How to train. Without a cycle it is the tutorial's: Adam at a constant rate, from the first weights that PyTorch makes."
    batch_size: int
    epochs: int
    lr: float = 1e-3
    cycle: bool = False  # of the learning rate, from orthogonal weights

    def steps(self, n):
        return self.epochs * math.ceil(n / self.batch_size)


TUTORIAL = Recipe(64, 20)
DEFAULTS = Recipe(256, 10, 3e-3, cycle=True)  # of fit


def contender(name, *packages):
    """Register a function of images `(N, 784)`, recipe, device, and what to call after each epoch: with its mean loss, and a function that
    decodes noisy images."""
    def register(function):
        CONTENDERS[name] = function, packages
        return function
    return register


def new_autoencoder(recipe):
    "The course's network, with the first weights of the recipe."
    from torch import nn
    from denoise_ae import Autoencoder
    model = Autoencoder()
    return model if recipe.cycle else model.apply(lambda layer: isinstance(layer, nn.Linear) and layer.reset_parameters())


def decoder(model):
    "What decodes noisy images, for `after_epoch`."
    import torch
    from denoise_ae import denoise
    return lambda noisy: denoise(model, torch.from_numpy(noisy).reshape(-1, 1, 28, 28)).flatten(1).numpy()


def two_loaders(images, batch_size):
    "The batches of the well-known tutorial: picture by picture, once with noise and once without."
    from torch.utils.data import DataLoader, Subset
    from torchvision import transforms
    from denoise_ae import GaussianNoise, mnist
    ways = transforms.Compose([transforms.ToTensor(), GaussianNoise(std=.1)]), transforms.ToTensor()
    noisy, clean = (DataLoader(Subset(mnist(transform=way), range(len(images))), batch_size) for way in ways)
    return lambda: ((x, y) for (x, _), (y, _) in zip(noisy, clean))


def one_loader(images, batch_size):
    "The batches of the usual loop: the data in memory, the noise on the batch."
    import torch
    from torch.utils.data import DataLoader, TensorDataset
    from denoise_ae import GaussianNoise
    noise, loader = GaussianNoise(std=.1), DataLoader(TensorDataset(torch.from_numpy(images)), batch_size, shuffle=True)
    return lambda: ((noise(clean), clean) for clean, in loader)


def plain_loop(batches, steps, recipe, device, after_epoch):
    "The loop of most tutorials, with Adam as it comes."
    import torch
    model = new_autoencoder(recipe).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.lr, total_steps=steps) if recipe.cycle else None
    for _ in range(recipe.epochs):
        losses = []
        for noisy, clean in batches():
            noisy, clean = noisy.to(device), clean.to(device)
            loss = torch.nn.functional.mse_loss(model(noisy), clean)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
            if schedule:
                schedule.step()
        after_epoch(torch.stack(losses).mean().item(), decoder(model))


@contender('two DataLoaders', 'torch', 'torchvision')
def with_two_loaders(images, recipe, device, after_epoch):
    plain_loop(two_loaders(images, recipe.batch_size), recipe.steps(len(images)), recipe, device, after_epoch)


@contender('DataLoader over tensors', 'torch')
def with_one_loader(images, recipe, device, after_epoch):
    plain_loop(one_loader(images, recipe.batch_size), recipe.steps(len(images)), recipe, device, after_epoch)


@contender('fit', 'denoise_ae', 'torch')
def with_fit(images, recipe, device, after_epoch):
    import torch
    from denoise_ae import GaussianNoise, fit
    from denoise_ae.training import one_cycle

    class Report:
        def after_epoch(self, trainer):
            after_epoch(trainer.history.train_loss[-1], decoder(model))

    model = new_autoencoder(recipe)
    with open(os.devnull, 'w') as nowhere, contextlib.redirect_stderr(nowhere):  # the bar is drawn, where nobody looks
        fit(model, torch.from_numpy(images), GaussianNoise(std=.1), epochs=recipe.epochs, batch_size=recipe.batch_size, lr=recipe.lr,
            schedule=one_cycle if recipe.cycle else None, device=device, callbacks=[Report()])


@contender('fit, medium precision', 'denoise_ae', 'torch')
def with_fit_medium(*args):
    import torch
    torch.set_float32_matmul_precision('medium')
    with_fit(*args)


@contender('compiled step', 'torch')
def with_compiled_step(images, recipe, device, after_epoch):
    "Forward, backward and Adam compiled into one function, as JAX does; the batches and their noise are drawn as in `fit`."
    import torch
    from torch.func import functional_call, grad_and_value
    from denoise_ae import GaussianNoise
    model, images, noise = new_autoencoder(recipe).to(device), torch.from_numpy(images).to(device), GaussianNoise(std=.1)
    params = {name: p.detach().clone() for name, p in model.named_parameters()}
    means, squares = ({name: torch.zeros_like(p) for name, p in params.items()} for _ in range(2))
    corrected = ([torch.tensor(value, device=device) for value in (recipe.lr / (1 - .9 ** t), 1 - .999 ** t)] for t in itertools.count(1))  # Adam's early steps
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

    size = recipe.batch_size
    for _ in range(recipe.epochs):
        order = torch.randperm(len(images), device=device)[:len(images) // size * size]  # another size would be compiled anew
        batches = (images[index] for index in order.split(size))
        after_epoch(torch.stack([step(params, means, squares, noise(clean), clean, *next(corrected)) for clean in batches]).mean().item())


@contender('compiled step, medium precision', 'torch')
def with_compiled_step_medium(*args):
    import torch
    torch.set_float32_matmul_precision('medium')
    with_compiled_step(*args)


@contender('Keras 3 on JAX', 'keras', 'jax')
def with_keras(images, recipe, device, after_epoch):
    os.environ['KERAS_BACKEND'] = 'jax'
    import keras
    from keras.initializers import Orthogonal, RandomUniform, Zeros
    from keras.layers import Dense, GaussianNoise, Input

    def layer(n_in, n, activation):
        uniform = RandomUniform(-n_in ** -.5, n_in ** -.5)  # PyTorch's
        return Dense(n, activation, kernel_initializer=Orthogonal(2 ** .5) if recipe.cycle else uniform,
                     bias_initializer=Zeros() if recipe.cycle else uniform)

    inner = [layer(a, b, None if b == min(SIZES) else 'relu') for a, b in zip(SIZES, SIZES[1:-1])]
    model = keras.Sequential([Input((784,)), GaussianNoise(.1), *inner, layer(SIZES[-2], 784, 'sigmoid')])
    steps = recipe.steps(len(images))
    cycle = keras.optimizers.schedules.CosineDecay(recipe.lr / 25, .7 * steps, warmup_target=recipe.lr, warmup_steps=.3 * steps)
    model.compile(keras.optimizers.Adam(cycle if recipe.cycle else recipe.lr), 'mse')
    report = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: after_epoch(logs['loss'], lambda noisy: model.predict(noisy, batch_size=1000)))
    model.fit(images, images, batch_size=recipe.batch_size, epochs=recipe.epochs, callbacks=[report])


@contender('JAX + optax', 'jax', 'optax')
def with_jax(images, recipe, device, after_epoch):
    import jax
    import optax
    from jax import numpy as jnp
    n, x, keys = len(images) // recipe.batch_size, jnp.asarray(images), jax.random.split(jax.random.key(random.randrange(2 ** 31)), len(SIZES))
    cycle = optax.cosine_onecycle_schedule(recipe.epochs * n, recipe.lr)
    adam = optax.adam(cycle if recipe.cycle else recipe.lr)

    def layer(key, a, b):
        if recipe.cycle:
            return jax.nn.initializers.orthogonal(2 ** .5)(key, (a, b)), jnp.zeros(b)
        return tuple(a ** -.5 * jax.random.uniform(k, shape, minval=-1, maxval=1)  # PyTorch's
                     for k, shape in zip(jax.random.split(key), [(a, b), (b,)]))

    params = [layer(*each) for each in zip(keys, SIZES, SIZES[1:])]

    def decoded(params, h):
        for number, (w, b) in enumerate(params, 1):
            h = h @ w + b
            if w.shape[1] != min(SIZES):
                h = jax.nn.relu(h) if number < len(params) else jax.nn.sigmoid(h)
        return h

    def loss_of(params, noisy, clean):
        return jnp.mean((decoded(params, noisy) - clean) ** 2)

    def step(carry, batch):
        (params, state), (index, key) = carry, batch
        clean = x[index]
        loss, slopes = jax.value_and_grad(loss_of)(params, clean + .1 * jax.random.normal(key, clean.shape), clean)
        updates, state = adam.update(slopes, state)
        return (optax.apply_updates(params, updates), state), loss

    @jax.jit
    def all_steps(carry, key):
        order = jax.random.permutation(key, len(x))[:n * recipe.batch_size].reshape(n, recipe.batch_size)
        return jax.lax.scan(step, carry, (order, jax.random.split(jax.random.fold_in(key, 1), n)))

    carry = params, adam.init(params)
    for number in range(recipe.epochs):
        carry, losses = all_steps(carry, jax.random.fold_in(keys[-1], number))
        after_epoch(float(losses.mean()), functools.partial(decoded, carry[0]))


@contender('fastai', 'fastai', 'torch')
def with_fastai(images, recipe, device, after_epoch):
    import torch
    from fastai.callback.core import Callback
    from fastai.callback.schedule import fit_one_cycle  # noqa: F401, a method of Learner once it is imported
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from torch.utils.data import TensorDataset
    from denoise_ae import GaussianNoise

    class Noise(Callback):
        def before_batch(self):
            self.learn.xb = noise(*self.xb),

        def after_train(self):
            after_epoch(torch.stack(self.learn.recorder.losses[-len(self.dls.train):]).mean().item(), decoder(self.learn.model))

    noise, clean = GaussianNoise(std=.1), torch.from_numpy(images)
    sets = TensorDataset(clean, clean), TensorDataset(clean[:1], clean[:1])  # it can't do without a validation set
    loaders = DataLoaders.from_dsets(*sets, bs=recipe.batch_size, num_workers=0, device=device)
    learner = Learner(loaders, new_autoencoder(recipe), loss_func=torch.nn.functional.mse_loss, cbs=Noise())
    (learner.fit_one_cycle if recipe.cycle else learner.fit)(recipe.epochs, recipe.lr)


@contender('scikit-learn', 'scikit-learn')
def with_sklearn(images, recipe, device, after_epoch):
    import numpy as np
    from sklearn.neural_network import MLPRegressor
    draw = np.random.default_rng(0)
    model = MLPRegressor(hidden_layer_sizes=SIZES[1:-1], alpha=0, batch_size=recipe.batch_size)  # it has no sigmoid at the end, and a ReLU at the bottleneck
    for _ in range(recipe.epochs):
        model.partial_fit(images + np.float32(.1) * draw.standard_normal(images.shape, np.float32), images)
        after_epoch(2 * float(model.loss_))  # it counts half the squared error


@contender('bare matrix products, PyTorch', 'torch')
def products_in_torch(images, recipe, device, after_epoch):
    import torch
    weights = [torch.randn(b, a, device=device) / a ** .5 for a, b in zip(SIZES, SIZES[1:])]
    values = [torch.randn(recipe.batch_size, n, device=device) for n in SIZES]  # always the same, so that nothing is waited for but the products
    for _ in range(recipe.epochs):
        for _ in range(math.ceil(len(images) / recipe.batch_size)):
            for number, w in enumerate(weights):
                values[number] @ w.T
                values[number + 1].T @ values[number]
                if number:
                    last = values[number + 1] @ w
        last.sum().item()  # waits for an accelerator
        after_epoch(None)


@contender('bare matrix products, JAX', 'jax')
def products_in_jax(images, recipe, device, after_epoch):
    import jax
    from jax import numpy as jnp
    n = len(images) // recipe.batch_size
    batches = jnp.asarray(images[:n * recipe.batch_size].reshape(n, recipe.batch_size, 784))
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

    for _ in range(recipe.epochs):
        jax.block_until_ready(all_steps(batches))
        after_epoch(None)


def work(name, folder, recipe, device):
    "A worker: train for one epoch for each line that comes in, and answer with the seconds and, where there is a jury, with the PSNR."
    import numpy as np
    answers, sys.stdout = sys.stdout, sys.stderr  # what the libraries print must not get among the answers
    train, packages = CONTENDERS[name]
    version, images, jury = ', '.join(f'{package} {metadata.version(package)}' for package in packages), np.load(folder / 'images.npy'), folder / 'jury.npy'

    def wait():
        nonlocal start
        if not sys.stdin.readline():
            answers.flush()
            os._exit(0)  # nobody wants the rest of the training
        start = time.perf_counter()

    def after_epoch(loss, decode=None):
        answer = {'seconds': time.perf_counter() - start, 'loss': loss, 'version': version}
        if jury.exists() and decode:
            noisy, clean = np.load(jury)
            answer['psnr'] = mean_psnr(decode(noisy), clean)
        print(json.dumps(answer), file=answers, flush=True)
        wait()

    start = 0.
    wait()
    train(images, recipe, device, after_epoch)


class Worker:
    "A process that trains when told to."
    def __init__(self, python, name, data, recipe, device):
        # Some machines hold NumPy to old instructions by the first of these; the second would hide the bar of fit.
        env = {k: v for k, v in os.environ.items() if not k.startswith('OPENBLAS_') and k != 'TQDM_DISABLE'}
        self.log = tempfile.TemporaryFile('w+')
        command = [python, __file__, '--worker', name, '--data', data, '--recipe', json.dumps(asdict(recipe)), '--device', device]
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


def install(folder, device, peers=PEERS):
    "Make the peers' environment. Returns its Python, and for each of them that lacks a package the error."
    python, failed = folder / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python'), {}
    try:
        if not python.exists():
            call(sys.executable, '-m', 'venv', folder)
        site = call(python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))')
        # What it lacks, such as PyTorch, it finds in the course's environment.
        Path(site, 'course.pth').write_text(f'{sysconfig.get_path("purelib")}\n{ROOT}\n', encoding='utf-8')
    except (RuntimeError, OSError) as error:
        return python, {name: f'{folder} can\'t be made: {error}. Name another folder with --peers' for name in peers}
    for name, packages in peers.items():
        packages = [p.replace('jax>', 'jax[cuda13]>') if device == 'cuda' else p for p in packages]
        print(f'{name}: {", ".join(packages + ALONE.get(name, []))}', flush=True)
        try:
            for options, group in ([], packages), (['--no-deps'], ALONE.get(name)):
                if group:
                    call(python, '-m', 'pip', 'install', '-q', '--disable-pip-version-check', *options, *group)
        except RuntimeError as error:
            failed[name] = f'{error}. Is there a network? Without one, name an environment that has these packages with --peers.'
    return python, failed


def interpreters(args):
    "The Python of each contender, and for each that lacks a package the error."
    peers, failed = install(args.peers, args.device)
    return {name: peers if name in PEERS else sys.executable for name in CONTENDERS}, failed


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


def digits(args):
    "The training digits, and validation digits with noise and without, `(N, 784)`."
    import numpy as np
    import torch
    from denoise_ae import GaussianNoise, mnist_tensors
    images, valid = (mnist_tensors(split)[0] for split in ('train', 'valid'))
    noisy = GaussianNoise(std=.1, generator=torch.Generator().manual_seed(0))(valid)
    return images[:args.images].flatten(1).numpy(), np.stack([each.flatten(1).numpy() for each in (noisy, valid)])


def mean_psnr(output, clean):
    "The mean PSNR of clipped outputs, in dB."
    import numpy as np
    return float(-10 * np.log10(((np.clip(output, 0, 1) - clean) ** 2).mean(1)).mean())


def first_at(values, goal):
    "The number of epochs after which a goal is reached, or None."
    return next((number for number, value in enumerate(values, 1) if value >= goal), None)


def training(args):
    "Seconds of one epoch, for all contenders."
    import numpy as np
    python, failed = interpreters(args)
    if args.device == 'cuda':
        failed['scikit-learn'] = 'it computes on the CPU only'
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, 'images.npy'), digits(args)[0])
        for size in BATCH_SIZES:  # new workers for each, or the second would find everything warmed up by the first
            with contextlib.ExitStack() as stack:
                recipe = Recipe(size, args.repeats + 1)
                workers = {name: Worker(python[name], name, folder, recipe, args.device) for name in CONTENDERS if name not in failed}
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


ENTRANTS = 'two DataLoaders', 'fastai', 'Keras 3 on JAX', 'JAX + optax', 'fit'  # of the race
GOALS = 17.7, 18.3  # decibels on the validation digits; the first is about what the tutorial's recipe ends with
GRID = [Recipe(size, epochs, lr, cycle=True) for size in BATCH_SIZES for epochs in (3, 4, 5, 6, 8, 11) for lr in (2e-3, 4e-3, 6e-3)]


def recipes(args):
    "For each recipe of the grid, after how many epochs `fit` reaches each goal."
    import torch
    from tqdm.auto import tqdm
    (images, (noisy, clean)), rows = digits(args), []

    for recipe in tqdm(GRID, desc='recipes', unit='training'):
        torch.manual_seed(0)
        values = []
        with_fit(images, recipe, args.device, lambda loss, decode, values=values: values.append(mean_psnr(decode(noisy), clean)))
        rows.append({**asdict(recipe), **{str(goal): first_at(values, goal) for goal in GOALS}, 'psnr': values[-1]})
    return rows, {}


def race(args):
    """PSNR on the validation digits after each epoch: with the tutorial's recipe, and for each goal with the recipe of recipes.csv that promises to
    be there in the fewest seconds, by those in training.csv. `fit` runs with its defaults, too. How long an epoch takes is not measured here."""
    import numpy as np
    import pandas as pd
    from tqdm.auto import tqdm
    python, failed = interpreters(args)
    tried, timed = (pd.read_csv(args.out / f'{name}.csv') for name in ('recipes', 'training'))
    rows = []

    def promising(name, goal):
        found = tried.dropna(subset=str(goal)).merge(timed[timed['contender'] == name], on='batch_size')
        takes = found[str(goal)] * found['seconds']
        row = found.assign(takes=takes).sort_values(['takes', 'psnr'], ascending=[True, False]).iloc[0]
        return Recipe(int(row['batch_size']), int(row['epochs']), float(row['lr']), cycle=True)

    with tempfile.TemporaryDirectory() as folder:
        images, jury = digits(args)
        np.save(Path(folder, 'images.npy'), images)
        np.save(Path(folder, 'jury.npy'), jury)
        trainings = [(name, kind, recipe) for name in ENTRANTS if name not in failed for kind, recipe in {
            'tutorial': TUTORIAL, **({'defaults': DEFAULTS} if name == 'fit' else {}),
            **{f'best for {goal}': promising(name, goal) for goal in GOALS}}.items()]
        for name, kind, recipe in (bar := tqdm(trainings, desc='race', unit='training')):
            bar.set_postfix_str(f'{name}, {kind}')
            worker = Worker(python[name], name, folder, recipe, args.device)
            try:
                for epoch in range(1, recipe.epochs + 1):
                    rows.append({'contender': name, 'recipe': kind, **asdict(recipe), 'epoch': epoch, 'psnr': worker.epoch()['psnr']})
            except RuntimeError as error:
                failed[name] = str(error)
            finally:
                worker.stop()
    return rows, failed


def unet(args):
    "One epoch of the U-Net, by its recipe but for the noise, measured on 500 digits after every 50 steps, which doesn't count."
    import torch
    from denoise_ae import RECIPES, GaussianNoise, UNet, denoise, fit
    images, (noisy, clean) = digits(args)
    few, rows = torch.from_numpy(noisy[:500]).reshape(-1, 1, 28, 28), []

    class Watch:
        def before_fit(self, trainer):
            self.begun, self.paused = time.perf_counter(), 0.

        def after_step(self, trainer):
            if trainer.done % 50 and trainer.done != trainer.steps:
                return
            now = time.perf_counter()
            output = denoise(trainer.model, few).flatten(1).numpy()
            rows.append({'step': trainer.done, 'seconds': now - self.begun - self.paused, 'psnr': mean_psnr(output, clean[:500])})
            self.paused += time.perf_counter() - now

    print('U-Net, one epoch', flush=True)
    torch.manual_seed(0)
    fit(UNet(), torch.from_numpy(images).reshape(-1, 1, 28, 28), device=args.device, callbacks=[Watch()],
        **RECIPES['unet'].options | {'epochs': 1, 'noise': GaussianNoise(std=.1)})
    return rows, {}


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
    parts = {part.__name__: part for part in (training, inference, recipes, race, unet)}
    parser.add_argument('--part', choices=parts, help='do only this one')
    parser.add_argument('--images', type=int, default=55_000, metavar='N', help='train on the first N digits (55000)')
    parser.add_argument('--repeats', type=int, default=5, metavar='N', help='measure N times, beside the warm-up (5)')
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
    parser.add_argument('--out', type=Path, default=ROOT / 'denoise_ae' / 'results', metavar='FOLDER', help='where the CSV files go (denoise_ae/results)')
    parser.add_argument('--peers', type=Path, default=ROOT / '.venv-bench', metavar='FOLDER', help='the environment of the other libraries (.venv-bench)')
    parser.add_argument('--worker', choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument('--data', type=Path, help=argparse.SUPPRESS)
    parser.add_argument('--recipe', type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return work(args.worker, args.data, Recipe(**args.recipe), args.device)
    if not max(BATCH_SIZES) <= args.images <= 55_000 or args.repeats < 1:
        parser.error(f'--images must be from {max(BATCH_SIZES)} to 55000, --repeats 1 or more')
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
