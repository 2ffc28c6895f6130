"""Train the blind U-Net on at single noise levels, and compare: python tools/specialists.py [--epochs N] [--out FILE]

Each specialist starts from the packaged weights, so it has had all the blind network's training and more.
Writes denoise_ae/results/specialists.csv: blind and specialist on all 10,000 test digits."""
import argparse
from pathlib import Path

from denoise_ae import GaussianNoise, UNet, evaluate, fit, mnist_tensors, psnr_loss

OUT = Path(__file__).resolve().parent.parent / 'denoise_ae' / 'results' / 'specialists.csv'


def specialist(sigma, epochs):
    print(f'a specialist at σ = {sigma}')
    model = UNet.from_pretrained()
    fit(model, mnist_tensors('train')[0], GaussianNoise(std=sigma), valid=mnist_tensors('valid')[0], loss=psnr_loss,
        **UNet.recipe | dict(epochs=epochs, lr=1e-2))
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--epochs', type=int, default=4, help='passes over the training digits for each specialist')
    parser.add_argument('--out', type=Path, default=OUT, metavar='FILE', help='where to write; by default into the package')
    args = parser.parse_args()
    sigmas = (.1, .3, .5)
    networks = {'blind': UNet.from_pretrained(), 'specialist': {sigma: specialist(sigma, args.epochs) for sigma in sigmas}}
    table = evaluate(networks, mnist_tensors('test')[0], sigmas).drop(columns=['images_per_second', 'parameters'])
    args.out.parent.mkdir(exist_ok=True)
    table.round({'psnr': 4, 'psnr_95': 4, 'ssim': 5}).to_csv(args.out, index=False, lineterminator='\n')
    print(table.pivot(index='denoiser', columns='sigma', values='psnr').round(2))


if __name__ == '__main__':
    main()
