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
    """What the ontology says of the joints of one space, as far as it concerns this space."""

    def __init__(self, space: JointSpace) -> None:
        self.space = space
        ontology = get_ontology()
        meaning = {s.name: canonical_joints(s) for s in space.skeletons}
        self.canonical = [
            tuple(dict.fromkeys(meaning[s.name][k] for s, k in owners)) for owners in space.owners
        ]
        place: dict[str, int] = {}
        for j, names in enumerate(self.canonical):
            for name in names:
                place.setdefault(name, j)
        self.merged: dict[int, str] = {}  # joint -> how its canonical joints differ
        self.near: dict[int, list[int]] = {}  # joint -> other joints of its near group
        self.derived: dict[int, tuple[list[int], bool, str]] = {}
        self.doubts: dict[int, str] = {}
        for j, names in enumerate(self.canonical):
            group = ontology.near.get(names[0])
            if len(names) > 1 and group:
                self.merged[j] = group.note
            siblings = {place[m] for m in group.members if m in place} - {j} if group else set()
            if siblings:
                self.near[j] = sorted(siblings)
            derivation = ontology.derived.get(names[0])
            if derivation and all(source in place for source in derivation.sources):
                sources = [place[source] for source in derivation.sources]
                self.derived[j] = (sources, derivation.exact, derivation.evidence)
            doubt = ontology.doubt(names[0], *(s.name for s, _ in space.owners[j]))
            if doubt:
                self.doubts[j] = doubt


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
    return '\n'.join(parts + _footnotes(relations) + [_summary(relations)])


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
    space = relations.space
    notes = []
    owners = [s.name for s, _ in space.owners[j]]
    if j in relations.merged:
        notes.append('near, merged')
    elif len(owners) == len(space.skeletons) > 1:
        notes.append('same in all')
    elif len(owners) > 1:
        notes.append(
            f'same in {", ".join(owners)}' if len(owners) < 4 else f'same in {len(owners)}'
        )
    if j in relations.doubts:
        notes[-1] += ' (?)'
    if j in relations.near:
        near = relations.near[j]
        notes.append(f'near {", ".join(map(str, near))}')
    if j in relations.derived:
        sources, exact, _ = relations.derived[j]
        about = '' if exact else 'about '
        notes.append(f'{about}mean of {", ".join(map(str, sources))}')
    return notes


def _footnotes(relations: _Relations) -> list[str]:
    """What the short notes mean, each once."""
    space, notes = relations.space, []
    for j, note in relations.merged.items():
        names = ', '.join(f'{s.name} {s.joints[k]}' for s, k in space.owners[j])
        notes.append(f'near, merged: {space.joints[j]} is {names}: {note}')
    for j, others in relations.near.items():
        if j < others[0]:
            names = ', '.join(f'{i} {space.joints[i]}' for i in (j, *others))
            notes.append(f'near: {names}: {get_ontology().near[relations.canonical[j][0]].note}')
    for j, (sources, exact, evidence) in relations.derived.items():
        names = ' and '.join(space.joints[i] for i in sources)
        notes.append(f'{"" if exact else "about "}mean: {space.joints[j]} of {names}: {evidence}')
    notes += [f'(?): {doubt}' for doubt in dict.fromkeys(relations.doubts.values())]
    return [line for note in notes for line in _wrapped(note)]


def _wrapped(note: str) -> list[str]:
    return wrap(note, WIDTH, subsequent_indent='    ', break_on_hyphens=False)


def _summary(relations: _Relations) -> str:
    space = relations.space
    exact = [j for j, (_, is_exact, _) in relations.derived.items() if is_exact]
    shared = [j for j, owners in enumerate(space.owners) if len(owners) > 1]
    counts = {
        'only one skeleton has': len(space) - len(shared),
        'are the same in several': len(shared) - len(relations.merged),
        'were merged though only near': len(relations.merged),
        'are near another': len(relations.near),
        'are derived from others': len(exact),
        'nearly so': len(relations.derived) - len(exact),
    }
    parts = ', '.join(f'{count} {text}' for text, count in counts.items() if count)
    total = sum(map(len, space.skeletons))
    return f'{len(space)} joints for the {total} of {len(space.skeletons)} skeleton(s): {parts}.'


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
