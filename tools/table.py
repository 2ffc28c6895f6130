"""Make the σ-table, denoise_ae/results/sigma.csv, on all 10,000 test digits: python tools/table.py [--only NAME] [--images N] [--out FILE]

The settings of the old methods are chosen on validation digits, and an autoencoder is trained for each σ by the recipe of lesson 03.
BM3D takes part if its package is there (pip install bm3d; for non-commercial use), on the first 100 digits: it is slow."""
import argparse
import importlib.util
from functools import partial
from pathlib import Path

import pandas as pd
from torch import nn
from tqdm.auto import tqdm

from denoise_ae import (CLASSICAL, NETWORKS, GaussianNoise, evaluate, kernel_denoiser, lmmse_denoiser, load_model, mnist_tensors,
                        pca_denoiser, train_by_recipe, tune)

SIGMAS = .1, .2, .3, .5, .7, 1.
OUT = Path(__file__).resolve().parent.parent / 'denoise_ae' / 'results' / 'sigma.csv'
COMPONENTS = [5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 100, 125, 150, 200, 250, 300, 400, 500]
LEVELS = [.05, .06, .08, .1, .12, .15, .18, .2, .22, .25, .28, .3, .33, .36, .4, .45, .5, .55, .6, .65, .7, .75, .8, .9, 1., 1.1, 1.2, 1.4, 1.6, 1.8, 2., 2.3]


def learned(make, settings, few):
    "A method that knows the training digits, with its best setting for each σ."
    return tune(make(mnist_tensors('train')[0]), mnist_tensors('valid')[0][:few], SIGMAS, settings)


def for_each():
    return {sigma: train_by_recipe('autoencoder', noise=GaussianNoise(std=sigma))[0] for sigma in SIGMAS}


def competitors():
    "Names, what makes the denoiser, and the most pictures it is tried on."
    few = mnist_tensors('valid')[0][:100]
    found = {'noisy, clipped': (nn.Identity, None)}
    found |= {name: (partial(tune, name, few, SIGMAS), None) for name in CLASSICAL}
    found['BM3D'] = partial(tune, 'BM3D', few[:5], SIGMAS), 100
    found |= {'PCA': (partial(learned, pca_denoiser, COMPONENTS, 1000), None), 'LMMSE': (partial(learned, lmmse_denoiser, LEVELS, 1000), None),
              'kernel average': (partial(learned, kernel_denoiser, LEVELS, 100), None), 'Autoencoder for each σ': (for_each, None)}
    return found | {network.__name__: (partial(load_model, name), None) for name, network in NETWORKS.items()}


def rows(name, make, most, images):
    denoiser = make()
    part = evaluate({name: denoiser}, images[:most], SIGMAS, progress=False)
    part.insert(2, 'images', len(images[:most]))
    by_level = [denoiser[sigma] if isinstance(denoiser, dict) else denoiser for sigma in SIGMAS]
    settings = [getattr(each, 'keywords', {}).get('setting', '') for each in by_level]
    part = part.assign(setting=settings).drop(columns=['ssim', 'images_per_second'])  # those that lessons measure themselves
    return part.round({'psnr': 4, 'psnr_95': 4})


def main():
    everybody = competitors()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    able = [name for name in everybody if name != 'BM3D' or importlib.util.find_spec('bm3d')]
    parser.add_argument('--only', nargs='+', choices=everybody, default=able, metavar='NAME', help='these rows; the others of FILE stay')
    parser.add_argument('--images', type=int, default=10_000, metavar='N', help='how many test digits, 2 or more; all by default')
    parser.add_argument('--out', type=Path, default=OUT, metavar='FILE', help='where to write; by default into the package')
    args = parser.parse_args()
    if not 2 <= args.images <= 10_000:
        parser.error(f'--images must be from 2 to 10000, not {args.images}')
    images, table = mnist_tensors('test')[0][:args.images], pd.read_csv(args.out) if args.out.exists() else pd.DataFrame({'denoiser': []})
    args.out.parent.mkdir(exist_ok=True)
    order = [*everybody]
    for name in tqdm(args.only, unit='row', desc='σ-table'):
        table = pd.concat([table[table['denoiser'] != name], rows(name, *everybody[name], images)])
        table = table.sort_values('denoiser', key=lambda names: names.map(order.index), kind='stable')
        table.to_csv(args.out, index=False, lineterminator='\n')  # each time, so that nothing is lost if it is stopped
    print(table.pivot(index='denoiser', columns='sigma', values='psnr').loc[table['denoiser'].unique()].round(2))
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
