"""Train U-Nets for single noise levels, and compare them with the blind one: python tools/specialists.py [--only KIND] [--share F] [--out FILE]

Each specialist starts from the packaged weights, so it has had all the blind network's training and more. The large ones have more than
twice the parameters. The one for σ = 0.1 starts from nothing, and its learning rate rises and falls three times; the others start from
the packaged network, with channels and blocks added that change nothing at first.
Writes denoise_ae/results/specialists.csv: all on the 10,000 test digits."""
import argparse
from pathlib import Path

import pandas as pd
import torch

from denoise_ae import RECIPES, GaussianNoise, UNet, evaluate, fit, mnist_tensors

OUT = Path(__file__).resolve().parent.parent / 'denoise_ae' / 'results' / 'specialists.csv'
SIGMAS = .1, .3, .5
LARGE = dict(widths=(48, 64, 96), blocks=(2, 2, 3))


def train(model, sigma, share, **options):
    options = RECIPES['unet'].options | {'noise': GaussianNoise(std=sigma)} | options
    options['epochs'] = max(1, round(share * options['epochs']))
    print(f'σ = {sigma}, {sum(p.numel() for p in model.parameters()):,} parameters, {options["epochs"]} epochs', flush=True)
    fit(model, mnist_tensors('train')[0], valid=mnist_tensors('valid')[0], **options)


def specialists(share):
    for sigma in SIGMAS:
        model = UNet.from_pretrained()
        train(model, sigma, share, epochs=4, lr=1e-2)
        yield sigma, model


def grown(large):
    "Make `large` do what the packaged U-Net does: its weights in a corner of each layer, and zeros where new channels would act on its own."
    packaged = UNet.from_pretrained().state_dict()
    for name, new in large.state_dict().items():
        if name not in packaged:
            if name.endswith('second.bias'):  # the last of a new block; its weights are zero already
                new.zero_()
        elif new.ndim == 1:
            new[:len(packaged[name])] = packaged[name]
        else:
            to, old = (x.transpose(0, 1) if name.startswith('grow') else x for x in (new, packaged[name]))  # output channels first
            to[:len(old)] = 0
            to[:len(old), :old.shape[1]] = old
    return large


def large_specialists(share):
    torch.manual_seed(0)
    model = UNet(**LARGE)
    for seed, options in enumerate((dict(epochs=20), dict(epochs=16, lr=1.5e-2), dict(epochs=16, lr=1.5e-2))):
        train(model, .1, share, seed=seed, **options)
    yield .1, model
    for sigma in SIGMAS[1:]:
        torch.manual_seed(0)
        model = grown(UNet(**LARGE))
        train(model, sigma, share, epochs=8, lr=2e-2)
        yield sigma, model


def scores(denoisers, sigmas):
    return evaluate(denoisers, mnist_tensors('test')[0], sigmas).drop(columns=['ssim', 'images_per_second', 'parameters'])


def main():
    kinds = {'specialist': specialists, 'large specialist': large_specialists}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', choices=kinds, metavar='KIND', help="'specialist', 12 minutes, or 'large specialist', 3 hours on 2 cores; other rows of FILE stay")
    parser.add_argument('--share', type=float, default=1, metavar='F', help='train for F times the epochs (1)')
    parser.add_argument('--out', type=Path, default=OUT, metavar='FILE', help='where to write; by default into the package')
    args = parser.parse_args()
    args.out.parent.mkdir(exist_ok=True)
    tables = [pd.read_csv(args.out)] if args.out.exists() else []
    tables.append(scores({'blind': UNet.from_pretrained()}, SIGMAS))
    for kind in [args.only] if args.only else kinds:
        for sigma, model in kinds[kind](args.share):  # written each time, so that hours are not lost if it is stopped
            tables.append(scores({kind: model}, [sigma]))
            table = pd.concat(tables).drop_duplicates(['denoiser', 'sigma'], keep='last').sort_values(['sigma', 'denoiser'], ignore_index=True)
            table.round({'psnr': 4, 'psnr_95': 4}).to_csv(args.out, index=False, lineterminator='\n')
    print(table.pivot(index='denoiser', columns='sigma', values='psnr').round(2))


if __name__ == '__main__':
    main()
