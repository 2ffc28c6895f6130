"""What is given back is no worse than what was given, whatever it is, or it is said: photos, digits, text, drawings, areas of one colour."""
import json
import re

import matplotlib
import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image, ImageDraw, ImageFont

from denoise_ae import CLASSICAL, RECIPES, GaussianNoise, SaltAndPepperNoise, as_grey, denoise, denoise_carefully, load_model, open_picture, photos, psnr, read_picture, write_picture
from denoise_ae.cards import facts_of
from denoise_ae.carefully import denoise_into, denoise_stack
from denoise_ae.cli import main
from denoise_ae.ranges import Pixels
from denoise_ae.recipes import LEVELS, noisy_at_levels, psnr_of_part


def text():
    sheet = Image.new('L', (300, 120), 255)
    font = ImageFont.truetype(f'{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf', 15)
    for line in range(5):
        ImageDraw.Draw(sheet).text((8, 5 + 22 * line), f'Line {line} of a page that was scanned', font=font, fill=0)
    return torch.from_numpy(np.asarray(sheet) / np.float32(255))[None]


def drawing():
    sheet = Image.new('L', (200, 200), 255)
    for k in range(12):
        ImageDraw.Draw(sheet).line((5 * k, 10, 190 - 3 * k, 15 * k), fill=0, width=1 + k % 3)
    return torch.from_numpy(np.asarray(sheet) / np.float32(255))[None]


@pytest.fixture(scope='module')
def pictures(valid):
    found = {f'photo {n}': photo for n, photo in enumerate(photos('test')[:3])}
    found |= {'grey photo': as_grey(found['photo 1']), 'grey kept as colour': as_grey(found['photo 2']).repeat(3, 1, 1)}
    found |= {'digits': torch.cat([torch.cat(list(valid[0][5 * k:5 * k + 5]), 2) for k in range(5)], 1), 'black on white': text(), 'white on black': 1 - text(),
              'drawing': drawing(), 'one grey': torch.full((1, 90, 90), .5), 'one colour': torch.tensor([.2, .5, .9])[:, None, None].repeat(1, 80, 90),
              'black': torch.zeros(1, 90, 90), 'white': torch.ones(1, 90, 90)}
    return found


KINDS = ['photo 0', 'photo 1', 'photo 2', 'grey photo', 'grey kept as colour', 'digits', 'black on white', 'white on black', 'drawing', 'one grey', 'one colour', 'black', 'white']


@pytest.mark.parametrize('sigma', [0, 2, 5, 15, 25, 50])
@pytest.mark.parametrize('kind', KINDS)
def test_no_picture_comes_back_worse(kind, sigma, pictures):
    clean = (pictures[kind] * 255).round() / 255
    noisy = GaussianNoise(std=sigma / 255, clip=True, generator=torch.Generator().manual_seed(sigma))(clean)
    noisy = (noisy * 255).round() / 255
    before = noisy.clone()
    result, done = denoise_carefully(noisy, progress=False)
    assert result.shape == clean.shape and noisy.equal(before), 'what was given stays'
    gain = (psnr((result.clamp(0, 1) * 255).round()[None] / 255, clean[None]) - psnr(noisy[None], clean[None])).item() if sigma else 0.
    if sigma == 0:
        assert done.left and result.equal(noisy), str(done)
    elif done.left:
        assert result.equal(noisy)
    assert sigma != 2 or done.left in ('', 'there is nothing to take away', 'it has noise too weak to be taken away')
    assert gain >= -.1, f'{gain:.2f} dB, {done}'
    if 'photo' in kind and sigma >= 15:
        assert gain > 2 and not done.left, f'{gain:.2f} dB, {done}'


@pytest.mark.parametrize('name', ['autoencoder', 'mlp', 'conv', 'unet'])
def test_networks_that_know_digits_do_a_photo_no_harm(name, pictures):
    photo = pictures['grey photo']
    for sigma in (0, .02, .06):
        noisy = GaussianNoise(std=sigma, clip=True, generator=torch.Generator().manual_seed(0))(photo)
        result, done = denoise_carefully(noisy, load_model(name), progress=False)
        assert done.left and result.equal(noisy)
        result, done = denoise_carefully(noisy, load_model(name), progress=False, anyway=True)
        assert not done.left and psnr(result.clamp(0, 1), photo) < psnr(noisy, photo), 'and it would have been harm'


def test_strength(pictures):
    noisy = GaussianNoise(std=.1, clip=True, generator=torch.Generator().manual_seed(0))(pictures['grey photo'])
    none, some, all_of_it = (denoise_carefully(noisy, strength=strength, progress=False)[0] for strength in (0., .4, 1.))
    assert none.equal(noisy) and (some - noisy.lerp(all_of_it, .4)).abs().max() < 1e-5


@pytest.mark.parametrize('strength', [.1, .2, .4, .7])
@pytest.mark.parametrize('name', ['autoencoder', 'mlp', 'conv', 'unet'])
def test_what_is_harm_is_harm_also_in_part(name, strength, pictures):
    noisy = GaussianNoise(std=.06, clip=True, generator=torch.Generator().manual_seed(0))(pictures['grey photo'])
    result, done = denoise_carefully(noisy, load_model(name), strength=strength, progress=False)
    assert done.left and result.equal(noisy)


def test_noise_that_is_the_same_in_all_colours_is_nothing_new_to_a_network_of_one(pictures):
    photo = pictures['photo 2']
    noise = .1 * torch.randn(1, *photo.shape[1:], generator=torch.Generator().manual_seed(0))
    _, done = denoise_carefully((photo + noise).clamp(0, 1), progress=False)
    assert 'the same in all colours' in done.found.kinds and not done.note and not done.left
    _, done = denoise_carefully((photo + noise).clamp(0, 1), load_model('photo'), progress=False, anyway=True)
    assert 'the same in all colours, and the network was trained on' in done.note, 'one that sees all colours has never met it'


def test_the_network_is_chosen_by_colours_and_noise(pictures, tmp_path):
    photo, sigma = pictures['photo 2'], 25 / 255
    own, shared = (sigma * torch.randn(n, *photo.shape[1:], generator=torch.Generator().manual_seed(0)) for n in (3, 1))
    cases = {'photo': photo + own, 'photo-grey': photo + shared}
    for name, noisy in cases.items():
        result, done = denoise_carefully(noisy.clamp(0, 1), progress=False)
        assert done.network == name and not done.left
        reached = psnr(result.clamp(0, 1)[None], photo[None])
        other, _ = denoise_carefully(noisy.clamp(0, 1), load_model(({*cases} - {name}).pop()), progress=False, anyway=True)
        assert reached > psnr(other.clamp(0, 1)[None], photo[None]) + .8, 'and the other one is worse'
    for grey in (cases['photo-grey'].mean(0, keepdim=True), cases['photo'][:1].repeat(3, 1, 1), cases['photo'][:2]):
        assert denoise_carefully(grey.clamp(0, 1), progress=False)[1].network == 'photo-grey'
    assert denoise_carefully(photo + own, load_model('photo'), progress=False)[1].network == '', 'it was not chosen'
    pages = np.stack([(cases[name].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy() for name in cases])
    import tifffile
    tifffile.imwrite(tmp_path / 'both.tif', pages, photometric='rgb')
    picture = open_picture(tmp_path / 'both.tif')
    assert denoise_stack(picture.pixels.of(np.empty_like(picture.pixels.array)), picture, progress=False).network == 'photo and photo-grey'


@pytest.mark.parametrize('dtype', ['u1', 'u2', 'i4', 'u4', 'f4', 'f8'])
def test_what_is_left_is_left_to_the_last_digit(dtype, pictures):
    numbers = pictures['grey photo'].double().numpy()
    top = 1 if dtype[0] == 'f' else np.iinfo(dtype).max
    pixels = Pixels((numbers * top).astype(dtype), 0, top)
    result = pixels.of(np.zeros_like(pixels.array))
    done = denoise_into(result, pixels, load_model('photo-grey'), progress=False)
    assert done.left and np.array_equal(result.array, pixels.array)
    exact = torch.from_numpy(numbers) + 1e-12
    assert denoise_carefully(exact, progress=False)[0].equal(exact)


def test_a_network_that_says_nothing_of_its_noise_gets_no_note(pictures):
    model = load_model('photo-grey')
    for known in (None, {'noise': 'GaussianNoise', 'mean': 0.}, {'noise': 'GaussianNoise', 'std': '0.1'}):
        model.trained_on = known
        noisy = GaussianNoise(std=.1, clip=True, generator=torch.Generator().manual_seed(0))(pictures['grey photo'])
        _, done = denoise_carefully(noisy, model, progress=False)
        assert not done.note and not done.left


def test_noise_of_other_kinds_is_named(pictures):
    photo = pictures['grey photo']
    dotted = SaltAndPepperNoise(.05, generator=torch.Generator().manual_seed(0))(photo)
    result, done = denoise_carefully(dotted, progress=False)
    assert re.fullmatch(r'it has no noise, salt and pepper, and the network knows fine grain', done.left) and result.equal(dotted)
    result, done = denoise_carefully(dotted, progress=False, anyway=True)
    assert 'salt and pepper, and the network was trained on GaussianNoise' in done.note and not result.equal(dotted)
    grain = CLASSICAL['Gaussian filter'][0](torch.randn(1, *photo.shape, generator=torch.Generator().manual_seed(0)), 1.)[0]
    blotched = (photo + .1 * grain / grain.std()).clamp(0, 1)
    result, done = denoise_carefully(blotched, progress=False)
    assert re.fullmatch(r'it has noise of about \d+ of 255, blotchy, and the network knows fine grain: denoise-ae learn makes one from such pictures', done.left) and result.equal(blotched)
    _, done = denoise_carefully(GaussianNoise(std=.1, clip=True, generator=torch.Generator().manual_seed(0))(photo), progress=False)
    assert not done.note
    _, done = denoise_carefully(GaussianNoise(std=.5, generator=torch.Generator().manual_seed(0))(photo), progress=False)
    assert 'std 0 to 0.215686, not clipped: it may do less here' in done.note


def test_twelve_bits_in_sixteen(tmp_path, monkeypatch, capfd, pictures):
    import tifffile
    monkeypatch.chdir(tmp_path)
    clean = pictures['grey photo'][0].numpy()
    for sigma in (0, 25):
        noisy = (clean + sigma / 255 * np.random.default_rng(0).standard_normal(clean.shape)).clip(0, 1)
        tifffile.imwrite('cells.tif', (noisy * 4095).round().astype('u2'))
        with pytest.raises(SystemExit) as end:
            main(['denoise', 'cells.tif', '-o', 'clean.tif', '--overwrite', '--json'])
        report = json.loads(capfd.readouterr().out)
        before, after = (open_picture(name).pixels.array[0, 0] for name in ('cells.tif', 'clean.tif'))
        assert end.value.code == 0 and report['range'] == [0, 4095] and after.dtype == np.uint16 and after.max() <= 4095
        if sigma:
            errors = [((each / 4095 - clean) ** 2).mean() for each in (before, after)]
            assert errors[1] < errors[0] / 2 and report['std'] == pytest.approx(sigma / 255, rel=.15)
        else:
            assert np.array_equal(before, after) and report['left'] == 'there is nothing to take away'


def test_a_large_picture_is_judged_like_a_small_one(monkeypatch, pictures):
    noisy = GaussianNoise(std=.1, clip=True, generator=torch.Generator().manual_seed(0))(pictures['photo 0'])
    once, done = denoise_carefully(noisy, progress=False)
    monkeypatch.setattr('denoise_ae.carefully.LARGEST', 1000)
    pieces, again = denoise_carefully(noisy, progress=False)
    assert (once - pieces).abs().mean() < 2e-3 and again.found == done.found, 'but for the random numbers'


def test_a_jpeg_without_noise_is_copied(tmp_path, monkeypatch, pictures):
    "Written anew it would lose something."
    monkeypatch.chdir(tmp_path)
    write_picture(pictures['photo 0'], 'photo.jpg')
    with pytest.raises(SystemExit) as end:
        main(['denoise', 'photo.jpg', '-o', 'same.jpg'])
    assert end.value.code == 0 and (tmp_path / 'same.jpg').read_bytes() == (tmp_path / 'photo.jpg').read_bytes()
    with pytest.raises(SystemExit) as end:
        main(['denoise', 'photo.jpg', '-o', 'other.png'])
    assert end.value.code == 0 and read_picture('other.png').equal(read_picture('photo.jpg'))


@pytest.mark.parametrize('problem, error', [(dict(std=-1.), ValueError), (dict(strength=2.), ValueError), (dict(model='unet'), TypeError)])
def test_what_cannot_be_is_said(problem, error):
    with pytest.raises(error):
        denoise_carefully(torch.rand(1, 20, 20), **problem)


def test_the_network_for_grey_photos():
    "Small enough for a package, for any size, and ahead of the best old method that needs nothing beside the package, at each level."
    folder = ROOT / 'denoise_ae' / 'weights' / 'photo-grey'
    assert (folder / 'model.safetensors').stat().st_size <= 4_000_000 and 'whose authors and licences photo_credits() lists' in (folder / 'README.md').read_text(encoding='utf-8')
    model = load_model('photo-grey')
    assert model.channels == 1 and model.trained_on == facts_of(RECIPES['photo-grey'].options['noise'])
    noisy, clean = noisy_at_levels([as_grey(photo) for photo in photos('test')[:4]]).tensors
    output = denoise(model, noisy, batch_size=4)
    for part, level in enumerate(LEVELS):
        ours = psnr_of_part(output, clean, part).mean()
        old = max(psnr_of_part(torch.cat([CLASSICAL['non-local means'][0](each[None], (strength * level / 255, level / 255)) for each in noisy]), clean, part).mean()
                  for strength in (.4, .6, .8))
        assert ours > old + .5, f'{ours:.2f} and {old:.2f} dB at {level}'
