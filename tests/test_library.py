"""What the lessons can't say by running well: errors, faults, interruptions, and other ways of use."""
import copy
import dataclasses
import importlib
import inspect
import os
import pickle
import re
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, run_python
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, Subset
from torchvision import transforms

import denoise_ae
from denoise_ae import (CLASSICAL, RECIPES, Autoencoder, ConvAutoencoder, GaussianNoise, History, MaskingNoise, MLPDenoiser, Muon, Patches, PoissonNoise,
                        Run, SaltAndPepperNoise, UNet, as_grey, change_latents, compare, denoise, encode, evaluate, explore_latents, explore_noise, explore_walk, fit,
                        gaussian_start, kernel_denoiser, lmmse_denoiser, load_model, mnist, mnist_tensors, photo_credits, photos, project, psnr, psnr_loss, results, sample, separation, show_denoised, show_images,
                        show_latents, show_projections, show_scores, ssim, train_by_recipe, tune, walk)
from denoise_ae.cards import described, facts_of
from denoise_ae.classical import each_plane
from denoise_ae.randomness import random_state, set_random_state
from denoise_ae.recipes import quick_dtype


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# --- random numbers

@pytest.mark.parametrize('devices', [1, 3])
def test_the_random_state_of_any_accelerator_is_kept(monkeypatch, devices):
    "By the functions that all of PyTorch's device modules have; those for Apple's have no list of generators."
    states = [torch.tensor([number]) for number in range(devices)]

    class Module:
        device_count = staticmethod(lambda: devices)
        get_rng_state = staticmethod(lambda device: states[device].clone())

        @staticmethod
        def set_rng_state(state, device):
            states[device] = state
    monkeypatch.setattr(torch, 'get_device_module', lambda device: Module)
    mps, noise = torch.device('mps'), GaussianNoise(generator=generator(3))
    before = random_state(mps, noise)
    drawn = noise(torch.zeros(3)), torch.rand(3)
    states[:] = [state + 10 for state in states]
    set_random_state(before, mps, noise)
    assert torch.equal(noise(torch.zeros(3)), drawn[0]) and torch.equal(torch.rand(3), drawn[1])
    assert [state.item() for state in states] == list(range(devices))


# --- noise

NOISES = [GaussianNoise, SaltAndPepperNoise, MaskingNoise, PoissonNoise, lambda **options: GaussianNoise(std=(.1, .5), **options)]
NAMES = ['Gaussian', 'salt and pepper', 'masking', 'Poisson', 'a range']


@pytest.mark.parametrize('std', [-.1, float('nan'), float('inf'), -float('inf'), (-.1, .5), (.5, .1), (.1, float('nan'))])
def test_a_standard_deviation_that_is_none(std):
    with pytest.raises(ValueError, match='std must be'):
        GaussianNoise(std=std)


@pytest.mark.parametrize('arguments', [{'std': '0.1'}, {'std': None}, {'mean': [0]}, {'std': torch.ones(2)},
                                       {'std': (.1, .2, .3)}, {'std': ('0', 1)}])
def test_noise_settings_of_the_wrong_type(arguments):
    with pytest.raises(TypeError, match='must be a number, not'):
        GaussianNoise(**arguments)


@pytest.mark.parametrize('Noise', NOISES, ids=NAMES)
def test_noise_on_what_is_no_float_tensor(Noise, valid):
    with pytest.raises(TypeError, match='Noise takes floating-point pixels.*divide by 255'):
        Noise()((valid[0][:2] * 255).to(torch.uint8))
    with pytest.raises(TypeError, match='takes a tensor, not ndarray: torch.from_numpy makes one of it'):
        Noise()(np.zeros((28, 28)))
    with pytest.raises(TypeError, match='takes a tensor, not Image: .*to_tensor makes one of a picture'):
        mnist(transform=Noise())[0]


@pytest.mark.parametrize('Noise', NOISES, ids=NAMES)
def test_a_generator_that_is_none(Noise):
    with pytest.raises(TypeError, match=r'torch.Generator\(\).manual_seed\(0\)'):
        Noise(generator=0)


@pytest.mark.parametrize('Noise', NOISES, ids=NAMES)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_noise_keeps_shape_type_and_input(dtype, Noise):
    for shape in ((), (3,), (2, 1, 28, 28), (0, 1, 28, 28)):
        x = torch.full(shape, .5, dtype=dtype)
        noisy = Noise(generator=generator())(x)
        assert noisy.shape == shape and noisy.dtype == dtype
        assert torch.equal(x, torch.full_like(x, .5)), 'the input was changed'


@pytest.mark.parametrize('arguments, words', [({'p': -.1}, 'p must be from 0 to 1'), ({'p': 1.5}, 'p must be from 0 to 1'),
                                              ({'p': float('nan')}, 'p must be finite'), ({'p': '0.5'}, 'p must be a number')])
@pytest.mark.parametrize('Noise', [SaltAndPepperNoise, MaskingNoise])
def test_a_probability_that_is_none(Noise, arguments, words):
    with pytest.raises((ValueError, TypeError), match=words):
        Noise(**arguments)


def test_a_count_of_photons_that_is_none(valid):
    for peak in (0, -1, float('nan'), 'many'):
        with pytest.raises((ValueError, TypeError), match='peak must be'):
            PoissonNoise(peak=peak)
    for x in (torch.tensor([.5, -.1]), torch.tensor([torch.nan])):
        with pytest.raises(ValueError, match='pixels of 0 or more'):
            PoissonNoise()(x)


def test_lost_pixels_are_as_many_as_asked_for_and_the_others_untouched():
    x = torch.full((1_000_000,), .5)
    for Noise, lost in ((SaltAndPepperNoise, {0.: .15, 1.: .15, .5: .7}), (MaskingNoise, {0.: .3, .5: .7})):
        values, counts = Noise(p=.3, generator=generator())(x).unique(return_counts=True)
        assert dict(zip(values.tolist(), (counts / 1e6).tolist())) == pytest.approx(lost, abs=.003)
        assert torch.equal(Noise(p=0)(x), x)
    assert not MaskingNoise(p=1)(x).any() and set(SaltAndPepperNoise(p=1)(x).tolist()) == {0., 1.}


def test_photons_are_counted():
    x = torch.tensor([0., .1, 1.]).repeat_interleave(400_000)
    zero, tenth, one = (20 * PoissonNoise(peak=20, generator=generator())(x)).reshape(3, -1)
    assert not zero.any() and torch.equal(one, one.round())
    for counts, mean in ((tenth, 2), (one, 20)):
        assert counts.mean() == pytest.approx(mean, rel=.01) and counts.var() == pytest.approx(mean, rel=.01)
    assert PoissonNoise(peak=20, clip=True)(x).max() == 1


def test_each_image_of_a_batch_gets_a_standard_deviation_of_its_own():
    noise = GaussianNoise(std=(.1, .5), generator=generator())
    stds = noise(torch.zeros(2000, 1, 28, 28)).flatten(1).std(1)
    assert stds.min() == pytest.approx(.1, abs=.02) and stds.max() == pytest.approx(.5, abs=.05)
    assert stds.mean() == pytest.approx(.3, abs=.01) and stds.quantile(.25) == pytest.approx(.2, abs=.02)
    halves = noise(torch.zeros(1, 56, 28)).reshape(2, -1).std(1)
    assert halves[0] == pytest.approx(halves[1].item(), rel=.15), 'one image has one standard deviation'


def test_noise_does_what_it_says():
    x = torch.full((1_000_000,), .5)
    torch.manual_seed(0)
    noisy = GaussianNoise(mean=.2, std=.3)(x)
    torch.manual_seed(0)
    assert torch.allclose(noisy, x + torch.randn(x.shape) * .3 + .2)
    clipped = GaussianNoise(std=.3, clip=True, generator=generator())(x)
    assert torch.equal(clipped, GaussianNoise(std=.3, generator=generator())(x).clamp(0, 1))
    assert torch.equal(GaussianNoise(std=0.)(x), x)


@pytest.mark.parametrize('Noise', NOISES, ids=NAMES)
def test_noise_pickles_with_its_generator(Noise):
    noise, x = Noise(generator=generator(5)), torch.full((100,), .5)
    before = noise(x)
    again, deep = pickle.loads(pickle.dumps(noise)), copy.deepcopy(noise)
    expected = noise(x)
    assert not torch.equal(before, expected) and torch.equal(Noise(generator=generator(5))(x), before)
    assert torch.equal(again(x), expected) and torch.equal(deep(x), expected)


def test_noise_says_what_it_is():
    assert repr(GaussianNoise(std=.3, clip=True)) == 'GaussianNoise(mean=0.0, std=0.3, clip=True)'
    assert repr(GaussianNoise(std=(.05, 1.))) == 'GaussianNoise(mean=0.0, std=(0.05, 1.0), clip=False)'
    assert repr(SaltAndPepperNoise()) == 'SaltAndPepperNoise(p=0.1)' and repr(PoissonNoise(30)) == 'PoissonNoise(peak=30, clip=False)'


@pytest.mark.parametrize('method', ['fork', 'spawn'] if sys.platform == 'linux' else ['spawn'])
def test_workers_draw_different_noise_in_every_epoch(method):
    "Two kinds of noise, with a generator of their own and without; each is given the same digit six times, by the same two workers."
    noises = [Noise(generator=own) for Noise in (GaussianNoise, MaskingNoise) for own in (generator(), None)]
    digits = [Subset(mnist(train=False, transform=transforms.Compose([transforms.ToTensor(), noise])), [0] * 6) for noise in noises]
    loader = DataLoader(ConcatDataset(digits), batch_size=2, num_workers=2, multiprocessing_context=method)
    epochs = torch.stack([torch.cat([batch for batch, _ in loader]) for _ in range(2)])
    for noise, drawn in zip(noises, epochs.split(6, dim=1)):
        assert len(drawn.flatten(0, 1).flatten(1).unique(dim=0)) == 12, noise


def test_psnr_against_the_definition(valid):
    images = valid[0][:50]
    noisy = GaussianNoise(std=.2, generator=generator())(images)
    expected = [10 * np.log10(1 / np.mean((a - b) ** 2)) for a, b in zip(noisy.double().numpy(), images.double().numpy())]
    assert np.allclose(psnr(noisy, images), expected, atol=1e-4)
    assert psnr(images, images).isinf().all() and psnr(images, images).shape == (50,)


def test_psnr_refuses(valid):
    images = valid[0][:5]
    with pytest.raises(TypeError, match='divide by 255'):
        psnr((images * 255).to(torch.uint8), images)
    with pytest.raises(ValueError, match='same shape'):
        psnr(images[:1], images)
    with pytest.raises(ValueError, match=r'target in \[0, 1\]'):
        psnr(images, images * 255)
    with pytest.raises(ValueError, match=r'target in \[0, 1\]'):
        psnr(images, images * torch.nan)


# --- autoencoder

def test_weights_of_the_original_tutorial_load_as_they_are():
    "Its network, as two plain Sequentials, built here layer by layer."
    class Tutorial(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU(),
                                         nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 10))
            self.decoder = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 64), nn.ReLU(),
                                         nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 784), nn.Sigmoid())
    theirs, ours = Tutorial(), Autoencoder()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.rand(3, 784)
    assert torch.equal(ours(x), theirs.decoder(theirs.encoder(x)))
    assert list(ours.state_dict())[0] == 'encoder.0.weight' and sum(p.numel() for p in ours.parameters()) == 484_346


@pytest.mark.parametrize('shape', [(4, 784), (4, 1, 28, 28), (1, 28, 28), (28, 28), (784,), (0, 784), (0, 1, 28, 28)])
def test_shapes_that_go_in_come_out(shape):
    model, x = Autoencoder(), torch.rand(shape)
    assert model(x).shape == shape
    assert torch.equal(model(x).reshape(-1, 784), model(x.reshape(-1, 784)))


@pytest.mark.parametrize('shape', [(), (4, 783), (4, 28, 28), (4, 3, 28, 28), (1, 32, 32), (2, 1, 28, 27), (2, 2, 1, 28, 28), (2, 1, 784), (0,)])
def test_other_sizes_are_refused(shape):
    with pytest.raises(ValueError, match=re.escape('28 by 28 grey pixels') + '.*' + re.escape(str(shape))):
        Autoencoder()(torch.rand(shape))


def test_whole_number_pixels_are_refused():
    with pytest.raises(TypeError, match='divide by 255'):
        Autoencoder()(torch.zeros(1, 784, dtype=torch.uint8))


@pytest.mark.parametrize('latent_dim', [0, -1, 2.5, '10'])
def test_a_latent_size_that_is_none(latent_dim):
    with pytest.raises(ValueError, match='latent_dim must be a whole number of at least 1'):
        Autoencoder(latent_dim=latent_dim)


def test_save_and_load(tmp_path):
    model = Autoencoder(latent_dim=3)
    model.save_pretrained(tmp_path)
    again = Autoencoder.from_pretrained(tmp_path)
    x = torch.rand(2, 784)
    assert torch.equal(again(x), model(x)) and not again.training
    assert {'config.json', 'model.safetensors'} <= {path.name for path in tmp_path.iterdir()}


def test_loading_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match='no folder .*nowhere'):
        Autoencoder.from_pretrained(tmp_path / 'nowhere')


@pytest.mark.parametrize('name', ['', './nowhere', '/no/where', 'C:\\\\nowhere', 'three/part/name', Path('no') / 'where' / 'at all'])
def test_folders_that_are_not_there(name):
    with pytest.raises(FileNotFoundError, match='no folder'):
        Autoencoder.from_pretrained(name)


@pytest.mark.parametrize('gone, words', [(['config.json'], 'no config.json in .*weights only.*safetensors.torch.load_model'),
                                         (['model.safetensors'], 'no model.safetensors in .*save_pretrained'),
                                         (['config.json', 'model.safetensors'], 'no config.json in .*save_pretrained')], ids=['settings', 'weights', 'both'])
def test_a_folder_with_half_a_model(gone, words, tmp_path):
    Autoencoder(latent_dim=3).save_pretrained(tmp_path)
    for name in gone:
        (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=words):
        Autoencoder.from_pretrained(tmp_path)


@pytest.mark.skipif(os.name == 'nt', reason='Windows finds the home folder otherwise')
def test_a_folder_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    Autoencoder(latent_dim=3).save_pretrained(tmp_path / 'model')
    assert Autoencoder.from_pretrained('~/model').encoder[-1].out_features == 3


def test_weights_that_lack_a_layer_are_refused(tmp_path):
    model = Autoencoder()
    model.save_pretrained(tmp_path)
    save_file({name: w for name, w in model.state_dict().items() if 'decoder.10' not in name}, tmp_path / 'model.safetensors')
    with pytest.raises(ValueError, match=r'does not fit Autoencoder: decoder.10.bias is missing, where config.json asks for \(784,\)'):
        Autoencoder.from_pretrained(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path):
    Autoencoder(latent_dim=3).save_pretrained(tmp_path)
    (tmp_path / 'config.json').write_text('{"latent_dim": 10}')
    with pytest.raises(ValueError, match=r'is F32\(16, 3\), where config.json asks for \(16, 10\)'):
        Autoencoder.from_pretrained(tmp_path)


def test_the_packaged_weights_reach_what_the_course_says():
    images, _ = denoise_ae.mnist_tensors('test')
    noisy = GaussianNoise(std=.1, generator=generator())(images)
    assert psnr(denoise(Autoencoder.from_pretrained(), noisy), images).mean() >= 17.6


# --- training

def small_fit(digits, seed=0, **options):
    torch.manual_seed(0)
    model = Autoencoder()
    history = fit(model, digits[0][:1000], **{'epochs': 2, 'batch_size': 100, 'seed': seed, 'progress': False} | options)
    return torch.cat([p.detach().flatten() for p in model.parameters()]), history


@pytest.mark.alone  # with all cores, as users have it
def test_the_same_seed_gives_the_same_weights_bit_for_bit(valid):
    first, history = small_fit(valid, valid=valid[0][1000:1200])
    second, again = small_fit(valid, valid=valid[0][1000:1200])
    other, _ = small_fit(valid, seed=1, valid=valid[0][1000:1200])
    assert torch.equal(first, second) and not torch.equal(first, other)
    assert history.train_loss == again.train_loss and history.valid_psnr == again.valid_psnr


def test_the_bar_does_not_change_the_training_and_another_noise_does(valid):
    assert torch.equal(small_fit(valid)[0], small_fit(valid, progress=True)[0])
    assert not torch.equal(small_fit(valid, noise=GaussianNoise(generator=generator(3)))[0], small_fit(valid)[0])


def test_the_callers_random_numbers_go_on_as_if_nothing_had_been(valid):
    model = Autoencoder.from_pretrained()
    torch.manual_seed(42)
    expected = torch.rand(5)
    torch.manual_seed(42)
    fit(model, valid[0][:200], epochs=1, progress=False)
    assert torch.equal(torch.rand(5), expected)


def test_noise_is_drawn_anew_for_every_batch(valid):
    seen = []

    def noise(x):
        noisy = GaussianNoise()(x)
        seen.append((noisy - x).flatten()[:5])
        return noisy
    fit(Autoencoder(), valid[0][:400], noise, epochs=2, batch_size=100, progress=False)
    assert len(torch.stack(seen).unique(dim=0)) == 8


def test_the_history_holds_what_was_measured(valid):
    torch.manual_seed(0)
    model = Autoencoder()
    history = fit(model, valid[0][:1000], GaussianNoise(std=0.), valid=valid[0][1000:1500], epochs=3, batch_size=64, progress=False)
    assert len(history) == 3 and all(s > 0 for s in history.seconds)
    output = denoise(model, valid[0][1000:1500])
    assert history.valid_psnr[-1] == pytest.approx(psnr(output, valid[0][1000:1500]).mean().item(), abs=1e-4)
    assert history.valid_loss[-1] == pytest.approx(nn.functional.mse_loss(output, valid[0][1000:1500]).item(), rel=1e-5)
    assert .01 < history.train_loss[-1] < .25, 'the loss is a mean over pixels, not a sum'
    assert history._repr_png_()[:4] == b'\x89PNG' and '3 epochs' in repr(history)
    assert repr(History()) == 'History of 0 epochs; the last: none'
    unmeasured = fit(model, valid[0][:100], epochs=1, progress=False)
    assert np.isnan(unmeasured.valid_psnr).all() and 'valid' not in repr(unmeasured)
    assert [len(h.plot().axes) for h in (history, unmeasured)] == [2, 1]


def test_the_mode_of_every_part_is_left_as_it_was(valid):
    model = Autoencoder.from_pretrained()
    fit(model, valid[0][:100], epochs=1, progress=False)
    assert not model.training
    model.train()
    model.encoder.eval()
    denoise(model, valid[0][:10]), encode(model, valid[0][:10])
    assert model.training and model.decoder.training and not model.encoder.training


def test_anything_that_takes_images_can_be_asked_to_denoise(valid):
    assert torch.equal(denoise(nn.Identity(), valid[0][:10]), valid[0][:10])


@pytest.mark.parametrize('options, error, words', [
    ({'data': 'uint8'}, TypeError, r'fit\(data=...\).*divide by 255'),
    ({'data': 'times 255'}, ValueError, r'data must lie in \[0, 1\]'),
    ({'data': 'nan'}, ValueError, r'data must lie in \[0, 1\]'),
    ({'data': 'empty'}, ValueError, 'data must be a batch of at least one'),
    ({'valid': torch.full((2, 784), 2.)}, ValueError, r'valid must lie in \[0, 1\]'),
    ({'noise': .1}, TypeError, 'noise must be a transform such as GaussianNoise'),
    ({'loss': 'mse'}, TypeError, "loss must be a function such as mse_loss, not 'mse'"),
    ({'optimizer': 'adam'}, TypeError, "optimizer must be a function such as torch.optim.AdamW, not 'adam'"),
    ({'dtype': torch.float16}, ValueError, 'dtype must be torch.float32 or torch.bfloat16'),
    ({'epochs': 0}, ValueError, 'epochs must be a whole number of at least 1, not 0'),
    ({'batch_size': 2.5}, ValueError, 'batch_size must be'),
    ({'lr': -1.}, ValueError, 'lr must be'),
    ({'lr': float('nan')}, ValueError, 'lr must be'),
    ({'lr': '0.1'}, TypeError, 'lr must be a number, not str'),
    ({'data': 'pair'}, TypeError, 'not tuple: hand over its images only'),
    ({'valid': 'pair'}, TypeError, 'not tuple: hand over its images only'),
])
def test_what_fit_refuses(options, error, words, valid):
    images = valid[0][:10]
    bad = {'uint8': images.to(torch.uint8), 'times 255': images * 255, 'nan': images * torch.nan, 'empty': images[:0], 'pair': (images, valid[1][:10])}
    options = {'data': images, 'progress': False} | options
    options |= {name: bad[options[name]] for name in ('data', 'valid') if isinstance(options.get(name), str)}
    with pytest.raises(error, match=words):
        fit(Autoencoder(), **options)


def test_the_loss_is_the_one_asked_for(valid):
    history = fit(Autoencoder(), valid[0][:300], valid=valid[0][:100], loss=lambda output, clean: -psnr(output, clean).mean(),
                  epochs=2, progress=False)
    assert history.valid_loss == pytest.approx([-value for value in history.valid_psnr]) and max(history.train_loss) < 0
    assert history.plot().axes[0].get_yscale() == 'linear'


def test_bfloat16_is_for_computing_and_not_for_the_weights(valid):
    def after(dtype, seen):
        torch.manual_seed(0)
        model = Autoencoder()
        model.decoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].dtype))
        fit(model, valid[0][:1000], epochs=2, dtype=dtype, progress=False)
        return model

    seen = []
    short, full = after(torch.bfloat16, seen), after(torch.float32, [])
    assert set(seen) == {torch.bfloat16} and all(p.dtype == torch.float32 for p in short.parameters())
    assert 0 < sum((a - b).abs().mean() for a, b in zip(short.parameters(), full.parameters())) < .1


def test_a_loss_that_is_no_number_stops_with_epoch_and_learning_rate(valid):
    with pytest.raises(FloatingPointError, match=r'in epoch 1 of 5 at the learning rate lr=1e\+30.*smaller lr'):
        fit(Autoencoder(), valid[0][:1000], epochs=5, lr=1e30, progress=False)


def test_weights_that_break_in_the_last_step_do_not_pass_for_a_model(valid):
    with pytest.raises(FloatingPointError, match='in epoch 1 of 1'):
        fit(Autoencoder(), valid[0][:10], epochs=1, lr=1e300, progress=False)


@pytest.fixture
def ctrl_c():
    "The signal does what Python does with it, even if the tests were started with it ignored, as by nohup."
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name == 'nt', reason='sends the signal of Ctrl-C, which works otherwise on Windows')
def test_ctrl_c_leaves_a_usable_model_and_history(valid, ctrl_c):
    def interrupted_after(calls):
        def noise(x):
            noise.calls += 1
            if noise.calls == calls:
                os.kill(os.getpid(), signal.SIGINT)
            return GaussianNoise()(x)
        noise.calls = 0
        return noise
    torch.manual_seed(0)
    model = Autoencoder()
    before = denoise(model, valid[0][:10])
    random_state = torch.random.get_rng_state()
    with pytest.warns(UserWarning, match='stopped in epoch 3 of 9: .* the history holds 2 finished epochs'):
        history = fit(model, valid[0][:1000], interrupted_after(25), epochs=9, batch_size=100, progress=False)
    assert len(history) == 2
    output = denoise(model, valid[0][:10])
    assert output.isfinite().all() and not torch.equal(output, before)
    assert torch.equal(torch.random.get_rng_state(), random_state)
    assert len(fit(model, valid[0][:100], epochs=1, progress=False)) == 1, 'the model can be trained on'


def test_the_bar_is_shown_in_a_terminal_and_can_be_switched_off():
    code = 'import torch; from denoise_ae import *; x = torch.rand(100, 784); fit(Autoencoder(), x, valid=x, epochs=2, progress={})'
    shown, hidden = run_python(code.format(True)), run_python(code.format(False))
    assert re.search(r'epoch 2/2: 100%.*train_loss 0\.\d+, valid_loss 0\.\d+, valid_psnr \d+', shown.stderr), shown.stderr
    assert hidden.stderr == '' and shown.stdout == hidden.stdout == ''


@pytest.mark.alone
def test_fit_is_as_fast_as_a_loop_by_hand_and_far_faster_than_two_loaders():
    """On a slice, in turns; lesson 03 shows a whole epoch. How many times as fast as the loaders it is depends on how fast the machine reads
    pictures and multiplies matrices (4.6 to 5.3 were seen within a minute on one machine), so that bound is loose, and the other strict."""
    to_tensor = transforms.ToTensor()
    noisy = Subset(mnist(transform=transforms.Compose([to_tensor, GaussianNoise()])), range(3200))
    clean = Subset(mnist(transform=to_tensor), range(3200))
    images, noise = torch.stack([image for image, _ in clean]), GaussianNoise()
    torch.set_num_threads(1)  # with two, a neighbour on one core holds up each product, and the loaders hardly

    def by_hand(batches, fused):
        def run(model):
            optimizer = torch.optim.Adam(model.parameters(), fused=fused)
            for x, y in batches():
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
        return run

    def seconds(run):
        model = Autoencoder()
        start = time.perf_counter()
        run(model)
        return time.perf_counter() - start
    runs = (by_hand(lambda: ((x, y) for (x, _), (y, _) in zip(DataLoader(noisy, 64), DataLoader(clean, 64))), fused=False),
            by_hand(lambda: ((noise(y), y) for y in images.split(64)), fused=True),
            lambda model: fit(model, images, epochs=1, batch_size=64, progress=False))
    loaders, lean, ours = map(min, zip(*([seconds(run) for run in runs] for _ in range(9))))
    assert loaders / ours > 3 and ours / lean < 1.33


# --- latent space

@pytest.mark.alone  # with all cores, as users have it
def test_projections_and_their_figures(valid):
    images, labels = valid[0][:300], valid[1][:300]
    latents = encode(Autoencoder.from_pretrained(), images)
    points = {name: project(latents, method) for name, method in (('PCA', 'pca'), ('t-SNE', 'tsne'))}
    assert all(p.shape == (300, 2) and p.dtype == torch.float32 for p in points.values())
    assert torch.equal(project(latents, 'tsne'), points['t-SNE']), 'the same seed gives the same points'
    figures = [show_projections(points, labels), show_latents(latents, labels), show_images({'a': images[:3], 'b': images[3:6]}),
               show_denoised(Autoencoder.from_pretrained(), images, labels, GaussianNoise(std=.1))]
    for figure in figures:
        figure.canvas.draw()
    assert [len(figure.axes) for figure in figures] == [2, 10, 2, 3]


def drawn(ax, width=28):
    "The pictures of a row that `show_images` drew, `(N, H, W)`, and the titles above them."
    wide = torch.tensor(ax.images[0].get_array().data)
    pictures = [wide[:, left:left + width, 0] for left in range(0, wide.shape[1], width + 2)]
    return torch.stack(pictures), [text.get_text() for text in ax.get_xticklabels()]


def test_a_row_of_pictures_is_one_mosaic(valid):
    images = valid[0][:12].clone()
    images[0], images[1] = 2, -1
    figure = show_images({'a': images, 'b': images.flip(0)}, range(12))
    (first, titles), (second, _) = (drawn(ax) for ax in figure.axes)
    assert torch.equal(first, images[:, 0].clamp(0, 1)) and torch.equal(second, first.flip(0)), 'black is 0 and white is 1, always'
    assert titles == [str(k) for k in range(12)] and [ax.get_ylabel() for ax in figure.axes] == ['a', 'b']
    assert torch.equal(drawn(show_images(images).axes[0])[0], first), 'one row needs no title'
    colours = torch.rand(2, 3, 5, 4)
    assert torch.allclose(torch.tensor(show_images({'': colours}).axes[0].images[0].get_array().data)[:, 6:], colours[1].permute(1, 2, 0))


@pytest.mark.parametrize('rows, words', [
    ({}, 'from 1 to 200, not none'), (torch.zeros(201, 1, 4, 4), r'from 1 to 200, not 201: pick some, such as images\[:10\]'),
    ({'a': torch.zeros(2, 1, 4, 4), 'b': torch.zeros(3, 1, 4, 4)}, 'the same number of images, from 1 to 200, not 2, 3'),
    (torch.zeros(0, 1, 4, 4), r'not of shape \(0, 1, 4, 4\)'), (torch.zeros(4, 4), r'rows of images \(N, 1, H, W\)'), (torch.zeros(2, 2, 4, 4), r'not of shape \(2, 2, 4, 4\)'),
    (['a'], 'takes a tensor, not list'), (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), 'divide by 255')])
def test_what_show_images_refuses(rows, words):
    with pytest.raises((TypeError, ValueError), match=words):
        show_images(rows)


def test_what_project_and_separation_refuse(valid):
    latents = torch.rand(100, 10)
    with pytest.raises(ValueError, match="method must be 'pca' or 'tsne', not 'umap'"):
        project(latents, 'umap')
    with pytest.raises(ValueError, match='more than 30 vectors'):
        project(latents[:10])
    with pytest.raises(ValueError, match='two or more numbers'):
        project(latents[:, :1])
    with pytest.raises(ValueError, match='with a label each'):
        separation(latents, torch.zeros(99))
    with pytest.raises(ValueError, match='for each of the 100 points, not 99'):
        separation(latents, torch.zeros(100), latents[:99])


def test_latents_with_gradients_are_taken_and_few_points_drawn(valid):
    latents, labels = Autoencoder.from_pretrained().encode(valid[0][:100]), valid[1][:100]
    assert latents.requires_grad
    assert 'trustworthiness' in separation(latents, labels, latents)
    show_latents(latents, labels)
    show_projections({'PCA': project(latents)}, labels, n=5).canvas.draw()


def test_separation_of_what_is_and_is_not_separate():
    labels = torch.arange(10).repeat(40)
    apart = torch.nn.functional.one_hot(labels).float() + .01 * torch.randn(400, 10, generator=generator())
    scores = separation(apart, labels, apart)
    assert scores['knn_accuracy'] == 1 and scores['silhouette'] > .9 and scores['trustworthiness'] == 1
    mixed = separation(torch.randn(400, 2, generator=generator()), labels, apart)
    assert mixed['knn_accuracy'] < .3 and mixed['silhouette'] < .05 and mixed['trustworthiness'] < .8


# --- evaluation

@pytest.mark.parametrize('shape', [(20, 1, 28, 28), (5, 1, 11, 11), (5, 1, 16, 40)])
def test_psnr_and_ssim_are_those_of_scikit_image(shape, valid):
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity
    clean = valid[0][:20] if shape[-1] == 28 else torch.rand(shape, generator=generator())
    for noisy in (GaussianNoise(std=.2, generator=generator())(clean), torch.rand(shape, generator=generator(1))):
        pairs = list(zip(noisy.squeeze(1).numpy(), clean.squeeze(1).numpy()))
        assert np.allclose(psnr(noisy, clean), [peak_signal_noise_ratio(c, x, data_range=1) for x, c in pairs], atol=1e-4)
        assert np.allclose(ssim(noisy, clean), [structural_similarity(x, c, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False) for x, c in pairs], atol=1e-4)
    assert torch.allclose(ssim(clean, clean), torch.ones(len(clean)), atol=1e-5)


def test_evaluate_gives_all_the_same_noise_and_never_the_clean_image(valid):
    clean, seen = valid[0][:50], []
    def spy(x):
        seen.append(x.clone())
        return x
    table = evaluate({'a': spy, 'b': spy, 'specialists': {.1: spy, .5: torch.zeros_like}}, clean, [.1, .5], progress=False)
    assert torch.equal(seen[0], seen[1]) and torch.equal(seen[0], seen[2]) and torch.equal(seen[3], seen[4])
    assert abs((seen[0] - clean).std() - .1) < .002 and abs((seen[3] - clean).std() - .5) < .01
    assert table['psnr'][0] == pytest.approx(psnr(seen[0].clamp(0, 1), clean).mean().item(), abs=1e-4), 'clipped before it is scored'
    assert table['psnr'][0] == table['psnr'][1] == table['psnr'][2] and table['psnr'][5] == pytest.approx(psnr(clean * 0, clean).mean().item(), abs=1e-4)
    again = evaluate({'a': spy}, clean, [.1], progress=False)
    assert again['psnr'][0] == table['psnr'][0] and evaluate({'a': spy}, clean, [.1], seed=1, progress=False)['psnr'][0] != table['psnr'][0]
    assert evaluate({'net': Autoencoder()}, clean, [.1], progress=False)['parameters'][0] == 484_346
    half = 1.96 * psnr(seen[0].clamp(0, 1), clean).std() / 50 ** .5
    assert table['psnr_95'][0] == pytest.approx(half.item(), rel=1e-4) and (table['images_per_second'] > 0).all()


@pytest.mark.parametrize('change, error, words', [
    ({'images': torch.zeros(5, 784)}, ValueError, r'\(N, 1, H, W\), not of shape \(5, 784\)'),
    ({'images': torch.zeros(5, 1, 28, 28, dtype=torch.uint8)}, TypeError, 'divide by 255'),
    ({'images': torch.full((5, 1, 28, 28), 255.)}, ValueError, r'images must lie in \[0, 1\]'),
    ({'images': torch.full((5, 1, 28, 28), torch.nan)}, ValueError, r'images must lie in \[0, 1\]'),
    ({'images': torch.zeros(0, 1, 28, 28)}, ValueError, 'two or more'),
    ({'sigmas': ['0.1']}, TypeError, 'each of sigmas must be a number, not str'),
    ({'sigmas': [-.1]}, ValueError, 'each of sigmas must be 0 or more'),
    ({'denoisers': [nn.Identity()]}, TypeError, 'a dictionary of names and denoisers, not list'),
    ({'denoisers': {'mine': 5}}, TypeError, "'mine' must be a function or a network, not 5"),
    ({'denoisers': {'mine': {.2: nn.Identity()}}}, ValueError, "'mine' has nothing for the noise level 0.1"),
    ({'denoisers': {'mine': lambda x: x[:1]}}, ValueError, "'mine' must return finite images"),
    ({'denoisers': {'mine': lambda x: x * torch.nan}}, ValueError, "'mine' must return finite images"),
    ({'denoisers': {'mine': lambda x: x.numpy()}}, ValueError, "'mine' must return finite images"),
])
def test_what_evaluate_refuses(change, error, words):
    arguments = {'denoisers': {'nothing': nn.Identity()}, 'images': torch.zeros(5, 1, 28, 28), 'sigmas': [.1], 'progress': False} | change
    with pytest.raises(error, match=words):
        evaluate(**arguments)


def test_what_ssim_and_show_scores_refuse(valid):
    images = valid[0][:4]
    with pytest.raises(ValueError, match='same shape'):
        ssim(images[:2], images)
    with pytest.raises(ValueError, match='11 by 11'):
        ssim(images[..., :5], images[..., :5])
    table = evaluate({'nothing': nn.Identity()}, images, [.1, .2], progress=False)
    with pytest.raises(ValueError, match="'psnr' or 'ssim', not 'mse'"):
        show_scores(table, 'mse')
    assert [len(show_scores(table, value).axes[0].lines) for value in ('psnr', 'ssim')] == [1, 1]


def test_the_best_linear_denoiser_and_the_kernel_average_are_what_they_say(valid):
    "LMMSE against its textbook formula, and the kernel average against the sum, both for few pictures."
    known, noisy = valid[0][:60], GaussianNoise(std=.4, generator=generator())(valid[0][60:65])
    flat, seen = known.flatten(1).double(), noisy.flatten(1).double()
    covariance = flat.T.cov()
    textbook = flat.mean(0) + (seen - flat.mean(0)) @ torch.linalg.solve(covariance + .16 * torch.eye(784, dtype=torch.float64), covariance)
    assert torch.allclose(lmmse_denoiser(known)(noisy, .4).flatten(1).double(), textbook, atol=1e-5)
    weights = [[np.exp(-((y - x) ** 2).sum().item() / (2 * .4 ** 2)) for x in flat] for y in seen]
    summed = torch.stack([sum(w * x for w, x in zip(row, flat)) / sum(row) for row in weights])
    assert torch.allclose(kernel_denoiser(known)(noisy, .4).flatten(1).double(), summed, atol=1e-4)
    assert kernel_denoiser(known)(noisy.double(), .4).shape == noisy.shape


@pytest.mark.parametrize('name', [name for name in CLASSICAL if name != 'BM3D'])
def test_classical_methods_take_away_noise_and_are_tuned_for_each_level(name, valid):
    images = valid[0][:20]
    chosen = tune(name, images, [.1, .5], settings=CLASSICAL[name][1][:8])
    table = evaluate({'noisy': nn.Identity(), name: chosen}, valid[0][20:40], [.1, .5], progress=False).pivot(index='denoiser', columns='sigma', values='psnr')
    assert table.loc[name, .5] > table.loc['noisy', .5] + 2 and table.loc[name, .1] > table.loc['noisy', .1] - 2
    for sigma, function in chosen.items():
        others = evaluate({s: lambda x, s=s: CLASSICAL[name][0](x, s) for s in CLASSICAL[name][1][:8]}, images, [sigma], seed=1, progress=False)
        assert others['denoiser'][others['psnr'].idxmax()] == function.keywords['setting']


def test_what_tune_and_results_refuse(valid, monkeypatch):
    images = valid[0][:2]
    with pytest.raises(ValueError, match='method must be one of Gaussian filter, median, .* or a function, not .Gauss.'):
        tune('Gauss', images)
    with pytest.raises(ValueError, match='settings must be a list'):
        tune(lambda x, setting: x, images)
    with pytest.raises(ValueError, match="there is no table 'sigmas': choose from .*sigma"):
        results('sigmas')
    for package, method, wanted in (('bm3d', 'BM3D', '"bm3d>=4"'), ('skimage.restoration', 'total variation', '"scikit-image>=0.24" "PyWavelets>=1.6"')):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ImportError, match=f"needs the package {package.split('.')[0]}: pip install {wanted}$"):
            tune(method, images, [.1])


@pytest.mark.parametrize('Network, sigma', [(Autoencoder, .1), (MLPDenoiser, 1.), (ConvAutoencoder, .5), (UNet, .3)])
def test_the_table_that_comes_along_is_what_the_weights_give(Network, sigma):
    table = results('sigma').query('denoiser == @Network.__name__ and sigma == @sigma').iloc[0]
    again = evaluate({'again': Network.from_pretrained()}, mnist_tensors('test')[0], [sigma], progress=False).iloc[0]
    assert table['images'] == 10_000 and again['psnr'] == pytest.approx(table['psnr'], abs=.005)


# --- convolution

NETWORKS = [MLPDenoiser, ConvAutoencoder, UNet]


@pytest.mark.parametrize('Network, shapes', [(MLPDenoiser, [(784,), (28, 28), (2, 784)]), (ConvAutoencoder, [(2, 1, 32, 33)]), (UNet, [(1, 5, 3)])])
def test_networks_give_the_shape_they_take(Network, shapes):
    for shape in ((1, 28, 28), (2, 1, 28, 28), (0, 1, 28, 28), *shapes):
        assert Network()(torch.rand(shape)).shape == shape


@pytest.mark.parametrize('Network, words, shapes', [
    (MLPDenoiser, 'takes images of 28 by 28 grey pixels', [(2, 1, 32, 32), (2, 100)]),
    *((Network, r'takes images of 1 channel\w*, \(N, 1, H, W\) or one of them', [(784,), (28, 28), (2, 784), (2, 1, 0, 5), (1, 2, 1, 28, 28)]) for Network in (ConvAutoencoder, UNet))])
def test_networks_refuse_other_images_by_name(Network, words, shapes):
    for shape in ((2, 3, 28, 28), *shapes):
        with pytest.raises(ValueError, match=f'{Network.__name__} {words}.*{re.escape(str(shape))}'):
            Network()(torch.rand(shape))
    with pytest.raises(TypeError, match=f'{Network.__name__} takes floating-point pixels'):
        Network()(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))


@pytest.mark.parametrize('network, words', [
    (lambda: MLPDenoiser(hidden=()), 'hidden must be'), (lambda: MLPDenoiser(hidden=(10, 0)), 'hidden must be'),
    (lambda: MLPDenoiser(hidden=640), 'hidden must be'), (lambda: ConvAutoencoder(latent_channels=0), 'latent_channels must be'),
    (lambda: ConvAutoencoder(channels=0), 'channels must be'), (lambda: UNet(channels=2.5), 'channels must be'), (lambda: UNet(blocks=(1, 2, 101)), 'at most 100'),
    (lambda: UNet(blocks=(1, 0, 1)), 'blocks must be'), (lambda: UNet(widths=(8, 16)), 'blocks must have a number for each of the widths'),
    (lambda: UNet(widths=(8,) * 7, blocks=(1,) * 7), 'widths must be from 1 to 6'), (lambda: UNet(widths=(8, 1.5)), 'widths must be'),
])
def test_sizes_that_are_none(network, words):
    with pytest.raises(ValueError, match=words):
        network()


@pytest.mark.parametrize('model', [MLPDenoiser(hidden=(20,), residual=True), ConvAutoencoder(latent_channels=3),
                                   UNet(widths=(4, 8), blocks=(1, 2), residual=True, bias=False)], ids=lambda model: type(model).__name__)
def test_networks_are_saved_with_their_settings(model, tmp_path):
    model.save_pretrained(tmp_path)
    again, x = type(model).from_pretrained(tmp_path), torch.rand(3, 1, 28, 28)
    assert torch.allclose(again(x), model(x), atol=1e-6) and sum(p.numel() for p in again.parameters()) == sum(p.numel() for p in model.parameters())


def test_the_latent_vectors_of_the_convolutional_autoencoder(valid):
    model = ConvAutoencoder(latent_channels=3)
    assert encode(model, valid[0][:5]).shape == (5, 147)


def test_an_untrained_residual_u_net_does_nothing(valid):
    assert torch.equal(UNet(residual=True)(valid[0][:5]), valid[0][:5])


def test_without_biases_the_u_net_scales(valid):
    x = valid[0][:4]
    for bias in (False, True):
        model = UNet(widths=(4, 8), blocks=(1, 1), bias=bias)
        assert torch.allclose(model(3 * x), 3 * model(x), atol=1e-5) == (not bias)


# what lesson 06 shows is within 0.2 dB of these, on other images of the same kind
@pytest.mark.parametrize('Network, expected', [(MLPDenoiser, {.1: 24.0, .5: 19.3}), (ConvAutoencoder, {.1: 23.5, .5: 19.3}),
                                               (UNet, {.1: 30.4, .3: 23.8, .5: 20.7, 1.: 16.4})])
def test_the_packaged_networks_are_good_at_any_level(Network, expected, valid):
    model, images = Network.from_pretrained(), valid[0][:1000]
    for sigma, decibels in expected.items():
        noisy = GaussianNoise(std=sigma, generator=generator())(images)
        assert psnr(denoise(model, noisy).clamp(0, 1), images).mean() > decibels


def test_weights_are_small():
    sizes = {path.parent.name: path.stat().st_size for path in (Path(denoise_ae.__file__).parent / 'weights').glob('*/model.safetensors')}
    photo = [sizes.pop(name) for name in list(sizes) if name.startswith('photo')]
    assert photo and max(photo) <= 4e6 and sum(sizes.values()) <= 6e6


def test_psnr_loss_is_the_psnr(valid):
    x, y = valid[0][:5], torch.rand(5, 1, 28, 28, requires_grad=True)
    loss = psnr_loss(y, x)
    assert loss.item() == pytest.approx(-psnr(y, x).mean().item())
    loss.backward()
    assert y.grad.isfinite().all() and y.grad.abs().sum() > 0


def test_muon_moves_matrices_by_orthogonal_steps_and_leaves_the_rest_to_adam():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 3, padding=1))
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = Muon(model.parameters(), lr=.1)
    model(torch.rand(4, 1, 28, 28)).square().mean().backward()
    optimizer.step()
    moves = [(new.detach() - old) for new, old in zip(model.parameters(), before)]
    singular = torch.linalg.svdvals(moves[2].flatten(1)) / .1
    assert singular.max() < 1.3 and singular.median() > .6, singular
    for move in (moves[0], moves[1], moves[3], moves[4]):
        assert move.abs().max() == pytest.approx(.01, rel=.01), 'the first step of Adam, at a tenth of the learning rate'


def test_the_optimizer_is_the_one_asked_for(valid):
    def trained(optimizer):
        torch.manual_seed(0)
        model = UNet(widths=(4, 8), blocks=(1, 1))
        history = fit(model, valid[0][:500], epochs=2, batch_size=50, lr=1e-2, loss=psnr_loss, optimizer=optimizer, progress=False)
        assert history.train_loss[1] < history.train_loss[0]
        return [p.detach() for p in model.parameters()]
    first, *others = [trained(optimizer) for optimizer in (torch.optim.Adam, torch.optim.NAdam, Muon)]
    assert not any(all(torch.allclose(a, b) for a, b in zip(first, other)) for other in others)


def test_a_recipe_trains_and_can_be_repeated():
    options = dict(epochs=1, batch_size=2048, progress=False)
    (first, history), (second, _) = (train_by_recipe('mlp', **options) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters()))
    assert len(history) == 1 and history.valid_psnr[0] > 10


def test_a_recipe_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match="there is no recipe 'photos': choose one of autoencoder, .*, photo-grey"):
        train_by_recipe('photos')


@pytest.mark.parametrize('name', ['photo', 'photo-grey'])
def test_a_recipe_for_photos_is_repeated_and_goes_on_elsewhere(name, tmp_path):
    "With what it says of itself, data and all; only made short. Stopped and gone on with, it gives the same weights."
    recipe, few = RECIPES[name], lambda: Patches([picture[:, :64, :64] for picture in RECIPES[name].data().pictures[:5]], 16, 24)
    options = recipe.options | dict(epochs=2, batch_size=8, valid=None, metrics={}, seed=0, progress=False)

    class Stop:
        def after_step(self, trainer):
            trainer.stop = trainer.done == 4

    def run(folder, *callbacks):
        torch.manual_seed(0)
        model = recipe.make()
        fit(model, few(), run=Run(folder, resume=True), callbacks=callbacks, **options)
        return model

    straight = run(tmp_path / 'straight')
    run(tmp_path / 'stopped', Stop())
    resumed = run(tmp_path / 'stopped')
    assert all(map(torch.equal, straight.parameters(), resumed.parameters()))
    noisy = torch.rand(1, 3 if name == 'photo' else 1, 33, 41)
    assert denoise(resumed, noisy).shape == noisy.shape and torch.allclose(denoise(resumed, noisy * 2), denoise(resumed, noisy) * 2, atol=1e-4), 'it has no biases'


# --- photos

def test_patches_come_from_everywhere_turned_and_mirrored():
    "Each place of each picture, and each of the eight positions, as often as every other."
    pictures = [torch.arange(6.).reshape(1, 2, 3) / 20, torch.arange(6., 18).reshape(1, 3, 4) / 20]
    patches, seen = Patches(pictures, size=2, count=4000), {}
    torch.manual_seed(0)
    for number in range(4000):
        patch = patches[number]
        assert patch.shape == (1, 2, 2) and patch.is_contiguous()
        key = tuple((patch.flatten() * 20).round().int().tolist())
        seen[key] = seen.get(key, 0) + 1
    assert len(seen) == 8 * (2 + 6) and len({tuple(sorted(key)) for key in seen}) == 8
    assert 35 < min(seen.values()) and max(seen.values()) < 95
    for wrong in (-1, 4000):
        with pytest.raises(IndexError, match=f'of 4000 patches none has the number {wrong}'):
            patches[wrong]


def test_photos_are_read_as_they_were_given():
    assert [len(photos(split)) for split in ('train', 'valid', 'test')] == [87, 8, 12]
    with pytest.raises(ValueError, match="split must be one of train, valid, test, not 'all'"):
        photos('all')
    credits = photo_credits()
    assert len({each['file'] for each in credits}) == 107 and all(all(each.values()) for each in credits)
    for wrong in (torch.rand(1, 5, 5), torch.rand(5, 5)):
        with pytest.raises(ValueError, match='as_grey takes pictures in colour'):
            as_grey(wrong)
    assert torch.allclose(as_grey(torch.ones(2, 3, 4, 4)), torch.ones(2, 1, 4, 4))


# --- sampling

@pytest.mark.parametrize('eta', [0, 1, 2, 5])
def test_the_noise_on_the_way_down_is_what_the_levels_say(eta):
    "Where all pictures are black, the best denoiser returns black, and what it is shown is the noise alone."
    shown = []
    end = sample(lambda x: shown.append(x) or torch.zeros_like(x), torch.randn(50, 1, 28, 28, generator=generator()), sigma_min=.05, steps=10, eta=eta, generator=generator(1))
    levels = torch.logspace(0, torch.tensor(.05).log10().item(), 10)
    assert torch.allclose(torch.stack([x.std() for x in shown]), levels, rtol=.02) and torch.equal(end, torch.zeros(50, 1, 28, 28))
    kept = [((a * b).mean() / a.square().mean()).item() for a, b in zip(shown, shown[1:])]
    ratio = (levels[1] / levels[0]).item()
    if eta < 2:  # the walk of lesson 09's formula keeps all of it; Ho et al. (2020), eq. 7, for a clean picture of 0, keeps the square
        assert kept == pytest.approx([ratio ** (1 + eta)] * 9, abs=.01)
    else:
        assert max(kept) < ratio ** 2 - .05


def test_a_walk_between_two_pictures_ends_at_one_of_them():
    pair = torch.stack([torch.zeros(1, 4, 4), torch.ones(1, 4, 4)])
    ends = sample(lambda x: pair[(x.mean((1, 2, 3)) > .5).long()], .5 + torch.randn(400, 1, 4, 4, generator=generator()), generator=generator(1), progress=False)
    kinds = ends.mean((1, 2, 3))
    assert torch.equal(kinds, kinds.round()) and 150 < kinds.sum() < 250


def test_drawing_repeats_with_a_generator_and_leaves_the_callers_numbers_alone(valid):
    model, before = load_model('unet'), torch.get_rng_state()
    start = gaussian_start(valid[0][:100], 3, generator=generator())
    assert torch.equal(start, gaussian_start(valid[0][:100], 3, generator=generator()))
    first, again, other = (sample(model, start, steps=4, generator=generator(seed), progress=False) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other) and first.min() >= 0 and first.max() <= 1
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*(sample(model, start, steps=4, eta=0, progress=False) for _ in range(2)))


def test_known_pixels_stay_and_are_seen_under_noise_from_the_start(valid):
    images, mask = valid[0][:3], torch.rand(3, 1, 28, 28, generator=generator()) > .5
    drawn = sample(UNet(widths=(4,), blocks=(1,)), torch.randn(3, 1, 28, 28), steps=3, known=(images, mask), progress=False)
    assert torch.equal(drawn[mask], images[mask]) and not torch.allclose(drawn[~mask], images[~mask])
    shown, white = [], torch.ones(3, 1, 28, 28)
    sample(lambda x: shown.append(x) or torch.zeros_like(x), torch.zeros(3, 1, 28, 28), sigma=.5, steps=3, known=[white, mask], generator=generator(1), progress=False)
    assert abs(shown[0][mask].mean() - 1) < .05 and abs(shown[0][mask].std() - .5) < .05 and not shown[0][~mask].any()


def test_a_function_as_the_denoiser_keeps_no_gradients():
    model = UNet(widths=(4,), blocks=(1,))
    assert not sample(lambda x: model(x), torch.randn(2, 1, 28, 28), steps=3, progress=False).requires_grad


def test_a_start_has_the_mean_and_the_covariance_of_the_images_and_the_noise():
    images = torch.rand(500, 1, 2, 3, generator=generator()).cumsum(-1) / 3
    drawn = gaussian_start(images, 40_000, sigma=.2, generator=generator(1)).flatten(1)
    assert torch.allclose(drawn.mean(0), images.flatten(1).mean(0), atol=.01)
    assert torch.allclose(torch.cov(drawn.T), torch.cov(images.flatten(1).T) + .04 * torch.eye(6), atol=.005)


@pytest.mark.parametrize('options, words', [
    (dict(sigma_min=0), 'from sigma to sigma_min, above 0, not from 1.0 to 0'), (dict(sigma_min=1), 'not from 1.0 to 1'), (dict(sigma=-1), 'sigma must be 0 or more, not -1'),
    (dict(sigma=float('nan')), 'sigma must be finite'), (dict(sigma=None), 'sigma must be a number'), (dict(eta=-1), 'eta must be 0 or more'),
    (dict(steps=1), 'steps must be a whole number of at least 2'), (dict(steps=2.5), 'steps must be'), (dict(generator=0), 'generator must be a torch.Generator'),
    (dict(start=torch.zeros(2, 1, 28, 28, dtype=torch.uint8)), r'sample\(start=...\) takes floating-point'), (dict(start=None), r'sample\(start=...\) takes a tensor'),
    (dict(start=torch.zeros(0, 1, 28, 28)), 'start must be a batch'), (dict(start=torch.full((2, 1, 28, 28), float('nan'))), 'start must be finite'),
    (dict(known=torch.zeros(2, 1, 28, 28)), 'known must be a pair'), (dict(known=(torch.zeros(2, 1, 28, 28), torch.ones(2, 1, 28, 28))), 'mask of type bool'),
    (dict(known=(torch.zeros(1, 1, 28, 28), torch.ones(1, 1, 28, 28).bool())), r'both of the shape \(2, 1, 28, 28\)'),
    (dict(known=(torch.zeros(2, 1, 28, 28).double(), torch.ones(2, 1, 28, 28).bool())), 'of its type torch.float32'),
    (dict(known=(torch.full((2, 1, 28, 28), 2.), torch.ones(2, 1, 28, 28).bool())), r'known must lie in \[0, 1\]'), (dict(denoiser=None), 'the denoiser must be a function or a network'),
    (dict(denoiser=lambda x: x[:1]), 'the denoiser must return finite images'), (dict(denoiser=lambda x: x / 0), 'the denoiser must return finite images'),
])
def test_walks_that_can_not_be_made(options, words):
    for function in (sample, walk):
        with pytest.raises((TypeError, ValueError), match=words):
            function(**{'denoiser': nn.Identity(), 'start': torch.randn(2, 1, 28, 28), 'progress': False, **options})


@pytest.mark.parametrize('images, n, sigma, words', [
    (torch.rand(1, 1, 28, 28), 5, 1., 'images must be two or more'), (torch.rand(9, 1, 28, 28), 0, 1., 'n must be a whole number of at least 1'),
    (torch.rand(9, 1, 28, 28), 2.5, 1., 'n must be a whole number'), (torch.rand(9, 1, 28, 28), 5, -1., 'sigma must be 0 or more'),
    (torch.rand(9, 1, 28, 28) + 1, 5, 1., r'must lie in \[0, 1\]'), ('digits', 5, 1., 'takes a tensor'), (torch.rand(9, 1, 28, 28), 5, 'much', 'sigma must be a number'),
])
def test_starts_that_can_not_be_made(images, n, sigma, words):
    with pytest.raises((TypeError, ValueError), match=words):
        gaussian_start(images, n, sigma)


# --- widgets

def test_a_comparison_shows_all_pictures_with_their_decibels(valid):
    figure = compare(valid[0][0], GaussianNoise(std=.1, generator=generator()), {'nothing': nn.Identity(), 'black': torch.zeros_like})
    noisy = GaussianNoise(std=.1, generator=generator())(valid[0][:1]).clamp(0, 1)
    decibels = psnr(noisy, valid[0][:1]).item(), psnr(torch.zeros(1, 1, 28, 28), valid[0][:1]).item()
    pictures, titles = drawn(figure.axes[0])
    assert titles == ['clean', *(f'{name}\n{d:.1f} dB' for name, d in zip(('noisy', 'nothing', 'black'), decibels[:1] + decibels))]
    assert torch.equal(pictures, torch.stack([valid[0][0, 0], noisy[0, 0], noisy[0, 0], torch.zeros(28, 28)]))


@pytest.mark.parametrize('kind', denoise_ae.NOISES)
@pytest.mark.parametrize('amount', [.05, 1.])
def test_each_kind_of_noise_takes_every_amount_and_repeats(kind, amount, valid):
    once, again = (denoise_ae.NOISES[kind](amount, generator())(valid[0][:50]) for _ in range(2))
    assert torch.equal(once, again) and not torch.equal(once, valid[0][:50])


def test_the_steps_of_a_walk_are_those_of_sample():
    model, start = UNet(widths=(4,), blocks=(1,)), torch.randn(3, 1, 28, 28, generator=generator())
    seen, said = walk(model, start, steps=5, generator=generator(), progress=False)
    assert seen.shape == said.shape == (5, 3, 1, 28, 28) and torch.equal(seen[0], start) and torch.equal(said[2], denoise(model, seen[2]))
    assert torch.equal(said[-1].clamp(0, 1), sample(model, start, steps=5, generator=generator(), progress=False))


def test_no_step_in_the_latent_space_is_the_decoded_picture(valid):
    model, steps = Autoencoder(latent_dim=3), torch.tensor([[0., 0, 0], [1, 0, 0]])
    pictures = change_latents(model, valid[0][0], steps)
    assert torch.allclose(pictures[:1], denoise(model, valid[0][:1]), atol=1e-6) and not torch.allclose(pictures[1], pictures[0], atol=1e-4)
    assert pictures.shape == (2, 1, 28, 28)


def handles(box):
    "The widgets of a box by what is written beside them."
    inside = {}
    for child in getattr(box, 'children', ()):
        inside |= {child.description: child} if getattr(child, 'description', '') else handles(child)
    return inside


@pytest.fixture
def shown(monkeypatch):
    "What the explorers draw last, as rows of pictures."
    rows = {}
    monkeypatch.setattr('denoise_ae.widgets.show_images', lambda new, labels=None: rows.update(new))
    return rows


def test_the_latent_handles_move_in_standard_deviations_and_go_back(valid, shown):
    model, images = Autoencoder.from_pretrained(), valid[0][:20]
    handle, spread = handles(explore_latents(model, images)), encode(model, images).std(0)
    assert list(handle) == ['picture', *(f'z{k}' for k in range(10)), 'all back to 0']
    handle['picture'].value, handle['z3'].value = 7, 2.
    moved = change_latents(model, images[7], torch.stack([torch.zeros(10), 2 * spread[3] * torch.eye(10)[3]]))
    assert torch.allclose(shown[''], torch.cat([images[7:8], moved]), atol=1e-5)
    handle['all back to 0'].click()
    assert torch.allclose(shown[''][2], moved[0], atol=1e-5) and handle['z3'].value == 0 and handle['picture'].value == 7


def test_the_walk_can_be_moved_along_to_its_end(shown):
    model, start = UNet(widths=(4,), blocks=(1,)), torch.randn(3, 1, 28, 28, generator=generator())
    handle = handles(explore_walk(model, start, etas=(0., 2.), steps=6))
    for eta in (2., 0.):
        handle['eta'].value = eta
        seen, said = walk(model, start, steps=6, eta=eta, generator=generator(), progress=False)
        for step in (6, 1):
            handle['step'].value = step
            assert torch.equal(shown['seen'], seen[step - 1]) and torch.equal(shown['said'], said[step - 1])
    assert handle['step'].max == 6


def test_handles_on_what_has_none(valid, monkeypatch):
    images = valid[0]
    for call, words in ((lambda: compare(2 * images[0], GaussianNoise(), {}), r'image must lie in \[0, 1\]'),
                        (lambda: compare(images[0, 0], GaussianNoise(), {}), r'one grey picture, \(1, H, W\), not of shape \(28, 28\)'),
                        (lambda: compare(images[:1], GaussianNoise(), {}), r'one grey picture, \(1, H, W\), not of shape \(1, 1, 28, 28\)'),
                        (lambda: compare(images[0], GaussianNoise(), [nn.Identity()]), 'denoisers must be a dictionary of names and denoisers, not list'),
                        (lambda: compare(images[0], GaussianNoise(), {'all': {.3: nn.Identity()}}), "the denoiser 'all' must be a function or a network"),
                        (lambda: compare(images[0], GaussianNoise(), {'wrong': lambda x: x[:0]}), "the denoiser 'wrong' must return finite images"),
                        (lambda: explore_noise({}, images[:0]), 'images must be a batch of at least one image'),
                        (lambda: explore_noise([nn.Identity()], images), 'denoisers must be a dictionary'),
                        (lambda: change_latents(Autoencoder(), images[0], torch.ones(5, 1)), r'steps must be vectors of 10 numbers, \(K, 10\), not of shape \(5, 1\)'),
                        (lambda: explore_latents(Autoencoder(), images[:1]), 'images must be two or more'),
                        (lambda: explore_latents(Autoencoder(), 2 * images[:2]), r'images must lie in \[0, 1\]')):
        with pytest.raises((TypeError, ValueError), match=words):
            call()
    monkeypatch.setitem(sys.modules, 'ipywidgets', None)
    for call in (lambda: explore_noise({}, images), lambda: explore_latents(Autoencoder(), images), lambda: explore_walk(UNet(), images)):
        with pytest.raises(ImportError, match='needs the package ipywidgets: pip install "ipywidgets>=8.1"$'):
            call()


# --- the library as a whole

MODULES = sorted(path.stem for path in (ROOT / 'denoise_ae').glob('*.py') if path.stem[0] != '_')


@pytest.mark.parametrize('name', sorted(denoise_ae.__all__))
def test_every_public_name_is_documented(name):
    thing = getattr(denoise_ae, name)
    if not callable(thing):
        return
    assert thing.__doc__ and name in importlib.import_module(thing.__module__).__all__
    written = inspect.isclass(thing) and '__init__' in vars(thing) and not dataclasses.is_dataclass(thing)
    source = inspect.getsource(thing.__init__ if written else thing)
    for parameter in inspect.signature(thing).parameters.values():
        told = rf'^\s+{parameter.name}\b.*#\s*\S|^\s+#\s*\S.*\n\s+\**{parameter.name}\b'  # beside it, or on the lines above it
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            assert re.search(told, source, re.M), f'{name}: {parameter.name} has no comment beside it'


def test_old_methods_take_pictures_of_any_kind():
    "With gradients, of another type, and where Wiener's quotient is 0 / 0."
    picture = torch.rand(1, 1, 9, 9, generator=generator(), requires_grad=True)
    for name in ('Gaussian filter', 'median', 'Wiener filter'):
        method = CLASSICAL[name][0]
        plain, double = method(picture.detach(), 3), method(picture.detach().double(), 3)
        assert torch.equal(method(picture, 3), plain) and double.dtype == torch.float64 and torch.allclose(double.float(), plain, atol=1e-5)
        assert torch.equal(method(torch.zeros(1, 1, 9, 9), 3), torch.zeros(1, 1, 9, 9))
    assert torch.equal(each_plane(np.flipud, picture), picture.detach().flip(2))


def test_more_denoisers_than_styles_are_all_drawn():
    import pandas as pd
    names = [f'denoiser {n}' for n in range(13)]
    figure = show_scores(pd.DataFrame([{'denoiser': name, 'sigma': sigma, 'psnr': 20.} for name in names for sigma in (.1, .3)]))
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == names


def test_two_noises_are_no_range():
    two = transforms.Compose([MaskingNoise(.1), GaussianNoise(std=(.1, .2))])
    assert described(facts_of(two)) == 'Compose, transforms MaskingNoise(p=0.1), GaussianNoise(mean=0.0, std=(0.1, 0.2), clip=False)'
    assert described(facts_of(GaussianNoise(std=(.1, .2)))) == 'GaussianNoise, mean 0, std 0.1 to 0.2, not clipped'


@pytest.mark.parametrize('module', MODULES)
def test_every_exported_name_says_what_it_is(module):
    module = importlib.import_module(f'denoise_ae.{module}')
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isroutine(thing) or inspect.isclass(thing):
            assert thing.__doc__ or thing.__module__ != module.__name__, f'{module.__name__}.{name} has no docstring'


def test_nothing_of_the_workshop_is_imported():
    code = 'import denoise_ae, sys; print([m for m in ("nbdev", "fastcore", "IPython", "ipywidgets", "jupyterlab", "pytest") if m in sys.modules])'
    run = run_python(code)
    assert run.stdout.strip() == '[]', run.stdout + run.stderr


@pytest.mark.parametrize(('able', 'gpu', 'dtype'), [
    ({'avx2': True, 'avx512_bf16': False, 'amx_bf16': False}, False, torch.float32), ({'avx512_bf16': True}, False, torch.bfloat16),
    ({'avx512_bf16': False, 'amx_bf16': True}, False, torch.bfloat16), ({'neon': True, 'bf16': True}, False, torch.bfloat16),
    ({}, False, torch.float32), ({}, True, torch.float32), (None, False, torch.float32)])
def test_the_recipes_ask_the_processor_for_bfloat16(monkeypatch, able, gpu, dtype):
    if able is None:  # a PyTorch that can't tell
        monkeypatch.delattr(torch.cpu, 'get_capabilities', raising=False)
    else:
        monkeypatch.setattr(torch.cpu, 'get_capabilities', lambda: able, raising=False)
    monkeypatch.setattr(torch.accelerator, 'is_available', lambda: gpu)
    assert quick_dtype() == dtype
