"""Compare denoisers on the test photos, in colour: python tools/photo_table.py [--only NAME …] [--missing] [--times] [--out FOLDER]

Gaussian noise of σ = 15, 25 and 50 parts of 255 is added and not clipped; what comes out is clipped to [0, 1]. Each of the old methods has
the setting that is best on the validation photos at this σ; those that are slow, on squares from their middle. A network for grey pictures
gets the three colours one after the other. Into FOLDER go
  photo_each.csv   PSNR and SSIM of each photo, and the setting
  photo_times.csv  with --times: seconds for a megapixel on one core. Close other programs first
  photo_table.csv  made from these two: means, with half their 95 % intervals, and the lead over the best of the old methods, photo by photo
BM3D takes part if its package is there (pip install bm3d; for non-commercial use), a network if its weights are. OpenCV goes into
.venv-bench, the environment of the bench; it takes no other pixels than bytes, so its input is clipped and rounded."""
import argparse
import importlib.util
import math
import os
import subprocess
import sys
import time
from ast import literal_eval
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path
from statistics import median

import bench
import numpy as np
import pandas as pd
import torch
from scipy.stats import t
from torch import nn
from tqdm.auto import tqdm

from denoise_ae import RECIPES, GaussianNoise, denoise, evaluate, load_model, photos, tune
from denoise_ae.classical import each_picture, method_and_settings
from denoise_ae.recipes import LEVELS

OUT = bench.ROOT / 'denoise_ae' / 'results'
OPENCV = ['opencv-python-headless>=4.9']
SLOW = 30  # seconds; what takes longer for a megapixel is timed once


def opencv(x, setting):
    "OpenCV's non-local means for colours: how different surroundings may be in brightness and in tint."
    import cv2
    cv2.setNumThreads(1)
    h, h_tint = (255 * value for value in setting)

    def means(picture):
        in_bytes = (255 * picture.clip(0, 1)).round().astype(np.uint8)
        return cv2.fastNlMeansDenoisingColored(np.ascontiguousarray(in_bytes[..., ::-1]), None, h, h_tint)[..., ::-1] / 255  # blue comes first
    return each_picture(means, x)


@dataclass(frozen=True)
class Axis:
    "The values to try for one number of a setting."
    values: tuple
    of_sigma: bool = True  # are they multiples of σ?
    natural: tuple = ()  # ends beyond which there is nothing

    def at(self, sigma, values=None):
        values = self.values if values is None else values
        return [round(value * sigma, 4) for value in values] if self.of_sigma else list(values)


@dataclass(frozen=True)
class Rival:
    "An old method: how to find its best setting."
    axes: tuple
    method: object = None  # a function, where tune doesn't know its name
    package: str = 'skimage'
    side: int | None = None  # of the squares that it is tuned on; None: on whole photos

    def settings(self, sigma):
        lists = [axis.at(sigma) for axis in self.axes]
        return lists[0] if len(lists) == 1 else [*product(*lists)]

    def check_inside(self, setting, sigma):
        "Raise a `RuntimeError` if a number of the setting is the first or last that was tried: a better one might lie beyond."
        for axis, value in zip(self.axes, setting if isinstance(setting, tuple) else (setting,)):
            values = axis.at(sigma)
            if value in (values[0], values[-1]) and value not in axis.at(sigma, axis.natural):
                raise RuntimeError(f'at σ = {255 * sigma:g}/255 the best setting is {setting}, and {value} is at an end of {values}: '
                                   'widen this list in tools/photo_table.py')


LEVEL = (Axis((.8, .9, 1., 1.1, 1.2)),)  # of the noise, as the method is told
SIDE = 128  # of the squares for slow methods
RIVALS = {
    'Gaussian filter': Rival((Axis((.3, .35, .4, .45, .5, .55, .6, .65, .7, .75, .8, .85, .9, 1., 1.1, 1.2, 1.4, 1.6, 1.8), of_sigma=False),)),
    'median': Rival((Axis((2, 3, 4, 5, 6, 7), of_sigma=False, natural=(2,)),)),
    'Wiener filter': Rival((Axis((3, 4, 5, 6, 7, 9), of_sigma=False, natural=(3,)),)),
    'bilateral filter': Rival((Axis((.4, .5, .6, .8, 1., 1.3, 1.6, 2., 2.5, 3., 4.), of_sigma=False),  # if all colours are similar, it is a Gaussian filter
                               Axis((.3, .4, .5, .6, .8, 1., 1.5, 2.5, 5., 10.), natural=(10.,))), side=SIDE),
    'total variation': Rival((Axis((.25, .3, .35, .4, .45, .5, .55, .6, .65, .7, .8, .9, 1., 1.1, 1.25)),)),
    'wavelets': Rival((Axis((.7, .8, .9, 1., 1.1, 1.2, 1.3)),)),
    'wavelets in colour': Rival((Axis(('BayesShrink', 'VisuShrink'), of_sigma=False, natural=('BayesShrink', 'VisuShrink')),
                                 Axis((.2, .25, .3, .35, .4, .5, .6, .7, .8, .9, 1., 1.1, 1.2, 1.3)))),
    'non-local means': Rival((Axis((.35, .45, .55, .65, .75, .9)), Axis((0., .7, 1., 1.3), natural=(0.,))), side=SIDE),
    'non-local means in colour': Rival((Axis((.3, .4, .5, .6, .7, .85)), Axis((0., .7, 1., 1.3), natural=(0.,)),
                                        Axis((3, 5, 7, 9), of_sigma=False, natural=(3,))), side=SIDE),
    'OpenCV non-local means': Rival((Axis((.35, .45, .5, .55, .65, .75, .9)), Axis((.3, .45, .6, .75, .9, 1.2))), opencv, 'cv2', side=SIDE),
    'BM3D': Rival(LEVEL, package='bm3d', side=SIDE),
    'BM3D in colour': Rival(LEVEL, package='bm3d', side=SIDE)}


def middle(picture, side):
    "A square from the middle of a picture, or all of it."
    top, left = ((length - side) // 2 for length in picture.shape[1:]) if side else (0, 0)
    return picture[:, top:, left:][:, :side, :side]


def tuned(name, sigma, jury):
    "An old method with its best setting at one σ, and that setting."
    rival = RIVALS[name]
    best = tune(rival.method or name, [middle(picture, rival.side) for picture in jury], sigma, rival.settings(sigma))[sigma]
    rival.check_inside(best.keywords['setting'], sigma)
    return best, best.keywords['setting']


def network(name):
    "A packaged network as a function of pictures in colour: those for grey ones get the colours one after the other."
    model = load_model(name).float()
    if model.channels == 3:
        return partial(denoise, model, batch_size=1)
    return lambda x: denoise(model, x.flatten(0, 1)[:, None], batch_size=1).reshape(x.shape)


@cache
def networks():
    "The names of those that take pictures of any size."
    return [name for name, recipe in RECIPES.items() if recipe.make().image_size is None]


def competitor(name, sigma, jury):
    "A denoiser, and its setting at this σ as text."
    if name == 'noisy':
        return nn.Identity(), ''
    if name in RIVALS:
        function, setting = tuned(name, sigma, jury)
        return function, str(setting)
    return network(name), ''


def installed(package):
    return importlib.util.find_spec(package) is not None


def what_is_missing(name):
    "Why a denoiser can't take part in this environment, or nothing."
    if name in RIVALS and not installed(RIVALS[name].package):
        return f'the package {RIVALS[name].package} is not installed'
    try:
        if name in networks():
            load_model(name)
    except OSError as error:
        return str(error)


def measured(name, level, pictures, jury):
    "A row for each photo."
    denoiser, setting = competitor(name, level / 255, jury)
    rows = evaluate({name: denoiser}, pictures, level / 255, progress=False, each=True)
    return rows.drop(columns='sigma').assign(level=level, setting=setting).round({'psnr': 4, 'ssim': 5})


def megapixel(picture):
    "A picture of about a megapixel, from a photo and its mirror images."
    wide = torch.cat([picture, picture.flip(2)], 2)
    return torch.cat([wide, wide.flip(1), wide], 1)[None]


@contextmanager
def one_core():
    "Keep all that is called in here on one core: BM3D takes as many as there are, whatever PyTorch is told. Only Linux can be asked for that."
    cores = os.sched_getaffinity(0) if hasattr(os, 'sched_getaffinity') else ()
    torch.set_num_threads(1)
    try:
        if cores:
            os.sched_setaffinity(0, {min(cores)})
        yield
    finally:
        if cores:
            os.sched_setaffinity(0, cores)


@one_core()
def timed(each, names, repeats):
    "Seconds for a megapixel at the middle σ, in turns, so that a slow minute of the machine hits all."
    level, clean = LEVELS[1], megapixel(photos('test')[0])
    noisy = GaussianNoise(std=level / 255, generator=torch.Generator().manual_seed(0))(clean)
    settings = each.query('level == @level').groupby('denoiser')['setting'].first()
    functions, seconds = {}, {name: [] for name in names}
    for name in names:
        method = method_and_settings(RIVALS[name].method or name, [0])[0] if name in RIVALS else None
        functions[name] = partial(method, setting=literal_eval(settings[name])) if method else competitor(name, level / 255, None)[0]
        functions[name](noisy[..., :64, :64])  # the first call prepares things
    for name in tqdm(names * repeats, unit='picture', desc='times'):
        if max(seconds[name], default=0) < SLOW:
            start = time.perf_counter()
            functions[name](noisy)
            seconds[name].append((time.perf_counter() - start) * 1e6 / clean[0, 0].numel())
    return pd.DataFrame([{'denoiser': name, 'seconds': median(found), 'fastest': min(found), 'slowest': max(found), 'times': len(found),
                          'machine': bench.machine('cpu')} for name, found in seconds.items()]).round(4)


def half_interval(values):
    "Half the 95 % interval of a mean of few values, by Student's t."
    return t.ppf(.975, len(values) - 1) * values.std() / math.sqrt(len(values)) if len(values) > 1 else math.nan


def summary(each, times):
    """A row for each denoiser and σ. `lead` is the mean difference to the best of the old methods there, photo by photo, and `speed` says
    how many times as fast as BM3D in colour it is."""
    rows, seconds = [], times.set_index('denoiser')['seconds'] if len(times) else pd.Series(dtype=float)
    for level, part in each.groupby('level'):
        psnr, ssim = (part.pivot(index='image', columns='denoiser', values=value) for value in ('psnr', 'ssim'))
        best = psnr[[name for name in psnr if name in RIVALS or name == 'noisy']].mean().idxmax()
        for name in part['denoiser'].unique():
            lead, took = psnr[name] - psnr[best], seconds.get(name, math.nan)
            rows.append({'denoiser': name, 'level': level, 'psnr': psnr[name].mean(), 'psnr_95': half_interval(psnr[name]), 'lead': lead.mean(),
                         'lead_95': half_interval(lead), 'ssim': ssim[name].mean(), 'setting': part.set_index('denoiser')['setting'][[name]].iloc[0],
                         'seconds': took, 'speed': seconds.get('BM3D in colour', math.nan) / (took or math.nan)})  # doing nothing takes no time
    digits = {'psnr': 3, 'psnr_95': 3, 'lead': 3, 'lead_95': 3, 'ssim': 4, 'speed': 1}
    return pd.DataFrame(rows).round(digits)


def read(path, columns):
    return pd.read_csv(path, keep_default_na=False) if path.exists() else pd.DataFrame(columns=columns)


class Tables:
    "The three files in a folder, in the order of all competitors. They are written after each step, so that nothing is lost if it is stopped."
    def __init__(self, folder):
        self.folder, self.order = folder, ['noisy', *RIVALS, *networks()]
        self.each = read(folder / 'photo_each.csv', ['denoiser', 'level', 'image', 'psnr', 'ssim', 'setting'])
        self.times = read(folder / 'photo_times.csv', ['denoiser', 'seconds'])

    def has(self, name, level):
        return bool(((self.each['denoiser'] == name) & (self.each['level'] == level)).any())

    def with_rows(self, table, rows, by):
        "A table with rows in place of those that had the same denoiser and, by `level`, σ."
        new = set(rows[by].itertuples(index=False, name=None))
        kept = table[[key not in new for key in table[by].itertuples(index=False, name=None)]]
        joined = pd.concat([kept, rows]) if len(kept) else rows
        joined = joined[[column for column in joined if column != 'setting'] + ['setting'] * ('setting' in joined)]
        return joined.sort_values(by, key=lambda values: values.map(self.order.index) if values.name == 'denoiser' else values,
                                  kind='stable', ignore_index=True)

    def write(self, each=None, times=None):
        "Put rows in and write all files. Returns the table that is made from the other two."
        self.each = self.each if each is None else self.with_rows(self.each, each, ['denoiser', 'level'])
        self.times = self.times if times is None else self.with_rows(self.times, times, ['denoiser'])
        tables = {'photo_each': self.each, 'photo_times': self.times, 'photo_table': summary(self.each, self.times)}
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            if len(table):
                table.to_csv(self.folder / f'{name}.csv', index=False, lineterminator='\n')
        return tables['photo_table']


def run_with_opencv(names, args):
    "Have the Python of the bench's environment do the rows of some denoisers. Returns why it could not, or nothing."
    python, failed = bench.install(args.peers, 'cpu', {'OpenCV': OPENCV})
    if failed:
        return failed['OpenCV']
    options = [f'--{name}' for name in ('missing', 'times') if getattr(args, name)]
    run = subprocess.run([python, __file__, '--only', *names, '--out', args.out, '--photos', str(args.photos), '--repeats', str(args.repeats), *options])
    return f'it ended with the status {run.returncode}' if run.returncode else None


def able(names, args):
    "Those of the denoisers that can be measured here. Has the others measured elsewhere, or says why they are left out."
    missing = {name: reason for name in names if (reason := what_is_missing(name))}
    elsewhere = [name for name in missing if name in RIVALS and RIVALS[name].package == 'cv2']
    if elsewhere:
        missing |= dict.fromkeys(elsewhere, run_with_opencv(elsewhere, args))
    for name, reason in missing.items():
        if reason:
            print(f'left out: {name}: {reason}')
    return [name for name in names if name not in missing]


def main():
    everybody = ['noisy', *RIVALS, *networks()]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', nargs='+', choices=everybody, default=everybody, metavar='NAME', help='these denoisers; the rows of others stay')
    parser.add_argument('--missing', action='store_true', help='only what is not in the files yet: goes on after a stop')
    parser.add_argument('--times', action='store_true', help='measure the time, and nothing else')
    parser.add_argument('--repeats', type=int, default=5, metavar='N', help=f'how often; once what takes more than {SLOW} s (5)')
    parser.add_argument('--photos', type=int, default=12, metavar='N', help='how many test photos, 2 or more; all by default')
    parser.add_argument('--out', type=Path, default=OUT, metavar='FOLDER', help='where the files go; by default into the package')
    parser.add_argument('--peers', type=Path, default=bench.ROOT / '.venv-bench', metavar='FOLDER', help='the environment with OpenCV (.venv-bench)')
    args = parser.parse_args()
    if not 2 <= args.photos <= 12 or args.repeats < 1:
        parser.error('--photos must be from 2 to 12, --repeats 1 or more')
    names = able(args.only, args)
    tables, pictures, jury = Tables(args.out), photos('test')[:args.photos], photos('valid')[:args.photos]
    try:
        if args.times:
            names = [name for name in names if tables.has(name, LEVELS[1]) and not (args.missing and name in [*tables.times['denoiser']])]
            tables.write(times=timed(tables.each, names, args.repeats) if names else None)
        else:
            steps = [(name, level) for name in names for level in LEVELS if not (args.missing and tables.has(name, level))]
            for name, level in tqdm(steps, unit='row', desc='photos'):
                tables.write(each=measured(name, level, pictures, jury))
    except RuntimeError as error:
        sys.exit(f'photo_table.py: {error}')
    pd.set_option('display.width', 250, 'display.max_columns', None, 'display.max_rows', None)
    print(tables.write().to_string(index=False))
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
