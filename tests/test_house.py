"""How the house is built: what crosses from one module into another, and what is loaded when one name is wanted."""
import ast
import configparser
import graphlib
import importlib
import re
import sys
from importlib.metadata import packages_distributions, requires

import pytest
from conftest import ROOT, read_notebook, run_python
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import denoise_ae
from denoise_ae.checks import need

PACKAGE = ROOT / 'denoise_ae'
MODULES = {path.stem: ast.parse(path.read_text(encoding='utf-8')) for path in sorted(PACKAGE.glob('*.py')) if path.stem[0] != '_'}


def is_private(name):
    return name[0] == '_' and not name.endswith('__')


def sources():
    "All Python that is not a test: the library, the tools, and the code of the notebooks, cell by cell."
    for path in [*PACKAGE.glob('*.py'), *(ROOT / 'tools').glob('*.py')]:
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding='utf-8')
    for path in (ROOT / 'nbs').rglob('*.ipynb'):
        for cell in read_notebook(path):
            if cell['cell_type'] == 'code':
                code = '\n'.join(line for line in cell['source'].splitlines() if not re.match(r'\s*[%!]', line))
                yield f'{path.relative_to(ROOT).as_posix()} {cell["id"]}', code


def imports(tree):
    "What is imported of the package, as pairs of a module's name, '' for the package itself, and a name in it."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == 'denoise_ae':  # then its names are used as attributes
                    yield from (('', each.attr) for each in ast.walk(tree) if isinstance(each, ast.Attribute)
                                and isinstance(each.value, ast.Name) and each.value.id == (alias.asname or 'denoise_ae'))
                elif alias.name.startswith('denoise_ae.'):
                    yield alias.name.partition('.')[2], ''
        elif isinstance(node, ast.ImportFrom) and (node.level or (node.module or '').split('.')[0] == 'denoise_ae'):
            module = node.module or ''
            module = module if node.level else module.partition('.')[2]
            for alias in node.names:
                yield module, alias.name


def test_no_private_name_is_imported_from_another_module():
    seen = 0
    for where, code in sources():
        for module, name in imports(ast.parse(code)):
            seen += 1
            assert not any(map(is_private, filter(None, [*module.split('.'), name]))), f'{where} imports {module}.{name}'
    assert seen > 100


def defined(tree):
    "The private names that a module gives: functions, classes, variables and attributes."
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name) and node.value.id == 'self':
            yield node.attr


def test_no_private_attribute_of_another_module_is_used():
    "What a module calls private, no other reads or writes, of an object of any kind: not even of its own subclass."
    own = {name: {each for each in defined(tree) if is_private(each)} for name, tree in MODULES.items()}
    others = [(path.stem, ast.parse(path.read_text(encoding='utf-8'))) for path in (ROOT / 'tools').glob('*.py')]
    others += [(where, ast.parse(code)) for where, code in sources() if where.startswith('nbs/') and '#| export' not in code]
    for where, tree in [*MODULES.items(), *others]:
        elsewhere = {each: module for module, names in own.items() if module != where for each in names}
        mine = own.get(where, set()) | {each for each in defined(tree)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in elsewhere and node.attr not in mine:
                pytest.fail(f'{where}, {ast.unparse(node)}: {node.attr} belongs to {elsewhere[node.attr]}')
    assert sum(map(len, own.values())) > 20


def test_private_attributes_are_shared_by_no_two_classes_that_inherit():
    "A class that assigns a private attribute which a class above it, from another module, has as well."
    for name in MODULES:
        module = importlib.import_module(f'denoise_ae.{name}')
        for kind in vars(module).values():
            if isinstance(kind, type) and kind.__module__ == module.__name__:
                above = [each for each in kind.__mro__[1:] if each.__module__.startswith('denoise_ae.') and each.__module__ != module.__name__]
                theirs = {attribute for each in above for attribute in private_attributes(each)}
                assert not theirs & private_attributes(kind), f'{kind.__qualname__} and a class above it both have {theirs & private_attributes(kind)}'


def private_attributes(kind):
    node = next(node for node in ast.walk(MODULES[kind.__module__.split('.')[1]]) if isinstance(node, ast.ClassDef) and node.name == kind.__name__)
    return {each for each in defined(node) if is_private(each)} | {
        each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute) and is_private(each.attr) and isinstance(each.value, ast.Name) and each.value.id == 'self'}


def test_imports_point_one_way():
    "Those inside functions, too. Where the package itself is imported, what counts are the modules of the names that are used."
    home, needed = dict(public()), {}
    for name, tree in MODULES.items():
        found = {module or home.get(each, each) for module, each in imports(tree)} - {'__version__'}
        assert found <= set(MODULES), f'{name} imports {found - set(MODULES)}'
        needed[name] = found
    order = list(graphlib.TopologicalSorter(needed).static_order())
    assert len(order) == len(MODULES) and order[-1] == 'cli' and not needed['checks']


def test_the_table_of_packages_says_why_each_is_needed():
    "Those of settings.ini, and no other."
    settings = configparser.ConfigParser()
    settings.read(ROOT / 'settings.ini', encoding='utf-8')
    wanted = {Requirement(line).name for key, lines in settings['DEFAULT'].items() if key.endswith('requirements') for line in lines.strip().splitlines()}
    text = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8').partition('## Why each package is needed\n')[2].partition('\n## ')[0]
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines() if re.match(r'\| (?!Package|Extra)', line)]
    named = [name for row in rows for name in row[-2].split(', ')]
    assert set(named) == wanted and len(named) == len(wanted) > 30 and all(row[-1] for row in rows)


HEAVY = 'sklearn', 'scipy', 'pandas', 'matplotlib'


def test_a_network_is_loaded_without_what_draws_and_measures():
    "Nor do its training, its use on pictures and its export need any of it."
    names = 'UNet, Autoencoder, GaussianNoise, psnr, mnist_tensors, denoise, Trainer, fit, Run, load_model, denoise_picture, read_picture, load_onnx, sample'
    run = run_python(f'import sys; from denoise_ae import {names}; print([each for each in {HEAVY} if each in sys.modules])')
    assert run.stdout.strip() == '[]', run.stdout + run.stderr


def test_a_module_is_loaded_when_it_is_needed():
    "Otherwise the test above would be passed by a package that loads nothing ever."
    run = run_python('import sys, denoise_ae; before = "torch" in sys.modules; denoise_ae.project; print(before, "sklearn" in sys.modules)')
    assert run.stdout.strip() == 'False True', run.stdout + run.stderr


def public():
    "The names that the package is said to give, and their modules."
    for node in ast.parse((PACKAGE / '__init__.pyi').read_text(encoding='utf-8')).body:
        if isinstance(node, ast.ImportFrom):
            assert node.level == 1 and all(alias.asname == alias.name for alias in node.names), ast.unparse(node)
            yield from ((alias.name, node.module) for alias in node.names)


@pytest.mark.parametrize('name, module', list(public()))
def test_every_public_name_is_there(name, module):
    module = importlib.import_module(f'denoise_ae.{module}')
    assert getattr(denoise_ae, name) is getattr(module, name) and name in module.__all__
    assert name in denoise_ae.__all__ and name in dir(denoise_ae)


def test_the_public_names_are_all():
    assert sorted(denoise_ae.__all__) == sorted(name for name, _ in public()) and len(set(denoise_ae.__all__)) > 50


def needs():
    "All calls of `need`, as pairs of a module and an extra."
    for tree in MODULES.values():
        loops = {node.target.id: [each.value for each in node.iter.elts] for node in ast.walk(tree)
                 if isinstance(node, ast.For) and isinstance(node.target, ast.Name) and isinstance(node.iter, ast.Tuple) and all(isinstance(e, ast.Constant) for e in node.iter.elts)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'need':
                module, extra = node.args
                yield from ((each, extra.value) for each in ([module.value] if isinstance(module, ast.Constant) else loops[module.id]))


@pytest.mark.parametrize('module, extra', sorted(set(needs())))
def test_what_is_missing_can_be_installed(module, extra, monkeypatch):
    "The words of the error are a command that installs it, from a clone as well as from an index."
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError) as caught:
        need(module, extra)
    command = re.fullmatch(rf'this needs the package {module.split(".")[0]}: pip install ((?:"[^"]+" ?)+)', str(caught.value))
    assert command, caught.value
    told = [Requirement(each) for each in re.findall('"([^"]+)"', command[1])]
    listed = [Requirement(each) for each in requires('denoise_ae')]
    for each in told:
        assert any((each.name, each.specifier) == (other.name, other.specifier) and 'extra' in str(other.marker) and extra in str(other.marker) for other in listed), each
    top, names = module.split('.')[0], {canonicalize_name(each.name) for each in told}
    assert names & {canonicalize_name(each) for each in packages_distributions().get(top, [top])}, f'{names} does not bring {top}'


def test_every_extra_package_is_asked_for_by_need():
    "And no module of the library imports one otherwise, which would end in an error that names no command."
    optional = {each.name.lower(): each for each in map(Requirement, requires('denoise_ae')) if each.marker and 'extra' in str(each.marker) and '"dev"' not in str(each.marker)}
    required = {each.name.lower() for each in map(Requirement, requires('denoise_ae')) if not (each.marker and 'extra' in str(each.marker))}
    brought = {top for top, names in packages_distributions().items() if any(name.lower() in optional for name in names) and not any(name.lower() in required for name in names)}
    assert {'skimage', 'onnx', 'onnxruntime', 'accelerate', 'ipywidgets'} <= brought
    assert {module.split('.')[0] for module, _ in needs()} & brought >= {'skimage', 'onnx', 'onnxruntime', 'accelerate', 'ipywidgets'}
    for name, tree in MODULES.items():
        for node in ast.iter_child_nodes(tree):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ''] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not {module.split('.')[0] for module in modules} & brought, f'{name}: {ast.unparse(node)}'
