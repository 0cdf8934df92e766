"""Problems found in a user's files: collected, then raised once, each with its fix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

#: How many names or ids an error lists.
SHOWN = 5


@dataclass(frozen=True)
class Problem:
    """One fault in a user's input.

    Attributes:
        where: The file (and, where it matters, the entry in it).
        what: What is wrong, with the offending value.
        fix: What the user can do about it.
    """

    where: str
    what: str
    fix: str

    def __str__(self) -> str:
        """Render as ``where: what`` with the fix on the same line."""
        return f'{self.where}: {self.what} -> {self.fix}'


class DataError(ValueError):
    """Raised with every problem that was found, not only the first.

    Attributes:
        problems: All problems, in the order in which they were found.
    """

    max_shown = 20

    def __init__(self, problems: list[Problem] | str) -> None:
        if isinstance(problems, str):
            # torch's DataLoader raises a worker's error anew, from its text.
            self.problems = []
            super().__init__(problems)
            return
        self.problems = list(problems)
        shown = [f'  {p}' for p in self.problems[: self.max_shown]]
        if len(self.problems) > self.max_shown:
            shown.append(f'  ... and {len(self.problems) - self.max_shown} more')
        noun = 'problem' if len(self.problems) == 1 else 'problems'
        super().__init__('\n'.join([f'{len(self.problems)} {noun} found:', *shown]))

    def __reduce__(self) -> tuple[type[DataError], tuple[list[Problem] | str]]:
        """Survive pickling."""
        return type(self), (self.problems or str(self),)


class ProblemList:
    """Collects problems; :meth:`raise_if_any` raises them together."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    def add(self, where: object, what: str, fix: str) -> None:
        """Note one problem."""
        self._problems.append(Problem(str(where), what, fix))

    def extend(self, error: DataError) -> None:
        """Take over the problems of a caught :class:`DataError`."""
        self._problems.extend(error.problems)

    def raise_if_any(self) -> None:
        """Raise :class:`DataError` with all problems, if there are any."""
        if self._problems:
            raise DataError(self._problems)

    def __len__(self) -> int:
        return len(self._problems)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._problems)


def some(items: Iterable[object]) -> str:
    """The first few of ``items``, and how many there are."""
    values = list(items)
    shown = ', '.join(str(value) for value in values[:SHOWN])
    return shown if len(values) <= SHOWN else f'{shown}, ... ({len(values)} in all)'
