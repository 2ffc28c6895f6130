"""Train the packaged weights anew, as the course did: python tools/weights.py [autoencoder] [mlpdenoiser] [convautoencoder] [unet]

With --cards nothing is trained: the model cards are written anew, with the figures that `make table` has measured."""
import sys
from pathlib import Path

from denoise_ae import Autoencoder, ConvAutoencoder, MLPDenoiser, UNet, pretrain, pretrain_denoiser, results

FOLDER = Path(__file__).resolve().parent.parent / 'denoise_ae' / 'weights'
KINDS = {kind.__name__.lower(): kind for kind in (MLPDenoiser, ConvAutoencoder, UNet)}


def packaged(name):
    "A packaged model, in the number format it is stored in."
    return Autoencoder.from_pretrained() if name == 'autoencoder' else KINDS[name].from_pretrained().half()


def card(name):
    "The model card of a packaged model, with its PSNR."
    model = packaged(name)
    table = results('sigma').pivot(index='sigma', columns='denoiser', values='psnr')[['noisy, clipped', type(model).__name__]]
    rows = '\n'.join(f'| {sigma:g} | {noisy:.2f} | {denoised:.2f} |' for sigma, noisy, denoised in table.itertuples())
    note = f'''
It comes with the package, and `{type(model).__name__}.from_pretrained()` loads it without a folder. It was trained on 55,000 of the training digits of MNIST
(Y. LeCun, C. Cortes, C. Burges, CC BY-SA 3.0). The mean PSNR in dB over the 10,000 test digits, clipped to [0, 1]:

| σ of the noise | noisy | denoised |
|---|---|---|
{rows}'''
    return model.generate_model_card(std=.1 if name == 'autoencoder' else (.05, 1.), note=note)


def main(names):
    cards_only, names = '--cards' in names, [name for name in names if name != '--cards']
    if unknown := set(names) - {'autoencoder', *KINDS}:
        sys.exit(f'there is no recipe for {", ".join(sorted(unknown))}: choose from autoencoder, {", ".join(KINDS)}')
    for name in names or ['autoencoder', *KINDS]:
        print(name)
        if not cards_only:
            # the rounding costs less than 0.01 dB
            model = pretrain()[0] if name == 'autoencoder' else pretrain_denoiser(KINDS[name])[0].half()
            model.save_pretrained(FOLDER / name)
            (FOLDER / name / 'model.safetensors').chmod(0o644)
        card(name).save(FOLDER / name / 'README.md')


if __name__ == '__main__':
    main(sys.argv[1:])
