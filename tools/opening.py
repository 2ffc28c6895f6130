"""The moving picture at the top of README.md and of a first page without JavaScript: python tools/opening.py

Ten digits, the same noise growing and going on them, and what two networks of the package make of it, with the mean PSNR of each row."""
import torch
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

from denoise_ae import Autoencoder, UNet, denoise, mnist_tensors, one_of_each, psnr
from notebooks import ROOT

PATH = ROOT / 'nbs' / 'images' / 'opening.webp'
LEVELS = [step / 20 for step in range(21)]
SIDE, LEFT, RIGHT, TOP = 56, 110, 118, 40
INK, BEST = '#1d2a33', '#0a6b58'


def frames():
    "A picture for each level of noise."
    images, labels = mnist_tensors('test')
    clean = images[one_of_each(labels)]
    field = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    networks = {'autoencoder': Autoencoder.from_pretrained(), 'U-Net': UNet.from_pretrained()}
    plain, bold = (ImageFont.truetype(findfont('DejaVu Sans:weight=' + weight), 15) for weight in ('normal', 'bold'))
    for level in LEVELS:
        noisy = clean + level * field
        rows = {'noisy': noisy, **{name: denoise(network, noisy) for name, network in networks.items()}}
        found = {name: psnr(x.clamp(0, 1), clean).mean().item() for name, x in rows.items()}
        best = max(found, key=found.get)
        sheet = Image.new('RGB', (LEFT + 10 * SIDE + RIGHT, TOP + len(rows) * (SIDE + 4)), 'white')
        pen = ImageDraw.Draw(sheet)
        pen.text((LEFT, 9), f'noise of standard deviation σ = {level:.2f}', INK, plain)
        for number, (name, x) in enumerate(rows.items()):
            top = TOP + number * (SIDE + 4)
            look = {'fill': BEST if name == best else INK, 'font': bold if name == best else plain}
            pen.text((8, top + 18), name, **look)
            said = f'{found[name]:.1f} dB' if found[name] < 99 else 'no error'
            pen.text((LEFT + 10 * SIDE + 10, top + 18), ('★ ' if name == best else '') + said, **look)
            greys = x.clamp(0, 1).mul(15).round().mul(17).byte()[:, 0].permute(1, 0, 2).reshape(28, 280).numpy()  # sixteen greys: a small file
            sheet.paste(Image.fromarray(greys).resize((10 * SIDE, SIDE), Image.Resampling.NEAREST), (LEFT, top))
        yield sheet


def main():
    there = list(frames())
    moving = [*there, *there[-2:9:-1]]  # up, and half way down again, in five seconds: what moves for longer needs a handle to stop it
    moving[0].save(PATH, save_all=True, append_images=moving[1:], duration=160, loop=1, lossless=True, quality=100, method=6)
    print(f'{PATH.name}: {PATH.stat().st_size / 1000:.0f} kB')


if __name__ == '__main__':
    main()
