"""Where the notebooks are, in which order, and what is in a cell."""
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_RUN = '#| eval: false\n'  # at the head of stubs and checks, which a reader runs


def notebooks_in(folder):
    "The index, the lessons, and then the rooms inside the library, in the order of the site's sidebar."
    order = re.findall(r'href: (\S+\.ipynb)', (ROOT / '_quarto.yml').read_text(encoding='utf-8'))
    place = {name: number for number, name in enumerate(order)}
    return sorted([*folder.glob('*.ipynb'), *folder.glob('inside/*.ipynb')],
                  key=lambda path: (path.parent != folder, place.get(path.relative_to(folder).as_posix(), len(order)), path.stem))


def source(cell):
    return ''.join(cell['source'])


def runs(cell):
    "Whether a cell is code that runs by itself."
    return cell['cell_type'] == 'code' and NOT_RUN not in source(cell)


def read(path):
    return json.loads(path.read_text(encoding='utf-8'))
