"""Find the images that are one, in any number of entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from hpemap_mm.completion.duplicates.cache import PrintCache, key_of
from hpemap_mm.completion.duplicates.compare import UNLIKE, Likeness, compare
from hpemap_mm.completion.duplicates.groups import Groups
from hpemap_mm.completion.duplicates.hashing import Print, print_of
from hpemap_mm.completion.duplicates.pictures import reduced_file
from hpemap_mm.completion.duplicates.search import Candidates, find_candidates
from hpemap_mm.completion.duplicates.sources import Source
from hpemap_mm.datasets.duplicates import Duplicates, Member, Pair

#: Told what is being done, how many are done, of how many.
Progress = Callable[[str, int, int], None]

#: Files between two commits of the cache, which bounds what an interrupted run has lost.
_COMMIT = 500
#: Candidates that are compared before the groups are looked at again. Of no influence on what is
#: found: a pair that has meanwhile become one group is passed over.
_BATCH = 64
#: Pairs that are not alike enough, but have this score, are told of.
_ALIKE = 0.6
#: How many of those, the most alike: a film has very many.
ALIKE_KEPT = 200


@dataclass(frozen=True)
class _Content:
    """Files with the same bytes.

    Attributes:
        members: The images, in the order of the sources.
        path: One of the files.
        made: What it is recognised by.
    """

    members: list[Member]
    path: str
    made: Print

    @property
    def places(self) -> set[tuple[str, str]]:
        return {member.place for member in self.members}


def find_duplicates(
    sources: Sequence[Source],
    *,
    within: bool = False,
    cache: Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Duplicates:
    """Find them.

    Args:
        sources: The images.
        within: Also compare images of one entry with each other.
        cache: SQLite file that keeps what files are recognised by.
        workers: Threads; most of the work is done outside of Python.
        progress: Told how far it is.
    """
    tell = progress or (lambda what, done, total: None)
    paths = dict.fromkeys(path for source in sources for path in source.files.values())
    prints = _prints(list(paths), cache, workers, tell)
    unreadable: dict[Member, str] = {}
    by_bytes_only: dict[Member, str] = {}
    contents: dict[bytes, _Content] = {}
    for source in sources:
        for name, path in source.files.items():
            member, made = Member(source.place.split, source.place.entry, name), prints[path]
            if not made.readable:
                unreadable[member] = made.remark
                continue
            contents.setdefault(made.digest, _Content([], path, made)).members.append(member)
            if made.bits_VB is None:
                by_bytes_only[member] = made.remark
    known = list(contents.values())
    exact = [pair for content in known for pair in _exact(content, within)]
    groups, near, alike = _near(known, within, workers, tell)
    order = {(p.place.split, p.place.entry): i for i, p in enumerate(sources)}
    ordered = [
        tuple(sorted(group, key=lambda m: (order[m.place], m.image)))
        for group in ([m for c in group for m in known[c].members] for group in groups.members())
        if len(group if within else {member.place for member in group}) > 1
    ]
    return Duplicates(
        places=tuple(source.place for source in sources),
        pairs=tuple(sorted((*exact, *near), key=lambda p: (not p.leaks, p.first, p.second))),
        groups=tuple(sorted(ordered, key=lambda g: (order[g[0].place], g[0].image))),
        alike=tuple(sorted(alike, key=lambda p: -p.score)[:ALIKE_KEPT]),
        unreadable=unreadable,
        by_bytes_only=by_bytes_only,
        within=within,
    )


def _prints(
    paths: Sequence[str], cache: Path | None, workers: int, tell: Progress
) -> dict[str, Print]:
    """What each file is recognised by."""
    if cache is None:
        return dict(_hash(paths, workers, tell, 0, len(paths)))
    with PrintCache(cache) as kept:
        known = kept.known()
        keys = {path: key_of(path) for path in paths}
        found = {p: known[key] for p, key in keys.items() if key is not None and key in known}
        new = [path for path in paths if path not in found]
        fresh = iter(_hash(new, workers, tell, len(found), len(paths)))
        while batch := list(islice(fresh, _COMMIT)):
            found.update(batch)
            kept.add((key, made) for path, made in batch if (key := keys[path]) is not None)
    return found


def _hash(
    paths: Sequence[str], workers: int, tell: Progress, before: int, total: int
) -> Iterator[tuple[str, Print]]:
    tell('hashing', before, total)
    with ThreadPoolExecutor(workers) as pool:
        # In parts, so that one who stops the program does not wait for all that is queued.
        for start in range(0, len(paths), _COMMIT):
            part = paths[start : start + _COMMIT]
            for i, (path, made) in enumerate(zip(part, pool.map(print_of, part), strict=True), 1):
                tell('hashing', before + start + i, total)
                yield path, made


def _exact(content: _Content, within: bool) -> Iterable[Pair]:
    """The first with each other, which is enough to join them."""
    first = content.members[0]
    for other in content.members[1:]:
        if within or other.place != first.place:
            yield Pair(first, other, 'exact', 0, 1.0)


def _near(
    contents: Sequence[_Content], within: bool, workers: int, tell: Progress
) -> tuple[Groups, list[Pair], list[Pair]]:
    """Groups of contents, what joins them, and what nearly does."""
    groups = Groups(len(contents))
    hashes = {i: c.made.bits_VB for i, c in enumerate(contents) if c.made.bits_VB is not None}
    if len(hashes) < 2:
        return groups, [], []
    seen, bits = list(hashes), np.stack(list(hashes.values()))
    candidates = find_candidates(
        bits, workers=workers, progress=lambda done, total: tell('searching', done, total)
    )
    rows = [row for row in _rows(candidates, contents, seen) if within or row.across]
    pairs: list[Pair] = []
    alike: list[Pair] = []
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(rows), _BATCH):
            tell('comparing', start, len(rows))
            batch = [r for r in rows[start : start + _BATCH] if not groups.together(r.one, r.other)]
            found = pool.map(_Candidate.likeness, batch)
            for row, likeness in zip(batch, found, strict=True):
                if groups.together(row.one, row.other):
                    continue
                pair = row.pair(likeness)
                if likeness.same:
                    groups.join(row.one, row.other)
                    pairs.append(pair)
                elif likeness.score >= _ALIKE:
                    alike.append(pair)
    tell('comparing', len(rows), len(rows))
    return groups, pairs, alike


@dataclass(frozen=True)
class _Candidate:
    """Two contents that may be one photograph: their indices, themselves, how near they are."""

    one: int
    other: int
    first: _Content
    second: _Content
    mirrored: bool
    distance: int

    @property
    def across(self) -> bool:
        """Whether it is of interest beyond a single entry."""
        return len(self.first.places | self.second.places) > 1

    def likeness(self) -> Likeness:
        """How alike they are, seen the right way round."""
        try:
            first, second = reduced_file(self.first.path), reduced_file(self.second.path)
        except Exception:  # as in print_of: it has changed since it was hashed, or is gone
            return UNLIKE
        return compare(first[:, ::-1] if self.mirrored else first, second)

    def pair(self, likeness: Likeness) -> Pair:
        """What is told of them: of two images in two entries, where there are such."""
        first, second = min(
            ((a, b) for a in self.first.members for b in self.second.members),
            key=lambda pair: pair[0].place == pair[1].place,
        )
        kind = 'mirrored' if self.mirrored else 'near'
        return Pair(first, second, kind, self.distance, likeness.score)


def _rows(
    candidates: Candidates, contents: Sequence[_Content], seen: Sequence[int]
) -> Iterator[_Candidate]:
    columns = (candidates.first, candidates.second, candidates.mirrored, candidates.distance)
    for i, j, mirrored, distance in zip(*(c.tolist() for c in columns), strict=True):
        one, other = seen[i], seen[j]
        yield _Candidate(one, other, contents[one], contents[other], mirrored, distance)
