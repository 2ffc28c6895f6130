"""Write what is made from the notebooks: the library (denoise_ae/*.py) and README.md. Also cleans the notebooks' metadata."""
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent


def readme():
    "README.md and its pictures, as a dict of paths and bytes, from nbs/index.ipynb with its saved outputs."
    notebook = nbformat.read(ROOT / 'nbs' / 'index.ipynb', as_version=4)
    notebook.metadata['language_info'] = {'name': 'python'}
    for cell in notebook.cells:
        if cell.cell_type == 'code':
            alt = re.search(r'#\| fig-alt: "(.*)"', cell.source)
            cell.metadata['alt'] = alt[1] if alt else ''
            cell.source = re.sub(r'^#\|.*\n', '', cell.source, flags=re.M)
    order = ['image/png', 'text/markdown', 'text/plain']
    exporter = MarkdownExporter(config=Config(NbConvertBase={'display_data_priority': order}))
    text, resources = exporter.from_notebook_node(notebook, {'output_files_dir': 'README_files', 'unique_key': 'README'})
    alts = iter([cell.metadata['alt'] for cell in notebook.cells if cell.cell_type == 'code' and cell.metadata['alt']])
    text = re.sub(r'!\[png\]', lambda match: f'![{next(alts)}]', text)
    text = re.sub(r'\]\(([\w/]+\.ipynb(#[\w-]+)?)\)', r'](nbs/\1)', text)
    text = text.replace('](commands.qmd)', '](https://denoise-ae.github.io/denoise_ae/commands.html)')
    text = re.sub(r'^(:::|<script|<link).*\n', '', text, flags=re.M)  # of which only the site makes boxes, or something that answers
    text = text.replace('src="images/', 'src="nbs/images/')
    text = re.sub(r'[ \t]+$', '', text, flags=re.M).strip() + '\n'
    return {'README.md': text.encode(), **resources['outputs']}


def main():
    for command in ('nbdev-clean', 'nbdev-export'):
        subprocess.run([str(Path(sys.executable).parent / command)], check=True, cwd=ROOT)
    shutil.rmtree(ROOT / 'README_files', ignore_errors=True)
    for name, content in readme().items():
        (ROOT / name).parent.mkdir(exist_ok=True)
        (ROOT / name).write_bytes(content)


if __name__ == '__main__':
    main()
