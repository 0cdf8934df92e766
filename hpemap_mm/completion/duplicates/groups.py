"""Which things are one, given pairs that are: union-find."""

from __future__ import annotations


class Groups:
    """Things 0 ... count - 1, each alone until it is joined with others."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, one: int) -> int:
        """The smallest of the group that ``one`` is in."""
        while self._parent[one] != one:
            self._parent[one] = self._parent[self._parent[one]]  # halves the way for the next
            one = self._parent[one]
        return one

    def together(self, one: int, other: int) -> bool:
        """Whether both are in one group."""
        return self.root(one) == self.root(other)

    def join(self, one: int, other: int) -> None:
        """Make one group of two."""
        low, high = sorted((self.root(one), self.root(other)))
        self._parent[high] = low

    def members(self) -> list[list[int]]:
        """All groups, those of one too, each sorted, in the order of their smallest."""
        found: dict[int, list[int]] = {}
        for one in range(len(self._parent)):
            found.setdefault(self.root(one), []).append(one)
        return list(found.values())
