"""Train the packaged weights anew, as the course did: python tools/weights.py [autoencoder] [mlp] [conv] [unet]

With --cards nothing is trained: the model cards are written anew, with the figures that `make table` has measured."""
import sys
from pathlib import Path

from denoise_ae import NETWORKS, RECIPES, load_model, results, train_by_recipe
from denoise_ae.cards import facts_of

FOLDER = Path(__file__).resolve().parent.parent / 'denoise_ae' / 'weights'


def packaged(name):
    "A packaged model, in the number format it is stored in."
    model = load_model(name)
    return model if name == 'autoencoder' else model.half()


def note(model):
    "What the model card of a packaged model says besides: where it is, its training digits, and its PSNR."
    name = type(model).__name__
    table = results('sigma').pivot(index='sigma', columns='denoiser', values='psnr')[['noisy, clipped', name]]
    rows = '\n'.join(f'| {sigma:g} | {noisy:.2f} | {denoised:.2f} |' for sigma, noisy, denoised in table.itertuples())
    return f'''
It comes with the package, and `{name}.from_pretrained()` loads it without a folder. It was trained on 55,000 of the training digits of MNIST
(Y. LeCun, C. Cortes, C. Burges, CC BY-SA 3.0). The mean PSNR in dB over the 10,000 test digits, clipped to [0, 1]:

| σ of the noise | noisy | denoised |
|---|---|---|
{rows}'''


def main(names):
    cards_only, names = '--cards' in names, [name for name in names if name != '--cards'] or list(NETWORKS)
    if unknown := set(names) - set(NETWORKS):
        sys.exit(f'there is no recipe for {", ".join(sorted(unknown))}: choose from {", ".join(NETWORKS)}')
    for name in names:
        print(name)
        kind = NETWORKS[name]
        model = packaged(name) if cards_only else train_by_recipe(kind)[0]
        if name != 'autoencoder':
            model.half()  # the rounding costs less than 0.01 dB
        model.trained_on = facts_of(RECIPES[kind]['noise'])
        folder = FOLDER / kind.__name__.lower()
        (folder / 'README.md').unlink(missing_ok=True)  # a card that is there would be kept
        model.save_pretrained(folder, model_card_kwargs={'note': note(model)})


if __name__ == '__main__':
    main(sys.argv[1:])
