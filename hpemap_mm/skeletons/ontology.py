"""The ontology: what the joints of the skeletons mean, read from ``ontology.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hpemap_mm.errors import ProblemList
from hpemap_mm.skeletons.skeleton import Skeleton, unknown

ONTOLOGY_FILE = Path(__file__).with_name('ontology.toml')
SIDES = ('left', 'right')
SIDE = '{side}'


def flip_name(canonical: str) -> str:
    """The canonical joint on the other side; on the middle line the joint itself."""
    words = canonical.split('_')
    other = {'left': 'right', 'right': 'left'}
    return '_'.join(other.get(word, word) for word in words)


def expand(template: str) -> list[str]:
    """``'{side}_hip'`` as left and right; a name without a side as itself."""
    return [template.replace(SIDE, side) for side in SIDES] if SIDE in template else [template]


def expand_all(templates: Iterable[str]) -> list[str]:
    """:func:`expand` of each, in one list."""
    return [name for template in templates for name in expand(template)]


@dataclass(frozen=True)
class NearGroup:
    """Canonical joints whose names agree and whose definitions do not.

    Attributes:
        group: The group's name in configs (both sides of a sided group share it).
        name: What the joint is called in a space that merges members.
        members: The canonical joints.
        note: In what the definitions differ.
    """

    group: str
    name: str
    members: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class Derivation:
    """A canonical joint as the plain mean of others.

    Attributes:
        joint: The canonical joint.
        sources: The canonical joints whose mean it is.
        exact: By construction or measurement; otherwise an estimate with a known bias.
        evidence: How well it holds, and on what that was measured.
    """

    joint: str
    sources: tuple[str, ...]
    exact: bool
    evidence: str


@dataclass(frozen=True, eq=False)
class Ontology:
    """The content of ``ontology.toml``, sides expanded.

    Attributes:
        version: Counts the changes of meaning (not of wording).
        definitions: Canonical joint -> one line on what it is.
        skeletons: Skeleton -> its joint -> canonical joint.
        near: Canonical joint -> its near group.
        derived: Canonical joint -> how it follows from others.
        doubtful: Name -> canonical joints that are `same` with a doubt (see ``apart`` of
            :meth:`JointSpace.union`), in the order of the file.
        doubts: Canonical joint -> the doubt in words.
        same_labels: Sets of skeletons whose common joints are the very same labels.
    """

    version: int
    definitions: Mapping[str, str]
    skeletons: Mapping[str, Mapping[str, str]]
    near: Mapping[str, NearGroup]
    derived: Mapping[str, Derivation]
    doubtful: Mapping[str, tuple[str, ...]]
    doubts: Mapping[str, str]
    same_labels: tuple[frozenset[str], ...]

    @property
    def near_groups(self) -> tuple[str, ...]:
        """Names of the near groups, as configs use them."""
        return tuple(dict.fromkeys(group.group for group in self.near.values()))

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Ontology:
        """Expand the sides of the parsed file. The content is checked by :meth:`check`."""
        definitions: dict[str, str] = {}
        for template, text in raw['joints'].items():
            for side, name in zip(SIDES, expand(template), strict=False):
                definitions[name] = f'{text} ({side})' if SIDE in template else text
        near = {
            member: NearGroup(group, name, members, info['note'])
            for group, info in raw['near'].items()
            for name, members in _near_sides(info)
            for member in members
        }
        derived = {
            joint: Derivation(
                joint, tuple(expand_all(info['mean_of'])), info['exact'], info['evidence']
            )
            for joint, info in raw['derived'].items()
        }
        doubtful = {key: tuple(expand_all(d['joints'])) for key, d in raw['doubtful'].items()}
        doubts = {j: raw['doubtful'][key]['note'] for key, js in doubtful.items() for j in js}
        return cls(
            version=raw['version'],
            definitions=MappingProxyType(definitions),
            skeletons=MappingProxyType(
                {k: _joint_table(k, raw['skeletons'], raw['sets']) for k in raw['skeletons']}
            ),
            near=MappingProxyType(near),
            derived=MappingProxyType(derived),
            doubtful=MappingProxyType(doubtful),
            doubts=MappingProxyType(doubts),
            same_labels=tuple(frozenset(names) for names in raw['same_labels'].values()),
        )

    def doubt(self, canonical: str, *skeletons: str) -> str:
        """Why a canonical joint may not be the same in these skeletons; empty without a doubt."""
        names = set(skeletons)
        if len(names) < 2 or any(names <= family for family in self.same_labels):
            return ''
        return self.doubts.get(canonical, '')

    def extended(
        self, skeleton: Skeleton, canonical: Mapping[str, str], near: Mapping[str, str]
    ) -> Ontology:
        """With one skeleton more.

        Args:
            skeleton: The skeleton.
            canonical: Its joint -> canonical joint. Joints that are not named become canonical
                joints of their own, ``skeleton/joint``.
            near: Its joint (of those not named in `canonical`) -> a canonical joint that it is
                near to, whose near group it joins.

        Raises:
            DataError: With every fault.
        """
        problems = ProblemList()
        where = f'skeleton {skeleton.name!r}'
        for joint in sorted(set(canonical) | set(near)):
            if joint not in skeleton.joints:
                problems.add(where, f'has no joint {joint!r}', f'use {list(skeleton.joints)}')
        own = {j: f'{skeleton.name}/{j}' for j in skeleton.joints if j not in canonical}
        groups = dict(self.near)
        for joint, target in near.items():
            if joint not in own or target not in self.near:
                problems.add(
                    where, f'{joint!r} cannot be near {target!r}', f'use {list(self.near)}'
                )
                continue
            members = (*groups[target].members, own[joint])
            group = replace(groups[target], members=members)
            groups.update(dict.fromkeys(members, group))
        definitions = {own[j]: f'{skeleton.name}: {j!r}' for j in own}
        tables = {skeleton.name: MappingProxyType({**own, **canonical})}
        ontology = replace(
            self,
            definitions=MappingProxyType({**self.definitions, **definitions}),
            skeletons=MappingProxyType({**self.skeletons, **tables}),
            near=MappingProxyType(groups),
        )
        ontology.check_mapping(skeleton, ontology.skeletons[skeleton.name], problems)
        problems.raise_if_any()
        return ontology

    def check(self, skeletons: Iterable[Skeleton]) -> ProblemList:
        """Every inconsistency, of the file with itself and with the given skeletons.

        Checked: each joint of each skeleton has one canonical joint, no two the same one; the
        canonical joint of a joint's mirror image is the mirror image of its canonical joint;
        near groups and derivations name canonical joints and are the same on both sides; no
        skeleton has two members of one near group; no derivation depends on itself.
        """
        problems = ProblemList()
        for skeleton in skeletons:
            table = self.skeletons.get(skeleton.name, {})
            self.check_mapping(skeleton, table, problems)
            for joint in sorted(set(table) - set(skeleton.joints)):
                problems.add(skeleton.name, f'has no joint {joint!r}', 'correct the ontology')
        for canonical, group in self.near.items():
            mirrored = self.near.get(flip_name(canonical))
            expected = {flip_name(member) for member in group.members}
            if mirrored is None or set(mirrored.members) != expected:
                problems.add(f'near.{group.group}', f'{canonical!r} has no mirror', 'add it')
            self._check_known(f'near.{group.group}', [canonical], problems)
        for joint, derivation in self.derived.items():
            where = f'derived.{joint}'
            self._check_known(where, [joint, *derivation.sources], problems)
            mirrored_sources = {flip_name(source) for source in derivation.sources}
            mirror = self.derived.get(flip_name(joint))
            if mirror is None or set(mirror.sources) != mirrored_sources:
                problems.add(where, 'is not the same on both sides', 'use {side} in mean_of')
            if joint in derivation.sources or any(
                joint in self.derived[source].sources
                for source in derivation.sources
                if source in self.derived
            ):
                problems.add(where, 'depends on itself', 'break the circle')
        for key, joints in self.doubtful.items():
            self._check_known(f'doubtful.{key}', joints, problems)
            if {flip_name(joint) for joint in joints} != set(joints):
                problems.add(f'doubtful.{key}', 'is not the same on both sides', 'use {side}')
        return problems

    def check_mapping(
        self, skeleton: Skeleton, table: Mapping[str, str], problems: ProblemList
    ) -> None:
        """Add what is wrong with one skeleton's canonical joints to `problems`."""
        where = f'ontology of {skeleton.name!r}'
        owner: dict[str, str] = {}
        groups: dict[str, str] = {}
        for joint, swap in zip(skeleton.joints, skeleton.swaps, strict=True):
            if joint not in table:
                problems.add(where, f'joint {joint!r} has no canonical joint', 'add it')
                continue
            canonical = table[joint]
            if canonical in owner:
                what = f'{owner[canonical]!r} and {joint!r} are both {canonical!r}'
                problems.add(where, what, 'a canonical joint may occur once in a skeleton')
            owner[canonical] = joint
            self._check_known(where, [canonical], problems)
            own = canonical == f'{skeleton.name}/{joint}'
            mirror = f'{skeleton.name}/{swap}' if own else flip_name(canonical)
            if table.get(swap, mirror) != mirror:
                what = f'{joint!r} is {canonical!r}, its mirror image {swap!r} is {table[swap]!r}'
                problems.add(where, what, f'expected {mirror!r}')
            if canonical in self.near:
                name = self.near[canonical].name
                if name in groups:
                    what = f'{groups[name]!r} and {joint!r} are in one near group {name!r}'
                    problems.add(where, what, 'take one of them out')
                groups[name] = joint
                mirrored = self.near.get(table.get(swap, ''))
                if mirrored is None or mirrored.name != flip_name(name):
                    what = f'{joint!r} is near {name!r}, its mirror image {swap!r} is not'
                    problems.add(where, what, f'let it be near {flip_name(name)!r}')

    def _check_known(self, where: str, names: Sequence[str], problems: ProblemList) -> None:
        for name in names:
            if name not in self.definitions:
                problems.add(where, f'{name!r} is no canonical joint', 'define it under [joints]')


def _near_sides(info: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    """The merged name and the members of a near group, once per side."""
    if SIDE not in info['name']:
        return [(info['name'], tuple(info['members']))]
    return [
        (
            info['name'].replace(SIDE, side),
            tuple(member.replace(SIDE, side) for member in info['members']),
        )
        for side in SIDES
    ]


def _joint_table(
    skeleton: str, skeletons: Mapping[str, Mapping[str, Any]], sets: Mapping[str, list[str]]
) -> Mapping[str, str]:
    """One skeleton's joint -> canonical joint."""
    info = skeletons[skeletons[skeleton].get('as', skeleton)]
    table = {name: name for key in info.get('like', []) for name in expand_all(sets[key])}
    for joint, canonical in info.get('joints', {}).items():
        table.update(zip(expand(joint), expand(canonical), strict=True))
    for canonical, joints in info.get('sided', {}).items():
        table.update(zip(joints, expand(canonical), strict=True))
    return MappingProxyType(table)


@cache
def _packaged() -> Ontology:
    """The content of the file."""
    return Ontology.from_dict(tomllib.loads(ONTOLOGY_FILE.read_text(encoding='utf-8')))


_registered: dict[str, tuple[Skeleton, Mapping[str, str], Mapping[str, str]]] = {}


@cache
def get_ontology() -> Ontology:
    """The ontology that comes with the package, and what was registered."""
    ontology = _packaged()
    for entry in _registered.values():
        ontology = ontology.extended(*entry)
    return ontology


def register_meaning(
    skeleton: Skeleton, canonical: Mapping[str, str], near: Mapping[str, str]
) -> None:
    """Add a user's skeleton to the ontology (see :meth:`Ontology.extended`).

    Raises:
        DataError: With every fault, and then nothing is added.
    """
    _packaged().extended(skeleton, canonical, near)
    _registered[skeleton.name] = (skeleton, canonical, near)
    get_ontology.cache_clear()


def forget_meaning(name: str) -> None:
    """Take back :func:`register_meaning`, if there was any."""
    _registered.pop(name, None)
    get_ontology.cache_clear()


def canonical_joints(skeleton: Skeleton) -> tuple[str, ...]:
    """The canonical joint of each joint of a skeleton, in its order.

    Raises:
        KeyError: If the skeleton is neither known nor registered, or has other joints than the
            known one of that name.
    """
    tables = get_ontology().skeletons
    if skeleton.name not in tables:
        raise unknown('skeleton of the ontology', skeleton.name, tables)
    table = tables[skeleton.name]
    if set(table) != set(skeleton.joints):
        raise KeyError(
            f'Skeleton {skeleton.name!r} has other joints than the one known by that name: '
            f'{sorted(set(table) ^ set(skeleton.joints))}. Register it under a name of its own.'
        )
    return tuple(table[joint] for joint in skeleton.joints)
