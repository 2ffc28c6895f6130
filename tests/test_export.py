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

from denoise_ae import (Autoencoder, ConvAutoencoder, GaussianNoise, MLPDenoiser, UNet, denoise, evaluate, export_onnx, load_onnx)

os.environ['ORT_DISABLE_TELEMETRY'] = '1'
import onnxruntime  # noqa: E402

NETWORKS = [Autoencoder, MLPDenoiser, ConvAutoencoder, UNet]
SMALL = [Autoencoder(latent_dim=3), MLPDenoiser(hidden=(8,)), ConvAutoencoder(latent_channels=2), UNet(widths=(4, 8), blocks=(1, 1), residual=True)]


def facts_of(path):
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


@pytest.mark.parametrize('model', SMALL, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize('std, written', [(None, 'unknown'), (.1, '[0.1, 0.1]'), ((.05, 1), '[0.05, 1.0]'), (0, '[0.0, 0.0]')])
def test_the_facts_in_the_file(model, std, written, tmp_path):
    export_onnx(model, tmp_path / 'x.onnx', std=std, licence='MIT')
    facts = facts_of(tmp_path / 'x.onnx')
    assert facts['trained_std'] == written and facts['class'] == type(model).__name__ and facts['licence'] == 'MIT'
    assert json.loads(facts['data_range']) == [0, 1] and facts['library'] == 'denoise_ae' and facts['library_version']
    again = type(model)(**json.loads(facts['config']))
    assert [p.shape for p in again.parameters()] == [p.shape for p in model.parameters()]
    assert onnx.load(tmp_path / 'x.onnx').opset_import[0].version == 18


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
    assert load_onnx(tmp_path / 'half.onnx')(torch.rand(2, 784)).dtype == torch.float32


def test_a_file_that_is_there_is_kept(tmp_path):
    path = tmp_path / 'x.onnx'
    path.write_text('my thesis')
    with pytest.raises(FileExistsError, match=r'x\.onnx exists: .*overwrite=True'):
        export_onnx(SMALL[0], path)
    assert path.read_text() == 'my thesis'
    export_onnx(SMALL[0], path, overwrite=True)
    assert facts_of(path)['class'] == 'Autoencoder' and len(list(tmp_path.iterdir())) == 1


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


@pytest.mark.parametrize('std', ['0.1', -1, float('nan'), (.5, .1), (1, 2, 3), [None, 1]])
def test_noise_that_is_none(std, tmp_path):
    with pytest.raises((TypeError, ValueError), match='std must be'):
        export_onnx(SMALL[0], tmp_path / 'x.onnx', std=std)
    with pytest.raises((TypeError, ValueError), match='std must be'):
        SMALL[0].generate_model_card(std=std)
    assert not list(tmp_path.iterdir())


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
    assert run.stderr.strip().splitlines()[-1] == f"ImportError: this needs the package {package}: pip install 'denoise_ae[onnx]'"
    assert not list(tmp_path.iterdir())


def test_silent_and_without_a_trace_in_the_home_folder(tmp_path):
    home = tmp_path / 'home'
    home.mkdir()
    env = {name: value for name, value in os.environ.items() if name != 'ORT_DISABLE_TELEMETRY'}
    code = '''import logging; logging.basicConfig(level=logging.WARNING)
from denoise_ae import UNet, export_onnx, load_onnx
import torch
export_onnx(UNet(), "x.onnx")
load_onnx("x.onnx")(torch.rand(3, 784))'''
    run = subprocess.run([sys.executable, '-W', 'default', '-c', code], cwd=tmp_path, capture_output=True, text=True,
                         env=env | {'HOME': str(home), 'XDG_CACHE_HOME': str(home), 'MPLCONFIGDIR': str(tmp_path / 'mpl')})
    assert (run.returncode, run.stdout, run.stderr) == (0, '', '')
    assert not [path for path in home.rglob('*') if path.is_file()]


# --- reading it

def test_an_onnx_denoiser_takes_what_the_network_takes(tmp_path):
    model = SMALL[2]
    export_onnx(model, tmp_path / 'x.onnx')
    denoiser = load_onnx(str(tmp_path / 'x.onnx'))
    for shape in ((784,), (28, 28), (1, 28, 28), (2, 784), (3, 1, 28, 28), (0, 1, 28, 28)):
        x = torch.rand(shape)
        assert denoiser(x).shape == shape and torch.allclose(denoiser(x), model(x), atol=1e-5)
    assert len(evaluate({'onnx': denoiser}, torch.rand(5, 1, 28, 28), (.1,), progress=False)) == 1
    with pytest.raises(ValueError, match='28 by 28'):
        denoiser(torch.rand(2, 100))
    with pytest.raises(TypeError, match='float32'):
        denoiser(torch.rand(2, 784, dtype=torch.float64))
    with pytest.raises(TypeError, match='floating-point'):
        denoiser(torch.zeros(2, 784, dtype=torch.uint8))


def other_model():
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node('Relu', ['noisy'], ['denoised'])
    graph = onnx.helper.make_graph([node], 'other', [value('noisy', 1, [1, 3])], [value('denoised', 1, [1, 3])])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', 18)], ir_version=10).SerializeToString()


@pytest.mark.parametrize('content', [b'', b'hello', bytes(1000), other_model(), other_model()[:-20]], ids=['empty', 'text', 'zeros', 'another', 'cut'])
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
def test_the_card_says_what_the_model_is_and_its_code_runs(model, tmp_path):
    model.save_pretrained(tmp_path, model_card_kwargs={'std': (.05, 1), 'licence': 'mit', 'note': 'Made {for} a test.'})
    card = ModelCard.load(tmp_path / 'README.md')
    assert card.data.library_name == 'denoise_ae' and card.data.license == 'mit' and 'denoising' in card.data.tags
    parameters = sum(p.numel() for p in model.parameters())
    for fact in (f'# {type(model).__name__}', f'{parameters:,}, as float32', 'standard deviation 0.05 to 1', json.dumps(model._hub_mixin_config), 'Made {for} a test.'):
        assert fact in card.text, fact
    code = re.search(r'```python\n(.*?)```', card.text, re.S)[1]
    run = run_python(code + '\nprint(tuple(denoised.shape))', cwd=tmp_path)
    assert run.stdout.strip() == '(1, 1, 28, 28)', run.stderr


def test_a_card_of_unknown_noise():
    assert '| trained on | unknown |' in str(SMALL[0].generate_model_card())
    assert 'standard deviation 0.1 |' in str(SMALL[0].generate_model_card(std=.1))


def test_a_class_of_your_own_is_imported_from_its_module(tmp_path):
    class Mine(UNet):
        pass
    assert f'from {__name__} import Mine\nfrom denoise_ae import denoise\n' in str(Mine().generate_model_card())


def test_an_edited_card_is_kept(tmp_path):
    (tmp_path / 'README.md').write_text('my own words')
    SMALL[0].save_pretrained(tmp_path)
    assert (tmp_path / 'README.md').read_text() == 'my own words'


@pytest.mark.parametrize('Network', NETWORKS)
def test_the_packaged_cards_say_what_the_table_says(Network):
    from weights import FOLDER, card
    name = Network.__name__.lower()
    written = (FOLDER / name / 'README.md').read_bytes().decode()
    assert written == str(card(name)), 'run python tools/weights.py --cards'
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
    assert message.startswith(f'{folder / file} does not fit {kind.__name__}: ') and '\n' not in message and len(message) < 500 + len(str(folder))
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
