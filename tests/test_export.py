"""ONNX files, the model cards, and folders that hold no model."""
import json
import os
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest
import torch
from conftest import ROOT, run_python
from huggingface_hub import ModelCard
from safetensors.torch import save_file
from torch import nn

from denoise_ae import (Autoencoder, ConvAutoencoder, GaussianNoise, MaskingNoise, MLPDenoiser, PoissonNoise, UNet, denoise, denoise_picture, evaluate,
                        export_onnx, load_onnx)
from denoise_ae.cards import facts_of

os.environ['ORT_DISABLE_TELEMETRY'] = '1'
import onnxruntime  # noqa: E402

NETWORKS = [Autoencoder, MLPDenoiser, ConvAutoencoder, UNet]
SMALL = [Autoencoder(latent_dim=3), MLPDenoiser(hidden=(8,)), ConvAutoencoder(latent_channels=2), UNet(widths=(4, 8), blocks=(1, 1), residual=True)]


def small_unet(channels=1, widths=(4, 8), seed=0, **options):
    "With weights in all of its layers, which at the start are 0 in some of them."
    torch.manual_seed(seed)
    model = UNet(widths=widths, blocks=(1,) * len(widths), channels=channels, **options)
    for block in (*model.down, *model.up):
        torch.nn.init.normal_(block[0].second.weight, std=.1)
    torch.nn.init.normal_(model.last.weight, std=.1)
    return model


def written_in(path):
    return {prop.key: prop.value for prop in onnx.load(path).metadata_props}


# --- the file

@pytest.mark.parametrize('Network', NETWORKS)
def test_onnxruntime_gives_the_pictures_of_pytorch(Network, tmp_path, valid):
    model, path = Network.from_pretrained(), tmp_path / 'network.onnx'
    assert export_onnx(model, path) <= 1e-5
    noisy = GaussianNoise(std=.5, generator=torch.Generator().manual_seed(0))(valid[0][:1000])
    expected, session = denoise(model, noisy), onnxruntime.InferenceSession(path)
    for batch in (1, 7, 1000):
        output, = session.run(None, {'noisy': noisy[:batch].numpy()})
        assert output.shape == (batch, 1, 28, 28)
        assert (torch.from_numpy(output) - expected[:batch]).abs().max() <= 1e-5
    assert [path.name for path in tmp_path.iterdir()] == ['network.onnx']
    if Network in (ConvAutoencoder, UNet):  # the same file takes pictures of other sizes
        denoiser, generator = load_onnx(path), torch.Generator().manual_seed(0)
        for size in ((28, 28), (40, 64), (31, 45), (1, 1), (2, 90), (57, 3)):
            picture = torch.rand(2, 1, *size, generator=generator)
            assert (denoiser(picture) - denoise(model, picture)).abs().max() <= 1e-5, size
            assert denoiser(picture[0]).shape == (1, *size)
        photo = torch.rand(3, 61, 83, generator=generator)
        assert (denoise_picture(denoiser, photo, progress=False) - denoise_picture(model, photo, progress=False)).abs().max() <= 1e-5
        sizes = [dim.dim_param or dim.dim_value for dim in onnx.load(path).graph.input[0].type.tensor_type.shape.dim]
        assert sizes == ['batch', 1, '4*rows', '4*columns'] == [dim.dim_param or dim.dim_value for dim in onnx.load(path).graph.output[0].type.tensor_type.shape.dim]
    else:
        with pytest.raises(ValueError, match='28 by 28 pixels, not of the shape'):
            load_onnx(path)(torch.rand(1, 1, 28, 32))


@pytest.mark.parametrize('model', [small_unet(3, (4, 8, 8), residual=True), small_unet(1, (4,)), small_unet(2, (2, 2, 2, 2, 2, 2), bias=False),
                                   ConvAutoencoder(latent_channels=2, channels=3), small_unet(3, (4, 4), shuffle=2)],
                         ids=['colour', 'one size', 'six sizes', 'convolutional', 'squares'])
def test_other_channels_and_depths_in_any_size(model, tmp_path):
    assert export_onnx(model, tmp_path / 'x.onnx') <= 1e-5
    denoiser, generator = load_onnx(tmp_path / 'x.onnx'), torch.Generator().manual_seed(0)
    assert (denoiser.channels, denoiser.multiple, denoiser.reach, denoiser.image_size) == (model.channels, model.multiple, model.reach, None)
    for size in ((28, 28), (40, 64), (31, 45), (1, 1), (5, 100)):
        picture = torch.rand(3, model.channels, *size, generator=generator)
        expected = denoise(model, picture)
        assert (denoiser(picture) - expected).abs().max() <= 1e-5 * expected.abs().max().clamp(min=1), size
        assert not torch.equal(expected, picture)
    whole = denoise_picture(denoiser, picture[0], progress=False)
    assert torch.equal(whole, denoiser(picture[0])), 'all its channels at once'
    with pytest.raises(ValueError, match=f'takes images of {model.channels} channel'):
        denoiser(torch.rand(1, model.channels + 1, 28, 28))
    if model.channels > 1:
        with pytest.raises(ValueError, match=f'takes pictures of {model.channels} channels, and this one has 1'):
            denoise_picture(denoiser, torch.rand(1, 28, 28), progress=False)


def test_a_picture_in_tiles_through_an_onnx_file(tmp_path):
    "Of a network that takes one size; and, if you want it so, of one that takes any."
    for model, size in ((SMALL[0], None), (SMALL[3], 32)):
        export_onnx(model, tmp_path / f'{size}.onnx')
        picture, denoiser = torch.rand(1, 75, 90, generator=torch.Generator().manual_seed(0)), load_onnx(tmp_path / f'{size}.onnx')
        for overlap in (None, 0, 14):
            given = {'size': size, 'overlap': overlap, 'progress': False}
            assert (denoise_picture(denoiser, picture, **given) - denoise_picture(model, picture, **given)).abs().max() <= 1e-5


def test_a_picture_too_large_to_go_through_at_once(tmp_path, monkeypatch):
    "It is cut up with margins as wide as the network sees, of which the file tells."
    model = small_unet(widths=(4, 8, 8))
    export_onnx(model, tmp_path / 'x.onnx')
    picture, denoiser = torch.rand(1, 1100, 130), load_onnx(tmp_path / 'x.onnx')
    whole = denoise(model, picture[None])[0]
    monkeypatch.setattr('denoise_ae.pictures.LARGEST', 100_000)
    for each in (model, denoiser):
        assert (denoise_picture(each, picture, progress=False) - whole).abs().max() <= 1e-5


@pytest.mark.parametrize('model', SMALL, ids=lambda model: type(model).__name__)
def test_the_facts_in_the_file(model, tmp_path):
    for noise in (None, GaussianNoise(), GaussianNoise(std=(.05, 1), clip=True), PoissonNoise(peak=30.), MaskingNoise(.3)):
        model.trained_on = noise and facts_of(noise)
        if noise in (None, 'first') or model is SMALL[0]:  # one network tells all noises
            export_onnx(model, tmp_path / 'x.onnx', license='MIT', overwrite=True)
            facts = written_in(tmp_path / 'x.onnx')
            assert json.loads(facts['trained_on']) == model.trained_on
    model.trained_on = None
    assert facts['class'] == type(model).__name__ and facts['license'] == 'MIT'
    assert json.loads(facts['data_range']) == [0, 1] and facts['library'] == 'denoise_ae' and facts['library_version']
    fixed = model in SMALL[:2]
    assert json.loads(facts['image_size']) == ([28, 28] if fixed else None) and json.loads(facts['channels']) == 1
    again = type(model)(**json.loads(facts['config']))
    assert [p.shape for p in again.parameters()] == [p.shape for p in model.parameters()]
    assert (json.loads(facts['multiple']), json.loads(facts['reach'])) == (again.multiple, again.reach)
    assert onnx.load(tmp_path / 'x.onnx').opset_import[0].version == 18
    assert onnx.load(tmp_path / 'x.onnx').ir_version == 8  # a runtime of 2023 refuses 10


def test_nothing_in_the_file_tells_of_the_machine(tmp_path):
    export_onnx(SMALL[3], tmp_path / 'x.onnx')
    content = (tmp_path / 'x.onnx').read_bytes()
    for trace in (str(ROOT), 'site-packages', '.py', 'stack_trace', str(Path.home()) + os.sep, str(tmp_path)):
        assert trace.encode() not in content, trace


def test_the_model_is_as_it_was(tmp_path):
    model = UNet(widths=(4, 8), blocks=(1, 1)).train()
    model.down[0].eval()
    modes, weights = [part.training for part in model.modules()], {name: w.clone() for name, w in model.state_dict().items()}
    numbers = torch.get_rng_state()
    export_onnx(model, tmp_path / 'x.onnx')
    assert modes == [part.training for part in model.modules()]
    assert all(torch.equal(w, weights[name]) for name, w in model.state_dict().items())
    assert torch.equal(numbers, torch.get_rng_state())
    export_onnx(model.half(), tmp_path / 'half.onnx')
    assert next(model.parameters()).dtype == torch.float16
    assert load_onnx(tmp_path / 'half.onnx')(torch.rand(2, 1, 28, 28)).dtype == torch.float32


def test_a_file_that_is_there_is_kept(tmp_path):
    path = tmp_path / 'x.onnx'
    path.write_text('my thesis')
    with pytest.raises(FileExistsError, match=r'x\.onnx exists: .*overwrite=True'):
        export_onnx(SMALL[0], path)
    assert path.read_text() == 'my thesis'
    export_onnx(SMALL[0], path, overwrite=True)
    assert written_in(path)['class'] == 'Autoencoder' and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize('error', [OSError(28, 'No space left on device'), KeyboardInterrupt()])
@pytest.mark.parametrize('overwrite', [False, True])
def test_a_failure_at_the_last_step_leaves_nothing(error, overwrite, tmp_path, monkeypatch):
    path = tmp_path / 'x.onnx'
    if overwrite:
        path.write_text('before')

    def fails(*args):
        raise error
    for step in ('link', 'replace'):
        monkeypatch.setattr(os, step, fails)
    with pytest.raises(type(error)):
        export_onnx(SMALL[0], path, overwrite=overwrite)
    assert [p.read_text() for p in tmp_path.iterdir()] == ['before'] * overwrite


@pytest.mark.skipif(os.name == 'nt', reason='there is no limit to set')
def test_a_full_disk_leaves_nothing_and_says_so(tmp_path):
    (tmp_path / 'x.onnx').write_text('before')
    run = run_python('import resource; from denoise_ae import Autoencoder, export_onnx\n'
                     'resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n'
                     'export_onnx(Autoencoder(), "x.onnx", overwrite=True)', cwd=tmp_path)
    assert re.search(r'OSError: .*x\.onnx could not be written: File too large$', run.stderr.strip()), run.stderr[-500:]
    assert [p.read_text() for p in tmp_path.iterdir()] == ['before']


@pytest.mark.parametrize('model', [nn.Linear(784, 784), UNet, {}, None])
def test_what_is_no_network_of_the_library(model, tmp_path):
    with pytest.raises(TypeError, match='model must be a network of denoise_ae'):
        export_onnx(model, tmp_path / 'x.onnx')


@pytest.mark.parametrize('words', [{'std': .1}, {'licence': 'MIT'}])
def test_what_is_no_longer_asked_is_refused_and_not_left_out(words, tmp_path):
    "What it was trained on the network knows itself."
    with pytest.raises(TypeError, match=next(iter(words))):
        export_onnx(SMALL[0], tmp_path / 'x.onnx', **words)
    with pytest.raises(TypeError, match=next(iter(words))):
        SMALL[0].save_pretrained(tmp_path / 'folder', model_card_kwargs=words)
    assert not [path for path in tmp_path.rglob('*') if path.is_file()]


def test_places_that_are_none(tmp_path):
    for path, error, words in ((tmp_path, IsADirectoryError, 'is a folder: name a file'), (tmp_path / 'no' / 'x.onnx', FileNotFoundError, 'does not exist: make it first')):
        with pytest.raises(error, match=words):
            export_onnx(SMALL[0], path, overwrite=True)
    assert not list(tmp_path.iterdir())


def test_weights_that_are_no_numbers_are_not_exported(tmp_path):
    model = Autoencoder(latent_dim=3)
    model.decoder[0].bias.data[0] = float('nan')
    with pytest.raises(ValueError, match='the export was given up: .*Autoencoder.*finite'):
        export_onnx(model, tmp_path / 'x.onnx')
    assert not list(tmp_path.iterdir())


# --- the packages it needs

def test_onnx_is_imported_only_when_used():
    run = run_python("import sys, denoise_ae; print({'onnx', 'onnxscript', 'onnxruntime'} & set(sys.modules))")
    assert run.stdout.strip() == 'set()', run.stderr


@pytest.mark.parametrize('package', ['onnx', 'onnxscript', 'onnxruntime'])
def test_a_missing_package_is_named_with_the_way_to_get_it(package, tmp_path):
    run = run_python(f'import sys; sys.modules[{package!r}] = None\nfrom denoise_ae import Autoencoder, export_onnx\nexport_onnx(Autoencoder(), "x.onnx")', cwd=tmp_path)
    said = run.stderr.strip().splitlines()[-1]
    assert re.fullmatch(f'ImportError: this needs the package {package}: pip install "onnx>=[^"]+" "onnxscript>=[^"]+" "onnxruntime>=[^"]+"', said), run.stderr[-500:]
    assert not list(tmp_path.iterdir())


def test_silent_and_without_a_trace_in_the_home_folder(tmp_path):
    home = tmp_path / 'home'
    home.mkdir()
    env = {name: value for name, value in os.environ.items() if name != 'ORT_DISABLE_TELEMETRY'}
    code = '''import logging; logging.basicConfig(level=logging.WARNING)
from denoise_ae import UNet, export_onnx, load_onnx
import torch
export_onnx(UNet(), "x.onnx")
load_onnx("x.onnx")(torch.rand(3, 1, 28, 28))'''
    run = subprocess.run([sys.executable, '-W', 'default', '-c', code], cwd=tmp_path, capture_output=True, text=True,
                         env=env | {'HOME': str(home), 'XDG_CACHE_HOME': str(home), 'MPLCONFIGDIR': str(tmp_path / 'mpl')})
    assert (run.returncode, run.stdout, run.stderr) == (0, '', '')
    assert not [path for path in home.rglob('*') if path.is_file()]


# --- reading it

def test_an_onnx_denoiser_takes_what_the_network_takes(tmp_path):
    for model in (SMALL[0], SMALL[2]):
        export_onnx(model, tmp_path / 'x.onnx', overwrite=True)
        denoiser = load_onnx(str(tmp_path / 'x.onnx'))
        for shape in ((1, 28, 28), (3, 1, 28, 28), (0, 1, 28, 28)):
            x = torch.rand(shape)
            assert denoiser(x).shape == shape and torch.allclose(denoiser(x), model(x), atol=1e-5)
        assert len(evaluate({'onnx': denoiser}, torch.rand(5, 1, 28, 28), (.1,), progress=False)) == 1
        x = torch.rand(2, 28, 1, 28).transpose(1, 2).requires_grad_()  # in another order in memory
        assert torch.allclose(denoiser(x), model(x), atol=1e-5) and not denoiser(x).requires_grad
        for shape in ((2, 100), (784,), (2, 784), (2, 28, 28), (1, 0, 28)):
            with pytest.raises(ValueError, match=r'takes images of 1 channel, \(N, 1, H, W\) or one of them; these have the shape'):
                denoiser(torch.rand(shape))
        with pytest.raises(TypeError, match='float32'):
            denoiser(torch.rand(2, 1, 28, 28, dtype=torch.float64))
        with pytest.raises(TypeError, match='floating-point'):
            denoiser(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))


def other_model():
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node('Relu', ['noisy'], ['denoised'])
    graph = onnx.helper.make_graph([node], 'other', [value('noisy', 1, [1, 3])], [value('denoised', 1, [1, 3])])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', 18)], ir_version=10).SerializeToString()


def with_facts(**changes):
    "A model of another kind with facts as ours have them, and with some of them changed."
    model = onnx.load_from_string(other_model())
    facts = {'image_size': 'null', 'channels': '1', 'multiple': '4', 'reach': 'null'} | changes
    onnx.helper.set_model_props(model, facts)
    return model.SerializeToString()


FILES = {'empty': b'', 'text': b'hello', 'zeros': bytes(1000), 'another': other_model(), 'cut': other_model()[:-20], 'with facts': with_facts(),
         'words for a size': with_facts(image_size='"large"'), 'no JSON': with_facts(channels='{'), 'many channels': with_facts(channels='100000000000000'),
         'a negative multiple': with_facts(multiple='-4')}


@pytest.mark.parametrize('content', FILES.values(), ids=FILES)
def test_files_that_are_no_denoiser(content, tmp_path):
    (tmp_path / 'x.onnx').write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.onnx' is not a file that export_onnx wrote") as caught:
        load_onnx(tmp_path / 'x.onnx')
    assert '\n' not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere.onnx'):
        load_onnx(tmp_path / 'nowhere.onnx')


# --- model cards

@pytest.mark.parametrize('model', SMALL, ids=lambda model: type(model).__name__)
def test_the_card_says_what_the_model_is_and_its_code_runs(model, tmp_path, monkeypatch):
    monkeypatch.setattr(model, 'trained_on', facts_of(GaussianNoise(std=(.05, 1.))))
    model.save_pretrained(tmp_path, model_card_kwargs={'license': 'mit', 'note': 'Made {for} a test.'})
    card = ModelCard.load(tmp_path / 'README.md')
    assert card.data.library_name == 'denoise_ae' and card.data.license == 'mit' and 'denoising' in card.data.tags
    parameters = sum(p.numel() for p in model.parameters())
    for fact in (f'# {type(model).__name__}', f'{parameters:,}, as float32', '| trained on | GaussianNoise, mean 0, std 0.05 to 1, not clipped |', json.dumps(model._hub_mixin_config), 'Made {for} a test.',
                 '(N, 1, 28, 28)' if model.image_size else '(N, 1, H, W)'):
        assert fact in card.text, fact
    code = re.search(r'```python\n(.*?)```', card.text, re.S)[1]
    run = run_python(code + '\nprint(tuple(denoised.shape))', cwd=tmp_path)
    assert run.stdout.strip() == '(1, 1, 28, 28)', run.stderr


def test_a_card_of_unknown_noise():
    assert '| trained on | unknown |' in str(Autoencoder().generate_model_card())
    model = Autoencoder()
    for noise, words in ((GaussianNoise(), 'GaussianNoise, mean 0, std 0.1, not clipped'), (GaussianNoise(clip=True), 'GaussianNoise, mean 0, std 0.1, clipped'),
                         (PoissonNoise(30.), 'PoissonNoise, peak 30, not clipped'), (MaskingNoise(.3), 'MaskingNoise, p 0.3')):
        model.trained_on = facts_of(noise)
        assert f'| trained on | {words} |' in str(model.generate_model_card())


def test_the_card_of_a_network_for_colours_runs(tmp_path):
    small_unet(3).save_pretrained(tmp_path)
    card = (tmp_path / 'README.md').read_text(encoding='utf-8')
    assert '`(N, 3, H, W)`' in card
    run = run_python(re.search(r'```python\n(.*?)```', card, re.S)[1] + '\nprint(tuple(denoised.shape))', cwd=tmp_path)
    assert run.stdout.strip() == '(1, 3, 28, 28)', run.stderr


def test_a_class_of_your_own_is_imported_from_its_module(tmp_path):
    class Mine(UNet):
        pass
    assert f'from {__name__} import Mine\nfrom denoise_ae import denoise\n' in str(Mine().generate_model_card())


def test_an_edited_card_is_kept(tmp_path):
    (tmp_path / 'README.md').write_text('my own words')
    SMALL[0].save_pretrained(tmp_path)
    assert (tmp_path / 'README.md').read_text() == 'my own words'
    assert {path.name for path in tmp_path.iterdir()} == {'README.md', 'config.json', 'model.safetensors'}


def test_a_full_disk_while_a_model_is_saved_leaves_the_one_before(tmp_path):
    Autoencoder(latent_dim=3).save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    run = run_python('import resource; from denoise_ae import Autoencoder\n'
                     'resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n'
                     'Autoencoder(latent_dim=3).save_pretrained(".")', cwd=tmp_path)
    assert run.returncode == 1 and {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


class Smaller(UNet):
    "A network of one's own, made from one of the library's."
    def __init__(self, **options):
        super().__init__((4, 8), (1, 1), **options)


def test_a_class_of_ones_own_comes_back(tmp_path):
    from denoise_ae import load_model
    model = Smaller(channels=3)
    model.trained_on = facts_of(MaskingNoise(.3))
    model.save_pretrained(tmp_path)
    for load in (Smaller.from_pretrained, load_model):
        again = load(tmp_path)
        assert type(again) is Smaller and again.channels == 3 and again.trained_on == {'noise': 'MaskingNoise', 'p': .3}
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))
    with pytest.raises(ValueError, match='holds a network of the class Smaller, not UNet: load_model'):
        UNet.from_pretrained(tmp_path)


@pytest.mark.parametrize('Network', NETWORKS)
def test_the_packaged_cards_say_what_the_table_says(Network):
    from weights import FOLDER, note, packaged

    from denoise_ae import NETWORKS as NAMES
    from denoise_ae.cards import sealed
    name = Network.__name__.lower()
    short = next(short for short, kind in NAMES.items() if kind is Network)
    model = packaged(short)
    written = (FOLDER / name / 'README.md').read_bytes().decode()
    assert written.encode() == sealed(str(model.generate_model_card(note=note(short, model))).encode()), 'run python tools/weights.py --cards'
    stored = {part['dtype'] for key, part in header_of((FOLDER / name / 'model.safetensors').read_bytes()).items() if key != '__metadata__'}
    assert f'as float{stored.pop()[1:]} ' in written


# --- folders that hold no model

def header_of(content):
    length, = struct.unpack('<Q', content[:8])
    return json.loads(content[8:8 + length])


def refused(kind, folder, file):
    start = time.perf_counter()
    with pytest.raises(ValueError) as caught:
        kind.from_pretrained(folder)
    message = str(caught.value)
    words = f'{folder / file} does not fit {kind.__name__}: ', f'{folder / file} is no config.json of a model: '
    assert message.startswith(words) and '\n' not in message and len(message) < 500 + len(str(folder))
    assert time.perf_counter() - start < 10


CONFIGS = ['', '{', 'null', '[]', '3', '"x"', '[' * 100_000, '{"a":' * 100_000, '{"latent_dim": ' + '[' * 900 + ']' * 900 + '}', '{"latent_dim": 1000000000000}',
           '{"latent_dim": 1' + '0' * 400 + '}', '{"latent_dim": ' + '9' * 5000 + '}', '{"latent_dim": NaN}', '{"latent_dim": Infinity}', '{"latent_dim": "../../etc/passwd"}',
           '{"latent_dim": null}', '{"latent_dim": 3.0}', '{"latent_dim": -3}', '{"latent_dim": 3, "unknown": 1}', '{"self": 1}', '{"cls": 1}', '{"config": {}}',
           '{"latent_dim": "' + 'a ' * 100_000 + '"}']


@pytest.mark.parametrize('config', CONFIGS, ids=lambda config: config[:24])
def test_settings_that_are_none(config, tmp_path):
    Autoencoder(latent_dim=3).save_pretrained(tmp_path)
    (tmp_path / 'config.json').write_text(config)
    refused(Autoencoder, tmp_path, 'model.safetensors' if config == '{"latent_dim": 1000000000000}' else 'config.json')


@pytest.mark.parametrize('config, file', [('{"widths": [4, 8], "blocks": [1, 1000000000]}', 'config.json'), ('{"widths": [4, 8], "blocks": [100, 100]}', 'model.safetensors'),
                                          ('{"widths": [1000000, 1000000], "blocks": [1, 1]}', 'model.safetensors'), ('{"widths": 4}', 'config.json'),
                                          ('{"widths": [4, 8], "blocks": [1, 1], "residual": "no"}', 'config.json'), ('{"widths": [4, 8], "blocks": [1, 1], "bias": 0}', 'config.json')])
def test_settings_of_a_u_net_that_are_none(config, file, tmp_path):
    UNet(widths=(4, 8), blocks=(1, 1)).save_pretrained(tmp_path)
    (tmp_path / 'config.json').write_text(config)
    refused(UNet, tmp_path, file)


def test_settings_in_no_unicode(tmp_path):
    Autoencoder(latent_dim=3).save_pretrained(tmp_path)
    (tmp_path / 'config.json').write_bytes(b'\xff\xfe')
    refused(Autoencoder, tmp_path, 'config.json')


@pytest.mark.parametrize('size', [0, 1, 8, 9, 500, -1])
def test_weights_that_are_cut_off(size, tmp_path):
    Autoencoder(latent_dim=3).save_pretrained(tmp_path)
    path = tmp_path / 'model.safetensors'
    path.write_bytes(path.read_bytes()[:size])
    refused(Autoencoder, tmp_path, 'model.safetensors')


def test_weights_with_a_flipped_bit_in_their_table_of_contents(tmp_path):
    Autoencoder(latent_dim=3).save_pretrained(tmp_path)
    path = tmp_path / 'model.safetensors'
    good = path.read_bytes()
    for place in range(0, 8 + struct.unpack('<Q', good[:8])[0], 37):
        broken = bytearray(good)
        broken[place] ^= 1 << place % 8
        path.write_bytes(broken)
        try:
            Autoencoder.from_pretrained(tmp_path)  # a space more or less does no harm
        except ValueError as error:
            assert str(path) in str(error) and '\n' not in str(error)


@pytest.mark.parametrize('change', [lambda w: w.pop('decoder.0.bias'), lambda w: w.update(more=torch.zeros(3)), lambda w: w.update({'decoder.0.bias': torch.zeros(17)}),
                                    lambda w: w.update({'decoder.0.bias': torch.zeros(16, dtype=torch.int64)}), lambda w: w.clear()])
def test_weights_of_another_kind(change, tmp_path):
    model = Autoencoder(latent_dim=3)
    model.save_pretrained(tmp_path)
    weights = {name: w.clone() for name, w in model.state_dict().items()}
    change(weights)
    save_file(weights, tmp_path / 'model.safetensors')
    refused(Autoencoder, tmp_path, 'model.safetensors')
