"""A network that learns from noisy pictures alone: the noise is measured rightly or not at all, and the verdict is that of the truth."""
import json
import re
from pathlib import Path

import pytest
import torch
from torchvision.transforms.functional import gaussian_blur

from denoise_ae import MeasuredNoise, SaltAndPepperNoise, as_grey, denoise, learn, load_model, measure_noise, new_for_shots, photos, psnr, read_picture, write_picture
from denoise_ae.randomness import seeded
from denoise_ae.shots import best_rival, errors, hold_back, recorrupted, squares_of

GREY = [as_grey(photo) for photo in photos('train')]
CLEAN = torch.stack([as_grey(photo)[:, :192, :192] for photo in photos('valid')])


def blurred(pictures, std=.1, width=1.):
    noise = gaussian_blur(torch.randn_like(pictures), 8 * int(width) + 1, width)
    return pictures + std * noise / noise.std()


def white(pictures, std=.1):
    return pictures + std * torch.randn_like(pictures)


def mse(output):
    return (output - CLEAN).square().mean().item()


@pytest.fixture(scope='module')
def shots():
    with seeded(0):
        return {'blurred': [blurred(each) for each in GREY], 'white': [white(each) for each in GREY]}


@pytest.mark.parametrize('std, count', [(4 / 255, 87), (.05, 87), (.1, 87), (.2, 20), (.6, 5)])
def test_the_level_of_white_noise_is_found_the_weaker_the_more_pictures_it_takes(std, count):
    with seeded(count):
        noise = measure_noise([white(each, std) for each in photos('train')[:count]])
    found = noise.std(torch.full((3, 1, 1), .5)).mean().item()
    assert found == pytest.approx(std, rel=.06) and noise.far == 0
    assert (noise.colours - torch.eye(3)).abs().max() < .1


@pytest.mark.parametrize('name, std', {
    'falling': lambda x: (.03 * (1 - x) + .0004).sqrt(), 'rising': lambda x: (.03 * x + .0004).sqrt(), 'speckle': lambda x: .3 * x}.items())
@pytest.mark.parametrize('clipped', [False, True])
def test_the_level_is_found_at_each_brightness_also_of_what_a_file_clips(name, std, clipped):
    with seeded(0):
        shots = [each + std(each) * torch.randn_like(each) for each in GREY]
        plain = std(torch.full((1, 400, 400), .5)) * torch.randn(1, 400, 400) + .5
    noise = measure_noise([each.clamp(0, 1) for each in shots] if clipped else shots)
    assert noise.std(torch.full((1, 1, 1), .5)).item() == pytest.approx((plain.clamp(0, 1) if clipped else plain).std().item(), rel=.08)
    assert noise.far == 0 and noise.seen[0] < .2 and noise.seen[1] > .7


def test_what_files_clip_can_be_learned_from(shots):
    noise = measure_noise([each.clamp(0, 1).mul(255).round().div(255) for each in shots['white']])
    levels = noise.std(torch.tensor([.1, .5, .9]).expand(1, 1, 3))[0, 0]
    assert levels[1] == pytest.approx(.1, rel=.06) and levels[0] < .9 * levels[1] > levels[2] and noise.far == 0


def test_the_rival_is_the_best_of_what_could_be_had_instead():
    colour = torch.stack([photo[:, :192, :192] for photo in photos('valid')])
    with seeded(0):
        kinds = {'photo': colour + .1 * torch.randn_like(colour), 'photo-grey': colour + .1 * torch.randn_like(colour[:, :1]), 'nothing': colour + .001 * torch.randn_like(colour)}
        for name, noisy in kinds.items():
            assert best_rival((noisy, colour))[0] == name


def test_fresh_noise_makes_pairs_whose_noises_are_uncorrelated_at_every_distance(shots):
    noise, own = measure_noise(shots['blurred']), blurred(CLEAN) - CLEAN
    with seeded(1):
        shown, target = recorrupted(CLEAN + own, noise)
    left, right = shown - CLEAN, target - CLEAN
    for apart in range(4):
        product = (left[..., apart:] * right[..., :left.shape[-1] - apart]).mean()
        assert abs(product) < .06 * own.var(), apart
    assert (left * right.roll(1, 0)).mean().abs() < .06 * own.var()


def test_pictures_that_are_held_back_are_not_learned_from():
    numbered = [torch.full((1, 64, 64), float(n)) for n in range(11)]
    seen, held = hold_back(numbered)
    assert [int(each.max()) for each in held] == [4, 9] and len(seen) == 9
    seen, held = hold_back([torch.arange(100.).reshape(1, 100, 1).expand(1, 100, 40)] * 4)
    assert all(each.max() == 74 for each in seen) and all(each.min() == 75 for each in held)
    squares = squares_of([torch.rand(3, 200, 330)] * 3, 64, most=10)
    assert squares.shape[1:] == (3, 64, 64) and 8 <= len(squares) <= 10


def test_the_verdict_is_that_of_the_truth(shots):
    "On blurred noise learning helps at once; a network that has been damaged is worse, and one that is the same no different."
    model, found = learn(shots['blurred'], new_for_shots(GREY), epochs=2, lr=2e-2, progress=False)
    clean, noisy = (squares_of(hold_back(each)[1], 64) for each in (GREY, shots['blurred']))
    with seeded(2):
        shown, _ = recorrupted(noisy, found.noise)
    after = (denoise(model, shown) - clean).square().mean().item()
    before = min((each - clean).square().mean().item() for each in (shown, denoise(load_model('photo-grey'), shown)))
    assert found.verdict == 'better' and found.better == pytest.approx(before - after, rel=.1)
    assert model.trained_on['noise'] == 'MeasuredNoise' and model.trained_on['alike over'] == found.noise.far >= 2

    same, found = learn(shots['white'], load_model('photo-grey'), epochs=1, batch_size=320, lr=1e-12, progress=False)
    assert found.verdict == 'no different' and abs(found.better) < 1e-6
    damaged = load_model('photo-grey')
    with torch.no_grad():
        damaged.last.weight *= .8
    _, found = learn(shots['white'], damaged, epochs=1, batch_size=320, lr=1e-12, progress=False)
    assert found.verdict == 'worse' and re.match(r'worse than photo-grey on what was held back: its mean squared error is higher by [\d.]+ % ± [\d.]+ % .*; better keep to photo-grey$', str(found))


class Blur(torch.nn.Module):
    channels = 1

    def forward(self, x):
        return gaussian_blur(x, 9, 1.)


def test_the_difference_of_two_networks_is_told_without_the_truth(shots):
    noise, networks = measure_noise(shots['white']), [load_model('photo-grey'), Blur()]
    with seeded(3):
        noisy = white(CLEAN)
        pairs = recorrupted(noisy, noise)
    told = [errors(each, pairs).mean().item() for each in networks]
    # at the level of what is shown, which is a little higher
    with seeded(4):
        shown = white(CLEAN, .1 * 1.25 ** .5)
    true = [mse(denoise(each, shown)) for each in networks]
    assert told[1] - told[0] == pytest.approx(true[1] - true[0], rel=.15)


UNFIT = {
    'none': (lambda: [], 'got none'),
    'salt and pepper': (lambda: [SaltAndPepperNoise(.05)(each) for each in GREY], 'salt and pepper'),
    'blurred by far': (lambda: [blurred(each, width=3.) for each in GREY], 'alike over more than 4 pixels'),
    'striped': (lambda: [each + .06 * torch.randn_like(each[..., :1]) for each in GREY], 'alike over more than 4 pixels'),
    'too few to be told': (lambda: [white(torch.full((1, 300, 300), .5))], 'it takes 8 to tell'),
    'small': (lambda: [white(GREY[0][:, :60, :60])], 'have 16: add more, or larger ones'),
    'narrow': (lambda: [white(each[:, :90, :30]) for each in GREY], 'these pictures have 0: add more, or larger ones'),
    'clean': (lambda: GREY[:5], 'no noise can be measured'),
    'of one value': (lambda: [torch.full((1, 400, 400), .5)], 'no noise can be measured'),
    'grey and in colour': (lambda: [white(photos('valid')[0]), white(GREY[0])], 'all alike'),
    'of two channels': (lambda: [white(torch.rand(2, 200, 200))], '1 channel or of 3'),
    'low': (lambda: [white(each[:, :100]) for each in GREY[:4]], 'patches of 32 by 32'),
    'not finite': (lambda: [white(GREY[0]), GREY[1] * torch.nan], 'NaN')}


@pytest.mark.parametrize('name', UNFIT)
def test_what_cannot_be_learned_from_is_named(name):
    pictures, message = UNFIT[name]
    with seeded(0), pytest.raises(ValueError, match=message):
        learn(pictures(), progress=False)


def test_a_network_whose_facts_somebody_has_spoiled_is_refused(tmp_path):
    model = new_for_shots([torch.rand(1, 9, 9)])
    sound = {'noise': 'MeasuredNoise', 'std': [.1, .2], 'brightness': [0., 1.]}
    for number, facts in enumerate([sound, sound | {'std': .1}, sound | {'brightness': ['dark', 1]}, {'noise': 'MeasuredNoise'}]):
        model.trained_on = facts
        model.save_pretrained(tmp_path / str(number))
    assert load_model(tmp_path / '0').trained_on == sound
    for number in '123':
        with pytest.raises(ValueError, match='config.json is no config.json of a model: (std|brightness) must be two numbers'):
            load_model(tmp_path / number)


def test_measured_noise_is_a_noise_as_any_other(shots):
    noise = measure_noise(shots['blurred'])
    assert isinstance(noise, MeasuredNoise) and re.search('alike in pixels up to [23] apart', str(noise))
    for shape in ((1, 40, 50), (2, 1, 40, 50)):
        with seeded(0):
            first, second = noise(torch.zeros(shape)), noise(torch.zeros(shape))
        assert first.shape == shape and not first.equal(second)


def test_the_command_learns_says_what_it_found_and_denoises(program):
    with seeded(0):
        Path('shots').mkdir()
        for n, photo in enumerate(photos('valid')):
            write_picture(blurred(photo, .08).clamp(0, 1), f'shots/{n}.png')
    status, output, errors = program('learn', 'shots', '--out', 'mine', '--start', 'new', '--epochs', '1', '--json')
    said = json.loads(output)
    assert status == 0 and said['pictures'] == 8 and said['model'] == 'mine/last', errors
    assert 'alike in pixels up to' in said['noise'] and 'on what was held back' in said['learned']
    status, output, errors = program('learn', 'shots', '--out', 'mine', '--start', 'new', '--epochs', '2')
    assert status == 1 and '--resume' in errors
    status, output, errors = program('learn', 'shots', '--out', 'mine', '--start', 'new', '--epochs', '2', '--resume')
    assert status == 0 and 'learned: ' in output, errors
    assert program('denoise', 'shots/0.png', '-o', 'clean.png', '--model', 'mine/last')[0] == 0
    assert psnr(read_picture('clean.png')[None], photos('valid')[0][None]) > psnr(read_picture('shots/0.png')[None], photos('valid')[0][None]) + 1
    write_picture(photos('valid')[0], 'sound.png')
    status, output, errors = program('denoise', 'sound.png', '-o', 'same.png', '--model', 'mine/last')
    assert 'left as before' in output and read_picture('same.png').equal(read_picture('sound.png'))
    write_picture(blurred(photos('valid')[1], .02).clamp(0, 1), 'weaker.png')
    status, output, errors = program('denoise', 'weaker.png', '-o', 'as-it-was.png', '--model', 'mine/last')
    assert 'left as before' in output and read_picture('as-it-was.png').equal(read_picture('weaker.png'))
    status, output, errors = program('learn', 'sound.png', '--out', 'other', '--start', 'unet')
    assert status == 1 and 'the channels of the network and of the pictures differ: 1 and 3' in errors and not Path('other').exists()
    status, output, errors = program('learn', 'sound.png', '--out', 'other')
    assert status == 1 and 'Error: ' in errors and 'Traceback' not in errors
