"""Tables of joints for people to read."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from hpemap_mm.skeletons.catalog import aliases_of, as_skeleton, get_skeleton, list_skeletons
from hpemap_mm.skeletons.joint_space import JointSpace
from hpemap_mm.skeletons.layout import PRESETS
from hpemap_mm.skeletons.ontology import canonical_joints, get_ontology
from hpemap_mm.skeletons.skeleton import Skeleton
from hpemap_mm.skeletons.transfer import Correspondence, correspondences

WIDTH = 118  # tables that would be wider give the skeletons' indices without the names


class _Relations:
    """What the ontology says of the joints of one space, as far as it concerns this space.

    Attributes:
        canonical: For each joint the canonical joints that it stands for.
        merged: Joints that stand for several canonical ones.
        twins: Joint -> other joints that are the same (kept apart by the space).
        near: Joint -> other joints of its near group.
        derived: Joint -> the joints whose mean it is, whether exactly, and the evidence.
        doubts: Joint -> why it may not be the same in all of its skeletons.
    """

    def __init__(self, space: JointSpace) -> None:
        self.space = space
        ontology = get_ontology()
        meaning = {s.name: canonical_joints(s) for s in space.skeletons}
        self.canonical = [
            tuple(dict.fromkeys(meaning[s.name][k] for s, k in owners)) for owners in space.owners
        ]
        self.merged = [j for j, names in enumerate(self.canonical) if len(names) > 1]
        self.twins: dict[int, list[int]] = {}
        self.near: dict[int, list[int]] = {}
        self.derived: dict[int, tuple[list[int], bool, str]] = {}
        self.doubts: dict[int, str] = {}
        for j, (name, *_) in enumerate(self.canonical):
            if twins := [i for i in self._places(name) if i != j]:
                self.twins[j] = twins
            if name in ontology.near:
                group = [i for m in ontology.near[name].members for i in self._places(m)]
                if near := sorted(set(group) - {j} - set(twins)):
                    self.near[j] = near
            derivation = ontology.derived.get(name)
            if derivation and all(self._places(source) for source in derivation.sources):
                sources = [self._closest(source, j) for source in derivation.sources]
                self.derived[j] = (sources, derivation.exact, derivation.evidence)
            alike = [s.name for i in (j, *twins) for s, _ in space.owners[i]]
            if doubt := ontology.doubt(name, *alike):
                self.doubts[j] = doubt

    def _places(self, canonical: str) -> list[int]:
        return [j for j, names in enumerate(self.canonical) if canonical in names]

    def _closest(self, canonical: str, j: int) -> int:
        """Where a canonical joint is: for choice in a skeleton that has joint `j` too."""
        own = {s.name for s, _ in self.space.owners[j]}
        places = self._places(canonical)
        shared = [i for i in places if own & {s.name for s, _ in self.space.owners[i]}]
        return (shared or places)[0]


def joint_table(space: JointSpace) -> str:
    """One line per joint of a space: whose joint it is, its mirror image, its relations.

    Below the table stand how joints that are near differ, how well derivations hold, which joints
    are doubtful, and the counts.
    """
    relations = _Relations(space)
    lines = _space_lines(space, relations, with_names=True)
    if max(map(len, lines)) > WIDTH:
        lines = _space_lines(space, relations, with_names=False)
    rule = '-' * max(map(len, lines))
    parts = [f'{space.name}: {len(space)} joints', '', lines[0], rule, *lines[1:], rule]
    return '\n'.join(parts + _footnotes(relations) + _summary(relations))


def _space_lines(space: JointSpace, relations: _Relations, *, with_names: bool) -> list[str]:
    rows = [['#', 'joint', *(s.name for s in space.skeletons), 'flip', 'notes']]
    for j, joint in enumerate(space.joints):
        own = {
            s.name: f'{k:>2} {s.joints[k]}' if with_names else str(k) for s, k in space.owners[j]
        }
        flip = int(space.flip_indices[j])
        rows.append(
            [str(j), joint]
            + [own.get(s.name, ' -' if with_names else '-') for s in space.skeletons]
            + [str(flip) if flip != j else '-', '; '.join(_notes(relations, j))]
        )
    return _aligned(rows)


def _notes(relations: _Relations, j: int) -> list[str]:
    """The notes on one joint, short."""
    owners = [s.name for s, _ in relations.space.owners[j]]
    notes = []
    if j in relations.merged:
        notes.append('near, merged')
    elif len(owners) == len(relations.space.skeletons) > 1:
        notes.append('same in all')
    elif len(owners) > 1:
        notes.append(f'same in {", ".join(owners) if len(owners) < 4 else len(owners)}')
    if j in relations.twins:
        notes.append(f'same as {_numbers(relations.twins[j])}')
    if j in relations.doubts:
        notes[-1] += ' (?)'
    if j in relations.near:
        near = relations.near[j]
        notes.append(f'near {_numbers(near) if len(near) < 4 else f"{len(near)} others"}')
    if j in relations.derived:
        sources, exact, _ = relations.derived[j]
        notes.append(f'{"" if exact else "about "}mean of {_numbers(sources)}')
    return notes


def _numbers(places: Sequence[int]) -> str:
    return ', '.join(map(str, places))


def _footnotes(relations: _Relations) -> list[str]:
    """What the short notes mean, each once."""
    space, ontology, notes = relations.space, get_ontology(), []
    for j in relations.merged:
        names = ', '.join(f'{s.name} {s.joints[k]}' for s, k in space.owners[j])
        difference = ontology.near[relations.canonical[j][0]].note
        notes.append(f'near, merged: {space.joints[j]} is {names} ({difference})')
    for j, others in relations.near.items():
        if j < others[0]:
            names = ', '.join(f'{i} {space.joints[i]}' for i in (j, *others))
            notes.append(f'near: {names} ({ontology.near[relations.canonical[j][0]].note})')
    for j, (sources, exact, evidence) in relations.derived.items():
        names = ' and '.join(space.joints[i] for i in sources)
        about = '' if exact else 'about '
        notes.append(f'derived: {space.joints[j]} is {about}the mean of {names} ({evidence})')
    notes += [f'(?): {doubt}' for doubt in dict.fromkeys(relations.doubts.values())]
    return [line for note in notes for line in _wrapped(note)]


def _wrapped(note: str) -> list[str]:
    return wrap(note, WIDTH, subsequent_indent='    ', break_on_hyphens=False)


def _summary(relations: _Relations) -> list[str]:
    space = relations.space
    exact = sum(exact for _, exact, _ in relations.derived.values())
    shared = sum(len(owners) > 1 for owners in space.owners)
    counts = {
        'same in several': shared - len(relations.merged),
        'near and merged': len(relations.merged),
        'in one skeleton only': len(space) - shared,
        'near another': len(relations.near),
        'derived from others': exact,
        'nearly so': len(relations.derived) - exact,
    }
    parts = ', '.join(f'{count} {text}' for text, count in counts.items() if count)
    total = sum(map(len, space.skeletons))
    of = f'the {total} of {len(space.skeletons)} skeletons' if len(space.skeletons) > 1 else ''
    return _wrapped(f'{len(space)} joints{" for " if of else ""}{of}: {parts}.')


def mapping_table(src: str | Skeleton, dst: str | Skeleton) -> str:
    """One line per joint of `dst`: the joints of `src` that it follows from, and how."""
    source, target = as_skeleton(src), as_skeleton(dst)
    records = correspondences(source, target, approximate=True)
    letters = {note: chr(ord('a') + i) for i, note in enumerate(_unique(records))}
    rows = [['#', target.name, 'relation', f'from {source.name}', 'note']]
    for i, record in enumerate(records):
        origin = ' and '.join(source.joints[k] for k in record.sources) or '-'
        origin = f'mean of {origin}' if len(record.sources) > 1 else origin
        rows.append([str(i), record.joint, record.relation, origin, letters.get(record.note, '')])
    lines = _aligned(rows)
    rule = '-' * max(map(len, lines))
    counts = ', '.join(
        f'{sum(record.relation == relation for record in records)} {relation}'
        for relation in ('same', 'near', 'derived', 'none')
    )
    notes = [line for note, key in letters.items() for line in _wrapped(f'{key}: {note}')]
    title = f'{source.name} -> {target.name}: {len(target)} joints'
    summary = f'{len(target)} joints of {target.name} from {source.name}: {counts}.'
    return '\n'.join([title, '', lines[0], rule, *lines[1:], rule, *notes, summary])


def _unique(records: Sequence[Correspondence]) -> list[str]:
    return list(dict.fromkeys(record.note for record in records if record.note))


def catalog_table() -> str:
    """The known skeletons and presets."""
    rows = [['skeleton', 'joints', 'sigmas', 'other names']]
    for name in list_skeletons():
        skeleton = get_skeleton(name)
        source = skeleton.sigma_source or 'none'
        rows.append([name, str(len(skeleton)), source, ', '.join(aliases_of(name))])
    presets = [['preset', 'joints', 'made of']]
    for name in PRESETS:
        space = JointSpace.preset(name)
        made_of = f'{space.kind} of {", ".join(s.name for s in space.skeletons)}'
        presets.append([name, str(len(space)), made_of])
    return '\n'.join([*_aligned(rows), '', *_aligned(presets)])


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with columns of equal width; a first column of numbers is set to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numbers = rows[0][0] == '#'
    return [
        '  '.join(
            cell.rjust(width) if i == 0 and numbers else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
