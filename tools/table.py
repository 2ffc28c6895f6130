"""Make the σ-table, denoise_ae/results/sigma.csv, on all 10,000 test digits: python tools/table.py [--images N] [--out FILE]

BM3D takes part if its package is there (pip install bm3d; for non-commercial use), on the first 100 digits: it is slow."""
import argparse
import importlib.util
from pathlib import Path

import pandas as pd
from torch import nn
from tqdm.auto import tqdm

from denoise_ae import CLASSICAL, NETWORKS, evaluate, load_model, mnist_tensors, pca_denoiser, tune

OUT = Path(__file__).resolve().parent.parent / 'denoise_ae' / 'results' / 'sigma.csv'


def competitors():
    "Names, denoisers and the most pictures each is tried on. Settings are chosen on validation digits."
    valid = mnist_tensors('valid')[0]
    yield 'noisy, clipped', nn.Identity(), None
    for name in CLASSICAL:
        if name != 'BM3D':
            yield name, tune(name, valid[:100]), None
        elif importlib.util.find_spec('bm3d'):
            yield name, tune(name, valid[:5]), 100
    components = [5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 100, 125, 150, 200, 250, 300, 400, 500]
    yield 'PCA', tune(pca_denoiser(mnist_tensors('train')[0]), valid[:1000], settings=components), None
    for name, network in NETWORKS.items():
        yield network.__name__, load_model(name), None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', type=int, default=10_000, metavar='N', help='how many test digits, 2 or more; all by default')
    parser.add_argument('--out', type=Path, default=OUT, metavar='FILE', help='where to write; by default into the package')
    args = parser.parse_args()
    if not 2 <= args.images <= 10_000:
        parser.error(f'--images must be from 2 to 10000, not {args.images}')
    images, parts = mnist_tensors('test')[0][:args.images], []
    for name, denoiser, most in tqdm(competitors(), total=len(CLASSICAL) + len(NETWORKS) + 2, unit='row', desc='σ-table'):
        part = evaluate({name: denoiser}, images[:most], progress=False)
        part.insert(2, 'images', len(images[:most]))
        settings = [denoiser[sigma].keywords['setting'] for sigma in part['sigma']] if isinstance(denoiser, dict) else ''
        parts.append(part.assign(setting=settings))
    table = pd.concat(parts).round({'psnr': 4, 'psnr_95': 4, 'ssim': 5, 'images_per_second': 0})
    args.out.parent.mkdir(exist_ok=True)
    table.to_csv(args.out, index=False, lineterminator='\n')
    print(table.pivot(index='denoiser', columns='sigma', values='psnr').loc[table['denoiser'].unique()].round(2))
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
