"""The rules of the house that a machine can check."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / 'hpemap_mm'

#: Parts of the package that any other may import.
COMMON = frozenset(
    {'commandline', 'compat', 'errors', 'files', 'photographs', 'registry', 'version'}
)
#: Which parts each part may import besides itself and the common ones.
MIDDLE = frozenset({'datasets', 'models', 'translators', 'evaluation', 'visualization'})
BASE = frozenset({'skeletons', 'persons'})
MAY_IMPORT = {
    '__init__': frozenset(),
    'commandline': frozenset(),
    'compat': frozenset({'compat_xtcocotools'}),
    'compat_xtcocotools': frozenset(),
    'errors': frozenset(),
    'files': frozenset(),
    'photographs': frozenset(),
    'registry': frozenset(),
    'version': frozenset(),
    'skeletons': frozenset(),
    'persons': frozenset({'skeletons'}),
    **dict.fromkeys(MIDDLE, BASE),
    'checkpoints': BASE | {'models'},
    'deployment': BASE | {'models', 'checkpoints'},
    'analysis': MIDDLE | BASE,
    'completion': MIDDLE | BASE,
    # What tools and notebooks call: both stand on everything, and on each other's modules.
    'engine': MIDDLE | BASE | {'checkpoints', 'deployment', 'analysis', 'completion', 'apis'},
    'apis': MIDDLE | BASE | {'checkpoints', 'deployment', 'engine'},
}

#: Modules that may be longer than 400 lines, each with its reason.
MAX_LINES = 400
LONG_MODULES: dict[str, str] = {}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob('*.py'))


def name_of(file: Path) -> str:
    """Dotted name of a module of the package."""
    parts = file.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def part_of(module: str) -> str:
    """First name below the package: 'skeletons' of 'hpemap_mm.skeletons.joint_space'."""
    return (module.split('.') + ['__init__'])[1]


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding='utf-8'), str(file))


def imported(file: Path, *, top_level_only: bool = False) -> Iterator[tuple[str, int]]:
    """Absolute dotted names that a file imports, with line numbers."""
    tree = tree_of(file)
    package = name_of(file).split('.')
    if file.name != '__init__.py':
        package = package[:-1]
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                above = package[: len(package) - node.level + 1]
                base = '.'.join([*above, base] if base else above)
            for alias in node.names:
                yield f'{base}.{alias.name}', node.lineno


def imported_parts(file: Path) -> Iterator[tuple[str, int]]:
    for name, line in imported(file):
        if name.split('.')[0] != 'hpemap_mm':
            continue
        # `from hpemap_mm import x` names a part, or a name of hpemap_mm/__init__.py.
        part = part_of(name)
        exists = (PACKAGE / part).is_dir() or (PACKAGE / f'{part}.py').is_file()
        yield (part if exists else '__init__'), line


def test_every_part_has_its_place():
    parts = {part_of(name_of(file)) for file in modules()}

    assert parts <= MAY_IMPORT.keys(), f'say in MAY_IMPORT what {parts - MAY_IMPORT.keys()} may use'


@pytest.mark.parametrize('part', sorted(MAY_IMPORT))
def test_dependencies_point_one_way(part):
    allowed = MAY_IMPORT[part] | COMMON | {part}
    wrong = [
        f'{file.relative_to(ROOT)}:{line} imports {target}'
        for file in modules()
        if part_of(name_of(file)) == part
        for target, line in imported_parts(file)
        if target not in allowed
    ]

    assert not wrong, f'{part} may import {sorted(allowed)}:\n' + '\n'.join(wrong)


def test_the_rule_itself_has_no_cycles():
    # engine and apis are one layer in two places; everything else must be a proper order.
    merged = {
        part: {('engine' if t == 'apis' else t) for t in targets} - {part}
        for part, targets in MAY_IMPORT.items()
        if part != 'apis'
    }

    list(TopologicalSorter(merged).static_order())
    for one in MIDDLE:
        assert MIDDLE.isdisjoint(MAY_IMPORT[one]), 'the parts in the middle never meet'


def test_modules_import_each_other_in_no_circle():
    known = {name_of(file): file for file in modules()}
    graph = {}
    for name, file in known.items():
        targets = set()
        for target, _ in imported(file, top_level_only=True):
            found = target if target in known else target.rpartition('.')[0]
            # A package's __init__ gathers its modules, and these may import each other.
            if found in known and found != name and not name.startswith(f'{found}.'):
                targets.add(found)
        graph[name] = targets

    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f'import circle: {" -> ".join(error.args[1])}')


def test_skeletons_need_numpy_only():
    used = {
        name.split('.')[0]
        for file in modules()
        if part_of(name_of(file)) == 'skeletons'
        for name, _ in imported(file)
    }

    assert used - set(sys.stdlib_module_names) <= {'numpy', 'hpemap_mm'}


def test_skeletons_load_nothing_heavy():
    code = """
import sys
from hpemap_mm.skeletons import JointSpace, get_skeleton
assert len(JointSpace.union('coco', 'mpii')) == 21 and len(get_skeleton('aic')) == 14
print(*{name.partition('.')[0] for name in sys.modules})
"""
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    heavy = {'torch', 'mmpose', 'mmengine', 'mmcv', 'cv2', 'matplotlib', 'scipy', 'PIL'}
    assert heavy.isdisjoint(done.stdout.split())


def test_no_module_is_too_long():
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text(encoding='utf-8').splitlines())
        for file in modules()
    }
    long = {name: length for name, length in lengths.items() if length > MAX_LINES}

    assert long.keys() <= LONG_MODULES.keys(), f'one idea each? {long}'
    assert LONG_MODULES.keys() <= long.keys(), 'an exception that is no longer needed'
    assert all(LONG_MODULES.values()), 'an exception needs a reason'


def test_only_programs_print():
    wrong = [
        f'{file.relative_to(ROOT)}:{node.lineno}'
        for file in modules()
        if file.name != '__main__.py'
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == 'print'
    ]

    assert not wrong, f'print() outside tools/ and __main__.py: {wrong}'


def test_importing_a_package_runs_nothing():
    harmless = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef)

    def runs(node: ast.stmt) -> bool:
        if isinstance(node, ast.Expr):
            return not isinstance(node.value, ast.Constant)  # a docstring
        if isinstance(node, ast.If):
            return ast.unparse(node.test) != 'TYPE_CHECKING'
        return not isinstance(node, harmless)

    found = [
        f'{file.relative_to(ROOT)}: {ast.unparse(node)}'
        for file in modules()
        if file.name == '__init__.py'
        for node in tree_of(file).body
        if runs(node)
    ]

    # What prepares MMPose is the one exception.
    assert found == ['hpemap_mm/__init__.py: compat.install()']


def committed_text() -> Iterator[tuple[str, int, str]]:
    """Every line of every text file that git tracks: name, line number, line."""
    if not (ROOT / '.git').exists():
        pytest.skip('not a git checkout: what is committed cannot be told')
    listed = subprocess.run(
        ['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split('\0')):
        path = ROOT / name
        if not path.is_file():
            continue  # deleted in the working tree
        raw = path.read_bytes()
        if b'\0' in raw:
            continue  # not text
        for number, line in enumerate(raw.decode('utf-8').splitlines(), 1):
            yield name, number, line


MACHINE_PATH = re.compile(r'(^|[^A-Za-z0-9_.])/(work|root|Users|home/[a-z]\w*)/')
PACKAGE_INDEX = re.compile(r'(index|find-links)[-_]url|https?://\S*/(simple|packages)/')


def test_no_path_of_a_machine_is_committed():
    wrong = [
        f'{name}:{n}: {line}' for name, n, line in committed_text() if MACHINE_PATH.search(line)
    ]

    assert not wrong, '\n'.join(wrong)


def test_no_package_index_is_committed():
    here = str(Path(__file__).relative_to(ROOT))
    wrong = [
        f'{name}:{n}: {line}'
        for name, n, line in committed_text()
        if name != here and PACKAGE_INDEX.search(line)
    ]

    assert not wrong, '\n'.join(wrong)


@pytest.mark.parametrize(
    ('line', 'pattern', 'found'),
    [
        ("open('/" + "work/data/x.json')", MACHINE_PATH, True),
        ('/' + 'home/someone/x', MACHINE_PATH, True),
        ('../shared/data', MACHINE_PATH, False),
        ('docs/' + 'work/x', MACHINE_PATH, False),
        ('--index' + '-url https://x', PACKAGE_INDEX, True),
        ('https://pypi.example/' + 'simple/', PACKAGE_INDEX, True),
        ('https://github.com/open-mmlab/mmpose', PACKAGE_INDEX, False),
    ],
)
def test_the_patterns_find_what_they_should(line, pattern, found):
    assert bool(pattern.search(line)) is found
