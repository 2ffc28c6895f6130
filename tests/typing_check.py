"""The library as a user's type checker sees it. Nothing here is run: test_habits.py hands it to mypy."""
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn
from typing_extensions import assert_type

import denoise_ae as da

assert_type(da.__version__, str)

# --- digits and noise
images, labels = da.mnist_tensors('train')
assert_type(images, Tensor)
assert_type(da.as_tensors(da.mnist(train=False), da.SPLITS['test']), tuple[Tensor, Tensor])
assert_type(da.one_of_each(labels), Tensor)
assert_type(da.unpack_mnist(da.cache_folder()), Path)
noise = da.GaussianNoise(std=(.05, 1.), clip=True, generator=torch.Generator())
noises: list[da.Noise] = [noise, da.MaskingNoise(p=.2), da.PoissonNoise(peak=20.), da.SaltAndPepperNoise()]
assert_type(da.psnr(noise(images), images), Tensor)


class Stripes(da.Noise):
    "A noise of the user's own."
    def corrupt(self, x: Tensor) -> Tensor:
        return x + .1 * torch.randn_like(x[..., :1, :])


# --- networks, trained in one line or by a trainer with a callback
class Diary:
    "A callback of the user's own."
    def after_step(self, trainer: da.Trainer) -> None:
        assert_type(trainer.history, da.History)


class Tiny(da.Pretrained, nn.Module):
    "A network of the user's own, which can be saved and loaded."
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, width, 3)


networks: list[nn.Module] = [da.Autoencoder(latent_dim=20), da.MLPDenoiser(hidden=(100,)), da.ConvAutoencoder(channels=3)]
model = da.UNet(widths=(8, 16), blocks=(1, 1), channels=3)
history = da.fit(model, images, noise, valid=images, epochs=1, lr=1e-2, optimizer=da.Muon, loss=da.psnr_loss, run=da.Run('run', resume=True), callbacks=[Diary()])
assert_type(history, da.History)
assert_type(len(history), int)
trainer = da.Trainer(networks[0], [(images[0], labels[0])], Stripes(), metrics={'ssim': da.ssim}, steps_per_epoch=10, schedule=da.one_cycle, device='cpu')
again: da.History = trainer.fit()
trainer.load_state_dict(trainer.state_dict())
assert_type(da.train_by_recipe('autoencoder', seed=1, epochs=da.RECIPES['unet'].options['epochs']), tuple[nn.Module, da.History])

colours = da.photos('train')
assert_type(colours, list[Tensor])
assert_type(da.photo_credits(), list[dict[str, str]])
da.fit(model, da.Patches([da.as_grey(photo) for photo in colours], size=64, count=100), noise)
recipe: da.Recipe = da.RECIPES['photo']

# --- saved, loaded, exported
assert_type(da.load_model('unet'), nn.Module)
assert_type(da.load_model(Path('run') / 'best'), nn.Module)
Tiny(4).save_pretrained('tiny', model_card_kwargs={'note': 'Mine.'})
tiny: Tiny = Tiny.from_pretrained('tiny')
assert_type(da.export_onnx(model, 'model.onnx', license='MIT'), float)
assert_type(da.export_html(model, 'model.html', title='Mine', note='For cheques.'), int)

# --- used and measured
assert_type(da.denoise(model, images, batch_size=100), Tensor)
picture = da.read_picture('photo.png')
stored: da.Picture = da.open_picture('cells.tif', value_range=(0, 4095), max_pixels=10**9)
da.write_picture(da.canvas(stored, 'clean.tif'), 'clean.tif', like=stored)
assert_type(da.estimate_std(picture), Tensor)
found: da.NoiseFound = da.find_noise(picture)
removal: da.Removal = da.judge_removal(picture, picture, std=found.std)
carefully: tuple[Tensor, da.Done] = da.denoise_carefully(picture, model, std=.1, strength=.5)
assert_type(da.resample_clipped(picture, std=.1), Tensor)
assert_type(da.cut_into_tiles(picture, stride=14), Tensor)
da.write_picture(da.denoise_picture(model, picture, size=64, overlap=16), Path('clean.png'), overwrite=True)
assert_type(da.denoise_picture(da.load_onnx('model.onnx'), picture), Tensor)
filters = {name: da.tune(name, images, sigmas=.1) for name in da.CLASSICAL}
linear = da.tune(da.pca_denoiser(images), images, settings=[10, 100])
told = {method.__name__: da.tune(method(images), images, settings=[.1, .5]) for method in (da.lmmse_denoiser, da.kernel_denoiser)}
rivals = {'noisy': lambda x: x, **filters, 'PCA': linear, **told, **{name: da.load_model(name) for name in da.NETWORKS}}
assert_type(da.evaluate(rivals, images, sigmas=(.1, .5)), pd.DataFrame)
in_colour = {name: da.tune(name, da.photos('valid'), sigmas=.1) for name in da.COLOUR}
assert_type(da.evaluate(in_colour, da.photos('test'), .1, each=True), pd.DataFrame)
assert_type(da.results('sigma'), pd.DataFrame)

# --- noise of one's own
measured = da.measure_noise([noisy[0] for noisy in (images, images)])
assert_type(measured, da.MeasuredNoise)
assert_type(measured.fresh(images), Tensor)
own, learned = da.learn(da.photos('train'), da.new_for_shots(da.photos('train')), run=da.Run('runs/own'), epochs=3, seed=1)
assert_type(learned, da.Learned)
assert_type(learned.verdict, str)

# --- looked into, drawn from, drawn
latents = da.encode(networks[0], images)
points = da.project(latents, method='tsne')
assert_type(points, Tensor)
assert_type(da.separation(points, labels, latents), dict)
start = da.gaussian_start(images, n=10)
assert_type(da.sample(model, start, sigma=1., steps=20, known=(images[:1], images[:1] > 0)), Tensor)
assert_type(da.walk(model, start), tuple[Tensor, Tensor])
da.show_images({'clean': images[:5]}, labels[:5])
da.show_denoised(model, images, labels, noise)
da.show_layers([784, 10, 784])
da.show_history(history)
da.show_scores(da.results())
da.show_latents(latents, labels)
da.show_projections({'t-SNE': points}, labels)
da.compare(images[0], noise, {'U-Net': model})
da.explore_noise({'U-Net': model}, images)
da.explore_latents(networks[0], images)
da.explore_walk(model, start)
assert_type(da.change_latents(networks[0], images[0], torch.zeros(10)), Tensor)
print(list(da.NOISES))
