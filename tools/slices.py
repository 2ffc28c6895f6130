"""Which cells of a lesson a piece of code needs: those that give the names it uses, and the names that these use, and so on."""
import ast
import copy
import symtable
from dataclasses import dataclass, field

from notebooks import source


@dataclass
class Names:
    "What a cell does with names."
    bound: set = field(default_factory=set)  # given a value
    used: set = field(default_factory=set)  # looked up before it gives them one
    changed: set = field(default_factory=set)  # what stands behind them may be another thing afterwards
    later: dict = field(default_factory=dict)  # of each function and class: looked up when it is called
    effects: dict = field(default_factory=dict)  # of each function: changed when it is called


def looked_up(table):
    "The global names that a scope and those inside it look up."
    found = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global() and symbol.is_referenced()}
    return found.union(*map(looked_up, table.get_children()))


def steps(body):
    "Statements in their order: of a loop, a condition and the like first its head, then what is in it."
    for node in body:
        inside = [] if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else [
            part for part in [node, *getattr(node, 'handlers', []), *getattr(node, 'cases', [])] if hasattr(part, 'body')]
        if not inside:
            yield node
            continue
        head = copy.deepcopy(node)
        for part in [head, *getattr(head, 'handlers', []), *getattr(head, 'cases', [])]:
            for name in {'body', 'orelse', 'finalbody'} & set(part._fields):
                setattr(part, name, [ast.Pass()] if getattr(part, name) else [])
        yield head
        for part in inside:
            for name in ('body', 'orelse', 'finalbody'):
                yield from steps(getattr(part, name, []))


def root(node):
    "The name at the beginning of such as `name.attribute[0].method`."
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Starred):
        node = node.func if isinstance(node, ast.Call) else node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def changes(node, last):
    "Names behind which a statement puts something: by an assignment to a part, or by a call for its effect. The last of a cell is there to be shown."
    if isinstance(node, ast.Assign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return set().union(*(root(each) for each in targets if not isinstance(each, ast.Name)))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and node is not last:
        called_on = root(node.value) if isinstance(node.value.func, ast.Attribute) else set()
        return called_on.union(each.id for each in node.value.args if isinstance(each, ast.Name))
    return set()


def called(node):
    "The functions that a statement calls by their names, as decorators too."
    return {each.func.id for each in ast.walk(node) if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)}.union(
        *map(root, getattr(node, 'decorator_list', [])))


def names(code, known, effects=None):
    "The `Names` of a piece of code. `known` and `effects`: what functions defined before it look up and change when they are called."
    found, imported = Names(), set()
    found.later, found.effects = ({name: set(more) for name, more in each.items()} for each in (known, effects or {}))
    body = ast.parse(code).body
    for node in steps(body):
        text = ast.unparse(ast.fix_missing_locations(node))
        table = symtable.symtable(text, 'cell', 'exec')
        used = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
        bound = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
        inside = set().union(*map(looked_up, table.get_children()))
        if isinstance(node, ast.AugAssign):
            used |= root(node.target)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.later[node.name] = found.later.get(node.name, set()) | inside
            # what decorates it may call it or keep it, and a class looks up its defaults at once
            used |= inside if node.decorator_list or isinstance(node, ast.ClassDef) else set()
            kept_in = set().union(*(found.effects.get(each, set()) for each in called(node)))  # where a decorator may have put it
            found.later |= {name: found.later.get(name, set()) | inside for name in kept_in}
            found.changed |= kept_in.union(*map(root, node.decorator_list))
            found.effects[node.name] = inside & set().union(*(changes(each, None) for each in ast.walk(node)))
        else:
            used |= inside  # of lambdas and comprehensions, most of which are called at once
            found.changed |= set().union(*(found.effects.get(each, set()) for each in called(node)))
        imported |= bound if isinstance(node, ast.Import | ast.ImportFrom) else set()
        found.used |= reach(used, found.later) - found.bound
        found.bound |= bound
        found.changed |= changes(node, body[-1])
    found.changed -= imported
    return found


def reach(used, later):
    "Names, and those that the functions among them look up when they are called."
    found, new = set(), set(used)
    while new:
        found |= new
        new = set().union(*(later.get(name, set()) for name in new)) - found
    return found


def imports(code):
    "The import statements of a cell."
    return '\n'.join(ast.unparse(node) for node in ast.parse(code).body if isinstance(node, ast.Import | ast.ImportFrom))


def needed(cells, codes):
    """Of the code cells of a lesson, those that pieces of code need, as pairs of a cell and its text, in their order.

    Of a cell from which they need nothing but a package, the text is its imports alone."""
    cells, later, effects, ours, found = [(cell, code_of(cell)) for cell in cells], {}, {}, set(), []
    for _, code in cells:
        here = names(code, {}, effects)
        ours |= here.bound
        for known, more in ((later, here.later), (effects, here.effects)):
            known.update({name: known.get(name, set()) | each for name, each in more.items()})
    wanted = set().union(*(names(code, later).used for code in codes))
    ours -= set().union(*(names(imports(code), {}).bound for _, code in cells))  # calls in a package leave it as it is
    for cell, code in reversed(cells):
        whole, alone = names(code, later, effects), imports(code)
        brought = names(alone, {}).bound
        if whole.bound - brought & wanted or whole.changed & ours & wanted:
            found.append((cell, code))
            wanted = wanted - whole.bound | whole.used
        elif brought & wanted:
            found.append((cell, alone))
            wanted -= brought
    return found[::-1]


def code_of(cell):
    "The code of a cell without the lines that are for nbdev and the site."
    return '\n'.join(line for line in source(cell).splitlines() if not line.startswith('#|')).strip()
