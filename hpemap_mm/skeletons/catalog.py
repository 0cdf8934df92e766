"""The catalog: known skeletons by name, and those that a user adds."""

from __future__ import annotations

import runpy
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.skeletons.ontology import (
    SIDES,
    flip_name,
    forget_meaning,
    get_ontology,
    register_meaning,
)
from hpemap_mm.skeletons.sigmas import REFERENCES, stand_in_sigmas
from hpemap_mm.skeletons.skeleton import Skeleton, unknown

CATALOG_FILE = Path(__file__).with_name('catalog.toml')

_user_skeletons: dict[str, Skeleton] = {}
_user_aliases: dict[str, str] = {}


def _plain(name: str) -> str:
    """A name without the differences that do not matter: case, ``-``, ``_``, ``.`` and space."""
    return ''.join(c for c in name.casefold() if c not in '-_. ')


@cache
def _catalog() -> dict[str, dict[str, Any]]:
    return tomllib.loads(CATALOG_FILE.read_text(encoding='utf-8'))


def _aliases() -> dict[str, str]:
    """Plain spelling of every name and alias -> name."""
    known = {_plain(name): name for name in list_skeletons()}
    for name, entry in _catalog().items():
        known.update({_plain(alias): name for alias in entry['aliases']})
    return known | _user_aliases


def list_skeletons() -> tuple[str, ...]:
    """Names of the known skeletons: those of the catalog, then those that were registered."""
    return (*_catalog(), *_user_skeletons)


def aliases_of(name: str) -> tuple[str, ...]:
    """Other names of a skeleton, as the catalog or its registration spells them."""
    if name in _catalog():
        return tuple(_catalog()[name]['aliases'])
    return tuple(alias for alias, owner in _user_aliases.items() if owner == name != alias)


def get_skeleton(name: str) -> Skeleton:
    """The skeleton of that name.

    Args:
        name: A name of :func:`list_skeletons` or an alias (``'coco17'``, ``'MPII'``,
            ``'halpe26'``...); case, ``-``, ``_``, ``.`` and spaces do not matter.

    Raises:
        KeyError: If the name is unknown; lists the choices.
        ModuleNotFoundError: If MMPose, whose metainfo is read, is not installed.
        FileNotFoundError: If MMPose lacks the file.
    """
    aliases = _aliases()
    key = _plain(str(name))
    if key not in aliases:
        close = get_close_matches(key, aliases, n=1)
        hint = f' Did you mean {aliases[close[0]]!r}?' if close else ''
        raise KeyError(f'Unknown skeleton {name!r}.{hint} Available: {list(list_skeletons())}')
    known = aliases[key]
    return _user_skeletons[known] if known in _user_skeletons else _load(known)


def as_skeleton(skeleton: str | Skeleton) -> Skeleton:
    """A skeleton from itself or from its name."""
    return skeleton if isinstance(skeleton, Skeleton) else get_skeleton(skeleton)


def register_skeleton(
    skeleton: Skeleton | Mapping[str, Any] | str | Path,
    *,
    canonical: Mapping[str, str] | Literal['by-name'],
    near: Mapping[str, str] | None = None,
    name: str | None = None,
    aliases: tuple[str, ...] = (),
) -> Skeleton:
    """Add a skeleton of one's own.

    Args:
        skeleton: A :class:`Skeleton`, an MMPose ``dataset_info`` dict, or the path of a Python
            file that defines one.
        canonical: What the joints are: joint -> canonical joint of the ontology (its
            ``definitions`` lists them). Joints that are left out are the same as nothing else.
            ``'by-name'`` takes the joint's own name where that is a canonical joint: then
            ``head_top`` means MPII's, and ``left_wrist`` everybody's.
        near: What joints that are left out of `canonical` are near to: joint -> canonical joint,
            e.g. ``{'crown': 'head_top'}``. They join its near group, which a union may merge.
        name: Its name; by default the metainfo's ``dataset_name``.
        aliases: Other names.

    Returns:
        The skeleton, which :func:`get_skeleton` then knows.

    Raises:
        DataError: With every fault of the metainfo, or of the canonical joints.
        ValueError: If the name or an alias is taken by another skeleton.
    """
    if isinstance(skeleton, str | Path):
        skeleton = Skeleton.from_metainfo(_run(Path(skeleton)), where=skeleton, name=name)
    elif not isinstance(skeleton, Skeleton):
        skeleton = Skeleton.from_metainfo(skeleton, name=name)
    elif name is not None:
        skeleton = replace(skeleton, name=name)
    taken = _aliases()
    for alias in (skeleton.name, *aliases):
        owner = taken.get(_plain(alias))
        if owner is not None and _user_skeletons.get(owner) != skeleton:
            raise ValueError(f'{alias!r} is the name of skeleton {owner!r}: choose another name.')
    if canonical == 'by-name':
        definitions, apart = get_ontology().definitions, near or {}
        canonical = {j: j for j in skeleton.joints if j in definitions and j not in apart}
    assert not isinstance(canonical, str)
    register_meaning(skeleton, canonical, near or {})
    _user_skeletons[skeleton.name] = skeleton
    for alias in (skeleton.name, *aliases):
        _user_aliases[_plain(alias)] = skeleton.name
    return skeleton


def unregister_skeleton(name: str) -> None:
    """Take back :func:`register_skeleton`.

    Raises:
        KeyError: If no skeleton of that name was registered.
    """
    if name not in _user_skeletons:
        raise unknown('registered skeleton', name, _user_skeletons)
    del _user_skeletons[name]
    forget_meaning(name)
    for alias in [alias for alias, owner in _user_aliases.items() if owner == name]:
        del _user_aliases[alias]


@cache
def _load(name: str) -> Skeleton:
    """Read a skeleton of the catalog."""
    entry = _catalog()[name]
    if 'file' in entry:
        file = CATALOG_FILE.with_name(entry['file'])
        metainfo: Mapping[str, Any] = _metainfo_of_toml(
            tomllib.loads(file.read_text(encoding='utf-8'))
        )
        where = f'hpemap_mm {entry["file"]}'
    else:
        metainfo = _run(mmpose_metainfo_folder() / entry['mmpose'])
        where = f'MMPose {entry["mmpose"]}'
    skeleton = Skeleton.from_metainfo(metainfo, name=name, where=where)
    if entry.get('sigmas', 'published') == 'stand-in':
        source = f'stand-ins computed from {", ".join(REFERENCES)}'
        skeleton = skeleton.with_sigmas(stand_in_sigmas(skeleton), source=source)
    return skeleton


def mmpose_metainfo_folder() -> Path:
    """MMPose's ``configs/_base_/datasets``, found without importing MMPose.

    Raises:
        ModuleNotFoundError: If MMPose is not installed.
        FileNotFoundError: If it is, without its configs.
    """
    spec = find_spec('mmpose')
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            'The joints of the datasets are read from MMPose, which is not installed: '
            'pip install mmpose==1.3.2 (see the README for how to do so on a new PyTorch).',
            name='mmpose',
        )
    package = Path(next(iter(spec.submodule_search_locations)))
    candidates = [package / '.mim', package.parent]  # a wheel; a checkout
    for root in candidates:
        if (folder := root / 'configs' / '_base_' / 'datasets').is_dir():
            return folder
    raise FileNotFoundError(
        f'MMPose at {package} comes without configs/_base_/datasets (looked in '
        f'{[str(root) for root in candidates]}): reinstall it from its wheel.'
    )


def _run(path: Path) -> Mapping[str, Any]:
    """``dataset_info`` of one of MMPose's metainfo files (Python that builds one dict)."""
    if not path.is_file():
        raise FileNotFoundError(f'No metainfo file {path}.')
    values = runpy.run_path(str(path))
    if 'dataset_info' not in values:
        raise DataError(
            [Problem(str(path), 'defines no dataset_info', "write it as MMPose's datasets do")]
        )
    return values['dataset_info']


def _metainfo_of_toml(raw: Mapping[str, Any]) -> dict[str, Any]:
    """MMPose's form of our own, shorter one: swaps and colours follow from the names."""

    def color(*joints: str) -> list[int]:
        sides = [side for side in SIDES if all(joint.startswith(side) for joint in joints)]
        return raw['colors'][sides[0] if sides else 'middle']

    keypoint_info = {
        i: {
            'name': joint,
            'type': 'lower' if joint in raw['lower'] else 'upper',
            'swap': flip_name(joint),
            'color': color(joint),
        }
        for i, joint in enumerate(raw['joints'])
    }
    skeleton_info = {
        i: {'link': tuple(link), 'color': color(*link)} for i, link in enumerate(raw['links'])
    }
    return {
        'dataset_name': raw['dataset_name'],
        'keypoint_info': keypoint_info,
        'skeleton_info': skeleton_info,
        'joint_weights': [1.0] * len(keypoint_info),
        'sigmas': [],
    }
