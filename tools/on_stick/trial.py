"""Import what the lessons use and run the first cells of one, to see whether a computer is set up: python trial.py LESSON"""
import sys
from importlib import import_module
from pathlib import Path

for name in ('accelerate', 'ipywidgets', 'jupyterlab', 'matplotlib', 'onnxruntime', 'onnxscript', 'pandas', 'pywt', 'scipy', 'skimage', 'sklearn',
             'torch', 'torchvision', 'denoise_ae'):
    module = import_module(name)
print('imported PyTorch', import_module('torch').__version__, 'and denoise_ae', module.__version__)

import nbformat  # noqa: E402 they are told apart from those that the lessons use
from nbclient import NotebookClient  # noqa: E402

lesson = nbformat.read(sys.argv[1], 4)
lesson.cells = [cell for cell in lesson.cells if cell.cell_type == 'code' and 'eval: false' not in cell.source][:5]
NotebookClient(lesson, timeout=300, extra_arguments=['--log-level=ERROR']).execute()  # no warnings that are for administrators
said = [output['data']['text/plain'] for cell in lesson.cells for output in cell.outputs if 'data' in output]
print('ran the first', len(lesson.cells), 'cells of', Path(sys.argv[1]).name + ', and the last says', said[-1])
