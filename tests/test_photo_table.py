"""Denoisers on photos: pictures of any size and colours in the library, what the tool writes and refuses, and the table in the package."""
import os
import sys
from ast import literal_eval
from types import SimpleNamespace

import bench
import grey_set
import numpy as np
import pandas as pd
import photo_table
import pytest
import torch
from photo_table import RIVALS, Axis, Rival, summary
from torch import nn

from denoise_ae import COLOUR, evaluate, load_model, photos, psnr, results, ssim, tune, write_picture
from denoise_ae.classical import each_picture, method_and_settings

SMALL = [torch.rand(3, 20, 31, generator=torch.Generator().manual_seed(0)), torch.rand(3, 26, 17, generator=torch.Generator().manual_seed(1))]


# --- pictures of any size

def test_pictures_of_any_sizes_come_one_at_a_time_with_the_same_noise_for_all():
    seen = []
    def spy(x):
        seen.append(x)
        return x
    table = evaluate({'a': spy, 'b': lambda x: spy(x) / 2}, SMALL, [.1, .2], progress=False)
    each = evaluate({'a': spy, 'b': lambda x: spy(x) / 2}, SMALL, [.1, .2], progress=False, each=True)
    assert [x.shape[1:] for x in seen] == [x.shape for x in SMALL] * 8 and all(torch.equal(seen[n], seen[n + 2]) for n in (0, 1, 4, 5))
    assert .09 < (seen[1][0] - SMALL[1]).std() < .11 and not torch.equal(*(x[0, :, :20, :17] - y[:, :20, :17] for x, y in zip(seen, SMALL)))
    assert [*each.columns] == ['denoiser', 'sigma', 'image', 'psnr', 'ssim'] and each['image'].tolist() == [0, 1] * 4
    clipped = seen[1].clamp(0, 1)
    assert each['psnr'][1] == pytest.approx(psnr(clipped, SMALL[1][None]).item()) and each['ssim'][1] == pytest.approx(ssim(clipped, SMALL[1][None]).item())
    means = each.groupby(['sigma', 'denoiser'])[['psnr', 'ssim']].mean()
    assert np.allclose(table.set_index(['sigma', 'denoiser'])[['psnr', 'ssim']], means)
    assert table['psnr_95'][0] == pytest.approx(1.96 * each['psnr'][:2].std() / 2 ** .5)


def test_a_batch_can_be_told_picture_by_picture_too():
    batch = torch.stack([SMALL[0]] * 3)
    each = evaluate({'nothing': nn.Identity()}, batch, .1, progress=False, each=True)
    assert len(each) == 3 and each['psnr'].mean() == pytest.approx(evaluate({'nothing': nn.Identity()}, batch, .1, progress=False)['psnr'][0])


def test_a_method_is_tuned_on_pictures_of_any_sizes():
    flat = [torch.full((3, 30, 40), .5), torch.full((3, 25, 20), .2)]
    assert tune('Gaussian filter', flat, [.1], [.3, 1., 2.])[.1].keywords['setting'] == 2.


@pytest.mark.parametrize('pictures, error, words', [
    ([], ValueError, 'two pictures or more, not 0'), (SMALL[:1], ValueError, 'two pictures or more, not 1'),
    ([SMALL[0], SMALL[1][None]], ValueError, r'images\[1\] must be a picture \(C, H, W\), as images is a list, not of shape \(1, 3, 26, 17\)'),
    ([SMALL[0], 255 * SMALL[1]], ValueError, r'images\[1\] must lie in \[0, 1\].*divide by 255'),
    ([SMALL[0].numpy(), SMALL[1]], TypeError, r'images\[0\].* takes a tensor, not ndarray'), (SMALL[0].numpy(), TypeError, 'takes a tensor, not ndarray')])
def test_pictures_that_nobody_can_be_measured_on_are_named(pictures, error, words):
    with pytest.raises(error, match=words):
        evaluate({'nothing': nn.Identity()}, pictures, [.1], progress=False)


# --- colours

def test_each_picture_goes_through_with_its_colours_last():
    batch = torch.rand(2, 3, 5, 7)
    output = each_picture(lambda array: array * [1, 0, .5], batch)
    assert output.dtype == batch.dtype and torch.allclose(output, batch * torch.tensor([1, 0, .5]).reshape(3, 1, 1))
    shapes = []
    each_picture(lambda array: shapes.append(array.shape) or array, batch)
    assert shapes == [(5, 7, 3)] * 2


@pytest.mark.parametrize('name', [name for name in COLOUR if name != 'BM3D in colour'])
def test_methods_in_colour_take_noise_away_and_leave_even_pictures_alone(name):
    method, settings = COLOUR[name]
    ramp = torch.linspace(.1, .9, 48).expand(1, 40, 48)
    pictures = [torch.cat([ramp, 1 - ramp, ramp / 2]), torch.cat([ramp / 2, ramp, ramp])]
    assert evaluate({name: tune(name, pictures, .2, settings[::3])[.2]}, pictures, .2, progress=False)['psnr'][0] > 20  # 14 with the noise
    even = torch.tensor([.2, .5, .7]).reshape(1, 3, 1, 1).expand(1, 3, 40, 48).contiguous()
    assert (method(even, settings[3]) - even).abs().max() < 1e-5


def test_bm3d_in_colour_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'bm3d', None)
    with pytest.raises(ImportError, match='needs the package bm3d: pip install "bm3d>=4"'):
        tune('BM3D in colour', SMALL, .1)


# --- the tool

@pytest.fixture
def run(monkeypatch, tmp_path):
    def run(*options):
        monkeypatch.setattr(sys, 'argv', ['photo_table.py', '--out', str(tmp_path), '--photos', '2', *options])
        photo_table.main()
        return [pd.read_csv(path) if (path := tmp_path / f'photo_{name}.csv').exists() else None for name in ('each', 'times', 'table')]
    return run


def test_rows_are_written_and_those_of_others_stay(run, monkeypatch):
    monkeypatch.setitem(RIVALS, 'wavelets', Rival((Axis((.7, 1., 1.3)),), side=96))
    each, times, table = run('--only', 'wavelets')
    assert times is None and table['lead'].tolist() == [0] * 3 and table['seconds'].isna().all()
    each, times, table = run('--only', 'noisy', 'conv')
    assert [*table['denoiser']] == ['noisy', 'wavelets', 'conv'] * 3 and len(each) == 18
    psnr = table.pivot(index='level', columns='denoiser', values='psnr')
    assert (psnr['wavelets'] > psnr['noisy'] + 3).all() and (table.query('denoiser != "wavelets"')['lead'] < 0).all()
    shipped = results('photo_each').merge(each.query('denoiser == "noisy"'), on=['denoiser', 'level', 'image'], suffixes=['', '_again'])
    assert len(shipped) == 6 and (shipped['psnr'] - shipped['psnr_again']).abs().max() < .005 and (shipped['ssim'] - shipped['ssim_again']).abs().max() < .001


def test_what_is_there_is_not_measured_again_if_only_what_is_missing_is_wanted(run, monkeypatch):
    run('--only', 'noisy')
    monkeypatch.setattr(photo_table, 'evaluate', None)
    run('--only', 'noisy', '--missing')
    with pytest.raises(TypeError):
        run('--only', 'noisy')


def test_times_are_taken_by_themselves_with_the_setting_that_was_chosen(run, monkeypatch):
    monkeypatch.setitem(RIVALS, 'Gaussian filter', Rival((Axis((.5, .7, 1.3), of_sigma=False, natural=(.5, 1.3)),)))
    run('--only', 'noisy', 'Gaussian filter')
    monkeypatch.setattr(photo_table, 'tune', None)
    monkeypatch.setattr(photo_table, 'megapixel', lambda picture: picture[None])
    cores = getattr(os, 'sched_getaffinity', lambda _: {0})
    before, seen = cores(0), []
    competitor = photo_table.competitor
    monkeypatch.setattr(photo_table, 'competitor', lambda *given: seen.append(cores(0)) or competitor(*given))
    each, times, table = run('--only', 'noisy', 'Gaussian filter', 'median', '--times', '--repeats', '3')  # no setting of the median is known
    assert [*times['denoiser']] == ['noisy', 'Gaussian filter'] and times['seconds'][1] > times['seconds'][0] and times['times'].tolist() == [3, 3]
    assert (times['fastest'] <= times['seconds']).all() and (times['seconds'] <= times['slowest']).all()
    assert table['seconds'].tolist() == times['seconds'].tolist() * 3 and len(each) == 12
    assert seen and {len(each) for each in seen} == {1} and cores(0) == before, 'on one core, and only for this'


def test_a_setting_at_an_end_of_what_was_tried_is_refused(run, monkeypatch):
    monkeypatch.setitem(RIVALS, 'wavelets', Rival((Axis((.1, .2)),)))
    with pytest.raises(SystemExit, match=r'at σ = 15/255 the best setting is 0.0118, and 0.0118 is at an end of \[0.0059, 0.0118\]: widen'):
        run('--only', 'wavelets')
    rival = Rival((Axis((1, 2, 3)), Axis(('a', 'b'), of_sigma=False, natural=('a', 'b'))))
    assert len(rival.settings(.1)) == 6 and rival.settings(.1)[1] == (.1, 'b')
    rival.check_inside((.2, 'b'), .1)
    with pytest.raises(RuntimeError, match='0.3 is at an end'):
        rival.check_inside((.3, 'a'), .1)


def test_who_cannot_take_part_is_left_out_by_name(run, monkeypatch, capsys):
    monkeypatch.setattr(photo_table, 'installed', lambda name: name == 'skimage')
    monkeypatch.setattr(bench, 'install', lambda *args: ('python', {'OpenCV': 'no network here'}))
    monkeypatch.setattr(photo_table, 'load_model', lambda name: load_model('no such folder') if name == 'photo' else load_model(name))
    each, _, _ = run('--only', 'noisy', 'BM3D', 'OpenCV non-local means', 'photo')
    assert set(each['denoiser']) == {'noisy'}
    said = capsys.readouterr().out
    for line in ('BM3D: the package bm3d is not installed', 'OpenCV non-local means: no network here', "photo: there is no model 'no such folder'"):
        assert f'left out: {line}' in said


def test_opencv_is_run_by_the_python_of_the_bench(run, monkeypatch):
    commands = []
    monkeypatch.setattr(photo_table, 'installed', lambda name: name != 'cv2')
    monkeypatch.setattr(bench, 'install', lambda *args: ('another python', {}))
    monkeypatch.setattr(photo_table.subprocess, 'run', lambda command: commands.append(command) or SimpleNamespace(returncode=0))
    run('--only', 'noisy', 'OpenCV non-local means', '--missing')
    assert len(commands) == 1 and commands[0][0] == 'another python' and '--missing' in commands[0]
    assert commands[0][commands[0].index('--only') + 1:][:2] == ['OpenCV non-local means', '--out']


def test_networks_for_grey_pictures_get_one_colour_after_the_other(monkeypatch):
    class Net(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.channels, self.seen = channels, []

        def forward(self, x):
            self.seen.append(x.shape[1:])
            return x + x.mean((2, 3), keepdim=True)
    for channels in (1, 3):
        net = Net(channels)
        monkeypatch.setattr(photo_table, 'load_model', lambda name, net=net: net)
        output = photo_table.network('photo')(SMALL[0][None])
        assert torch.allclose(output[0], SMALL[0] + SMALL[0].mean((1, 2), keepdim=True)) and net.seen == [(channels, 20, 31)] * (3 // channels)
    assert photo_table.networks()[:2] == ['conv', 'unet'] and 'photo' in photo_table.networks()


def test_the_lead_is_over_the_best_of_the_old_methods_photo_by_photo():
    decibels = {'noisy': [20, 21, 22], 'median': [27, 28, 29], 'wavelets': [26, 29, 30], 'unet': [27, 31, 32]}
    each = pd.DataFrame([{'denoiser': name, 'level': 25, 'image': n, 'psnr': float(value), 'ssim': .5, 'setting': ''}
                         for name, values in decibels.items() for n, value in enumerate(values)])
    table = summary(each, pd.DataFrame([{'denoiser': 'BM3D in colour', 'seconds': 60.}, {'denoiser': 'unet', 'seconds': 2.}])).set_index('denoiser')
    assert table['lead'].round(2).to_dict() == {'noisy': -7.33, 'median': -.33, 'wavelets': 0, 'unet': 1.67}
    assert table['psnr_95']['median'] == pytest.approx(4.303 / 3 ** .5, abs=.002) and table['lead_95']['unet'] == pytest.approx(4.303 / 3 ** .5 * 3 ** -.5, abs=.002)
    assert table['speed']['unet'] == 30 and table['speed'].isna().sum() == 3


# --- the table in the package

def test_the_table_that_comes_along_is_made_from_all_photos_and_its_settings_are_no_ends():
    each, table = (results(f'photo_{name}') for name in ('each', 'table'))
    times = photo_table.read(photo_table.OUT / 'photo_times.csv', ['denoiser', 'seconds'])
    again = summary(each.fillna({'setting': ''}), times).fillna({'setting': ''})
    pd.testing.assert_frame_equal(table.fillna({'setting': ''}), again, check_dtype=False)
    assert {'noisy', *RIVALS} <= {*table['denoiser']} and (each.groupby(['denoiser', 'level'])['image'].nunique() == 12).all()
    assert not each.duplicated(['denoiser', 'level', 'image']).any() and {*table['level']} == {15, 25, 50}
    for _, row in table[table['denoiser'].isin(RIVALS)].iterrows():
        setting, rival = literal_eval(row['setting']), RIVALS[row['denoiser']]
        assert setting in rival.settings(row['level'] / 255)
        rival.check_inside(setting, row['level'] / 255)


def test_a_setting_of_the_table_gives_what_it_says():
    each = results('photo_each').query('denoiser == "wavelets in colour" and level == 50 and image < 2')
    method = method_and_settings('wavelets in colour')[0]
    again = evaluate({'again': lambda x: method(x, literal_eval(each['setting'].iloc[0]))}, photos('test')[:2], 50 / 255, progress=False, each=True)
    assert np.allclose(again['psnr'], each['psnr'], atol=.005)


# --- a folder of grey pictures

def test_means_over_a_folder_go_into_a_table_and_other_rows_stay(monkeypatch, tmp_path):
    for name in 'ab':
        write_picture(torch.rand(1, 40, 50), tmp_path / f'{name}.png')
    out = tmp_path / 'table.csv'
    pd.DataFrame({'denoiser': ['noisy', 'mine'], 'level': 15, 'psnr': 1., 'pictures': 2}).to_csv(out, index=False)
    monkeypatch.setattr(sys, 'argv', ['grey_set.py', str(tmp_path), '--model', '--noisy', '--out', str(out)])
    grey_set.main()
    table = pd.read_csv(out)
    assert [*table['denoiser']] == ['mine'] + ['noisy', 'noisy, clipped'] * 3 and (table['pictures'] == 2).all()
    assert table['psnr'][1::2].tolist() == pytest.approx([24.6, 20.2, 14.15], abs=.3)
    shipped = results('set12').pivot(index='denoiser', columns='level', values='psnr')
    assert shipped.loc['noisy'].tolist() == pytest.approx([24.60, 20.18, 14.15], abs=.02)
    assert shipped.loc['BM3D'].tolist() == pytest.approx([32.37, 29.97, 26.72], abs=.05)  # as published
    monkeypatch.setattr(sys, 'argv', ['grey_set.py', str(tmp_path), '--model'])
    with pytest.raises(SystemExit):
        grey_set.main()
