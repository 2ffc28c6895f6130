"""The program `denoise-ae`: results, errors and status, and that nothing is lost."""
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from denoise_ae import RECIPES, Autoencoder, GaussianNoise, Patches, as_grey, load_model, open_picture, photos, psnr, read_picture, write_picture
from denoise_ae.cli import help_texts, load_images, main, parse_noise


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
    assert set(help_texts()) == {'', 'demo', 'denoise', 'train', 'evaluate', 'latent', 'export', 'data', 'weights', 'learn'}
    for name, text in help_texts().items():
        assert f'Usage: denoise-ae {name}'.strip() in text and (not name or ('Examples:' in text and f'denoise-ae {name}' in text.split('Examples:')[1]))


def test_a_picture_does_not_wait_for_what_it_does_not_need(tmp_path):
    "A denoised picture takes PyTorch. What else takes a second to import waits until somebody asks for it."
    Image.new('RGB', (40, 40), 'grey').save(tmp_path / 'grey.png')
    code = """import sys; from denoise_ae.cli import main
try: main(['denoise', 'grey.png', '-o', 'out.png', '-q'])
except SystemExit as end: print(end.code, *{name.partition('.')[0] for name in sys.modules} | {name for name in sys.modules if name == 'torch._dynamo'})"""
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=tmp_path)
    status, *imported = run.stdout.split()
    assert status == '0' and 'torch' in imported and not {'torchvision', 'torch._dynamo', 'matplotlib', 'pandas', 'sklearn', 'skimage', 'IPython'} & set(imported)


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
    status, output, errors = program('denoise', f'scan.{suffix}', '-o', f'out/clean.{suffix}', '--json', '--model', 'unet')
    clean, truth = read_picture(f'out/clean.{suffix}'), torch.cat(list(valid[0][:3]), 2)
    assert status == 0 and clean.shape == scan.shape and psnr(clean.clamp(0, 1), truth) > psnr(scan, truth) + 7
    report = json.loads(output)
    assert report['from'] == f'scan.{suffix}' and report['std'] == pytest.approx(.3, rel=.25) and report['range'] == [0, 1 if suffix == 'npy' else 255]
    assert (report['width'], report['height'], report['channels'], report['pictures']) == (84, 28, 1, 1)
    assert report['network'] == 'unet' and report['left'] is None and report['found'].startswith('noise of about ')
    status, _, errors = program('denoise', f'scan.{suffix}', '-o', f'out/clean.{suffix}')
    assert status == 1 and 'exists: choose another name or pass --overwrite' in errors
    assert program('denoise', f'scan.{suffix}', '-o', f'out/clean.{suffix}', '--overwrite', '--std', '.3', '--model', 'mlp')[0] == 0


def test_a_folder_and_one_that_fails(program, scan, tmp_path):
    for name in ('a.png', 'deep/b.png', 'c.npy'):
        (tmp_path / 'in' / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(scan[:, :9, :7], tmp_path / 'in' / name)
    (tmp_path / 'in' / 'broken.png').write_bytes(b'no picture')
    status, output, errors = program('denoise', 'in', '-o', 'out')
    assert status == 1 and [line.split(':')[0] for line in output.splitlines()] == [os.path.join('in', *each.split('/')) for each in ('a.png', 'c.npy', 'deep/b.png')]
    assert re.search(r'(?m)^Error: 1 of 4 pictures could not be denoised: in.broken.png is no picture of a kind that is read here.*$', errors)
    assert sorted(path.relative_to(tmp_path / 'out').as_posix() for path in (tmp_path / 'out').rglob('*.*')) == ['a.png', 'c.npy', 'deep/b.png']
    for arguments, words in ((('in', 'in', '-o', 'twice'), 'more than one picture would go to'), (('nowhere.png', '-o', 'x.png'), 'there is no nowhere.png'),
                             (('in/a.png', '-o', 'x.gif'), ".npz, not as 'x.gif'"), (('in/a.png', '-o', 'x.png', '--model', 'resnet'), "there is no model 'resnet': choose")):
        status, output, errors = program('denoise', *arguments)
        assert status == 1 and words in errors and errors.count('\n') == 0 and not (tmp_path / 'x.png').exists()
    Image.new('RGB', (2, 2), (90, 120, 150)).save('tiny.png')
    status, output, errors = program('denoise', 'tiny.png', '-o', 'x.png')
    assert status == 0 and 'left as before' in output and 'Note: tiny.png was left as before: it is too small for its noise to be told (--anyway denoises' in errors
    assert open('x.png', 'rb').read() == open('tiny.png', 'rb').read(), 'the file itself'
    status, _, errors = program('denoise', 'tiny.png', '-o', 'y.png', '--std', 2)
    assert status == 0 and 'Note: tiny.png has noise of about 510 of 255' in errors and Image.open('y.png').size == (2, 2)


class Same(torch.nn.Module):
    "As a network that takes any size in one channel, and knows a noise that is not white, so that nobody looks."
    channels, reach, trained_on = 1, 0, {'noise': 'MaskingNoise', 'p': .3}

    def forward(self, pictures):
        return pictures


@pytest.fixture
def same(monkeypatch):
    monkeypatch.setattr('denoise_ae.load_model', lambda name: Same())
    monkeypatch.setattr('denoise_ae.carefully._packaged', lambda name, device: Same())


def microscope(path, top=4095, pages=0):
    import tifffile
    pixels = np.random.default_rng(0).integers(0, top, (*[pages] * bool(pages), 40, 50)).astype('u2')
    tifffile.imwrite(path, pixels, photometric='minisblack', metadata=None)
    return pixels


def test_nothing_is_left_out_of_a_folder_without_a_word(program, same, tmp_path):
    "Hidden files are; what is no picture is named; what was written before is not read again; a name in any script is one."
    (tmp_path / 'in' / '__MACOSX').mkdir(parents=True)
    microscope(tmp_path / 'in' / 'cells.tif')
    Image.new('RGB', (9, 9)).save(tmp_path / 'in' / 'Müller 画像.webp', lossless=True)
    Image.new('RGB', (9, 9)).save(tmp_path / 'in' / 'a.gif')
    Image.new('RGB', (9, 9)).save(tmp_path / 'in' / 'a.png')
    (tmp_path / 'in' / 'of no known ending').write_bytes((tmp_path / 'in' / 'a.png').read_bytes())
    (tmp_path / 'in' / 'notes.txt').write_text('Bring milk.')
    for name in ('._a.png', '.hidden.png', '__MACOSX/b.png', 'Thumbs.db'):
        (tmp_path / 'in' / name).write_bytes(b'no picture')
    for _ in range(2):
        status, output, errors = program('denoise', 'in', '-o', 'in/clean', '--overwrite', '--json')
        assert status == 0 and re.search(r'(?m)^Note: left alone, for they are no pictures: in.notes.txt$', errors), errors
        assert errors.count('Note') == 2 and 'cells.tif has whole numbers from 0 to 4093: 0 is taken as black and 4095 as white' in errors
        made = {path.name for path in (tmp_path / 'in' / 'clean').iterdir()}
        assert made == {'cells.tif', 'Müller 画像.webp', 'a.png', 'a.gif.png', 'of no known ending.png'}
        assert {os.path.basename(json.loads(line)['to']) for line in output.splitlines()} == made
    assert np.array_equal(np.asarray(Image.open('in/clean/cells.tif')), np.asarray(Image.open('in/cells.tif')))


@pytest.mark.parametrize('encoding', ['ascii', 'cp1252', 'utf-8'])
def test_names_in_any_script_on_any_terminal(encoding, tmp_path):
    names = ['日本.png'] + [os.fsdecode(b'broken \xff.png')] * (sys.platform == 'linux')
    for name in names:
        Image.new('L', (30, 30)).save(tmp_path / name)
    env = {**os.environ, 'PYTHONIOENCODING': encoding, 'PYTHONUTF8': '0'}
    run = subprocess.run([sys.executable, '-m', 'denoise_ae.cli', 'denoise', *names, 'none.png', '-o', 'out/'], cwd=tmp_path, env=env, capture_output=True)
    assert run.returncode == 1 and b'there is no none.png' in run.stderr
    run = subprocess.run([sys.executable, '-m', 'denoise_ae.cli', 'denoise', *names, '-o', 'out/', '--std', '0.3'], cwd=tmp_path, env=env, capture_output=True)
    assert run.returncode == 0 and run.stdout.count(b'written to') == len(names) and b'Traceback' not in run.stderr, run.stderr
    assert len(list((tmp_path / 'out').iterdir())) == len(names)


def test_stacks_ranges_and_the_guard(program, same, tmp_path):
    pixels = microscope('stack.tif', pages=5)
    np.save('stack.npy', pixels.astype('f4') / 50)
    np.savez('stack.npz', cells=np.moveaxis(np.stack([pixels] * 3), 0, -1))
    for name, shape in (('stack.tif', (5, 1, 40, 50)), ('stack.npy', (5, 1, 40, 50)), ('stack.npz', (5, 3, 40, 50))):
        status, output, errors = program('denoise', name, '-o', f'clean/{name}', '--json')
        report = json.loads(output)
        assert status == 0 and report['pictures'] == 5 and report['notes'] and report['range'][1] == pytest.approx(81.8 if 'npy' in name else 4095, abs=.1)
        before, after = (open_picture(each) for each in (name, f'clean/{name}'))
        assert after.pixels.shape == shape and after.layout == before.layout
        assert np.allclose(after.pixels.array, before.pixels.array, rtol=1e-5) and after.pixels.array.dtype == before.pixels.array.dtype
    status, _, errors = program('denoise', 'stack.tif', '-o', 'one.png')
    assert status == 1 and 'one.png can hold one picture, and these are 5: write .tif or .npy' in errors
    status, output, errors = program('denoise', 'stack.tif', '-o', 'x.tif', '--range', 0, 8000, '--json')
    assert status == 0 and json.loads(output)['range'] == [0, 8000] and not errors
    assert 'the lower one first, not 9 and 3' in program('denoise', 'stack.tif', '-o', 'y.tif', '--range', 9, 3)[2]
    status, _, errors = program('denoise', 'stack.tif', '-o', 'z.tif', '--max-pixels', 1999)
    assert status == 1 and 'has 50 by 40 pixels, 5 times, more than 1999: if that is right, --max-pixels 10000 lets it in' in errors
    assert program('denoise', 'stack.tif', '-o', 'z.tif', '--max-pixels', 10_000)[0] == 0


def test_a_large_picture_stays_in_the_numbers_of_its_file(program, monkeypatch, tmp_path):
    "Piece by piece, what was cut off put back in each: the same as in one piece, but for the random numbers."
    monkeypatch.setattr('denoise_ae.carefully.LARGEST', 10_000)
    monkeypatch.setattr('denoise_ae.carefully.denoise_picture', None)
    picture = GaussianNoise(std=.3, generator=torch.Generator().manual_seed(0))(torch.zeros(3, 130, 140))
    write_picture(picture, 'scan.jpg')
    assert program('denoise', 'scan.jpg', '-o', 'clean.png', '--model', 'unet')[0] == 0
    assert read_picture('clean.png').shape == (3, 130, 140) and read_picture('clean.png').std() < .08


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
        output, errors = finished.communicate(timeout=600)
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
    status, output, _ = program('export', '--model', 'mlp/best', '--format', 'html', '-o', 'mine.html')
    assert status == 0 and int(re.search('bytes: (.*)', output)[1]) == os.path.getsize('mine.html') > 1_000_000
    status, output, _ = program('latent', '-o', 'latent', '--limit', 200)
    assert status == 0 and 't-SNE' in output and len(open('latent/latent.csv').readlines()) == 201
    assert 'has no bottleneck' in program('latent', '--model', 'unet', '-o', 'other')[2]
    assert program('data', '--unpack', 'digits')[0] == 0 and (tmp_path / 'digits' / 'MNIST' / 'raw' / 't10k-labels-idx1-ubyte').exists()
    status, output, _ = program('evaluate', '--data', 'digits/MNIST/raw/t10k-images-idx3-ubyte', '--model', 'mlp', '--limit', 50, '--sigma', .1)
    assert status == 0 and 'mlp' in output


def test_what_a_model_was_trained_on_decides_what_a_scan_gets(program, scan, valid, monkeypatch):
    "Noise that was cut off is put back for a network that has never seen it cut off, and for no other; so does every command read the model's own facts."
    import onnx

    from denoise_ae import carefully
    np.save('images.npy', (valid[0][:200, 0].numpy() * 255).astype('uint8'))
    write_picture(scan, 'scan.png')
    asked, real = [], carefully.resample_clipped
    monkeypatch.setattr(carefully, 'resample_clipped', lambda *given: asked.append(given[1]) or real(*given))
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


@pytest.mark.parametrize('name, measured', [('conv', {'valid_psnr'}), ('photo-grey', {'valid_psnr_15', 'valid_psnr_25', 'valid_psnr_50'})])
def test_a_packaged_network_trained_anew(name, measured, program, valid, monkeypatch):
    "By its own recipe, but on few pictures and for one epoch."
    recipe = RECIPES[name]
    data = Patches([as_grey(photo) for photo in photos('valid')], count=32) if 'photo' in name else valid[0][:64]
    few = recipe.valid() if 'photo' in name else valid[0][:64]
    monkeypatch.setitem(RECIPES, name, replace(recipe, data=lambda: data, valid=lambda: few, options=recipe.options | {'epochs': 1}))
    status, output, errors = program('weights', '--remake', name, '-o', 'anew', '--json')
    assert status == 0 and set(json.loads(output)) == {'epochs', *measured, 'written to'}, errors
    assert type(load_model('anew')) is type(load_model(name))


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
    (['train', '--device', 'abacus', '--out', 'x'], 1, "there is no device 'abacus' here"),
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
