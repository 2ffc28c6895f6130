"The public names of the library, by module. Its modules are loaded when one of these is first used."

from .autoencoder import Autoencoder as Autoencoder
from .cache import cache_folder as cache_folder, unpack_mnist as unpack_mnist
from .carefully import Done as Done, denoise_carefully as denoise_carefully
from .classical import CLASSICAL as CLASSICAL, COLOUR as COLOUR
from .convolution import ConvAutoencoder as ConvAutoencoder, MLPDenoiser as MLPDenoiser, Muon as Muon, UNet as UNet, psnr_loss as psnr_loss
from .data import SPLITS as SPLITS, as_tensors as as_tensors, mnist as mnist, mnist_tensors as mnist_tensors, one_of_each as one_of_each
from .evaluation import evaluate as evaluate, lmmse_denoiser as lmmse_denoiser, pca_denoiser as pca_denoiser, kernel_denoiser as kernel_denoiser, results as results, ssim as ssim, tune as tune
from .export import export_html as export_html, export_onnx as export_onnx, load_onnx as load_onnx
from .figures import (
    show_denoised as show_denoised,
    show_history as show_history,
    show_images as show_images,
    show_latents as show_latents,
    show_layers as show_layers,
    show_projections as show_projections,
    show_scores as show_scores,
)
from .formats import Picture as Picture, canvas as canvas, open_picture as open_picture, read_picture as read_picture, write_picture as write_picture
from .hub import Pretrained as Pretrained
from .inference import denoise as denoise
from .judge import NoiseFound as NoiseFound, Removal as Removal, find_noise as find_noise, judge_removal as judge_removal
from .latent import encode as encode, project as project, separation as separation
from .measured import MeasuredNoise as MeasuredNoise, measure_noise as measure_noise
from .noise import (
    GaussianNoise as GaussianNoise,
    MaskingNoise as MaskingNoise,
    Noise as Noise,
    PoissonNoise as PoissonNoise,
    SaltAndPepperNoise as SaltAndPepperNoise,
    psnr as psnr,
)
from .photographs import Patches as Patches, as_grey as as_grey, photo_credits as photo_credits, photos as photos
from .pictures import (
    cut_into_tiles as cut_into_tiles,
    denoise_picture as denoise_picture,
    estimate_std as estimate_std,
    resample_clipped as resample_clipped,
)
from .recipes import NETWORKS as NETWORKS, RECIPES as RECIPES, Recipe as Recipe, load_model as load_model, train_by_recipe as train_by_recipe
from .runs import Run as Run
from .sampling import gaussian_start as gaussian_start, sample as sample, walk as walk
from .shots import Learned as Learned, learn as learn, new_for_shots as new_for_shots
from .training import History as History, Trainer as Trainer, fit as fit, one_cycle as one_cycle
from .widgets import (
    NOISES as NOISES,
    change_latents as change_latents,
    compare as compare,
    explore_latents as explore_latents,
    explore_noise as explore_noise,
    explore_walk as explore_walk,
)

__version__: str
