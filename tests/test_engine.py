"""The networks in a browser, by denoise_ae/web/engine.js, beside PyTorch: packaged ones, and others of all settings and sizes."""
import base64
import json
import statistics

import kernel
import numpy as np
import pytest
import safetensors.torch
import torch
from conftest import ROOT
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from denoise_ae import Autoencoder, ConvAutoencoder, GaussianNoise, MLPDenoiser, UNet, denoise
from denoise_ae.shapes import as_multiple

WEB = ROOT / 'denoise_ae' / 'web'
PACKAGED = [Autoencoder, MLPDenoiser, ConvAutoencoder, UNet]
RUN = '''([name, plain, shape, text]) => {
    const network = self.kept[[name, plain]] ??= denoiseAE.network(name, {plain}), all = new Float32Array(denoiseAE.bytes(text).buffer), [height, width] = shape.slice(-2)
    const size = shape.slice(1).reduce((a, b) => a * b), out = new Float32Array(all.length)
    for (let at = 0; at < all.length; at += size) out.set(network.run(all.subarray(at, at + size), height, width), at)
    const bytes = new Uint8Array(out.buffer)
    let letters = ''
    for (const byte of bytes) letters += String.fromCharCode(byte)
    return [network.engine, btoa(letters)]
}'''


@pytest.fixture(scope='module')
def page(browser):
    page = browser.new_page()
    for name in ('kernel.js', 'engine.js'):
        page.add_script_tag(path=WEB / name)
    yield page
    page.close()


def given(page, name, config, weights):
    page.evaluate('([name, config, weights]) => { denoiseAE.models[name] = {config, weights}; self.kept = {} }', [name, config, base64.b64encode(weights).decode()])


def by_engine(page, name, pictures, plain):
    "What the engine makes of pictures (N, C, H, W), one after the other."
    text = base64.b64encode(pictures.numpy().tobytes()).decode()
    engine, output = page.evaluate(RUN, [name, plain, list(pictures.shape), text])
    assert engine == ('plain JavaScript' if plain else 'WebAssembly')
    return torch.from_numpy(np.frombuffer(base64.b64decode(output), np.float32).reshape(pictures.shape).copy())


def saved(model, dtype=torch.float32):
    return safetensors.torch.save({name: part.to(dtype).contiguous() for name, part in model.state_dict().items()})


def filled(model, seed=0):
    "With weights in all of its layers, some of which begin as zeros."
    generator = torch.Generator().manual_seed(seed)
    for part in model.parameters():
        with torch.no_grad():
            part.copy_(torch.randn(part.shape, generator=generator) / max(1, part[0].numel()) ** .5)
    return model


def test_the_kernel_is_what_its_text_makes():
    assert (WEB / 'kernel.js').read_text(encoding='utf-8') == kernel.kernel(), 'run python tools/kernel.py'


@pytest.mark.parametrize('plain', [False, True], ids=['WebAssembly', 'JavaScript'])
@pytest.mark.parametrize('kind', PACKAGED)
def test_the_packaged_networks_give_the_pictures_of_pytorch(kind, plain, page, valid):
    "From the very files of the package. In plain JavaScript the U-Net takes its time, so that it is asked for twenty digits."
    name = kind.__name__.lower()
    folder = ROOT / 'denoise_ae' / 'weights' / name
    given(page, name, json.loads((folder / 'config.json').read_text(encoding='utf-8')), (folder / 'model.safetensors').read_bytes())
    noisy = GaussianNoise(std=.5, generator=torch.Generator().manual_seed(0))(valid[0][:20 if plain and kind is UNet else 100])
    expected = denoise(kind.from_pretrained(), noisy)
    assert (by_engine(page, name, noisy, plain) - expected).abs().max() <= 1e-5


ANY_SIZE = {'unet': UNet(), 'one size': UNet((5,), (2,), bias=False), 'colour': UNet((4, 9, 8), (1, 3, 2), residual=True, channels=3),
            'five sizes': UNet((2,) * 5, (1,) * 5, residual=True), 'convolutional': ConvAutoencoder(2), 'two channels': ConvAutoencoder(5, channels=2)}
FIXED = {'three numbers': Autoencoder(3), 'one layer': MLPDenoiser((9,)), 'predicts the noise': MLPDenoiser((30, 20, 10), residual=True)}


@pytest.mark.parametrize('plain', [False, True], ids=['WebAssembly', 'JavaScript'])
@pytest.mark.parametrize('name', [*ANY_SIZE, *FIXED])
def test_other_settings_and_sizes(name, plain, page):
    model = filled((ANY_SIZE | FIXED)[name])
    given(page, name, model._hub_mixin_config | {'class': type(model).__name__}, saved(model))
    for size in ((31, 45), (1, 1), (2, 37), (40, 3), (28, 28)) if name in ANY_SIZE else ((28, 28),):
        picture = torch.rand(2, model.channels, *size, generator=torch.Generator().manual_seed(1))
        expected = denoise(model, picture)
        assert (by_engine(page, name, picture, plain) - expected).abs().max() <= 1e-5 * expected.abs().max().clamp(min=1), size
    assert (expected - picture).std() > .01 < expected.std(), 'a network that does something'


@pytest.mark.parametrize('residual', [False, True])
def test_squares_of_pixels_that_become_channels(residual, page):
    "`shuffle` of a U-Net: the same as one that takes the shuffled picture."
    inner = filled(UNet((6, 8), (1, 1), channels=9, residual=residual))
    given(page, 'shuffled', {'class': 'UNet', 'channels': 1, 'shuffle': 3, 'residual': residual}, saved(inner))
    for size in ((28, 28), (12, 7), (1, 40)):
        picture = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(2))
        whole = pixel_shuffle(denoise(inner, pixel_unshuffle(as_multiple(picture, 6), 3)), 3)[..., :size[0], :size[1]]
        assert (by_engine(page, 'shuffled', picture, False) - whole).abs().max() <= 1e-5 * whole.abs().max().clamp(min=1), size


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_numbers_of_other_kinds(dtype, page):
    "Also those that float16 can hardly hold."
    model = filled(MLPDenoiser((16,), residual=True))
    with torch.no_grad():
        model.layers[0].weight[0, :4] = torch.tensor([6e-8, -3e-5, -65504., 0.])
    given(page, 'kind', {'class': 'MLPDenoiser', 'residual': True}, saved(model, dtype))
    rounded = MLPDenoiser((16,), residual=True)
    rounded.load_state_dict({name: part.to(dtype).float() for name, part in model.state_dict().items()})
    pictures = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    expected = denoise(rounded, pictures)
    assert (by_engine(page, 'kind', pictures, False) - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_latent_vectors_there_and_back(page, valid):
    model, digit = Autoencoder.from_pretrained(), valid[0][:1]
    folder = ROOT / 'denoise_ae' / 'weights' / 'autoencoder'
    given(page, 'ten', json.loads((folder / 'config.json').read_text(encoding='utf-8')), (folder / 'model.safetensors').read_bytes())
    latent, moved = page.evaluate("""pixels => { const network = denoiseAE.network('ten'), latent = network.encode(Float32Array.from(pixels))
                                                 return [[...latent], [...network.decode(latent.map((v, k) => v + k))]] }""", digit.flatten().tolist())
    with torch.no_grad():
        expected = model.encode(digit)
        assert np.allclose(latent, expected[0], atol=1e-4, rtol=1e-5)
        assert np.allclose(moved, model.decoder(expected + torch.arange(10.))[0], atol=1e-5)


def test_what_can_not_be_done_is_said(page):
    model = filled(Autoencoder(2))
    given(page, 'two', {'class': 'Autoencoder'}, saved(model))
    for code, words in (("denoise('nobody', new Float32Array(784))", 'there is no network nobody in this page, but .*two'),
                        ("denoise('two', new Float32Array(783))", '1 × 28 × 28 pixels has 784 numbers, not 783'),
                        ("network('two').run(new Float32Array(35), 5, 7)", 'takes pictures of 28 by 28 pixels, not 5 by 7')):
        with pytest.raises(Exception, match=words):
            page.evaluate(f'denoiseAE.{code}')
    assert len(page.evaluate("[...denoiseAE.denoise('two', new Float32Array(784))]")) == 784


def test_a_browser_without_webassembly(browser):
    page = browser.new_page()
    page.add_init_script('delete window.WebAssembly')
    page.goto('about:blank')
    for name in ('kernel.js', 'engine.js'):
        page.add_script_tag(path=WEB / name)
    model = filled(UNet((4, 4), (1, 1)))
    given(page, 'small', {'class': 'UNet'}, saved(model))
    picture = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert (by_engine(page, 'small', picture, True) - denoise(model, picture)).abs().max() <= 1e-5
    assert page.evaluate("denoiseAE.network('small').engine") == 'plain JavaScript'
    page.close()


def test_the_unet_answers_at_once(page, record_property):
    "Its quickest run of 41 and the median have bounds that also a machine with other work keeps; on a quiet one the median is 15 ms at most."
    folder = ROOT / 'denoise_ae' / 'weights' / 'unet'
    given(page, 'unet', json.loads((folder / 'config.json').read_text(encoding='utf-8')), (folder / 'model.safetensors').read_bytes())
    times = page.evaluate("""() => { const network = denoiseAE.network('unet'), picture = new Float32Array(784).fill(.5)
                                     return Array.from({length: 41}, () => { const start = performance.now(); network.run(picture); return performance.now() - start }) }""")
    record_property('the U-Net in a page, median, ms', round(statistics.median(times), 1))
    assert min(times) <= 75 and statistics.median(times) <= 150
