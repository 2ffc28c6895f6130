"""Code as it fits on a slide: without what is only there to be exact, and cut where it is long."""
import ast
import re


def parsed(code):
    "The code's tree, or None if it is not Python alone, as with a command of IPython."
    try:
        return ast.parse(code)
    except SyntaxError:
        return None


def without_lines(code, dropped):
    kept = [line for number, line in enumerate(code.split('\n'), 1) if number not in dropped]
    return re.sub(r'\n{3,}', '\n\n', '\n'.join(kept)).strip('\n')


def lines_of(node):
    first = min([node.lineno, *(each.lineno for each in getattr(node, 'decorator_list', []))])
    return range(first, node.end_lineno + 1)


def only_checks(node):
    "Is it an assert, or a loop or condition around nothing else?"
    if isinstance(node, ast.For | ast.While | ast.If | ast.With):
        return all(map(only_checks, [*node.body, *getattr(node, 'orelse', [])]))
    return isinstance(node, ast.Assert)


def documentation(node):
    "The lines of a docstring of more than one line, but for one that holds its first sentence alone."
    if not isinstance(node, ast.FunctionDef | ast.ClassDef) or not ast.get_docstring(node):
        return ()
    return lines_of(node.body[0]) if node.body[0].end_lineno > node.body[0].lineno and len(node.body) > 1 else ()


def trimmed(code):
    """The code without asserts, imports, directives of nbdev, how it is printed, long docstrings, and comments that have a line for
    themselves in a signature."""
    code = re.sub(r'^#\|.*\n?', '', code, flags=re.M).strip('\n')
    if not (tree := parsed(code)):
        return code
    dropped = set()
    for node in ast.walk(tree):
        checks = only_checks(node) if isinstance(node, ast.stmt) else False
        printed = isinstance(node, ast.FunctionDef) and node.name in ('__repr__', 'extra_repr')
        if checks or printed or isinstance(node, ast.Import | ast.ImportFrom):
            dropped |= set(lines_of(node))
        dropped |= set(documentation(node))
        if isinstance(node, ast.FunctionDef):
            signature = range(node.lineno, node.body[0].lineno)
            dropped |= {n for n in signature if code.split('\n')[n - 1].lstrip().startswith('#')}
    shorter = without_lines(code, dropped)
    return shorter if parsed(shorter) else code  # a block that held nothing else would be left empty


def last_call(code):
    "The last statement, if it calls a function by name in at most three lines, or nothing."
    last = tree.body[-1] if (tree := parsed(code)) and tree.body else None
    called = isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and isinstance(last.value.func, ast.Name)
    return '\n'.join(code.split('\n')[last.lineno - 1:last.end_lineno]) if called and last.end_lineno - last.lineno < 3 else ''


def folded(code, limit):
    "The code with the longest bodies of its functions as …, until it has at most `limit` lines or no body is left."
    while code.count('\n') >= limit and (tree := parsed(code)):
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.end_lineno - node.body[0].lineno > 1]
        if not functions:
            return code
        node = max(functions, key=lambda each: each.end_lineno - each.body[0].lineno)
        first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
        lines = code.split('\n')
        lines[first.lineno - 1:node.end_lineno] = [' ' * first.col_offset + '...']
        code = '\n'.join(lines)
    return code


def split_code(code, limit):
    "The code in parts of at most `limit` lines, cut between two statements. One that is longer by itself ends in a line of its own that says so."
    lines, tree = code.split('\n'), parsed(code)
    if len(lines) <= limit:
        return [code]
    starts = [0] + [lines_of(node)[0] - 1 for node in tree.body[1:]] if tree else list(range(0, len(lines), limit))
    found = ['']
    for start, end in zip(starts, [*starts[1:], len(lines)]):
        piece = lines[start:end] if end - start <= limit else [*lines[start:start + limit - 1], '# …']
        together = [*found[-1].split('\n'), *piece] if found[-1] else piece
        if len(together) <= limit:
            found[-1] = '\n'.join(together)
        else:
            found.append('\n'.join(piece))
    return [each.strip('\n') for each in found if each.strip()]
