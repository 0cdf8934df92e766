"""What a conversion could not carry over, counted while it runs and told at its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PLURALS = {'box': 'boxes'}


def named(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Keys that say something in any row; an empty list, as of a segmentation, says nothing."""
    return {key for row in rows for key, value in row.items() if value != []}


class Ledger:
    """Counts losses and remarks of one kind each; keeps the order in which they came up."""

    def __init__(self) -> None:
        self._lost: dict[tuple[str, str], int] = {}
        self._notes: dict[tuple[str, str], int] = {}
        self._fields: dict[str, set[str]] = {}
        self._remarks: dict[str, None] = {}

    def lost(self, count: int, noun: str, what: str) -> None:
        """Note things that the target does not have any more."""
        if count:
            self._lost[noun, what] = self._lost.get((noun, what), 0) + int(count)

    def note(self, count: int, noun: str, what: str) -> None:
        """Note things that the target has in another way."""
        if count:
            self._notes[noun, what] = self._notes.get((noun, what), 0) + int(count)

    def remark(self, text: str) -> None:
        """Note a sentence, once."""
        self._remarks[text] = None

    def fields(self, target: str, names: Iterable[str]) -> None:
        """Note what a format has no room for."""
        self._fields.setdefault(target, set()).update(names)

    @property
    def losses(self) -> tuple[str, ...]:
        """Sentences about what is gone."""
        told = [_sentence(count, *key) for key, count in self._lost.items()]
        told += [
            f'{target} has no room for: {", ".join(sorted(names))}'
            for target, names in self._fields.items()
            if names
        ]
        return tuple(told)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what is otherwise."""
        return (*(_sentence(count, *key) for key, count in self._notes.items()), *self._remarks)


def _sentence(count: int, noun: str, what: str) -> str:
    plural = PLURALS.get(noun, f'{noun}s')
    return f'{count} {noun if count == 1 else plural} {what}'
