"""Files that are damaged, false or in the way, and pictures of every size."""
import errno
import io
import os
import struct
import sys
import threading
import warnings
import zipfile
import zlib
from itertools import product

import numpy as np
import pytest
import tifffile
import torch
from conftest import run_python
from PIL import ExifTags, Image, ImageCms
from torch import nn

from denoise_ae import (Autoencoder, ConvAutoencoder, GaussianNoise, MLPDenoiser, UNet, canvas, denoise, denoise_picture, estimate_std, open_picture,
                        read_picture, resample_clipped, write_picture)
from denoise_ae.processes import progress_bar
from denoise_ae.tiles import exact


def random_bytes(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def saved(image, path, **options):
    image.save(path, **options)
    return path


def refused(function, *args, says, error=ValueError, **options):
    with warnings.catch_warnings(), pytest.raises(error) as caught:
        warnings.simplefilter('error')
        function(*args, **options)
    assert says in str(caught.value), caught.value
    assert '\n' not in str(caught.value)


# ---- reading

@pytest.mark.parametrize('suffix', ['png', 'bmp'])
@pytest.mark.parametrize('mode', ['L', 'RGB'])
def test_eight_bits(mode, suffix, tmp_path):
    pixels = random_bytes(5, 7, *([3] if mode == 'RGB' else []))
    picture = read_picture(saved(Image.fromarray(pixels), tmp_path / f'a.{suffix}'))
    assert picture.dtype == torch.float32 and picture.is_contiguous()
    assert torch.equal(picture, torch.from_numpy(np.atleast_3d(pixels).copy()).permute(2, 0, 1) / 255)


def test_jpeg_is_near(tmp_path):
    pixels = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (32, 1))
    for mode, channels in (('L', 1), ('RGB', 3)):
        picture = read_picture(saved(Image.fromarray(pixels).convert(mode), tmp_path / f'{mode}.jpg', quality=95))
        assert picture.shape == (channels, 32, 64) and (picture - torch.tensor(pixels / 255)).abs().max() < .02


def test_sixteen_bits(tmp_path):
    pixels = random_bytes(6, 9, dtype=np.uint16)
    picture = read_picture(saved(Image.fromarray(pixels), tmp_path / 'a.png'))
    assert torch.equal(picture, torch.tensor(pixels.astype(np.float32) / 65535)[None])


def test_one_bit_and_palette(tmp_path):
    pixels = random_bytes(8, 8) > 127
    assert torch.equal(read_picture(saved(Image.fromarray(pixels), tmp_path / '1.png')), torch.tensor(pixels)[None].float())
    colours = Image.fromarray(random_bytes(8, 8, 3)).quantize(16)
    assert torch.equal(read_picture(saved(colours, tmp_path / 'p.png')), torch.tensor(np.array(colours.convert('RGB'))).permute(2, 0, 1) / 255)


def test_two_pictures_in_a_jpeg(tmp_path):
    "As some phones store them: the first is the photo."
    first, second = (Image.new('RGB', (16, 16), (n, n, n)) for n in (0, 255))
    first.save(tmp_path / 'a.jpg', format='MPO', save_all=True, append_images=[second])
    assert read_picture(tmp_path / 'a.jpg').max() < .02


@pytest.mark.parametrize('suffix', ['png', 'jpg'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_the_right_way_up(orientation, suffix, tmp_path):
    pixels = np.zeros((32, 48), np.uint8)
    pixels[:16, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_picture(saved(Image.fromarray(pixels), tmp_path / f'a.{suffix}', exif=exif))[0]
    assert picture.shape == ((32, 48) if orientation < 5 else (48, 32))
    corners = picture[:16, :16], picture[:16, -16:], picture[-16:, -16:], picture[-16:, :16]
    assert [round(c.mean().item()) for c in corners].index(1) == {1: 0, 2: 1, 3: 2, 4: 3, 5: 0, 6: 1, 7: 2, 8: 3}[orientation]


@pytest.mark.parametrize('mode, channels', [('LA', 1), ('RGBA', 3)])
def test_alpha(mode, channels, tmp_path):
    image = Image.fromarray(random_bytes(4, 6, 3)).convert(mode)
    image.putpixel((2, 1), (9,) * channels + (254,))
    path = saved(image, tmp_path / 'holes.png')
    assert read_picture(path).shape == (channels, 4, 6)
    like = open_picture(path)
    write_picture(like.pixels[0], tmp_path / 'again.png', like=like)
    assert np.array_equal(np.asarray(Image.open(tmp_path / 'again.png')), np.asarray(image))
    refused(write_picture, like.pixels[0], tmp_path / 'a.jpg', like=like, says='a.jpg can hold no transparency')
    assert not (tmp_path / 'a.jpg').exists()


def test_a_transparent_colour(tmp_path):
    grey = Image.fromarray(np.array([[1, 2], [3, 4]], np.uint8))
    assert open_picture(saved(grey, tmp_path / 'a.png', transparency=3)).alpha.tolist() == [[[255, 255], [0, 255]]]
    assert open_picture(saved(grey, tmp_path / 'b.png', transparency=9)).alpha is None


def test_a_palette_whose_transparency_is_none(tmp_path):
    colours = Image.fromarray(random_bytes(8, 8, 3)).quantize(16)
    opaque = read_picture(saved(colours, tmp_path / 'opaque.png', transparency=bytes([255] * 16)))
    assert torch.equal(opaque, read_picture(saved(colours, tmp_path / 'plain.png')))
    assert open_picture(saved(colours, tmp_path / 'holes.png', transparency=bytes([0] * 16))).alpha.max() == 0


def sixteen_bit_colour():
    "A PNG of one pixel with 16 bits for each of three colours."
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 1, 1, 16, 2, 0, 0, 0))
            + chunk(b'IDAT', zlib.compress(b'\0' + bytes(range(6)))) + chunk(b'IEND', b''))


def test_what_would_lose_something_is_refused(tmp_path):
    (tmp_path / 'deep.png').write_bytes(sixteen_bit_colour())
    assert open_picture(tmp_path / 'deep.png').pixels.array.tolist() == [[[[1]], [[0x203]], [[0x405]]]]
    refused(read_picture, saved(Image.new('LAB', (4, 4)), tmp_path / 'lab.tif'), says='is stored as LAB: save it as grey or RGB')
    frames = [Image.new('L', (4, 4), n) for n in (0, 100, 200)]
    refused(read_picture, saved(frames[0], tmp_path / 'film.png', save_all=True, append_images=frames[1:]), says='an animation of 3 pictures')
    for suffix in ('gif', 'webp'):
        coloured = [Image.new('RGB', (4, 4), (n, 0, 0)) for n in (0, 100, 200)]
        refused(read_picture, saved(coloured[0], tmp_path / f'a.{suffix}', save_all=True, append_images=coloured[1:]), says='an animation of 3 pictures')


def test_what_is_no_file(tmp_path):
    refused(read_picture, tmp_path / 'none.png', says='none.png', error=FileNotFoundError)
    refused(read_picture, tmp_path, says='is not a file: name the file')
    if hasattr(os, 'mkfifo'):
        os.mkfifo(tmp_path / 'pipe')
        refused(read_picture, tmp_path / 'pipe', says='is not a file')  # and doesn't wait for somebody to write into it


@pytest.mark.parametrize('suffix', ['png', 'jpg', 'bmp', 'npy'])
def test_cut_short_anywhere(suffix, tmp_path):
    path = tmp_path / f'a.{suffix}'
    if suffix == 'npy':
        np.save(path, np.zeros((20, 20), np.float32))
    else:
        saved(Image.fromarray(random_bytes(20, 20)), path)
    content = path.read_bytes()
    for end in range(0, len(content) - 2, 7):  # a JPEG is whole without its last two bytes
        path.write_bytes(content[:end])
        refused(read_picture, path, says=path.name)


def test_a_changed_byte_in_a_png_is_noticed(tmp_path):
    path = saved(Image.fromarray(random_bytes(20, 20)), tmp_path / 'a.png')
    content = path.read_bytes()
    for at in range(8, len(content) - 12, 5):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1:])
        refused(read_picture, path, says='a.png')


def png_that_claims(width, height, more=b''):
    header = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n\0\0\0\r' + header + struct.pack('>I', zlib.crc32(header)) + more


@pytest.mark.parametrize('width, height, says', [(60_000, 60_000, 'more than 500 million'), (30_000, 20_000, 'more than 500 million'), (2**31 - 1, 1, 'a.png'),
                                                 (9_000, 5_500, 'claims to have 9000 by 5500 pixels'), (0, 0, 'a.png')])
def test_a_false_claim_in_a_png(width, height, says, tmp_path):
    (tmp_path / 'a.png').write_bytes(png_that_claims(width, height, struct.pack('>I', 10) + b'IDAT' + bytes(14)))
    refused(read_picture, tmp_path / 'a.png', says=says)


def test_a_jpeg_that_never_ends(tmp_path):
    path = saved(Image.fromarray(random_bytes(16, 16)), tmp_path / 'a.jpg', progressive=True)
    content = path.read_bytes()
    scan = content[content.rindex(b'\xff\xda'):-2]
    path.write_bytes(content[:-2] + 80 * scan + content[-2:])
    assert read_picture(path).shape == (1, 16, 16)
    path.write_bytes(content[:-2] + 200 * scan + content[-2:])
    refused(read_picture, path, says='more than 100 passes')


def test_a_black_picture_packs_tightly(tmp_path):
    path = saved(Image.new('1', (7_000, 7_000)), tmp_path / 'a.png', compress_level=9)
    assert open_picture(path).pixels.shape == (1, 1, 7_000, 7_000)


@pytest.mark.skipif(sys.platform != 'linux', reason='counts memory as Linux does')
def test_bombs_need_little_memory(tmp_path):
    (tmp_path / 'a.png').write_bytes(png_that_claims(60_000, 60_000))
    (tmp_path / 'b.npy').write_bytes(npy_that_claims("{'descr': '<f4', 'fortran_order': False, 'shape': (6000, 8000)}"))
    (tmp_path / 'c.npy').write_bytes(b'\x93NUMPY\x02\x00\xff\xff\xff\xff{')
    (tmp_path / 'd.png').write_bytes(png_that_claims(60, 60, struct.pack('>I', 10**9) + b'IDAT'))
    claims = [(256, 4, 20_000), (257, 4, 20_000), (258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 134), (277, 3, 1), (278, 4, 20_000), (279, 4, 190_000)]
    entries = b''.join(struct.pack('<HHII', tag, kind, 1, value) for tag, kind, value in claims)
    (tmp_path / 'e.tif').write_bytes(b'II*\0' + struct.pack('<IH', 8, 9) + entries + bytes(12) + zlib.compress(bytes(200_000_000)))
    (tmp_path / 'f.webp').write_bytes(b'RIFF\x16\0\0\0WEBPVP8L\x0a\0\0\0\x2f\xff\xff\xff\x0f' + bytes(5))
    with zipfile.ZipFile(tmp_path / 'g.npz', 'w', zipfile.ZIP_DEFLATED) as packed:
        packed.writestr('a.npy', npy_that_claims("{'descr': '<f4', 'fortran_order': False, 'shape': (9000, 9000)}", bytes(4 * 9000 * 9000 // 10)))
    for name in ('c.npy', 'd.png'):
        os.truncate(tmp_path / name, 2 * 10**9)  # of holes, which take no room
    done = run_python(f'''
import resource
from pathlib import Path
from denoise_ae import read_picture
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
import tifffile, PIL.WebPImagePlugin
for name in ('a.png', 'b.npy', 'c.npy', 'd.png', 'e.tif', 'f.webp', 'g.npz'):
    try:
        read_picture(Path({str(tmp_path)!r}) / name)
    except ValueError as error:
        assert name in str(error)
    else:
        raise AssertionError(name)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)''')
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 40_000  # kilobytes


# ---- NPY

def npy_that_claims(header, data=b'', version=(1, 0)):
    header = header.encode('latin1') + b'\n'
    return b'\x93NUMPY' + bytes(version) + struct.pack('<H' if version == (1, 0) else '<I', len(header)) + header + data


@pytest.mark.parametrize('dtype, white', [('<f2', 1), ('<f4', 1), ('>f4', 1), ('<f8', 1), ('u1', 255), ('<u2', 65535), ('>u2', 65535)])
@pytest.mark.parametrize('shape, found', [((4, 5), (1, 4, 5)), ((4, 5, 1), (1, 4, 5)), ((4, 5, 3), (3, 4, 5)), ((1, 4, 5), (1, 4, 5)), ((3, 4, 5), (3, 4, 5)),
                                          ((1, 1), (1, 1, 1)), ((3, 1, 3), (3, 1, 3))])
@pytest.mark.parametrize('order', 'CF')
def test_npy(dtype, white, shape, found, order, tmp_path):
    array = np.asarray(random_bytes(*shape), dtype=dtype, order=order)
    np.save(tmp_path / 'a.npy', array)
    picture = read_picture(tmp_path / 'a.npy', value_range=(0, white))
    assert picture.dtype == torch.float32 and picture.shape == found
    scaled = torch.tensor(array.astype(np.float32) / np.float32(white))
    assert torch.equal(picture, scaled[None] if len(shape) == 2 else scaled.permute(2, 0, 1) if shape != found else scaled)


@pytest.mark.parametrize('header, says', [
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (100000, 100000)}", 'more than 500 million'),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", 'more than 500 million'),
    ("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4294967296, 4294967296)}", 'more than 500 million'),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -2)}", 'has the shape (-2, -2)'),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4)}", 'has the shape (0, 4)'),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", 'has the shape ()'),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (True, 2)}", 'a.npy'),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 2, 2)}", 'has the shape (2, 2, 2, 2)'),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 2, 2)}", 'has the shape (1, 1, 1, 2, 2)'),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2.5, 2)}", "can't be read"),
    ("{'descr': '|O', 'fortran_order': False, 'shape': (2, 2)}", 'numbers of the type object'),
    ("{'descr': '<c8', 'fortran_order': False, 'shape': (2, 2)}", 'numbers of the type complex64'),
    ("{'descr': '<f16', 'fortran_order': False, 'shape': (2, 2)}", 'numbers of the type'),
    ("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (2, 2)}", 'numbers of the type datetime64'),
    ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 2)}", 'a.npy holds numbers of the type'),
    ("{'descr': ('<f4', (1000000, 1000000)), 'fortran_order': False, 'shape': (2, 2)}", 'a.npy'),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3)}", 'its header asks for'),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 2L)}", "can't be read"),
    ("{'descr': '<f4', 'fortran_order': False}", "can't be read"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), 'x': " + '(' * 300 + ')' * 300 + '}', "can't be read"),
    ('-' * 900 + '1', "can't be read"), ('[' * 900, "can't be read"), ('9**9**9**9', "can't be read"), ('{' + '1,' * 400 + '}', "can't be read"),
    ("__import__('os').getcwd()", "can't be read"), ('1or 2', "can't be read"), ("'\\d'", "can't be read"), ('{' + ' ' * 20_000 + '}', "can't be read"), ('\0', "can't be read")])
@pytest.mark.parametrize('version', [(1, 0), (2, 0), (3, 0), (9, 9)])
def test_npy_headers(header, says, version, tmp_path):
    (tmp_path / 'a.npy').write_bytes(npy_that_claims(header, bytes(16), version))
    refused(read_picture, tmp_path / 'a.npy', says=says if version < (3, 0) else "can't be read")


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf, 1e300])
def test_npy_values(value, tmp_path):
    np.save(tmp_path / 'a.npy', np.array([[0., value]]))
    refused(read_picture, tmp_path / 'a.npy', says='not finite')
    np.save(tmp_path / 'a.npy', np.array([[None, 1]]), allow_pickle=True)
    refused(read_picture, tmp_path / 'a.npy', says='object')


def test_mutated_files(tmp_path):
    "Thousands of damaged files: nothing leaves but `ValueError` and `OSError`, and no warning."
    seeds, path = [], tmp_path / 'a'
    for image, options in ((Image.fromarray(random_bytes(9, 9)), [{'format': 'PNG'}, {'format': 'JPEG'}, {'format': 'BMP'}, {'format': 'JPEG', 'progressive': True}]),
                           (Image.fromarray(random_bytes(9, 9, 3)).quantize(7), [{'format': 'PNG', 'transparency': 3}]),
                           (Image.fromarray(random_bytes(9, 9, dtype=np.uint16)), [{'format': 'PNG'}])):
        for option in options:
            file = io.BytesIO()
            exif = Image.Exif()
            exif[0x0112] = 6
            image.save(file, **option, **({} if option['format'] == 'BMP' else {'exif': exif}))
            seeds.append(file.getvalue())
    for array in (np.zeros((5, 5), np.float32), np.zeros((5, 5, 3), np.uint8)):
        file = io.BytesIO()
        np.save(file, array)
        seeds.append(file.getvalue())
    random, good = np.random.default_rng(int(os.environ.get('FUZZ_SEED', 0))), 0
    for number in range(int(os.environ.get('FUZZ', 2000))):
        content = bytearray(seeds[number % len(seeds)])
        for at in random.integers(0, min(len(content), random.choice([40, 150, 10_000])), random.integers(1, 6)):
            content[at] = random.choice([0, 1, 127, 128, 255, content[at] ^ (1 << random.integers(8))])
        path.write_bytes(content[:random.integers(1, len(content) + 1)] if random.random() < .2 else content)
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter('always')
            try:
                picture = read_picture(path)
                good += 1
            except (ValueError, OSError) as error:
                assert str(path) in str(error)
            else:
                assert picture.ndim in (3, 4) and picture.shape[-3] in (1, 3) and picture.isfinite().all()
            assert all(str(note.message).startswith(str(path)) for note in notes), [str(note.message) for note in notes]
    assert good > 20


# ---- what came in goes out

def tagged(**more):
    "What is said beside a picture: a maker, an exposure, a thumbnail, and that it lies on its side."
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation] = 'Maker', 6
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ExposureTime: .01, ExifTags.Base.ExifImageWidth: 48}
    loaded = Image.Exif()
    loaded.load(exif.tobytes())  # Pillow writes a TIFF from one that was read only
    return {'exif': loaded, 'icc_profile': ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes(), 'dpi': (300, 300), **more}


@pytest.mark.parametrize('suffix, options', [('png', {}), ('jpg', {'quality': 95}), ('webp', {'lossless': True}), ('avif', {'quality': 95}), ('tif', {})])
@pytest.mark.parametrize('target', ['png', 'jpg', 'webp', 'avif', 'tif'])
def test_profile_resolution_and_exif_go_along(suffix, options, target, tmp_path):
    said = tagged(**options)
    if suffix in ('webp', 'avif'):  # which have no other place for it
        said['exif'][ExifTags.Base.XResolution] = said['exif'][ExifTags.Base.YResolution] = 300
    path = saved(Image.fromarray(random_bytes(32, 48, 3)), tmp_path / f'a.{suffix}', **said)
    picture = open_picture(path)
    assert picture.pixels.shape == (1, 3, 48, 32) and not picture.notes
    write_picture(picture.pixels[0], tmp_path / f'b.{target}', like=picture)
    after = Image.open(tmp_path / f'b.{target}')
    exif = after.getexif()
    assert after.size == (32, 48) and after.info['icc_profile'] == said['icc_profile'] and exif[ExifTags.Base.Make] == 'Maker'
    assert exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] == pytest.approx(.01)
    assert exif.get(ExifTags.Base.Orientation, 1) == 1 and (target == 'tif' or not exif.get_ifd(ExifTags.IFD.IFD1))
    again = open_picture(tmp_path / f'b.{target}').remarks
    assert again.dpi == pytest.approx((300, 300), abs=.01) and not again.flaws
    if target == suffix and 'lossless' in options or suffix == target in ('png', 'tif'):
        assert np.array_equal(open_picture(tmp_path / f'b.{target}').pixels.array, picture.pixels.array)


def deep(*shape, dtype='u2'):
    return np.random.default_rng(0).integers(0, 65536, shape).astype(dtype)


@pytest.mark.parametrize('name, array, options', [
    ('colour', deep(30, 40, 3), {'photometric': 'rgb'}), ('deflate', deep(30, 40, 3), {'photometric': 'rgb', 'compression': 'zlib', 'predictor': 2}),
    ('lzw', deep(30, 40, 3), {'photometric': 'rgb', 'compression': 'lzw'}), ('planar', deep(3, 30, 40), {'photometric': 'rgb', 'planarconfig': 'separate'}),
    ('opacity', deep(30, 40, 4), {'photometric': 'rgb', 'extrasamples': ['unassalpha']}), ('big', deep(30, 40), {'bigtiff': True}),
    ('floats', deep(30, 40, 3, dtype='f4') / 65536, {'photometric': 'rgb'}), ('halves', (deep(30, 40) / 65536).astype('f2'), {}), ('doubles', deep(30, 40).astype('f4').astype('f8') / 65536, {}),
    ('signed', deep(30, 40).astype('i4') - 32768, {}), ('pages', deep(5, 30, 40), {}), ('ImageJ', deep(3, 2, 30, 40), {'imagej': True, 'metadata': {'axes': 'ZCYX'}}),
    ('tiles', deep(30, 40), {'tile': (16, 16)}), ('OME', deep(5, 30, 40), {'ome': True, 'metadata': {'axes': 'TYX'}}), ('one bit', deep(30, 40) > 30_000, {})])
def test_tiff_of_every_kind(name, array, options, tmp_path):
    tifffile.imwrite(tmp_path / 'a.tif', array, **({'photometric': 'minisblack', 'metadata': None} if not {'photometric', 'imagej', 'ome'} & set(options) else {}) | options)
    picture = open_picture(tmp_path / 'a.tif')
    write_picture(picture.pixels[:], tmp_path / 'b.tif', like=picture)
    before, after = (tifffile.imread(tmp_path / each) for each in ('a.tif', 'b.tif'))
    if name == 'planar':
        before = np.moveaxis(before, 0, -1)
    assert after.dtype == (before.dtype if name != 'one bit' else np.uint8) and after.shape == before.shape
    assert np.array_equal(after, before) if name not in ('doubles', 'signed', 'one bit') else np.allclose(after, before * (255 if name == 'one bit' else 1), rtol=1e-5, atol=.02)


@pytest.mark.parametrize('mode, options', [*product(['L', 'RGB', 'P', 'CMYK'], [{'compression': 'tiff_lzw'}, {'compression': 'packbits'}]),
                                           *product(['L', 'RGB', 'CMYK'], [{'compression': 'jpeg', 'quality': 100}]), ('1', {'compression': 'group4'})])
def test_tiff_as_scanners_pack_it(mode, options, tmp_path):
    image = Image.fromarray(np.tile(np.arange(48, dtype=np.uint8), (32, 1)) * 5).convert('RGB').convert(mode)
    picture = open_picture(saved(image, tmp_path / 'a.tif', **options))
    expected = np.atleast_3d(np.asarray(image.convert('L' if mode in 'L1' else 'RGB'))).transpose(2, 0, 1)
    assert np.abs(picture.pixels.array[0].astype(int) - expected).max() <= (6 if 'quality' in options else 0)
    assert ['inks' in note for note in picture.notes] == [True] * (mode == 'CMYK')


def test_white_as_the_lowest_number(tmp_path):
    pixels = random_bytes(9, 9)
    tifffile.imwrite(tmp_path / 'a.tif', pixels, photometric='miniswhite')
    assert np.array_equal(open_picture(tmp_path / 'a.tif').pixels.array[0, 0], 255 - pixels)


def test_inks_by_their_profile(tmp_path):
    "The profile of a printer is not to be had here; one of a screen is refused for inks, and that is said."
    inks = Image.new('CMYK', (9, 9), (255, 0, 0, 0))
    picture = open_picture(saved(inks, tmp_path / 'a.jpg', icc_profile=tagged()['icc_profile']))
    assert picture.pixels.shape == (1, 3, 9, 9) and picture.remarks.profile is None and 'no profile that can be used' in picture.notes[0]
    assert picture.pixels.array[0, 0].max() < 20 < 200 < picture.pixels.array[0, 2].min()  # cyan has no red


def test_a_photo_of_a_phone_that_uses_heic(tmp_path):
    import pillow_heif
    pillow_heif.register_heif_opener()
    grey = Image.fromarray(np.full((32, 48, 3), 99, np.uint8))
    picture = open_picture(saved(grey, tmp_path / 'a.heic', quality=95))
    assert picture.kind == 'HEIC' and picture.pixels.shape == (1, 3, 32, 48) and abs(picture.pixels[0] - 99 / 255).max() < .02


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / 'a.tif', deep(30, 40, 3), photometric='rgb', compression='lzw')
    (tmp_path / 'a.heic').write_bytes(b'\0\0\0\x18ftypheic' + bytes(100))
    for module, name in (('imagecodecs', 'a.tif'), ('pillow_heif', 'a.heic')):
        monkeypatch.setitem(sys.modules, module, None)
        refused(read_picture, tmp_path / name, says=f'this needs the package {module}: pip install', error=ImportError)


def test_a_video_behind_the_picture_and_a_second_one(tmp_path):
    path = saved(Image.fromarray(random_bytes(16, 16, 3)), tmp_path / 'a.jpg')
    content, pixels = path.read_bytes(), open_picture(path).pixels.array
    for more in (b'\0\0\0\x18ftypmp42' + 200 * b'\xff\xda\xff\xd9', content, bytes(9)):
        path.write_bytes(content + more)
        picture = open_picture(path)
        assert np.array_equal(picture.pixels.array, pixels) and not picture.notes


def test_a_flaw_beside_a_sound_picture_is_a_note(tmp_path):
    path = saved(Image.fromarray(random_bytes(16, 16)), tmp_path / 'a.png', **tagged())
    content = path.read_bytes()
    for part in (b'iCCP', b'eXIf', b'pHYs'):
        at = content.index(part) + 6
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1:])  # its checksum is wrong now
        picture = open_picture(path)
        assert picture.notes == [f'has a flaw beside its pixels, in {part.decode()}: the picture is read, and of the rest what could be']
        with pytest.warns(UserWarning, match='a.png has a flaw beside its pixels'):
            read_picture(path)
    path = saved(Image.fromarray(random_bytes(16, 16)), tmp_path / 'a.jpg', exif=b'Exif\0\0II*\0\x08\0\0\0\x09\0' + bytes(9))
    assert 'EXIF' in open_picture(path).notes[0]


@pytest.mark.parametrize('colours, channels', [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_of_every_kind(colours, channels, tmp_path):
    array = deep(9, 7, channels)
    head = struct.pack('>IIBBBBB', 7, 9, 16, colours, 0, 0, 0)
    rows = zlib.compress(b''.join(b'\0' + row.astype('>u2').tobytes() for row in array))
    parts = (b'IHDR', head), (b'IDAT', rows), (b'IEND', b'')
    (tmp_path / 'a.png').write_bytes(b'\x89PNG\r\n\x1a\n' + b''.join(struct.pack('>I', len(d)) + n + d + struct.pack('>I', zlib.crc32(n + d)) for n, d in parts))
    picture = open_picture(tmp_path / 'a.png')
    write_picture(picture.pixels[0], tmp_path / 'b.png', like=picture)
    for each in (picture, open_picture(tmp_path / 'b.png')):
        opaque = channels - (channels % 2 == 0)
        assert np.array_equal(each.pixels.array[0], array[..., :opaque].transpose(2, 0, 1))
        assert each.alpha is None if opaque == channels else np.array_equal(each.alpha[0], array[..., -1])


@pytest.mark.parametrize('start, name', [(bytes(128) + b'DICM', 'DICOM'), (b'\0\0\0\x0cjP  \r\n', 'JPEG 2000'), (b'\xff\x0a', 'JPEG XL'), (b'8BPS\0\1', 'Photoshop'), (b'%PDF-1.7', 'PDF'),
                                         (b'\x89HDF\r\n\x1a\n', 'HDF5'), (b'v/1\x01\2', 'OpenEXR'), (b'<svg xmlns="', 'SVG'), (b'P5 9 9 255\n', 'PNM'), (b'\0\0\0\x18ftypmp42', 'video'),
                                         (b'PK\x03\x04' + bytes(22) + b'\x10\0\0\0archive/data.pkl', 'PyTorch'), (b'\x80\4\x95', 'pickle'), (b'SIMPLE  =', 'FITS')])
def test_what_is_not_read_is_refused_by_its_name(start, name, tmp_path):
    (tmp_path / 'a.png').write_bytes(start + bytes(500))
    refused(read_picture, tmp_path / 'a.png', says=f'is a file of the kind {name}, which is not read here: ')
    (tmp_path / 'a.nef').write_bytes(b'II*\0' + bytes(500))
    refused(read_picture, tmp_path / 'a.nef', says='camera raw, which is not read here: develop it')


@pytest.mark.parametrize('array, low, high', [
    (np.array([[0, 200]], 'u1'), 0, 255), (np.array([[0, 255]], 'u2'), 0, 255), (np.array([[0, 256]], 'u2'), 0, 1023), (np.array([[9, 4095]], 'u2'), 0, 4095), (np.array([[0, 4096]], 'u2'), 0, 16383),
    (np.array([[0, 65535]], 'u2'), 0, 65535), (np.array([[0, 65535]], 'i4'), 0, 65535), (np.array([[0, 65536]], 'u4'), 0, 2**24 - 1), (np.zeros((9, 9), 'i2'), 0, 255),
    (np.linspace(-1024, 3071, 10_001).round().astype('i2')[None], -1020, 3067), (np.linspace(0, 100, 10_001)[None], .1, 99.9), (np.linspace(0, 1, 10_001)[None], 0, 1), (np.full((30, 30), 37.2), 37.2, 38.2)])
def test_what_is_black_and_what_is_white(array, low, high, tmp_path):
    np.save(tmp_path / 'a.npy', array)
    tifffile.imwrite(tmp_path / 'a.tif', array, photometric='minisblack', metadata=None)
    for name in ('a.npy', 'a.tif'):
        pixels = open_picture(tmp_path / name).pixels
        assert (pixels.low, pixels.high) == pytest.approx((low, high), abs=1)
        assert open_picture(tmp_path / name, value_range=(-1, 7)).pixels.low == -1


def test_noise_beyond_black_and_white_stays_as_it_is(tmp_path):
    for std in (.1, .5, 1.):
        np.save(tmp_path / 'a.npy', noisy(torch.rand(1, 64, 64), std).numpy())
        assert torch.equal(read_picture(tmp_path / 'a.npy'), torch.from_numpy(np.load(tmp_path / 'a.npy')))


def test_a_result_beyond_what_came_in_is_cut_off_there(tmp_path):
    tifffile.imwrite(tmp_path / 'a.tif', np.array([[0, 4000], [2000, 3000]], 'u2'), photometric='minisblack')
    picture = open_picture(tmp_path / 'a.tif')
    room = canvas(picture, tmp_path / 'b.tif')
    room[:] = picture.pixels[:] * 3 - 1
    assert room.array.max() == 4095 and room.array.min() == 0
    picture = open_picture(tmp_path / 'a.tif', value_range=(1000, 2000))
    room = canvas(picture, tmp_path / 'b.tif')
    room[:] = picture.pixels[:]
    assert np.array_equal(room.array, picture.pixels.array)


# ---- writing

@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('height, width', [(1, 1), (1, 9), (28, 28), (31, 17), (3, 3)])
def test_round_trips(channels, height, width, tmp_path):
    picture = torch.randn(channels, height, width, generator=torch.Generator().manual_seed(0))
    write_picture(picture, tmp_path / 'a.npy')
    assert torch.equal(read_picture(tmp_path / 'a.npy'), picture)
    write_picture(picture, str(tmp_path / 'a.PNG'))
    back = read_picture(tmp_path / 'a.PNG')
    assert (back - picture.clamp(0, 1)).abs().max() <= .5 / 255 + 1e-6
    write_picture(back, tmp_path / 'again.png')
    assert torch.equal(read_picture(tmp_path / 'again.png'), back)
    write_picture(torch.full((channels, height, width), .3), tmp_path / 'a.jpeg')
    assert (read_picture(tmp_path / 'a.jpeg') - .3).abs().max() < .02
    assert sorted(p.name for p in tmp_path.iterdir()) == ['a.PNG', 'a.jpeg', 'a.npy', 'again.png']


@pytest.mark.parametrize('dtype', [torch.float16, torch.float64, torch.bfloat16])
def test_other_floats_and_gradients(dtype, tmp_path):
    picture = torch.rand(3, 4, 5).to(dtype).permute(0, 2, 1).requires_grad_()
    for suffix in ('npy', 'png'):
        write_picture(picture, tmp_path / f'a.{suffix}')
        assert (read_picture(tmp_path / f'a.{suffix}') - picture.detach()).abs().max() < .003


@pytest.mark.parametrize('suffix', ['png', 'jpg', 'npy'])
def test_never_overwrites_unless_told(suffix, tmp_path):
    path = tmp_path / f'a.{suffix}'
    path.write_text('mine')
    refused(write_picture, torch.zeros(1, 4, 4), path, says='exists: choose another name or pass overwrite=True', error=FileExistsError)
    assert path.read_text() == 'mine'
    write_picture(torch.zeros(1, 4, 4), path, overwrite=True)
    assert read_picture(path).shape == (1, 4, 4) and len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(os.name == 'nt', reason='links need a right there')
def test_a_link_to_nowhere_is_a_file_too(tmp_path):
    (tmp_path / 'a.png').symlink_to(tmp_path / 'nowhere.png')
    refused(write_picture, torch.zeros(1, 4, 4), tmp_path / 'a.png', says='exists', error=FileExistsError)
    assert not (tmp_path / 'nowhere.png').exists()


@pytest.mark.parametrize('links', [True, False])
def test_one_of_many_writers_wins(links, tmp_path, monkeypatch):
    if not links:
        monkeypatch.setattr(os, 'link', lambda *args: (_ for _ in ()).throw(PermissionError(errno.EPERM, 'no links here')))
    monkeypatch.setattr(os.path, 'lexists', lambda path: False)  # as if all had looked at the same moment
    start, won, lost = threading.Barrier(8), [], []

    def write(grey):
        start.wait()
        try:
            write_picture(torch.full((1, 50, 50), grey), tmp_path / 'a.png')
            won.append(grey)
        except FileExistsError:
            lost.append(grey)
    threads = [threading.Thread(target=write, args=(n / 10,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and len(lost) == 7
    assert (read_picture(tmp_path / 'a.png') - won[0]).abs().max() < .01
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize('overwrite', [True, False])
@pytest.mark.parametrize('place', ['fsync', 'link', 'replace'])
def test_a_failure_leaves_all_as_it_was(overwrite, place, tmp_path, monkeypatch):
    path = tmp_path / 'a.npy'
    if overwrite:
        path.write_text('mine')

    def full(*args):
        assert not path.exists() or path.read_text() == ('mine' if overwrite else '')
        raise OSError(errno.ENOSPC, 'No space left on device')
    if place == 'fsync':
        monkeypatch.setattr(os, 'fsync', full)
    else:
        monkeypatch.setattr(os, 'replace', full)
        monkeypatch.setattr(os, 'link', full)
    refused(write_picture, torch.zeros(1, 50, 50), path, overwrite=overwrite, says='a.npy could not be written: No space left', error=OSError)
    assert [p.read_text() for p in tmp_path.iterdir()] == ['mine'] * overwrite


@pytest.mark.skipif(os.name == 'nt', reason='Windows has no such limit')
def test_a_full_disk(tmp_path):
    "A real one: the system refuses to let a file grow."
    done = run_python(f'''
import resource, signal, torch
from denoise_ae import write_picture
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
for name in ('a.npy', 'a.png', 'a.jpg'):
    try:
        write_picture(torch.rand(3, 100, 100), {str(tmp_path)!r} + '/' + name)
    except OSError as error:
        assert name + ' could not be written' in str(error), error
    else:
        raise AssertionError(name)''')
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written(tmp_path):
    picture = torch.zeros(1, 4, 4)
    for name in ('a.gif', 'a', 'png'):
        refused(write_picture, picture, tmp_path / name, says='must end in .png, .jpg')
    refused(write_picture, picture, tmp_path / 'none' / 'a.png', says='make it first', error=FileNotFoundError)
    refused(write_picture, torch.zeros(2, 4, 4), tmp_path / 'a.png', says='1 or 3 channels')
    refused(write_picture, torch.zeros(1, 1, 65_501), tmp_path / 'a.jpg', says='write a PNG')
    refused(write_picture, torch.zeros(4, 4), tmp_path / 'a.png', says='(C, H, W), not (4, 4)')
    refused(write_picture, torch.zeros(2, 1, 4, 4), tmp_path / 'a.png', says='can hold one picture')
    refused(write_picture, torch.zeros(1, 0, 4), tmp_path / 'a.png', says='(C, H, W), not (1, 0, 4)')
    refused(write_picture, picture / 0, tmp_path / 'a.png', says='finite')
    refused(write_picture, picture.byte(), tmp_path / 'a.png', says='floating-point', error=TypeError)
    refused(write_picture, np.zeros((1, 4, 4)), tmp_path / 'a.png', says='takes a tensor', error=TypeError)
    (tmp_path / 'folder.png').mkdir()
    refused(write_picture, picture, tmp_path / 'folder.png', says='folder.png is a folder: name a file', error=IsADirectoryError, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ['folder.png']


# ---- the noise

def noisy(picture, std):
    return GaussianNoise(std=std, generator=torch.Generator().manual_seed(0))(picture)


def test_estimates_have_the_right_shape_and_kind():
    flat = torch.full((2, 3, 60, 60), .5)
    assert estimate_std(noisy(flat, .1)).shape == (2,) and estimate_std(noisy(flat[0], .1)).shape == ()
    for dtype in (torch.float16, torch.float64):
        assert abs(estimate_std(noisy(flat[0], .1).to(dtype)) - .1) < .005
    assert estimate_std(torch.full((1, 9, 9), .3)) == 0 and estimate_std(torch.zeros(1, 9, 9)) == 0
    assert estimate_std(torch.full((1, 1, 2), .3)).isnan() and estimate_std(torch.rand(1, 3, 3)) > 0


def test_black_ground():
    ground = torch.zeros(3, 1, 100, 100)
    for std in (.05, .5):
        for prepare in (lambda x: x, lambda x: x.clamp(0, 1)):
            assert ((estimate_std(prepare(noisy(ground, std)), black_ground=True) / std - 1).abs() < .08).all()
    assert (estimate_std(ground, black_ground=True) == 0).all()
    assert estimate_std(noisy(ground + .5, .1), black_ground=True).isnan().all()
    assert estimate_std(torch.ones(1, 1, 1), black_ground=True).isnan()


def test_resampling_what_was_clipped():
    clipped, generator = noisy(torch.zeros(1, 200, 200), .3).clamp(0, 1), torch.Generator()
    back, inside = resample_clipped(clipped, .3, generator.manual_seed(0)), (clipped > 0) & (clipped < 1)
    assert abs(back.mean()) < .005 and abs(back.std() - .3) < .005 and torch.equal(back[inside], clipped[inside]) and not inside.all()
    assert torch.equal(back, resample_clipped(clipped, .3, generator.manual_seed(0))) and torch.equal(resample_clipped(clipped, 0.), clipped)
    refused(resample_clipped, clipped - .1, .3, says='not from -0.1')
    refused(resample_clipped, clipped, -1., says='std must be 0 or more')
    refused(resample_clipped, clipped, float('nan'), says='std must be finite')


def test_estimates_of_what_is_no_picture():
    refused(estimate_std, torch.rand(4, 4), says='not (4, 4)')
    refused(estimate_std, torch.rand(1, 0, 4), says='not (1, 0, 4)')
    refused(estimate_std, torch.full((1, 4, 4), torch.nan), says='finite')
    refused(estimate_std, torch.zeros(1, 4, 4).byte(), says='floating-point', error=TypeError)


# ---- tiles

class Same(nn.Module):
    "As a network that takes one size only."
    image_size = 28, 28

    def forward(self, x):
        assert x.shape[1:] == (1, 28, 28)
        return x


@pytest.mark.parametrize('overlap', [None, 0, 1, 14, 27])
@pytest.mark.parametrize('shape', [(1, 1, 1), (3, 1, 200), (1, 27, 29), (2, 28, 28), (3, 56, 57), (4, 83, 2)])
def test_tiles_put_a_picture_together_again(shape, overlap):
    picture = torch.randn(shape)
    assert (denoise_picture(Same(), picture, overlap=overlap, batch_size=7, progress=False) - picture).abs().max() < 1e-5


@pytest.mark.parametrize('kind', [Autoencoder, MLPDenoiser, ConvAutoencoder, UNet])
def test_a_digit_is_denoised_as_ever(kind):
    model = kind.from_pretrained()
    picture = noisy(torch.rand(3, 28, 28), .3)
    if model.image_size:  # in tiles, all of them in one batch
        assert torch.equal(denoise_picture(model, picture, progress=False), denoise(model, picture[:, None])[:, 0])
    else:
        assert torch.equal(denoise_picture(model, picture, progress=False), torch.cat([denoise(model, plane[None, None])[0] for plane in picture]))
        tiles = denoise_picture(model, picture, size=28, progress=False)
        assert torch.equal(tiles, denoise(model, picture[:, None])[:, 0]) and (tiles - denoise_picture(model, picture, progress=False)).abs().max() < 1e-5


def wide_awake(model, seed=0):
    "A network with weights everywhere, and of a size that neither dies out nor explodes; at the start, some are 0."
    generator = torch.Generator().manual_seed(seed)
    for part in model.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(part.weight, std=part.weight[0].numel() ** -.5, generator=generator)
    return model


NETWORKS = {'one size': lambda: UNet((3,), (2,)), 'two sizes': lambda: UNet((3, 4), (1, 2)), 'three': lambda: UNet((4, 4, 4), (2, 1, 2), residual=True),
            'five': lambda: UNet((2, 2, 2, 2, 2), (1, 1, 1, 1, 1), bias=False), 'colour': lambda: UNet((4, 8), (1, 1), channels=3),
            'convolutional': lambda: ConvAutoencoder(3), 'convolutional, colour': lambda: ConvAutoencoder(2, channels=3)}


@pytest.mark.parametrize('name', NETWORKS)
@pytest.mark.parametrize('size', [(1, 1), (28, 28), (31, 45), (2, 130)])
def test_a_convolutional_network_sees_the_whole_picture_at_once(name, size):
    "In every channel it takes; others one by one."
    model = wide_awake(NETWORKS[name]())
    picture = torch.rand(3, *size)
    expected = denoise(model, picture[None])[0] if model.channels == 3 else torch.cat([denoise(model, plane[None, None])[0] for plane in picture])
    assert torch.equal(denoise_picture(model, picture, progress=False), expected)
    assert expected.shape == picture.shape and not torch.equal(expected, picture)


@pytest.mark.parametrize('name', NETWORKS)
def test_a_picture_too_large_for_the_memory_is_cut_up_without_a_trace(name, monkeypatch):
    model, shapes = wide_awake(NETWORKS[name]()), []
    monkeypatch.setattr('denoise_ae.pictures.LARGEST', 60_000)
    model.register_forward_hook(lambda module, given, output: shapes.append(output.shape))
    picture = torch.rand(3, 61, 1700)
    pieces = denoise_picture(model, picture, progress=False)
    assert len(shapes) > 3 // model.channels, 'in one piece nothing is tested'
    monkeypatch.setattr('denoise_ae.pictures.LARGEST', 10**6)
    whole = denoise_picture(model, picture, progress=False)
    assert (pieces - whole).abs().max() <= 1e-5 * whole.abs().max().clamp(min=1)
    planes = torch.rand(1, model.channels, 150, 170)
    whole = denoise(model, planes)
    assert (exact(model, planes, model.reach, size=64, progress=False) - whole).abs().max() <= 1e-5 * whole.abs().max().clamp(min=1)


@pytest.mark.parametrize('size', [None, 28])
def test_the_model_and_the_picture_stay_as_they_were(size):
    model, picture = UNet(widths=(4,), blocks=(1,)).train(), torch.rand(1, 40, 40)
    before = picture.clone()
    output = denoise_picture(model, picture.requires_grad_(), size=size, progress=False)
    assert model.training and torch.equal(picture.detach(), before) and not output.requires_grad


@pytest.mark.parametrize('size', [None, 28])
@pytest.mark.parametrize('dtype', [torch.float64, torch.float16])
def test_other_types_of_numbers(dtype, size):
    model, picture = UNet(widths=(4,), blocks=(1,)), torch.rand(1, 40, 40)
    output = denoise_picture(model, picture.to(dtype), size=size, progress=False)
    assert output.dtype == dtype and (output - denoise_picture(model, picture, size=size, progress=False)).abs().max() < .01


def test_what_cannot_be_denoised():
    model, picture = Same(), torch.rand(1, 40, 40)
    refused(denoise_picture, model, picture[0], says='(C, H, W), not (40, 40)')
    refused(denoise_picture, model, picture / 0, says='finite')
    for no_denoiser in ('unet', None, torch.rand(3)):
        refused(denoise_picture, no_denoiser, picture, says='denoiser must be a network, such as UNet.from_pretrained(), or a function', error=TypeError)
    for each in (model, UNet((4,), (1,))):
        for name, value in (('overlap', 28), ('overlap', -1), ('overlap', 1.5), ('size', 0), ('batch_size', 0)):
            refused(denoise_picture, each, picture, **{'size': 28} | {name: value}, says=f'{name} must be a whole number of at least')
    for wrong in (nn.Flatten(), lambda x: x[..., :3], lambda x: x / 0, lambda x: x.numpy()):
        for size in (None, 28):
            refused(denoise_picture, wrong, picture, size=size, progress=False, says='the denoiser must return finite images as a tensor of the shape')
    refused(denoise_picture, UNet((4,), (1,), channels=3), picture, progress=False, says='the denoiser takes pictures of 3 channels, and this one has 1')


def test_a_bar_if_wanted(monkeypatch):
    bars = []
    monkeypatch.setattr('denoise_ae.tiles.progress_bar', lambda total, shown: bars.append((total, shown)) or progress_bar(total, False))
    monkeypatch.setattr('denoise_ae.pictures.LARGEST', 100)
    for progress in (False, True):
        denoise_picture(Same(), torch.rand(3, 28, 28), batch_size=2, progress=progress)
        denoise_picture(UNet((2,), (1,)), torch.rand(3, 28, 28), progress=progress)
    assert bars == [(2, False), (3, False), (2, True), (3, True)]
