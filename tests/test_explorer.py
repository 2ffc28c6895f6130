"""The handles of lessons 03 and 10, and the bar of `fit`, in a real JupyterLab: a handle moves, and the picture follows."""
import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from conftest import ROOT, read_notebook
from playwright.sync_api import expect
from tried import code_cell

SETUP = '''import matplotlib.pyplot as plt
import torch
from ipywidgets import interact
from denoise_ae import *
test_images, test_labels = mnist_tensors('test')
packaged = Autoencoder.from_pretrained()'''
FIT = 'fit(Autoencoder(), test_images[:2000], valid=test_images[2000:3000], epochs=2)'


def cells_with(lesson, *marks):
    "The code cells of a lesson, as they stand there, that hold one of the marks."
    return [cell['source'] for cell in read_notebook(ROOT / 'nbs' / f'{lesson}.ipynb') if cell['cell_type'] == 'code' and any(mark in cell['source'] for mark in marks)]


@contextmanager
def lab(browser, tmp_path, cells):
    "A page with a JupyterLab that has run a notebook of these cells."
    notebook = {'cells': [code_cell(cell, f'cell{n}') for n, cell in enumerate(cells)], 'nbformat': 4, 'nbformat_minor': 5,
                'metadata': {'kernelspec': {'display_name': 'python3', 'language': 'python', 'name': 'python3'}}}
    (tmp_path / 'explorer.ipynb').write_text(json.dumps(notebook), encoding='utf-8')
    log = tmp_path / 'lab.log'
    env = {**os.environ, 'JUPYTER_CONFIG_DIR': str(tmp_path / 'config'), 'JUPYTER_RUNTIME_DIR': str(tmp_path / 'runtime'),
           'JUPYTERLAB_SETTINGS_DIR': str(tmp_path / 'settings'), 'JUPYTERLAB_WORKSPACES_DIR': str(tmp_path / 'workspaces')}
    with log.open('w') as out:
        server = subprocess.Popen([sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', '--port=0', '--IdentityProvider.token=test',
                                   '--LabApp.news_url=', '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate'],
                                  cwd=tmp_path, env=env, stdout=out, stderr=subprocess.STDOUT)
    try:
        for _ in range(240):
            if found := re.search(r'(http://(?:127\.0\.0\.1|localhost):\d+)/lab', log.read_text()):
                break
            time.sleep(.5)
        else:
            pytest.fail(log.read_text())
        page = browser.new_page(viewport={'width': 1400, 'height': 4000})
        page.set_default_timeout(180_000)
        page.goto(f'{found[1]}/lab/tree/explorer.ipynb?token=test')
        page.get_by_text('| Idle').wait_for()  # the kernel is there
        page.locator('.jp-Notebook .jp-Cell').first.click()
        page.get_by_role('menuitem', name='Run', exact=True).click()
        page.get_by_text('Run All Cells', exact=True).click()
        yield page
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


def picture_of(cell):
    picture = cell.locator('.jp-OutputArea img')
    picture.wait_for()
    assert picture.count() == 1, 'one picture, not two'
    return picture


def changed(picture, before):
    "The new source of a picture, once it is another one."
    expect(picture).not_to_have_attribute('src', before)
    return picture.get_attribute('src')


def settled(picture):
    "The source of a picture, once all moves made so far have been drawn."
    before = None
    while before != (now := picture.get_attribute('src')):
        before = now
        picture.page.wait_for_timeout(2000)
    return now


def move(cell, slider, key, times):
    cell.locator('.widget-slider .noUi-handle').nth(slider).focus()
    for _ in range(times):
        cell.page.keyboard.press(key)


@pytest.mark.long(50)
def test_the_slider_changes_the_picture_and_the_bar_fills(browser, tmp_path):
    with lab(browser, tmp_path, [SETUP, *cells_with('03_training', '@interact'), FIT]) as page:
        explorer, fit = (page.locator('.jp-CodeCell').nth(n) for n in (1, 2))
        picture = picture_of(explorer)
        assert explorer.locator('.widget-slider').count() == 2 and 'std' in explorer.locator('.widget-label').first.inner_text()

        fit.locator('.jp-OutputArea img').wait_for(timeout=60_000)  # the history draws itself
        bar = fit.locator('.jp-OutputArea').first.inner_text().replace('\u2007', ' ')
        assert re.search(r'epoch 2/2.*16/16.*train_loss 0\.\d+.*valid_psnr \d+', bar, re.S), bar
        assert fit.locator('.widget-hprogress, .jupyter-widgets progress, [role=progressbar]').count() == 1

        before = picture.get_attribute('src')
        move(explorer, 0, 'ArrowRight', 6)
        changed(picture, before)
        assert explorer.locator('.widget-readout').first.inner_text() == '0.40'


@pytest.mark.long(20)
def test_the_handles_of_the_playground(browser, tmp_path):
    cells = cells_with('10_playground', '#| export', 'import', 'denoisers = ', 'explore_')
    with lab(browser, tmp_path, cells) as page:
        noise, latents, walk = (page.locator('.jp-CodeCell').nth(n) for n, cell in enumerate(cells) if '#| output: false' in cell)

        picture = picture_of(noise)
        first = picture.get_attribute('src')
        noise.locator('select').select_option('holes')
        holes = changed(picture, first)
        move(noise, 1, 'ArrowLeft', 3)
        changed(picture, holes)
        settled(picture)
        move(noise, 1, 'ArrowRight', 3)
        settled(picture)
        noise.locator('select').select_option('Gaussian')
        expect(picture).to_have_attribute('src', first)  # the same noise for the same setting

        picture = picture_of(latents)
        first = picture.get_attribute('src')
        assert latents.locator('.widget-slider').count() == 11
        move(latents, 3, 'ArrowRight', 10)
        changed(picture, first)
        settled(picture)
        latents.get_by_role('button', name='all back to 0').click()
        expect(picture).to_have_attribute('src', first)

        picture = picture_of(walk)
        first = picture.get_attribute('src')
        walk.locator('.widget-play button').first.click()
        changed(picture, first)
        expect(walk.locator('.widget-readout').first).not_to_have_text('1')
        walk.locator('.widget-play button').first.click()  # the same one stops it
        before = settled(picture)
        walk.locator('select').select_option('0.0')
        changed(picture, before)
