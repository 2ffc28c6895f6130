"""Train the packaged weights anew, as the course did: python tools/weights.py [NAME …] [--runs FOLDER] [--cards]

Each is a run in a folder of its own: stopped by Ctrl-C or killed, the same command goes on where it was. A finished run is not trained again.
With --cards nothing is trained: the model cards are written anew, with the figures that `make table` has measured."""
import argparse
import copy
import sys
import time
from pathlib import Path

import pandas as pd

from denoise_ae import RECIPES, Run, denoise, load_model, results, train_by_recipe
from denoise_ae.cards import facts_of
from denoise_ae.recipes import LEVELS, psnr_of_part

ROOT = Path(__file__).resolve().parent.parent
FOLDER, RESULTS = (ROOT / 'denoise_ae' / name for name in ('weights', 'results'))


class Telling:
    "A line for each epoch, for a log that somebody reads hours later."
    def after_epoch(self, trainer):
        print(f'{time.strftime("%H:%M:%S")} epoch {len(trainer.history)} of {trainer.epochs}, step {trainer.done}: {trainer.history.last()}', flush=True)


def on_digits(model):
    "The PSNR that `make table` has measured, as rows of a table."
    table = results('sigma').pivot(index='sigma', columns='denoiser', values='psnr')[['noisy, clipped', type(model).__name__]]
    return 'The mean PSNR in dB over the 10,000 test digits, clipped to [0, 1]', table.itertuples()


def on_photos(model, valid):
    "The PSNR on the validation photos, as rows of a table."
    noisy, clean = valid.tensors
    output = denoise(model, noisy, batch_size=8)
    rows = [(level / 255, *(float(psnr_of_part(each, clean, part).mean()) for each in (noisy, output))) for part, level in enumerate(LEVELS)]
    return 'The mean PSNR in dB over the validation photos, clipped to [0, 1]', rows


def note(name, model):
    "What the model card of a packaged model says besides: where it is, what it has seen, and its PSNR."
    seen = RECIPES[name]
    what, rows = on_photos(copy.deepcopy(model).float(), seen.valid()) if name.startswith('photo') else on_digits(model)
    rows = '\n'.join(f'| {sigma:.3g} | {noisy:.2f} | {denoised:.2f} |' for sigma, noisy, denoised in rows)
    return f'''
It comes with the package, and `load_model('{name}')` loads it by its name. It was trained on {seen.pictures}.
{what}:

| σ of the noise | noisy | denoised |
|---|---|---|
{rows}

{seen.limits}'''.rstrip()


def packaged(name):
    "A packaged model, in the number format it is stored in."
    return stored(name, load_model(name))


def stored(name, model):
    "A network in numbers of 16 bits, but for the oldest: the rounding costs less than 0.01 dB."
    return model if name == 'autoencoder' else model.half()


def train(name, runs):
    "The trained network, from its run as far as it was kept. Ends the program if the run was stopped."
    run = Run(runs / name, resume=True, every=120)
    model, history = train_by_recipe(name, run=run, callbacks=[Telling()], progress=sys.stderr.isatty())
    if len(history) < RECIPES[name].options['epochs']:
        sys.exit(f'{run.folder} holds {len(history)} of {RECIPES[name].options["epochs"]} epochs: the same command goes on')
    if name.startswith('photo'):
        keep_history(name, history)
    return model


def keep_history(name, history):
    "Write into the package what a network for photos reached after each epoch, and how much it had seen by then."
    patches = RECIPES[name].data()
    table = pd.DataFrame({column.removeprefix('valid_'): values for column, values in vars(history).items() if 'psnr' in column}).round(3)
    table.insert(0, 'megapixels', [len(patches) * patches.size**2 * n / 1e6 for n in range(1, len(table) + 1)])
    table.to_csv(RESULTS / f'{name}.csv', index=False, lineterminator='\n')


def write(name, model):
    "Write a network into the package, with its card."
    model.trained_on = facts_of(RECIPES[name].options['noise'])
    folder = FOLDER / RECIPES[name].folder
    (folder / 'README.md').unlink(missing_ok=True)  # a card that is there would be kept
    model.save_pretrained(folder, model_card_kwargs={'note': note(name, model)})


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('names', nargs='*', metavar='NAME', choices=[*RECIPES, []], help=f'of a recipe: {", ".join(RECIPES)}; by default all, or all that are packaged')
    parser.add_argument('--runs', type=Path, default=ROOT / '_build' / 'weights', help='where the runs are kept')
    parser.add_argument('--cards', action='store_true', help='train nothing, write the cards anew')
    args = parser.parse_args()
    for name in args.names or ([name for name in RECIPES if (FOLDER / RECIPES[name].folder).is_dir()] if args.cards else RECIPES):
        print(name)
        write(name, packaged(name) if args.cards else stored(name, train(name, args.runs)))


if __name__ == '__main__':
    main()
