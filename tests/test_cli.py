"""The program `denoise-ae`: results, errors and status, and that nothing is lost."""
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback

import numpy as np
import pytest
import torch
from PIL import Image

from denoise_ae import Autoencoder, GaussianNoise, load_model, psnr, read_picture, write_picture
from denoise_ae.cli import help_texts, load_images, main, parse_noise


@pytest.fixture
def program(tmp_path, monkeypatch, capfd):
    "Call the program in a folder of its own; gives its status, its output and its errors, without progress bars."
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            main([str(each) for each in arguments])
        output, errors = capfd.readouterr()
        assert 'Traceback' not in errors
        return end.value.code, output, '\n'.join(line for line in re.split(r'[\r\n]', errors) if line.strip() and '%|' not in line)
    return call


def start(*arguments, cwd):
    return subprocess.Popen([sys.executable, '-m', 'denoise_ae.cli', *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope='module')
def scan(valid):
    return GaussianNoise(std=.3, generator=torch.Generator().manual_seed(0))(torch.cat(list(valid[0][:3]), 2)).clamp(0, 1)


def test_help_is_there_for_every_command_and_quick():
    began = time.perf_counter()
    run = subprocess.run([sys.executable, '-X', 'importtime', '-m', 'denoise_ae.cli', '--help'], capture_output=True, text=True)
    assert run.returncode == 0 and time.perf_counter() - began < 20
    assert 'torch' not in re.findall(r'\| +(\w+)\n', run.stderr), 'help must not wait for PyTorch'
    assert run.stdout.strip() == help_texts()[''].strip(), 'the page of the site is what the program says'
    assert set(help_texts()) == {'', 'demo', 'denoise', 'train', 'evaluate', 'latent', 'export', 'data', 'weights'}
    for name, text in help_texts().items():
        assert f'Usage: denoise-ae {name}'.strip() in text and (not name or ('Examples:' in text and f'denoise-ae {name}' in text.split('Examples:')[1]))


def test_the_demonstration(program):
    status, output, errors = program('demo')
    assert status == 0 and not errors
    levels = dict(re.findall(r'(\w+), dB: ([\d.]+)', output))
    assert float(levels['unet']) > float(levels['noisy']) + 8
    assert Image.open('denoise-ae-demo.png').size[0] > 500
    before = open('denoise-ae-demo.png', 'rb').read()
    assert program('demo')[::2] == (1, 'Error: denoise-ae-demo.png exists: choose another name or pass --overwrite')
    assert open('denoise-ae-demo.png', 'rb').read() == before
    assert program('demo', '--std', .5, '--overwrite', '-q') == (0, '', '') and open('denoise-ae-demo.png', 'rb').read() != before


@pytest.mark.parametrize('suffix', ['png', 'npy', 'jpg'])
def test_denoising_a_file(suffix, program, scan, valid):
    write_picture(scan, f'scan.{suffix}')
    status, output, errors = program('denoise', f'scan.{suffix}', '-o', f'out/clean.{suffix}', '--json')
    clean, truth = read_picture(f'out/clean.{suffix}'), torch.cat(list(valid[0][:3]), 2)
    assert status == 0 and clean.shape == scan.shape and psnr(clean.clamp(0, 1), truth) > psnr(scan, truth) + 7
    report, = json.loads(output)['pictures']
    assert report['from'] == f'scan.{suffix}' and report['std'] == pytest.approx(.3, rel=.25)
    status, _, errors = program('denoise', f'scan.{suffix}', '-o', f'out/clean.{suffix}')
    assert status == 1 and 'exists: choose another name or pass --overwrite' in errors
    assert program('denoise', f'scan.{suffix}', '-o', f'out/clean.{suffix}', '--overwrite', '--std', '.3', '--model', 'mlp')[0] == 0


def test_a_folder_and_one_that_fails(program, scan, tmp_path):
    for name in ('a.png', 'deep/b.png', 'c.npy'):
        (tmp_path / 'in' / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(scan[:, :9, :7], tmp_path / 'in' / name)
    (tmp_path / 'in' / 'broken.png').write_bytes(b'no picture')
    status, output, errors = program('denoise', 'in', '-o', 'out')
    assert status == 1 and not output and re.search(r'(?m)^Error: 1 of 4 pictures could not be denoised: in.broken.png is no PNG, JPEG, BMP or NPY file that can be read: .*$', errors)
    assert sorted(path.relative_to(tmp_path / 'out').as_posix() for path in (tmp_path / 'out').rglob('*.*')) == ['a.png', 'c.npy', 'deep/b.png']
    for arguments, words in ((('in', 'in', '-o', 'twice'), 'more than one picture would go to'), (('nowhere.png', '-o', 'x.png'), 'there is no nowhere.png'),
                             (('in/a.png', '-o', 'x.tiff'), "written as .png, .jpg or .npy, not as 'x.tiff'"), (('in/a.png', '-o', 'x.png', '--model', 'resnet'), "there is no model 'resnet': choose")):
        status, output, errors = program('denoise', *arguments)
        assert status == 1 and words in errors and errors.count('\n') == 0 and not (tmp_path / 'x.png').exists()
    Image.new('RGB', (2, 2), (90, 120, 150)).save('tiny.png')
    write_picture(255 * torch.rand(1, 9, 9), 'bytes.npy')
    assert '0 must be black and 1 white' in program('denoise', 'bytes.npy', '-o', 'x.png')[2]
    assert 'give it with --std' in program('denoise', 'tiny.png', '-o', 'x.png')[2]
    status, _, errors = program('denoise', 'tiny.png', '-o', 'x.png', '--std', 2)
    assert status == 0 and 'Note: tiny.png has noise of about 2' in errors and Image.open('x.png').size == (2, 2)


@pytest.mark.skipif(os.name == 'nt', reason='sends signals as POSIX knows them')
@pytest.mark.parametrize('name', ['SIGKILL', 'SIGINT', 'SIGTERM'])
def test_a_training_that_is_stopped_goes_on_to_the_same_weights(name, tmp_path):
    number = getattr(signal, name)
    options = ['train', '--limit', '1500', '--epochs', '12', '--checkpoint-every', '0', '--out']
    going = start(*options, 'run', cwd=tmp_path)
    while going.poll() is None and not list(tmp_path.glob('run/checkpoints/*[1-9]*/SHA256SUMS')):
        time.sleep(.01)
    going.send_signal(number)
    output, errors = going.communicate(timeout=60)
    assert going.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 1) and 'Traceback' not in errors
    if number != signal.SIGKILL:
        assert re.search(r'(Note|Error): stopped in epoch \d+ of 12.*Everything is kept in run: go on with --resume', errors)
    for folder in 'run', 'whole':
        finished = start(*options, folder, '--resume', cwd=tmp_path)
        output, errors = finished.communicate(timeout=120)
        assert finished.returncode == 0, errors
        assert re.search(r'epochs: 12\ntrain loss: .*\nvalid PSNR, dB: ', output)
    for name in 'last', 'best':
        assert (tmp_path / 'run' / name / 'model.safetensors').read_bytes() == (tmp_path / 'whole' / name / 'model.safetensors').read_bytes()
    card = (tmp_path / 'run' / 'best' / 'README.md').read_text(encoding='utf-8')
    assert '| trained on | GaussianNoise, mean 0, std 0.1, not clipped |' in card and 'It was trained on images of 1500×1×28×28 float32' in card


def test_training_measuring_and_exporting_ones_own(program, tmp_path, valid):
    np.save('images.npy', (valid[0][:200, 0].numpy() * 255).astype('uint8'))
    for model in 'mlp', 'conv', 'unet':
        assert program('train', '--model', model, '--data', 'images.npy', '--noise', 'gaussian:0.05-1', '--epochs', 1, '--out', model, '-q')[:2] == (0, '')
    status, _, errors = program('train', '--data', 'images.npy', '--epochs', 1, '--out', 'mlp')
    assert status == 1 and errors == 'Error: mlp is not empty: pass --resume to go on with the run in it, or choose another folder'
    status, _, errors = program('train', '--data', 'images.npy', '--epochs', 2, '--out', 'mlp', '--resume')
    assert status == 1 and 'model was MLPDenoiser' in errors and 'noise was GaussianNoise' in errors and 'epochs was' not in errors
    status, output, errors = program('train', '--model', 'mlp', '--data', 'images.npy', '--noise', 'gaussian:0.05-1', '--epochs', 2, '--out', 'mlp', '--resume')
    assert status == 0 and 'Note: the run in mlp had finished its 1 epochs: the rest of 2 is a new cycle of the learning rate' in errors and 'epochs: 2\n' in output
    status, _, errors = program('train', '--model', 'mlp', '--data', 'images.npy', '--noise', 'gaussian:0.05-1', '--epochs', 1, '--out', 'mlp', '--resume')
    assert status == 1 and 'epochs was 2 and is now 1' in errors
    assert program('train', '--model', 'mlp/best', '--data', 'images.npy', '--epochs', 1, '--out', 'more')[0] == 0
    status, output, _ = program('evaluate', '--model', 'mlp/best', '--model', 'unet', '--data', 'images.npy', '--sigma', .3, '--csv', 'table.csv', '--json')
    rows = json.loads(output)['table']
    assert status == 0 and [row['denoiser'] for row in rows] == ['noisy', 'mlp/best', 'unet'] and rows[2]['psnr'] > rows[0]['psnr'] + 9
    assert open('table.csv').readline().startswith('denoiser,sigma,psnr')
    status, output, _ = program('export', '--model', 'mlp/best', '-o', 'mine.onnx')
    assert status == 0 and float(re.search('PyTorch: (.*)', output)[1]) <= 1e-5
    status, output, _ = program('latent', '-o', 'latent', '--limit', 200)
    assert status == 0 and 't-SNE' in output and len(open('latent/latent.csv').readlines()) == 201
    assert 'has no bottleneck' in program('latent', '--model', 'unet', '-o', 'other')[2]
    assert program('data', '--unpack', 'digits')[0] == 0 and (tmp_path / 'digits' / 'MNIST' / 'raw' / 't10k-labels-idx1-ubyte').exists()
    status, output, _ = program('evaluate', '--data', 'digits/MNIST/raw/t10k-images-idx3-ubyte', '--model', 'mlp', '--limit', 50, '--sigma', .1)
    assert status == 0 and 'mlp' in output


def test_what_a_model_was_trained_on_decides_what_a_scan_gets(program, scan, valid, monkeypatch):
    "Noise that was cut off is put back for a network that has never seen it cut off, and for no other; so does every command read the model's own facts."
    import onnx

    import denoise_ae
    np.save('images.npy', (valid[0][:200, 0].numpy() * 255).astype('uint8'))
    write_picture(scan, 'scan.png')
    asked, real = [], denoise_ae.resample_clipped
    monkeypatch.setattr(denoise_ae, 'resample_clipped', lambda *given: asked.append(given[1]) or real(*given))
    for noise, words in (('gaussian:0.3', 'not clipped'), ('gaussian:0.3:clipped', 'clipped'), ('masking:0.3', 'p 0.3')):
        name = noise.replace(':', '-')
        assert program('train', '--model', 'conv', '--data', 'images.npy', '--noise', noise, '--epochs', 1, '--out', name, '-q')[0] == 0
        config = json.loads(open(f'{name}/best/config.json').read())
        assert config['class'] == 'ConvAutoencoder' and config['trained_on'] == load_model(f'{name}/best').trained_on
        assert f'{words} |' in open(f'{name}/last/README.md', encoding='utf-8').read()
        assert program('denoise', 'scan.png', '-o', f'{name}.png', '--model', f'{name}/best')[0] == 0
        assert len(asked) == 1, 'by the first network only'
    assert asked == [pytest.approx(.3, rel=.25)]
    assert program('export', '--model', 'gaussian-0.3-clipped/best', '-o', 'x.onnx')[0] == 0
    facts = {prop.key: prop.value for prop in onnx.load('x.onnx').metadata_props}
    assert facts['class'] == 'ConvAutoencoder' and json.loads(facts['trained_on']) == {'noise': 'GaussianNoise', 'mean': 0., 'std': .3, 'clip': True}
    status, _, errors = program('denoise', 'scan.png', '-o', 'x.png', '--model', 'gaussian-0.3')
    assert status == 1 and 'gaussian-0.3 is the folder of a run: name the model in it' in errors


def test_a_folder_of_photos_is_cut_into_tiles(tmp_path):
    write_picture(torch.rand(3, 60, 90), tmp_path / 'photo.png')
    images, labels = load_images(str(tmp_path), 'test')
    assert images.shape == (3 * 2 * 3, 1, 28, 28) and labels is None
    train, valid = (load_images(str(tmp_path), split)[0] for split in ('train', 'valid'))
    assert len(train) == 17 and len(valid) == 1 and torch.equal(torch.cat([train, valid]), images)


@pytest.mark.parametrize('arguments, status, words', [
    ([], 2, 'Missing command. See denoise-ae --help.'),
    (['nonsense'], 2, "No such command 'nonsense'. See denoise-ae --help."),
    (['train'], 2, "Missing option '--out'. See denoise-ae train --help."),
    (['train', '--epochs', '0', '--out', 'x'], 2, "'--epochs': 0 is not in the range"),
    (['denoise', 'a.png', '-o', 'b.png', '--std', 'loud'], 2, "'loud' is not a valid float"),
    (['train', '--noise', 'gaussian', '--out', 'x'], 1, "'gaussian' is no noise: write gaussian:0.1"),
    (['train', '--noise', 'masking:2', '--out', 'x'], 1, 'p must be from 0 to 1, not 2.0'),
    (['train', '--noise', 'gaussian:1-0.5', '--out', 'x'], 1, 'lower end first'),
    (['train', '--lr', '-1', '--out', 'x'], 1, 'lr must be above 0, not -1.0'),
    (['train', '--device', 'abacus', '--out', 'x'], 1, "there is no device 'abacus' here to train on"),
    (['train', '--data', 'nowhere.npy', '--out', 'x'], 1, 'nowhere.npy'),
    (['evaluate', '--data', 'kmnist'], 1, 'KMNIST is not in'),
    (['weights', '--remake', 'unet', '-o', '.'], 1, 'Error: . exists: choose another name'),
    (['evaluate', '--csv', '.', '--overwrite'], 1, '. is a folder: name a file'),
    (['train', '--dtype', 'int8', '--out', 'x'], 2, "'int8' is not one of 'float32', 'bfloat16'"),
])
def test_what_goes_wrong_is_one_line_with_a_way_out(arguments, status, words, program, tmp_path):
    found = program(*arguments)
    assert found[0] == status and found[1] == '' and words in found[2] and found[2].startswith('Error: ') and '\n' not in found[2]
    assert not (tmp_path / 'x').exists() or not list((tmp_path / 'x').glob('checkpoints/*'))


def test_the_traceback_is_there_for_those_who_ask(tmp_path):
    with pytest.raises(ValueError) as error:
        main(['evaluate', '--data', str(tmp_path), '--debug'])
    assert 'in _read_images' in ''.join(traceback.format_exception(error.value))


def test_completion_of_commands_and_options():
    for words, expected in (('denoise-ae ev', 'evaluate'), ('denoise-ae train --ch', '--checkpoint-every'), ('denoise-ae export --format o', 'onnx')):
        env = {**os.environ, '_DENOISE_AE_COMPLETE': 'bash_complete', 'COMP_WORDS': words, 'COMP_CWORD': str(len(words.split()) - 1)}
        run = subprocess.run([sys.executable, '-c', 'from denoise_ae.cli import main; main()'], env=env, capture_output=True, text=True)
        assert f'plain,{expected}' in run.stdout, (run.stdout, run.stderr)


def test_names_and_noises():
    assert {name: type(load_model(name)).__name__ for name in ('autoencoder', 'mlp', 'conv', 'unet')} == {
        'autoencoder': 'Autoencoder', 'mlp': 'MLPDenoiser', 'conv': 'ConvAutoencoder', 'unet': 'UNet'}
    assert [str(parse_noise(text)).split('(')[0] for text in ('salt-and-pepper:.2', 'masking:0.3', 'poisson:30')] == ['SaltAndPepperNoise', 'MaskingNoise', 'PoissonNoise']
    assert [str(parse_noise(text)) for text in ('gaussian:.1', 'gaussian:0.05-1', 'gaussian:0.1:clipped', 'gaussian:0.05-1:clipped', 'poisson:30:clipped')] == [
        'GaussianNoise(mean=0.0, std=0.1, clip=False)', 'GaussianNoise(mean=0.0, std=(0.05, 1.0), clip=False)', 'GaussianNoise(mean=0.0, std=0.1, clip=True)',
        'GaussianNoise(mean=0.0, std=(0.05, 1.0), clip=True)', 'PoissonNoise(peak=30, clip=True)']
    for text in ('', 'gaussian:', 'gaussian:-1', 'masking:.1-.2', 'gaussian:1e3', 'Gaussian:0.1', 'gaussian:0.1:0.2', 'masking:.1:clipped', 'gaussian:0.1:cut', 'gaussian:clipped'):
        with pytest.raises(ValueError, match='is no noise'):
            parse_noise(text)


def test_a_folder_is_recognised_by_what_is_in_it(tmp_path):
    Autoencoder(latent_dim=3).save_pretrained(tmp_path / 'mine')
    assert load_model(str(tmp_path / 'mine')).encoder[-1].out_features == 3
    (tmp_path / 'mine' / 'model.safetensors').unlink()
    with pytest.raises(OSError, match='there is no model.safetensors in'):
        load_model(str(tmp_path / 'mine'))
