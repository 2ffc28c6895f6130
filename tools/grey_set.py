"""How well a network denoises a folder of grey pictures: python tools/grey_set.py FOLDER [--model NAME|DIR …] [--noisy] [--bm3d] [--each] [--out FILE]

Gaussian noise of σ = 15, 25 and 50 parts of 255 is added and not clipped; what comes out is clipped to [0, 1], as in the papers. The figures
are the mean PSNR over the pictures, in dB. The noise is the same each time. To measure on a set is not to choose by it: choices are made
on the validation photos."""
import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from denoise_ae import CLASSICAL, denoise, load_model, psnr, read_picture
from denoise_ae.recipes import LEVELS

KINDS = '.png', '.bmp', '.jpg', '.jpeg', '.npy'


def grey_pictures(folder):
    "Names and pictures, `(1, 1, H, W)`."
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in KINDS) if folder.is_dir() else []
    if not paths:
        sys.exit(f'there are no pictures in {folder}: name a folder with files of the kinds {", ".join(KINDS)}')
    for path in paths:
        picture = read_picture(path)
        if len(picture) != 1:
            sys.exit(f'{path} is in colour: this measures on grey pictures')
        yield path.name, picture[None]


def trained(source):
    "A network by its name, or from a folder, or the last one of a run's folder; and what to call it."
    folder = Path(source)
    last = folder / 'last' if (folder / 'checkpoints').is_dir() else source
    try:
        return load_model(last).float()
    except (OSError, ValueError) as error:
        sys.exit(str(error))


def methods(args):
    "Names, and functions of noisy pictures and σ that give pictures."
    if args.noisy:
        yield 'noisy', lambda noisy, sigma: noisy
        yield 'noisy, clipped', lambda noisy, sigma: noisy.clamp(0, 1)
    if args.bm3d:
        yield 'BM3D', lambda noisy, sigma: CLASSICAL['BM3D'][0](noisy, sigma).clamp(0, 1)
    for source in args.model:
        model = trained(source)
        yield str(source), lambda noisy, sigma, model=model: denoise(model, noisy).clamp(0, 1)


def measured(pictures, denoisers):
    "A row for each picture, noise level and method."
    for number, (name, clean) in enumerate(pictures):
        for level in LEVELS:
            noise = np.random.default_rng([number, level]).standard_normal(clean.shape, dtype=np.float32)
            noisy = clean + level / 255 * torch.from_numpy(noise)
            for method, function in denoisers.items():
                start = time.perf_counter()
                output = function(noisy, level / 255)
                yield {'picture': name, 'σ': level, 'method': method, 'PSNR': float(psnr(output, clean)), 'seconds': time.perf_counter() - start}


def write(path, rows):
    "Write the means, in place of those of the same methods that are there."
    new = rows.groupby(['method', 'σ'], sort=False)['PSNR'].agg(['mean', 'size']).round(3).reset_index()
    new.columns = 'denoiser', 'level', 'psnr', 'pictures'
    old = pd.read_csv(path) if path.exists() else new[:0]
    kept = old[~old['denoiser'].isin(new['denoiser'])]
    table = pd.concat([kept, new]) if len(kept) else new
    table.sort_values('level', kind='stable').to_csv(path, index=False, lineterminator='\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path, help='of grey pictures')
    parser.add_argument('--model', nargs='*', default=['photo-grey'], metavar='NAME|DIR', help='packaged networks, or folders of weights or of runs; perhaps none')
    parser.add_argument('--noisy', action='store_true', help='beside them the noisy pictures, as they are and clipped')
    parser.add_argument('--bm3d', action='store_true', help='beside them BM3D, told the σ; needs the package bm3d')
    parser.add_argument('--each', action='store_true', help='print each picture, too')
    parser.add_argument('--out', type=Path, metavar='FILE', help='write the means into a CSV file, too; the rows of other methods stay')
    args = parser.parse_args()
    if not (args.model or args.noisy or args.bm3d):
        parser.error('nothing to measure: name a network, or ask for --noisy or --bm3d')
    rows = pd.DataFrame(measured(list(grey_pictures(args.folder)), dict(methods(args))))
    pd.set_option('display.width', 250, 'display.max_rows', None)
    if args.each:
        print(rows.pivot(index='picture', columns=['method', 'σ'], values='PSNR').round(2), end='\n\n')
    if args.out:
        write(args.out, rows)
    table = rows.pivot_table(index='method', columns='σ', values='PSNR', sort=False)
    table['seconds a picture'] = rows.groupby('method')['seconds'].mean()
    print(f'mean PSNR in dB over {rows["picture"].nunique()} pictures; noise not clipped, output clipped')
    print(table.round(2))


if __name__ == '__main__':
    main()
