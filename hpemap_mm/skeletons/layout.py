"""Layouts: which joints of several skeletons share a place in a joint space.

A layout is the names of the J joints and, for each skeleton, the places of its K joints.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hpemap_mm.skeletons.catalog import as_skeleton
from hpemap_mm.skeletons.ontology import SIDES, canonical_joints, get_ontology
from hpemap_mm.skeletons.skeleton import Skeleton, unknown

Layout = tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]

# Orders in which checkpoints elsewhere have the joints after COCO's 17 (which come first, in
# COCO's order): the joints that follow, by skeleton and name.
PRESETS: dict[str, dict[str, Any]] = {
    'seed-21': {
        'kind': 'union',
        'skeletons': ['coco', 'mpii'],
        'tail': ['mpii/head_top', 'mpii/upper_neck', 'mpii/thorax', 'mpii/pelvis'],
    },
    'seed-23': {
        'kind': 'union',
        'skeletons': ['coco', 'mpii', 'aic'],
        'tail': [
            *('mpii/head_top', 'mpii/upper_neck', 'mpii/thorax', 'mpii/pelvis'),
            *('aic/head_top', 'aic/neck'),
        ],
    },
    'seed-33': {'kind': 'concat', 'skeletons': ['coco', 'mpii'], 'tail': 'reversed'},
    'bmp-23': {
        'kind': 'union',
        'skeletons': ['coco', 'mpii', 'aic'],
        'tail': [
            *('mpii/thorax', 'mpii/pelvis', 'mpii/upper_neck', 'mpii/head_top'),
            *('aic/neck', 'aic/head_top'),
        ],
    },
}


def union_layout(skeletons: Sequence[Skeleton], *, groups: set[str], separate: set[str]) -> Layout:
    """Joints of one meaning share a place.

    Args:
        skeletons: Different skeletons.
        groups: Near groups whose members count as one.
        separate: Canonical joints that get a place for each skeleton.

    Raises:
        ValueError: If two joints of one skeleton would share a place.
    """
    near = get_ontology().near
    members: dict[tuple[str, str], dict[str, None]] = {}  # key -> canonical joints it stands for
    keys: list[list[tuple[str, str]]] = []
    for skeleton in skeletons:
        keys.append([])
        for joint, canonical in zip(skeleton.joints, canonical_joints(skeleton), strict=True):
            key = ('same', canonical)
            if canonical in separate:
                key = ('apart', f'{skeleton.name}/{joint}')
            elif canonical in near and near[canonical].group in groups:
                key = ('near', near[canonical].name)
            if key in keys[-1]:
                raise ValueError(f'{skeleton.name!r} would have two joints {key[1]!r}.')
            keys[-1].append(key)
            members.setdefault(key, {})[canonical] = None
    joints = tuple(
        next(iter(canonicals)) if kind == 'near' and len(canonicals) == 1 else text
        for (kind, text), canonicals in members.items()
    )
    place = {key: i for i, key in enumerate(members)}
    return joints, tuple(tuple(place[key] for key in row) for row in keys)


def concat_layout(skeletons: Sequence[Skeleton]) -> Layout:
    """Every joint of every skeleton has a place of its own."""
    joints = tuple(
        f'{skeleton.name}/{joint}' for skeleton in skeletons for joint in skeleton.joints
    )
    places = iter(range(len(joints)))
    rows = tuple(tuple(next(places) for _ in skeleton.joints) for skeleton in skeletons)
    return joints, rows


def reorder(layout: Layout, order: Sequence[int]) -> Layout:
    """The same places in another order: ``order[new] = old``."""
    joints, rows = layout
    place = {old: new for new, old in enumerate(order)}
    return tuple(joints[old] for old in order), tuple(tuple(place[i] for i in r) for r in rows)


def listed(values: Any, what: str) -> list[Any]:
    """A list; a lone string is an error rather than a list of letters."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f'{what} must be a list, got {values!r}.')
    return list(values)


def distinct(skeletons: Sequence[str | Skeleton]) -> tuple[Skeleton, ...]:
    """The skeletons, which must be different ones."""
    members = tuple(as_skeleton(skeleton) for skeleton in skeletons)
    names = [skeleton.name for skeleton in members]
    if not names or len(set(names)) < len(names):
        raise ValueError(f'A joint space needs one or more different skeletons, got {names}.')
    return members


def merged_groups(merge: str | Iterable[str]) -> set[str]:
    """The near groups to be merged."""
    known = get_ontology().near_groups
    if isinstance(merge, str):
        if merge not in ('same', 'near'):
            raise ValueError(
                f"merge must be 'same', 'near' or a list of near groups {list(known)}; "
                f'got {merge!r}.'
            )
        return set(known) if merge == 'near' else set()
    groups = set(listed(merge, 'merge'))
    for group in sorted(groups):
        if group not in known:
            raise unknown('near group', group, known)
    return groups


def both_sides(names: Iterable[str], skeletons: Sequence[Skeleton]) -> set[str]:
    """The canonical joints of the skeletons that are meant by names without a side.

    Raises:
        KeyError: If no skeleton has such a joint; lists the choices.
    """
    known: dict[str, list[str]] = {}
    for canonical in dict.fromkeys(c for s in skeletons for c in canonical_joints(s)):
        known.setdefault(_sideless(canonical), []).append(canonical)
    for name in names:
        if name not in known and _sideless(name) in known:
            raise KeyError(
                f'Joints are kept apart on both sides: {_sideless(name)!r}, not {name!r}.'
            )
        if name not in known:
            raise unknown('joint to keep apart', name, known)
    return {canonical for name in names for canonical in known[name]}


def _sideless(name: str) -> str:
    return '_'.join(word for word in name.split('_') if word not in SIDES)


def describe(kind: str, skeletons: Sequence[Skeleton], **options: str) -> str:
    """A name such as ``union(coco,mpii;merge=near)``; empty options are left out."""
    parts = [','.join(skeleton.name for skeleton in skeletons)]
    parts += [f'{key}={value}' for key, value in options.items() if value]
    return f'{kind}({";".join(parts)})'


def preset_recipe(name: str) -> tuple[str, tuple[Skeleton, ...], list[str]]:
    """Kind, skeletons and order of joints (as ``skeleton/joint``) of a preset.

    Raises:
        KeyError: If there is no such preset; lists those there are.
    """
    if name not in PRESETS:
        raise unknown('preset', name, PRESETS)
    recipe = PRESETS[name]
    first, *others = skeletons = distinct(recipe['skeletons'])
    tail = recipe['tail']
    if tail == 'reversed':
        tail = [f'{s.name}/{joint}' for s in others for joint in reversed(s.joints)]
    return recipe['kind'], skeletons, [f'{first.name}/{j}' for j in first.joints] + tail
