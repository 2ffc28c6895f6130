"""Thousands of damaged files and senseless calls: none ends in a traceback, a hang or a file that is half written."""
import io
import json
import os
import shutil
import struct
import time
import warnings
import zlib

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from denoise_ae import Autoencoder, ConvAutoencoder, Run, export_onnx, fit, load_model, load_onnx, read_picture
from denoise_ae.cli import load_images, main
from denoise_ae.files import write_folder

# The same inputs each time, so that a failure can be looked at.
many = dict(deadline=2000, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


def files_of_one_kind(make):
    "Bytes that are one of some files with parts changed, cut out, put in or cut off."
    seeds = [make(n) for n in range(4)]

    @st.composite
    def mutated(draw):
        content = bytearray(draw(st.sampled_from(seeds)))
        for _ in range(draw(st.integers(1, 4))):
            at, way = draw(st.integers(0, len(content))), draw(st.integers(0, 3))
            few = draw(st.binary(min_size=1, max_size=6) | st.sampled_from([b'\xff\xff\xff\xff', b'\0\0\0\0', b'\x7f\xff\xff\xff', b'-1', b'99999999999']))
            content[at:at + (0, len(few), draw(st.integers(0, 30)), len(content))[way]] = few
        return bytes(content)
    return mutated()


def png(n):
    pixels = np.random.default_rng(n).integers(0, 256, [(6, 5), (6, 5, 3), (4, 4, 4), (5, 6)][n], np.uint8)
    image, file = Image.fromarray(pixels), io.BytesIO()
    (image.convert('P') if n == 3 else image).save(file, 'PNG', **({'transparency': 0} if n == 3 else {}))
    return file.getvalue()


def png_with_right_sums(content):
    "The sums of the chunks made right again, so that the damage gets past the first check."
    out, at = content[:8], 8
    while at + 12 <= len(content):
        length = int.from_bytes(content[at:at + 4], 'big')
        if at + 12 + length > len(content):
            break
        chunk = content[at + 4:at + 8 + length]
        out += content[at:at + 4] + chunk + struct.pack('>I', zlib.crc32(chunk))
        at += 12 + length
    return out + content[at:]


def jpeg(n):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(n).integers(0, 256, (9, 8, 3) if n % 2 else (9, 8), np.uint8)).save(file, 'JPEG', progressive=n > 1)
    return file.getvalue()


def npy(n):
    file = io.BytesIO()
    np.save(file, [np.zeros((5, 4), 'f4'), np.zeros((3, 4, 5), 'u1'), np.ones((4, 3, 1), '>f8'), np.zeros((2, 28, 28), 'u2')][n])
    return file.getvalue()


def idx(n):
    shape = [(3, 28, 28), (2, 28, 28), (1, 28, 28), (4,)][n]
    return struct.pack(f'>HBB{len(shape)}I', 0, 8, len(shape), *shape) + bytes(int(np.prod(shape)))


class Count:
    total = 0


def harmless(function, *arguments):
    "Nothing but a sentence about the file may come out. Warnings, too, would be lines that nobody can act on."
    Count.total += 1
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        try:
            return function(*arguments)
        except (OSError, ValueError) as error:
            assert str(error) and '\n' not in str(error), repr(error)


def pictures(kind, make, examples, folder):
    path = folder / f'picture.{kind}'

    @settings(max_examples=examples, **many)
    @given(files_of_one_kind(make))
    def look(content):
        path.write_bytes(png_with_right_sums(content) if kind == 'png' else content)
        picture = harmless(read_picture, path)
        assert picture is None or (picture.dtype == torch.float32 and len(picture) in (1, 3) and picture.isfinite().all())
    look()


def images_to_train_on(kind, make, examples, folder):
    path = folder / f'images.{kind}'

    @settings(max_examples=examples, **many)
    @given(files_of_one_kind(make))
    def look(content):
        path.write_bytes(content)
        found = harmless(load_images, str(path), 'test')
        assert found is None or (found[0].shape[1] == 1 and 0 <= found[0].min() and found[0].max() <= 1)
    look()


def saved(kind, folder):
    kind().save_pretrained(folder)
    return folder


def model_folders(name, examples, folder):
    here = folder / name
    content = (saved(ConvAutoencoder, here) / name).read_bytes()

    @settings(max_examples=examples, **many)
    @given(files_of_one_kind(lambda n: content[:2500] if name == 'model.safetensors' and n else content))
    def look(content):
        (here / name).write_bytes(content)
        harmless(ConvAutoencoder.from_pretrained, here)
    look()


def onnx_files(folder):
    path = folder / 'mine.onnx'
    export_onnx(ConvAutoencoder(), path)
    content = path.read_bytes()
    config = content.index(b'config')  # the facts about the model stand there, at the end
    parts = [content[:9000], content[config - 200:], content, content[:300]]

    @settings(max_examples=1000, **many)
    @given(files_of_one_kind(lambda n: parts[n]), st.integers(0, 3))
    def look(changed, at):
        path.write_bytes([changed + content[9000:], content[:config - 200] + changed, changed, changed + content[300:]][at])
        harmless(load_onnx, path)
    look()


def any_json_as_the_settings_of_a_model(folder):
    here = saved(Autoencoder, folder / 'any')
    anything = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
                            | st.dictionaries(st.sampled_from(['latent_dim', 'noise', 'std', 'clip', 'widths', '../../x', '__class__', '']), inner, max_size=3), max_leaves=6)

    @settings(max_examples=700, **many)
    @given(anything | st.fixed_dictionaries({'latent_dim': anything}) | st.fixed_dictionaries({'latent_dim': st.just(10)}, optional={'class': anything | st.just('Autoencoder'), 'trained_on': anything}))
    def look(value):
        (here / 'config.json').write_text(json.dumps(value))
        for load in (Autoencoder.from_pretrained, load_model):
            model = harmless(load, here)
            assert model is None or str(model.generate_model_card())
    look()


def checkpoints_that_somebody_has_changed_and_signed(name, folder):
    "The sums are right, so that the files themselves are read."
    images = torch.rand(8, 784, generator=torch.Generator().manual_seed(0))
    run, spare = folder / f'run-{name}', folder / f'spare-{name}'
    small = lambda: torch.nn.Sequential(torch.nn.Linear(784, 1), torch.nn.Linear(1, 784))
    fit(small(), images, epochs=1, batch_size=4, run=Run(run), progress=False)
    shutil.copytree(run, spare)
    files = {path.name: path.read_bytes() for path in max((run / 'checkpoints').iterdir()).iterdir() if path.name != 'SHA256SUMS'}

    @settings(max_examples=250, **many)
    @given(files_of_one_kind(lambda n: files[name]))
    def look(content):
        shutil.rmtree(run)
        shutil.copytree(spare, run)
        checkpoint, changed = max((run / 'checkpoints').iterdir()), {**files, name: content}
        shutil.rmtree(checkpoint)
        write_folder(checkpoint, changed)
        harmless(lambda: fit(small(), images, epochs=1, batch_size=4, run=Run(run, resume=True), progress=False))
    look()


WORDS = ['denoise', 'evaluate', 'export', 'latent', 'data', 'demo', 'train', 'weights', '--help', '--version', '-o', '--output', '--std', '--model', '--data', '--json', '-q',
         '--sigma', '--limit', '--overwrite', '--unpack', '--remake', '--noise', '--lr', '--seed', '--device', '--out', '--resume', '--format', 'mlp', 'conv',
         'good.png', 'bad.png', 'gone.png', '.', '..', 'out.png', 'out', '0', '-1', '0.5', '1e400', 'nan', 'inf', 'x', '', '--', '-', '\x00', 'ü', '/dev/null', '99999999999999999999']


def senseless_calls(folder, capsys):
    "Words that the program knows, in any order. What takes long when it is called rightly is kept from making sense."
    Image.fromarray(np.zeros((5, 5), np.uint8)).save('good.png')
    (folder / 'bad.png').write_bytes(b'\x89PNG\r\n\x1a\nand no more')
    before = {path.name for path in folder.iterdir()}
    heavy = ('demo', 'evaluate', 'latent', 'weights', 'train', 'export')

    @settings(max_examples=1500, **many)
    @given(st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=7))
    def call(arguments):
        Count.total += 1
        if arguments and arguments[0] in heavy:
            arguments = [arguments[0], '--nonsense', *arguments[1:]]
        with pytest.raises(SystemExit) as end:
            main(arguments)
        output, errors = capsys.readouterr()
        assert end.value.code in (0, 1, 2) and 'Traceback' not in errors, (arguments, errors)
        assert end.value.code == 0 or len([line for line in errors.splitlines() if line.startswith('Error: ')]) == 1, (arguments, errors)
        for path in folder.iterdir():
            if path.name not in before:
                assert not path.name.endswith('.part') and (path.suffix != '.png' or Image.open(path).size == (5, 5)), (arguments, path)
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    call()


def from_the_shell_whole_or_not_at_all(folder, capsys):

    @settings(max_examples=250, **many)
    @given(files_of_one_kind(png) | files_of_one_kind(npy))
    def call(content):
        Count.total += 1
        name = 'in.png' if content[1:4] == b'PNG' else 'in.npy'
        open(name, 'wb').write(content)
        with pytest.raises(SystemExit) as end:
            main(['denoise', name, '-o', 'out.png', '--model', 'conv', '--std', '0.3', '-q'])
        output, errors = capsys.readouterr()
        assert output == '' and 'Traceback' not in errors
        assert (end.value.code == 0) == os.path.exists('out.png')
        if os.path.exists('out.png'):
            read_picture('out.png')
            os.unlink('out.png')
    call()


def test_more_than_ten_thousand_inputs_in_three_minutes(tmp_path, monkeypatch, capsys, record_property):
    began = time.perf_counter()
    for kind, make, examples in ('png', png, 2000), ('jpg', jpeg, 1000), ('npy', npy, 1500):
        pictures(kind, make, examples, tmp_path)
    for kind, make, examples in ('npy', npy, 800), ('idx', idx, 1200):
        images_to_train_on(kind, make, examples, tmp_path)
    for name in 'config.json', 'model.safetensors':
        model_folders(name, 1500, tmp_path)
    onnx_files(tmp_path)
    any_json_as_the_settings_of_a_model(tmp_path)
    for name in 'state.json', 'tensors.safetensors':
        checkpoints_that_somebody_has_changed_and_signed(name, tmp_path)
    (tmp_path / 'shell').mkdir()
    monkeypatch.chdir(tmp_path / 'shell')
    senseless_calls(tmp_path / 'shell', capsys)
    from_the_shell_whole_or_not_at_all(tmp_path / 'shell', capsys)
    seconds = time.perf_counter() - began
    record_property('damaged files and senseless calls', f'{Count.total} in {seconds:.0f} s')
    assert Count.total >= 10_000 and seconds <= 180
