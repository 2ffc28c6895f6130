"""The bench measures and writes tables of the form that the lesson on scaling reads, and refuses what can't be measured."""
import inspect
import subprocess
import sys

import bench
import pandas as pd
import pytest
from conftest import ROOT

from denoise_ae.training import Trainer, one_cycle


def run(*options):
    return subprocess.run([sys.executable, ROOT / 'tools' / 'bench.py', *map(str, options)], capture_output=True, text=True)


def test_a_part_writes_its_table(tmp_path):
    done = run('--part', 'unet', '--images', 256, '--out', tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    path = tmp_path / 'unet.csv'
    table, shipped = pd.read_csv(path), pd.read_csv(ROOT / 'denoise_ae' / 'results' / 'unet.csv')
    assert list(table) == list(shipped) and str(path) in done.stdout
    assert list(table['step']) == [4] and table['seconds'].item() > 0 and 5 < table['psnr'].item() < shipped['psnr'].min()


@pytest.mark.parametrize('options, said', [(('--images', 100), '--images must be from 256 to 55000'), (('--repeats', 0), '--repeats 1 or more')])
def test_what_cannot_be_measured_is_refused(options, said):
    done = run(*options)
    assert done.returncode == 2 and said in done.stderr


def test_the_defaults_in_the_race_are_those_of_fit():
    given = {name: each.default for name, each in inspect.signature(Trainer.__init__).parameters.items()}
    ours = bench.DEFAULTS
    assert [given[name] for name in ('batch_size', 'epochs', 'lr', 'schedule')] == [ours.batch_size, ours.epochs, ours.lr, one_cycle] and ours.cycle
