"""What is declared, what is pinned and what is imported are the same things."""

import ast
import sys
from importlib.metadata import packages_distributions

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import hpemap_mm


def declared(project_root):
    """Requirements of the wheel, read from setup.py without running it."""
    tree = ast.parse((project_root / 'setup.py').read_text(encoding='utf-8'))
    (required,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'INSTALL_REQUIRES'
    )
    (extras,) = (
        ast.literal_eval(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == 'extras_require'
    )
    optional = [text for extra in extras.values() for text in extra]
    return [Requirement(text) for text in [*required, *optional]]


def pinned(project_root, name, python='3.11'):
    """Pinned version of each package on Linux, by canonical name."""
    environment = {
        'python_version': python,
        'python_full_version': f'{python}.0',
        'sys_platform': 'linux',
        'platform_machine': 'x86_64',
        'os_name': 'posix',
        'platform_python_implementation': 'CPython',
    }
    versions = {}
    for line in (project_root / 'requirements' / name).read_text(encoding='utf-8').splitlines():
        text = line.split('#')[0].strip()
        if not text:
            continue
        requirement = Requirement(text)
        if requirement.marker and not Marker(str(requirement.marker)).evaluate(environment):
            continue
        (specifier,) = requirement.specifier
        assert specifier.operator == '=='
        versions[canonicalize_name(requirement.name)] = specifier.version
    return versions


@pytest.mark.parametrize('python', ['3.11', '3.12', '3.13'])
def test_pins_are_what_setup_py_asks_for(project_root, python):
    versions = pinned(project_root, 'base.txt', python)

    for requirement in declared(project_root):
        version = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f'{requirement} is pinned to {version}'


def test_all_that_is_imported_is_declared(project_root):
    imported = set()
    for file in (project_root / 'hpemap_mm').rglob('*.py'):
        for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split('.')[0])
    # mmdet is stood in for; the package itself is not its own requirement.
    third_party = imported - set(sys.stdlib_module_names) - {'hpemap_mm', 'mmdet'}
    names = {canonicalize_name(requirement.name) for requirement in declared(project_root)}
    owners = packages_distributions()

    missing = {
        module
        for module in third_party
        if names.isdisjoint(canonicalize_name(owner) for owner in owners.get(module, [module]))
    }

    assert {'torch', 'numpy', 'mmengine'} <= third_party
    assert not missing, f'imported, but not in setup.py: {missing}'


def test_development_pins_are_the_users_pins_and_more(project_root):
    base, dev = pinned(project_root, 'base.txt'), pinned(project_root, 'dev.txt')

    assert base.items() <= dev.items()
    assert 'pytest' in dev.keys() - base.keys()


@pytest.mark.parametrize('name', ['base.txt', 'dev.txt'])
def test_what_cannot_be_installed_is_not_pinned(project_root, name):
    versions = pinned(project_root, name)
    overrides = (project_root / 'requirements' / 'overrides.txt').read_text(encoding='utf-8')
    dropped = [
        Requirement(line) for line in overrides.splitlines() if line and not line.startswith('#')
    ]

    assert [requirement.name for requirement in dropped] == [
        'chumpy',
        'xtcocotools',
        'opencv-python',
        'mmengine',
    ]
    assert versions.keys().isdisjoint(requirement.name for requirement in dropped)
    assert versions['torch'] != '2.13.0'


def test_version_is_a_version():
    from packaging.version import Version

    assert str(Version(hpemap_mm.__version__)) == hpemap_mm.__version__
