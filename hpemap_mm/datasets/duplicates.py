"""The list of images that occur more than once, as tools/find_duplicates.py writes it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.files import write_json

#: Written into the file, so that another json is told from it.
FORMAT = 'hpemap_mm duplicates 1'
#: ``exact``: the same bytes. ``near``: re-encoded, resized or cropped. ``mirrored``: and in the
#: mirror.
KINDS = ('exact', 'near', 'mirrored')
#: The split that must have nothing in common with the others.
TRAIN = 'train'
#: What it must have nothing in common with.
HELD_OUT = ('val', 'test')
FIX = 'make it with `python tools/find_duplicates.py CONFIG`'


@dataclass(frozen=True)
class Place:
    """An entry that was searched.

    Attributes:
        split: ``'train'``, ``'val'``, ``'test'``, or ``'folder'``.
        entry: Its name in its split.
        folder: Of its images.
        images: How many different ones.
        digest: Of their names; see :func:`digest_of`.
    """

    split: str
    entry: str
    folder: str
    images: int
    digest: str

    def __str__(self) -> str:
        return f'{self.split} {self.entry}'


@dataclass(frozen=True, order=True)
class Member:
    """An image of an entry.

    Attributes:
        split: As in :class:`Place`.
        entry: As in :class:`Place`.
        image: Its path, relative to the entry's folder.
    """

    split: str
    entry: str
    image: str

    @property
    def place(self) -> tuple[str, str]:
        """Split and entry."""
        return self.split, self.entry


@dataclass(frozen=True)
class Pair:
    """Two images that were found to be one, or nearly so.

    Attributes:
        first: One.
        second: The other.
        kind: One of :data:`KINDS`.
        distance: Bits of 256 in which their hashes differ.
        score: Correlation of their details, 0 to 1.
    """

    first: Member
    second: Member
    kind: str
    distance: int
    score: float

    @property
    def leaks(self) -> bool:
        """Whether one is trained on and the other evaluated on."""
        return leaking({self.first.split, self.second.split})


@dataclass(frozen=True)
class Duplicates:
    """What was found.

    Attributes:
        places: The entries, in the order of the config.
        pairs: What joins the groups; not every pair of a group.
        groups: Images that are one, in the order of the places.
        alike: Pairs that are nearly alike enough, but are not counted: photographs of one scene,
            most often.
        unreadable: What is wrong with images that could not be compared at all.
        by_bytes_only: Why the looks of an image tell nothing: those are compared byte by byte.
        within: Whether images of one entry were compared with each other.
    """

    places: tuple[Place, ...]
    pairs: tuple[Pair, ...] = ()
    groups: tuple[tuple[Member, ...], ...] = ()
    alike: tuple[Pair, ...] = ()
    unreadable: Mapping[Member, str] = field(default_factory=dict)
    by_bytes_only: Mapping[Member, str] = field(default_factory=dict)
    within: bool = False

    @cached_property
    def leaked(self) -> tuple[tuple[Member, ...], ...]:
        """The groups that have images in training and in evaluation."""
        return tuple(g for g in self.groups if leaking({member.split for member in g}))

    def place(self, split: str, entry: str) -> Place | None:
        """The entry of that name; None if it was not searched."""
        found = (p for p in self.places if (p.split, p.entry) == (split, entry))
        return next(found, None)

    def left_out(self, entry: str, *, within: bool = False) -> frozenset[str]:
        """Images of a training entry that should not be trained on.

        Args:
            entry: Its name.
            within: Not only images that are in evaluation, too, but also all of a group of
                training images but its first.
        """
        out: set[str] = set()
        for group in self.groups:
            train = [member for member in group if member.split == TRAIN]
            if leaking({member.split for member in group}):
                out |= {member.image for member in train if member.entry == entry}
            elif within:
                out |= {member.image for member in train[1:] if member.entry == entry}
        return frozenset(out)


def leaking(splits: Iterable[str]) -> bool:
    """Whether training meets evaluation in these splits."""
    found = set(splits)
    return TRAIN in found and not found.isdisjoint(HELD_OUT)


def image_name(path: str, folder: str) -> str:
    """An image's path relative to its entry's folder, with slashes; as it is outside of it."""
    relative = os.path.relpath(path, folder or '.')
    return Path(path if relative.startswith('..') else relative).as_posix()


def digest_of(names: Iterable[str]) -> str:
    """The first half of the SHA-256 of the sorted names: the same for the same images."""
    text = '\n'.join(sorted(set(names)))
    return hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:32]


def write_duplicates(
    path: str | os.PathLike[str], found: Duplicates, about: Mapping[str, Any]
) -> None:
    """Write the file, atomically.

    Args:
        path: The file.
        found: What to write.
        about: What produced it: command, versions, settings.
    """
    write_json(
        path,
        {
            'format': FORMAT,
            'about': dict(about),
            'within': found.within,
            'places': [asdict(place) for place in found.places],
            'pairs': [_pair(pair) for pair in found.pairs],
            'groups': [[asdict(member) for member in group] for group in found.groups],
            'alike': [_pair(pair) for pair in found.alike],
            'unreadable': _remarks(found.unreadable),
            'by_bytes_only': _remarks(found.by_bytes_only),
        },
    )


def _pair(pair: Pair) -> dict[str, Any]:
    return {**asdict(pair), 'score': round(pair.score, 4)}


def _remarks(remarks: Mapping[Member, str]) -> list[dict[str, str]]:
    return [{**asdict(member), 'what': what} for member, what in remarks.items()]


def read_duplicates(path: str | os.PathLike[str]) -> Duplicates:
    """Read what :func:`write_duplicates` wrote.

    Raises:
        DataError: The file is missing, is another one, or was damaged.
    """
    where = str(path)
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise _error(where, 'the list of duplicates is missing', FIX) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise _error(where, f'is no list of duplicates: {error}', FIX) from None
    if not isinstance(content, dict) or content.get('format') != FORMAT:
        got = content.get('format') if isinstance(content, dict) else type(content).__name__
        raise _error(where, f'is no list of duplicates (format {got!r}, not {FORMAT!r})', FIX)
    try:
        return Duplicates(
            places=tuple(Place(**place) for place in content['places']),
            pairs=_read_pairs(content['pairs']),
            groups=tuple(tuple(Member(**m) for m in group) for group in content['groups']),
            alike=_read_pairs(content['alike']),
            unreadable=_read_remarks(content['unreadable']),
            by_bytes_only=_read_remarks(content['by_bytes_only']),
            within=bool(content['within']),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _error(where, f'the list of duplicates is damaged: {error!r}', FIX) from error


def _read_pairs(rows: Sequence[Mapping[str, Any]]) -> tuple[Pair, ...]:
    return tuple(
        Pair(**{**row, 'first': Member(**row['first']), 'second': Member(**row['second'])})
        for row in rows
    )


def _read_remarks(rows: Sequence[Mapping[str, str]]) -> dict[Member, str]:
    return {Member(r['split'], r['entry'], r['image']): r['what'] for r in rows}


def _error(where: str, what: str, fix: str) -> DataError:
    return DataError([Problem(where, what, fix)])
