"""The explorer of lesson 03, and the bar of `fit`, in a real JupyterLab: the slider moves, and the picture follows."""
import json
import os
import re
import subprocess
import sys
import time
import urllib.request

import pytest
from conftest import ROOT, read_notebook
from test_lessons import code_cell

SETUP = '''import matplotlib.pyplot as plt
import torch
from ipywidgets import interact
from denoise_ae import *
test_images, test_labels = mnist_tensors('test')
packaged = Autoencoder.from_pretrained()'''
FIT = 'fit(Autoencoder(), test_images[:2000], valid=test_images[2000:3000], epochs=2)'


@pytest.fixture
def lab(tmp_path):
    "A JupyterLab on a notebook that holds the explorer's cell as it stands in the lesson."
    explorer = next(cell['source'] for cell in read_notebook(ROOT / 'nbs' / '03_training.ipynb') if '@interact' in cell['source'])
    notebook = {'cells': [code_cell(SETUP, 'setup'), code_cell(explorer, 'explorer'), code_cell(FIT, 'fit')], 'nbformat': 4, 'nbformat_minor': 5,
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
        yield f'{found[1]}/lab/tree/explorer.ipynb?token=test'
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


def test_the_slider_changes_the_picture_and_the_bar_fills(lab, browser):
    page = browser.new_page(viewport={'width': 1400, 'height': 1600})
    page.goto(lab)
    page.get_by_text('| Idle').wait_for(timeout=180_000)  # the kernel is there
    page.locator('.jp-Notebook .jp-Cell').first.click()
    page.get_by_role('menuitem', name='Run', exact=True).click()
    page.get_by_text('Run All Cells', exact=True).click()
    explorer, fit = (page.locator('.jp-CodeCell').nth(n) for n in (1, 2))

    picture = explorer.locator('.jp-OutputArea img')
    picture.wait_for(timeout=180_000)
    assert picture.count() == 1, 'one picture, not two'
    assert explorer.locator('.widget-slider').count() == 2 and 'std' in explorer.locator('.widget-label').first.inner_text()

    fit.locator('.jp-OutputArea img').wait_for(timeout=60_000)  # the history draws itself
    bar = fit.locator('.jp-OutputArea').first.inner_text().replace('\u2007', ' ')
    assert re.search(r'epoch 2/2.*16/16.*train_loss 0\.\d+.*valid_psnr \d+', bar, re.S), bar
    assert fit.locator('.widget-hprogress, .jupyter-widgets progress, [role=progressbar]').count() == 1

    before = picture.get_attribute('src')
    explorer.locator('.widget-slider .noUi-handle').first.focus()
    for _ in range(6):
        page.keyboard.press('ArrowRight')
    page.wait_for_function('before => { const image = document.querySelectorAll(".jp-CodeCell")[1].querySelector(".jp-OutputArea img"); '
                           'return image && image.src !== before }', arg=before, timeout=60_000)
    assert explorer.locator('.widget-readout').first.inner_text() == '0.40'
