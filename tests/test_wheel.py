"""The built wheel, installed into a clean environment with its run-time requirements alone, used offline from another folder."""
import os
import shutil
import subprocess
import sys
import time
import zipfile
from importlib.metadata import Distribution, distribution

import pytest
from conftest import ROOT, read_notebook, under_permissions
from packaging.requirements import Requirement
from release import build

USE = '''
import sys
def no_network(event, args):
    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.gethostbyname'):
        raise OSError(f'the network is off, and something asked for {args}')
sys.addaudithook(no_network)
import socket
try: socket.create_connection(('192.0.2.1', 80), timeout=1)
except OSError as error: assert 'the network is off' in str(error)

import importlib.util
for name in ('nbdev', 'fastcore', 'IPython', 'ipywidgets', 'jupyterlab', 'skimage', 'pytest'):
    assert importlib.util.find_spec(name) is None, name + ' came along'

import denoise_ae
for name in ('sklearn', 'scipy', 'pandas', 'matplotlib', 'torchvision'):
    assert name not in sys.modules, name + ' is loaded before it is used'
from denoise_ae import *
import torch
assert 'site-packages' in denoise_ae.__file__, denoise_ae.__file__
assert denoise_ae.__version__
try: open(denoise_ae.__file__ + '.new', 'w')
except PermissionError: pass
else: raise AssertionError('the installed package is not read-only')
images, labels = mnist_tensors('train')
model = Autoencoder()
history = fit(model, images[:2000], GaussianNoise(std=.3), valid=mnist_tensors('valid')[0][:500], epochs=1)
history.plot().savefig('history.png')
model.save_pretrained('my-denoiser')
assert torch.equal(denoise(Autoencoder.from_pretrained('my-denoiser'), images[:5]), denoise(model, images[:5]))
assert load_model('my-denoiser').trained_on == {'noise': 'GaussianNoise', 'mean': 0., 'std': .3, 'clip': False}
assert {name: type(load_model(name)) for name in NETWORKS} == NETWORKS
assert denoise(UNet.from_pretrained(), torch.rand(1, 1, 31, 45)).shape == (1, 1, 31, 45)
assert len(photos('test')) == 12 and len(photo_credits()) == 107
assert evaluate({'filter': tune('median', images[:50], .3)}, images[:20], .3, progress=False)['psnr'][0] > 10
try: tune('BM3D', images[:5], .3)
except ImportError as error: assert 'pip install "' in str(error), error
else: raise AssertionError('BM3D came along')
shipped = Autoencoder.from_pretrained()
test, labels = mnist_tensors('test')
noisy = GaussianNoise(generator=torch.Generator().manual_seed(0))(test)
quality = psnr(denoise(shipped, noisy), test).mean().item()
assert quality >= 17.6, quality
latents = encode(shipped, noisy[:500])
show_projections({'PCA': project(latents), 't-SNE': project(latents, 'tsne')}, labels[:500]).savefig('latent.png')
show_denoised(shipped, test, labels, GaussianNoise()).savefig('denoised.png')
print('used', len(images), separation(latents, labels[:500], latents))
'''


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    # From a copy, so that what lies about in build/ can't get into the wheel, nor the build into the repository.
    source, out = tmp_path_factory.mktemp('source') / 'repository', tmp_path_factory.mktemp('wheel')
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns('.git', 'nbs', 'tests', '.venv*', '_build', '_docs', '_proc', 'build', 'dist', '*.egg-info', '__pycache__'))
    build(source, out)
    return next(out.glob('*.whl'))


def test_what_is_in_the_wheel(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    metadata = zipfile.ZipFile(wheel).read(next(n for n in names if n.endswith('METADATA'))).decode()
    assert sum(n.endswith('.xz') for n in names) == 4
    for network in ('autoencoder', 'mlpdenoiser', 'convautoencoder', 'unet'):
        assert {f'denoise_ae/weights/{network}/{file}' for file in ('model.safetensors', 'config.json', 'README.md')} <= set(names)
    assert sum(n.startswith('denoise_ae/photos/') and n.endswith('.webp') for n in names) == 107 and 'denoise_ae/photos/CREDITS.csv' in names
    assert wheel.stat().st_size <= 30e6
    assert {f'denoise_ae/web/{path.name}' for path in (ROOT / 'denoise_ae' / 'web').iterdir()} <= set(names)
    assert {'denoise_ae/results/sigma.csv', 'denoise_ae/results/specialists.csv'} <= set(names)
    assert 'denoise-ae = denoise_ae.cli:main' in zipfile.ZipFile(wheel).read(next(n for n in names if n.endswith('entry_points.txt'))).decode()
    assert {'denoise_ae/__init__.pyi', 'denoise_ae/py.typed', 'denoise_ae/course.mplstyle', 'denoise_ae/mnist/SHA256SUMS'} <= set(names)
    assert {f'denoise_ae/{path.name}' for path in (ROOT / 'denoise_ae').glob('*.py')} <= set(names)
    assert not [n for n in names if n.startswith(('nbs', 'tests', 'tools'))]
    assert 'Requires-Python: >=3.10' in metadata and 'Requires-Dist: torch>=' in metadata
    assert 'NOTICE' in ' '.join(names) and 'LICENSE' in ' '.join(names), 'MNIST is not ours: its licence travels with it'
    needed = [line for line in metadata.splitlines() if line.startswith('Requires-Dist') and 'extra ==' not in line]
    assert not [line for line in needed if 'nbdev' in line or 'jupyter' in line or 'ipywidgets' in line]


def run_the_program(program, folder, env):
    """Demonstration, training, a kill in the middle, the rest of the training, denoising and measuring, in a folder of its own, with no network."""
    offline = ['unshare', '-rn'] if subprocess.run(['unshare', '-rn', 'true'], capture_output=True).returncode == 0 else []
    folder.mkdir()

    def call(*arguments):
        done = subprocess.run([*offline, *program, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, (arguments, done.stderr[-2000:])
        return done.stdout

    began = sum(os.times()[2:4])
    assert 'unet, dB' in call('demo') and (folder / 'denoise-ae-demo.png').exists()
    assert sum(os.times()[2:4]) - began < 25, 'seconds of the processor, of which the demonstration takes 9'
    call('train', '--epochs', '1', '--limit', '2000', '--out', 'first')
    line = ('train', '--epochs', '9', '--limit', '2000', '--checkpoint-every', '0', '--out', 'second')
    going = subprocess.Popen([*program, *line], cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while going.poll() is None and not list(folder.glob('second/checkpoints/*[1-9]*/SHA256SUMS')):
        time.sleep(.01)
    going.kill()
    assert going.wait() not in (0, 1)
    assert 'epochs: 9' in call(*line, '--resume')
    call('denoise', 'denoise-ae-demo.png', '-o', 'clean.png', '--std', '0.3', '--model', 'second/best')
    assert (folder / 'clean.png').exists()
    assert 'second/best' in call('evaluate', '--model', 'second/best', '--limit', '100', '--sigma', '0.3')
    return 'all done'


def what_it_requires(requirements):
    "The distributions that these requirements ask for, and those that they ask for in turn, as they are installed here."
    found, asked = {}, [Requirement(each) for each in requirements]
    while asked:
        each = asked.pop()
        key = each.name.lower(), frozenset(each.extras)
        if key in found or each.marker and not any(each.marker.evaluate({'extra': extra}) for extra in each.extras or ['']):
            continue
        found[key] = distribution(each.name)
        for text in found[key].requires or []:
            inner = Requirement(text)
            if inner.marker is None or any(inner.marker.evaluate({'extra': extra}) for extra in each.extras or ['']):
                inner.marker = None
                asked.append(inner)
    return found.values()


def install(wheel, venv):
    """A clean environment with the wheel and links to what its metadata asks for. Returns its Python.

    Links, since copies of PyTorch would be gigabytes; pip then says whether what is asked for is there, in the versions asked for."""
    python = venv / ('Scripts' if os.name == 'nt' else 'bin') / 'python'
    subprocess.run([sys.executable, '-m', 'venv', venv], check=True)
    subprocess.run([python, '-m', 'pip', 'install', '--no-compile', '--no-deps', '-q', wheel], check=True)
    site = next(venv.rglob('denoise_ae/data.py')).parents[1]
    for each in what_it_requires(next(iter(Distribution.discover(name='denoise-ae', path=[str(site)]))).requires):
        for top in {file.parts[0] for file in each.files} - {'..', '__pycache__'}:
            if not (site / top).exists():
                (site / top).symlink_to(each.locate_file(top))
    check = subprocess.run([python, '-m', 'pip', 'check'], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout[-2000:]
    return python


@pytest.mark.long(100)
def test_installed_and_used_elsewhere_without_the_network(wheel, tmp_path):
    python = install(wheel, tmp_path / 'venv')
    installed = next((tmp_path / 'venv').rglob('denoise_ae/data.py')).parent
    for path in [installed, *installed.rglob('*')]:
        path.chmod(0o555 if path.is_dir() else 0o444)  # as in a system's read-only site-packages
    (tmp_path / 'elsewhere').mkdir()
    run = subprocess.run([*under_permissions(), python, '-I', '-c', USE], cwd=tmp_path / 'elsewhere', capture_output=True, text=True,
                         env={**os.environ, 'DENOISE_AE_HOME': str(tmp_path / 'cache'), 'MPLBACKEND': 'agg'})
    commands = run_the_program([*under_permissions(), python, '-I', '-m', 'denoise_ae.cli'], tmp_path / 'program', {**os.environ, 'DENOISE_AE_HOME': str(tmp_path / 'cache')})
    assert list((tmp_path / 'venv').rglob('denoise-ae*')), 'the program has its name'
    shutil.rmtree(tmp_path / 'venv', ignore_errors=True)
    assert commands == 'all done'
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.startswith('used 55000')
    assert {p.name for p in (tmp_path / 'elsewhere').iterdir()} == {'history.png', 'latent.png', 'denoised.png', 'my-denoiser'}


def test_the_example_of_the_readme_runs(tmp_path):
    code = next(cell['source'] for cell in read_notebook(ROOT / 'nbs' / 'index.ipynb') if '```python' in cell['source'])
    code = code.split('```python\n')[1].split('```')[0].replace('epochs=5', 'epochs=1')
    subprocess.run([sys.executable, '-c', code], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / 'history.png').exists() and (tmp_path / 'my-denoiser' / 'model.safetensors').exists()
