"""The answers of a student, found by the names of the functions that are asked for, with what else of the student's code they need."""
import ast
import builtins
import re
from dataclasses import dataclass

from slices import names, needed

COURSE = 'the lesson'
# by which code can look at, or change, the process in which it is marked
REACHES = re.compile(r'\b(_getframe|_current_frames|currentframe|f_back|f_globals|gc|ctypes|inspect|settrace|setprofile|getppid|killpg)\b')


@dataclass
class Given:
    "What the course gives to an answer."
    ready: set  # names that the set-up for marking has
    names: set  # all names of the lesson
    cells: list  # those of the lesson that are not in that set-up
    text: str  # its code

    def comes_first(self, statement):
        "Whether a student's statement is the course's matter: it gives a name of the lesson, and is no function of the student's own."
        own = statement.code.lstrip().startswith(('def ', 'class ', '@')) and statement.code not in self.text
        return bool(statement.bound & self.names) and not own


@dataclass
class Answer:
    "What goes into the process that marks, as pairs of where it stands and code."
    code: list
    notes: list


def same(code, other):
    "Whether two functions are the same but for comments, docstrings and layout."
    def bare(text):
        node = next(each for each in ast.parse(text).body if isinstance(each, ast.FunctionDef))
        node.body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        return ast.dump(node)
    return bare(code) == bare(other)


def is_stub(code, name, stub):
    "Whether a statement gives the function as it was handed out, or with nothing in it."
    node = next((each for each in ast.parse(code).body if isinstance(each, ast.FunctionDef) and each.name == name), None)
    empty = node and all(isinstance(each, ast.Pass) or isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
                         or isinstance(each, ast.Raise) and 'NotImplemented' in ast.unparse(each) for each in node.body)
    return bool(node) and (empty or same(code, stub))


def answer_in(submission, name, stub, given):
    """The answer of a student to one exercise, or None, and what is odd about it.

    What the lesson gives comes from the course, unless the student has it in the same cell as the answer, or has written a function of that name."""
    stands = [each for each in submission.statements if name in each.bound]
    written = [each for each in stands if not is_stub(each.code, name, stub)]
    broken = [why for code, why in submission.broken if re.search(rf'\b{name}\b', code)]
    notes = [f'a cell with {name} cannot be read: {why}' for why in broken]
    if not written:
        return None, notes
    last = written[-1]
    if len({each.code for each in written}) > 1:
        notes.append(f'{name} is defined {len(written)} times: the last one that is not the stub counts')
    elif len(stands) > 1:
        notes.append(f'{name} stands there {len(stands)} times')
    near = [each for each in submission.statements if name not in each.bound and (
        each.where == last.where and submission.notebook or not given.comes_first(each))]
    wanted = names(f'{last.code}\n{name}', {}).used - {name}
    own = set().union(*(each.bound for each in near if each.where == last.where or each.bound & given.names))
    code = [(each.where, each.padded()) for each in near if 'import *' in each.code]
    if wanted & own or wanted - given.ready - set(dir(builtins)):
        cells = [*given.cells, *({'source': each.code, 'statement': each} for each in near)]
        code += [(cell['statement'].where, cell['statement'].padded()) if 'statement' in cell else (COURSE, text)
                 for cell, text in needed(cells, [f'{last.code}\n{name}'])]
    code.append((last.where, last.padded()))
    reached = sorted(set(REACHES.findall('\n'.join(text for where, text in code if where != COURSE))))
    if reached:
        notes.append(f'uses {", ".join(reached)}, by which code can reach into its marking: look at it yourself')
    return Answer(code, notes), notes
