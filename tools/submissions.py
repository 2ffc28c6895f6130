"""What students have handed in: whose it is, and which code is in it, whatever has become of the file. Nothing of it runs here."""
import ast
import json
import re
import warnings
from dataclasses import dataclass, field

from answers import is_stub
from slices import names

LARGEST = 50_000_000  # bytes
DAMAGED = re.compile(r'"source":\s*(\[\s*(?:"(?:[^"\\]|\\.)*"\s*(?:,\s*)?)*\]|"(?:[^"\\]|\\.)*")')
MAGIC = re.compile(r'^(\s*)[%!?].*', re.M)
MOODLE = re.compile(r'_\d+_assignsubmission_(?:file|onlinetext)_?$')  # what Moodle puts behind a student's name when all work is fetched at once
GOES_ON = re.compile(r'[\s)\]}#]|(?:else|elif|except|finally)\b')  # a line that begins so belongs to what stands before it


@dataclass
class Statement:
    "A statement at the top level of a cell."
    where: str
    line: int
    code: str
    bound: set

    def padded(self):
        "With its lines where they are in the cell, so that errors name them."
        return '\n' * (self.line - 1) + self.code


@dataclass
class Submission:
    student: str
    statements: list = field(default_factory=list)
    notes: list = field(default_factory=list)  # what is odd about it
    broken: list = field(default_factory=list)  # pairs of a code that can't be read and what is wrong with it
    text: str = ''  # all its code
    notebook: bool = False


def cells_of(path):
    "The code cells of a notebook, or a Python file, as pairs of where and text; whether it is a notebook; and what is odd about it."
    if path.stat().st_size > LARGEST:
        return [], False, ['is larger than 50 MB, which no notebook of the course is']
    data = path.read_bytes()
    if not data.strip():
        return [], False, ['is empty']
    if data.startswith(b'PK\3\4'):  # zip, and what word processors write
        return [], False, ['is packed, or a document: unpack it here, or ask for the notebook']
    text = data.decode('utf-16' if data[:2] in (b'\xff\xfe', b'\xfe\xff') else 'utf-8-sig', errors='replace')
    if '\0' in text or text.count('\ufffd') > 20:
        return [], False, ['is neither a notebook nor Python']
    if not text.lstrip().startswith('{'):
        return [('', text)], False, []
    try:
        notebook = json.loads(text)
        cells = notebook.get('cells') or [cell for sheet in notebook.get('worksheets', []) for cell in sheet['cells']]
        found = [(f'cell {number}', source_of(cell)) for number, cell in enumerate(cells, 1)
                 if isinstance(cell, dict) and cell.get('cell_type') == 'code']
        return found, True, [] if found else ['is a notebook without code']
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
        sources = map(rescued, DAMAGED.findall(text))
        found = [(f'cell {number}', source) for number, source in enumerate(sources, 1)
                 if '```' not in source]  # or it is the lesson's text, in which solutions are folded
        return found, True, ['is a damaged notebook: what could be read of it counts']


def rescued(text):
    "The code of a cell, of which only its text in the file is left."
    try:
        return ''.join(json.loads(text, strict=False))
    except ValueError:
        return ''


def source_of(cell):
    "The code of a cell, of this or an older form of notebooks, with parts of it missing or not."
    source = cell.get('source', cell.get('input', ''))
    return ''.join(map(str, source)) if isinstance(source, list | str) else ''


def parsed(code):
    "The tree of a piece of code. Raises a `SyntaxError` for all that Python would not run."
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            tree = ast.parse(code)
            compile(code, 'cell', 'exec')
        except (ValueError, RecursionError, MemoryError) as error:
            raise SyntaxError(str(error) or 'too deeply nested') from None
    return tree


def chunks(code):
    "Pieces of a cell that begin at its left edge, each with the number of lines before it: what is broken in one spoils no other."
    pieces, held = [[0, []]], False  # a decorator holds on to what comes next
    for number, line in enumerate(code.splitlines()):
        if line.strip() and not GOES_ON.match(line) and not held:
            pieces.append([number, []])
        pieces[-1][1].append(line)
        held = line.startswith('@') or held and not line.strip()
    return [(number, '\n'.join(lines)) for number, lines in pieces if ''.join(lines).strip()]


def statements(where, code):
    "Those of a cell, and pairs of code that can't be read and why."
    found, broken, pieces = [], [], [(0, code)]
    try:
        parsed(code)
    except SyntaxError:
        code = MAGIC.sub(r'\1pass', code)
        try:
            parsed(code)
            pieces = [(0, code)]
        except SyntaxError:
            pieces = chunks(code)
    for before, piece in pieces:
        lines = piece.splitlines()
        try:
            body = parsed(piece).body
        except SyntaxError as error:
            broken.append((piece, f'{where}{", " if where else ""}line {before + (error.lineno or 1)}: {error.msg}'))
            continue
        taken = 0
        for node in body:
            first = min([node.lineno, *(each.lineno for each in getattr(node, 'decorator_list', []))])
            text = '\n'.join(lines[first - 1:node.end_lineno])
            shared = first <= taken or any(other is not node and other.lineno == node.end_lineno for other in body)
            taken = node.end_lineno
            code = ast.unparse(node) if shared else text
            try:
                found.append(Statement(where, before + first, code, names(code, {}).bound))
            except RecursionError:
                broken.append((code, f'{where}{", " if where else ""}line {before + first}: too deeply nested'))
    return found, broken


def read_submission(student, paths, stubs):
    "What one student has handed in: of several files the one with the most answers, and among those with as many the one with the most stubs."
    tried = []
    for path in sorted(paths):
        submission = Submission(student)
        try:
            cells, submission.notebook, submission.notes = cells_of(path)
        except OSError as error:
            cells, submission.notes = [], [f'cannot be read: {error.strerror}']
        for where, code in cells:
            found, broken = statements(where, code)
            submission.statements += found
            submission.broken += broken
        submission.text = '\n'.join(code for _, code in cells)
        if not submission.statements and submission.text and not submission.notebook:
            submission.notes = ['is neither a notebook nor Python']
        there = [(name, is_stub(each.code, name, stubs[name])) for each in submission.statements for name in each.bound & stubs.keys()]
        tried.append(((len({name for name, stub in there if not stub}), len({name for name, _ in there})), submission))
    best = max(tried, key=lambda each: each[0])
    if len(tried) > 1:
        best[1].notes.append(f'{len(tried)} files: the one with most of the answers counts')
    return best[1]


def submissions(folder, stubs):
    """All of a folder, in the order of their names: a file is a student's, and a folder in it with whatever it holds as well.
    `stubs`: the functions that are asked for, by their names, as they were handed out."""
    hidden = re.compile(r'\.|__MACOSX$|Thumbs\.db$')
    found = {}
    for path in sorted(folder.iterdir()):
        inside = [path] if path.is_file() else [each for each in path.rglob('*') if each.is_file()] if path.is_dir() else []
        inside = [each for each in inside if not any(hidden.match(part) for part in each.relative_to(folder).parts)]
        if inside:
            name = MOODLE.sub('', path.name) if path.is_dir() else path.stem
            found.setdefault(path.name if name in found else name, []).extend(inside)
    return [read_submission(student, paths, stubs) for student, paths in found.items()]
