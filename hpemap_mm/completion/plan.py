"""What a run completes, cut into shards, and whether an interrupted one can go on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from hpemap_mm.errors import DataError, Problem, ProblemList
from hpemap_mm.files import write_json

NAME = 'plan.json'
PARTS = 'parts'
#: Counts the changes of what a plan and its parts look like.
FORM = 2


@dataclass(frozen=True, kw_only=True)
class EntryPlan:
    """An entry, as it was found.

    Attributes:
        name: Its name.
        skeleton: What it is annotated in.
        persons: That are completed.
        images: That it brings in, and no entry before it.
        labelled: Annotated joints.
        left_out: Annotated persons that cannot be completed.
    """

    name: str
    skeleton: str
    persons: int
    images: int
    labelled: int
    left_out: int = 0


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Consecutive persons of one entry: what is written at once.

    Attributes:
        number: Among all shards, from 0.
        entry: Number of the entry.
        part: Which row group of the entry's index.
        first: Id of its first person; ids count from 1 over all entries.
        persons: How many.
    """

    number: int
    entry: int
    part: int
    first: int
    persons: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f'{self.number:07d}'


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run does.

    Attributes:
        fingerprint: Plain values that the bytes of the output depend on: config, files, versions.
        entries: In order.
        shard_size: Persons of a shard, but the last of an entry.
        image_root: The deepest folder that holds all images, absolute.
        complete: Whether everything is written.
    """

    fingerprint: Mapping[str, Any]
    entries: tuple[EntryPlan, ...]
    shard_size: int
    image_root: str
    complete: bool = False

    @property
    def persons(self) -> int:
        """Of all entries."""
        return sum(entry.persons for entry in self.entries)

    @property
    def images(self) -> int:
        """Different ones, of all entries."""
        return sum(entry.images for entry in self.entries)

    @property
    def left_out(self) -> int:
        """Annotated persons that cannot be completed, of all entries."""
        return sum(entry.left_out for entry in self.entries)

    def shards(self) -> Iterator[Shard]:
        """All of them, in order."""
        number, first = 0, 1
        for place, entry in enumerate(self.entries):
            for part, start in enumerate(range(0, entry.persons, self.shard_size)):
                persons = min(self.shard_size, entry.persons - start)
                yield Shard(number=number, entry=place, part=part, first=first, persons=persons)
                number, first = number + 1, first + persons

    @property
    def shard_count(self) -> int:
        """How many shards there are."""
        return sum(-(-entry.persons // self.shard_size) for entry in self.entries)

    def write(self, folder: Path) -> None:
        """Write it, atomically."""
        write_json(folder / NAME, {'form': FORM, **asdict(self)})

    def finished(self) -> Plan:
        """The same with everything written."""
        return replace(self, complete=True)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The folder's plan; None where there is none.

        Raises:
            DataError: The file is none of this version.
        """
        path = folder / NAME
        try:
            value = json.loads(path.read_text(encoding='utf-8'))
        except FileNotFoundError:
            return None
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise _unreadable(path, f'is no json: {error}') from error
        if not isinstance(value, dict) or value.get('form') != FORM:
            raise _unreadable(path, 'is of another version of the tool')
        try:
            entries = tuple(EntryPlan(**entry) for entry in value['entries'])
            return cls(
                **{k: v for k, v in value.items() if k not in ('form', 'entries')}, entries=entries
            )
        except (KeyError, TypeError) as error:
            raise _unreadable(path, f'is no plan: {error!r}') from error


def _unreadable(path: Path, what: str) -> DataError:
    return DataError([Problem(str(path), what, 'name another --out, or remove this folder')])


def check_same(folder: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to go on with something else than what was begun.

    Raises:
        DataError: Naming every value that differs.
    """
    problems = ProblemList()
    fix = (
        'go on with what it was started with, or name another --out (or remove this folder) to '
        'start anew'
    )
    for key, before, now in differences(found, wanted):
        problems.add(folder / NAME, f'was started with {key} = {before}, this is {now}', fix)
    problems.raise_if_any()


def differences(found: Any, wanted: Any, key: str = '') -> list[tuple[str, str, str]]:
    """Dotted keys with both values as text, where two plain values differ."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        keys = list(dict.fromkeys((*found, *wanted)))
        return [
            difference
            for name in keys
            for difference in differences(
                found.get(name, _ABSENT), wanted.get(name, _ABSENT), f'{key}.{name}'.lstrip('.')
            )
        ]
    if _is_list(found) and _is_list(wanted) and len(found) == len(wanted):
        return [
            difference
            for place, (a, b) in enumerate(zip(found, wanted, strict=True))
            for difference in differences(a, b, f'{key}[{place}]')
        ]
    return [] if found == wanted else [(key, _short(found), _short(wanted))]


class _Absent:
    def __repr__(self) -> str:
        return 'nothing'


_ABSENT = _Absent()


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _short(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else f'{text[: limit - 3]}...'
