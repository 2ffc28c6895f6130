"""The packed MNIST and its cache: many processes at once, damaged files, folders that can't be written to."""
import errno
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import sys

import pytest
import torch
from conftest import run_python, under_permissions
from torchvision import datasets

from denoise_ae import as_tensors, mnist, mnist_tensors, unpack_mnist
from denoise_ae.cache import packed, published

UNPACK = 'from denoise_ae import unpack_mnist; print(unpack_mnist())'


def raw_files(home):
    return {name: home / 'MNIST' / 'raw' / name for name in published}


def assert_whole(home):
    for name, path in raw_files(home).items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == published[name]
    assert not list(home.rglob('*.part')), 'a half-written file was left behind'


def test_the_package_holds_the_canonical_files():
    for name, digest in published.items():
        assert hashlib.sha256(lzma.decompress((packed / f'{name}.xz').read_bytes())).hexdigest() == digest
    # torchvision states MD5 sums of the gzip files only; these are of the test labels, unpacked, from LeCun's page.
    assert published['t10k-labels-idx1-ubyte'] == 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2'


THIRTY = """
import multiprocessing as mp
import sys
from denoise_ae.data import mnist

def take(start, results):
    start.wait()  # all reach the empty cache at the same moment
    digits = mnist(train=False)
    results.put((len(digits), int(digits.targets[:100].sum())))

if __name__ == '__main__':
    context = mp.get_context('fork' if sys.platform == 'linux' else 'spawn')
    start, results = context.Barrier(30), context.Queue()
    processes = [context.Process(target=take, args=(start, results)) for _ in range(30)]
    for process in processes: process.start()
    for process in processes: process.join()
    assert [process.exitcode for process in processes] == [0] * 30
    print({results.get() for _ in processes})
"""


def test_thirty_processes_at_once_on_an_empty_cache(tmp_path):
    (tmp_path / 'thirty.py').write_text(THIRTY)
    run = subprocess.run([sys.executable, tmp_path / 'thirty.py'], env={**os.environ, 'DENOISE_AE_HOME': str(tmp_path / 'cache')},
                         capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == f'{{(10000, {int(mnist(train=False).targets[:100].sum())})}}'
    assert_whole(tmp_path / 'cache')


@pytest.mark.parametrize('damage', ['truncated', 'one bit', 'empty', 'missing', 'longer'])
def test_a_damaged_cache_file_is_made_again(damage, tmp_path):
    shutil.copytree(unpack_mnist(), tmp_path, dirs_exist_ok=True)
    path = raw_files(tmp_path)['t10k-images-idx3-ubyte']
    data = bytearray(path.read_bytes())
    if damage == 'one bit':
        data[4_000_000] ^= 1
    changed = {'truncated': data[:-1], 'one bit': data, 'empty': b'', 'longer': data + b'x', 'missing': None}[damage]
    path.unlink()
    if changed is not None:
        path.write_bytes(changed)
    unpack_mnist(tmp_path)
    assert_whole(tmp_path)


@pytest.mark.parametrize('damage', ['truncated', 'altered', 'missing'])
def test_a_damaged_package_is_named(damage, tmp_path, monkeypatch):
    copy = shutil.copytree(packed, tmp_path / 'mnist')
    path = copy / 'train-labels-idx1-ubyte.xz'
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    if damage != 'missing':
        path.write_bytes(data if damage == 'altered' else data[:-100])
    monkeypatch.setattr('denoise_ae.cache.packed', copy)
    with pytest.raises(RuntimeError, match='train-labels-idx1-ubyte.xz in the installed package .* reinstall denoise_ae'):
        unpack_mnist(tmp_path / 'home')


def test_what_a_killed_process_left_behind_is_cleared_away(tmp_path):
    "It ends without a word between writing a file and giving it its name."
    killed = run_python('import os; os.replace = lambda *names: os._exit(9); ' + UNPACK, home=tmp_path)
    assert killed.returncode == 9 and list(tmp_path.rglob('*.part')), killed.stderr
    unpack_mnist(tmp_path)
    assert_whole(tmp_path)


def test_where_there_are_no_locks_another_process_is_left_alone(tmp_path, monkeypatch):
    "As on some network drives: what another process is just writing is not cleared away."
    fcntl = pytest.importorskip('fcntl')

    def no_locks(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
    monkeypatch.setattr(fcntl, 'flock', no_locks)
    other = raw_files(tmp_path)['train-images-idx3-ubyte'].with_name('.train-images-idx3-ubyte.0123.part')
    other.parent.mkdir(parents=True)
    other.write_bytes(b'half')
    with pytest.warns(UserWarning, match='has no locks: see that no other process writes there'):
        unpack_mnist(tmp_path)
    assert other.read_bytes() == b'half'
    other.unlink()
    assert_whole(tmp_path)


def test_an_intact_cache_is_left_alone(tmp_path):
    shutil.copytree(unpack_mnist(), tmp_path, dirs_exist_ok=True)
    before = {path: path.stat().st_mtime_ns for path in raw_files(tmp_path).values()}
    unpack_mnist(tmp_path)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def assert_says_what_to_do(run, home):
    assert run.returncode != 0
    message = run.stderr.strip().splitlines()[-1]
    assert str(home) in message and 'DENOISE_AE_HOME' in message, run.stderr
    assert re.search(r'Error: ', message)


def test_a_cache_folder_that_cannot_be_made(tmp_path):
    (tmp_path / 'file').write_text('not a folder')
    home = tmp_path / 'file' / 'cache'
    assert_says_what_to_do(run_python(UNPACK, home=home), home)


def run_under_permissions(code, home):
    return subprocess.run([*under_permissions(), sys.executable, '-c', code], env={**os.environ, 'DENOISE_AE_HOME': str(home)}, capture_output=True, text=True)


@pytest.mark.skipif(os.name == 'nt', reason='Windows has no permission bits for folders')
def test_a_cache_folder_that_cannot_be_written_to(tmp_path):
    home = tmp_path / 'readonly'
    home.mkdir(mode=0o555)
    assert_says_what_to_do(run_under_permissions(UNPACK, home), home)


@pytest.mark.skipif(os.name == 'nt', reason='Windows has no permission bits for folders')
def test_a_filled_cache_that_is_read_only_is_used(tmp_path):
    home = shutil.copytree(unpack_mnist(), tmp_path / 'home')
    for path in [home, *home.rglob('*')]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    run = run_under_permissions(UNPACK + f'; open({str(home / "new")!r}, "w")', home)
    assert run.stdout.strip() == str(home), run.stderr
    assert 'Permission denied' in run.stderr, 'the folder was read-only'


@pytest.mark.skipif(os.name == 'nt', reason='needs a limit on the size of files, which Windows does not have')
def test_no_more_space(tmp_path):
    "The system refuses to write more than 1 MB to a file, as it does on a full disk."
    run = run_python('import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6));' + UNPACK, home=tmp_path)
    assert_says_what_to_do(run, tmp_path)
    assert not list(tmp_path.rglob('*.part'))
    unpack_mnist(tmp_path)  # with space again, all is well
    assert_whole(tmp_path)


def test_a_full_disk(tmp_path):
    "A real one, of 8 MB, mounted in a namespace of the test's own."
    mount = ['unshare', '--map-root-user', '--mount', 'sh', '-c']
    full = tmp_path / 'disk'
    full.mkdir()
    ready = f'mount -t tmpfs -o size=8m tmpfs {full}'
    if shutil.which('unshare') is None or subprocess.run([*mount, ready], capture_output=True).returncode:
        pytest.skip('this system lets no ordinary process mount a disk of its own; test_no_more_space stands in')
    run = subprocess.run([*mount, f'{ready} && exec {sys.executable} -c "{UNPACK}"'], capture_output=True, text=True,
                         env={**os.environ, 'DENOISE_AE_HOME': str(full)})
    assert_says_what_to_do(run, full)
    assert 'No space left on device' in run.stderr


def test_the_default_folder_is_the_users_cache(monkeypatch):
    from denoise_ae import cache_folder
    from platformdirs import user_cache_path
    monkeypatch.delenv('DENOISE_AE_HOME')
    assert cache_folder() == user_cache_path('denoise_ae', appauthor=False)


def test_mnist_is_torchvisions():
    digits = mnist()
    assert type(digits) is datasets.MNIST and len(digits) == 60_000
    picture, label = mnist(train=False, target_transform=lambda label: -label)[0]
    assert picture.size == (28, 28) and label == -7


def test_the_three_parts():
    train, test = mnist(), mnist(train=False)
    for split, data, part in (('train', train, slice(0, 55_000)), ('valid', train, slice(55_000, 60_000)), ('test', test, slice(0, 10_000))):
        images, labels = mnist_tensors(split)
        assert images.dtype == torch.float32 and labels.dtype == torch.int64
        assert images.shape == (part.stop - part.start, 1, 28, 28)
        assert torch.equal((images * 255).round().to(torch.uint8).squeeze(1), data.data[part])
        assert torch.equal(labels, data.targets[part])
    with pytest.raises(ValueError, match="'train', 'valid' or 'test', not 'training'"):
        mnist_tensors('training')


@pytest.mark.parametrize('name', ['FashionMNIST', 'KMNIST'])
def test_other_data_sets_of_the_same_shape(name, tmp_path):
    "torchvision's own classes, on small files in the format of the real ones."
    raw = tmp_path / name / 'raw'
    raw.mkdir(parents=True)
    pixels = torch.randint(256, (20, 28, 28), dtype=torch.uint8)
    for prefix in ('train', 't10k'):
        (raw / f'{prefix}-images-idx3-ubyte').write_bytes(b''.join(n.to_bytes(4, 'big') for n in (2051, 20, 28, 28)) + pixels.numpy().tobytes())
        (raw / f'{prefix}-labels-idx1-ubyte').write_bytes(b''.join(n.to_bytes(4, 'big') for n in (2049, 20)) + bytes(range(10)) * 2)
    images, labels = as_tensors(getattr(datasets, name)(tmp_path))
    assert torch.equal(images.squeeze(1), pixels / 255) and labels.tolist() == [*range(10)] * 2
    from denoise_ae import Autoencoder, fit
    assert len(fit(Autoencoder(), images, epochs=1, progress=False)) == 1


def test_a_data_set_of_another_kind_is_refused():
    with pytest.raises(TypeError, match='grey images.*FakeData'):
        as_tensors(datasets.FakeData(2))
