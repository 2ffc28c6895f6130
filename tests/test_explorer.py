"""The explorer of lesson 03 in a real JupyterLab: the slider moves, and the picture follows."""
import json
import os
import re
import subprocess
import sys
import time
import urllib.request

import pytest
from conftest import ROOT, read_notebook
from playwright.sync_api import sync_playwright
from test_lessons import code_cell
from test_site import CHROMIUM

SETUP = '''import matplotlib.pyplot as plt
import torch
from ipywidgets import interact
from denoise_ae import *
test_images, test_labels = mnist_tensors('test')
packaged = Autoencoder.from_pretrained()'''


@pytest.fixture
def lab(tmp_path):
    "A JupyterLab on a notebook that holds the explorer's cell as it stands in the lesson."
    explorer = next(cell['source'] for cell in read_notebook(ROOT / 'nbs' / '03_training.ipynb') if '@interact' in cell['source'])
    notebook = {'cells': [code_cell(SETUP, 'setup'), code_cell(explorer, 'explorer')], 'nbformat': 4, 'nbformat_minor': 5,
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
        server.wait(30)


def test_the_slider_changes_the_picture(lab):
    assert CHROMIUM, 'this test needs Chromium: apt-get install chromium'
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox', '--disable-gpu', '--disable-background-networking'])
        page = browser.new_page(viewport={'width': 1400, 'height': 1000})
        page.goto(lab)
        page.get_by_text('| Idle').wait_for(timeout=180_000)  # the kernel is there
        page.locator('.jp-Notebook .jp-Cell').first.click()
        page.get_by_role('menuitem', name='Run', exact=True).click()
        page.get_by_text('Run All Cells', exact=True).click()
        picture = page.locator('.jp-OutputArea img').last
        picture.wait_for(timeout=180_000)
        assert page.locator('.jp-OutputArea img').count() == 1, 'one picture, not two'
        sliders = page.locator('.widget-slider')
        assert sliders.count() == 2 and 'std' in page.locator('.widget-label').first.inner_text()
        before = picture.get_attribute('src')
        page.screenshot(path=ROOT / '_build' / 'explorer.png')
        page.locator('.widget-slider .noUi-handle').first.focus()
        for _ in range(6):
            page.keyboard.press('ArrowRight')
        page.wait_for_function('before => { const all = [...document.querySelectorAll(".jp-OutputArea img")]; '
                               'return all.length && all[all.length - 1].src !== before }', arg=before, timeout=60_000)
        assert page.locator('.widget-readout').first.inner_text() == '0.40'
        page.screenshot(path=ROOT / '_build' / 'explorer-moved.png')
        browser.close()
