"""How much of a digit fits into a few numbers? Make the table denoise_ae/results/bottleneck.csv: python tools/bottlenecks.py [--device cuda]

Fully connected autoencoders with k numbers in the middle, for several k, and several networks with ten. Each is trained for 15 epochs at two
learning rates, then, at the better one, anew for twice the epochs, and so on, until that gains less than 0.1 dB on the validation digits, up to
240. Each training is a row. PCA stands beside each k, and the pictures left alone. All see digits with noise of σ = 0.1 and are measured on the 10,000
test digits, clean and with such noise. What is in the table already is not trained again: stop it and go on as you like."""
import argparse
from pathlib import Path

import pandas as pd
import torch
from torch import nn
from tqdm.auto import tqdm

from denoise_ae import Autoencoder, GaussianNoise, denoise, fit, mnist_tensors, pca_denoiser, psnr, ssim
from denoise_ae.autoencoder import start_orthogonal
from denoise_ae.randomness import seeded

OUT = Path(__file__).resolve().parent.parent / 'denoise_ae' / 'results' / 'bottleneck.csv'
NUMBERS = 2, 5, 10, 20, 50
RATES = 2e-3, 5e-3
EPOCHS = 15, 30, 60, 120, 240


def dense(*sizes):
    "A fully connected autoencoder with these layers from 784 down to the bottleneck, and the same back."
    def layers(*sizes):
        return [layer for n, m in zip(sizes, sizes[1:]) for layer in (nn.Linear(n, m), nn.ReLU())][:-1]
    model = nn.Sequential(nn.Flatten(), *layers(784, *sizes), *layers(*sizes[::-1], 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28)))
    return model.apply(start_orthogonal)


def with_default_start():
    "The course's network as PyTorch would begin it."
    return Autoencoder().apply(lambda layer: isinstance(layer, nn.Linear) and layer.reset_parameters())


NETWORKS = {  # its name, how many numbers in the middle, and what makes it
    **{f'784-256-128-{k}': (k, lambda k=k: dense(256, 128, k)) for k in NUMBERS},
    '784-512-256-10': (10, lambda: dense(512, 256, 10)),
    '784-1024-512-10': (10, lambda: dense(1024, 512, 10)),
    'as in lesson 02': (10, Autoencoder),
    'as in lesson 02, default start': (10, with_default_start)}


def scores(denoiser):
    "On the test digits, clean and noisy."
    clean, row = mnist_tensors('test')[0], {}
    noisy = GaussianNoise(std=.1, generator=torch.Generator().manual_seed(0))(clean)
    for name, given in {'clean': clean, 'noisy': noisy}.items():
        output = (denoise(denoiser, given) if isinstance(denoiser, nn.Module) else denoiser(given)).clamp(0, 1)
        row |= {f'psnr_{name}': psnr(output, clean).mean().item(), f'ssim_{name}': ssim(output, clean).mean().item()}
    return row


def trained(name, epochs, lr, device):
    "A network, trained and measured, as a row of the table."
    k, make = NETWORKS[name]
    (images, _), (valid, _) = (mnist_tensors(split) for split in ('train', 'valid'))
    with seeded(0):
        model = make()
    history = fit(model, images, GaussianNoise(std=.1), valid=valid, epochs=epochs, lr=lr, device=device)
    parameters = sum(p.numel() for p in model.parameters())
    return {'network': name, 'numbers': k, 'parameters': parameters, 'epochs': epochs, 'lr': lr, 'psnr_valid': history.valid_psnr[-1], **scores(model)}


def until_it_stops(row_of):
    "Train at both rates, then for longer and longer at the better one, until it gains no more. `row_of` takes epochs and a rate."
    before = max((row_of(EPOCHS[0], lr) for lr in RATES), key=lambda row: row['psnr_valid'])
    for epochs in EPOCHS[1:]:
        row = row_of(epochs, before['lr'])
        if row['psnr_valid'] < before['psnr_valid'] + .1:
            break
        before = row


def rivals():
    "Doing nothing, and PCA with each number of components, as rows of the table."
    by_pca = pca_denoiser(mnist_tensors('train')[0], max(NUMBERS))
    yield {'network': 'left alone', 'numbers': 784, 'parameters': 0, 'epochs': 0, 'lr': 0., **scores(lambda x: x)}
    for k in NUMBERS:
        yield {'network': 'PCA', 'numbers': k, 'parameters': 784 * (k + 1), 'epochs': 0, 'lr': 0., **scores(lambda x, k=k: by_pca(x, k))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--network', choices=NETWORKS, action='append', help='only this one; may be given several times')
    parser.add_argument('--device', default='cpu', help="where to train, such as 'cuda' (cpu)")
    parser.add_argument('--out', type=Path, default=OUT, metavar='FILE', help='where to write; by default into the package')
    args = parser.parse_args()
    args.out.parent.mkdir(exist_ok=True)
    rows = pd.read_csv(args.out).to_dict('records') if args.out.exists() else list(rivals())

    for name in tqdm(args.network or NETWORKS, desc='networks'):
        def row_of(epochs, lr, name=name):
            for row in rows:
                if (row['network'], row['epochs'], row['lr']) == (name, epochs, lr):
                    return row
            rows.append(trained(name, epochs, lr, args.device))
            pd.DataFrame(rows).round(4).to_csv(args.out, index=False, lineterminator='\n')  # each time, so that nothing is lost
            return rows[-1]
        until_it_stops(row_of)
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == '__main__':
    main()
