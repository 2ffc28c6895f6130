"""What the files of a class show, and whether a folded solution or answer of a lesson is among it."""
import html
import json
import re
from functools import cache

from conftest import NOTEBOOKS
from notebooks import read, source
from pdf_text import text_of_pdf
from teaching import folds, without_folds


def shown_in(page):
    "The text of a page of HTML, without its tags and styles."
    return html.unescape(re.sub('<[^>]*>', '', re.sub('<style>.*?</style>', '', page, flags=re.S)))


def text_in(path):
    "All text of a file, without white space, in each way that it may be read."
    if path.suffix == '.pdf':
        text = text_of_pdf(path.read_bytes())
    else:
        text = path.read_text(encoding='utf-8')
    if path.suffix == '.ipynb':
        text = '\n'.join(source(cell) + json.dumps(cell['metadata'], ensure_ascii=False) for cell in json.loads(text)['cells'])
    elif path.suffix == '.html':
        text += shown_in(text)
    return ''.join(text.split())


def pieces(fold):
    "What of a solution or an answer can be searched for: lines of code, and prose between its marks, without white space, of twelve signs or more."
    code = re.findall('^```python\n(.*?)^```', fold, re.M | re.S)
    prose = re.sub('^```python\n.*?^```|^\\d+\\. ', '', fold, flags=re.M | re.S)
    found = [line for part in code for line in part.splitlines()] + re.split(r'[`*$\[\]()\n]', prose)
    return {piece for each in found if len(piece := ''.join(each.split())) >= 12}


@cache
def secrets():
    "What is in the folded solutions and answers, for each lesson: without what it shows elsewhere, and without what any lesson or room shows."
    shown, hidden = {}, {}
    for path in NOTEBOOKS:
        cells = read(path)['cells']
        shown[path.stem] = ''.join(''.join(without_folds(source(cell)).split()) for cell in cells)
        hidden[path.stem] = {piece for cell in cells if cell['cell_type'] == 'markdown' for fold in folds(source(cell)) for piece in pieces(fold)}
    everywhere = ''.join(shown.values())
    return {name: ({each for each in found if each not in shown[name]}, {each for each in found if each not in everywhere})
            for name, found in hidden.items() if found}


def leaks(path, hidden):
    "The lines of solutions and answers that are in a file. What is shown elsewhere in the same lesson is no secret in what is made from it."
    text = text_in(path)
    return [line for name, (own, others) in hidden.items() for line in (own if path.stem == name else others) if line in text]
